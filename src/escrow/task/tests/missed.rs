//! An all-or-nothing target that is missed: when it is, and that the return is proposed once.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, FundingRule, SubmissionsOpen};
use crate::escrow::due::{self, Effect};
use crate::escrow::network::DAY_SECS;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::Role;
use crate::escrow::task::Stage;
use crate::escrow::testing::World;

fn all_or_nothing(fields: &mut CharterFields) {
    fields.funding_rule = FundingRule::AllOrNothing;
    fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
}

/// Whether the return is due, as the task and the list of what is to be done say.
#[track_caller]
fn due(world: &World) -> bool {
    let listed = due::due(&world.book);
    let listed = listed
        .iter()
        .any(|effect| matches!(effect, Effect::ProposeReturn { charter } if *charter == world.id));
    assert_eq!(listed, world.task().return_due(world.book.tip().unwrap()));
    listed
}

fn close(world: &World) -> u32 {
    world.task().charter().fields().funding_close
}

#[test]
fn the_target_is_missed_one_second_after_funding_closed() {
    for (shift, missed) in [(-1i64, false), (0, false), (1, true)] {
        let mut world = verified(all_or_nothing);
        world.fund(sat(400_000));
        let at = u32::try_from(i64::from(close(&world)) + shift).unwrap();
        world.advance_to(at);
        assert_eq!(world.chain.tip().mtp_secs, at);
        assert_eq!((due(&world), world.task().to_be_returned(world.book.tip().unwrap())), (missed, missed));
    }
}

#[test]
fn a_target_that_is_reached_or_may_be_missed_returns_nothing() {
    let mut reached = verified(all_or_nothing);
    reached.fund(sat(1_000_000));
    let mut keeps = verified(|_| {});
    keeps.fund(sat(400_000));
    let mut empty = verified(all_or_nothing);
    empty.issue(sat(400_000));
    for world in [&mut reached, &mut keeps, &mut empty] {
        world.advance_to(close(world) + 1);
        assert!(!due(world));
    }
    let tip = *empty.book.tip().unwrap();
    assert!(empty.task().to_be_returned(&tip), "missed, and there is nothing to give back");
    assert!(!keeps.task().to_be_returned(&tip));
}

#[test]
fn what_was_mined_in_time_is_waited_for() {
    for (last, missed) in [(600_000, false), (500_000, true)] {
        let mut world = verified(|fields| {
            all_or_nothing(fields);
            fields.depth = 3;
        });
        world.fund(sat(400_000));
        let close = close(&world);
        world.advance_to(close);
        let index = world.issue(sat(last));
        // Blocks whose own times are later, so that the median moves on soon.
        (0..4).for_each(|_| world.chain.mine_at(close + 1));
        let outpoint = world.pay(index, sat(last));
        world.chain.mine_at(close + 1);
        world.sync();
        let at = world.task().outpoints()[&outpoint].confirmation.unwrap();
        assert_eq!((at.mtp_secs, due(&world)), (close, false), "mined in the very last second");
        world.chain.mine_at(close + 1);
        world.sync();
        let tip = *world.book.tip().unwrap();
        assert_eq!((tip.mtp_secs, at.depth(&tip)), (close + 1, 2));
        assert!(!due(&world), "closed, below the target, and it may still make it");
        world.mine(1);
        assert_eq!(due(&world), missed);
        world.check();
    }
}

#[test]
fn what_came_too_late_is_no_hope() {
    let mut world = verified(|fields| {
        all_or_nothing(fields);
        fields.depth = 3;
    });
    world.fund(sat(400_000));
    let index = world.issue(sat(900_000));
    world.advance_to(close(&world) + 1);
    world.pay(index, sat(900_000));
    world.mine(1);
    assert!(world.task().totals(world.book.tip().unwrap()).awaiting_depth > sat(0));
    assert!(due(&world));
}

#[test]
fn it_is_proposed_once_and_two_signers_return_everything() {
    let mut world = verified(all_or_nothing);
    let (_, first) = world.fund(sat(400_000));
    world.fund(sat(100_000));
    let gift = world.pay(0, sat(50_000));
    world.mine(1);
    world.advance_to(close(&world) + 1);
    assert!(due(&world));
    let id = world.propose(Kind::EarlyReturn, 2).unwrap();
    assert!(!due(&world), "one is proposed");
    world.mine(3);
    assert!(!due(&world));
    // It lapses unsigned after a week, and is proposed again then.
    let proposed = world.task().settlements()[&id].at_mtp_secs;
    for (at, again) in [(6 * DAY_SECS, false), (7 * DAY_SECS, false), (7 * DAY_SECS + 1, true)] {
        world.advance_to(proposed + at);
        assert_eq!((world.chain.tip().mtp_secs, due(&world)), (proposed + at, again));
    }
    let id = world.propose(Kind::EarlyReturn, 2).unwrap();
    assert!(!due(&world));
    world.sign(id, Role::Developer).unwrap();
    world.advance_to(world.chain.tip().mtp_secs + 8 * DAY_SECS);
    assert!(!due(&world), "what one has signed does not lapse");
    world.sign(id, Role::Arbiter).unwrap();
    assert!(!due(&world));
    world.broadcast(id, 0, 0);
    assert!(!due(&world), "on its way");
    world.mine(1);
    assert_eq!((due(&world), world.stage()), (false, Stage::Returned));
    assert!(
        world.task().outpoints()[&first].spend.is_some() && world.task().outpoints()[&gift].spend.is_some()
    );
    world.check();
}

#[test]
fn what_arrives_afterwards_is_proposed_when_the_first_return_is_mined() {
    let mut world = verified(all_or_nothing);
    world.fund(sat(400_000));
    let late = world.issue(sat(300_000));
    world.advance_to(close(&world) + 1);
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    let outpoint = world.pay(late, sat(300_000));
    world.mine(1);
    assert!(!due(&world));
    for role in [Role::Representative, Role::Developer] {
        world.sign(id, role).unwrap();
    }
    world.broadcast(id, 0, 0);
    world.mine(1);
    assert!(due(&world), "the surplus that came late");
    let rest = world.propose(Kind::EarlyReturn, 1).unwrap();
    assert_eq!(world.plan(rest).outpoints().collect::<Vec<_>>(), [outpoint]);
    assert!(!due(&world));
}

#[test]
fn a_proposal_that_a_reorg_overtook_is_made_again() {
    let mut world = verified(all_or_nothing);
    let (_, outpoint) = world.fund(sat(400_000));
    world.fund(sat(100_000));
    world.advance_to(close(&world) + 1);
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    // A payment falls out of the chain and the mempool: what one has signed can go out no more.
    let blocks =
        world.chain.tip().height + 1 - world.task().outpoints()[&outpoint].confirmation.unwrap().height;
    world.chain.disconnect(usize::try_from(blocks).unwrap());
    world.chain.drop_from_mempool(&outpoint.txid);
    world.mine(1);
    world.advance_to(close(&world) + 1);
    assert!(due(&world), "a signature on what cannot go out holds nothing up");
    world.propose(Kind::EarlyReturn, 1).unwrap();
    assert!(!due(&world));
    world.check();
}

#[test]
fn nothing_is_proposed_after_the_cutoff() {
    for (shift, proposes) in [(-1i64, true), (0, true), (1, false)] {
        let mut world = verified(all_or_nothing);
        world.fund(sat(400_000));
        let cutoff = world.task().charter().cutoff_secs();
        world.advance_to(u32::try_from(i64::from(cutoff) + shift).unwrap());
        assert_eq!(due(&world), proposes, "{shift}");
        assert_eq!(world.propose(Kind::EarlyReturn, 1).is_ok(), proposes);
    }
}
