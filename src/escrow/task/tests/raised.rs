//! What a task raised, and what counts towards its target, where money moves to another charter: the former falls, the
//! latter stays, and money that goes around comes to no more than there was at once.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, FundingRule, SubmissionsOpen};
use crate::escrow::network::DAY_SECS;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, Role};
use crate::escrow::task::Refused;
use crate::escrow::testing::World;
use bitcoin::{Amount, OutPoint};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];

fn all_or_nothing(fields: &mut CharterFields) {
    fields.target_sat = 600_000;
    fields.funding_rule = FundingRule::AllOrNothing;
    fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
}

/// Two signers move an outpoint with its sponsor's consent.
fn moves(world: &mut World, outpoint: OutPoint, to: (CharterId, u32)) {
    let consent = world.consent(outpoint, to);
    let plan = world.task().moved(&consent.statement, 1).unwrap();
    world.give(&crate::escrow::event::Command::SignMove { consent }).unwrap();
    world.prepare(&plan, to.0).unwrap();
    world.settle(Kind::Move { to: to.0 }, TWO).unwrap();
}

fn raised(world: &World) -> u64 {
    world.totals().raised.to_sat()
}

fn counted(world: &World) -> Amount {
    world.task().counted_to_target(&world.task().standings(world.book.tip().unwrap()))
}

#[test]
fn a_target_that_was_met_stays_met_where_money_moves_on() {
    let mut world = verified(all_or_nothing);
    let tip = |world: &World| *world.book.tip().unwrap();
    let (index, outpoint) = world.fund(sat(500_000));
    assert_eq!(world.task().may_submit(&tip(&world)).unwrap_err().code(), "target_missing");
    let (_, second) = world.fund(sat(200_000));
    assert!(world.task().target_met(&tip(&world)));
    let to = world.elsewhere(index, |fields| fields.refund_time += 7 * DAY_SECS);
    moves(&mut world, outpoint, to);
    assert_eq!((raised(&world), counted(&world)), (200_000, sat(700_000)));
    assert!(world.task().target_met(&tip(&world)));
    assert_eq!(world.task().may_submit(&tip(&world)), Ok(()), "work is taken as before");
    let close = world.task().charter().fields().funding_close;
    world.advance_to(close + 1);
    assert!(!world.task().to_be_returned(&tip(&world)), "and nothing is returned for it");
    world.check();
    // A reorg below both payments takes the target back.
    let depth = usize::try_from(world.chain.tip().height).unwrap();
    world.chain.disconnect(depth - 1);
    world.chain.drop_from_mempool(&second.txid);
    world.mine(1);
    assert!(!world.task().target_met(&tip(&world)));
}

#[test]
fn money_that_goes_around_meets_no_target() {
    let mut world = verified(all_or_nothing);
    let (index, outpoint) = world.fund(sat(400_000));
    let to = world.elsewhere(index, |fields| fields.refund_time += 7 * DAY_SECS);
    moves(&mut world, outpoint, to);
    assert_eq!((raised(&world), counted(&world)), (0, sat(400_000)));
    world.fund(sat(300_000));
    assert_eq!((raised(&world), counted(&world)), (300_000, sat(400_000)), "never 700,000 at once");
    let tip = *world.book.tip().unwrap();
    let missing = Refused::TargetMissing { missing: sat(300_000) };
    assert_eq!(world.task().may_submit(&tip), Err(missing), "from what is there");
    let close = world.task().charter().fields().funding_close;
    world.advance_to(close + 1);
    assert!(world.task().to_be_returned(world.book.tip().unwrap()));
    world.check();
}

#[test]
fn what_moves_before_it_counts_never_counted() {
    let mut world = verified(|fields| {
        all_or_nothing(fields);
        fields.depth = 3;
    });
    let (index, outpoint) = world.fund(sat(400_000));
    let to = world.elsewhere(index, |fields| fields.refund_time += 7 * DAY_SECS);
    // Deep enough only when the other has gone.
    let second = world.issue(sat(300_000));
    world.pay(second, sat(300_000));
    world.mine(1);
    moves(&mut world, outpoint, to);
    assert_eq!((raised(&world), counted(&world)), (300_000, sat(400_000)));
    world.check();
}
