//! The watcher on a real node and a real electrs, started by `regtest/up`. Runs where
//! `BITCOIND_EXE` and `ELECTRS_EXE` say which (as `regtest/test` does), and says so where not.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bitcoin::{Address, FeeRate};

use super::*;
use crate::chain::oneshot::{OneShot, OneShotConfig};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

struct Regtest {
    dir: String,
    env: BTreeMap<String, String>,
}

impl Regtest {
    /// `None`, with a word to the reader, where no node is named.
    fn start() -> Option<Self> {
        if ["BITCOIND_EXE", "ELECTRS_EXE"].iter().any(|name| std::env::var_os(name).is_none()) {
            eprintln!("skipped: BITCOIND_EXE and ELECTRS_EXE name no node and no Electrum server");
            return None;
        }
        let up = Command::new(Path::new(PROJECT).join("regtest/up"))
            .args(["--detach", "--blocks", "120"])
            .output();
        let up = up.unwrap();
        assert!(up.status.success(), "regtest/up: {}", String::from_utf8_lossy(&up.stderr));
        let dir = String::from_utf8(up.stdout).unwrap().trim().to_owned();
        let text = std::fs::read_to_string(Path::new(&dir).join("env")).unwrap();
        let env = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace('\\', "")))
            .collect();
        Some(Self { dir, env })
    }

    fn url(&self) -> &str {
        &self.env["ELECTRUM_URL"]
    }

    fn cli(&self, args: &[&str]) -> String {
        let mut words = self.env["BITCOIN_CLI"].split(' ');
        let mut command = Command::new(words.next().unwrap());
        let output = command.args(words).arg("-rpcwallet=w").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

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

    fn send(&self, to: &ScriptBuf) {
        let address = Address::from_script(to, Network::Regtest).unwrap().to_string();
        self.cli(&["sendtoaddress", &address, "0.001"]);
    }
}

impl Drop for Regtest {
    fn drop(&mut self) {
        let down = Command::new(Path::new(PROJECT).join("regtest/down")).arg(&self.dir).output();
        if !down.is_ok_and(|output| output.status.success()) {
            eprintln!("regtest/down {} failed", self.dir);
        }
    }
}

fn client(regtest: &Regtest, watched: &[ScriptBuf]) -> Client {
    let config = ElectrumConfig::new(regtest.url(), Network::Regtest).unwrap();
    let cache = Arc::new(MemoryCache::default());
    let (chain, updates, _) = ElectrumChain::start(config, Arc::clone(&cache) as Arc<dyn ChainCache>);
    chain.watch(watched.to_vec());
    Client { chain, updates, cache, tip: None, views: BTreeMap::new(), reasons: Vec::new(), connected: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_and_a_real_electrs() {
    let Some(regtest) = Regtest::start() else { return };
    let scripts: Vec<ScriptBuf> = (1..=24).map(script).collect();
    let mut client = client(&regtest, &scripts);
    client.until("all scripts", |c| c.height() == Some(120) && c.views.len() == 24).await;

    // Seen within a second.
    let mut waited = Vec::new();
    for script in &scripts[..20] {
        regtest.send(script);
        let sent = Instant::now();
        client.until("seen", |c| c.deposits(script) == [(100_000, None)]).await;
        waited.push(sent.elapsed().as_millis());
    }
    waited.sort_unstable();
    eprintln!("from sendtoaddress to the snapshot: median {} ms, longest {} ms", waited[10], waited[19]);
    assert!(waited[10] < 1_000, "{waited:?}");
    regtest.mine(1);
    let mined = Instant::now();
    client.until("mined", |c| scripts[..20].iter().all(|s| c.deposits(s) == [(100_000, Some(121))])).await;
    eprintln!(
        "from a block with 20 deposits to all of them in snapshots: {} ms",
        mined.elapsed().as_millis()
    );

    for (depth, script) in [1u32, 2, 6].into_iter().zip(&scripts[20..]) {
        regtest.send(script);
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
    let (url, views) = (regtest.url().to_owned(), client.views.clone());
    let tip = client.tip;
    let deposit = views[&scripts[0]].deposits[0];
    let asked = tokio::task::spawn_blocking(move || {
        let server = OneShot::connect(&OneShotConfig::new(&url, Network::Regtest)).unwrap();
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
