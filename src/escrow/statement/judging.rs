//! What is decided about delivered work: votes, the representative's word, the arbiter's ruling.

use super::{CharterId, Statement, SubmissionId};
use crate::escrow::network::Network;
use serde::{Deserialize, Serialize};

/// A sponsor's choice on a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Release my pledge.
    Yes,
    /// Hold my pledge for a ruling.
    No,
}

impl Choice {
    /// `yes` or `no`.
    pub const fn name(self) -> &'static str {
        match self {
            Choice::Yes => "yes",
            Choice::No => "no",
        }
    }
}

/// A vote with the key of one pledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// What is judged.
    pub submission: SubmissionId,
    /// Derivation index of the pledge.
    pub pledge: u32,
    /// Yes or no.
    pub choice: Choice,
    /// The highest counter counts; two choices under one counter count as no.
    pub counter: u32,
}

impl Statement for Vote {
    const TAG: &'static str = "upfront/vote";
    const NAME: &'static str = "vote";
    fn lines(&self) -> String {
        format!(
            "network: {}\ncharter: {}\nsubmission: {}\npledge: {}\nchoice: {}\ncounter: {}\n",
            self.network,
            self.charter,
            self.submission,
            self.pledge,
            self.choice.name(),
            self.counter
        )
    }
}

/// The representative's word on a submission, which frees the money of the silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// What is judged.
    pub submission: SubmissionId,
    /// Whether the work is accepted or refused.
    pub accepted: bool,
}

impl Statement for Acceptance {
    const TAG: &'static str = "upfront/accept";
    const NAME: &'static str = "acceptance";
    fn lines(&self) -> String {
        format!(
            "network: {}\ncharter: {}\nsubmission: {}\naccepted: {}\n",
            self.network,
            self.charter,
            self.submission,
            if self.accepted { "yes" } else { "no" }
        )
    }
}

/// The arbiter's decision over the noes of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// What is judged.
    pub submission: SubmissionId,
    /// Share paid to the payees, in basis points: 10000 pays, 0 returns, between splits.
    pub pay_bps: u16,
}

impl Statement for Ruling {
    const TAG: &'static str = "upfront/ruling";
    const NAME: &'static str = "ruling";
    fn lines(&self) -> String {
        format!(
            "network: {}\ncharter: {}\nsubmission: {}\npay: {} bps\n",
            self.network, self.charter, self.submission, self.pay_bps
        )
    }
}
