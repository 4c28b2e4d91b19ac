//! Sponsors' votes: who is an elector with what weight, which choice of a pledge counts, and what the
//! majority allows for the money of the silent.
//!
//! Everyone decides over their own money: a yes releases the voter's pledge, a no holds it for a
//! ruling. Only silence follows the majority, and then only with the representative's own acceptance.

use super::charter::{Bps, Charter, Silence};
use super::statement::{Choice, Receipt, Signed, Submission, Vote};
use bitcoin::Amount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A vote with the service's receipt; votes handed over directly have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CastVote {
    /// The signed vote.
    pub vote: Signed<Vote>,
    /// The service's receipt.
    pub receipt: Option<Signed<Receipt>>,
}

/// When sponsors may vote on a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Median time past of the submission's named block, Unix seconds.
    pub opens_secs: u32,
    /// Last median time past at which a vote counts: `opens_secs` + review window.
    pub closes_secs: u64,
    /// Last median time past at which the arbiter may rule.
    pub ruling_ends_secs: u64,
}

impl Window {
    /// The window of a submission whose named block has the median time past `block_mtp_secs`.
    pub fn new(charter: &Charter, block_mtp_secs: u32) -> Window {
        let fields = charter.fields();
        let closes_secs = u64::from(block_mtp_secs) + u64::from(fields.review_secs);
        let ends = closes_secs + u64::from(fields.ruling_secs);
        let last = charter.last_ruling_secs().map_or(ends, |last| ends.min(u64::from(last)));
        Window { opens_secs: block_mtp_secs, closes_secs, ruling_ends_secs: last.max(closes_secs) }
    }

    /// Voting closes at the first block whose median time past is beyond the window.
    pub fn closed(&self, mtp_secs: u32) -> bool {
        u64::from(mtp_secs) > self.closes_secs
    }

    /// Whether the time for a ruling is over.
    pub fn ruling_over(&self, mtp_secs: u32) -> bool {
        u64::from(mtp_secs) > self.ruling_ends_secs
    }
}

/// A credited outpoint's part in the electorate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The pledge it belongs to.
    pub pledge: u32,
    /// Its value.
    pub amount: Amount,
    /// Height it was confirmed at.
    pub height: u32,
    /// Height at which it moved to another charter, if it did.
    pub moved_height: Option<u32>,
}

impl Weight {
    /// Whether it weighs for a submission that names the block at `height`: it was there, and had not moved on.
    pub fn counts_at(&self, height: u32) -> bool {
        self.height <= height && self.moved_height.is_none_or(|moved| moved > height)
    }
}

/// The count of one submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Weight of all electors: credited outpoints confirmed at or below the named block.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "electorate_sat")]
    pub electorate: Amount,
    /// Weight of yes.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "yes_sat")]
    pub yes: Amount,
    /// Weight of no.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "no_sat")]
    pub no: Amount,
    /// Whether the part of the electorate that voted reaches the quorum.
    pub quorum_met: bool,
    /// Whether yes reaches the threshold of the weight cast.
    pub threshold_reached: bool,
    /// What each pledge that voted in time chose.
    pub choices: BTreeMap<u32, Choice>,
    /// Votes that came late, or without a receipt: they bind their own money and are not counted. One
    /// without a receipt overrules what the pledge had voted in time if its counter is higher.
    pub late: BTreeMap<u32, Choice>,
}

impl Tally {
    /// What a pledge decided about its own money; `None` is silence.
    pub fn choice(&self, pledge: u32) -> Option<Choice> {
        self.late.get(&pledge).or_else(|| self.choices.get(&pledge)).copied()
    }
}

/// The choice among votes of one pledge: the highest counter, and no where one counter says both.
pub fn decisive<'a>(votes: impl IntoIterator<Item = &'a Vote>) -> Option<Choice> {
    let mut best: Option<(u32, Choice)> = None;
    for vote in votes {
        best = match best {
            Some((counter, _)) if vote.counter < counter => best,
            Some((counter, choice)) if vote.counter == counter && vote.choice != choice => {
                Some((counter, Choice::No))
            }
            _ => Some((vote.counter, vote.choice)),
        };
    }
    best.map(|(_, choice)| choice)
}

/// Counts a submission. `votes` are those whose signatures (and receipts) were verified. Without a window
/// nobody was asked yet: nothing is counted.
pub fn tally(
    charter: &Charter,
    submission: &Submission,
    window: Option<&Window>,
    electorate: &[Weight],
    votes: &[CastVote],
) -> Tally {
    let mut weights: BTreeMap<u32, Amount> = BTreeMap::new();
    for weight in electorate.iter().filter(|weight| weight.counts_at(submission.block_height)) {
        *weights.entry(weight.pledge).or_default() += weight.amount;
    }
    let mut timely: BTreeMap<u32, Vec<&Vote>> = BTreeMap::new();
    let mut late: BTreeMap<u32, Vec<&Vote>> = BTreeMap::new();
    let mut direct: BTreeMap<u32, Vec<&Vote>> = BTreeMap::new();
    for cast in votes {
        let vote = &cast.vote.statement;
        let list = match &cast.receipt {
            Some(receipt) if window.is_some_and(|w| !w.closed(receipt.statement.tip_mtp_secs)) => &mut timely,
            Some(_) => &mut late,
            None => &mut direct,
        };
        list.entry(vote.pledge).or_default().push(vote);
    }
    let choose = |votes: &BTreeMap<u32, Vec<&Vote>>| -> BTreeMap<u32, Choice> {
        let chosen = |(pledge, votes): (&u32, &Vec<&Vote>)| Some((*pledge, decisive(votes.iter().copied())?));
        votes.iter().filter_map(chosen).collect()
    };
    let choices = choose(&timely);
    // A late vote with a receipt came when a vote given in time could change no more.
    let received_late = late;
    let mut late = choose(&received_late);
    late.retain(|pledge, _| !choices.contains_key(pledge));
    // A server that hides a changed vote must not win: what a sponsor handed over directly binds their own
    // money as if it had come in time.
    for (pledge, votes) in direct {
        let received = timely.get(&pledge).or_else(|| received_late.get(&pledge));
        let heard = received.into_iter().flatten().chain(&votes).copied();
        if let Some(choice) = decisive(heard).filter(|choice| choices.get(&pledge) != Some(choice)) {
            late.insert(pledge, choice);
        }
    }

    let sum = |choice| {
        choices
            .iter()
            .filter(|(_, chosen)| **chosen == choice)
            .filter_map(|(pledge, _)| weights.get(pledge))
            .copied()
            .sum::<Amount>()
    };
    let (yes, no) = (sum(Choice::Yes), sum(Choice::No));
    let electorate = weights.values().copied().sum();
    let cast = yes + no;
    Tally {
        electorate,
        yes,
        no,
        quorum_met: charter.quorum().reached(cast, electorate),
        // Without any yes there is no majority to follow, whatever the numbers say of zero.
        threshold_reached: yes > Amount::ZERO && charter.threshold().reached(yes, cast),
        choices,
        late,
    }
}

/// What may be done with the money of one pledge, or of gifts, under one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Pay it to the payees.
    Pay,
    /// Leave it where it is for now.
    Wait,
    /// A no: only a ruling moves it before T.
    Contested,
}

/// What was said besides votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The representative accepted (`true`) or refused (`false`) the work.
    pub accepted: Option<bool>,
    /// Share the arbiter ruled to be paid.
    pub ruling: Option<Bps>,
    /// Whether voting has closed.
    pub closed: bool,
    /// Whether the leader has not confirmed the merge or release that the vote waits for.
    pub awaits_confirmation: bool,
}

/// Whether the money of the silent, and gifts, may be paid: voting closed, the charter says so, quorum
/// and threshold reached, and the representative accepts in person. If the representative said nothing
/// at all within the window, a ruling that pays stands in.
pub fn silence_pays(charter: &Charter, tally: &Tally, words: &Words) -> bool {
    let approved = match words.accepted {
        Some(accepted) => accepted,
        None => words.ruling.is_some_and(|share| share > Bps::NONE),
    };
    charter.fields().acceptance.silence == Silence::Pay
        && words.closed
        && tally.quorum_met
        && tally.threshold_reached
        && approved
}

/// The verdict over one pledge.
pub fn verdict(charter: &Charter, tally: &Tally, words: &Words, pledge: u32) -> Verdict {
    match tally.choice(pledge) {
        // Nothing moves on what is not merged, also not by a vote that was handed over directly.
        _ if words.awaits_confirmation => Verdict::Wait,
        Some(Choice::No) => Verdict::Contested,
        Some(Choice::Yes) if !charter.fields().acceptance.yes_waits => Verdict::Pay,
        // Before the window closes a majority can still be lost.
        Some(Choice::Yes) if words.closed && tally.quorum_met && tally.threshold_reached => Verdict::Pay,
        Some(Choice::Yes) => Verdict::Wait,
        None if silence_pays(charter, tally, words) => Verdict::Pay,
        None => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests;
