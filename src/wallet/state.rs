//! What the chain said, on disk: one JSON file, replaced whole. Nothing in it is secret, and all of it can
//! be had again from the descriptors and the chain.

use super::WalletError;
use super::descriptor::{Branch, FeeKeys};
use crate::escrow::network::Network;
use crate::keys::{KeyFileError, replace_file};
use bdk_wallet::chain::Merge;
use bdk_wallet::{ChangeSet, KeychainKind, Wallet};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::PathBuf;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    scanned: bool,
    changes: ChangeSet,
}

/// All changes since the wallet was made, and whether the chain was ever scanned for it.
pub(super) struct State {
    path: PathBuf,
    pub(super) scanned: bool,
    changes: ChangeSet,
    /// `scanned` as it is on disk; `None` where the file must be written.
    written: Option<bool>,
}

impl State {
    /// Reads the state and the wallet in it; a missing, broken or foreign file gives an empty one.
    pub(super) fn load(
        path: PathBuf,
        network: Network,
        keys: &FeeKeys,
    ) -> Result<(State, Wallet), WalletError> {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                return Err(KeyFileError::File { action: "cannot read", path, source }.into());
            }
        };
        let stored = serde_json::from_slice::<Stored>(&bytes).ok().filter(|s| s.version == VERSION);
        if let Some(stored) = stored {
            if stored.changes.network.is_some_and(|found| found != network.bitcoin()) {
                return Err(WalletError::WrongNetwork {
                    what: path.display().to_string(),
                    expected: network,
                });
            }
            let params = Wallet::load()
                .descriptor(KeychainKind::External, Some(keys.public(Branch::External).clone()))
                .descriptor(KeychainKind::Internal, Some(keys.public(Branch::Internal).clone()))
                .check_network(network.bitcoin());
            if let Ok(Some(wallet)) = Wallet::load_with_params(stored.changes.clone(), params) {
                let Stored { scanned, changes, .. } = stored;
                return Ok((State { path, scanned, changes, written: Some(scanned) }, wallet));
            }
        }
        let mut state = State { path, scanned: false, changes: ChangeSet::default(), written: None };
        let wallet = state.start_over(network, keys);
        Ok((state, wallet))
    }

    /// An empty wallet of these keys, to be scanned.
    pub(super) fn start_over(&mut self, network: Network, keys: &FeeKeys) -> Wallet {
        self.scanned = false;
        self.changes = ChangeSet::default();
        self.written = None;
        let [external, internal] = [Branch::External, Branch::Internal].map(|b| keys.public(b).clone());
        Wallet::create(external, internal)
            .network(network.bitcoin())
            .create_wallet_no_persist()
            .expect("two different public BIP86 descriptors of this network")
    }

    /// Writes what has changed; on the disk when this returns.
    pub(super) fn persist(&mut self, wallet: &mut Wallet) -> Result<(), KeyFileError> {
        if let Some(staged) = wallet.take_staged() {
            self.changes.merge(staged);
            self.written = None;
        }
        if self.written == Some(self.scanned) {
            return Ok(());
        }
        let stored = Stored { version: VERSION, scanned: self.scanned, changes: self.changes.clone() };
        let bytes = serde_json::to_vec(&stored).expect("changes have text for keys");
        replace_file(&self.path, &bytes)?;
        self.written = Some(self.scanned);
        Ok(())
    }
}
