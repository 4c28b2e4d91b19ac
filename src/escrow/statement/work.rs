//! Work that is handed in, and that it is merged or released.

use super::{CharterId, Digest, Statement, SubmissionId};
use crate::escrow::charter::Payee;
use crate::escrow::network::Network;
use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The developer's word that the work is there to be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// 0 for the first submission of the charter, 1 for the next.
    pub number: u32,
    /// Where the work is (one line).
    pub link: String,
    /// SHA-256 of what was delivered.
    pub content: Digest,
    /// The block at which sponsors' weights are counted; at most two below the tip when it is made.
    pub block_height: u32,
    /// Its hash.
    pub block_hash: BlockHash,
    /// Which milestone, from 0; present exactly where the charter has more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<u32>,
    /// Others who are to be paid in place of the charter's payees, and who names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
}

/// Payees that a submission names: a replaced developer, or somebody who did the work unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Who names them, and signs the submission in the developer's place.
    pub by: NamedBy,
    /// They; their shares add up to what the charter's payees have together.
    pub payees: Vec<Payee>,
}

/// Who may name other payees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// The sponsors' representative, with the account key.
    Representative,
    /// The project's leader, with the charter's leader key.
    Leader,
}

impl NamedBy {
    /// Its name in statements.
    pub const fn name(self) -> &'static str {
        match self {
            NamedBy::Representative => "representative",
            NamedBy::Leader => "leader",
        }
    }
}

/// Lines for payees that are named, in statements and terms alike.
pub(in crate::escrow) fn payee_lines(payees: &[Payee]) -> String {
    payees.iter().map(|payee| format!("payee: {}, {} bps\n", payee.address, payee.share_bps)).collect()
}

impl Submission {
    /// Its id: the digest that is signed.
    pub fn id(&self) -> SubmissionId {
        SubmissionId(self.digest().0)
    }
}

impl Statement for Submission {
    const TAG: &'static str = "upfront/submission";
    const NAME: &'static str = "submission";
    fn lines(&self) -> String {
        let mut lines = format!(
            "network: {}\ncharter: {}\nnumber: {}\nlink: {}\ncontent: {}\nblock height: {}\nblock hash: {}\n",
            self.network,
            self.charter,
            self.number,
            self.link,
            self.content,
            self.block_height,
            self.block_hash
        );
        if let Some(milestone) = self.milestone {
            lines += &format!("milestone: {milestone}\n");
        }
        if let Some(Named { by, payees }) = &self.named {
            lines += &payee_lines(payees);
            lines += &format!("named by: {}\n", by.name());
        }
        lines
    }
}

/// What the leader confirms before sponsors vote, where the charter asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmed {
    /// The work is merged.
    Merged,
    /// The work is released.
    Released,
}

impl Confirmed {
    /// `merged` or `released`.
    pub const fn name(self) -> &'static str {
        match self {
            Confirmed::Merged => "merged",
            Confirmed::Released => "released",
        }
    }
}

impl fmt::Display for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The leader's word that what was submitted is merged or released: the vote opens with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeConfirmation {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// What is confirmed.
    pub submission: SubmissionId,
    /// What the charter asks for.
    pub confirmed: Confirmed,
    /// The block at which the review opens; at most two below the tip when it is made.
    pub block_height: u32,
    /// Its hash.
    pub block_hash: BlockHash,
}

impl Statement for MergeConfirmation {
    const TAG: &'static str = "upfront/confirm";
    const NAME: &'static str = "confirmation";
    fn lines(&self) -> String {
        format!(
            "network: {}\ncharter: {}\nsubmission: {}\nconfirmed: {}\nblock height: {}\nblock hash: {}\n",
            self.network, self.charter, self.submission, self.confirmed, self.block_height, self.block_hash
        )
    }
}
