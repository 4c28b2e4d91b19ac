//! The charter as it is written: every key of the JSON document, before anything is checked.
//! `docs/PROTOCOL.md` has the same list in words.

use super::super::network::Network;
use super::super::statement::{Confirmed, Digest, TaskId};
use serde::{Deserialize, Serialize};

/// All fields of a charter document, unchecked. Times are Unix seconds compared with the median time
/// past (BIP113), windows are seconds, amounts satoshis, shares basis points (10000 = all).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterFields {
    /// Format of the document: 1.
    pub version: u32,
    /// Chain the money is on.
    pub network: Network,
    /// The task.
    pub task: TaskId,
    /// SHA-256 of the task's text.
    pub text_hash: Digest,
    /// Repository the work belongs to.
    pub repository: String,
    /// SPDX expression that the work is released under.
    pub licence: String,
    /// Seat of the developer.
    pub developer: Seat,
    /// Seat of the sponsors' representative.
    pub representative: Seat,
    /// Seat of the arbiter.
    pub arbiter: Seat,
    /// T: from here on a sponsor can take the pledge back alone.
    pub refund_time: u32,
    /// Confirmations until a pledge is credited.
    pub depth: u32,
    /// After it no pledge is credited.
    pub funding_close: u32,
    /// Last moment for a submission.
    pub work_deadline: u32,
    /// How long sponsors may vote after a submission's named block.
    pub review_secs: u32,
    /// How long the arbiter may rule after the review.
    pub ruling_secs: u32,
    /// What the work needs.
    pub target_sat: u64,
    /// What is credited at most.
    pub cap_sat: u64,
    /// Less than this is not credited.
    pub minimum_pledge_sat: u64,
    /// How votes move money.
    pub acceptance: AcceptanceRule,
    /// Parts of the work; their shares add up to 10000.
    pub milestones: Vec<Milestone>,
    /// Who is paid.
    pub payees: Vec<Payee>,
    /// The project's leader: share, address, and the key the leader speaks with.
    pub leader: Option<Leader>,
    /// The operator's share.
    pub operator: Option<Payee>,
    /// What happens when the target is missed.
    pub funding_rule: FundingRule,
    /// From when work may be submitted.
    pub submissions_open: SubmissionsOpen,
    /// What must have happened before sponsors vote.
    pub vote_opens: VoteOpens,
    /// Where gifts go when the task fails.
    pub pot: Option<String>,
    /// X-only key under which the service signs receipts for votes.
    pub receipt_key: String,
    /// Highest feerate a signer may sign, sat/vB.
    pub feerate_cap_sat_per_vb: u64,
}

/// One of the three signers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// `[fingerprint/87h/coin'h/k'h]xpub`.
    pub key: String,
    /// Who named this signer, in words.
    pub nominated_by: String,
}

/// How votes move money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptanceRule {
    /// Part of the weight cast that yes must reach before silent money moves.
    pub threshold_bps: u16,
    /// Part of the credited weight that must have been cast.
    pub quorum_bps: u16,
    /// What silence means.
    pub silence: Silence,
    /// Whether yes money waits for the threshold too.
    pub yes_waits: bool,
}

/// What becomes of a pledge nobody votes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// It follows the majority, once the representative accepts.
    Pay,
    /// It stays until T.
    Hold,
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// Share of every pledge.
    pub share_bps: u16,
    /// When it is due.
    pub due: u32,
}

/// Somebody who is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// Bitcoin address on the charter's network.
    pub address: String,
    /// Share of what is paid out.
    pub share_bps: u16,
}

/// The project's leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Bitcoin address on the charter's network.
    pub address: String,
    /// Share of what is paid out; may be 0.
    pub share_bps: u16,
    /// X-only key the leader speaks with; no power over money.
    pub key: String,
}

/// What happens when the target is missed at funding close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FundingRule {
    /// The task goes on with what it has.
    Keep,
    /// Everything is returned.
    AllOrNothing,
}

/// From when work may be submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionsOpen {
    /// As soon as funding is open.
    AtOnce,
    /// When the target is credited.
    WhenTargetCredited,
}

/// What must have happened before sponsors vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteOpens {
    /// Nothing: the submission opens the vote.
    None,
    /// The work is merged.
    Merged,
    /// The work is released.
    Released,
}

impl VoteOpens {
    /// What the leader confirms before sponsors vote.
    pub const fn awaits(self) -> Option<Confirmed> {
        match self {
            VoteOpens::None => None,
            VoteOpens::Merged => Some(Confirmed::Merged),
            VoteOpens::Released => Some(Confirmed::Released),
        }
    }
}
