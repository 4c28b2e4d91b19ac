//! The watcher against a scripted server on a real socket.

mod hostile;
mod lies;
mod linger;
mod real;
mod several;
mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Amount, Network, OutPoint, ScriptBuf, Transaction, Witness};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::{ElectrumChain, ElectrumConfig, ServerConfig, Trust};
use crate::chain::testing::{Server, script, tx};
use crate::chain::{BroadcastError, ChainCache, ChainError, ChainSource, ChainUpdate, MemoryCache};
use crate::escrow::facts::{Deposit, ScriptView, SpendPath, Tip};

/// A consumer: what the service would know after all updates so far.
struct Client {
    chain: Arc<ElectrumChain>,
    updates: Receiver<ChainUpdate>,
    cache: Arc<MemoryCache>,
    tip: Option<Tip>,
    views: BTreeMap<ScriptBuf, ScriptView>,
    reasons: Vec<String>,
    connected: usize,
}

fn config(servers: &[&Server]) -> ElectrumConfig {
    let servers = servers
        .iter()
        .map(|server| ServerConfig { address: server.url().parse().unwrap(), trust: Trust::Authorities });
    let mut config = ElectrumConfig::with_servers(servers.collect(), Network::Regtest);
    config.request_timeout = Duration::from_millis(500);
    config.backoff = (Duration::from_millis(10), Duration::from_millis(50));
    config.dropped = (Duration::from_millis(300), Duration::from_secs(1));
    (config.retry, config.patience) = (Duration::from_millis(30), Duration::from_millis(200));
    config.linger = Duration::from_millis(100);
    (config.fork_grace, config.sweep) = (Duration::from_millis(300), Duration::from_millis(100));
    config
}

impl Client {
    fn start(server: &Server, watched: &[ScriptBuf]) -> Self {
        Self::with(server, watched, Arc::default())
    }

    fn with(server: &Server, watched: &[ScriptBuf], cache: Arc<MemoryCache>) -> Self {
        Self::at(config(&[server]), watched, cache)
    }

    fn among(servers: &[&Server], watched: &[ScriptBuf]) -> Self {
        Self::at(config(servers), watched, Arc::default())
    }

    fn at(config: ElectrumConfig, watched: &[ScriptBuf], cache: Arc<MemoryCache>) -> Self {
        let (chain, updates, _) = ElectrumChain::start(config, Arc::clone(&cache) as Arc<dyn ChainCache>);
        chain.watch(watched.to_vec());
        let views = BTreeMap::new();
        Self { chain, updates, cache, tip: None, views, reasons: Vec::new(), connected: 0 }
    }

    fn apply(&mut self, update: ChainUpdate) {
        match update {
            ChainUpdate::Connected { .. } => self.connected += 1,
            ChainUpdate::Disconnected { reason, .. } => self.reasons.push(reason),
            ChainUpdate::Snapshot { tip, views } => {
                self.tip = Some(tip);
                self.views.extend(views);
            }
        }
    }

    /// Takes updates until `done`.
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let update = timeout(Duration::from_secs(10), self.updates.recv()).await;
            let update =
                update.unwrap_or_else(|_| panic!("waited in vain for: {what}; reasons {:?}", self.reasons));
            self.apply(update.expect("the watcher runs"));
        }
    }

    /// Looks again and again, until `done`, at what no update tells.
    async fn looking(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = std::time::Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "waited in vain for: {what}; {:?} {:?}",
                self.chain.servers(),
                self.chain.alarms()
            );
            self.for_a_while(20).await;
        }
    }

    fn alarm(&self, code: &str) -> bool {
        self.chain.alarms().iter().any(|alarm| alarm.code() == code)
    }

    /// How the server stands.
    fn status(&self, at: usize) -> crate::chain::ServerStatus {
        self.chain.servers()[at].clone()
    }

    /// Takes updates for a while.
    async fn for_a_while(&mut self, ms: u64) {
        let end = tokio::time::Instant::now() + Duration::from_millis(ms);
        while let Ok(Some(update)) = tokio::time::timeout_at(end, self.updates.recv()).await {
            self.apply(update);
        }
    }

    fn height(&self) -> Option<u32> {
        self.tip.map(|tip| tip.height)
    }

    /// (amount, height of the confirmation) of each deposit of a script.
    fn deposits(&self, script: &ScriptBuf) -> Vec<(u64, Option<u32>)> {
        let view = self.views.get(script).cloned().unwrap_or_default();
        view.deposits.iter().map(|d| (d.amount.to_sat(), d.confirmation.map(|c| c.height))).collect()
    }
}

fn pay(salt: u32, to: &ScriptBuf, sat: u64) -> Transaction {
    tx(salt, None, &[(script(99), 1_000), (to.clone(), sat)])
}

#[tokio::test]
async fn a_deposit_is_seen_then_confirmed_then_spent() {
    let server = Server::start(20).await;
    let (a, b) = (script(1), script(2));
    let mut client = Client::start(&server, &[a.clone(), b.clone()]);
    client.until("first snapshot", |c| c.height() == Some(20) && c.views.len() == 2).await;
    assert!(client.views.values().all(|view| *view == ScriptView::default()), "told once, also when empty");

    let deposit = pay(1, &a, 70_000);
    server.change(|m| m.mempool.push(deposit.clone()));
    client.until("seen", |c| c.deposits(&a) == [(70_000, None)]).await;
    server.change(|m| m.mine(vec![deposit.clone()]));
    client.until("mined", |c| c.height() == Some(21) && c.deposits(&a) == [(70_000, Some(21))]).await;
    let confirmation = client.views[&a].deposits[0].confirmation.unwrap();
    assert_eq!((confirmation.position, confirmation.block_hash), (1, server.model().tip_hash()));
    assert_eq!(client.tip.unwrap().hash, server.model().tip_hash());

    let prevout = OutPoint { txid: deposit.compute_txid(), vout: 1 };
    let spend = tx(2, Some((prevout, Witness::from_slice(&[[0u8; 64]]))), &[(script(98), 60_000)]);
    server.change(|m| m.mine(vec![spend.clone()]));
    client.until("spent", |c| c.views[&a].spends.len() == 1).await;
    let seen = client.views[&a].spends[0];
    assert_eq!(
        (seen.prevout, seen.txid, seen.vin, seen.path),
        (prevout, spend.compute_txid(), 0, SpendPath::Key)
    );
    assert_eq!(seen.confirmation.map(|c| c.height), Some(22));

    let proof = client.chain.proof(spend.compute_txid(), 22).await.unwrap();
    assert_eq!((proof.position, proof.transaction), (1, spend));
    assert!(matches!(client.chain.proof(prevout.txid, 20).await, Err(ChainError::Wrong { .. })));
    assert!(client.reasons.is_empty());
}

#[tokio::test]
async fn a_script_watched_later_is_told_with_its_past() {
    let server = Server::start(3).await;
    let a = script(1);
    server.change(|m| m.mine(vec![pay(1, &a, 5)]));
    let mut client = Client::start(&server, &[]);
    client.until("tip", |c| c.height() == Some(4)).await;
    client.chain.watch(vec![a.clone()]);
    client.chain.watch(vec![a.clone()]);
    client.until("past", |c| c.deposits(&a) == [(5, Some(4))]).await;
    assert_eq!(server.model().calls["blockchain.scripthash.subscribe"], 1);
}

#[tokio::test]
async fn a_reorg_of_two_moves_one_deposit_and_undoes_another() {
    let server = Server::start(20).await;
    let (a, b) = (script(1), script(2));
    let (stays, goes) = (pay(1, &a, 10), pay(2, &b, 20));
    server.change(|m| {
        m.mine(vec![stays.clone()]);
        m.mine(vec![goes.clone()]);
    });
    let mut client = Client::start(&server, &[a.clone(), b.clone()]);
    client.until("both", |c| c.deposits(&a) == [(10, Some(21))] && c.deposits(&b) == [(20, Some(22))]).await;
    let before = client.views[&a].deposits[0].confirmation.unwrap().block_hash;

    // The first is mined at the same height again, so the script's status does not change at all.
    server.change(|m| {
        m.undo(2);
        m.mine(vec![stays.clone()]);
        m.mine(vec![]);
        m.mine(vec![]);
    });
    client.until("new tip", |c| c.height() == Some(23)).await;
    let after = client.views[&a].deposits[0].confirmation.unwrap();
    assert_eq!(after.height, 21);
    assert_ne!(after.block_hash, before, "read again before the new tip was told");
    client.until("undone", |c| c.deposits(&b).is_empty()).await;
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);
}

#[tokio::test]
async fn double_listing_counts_once_and_a_null_status_is_an_empty_view() {
    let server = Server::start(12).await;
    let a = script(1);
    let deposit = pay(1, &a, 30);
    server.change(|m| {
        m.double_listing = true;
        m.mine(vec![deposit.clone()]);
    });
    let mut client = Client::start(&server, std::slice::from_ref(&a));
    client.until("mined once", |c| c.deposits(&a) == [(30, Some(13))]).await;
    server.change(|m| {
        m.undo(1);
        m.mine(vec![]);
        m.mine(vec![]);
    });
    client.until("vanished", |c| c.height() == Some(14) && c.deposits(&a).is_empty()).await;
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);
}

#[tokio::test]
async fn a_wrong_branch_never_yields_a_confirmation() {
    let server = Server::start(12).await;
    let (a, b) = (script(1), script(2));
    server.change(|m| m.mine(vec![pay(2, &b, 7)]));
    let mut client = Client::start(&server, &[a.clone(), b.clone()]);
    client.until("honest", |c| c.deposits(&b) == [(7, Some(13))]).await;
    server.change(|m| {
        m.wrong_branches = true;
        m.mine(vec![pay(1, &a, 40)]);
    });
    client.until("dropped", |c| c.reasons.len() == 1 && c.height() == Some(14)).await;
    client.for_a_while(300).await;
    assert!(client.deposits(&a).is_empty());
    assert_eq!(client.deposits(&b), [(7, Some(13))], "what was proved stays");
    assert!(client.reasons.iter().any(|r| r.contains("Merkle root")), "{:?}", client.reasons);

    server.change(|m| m.wrong_branches = false);
    client.until("honest again", |c| c.deposits(&a) == [(40, Some(14))]).await;
}

#[tokio::test]
async fn a_mempool_transaction_said_to_be_mined_is_not_believed() {
    let server = Server::start(12).await;
    let a = script(1);
    server.change(|m| {
        m.pretend_mined = Some(12);
        m.mempool.push(pay(1, &a, 40));
    });
    let mut client = Client::start(&server, std::slice::from_ref(&a));
    client.until("dropped", |c| !c.reasons.is_empty()).await;
    client.for_a_while(200).await;
    assert!(client.deposits(&a).is_empty());
}

#[tokio::test]
async fn after_a_reconnect_only_what_changed_is_read_again() {
    let server = Server::start(12).await;
    let scripts: Vec<ScriptBuf> = (1..=20).map(script).collect();
    server.change(|m| m.mine(scripts.iter().zip(1..).map(|(s, salt)| pay(salt, s, 50)).collect()));
    let mut client = Client::start(&server, &scripts);
    client.until("all", |c| scripts.iter().all(|s| c.deposits(s) == [(50, Some(13))])).await;
    let reads = |server: &Server| server.model().calls["blockchain.scripthash.get_history"];
    assert_eq!(reads(&server), 20);

    server.stop();
    client.until("gone", |c| !c.reasons.is_empty()).await;
    assert_eq!(client.chain.broadcast(pay(77, &scripts[0], 1)).await, Err(BroadcastError::Offline));
    let known = server.model().blocks[13].txs[1].compute_txid();
    assert_eq!(client.chain.proof(known, 13).await.map(|p| p.position), Ok(1), "the cache serves offline");
    client.chain.watch(vec![script(40)]);
    server.change(|m| m.mine(vec![pay(100, &scripts[4], 60)]));
    server.restart().await;
    client
        .until("resubscribed", |c| c.deposits(&scripts[4]).len() == 2 && c.views.contains_key(&script(40)))
        .await;
    assert_eq!((client.connected, reads(&server)), (2, 21));
    // And it is live again.
    server.change(|m| m.mempool.push(pay(101, &scripts[5], 61)));
    client.until("live", |c| c.deposits(&scripts[5]).len() == 2).await;

    // A new process with the old cache asks for nothing but what changed.
    let mut again = Client::with(&server, &scripts, Arc::clone(&client.cache));
    again.until("from the cache", |c| c.views.len() == 20).await;
    for script in &scripts {
        assert_eq!(again.views[script], client.views[script]);
    }
    assert_eq!(reads(&server), 22, "one for what came live, none for the rest");

    // What is wrong in the cache is read again: an amount, a block, a proof.
    let spoil = |script: &ScriptBuf, spoil: &dyn Fn(&mut Deposit)| {
        let mut record = client.cache.script(script).unwrap();
        record.view.deposits.iter_mut().for_each(spoil);
        client.cache.put_script(script, &record);
    };
    spoil(&scripts[0], &|deposit| deposit.amount += Amount::ONE_SAT);
    spoil(&scripts[1], &|deposit| deposit.confirmation.as_mut().unwrap().height -= 1);
    spoil(&scripts[2], &|deposit| {
        let txid = deposit.outpoint.txid;
        let mut proved = client.cache.proof(txid).unwrap();
        proved.proof.position += 1;
        client.cache.put_proof(txid, &proved);
    });
    let mut third = Client::with(&server, &scripts, Arc::clone(&client.cache));
    third.until("all but three from the cache", |c| c.views.len() == 20).await;
    assert_eq!((reads(&server), &third.views), (25, &again.views));
}

#[tokio::test]
async fn a_stall_ends_in_a_reconnect() {
    let server = Server::start(12).await;
    let a = script(1);
    let mut client = Client::start(&server, std::slice::from_ref(&a));
    client.until("first", |c| c.views.len() == 1).await;
    server.change(|m| m.stalled = true);
    let refused = client.chain.broadcast(pay(5, &a, 1)).await;
    assert!(matches!(refused, Err(BroadcastError::TimedOut | BroadcastError::Offline)), "{refused:?}");
    client.until("stalled", |c| c.reasons.iter().any(|r| r.contains("in time"))).await;
    server.change(|m| {
        m.stalled = false;
        m.mine(vec![pay(1, &a, 9)]);
    });
    client.until("back", |c| c.deposits(&a) == [(9, Some(13))]).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so_and_waited_for() {
    let server = Server::start(12).await;
    server.stop();
    let mut client = Client::start(&server, &[script(1)]);
    client.until("said so", |c| !c.reasons.is_empty()).await;
    server.restart().await;
    client.until("there", |c| c.height() == Some(12)).await;
}

#[tokio::test]
async fn a_chain_with_less_work_is_not_followed_until_it_has_more() {
    let server = Server::start(12).await;
    let mut client = Client::start(&server, &[script(1)]);
    client.until("first", |c| c.height() == Some(12)).await;
    let best = client.tip;
    server.change(|m| {
        m.undo(4);
        m.mine(vec![]);
    });
    client.looking("it is on a fork", |c| c.alarm("nobody_at_best_tip") && c.alarm("disagreement")).await;
    assert_eq!((client.tip, client.reasons.len()), (best, 0), "a fork is no lie");
    server.change(|m| (0..6).for_each(|_| m.mine(vec![])));
    client.until("followed", |c| c.height() == Some(15)).await;
}

#[tokio::test]
async fn broadcast_and_fees() {
    let server = Server::start(2).await;
    let mut client = Client::start(&server, &[]);
    client.until("first", |c| c.height() == Some(2)).await;
    let tx = pay(1, &script(1), 5);
    assert_eq!(client.chain.broadcast(tx.clone()).await, Ok(tx.compute_txid()));
    let refuse = |words: &str| server.change(|m| m.accept_broadcast = Err(words.to_owned()));
    refuse(
        "sendrawtransaction RPC error: {\"code\":-27,\"message\":\"Transaction outputs already in utxo set\"}",
    );
    assert_eq!(client.chain.broadcast(tx.clone()).await, Ok(tx.compute_txid()));
    refuse("bad-txns-inputs-missingorspent");
    let rejected = BroadcastError::Rejected { reason: "bad-txns-inputs-missingorspent".into() };
    assert_eq!(client.chain.broadcast(tx.clone()).await, Err(rejected));
    server.change(|m| m.mine(vec![tx.clone()]));
    assert_eq!(client.chain.broadcast(tx.clone()).await, Ok(tx.compute_txid()), "it is mined already");
    assert_eq!(client.chain.estimate(6).await, None);
    assert_eq!(client.chain.relay_feerate().await.map(|f| f.to_sat_per_kwu()), Some(250));
}

#[tokio::test]
async fn a_line_cut_off_is_an_outage_and_no_panic() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config =
        ElectrumConfig::new(&format!("tcp://{}", listener.local_addr().unwrap()), Network::Regtest).unwrap();
    config.backoff = (Duration::from_millis(10), Duration::from_millis(10));
    let (_chain, mut updates, _) = ElectrumChain::start(config, Arc::new(MemoryCache::default()));
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"{\"jsonrpc\":\"2.0\",").await.unwrap();
    drop(stream);
    let Some(ChainUpdate::Disconnected { reason, .. }) = updates.recv().await else { panic!("no outage") };
    assert!(reason.contains("within a line") || reason.contains("reset"), "{reason}");
}

#[tokio::test]
async fn the_task_ends_when_nobody_listens() {
    let server = Server::start(2).await;
    let (_chain, updates, task) = ElectrumChain::start(config(&[&server]), Arc::new(MemoryCache::default()));
    drop(updates);
    timeout(Duration::from_secs(5), task).await.expect("ends by itself").unwrap();
}
