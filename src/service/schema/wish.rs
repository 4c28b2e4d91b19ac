//! Wishes, the words to them, and what leaders say of projects.

use super::mirrored;
use super::scalar::*;
use crate::escrow::network::Network;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{Digest, TaskId};
use crate::escrow::{project, wish};
use utoipa::ToSchema;

mirrored! {
    wish::Wish => Wish,
    wish::Withdrawal => Withdrawal,
    wish::Like => Like,
    wish::Promise => Promise,
    wish::OfferedSeat => OfferedSeat,
    wish::OfferChoice => OfferChoice,
    wish::Offer => Offer,
    wish::LeadChoice => LeadChoice,
    wish::Lead => Lead,
    wish::Word => Word,
    project::Project => Project,
    project::ProjectWithdrawal => ProjectWithdrawal,
}

/// What somebody would like to see done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Wish {
    /// Network of the service.
    network: Network,
    /// The repository it is for, as charters will write it.
    #[schema(min_length = 1, max_length = 300)]
    repository: String,
    /// Where it is talked about, such as an issue: begins with https://.
    #[schema(max_length = 500)]
    link: Option<String>,
    /// SHA-256 of the text.
    text_hash: Digest,
    /// Whose wish it is.
    #[schema(value_type = PublicKey)]
    by: String,
}

/// That somebody would like a wish to come true.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Like {
    /// Network of the wish.
    network: Network,
    /// The wish.
    task: TaskId,
    /// Who says so.
    #[schema(value_type = PublicKey)]
    by: String,
    /// Whether they like it, or do no longer.
    like: bool,
    /// The highest counter of a key counts.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// What somebody means to pledge once there is a charter. It binds nobody.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Promise {
    /// Network of the wish.
    network: Network,
    /// The wish.
    task: TaskId,
    /// Who says so.
    #[schema(value_type = PublicKey)]
    by: String,
    /// How much; 0 takes it back.
    #[schema(value_type = Sat)]
    amount_sat: u64,
    /// The highest counter of a key counts.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// A seat that somebody may offer to take.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum OfferedSeat {
    Developer,
    Representative,
}

/// What is offered; `reserve` and `release` by developers alone.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum OfferChoice {
    Accept,
    Decline,
    Reserve,
    Release,
}

/// That somebody takes a seat, or does not.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Offer {
    /// Network of the wish.
    network: Network,
    /// The wish.
    task: TaskId,
    /// Who says so.
    #[schema(value_type = PublicKey)]
    by: String,
    /// Which seat.
    r#as: OfferedSeat,
    /// What they offer.
    choice: OfferChoice,
    /// Of a reservation: the last median time past at which it holds, at most 30 days ahead.
    #[schema(value_type = Option<UnixSeconds>)]
    until: Option<u32>,
    /// The highest counter of a key counts, for each seat.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// What the leader of the project says of a wish.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum LeadChoice {
    Accept,
    Decline,
    None,
}

/// The word of a project's leader on a wish.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Lead {
    /// Network of the wish.
    network: Network,
    /// The wish.
    task: TaskId,
    /// The leader.
    #[schema(value_type = PublicKey)]
    by: String,
    /// What they say.
    choice: LeadChoice,
    /// Its place in the leader's order, 1 before 2.
    #[schema(minimum = 1, maximum = 1_000_000)]
    place: Option<u32>,
    /// The highest counter of a key counts.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// A signed word to a wish: a BIP340 signature by the statement's `by` over its lines (`docs/PROTOCOL.md`).
#[derive(ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(dead_code)]
enum Word {
    /// Tag `upfront/like`.
    Like {
        /// What is said.
        statement: wish::Like,
        /// By its key.
        signature: StatementSignature,
    },
    /// Tag `upfront/promise`.
    Promise {
        /// What is said.
        statement: wish::Promise,
        /// By its key.
        signature: StatementSignature,
    },
    /// Tag `upfront/offer`.
    Offer {
        /// What is said.
        statement: wish::Offer,
        /// By its key.
        signature: StatementSignature,
    },
    /// Tag `upfront/lead`.
    Lead {
        /// What is said.
        statement: wish::Lead,
        /// By its key.
        signature: StatementSignature,
    },
}

/// What a leader says of a project.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Project {
    /// Network of the service.
    network: Network,
    /// The repository, as charters write it.
    #[schema(min_length = 1, max_length = 300)]
    repository: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is, in one line.
    #[schema(min_length = 1, max_length = 1000)]
    description: String,
    /// SPDX expression that work is released under.
    #[schema(min_length = 1, max_length = 100)]
    licence: String,
    /// Who decides over noes unless a charter says otherwise.
    #[schema(min_length = 1, max_length = 200)]
    arbiter: Option<String>,
    /// Where the leader's share goes.
    #[schema(value_type = Option<BitcoinAddress>)]
    leader_address: Option<String>,
    /// The leader's share; more than 0 needs an address.
    #[schema(minimum = 0, maximum = 9999)]
    leader_share_bps: u16,
    /// Least pledge, from 330.
    #[schema(value_type = Sat)]
    minimum_pledge_sat: u64,
    /// Where the team takes donations of its own: begins with https://.
    #[schema(max_length = 500)]
    donations: Option<String>,
    /// Whether wishes may be liked.
    likes: bool,
    /// Where the repository shows this key: begins with https://.
    #[schema(max_length = 500)]
    published: Option<String>,
    /// Whose words these are.
    #[schema(value_type = PublicKey)]
    by: String,
    /// The highest counter of a key counts.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// That whoever wrote a wish wishes for it no longer. It is final.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Withdrawal {
    /// Network of the wish.
    network: Network,
    /// The wish.
    task: TaskId,
    /// Its author.
    #[schema(value_type = PublicKey)]
    by: String,
}

/// That a key claims a project no longer, until it says something of it under a higher counter.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct ProjectWithdrawal {
    /// Network of the service.
    network: Network,
    /// The repository, as the claim has it.
    #[schema(min_length = 1, max_length = 300)]
    repository: String,
    /// Whose claim.
    #[schema(value_type = PublicKey)]
    by: String,
    /// Of the counters of its claim: the highest counts.
    #[schema(value_type = WordCounter)]
    counter: u32,
}

/// A withdrawal as the wish's author signed it, tag `upfront/wish-withdrawal`.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SignedWithdrawal {
    /// What is taken back.
    statement: wish::Withdrawal,
    /// By its key.
    signature: StatementSignature,
}

/// A withdrawal of a claim as its key signed it, tag `upfront/project-withdrawal`.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SignedProjectWithdrawal {
    /// What is taken back.
    statement: project::ProjectWithdrawal,
    /// By its key.
    signature: StatementSignature,
}

/// A wish as its author signed it, tag `upfront/wish`.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SignedWish {
    /// What is wished.
    statement: wish::Wish,
    /// By its key.
    signature: StatementSignature,
}

/// What a leader says of a project as they signed it, tag `upfront/project`.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SignedProject {
    /// What is said.
    statement: project::Project,
    /// By its key.
    signature: StatementSignature,
}
