//! What is wrong with a draft before there are fields to judge. No error repeats what was given: a key may have been
//! pasted.

use crate::escrow::network::Network;

/// A draft that makes no charter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// The file is no draft.
    #[error("line {line}: {problem}")]
    File {
        /// Where.
        line: usize,
        /// What the parser said, as far as that is safe to repeat.
        problem: String,
    },
    /// Nothing stands in for this field.
    #[error("{field} is missing")]
    Missing {
        /// Its name in the draft.
        field: &'static str,
    },
    /// The service works on another chain.
    #[error("the service works on {service}, the draft is for {draft}")]
    OtherNetwork {
        /// The service's.
        service: Network,
        /// The draft's.
        draft: Network,
    },
    /// A time that 32 bits cannot hold.
    #[error("{field} is past the end of 32-bit time")]
    Late {
        /// Its name in the draft.
        field: &'static str,
    },
    /// No time for the work is left.
    #[error("refund_time is too near: no time for the work is left before the review and ruling windows")]
    TooNear,
    /// Not an address and a share.
    #[error("{what}: write ADDRESS:SHARE%, for example bc1q...:100% for all")]
    Payee {
        /// Who should be paid.
        what: String,
    },
    /// Not a share and a time.
    #[error("milestone {number}: write SHARE%:DUE, for example 50%:60d or 33.34%:2027-05-31")]
    Milestone {
        /// Which, from 1.
        number: usize,
    },
    /// Nobody to pay.
    #[error("nobody is paid")]
    NobodyPaid,
    /// An address without a key, or a key without an address.
    #[error("a leader has an address and a key")]
    Leader,
    /// No id can be made.
    #[error("the system has no randomness to give: {detail}")]
    Randomness {
        /// What the system said.
        detail: String,
    },
}

impl DraftError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            DraftError::File { .. } => "draft",
            DraftError::Missing { .. } | DraftError::NobodyPaid => "draft_incomplete",
            DraftError::OtherNetwork { .. } => "other_network",
            DraftError::Late { .. } | DraftError::TooNear => "time",
            DraftError::Payee { .. } => "payee",
            DraftError::Milestone { .. } => "milestone",
            DraftError::Leader => "leader",
            DraftError::Randomness { .. } => "randomness",
        }
    }

    /// Name of the field in the draft; none where it is the whole.
    pub fn field(&self) -> Option<&str> {
        match self {
            DraftError::Missing { field } | DraftError::Late { field } => Some(field),
            DraftError::OtherNetwork { .. } => Some("network"),
            DraftError::TooNear => Some("refund_time"),
            DraftError::Payee { .. } | DraftError::NobodyPaid => Some("payees"),
            DraftError::Milestone { .. } => Some("milestones"),
            DraftError::Leader => Some("leader_address"),
            DraftError::File { .. } | DraftError::Randomness { .. } => None,
        }
    }
}
