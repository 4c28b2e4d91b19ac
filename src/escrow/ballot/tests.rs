//! Counting: which vote counts, exact thresholds, and who moves the money of the silent.

use super::*;
use crate::escrow::charter::CharterFields;
use crate::escrow::network::Network;
use crate::escrow::statement::{CharterId, Digest, Statement, SubmissionId};
use crate::escrow::testing;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use proptest::prelude::*;

const HEIGHT: u32 = 100;
const OPENS: u32 = 1_800_000_000;

fn charter(change: impl FnOnce(&mut CharterFields)) -> Charter {
    let mut fields = testing::fields(Network::Regtest);
    change(&mut fields);
    Charter::from_fields(fields).unwrap()
}

fn vote(pledge: u32, choice: Choice, counter: u32) -> Vote {
    let submission = SubmissionId([2; 32]);
    Vote { network: Network::Regtest, charter: CharterId([1; 32]), submission, pledge, choice, counter }
}

/// With a receipt under the median time `at`, or none.
fn cast(vote: Vote, at: Option<u32>) -> CastVote {
    let secp = Secp256k1::new();
    let receipt = |tip_mtp_secs| Receipt {
        network: vote.network,
        charter: vote.charter,
        vote: vote.digest(),
        tip_height: HEIGHT,
        tip_hash: BlockHash::all_zeros(),
        tip_mtp_secs,
    };
    CastVote {
        vote: Signed::new(&secp, vote, &testing::sponsor(1)),
        receipt: at.map(|at| Signed::new(&secp, receipt(at), &testing::receipt_keypair())),
    }
}

fn count(charter: &Charter, weights: &[(u32, u64, u32)], votes: &[CastVote]) -> Tally {
    let submission = Submission {
        network: Network::Regtest,
        charter: CharterId([1; 32]),
        number: 0,
        link: "x".into(),
        content: Digest([0; 32]),
        block_height: HEIGHT,
        block_hash: BlockHash::all_zeros(),
        milestone: None,
        named: None,
    };
    let electorate: Vec<Weight> = weights
        .iter()
        .map(|(pledge, amount_sat, height)| Weight {
            pledge: *pledge,
            amount: Amount::from_sat(*amount_sat),
            height: *height,
            moved_height: None,
        })
        .collect();
    tally(charter, &submission, Some(&Window::new(charter, OPENS)), &electorate, votes)
}

fn timely(pledge: u32, choice: Choice) -> CastVote {
    cast(vote(pledge, choice, 1), Some(OPENS))
}

#[test]
fn the_highest_counter_counts_and_two_choices_under_one_are_no() {
    use Choice::{No, Yes};
    let decide = |votes: &[(Choice, u32)]| {
        let votes: Vec<Vote> = votes.iter().map(|(choice, counter)| vote(1, *choice, *counter)).collect();
        decisive(&votes)
    };
    assert_eq!(decide(&[]), None);
    assert_eq!(decide(&[(Yes, 0)]), Some(Yes));
    assert_eq!(decide(&[(Yes, 1), (No, 2)]), Some(No));
    assert_eq!(decide(&[(Yes, 2), (No, 1)]), Some(Yes));
    assert_eq!(decide(&[(Yes, 1), (No, 1)]), Some(No));
    assert_eq!(decide(&[(No, 1), (Yes, 1)]), Some(No));
    assert_eq!(decide(&[(No, 1), (Yes, 1), (Yes, 1)]), Some(No));
    assert_eq!(decide(&[(No, 1), (Yes, 1), (Yes, 2)]), Some(Yes), "a higher one settles it");
    assert_eq!(decide(&[(Yes, u32::MAX), (No, 0)]), Some(Yes));
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        votes in prop::collection::vec((any::<bool>(), 0u32..4), 1..7).prop_flat_map(|votes| (Just(votes.clone()), Just(votes).prop_shuffle())),
    ) {
        let read = |votes: &[(bool, u32)]| -> Option<Choice> {
            let choice = |yes: bool| if yes { Choice::Yes } else { Choice::No };
            let votes: Vec<Vote> = votes.iter().map(|(yes, counter)| vote(1, choice(*yes), *counter)).collect();
            decisive(&votes)
        };
        prop_assert_eq!(read(&votes.0), read(&votes.1));
        let highest = votes.0.iter().map(|(_, counter)| *counter).max().unwrap();
        let all_yes = votes.0.iter().filter(|(_, counter)| *counter == highest).all(|(yes, _)| *yes);
        prop_assert_eq!(read(&votes.0), Some(if all_yes { Choice::Yes } else { Choice::No }));
    }
}

#[test]
fn threshold_and_quorum_are_exact() {
    let charter = charter(|fields| {
        fields.acceptance.threshold_bps = 6_667;
        fields.acceptance.quorum_bps = 2_000;
    });
    let reached = |yes: u64, no: u64| {
        let votes = [timely(1, Choice::Yes), timely(2, Choice::No)];
        count(&charter, &[(1, yes, 1), (2, no, 1)], &votes).threshold_reached
    };
    assert!(reached(6_667, 3_333));
    assert!(!reached(6_666, 3_334));
    assert!(!reached(66_669_999, 33_330_001));
    let quorum = |cast: u64, silent: u64| {
        count(&charter, &[(1, cast, 1), (2, silent, 1)], &[timely(1, Choice::Yes)]).quorum_met
    };
    assert!(quorum(2_000, 8_000));
    assert!(!quorum(1_999, 8_001));
    // All the money there is does not overflow.
    assert!(reached(2_100_000_000_000_000, 1));
}

#[test]
fn nobody_is_no_majority() {
    let charter = charter(|fields| fields.acceptance.quorum_bps = 0);
    for (weights, votes) in [
        (&[][..], &[][..]),
        (&[(1, 10_000, 1)][..], &[][..]),
        // A yes without money is none.
        (&[(1, 10_000, 1)][..], &[timely(7, Choice::Yes)][..]),
        (&[(1, 10_000, HEIGHT + 1)][..], &[timely(1, Choice::Yes)][..]),
    ] {
        let tally = count(&charter, weights, votes);
        assert!(!tally.threshold_reached, "{tally:?}");
        let words = Words { accepted: Some(true), ruling: Some(Bps::ALL), closed: true, ..Words::default() };
        assert!(!silence_pays(&charter, &tally, &words));
    }
}

#[test]
fn weight_is_what_was_confirmed_at_or_below_the_named_block() {
    let charter = charter(|_| {});
    let weights = [(1, 5, HEIGHT), (1, 7, HEIGHT - 1), (1, 11, HEIGHT + 1), (2, 13, 1)];
    let tally = count(&charter, &weights, &[timely(1, Choice::Yes)]);
    assert_eq!((tally.yes.to_sat(), tally.electorate.to_sat()), (12, 25));
}

#[test]
fn late_and_direct_votes_bind_their_own_money_only() {
    let charter = charter(|_| {});
    let closes = u32::try_from(Window::new(&charter, OPENS).closes_secs).unwrap();
    let weights = [(1, 100, 1), (2, 100, 1), (3, 100, 1), (4, 100, 1)];
    let votes = [
        cast(vote(1, Choice::Yes, 1), Some(closes)),
        cast(vote(2, Choice::No, 1), Some(closes + 1)),
        cast(vote(3, Choice::No, 1), None),
    ];
    let tally = count(&charter, &weights, &votes);
    assert_eq!((tally.yes.to_sat(), tally.no.to_sat()), (100, 0), "neither late nor direct is counted");
    let words = Words { accepted: Some(true), ruling: None, closed: true, ..Words::default() };
    let verdicts = [1, 2, 3, 4].map(|pledge| verdict(&charter, &tally, &words, pledge));
    assert_eq!(verdicts, [Verdict::Pay, Verdict::Contested, Verdict::Contested, Verdict::Pay]);
}

#[test]
fn a_later_word_handed_over_directly_overrules_for_its_own_money() {
    let charter = charter(|_| {});
    let closes = u32::try_from(Window::new(&charter, OPENS).closes_secs).unwrap();
    let weights = [(1, 100, 1), (2, 100, 1), (3, 100, 1), (4, 100, 1)];
    let votes = [
        cast(vote(1, Choice::Yes, 1), Some(OPENS)),
        cast(vote(1, Choice::No, 2), None),
        cast(vote(2, Choice::Yes, 2), Some(OPENS)),
        cast(vote(2, Choice::No, 1), None),
        cast(vote(3, Choice::Yes, 1), Some(OPENS)),
        cast(vote(3, Choice::No, 1), None),
        cast(vote(4, Choice::No, 2), Some(closes + 1)),
        cast(vote(4, Choice::Yes, 1), None),
    ];
    let tally = count(&charter, &weights, &votes);
    assert_eq!(tally.yes.to_sat(), 300, "the count is of what was receipted in time");
    let choices = [1, 2, 3, 4].map(|pledge| tally.choice(pledge));
    assert_eq!(choices, [Some(Choice::No), Some(Choice::Yes), Some(Choice::No), Some(Choice::No)]);
}

#[test]
fn the_silent_pay_only_when_everything_says_so() {
    let tally = |quorum_met, threshold_reached| Tally {
        electorate: Amount::from_sat(3),
        yes: Amount::from_sat(2),
        no: Amount::from_sat(1),
        quorum_met,
        threshold_reached,
        choices: BTreeMap::new(),
        late: BTreeMap::new(),
    };
    let share = |bps| Bps::new(bps);
    let words = [
        (None, None, false),
        (Some(true), None, true),
        (Some(false), None, false),
        // A ruling that pays stands in for silence of the representative, never for a refusal.
        (None, share(1), true),
        (None, share(0), false),
        (Some(false), share(10_000), false),
        (Some(true), share(0), true),
    ];
    for silence in [Silence::Pay, Silence::Hold] {
        let charter = charter(|fields| fields.acceptance.silence = silence);
        for (accepted, ruling, approved) in words {
            for bits in 0u8..8 {
                let [closed, quorum, threshold] = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
                let words = Words { accepted, ruling, closed, ..Words::default() };
                let expected = silence == Silence::Pay && approved && bits == 7;
                let tally = tally(quorum, threshold);
                assert_eq!(silence_pays(&charter, &tally, &words), expected, "{words:?} {tally:?}");
                let verdict = verdict(&charter, &tally, &words, 9);
                assert_eq!(verdict, if expected { Verdict::Pay } else { Verdict::Wait });
            }
        }
    }
}

#[test]
fn yes_waits_where_the_charter_says_so() {
    let waits = charter(|fields| fields.acceptance.yes_waits = true);
    let votes = [timely(1, Choice::Yes), timely(2, Choice::No)];
    let open = Words::default();
    let closed = Words { closed: true, ..open };
    let won = count(&waits, &[(1, 200, 1), (2, 99, 1)], &votes);
    let lost = count(&waits, &[(1, 200, 1), (2, 101, 1)], &votes);
    assert_eq!(verdict(&waits, &won, &open, 1), Verdict::Wait, "a majority can still be lost");
    assert_eq!(verdict(&waits, &won, &closed, 1), Verdict::Pay);
    assert_eq!(verdict(&waits, &lost, &closed, 1), Verdict::Wait);
    let at_once = charter(|_| {});
    assert_eq!(verdict(&at_once, &lost, &open, 1), Verdict::Pay, "whatever the tally");
    for words in [open, closed] {
        assert_eq!(verdict(&at_once, &won, &words, 2), Verdict::Contested);
    }
}

#[test]
fn windows_end_after_their_last_second_even_past_32_bits() {
    let charter = charter(|_| {});
    let window = Window::new(&charter, u32::MAX);
    assert!(window.closes_secs > u64::from(u32::MAX));
    assert!(!window.closed(u32::MAX) && !window.ruling_over(u32::MAX));
    let window = Window::new(&charter, OPENS);
    let (closes, ends) =
        (u32::try_from(window.closes_secs).unwrap(), u32::try_from(window.ruling_ends_secs).unwrap());
    assert!(!window.closed(closes) && window.closed(closes + 1));
    assert!(!window.ruling_over(ends) && window.ruling_over(ends + 1));
}
