//! What a lying server could do with transactions that are in no block, and when scripts are left alone.

use super::{sat, verified};
use crate::escrow::due::{self, Effect};
use crate::escrow::facts::{Spend, SpendPath};
use crate::escrow::network::DAY_SECS;
use crate::escrow::retire;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::Role;
use crate::escrow::task::Stage;
use crate::escrow::testing::World;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};

/// Lets a server say that something unconfirmed spends `outpoint`.
fn made_up_spend(world: &mut World, index: u32, outpoint: OutPoint, path: SpendPath) {
    let script = world.script(index);
    let mut views = world.chain.views(std::slice::from_ref(&script));
    let txid = Txid::from_byte_array([9; 32]);
    views[0].1.spends = vec![Spend { prevout: outpoint, txid, vin: 0, path, confirmation: None }];
    for record in world.book.observe(&world.chain.tip(), &views) {
        world.book.apply(&record).unwrap();
    }
    assert!(world.task().outpoints()[&outpoint].spend.is_some());
}

fn broadcasts(world: &World) -> usize {
    let is = |effect: &&Effect| matches!(effect, Effect::BroadcastSettlement { .. });
    due::due(&world.book).iter().filter(is).count()
}

fn refunds(world: &World, outpoint: OutPoint) -> bool {
    due::due(&world.book)
        .iter()
        .any(|effect| matches!(effect, Effect::Refund { outpoints, .. } if outpoints.contains(&outpoint)))
}

#[test]
fn a_made_up_spend_holds_no_settlement_up() {
    for path in [SpendPath::Refund, SpendPath::Key, SpendPath::Cooperative] {
        let mut world = verified(|_| ());
        let (index, outpoint) = world.fund(sat(1_000_000));
        made_up_spend(&mut world, index, outpoint, path);
        let id = world.propose(Kind::EarlyReturn, 1).expect("it may be proposed all the same");
        for role in [Role::Developer, Role::Arbiter] {
            world.sign(id, role).unwrap();
        }
        made_up_spend(&mut world, index, outpoint, path);
        assert_eq!(broadcasts(&world), 1, "{path:?}");
    }
}

#[test]
fn a_made_up_spend_holds_a_refund_up_for_three_days_at_most() {
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(1_000_000));
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    assert!(refunds(&world, outpoint));
    for path in [SpendPath::Refund, SpendPath::Cooperative] {
        made_up_spend(&mut world, index, outpoint, path);
        assert!(!refunds(&world, outpoint), "somebody's own refund has its time");
        world.sync();
    }
    world.advance_to(refund_time + 3 * DAY_SECS + 1);
    for path in [SpendPath::Refund, SpendPath::Cooperative] {
        made_up_spend(&mut world, index, outpoint, path);
        assert!(refunds(&world, outpoint), "{path:?}");
    }
}

#[test]
fn a_script_is_settled_when_its_money_is_gone_for_a_day_and_its_task_over() {
    let mut world = verified(|fields| fields.depth = 2);
    let (index, _) = world.fund(sat(1_000_000));
    let unpaid = world.issue(sat(20_000));
    assert!(retire::settled_scripts(&world.book).is_empty(), "it is under way");
    world.settle(Kind::EarlyReturn, [Role::Developer, Role::Arbiter]).unwrap();
    assert_eq!(world.stage(), Stage::Returned);
    let settled = |world: &World, index| retire::settled_scripts(&world.book).contains(&world.script(index));
    assert!(settled(&world, unpaid) && !settled(&world, index), "its spend could still be undone");
    world.mine(retire::RETIRE_DEPTH - 3);
    assert!(!settled(&world, index));
    world.mine(1);
    assert!(settled(&world, index));
    assert_eq!(retire::settled_scripts(&world.book), retire::settled_scripts(&world.replayed()));
    // A late payment brings it back.
    world.pay(index, sat(50_000));
    world.sync();
    assert!(!settled(&world, index));
}
