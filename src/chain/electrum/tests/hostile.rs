//! Servers that lie or fail, and long random lives with reorgs, replacements and outages.

use std::collections::HashMap;

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;

use super::*;
use crate::chain::Checkpoint;
use crate::escrow::facts::Confirmation;

/// Puts a header on top that is wrong in the way `spoil` says.
fn spoiled_tip(server: &Server, spoil: impl Fn(&mut Header)) {
    server.change(|m| {
        m.mine(vec![]);
        spoil(&mut m.blocks.last_mut().unwrap().header);
    });
}

async fn refused_for(why: &str, spoil: impl Fn(&mut Header)) {
    // Both on a connection that is up, where the header comes alone, and on the first sync.
    let server = Server::start(15).await;
    let mut client = Client::start(&server, &[script(1)]);
    client.until("first", |c| c.height() == Some(15)).await;
    spoiled_tip(&server, spoil);
    client.until(why, |c| c.reasons.iter().any(|r| r.contains(why))).await;
    assert_eq!(client.height(), Some(15));
    let mut fresh = Client::start(&server, &[script(1)]);
    fresh.until(why, |c| c.reasons.iter().any(|r| r.contains(why))).await;
    assert_eq!(fresh.height(), None);
}

#[tokio::test]
async fn headers_that_break_a_rule_are_refused_and_the_rule_is_named() {
    refused_for("no proof of work", |h| {
        while h.validate_pow(h.target()).is_ok() {
            h.nonce += 1;
        }
    })
    .await;
    refused_for("does not follow", |h| h.prev_blockhash = BlockHash::all_zeros()).await;
    refused_for("easier than the network's limit", |h| {
        h.bits = bitcoin::CompactTarget::from_consensus(0x2100_ffff);
    })
    .await;
    refused_for("the network's rules require 0x207fffff", |h| {
        h.bits = bitcoin::CompactTarget::from_consensus(0x2000_ffff);
    })
    .await;
    refused_for("median time past", |h| {
        h.time -= 3_600;
        while h.validate_pow(h.target()).is_err() {
            h.nonce += 1;
        }
    })
    .await;
}

#[tokio::test]
async fn another_network_is_said_so() {
    let server = Server::start(15).await;
    let mut config = config(&[&server]);
    config.checkpoint = Checkpoint { height: 12, hash: BlockHash::from_byte_array([1; 32]) };
    let (_chain, mut updates, _task) = ElectrumChain::start(config, Arc::new(MemoryCache::default()));
    let Some(ChainUpdate::Disconnected { reason, .. }) = updates.recv().await else { panic!("followed") };
    assert!(reason.contains("another network"), "{reason}");
}

#[tokio::test]
async fn thousands_of_headers_and_a_long_reorg_come_in_pieces() {
    let server = Server::start(4_100).await;
    let mut client = Client::start(&server, &[script(1)]);
    client.until("all", |c| c.height() == Some(4_100)).await;
    assert_eq!(server.model().calls["blockchain.block.headers"], 3);
    server.change(|m| {
        m.undo(2_500);
        (0..2_600).for_each(|_| m.mine(vec![]));
    });
    client.until("reorganised", |c| c.height() == Some(4_200)).await;
    assert_eq!(client.tip.map(|t| t.hash), Some(server.model().tip_hash()));
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);
    // What was kept is the new branch, from the checkpoint on.
    let cached = client.cache.headers().unwrap();
    assert_eq!((cached.0, cached.1.len()), (1, 4_200));
    assert_eq!(cached.1.last().map(Header::block_hash), client.tip.map(|t| t.hash));
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// What a script's view must be by looking at the server's blocks: deposits and spends with where
/// they are mined.
type Mined = Option<(u32, BlockHash, u32)>;
type Truth = (BTreeMap<OutPoint, Mined>, BTreeMap<OutPoint, (bitcoin::Txid, Mined)>);

fn truth(server: &Server, script: &ScriptBuf) -> Truth {
    let model = server.model();
    let mut all: Vec<(Transaction, Mined)> = Vec::new();
    for (height, block) in (0u32..).zip(&model.blocks) {
        let hash = block.header.block_hash();
        all.extend(
            (0u32..).zip(&block.txs).map(|(position, tx)| (tx.clone(), Some((height, hash, position)))),
        );
    }
    all.extend(model.mempool.iter().map(|tx| (tx.clone(), None)));
    let (mut deposits, mut spends) = Truth::default();
    for (tx, mined) in &all {
        let txid = tx.compute_txid();
        for (vout, output) in (0u32..).zip(&tx.output) {
            if output.script_pubkey == *script {
                deposits.insert(OutPoint { txid, vout }, *mined);
            }
        }
    }
    for (tx, mined) in &all {
        for input in tx.input.iter().filter(|input| deposits.contains_key(&input.previous_output)) {
            spends.insert(input.previous_output, (tx.compute_txid(), *mined));
        }
    }
    (deposits, spends)
}

fn told(client: &Client, script: &ScriptBuf) -> Truth {
    let view = client.views.get(script).cloned().unwrap_or_default();
    let mined = |c: Option<Confirmation>| c.map(|c| (c.height, c.block_hash, c.position));
    let deposits = view.deposits.iter().map(|d| (d.outpoint, mined(d.confirmation))).collect();
    let spends = view.spends.iter().map(|s| (s.prevout, (s.txid, mined(s.confirmation)))).collect();
    (deposits, spends)
}

/// Every confirmation told is in the chain that ends in the tip told with it.
fn check_whole(client: &Client, every: &HashMap<BlockHash, Header>) {
    let Some(tip) = client.tip else { return };
    let mut ancestors = BTreeMap::new();
    let mut hash = tip.hash;
    for height in (1..=tip.height).rev() {
        ancestors.insert(height, hash);
        hash = every[&hash].prev_blockhash;
    }
    for view in client.views.values() {
        let confirmations = view.deposits.iter().filter_map(|d| d.confirmation);
        for c in confirmations.chain(view.spends.iter().filter_map(|s| s.confirmation)) {
            assert_eq!(ancestors.get(&c.height), Some(&c.block_hash), "under tip {tip:?}");
        }
    }
}

/// One change to the server's world.
async fn live(server: &Server, client: &Client, dice: &mut Dice, salt: u32, scripts: &[ScriptBuf]) {
    let to = &scripts[dice.roll(scripts.len())];
    match dice.roll(14) {
        0..=3 => server.change(|m| {
            m.mempool.push(pay(salt, to, 1_000 + u64::from(salt)));
            m.mempool.push(pay(salt + 1_000, to, 2_000));
        }),
        4 | 5 | 12 => server.change(|m| {
            let some = dice.roll(m.mempool.len() + 1);
            let mined = m.mempool[..some].to_vec();
            m.mine(mined);
        }),
        6 => server.change(|m| {
            // A replacement: something leaves the mempool, something else comes.
            m.mempool.pop();
            m.mempool.push(pay(salt, to, 7_000));
        }),
        7 => {
            let known = truth(server, to);
            let unspent = known.0.keys().find(|outpoint| !known.1.contains_key(*outpoint));
            if let Some(prevout) = unspent.copied() {
                let spend = tx(salt, Some((prevout, Witness::from_slice(&[[0u8; 64]]))), &[(script(98), 1)]);
                server.change(|m| m.mempool.push(spend));
            }
        }
        8 | 9 | 13 => server.change(|m| {
            // A reorg of up to four blocks. The first of the new ones holds what the first of the old
            // ones held, or half of it, or nothing; the rest goes back to the mempool, or is lost.
            let depth = [1, 1, 2, 4][dice.roll(4)];
            let undone: Vec<Vec<Transaction>> =
                m.blocks[m.blocks.len() - depth..].iter().map(|b| b.txs[1..].to_vec()).collect();
            m.undo(depth);
            let mut first = undone[0].clone();
            let mut rest = first.split_off(first.len() * [0, 1, 2, 2][dice.roll(4)] / 2);
            rest.extend(undone[1..].concat());
            rest.append(&mut m.mempool);
            if dice.roll(4) > 0 {
                m.mempool = rest;
            }
            m.mine(first);
            (0..depth).for_each(|_| m.mine(vec![]));
        }),
        10 => {
            server.stop();
            server.restart().await;
        }
        _ => client.chain.watch(vec![to.clone()]),
    }
}

#[tokio::test]
async fn random_lives_end_in_the_truth_and_are_whole_in_between() {
    for seed in 1..=8 {
        let server = Server::start(12).await;
        let scripts: Vec<ScriptBuf> = (1..=4).map(script).collect();
        let mut client = Client::start(&server, &scripts[..3]);
        let mut dice = Dice(seed);
        let mut every: HashMap<BlockHash, Header> = HashMap::new();
        let note = |every: &mut HashMap<BlockHash, Header>| {
            every.extend(server.model().blocks.iter().map(|b| (b.header.block_hash(), b.header)));
        };
        note(&mut every);
        for step in 0..60 {
            live(&server, &client, &mut dice, step, &scripts).await;
            note(&mut every);
            // Sometimes the watcher keeps up, sometimes much happens at once.
            let patience = Duration::from_millis([0, 2, 20, 20][dice.roll(4)]);
            while let Ok(Some(update)) = timeout(patience, client.updates.recv()).await {
                client.apply(update);
                check_whole(&client, &every);
            }
        }
        client.chain.watch(scripts.clone());
        server.change(|m| m.mine(vec![]));
        note(&mut every);
        let end = server.model().tip_hash();
        let all = |c: &Client| scripts.iter().all(|s| told(c, s) == truth(&server, s));
        client.until("the truth", |c| c.tip.is_some_and(|t| t.hash == end) && all(c)).await;
        check_whole(&client, &every);
    }
}

/// A lie of the day, or the truth.
fn lie(liar: &Server, honest: &Server, dice: &mut Dice, salt: u32, to: &ScriptBuf) {
    let kind = dice.roll(9);
    liar.change(|m| {
        m.copy(&honest.model());
        (m.wrong_branches, m.stalled, m.spoil_status, m.asleep, m.garbage) =
            (false, false, false, None, None);
        (m.pretend_mined, m.accept_broadcast) = (None, Ok(()));
        m.omitted.clear();
        match kind {
            0 => m.mempool.extend((0..3).map(|n| pay(50_000 + 10 * salt + n, to, 1_234))),
            1 => m.omitted.extend(m.blocks.iter().flat_map(|block| block.txids()).collect::<Vec<_>>()),
            2 => m.wrong_branches = true,
            3 => {
                m.mempool.push(pay(60_000 + salt, to, 4_321));
                m.pretend_mined = Some(9);
            }
            4 => m.asleep = Some(m.blocks.len().saturating_sub(2)),
            5 => m.spoil_status = true,
            6 => {
                m.mine(vec![pay(70_000 + salt, to, 9)]);
                let header = &mut m.blocks.last_mut().unwrap().header;
                while header.validate_pow(header.target()).is_ok() {
                    header.nonce += 1;
                }
            }
            7 => m.stalled = true,
            _ => {}
        }
    });
}

#[tokio::test]
async fn random_lives_among_three_servers_one_of_which_lies() {
    for seed in 1..=5 {
        let (honest, other, liar) = (Server::start(12).await, Server::start(0).await, Server::start(0).await);
        let scripts: Vec<ScriptBuf> = (1..=4).map(script).collect();
        other.change(|m| m.copy(&honest.model()));
        liar.change(|m| m.copy(&honest.model()));
        let mut client = Client::among(&[&liar, &honest, &other], &scripts[..3]);
        let mut dice = Dice(seed + 100);
        let mut every: HashMap<BlockHash, Header> = HashMap::new();
        for step in 0..50 {
            live(&honest, &client, &mut dice, step, &scripts).await;
            other.change(|m| m.copy(&honest.model()));
            lie(&liar, &honest, &mut dice, step, &scripts[dice_index(step)]);
            for server in [&honest, &liar] {
                every.extend(server.model().blocks.iter().map(|b| (b.header.block_hash(), b.header)));
            }
            let patience = Duration::from_millis([0, 2, 20, 40][dice.roll(4)]);
            while let Ok(Some(update)) = timeout(patience, client.updates.recv()).await {
                client.apply(update);
                check_whole(&client, &every);
                // Nothing is ever credited that was in no block of the true chain.
                for view in client.views.values() {
                    assert!(view.deposits.iter().all(|d| d.confirmation.is_none() || d.amount.to_sat() != 9));
                }
            }
            for at in [1, 2] {
                assert!(
                    !matches!(client.status(at).state, crate::chain::ServerState::Dropped { .. }),
                    "an honest server is not dropped: {:?}",
                    client.status(at)
                );
            }
        }
        client.chain.watch(scripts.clone());
        honest.change(|m| m.mine(vec![]));
        other.change(|m| m.copy(&honest.model()));
        every.extend(honest.model().blocks.iter().map(|b| (b.header.block_hash(), b.header)));
        let end = honest.model().tip_hash();
        // The liar may hide the mempool from us (what is unconfirmed needs everybody's word), no more.
        let mined = |truth: Truth| -> (BTreeMap<_, _>, BTreeMap<_, _>) {
            let deposits = truth.0.into_iter().filter(|(_, mined)| mined.is_some()).collect();
            (deposits, truth.1.into_iter().filter(|(_, (_, mined))| mined.is_some()).collect())
        };
        let all = |c: &Client| scripts.iter().all(|s| mined(told(c, s)) == mined(truth(&honest, s)));
        client.until("the truth", |c| c.tip.is_some_and(|t| t.hash == end) && all(c)).await;
        check_whole(&client, &every);
    }
}

fn dice_index(step: u32) -> usize {
    usize::try_from(step % 4).unwrap()
}
