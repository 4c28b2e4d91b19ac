//! Reorgs, replacements, boundaries of time, and people who mean harm.

use super::{sat, verified};
use crate::escrow::charter::Silence;
use crate::escrow::due;
use crate::escrow::event::Command;
use crate::escrow::network::Network;
use crate::escrow::pledge::{Ending, Standing, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, Signed};
use crate::escrow::task::{Fate, Stage};
use crate::escrow::testing::{self, Rejected, World};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash};

const TWO: [Role; 2] = [Role::Developer, Role::Representative];

#[test]
fn reorgs_of_1_2_6_and_100_blocks_take_credits_back_and_give_them_once() {
    for blocks in [1, 2, 6, 100] {
        let mut world = verified(|fields| fields.depth = 2);
        world.mine(200);
        let (_, outpoint) = world.fund(sat(100_000));
        world.mine(u32::try_from(blocks).unwrap() - 1);
        // All but the last of the blocks that bury it go, then so does its own.
        world.chain.disconnect(blocks + 1);
        world.sync();
        assert_eq!(world.standing(&outpoint), Standing::Seen, "{blocks}");
        assert_eq!((world.totals().credited, world.totals().seen), (Amount::ZERO, sat(100_000)));
        world.check();
        world.mine(2);
        assert_eq!(world.standing(&outpoint), Standing::Credited);
        assert_eq!((world.totals().credited, world.totals().raised), (sat(100_000), sat(100_000)));
        assert_eq!(world.totals().secured, sat(100_000), "its refund is as good as before");
        world.mine(u32::try_from(blocks).unwrap());
        assert_eq!(world.totals().credited, sat(100_000));
        world.check();
    }
}

#[test]
fn a_better_chain_may_be_lower() {
    let mut world = verified(|fields| fields.depth = 2);
    let (_, outpoint) = world.fund(sat(100_000));
    world.mine(6);
    let height = world.chain.tip().height;
    world.chain.disconnect(5);
    world.chain.mine(2);
    assert!(world.chain.tip().height < height);
    world.sync();
    assert_eq!(world.book.tip(), Some(&world.chain.tip()));
    assert_eq!(world.standing(&outpoint), Standing::Credited);
    world.check();
}

#[test]
fn a_replaced_payment_is_void_and_its_replacement_takes_over() {
    let mut world = verified(|fields| fields.depth = 2);
    let index = world.issue(sat(100_000));
    let script = world.script(index);
    let first = world.pay(index, sat(100_000));
    world.sync();
    world.secure(first).unwrap();
    let second = world.chain.replace(first.txid, &[(script, sat(90_000))]);
    let second = bitcoin::OutPoint { txid: second, vout: 0 };
    world.sync();
    assert_eq!((world.standing(&first), world.standing(&second)), (Standing::Vanished, Standing::Seen));
    assert_eq!(world.totals().seen, sat(90_000));
    world.mine(2);
    assert_eq!(world.totals().credited, sat(90_000));
    // The refund of what vanished is no use for what came: it is asked for again.
    assert_eq!(world.totals().secured, Amount::ZERO);
    let mut dangling = world.task().outpoints()[&first].refund.clone().unwrap().signatures().clone();
    dangling.outpoint = second;
    assert_eq!(world.give(&Command::SecureRefund { refund: dangling }).unwrap_err().code(), "bad_refund");
    world.secure(second).unwrap();
    assert_eq!(world.totals().secured, sat(90_000));
    world.check();
}

#[test]
fn a_credit_that_a_reorg_double_spends_is_debited_with_its_votes() {
    let mut world = verified(|fields| fields.depth = 2);
    let (index, outpoint) = world.fund(sat(300_000));
    let (other, _) = world.fund(sat(100_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::No, 1).unwrap();
    world.vote(submission, other, Choice::Yes, 1).unwrap();
    let tally = |world: &World| {
        let task = world.task();
        task.tally(&task.submissions()[0], world.book.tip().unwrap())
    };
    assert_eq!((tally(&world).no, tally(&world).threshold_reached), (sat(300_000), false));
    let before = world.clone();
    world.chain.disconnect(6);
    let elsewhere = testing::address(world.network, 77).script_pubkey();
    world.chain.replace(outpoint.txid, &[(elsewhere, sat(1))]);
    world.mine(6);
    assert_eq!(world.standing(&outpoint), Standing::Vanished);
    assert_eq!((tally(&world).no, tally(&world).electorate), (Amount::ZERO, sat(100_000)));
    assert_eq!(world.totals().credited, sat(100_000));
    world.check();
    // It comes back with its vote and its refund.
    world.chain = before.chain;
    world.mine(6);
    assert_eq!((tally(&world).no, world.totals().secured), (sat(300_000), sat(400_000)));
    world.check();
}

#[test]
fn the_block_a_submission_names_may_be_reorged_away() {
    let mut world = verified(|_| {});
    let (early, _) = world.fund(sat(200_000));
    let submission = world.submit();
    let named = world.task().submissions()[0].signed.statement.block_height;
    let late = world.issue(sat(100_000));
    world.pay(late, sat(100_000));
    world.mine(1);
    world.vote(submission, early, Choice::Yes, 1).unwrap();
    world.vote(submission, late, Choice::No, 1).unwrap();
    let tally = |world: &World| {
        let task = world.task();
        task.tally(&task.submissions()[0], world.book.tip().unwrap())
    };
    assert_eq!((tally(&world).yes, tally(&world).no), (sat(200_000), Amount::ZERO), "paid after the block");
    let opens = world.task().window(&world.task().submissions()[0]).unwrap().opens_secs;
    // The block goes; both payments are mined in the one that takes its place.
    world.chain.disconnect(2);
    world.mine(3);
    let state = &world.task().submissions()[0];
    assert_eq!(Some((state.block_hash, state.block_mtp_secs)), world.chain.block(named));
    assert_ne!(state.block_hash, state.signed.statement.block_hash);
    assert_eq!(world.task().window(state).unwrap().opens_secs, state.block_mtp_secs);
    assert!(state.block_mtp_secs >= opens);
    assert_eq!(state.votes.len(), 2, "votes stand");
    assert_eq!(
        (tally(&world).yes, tally(&world).no),
        (sat(200_000), sat(100_000)),
        "weights are counted anew"
    );
    world.check();
}

#[test]
fn the_same_view_twice_is_no_event() {
    let mut world = verified(|_| {});
    world.fund(sat(100_000));
    let scripts: Vec<_> = world.book.scripts().cloned().collect();
    let mut views = world.chain.views(&scripts);
    views.extend(views.clone());
    assert_eq!(world.book.observe(&world.chain.tip(), &views), []);
    // Scripts that are nobody's are nobody's business.
    let stranger = testing::address(world.network, 9).script_pubkey();
    assert_eq!(world.book.observe(&world.chain.tip(), &[(stranger, views[0].1.clone())]), []);
    let lines = world.log.len();
    world.check();
    assert_eq!(world.log.len(), lines);
}

#[test]
fn a_payout_in_several_forms_and_transactions_is_exact_for_each_pledge() {
    let mut world = verified(|_| {});
    let (a, first) = world.fund(sat(100_000));
    let (b, second) = world.fund(sat(200_000));
    let submission = world.submit();
    let kind = Kind::Payout { submission };
    world.vote(submission, a, Choice::Yes, 1).unwrap();
    let one = world.propose(kind, 1).unwrap();
    for role in TWO {
        world.sign(one, role).unwrap();
    }
    let low = world.broadcast(one, 0, 0);
    world.vote(submission, b, Choice::Yes, 1).unwrap();
    let two = world.propose(kind, 1).unwrap();
    assert_eq!(world.plan(two).outpoints().collect::<Vec<_>>(), [second], "the first is on its way");
    for role in TWO {
        world.sign(two, role).unwrap();
    }
    let other = world.broadcast(two, 0, 1);
    let high = world.broadcast(one, 0, 2);
    assert!(!world.chain.in_mempool(&low), "a bump replaces");
    assert_eq!(world.chain.broadcast(&world.finalized(one, 0, 1)), Err(Rejected::Fee));
    world.chain.mine_only(&[high]);
    world.sync();
    let tip = *world.book.tip().unwrap();
    let fates = |world: &World, id| world.task().chunk_fates(&world.task().settlements()[&id], &tip);
    assert_eq!(
        (fates(&world, one), fates(&world, two)),
        (vec![Fate::Confirmed { depth: 1 }], vec![Fate::Pending])
    );
    let how = |world: &World, outpoint| {
        let end = world.task().ended(&world.task().outpoints()[outpoint], &tip).unwrap();
        (end.how, end.txid, end.depth)
    };
    assert_eq!(how(&world, &first), (Ending::Settled, high, 1));
    assert_eq!(how(&world, &second), (Ending::Settled, other, 0));
    assert_eq!((world.totals().settled, world.totals().credited), (sat(100_000), sat(200_000)));
    world.check();
    // Another form than the one that was shown may win after a reorg.
    world.chain.disconnect(1);
    world.chain.drop_from_mempool(&high);
    let low = world.chain.broadcast(&world.finalized(one, 0, 0)).unwrap();
    world.mine(1);
    assert_eq!(world.task().outpoints()[&first].spend.unwrap().txid, low);
    assert_eq!(world.stage(), Stage::Paid);
    world.check();
}

#[test]
fn a_payout_just_before_t_and_the_refund_have_one_winner() {
    for payout_wins in [true, false] {
        let mut world = verified(|_| {});
        let (index, outpoint) = world.fund(sat(100_000));
        let submission = world.submit();
        world.vote(submission, index, Choice::Yes, 1).unwrap();
        world.advance_to(world.task().charter().cutoff_secs());
        let id = world.propose(Kind::Payout { submission }, 1).unwrap();
        for role in TWO {
            world.sign(id, role).unwrap();
        }
        world.advance_to(testing::REFUND_TIME - 1);
        let txid = world.broadcast(id, 0, 0);
        let rung = world.task().outpoints()[&outpoint].refund.clone().unwrap().ladder()[2].1.clone();
        assert_eq!(world.chain.broadcast(&rung), Err(Rejected::NotFinal));
        world.advance_to(testing::REFUND_TIME + 1);
        if payout_wins {
            world.mine(1);
            assert_eq!(world.chain.broadcast(&rung), Err(Rejected::Spent(outpoint)));
            assert_eq!(world.stage(), Stage::Paid);
            assert_eq!((world.totals().settled, world.totals().refunded), (sat(100_000), Amount::ZERO));
        } else {
            world.chain.broadcast(&rung).unwrap();
            assert!(!world.chain.in_mempool(&txid));
            world.mine(1);
            assert_eq!(world.chain.broadcast(&world.finalized(id, 0, 0)), Err(Rejected::Spent(outpoint)));
            assert_eq!(world.stage(), Stage::Refunded);
            assert_eq!((world.totals().settled, world.totals().refunded), (Amount::ZERO, sat(100_000)));
            assert!(!world.task().is_live(&id, world.book.tip().unwrap()));
        }
        world.check();
    }
}

#[test]
fn what_a_refund_took_out_of_a_payout_may_be_rebuilt_without_it() {
    let mut world = verified(|_| {});
    let (a, first) = world.fund(sat(100_000));
    let (b, second) = world.fund(sat(200_000));
    let submission = world.submit();
    let kind = Kind::Payout { submission };
    world.vote(submission, a, Choice::Yes, 1).unwrap();
    world.vote(submission, b, Choice::Yes, 1).unwrap();
    let id = world.propose(kind, 1).unwrap();
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    world.advance_to(testing::REFUND_TIME + 1);
    assert_eq!(world.propose(kind, 2).unwrap_err().code(), "past_cutoff", "nothing new");
    let rung = world.task().outpoints()[&first].refund.clone().unwrap().ladder()[0].1.clone();
    world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    let again = world.propose(kind, 2).unwrap();
    assert_eq!(world.plan(again).outpoints().collect::<Vec<_>>(), [second]);
    for role in TWO {
        world.sign(again, role).unwrap();
    }
    world.broadcast(again, 0, 0);
    world.mine(1);
    assert_eq!((world.totals().refunded, world.totals().settled), (sat(100_000), sat(200_000)));
    assert_eq!(world.stage(), Stage::Refunded);
    world.check();
    let late = testing::REFUND_TIME + crate::escrow::task::GRACE_SECS + 1;
    world.advance_to(late);
    assert!(matches!(world.propose(kind, 3).unwrap_err().code(), "past_cutoff" | "nothing_to_settle"));
}

#[test]
fn a_strangers_refund_is_recognised() {
    let mut world = verified(|_| {});
    let (index, outpoint) = world.fund(sat(100_000));
    // The service never saw this bundle's ladder being used: anyone may broadcast a rung.
    let rung = world.bundle(outpoint).ladder()[1].1.clone();
    world.advance_to(testing::REFUND_TIME + 1);
    world.chain.broadcast(&rung).unwrap();
    world.sync();
    assert_eq!(world.totals().credited, sat(100_000), "not mined yet");
    world.mine(1);
    assert_eq!(world.stage(), Stage::Refunded);
    assert_eq!(
        world.chain.received(&testing::address(world.network, 100 + index).script_pubkey()),
        rung.output[0].value
    );
    // And back again, if a reorg takes it.
    world.chain.disconnect(1);
    world.chain.drop_from_mempool(&rung.compute_txid());
    world.sync();
    assert_eq!((world.totals().credited, world.totals().refunded), (sat(100_000), Amount::ZERO));
    assert!(world.task().outpoints()[&outpoint].secured());
    world.check();
}

#[test]
fn votes_are_for_one_submission_of_one_task_on_one_network() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    let vote = world.vote_statement(submission, index, Choice::Yes, 1);
    assert_eq!(world.give(&world.vote_command(vote)), Ok(1));
    let again = world.book.clone();
    assert_eq!(world.give(&world.vote_command(vote)), Ok(0), "delivered twice, counted once");
    assert_eq!(world.book, again);

    // A task of equal signers, T and sponsor, under other terms.
    let first = world.id;
    let mut fields = world.task().charter().fields().clone();
    fields.cap_sat += 1;
    let other = world.draft(&fields);
    world.attest_all();
    assert_eq!(world.issue(sat(100_000)), index, "the same index and key");
    assert_ne!(
        world
            .book
            .task(&first)
            .unwrap()
            .output(crate::escrow::descriptor::Slot::pledge(index))
            .unwrap()
            .script_pubkey,
        world.script(index)
    );
    assert_ne!(world.book.task(&first).unwrap().open_output().script_pubkey, world.script(0));
    let elsewhere = world.submit();
    assert_eq!(world.give(&world.vote_command(vote)).unwrap_err().code(), "other_task");
    let mut renamed = world.vote_command(vote);
    if let Command::CastVote { vote, .. } = &mut renamed {
        vote.statement.charter = other;
        vote.statement.submission = elsewhere;
    }
    assert_eq!(world.give(&renamed).unwrap_err().code(), "bad_signature");
    let mut network = vote;
    network.network = Network::Signet;
    assert_eq!(world.give(&world.vote_command(network)).unwrap_err().code(), "other_task");
    // A gift to one is no gift to the other.
    world.pay(0, sat(5_000));
    world.mine(1);
    let tip = *world.book.tip().unwrap();
    assert_eq!(world.totals().gifts, sat(5_000));
    assert_eq!(world.book.task(&first).unwrap().totals(&tip).gifts, Amount::ZERO);
    world.check();
}

#[test]
fn a_receipt_is_for_the_very_vote_and_by_the_charters_key() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    let yes = world.vote_statement(submission, index, Choice::Yes, 1);
    let no = world.vote_statement(submission, index, Choice::No, 1);
    let Command::CastVote { receipt, .. } = world.vote_command(no) else { unreachable!() };
    let Command::CastVote { vote, receipt: own } = world.vote_command(yes) else { unreachable!() };
    let swapped = Command::CastVote { vote: vote.clone(), receipt: receipt.clone() };
    assert_eq!(world.give(&swapped).unwrap_err().code(), "other_task");
    let forged = Signed::new(&world.secp, own.statement, &testing::sponsor(99));
    let forged = Command::CastVote { vote: vote.clone(), receipt: forged };
    assert_eq!(world.give(&forged).unwrap_err().code(), "bad_signature");
    let mut late = own.clone();
    late.statement.tip_mtp_secs += 1;
    assert_eq!(world.give(&Command::CastVote { vote, receipt: late }).unwrap_err().code(), "bad_signature");
    world.check();
}

#[test]
fn voting_closes_one_second_after_the_window() {
    for (shift, counted) in [(-1i64, true), (0, true), (1, false)] {
        let mut world = verified(|_| {});
        let (voter, _) = world.fund(sat(200_000));
        let (other, _) = world.fund(sat(100_000));
        let submission = world.submit();
        world.vote(submission, other, Choice::No, 1).unwrap();
        let closes = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
        let at = u32::try_from(i64::try_from(closes).unwrap() + shift).unwrap();
        world.advance_to(at);
        assert_eq!(world.chain.tip().mtp_secs, at);
        assert_eq!(world.stage(), if counted { Stage::Voting } else { Stage::Deciding });
        let changed = world.vote(submission, other, Choice::Yes, 2);
        assert_eq!(changed.is_ok(), counted, "a vote may change until the window closes");
        world.vote(submission, voter, Choice::Yes, 1).unwrap();
        let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
        let (yes, no) = if counted { (sat(300_000), sat(0)) } else { (sat(0), sat(100_000)) };
        assert_eq!((tally.yes, tally.no), (yes, no), "shift {shift}");
        // A late vote binds its own money all the same.
        assert_eq!(tally.choice(voter), Some(Choice::Yes));
        assert_eq!(tally.late.contains_key(&voter), !counted);
        let kind = Kind::Payout { submission };
        let id = world.propose(kind, 1).unwrap();
        assert_eq!(world.plan(id).outpoints().count(), if counted { 2 } else { 1 });
        world.check();
    }
}

#[test]
fn a_submission_may_name_the_tip_or_two_below_before_the_deadline() {
    let mut world = verified(|_| {});
    world.mine(3);
    let deadline = world.task().charter().fields().work_deadline;
    let mut submission = world.submission();
    for (below, fine) in [(0, true), (2, true), (3, false)] {
        let height = world.chain.tip().height - below;
        submission.block_height = height;
        submission.block_hash = world.chain.block(height).unwrap().0;
        let given = world.clone().give(&world.submit_command(submission.clone()));
        assert_eq!(given.is_ok(), fine, "{below} below: {given:?}");
    }
    submission.block_height = world.chain.tip().height;
    submission.block_hash = BlockHash::all_zeros();
    assert_eq!(world.give(&world.submit_command(submission)).unwrap_err().code(), "submission_block");
    world.advance_to(deadline);
    assert!(world.clone().give(&world.submit_command(world.submission())).is_ok(), "at the deadline itself");
    world.advance_to(deadline + 1);
    let late = world.submit_command(world.submission());
    assert_eq!(world.give(&late).unwrap_err().code(), "work_deadline");
}

#[test]
fn refunds_follow_the_median_time_past_up_to_2038() {
    // The last whole minute below 2^31.
    let last = 0x7fff_ffff / 60 * 60;
    for refund_time in [testing::REFUND_TIME, last] {
        let mut world = verified(|fields| {
            let later = refund_time - fields.refund_time;
            fields.refund_time += later;
            fields.funding_close += later;
            fields.work_deadline += later;
            fields.milestones[0].due += later;
        });
        let (_, outpoint) = world.fund(sat(3_000_000 / 2));
        let bundle = world.task().outpoints()[&outpoint].refund.clone().unwrap();
        for (mtp_secs, fine) in [(refund_time - 1, false), (refund_time, false), (refund_time + 1, true)] {
            // A block's own clock may be a day ahead: it moves nothing.
            world.advance_to(mtp_secs);
            world.chain.mine_at(mtp_secs + 86_400);
            world.chain.disconnect(1);
            assert_eq!(world.chain.tip().mtp_secs, mtp_secs);
            assert_eq!(world.chain.check(&bundle.pair()).is_ok(), fine, "{mtp_secs}");
            assert_eq!(world.chain.check(&bundle.ladder()[0].1).is_ok(), fine, "{mtp_secs}");
            assert_eq!(world.stage() == Stage::Refunding, fine, "{mtp_secs}");
        }
        let ladder = bundle.ladder();
        assert_eq!(ladder.len(), 7);
        for (rung, transaction) in &ladder[3..] {
            world.advance_to(refund_time + rung.delay_secs);
            assert_eq!(world.chain.check(transaction), Err(Rejected::NotFinal));
            world.advance_to(refund_time + rung.delay_secs + 1);
            assert!(world.chain.check(transaction).is_ok(), "{rung:?}");
        }
        world.check();
    }
}

#[test]
fn a_developer_who_outbids_the_honest_moves_only_their_own_money() {
    let mut world = verified(|_| {});
    let (honest, _) = world.fund(sat(300_000));
    let (_, quiet) = world.fund(sat(100_000));
    let (own, theirs) = world.fund(sat(800_000));
    let submission = world.submit();
    world.vote(submission, honest, Choice::No, 1).unwrap();
    world.vote(submission, own, Choice::Yes, 1).unwrap();
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert!(tally.threshold_reached && tally.quorum_met);
    let kind = Kind::Payout { submission };
    let id = world.propose(kind, 1).unwrap();
    assert_eq!(world.plan(id).outpoints().collect::<Vec<_>>(), [theirs]);
    world.judge(submission, true).unwrap();
    let id = world.propose(kind, 1).unwrap();
    let mut moved = [theirs, quiet];
    moved.sort();
    assert_eq!(world.plan(id).outpoints().collect::<Vec<_>>(), moved, "never the honest noes");
    world.check();
}

#[test]
fn a_stray_payment_does_not_take_its_address_owners_vote_away() {
    // Anybody can send a little to somebody's address; what returns it must not end their vote.
    let mut world = verified(|fields| fields.acceptance.silence = Silence::Pay);
    let (yes, _) = world.fund(sat(600_000));
    let (victim, held) = world.fund(sat(100_000));
    let stray = world.pay(victim, sat(5_000));
    world.mine(1);
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    assert!(world.plan(id).outpoints().any(|outpoint| outpoint == stray));
    for role in TWO {
        world.sign(id, role).unwrap();
    }
    assert_eq!(world.vote(submission, victim, Choice::No, 1), Ok(1), "its own money is not in there");
    world.broadcast(id, 0, 0);
    world.mine(1);
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    world.judge(submission, true).unwrap();
    assert_eq!(world.propose(Kind::Payout { submission }, 1).unwrap_err().code(), "nothing_to_settle");
    assert_eq!(world.standing(&held), Standing::Credited);
    world.check();
}

#[test]
fn a_vote_is_settled_as_soon_as_one_form_that_pays_it_can_be_broadcast() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    // Both sign the lowest form only: it can go out at any moment.
    for role in TWO {
        let mut signatures = world.signatures(id, role);
        for forms in &mut signatures.chunks {
            forms[1..].iter_mut().for_each(Vec::clear);
        }
        world.give(&Command::SignSettlement { settlement: id, signatures }).unwrap();
    }
    assert!(world.chain.check(&world.finalized(id, 0, 0)).is_ok());
    assert_eq!(world.vote(submission, index, Choice::No, 2).unwrap_err().code(), "vote_settled");
    // The network wants more: the next form is signed by nobody, so the lowest must be tried again.
    let next = Command::NoteBroadcast { settlement: id, chunk: 0, form: 1 };
    assert_eq!(world.give(&next), Ok(0));
    let tries = |effect: &due::Effect| matches!(effect, due::Effect::BroadcastSettlement { form: 0, .. });
    assert!(due::due(&world.book).iter().any(tries));
    world.check();
}

#[test]
fn one_signer_cannot_hold_up_what_two_have_signed_by_half_signing_another() {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let kind = Kind::Payout { submission };
    let first = world.propose(kind, 1).unwrap();
    let second = world.propose(kind, 20).unwrap();
    for role in TWO {
        world.sign(first, role).unwrap();
    }
    world.sign(second, TWO[0]).unwrap();
    let mut signatures = world.signatures(second, TWO[1]);
    for forms in &mut signatures.chunks {
        forms[0].clear();
    }
    world.give(&Command::SignSettlement { settlement: second, signatures }).unwrap();
    let goes_out = |world: &World, wanted| {
        let is = |effect: &due::Effect| matches!(effect, due::Effect::BroadcastSettlement { settlement, .. } if *settlement == wanted);
        due::due(&world.book).iter().any(is)
    };
    assert!(goes_out(&world, first) && !goes_out(&world, second));
    // With the missing signature it takes the first one's place.
    world.sign(second, TWO[1]).unwrap();
    assert!(!goes_out(&world, first) && goes_out(&world, second));
    world.check();
}

#[test]
fn made_up_amounts_neither_panic_nor_count() {
    // A server can tell of any unconfirmed transaction, also of one that pays more than there is.
    let mut world = verified(|_| {});
    let index = world.issue(sat(100_000));
    for _ in 0..3 {
        world.pay(index, Amount::MAX);
    }
    world.sync();
    let totals = world.totals();
    assert_eq!((totals.credited, totals.raised), (Amount::ZERO, Amount::ZERO));
    let next = world.task().next_index();
    assert!(world.give(&world.issue_command(next, sat(10_000))).is_err() || next == 2);
    world.check();
}

#[test]
fn conflicting_settlements_have_one_outcome() {
    let mut world = verified(|_| {});
    let (a, first) = world.fund(sat(100_000));
    let (b, second) = world.fund(sat(200_000));
    let submission = world.submit();
    let kind = Kind::Payout { submission };
    world.vote(submission, a, Choice::Yes, 1).unwrap();
    let small = world.propose(kind, 1).unwrap();
    for role in TWO {
        world.sign(small, role).unwrap();
    }
    // Not broadcast yet: a later one may take both, for it spends what the first spends.
    world.vote(submission, b, Choice::Yes, 1).unwrap();
    let both = world.propose(kind, 1).unwrap();
    assert_ne!(small, both);
    for role in TWO {
        world.sign(both, role).unwrap();
    }
    world.broadcast(small, 0, 2);
    assert_eq!(world.chain.broadcast(&world.finalized(both, 0, 0)), Err(Rejected::Fee));
    world.mine(1);
    assert_eq!(world.chain.broadcast(&world.finalized(both, 0, 0)), Err(Rejected::Spent(first)));
    let tip = *world.book.tip().unwrap();
    assert!(!world.task().is_live(&small, &tip) || !world.task().is_live(&both, &tip));
    let rest = world.settle(kind, TWO).unwrap();
    assert_eq!(world.plan(rest).outpoints().collect::<Vec<_>>(), [second]);
    assert_eq!(world.stage(), Stage::Paid);
    world.check();
}

#[test]
fn a_changed_vote_stops_a_half_signed_payout() {
    let mut world = verified(|_| {});
    let (index, outpoint) = world.fund(sat(100_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    world.vote(submission, index, Choice::No, 2).unwrap();
    let refused = world.sign(id, Role::Arbiter).unwrap_err();
    assert_eq!(refused.code(), "no_longer_allowed");
    // The dead one is no obstacle to the ruling.
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    world.rule(submission, 0).unwrap();
    world.settle(Kind::Ruling { submission }, [Role::Representative, Role::Arbiter]).unwrap();
    assert_eq!(world.stage(), Stage::Returned);
    assert!(world.task().outpoints()[&outpoint].spend.is_some());
    world.check();
}

#[test]
fn a_surplus_that_becomes_a_credit_is_no_longer_returned() {
    // A reorg can free the cap between proposal and signature.
    let mut world = verified(|fields| {
        fields.cap_sat = 1_000_000;
        fields.depth = 1;
    });
    let (a, _) = world.fund(sat(10_000));
    let (b, c) = (world.issue(sat(500_000)), world.issue(sat(400_000)));
    let big = world.pay(b, sat(990_000));
    world.mine(1);
    let beyond = world.pay(c, sat(400_000));
    world.mine(1);
    assert_eq!(world.standing(&beyond), Standing::Surplus { reason: Surplus::OverCap });
    let submission = world.submit();
    world.vote(submission, a, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    world.chain.disconnect(2);
    world.chain.drop_from_mempool(&big.txid);
    world.mine(3);
    assert_eq!(world.standing(&beyond), Standing::Credited);
    assert_eq!(world.sign(id, Role::Representative).unwrap_err().code(), "no_longer_allowed");
    world.check();
}
