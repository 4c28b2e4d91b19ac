//! What an Electrum server says of the fee wallet's money, and what of it is taken over.

use super::{OperatorWallet, WalletError, server_error};
use crate::chain::electrum::Reach;
use crate::chain::oneshot::{self, BlockingClient};
use bdk_electrum::BdkElectrumClient;
use bdk_electrum::electrum_client::ElectrumApi;
use bdk_wallet::{KeychainKind, Update};
use bitcoin::BlockHash;
use bitcoin::constants::genesis_block;
use std::time::Duration;

/// Unused addresses in a row after which a full scan stops (BIP44).
const STOP_GAP: usize = 20;
/// Scripts asked for in one request.
const BATCH_SIZE: usize = 20;
/// A server that says nothing for so long is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is known of a block that a server names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is in the best chain.
    Ours,
    /// Nothing is known at this height.
    Unknown,
    /// It is above the best block known.
    Ahead,
    /// Another block is at this height.
    Other,
}

/// Knows blocks by height and hash.
pub type Judge<'a> = &'a dyn Fn(u32, BlockHash) -> Word;

/// Connects to a server.
pub(super) fn connect(server: &Reach) -> Result<BlockingClient, WalletError> {
    oneshot::connect(server, TIMEOUT).map_err(|e| server_error(&server.url(), &e.to_string()))
}

/// Whether every block that an update stands on is one that may be believed.
fn judged(update: &Update, server: &str, judge: Judge<'_>) -> Result<(), WalletError> {
    for block in update.chain.iter().flat_map(|tip| tip.iter()) {
        let height = block.height();
        match judge(height, block.hash()) {
            Word::Ours | Word::Unknown => {}
            Word::Ahead => return Err(WalletError::Ahead { server: server.to_owned(), height }),
            Word::Other => return Err(WalletError::OtherChain { server: server.to_owned(), height }),
        }
    }
    Ok(())
}

impl OperatorWallet {
    /// Asks an Electrum server for all that concerns this wallet. The first time, and whenever the server's
    /// chain does not continue the one known, everything is scanned anew.
    ///
    /// # Errors
    /// [`WalletError::Server`], [`WalletError::WrongNetwork`], [`WalletError::File`].
    pub fn sync(&mut self, server: &Reach) -> Result<(), WalletError> {
        self.sync_on(server, &|_, _| Word::Unknown)
    }

    /// As [`OperatorWallet::sync`], and takes nothing over unless the server's blocks are those that `judge`
    /// knows: what it says is mined is proved against these then, and no longer against its own headers alone.
    ///
    /// # Errors
    /// As there; [`WalletError::Ahead`], [`WalletError::OtherChain`].
    pub fn sync_on(&mut self, server: &Reach, judge: Judge<'_>) -> Result<(), WalletError> {
        let url = server.url();
        let failed = |detail: String| server_error(&url, &detail);
        let client = connect(server)?;
        let genesis = client.block_header(0).map_err(|e| failed(e.to_string()))?.block_hash();
        if genesis != genesis_block(self.network.params()).block_hash() {
            let what = format!("Electrum server {url}");
            return Err(WalletError::WrongNetwork { what, expected: self.network });
        }
        let tip = client.block_headers_subscribe().map_err(|e| failed(e.to_string()))?;
        // bdk_electrum ignores a chain that is shorter than the one known, but it may be the better one.
        if u32::try_from(tip.height).is_ok_and(|height| height < self.tip_height()) {
            self.forget();
        }
        let client = BdkElectrumClient::new(client);
        client.populate_tx_cache(self.wallet.tx_graph().full_txs().map(|node| node.tx));
        let ask = |this: &Self| {
            let update = this.ask(&client).map_err(|e| failed(e.to_string()))?;
            judged(&update, &url, judge).map(|()| update)
        };
        let update = match ask(self) {
            // The other block is one that this wallet was told of earlier: by whom, nobody knows any more.
            Err(WalletError::OtherChain { height, .. }) if self.stands_on_other(height, judge) => {
                self.forget();
                ask(self)
            }
            asked => asked,
        };
        if self.absorb(update?).is_err() {
            self.forget();
            let update = ask(self)?;
            self.absorb(update).map_err(|e| failed(e.to_string()))?;
        }
        self.persist()
    }

    fn ask(
        &self,
        client: &BdkElectrumClient<BlockingClient>,
    ) -> Result<Update, bdk_electrum::electrum_client::Error> {
        if self.state.scanned {
            let request = self.wallet.start_sync_with_revealed_spks();
            client.sync(request, BATCH_SIZE, false).map(Update::from)
        } else {
            client.full_scan(self.wallet.start_full_scan(), STOP_GAP, BATCH_SIZE, false).map(Update::from)
        }
    }

    pub(super) fn absorb(
        &mut self,
        update: Update,
    ) -> Result<(), bdk_wallet::chain::local_chain::CannotConnectError> {
        self.wallet.apply_update(update)?;
        self.state.scanned = true;
        Ok(())
    }

    fn stands_on_other(&self, height: u32, judge: Judge<'_>) -> bool {
        let known = self.wallet.local_chain().get(height);
        known.is_some_and(|block| judge(height, block.hash()) == Word::Other)
    }

    /// Drops all that the chain said; addresses handed out stay watched.
    pub(super) fn forget(&mut self) {
        let revealed = [KeychainKind::External, KeychainKind::Internal]
            .map(|keychain| (keychain, self.wallet.derivation_index(keychain)));
        self.wallet = self.state.start_over(self.network, &self.keys);
        for (keychain, index) in revealed {
            if let Some(index) = index {
                let _ = self.wallet.reveal_addresses_to(keychain, index);
            }
        }
    }
}
