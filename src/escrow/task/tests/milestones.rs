//! Milestones, named payees and moves: pledges split and followed to the satoshi.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, Milestone, Payee, Silence};
use crate::escrow::descriptor::Slot;
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::{Standing, Surplus};
use crate::escrow::refund::{RefundBundle, RefundSignatures, RefundTarget};
use crate::escrow::settlement::{Kind, OutputKind, Plan};
use crate::escrow::statement::{
    CharterId, Choice, Move, Named, NamedBy, Role, Signed, Submission, SubmissionId,
};
use crate::escrow::task::{Refused, Stage};
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, OutPoint};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];
const WITH_ARBITER: [Role; 2] = [Role::Developer, Role::Arbiter];

/// Half, a third and a sixth, due a week apart before the work deadline.
fn three(fields: &mut CharterFields) {
    let due = |weeks: u32| fields.work_deadline - weeks * 7 * DAY_SECS;
    fields.milestones = vec![
        Milestone { share_bps: 5_000, due: due(2) },
        Milestone { share_bps: 3_333, due: due(1) },
        Milestone { share_bps: 1_667, due: due(0) },
    ];
}

fn paid(world: &World) -> Amount {
    let shares = world.task().charter().shares();
    shares.iter().map(|share| world.chain.received(&share.address.script_pubkey())).sum()
}

fn returned_to(world: &World, index: u32) -> Amount {
    world.chain.received(&testing::address(world.network, 100 + index).script_pubkey())
}

/// What a pledge has unspent, and where.
fn now(world: &World, index: u32) -> (OutPoint, Slot, Amount) {
    let mut held =
        world.task().outpoints().values().filter(|held| held.slot.index == index && held.unspent());
    let held = held.next().expect("it is there");
    (held.outpoint, held.slot, held.amount)
}

fn close(world: &mut World) {
    let tip = world.chain.tip();
    world.advance_to(tip.mtp_secs + world.task().charter().fields().review_secs + 1);
}

fn fees(world: &World) -> Amount {
    let spent = world.chain.mined_transactions().filter(|tx| !tx.is_coinbase());
    spent
        .filter(|tx| {
            tx.input.iter().all(|input| world.task().outpoints().contains_key(&input.previous_output))
        })
        .map(|tx| {
            let ins: Amount =
                tx.input.iter().map(|input| world.chain.output(&input.previous_output).unwrap().value).sum();
            ins - tx.output.iter().map(|output| output.value).sum()
        })
        .sum()
}

#[test]
fn three_milestones_pay_the_willing_as_they_come_and_the_silent_at_the_end() {
    let mut world = verified(three);
    let (first, outpoint) = world.fund(sat(900_000));
    let (second, whole) = world.fund(sat(100_001));
    let before = world.totals();

    // The first half of the first pledge; the second says nothing, and stays whole.
    let one = world.submit_milestone(0);
    world.vote(one, first, Choice::Yes, 1).unwrap();
    assert_eq!(world.propose(Kind::Milestone { submission: one }, 2), Err(Refused::NothingPrepared));
    world.vote_and_prepare(one, first, 2);
    let id = world.propose(Kind::Milestone { submission: one }, 2).unwrap();
    assert_eq!(world.propose(Kind::Milestone { submission: one }, 1), Err(Refused::NothingPrepared));
    let plan = world.plan(id).clone();
    assert_eq!((plan.chunks().len(), plan.chunks()[0].forms.len()), (1, 3));
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    // The dearest form wins the race; whichever does, its remainder has its refund.
    world.broadcast(id, 0, 2);
    let (rest, slot, left) = now(&world, first);
    assert_eq!((slot, world.standing(&rest)), (Slot { index: first, generation: 1 }, Standing::Seen));
    assert!(world.task().outpoints()[&rest].secured(), "from the first moment");
    world.mine(1);
    world.check();
    let fee = plan.chunks()[0].forms[2].fee;
    let net = sat(900_000) - fee;
    assert_eq!(paid(&world), sat(net.to_sat() / 2));
    assert_eq!(left, net - paid(&world));
    assert_eq!(world.standing(&rest), Standing::Credited);
    let totals = world.totals();
    assert_eq!(totals.raised, before.raised, "what stays in escrow is not raised twice");
    assert_eq!(totals.credited, left + sat(100_001));
    assert_eq!(totals.settled, sat(900_000) - left);
    assert_eq!(totals.secured, totals.credited);
    assert_eq!(world.task().uncovered(&world.task().outpoints()[&rest]), [1, 2]);
    // It cannot be paid for the same milestone again, and the vote on it is used.
    assert_eq!(world.propose(Kind::Milestone { submission: one }, 2), Err(Refused::NothingPrepared));
    assert_eq!(world.vote(one, first, Choice::No, 2), Err(Refused::VoteSettled));
    close(&mut world);
    world.judge(one, true).unwrap();
    // The silent pledge pays for the first milestone, but not before the last payout.
    assert_eq!(world.propose(Kind::Payout { submission: one }, 2), Err(Refused::NothingToSettle));

    // The second milestone: a third of all is two thirds of what is left.
    let two = world.submit_milestone(1);
    let tally = world.task().tally(world.task().submission(&two).unwrap(), world.book.tip().unwrap());
    assert_eq!(
        tally.electorate,
        sat(1_000_001),
        "votes weigh what was pledged, also when part of it is paid"
    );
    world.vote_and_prepare(two, first, 1);
    let earlier = paid(&world);
    world.settle(Kind::Milestone { submission: two }, TWO).unwrap();
    world.check();
    let (rest, slot, last) = now(&world, first);
    assert_eq!(slot.generation, 2);
    assert_eq!(world.task().uncovered(&world.task().outpoints()[&rest]), [2]);
    let share = paid(&world) - earlier;
    assert_eq!(share, sat((share + last).to_sat() * 6_666 / 10_000));
    close(&mut world);
    world.judge(two, true).unwrap();

    // The last one: whole pledges pay all three at once.
    let three = world.submit_milestone(2);
    world.vote(three, first, Choice::Yes, 1).unwrap();
    assert_eq!(
        world.task().split_off(&three, rest, 1).map(|plan| plan.id()).unwrap_err().code(),
        "settlement_terms",
        "the last share of a pledge leaves no rest"
    );
    close(&mut world);
    world.judge(three, true).unwrap();
    world.settle(Kind::Payout { submission: three }, TWO).unwrap();
    world.check();
    assert_eq!(world.stage(), Stage::Paid);
    let spent = world.task().outpoints().values().all(|held| !held.unspent());
    assert!(spent && world.task().outpoints()[&whole].spend.is_some());
    assert_eq!((returned_to(&world, first), returned_to(&world, second)), (Amount::ZERO, Amount::ZERO));
    assert_eq!(paid(&world) + fees(&world), sat(1_000_001), "to the satoshi");
    assert_eq!(world.totals().settled, sat(1_000_001));
    assert_eq!(world.task().outpoints()[&outpoint].slot.generation, 0);
}

#[test]
fn what_was_not_delivered_goes_back_with_the_last_payout() {
    let mut world = verified(three);
    let (yes, _) = world.fund(sat(600_000));
    let (silent, _) = world.fund(sat(400_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, yes, 1);
    world.settle(Kind::Milestone { submission: one }, TWO).unwrap();
    close(&mut world);
    world.judge(one, true).unwrap();
    let split = paid(&world);
    let payout = Kind::Payout { submission: one };
    // As long as another milestone may come, everybody's rest stays for it: to the second.
    let deadline = world.task().charter().fields().work_deadline;
    world.advance_to(deadline);
    assert_eq!(world.propose(payout, 1), Err(Refused::NothingToSettle));
    world.advance_to(deadline + 1);
    let id = world.settle(payout, TWO).unwrap();
    world.check();
    // Half of the silent pledge is paid, half goes back; the rest of the split one was for what never came,
    // and waits for two signers or T.
    let form = &world.plan(id).chunks()[0].forms[0];
    assert_eq!(world.plan(id).terms().inputs().len(), 1);
    let net = sat(400_000) - form.fee;
    assert_eq!(paid(&world) - split, sat(net.to_sat() / 2));
    assert_eq!(returned_to(&world, silent), net - sat(net.to_sat() / 2));
    let (rest, _, left) = now(&world, yes);
    world.settle(Kind::EarlyReturn, WITH_ARBITER).unwrap();
    world.check();
    assert!(!world.task().outpoints()[&rest].unspent());
    assert!(returned_to(&world, yes) < left && returned_to(&world, yes) > left - sat(1_000));
    assert_eq!(world.stage(), Stage::Paid);
}

#[test]
fn the_rest_of_a_split_pledge_is_refunded_like_any_other() {
    let mut world = verified(three);
    let (index, _) = world.fund(sat(500_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, index, 1);
    world.settle(Kind::Milestone { submission: one }, TWO).unwrap();
    let (rest, ..) = now(&world, index);
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time);
    let pair = world.task().outpoints()[&rest].refund.as_ref().unwrap().ladder()[0].1.clone();
    assert!(world.chain.broadcast(&pair).is_err(), "not at T");
    assert_eq!(crate::escrow::due::due(&world.book), []);
    world.advance_to(refund_time + 1);
    let due = crate::escrow::due::due(&world.book);
    let wanted = crate::escrow::due::Effect::Refund { outpoints: vec![rest], replaces: None };
    assert_eq!(due, [wanted], "and the outpoint that was split is not due");
    world.chain.broadcast(&pair).unwrap();
    world.mine(1);
    world.check();
    assert_eq!(world.stage(), Stage::Refunded);
}

#[test]
fn a_reorg_takes_a_split_back_and_its_refund_stays() {
    let mut world = verified(three);
    let (index, outpoint) = world.fund(sat(500_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, index, 1);
    let before = world.totals();
    world.settle(Kind::Milestone { submission: one }, TWO).unwrap();
    let (rest, ..) = now(&world, index);
    let after = world.totals();
    world.chain.disconnect(1);
    world.sync();
    world.check();
    assert_eq!(world.totals().credited, before.credited, "a split in the mempool has moved nothing");
    assert_eq!(world.standing(&rest), Standing::Seen);
    world.chain.mempool_cleared();
    world.sync();
    assert_eq!(world.standing(&rest), Standing::Vanished);
    assert!(world.task().outpoints()[&outpoint].unspent() && world.task().outpoints()[&outpoint].secured());
    let id = world.task().settlements().keys().copied().next().unwrap();
    world.broadcast(id, 0, 0);
    world.mine(1);
    world.check();
    assert_eq!(world.totals(), after);
    assert!(world.task().outpoints()[&rest].secured());
}

#[test]
fn what_strangers_send_to_a_later_address_is_surplus() {
    let mut world = verified(three);
    let (index, _) = world.fund(sat(500_000));
    let one = world.submit_milestone(0);
    world.vote_and_prepare(one, index, 1);
    let id = world.propose(Kind::Milestone { submission: one }, 1).unwrap();
    let slot = Slot { index, generation: 1 };
    let script = world.task().output(slot).unwrap().script_pubkey;
    let stray = world.chain.pay_one(&script, sat(50_000));
    world.mine(1);
    world.check();
    assert_eq!(world.standing(&stray), Standing::Surplus { reason: Surplus::NotARemainder });
    assert_eq!(world.task().uncovered(&world.task().outpoints()[&stray]), [0_u32; 0]);
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    world.broadcast(id, 0, 0);
    world.mine(1);
    world.check();
    // It goes back with whatever settles next, and has no vote.
    world.settle(Kind::EarlyReturn, TWO).unwrap();
    world.check();
    assert_eq!(world.stage(), Stage::Paid);
}

#[test]
fn noes_of_a_milestone_wait_for_the_last_payout_which_the_arbiter_signs() {
    let mut world = verified(three);
    let (no, _) = world.fund(sat(600_000));
    let (yes, _) = world.fund(sat(400_000));
    let one = world.submit_milestone(0);
    world.vote(one, no, Choice::No, 1).unwrap();
    world.vote(one, yes, Choice::Yes, 1).unwrap();
    close(&mut world);
    world.rule(one, 4_000).unwrap();
    let ruling = Kind::Ruling { submission: one };
    assert_eq!(world.propose(ruling, 1), Err(Refused::NothingToSettle), "other milestones may still come");
    let three = world.submit_milestone(2);
    for pledge in [no, yes] {
        world.vote(three, pledge, Choice::Yes, 1).unwrap();
    }
    // The second milestone never comes; it is lost when its time and that for rulings are over.
    let due = world.task().charter().milestone(1).unwrap().due;
    assert!(world.propose(Kind::Payout { submission: three }, 1).is_err());
    world.advance_to(due + 1);
    let id = world.propose(ruling, 1).unwrap();
    let terms = world.plan(id).terms();
    assert_eq!(terms.inputs().len(), 1);
    // 40 % of the half, nothing of the third, all of the sixth: of the whole pledge.
    assert_eq!(terms.inputs()[0].pay.get(), 2_000 + 1_667);
    world.sign(id, Role::Developer).unwrap();
    world.sign(id, Role::Representative).unwrap();
    assert!(!world.task().settlements()[&id].can_go_out(), "a ruling needs the arbiter");
    world.sign(id, Role::Arbiter).unwrap();
    world.broadcast(id, 0, 0);
    world.mine(1);
    let payout = world.settle(Kind::Payout { submission: three }, TWO).unwrap();
    assert_eq!(world.plan(payout).terms().inputs()[0].pay.get(), 6_667);
    world.check();
    assert_eq!(world.stage(), Stage::Paid);
    assert_eq!(
        paid(&world) + returned_to(&world, no) + returned_to(&world, yes) + fees(&world),
        sat(1_000_000)
    );
}

#[test]
fn a_milestone_is_submitted_until_it_is_due_and_named_by_its_number() {
    let mut world = verified(three);
    world.fund(sat(500_000));
    let give = |world: &mut World, milestone| {
        let submission = Submission { milestone, ..world.submission() };
        world.give(&world.submit_command(submission)).map(drop).map_err(|refused| refused.code())
    };
    assert_eq!(give(&mut world, None), Err("milestone_number"));
    assert_eq!(give(&mut world, Some(3)), Err("milestone_number"));
    let due = world.task().charter().milestone(0).unwrap().due;
    world.advance_to(due);
    let mut at = world.clone();
    assert_eq!(give(&mut at, Some(0)), Ok(()));
    world.advance_to(due + 1);
    assert_eq!(give(&mut world, Some(0)), Err("milestone_overdue"));
    assert_eq!(give(&mut world, Some(1)), Ok(()));
    let mut one = verified(|_| ());
    one.fund(sat(500_000));
    assert_eq!(give(&mut one, Some(0)), Err("milestone_number"));
}

fn named(world: &mut World, by: NamedBy, share_bps: u16) -> Result<SubmissionId, Refused> {
    let payees = vec![Payee { address: testing::address(world.network, 55).to_string(), share_bps }];
    let submission = Submission { named: Some(Named { by, payees }), ..world.submission() };
    let id = submission.id();
    let key = match by {
        NamedBy::Representative => testing::statement_keypair(world.network, Role::Representative),
        NamedBy::Leader => testing::sponsor(90),
    };
    let block = world.chain.block(submission.block_height);
    let command = crate::escrow::event::Command::SubmitWork {
        submission: Signed::new(&world.secp, submission, &key),
        block,
    };
    world.give(&command).map(|_| id)
}

#[test]
fn payees_that_a_submission_names_are_paid_by_yes_votes_only() {
    for by in [NamedBy::Representative, NamedBy::Leader] {
        let mut world = verified(|fields| fields.acceptance.silence = Silence::Pay);
        let (yes, _) = world.fund(sat(600_000));
        let (silent, whole) = world.fund(sat(300_000));
        let (no, _) = world.fund(sat(100_000));
        assert_eq!(named(&mut world, by, 9_000).unwrap_err().code(), "named_payees");
        let submission = named(&mut world, by, 9_500).unwrap();
        world.vote(submission, yes, Choice::Yes, 1).unwrap();
        world.vote(submission, no, Choice::No, 1).unwrap();
        close(&mut world);
        world.judge(submission, true).unwrap();
        assert_eq!(world.rule(submission, 5_000), Err(Refused::NoRulingForNamed));
        assert_eq!(Refused::NoRulingForNamed.code(), "no_ruling_for_named");
        let id = world.settle(Kind::Payout { submission }, TWO).unwrap();
        world.check();
        let stranger = world.chain.received(&testing::address(world.network, 55).script_pubkey());
        let net = sat(600_000) - world.plan(id).chunks()[0].forms[0].fee;
        let leader = sat(net.to_sat() * 300 / 10_000);
        let operator = sat(net.to_sat() * 200 / 10_000);
        assert_eq!(stranger, net - leader - operator, "in the place of the charter's payees");
        let payee = world.task().charter().shares()[0].address.script_pubkey();
        assert_eq!(world.chain.received(&payee), Amount::ZERO);
        assert!(world.task().outpoints()[&whole].unspent(), "silence pays nobody but whom the charter names");
        assert_eq!(returned_to(&world, silent), Amount::ZERO);
    }
}

/// A second task of the same service, with another T, and the sponsor's pledge there under the same key.
fn elsewhere(world: &mut World, key_of: u32) -> (CharterId, u32) {
    world.elsewhere(key_of, |fields| fields.refund_time += 7 * DAY_SECS)
}

fn consent(world: &World, outpoint: OutPoint, to: (CharterId, u32)) -> Signed<Move> {
    world.consent(outpoint, to)
}

fn moved(world: &World, consent: &Signed<Move>) -> Plan {
    world.task().moved(&consent.statement, 1).unwrap()
}

#[test]
fn a_pledge_moves_to_another_charter_by_its_sponsors_signature_with_its_refund_ready() {
    use crate::escrow::event::Command;
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let (_, stays) = world.fund(sat(100_000));
    let to = elsewhere(&mut world, index);
    let kind = Kind::Move { to: to.0 };
    assert_eq!(world.propose(kind, 1), Err(Refused::NothingPrepared));
    let signed = consent(&world, outpoint, to);
    // Not by another's key, not to another's pledge.
    let forged = Signed::new(&world.secp, signed.statement.clone(), &world.sponsor(2));
    assert!(matches!(world.give(&Command::SignMove { consent: forged }), Err(Refused::Signature(_))));
    let mut elsewhere = signed.statement.clone();
    elsewhere.to_address = testing::address(world.network, 77).to_string();
    let elsewhere = Signed::new(&world.secp, elsewhere, &world.sponsor(index));
    assert!(matches!(
        world.give(&Command::SignMove { consent: elsewhere }),
        Err(Refused::MoveTarget { reason }) if reason.contains("address")
    ));
    assert_eq!(world.give(&Command::SignMove { consent: signed.clone() }), Ok(1));
    assert_eq!(world.give(&Command::SignMove { consent: signed.clone() }), Ok(0), "twice is once");
    assert_eq!(world.propose(kind, 1), Err(Refused::NothingPrepared), "without refunds nothing moves");
    let plan = moved(&world, &signed);
    world.prepare(&plan, to.0).unwrap();
    let before = world.totals();
    let tip = *world.book.tip().unwrap();
    world.give(&Command::ProposeSettlement { kind, feerate_sat_per_vb: 1 }).unwrap();
    let destination = world.book.task(&to.0);
    let id = world.task().proposal_id(kind, 1, destination, &tip).unwrap();
    assert_eq!(world.plan(id), &plan, "what the sponsor computed is what is proposed");
    assert!(matches!(plan.chunks()[0].forms[0].outputs[..], [OutputKind::Move { .. }]));
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    world.broadcast(id, 0, 1);
    world.mine(1);
    world.check();
    let form = &plan.chunks()[0].forms[1];
    let arrived = OutPoint { txid: form.txid, vout: 0 };
    assert_eq!(world.totals().credited, before.credited - sat(500_000));
    let there = world.book.task(&to.0).unwrap();
    let tip = world.book.tip().unwrap();
    assert_eq!(there.standings(tip)[&arrived], Standing::Credited);
    assert_eq!(there.totals(tip).credited, sat(500_000) - form.fee);
    assert!(there.outpoints()[&arrived].secured(), "under the new T");
    assert!(world.task().outpoints()[&stays].unspent(), "who did not sign stays");
    assert_eq!(world.stage(), Stage::Open);
}

#[test]
fn what_cannot_be_prepared_named_or_moved_is_refused() {
    use crate::escrow::event::Command;
    let refused = |result: Result<usize, Refused>| result.unwrap_err().code();
    let mut world = verified(three);
    let (index, outpoint) = world.fund(sat(500_000));
    let one = world.submit_milestone(0);
    assert_eq!(world.propose(Kind::Milestone { submission: one }, 1).unwrap_err().code(), "nothing_prepared");
    // Refunds of outputs that cannot be told from those that will be: bounded.
    let slot = Slot { index, generation: 1 };
    let output = world.task().output(slot).unwrap();
    let refund = |world: &World, vout: u32| {
        let address = &world.task().pledges()[&index].refund_address;
        let at = OutPoint { txid: outpoint.txid, vout: 1_000 + vout };
        let target = RefundTarget::new(output.clone(), at, sat(40_000), address).unwrap();
        let bundle = RefundBundle::sign(&world.secp, target, &world.sponsor(index)).unwrap();
        RefundSignatures { ladder: Vec::new(), ..bundle.signatures().clone() }
    };
    let prepare = |refund| Command::PrepareRefund { slot, refund };
    let other = Command::PrepareRefund { slot: Slot { index: 9, ..slot }, refund: refund(&world, 0) };
    assert_eq!(refused(world.give(&other)), "unknown_pledge");
    let mut forged = refund(&world, 0);
    forged.amount_sat += 1;
    assert_eq!(refused(world.give(&prepare(forged))), "bad_refund");
    for vout in 0..1_000 {
        assert_eq!(world.give(&prepare(refund(&world, vout))), Ok(1));
    }
    assert_eq!(world.give(&prepare(refund(&world, 7))), Ok(0), "twice is once");
    assert_eq!(refused(world.give(&prepare(refund(&world, 1_000)))), "too_many_prepared");

    let mut leaderless = verified(|fields| {
        fields.payees[0].share_bps += fields.leader.take().unwrap().share_bps;
    });
    leaderless.fund(sat(500_000));
    assert_eq!(named(&mut leaderless, NamedBy::Leader, 9_800).unwrap_err().code(), "no_leader");
    assert!(named(&mut leaderless, NamedBy::Representative, 9_800).is_ok());

    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let to = elsewhere(&mut world, index);
    let signed = consent(&world, outpoint, to);
    let mut nowhere = signed.statement.clone();
    nowhere.to_charter = world.id;
    let nowhere = Signed::new(&world.secp, nowhere, &world.sponsor(index));
    assert_eq!(refused(world.give(&Command::SignMove { consent: nowhere })), "move_target");
    world.give(&Command::SignMove { consent: signed.clone() }).unwrap();
    let here = world.id;
    world.id = to.0;
    world.issue(sat(20_000));
    world.id = here;
    let mut again = signed.statement;
    again.to_index += 1;
    again.to_address = world.book.task(&to.0).unwrap().pledges()[&again.to_index].output.address.to_string();
    let again = Signed::new(&world.secp, again, &world.sponsor(index));
    assert_eq!(refused(world.give(&Command::SignMove { consent: again })), "move_signed");
    // To a task whose funding has closed nothing moves: it would not be credited.
    let close = world.book.task(&to.0).unwrap().charter().fields().funding_close;
    let (_, late) = world.fund(sat(100_000));
    world.advance_to(close);
    let other_key = consent(&world, late, to);
    assert_eq!(refused(world.give(&Command::SignMove { consent: other_key })), "move_target");
    let mut in_time = world.clone();
    let own = consent(&world, late, (to.0, 2));
    assert_eq!(in_time.give(&Command::SignMove { consent: own.clone() }), Ok(1), "in the last second");
    world.advance_to(close + 1);
    assert_eq!(refused(world.give(&Command::SignMove { consent: own })), "funding_closed");
}
