//! What is said about delivered work besides votes: disputes and evidence, and who may say it.

use super::{CharterId, Digest, Role, Statement, SubmissionId};
use crate::escrow::network::Network;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether words about a submission inform, or open a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// Something is wrong: the arbiter is to look.
    Dispute,
    /// What one knows.
    Evidence,
}

impl EvidenceKind {
    /// `dispute` or `evidence`.
    pub const fn name(self) -> &'static str {
        match self {
            EvidenceKind::Dispute => "dispute",
            EvidenceKind::Evidence => "evidence",
        }
    }
}

/// Who speaks about a submission: written `developer`, `leader`, `pledge 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// One of the three signers.
    Signer(Role),
    /// The project's leader.
    Leader,
    /// The sponsor of a pledge.
    Pledge(u32),
}

impl Party {
    /// Whether it may open a dispute: who did the work, who speaks for the sponsors, who leads the project. A
    /// sponsor's no says the same with a vote.
    pub const fn may_dispute(self) -> bool {
        matches!(self, Party::Signer(Role::Developer | Role::Representative) | Party::Leader)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Signer(role) => role.fmt(f),
            Party::Leader => f.write_str("leader"),
            Party::Pledge(index) => write!(f, "pledge {index}"),
        }
    }
}

/// Not somebody who speaks about a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a party is developer, representative, arbiter, leader, or pledge and its number")]
pub struct UnknownParty;

impl std::str::FromStr for Party {
    type Err = UnknownParty;
    fn from_str(given: &str) -> Result<Self, UnknownParty> {
        let party = match given {
            "leader" => Party::Leader,
            _ => match given.strip_prefix("pledge ") {
                Some(index) => Party::Pledge(index.parse().map_err(|_| UnknownParty)?),
                None => Party::Signer(given.parse().map_err(|_| UnknownParty)?),
            },
        };
        // One way to write it: the words are signed.
        if party.to_string() == given { Ok(party) } else { Err(UnknownParty) }
    }
}

impl Serialize for Party {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Party {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What somebody says about a submission, for the arbiter and everybody who looks. No rule about money rests
/// on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Network of the charter.
    pub network: Network,
    /// The charter.
    pub charter: CharterId,
    /// What it is about.
    pub submission: SubmissionId,
    /// Whether it opens a dispute.
    pub kind: EvidenceKind,
    /// Who says it.
    pub by: Party,
    /// One line of at most 2000 bytes.
    pub text: String,
    /// SHA-256 of files that belong to it; at most eight.
    pub attachments: Vec<Digest>,
    /// Rises with each that the same party gives on this submission.
    pub counter: u32,
}

impl Statement for Evidence {
    const TAG: &'static str = "upfront/evidence";
    const NAME: &'static str = "evidence";
    fn lines(&self) -> String {
        let attachments: String =
            self.attachments.iter().map(|digest| format!("attachment: {digest}\n")).collect();
        format!(
            "network: {}\ncharter: {}\nsubmission: {}\nkind: {}\nby: {}\ntext: {}\n{attachments}counter: {}\n",
            self.network,
            self.charter,
            self.submission,
            self.kind.name(),
            self.by,
            self.text,
            self.counter
        )
    }
}
