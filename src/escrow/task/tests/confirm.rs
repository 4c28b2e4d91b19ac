//! A vote that waits until the leader confirms the merge or release: nothing moves before, and the review
//! opens at the block that the confirmation names.

use super::{sat, verified};
use crate::escrow::ballot::{CastVote, Verdict, Words, verdict};
use crate::escrow::charter::VoteOpens;
use crate::escrow::event::Command;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Confirmed, Role, Signed, SubmissionId};
use crate::escrow::task::{Stage, SubmissionState};
use crate::escrow::testing::{World, attacker_keypair};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

fn waiting(opens: VoteOpens) -> (World, u32, SubmissionId) {
    let mut world = verified(|fields| fields.vote_opens = opens);
    let (index, _) = world.fund(sat(200_000));
    let submission = world.submit();
    (world, index, submission)
}

fn last(world: &World) -> &SubmissionState {
    world.task().submissions().last().unwrap()
}

fn code<T: std::fmt::Debug>(given: Result<T, crate::escrow::task::Refused>) -> &'static str {
    given.unwrap_err().code()
}

#[test]
fn nothing_happens_before_the_merge_is_confirmed() {
    for (opens, confirmed) in
        [(VoteOpens::Merged, Confirmed::Merged), (VoteOpens::Released, Confirmed::Released)]
    {
        let (mut world, index, submission) = waiting(opens);
        assert_eq!(world.stage(), Stage::Open, "funding is still open, and nobody votes");
        assert_eq!(world.task().window(last(&world)), None);
        assert_eq!(world.task().awaits(last(&world)), Some(confirmed));
        assert_eq!(code(world.vote(submission, index, Choice::Yes, 1)), "voting_not_open");
        assert_eq!(code(world.rule(submission, 5_000)), "voting_not_open");
        // Neither a word of the representative nor time opens it.
        world.judge(submission, true).unwrap();
        let deadline = world.task().charter().fields().work_deadline;
        world.advance_to(deadline);
        assert_eq!(world.stage(), Stage::Working);
        let tip = *world.book.tip().unwrap();
        assert!(!world.task().words(last(&world), &tip).closed);
        assert_eq!(world.task().verdicts(last(&world), &tip)[&index], Verdict::Wait);
        assert_eq!(code(world.propose(Kind::Payout { submission }, 1)), "nothing_to_settle");
        assert_eq!(code(world.propose(Kind::Ruling { submission }, 1)), "no_ruling");
        world.check();
    }
}

#[test]
fn a_vote_handed_over_directly_moves_nothing_before_either() {
    let (world, index, submission) = waiting(VoteOpens::Merged);
    let tip = world.book.tip().unwrap();
    let vote = world.vote_statement(submission, index, Choice::Yes, 1);
    let mut state = last(&world).clone();
    let direct = CastVote { vote: Signed::new(&world.secp, vote, &world.sponsor(index)), receipt: None };
    state.votes.push(direct);
    let tally = world.task().tally(&state, tip);
    assert_eq!(tally.choice(index), Some(Choice::Yes));
    let words = world.task().words(&state, tip);
    assert_eq!(verdict(world.task().charter(), &tally, &words, index), Verdict::Wait);
    let open = Words { awaits_confirmation: false, ..words };
    assert_eq!(verdict(world.task().charter(), &tally, &open, index), Verdict::Pay);
}

#[test]
fn the_review_opens_at_the_block_that_the_leader_names() {
    let (mut world, index, submission) = waiting(VoteOpens::Merged);
    let named = last(&world).block_mtp_secs;
    world.advance_to(named + 5 * 86_400);
    let weighed = last(&world).signed.statement.block_height;
    assert_eq!(world.confirm(submission).unwrap(), 1);
    let opened = world.chain.tip().mtp_secs;
    let window = world.task().window(last(&world)).unwrap();
    assert_eq!(window.opens_secs, opened);
    assert_eq!(window.closes_secs, u64::from(opened) + 7 * 86_400);
    assert_eq!(world.stage(), Stage::Voting);
    assert_eq!(last(&world).signed.statement.block_height, weighed, "weights stay those of the submission");
    assert_eq!(
        world.give(&world.confirm_command(last(&world).confirmation.clone().unwrap().signed.statement)),
        Ok(0)
    );
    world.mine(1);
    assert_eq!(code(world.confirm(submission)), "already_confirmed");
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    // The window's edges, one second before, at, after.
    for (shift, stage) in [(-1i64, Stage::Voting), (0, Stage::Voting), (1, Stage::Deciding)] {
        let mut world = world.clone();
        let at = u32::try_from(i64::try_from(window.closes_secs).unwrap() + shift).unwrap();
        world.advance_to(at);
        assert_eq!((world.chain.tip().mtp_secs, world.stage()), (at, stage));
        assert_eq!(world.rule(submission, 0).is_ok(), stage == Stage::Deciding);
    }
    world.settle(Kind::Payout { submission }, [Role::Developer, Role::Representative]).unwrap();
    assert_eq!(world.stage(), Stage::Paid);
    world.check();
}

#[test]
fn who_may_confirm_what() {
    let (mut world, _, submission) = waiting(VoteOpens::Released);
    world.mine(3);
    let right = world.confirmation(submission);
    let block = world.chain.block(right.block_height);
    let by = |key| Command::ConfirmMerge { confirmation: Signed::new(&world.secp, right, &key), block };
    let stranger = by(attacker_keypair());
    let developer = by(crate::escrow::testing::statement_keypair(world.network, Role::Developer));
    for command in [stranger, developer] {
        assert_eq!(code(world.give(&command)), "bad_signature");
    }
    let mut wrong = right;
    wrong.confirmed = Confirmed::Merged;
    assert_eq!(code(world.give(&world.confirm_command(wrong))), "other_confirmation");
    wrong = right;
    wrong.submission = SubmissionId([7; 32]);
    assert_eq!(code(world.give(&world.confirm_command(wrong))), "unknown_submission");
    wrong = right;
    wrong.charter = crate::escrow::statement::CharterId([7; 32]);
    assert_eq!(code(world.give(&world.confirm_command(wrong))), "other_task");
    wrong = right;
    wrong.block_hash = BlockHash::all_zeros();
    assert_eq!(code(world.give(&world.confirm_command(wrong))), "confirmation_block");
    wrong = right;
    wrong.block_height = u32::MAX;
    assert_eq!(code(world.give(&world.confirm_command(wrong))), "confirmation_block");
    for (below, fine) in [(0, true), (2, true), (3, false)] {
        let mut world = world.clone();
        wrong.block_height = right.block_height - below;
        wrong.block_hash = world.chain.block(wrong.block_height).unwrap().0;
        assert_eq!(world.give(&world.confirm_command(wrong)).is_ok(), fine, "{below} below");
    }
    // Not before the work was handed in.
    let second = world.submit();
    let mut early = world.confirmation(second);
    early.block_height -= 1;
    early.block_hash = world.chain.block(early.block_height).unwrap().0;
    assert_eq!(code(world.give(&world.confirm_command(early))), "confirmation_block");

    let (mut world, _, submission) = {
        let mut world = verified(|_| {});
        let (index, _) = world.fund(sat(200_000));
        let submission = world.submit();
        (world, index, submission)
    };
    assert_eq!(code(world.confirm(submission)), "nothing_to_confirm");
}

#[test]
fn what_is_not_confirmed_may_be_replaced() {
    let (mut world, index, first) = waiting(VoteOpens::Merged);
    let second = world.submit();
    assert_eq!(code(world.confirm(first)), "submission_replaced");
    world.confirm(second).unwrap();
    assert_eq!(code(world.vote(first, index, Choice::Yes, 1)), "voting_not_open");
    world.vote(second, index, Choice::Yes, 1).unwrap();
    let third = world.submission();
    assert_eq!(code(world.give(&world.submit_command(third))), "still_voting");
    // Once it is over a third one waits again, while the arbiter still decides over the second.
    let closes = world.task().window(last(&world)).unwrap().closes_secs;
    world.advance_to(u32::try_from(closes).unwrap() + 1);
    world.submit();
    assert_eq!(world.task().window(last(&world)), None);
    assert_eq!(world.stage(), Stage::Deciding);
    world.check();
}

#[test]
fn a_confirmation_comes_in_time_for_review_and_ruling() {
    let mut world = verified(|fields| {
        fields.vote_opens = VoteOpens::Merged;
        fields.work_deadline -= 10 * 86_400;
        fields.milestones[0].due = fields.work_deadline;
    });
    world.fund(sat(200_000));
    let submission = world.submit();
    let fields = world.task().charter().fields().clone();
    let deadline = world.task().charter().confirmation_deadline_secs();
    assert_eq!(deadline, fields.work_deadline + 10 * 86_400);
    assert_eq!(deadline + fields.review_secs + fields.ruling_secs, world.task().charter().cutoff_secs());
    for (shift, fine) in [(-1i64, true), (0, true), (1, false)] {
        let mut world = world.clone();
        world.advance_to(u32::try_from(i64::from(deadline) + shift).unwrap());
        let given = world.confirm(submission);
        assert_eq!(given.is_ok(), fine, "{shift}: {given:?}");
        if let Err(refused) = given {
            assert_eq!(refused.code(), "confirmation_too_late");
        }
    }
    // Work that comes in time may be confirmed after the work deadline.
    world.advance_to(fields.work_deadline + 1);
    assert_eq!(code(world.give(&world.submit_command(world.submission()))), "work_deadline");
    world.confirm(submission).unwrap();
}

#[test]
fn the_block_a_confirmation_names_may_be_reorged_away() {
    let (mut world, index, submission) = waiting(VoteOpens::Merged);
    world.mine(4);
    world.confirm(submission).unwrap();
    let height = world.confirmation(submission).block_height;
    world.vote(submission, index, Choice::No, 1).unwrap();
    let submitted = last(&world).block_hash;
    world.chain.disconnect(2);
    world.chain.mine_at(world.chain.tip().mtp_secs + 900);
    world.mine(3);
    let state = last(&world);
    let known = state.confirmation.as_ref().unwrap();
    assert_eq!(Some((known.block_hash, known.block_mtp_secs)), world.chain.block(height));
    assert_ne!(known.block_hash, known.signed.statement.block_hash);
    assert_eq!(world.task().window(state).unwrap().opens_secs, known.block_mtp_secs);
    assert_eq!(
        (state.block_hash, state.votes.len()),
        (submitted, 1),
        "the submission's block stands, and the vote"
    );
    world.check();
}

#[test]
fn submissions_that_replace_each_other_have_an_end() {
    let (mut world, ..) = waiting(VoteOpens::Merged);
    while world.task().submissions().len() < 200 {
        world.submit();
    }
    assert_eq!(code(world.give(&world.submit_command(world.submission()))), "too_many_submissions");
}
