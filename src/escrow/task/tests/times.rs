//! Every time that decides anything, one second before, at, and one second after.
//!
//! Not here, because they have tests of their own: when a vote may change (`faults.rs`), when a refund is final
//! (`faults.rs`), which arrivals are late (`arrivals.rs`), when a reservation ends (`pledge/tests.rs`).

use super::{sat, verified};
use crate::escrow::charter::{Charter, Milestone};
use crate::escrow::due::{Effect, due};
use crate::escrow::event::Command;
use crate::escrow::network::DAY_SECS;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Move, Role, SettlementId, Signed, SubmissionId};
use crate::escrow::task::{GRACE_SECS, Refused};
use crate::escrow::testing::{self, World};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];
const REFUSED_LATE: fn(&'static str) -> [Option<&'static str>; 3] = |code| [None, None, Some(code)];
const REFUSED_EARLY: fn(&'static str) -> [Option<&'static str>; 3] = |code| [Some(code), Some(code), None];

fn code<T>(result: Result<T, Refused>) -> Option<&'static str> {
    result.err().map(|refused| refused.code())
}

/// Does something one second before `at`, at it, and one second after: why it was refused, each time.
fn around(
    world: &World,
    at: u32,
    what: impl Fn(&mut World) -> Option<&'static str>,
) -> [Option<&'static str>; 3] {
    [at - 1, at, at + 1].map(|mtp_secs| {
        let mut world = world.clone();
        world.advance_to(mtp_secs);
        assert_eq!(world.chain.tip().mtp_secs, mtp_secs);
        what(&mut world)
    })
}

/// Two milestones of one size, due two weeks apart.
fn halves() -> World {
    verified(|fields| {
        let first = fields.work_deadline - 14 * DAY_SECS;
        fields.milestones = vec![
            Milestone { share_bps: 5_000, due: first },
            Milestone { share_bps: 5_000, due: fields.work_deadline },
        ];
    })
}

fn closes(world: &World) -> u32 {
    let task = world.task();
    u32::try_from(task.window(task.submissions().last().unwrap()).unwrap().closes_secs).unwrap()
}

fn ruling_ends(world: &World) -> u32 {
    let task = world.task();
    u32::try_from(task.window(task.submissions().last().unwrap()).unwrap().ruling_ends_secs).unwrap()
}

/// One pledge that said yes to the only submission, and one that said nothing.
fn yes_and_silence() -> (World, SubmissionId) {
    let mut world = verified(|_| ());
    let (yes, _) = world.fund(sat(600_000));
    world.fund(sat(300_000));
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    (world, submission)
}

fn signed(world: &mut World, id: SettlementId) {
    for role in TWO {
        world.sign(id, role).unwrap();
    }
}

#[test]
fn funding_closes() {
    let world = verified(|_| ());
    let close = world.task().charter().fields().funding_close;
    let issue = |world: &mut World| code(world.give(&world.issue_command(1, sat(10_000))));
    assert_eq!(around(&world, close, issue), REFUSED_LATE("funding_closed"));
    let mut fields = world.task().charter().fields().clone();
    fields.cap_sat += 1;
    let other = Charter::from_fields(fields).unwrap();
    let draft = |world: &mut World| code(world.book.draft(other.bytes(), testing::TEXT, None));
    let past = Some("funding_close_past");
    assert_eq!(around(&world, close, draft), [None, past, past]);
}

#[test]
fn work_is_submitted() {
    let world = halves();
    let give = |milestone| {
        move |world: &mut World| {
            let submission = world.submission();
            let submission =
                crate::escrow::statement::Submission { milestone: Some(milestone), ..submission };
            code(world.give(&world.submit_command(submission)))
        }
    };
    let fields = world.task().charter().fields().clone();
    assert_eq!(around(&world, fields.milestones[0].due, give(0)), REFUSED_LATE("milestone_overdue"));
    assert_eq!(around(&world, fields.milestones[0].due, give(1)), [None; 3]);
    assert_eq!(around(&world, fields.work_deadline, give(1)), REFUSED_LATE("work_deadline"));
}

#[test]
fn a_review_closes() {
    let (mut world, submission) = yes_and_silence();
    let at = closes(&world);
    let again = |world: &mut World| code(world.give(&world.submit_command(world.submission())));
    assert_eq!(around(&world, at, again), REFUSED_EARLY("still_voting"));
    let rule = |world: &mut World| code(world.rule(submission, 5_000));
    assert_eq!(around(&world, at, rule), REFUSED_EARLY("ruling_too_early"));
    // The silent are paid when nobody can change the majority any more.
    world.judge(submission, true).unwrap();
    let paid = |world: &mut World| {
        let id = world.propose(Kind::Payout { submission }, 1).unwrap();
        (world.plan(id).outpoints().count() < 2).then_some("the willing alone")
    };
    assert_eq!(around(&world, at, paid), REFUSED_EARLY("the willing alone"));
}

#[test]
fn the_time_for_a_ruling_ends() {
    let (world, submission) = yes_and_silence();
    let rule = |world: &mut World| code(world.rule(submission, 5_000));
    assert_eq!(around(&world, ruling_ends(&world), rule), REFUSED_LATE("ruling_too_late"));
    // A milestone that was submitted in time, and decided by nobody, is lost then and not before.
    let mut world = halves();
    let (index, _) = world.fund(sat(600_000));
    let one = world.submit_milestone(0);
    world.vote(one, index, Choice::Yes, 1).unwrap();
    let due = world.task().charter().milestone(1).unwrap().due;
    world.advance_to(due - DAY_SECS);
    world.submit_milestone(1);
    let ends = ruling_ends(&world);
    assert!(ends > due);
    let pay = |world: &mut World| code(world.propose(Kind::Payout { submission: one }, 1));
    assert_eq!(around(&world, ends, pay), REFUSED_EARLY("nothing_to_settle"));
}

#[test]
fn a_milestone_is_due() {
    let mut world = halves();
    let (index, _) = world.fund(sat(600_000));
    // The second comes first; the first may still come until it is due.
    let two = world.submit_milestone(1);
    world.vote(two, index, Choice::Yes, 1).unwrap();
    let due = world.task().charter().milestone(0).unwrap().due;
    let pay = |world: &mut World| code(world.propose(Kind::Payout { submission: two }, 1));
    assert_eq!(around(&world, due, pay), REFUSED_EARLY("nothing_to_settle"));
}

#[test]
fn nothing_new_is_started_after_the_cut_off() {
    let (mut world, submission) = yes_and_silence();
    let cutoff = world.task().charter().cutoff_secs();
    let late = REFUSED_LATE("past_cutoff");
    let payout = Kind::Payout { submission };
    let propose = |kind| move |world: &mut World| code(world.propose(kind, 1));
    assert_eq!(around(&world, cutoff, propose(payout)), late);
    assert_eq!(around(&world, cutoff, propose(Kind::EarlyReturn)), late);
    world.advance_to(cutoff - 2);
    let id = world.propose(payout, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    let second = |world: &mut World| code(world.sign(id, Role::Representative));
    assert_eq!(around(&world, cutoff, second), late);
    // A third signature on what two have signed starts nothing.
    signed(&mut world, id);
    let third = |world: &mut World| code(world.sign(id, Role::Arbiter));
    assert_eq!(around(&world, cutoff, third), [None; 3]);
    // A split leaves a rest that has to be dealt with again: no later than anything else.
    let mut world = halves();
    let (index, _) = world.fund(sat(600_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, index, 1);
    assert_eq!(around(&world, cutoff, propose(Kind::Milestone { submission: one })), late);
    // Gifts alone cross no refund.
    let mut world = verified(|_| ());
    world.pay(0, sat(50_000));
    world.mine(1);
    for at in [cutoff, testing::REFUND_TIME, testing::REFUND_TIME + GRACE_SECS] {
        assert_eq!(around(&world, at, propose(Kind::EarlyReturn)), [None; 3]);
    }
}

#[test]
fn a_proposal_lapses() {
    let (mut world, _) = yes_and_silence();
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    let at = world.chain.tip().mtp_secs + 7 * DAY_SECS;
    let sign = |world: &mut World| code(world.sign(id, Role::Developer));
    assert_eq!(around(&world, at, sign), REFUSED_LATE("proposal_lapsed"));
    // One signature keeps it.
    world.sign(id, Role::Arbiter).unwrap();
    assert_eq!(around(&world, at, sign), [None; 3]);
}

fn broadcasts(world: &mut World) -> Option<&'static str> {
    let sends = |effect: &Effect| matches!(effect, Effect::BroadcastSettlement { .. });
    (!due(&world.book).iter().any(sends)).then_some("sends nothing")
}

fn refunds(world: &mut World) -> Option<&'static str> {
    let sends = |effect: &Effect| matches!(effect, Effect::Refund { .. });
    (!due(&world.book).iter().any(sends)).then_some("refunds nothing")
}

#[test]
fn t_and_three_days_after_it() {
    let refund_time = testing::REFUND_TIME;
    let grace = refund_time + GRACE_SECS;
    let mut world = verified(|_| ());
    let (index, _) = world.fund(sat(600_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    signed(&mut world, id);
    // What was not sent until T is not sent any more, and the refund goes out at once.
    assert_eq!(around(&world, refund_time, broadcasts), REFUSED_LATE("sends nothing"));
    assert_eq!(around(&world, refund_time, refunds), REFUSED_EARLY("refunds nothing"));
    // What waits in the mempool is bumped for three days, and the refund waits as long.
    world.broadcast(id, 0, 0);
    assert_eq!(around(&world, refund_time, broadcasts), [None; 3]);
    assert_eq!(around(&world, refund_time, refunds), [Some("refunds nothing"); 3]);
    let waits = |what: fn(&mut World) -> Option<&'static str>| {
        move |world: &mut World| {
            world.advance_to(world.chain.tip().mtp_secs);
            what(world)
        }
    };
    let mut waiting = world.clone();
    // Past the payout in the mempool no block of this chain takes anything.
    waiting.chain.drop_from_mempool(&waiting.plan(id).chunks()[0].forms[0].txid.clone());
    waiting.advance_to(refund_time + 1);
    let transaction = waiting.finalized(id, 0, 0);
    waiting.chain.broadcast(&transaction).unwrap();
    waiting.sync();
    assert_eq!(around(&waiting, grace, waits(broadcasts)), REFUSED_LATE("sends nothing"));
    assert_eq!(around(&waiting, grace, waits(refunds)), REFUSED_EARLY("refunds nothing"));
}

#[test]
fn a_rebuild_has_three_days() {
    let mut world = verified(|_| ());
    let (a, first) = world.fund(sat(100_000));
    let (b, _) = world.fund(sat(200_000));
    let submission = world.submit();
    let kind = Kind::Payout { submission };
    for pledge in [a, b] {
        world.vote(submission, pledge, Choice::Yes, 1).unwrap();
    }
    let id = world.propose(kind, 1).unwrap();
    signed(&mut world, id);
    world.advance_to(testing::REFUND_TIME + 1);
    let rung = world.bundle(first).ladder()[0].1.clone();
    world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    let at = testing::REFUND_TIME + GRACE_SECS;
    let rebuild = |world: &mut World| code(world.propose(kind, 2));
    assert_eq!(around(&world, at, rebuild), REFUSED_LATE("nothing_to_settle"));
    world.advance_to(at - 2);
    let again = world.propose(kind, 2).unwrap();
    let sign = |world: &mut World| code(world.sign(again, Role::Developer));
    assert_eq!(around(&world, at, sign), REFUSED_LATE("past_cutoff"));
}

#[test]
fn a_move_arrives_where_funding_is_open() {
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let here = world.id;
    let mut fields = world.task().charter().fields().clone();
    fields.refund_time += 7 * DAY_SECS;
    let to = world.draft(&fields);
    world.attest_all();
    world.issue(sat(500_000));
    let to_address = world.task().pledges()[&index].output.address.to_string();
    world.id = here;
    let statement =
        Move { network: world.network, charter: here, outpoint, to_charter: to, to_index: index, to_address };
    let consent = Signed::new(&world.secp, statement.clone(), &world.sponsor(index));
    world.give(&Command::SignMove { consent }).unwrap();
    let plan = world.task().moved(&statement, 1).unwrap();
    world.prepare(&plan, to).unwrap();
    let close = fields.funding_close;
    let kind = Kind::Move { to };
    let late = REFUSED_LATE("funding_closed");
    assert_eq!(around(&world, close, |world| code(world.propose(kind, 1))), late);
    world.advance_to(close - 2);
    let id = world.propose(kind, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    assert_eq!(around(&world, close, |world| code(world.sign(id, Role::Arbiter))), late);
    signed(&mut world, id);
    assert_eq!(around(&world, close, |world| code(world.sign(id, Role::Arbiter))), [None; 3]);
}
