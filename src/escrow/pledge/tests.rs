//! What is taken of the cap while others are just paying, and which payments end a pledge.

use super::*;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::testing::World;

const fn sat(sat: u64) -> Amount {
    Amount::from_sat(sat)
}

fn left(world: &World) -> Amount {
    let (task, tip) = (world.task(), world.book.tip().unwrap());
    task.charter().cap() - reserved(task.pledges(), task.outpoints(), &task.standings(tip), tip)
}

#[test]
fn an_address_that_is_not_paid_frees_the_cap_after_half_an_hour() {
    let mut world = World::new(|fields| fields.cap_sat = 1_000_000);
    let index = world.issue(sat(900_000));
    let issued = world.book.tip().unwrap().mtp_secs;
    assert_eq!(left(&world), sat(100_000));
    assert_eq!(world.give(&world.issue_command(2, sat(100_001))).unwrap_err().code(), "cap_reached");
    world.advance_to(issued + RESERVATION_SECS - 1);
    assert_eq!(left(&world), sat(100_000));
    world.advance_to(issued + RESERVATION_SECS);
    assert_eq!(left(&world), sat(1_000_000));
    // It is watched for ever all the same: what comes takes what is there.
    let other = world.issue(sat(200_000));
    world.pay(index, sat(900_000));
    world.sync();
    assert_eq!(world.give(&world.issue_command(3, sat(10_000))).unwrap_err().code(), "cap_reached");
    world.mine(1);
    let late = world.pay(other, sat(200_000));
    world.mine(1);
    assert_eq!(world.standing(&late), Standing::Surplus { reason: Surplus::OverCap });
    assert_eq!(world.totals().credited, sat(900_000));
    world.check();
}

#[test]
fn what_was_paid_counts_instead_of_what_was_promised() {
    let mut world = World::new(|fields| fields.cap_sat = 1_000_000);
    let index = world.issue(sat(500_000));
    world.pay(0, sat(400_000));
    world.sync();
    assert_eq!(left(&world), sat(500_000), "gifts take nothing of the cap");
    world.pay(index, sat(50_000));
    world.sync();
    assert_eq!(left(&world), sat(950_000));
    world.pay(index, sat(70_000));
    world.mine(1);
    assert_eq!(left(&world), sat(880_000));
    // A payment that vanishes gives its part back, and the promise is too old to count.
    world.chain.disconnect(1);
    let txid =
        world.task().outpoints().values().find(|held| held.amount == sat(50_000)).unwrap().outpoint.txid;
    world.chain.drop_from_mempool(&txid);
    world.sync();
    assert_eq!(left(&world), sat(930_000));
    world.check();
}

#[test]
fn a_stray_payment_that_went_back_does_not_end_a_pledge() {
    let mut world = World::new(|_| {});
    let (voter, _) = world.fund(sat(100_000));
    let index = world.issue(sat(50_000));
    let stray = world.pay(index, sat(9_000));
    world.mine(1);
    let submission = world.submit();
    world.vote(submission, voter, Choice::Yes, 1).unwrap();
    let id = world.settle(Kind::Payout { submission }, [Role::Developer, Role::Representative]).unwrap();
    assert!(world.plan(id).outpoints().any(|outpoint| outpoint == stray));
    let meant = world.pay(index, sat(50_000));
    world.mine(1);
    assert_eq!(world.standing(&meant), Standing::Credited);
    let again = world.pay(voter, sat(50_000));
    world.mine(1);
    assert_eq!(world.standing(&again), Standing::Surplus { reason: Surplus::AlreadySettled });
    world.check();
}

#[test]
fn depth_is_counted_from_one() {
    let mut world = World::new(|fields| fields.depth = 6);
    let index = world.issue(sat(10_000));
    let outpoint = world.pay(index, sat(10_000));
    for depth in 1..6 {
        world.mine(1);
        assert_eq!(world.standing(&outpoint), Standing::Confirming { depth, of: 6 });
    }
    world.mine(1);
    assert_eq!(world.standing(&outpoint), Standing::Credited);
    world.check();
}

#[test]
fn sums_never_overflow() {
    let mut sum = Amount::MAX_MONEY;
    add(&mut sum, sat(1));
    assert_eq!(sum, Amount::MAX_MONEY + sat(1));
    add(&mut sum, Amount::MAX);
    assert_eq!(sum, Amount::MAX);
}
