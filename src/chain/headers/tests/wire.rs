//! First contact over the wire: a chain that holds nothing, a server, and a checkpoint between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::*;
use crate::chain::electrum::{ElectrumChain, ElectrumConfig};
use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::chain::testing::Server;
use crate::chain::{ChainCache, ChainError, ChainSource, ChainUpdate, MemoryCache};

async fn ask(server: &Server, checkpoint: Checkpoint) -> Result<OneShot, ChainError> {
    let mut config = OneShotConfig::new(&server.url(), None, Network::Regtest).unwrap();
    config.checkpoint = checkpoint;
    tokio::task::spawn_blocking(move || OneShot::connect(&config)).await.unwrap()
}

fn wrong(answer: Result<OneShot, ChainError>) -> String {
    match answer {
        Err(ChainError::Wrong { reason }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    }
}

fn at(server: &Server, height: u32) -> Checkpoint {
    Checkpoint { height, hash: server.model().blocks[height as usize].header.block_hash() }
}

/// The chain and its first tip; updates that tell nothing of one are passed over.
async fn start(
    server: &Server,
    checkpoint: Checkpoint,
    cache: &Arc<MemoryCache>,
) -> (Arc<ElectrumChain>, Receiver<ChainUpdate>, Tip) {
    let mut config = ElectrumConfig::new(&server.url(), Network::Regtest).unwrap();
    config.checkpoint = checkpoint;
    let (chain, mut updates, _) = ElectrumChain::start(config, Arc::clone(cache) as Arc<dyn ChainCache>);
    let tip = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match updates.recv().await.expect("it runs") {
                ChainUpdate::Snapshot { tip, .. } => return tip,
                ChainUpdate::Connected { .. } => {}
                ChainUpdate::Disconnected { reason, .. } => panic!("{reason}"),
            }
        }
    });
    let tip = tip.await.expect("a tip in time");
    (chain, updates, tip)
}

#[tokio::test]
async fn only_the_period_of_the_checkpoint_is_fetched_below_it() {
    let server = Server::start(2_200).await;
    let checkpoint = at(&server, 2_100);
    let asked = ask(&server, checkpoint).await.unwrap();
    let tip = asked.tip().unwrap();
    assert_eq!((tip.height, tip.hash), (2_200, server.model().tip_hash()));
    let headers = asked.headers();
    assert_eq!((headers.base_height(), headers.header(2_015)), (2_016, None));
    assert!(headers.header(2_016).is_some() && headers.mtp_secs(2_100).is_some());
    // 2016 to 2100 with one question before, 2101 to 2200 with one more.
    let calls = server.model().calls.clone();
    assert_eq!((calls["blockchain.block.header"], calls["blockchain.block.headers"]), (2, 2));
}

#[tokio::test]
async fn a_server_of_another_chain_or_below_the_checkpoint_is_named() {
    let server = Server::start(30).await;
    let other = Checkpoint { height: 20, hash: BlockHash::from_byte_array([1; 32]) };
    let reason = wrong(ask(&server, other).await);
    assert!(reason.contains("another network") && reason.contains(&other.hash.to_string()), "{reason}");
    assert!(!server.model().calls.contains_key("blockchain.block.headers"), "one question was enough");
    let high = Checkpoint { height: 31, ..other };
    let reason = wrong(ask(&server, high).await);
    assert!(reason.contains("ends at height 30") && reason.contains("pinned at 31"), "{reason}");
}

/// A server that shows the right block at the checkpoint's height and lies about those below it.
#[tokio::test]
async fn false_ancestors_are_refused() {
    let server = Server::start(40).await;
    let checkpoint = at(&server, 30);
    server.change(|m| {
        let header = &mut m.blocks[20].header;
        header.merkle_root = root(9);
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
    });
    let reason = wrong(ask(&server, checkpoint).await);
    assert!(reason.contains("does not follow"), "{reason}");
}

#[tokio::test]
async fn cached_headers_are_checked_against_the_checkpoint_and_a_wiped_cache_is_fetched_again() {
    let server = Server::start(60).await;
    let checkpoint = at(&server, 50);
    let cache = Arc::new(MemoryCache::default());
    let (chain, _updates, tip) = start(&server, checkpoint, &cache).await;
    assert_eq!((tip.height, chain.header(0).is_some()), (60, true));
    assert_eq!(cache.headers().map(|(from, headers)| (from, headers.len())), Some((0, 61)));
    let fetched = |server: &Server| server.model().calls["blockchain.block.headers"];
    let before = fetched(&server);

    // From the cache: nothing is fetched again, and all is known before anybody answers.
    let (_again, _updates, tip) = start(&server, checkpoint, &cache).await;
    assert_eq!((tip.height, fetched(&server)), (60, before));
    server.stop();
    let mut config = ElectrumConfig::new(&server.url(), Network::Regtest).unwrap();
    config.checkpoint = checkpoint;
    let (offline, _updates, _) =
        ElectrumChain::start(config.clone(), Arc::clone(&cache) as Arc<dyn ChainCache>);
    assert!(offline.header(60).is_some());
    // Wiped, or of another chain: nothing is known, and nothing is proved.
    let wiped = Arc::new(MemoryCache::default());
    let (empty, _updates, _) =
        ElectrumChain::start(config.clone(), Arc::clone(&wiped) as Arc<dyn ChainCache>);
    assert_eq!((empty.header(50), empty.block(50), empty.header(0)), (None, None, None));
    let foreign = Arc::new(MemoryCache::default());
    let mut private = vec![genesis()];
    private.extend(mine_headers(&genesis(), 70, 9));
    foreign.put_headers(0, &private);
    let (stranger, _updates, _) = ElectrumChain::start(config, Arc::clone(&foreign) as Arc<dyn ChainCache>);
    assert_eq!((stranger.header(50), stranger.block(1)), (None, None));
    server.restart().await;
    for cache in [wiped, foreign] {
        let (chain, _updates, tip) = start(&server, checkpoint, &cache).await;
        assert_eq!((tip.height, tip.hash), (60, server.model().tip_hash()));
        assert_eq!(chain.header(1), Some(server.model().blocks[1].header));
        assert_eq!(cache.headers().map(|(from, headers)| (from, headers.len())), Some((0, 61)));
    }
}

/// A fork that leaves below the checkpoint is not looked for further down than that.
#[tokio::test]
async fn a_fork_below_the_checkpoint_is_another_network() {
    let server = Server::start(60).await;
    let checkpoint = at(&server, 40);
    let cache = Arc::new(MemoryCache::default());
    let (chain, mut updates, tip) = start(&server, checkpoint, &cache).await;
    assert_eq!(tip.height, 60);
    server.change(|m| {
        m.undo(25);
        (0..60).for_each(|_| m.mine(vec![]));
    });
    let reason = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let ChainUpdate::Disconnected { reason, .. } = updates.recv().await.expect("it runs") {
                return reason;
            }
        }
    });
    let reason = reason.await.expect("dropped in time");
    assert!(reason.contains("another network") && reason.contains("block 40"), "{reason}");
    assert_eq!(chain.header(60).map(|h| h.block_hash()), Some(tip.hash));
}
