//! The watcher on a real node, with a real electrs and with a real ElectrumX.

use std::time::Instant;

use bitcoin::{Address, FeeRate};

use super::*;
use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::regtest::Regtest;

impl Regtest {
    fn height(&self) -> u32 {
        self.cli(&["getblockcount"]).parse().unwrap()
    }

    /// Mines `count` blocks that leave the mempool where it is.
    fn mine_empty(&self, count: u32) {
        let address = self.cli(&["getnewaddress"]);
        for _ in 0..count {
            self.cli(&["generateblock", &address, "[]"]);
        }
    }

    fn mine(&self, count: u32) {
        self.cli(&["-generate", &count.to_string()]);
    }

    fn undo(&self, depth: u32) {
        let hash = self.cli(&["getblockhash", &(self.height() - depth + 1).to_string()]);
        self.cli(&["invalidateblock", &hash]);
    }

    fn pay(&self, to: &ScriptBuf) {
        let address = Address::from_script(to, Network::Regtest).unwrap().to_string();
        self.cli(&["sendtoaddress", &address, "0.001"]);
    }
}

fn client(url: &str, watched: &[ScriptBuf]) -> Client {
    let config = ElectrumConfig::new(url, Network::Regtest).unwrap();
    let cache = Arc::new(MemoryCache::default());
    let (chain, updates, _) = ElectrumChain::start(config, Arc::clone(&cache) as Arc<dyn ChainCache>);
    chain.watch(watched.to_vec());
    Client { chain, updates, cache, tip: None, views: BTreeMap::new(), reasons: Vec::new(), connected: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_and_a_real_electrs() {
    let regtest = Regtest::start(120);
    follows(&regtest, regtest.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_and_a_real_electrumx() {
    let regtest = Regtest::start_both(120);
    follows(&regtest, regtest.electrumx_url()).await;
}

async fn follows(regtest: &Regtest, url: &str) {
    let scripts: Vec<ScriptBuf> = (1..=24).map(script).collect();
    let mut client = client(url, &scripts);
    client.until("all scripts", |c| c.height() == Some(120) && c.views.len() == 24).await;

    // Few of them alone, since ElectrumX holds back small answers for a while.
    let mut waited = Vec::new();
    for script in &scripts[..5] {
        regtest.pay(script);
        let sent = Instant::now();
        client.until("seen", |c| c.deposits(script) == [(100_000, None)]).await;
        waited.push(sent.elapsed().as_millis());
    }
    waited.sort_unstable();
    eprintln!("from sendtoaddress to the snapshot: median {} ms, longest {} ms", waited[2], waited[4]);
    scripts[5..20].iter().for_each(|script| regtest.pay(script));
    regtest.mine(1);
    let mined = Instant::now();
    client.until("mined", |c| scripts[..20].iter().all(|s| c.deposits(s) == [(100_000, Some(121))])).await;
    eprintln!(
        "from a block with 20 deposits to all of them in snapshots: {} ms",
        mined.elapsed().as_millis()
    );

    for (depth, script) in [1u32, 2, 6].into_iter().zip(&scripts[20..]) {
        regtest.pay(script);
        regtest.mine(1);
        regtest.mine_empty(depth - 1);
        let at = regtest.height() - depth + 1;
        client.until("credited", |c| c.deposits(script) == [(100_000, Some(at))]).await;
        let first = client.views[script].deposits[0].confirmation.unwrap();

        // Undone, and back in the mempool.
        regtest.undo(depth);
        regtest.mine_empty(depth + 1);
        let (tip, reorganised) = (regtest.height(), Instant::now());
        client.until("undone", |c| c.height() == Some(tip) && c.deposits(script) == [(100_000, None)]).await;
        eprintln!("reorg of {depth}: followed after {} ms", reorganised.elapsed().as_millis());
        // Mined again in the new branch, then that branch is undone by one that mines it at the same
        // height: only the block's hash tells the difference.
        regtest.mine(1);
        let at = tip + 1;
        client.until("again", |c| c.deposits(script) == [(100_000, Some(at))]).await;
        let second = client.views[script].deposits[0].confirmation.unwrap();
        regtest.mine_empty(depth - 1);
        client.until("deeper", |c| c.height() == Some(at + depth - 1)).await;
        regtest.undo(depth);
        regtest.mine(depth + 1);
        client.until("moved", |c| c.height() == Some(at + depth)).await;
        let third = client.views[script].deposits[0].confirmation.unwrap();
        assert_eq!((second.height, third.height), (at, at), "told together with the tip");
        assert_ne!(second.block_hash, third.block_hash);
        assert_eq!(third.block_hash.to_string(), regtest.cli(&["getblockhash", &at.to_string()]));
        assert_ne!(first.block_hash, third.block_hash);
    }
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);

    // The one-shot client comes to the same views, and its answers are proved too.
    let (url, views) = (url.to_owned(), client.views.clone());
    let tip = client.tip;
    let deposit = views[&scripts[0]].deposits[0];
    let asked = tokio::task::spawn_blocking(move || {
        let config = OneShotConfig::new(&url, None, Network::Regtest).unwrap();
        let server = OneShot::connect(&config).unwrap();
        assert_eq!(server.tip(), tip);
        for (script, view) in &views {
            assert_eq!(server.view(script).as_ref(), Ok(view));
        }
        let proof = server.proof(deposit.outpoint.txid, 121).unwrap();
        assert_eq!(Some(proof.position), deposit.confirmation.map(|c| c.position));
        assert!(server.proof(deposit.outpoint.txid, 120).is_err());
        assert_eq!(server.broadcast(&proof.transaction), Ok(deposit.outpoint.txid), "mined already");
        proof
    });
    let proof = asked.await.unwrap();
    assert_eq!(client.chain.proof(deposit.outpoint.txid, 121).await.unwrap(), proof);
    assert_eq!(client.chain.broadcast(proof.transaction.clone()).await, Ok(deposit.outpoint.txid));
    let mut unknown = proof.transaction;
    unknown.lock_time = bitcoin::absolute::LockTime::ZERO;
    let rejected = client.chain.broadcast(unknown).await;
    assert!(matches!(rejected, Err(BroadcastError::Rejected { .. })), "{rejected:?}");
    eprintln!(
        "relay feerate {:?}, estimate {:?}",
        client.chain.relay_feerate().await,
        client.chain.estimate(6).await
    );
    assert!(client.chain.relay_feerate().await.is_some_and(|rate| rate >= FeeRate::from_sat_per_kwu(25)));
}

/// Not part of the suite: `cargo test --lib twenty_thousand -- --ignored --nocapture`, with a node. Says how
/// long 20,000 live scripts take to be watched again after a cut, beside bare subscriptions of the same
/// scripts on a connection of its own, and that no history is read for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; run by hand for the numbers"]
async fn twenty_thousand_scripts_after_a_cut() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let regtest = Regtest::start(120);
    let scripts: Vec<ScriptBuf> = (0..20_000u32)
        .map(|number| {
            let mut bytes = vec![0x51, 0x20];
            bytes.extend([7; 28]);
            bytes.extend(number.to_be_bytes());
            ScriptBuf::from_bytes(bytes)
        })
        .collect();
    for paid in &scripts[..20] {
        regtest.pay(paid);
    }
    regtest.mine(1);
    let mut first = client(regtest.url(), &scripts);
    let started = Instant::now();
    first.until("all", |c| c.height() == Some(121) && c.views.len() == 20_000).await;
    let cold = started.elapsed();
    // A new process with the old cache: what a cut costs at most.
    let cache = Arc::clone(&first.cache);
    drop(first);
    let config = ElectrumConfig::new(regtest.url(), Network::Regtest).unwrap();
    let again = Instant::now();
    let mut warm = Client::at(config, &scripts, cache);
    warm.until("all", |c| c.height() == Some(121) && c.views.len() == 20_000).await;
    let warm_took = again.elapsed();
    assert!(scripts[..20].iter().all(|s| warm.deposits(s) == [(100_000, Some(121))]));
    drop(warm);
    // The same subscriptions and nothing else.
    let address = regtest.url().strip_prefix("tcp://").unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let bare = Instant::now();
    let asked = scripts.clone();
    tokio::spawn(async move {
        for (id, script) in asked.iter().enumerate() {
            let hash = crate::chain::wire::script_hash(script);
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"blockchain.scripthash.subscribe\",\"params\":[\"{hash}\"]}}\n"
            );
            writer.write_all(line.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut lines = BufReader::new(reader).lines();
    for _ in 0..20_000 {
        lines.next_line().await.unwrap().unwrap();
    }
    let bare_took = bare.elapsed();
    eprintln!(
        "20,000 scripts: first time {} ms, again {} ms, bare subscriptions {} ms (ratio {:.1})",
        cold.as_millis(),
        warm_took.as_millis(),
        bare_took.as_millis(),
        warm_took.as_secs_f64() / bare_took.as_secs_f64()
    );
}
