//! What an arbiter had to decide, whether it came in time, and where the money went.

use super::sat;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, SubmissionId};
use crate::escrow::task::{Case, CaseState, NoesFate, NoesMoved};
use crate::escrow::testing::{self, World};

fn case(world: &World) -> Case {
    let cases = world.task().cases(world.book.tip().unwrap());
    assert_eq!(cases.len(), 1);
    cases[0].clone()
}

/// A yes, and two noes of 200,000 and 300,000 sat.
fn contested() -> (World, SubmissionId) {
    let mut world = World::new(|_| {});
    for amount in [400_000, 200_000, 300_000] {
        world.fund(sat(amount));
    }
    let submission = world.submit();
    for (pledge, choice) in [(1, Choice::Yes), (2, Choice::No), (3, Choice::No)] {
        world.vote(submission, pledge, choice, 0).unwrap();
    }
    (world, submission)
}

fn secs(secs: u64) -> u32 {
    u32::try_from(secs).unwrap()
}

#[test]
fn a_ruling_is_told_with_its_time_and_the_transaction_that_carried_it_out() {
    let (mut world, submission) = contested();
    let told = case(&world);
    assert_eq!((told.state, told.noes, told.noes_amount), (CaseState::Voting, 2, sat(500_000)));
    world.advance_to(secs(told.closes_secs));
    assert_eq!(case(&world).state, CaseState::Voting);
    world.advance_to(secs(told.closes_secs) + 1);
    assert_eq!(case(&world).state, CaseState::Due);
    world.advance_to(secs(told.closes_secs) + 5_000);
    world.rule(submission, 2_500).unwrap();
    let at_secs = world.book.tip().unwrap().mtp_secs;
    let state = CaseState::Ruled {
        pay_bps: 2_500,
        at_secs: Some(at_secs),
        took_secs: Some(u64::from(at_secs) - told.closes_secs),
    };
    assert_eq!(at_secs, secs(told.closes_secs) + 5_000);
    let waits =
        NoesMoved { fate: NoesFate::Waits, txid: None, settlement: None, amount: sat(500_000), mined: false };
    assert_eq!((case(&world).state, case(&world).moved), (state, vec![waits]));
    let id = world.settle(Kind::Ruling { submission }, [Role::Representative, Role::Arbiter]).unwrap();
    let txid = world.plan(id).chunks()[0].forms[0].txid;
    let moved = NoesMoved {
        fate: NoesFate::CarriedOut,
        txid: Some(txid),
        settlement: Some(id),
        amount: sat(500_000),
        mined: true,
    };
    assert_eq!((case(&world).state, case(&world).moved), (state, vec![moved]));
    world.check();
}

#[test]
fn a_ruling_that_was_due_and_did_not_come_is_missed_from_the_second_after_its_time() {
    let (mut world, _) = contested();
    let ends = secs(case(&world).ruling_ends_secs);
    for (mtp_secs, state) in
        [(ends - 1, CaseState::Due), (ends, CaseState::Due), (ends + 1, CaseState::Missed)]
    {
        world.advance_to(mtp_secs);
        assert_eq!(case(&world).state, state);
    }
    // After T one of them goes back by its sponsor's refund; the record says so, and stays.
    world.advance_to(testing::REFUND_TIME + 1);
    let no = world.task().outpoints().values().find(|held| held.slot.index == 2).unwrap().outpoint;
    let (_, refund) = world.bundle(no).ladder().remove(0);
    let txid = world.chain.broadcast(&refund).unwrap();
    world.mine(1);
    let told = case(&world);
    assert_eq!(told.state, CaseState::Missed);
    let ways: Vec<_> = told.moved.iter().map(|way| (way.fate, way.txid, way.amount, way.mined)).collect();
    assert_eq!(
        ways,
        [(NoesFate::Waits, None, sat(300_000), false), (NoesFate::Refunded, Some(txid), sat(200_000), true)]
    );
}

#[test]
fn what_two_signers_gave_back_in_time_needed_no_ruling_and_later_it_was_missed() {
    let others = [Role::Developer, Role::Representative];
    let (mut world, _) = contested();
    let ends = secs(case(&world).ruling_ends_secs);
    let mut late = world.clone();
    world.advance_to(ends - 100);
    let id = world.settle(Kind::EarlyReturn, others).unwrap();
    assert_eq!(case(&world).state, CaseState::NotNeeded);
    world.advance_to(ends + 1);
    let told = case(&world);
    assert_eq!((told.state, told.noes), (CaseState::NotNeeded, 2));
    assert_eq!((told.moved[0].fate, told.moved[0].settlement), (NoesFate::MovedOtherwise, Some(id)));
    late.advance_to(ends + 1);
    late.settle(Kind::EarlyReturn, others).unwrap();
    assert_eq!(case(&late).state, CaseState::Missed);
    assert_eq!(case(&late).moved[0].fate, NoesFate::MovedOtherwise);
}

#[test]
fn where_nobody_said_no_nothing_is_due() {
    let mut world = World::new(|_| {});
    world.fund(sat(400_000));
    let submission = world.submit();
    world.vote(submission, 1, Choice::Yes, 0).unwrap();
    let told = case(&world);
    world.advance_to(secs(told.closes_secs) + 1);
    assert_eq!((case(&world).state, case(&world).noes), (CaseState::NotNeeded, 0));
    world.advance_to(secs(told.ruling_ends_secs) + 1);
    assert_eq!((case(&world).state, case(&world).moved), (CaseState::NotNeeded, vec![]));
}
