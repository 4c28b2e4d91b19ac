//! Whole lives of tasks over HTTP, on a world of fakes: milliseconds instead of minutes, and the same
//! service, router and rules as on a real chain.

#[path = "../../tests/harness/contract.rs"]
mod contract;
mod deciding;
mod edge;
mod errors;
mod events;
mod fakes;
mod faucet;
mod listeners;
mod moves;
mod openapi;
mod operator;
mod pages;
mod reading;
mod webhooks;
mod wishes;

use super::MAX_BODY_BYTES;
use crate::escrow::charter::Silence;
use crate::escrow::facts::Tip;
use crate::escrow::network::Network;
use crate::escrow::refund::{RefundBundle, RefundSignatures};
use crate::escrow::settlement;
use crate::escrow::statement::{
    Acceptance, Choice, Digest, Pledge, Role, Ruling, Signed, Statement, Submission, SubmissionId, Vote,
};
use crate::escrow::testing::{self, FakeChain};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, OutPoint, Psbt, Transaction};
use fakes::{OneOutput, World, parse};
use futures::FutureExt;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const NET: Network = Network::Regtest;

impl World {
    fn tip(&self) -> Tip {
        self.chain().tip()
    }

    fn pledge_body(&self, index: u32, amount_sat: u64) -> Value {
        let key = testing::sponsor(u8::try_from(index).unwrap());
        let refund_address = testing::address(NET, 100 + index);
        let statement = Pledge {
            network: NET,
            charter: self.id,
            index,
            sponsor_key: key.x_only_public_key().0,
            refund_address: refund_address.clone(),
        };
        json!({
            "index": index,
            "sponsor_key": statement.sponsor_key,
            "refund_address": refund_address.to_string(),
            "signature": statement.sign(&Secp256k1::new(), &key),
            "amount_sat": amount_sat,
        })
    }

    fn bundle(&self, outpoint: OutPoint) -> RefundSignatures {
        let target = self.service.read_task(&self.id, |task, _| {
            let held = &task.outpoints()[&outpoint];
            (held.slot.index, task.refund_target(held).unwrap())
        });
        let (index, target) = target.unwrap();
        let key = testing::sponsor(u8::try_from(index).unwrap());
        RefundBundle::sign(&Secp256k1::new(), target, &key).unwrap().signatures().clone()
    }

    /// A pledge issued, paid, seen, secured and credited.
    async fn fund(&mut self, index: u32, amount_sat: u64) -> OutPoint {
        let pledge = self.sent("pledges", self.pledge_body(index, amount_sat)).await;
        let script =
            self.service.read_task(&self.id, |task, _| task.pledges()[&index].output.script_pubkey.clone());
        let outpoint = self.chain().pay_one(&script.unwrap(), Amount::from_sat(amount_sat));
        self.look().await;
        let shown = self.get(&self.path(&format!("pledges/{index}"))).await.1;
        assert_eq!(shown["outpoints"][0]["standing"], "seen");
        assert_eq!(shown["address"], pledge["address"]);
        let secured = self.sent("refunds", json!(self.bundle(outpoint))).await;
        assert_eq!(secured["outpoints"][0]["secured"], true);
        self.mine(1).await;
        let shown = self.get(&self.path(&format!("pledges/{index}"))).await.1;
        assert_eq!(shown["outpoints"][0]["standing"], "credited");
        outpoint
    }

    fn submission(&self, number: u32) -> Submission {
        let tip = self.tip();
        Submission {
            network: NET,
            charter: self.id,
            number,
            link: "https://example.org/pull/7".into(),
            content: Digest::of(b"work"),
            block_height: tip.height,
            block_hash: tip.hash,
            milestone: None,
            named: None,
        }
    }

    fn submission_body(&self, number: u32) -> Value {
        let key = testing::statement_keypair(NET, Role::Developer);
        json!(Signed::new(&Secp256k1::new(), self.submission(number), &key))
    }

    async fn submit(&self, number: u32) -> SubmissionId {
        let id = self.submission(number).id();
        let shown = self.sent("submissions", self.submission_body(number)).await;
        assert_eq!(shown["id"], id.to_string());
        id
    }

    fn vote_body(&self, submission: SubmissionId, pledge: u32, choice: Choice, counter: u32) -> Value {
        let vote = Vote { network: NET, charter: self.id, submission, pledge, choice, counter };
        json!(Signed::new(&Secp256k1::new(), vote, &testing::sponsor(u8::try_from(pledge).unwrap())))
    }

    fn acceptance_body(&self, submission: SubmissionId, accepted: bool) -> Value {
        let acceptance = Acceptance { network: NET, charter: self.id, submission, accepted };
        let key = testing::statement_keypair(NET, Role::Representative);
        json!(Signed::new(&Secp256k1::new(), acceptance, &key))
    }

    async fn accept(&self, submission: SubmissionId) {
        self.sent("acceptances", self.acceptance_body(submission, true)).await;
    }

    fn ruling_body(&self, submission: SubmissionId, pay_bps: u16) -> Value {
        let ruling = Ruling { network: NET, charter: self.id, submission, pay_bps };
        json!(Signed::new(&Secp256k1::new(), ruling, &testing::statement_keypair(NET, Role::Arbiter)))
    }

    /// Fetches the PSBTs of a settlement, signs them as `role` and brings them back.
    async fn sign(&self, settlement: &Value, role: Role) -> Value {
        let secp = Secp256k1::new();
        let id = parse(&settlement["id"]);
        let plan = self.service.read_task(&self.id, |task, _| task.settlements()[&id].plan.clone()).unwrap();
        let (status, given) = self.get(&self.path(&format!("settlements/{id}/psbts"))).await;
        assert!(status.is_success());
        let given: Vec<Psbt> = given["psbts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["psbt"].as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(given, plan.psbts(), "signers get the very settlement");
        let signatures = settlement::sign(&secp, &plan, role, &testing::account(NET, role)).unwrap();
        let checked = plan.check_signatures(&secp, &signatures).unwrap();
        let psbts: Vec<String> = plan.signed_psbts(&checked).iter().map(ToString::to_string).collect();
        self.sent(&format!("settlements/{id}/signatures"), json!({ "psbts": psbts })).await
    }

    /// The mined transaction that spends `outpoint`.
    fn spender(&self, outpoint: &OutPoint) -> Option<Transaction> {
        let chain = self.chain();
        let spends = |tx: &&Transaction| tx.input.iter().any(|input| input.previous_output == *outpoint);
        chain.mined_transactions().find(spends).cloned()
    }
}

fn paid_to(transaction: &Transaction, address: &bitcoin::Address) -> u64 {
    let script = address.script_pubkey();
    transaction.output.iter().filter(|out| out.script_pubkey == script).map(|out| out.value.to_sat()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pledge_to_payout_with_a_no_that_is_ruled() {
    let mut world = World::new(None, |fields| fields.minimum_pledge_sat = 50_000).await;
    let mut outpoints = Vec::new();
    for index in 1..=4 {
        outpoints.push(world.fund(index, 100_000 * u64::from(index)).await);
    }
    let submission = world.submit(0).await;
    for (pledge, choice) in [(1, Choice::No), (3, Choice::Yes), (4, Choice::Yes)] {
        let receipt = world.sent("votes", world.vote_body(submission, pledge, choice, 1)).await;
        let again = world.sent("votes", world.vote_body(submission, pledge, choice, 1)).await;
        assert_eq!(receipt, again, "the same vote keeps its receipt");
    }
    world.refused("rulings", world.ruling_body(submission, 0), 409, "ruling_too_early").await;
    world.advance_to(world.tip().mtp_secs + world.charter.fields().review_secs + 1).await;
    world.accept(submission).await;
    let shown = world.get(&world.path(&format!("submissions/{submission}"))).await.1;
    assert_eq!(shown["tally"]["yes_sat"], 700_000);
    assert_eq!(shown["tally"]["no_sat"], 100_000);
    assert_eq!(shown["verdicts"], json!({ "1": "contested", "2": "pay", "3": "pay", "4": "pay" }));

    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 2 });
    let settlement = world.sent("settlements", payout.clone()).await;
    assert_eq!(
        world.sent("settlements", payout).await["id"],
        settlement["id"],
        "proposing again is the same"
    );
    assert_eq!(settlement["transactions"][0]["inputs"].as_array().unwrap().len(), 3);
    let signed = world.sign(&settlement, Role::Developer).await;
    assert_eq!(signed["progress"], "signing");
    world.mine(1).await;
    assert!(world.spender(&outpoints[2]).is_none(), "one signature moves nothing");
    let signed = world.sign(&settlement, Role::Representative).await;
    assert_eq!(signed["progress"], "complete");
    world.look().await;
    world.mine(1).await;
    let payment = world.spender(&outpoints[2]).expect("paid");
    assert_eq!(payment.input.len(), 3);
    let total: u64 = payment.output.iter().map(|out| out.value.to_sat()).sum();
    let fee = 900_000 - total;
    assert!((900..2_000).contains(&fee), "about 460 vB at 2 sat/vB: {fee}");
    assert_eq!(paid_to(&payment, &testing::address(NET, 1)), total * 300 / 10_000, "leader's share");
    assert_eq!(paid_to(&payment, &testing::address(NET, 2)), total * 200 / 10_000, "operator's share");
    let task = world.task().await;
    assert_eq!(task["settlements"][0]["progress"], "confirmed");
    assert_eq!(
        (&task["totals"]["settled_sat"], &task["totals"]["credited_sat"]),
        (&json!(900_000), &json!(100_000))
    );
    world.refused("votes", world.vote_body(submission, 3, Choice::No, 2), 409, "vote_settled").await;

    world.sent("rulings", world.ruling_body(submission, 0)).await;
    let ruling = json!({ "kind": "ruling", "submission": submission, "feerate_sat_per_vb": 1 });
    let settlement = world.sent("settlements", ruling).await;
    world.sign(&settlement, Role::Developer).await;
    world.sign(&settlement, Role::Representative).await;
    world.mine(1).await;
    assert!(world.spender(&outpoints[0]).is_none(), "a ruling needs the arbiter");
    world.sign(&settlement, Role::Arbiter).await;
    world.look().await;
    world.mine(1).await;
    let returned = world.spender(&outpoints[0]).expect("returned");
    assert_eq!(returned.output.len(), 1);
    assert!(paid_to(&returned, &testing::address(NET, 101)) > 99_000);
    assert_eq!(world.task().await["stage"], "paid");

    let before = world.task().await;
    world.restart().await;
    assert_eq!(world.task().await, before, "replayed from the journal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_go_in_one_batch_from_the_second_after_t() {
    let mut world = World::new(Some(Amount::from_sat(100_000)), |_| {}).await;
    let mut outpoints = Vec::new();
    for index in 1..=3 {
        outpoints.push(world.fund(index, 50_000).await);
    }
    let t = world.charter.refund_time_secs();
    world.advance_to(t).await;
    assert_eq!(world.tip().mtp_secs, t);
    world.mine(0).await;
    assert!(outpoints.iter().all(|outpoint| world.spender(outpoint).is_none()), "at T nothing is final yet");
    assert_eq!(world.task().await["stage"], "working");
    world.advance_to(t + 1).await;
    world.mine(1).await;
    let batch = world.spender(&outpoints[0]).expect("refunded");
    assert_eq!(batch.input.len(), 4, "three pairs and the fee");
    for index in 1..=3 {
        assert_eq!(paid_to(&batch, &testing::address(NET, 100 + index)), 50_000, "in full");
    }
    let task = world.task().await;
    assert_eq!((&task["stage"], &task["totals"]["refunded_sat"]), (&json!("refunded"), &json!(150_000)));
}

/// A server can tell the fee wallet of money that is not there: the network takes no batch that spends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_paid_with_made_up_money_gives_way_to_the_ladder() {
    for restarted in [false, true] {
        let made_up = |chain: &mut FakeChain| {
            let mut wallet = OneOutput::new(chain, Amount::from_sat(100_000));
            wallet.outpoint.vout += 1;
            Some(wallet)
        };
        let mut world = World::with_wallet(made_up, |_| {}).await;
        let outpoints = [world.fund(1, 50_000).await, world.fund(2, 60_000).await];
        let t = world.charter.refund_time_secs();
        if restarted {
            // Killed between the journal and the network: the batch goes out again first, and is refused.
            world.chain().advance_to(t + 1);
            let (tip, views) = {
                let chain = world.chain();
                (chain.tip(), chain.views(world.source.watched.lock().unwrap().iter()))
            };
            world.service.observe(&tip, &views).await.unwrap();
            world.source.offline.store(true, Ordering::SeqCst);
            world.service.perform_due(&mut world.memory).await.unwrap();
            world.source.offline.store(false, Ordering::SeqCst);
            assert_eq!(world.service.read(|book| book.batches().len()), 1, "recorded, not sent");
            world.restart().await;
        } else {
            world.advance_to(t + 1).await;
        }
        assert_eq!(world.service.read(|book| book.batches().len()), 1);
        world.mine(1).await;
        for outpoint in &outpoints {
            let refund = world.spender(outpoint).expect("refunded all the same");
            assert_eq!((refund.input.len(), refund.output.len()), (1, 1), "by its own ladder");
        }
        assert_eq!(world.task().await["stage"], "refunded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fee_wallet_the_ladder_serves_and_survives_a_restart() {
    let mut world = World::new(None, |_| {}).await;
    let outpoint = world.fund(1, 50_000).await;
    world.restart().await;
    world.advance_to(world.charter.refund_time_secs() + 1).await;
    world.mine(1).await;
    let refund = world.spender(&outpoint).expect("refunded");
    assert_eq!((refund.input.len(), refund.output.len()), (1, 1));
    assert_eq!(paid_to(&refund, &testing::address(NET, 101)), 50_000 - 138, "1 sat/vB");
    assert_eq!(world.task().await["stage"], "refunded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_pays_again_after_a_reorg_took_it_away() {
    let mut world = World::new(Some(Amount::from_sat(100_000)), |_| {}).await;
    let outpoint = world.fund(1, 50_000).await;
    world.advance_to(world.charter.refund_time_secs() + 1).await;
    world.mine(1).await;
    let first = world.spender(&outpoint).expect("refunded").compute_txid();
    world.chain().disconnect(1);
    world.chain().mempool_cleared();
    world.look().await;
    assert_eq!(world.task().await["stage"], "refunding");
    // A transaction is not sent twice under one tip within seconds.
    world.memory = crate::service::Memory::default();
    world.look().await;
    world.mine(1).await;
    assert_eq!(
        world.spender(&outpoint).expect("again").compute_txid(),
        first,
        "the very batch that was recorded"
    );
    assert_eq!(world.task().await["stage"], "refunded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_changes_nothing_and_can_be_waited_out() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 50_000).await;
    let before = world.task().await;
    world.disk.0.fill(true);
    let body = world.pledge_body(2, 50_000);
    world.refused("pledges", body.clone(), 503, "disk_full").await;
    assert_eq!(world.task().await, before, "reads go on, nothing changed");
    world.disk.0.fill(false);
    world.sent("pledges", body).await;
    world.restart().await;
    assert_eq!(world.task().await["next_index"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_equal_requests_have_one_effect() {
    let world = World::new(None, |_| {}).await;
    let body = world.pledge_body(1, 50_000);
    let path = world.path("pledges");
    let asks = (0..100).map(|_| world.post(&path, body.clone()));
    let answers: Vec<Value> =
        futures::future::join_all(asks).await.into_iter().map(|(_, body)| body).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    assert_eq!(answers[0]["index"], 1);
    assert_eq!(world.task().await["pledges"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_held_is_not_paid() {
    let mut world = World::new(None, |fields| fields.acceptance.silence = Silence::Hold).await;
    world.fund(1, 100_000).await;
    world.fund(2, 100_000).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 1)).await;
    world.advance_to(world.tip().mtp_secs + world.charter.fields().review_secs + 1).await;
    world.accept(submission).await;
    let payout = world.sent("settlements", json!({ "kind": "payout", "submission": submission })).await;
    let inputs = payout["transactions"][0]["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0]["pledge"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_get_exact_errors() {
    let mut world = World::new(None, |_| {}).await;
    let outpoint = world.fund(1, 100_000).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 1)).await;

    for (amount, status, code) in [
        (json!(0), 422, "below_minimum"),
        (json!(1), 422, "below_minimum"),
        (json!(2_100_000_000_000_001_u64), 409, "cap_reached"),
        (json!(-1), 400, "bad_request"),
        (json!(1e-9), 400, "bad_request"),
        (json!("NaN"), 400, "bad_request"),
        (json!(18_446_744_073_709_551_615_u64), 409, "cap_reached"),
    ] {
        let mut body = world.pledge_body(2, 50_000);
        body["amount_sat"] = amount;
        world.refused("pledges", body, status, code).await;
    }
    let too_large = world.pledge_body(2, 50_000).to_string().replace("50000", "18446744073709551616");
    let (status, _) = world.post_bytes(&world.path("pledges"), too_large.into_bytes()).await;
    assert_eq!(status.as_u16(), 400, "2^64 is no amount");

    world.refused("pledges", world.pledge_body(3, 50_000), 409, "index_taken").await;
    let mut tampered = world.pledge_body(2, 50_000);
    tampered["refund_address"] = json!(testing::address(NET, 7).to_string());
    world.refused("pledges", tampered, 422, "bad_signature").await;
    let mut foreign = world.pledge_body(2, 50_000);
    foreign["refund_address"] = json!(testing::address(Network::Mainnet, 7).to_string());
    world.refused("pledges", foreign, 422, "charter_address_network").await;

    let mut bundle = world.bundle(outpoint);
    bundle.amount_sat += 1;
    world.refused("refunds", json!(bundle), 422, "bad_refund").await;
    let mut bundle = world.bundle(outpoint);
    bundle.outpoint.vout += 1;
    world.refused("refunds", json!(bundle), 409, "unknown_outpoint").await;

    let mut stolen = world.vote_body(submission, 1, Choice::No, 2);
    stolen["statement"]["pledge"] = json!(2);
    world.refused("votes", stolen, 404, "unknown_pledge").await;
    let mut other = world.vote_body(submission, 1, Choice::No, 2);
    other["statement"]["charter"] = json!("ab".repeat(32));
    world.refused("votes", other, 409, "other_task").await;
    let mut other = world.vote_body(submission, 1, Choice::No, 2);
    other["statement"]["network"] = json!("mainnet");
    world.refused("votes", other, 409, "other_task").await;

    let settlement = world.sent("settlements", json!({ "kind": "payout", "submission": submission })).await;
    let path = format!("settlements/{}/signatures", settlement["id"].as_str().unwrap());
    world.refused(&path, json!({ "psbts": ["cHNidP8="] }), 400, "bad_psbt").await;
    world.refused(&path, json!({ "psbts": [] }), 422, "psbt_nothing").await;
    world
        .refused(
            "settlements",
            json!({ "kind": "payout", "submission": "ab".repeat(32) }),
            404,
            "unknown_submission",
        )
        .await;
    world.refused("settlements", json!({ "kind": "steal" }), 400, "bad_request").await;
    world
        .refused("settlements", json!({ "kind": "early_return", "feerate_sat_per_vb": 201 }), 422, "feerate")
        .await;

    let (status, _) = world.post_bytes(&world.path("votes"), vec![b' '; MAX_BODY_BYTES + 1]).await;
    assert_eq!(status.as_u16(), 413);
    let (status, body) = world.get("/api/v1/tasks/..%2f..%2fetc%2fpasswd").await;
    assert_eq!((status.as_u16(), body["code"].as_str()), (404, Some("not_found")));
    let (status, svg) = world.get(&world.path("pledges/1/qr.svg")).await;
    assert!(status.is_success() && svg.as_str().unwrap().contains("<svg"));
    let (status, _) = world.get(&world.path("pledges/9/qr.svg")).await;
    assert_eq!(status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_goes_to_the_pot_even_after_t() {
    let mut world = World::new(None, |_| {}).await;
    let script =
        world.service.read_task(&world.id, |task, _| task.open_output().script_pubkey.clone()).unwrap();
    let gift = world.chain().pay_one(&script, Amount::from_sat(70_000));
    world.mine(1).await;
    world.advance_to(world.charter.refund_time_secs() + 1).await;
    let settlement =
        world.sent("settlements", json!({ "kind": "early_return", "feerate_sat_per_vb": 1 })).await;
    world.sign(&settlement, Role::Developer).await;
    world.sign(&settlement, Role::Arbiter).await;
    world.look().await;
    world.mine(1).await;
    let sent = world.spender(&gift).expect("sent to the pot");
    assert!(paid_to(&sent, &testing::address(NET, 3)) > 69_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_settlement_takes_the_place_of_a_stuck_one() {
    let mut world = World::new(None, |_| {}).await;
    let outpoint = world.fund(1, 100_000).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 1)).await;
    let payout =
        |feerate| json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": feerate });
    let first = world.sent("settlements", payout(1)).await;
    let fee = first["transactions"][0]["forms"][0]["fee_sat"].as_u64().unwrap();
    world.sign(&first, Role::Developer).await;
    world.sign(&first, Role::Representative).await;
    world.look().await;
    // It does not confirm: after three blocks the next form of the same settlement replaces it.
    for _ in 0..3 {
        world.chain().mine_only(&[]);
        world.look().await;
    }
    let paid = |world: &World, txid: &Value| world.chain().in_mempool(&parse(txid));
    assert!(paid(&world, &first["transactions"][0]["forms"][1]["txid"]));
    // Signers may do the same again, above what its forms reach (1, 2, 4 sat/vB).
    world.refused("settlements", payout(4), 409, "nothing_to_settle").await;
    let second = world.sent("settlements", payout(20)).await;
    world.sign(&second, Role::Developer).await;
    assert!(paid(&world, &first["transactions"][0]["forms"][1]["txid"]), "one signature replaces nothing");
    world.sign(&second, Role::Arbiter).await;
    world.look().await;
    assert!(paid(&world, &second["transactions"][0]["forms"][0]["txid"]));
    world.mine(1).await;
    let paid = world.spender(&outpoint).expect("paid");
    let total: u64 = paid.output.iter().map(|out| out.value.to_sat()).sum();
    assert!(100_000 - total > 15 * fee);
    assert_eq!(world.task().await["stage"], "paid");
}

/// A sponsor whose connection breaks while the disk is busy still has an address that is watched.
#[tokio::test]
async fn what_is_journalled_is_followed_though_the_client_is_gone() {
    let world = World::new(None, |_| {}).await;
    let (path, body) = (world.path("pledges"), world.pledge_body(1, 100_000));
    world.disk.0.hold(true);
    // Asked, and hung up.
    assert!(world.post_unsigned(&path, &body).now_or_never().is_none());
    let queued = world.service.read_task(&world.id, |task, _| task.pledges().contains_key(&1));
    assert!(queued.unwrap(), "it had come as far as the journal");
    world.disk.0.hold(false);
    world.sent("pledges", body).await;
    let script =
        world.service.read_task(&world.id, |task, _| task.pledges()[&1].output.script_pubkey.clone());
    assert!(world.source.watched.lock().unwrap().contains(&script.unwrap()));
}
