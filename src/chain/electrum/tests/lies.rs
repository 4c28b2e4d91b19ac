//! One lie each: by the only server, and by one of two. Whatever it says, nothing is credited that is not
//! there, and nothing that is there is lost; beside an honest server it does not even hold anything up.

use bitcoin::TxMerkleNode;
use bitcoin::hashes::Hash;

use super::*;
use crate::chain::testing::{Forged, Model, merkle_branch};

/// A liar and an honest server with the same chain, and who else is told what.
struct Two {
    liar: Server,
    honest: Server,
}

impl Two {
    async fn start(blocks: usize) -> Self {
        let (liar, honest) = (Server::start(0).await, Server::start(blocks).await);
        let two = Self { liar, honest };
        two.spread();
        two
    }

    /// Changes the true chain, and shows it to both.
    fn change(&self, change: impl FnOnce(&mut Model)) {
        self.honest.change(change);
        self.spread();
    }

    fn spread(&self) {
        self.liar.change(|m| m.copy(&self.honest.model()));
    }

    fn client(&self, watched: &[ScriptBuf]) -> Client {
        Client::among(&[&self.liar, &self.honest], watched)
    }
}

fn dropped_for(client: &Client, word: &str) -> bool {
    matches!(client.status(0).state, crate::chain::ServerState::Dropped { ref reason, .. } if reason.contains(word))
}

/// A lie that is found out: the liar is dropped and named, nothing of it holds, the truth goes on.
async fn is_dropped(word: &str, lie: impl Fn(&mut Model)) {
    let (a, b) = (script(1), script(2));
    // Alone.
    let server = Server::start(14).await;
    let mut client = Client::start(&server, &[a.clone(), b.clone()]);
    client.until("first", |c| c.height() == Some(14) && c.views.len() == 2).await;
    server.change(&lie);
    server.change(|m| m.mempool.push(pay(900, &b, 3)));
    client.until(word, |c| c.reasons.iter().any(|r| r.contains(word))).await;
    client.looking("it is dropped", |c| dropped_for(c, word) || c.alarm("no_server")).await;
    assert!(client.deposits(&a).iter().all(|(_, mined)| mined.is_none()), "nothing is credited");
    // Beside an honest one.
    let two = Two::start(14).await;
    let mut client = two.client(&[a.clone(), b.clone()]);
    client.looking("both watch", |c| c.status(0).watches && c.status(1).watches && c.views.len() == 2).await;
    two.liar.change(&lie);
    two.liar.change(|m| m.mempool.push(pay(900, &b, 3)));
    client.looking(word, |c| dropped_for(c, word)).await;
    assert!(client.alarm("server_dropped") && client.reasons.is_empty(), "{:?}", client.reasons);
    two.honest.change(|m| m.mine(vec![pay(901, &b, 70)]));
    client.until("the truth goes on", |c| c.deposits(&b) == [(70, Some(15))] && c.height() == Some(15)).await;
    assert!(client.deposits(&a).is_empty());
}

#[tokio::test]
async fn a_forged_header() {
    is_dropped("no proof of work", |m| {
        m.mine(vec![pay(1, &script(1), 40)]);
        let header = &mut m.blocks.last_mut().unwrap().header;
        while header.validate_pow(header.target()).is_ok() {
            header.nonce += 1;
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_branch() {
    is_dropped("Merkle root", |m| {
        m.pretend_mined = Some(12);
        m.mempool.push(pay(1, &script(1), 40));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_no_answer() {
    is_dropped("protocol", |m| m.garbage = Some("<html>502 Bad Gateway</html>".to_owned())).await;
    is_dropped("protocol", |m| m.garbage = Some(r#"{"jsonrpc":"2.0","id":4000000,"result":1}"#.to_owned()))
        .await;
}

#[tokio::test]
async fn a_status_that_no_history_has() {
    is_dropped("contradict", |m| {
        m.spoil_status = true;
        m.mempool.push(pay(1, &script(1), 40));
    })
    .await;
}

#[tokio::test]
async fn another_transaction_than_the_one_asked_for() {
    is_dropped("another transaction", |m| {
        let (asked, given) = (pay(1, &script(1), 40), pay(2, &script(1), 50));
        m.forged.push(Forged {
            raw: bitcoin::consensus::serialize(&given),
            txid: asked.compute_txid(),
            script: script(1),
            height: 13,
            position: 1,
            branch: vec![TxMerkleNode::all_zeros()],
        });
    })
    .await;
}

/// CVE-2017-12842: a made-up payment below a 64-byte transaction that was really mined.
#[tokio::test]
async fn a_payment_hidden_in_a_64_byte_transaction() {
    let a = script(1);
    let payment = (0..).map(|salt| tx(salt, None, &[(a.clone(), 5_000_000)]));
    let payment = payment.into_iter().find(|tx| tx.compute_txid().to_byte_array()[4] == 1).unwrap();
    let mut right = [0u8; 32];
    (right[14], right[15], right[23]) = (1, 1, 4);
    let bytes = [payment.compute_txid().to_byte_array(), right].concat();
    let mined: Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
    let forge = |m: &mut Model| {
        let txids = m.blocks[15].txids();
        let mut branch = vec![TxMerkleNode::from_byte_array(right)];
        branch.extend(merkle_branch(&txids, 1));
        m.forged.push(Forged {
            raw: bitcoin::consensus::serialize(&payment),
            txid: payment.compute_txid(),
            script: a.clone(),
            height: 15,
            position: 2,
            branch,
        });
    };
    let two = Two::start(14).await;
    two.change(|m| m.mine(vec![mined.clone(), pay(7, &script(9), 1)]));
    for servers in [vec![&two.liar], vec![&two.liar, &two.honest]] {
        two.liar.change(|m| m.forged.clear());
        let mut client = Client::among(&servers, std::slice::from_ref(&a));
        client.until("first", |c| c.height() == Some(15) && c.views.len() == 1).await;
        client.looking("it watches", |c| c.status(0).watches && c.status(0).subscriptions == 1).await;
        two.liar.change(forge);
        client.looking("dropped", |c| dropped_for(c, "64 bytes")).await;
        assert!(client.deposits(&a).is_empty());
    }
}

#[tokio::test]
async fn a_made_up_payment_is_seen_at_most() {
    let a = script(1);
    let alone = Server::start(14).await;
    let mut client = Client::start(&alone, std::slice::from_ref(&a));
    alone.change(|m| m.mempool.push(pay(1, &a, 40)));
    client.until("seen", |c| c.deposits(&a) == [(40, None)]).await;
    alone.change(|m| m.mempool.clear());
    client.until("not seen any more", |c| c.deposits(&a).is_empty()).await;

    // Where another server does not have it, it is not even shown; nor is a made-up spend.
    let two = Two::start(14).await;
    let deposit = pay(2, &a, 70);
    two.change(|m| m.mine(vec![deposit.clone()]));
    let mut client = two.client(std::slice::from_ref(&a));
    client.until("mined", |c| c.deposits(&a) == [(70, Some(15))]).await;
    client.looking("both watch", |c| c.status(0).subscriptions == 1 && c.status(1).subscriptions == 1).await;
    let prevout = OutPoint { txid: deposit.compute_txid(), vout: 1 };
    let spend = tx(3, Some((prevout, Witness::from_slice(&[[0u8; 64]]))), &[(script(98), 1)]);
    two.liar.change(|m| m.mempool.extend([pay(4, &a, 40), spend.clone()]));
    client.for_a_while(500).await;
    assert_eq!((client.deposits(&a), client.views[&a].spends.len()), (vec![(70, Some(15))], 0));
    assert!(client.status(0).watches, "a mempool of its own is no lie");
    // The truth comes through at once, when both have it, and when it is mined.
    two.honest.change(|m| m.mempool.push(spend.clone()));
    client.until("spent", |c| c.views[&a].spends.len() == 1).await;
    two.change(|m| m.mine(vec![spend.clone()]));
    client
        .until("mined", |c| {
            c.views[&a].spends.iter().any(|s| s.confirmation.is_some_and(|at| at.height == 16))
        })
        .await;
    assert_eq!(client.deposits(&a), [(70, Some(15))]);
}

#[tokio::test]
async fn what_one_leaves_out_another_tells_and_what_was_proved_stays() {
    let a = script(1);
    let two = Two::start(14).await;
    let deposit = pay(1, &a, 70);
    two.liar.change(|m| m.omitted.insert(deposit.compute_txid()));
    two.change(|m| m.mine(vec![deposit.clone()]));
    let mut client = two.client(std::slice::from_ref(&a));
    client.until("told by the other", |c| c.deposits(&a) == [(70, Some(15))]).await;
    // The honest one goes; the liar alone cannot take back what is proved.
    two.honest.stop();
    client.looking("one is left", |c| c.alarm("one_server")).await;
    two.liar.change(|m| m.mine(vec![]));
    client.until("on", |c| c.height() == Some(16)).await;
    client.for_a_while(300).await;
    assert_eq!(client.deposits(&a), [(70, Some(15))]);
    // Nor in a new process that has the cache of the old one.
    let config = config(&[&two.liar, &two.honest]);
    let mut again = Client::at(config, std::slice::from_ref(&a), Arc::clone(&client.cache));
    again.until("from the cache", |c| c.height() == Some(16) && c.views.len() == 1).await;
    again.for_a_while(300).await;
    assert_eq!(again.deposits(&a), [(70, Some(15))]);
    // Only a heavier chain without it does.
    two.liar.change(|m| {
        m.undo(2);
        (0..3).for_each(|_| m.mine(vec![]));
    });
    client.until("undone", |c| c.height() == Some(17) && c.deposits(&a).is_empty()).await;
}

#[tokio::test]
async fn silence_is_waited_for_and_then_done_without() {
    let a = script(1);
    let two = Two::start(14).await;
    let mut client = two.client(std::slice::from_ref(&a));
    client.looking("both watch", |c| c.status(0).subscriptions == 1 && c.status(1).subscriptions == 1).await;
    two.change(|_| ());
    two.liar.change(|m| m.stalled = true);
    two.change(|m| m.mine(vec![pay(1, &a, 70)]));
    client.until("without it", |c| c.deposits(&a) == [(70, Some(15))] && c.height() == Some(15)).await;
    client.looking("it timed out", |c| !c.status(0).watches).await;
    assert!(client.reasons.is_empty(), "the other serves on: {:?}", client.reasons);
    two.liar.change(|m| m.stalled = false);
    client.looking("it is back", |c| c.status(0).watches && c.status(0).at_best_tip).await;

    // It answers, and tells of no block.
    two.liar.change(|m| m.asleep = Some(m.blocks.len()));
    two.change(|m| m.mine(vec![pay(2, &a, 80)]));
    client.until("without it", |c| c.deposits(&a).len() == 2 && c.height() == Some(16)).await;
    client.looking("it watches no more", |c| !c.status(0).watches && !c.status(0).at_best_tip).await;
    assert!(!client.alarm("disagreement"), "it lags; that is no other chain");
    two.liar.change(|m| m.asleep = None);
    client.looking("it watches again", |c| c.status(0).watches).await;
}
