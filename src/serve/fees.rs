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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::MemoryCache;
    use crate::chain::electrum::{ElectrumChain, ElectrumConfig};
    use crate::chain::testing::{Server, tx};
    use crate::escrow::descriptor::{Contract, Slot};
    use crate::escrow::network::Network;
    use crate::escrow::refund::RefundTarget;
    use crate::escrow::testing;
    use bitcoin::ScriptBuf;
    use bitcoin::hashes::Hash;
    use bitcoin::secp256k1::Secp256k1;
    use tempfile::TempDir;

    const NETWORK: Network = Network::Regtest;

    /// A fee wallet on a watcher of scripted servers.
    struct Wallet {
        fees: ElectrumFeeWallet,
        _dir: TempDir,
    }

    impl Wallet {
        fn of(servers: &[&Server]) -> Wallet {
            let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
            let servers = Reach::each(&urls.join(","), None).unwrap();
            let at = servers.iter().map(|reach| reach.server.clone()).collect();
            let mut config = ElectrumConfig::with_servers(at, NETWORK.bitcoin());
            config.dropped = (Duration::from_secs(600), Duration::from_secs(600));
            let (chain, mut updates, _) = ElectrumChain::start(config, Arc::new(MemoryCache::default()));
            let dir = tempfile::tempdir().unwrap();
            let wallet = OperatorWallet::create(dir.path(), NETWORK).unwrap();
            let fees = ElectrumFeeWallet { wallet, servers, chain, last: None, least_sat: 0 };
            tokio::spawn(async move { while updates.recv().await.is_some() {} });
            Wallet { fees, _dir: dir }
        }

        fn script(&mut self) -> ScriptBuf {
            self.fees.wallet.address().unwrap().script_pubkey()
        }

        async fn until(&self, what: &str, reached: impl Fn(&[ServerStatus]) -> bool) {
            for _ in 0..500 {
                if reached(&self.fees.chain.servers()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("waited in vain for {what}: {:?}", self.fees.chain.servers());
        }

        fn sync(&mut self) -> Result<(), FundError> {
            tokio::task::block_in_place(|| self.fees.sync())
        }

        fn confirmed_sat(&self) -> u64 {
            self.fees.wallet.balance().confirmed.to_sat()
        }

        fn fund(&mut self) -> Result<Funded, FundError> {
            let secp = Secp256k1::new();
            let contract = Contract::new(&testing::charter(NETWORK)).unwrap();
            let key = testing::sponsor(1);
            let output = contract.pledge(&secp, Slot::pledge(1), key.x_only_public_key().0).unwrap();
            let outpoint = OutPoint { txid: bitcoin::Txid::hash(b"paid"), vout: 0 };
            let (amount, to) = (Amount::from_sat(50_000), testing::address(NETWORK, 7));
            let target = RefundTarget::new(output, outpoint, amount, &to).unwrap();
            let bundle = RefundBundle::sign(&secp, target, &key).unwrap();
            let (feerate, most) = (FeeRate::from_sat_per_vb_u32(2), Amount::from_sat(5_000));
            tokio::task::block_in_place(|| self.fees.fund(&[&bundle], feerate, most, &[], &HashSet::new()))
        }
    }

    fn best(statuses: &[ServerStatus]) -> bool {
        statuses.iter().all(|server| server.state == ServerState::Connected && server.at_best_tip)
    }

    async fn two() -> (Server, Server) {
        let (first, second) = (Server::start(12).await, Server::start(0).await);
        second.change(|m| m.copy(&first.model()));
        (first, second)
    }

    /// The preferred server was dropped for a lie: what it says of the wallet's money is not asked for.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_dropped_server_does_not_feed_the_wallet() {
        let (liar, honest) = two().await;
        liar.change(|m| m.blocks.last_mut().unwrap().header.prev_blockhash = m.blocks[3].header.block_hash());
        let mut wallet = Wallet::of(&[&liar, &honest]);
        let dropped = |server: &ServerStatus| matches!(server.state, ServerState::Dropped { .. });
        wallet.until("dropped", |all| dropped(&all[0]) && best(&all[1..])).await;
        let calls = |server: &Server| server.model().calls.get("blockchain.scripthash.get_history").copied();
        wallet.sync().unwrap();
        assert!(calls(&liar).is_none() && calls(&honest).is_some(), "the honest one alone was asked");
        honest.stop();
        wallet.until("gone", |all| all[1].state != ServerState::Connected).await;
        let error = wallet.sync().unwrap_err();
        assert!(error.to_string().contains("best tip"), "nobody is left to be asked: {error}");
    }

    /// It follows the best chain as the watcher sees it, and shows the wallet another one with money in it.
    #[tokio::test(flavor = "multi_thread")]
    async fn money_in_blocks_that_the_watcher_does_not_know_is_not_taken_over() {
        let (liar, honest) = two().await;
        let mut wallet = Wallet::of(&[&liar, &honest]);
        wallet.until("both", best).await;
        let script = wallet.script();
        // Told to nobody who listens: the watcher still holds it to be at the best tip.
        let paid = tx(1, None, &[(script.clone(), 100_000)]);
        {
            let mut model = liar.model();
            model.undo(2);
            model.mine(vec![paid.clone()]);
            model.mine(vec![]);
        }
        wallet.sync().unwrap();
        assert_eq!((wallet.confirmed_sat(), wallet.fees.last.as_ref()), (0, Some(&honest.url())));
        wallet.fund().unwrap_err();
        // What is in the blocks that the watcher proved is taken, whoever tells.
        for server in [&liar, &honest] {
            server.change(|m| m.mempool.clear());
        }
        honest.change(|m| m.mine(vec![paid]));
        liar.change(|m| m.copy(&honest.model()));
        wallet.until("both again", |all| best(all) && all[0].tip.unwrap().height == 13).await;
        wallet.sync().unwrap();
        assert_eq!((wallet.confirmed_sat(), wallet.fees.last.as_ref()), (100_000, Some(&liar.url())));
    }

    /// The preferred server leaves the wallet's money out: the other one knows of it, and the batch is paid for.
    #[tokio::test(flavor = "multi_thread")]
    async fn money_that_one_server_hides_is_found_at_the_next() {
        let (liar, honest) = two().await;
        let mut wallet = Wallet::of(&[&liar, &honest]);
        let paid = tx(1, None, &[(wallet.script(), 100_000)]);
        honest.change(|m| m.mine(vec![paid.clone()]));
        liar.change(|m| {
            m.copy(&honest.model());
            m.omitted.insert(paid.compute_txid());
        });
        wallet.until("both", |all| best(all) && all[0].tip.unwrap().height == 13).await;
        wallet.sync().unwrap();
        assert_eq!((wallet.confirmed_sat(), wallet.fees.last.as_ref()), (0, Some(&liar.url())));
        let funded = wallet.fund().unwrap();
        assert_eq!(funded.fee_inputs, [OutPoint { txid: paid.compute_txid(), vout: 0 }]);
        wallet.sync().unwrap();
        assert_eq!(wallet.fees.last.as_ref(), Some(&liar.url()));
        assert_eq!(wallet.fund().unwrap(), funded, "what was proved once is not hidden again");
    }
}
