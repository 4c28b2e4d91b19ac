//! What somebody may try who wants a milestone paid twice, a pledge bound, or others held up.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, Milestone, Payee};
use crate::escrow::descriptor::Slot;
use crate::escrow::event::Command;
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::{Standing, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Named, NamedBy, Role, Signed, Submission, SubmissionId};
use crate::escrow::task::{Refused, Stage};
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, OutPoint};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];

/// Two milestones alike.
fn alike(fields: &mut CharterFields) {
    let due = fields.work_deadline;
    fields.milestones =
        vec![Milestone { share_bps: 5_000, due: due - DAY_SECS }, Milestone { share_bps: 5_000, due }];
}

fn close(world: &mut World) {
    let tip = world.chain.tip();
    world.advance_to(tip.mtp_secs + world.task().charter().fields().review_secs + 1);
}

fn rest(world: &World) -> OutPoint {
    let mut later =
        world.task().outpoints().values().filter(|held| held.slot.generation > 0 && held.unspent());
    later.next().expect("there is a rest").outpoint
}

#[test]
fn one_transaction_pays_one_milestone_where_two_are_alike() {
    let mut world = verified(alike);
    let (index, outpoint) = world.fund(sat(600_000));
    let first = world.submit_milestone(0);
    world.vote_and_prepare(first, index, 1);
    let id = world.propose(Kind::Milestone { submission: first }, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    close(&mut world);
    let second = world.submit_milestone(1);
    world.vote_and_prepare(second, index, 1);
    let txids = |submission: &SubmissionId, rate| {
        let plan = world.task().split_off(submission, outpoint, rate).unwrap();
        plan.forms().map(|(_, _, form)| form.txid).collect::<Vec<_>>()
    };
    assert_eq!(txids(&first, 1), txids(&second, 1), "nothing in them tells which milestone they pay");
    // So what was proposed for the first is not proposed for the second as well: who signed the one would not
    // know what is left to pay after it.
    let kind = Kind::Milestone { submission: second };
    assert_eq!(world.propose(kind, 1), Err(Refused::NothingPrepared));
    world.sign(id, Role::Representative).unwrap();
    world.broadcast(id, 0, 0);
    world.mine(1);
    world.check();
    let rest = rest(&world);
    assert_eq!(world.task().uncovered(&world.task().outpoints()[&rest]), [1]);
    // The sponsor takes the word on the second back: nothing more is paid, least of all the first again.
    world.vote(second, index, Choice::No, 2).unwrap();
    close(&mut world);
    for submission in [first, second] {
        world.judge(submission, true).unwrap();
        for kind in [Kind::Milestone { submission }, Kind::Payout { submission }] {
            assert!(world.propose(kind, 1).is_err(), "{kind:?}");
        }
    }
    // At another feerate the transactions are others, and either may be meant.
    let mut world = verified(alike);
    let (index, _) = world.fund(sat(600_000));
    let first = world.submit_milestone(0);
    world.vote_and_prepare(first, index, 1);
    world.propose(Kind::Milestone { submission: first }, 1).unwrap();
    close(&mut world);
    let second = world.submit_milestone(1);
    world.vote_and_prepare(second, index, 3);
    world.propose(Kind::Milestone { submission: second }, 3).unwrap();
    world.check();
}

#[test]
fn the_same_payees_are_the_same_whoever_names_them() {
    let mut world = verified(alike);
    let (index, _) = world.fund(sat(600_000));
    let payees = vec![Payee { address: testing::address(world.network, 55).to_string(), share_bps: 9_500 }];
    let submit = |world: &mut World, milestone, by| {
        let key = match by {
            NamedBy::Representative => testing::statement_keypair(world.network, Role::Representative),
            NamedBy::Leader => testing::sponsor(90),
        };
        let named = Some(Named { by, payees: payees.clone() });
        let submission = Submission { milestone: Some(milestone), named, ..world.submission() };
        let (id, block) = (submission.id(), world.chain.block(submission.block_height));
        let submission = Signed::new(&world.secp, submission, &key);
        world.give(&Command::SubmitWork { submission, block }).unwrap();
        world.vote(id, index, Choice::Yes, 1).unwrap();
        close(world);
        id
    };
    submit(&mut world, 0, NamedBy::Representative);
    let submission = submit(&mut world, 1, NamedBy::Leader);
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    assert_eq!(world.plan(id).terms().inputs()[0].pay.get(), 10_000, "both are paid, to the same people");
}

#[test]
fn a_refund_must_be_ready_for_every_form() {
    let mut world = verified(alike);
    let (index, outpoint) = world.fund(sat(600_000));
    let submission = world.submit_milestone(0);
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let plan = world.task().split_off(&submission, outpoint, 1).unwrap();
    let commands = world.prepare_commands(&plan, world.id);
    assert_eq!(commands.len(), 3);
    let kind = Kind::Milestone { submission };
    for missing in 0..3 {
        let mut world = world.clone();
        for (at, command) in commands.iter().enumerate() {
            if at != missing {
                assert_eq!(world.give(command), Ok(1));
            }
        }
        assert_eq!(world.propose(kind, 1), Err(Refused::NothingPrepared), "form {missing} has none");
        assert_eq!(world.give(&commands[missing]), Ok(1));
        world.propose(kind, 1).unwrap();
    }
}

#[test]
fn who_prepared_nothing_at_a_higher_feerate_holds_nobody_up() {
    let mut world = verified(alike);
    let (a, first) = world.fund(sat(600_000));
    let (b, second) = world.fund(sat(400_000));
    let submission = world.submit_milestone(0);
    for pledge in [a, b] {
        world.vote_and_prepare(submission, pledge, 1);
    }
    let kind = Kind::Milestone { submission };
    let low = world.propose(kind, 1).unwrap();
    let dearer = world.task().split_off(&submission, first, 8).unwrap();
    for role in TWO {
        world.sign(low, role).unwrap();
    }
    for chunk in 0..2 {
        world.broadcast(low, chunk, 0);
    }
    // Fees rise, and one of the two sponsors is away.
    world.prepare(&dearer, world.id).unwrap();
    let high = world.propose(kind, 8).unwrap();
    assert_eq!(world.plan(high).outpoints().collect::<Vec<_>>(), [first]);
    for role in TWO {
        world.sign(high, role).unwrap();
    }
    world.broadcast(high, 0, 0);
    world.mine(1);
    world.check();
    let spent = |outpoint: &OutPoint| world.task().outpoints()[outpoint].spend.unwrap().txid;
    assert!(world.plan(high).has_transaction(&spent(&first)));
    assert!(world.plan(low).has_transaction(&spent(&second)), "the other goes on as it was");
}

#[test]
fn a_rest_that_never_comes_binds_no_vote() {
    let mut world = verified(|fields| {
        alike(fields);
        fields.milestones[1].share_bps = 3_000;
        fields.milestones.push(Milestone { share_bps: 2_000, ..fields.milestones[1] });
        fields.milestones[1].due -= 1;
    });
    let (index, _) = world.fund(sat(600_000));
    let first = world.submit_milestone(0);
    world.vote_and_prepare(first, index, 1);
    let kind = Kind::Milestone { submission: first };
    let id = world.settle(kind, TWO).unwrap();
    let gone = rest(&world);
    close(&mut world);
    let second = world.submit_milestone(1);
    world.vote_and_prepare(second, index, 1);
    let next = world.propose(Kind::Milestone { submission: second }, 1).unwrap();
    for role in TWO {
        world.sign(next, role).unwrap();
    }
    assert_eq!(world.vote(second, index, Choice::No, 2), Err(Refused::VoteSettled));
    // A long reorg, in which another form of the first split wins: what two have signed spends what is not there.
    let blocks = world.chain.depth(&gone.txid);
    world.chain.disconnect(usize::try_from(blocks).unwrap());
    world.chain.broadcast(&world.finalized(id, 0, 2)).unwrap();
    world.chain.mine(blocks);
    world.sync();
    world.check();
    assert_eq!(world.standing(&gone), Standing::Vanished);
    assert!(!world.task().is_live(&next, world.book.tip().unwrap()));
    assert_ne!(world.stage(), Stage::Settling);
    let other = rest(&world);
    assert_ne!(other, gone);
    assert!(world.task().outpoints()[&other].secured(), "each form's rest has its refund");
    assert_eq!(world.vote(second, index, Choice::No, 2), Ok(1), "the vote is free again");
}

#[test]
fn strangers_bind_neither_a_split_pledge_nor_its_rest() {
    let mut world = verified(alike);
    let (index, _) = world.fund(sat(600_000));
    let first = world.submit_milestone(0);
    world.vote_and_prepare(first, index, 1);
    world.settle(Kind::Milestone { submission: first }, TWO).unwrap();
    let later = world.task().output(Slot { index, generation: 1 }).unwrap().script_pubkey;
    let at_first = world.pay(index, sat(20_000));
    let at_rest = world.chain.pay_one(&later, sat(20_000));
    world.mine(1);
    let surplus = |world: &World, outpoint| match world.standing(outpoint) {
        Standing::Surplus { reason } => Some(reason),
        _ => None,
    };
    assert_eq!(surplus(&world, &at_first), Some(Surplus::AlreadySettled));
    assert_eq!(surplus(&world, &at_rest), Some(Surplus::NotARemainder));
    close(&mut world);
    let second = world.submit_milestone(1);
    for stray in [at_first, at_rest] {
        let refused = world.task().split_off(&second, stray, 1).map(|plan| plan.id());
        // Worth splitting or not, no proposal takes it: nothing of it is credited.
        assert!(refused.is_err() || world.propose(Kind::Milestone { submission: second }, 1).is_err());
    }
    world.vote(second, index, Choice::Yes, 1).unwrap();
    // They go back beside the payout; two sign it, and the vote that pays is used by the rest alone.
    let rest = rest_of(&world, index, [at_first, at_rest]);
    world.settle(Kind::Payout { submission: second }, TWO).unwrap();
    world.check();
    for outpoint in [at_first, at_rest, rest] {
        assert!(!world.task().outpoints()[&outpoint].unspent());
    }
    let home = testing::address(world.network, 100 + index).script_pubkey();
    let back = world.chain.received(&home);
    assert!(back > sat(38_000) && back < sat(40_000), "all of the strangers' money less fees: {back}");
    assert_eq!(world.totals().credited, Amount::ZERO);
}

fn rest_of(world: &World, index: u32, strays: [OutPoint; 2]) -> OutPoint {
    let mut own = world
        .task()
        .outpoints()
        .values()
        .filter(|held| held.slot.index == index && held.unspent() && !strays.contains(&held.outpoint));
    own.next().expect("the rest").outpoint
}
