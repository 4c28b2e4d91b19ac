//! Disputes and evidence: who may say what about a submission. Nothing about money follows from it; the limits
//! keep the journal small and what is shown readable.

use super::{Refused, SubmissionState, Task};
use crate::escrow::charter::unseen;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{Evidence, EvidenceKind, Party};

/// Longest text, in bytes.
pub const MAX_EVIDENCE_BYTES: usize = 2_000;
/// Most files that one statement names.
pub const MAX_ATTACHMENTS: usize = 8;
/// How much one party may say about one submission.
pub const MAX_EVIDENCE: usize = 64;

/// What is wrong with the words themselves, whoever says them.
pub(in crate::escrow) fn check_words(statement: &Evidence) -> Result<(), Refused> {
    if statement.kind == EvidenceKind::Dispute && !statement.by.may_dispute() {
        return Err(Refused::NoDispute { by: statement.by });
    }
    if statement.text.trim().is_empty() {
        return Err(Refused::EvidenceText { reason: "is empty: say what is to be known" });
    }
    if statement.text.len() > MAX_EVIDENCE_BYTES {
        return Err(Refused::EvidenceText {
            reason: "is longer than 2000 bytes: attach a file by its hash instead",
        });
    }
    if let Some(reason) = unseen(&statement.text) {
        return Err(Refused::EvidenceText { reason });
    }
    if statement.attachments.len() > MAX_ATTACHMENTS {
        return Err(Refused::TooManyAttachments { max: MAX_ATTACHMENTS });
    }
    Ok(())
}

impl Task {
    /// The party, if it exists here.
    pub(super) fn need_party(&self, party: Party) -> Result<Speaker, Refused> {
        self.speaker(party).ok_or(match party {
            Party::Pledge(pledge) => Refused::UnknownPledge { pledge },
            Party::Signer(_) | Party::Leader => Refused::NoLeader,
        })
    }

    /// Whether these words are taken about a submission.
    pub(super) fn may_say(&self, submission: &SubmissionState, statement: &Evidence) -> Result<(), Refused> {
        check_words(statement)?;
        if let Party::Pledge(pledge) = statement.by {
            // An address costs nothing; whoever paid it has something at stake.
            let paid = self.outpoints.values().any(|held| {
                held.slot.index == pledge
                    && held.present
                    && held.confirmation.is_some()
                    && held.amount >= self.charter.minimum_pledge()
            });
            if !paid {
                return Err(Refused::UnpaidPledge { pledge });
            }
        }
        let (count, next) = submission.said_by(statement.by);
        if count >= MAX_EVIDENCE {
            return Err(Refused::TooMuchEvidence { max: MAX_EVIDENCE });
        }
        if statement.counter < next {
            return Err(Refused::EvidenceCounter { given: statement.counter, next });
        }
        Ok(())
    }
}
