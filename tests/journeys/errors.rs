//! What the API says to what is malformed, false, repeated or too large: the status and code of each, and
//! that nothing has changed afterwards.

use crate::harness::{Api, Failure, Pledged, Sponsor, Task, World, free_port};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Keypair, Message};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{Amount, OutPoint, Psbt, TapLeafHash, TxIn, XOnlyPublicKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use upfront::escrow::settlement::{Kind, Plan};
use upfront::escrow::statement::{Choice, Role, SettlementId, SubmissionId};
use upfront::escrow::testing;

/// An open task with a paid pledge.
struct Scene {
    world: World,
    api: Api,
    task: Task,
    pledge: Pledged,
    outpoint: OutPoint,
}

fn scene(number: u8) -> Scene {
    let world = World::start();
    let api = world.api();
    let task = Task::open(&world, number, |_| ());
    let pledge = task.pledge(&api, &Sponsor::new(1), 400_000);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    world.mine(1);
    Scene { world, api, task, pledge, outpoint }
}

impl Scene {
    #[track_caller]
    fn refused(&self, what: &str, path: &str, body: &str, expected: (u16, &str)) -> String {
        let failure = self.api.post_text::<Value>(&self.task.path(path), body).unwrap_err();
        assert_eq!(failure.refusal(), expected, "{what}: {failure:?}");
        match failure {
            Failure::Refused { message, .. } => message,
            Failure::Down(_) => unreachable!("it was refused"),
        }
    }
}

#[test]
fn amounts_pledges_and_bodies() {
    let scene = scene(30);
    let Scene { world, api, task, pledge, outpoint } = &scene;
    let before = api.get::<Value>(&task.path("")).unwrap();

    // Amounts: what JSON can say, and what it cannot.
    let next = task.sign_pledge(&Sponsor::new(2), 2, Amount::from_sat(0));
    let statement = &next.statement.statement;
    let body = json!({
        "index": 2, "sponsor_key": statement.sponsor_key, "refund_address": statement.refund_address,
        "signature": next.statement.signature, "amount_sat": "AMOUNT",
    });
    let with = |amount: &str| body.to_string().replace("\"AMOUNT\"", amount);
    for (amount, expected) in [
        ("0", (422, "below_minimum")),
        ("1", (422, "below_minimum")),
        ("9999", (422, "below_minimum")),
        ("1600001", (409, "cap_reached")),
        ("2100000000000001", (409, "cap_reached")),
        ("18446744073709551615", (409, "cap_reached")),
        ("18446744073709551616", (400, "bad_request")),
        ("-1", (400, "bad_request")),
        ("1e-9", (400, "bad_request")),
        ("0.5", (400, "bad_request")),
        ("NaN", (400, "bad_request")),
        ("\"10000\"", (400, "bad_request")),
        ("null", (400, "bad_request")),
    ] {
        scene.refused(&format!("amount {amount}"), "/pledges", &with(amount), expected);
    }
    let charter = String::from_utf8(task.charter.bytes().to_vec()).unwrap();
    for (amount, code) in [
        ("2100000000000001", "charter_too_much"),
        ("0", "charter_amount_order"),
        ("18446744073709551616", "charter_not_json"),
        ("-1", "charter_shape"),
        ("1e-9", "charter_not_json"),
        ("2000000.0", "charter_not_json"),
        ("NaN", "charter_not_json"),
    ] {
        let changed = charter.replace("\"cap_sat\":2000000", &format!("\"cap_sat\":{amount}"));
        assert_ne!(changed, charter);
        let task = json!({ "charter": changed, "text": testing::TEXT });
        let failure = api.post::<Value>("/tasks", &task).unwrap_err();
        assert_eq!(failure.refusal(), (422, code), "cap_sat {amount}: {failure:?}");
    }

    // Pledges.
    scene.refused(
        "another's signature",
        "/pledges",
        &{
            let mut body = body.clone();
            body["signature"] = json!(pledge.statement.signature);
            body["amount_sat"] = 10_000.into();
            body.to_string()
        },
        (422, "bad_signature"),
    );
    let taken = task.sign_pledge(&Sponsor::new(3), 1, Amount::from_sat(10_000));
    let failure = task.issue(api, &taken).unwrap_err();
    assert_eq!(failure.refusal(), (409, "index_taken"), "{failure:?}");
    let escrow = with("10000").replace(&statement.refund_address.to_string(), &pledge.address().to_string());
    // The address is part of what was signed.
    scene.refused("refund to an escrow address", "/pledges", &escrow, (422, "bad_signature"));
    scene.refused(
        "unknown field",
        "/pledges",
        &with("10000").replace("\"index\"", "\"indx\""),
        (400, "bad_request"),
    );
    scene.refused("not JSON", "/pledges", "{", (400, "bad_request"));
    scene.refused("nothing", "/pledges", "", (400, "bad_request"));
    let nowhere = format!("/tasks/{}", "00".repeat(32));
    assert_eq!(api.get::<Value>(&nowhere).unwrap_err().refusal(), (404, "unknown_task"));
    assert_eq!(api.get::<Value>("/tasks/xyz").unwrap_err().refusal(), (404, "not_found"));
    assert_eq!(api.get::<Value>("/../../etc/passwd").unwrap_err().refusal(), (404, "not_found"));

    // Refunds.
    let good = serde_json::to_value(pledge.refund(*outpoint, pledge.amount).signatures()).unwrap();
    let change = |key: &str, value: Value| {
        let mut refund = good.clone();
        refund[key] = value;
        refund.to_string()
    };
    let other = OutPoint { vout: outpoint.vout + 7, ..*outpoint };
    let less = pledge.refund(*outpoint, pledge.amount - Amount::from_sat(1));
    let short = json!(good["ladder"].as_array().unwrap()[1..]);
    for (what, body, expected) in [
        ("unknown outpoint", change("outpoint", json!(other)), (409, "unknown_outpoint")),
        ("another amount", change("amount_sat", 399_999.into()), (422, "bad_refund")),
        ("signed for less", serde_json::to_string(less.signatures()).unwrap(), (422, "bad_refund")),
        ("pair of a ladder's signature", change("pair", good["ladder"][0].clone()), (422, "bad_refund")),
        ("a rung is missing", change("ladder", short), (422, "bad_refund")),
        ("half a signature", change("pair", "abcd".into()), (400, "bad_request")),
    ] {
        scene.refused(what, "/refunds", &body, expected);
    }

    // Too long a body, by one byte.
    let long = " ".repeat((64 << 10) + 1);
    scene.refused("too long", "/pledges", &long, (413, "too_long"));
    scene.refused("just not too long", "/pledges", &long[1..], (400, "bad_request"));

    // A second process on the same data.
    let output = world.service.command(free_port()).output().unwrap();
    assert!(!output.status.success(), "a second process must not run on the same data");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("lock") || said.contains("in use") || said.contains("another process"), "{said}");
    assert_eq!(api.get::<Value>(&task.path("")).unwrap(), before, "nothing changed");
}

#[test]
fn votes_and_settlement_signatures() {
    let scene = scene(31);
    let Scene { world, api, task, pledge, .. } = &scene;
    let submission = task.submit(world);
    let vote = task.sign_vote(pledge, submission, Choice::Yes, 0);
    let text = serde_json::to_string(&vote).unwrap();

    // Votes: another's key, another task, another network, another submission.
    let forged =
        task.sign_vote(&Pledged { key: testing::sponsor(1), ..other(task) }, submission, Choice::No, 1);
    scene.refused("another key", "/votes", &serde_json::to_string(&forged).unwrap(), (422, "bad_signature"));
    let altered = text.replace("\"yes\"", "\"no\"");
    assert_ne!(altered, text);
    scene.refused("altered", "/votes", &altered, (422, "bad_signature"));
    let abroad = text.replace("\"regtest\"", "\"signet\"");
    scene.refused("network", "/votes", &abroad, (409, "other_task"));
    let second = Task::open(world, 32, |_| ());
    let failure = api.post_text::<Value>(&second.path("/votes"), &text).unwrap_err();
    assert_eq!(failure.refusal(), (409, "other_task"), "{failure:?}");
    let unknown = SubmissionId([9; 32]);
    let astray = task.sign_vote(pledge, unknown, Choice::Yes, 0);
    scene.refused(
        "submission",
        "/votes",
        &serde_json::to_string(&astray).unwrap(),
        (404, "unknown_submission"),
    );

    // The same vote again: the same answer, and one vote.
    let first = task.vote(api, pledge, submission, Choice::Yes).unwrap();
    for _ in 0..3 {
        assert_eq!(task.vote(api, pledge, submission, Choice::Yes).unwrap(), first);
    }
    assert_eq!(task.view(api).submissions[0].votes.len(), 1);

    let feerate = |rate: u64| task.propose(api, Kind::Payout { submission }, rate).unwrap_err();
    for rate in [0, 201, u64::MAX] {
        assert_eq!(feerate(rate).refusal(), (422, "feerate"));
    }
    let payout = task.propose(api, Kind::Payout { submission }, 2).unwrap();
    let plan = task.plan(api, &payout.id);
    let signatures = format!("/settlements/{}/signatures", payout.id);

    // What cannot be read.
    let whole = plan.psbts()[0].to_string();
    for text in ["", "cHNidP8=", "not base64", &whole[..whole.len() / 2]] {
        let body = json!({ "psbts": [text] }).to_string();
        scene.refused(&format!("PSBT {text:.12}"), &signatures, &body, (400, "bad_psbt"));
    }
    scene.refused("no PSBT", &signatures, "{\"psbts\": []}", (422, "psbt_nothing"));
    // What can be read and is something else.
    for (what, code, psbt) in altered_psbts(task, &plan) {
        let body = json!({ "psbts": [psbt.to_string()] }).to_string();
        scene.refused(what, &signatures, &body, (422, code));
    }
    let elsewhere = format!("/settlements/{}/signatures", SettlementId([7; 32]));
    let good = task.signed_psbts(&plan, Role::Developer);
    let body = json!({ "psbts": [good[0].to_string()] }).to_string();
    scene.refused("settlement", &elsewhere, &body, (404, "unknown_settlement"));
    let view = task.view(api);
    assert_eq!(view.settlements[0].signed_by, [], "nothing of it was kept");

    // The good ones are taken, once.
    for _ in 0..2 {
        let view = task.hand_in(api, &payout.id, &good).unwrap();
        assert_eq!(view.signed_by, [Role::Developer]);
    }
    assert_eq!(world.node.mempool(), []);
    // One good signer does not carry a bad PSBT through.
    let mut mixed = task.signed_psbts(&plan, Role::Arbiter);
    mixed[1] = altered_psbts(task, &plan).remove(0).2;
    assert_eq!(task.hand_in(api, &payout.id, &mixed).unwrap_err().refusal(), (422, "psbt_other_transaction"));
    assert_eq!(task.view(api).settlements[0].signed_by, [Role::Developer]);
}

fn other(task: &Task) -> Pledged {
    task.sign_pledge(&Sponsor::new(9), 1, Amount::from_sat(400_000))
}

/// PSBTs with the developer's signature, each wrong in one way.
fn altered_psbts(task: &Task, plan: &Plan) -> Vec<(&'static str, &'static str, Psbt)> {
    let good = task.signed_psbts(plan, Role::Developer).remove(0);
    let input = &plan.chunks()[0].inputs[0];
    let leaf = input.output.cooperative_leaf_hash();
    let refund_leaf = input.output.refund_leaf_hash().unwrap();
    let developer = task.signers.of(Role::Developer).child(0, input.term.slot.index).unwrap();
    let signed = |key: &Keypair, leaf: TapLeafHash, sighash: TapSighashType| {
        let mut psbt = plan.psbts().remove(0);
        let prevouts = [input.prevout()];
        let message = SighashCache::new(&psbt.unsigned_tx)
            .taproot_script_spend_signature_hash(0, &Prevouts::All(&prevouts), leaf, sighash)
            .unwrap();
        let signature =
            task.secp.sign_schnorr_no_aux_rand(&Message::from_digest(message.to_byte_array()), key);
        let signature = bitcoin::taproot::Signature { signature, sighash_type: sighash };
        let public: XOnlyPublicKey = key.x_only_public_key().0;
        psbt.inputs[0].tap_script_sigs = BTreeMap::from([((public, leaf), signature)]);
        psbt
    };
    let change = |change: &dyn Fn(&mut Psbt)| {
        let mut psbt = good.clone();
        change(&mut psbt);
        psbt
    };
    let default = TapSighashType::Default;
    vec![
        (
            "another output",
            "psbt_other_transaction",
            change(&|psbt| {
                psbt.unsigned_tx.output[0].value += Amount::from_sat(1);
            }),
        ),
        (
            "another address",
            "psbt_other_transaction",
            change(&|psbt| {
                psbt.unsigned_tx.output[0].script_pubkey =
                    testing::address(upfront::escrow::network::Network::Regtest, 999).script_pubkey();
            }),
        ),
        (
            "another input",
            "psbt_other_transaction",
            change(&|psbt| {
                psbt.unsigned_tx.input[0].previous_output.vout += 1;
            }),
        ),
        (
            "one input more",
            "psbt_other_transaction",
            change(&|psbt| {
                let previous_output = OutPoint { vout: 99, ..psbt.unsigned_tx.input[0].previous_output };
                psbt.unsigned_tx.input.push(TxIn { previous_output, ..psbt.unsigned_tx.input[0].clone() });
                psbt.inputs.push(psbt.inputs[0].clone());
            }),
        ),
        (
            "another locktime",
            "psbt_other_transaction",
            change(&|psbt| {
                psbt.unsigned_tx.lock_time = bitcoin::absolute::LockTime::from_consensus(1);
            }),
        ),
        (
            "another amount shown",
            "psbt_field",
            change(&|psbt| {
                psbt.inputs[0].witness_utxo.as_mut().unwrap().value += Amount::from_sat(1);
            }),
        ),
        ("no signature", "psbt_no_signature", plan.psbts().remove(0)),
        ("another's key", "psbt_wrong_key", signed(&testing::sponsor(5), leaf, default)),
        ("the refund leaf", "psbt_wrong_leaf", signed(&developer, refund_leaf, default)),
        (
            "another sighash",
            "psbt_wrong_sighash",
            signed(&developer, leaf, TapSighashType::SinglePlusAnyoneCanPay),
        ),
        ("SIGHASH_ALL", "psbt_wrong_sighash", signed(&developer, leaf, TapSighashType::All)),
        (
            "a signature of another form",
            "psbt_bad_signature",
            change(&|psbt| {
                psbt.inputs[0].tap_script_sigs =
                    task.signed_psbts(plan, Role::Developer)[1].inputs[0].tap_script_sigs.clone();
            }),
        ),
    ]
}
