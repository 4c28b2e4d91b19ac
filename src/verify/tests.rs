//! Documents against chains: the truth passes, and what only a chain can tell is found.

use super::*;
use crate::escrow::facts::SpendPath;
use crate::escrow::proof::fixture::{Life, NETWORK, forged_amount, pay};
use crate::escrow::settlement::Kind;
use crate::escrow::testing;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, TxMerkleNode};

impl ChainView for Life {
    fn tip(&self) -> Option<Tip> {
        Some(Life::tip(self))
    }

    fn header(&self, height: u32) -> Option<Header> {
        Life::header(self, height)
    }

    fn view(&self, script: &Script) -> Result<ScriptView, ChainError> {
        Ok(Life::view(self, script))
    }
}

#[track_caller]
fn fields(document: &ProofDocument, chain: &Life) -> Vec<String> {
    let report = report(document, Some(chain)).unwrap();
    assert_eq!(report.sound, report.findings.is_empty());
    report.findings.into_iter().map(|finding| finding.field).collect()
}

#[track_caller]
fn named(found: &[String], field: &str) {
    assert!(found.iter().any(|name| name == field), "{field} is not among {found:?}");
}

#[test]
fn the_truth_passes_at_every_stage_and_reads_well() {
    for life in [Life::open(), Life::funded(), Life::voted(), Life::judged(), Life::paid()] {
        assert_eq!(fields(&life.document(), &life), Vec::<String>::new());
    }
    let life = Life::paid();
    let told = report(&life.document(), Some(&life)).unwrap();
    assert!(told.news.is_empty());
    assert_eq!(told.totals, Some(life.task.totals(&Life::tip(&life))));
    let text = told.to_string();
    for words in [
        "checked 6 addresses, 5 pledges, 7 outpoints",
        "4 votes, 2 settlements",
        "yes 760000 sat, no 200000 sat of 1060000 sat",
        "everything holds",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    serde_json::to_string(&told).unwrap();
}

#[test]
fn what_happens_later_is_news() {
    let mut life = Life::judged();
    let waiting = pay(9, &[(life.task.pledges()[&3].output.script_pubkey.clone(), 20_000)]);
    life.mempool.push(waiting.clone());
    life.observe();
    let document = life.document();
    assert_eq!(fields(&document, &life), Vec::<String>::new());

    let mut later = life.clone();
    later.mempool.clear();
    let more = pay(8, &[(life.task.open_output().script_pubkey.clone(), 30_000)]);
    later.mine(vec![waiting.clone(), more.clone()], 600);
    let submission = later.submission();
    let payout = later.propose(Kind::Payout { submission }, 2);
    later.sign(payout, crate::escrow::statement::Role::Developer);
    later.sign(payout, crate::escrow::statement::Role::Arbiter);
    let state = &later.task.settlements()[&payout];
    let transaction = state.plan.finalize(0, 0, &state.signatures).unwrap();
    later.mine(vec![transaction.clone()], 600);
    let told = report(&document, Some(&later)).unwrap();
    assert_eq!(told.findings, []);
    for txid in [waiting.compute_txid(), more.compute_txid(), transaction.compute_txid()] {
        assert!(told.news.iter().any(|news| news.contains(&txid.to_string())), "{:?}", told.news);
    }
    // A payment that is gone from the mempool is news too.
    let mut gone = life.clone();
    gone.mempool.clear();
    assert_eq!(report(&document, Some(&gone)).unwrap().news.len(), 1);
}

#[test]
fn an_outpoint_left_out_or_made_up_is_named() {
    let life = Life::funded();
    let mut document = life.document();
    let at = document.outpoints.iter().position(|proof| proof.index == 4).unwrap();
    let left_out = document.outpoints.remove(at).outpoint;
    document.transactions.remove(&left_out.txid);
    document.totals.credited -= Amount::from_sat(400_000);
    document.totals.raised -= Amount::from_sat(400_000);
    assert_eq!(fields(&document, &life), [format!("outpoints/{left_out}")]);

    // A whole block of the liar's own, proof of work and all, with more money in it.
    let document = forged_amount(&life);
    assert!(proof::check(&document).is_ok());
    let found = fields(&document, &life);
    let at = document.outpoints.iter().position(|proof| proof.index == 4).unwrap();
    named(&found, &format!("headers/{}", document.tip.height));
    named(&found, &format!("outpoints/{at}/outpoint"));
    named(&found, &format!("outpoints/{}", life.outpoint_of(4)));
}

#[test]
fn a_header_of_another_chain_is_named() {
    let life = Life::funded();
    let mut document = life.document();
    let height = document.tip.height;
    let below = life.header(height - 1).unwrap().block_hash();
    life.header(height).unwrap();
    let header = crate::escrow::proof::fixture::mine_header(below, TxMerkleNode::all_zeros(), 2_000_000_000);
    document.tip.hash = header.block_hash();
    document.headers.insert(height, proof::HexHeader(header));
    named(&fields(&document, &life), &format!("headers/{height}"));
    // One above the server's tip proves nothing.
    let mut ahead = life.clone();
    ahead.mine_empty(1, 600);
    named(&fields(&ahead.document(), &life), &format!("headers/{}", height + 1));
}

#[test]
fn a_hidden_spend_and_a_made_up_one_are_named() {
    let life = Life::paid();
    let mut document = life.document();
    let at = document.outpoints.iter().position(|proof| proof.index == 4).unwrap();
    document.outpoints[at].spend = None;
    named(&fields(&document, &life), &format!("outpoints/{at}/spend"));

    let mut before = life.clone();
    before.blocks.pop();
    let found = fields(&life.document(), &before);
    named(&found, &format!("outpoints/{at}/spend/txid"));

    let mut document = life.document();
    document.outpoints[at].spend.as_mut().unwrap().path = SpendPath::Key;
    named(&fields(&document, &life), &format!("outpoints/{at}/spend/path"));
}

#[test]
fn a_receipt_with_a_false_time_is_named() {
    let mut life = Life::voted();
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let mut document = life.document();
    // The service itself signs it, so only the chain can tell.
    let cast = &mut document.submissions[0].votes[3];
    let words =
        crate::escrow::statement::Receipt { tip_mtp_secs: 1, ..cast.receipt.as_ref().unwrap().statement };
    cast.receipt = Some(crate::escrow::statement::Signed::new(&secp, words, &testing::receipt_keypair()));
    assert!(proof::check(&document).is_ok());
    assert_eq!(fields(&document, &life), ["submissions/0/votes/3/receipt/statement/tip_mtp_secs"]);

    // After a reorg of that block its time is the service's word: said, not blamed.
    let document = life.document();
    let last = life.blocks.pop().unwrap();
    life.mine(Vec::new(), 599);
    assert_ne!(last.header.block_hash(), Life::tip(&life).hash);
    let told = report(&life.document(), Some(&life)).unwrap();
    assert_eq!(told.findings, []);
    assert_eq!(told.news.len(), 2);
    named(&fields(&document, &life), &format!("headers/{}", document.tip.height));
}

#[test]
fn a_place_in_the_chain_that_is_not_so_is_named() {
    let life = Life::funded();
    let document = life.document();
    let OutPoint { txid, .. } = life.outpoint_of(3);
    for field in ["height", "position", "mtp_secs"] {
        let mut changed = document.clone();
        let at = changed.transactions.get_mut(&txid).unwrap().confirmation.as_mut().unwrap();
        match field {
            "height" => at.height += 1,
            "position" => at.position += 1,
            _ => at.mtp_secs += 1,
        }
        named(&fields(&changed, &life), &format!("transactions/{txid}/confirmation/{field}"));
    }
    let mut changed = document.clone();
    *changed.transactions.get_mut(&txid).unwrap() =
        proof::TransactionProof { raw: None, confirmation: None, branch: Vec::new() };
    named(&fields(&changed, &life), &format!("transactions/{txid}/confirmation"));
    assert_eq!(life.task.charter().network(), NETWORK);
}

#[test]
fn without_a_charter_there_is_nothing_to_ask() {
    let mut document = Life::open().document();
    document.charter = "{}".into();
    let told = run(&document, "tcp://127.0.0.1:1", None).unwrap();
    assert_eq!((told.sound, told.findings[0].field.as_str()), (false, "charter"));
}

/// Over a real socket, as the command does it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_over_its_socket() {
    let life = Life::paid();
    let server = crate::chain::testing::Server::start(0).await;
    server.change(|model| {
        let blocks = life
            .blocks
            .iter()
            .map(|block| crate::chain::testing::Block { header: block.header, txs: block.txs.clone() });
        model.blocks = blocks.collect();
    });
    let (url, document) = (server.url(), life.document());
    let told = tokio::task::spawn_blocking(move || run(&document, &url, None)).await.unwrap().unwrap();
    assert_eq!(told.findings, []);
    assert_eq!(told.server_tip, Some(Life::tip(&life)));

    let (url, mut document) = (server.url(), life.document());
    document.outpoints.pop();
    let told = tokio::task::spawn_blocking(move || run(&document, &url, None)).await.unwrap().unwrap();
    assert!(told.findings.iter().any(|finding| finding.problem.starts_with("left out")), "{told}");
}
