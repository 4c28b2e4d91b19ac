//! Where a rule could leave somebody waiting, or credited, for no reason: a rest whose payment a reorg made late, a
//! settlement of which one transaction can never confirm, work that is handed in in the last second.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, Milestone, Payee};
use crate::escrow::descriptor::Slot;
use crate::escrow::due::{Effect, due};
use crate::escrow::event::Command;
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::{Standing, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{
    Choice, Named, NamedBy, Role, SettlementId, Signed, Submission, SubmissionId,
};
use crate::escrow::task::{Parted, Refused, Stage};
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, OutPoint};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];

/// Half, and two quarters.
fn three(fields: &mut CharterFields) {
    let due = |weeks: u32| fields.work_deadline - weeks * 7 * DAY_SECS;
    fields.milestones = vec![
        Milestone { share_bps: 5_000, due: due(2) },
        Milestone { share_bps: 2_500, due: due(1) },
        Milestone { share_bps: 2_500, due: due(0) },
    ];
}

fn close(world: &mut World) {
    let tip = world.chain.tip();
    world.advance_to(tip.mtp_secs + world.task().charter().fields().review_secs + 1);
}

fn returned_to(world: &World, index: u32) -> Amount {
    world.chain.received(&testing::address(world.network, 100 + index).script_pubkey())
}

/// One pledge of 600,000 sat, split for the first milestone, and what was left of it.
fn split(world: &mut World) -> (u32, OutPoint, OutPoint) {
    let (index, outpoint) = world.fund(sat(600_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, index, 1);
    world.settle(Kind::Milestone { submission: one }, TWO).unwrap();
    let slot = Slot { index, generation: 1 };
    let rest = world.task().outpoints().values().find(|held| held.slot == slot && held.unspent()).unwrap();
    let rest = rest.outpoint;
    assert_eq!(world.standing(&rest), Standing::Credited);
    (index, outpoint, rest)
}

#[test]
fn a_rest_is_surplus_where_a_reorg_makes_its_payment_late() {
    let mut world = verified(three);
    let (index, outpoint, rest) = split(&mut world);
    close(&mut world);
    let two = world.submit_milestone(1);
    world.vote_and_prepare(two, index, 1);
    let next = world.propose(Kind::Milestone { submission: two }, 1).unwrap();
    world.sign(next, Role::Developer).unwrap();
    let early = world.propose(Kind::EarlyReturn, 1).unwrap();
    world.sign(early, Role::Arbiter).unwrap();
    let left = world.task().outpoints()[&rest].amount;
    let before = world.clone();
    // The payment, and the split with it, are mined again when funding has closed.
    let blocks = world.chain.depth(&outpoint.txid);
    let funding_close = world.task().charter().fields().funding_close;
    world.chain.disconnect(usize::try_from(blocks).unwrap());
    world.chain.advance_to(funding_close + 1);
    world.chain.mine(blocks);
    world.sync();
    world.check();
    let late = Standing::Surplus { reason: Surplus::Late };
    assert_eq!((world.standing(&outpoint), world.standing(&rest)), (late, late), "the rest as the payment");
    let totals = world.totals();
    assert_eq!((totals.raised, totals.credited, totals.surplus), (Amount::ZERO, Amount::ZERO, left));
    assert_eq!(totals.secured, left, "its refund stays");
    // What one had signed is not completed, and nothing else pays any of it.
    let refused = world.sign(next, Role::Representative);
    assert_eq!(refused, Err(Refused::NoLongerAllowed { outpoint: rest }));
    assert_eq!(world.propose(Kind::Milestone { submission: two }, 1), Err(Refused::NothingPrepared));
    assert_eq!(world.propose(Kind::Payout { submission: two }, 1), Err(Refused::NothingToSettle));
    // It goes back, as any surplus: by what was proposed for credited money too, where nothing of it is paid.
    let mut returned = world.clone();
    returned.sign(early, Role::Representative).unwrap();
    returned.broadcast(early, 0, 0);
    returned.mine(1);
    returned.check();
    assert!(returned_to(&returned, index) > left - sat(1_000));
    assert_eq!(returned.totals().surplus, Amount::ZERO);
    // Another reorg makes it what it was.
    let blocks = world.chain.depth(&outpoint.txid) + 1;
    world.chain.disconnect(usize::try_from(blocks + 10).unwrap());
    while world.chain.tip().mtp_secs > funding_close {
        world.chain.disconnect(1);
    }
    world.chain.mine(blocks);
    world.sync();
    world.check();
    assert_eq!((world.standing(&outpoint), world.standing(&rest)), (Standing::Credited, Standing::Credited));
    assert_eq!(world.totals().raised, before.totals().raised);
}

#[test]
fn a_rest_is_surplus_where_a_reorg_gives_its_place_to_another() {
    let mut world = verified(|fields| {
        three(fields);
        fields.cap_sat = 1_000_000;
    });
    let (_, outpoint, rest) = split(&mut world);
    let rival = world.issue(sat(400_000));
    let rival = world.pay(rival, sat(500_000));
    world.mine(1);
    let over = Standing::Surplus { reason: Surplus::OverCap };
    assert_eq!((world.standing(&rival), world.standing(&rest)), (over, Standing::Credited));
    let blocks = world.chain.depth(&outpoint.txid);
    world.chain.disconnect(usize::try_from(blocks).unwrap());
    world.chain.mine_only(&[rival.txid]);
    world.chain.mine(blocks);
    world.sync();
    world.check();
    assert_eq!(
        (world.standing(&rival), world.standing(&outpoint), world.standing(&rest)),
        (Standing::Credited, over, over)
    );
    assert_eq!(world.totals().raised, sat(500_000));
}

/// Two pledges of so many payments that everything takes two transactions, one for each. Says which has the first.
fn two_transactions() -> (World, [u32; 2], [OutPoint; 2]) {
    const EACH: usize = 360;
    let mut world = World::new(|fields| {
        fields.minimum_pledge_sat = 10_000;
        fields.cap_sat = 20_000_000;
        fields.feerate_cap_sat_per_vb = 1;
    });
    let pay = |world: &mut World| {
        let index = world.issue(sat(10_000));
        let script = world.script(index);
        let outputs = vec![(script, sat(10_000)); EACH];
        (OutPoint { txid: world.chain.pay(&outputs), vout: 0 }, index)
    };
    let mut both = [pay(&mut world), pay(&mut world)];
    world.mine(1);
    both.sort();
    let [(first, a), (second, b)] = both;
    (world, [a, b], [first, second])
}

#[test]
fn what_two_signed_of_one_transaction_does_not_hold_up_the_money_of_another() {
    let (mut world, [gone, yes], [first, _]) = two_transactions();
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    let chunks = world.plan(id).chunks().to_vec();
    assert_eq!(chunks.len(), 2);
    assert!(chunks[0].inputs.iter().all(|input| input.term.slot.index == gone));
    assert!(chunks[1].inputs.iter().all(|input| input.term.slot.index == yes));
    for role in TWO {
        let mut signatures = world.signatures(id, role);
        signatures.chunks[1].iter_mut().for_each(Vec::clear);
        world.give(&Command::SignSettlement { settlement: id, signatures }).unwrap();
    }
    let payout = Kind::Payout { submission };
    // What is spent by none of the two that were signed is free, as it is where nobody has signed.
    let mut beside = world.clone();
    beside.propose(payout, 1).unwrap();
    // What the signed one spends is not there any more: it was paid by a transaction that lost to another.
    let blocks = usize::try_from(world.chain.depth(&first.txid)).unwrap();
    world.chain.disconnect(blocks);
    world.chain.replace(first.txid, &[]);
    world.mine(1);
    assert_eq!(world.standing(&first), Standing::Vanished);
    let second = world.propose(payout, 1).unwrap();
    for role in TWO {
        world.sign(second, role).unwrap();
    }
    world.broadcast(second, 0, 0);
    world.mine(1);
    world.check();
    assert!(world.task().outpoints().values().all(|held| !held.unspent()));
    // And it can be signed no more, whatever it spends.
    assert!(world.sign(id, Role::Arbiter).is_err());
}

#[test]
fn what_can_never_confirm_holds_up_nothing_that_two_signed_beside_it() {
    let (mut world, [_, yes], [first, _]) = two_transactions();
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    // Both may confirm: the payout would replace one of two that two have signed, and leave the other.
    let payout = Kind::Payout { submission };
    assert_eq!(world.propose(payout, 1), Err(Refused::SettlementUnderWay { settlement: id }));
    let blocks = usize::try_from(world.chain.depth(&first.txid)).unwrap();
    world.chain.disconnect(blocks);
    let txid = first.txid;
    let back = world.chain.clone();
    world.chain.drop_from_mempool(&txid);
    world.mine(1);
    assert_eq!(world.standing(&first), Standing::Vanished);
    let second = world.propose(payout, 1).unwrap();
    // It comes back: then the two have to be told apart again before anybody signs.
    let mut again = world.clone();
    again.chain = back;
    again.mine(3);
    assert_eq!(again.standing(&first), Standing::Credited);
    let refused = again.sign(second, Role::Developer);
    assert_eq!(refused, Err(Refused::SettlementUnderWay { settlement: id }));
    for role in TWO {
        world.sign(second, role).unwrap();
    }
    assert_eq!(world.stage(), Stage::Settling);
}

#[test]
fn what_a_reorg_broke_of_a_newer_settlement_does_not_keep_the_older_from_going_out() {
    let mut world = World::new(|fields| fields.depth = 1);
    let (index, _) = world.fund(sat(400_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let payout = Kind::Payout { submission };
    let older = world.propose(payout, 1).unwrap();
    TWO.iter().for_each(|role| assert!(world.sign(older, *role).is_ok()));
    // A stranger's pledge joins at a higher feerate, and two sign that as well.
    let stray = world.issue(sat(300_000));
    let stray = world.chain.pay_one(&world.script(stray), sat(300_000));
    world.mine(1);
    let newer = world.propose(Kind::EarlyReturn, 4).unwrap();
    TWO.iter().for_each(|role| assert!(world.sign(newer, *role).is_ok()));
    let sends = |world: &World| -> Vec<SettlementId> {
        let id = |effect| match effect {
            Effect::BroadcastSettlement { settlement, .. } => Some(settlement),
            _ => None,
        };
        due(&world.book).into_iter().filter_map(id).collect()
    };
    assert_eq!(sends(&world), [newer], "the signers have thought again");
    let blocks = usize::try_from(world.chain.depth(&stray.txid)).unwrap();
    world.chain.disconnect(blocks);
    world.chain.replace(stray.txid, &[]);
    world.mine(1);
    assert_eq!(world.standing(&stray), Standing::Vanished);
    assert!(sends(&world).contains(&older), "what spends something that is gone holds nothing up");
    assert!(!world.task().is_open(&world.task().settlements()[&newer], world.book.tip().unwrap()));
    // Past the cut-off what two had signed is rebuilt without it.
    let cutoff = world.task().charter().cutoff_secs();
    world.advance_to(cutoff + 1);
    let rebuilt = world.propose(Kind::EarlyReturn, 10).unwrap();
    assert_eq!(world.plan(rebuilt).outpoints().count(), 1);
}

/// A yes to the first half, whole, and a no to the second, which is handed in in the last second.
fn in_the_last_second() -> (World, u32, [SubmissionId; 2]) {
    let mut world = verified(|fields| {
        let due = fields.work_deadline;
        let half = |due| Milestone { share_bps: 5_000, due };
        fields.milestones = vec![half(due - 14 * DAY_SECS), half(due)];
    });
    let (index, _) = world.fund(sat(600_000));
    let one = world.submit_milestone(0);
    world.vote(one, index, Choice::Yes, 1).unwrap();
    world.advance_to(world.task().charter().fields().work_deadline);
    let two = world.submit_milestone(1);
    world.vote(two, index, Choice::No, 1).unwrap();
    (world, index, [one, two])
}

#[test]
fn what_is_decided_is_paid_before_the_cut_off_however_late_the_last_work_came() {
    let (mut world, index, [one, two]) = in_the_last_second();
    let charter = world.task().charter();
    let cutoff = charter.cutoff_secs();
    let last_ruling = cutoff - world.network.cutoff_secs();
    let window = world.task().window(world.task().submission(&two).unwrap()).unwrap();
    assert_eq!(
        window.ruling_ends_secs,
        u64::from(last_ruling),
        "what is ruled later could not be carried out"
    );
    let payout = Kind::Payout { submission: one };
    world.advance_to(last_ruling);
    assert_eq!(world.propose(payout, 1), Err(Refused::NothingToSettle), "a ruling may still come");
    let mut ruled = world.clone();
    world.advance_to(last_ruling + 1);
    assert_eq!(world.rule(two, 5_000).unwrap_err().code(), "ruling_too_late");
    // The half that was approved is paid; what nobody decided goes back.
    let id = world.settle(payout, TWO).unwrap();
    world.check();
    let net = sat(600_000) - world.plan(id).chunks()[0].forms[0].fee;
    assert_eq!(returned_to(&world, index), sat(net.to_sat().div_ceil(2)));
    assert_eq!(world.stage(), Stage::Paid);
    // A ruling in the last second is carried out as ever.
    ruled.rule(two, 5_000).unwrap();
    ruled.advance_to(cutoff);
    assert_eq!(ruled.propose(payout, 1), Err(Refused::NothingToSettle));
    let id = ruled.settle(Kind::Ruling { submission: two }, [Role::Arbiter, Role::Developer]).unwrap();
    ruled.check();
    let net = sat(600_000) - ruled.plan(id).chunks()[0].forms[0].fee;
    assert_eq!(returned_to(&ruled, index), sat(net.to_sat().div_ceil(4)));
}

/// Work on a milestone by others than the charter's payees: the representative names one, by a number.
fn by_others(world: &mut World, milestone: u32, payee: u32) -> SubmissionId {
    let address = testing::address(world.network, payee).to_string();
    let payees = vec![Payee { address, share_bps: 9_500 }];
    let named = Some(Named { by: NamedBy::Representative, payees });
    let submission = Submission { milestone: Some(milestone), named, ..world.submission() };
    let (id, block) = (submission.id(), world.chain.block(submission.block_height));
    let key = testing::statement_keypair(world.network, Role::Representative);
    let submission = Signed::new(&world.secp, submission, &key);
    world.give(&Command::SubmitWork { submission, block }).unwrap();
    id
}

#[test]
fn what_pays_different_people_is_told_while_it_can_still_be_parted() {
    let parted = |world: &World| world.task().parted(world.book.tip().unwrap());
    // The same people are paid together, whoever they are.
    for (second, apart) in [(55, false), (56, true)] {
        let mut world = verified(three);
        let (index, outpoint) = world.fund(sat(600_000));
        let (silent, _) = world.fund(sat(300_000));
        let one = by_others(&mut world, 0, 55);
        world.vote(one, index, Choice::Yes, 1).unwrap();
        close(&mut world);
        assert_eq!(parted(&world), []);
        let two = by_others(&mut world, 1, second);
        world.vote(two, index, Choice::Yes, 1).unwrap();
        let expected = Parted { pledge: index, outpoint, milestones: vec![0, 1] };
        assert_eq!(parted(&world), if apart { vec![expected] } else { Vec::new() });
        let payout = Kind::Payout { submission: two };
        let mut late = world.clone();
        late.advance_to(late.task().charter().cutoff_secs());
        let id = late.propose(payout, 1).unwrap();
        let pays = late.plan(id).terms().inputs()[0].pay.get();
        assert_eq!(pays, if apart { 2_500 } else { 7_500 }, "in one transaction one list of payees");
        assert_eq!(parted(&late).len(), usize::from(apart));
        late.advance_to(late.task().charter().cutoff_secs() + 1);
        assert_eq!(parted(&late), [], "nothing can be done about it any more");
        if !apart {
            continue;
        }
        // With the refunds of what stays, each is paid by itself: also when they are signed only now.
        world.vote_and_prepare(one, index, 1);
        world.settle(Kind::Milestone { submission: one }, TWO).unwrap();
        assert_eq!(parted(&world), []);
        world.vote_and_prepare(two, index, 1);
        world.settle(Kind::Milestone { submission: two }, TWO).unwrap();
        world.check();
        let received = |payee| world.chain.received(&testing::address(world.network, payee).script_pubkey());
        assert!(received(55) > sat(280_000) && received(56) > sat(140_000));
        assert_eq!(returned_to(&world, silent), Amount::ZERO);
    }
}
