//! What happens, as it is told to whoever listens: the public events. They are derived from the journal's
//! records by a pure fold ([`Feed`]), so that the same journal always gives the same events under the same
//! ids. They tell facts and carry nothing that only some may see: no refund bundle, no signature, no form of a
//! settlement before it went out, nothing about who asked. Of each act they tell with which key it was signed.

mod feed;
mod kind;
mod said;
mod signer;
mod told;
mod what;
mod words;

pub use feed::{Entry, Feed};
pub use kind::{FIELDS, KINDS};
pub use signer::{Form, Part, SignedBy, Source, source, source_in_words};
pub use what::What;
pub use words::{in_words, sat_in_words};

use super::facts::Tip;
use super::id::{hex_id, serde_as_text};
use super::statement::{CharterId, TaskId, tagged_hash};
use bitcoin::{BlockHash, OutPoint};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Names an event: number of the journal's record it follows from, and its place among what follows from
/// that record. Ids rise; for clients they are opaque.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Number of the record.
    pub seq: u64,
    /// From 0.
    pub place: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.place)
    }
}

/// Not an event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no event's id: give one that an event had, or 0 for the beginning")]
pub struct BadEventId;

impl std::str::FromStr for EventId {
    type Err = BadEventId;
    fn from_str(given: &str) -> Result<EventId, BadEventId> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (seq, place) = match given.split_once('-') {
            Some(parts) => parts,
            None if given == "0" => ("0", "0"),
            None => return Err(BadEventId),
        };
        if !digits(seq) || !digits(place) {
            return Err(BadEventId);
        }
        let (seq, place) = (seq.parse().map_err(|_| BadEventId)?, place.parse().map_err(|_| BadEventId)?);
        Ok(EventId { seq, place })
    }
}

serde_as_text!(EventId);

hex_id!(
    /// Names a project, that is, all tasks of one repository: the first 16 bytes of the tagged hash
    /// `upfront/project` of the charter's `repository`, in 32 lower-case hex digits.
    ProjectId, 16, BadProjectId, BadProjectId
);

impl ProjectId {
    /// Of a repository as the charter writes it.
    pub fn of(repository: &str) -> ProjectId {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            tagged_hash("upfront/project", repository.as_bytes());
        ProjectId(id)
    }
}

/// Not 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a project's id is 32 lower-case hex digits")]
pub struct BadProjectId;

/// A repository as charters write it, kept once for all events of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository(Arc<str>);

impl Repository {
    /// As written.
    pub fn new(repository: &str) -> Repository {
        Repository(repository.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Repository {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Repository(String::deserialize(deserializer)?.into()))
    }
}

/// The chain's time of an event: the tip under which it became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// Height of that tip.
    pub height: u32,
    /// Its median time past, Unix seconds.
    pub mtp_secs: u32,
}

impl From<&Tip> for At {
    fn from(tip: &Tip) -> At {
        At { height: tip.height, mtp_secs: tip.mtp_secs }
    }
}

/// Something that happened, for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicEvent {
    /// Its name.
    pub id: EventId,
    /// What happened, as `type` and `data`.
    #[serde(flatten)]
    pub what: What,
    /// The task's charter; absent where it is about a wish that has none, or about the project itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<CharterId>,
    /// The wish it is about; absent where it is about a task, or about the project itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<TaskId>,
    /// The pledge it is about; absent where it is about the task, or a gift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pledge: Option<u32>,
    /// Who signed it; absent where nobody did: what the chain, the rules or the service say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<SignedBy>,
    /// The project.
    pub project: ProjectId,
    /// The project's repository, as the charter names it.
    pub repository: Repository,
    /// Time by the chain; absent while no block is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Unix time it was recorded at, by the service's clock: for display.
    pub recorded_secs: u64,
}

/// The place of a word among those of its key and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The word with the highest counter counts.
    pub counter: u32,
    /// Whether it did when it came.
    pub counts: bool,
}

/// A payment, wherever it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The output.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount_sat: u64,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Height.
    pub height: u32,
    /// Hash.
    pub block_hash: BlockHash,
}

/// When sponsors vote and the arbiter rules, by median time past, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Start of the review.
    pub opens_secs: u32,
    /// Last time at which a vote counts.
    pub closes_secs: u64,
    /// Last time for a ruling.
    pub ruling_ends_secs: u64,
}

/// What a task raised against what it needs. Where the target is told of, that is what counts towards it: the most that was
/// credited and given at any time, so that what moves to another charter undoes no target that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funding {
    /// Credited, and gifts.
    pub raised_sat: u64,
    /// The charter's target.
    pub target_sat: u64,
}

/// What a payment was counted as, before it was not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// Beyond what the charter takes.
    Surplus,
    /// Below the minimum pledge.
    BelowMinimum,
}

#[cfg(test)]
mod tests;
