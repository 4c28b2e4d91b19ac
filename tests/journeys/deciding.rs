//! What is decided beside votes, on a real chain and by commands: a vote that opens with the merge, a dispute with
//! evidence, and the return of everything where an all-or-nothing target was missed.

use crate::harness::{Desk, Sponsor, Task, World, wait_until};
use bitcoin::Amount;
use std::path::PathBuf;
use upfront::escrow::charter::{FundingRule, SubmissionsOpen, VoteOpens};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Digest, Role};
use upfront::escrow::task::Stage;
use upfront::keys::{Identity, Phrase};
use upfront::service::views::{SettlementView, SubmissionView};

fn words(desk: &Desk, name: &str, phrase: &Phrase) -> PathBuf {
    let path = desk.path(name);
    phrase.write_new(&path, "a test's", None).unwrap();
    path
}

#[test]
fn a_vote_opens_with_the_merge_and_a_dispute_is_heard() {
    let world = World::start();
    let (api, desk) = (world.api(), Desk::new(world.service.url()));
    let (leader, nobody) = (Phrase::from_entropy(&[0x71; 16]), Phrase::from_entropy(&[0x72; 16]));
    let task = Task::open(&world, 1, |fields| {
        fields.vote_opens = VoteOpens::Merged;
        fields.leader.as_mut().unwrap().key = Identity::new(&leader).public().to_string();
    });
    let id = task.id().to_string();
    let (leader, nobody) = (words(&desk, "leader.words", &leader), words(&desk, "nobody.words", &nobody));
    let [leader, nobody] = [&leader, &nobody].map(|path| path.to_str().unwrap());
    let pledge = task.pledge(&api, &Sponsor::new(1), 400_000);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    task.secure(&api, &pledge, outpoint).unwrap();
    world.mine(1);

    let submission = task.submit(&world);
    let (status, code) = {
        let refused = task.vote(&api, &pledge, submission, Choice::Yes).unwrap_err();
        let (status, code) = refused.refusal();
        (status, code.to_owned())
    };
    assert_eq!((status, code.as_str()), (409, "voting_not_open"));
    let shown = desk.run(&["submission", "show", &id]);
    assert_eq!((&shown["window"], &shown["awaits"]), (&serde_json::Value::Null, &"merged".into()));
    world.mine(2);
    let wrong = desk.try_run(&["submission", "confirm", &id, "--key", nobody]).unwrap_err();
    assert_eq!(wrong["error"]["code"], "wrong_key", "{wrong}");
    let opened = world.node.mtp();
    let confirmed = desk.run(&["submission", "confirm", &id, "--key", leader]);
    assert_eq!(confirmed["window"]["opens_secs"], opened, "{confirmed}");
    assert_eq!(task.view(&api).stage, Stage::Voting);

    // The leader disputes it; the sponsor has a word, and no say beyond the vote.
    let log = desk.path("log.txt");
    std::fs::write(&log, "3 tests failed").unwrap();
    let attach = log.to_str().unwrap();
    let text = "Three tests fail on my machine";
    desk.run(&[
        "evidence",
        &id,
        "--as",
        "leader",
        "--dispute",
        "--text",
        text,
        "--attach",
        attach,
        "--key",
        leader,
    ]);
    let recovery = desk.path("pledge.recovery.json");
    std::fs::write(&recovery, task.recovery_file(&pledge, &[outpoint]).to_json()).unwrap();
    let recovery = recovery.to_str().unwrap();
    let said =
        |text| ["evidence", &id, "--pledge", "1", "--text", text, "--recovery", recovery].map(str::to_owned);
    let run = |args: [String; 8]| desk.try_run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    run(said("They pass on mine")).unwrap();
    let view: SubmissionView = serde_json::from_value(run(said("On two of them")).unwrap()).unwrap();
    assert!(view.disputed);
    let heard: Vec<(String, u32)> =
        view.evidence.iter().map(|said| (said.statement.by.to_string(), said.statement.counter)).collect();
    assert_eq!(heard, [("leader".into(), 0), ("pledge 1".into(), 0), ("pledge 1".into(), 1)]);
    assert_eq!(view.evidence[0].statement.attachments, [Digest::of(b"3 tests failed")]);
    let dispute = ["evidence", &id, "--pledge", "1", "--dispute", "--text", "no", "--recovery", recovery];
    assert_eq!(desk.try_run(&dispute).unwrap_err()["error"]["code"], "no_dispute");

    // A yes is a yes all the same.
    task.vote(&api, &pledge, submission, Choice::Yes).unwrap();
    task.verify(&world);
    let payout = task.propose(&api, Kind::Payout { submission }, 2).unwrap();
    task.sign(&api, &payout.id, Role::Developer).unwrap();
    task.sign(&api, &payout.id, Role::Representative).unwrap();
    world.node.wait_mempool(1);
    world.mine(1);
    wait_until("it is paid", || (task.view(&api).stage == Stage::Paid).then_some(()));
    task.verify(&world);
}

#[test]
fn a_missed_target_goes_back_when_two_have_signed_what_the_service_proposed() {
    let world = World::start();
    let api = world.api();
    let task = Task::open(&world, 1, |fields| {
        fields.funding_rule = FundingRule::AllOrNothing;
        fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
    });
    let pledge = task.pledge(&api, &Sponsor::new(1), 400_000);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    task.secure(&api, &pledge, outpoint).unwrap();
    world.mine(1);
    let close = task.charter.fields().funding_close;
    world.set_mtp(close);
    assert_eq!(task.view(&api).settlements, []);
    world.set_mtp(close + 1);
    let proposed: SettlementView =
        wait_until("the return is proposed", || task.view(&api).settlements.first().cloned());
    assert_eq!(proposed.kind, Kind::EarlyReturn);
    assert!(proposed.signed_by.is_empty());
    world.mine(2);
    assert_eq!(task.view(&api).settlements.len(), 1, "once");
    task.sign(&api, &proposed.id, Role::Arbiter).unwrap();
    task.sign(&api, &proposed.id, Role::Representative).unwrap();
    let [txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let fee = world.node.fee(&world.node.transaction(&txid));
    world.mine(1);
    wait_until("it is returned", || (task.view(&api).stage == Stage::Returned).then_some(()));
    assert_eq!(world.node.unspent(pledge.refund_address()), [Amount::from_sat(400_000) - fee]);
    task.verify(&world);
}
