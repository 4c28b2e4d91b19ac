//! What the service tells of submissions and votes.

use super::Page;
use crate::escrow::ballot::{self, Tally, Verdict, Window};
use crate::escrow::facts::Tip;
use crate::escrow::statement::{
    Acceptance, Confirmed, Evidence, MergeConfirmation, Receipt, Ruling, Signed, Submission, SubmissionId,
    Vote,
};
use crate::escrow::task::{SubmissionState, Task};
use crate::service::schema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A submission with its count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmissionView {
    /// Its id.
    pub id: SubmissionId,
    /// As signed by the developer.
    #[schema(value_type = schema::SignedSubmission)]
    pub submission: Signed<Submission>,
    /// When sponsors vote and the arbiter rules; absent while the leader has not confirmed what is waited for.
    #[schema(required)]
    pub window: Option<Window>,
    /// What the leader must confirm before sponsors vote; absent once that is done, or where nothing is waited for.
    #[schema(required)]
    pub awaits: Option<Confirmed>,
    /// The leader's word that the work is merged or released.
    #[schema(required, value_type = Option<schema::SignedConfirmation>)]
    pub confirmation: Option<Signed<MergeConfirmation>>,
    /// Whether voting is over.
    pub closed: bool,
    /// The count; absent while the chain is not known.
    #[schema(required)]
    pub tally: Option<Tally>,
    /// What may be done with each pledge's money.
    #[schema(value_type = BTreeMap<schema::IndexKey, Verdict>)]
    pub verdicts: BTreeMap<u32, Verdict>,
    /// Whether the money of the silent, and gifts, may be paid.
    pub silence_pays: bool,
    /// Every vote with its receipt.
    pub votes: Vec<ballot::CastVote>,
    /// The representative's word.
    #[schema(required, value_type = Option<schema::SignedAcceptance>)]
    pub acceptance: Option<Signed<Acceptance>>,
    /// The arbiter's word.
    #[schema(required, value_type = Option<schema::SignedRuling>)]
    pub ruling: Option<Signed<Ruling>>,
    /// Whether developer, representative or leader opened a dispute: a mark for people, no rule about money.
    pub disputed: bool,
    /// Disputes and evidence, in order of arrival.
    #[schema(value_type = Vec<schema::SignedEvidence>)]
    pub evidence: Vec<Signed<Evidence>>,
}

/// Answer to a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The vote as kept.
    #[schema(value_type = schema::SignedVote)]
    pub vote: Signed<Vote>,
    /// The service's receipt: keep it, it proves an omission.
    #[schema(value_type = schema::SignedReceipt)]
    pub receipt: Signed<Receipt>,
}

/// A page of what is numbered by its place in a list that only grows.
fn numbered<T, U>(all: &[T], after: Option<u32>, limit: usize, view: impl Fn(&T) -> U) -> Page<U> {
    let left = (0_u32..).zip(all).filter(|(place, _)| after.is_none_or(|after| *place > after));
    Page::cut(left.map(|(place, item)| (place, view(item))), limit)
}

/// A page of the votes on a submission, in order of arrival.
pub fn votes(submission: &SubmissionState, after: Option<u32>, limit: usize) -> Page<ballot::CastVote> {
    numbered(&submission.votes, after, limit, Clone::clone)
}

impl SubmissionView {
    /// A page of a task's submissions, in order.
    pub fn page(task: &Task, tip: Option<&Tip>, after: Option<u32>, limit: usize) -> Page<SubmissionView> {
        numbered(task.submissions(), after, limit, |submission| SubmissionView::new(task, submission, tip))
    }

    /// Of a submission of a task.
    pub fn new(task: &Task, submission: &SubmissionState, tip: Option<&Tip>) -> SubmissionView {
        let window = task.window(submission);
        let counted = tip.map(|tip| task.counted(submission, tip));
        let (tally, verdicts, silence_pays) = match counted {
            Some(counted) => (Some(counted.tally), counted.verdicts, counted.silence_pays),
            None => (None, BTreeMap::new(), false),
        };
        SubmissionView {
            id: submission.id,
            submission: submission.signed.clone(),
            window,
            awaits: task.awaits(submission),
            confirmation: submission.confirmation.as_ref().map(|known| known.signed.clone()),
            closed: window.zip(tip).is_some_and(|(window, tip)| window.closed(tip.mtp_secs)),
            tally,
            verdicts,
            silence_pays,
            votes: submission.votes.clone(),
            acceptance: submission.acceptance.clone(),
            ruling: submission.ruling.clone(),
            disputed: submission.disputed(),
            evidence: submission.evidence.clone(),
        }
    }
}
