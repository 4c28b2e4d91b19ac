//! What may be said now, before anybody has said it: the conditions of commands that rest on state and tip alone.
//! [`Task::decide`](super::Task::decide) asks here, and so does whatever tells people what they may do.

use super::{Refused, SubmissionState, Task};
use crate::escrow::ballot::Window;
use crate::escrow::charter::SubmissionsOpen;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Pledge;
use crate::escrow::statement::Confirmed;
use bitcoin::Amount;

/// Submissions of one charter: where the vote waits for a merge one may replace another at once.
const MAX_SUBMISSIONS: usize = 200;
/// How often one pledge may change its vote: more is only there to fill the disk.
const MAX_VOTES_PER_PLEDGE: usize = 32;

impl Task {
    pub(super) fn need_open(&self) -> Result<(), Refused> {
        if self.opened { Ok(()) } else { Err(Refused::NotOpen) }
    }

    pub(super) fn need_pledge(&self, pledge: u32) -> Result<&Pledge, Refused> {
        self.pledges.get(&pledge).ok_or(Refused::UnknownPledge { pledge })
    }

    /// Whether new pledges are taken; what fits under the cap is another question.
    pub fn may_pledge(&self, tip: &Tip) -> Result<(), Refused> {
        self.need_open()?;
        let fields = self.charter.fields();
        if fields.funding_closed(tip.mtp_secs) {
            return Err(Refused::FundingClosed { close_secs: fields.funding_close, mtp_secs: tip.mtp_secs });
        }
        Ok(())
    }

    /// Whether the next submission is taken.
    pub fn may_submit(&self, tip: &Tip) -> Result<(), Refused> {
        self.need_open()?;
        let fields = self.charter.fields();
        if tip.mtp_secs > fields.work_deadline {
            return Err(Refused::WorkDeadline { deadline_secs: fields.work_deadline });
        }
        if let Some(last) = self.submissions.last()
            // What is not merged is not voted on: it may be replaced.
            && self.window(last).is_some_and(|window| !window.closed(tip.mtp_secs))
        {
            return Err(Refused::StillVoting);
        }
        if self.submissions.len() >= MAX_SUBMISSIONS {
            return Err(Refused::TooManySubmissions { max: MAX_SUBMISSIONS });
        }
        if fields.submissions_open == SubmissionsOpen::WhenTargetCredited {
            let (standings, target) = (self.standings(tip), self.charter.target());
            if self.counted_to_target(&standings) < target {
                // From here on, not from the most that there ever was.
                let raised = self.totals_of(&standings).raised;
                let missing = target.checked_sub(raised).unwrap_or(Amount::ZERO);
                return Err(Refused::TargetMissing { missing });
            }
        }
        Ok(())
    }

    /// Whether the leader may confirm that a submission is merged or released: the last one, once, in time.
    pub fn may_confirm(
        &self,
        submission: &SubmissionState,
        confirmed: Confirmed,
        tip: &Tip,
    ) -> Result<(), Refused> {
        let asked = self.charter.fields().vote_opens.awaits().ok_or(Refused::NothingToConfirm)?;
        if confirmed != asked {
            return Err(Refused::OtherConfirmation { given: confirmed, asked });
        }
        if submission.confirmation.is_some() {
            return Err(Refused::AlreadyConfirmed);
        }
        if self.submissions.last().is_some_and(|last| last.id != submission.id) {
            return Err(Refused::SubmissionReplaced);
        }
        let deadline_secs = self.charter.confirmation_deadline_secs();
        if tip.mtp_secs > deadline_secs {
            return Err(Refused::ConfirmationTooLate { deadline_secs });
        }
        Ok(())
    }

    /// The submission's window, if its review has opened.
    fn need_window(&self, submission: &SubmissionState) -> Result<Window, Refused> {
        let awaits = || self.awaits(submission).unwrap_or(Confirmed::Merged);
        self.window(submission).ok_or_else(|| Refused::VotingNotOpen { awaits: awaits() })
    }

    /// Whether the representative may accept a submission, or refuse it. No time limits it.
    pub fn may_judge(&self, submission: &SubmissionState, accepted: bool) -> Result<(), Refused> {
        if submission.acceptance.is_some() {
            return Err(Refused::AlreadyJudged);
        }
        // The ruling stands in for the word that did not come, and money may have moved on it: a refusal
        // now would make that wrong in hindsight.
        if !accepted && submission.ruling.is_some() {
            return Err(Refused::AlreadyRuled);
        }
        Ok(())
    }

    /// Whether the arbiter may rule over the noes of a submission.
    pub fn may_rule(&self, submission: &SubmissionState, tip: &Tip) -> Result<(), Refused> {
        if submission.signed.statement.named.is_some() {
            return Err(Refused::NoRulingForNamed);
        }
        if submission.ruling.is_some() {
            return Err(Refused::AlreadyRuled);
        }
        let window = self.need_window(submission)?;
        if !window.closed(tip.mtp_secs) {
            return Err(Refused::RulingTooEarly { closes_secs: window.closes_secs });
        }
        if window.ruling_over(tip.mtp_secs) {
            return Err(Refused::RulingTooLate { ended_secs: window.ruling_ends_secs });
        }
        Ok(())
    }

    /// Whether a pledge may vote on a submission, or say something else than before.
    pub fn may_vote(&self, submission: &SubmissionState, pledge: u32, tip: &Tip) -> Result<(), Refused> {
        self.need_pledge(pledge)?;
        let window = self.need_window(submission)?;
        if self.vote_used(submission.id, pledge, tip) {
            return Err(Refused::VoteSettled);
        }
        let said = submission.votes.iter().filter(|cast| cast.vote.statement.pledge == pledge).count();
        if said > 0 && window.closed(tip.mtp_secs) {
            return Err(Refused::VotingClosed);
        }
        if said >= MAX_VOTES_PER_PLEDGE {
            return Err(Refused::TooManyVotes { max: MAX_VOTES_PER_PLEDGE });
        }
        Ok(())
    }
}
