//! When a signer is called silent, and what the other two can do: a second before, at, and after.

use super::sat;
use crate::escrow::charter::Silence;
use crate::escrow::event::Command;
use crate::escrow::network::Network;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, SubmissionId};
use crate::escrow::task::{SeatState, Task, Wait, Waiting, Way};
use crate::escrow::testing::{self, World};

const SILENT_SECS: u32 = Network::Regtest.silent_secs();

fn seat(world: &World, role: Role) -> SeatState {
    let seats = world.task().seats(world.book.tip().unwrap());
    seats.into_iter().find(|seat| seat.role == role).unwrap()
}

/// The one thing that waits for a seat.
fn only(world: &World, role: Role) -> Waiting {
    let seat = seat(world, role);
    assert_eq!(seat.waiting.len(), 1, "{seat:?}");
    seat.waiting[0].clone()
}

fn idle(world: &World, roles: &[Role]) {
    for role in roles {
        assert_eq!(seat(world, *role).waiting, [], "{role}");
    }
}

fn names(waiting: &Waiting) -> Vec<&'static str> {
    let name = |way: &Way| match way {
        Way::AnotherCharter => "another",
        Way::SignWithout { .. } => "sign",
        Way::PayFreed { .. } => "pay",
        Way::RulingStandsIn { .. } => "ruling",
        Way::EarlyReturn { .. } => "return",
        Way::NoesReturn { .. } => "noes",
        Way::Refunds { .. } => "refunds",
    };
    waiting.ways.iter().map(name).collect()
}

/// Goes to each second around the end of patience and looks at one thing that waits.
#[track_caller]
fn falls_silent_after(world: &mut World, role: Role, what: Wait, since_secs: u32) {
    let last = since_secs + SILENT_SECS;
    for (mtp_secs, silent) in [(last - 1, false), (last, false), (last + 1, true)] {
        world.advance_to(mtp_secs);
        assert_eq!(world.book.tip().unwrap().mtp_secs, mtp_secs, "the chain goes second by second");
        let seat = seat(world, role);
        let waiting = seat.waiting.iter().find(|waiting| waiting.what == what).expect("it still waits");
        assert_eq!((waiting.since_secs, waiting.silent_after_secs), (since_secs, last));
        assert_eq!(
            (waiting.silent, seat.silent_since()),
            (silent, silent.then_some(since_secs)),
            "at {mtp_secs}"
        );
    }
}

fn mtp(world: &World) -> u32 {
    world.book.tip().unwrap().mtp_secs
}

fn closes(world: &World) -> u32 {
    let task = world.task();
    u32::try_from(task.window(task.submissions().last().unwrap()).unwrap().closes_secs).unwrap()
}

/// A pledge that says yes, one that says nothing and, if asked for, one that says no.
fn voted(no: bool) -> (World, SubmissionId) {
    let mut world = World::new(|_| {});
    for _ in 0..if no { 3 } else { 2 } {
        world.fund(sat(300_000));
    }
    let submission = world.submit();
    world.vote(submission, 1, Choice::Yes, 0).unwrap();
    if no {
        world.vote(submission, 3, Choice::No, 0).unwrap();
    }
    (world, submission)
}

#[test]
fn a_missing_attestation_is_silence_while_others_have_attested_and_the_task_may_open() {
    let fields = testing::fields(Network::Regtest);
    let mut world = World::bare(&fields);
    world.sync();
    world.draft(&fields);
    idle(&world, &Role::ALL);
    world.give(&world.attest_command(Role::Representative)).unwrap();
    let since = mtp(&world);
    world.advance_to(since + 60);
    world.give(&world.attest_command(Role::Developer)).unwrap();
    idle(&world, &[Role::Developer, Role::Representative]);
    assert_eq!(names(&only(&world, Role::Arbiter)), ["another"]);
    assert_eq!(seat(&world, Role::Representative).last_act_secs, Some(since));
    assert_eq!(seat(&world, Role::Developer).last_act_secs, Some(since + 60));
    assert_eq!(seat(&world, Role::Arbiter).last_act_secs, None);
    falls_silent_after(&mut world, Role::Arbiter, Wait::Attestation, since);
    // With the last second in which the task could open, nothing waits any more.
    world.advance_to(fields.funding_close - 1);
    assert!(only(&world, Role::Arbiter).silent);
    world.advance_to(fields.funding_close);
    idle(&world, &Role::ALL);
    world.check();
}

#[test]
fn an_attestation_that_came_ends_the_silence() {
    let fields = testing::fields(Network::Regtest);
    let mut world = World::bare(&fields);
    world.sync();
    world.draft(&fields);
    world.give(&world.attest_command(Role::Developer)).unwrap();
    world.advance_to(mtp(&world) + SILENT_SECS + 1);
    world.give(&world.attest_command(Role::Arbiter)).unwrap();
    assert!(only(&world, Role::Representative).silent);
    world.give(&world.attest_command(Role::Representative)).unwrap();
    idle(&world, &Role::ALL);
}

#[test]
fn the_representative_is_waited_for_from_the_close_of_the_vote_where_the_word_would_free_money() {
    let (mut world, submission) = voted(false);
    world.advance_to(closes(&world));
    idle(&world, &Role::ALL);
    world.advance_to(closes(&world) + 1);
    let what = Wait::Acceptance { submission };
    let waiting = only(&world, Role::Representative);
    assert_eq!((waiting.what, names(&waiting)), (what, vec!["pay", "ruling", "return", "refunds"]));
    idle(&world, &[Role::Developer, Role::Arbiter]);
    let since = closes(&world);
    falls_silent_after(&mut world, Role::Representative, what, since);
    // What is said can be done: the other two sign the payout of the yes, give everything back, and a ruling stands in.
    let others = [Role::Developer, Role::Arbiter];
    world.clone().settle(Kind::Payout { submission }, others).unwrap();
    world.clone().settle(Kind::EarlyReturn, others).unwrap();
    let mut ruled = world.clone();
    ruled.rule(submission, 1).unwrap();
    idle(&ruled, &Role::ALL);
    let mut nothing = world.clone();
    nothing.rule(submission, 0).unwrap();
    assert_eq!(
        names(&only(&nothing, Role::Representative)),
        ["pay", "return", "refunds"],
        "a ruling of 0 frees nothing"
    );
    let mut judged = world.clone();
    judged.judge(submission, false).unwrap();
    idle(&judged, &Role::ALL);
    assert_eq!(judged.task().acts().last_secs(Role::Representative), Some(mtp(&judged)));
    // The time for a ruling passes, and with the cut-off nothing waits any more.
    let ends =
        u32::try_from(world.task().window(&world.task().submissions()[0]).unwrap().ruling_ends_secs).unwrap();
    world.advance_to(ends);
    assert_eq!(names(&only(&world, Role::Representative)), ["pay", "ruling", "return", "refunds"]);
    world.advance_to(ends + 1);
    assert_eq!(names(&only(&world, Role::Representative)), ["pay", "return", "refunds"]);
    let cutoff = world.task().charter().cutoff_secs();
    world.advance_to(cutoff);
    assert!(only(&world, Role::Representative).silent);
    world.advance_to(cutoff + 1);
    idle(&world, &Role::ALL);
    world.check();
}

#[test]
fn nobody_waits_for_a_word_that_would_free_nothing() {
    // Silence holds; the quorum is missed; everybody voted; the money is gone.
    let close = |mut world: World| {
        world.advance_to(closes(&world) + 1);
        world
    };
    let mut holds = World::new(|fields| fields.acceptance.silence = Silence::Hold);
    let mut missed = World::new(|fields| fields.acceptance.quorum_bps = 9_000);
    for world in [&mut holds, &mut missed] {
        world.fund(sat(300_000));
        world.fund(sat(300_000));
        let submission = world.submit();
        world.vote(submission, 1, Choice::Yes, 0).unwrap();
    }
    idle(&close(holds), &Role::ALL);
    idle(&close(missed), &Role::ALL);
    let (mut all, submission) = voted(false);
    all.vote(submission, 2, Choice::Yes, 0).unwrap();
    idle(&close(all), &Role::ALL);
    let (mut gone, _) = voted(false);
    gone.settle(Kind::EarlyReturn, [Role::Developer, Role::Representative]).unwrap();
    idle(&close(gone), &Role::ALL);
}

#[test]
fn the_arbiter_is_waited_for_while_noes_lie_there_and_a_ruling_may_be_given() {
    let (mut world, submission) = voted(true);
    world.judge(submission, true).unwrap();
    let since = closes(&world);
    world.advance_to(since);
    idle(&world, &Role::ALL);
    let what = Wait::Ruling { submission };
    world.advance_to(since + 1);
    let waiting = only(&world, Role::Arbiter);
    assert_eq!((waiting.what, names(&waiting)), (what, vec!["pay", "return", "noes"]));
    idle(&world, &[Role::Developer, Role::Representative]);
    falls_silent_after(&mut world, Role::Arbiter, what, since);
    let others = [Role::Developer, Role::Representative];
    world.clone().settle(Kind::Payout { submission }, others).unwrap();
    world.clone().settle(Kind::EarlyReturn, others).unwrap();
    let mut ruled = world.clone();
    ruled.rule(submission, 5_000).unwrap();
    assert_eq!(ruled.task().acts().ruled_secs(&submission), Some(mtp(&ruled)));
    idle(&ruled, &Role::ALL);
    let ends =
        u32::try_from(world.task().window(&world.task().submissions()[0]).unwrap().ruling_ends_secs).unwrap();
    world.advance_to(ends);
    assert!(only(&world, Role::Arbiter).silent);
    world.advance_to(ends + 1);
    idle(&world, &Role::ALL);
    world.check();
}

fn sign(world: &mut World, id: crate::escrow::statement::SettlementId, role: Role) {
    let signatures = world.signatures(id, role);
    world.give(&Command::SignSettlement { settlement: id, signatures }).unwrap();
}

#[test]
fn a_settlement_waits_for_those_who_may_still_sign_it_from_its_first_signature() {
    let (mut world, submission) = voted(false);
    let settlement = world.propose(Kind::Payout { submission }, 1).unwrap();
    let what = Wait::Signature { settlement };
    let proposed = mtp(&world);
    // Nobody has signed: those whose part it is are asked, since it was proposed.
    for role in [Role::Developer, Role::Representative] {
        assert_eq!((only(&world, role).what, only(&world, role).since_secs), (what, proposed));
    }
    idle(&world, &[Role::Arbiter]);
    world.advance_to(proposed + 100);
    sign(&mut world, settlement, Role::Developer);
    let since = proposed + 100;
    idle(&world, &[Role::Developer]);
    for role in [Role::Representative, Role::Arbiter] {
        assert_eq!((only(&world, role).what, only(&world, role).since_secs), (what, since));
        assert_eq!(names(&only(&world, role)), ["sign", "pay", "return", "refunds"]);
    }
    falls_silent_after(&mut world, Role::Arbiter, what, since);
    assert!(only(&world, Role::Representative).silent);
    assert_eq!(seat(&world, Role::Developer).last_act_secs, Some(since));
    sign(&mut world, settlement, Role::Arbiter);
    idle(&world, &Role::ALL);
    world.check();
}

#[test]
fn a_settlement_by_ruling_waits_for_the_arbiter_and_then_for_any_other() {
    let (mut world, submission) = voted(true);
    world.judge(submission, true).unwrap();
    world.advance_to(closes(&world) + 1);
    world.rule(submission, 5_000).unwrap();
    let settlement = world.propose(Kind::Ruling { submission }, 1).unwrap();
    let what = Wait::Signature { settlement };
    sign(&mut world, settlement, Role::Developer);
    let waiting = only(&world, Role::Arbiter);
    assert_eq!(
        (waiting.what, names(&waiting)),
        (what, vec!["pay", "return", "noes"]),
        "nobody can sign instead"
    );
    idle(&world, &[Role::Developer, Role::Representative]);
    let mut begun = World::clone(&world);
    sign(&mut begun, settlement, Role::Arbiter);
    idle(&begun, &Role::ALL);
    // The other way round: the arbiter first, then either of the two.
    let (mut world, submission) = voted(true);
    world.judge(submission, true).unwrap();
    world.advance_to(closes(&world) + 1);
    world.rule(submission, 5_000).unwrap();
    let settlement = world.propose(Kind::Ruling { submission }, 1).unwrap();
    sign(&mut world, settlement, Role::Arbiter);
    idle(&world, &[Role::Arbiter]);
    for role in [Role::Developer, Role::Representative] {
        assert_eq!(names(&only(&world, role)), ["sign", "pay", "return", "refunds"]);
    }
}

#[test]
fn nobody_is_asked_to_give_back_and_who_is_asked_twice_is_asked_once() {
    let (mut world, submission) = voted(false);
    world.propose(Kind::EarlyReturn, 1).unwrap();
    idle(&world, &Role::ALL);
    let first = world.propose(Kind::Payout { submission }, 1).unwrap();
    world.advance_to(mtp(&world) + 10);
    world.propose(Kind::Payout { submission }, 3).unwrap();
    assert_eq!(only(&world, Role::Developer).what, Wait::Signature { settlement: first });
    // A return that one has signed is asked of the others.
    let back = world.propose(Kind::EarlyReturn, 5).unwrap();
    sign(&mut world, back, Role::Representative);
    assert_eq!(only(&world, Role::Arbiter).what, Wait::Signature { settlement: back });
    assert_eq!(seat(&world, Role::Developer).waiting.len(), 2);
}

#[test]
fn a_task_told_without_times_calls_nobody_silent() {
    let fields = testing::fields(Network::Regtest);
    let mut world = World::bare(&fields);
    world.draft(&fields);
    world.give(&world.attest_command(Role::Developer)).unwrap();
    let known: &Task = world.task();
    assert_eq!(known.acts().last_secs(Role::Developer), None);
    world.sync();
    world.advance_to(mtp(&world) + SILENT_SECS + 1);
    idle(&world, &Role::ALL);
}
