//! The fee wallet of the service: opened, and kept to servers that the watcher found nothing wrong with.

use crate::chain::electrum::Reach;
use crate::chain::{ChainSource, ServerState, ServerStatus};
use crate::config::Config;
use crate::escrow::refund::RefundBundle;
use crate::keys::Passphrase;
use crate::service::views::FeeWalletView;
use crate::service::{FeeWallet, FundError, Funded};
use crate::wallet::{BatchRequest, ExternalSigner, FundedBatch, OperatorWallet, WalletError, Word};
use anyhow::Context;
use bitcoin::{Amount, FeeRate, OutPoint, Transaction};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Name of the systemd credential with the fee wallet's passphrase.
const PASSPHRASE_CREDENTIAL: &str = "wallet-passphrase";

/// The operator's wallet, opened with the passphrase that the settings or systemd give.
pub(super) fn open(
    config: &Config,
    chain: Arc<dyn ChainSource>,
) -> anyhow::Result<Option<Box<dyn FeeWallet>>> {
    let unlock = |path: &Path| -> anyhow::Result<Passphrase> {
        let credential =
            || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(PASSPHRASE_CREDENTIAL));
        let credential = credential().filter(|path| path.exists());
        let Some(file) = config.wallet_passphrase_file.clone().or(credential) else {
            anyhow::bail!(
                "{} is encrypted: name a file with its passphrase as wallet_passphrase_file, or give the systemd \
                 credential {PASSPHRASE_CREDENTIAL}",
                path.display()
            );
        };
        let read = Passphrase::read_file(&file);
        read.with_context(|| format!("the fee wallet's passphrase in {}", file.display()))
    };
    let Some(mut wallet) = OperatorWallet::open_with(&config.data_dir, config.network, unlock)? else {
        tracing::warn!(
            "there is no fee wallet: refunds will go by their own ladders (`upfront wallet new` makes one)"
        );
        return Ok(None);
    };
    match (wallet.is_watch_only(), config.wallet_signer.is_empty()) {
        (true, false) => {
            let timeout = Duration::from_secs(config.wallet_signer_timeout_secs);
            wallet.set_signer(ExternalSigner::new(config.wallet_signer.clone(), timeout));
        }
        (true, true) => tracing::warn!(
            "the fee wallet's descriptor is public and wallet_signer is not set: refunds will go by their own ladders"
        ),
        (false, false) => tracing::warn!("wallet_signer is not used: the fee wallet has its keys here"),
        (false, true) => {}
    }
    let servers = config.electrum.reaches()?;
    let least_sat = config.fee_wallet_low_sat;
    Ok(Some(Box::new(ElectrumFeeWallet { wallet, servers, chain, last: None, least_sat })))
}

/// How often and how long servers that are a block ahead are given for ours to come as far.
const AHEAD: (u32, Duration) = (10, Duration::from_millis(200));

/// The operator's wallet with the servers it asks: the first that the watcher holds to be at the best tip.
struct ElectrumFeeWallet {
    wallet: OperatorWallet,
    servers: Vec<Reach>,
    chain: Arc<dyn ChainSource>,
    /// Where what the wallet knows is from.
    last: Option<String>,
    /// The operator's own limit, below which it is low whatever refunds need.
    least_sat: u64,
}

impl ElectrumFeeWallet {
    /// The servers that are connected and at the best tip, and its height. One that broke a rule, lags or follows
    /// another chain is not asked.
    fn good(&self) -> (Vec<Reach>, Option<u32>) {
        let mut best = None;
        let statuses = self.chain.servers();
        let good = |server: &&ServerStatus| server.state == ServerState::Connected && server.at_best_tip;
        let mut addresses = BTreeSet::new();
        for status in statuses.iter().filter(good) {
            addresses.insert(status.address.as_str());
            best = best.max(status.tip.map(|tip| tip.height));
        }
        (
            self.servers.iter().filter(|reach| addresses.contains(reach.url().as_str())).cloned().collect(),
            best,
        )
    }

    /// Asks one of them. What it says is mined must be so in the blocks that the watcher checked.
    fn sync_with(&mut self, server: &Reach, best: Option<u32>) -> Result<(), WalletError> {
        let chain = Arc::clone(&self.chain);
        let judge = |height, hash| match chain.block(height) {
            Some((ours, _)) if ours == hash => Word::Ours,
            Some(_) => Word::Other,
            None if best.is_some_and(|best| height > best) => Word::Ahead,
            None => Word::Unknown,
        };
        self.wallet.sync_on(server, &judge)?;
        self.last = Some(server.url());
        Ok(())
    }

    /// Asks the first of them that answers, leaving out those in `skip`.
    fn sync_without(&mut self, skip: &BTreeSet<String>) -> Result<(), FundError> {
        let mut failed =
            FundError::Failed { detail: "no Electrum server is connected and at the best tip".into() };
        for attempt in 0..AHEAD.0 {
            let (servers, best) = self.good();
            let mut ahead = false;
            for server in servers.iter().filter(|server| !skip.contains(&server.url())) {
                match self.sync_with(server, best) {
                    Ok(()) => return Ok(()),
                    Err(error @ WalletError::Ahead { .. }) => {
                        (ahead, failed) = (true, error.into());
                    }
                    Err(error @ (WalletError::Server { .. } | WalletError::OtherChain { .. })) => {
                        tracing::warn!(server.address = %server.url(), %error, "the fee wallet asks the next server");
                        failed = error.into();
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            // A block has just come: ours will have it in a moment.
            if !ahead || attempt + 1 == AHEAD.0 {
                break;
            }
            std::thread::sleep(AHEAD.1);
        }
        Err(failed)
    }
}

impl From<WalletError> for FundError {
    fn from(error: WalletError) -> FundError {
        match error {
            WalletError::InsufficientFunds { needed, available } => {
                FundError::Insufficient { needed, available }
            }
            WalletError::Signer(error) => FundError::Signer { detail: error.to_string() },
            other => FundError::Failed { detail: other.to_string() },
        }
    }
}

impl FeeWallet for ElectrumFeeWallet {
    fn sync(&mut self) -> Result<(), FundError> {
        self.sync_without(&BTreeSet::new())
    }

    fn view(&mut self) -> Result<FeeWalletView, FundError> {
        let balance = self.wallet.balance();
        Ok(FeeWalletView {
            confirmed_sat: balance.confirmed.to_sat(),
            pending_sat: balance.pending.to_sat(),
            address: self.wallet.address()?.to_string(),
            needed_sat: self.least_sat,
            low: false,
            signer_error: None,
        })
    }

    fn fund(
        &mut self,
        bundles: &[&RefundBundle],
        feerate: FeeRate,
        max_fee: Amount,
        replaces: &[Transaction],
        avoid: &HashSet<OutPoint>,
    ) -> Result<Funded, FundError> {
        let request = BatchRequest { bundles, feerate, max_fee, replaces, avoid };
        let mut asked = BTreeSet::new();
        loop {
            match self.wallet.fund_batch(&request) {
                Ok(FundedBatch { transaction, fee, fee_inputs }) => {
                    return Ok(Funded { transaction, fee, fee_inputs });
                }
                // A server may keep money from us: the others may know of it.
                Err(error @ (WalletError::Empty | WalletError::InsufficientFunds { .. })) => {
                    asked.extend(self.last.take());
                    if self.sync_without(&asked).is_err() {
                        return Err(error.into());
                    }
                }
                Err(other) => return Err(other.into()),
            }
        }
    }

    fn note_broadcast(&mut self, transaction: &Transaction, now_secs: u64) {
        if let Err(error) = self.wallet.note_broadcast(transaction, now_secs) {
            tracing::warn!(%error, "the fee wallet could not note its own batch; the next sync finds it");
        }
    }
}
