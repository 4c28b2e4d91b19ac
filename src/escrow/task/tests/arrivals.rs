//! Every row of the table of what arrives and what becomes of it.

use super::{sat, verified};
use crate::escrow::pledge::{COINBASE_MATURITY, Standing, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::task::{Entitlement, Reason, Stage};
use crate::escrow::testing::{self, World};
use bitcoin::OutPoint;

const TWO: [Role; 2] = [Role::Developer, Role::Representative];

fn reason(world: &World, kind: Kind, outpoint: &OutPoint) -> Option<Reason> {
    let entitlements = world.task().entitlements(&kind, world.book.tip().unwrap()).unwrap();
    entitlements.get(outpoint).map(|Entitlement { reason, .. }| *reason)
}

#[test]
fn less_than_promised_is_credited_as_it_is() {
    let mut world = verified(|_| {});
    let index = world.issue(sat(500_000));
    let outpoint = world.pay(index, sat(10_000));
    world.mine(1);
    assert_eq!(world.standing(&outpoint), Standing::Credited);
    assert_eq!(world.totals().credited, sat(10_000));
    world.check();
}

#[test]
fn below_the_minimum_is_shown_and_returned_where_that_is_economic() {
    let mut world = verified(|_| {});
    let (voter, _) = world.fund(sat(100_000));
    let index = world.issue(sat(10_000));
    let little = world.pay(index, sat(9_999));
    let dust = world.pay(index, sat(340));
    world.mine(1);
    for outpoint in [little, dust] {
        assert_eq!(world.standing(&outpoint), Standing::BelowMinimum);
    }
    assert_eq!((world.totals().below_minimum, world.totals().credited), (sat(10_339), sat(100_000)));
    world.secure(little).unwrap();
    let submission = world.submit();
    world.vote(submission, voter, Choice::Yes, 1).unwrap();
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert_eq!(tally.electorate, sat(100_000), "no vote below the minimum");
    let id = world.settle(Kind::Payout { submission }, TWO).unwrap();
    let moved: Vec<OutPoint> = world.plan(id).outpoints().collect();
    assert!(moved.contains(&little) && !moved.contains(&dust), "340 sat do not bear their own fee");
    assert!(world.chain.received(&testing::address(world.network, 100 + index).script_pubkey()) > sat(9_000));
    assert_eq!(world.stage(), Stage::Paid, "what cannot move holds up nobody");
    // At T its pair serves: no ladder bears 340 sat.
    world.secure(dust).unwrap();
    let bundle = world.task().outpoints()[&dust].refund.clone().unwrap();
    assert!(bundle.ladder().is_empty());
    world.advance_to(testing::REFUND_TIME + 1);
    world.chain.broadcast(&bundle.pair()).unwrap();
    world.mine(1);
    assert_eq!(world.totals().refunded, sat(340));
    world.check();
}

#[test]
fn more_than_promised_is_credited_each_outpoint_whole() {
    let mut world = verified(|fields| fields.cap_sat = 1_000_000);
    let index = world.issue(sat(10_000));
    let more = world.pay(index, sat(999_999));
    world.mine(1);
    let beyond = world.pay(index, sat(10_000));
    world.mine(1);
    assert_eq!(world.standing(&more), Standing::Credited);
    assert_eq!(world.standing(&beyond), Standing::Surplus { reason: Surplus::OverCap });
    assert_eq!((world.totals().credited, world.totals().surplus), (sat(999_999), sat(10_000)));
    world.check();
}

#[test]
fn the_cap_fills_by_height_position_and_output() {
    let mut world = verified(|fields| fields.cap_sat = 1_000_000);
    let (a, b) = (world.issue(sat(400_000)), world.issue(sat(400_000)));
    let (script_a, script_b) = (world.script(a), world.script(b));
    // One transaction with three outputs, then a small one that still fits.
    let txid = world.chain.pay(&[
        (script_a.clone(), sat(600_000)),
        (script_b.clone(), sat(500_000)),
        (script_a, sat(300_000)),
    ]);
    let small = world.chain.pay_one(&script_b, sat(100_000));
    world.mine(1);
    let standing = |vout| world.standing(&OutPoint { txid, vout });
    assert_eq!(standing(0), Standing::Credited);
    assert_eq!(standing(1), Standing::Surplus { reason: Surplus::OverCap }, "each whole or not at all");
    assert_eq!(standing(2), Standing::Credited);
    assert_eq!(world.standing(&small), Standing::Credited, "exactly the cap");
    assert_eq!(world.totals().credited, sat(1_000_000));
    world.check();
}

#[test]
fn a_second_payment_is_an_outpoint_of_its_own() {
    let mut world = verified(|_| {});
    let (index, first) = world.fund(sat(100_000));
    let second = world.pay(index, sat(60_000));
    world.mine(1);
    assert_eq!(world.standing(&second), Standing::Credited);
    assert_eq!(world.totals().secured, sat(100_000), "each needs its own refund");
    world.secure(second).unwrap();
    assert_eq!(world.totals().secured, sat(160_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert_eq!(tally.yes, sat(160_000), "weighed like the first");
    let id = world.settle(Kind::Payout { submission }, TWO).unwrap();
    let mut both = [first, second];
    both.sort();
    assert_eq!(world.plan(id).outpoints().collect::<Vec<_>>(), both);
    world.check();
}

#[test]
fn after_funding_close_it_is_surplus_and_returned_in_the_next_settlement() {
    let mut world = verified(|_| {});
    let close = world.task().charter().fields().funding_close;
    let (index, credited) = world.fund(sat(100_000));
    world.advance_to(close);
    let last = world.pay(index, sat(20_000));
    world.chain.mine_at(close);
    assert_eq!(world.chain.tip().mtp_secs, close);
    world.sync();
    assert_eq!(world.standing(&last), Standing::Credited, "at the close itself, by the block's median time");
    world.advance_to(close + 1);
    let late = world.pay(index, sat(30_000));
    world.mine(1);
    world.secure(late).unwrap();
    assert_eq!(world.standing(&late), Standing::Surplus { reason: Surplus::Late });
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert_eq!(tally.yes, sat(120_000), "no vote for surplus");
    let kind = Kind::Payout { submission };
    assert_eq!(reason(&world, kind, &late), Some(Reason::Surplus));
    assert_eq!(reason(&world, kind, &credited), Some(Reason::Yes));
    world.settle(kind, TWO).unwrap();
    let refund = testing::address(world.network, 100 + index).script_pubkey();
    assert!(world.chain.received(&refund) > sat(29_000), "the sponsor has it back");
    assert_eq!(world.totals().surplus, sat(0));
    world.check();
}

#[test]
fn to_an_address_already_paid_out_it_is_surplus() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    world.settle(Kind::Payout { submission }, TWO).unwrap();
    assert_eq!(world.stage(), Stage::Paid);
    let again = world.pay(index, sat(70_000));
    world.mine(1);
    assert_eq!(world.standing(&again), Standing::Surplus { reason: Surplus::AlreadySettled });
    assert_eq!(world.totals().surplus, sat(70_000));
    world.secure(again).unwrap();
    // By two of three at once ...
    let mut at_once = world.clone();
    at_once.settle(Kind::EarlyReturn, [Role::Representative, Role::Arbiter]).unwrap();
    assert_eq!(at_once.totals().surplus, sat(0));
    at_once.check();
    // ... or by its refund at T.
    world.advance_to(testing::REFUND_TIME + 1);
    let rung = world.task().outpoints()[&again].refund.clone().unwrap().ladder()[0].1.clone();
    world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    assert_eq!((world.totals().surplus, world.totals().refunded), (sat(0), sat(70_000)));
    world.check();
}

#[test]
fn after_the_end_it_is_surplus_and_its_sponsor_can_take_it_back() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    world.advance_to(testing::REFUND_TIME + 1);
    let late = world.pay(index, sat(40_000));
    world.mine(1);
    assert_eq!(world.standing(&late), Standing::Surplus { reason: Surplus::Late });
    world.secure(late).unwrap();
    let rung = world.task().outpoints()[&late].refund.clone().unwrap().ladder()[0].1.clone();
    world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    assert_eq!(world.totals().surplus, sat(0));
    world.check();
}

#[test]
fn a_coinbase_counts_after_a_hundred_confirmations() {
    let mut world = verified(|_| {});
    let index = world.issue(sat(50_000));
    let script = world.script(index);
    let outpoint = world.chain.mine_to(&script, sat(50_000));
    world.sync();
    world.secure(outpoint).unwrap();
    world.mine(COINBASE_MATURITY - 2);
    assert_eq!(world.standing(&outpoint), Standing::Confirming { depth: 99, of: 100 });
    assert_eq!(world.totals().awaiting_depth, sat(50_000));
    assert_eq!(world.propose(Kind::EarlyReturn, 1).unwrap_err().code(), "nothing_to_settle");
    world.check();
    world.mine(1);
    assert_eq!(world.standing(&outpoint), Standing::Credited);
    world.settle(Kind::EarlyReturn, TWO).unwrap();
    assert_eq!(world.stage(), Stage::Returned);
    world.check();
}

#[test]
fn a_gift_counts_to_the_target_and_follows_the_silent() {
    let mut world = verified(|fields| {
        fields.submissions_open = crate::escrow::charter::SubmissionsOpen::WhenTargetCredited;
        fields.target_sat = 150_000;
    });
    let (index, _) = world.fund(sat(100_000));
    let early = world.submission();
    assert_eq!(world.give(&world.submit_command(early)).unwrap_err().code(), "target_missing");
    let gift = world.pay(0, sat(50_000));
    let tiny = world.pay(0, sat(1_000));
    world.mine(1);
    assert_eq!(world.totals().gifts, sat(51_000));
    assert_eq!(world.standing(&tiny), Standing::Gift, "no gift is too small to be counted");
    let held = world.task().outpoints()[&gift].clone();
    assert!(world.task().refund_target(&held).is_none());
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert_eq!((tally.electorate, tally.yes), (sat(100_000), sat(100_000)), "gifts have no vote");
    let kind = Kind::Payout { submission };
    world.judge(submission, true).unwrap();
    assert_eq!(reason(&world, kind, &gift), None, "not before the vote is over");
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    assert_eq!(reason(&world, kind, &gift), Some(Reason::Gift));
    world.settle(kind, TWO).unwrap();
    assert_eq!(world.totals().gifts, sat(0));
    world.check();
}
