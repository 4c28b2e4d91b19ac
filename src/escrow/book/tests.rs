//! The journal's fold: what it takes, what it refuses, and who owns which script.

use super::*;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::task::Stage;
use crate::escrow::testing::{self, World};
use bitcoin::Amount;

/// A life with every kind of event in its journal.
fn lived() -> World {
    let sat = Amount::from_sat;
    let mut world = World::new(|fields| fields.depth = 2);
    let (yes, _) = world.fund(sat(100_000));
    let (no, _) = world.fund(sat(60_000));
    let replaced = world.pay(yes, sat(20_000));
    world.sync();
    world.chain.replace(replaced.txid, &[]);
    world.sync();
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    world.vote(submission, no, Choice::No, 1).unwrap();
    world.judge(submission, true).unwrap();
    world.settle(Kind::Payout { submission }, [Role::Developer, Role::Representative]).unwrap();
    world.chain.disconnect(5);
    world.sync();
    world.chain.mempool_cleared();
    world.sync();
    world.mine(6);
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    world.rule(submission, 5_000).unwrap();
    world
}

fn records(world: &World) -> Vec<Record> {
    world.log.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_of_event_survives_the_journal() {
    let world = lived();
    let names: std::collections::BTreeSet<String> = world
        .log
        .iter()
        .filter_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            Some(value.get("event")?.get("type")?.as_str()?.to_owned())
        })
        .collect();
    for name in [
        "task_drafted",
        "charter_attested",
        "task_opened",
        "pledge_issued",
        "outpoint_seen",
        "outpoint_confirmed",
        "outpoint_unconfirmed",
        "outpoint_vanished",
        "outpoint_spent",
        "outpoint_unspent",
        "refund_secured",
        "work_submitted",
        "submission_block_moved",
        "vote_cast",
        "work_judged",
        "noes_ruled",
        "settlement_proposed",
        "settlement_signed",
        "settlement_broadcast",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    assert_eq!(world.replayed(), world.book);
}

#[test]
fn a_batch_is_kept_in_order() {
    let mut world = World::new(|_| {});
    let batch = BatchRecord {
        transaction: "00".into(),
        refunds: vec![OutPoint::null()],
        fee_inputs: Vec::new(),
        fee_sat: 7,
        height: 3,
    };
    let record = Record::RefundBatch { batch: batch.clone() };
    let again: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    world.book.apply(&again).unwrap();
    assert_eq!(world.book.batches(), [batch]);
}

#[test]
fn a_journal_out_of_turn_is_refused_and_not_folded() {
    let world = lived();
    let records = records(&world);
    // Without its first record nothing else of the task can be.
    let Record::Task { charter, .. } = records.iter().find(|r| matches!(r, Record::Task { .. })).unwrap()
    else {
        unreachable!()
    };
    let mut book = Book::default();
    let later = records.iter().filter(|r| matches!(r, Record::Task { .. })).skip(1);
    for record in later.clone() {
        assert_eq!(book.apply(record), Err(BookError::UnknownTask { charter: *charter }));
    }
    // What can happen once only is refused a second time.
    let mut book = world.book.clone();
    let twice = |event: &Event| matches!(event, Event::TaskDrafted { .. } | Event::PledgeIssued { .. });
    for record in &records {
        if let Record::Task { event, .. } = record
            && twice(event)
        {
            assert!(book.apply(record).is_err(), "{event:?}");
        }
    }
    assert_eq!(book, world.book);
}

#[test]
fn a_forged_signature_is_found_on_replay() {
    let world = lived();
    let mut forged = 0;
    for line in &world.log {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        if !forge(&mut value) {
            continue;
        }
        forged += 1;
        let wrong: Record = serde_json::from_value(value).unwrap();
        let mut book = Book::default();
        let result = world.log.iter().try_for_each(|kept| {
            let record = if kept == line { wrong.clone() } else { serde_json::from_str(kept).unwrap() };
            book.apply(&record)
        });
        assert!(result.is_err(), "{line}");
    }
    assert!(forged >= 12, "attestations, pledges, refunds, statements, votes and settlements: {forged}");
}

/// Replaces the first signature found by another well-formed one.
fn forge(value: &mut serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if matches!(name.as_str(), "signature" | "pair")
                    && field.as_str().is_some_and(|s| s.len() == 128)
                {
                    *field = "11".repeat(64).into();
                    return true;
                }
                if name == "chunks" {
                    field[0][0][0] = "11".repeat(64).into();
                    return true;
                }
                if forge(field) {
                    return true;
                }
            }
            false
        }
        serde_json::Value::Array(items) => items.iter_mut().any(forge),
        _ => false,
    }
}

#[test]
fn a_task_is_its_charter() {
    let world = World::new(|_| {});
    let mut first = records(&world)
        .into_iter()
        .find(|record| matches!(record, Record::Task { event: Event::TaskDrafted { .. }, .. }))
        .unwrap();
    if let Record::Task { charter, .. } = &mut first {
        *charter = CharterId([5; 32]);
    }
    let wrong = Book::default().apply(&first);
    assert_eq!(wrong, Err(BookError::WrongCharter { charter: CharterId([5; 32]) }));
}

#[test]
fn every_script_has_one_owner() {
    let mut world = World::new(|_| {});
    let first = world.id;
    world.issue(Amount::from_sat(10_000));
    let mut fields = world.task().charter().fields().clone();
    fields.target_sat += 1;
    let second = world.draft(&fields);
    assert_eq!(world.book.scripts().count(), 2, "no address before all three have attested");
    world.attest_all();
    world.issue(Amount::from_sat(10_000));
    assert_eq!(world.book.scripts().count(), 4);
    for (id, task) in world.book.tasks() {
        for (script, slot) in task.scripts() {
            assert_eq!(world.book.owner(&script), Some((*id, slot)));
        }
    }
    assert_eq!(
        world.book.tasks().keys().copied().collect::<std::collections::BTreeSet<_>>(),
        [first, second].into()
    );
    let paid = world.pay(1, Amount::from_sat(10_000));
    world.sync();
    let (task, held) = world.book.find(&paid).unwrap();
    assert_eq!((task.id(), held.slot), (second, Slot::pledge(1)));
    assert_eq!(world.book.owner(&testing::address(world.network, 3).script_pubkey()), None);
    world.check();
}

#[test]
fn a_task_that_missed_its_funding_does_not_open() {
    let fields = testing::fields(crate::escrow::network::Network::Regtest);
    let mut world = World::bare(&fields);
    world.draft(&fields);
    world.attest_all();
    world.chain.advance_to(fields.funding_close);
    world.sync();
    assert_eq!(world.stage(), Stage::Attested);
    assert!(world.book.scripts().next().is_none());
    world.check();
}
