//! Signed statements, and what settlements and votes are made of.

use super::chain::{Fate, Standing};
use super::scalar::*;
use super::{Shape, mirrored};
use crate::escrow::signature::StatementSignature;
use crate::escrow::{ballot, settlement, statement};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{AnyOfBuilder, Ref};
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa::{PartialSchema, ToSchema};

mirrored! {
    statement::Role => Role,
    statement::Submission => Submission,
    statement::Move => Move,
    statement::Choice => Choice,
    statement::Vote => Vote,
    statement::Confirmed => Confirmed,
    statement::MergeConfirmation => MergeConfirmation,
    statement::Acceptance => Acceptance,
    statement::Ruling => Ruling,
    statement::EvidenceKind => EvidenceKind,
    statement::Evidence => Evidence,
    statement::Receipt => Receipt,
    ballot::CastVote => CastVote,
    ballot::Window => Window,
    ballot::Tally => Tally,
    ballot::Verdict => Verdict,
    settlement::Kind => Kind,
    crate::escrow::refund::RefundSignatures => RefundSignatures,
    crate::escrow::refund::LadderSignatures => LadderSignatures,
}

/// One of the three signers of a charter.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Role {
    Developer,
    Representative,
    Arbiter,
}

/// The developer's word that the work is there to be judged.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Submission {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// 0 for the first submission of the charter, 1 for the next.
    #[schema(value_type = Count)]
    number: u32,
    /// Where the work is, one line.
    link: String,
    /// SHA-256 of what was delivered.
    content: statement::Digest,
    /// The block at which sponsors' weights are counted; at most two below the tip when it is made.
    #[schema(value_type = Height)]
    block_height: u32,
    /// Its hash.
    #[schema(value_type = BlockId)]
    block_hash: bitcoin::BlockHash,
    /// Which milestone, from 0; left out where the charter has one only.
    #[schema(value_type = Option<Count>, nullable = false)]
    milestone: Option<u32>,
    /// Others who are to be paid in place of the charter's payees; left out where nobody is named.
    #[schema(nullable = false)]
    named: Option<Named>,
}

/// Payees that a submission names.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Named {
    /// Who names them, and signs the submission.
    by: NamedBy,
    /// They; their shares add up to what the charter's payees have together.
    #[schema(min_items = 1, max_items = 20)]
    payees: Vec<super::charter::Payee>,
}

/// Who may name other payees.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum NamedBy {
    Representative,
    Leader,
}

/// A sponsor's consent that an outpoint of theirs moves to a pledge of another charter.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Move {
    /// Network of both charters.
    network: crate::escrow::network::Network,
    /// The charter whose escrow it leaves.
    charter: statement::CharterId,
    /// What moves.
    #[schema(value_type = Outpoint)]
    outpoint: String,
    /// The charter it is paid under from then on.
    to_charter: statement::CharterId,
    /// Index of the new pledge.
    #[schema(value_type = PledgeIndex)]
    to_index: u32,
    /// The new pledge's address.
    #[schema(value_type = BitcoinAddress)]
    to_address: String,
}

/// A sponsor's choice: `yes` releases the pledge, `no` holds it for a ruling.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Choice {
    Yes,
    No,
}

/// A vote with the key of one pledge.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Vote {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// What is judged.
    submission: statement::SubmissionId,
    /// Index of the pledge that votes.
    #[schema(value_type = AddressIndex)]
    pledge: u32,
    /// Yes or no.
    choice: Choice,
    /// The highest counter counts; two choices under one counter count as no.
    #[schema(value_type = Count)]
    counter: u32,
}

/// What the leader confirms before sponsors vote.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Confirmed {
    Merged,
    Released,
}

/// The leader's word that what was submitted is merged or released: the vote opens with it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct MergeConfirmation {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// What is confirmed.
    submission: statement::SubmissionId,
    /// What the charter asks for.
    confirmed: Confirmed,
    /// The block at which the review opens; at most two below the tip when it is made.
    #[schema(value_type = Height)]
    block_height: u32,
    /// Its hash.
    #[schema(value_type = BlockId)]
    block_hash: bitcoin::BlockHash,
}

/// The representative's word on a submission, which frees the money of the silent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Acceptance {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// What is judged.
    submission: statement::SubmissionId,
    /// Whether the work is accepted or refused.
    accepted: bool,
}

/// The arbiter's decision over the noes of one submission.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Ruling {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// What is judged.
    submission: statement::SubmissionId,
    /// Share paid to the payees: 10000 pays, 0 returns, between splits.
    #[schema(value_type = BasisPoints)]
    pay_bps: u16,
}

/// Whether words about a submission open a dispute, or only inform.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum EvidenceKind {
    Dispute,
    Evidence,
}

/// What somebody says about a submission. No rule about money rests on it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Evidence {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter.
    charter: statement::CharterId,
    /// What it is about.
    submission: statement::SubmissionId,
    /// `dispute` by developer, representative and leader only.
    kind: EvidenceKind,
    /// Who says it: `developer`, `representative`, `arbiter`, `leader`, or `pledge` and its number, as in `pledge 3`.
    #[schema(pattern = "^(developer|representative|arbiter|leader|pledge (0|[1-9][0-9]{0,9}))$")]
    by: String,
    /// One line of at most 2000 bytes.
    #[schema(max_length = 2000)]
    text: String,
    /// SHA-256 of files that belong to it.
    #[schema(max_items = 8)]
    attachments: Vec<statement::Digest>,
    /// Rises with each that the same party gives on this submission.
    #[schema(value_type = Count)]
    counter: u32,
}

/// The service's word that it holds a vote: proves an omission from the tally.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Receipt {
    /// Network of the charter.
    network: crate::escrow::network::Network,
    /// The charter, whose receipt key signs.
    charter: statement::CharterId,
    /// Digest of the vote.
    vote: statement::Digest,
    /// Height of the tip when it came.
    #[schema(value_type = Height)]
    tip_height: u32,
    /// Hash of that tip.
    #[schema(value_type = BlockId)]
    tip_hash: bitcoin::BlockHash,
    /// Its median time past.
    #[schema(value_type = UnixSeconds)]
    tip_mtp_secs: u32,
}

/// A statement with its signature, by name of the statement.
macro_rules! signed {
    ($($(#[$doc:meta])* $name:ident($statement:ty);)+) => { $(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[allow(dead_code)]
        pub struct $name {
            /// What is said.
            statement: $statement,
            /// Over the statement's lines (`docs/PROTOCOL.md`, section 5).
            signature: StatementSignature,
        }
    )+ };
}

signed! {
    /// A submission as the developer signed it, tag `upfront/submission`.
    SignedSubmission(statement::Submission);
    /// A consent to move as the sponsor signed it, tag `upfront/move`.
    SignedMove(statement::Move);
    /// A vote as the sponsor signed it, tag `upfront/vote`.
    SignedVote(statement::Vote);
    /// The leader's word as signed, tag `upfront/confirm`.
    SignedConfirmation(statement::MergeConfirmation);
    /// The representative's word as signed, tag `upfront/accept`.
    SignedAcceptance(statement::Acceptance);
    /// The arbiter's word as signed, tag `upfront/ruling`.
    SignedRuling(statement::Ruling);
    /// A dispute or evidence as signed, tag `upfront/evidence`.
    SignedEvidence(statement::Evidence);
    /// A receipt as the service signed it, tag `upfront/receipt`.
    SignedReceipt(statement::Receipt);
}

/// A vote with the service's receipt.
#[derive(ToSchema)]
#[allow(dead_code)]
struct CastVote {
    /// The signed vote.
    vote: SignedVote,
    /// The service's receipt; `null` where the vote was handed over directly.
    #[schema(required)]
    receipt: Option<SignedReceipt>,
}

/// When sponsors may vote on a submission.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Window {
    /// Median time past of the block that opens it: the submission's, or the confirmation's.
    #[schema(value_type = UnixSeconds)]
    opens_secs: u32,
    /// Last median time past at which a vote counts.
    #[schema(value_type = UnixSecondsSum)]
    closes_secs: u64,
    /// Last median time past at which the arbiter may rule.
    #[schema(value_type = UnixSecondsSum)]
    ruling_ends_secs: u64,
}

/// The count of one submission.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Tally {
    /// Weight of all electors: credited outpoints confirmed at or below the named block.
    #[schema(value_type = Sat)]
    electorate_sat: u64,
    /// Weight of yes.
    #[schema(value_type = Sat)]
    yes_sat: u64,
    /// Weight of no.
    #[schema(value_type = Sat)]
    no_sat: u64,
    /// Whether the part of the electorate that voted reaches the quorum.
    quorum_met: bool,
    /// Whether yes reaches the threshold of the weight cast.
    threshold_reached: bool,
    /// What each pledge that voted in time chose, by its index.
    #[schema(value_type = BTreeMap<IndexKey, Choice>)]
    choices: BTreeMap<u32, Choice>,
    /// Votes that came late, or without a receipt, by index: they bind their own money and are not counted.
    #[schema(value_type = BTreeMap<IndexKey, Choice>)]
    late: BTreeMap<u32, Choice>,
}

/// What may be done with the money of one pledge: `pay` it, leave it for now (`wait`), or only by a ruling
/// (`contested`).
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Verdict {
    Pay,
    Wait,
    Contested,
}

/// What a settlement is for.
#[derive(ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(dead_code)]
enum Kind {
    /// Pays what the votes on a submission allow.
    Payout {
        /// The submission.
        submission: statement::SubmissionId,
    },
    /// Gives everything back before T.
    EarlyReturn,
    /// Carries out the arbiter's ruling over the noes of a submission.
    Ruling {
        /// The submission.
        submission: statement::SubmissionId,
    },
    /// Pays one milestone's share; the rest stays in escrow.
    Milestone {
        /// A submission of that milestone.
        submission: statement::SubmissionId,
    },
    /// Moves pledges to another charter, as their sponsors signed.
    Move {
        /// That charter.
        to: statement::CharterId,
    },
}

/// A refund signed in advance: signatures only, the transactions are rebuilt from charter and pledge.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct RefundSignatures {
    /// The outpoint that is refunded.
    #[schema(value_type = Outpoint)]
    outpoint: String,
    /// Its value: a bundle for another value is another bundle.
    #[schema(value_type = Sat)]
    amount_sat: u64,
    /// Signature of the pair, sighash type 0x83 (SINGLE, ANYONECANPAY).
    #[schema(value_type = Signature)]
    pair: String,
    /// One signature a rung that the amount can bear, lowest first; empty for a pair alone.
    #[schema(value_type = Vec<Signature>, max_items = 16)]
    ladder: Vec<String>,
}

/// A ladder without a pair: signatures only, the transactions are rebuilt from charter, pledge and the address they pay.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct LadderSignatures {
    /// The outpoint that is spent.
    #[schema(value_type = Outpoint)]
    outpoint: String,
    /// Its value.
    #[schema(value_type = Sat)]
    amount_sat: u64,
    /// One signature a rung that the amount can bear, lowest first.
    #[schema(value_type = Vec<Signature>, min_items = 1, max_items = 16)]
    ladder: Vec<String>,
}

/// A tagged shape that is left out while the chain is not known.
macro_rules! if_known {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $said:literal;)+) => { $(
        $(#[$doc])*
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> Shape {
                let unknown = ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .description(Some("Left out while the chain is not known."));
                let known = Ref::from_schema_name(<$inner as ToSchema>::name());
                AnyOfBuilder::new().item(known).item(unknown).description(Some($said)).into()
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
            fn schemas(schemas: &mut Vec<(String, Shape)>) {
                schemas.push((<$inner as ToSchema>::name().into(), <$inner>::schema()));
                <$inner as ToSchema>::schemas(schemas);
            }
        }
    )+ };
}

if_known! {
    /// What an arrival counts as, if the chain is known.
    StandingIfKnown(Standing), "What an arrival counts as, if the chain is known.";
    /// What became of a settlement's transaction, if the chain is known.
    FateIfKnown(Fate), "What became of the transaction, if the chain is known.";
}
