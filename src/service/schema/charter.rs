//! The charter's fields.

use super::mirrored;
use super::scalar::*;
use crate::escrow::charter;
use crate::escrow::statement::{Digest, TaskId};
use utoipa::ToSchema;

mirrored! {
    charter::CharterFields => CharterFields,
}

/// The terms of a task, as its charter fixes them (`docs/PROTOCOL.md`, section 3).
#[derive(ToSchema)]
#[allow(dead_code)]
struct CharterFields {
    /// Format of the document.
    #[schema(minimum = 1, maximum = 1)]
    version: u32,
    /// Chain the money is on.
    network: crate::escrow::network::Network,
    /// The task.
    task: TaskId,
    /// SHA-256 of the task's text.
    text_hash: Digest,
    /// Repository the work belongs to.
    repository: String,
    /// SPDX expression that the work is released under.
    licence: String,
    /// Seat of the developer.
    developer: Seat,
    /// Seat of the sponsors' representative.
    representative: Seat,
    /// Seat of the arbiter.
    arbiter: Seat,
    /// T: once the median time past exceeds it, a sponsor can take the pledge back alone.
    #[schema(value_type = UnixSeconds)]
    refund_time: u32,
    /// Confirmations until a pledge is credited.
    #[schema(value_type = Confirmations)]
    depth: u32,
    /// After it no pledge is credited.
    #[schema(value_type = UnixSeconds)]
    funding_close: u32,
    /// Last moment for a submission.
    #[schema(value_type = UnixSeconds)]
    work_deadline: u32,
    /// How long sponsors may vote after a submission's named block.
    #[schema(value_type = Seconds)]
    review_secs: u32,
    /// How long the arbiter may rule after the review.
    #[schema(value_type = Seconds)]
    ruling_secs: u32,
    /// What the work needs.
    #[schema(value_type = Sat)]
    target_sat: u64,
    /// What is credited at most.
    #[schema(value_type = Sat)]
    cap_sat: u64,
    /// Less than this is not credited.
    #[schema(value_type = Sat)]
    minimum_pledge_sat: u64,
    /// How votes move money.
    acceptance: AcceptanceRule,
    /// Parts of the work; their shares add up to 10000.
    milestones: Vec<Milestone>,
    /// Who is paid.
    payees: Vec<Payee>,
    /// The project's leader, or `null`.
    #[schema(required)]
    leader: Option<Leader>,
    /// The operator's share, or `null`.
    #[schema(required)]
    operator: Option<Payee>,
    /// What happens when the target is missed at funding close.
    funding_rule: FundingRule,
    /// From when work may be submitted.
    submissions_open: SubmissionsOpen,
    /// What must have happened before sponsors vote.
    vote_opens: VoteOpens,
    /// Where gifts go when the task fails, or `null`.
    #[schema(required, value_type = Option<BitcoinAddress>)]
    pot: Option<String>,
    /// Key under which the service signs receipts for votes.
    #[schema(value_type = PublicKey)]
    receipt_key: String,
    /// Highest feerate a signer may sign.
    #[schema(value_type = Feerate)]
    feerate_cap_sat_per_vb: u64,
}

/// One of the three signers.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Seat {
    /// Key expression `[fingerprint/87h/coin'h/k'h]xpub`.
    #[schema(pattern = r"^\[[0-9a-f]{8}(/[0-9]+h)+\][0-9A-Za-z]{100,120}$")]
    key: String,
    /// Who named this signer, in words.
    nominated_by: String,
}

/// How votes move money.
#[derive(ToSchema)]
#[allow(dead_code)]
struct AcceptanceRule {
    /// Part of the weight cast that yes must reach before silent money moves.
    #[schema(value_type = BasisPoints)]
    threshold_bps: u16,
    /// Part of the credited weight that must have been cast.
    #[schema(value_type = BasisPoints)]
    quorum_bps: u16,
    /// What silence means: it follows the majority (`pay`) or stays until T (`hold`).
    silence: Silence,
    /// Whether yes money waits for the threshold too.
    yes_waits: bool,
}

/// What becomes of a pledge nobody votes with.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Silence {
    Pay,
    Hold,
}

/// A part of the work.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Milestone {
    /// Share of every pledge.
    #[schema(value_type = BasisPoints)]
    share_bps: u16,
    /// When it is due.
    #[schema(value_type = UnixSeconds)]
    due: u32,
}

/// Somebody who is paid.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Payee {
    /// Where to.
    #[schema(value_type = BitcoinAddress)]
    address: String,
    /// Share of what is paid out.
    #[schema(value_type = BasisPoints)]
    share_bps: u16,
}

/// The project's leader.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Leader {
    /// Where to.
    #[schema(value_type = BitcoinAddress)]
    address: String,
    /// Share of what is paid out; may be 0.
    #[schema(value_type = BasisPoints)]
    share_bps: u16,
    /// Key the leader speaks with; no power over money.
    #[schema(value_type = PublicKey)]
    key: String,
}

/// What happens when the target is missed: the task goes on with what it has (`keep`), or everything is returned.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum FundingRule {
    Keep,
    AllOrNothing,
}

/// From when work may be submitted.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum SubmissionsOpen {
    AtOnce,
    WhenTargetCredited,
}

/// What must have happened before sponsors vote: nothing, the work merged, or released.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum VoteOpens {
    None,
    Merged,
    Released,
}
