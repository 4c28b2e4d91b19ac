//! What happened (past tense, persisted in the journal) and what is asked for (imperative). State is the
//! fold of events; nothing else changes it. Stored enums are exhaustive: a journal of a later version is
//! refused by its header, not guessed at.

use super::descriptor::Slot;
use super::facts::{Confirmation, Spend, Tip};
use super::project::{Project, ProjectWithdrawal};
use super::public::ProjectId;
use super::refund::{LadderSignatures, RefundSignatures};
use super::settlement::{Kind, RoleSignatures, Terms};
use super::signature::StatementSignature;
use super::statement::{
    Acceptance, CharterId, Evidence, MergeConfirmation, Move, Receipt, Role, Ruling, SettlementId, Signed,
    Submission, SubmissionId, TaskId, Vote,
};
use super::wish::{Wish, Withdrawal, Word};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Amount, BlockHash, OutPoint};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "nearly all records are of the large kind")]
pub enum Record {
    /// The tip that the facts before it, in the same append, were read under.
    Chain {
        /// The new tip.
        tip: Tip,
    },
    /// Something happened to a task.
    Task {
        /// Which.
        charter: CharterId,
        /// What.
        event: Event,
    },
    /// The service built a transaction that refunds many pledges.
    RefundBatch {
        /// It, signed.
        batch: BatchRecord,
    },
    /// Something happened to a wish.
    Wish {
        /// Which.
        wish: TaskId,
        /// What.
        event: WishEvent,
    },
    /// Something happened to a project.
    Project {
        /// Which.
        project: ProjectId,
        /// What.
        event: ProjectEvent,
    },
}

/// Something that happened to a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WishEvent {
    /// It was written down.
    WishWritten {
        /// As its author signed it.
        wish: Signed<Wish>,
        /// The text whose hash it names.
        text: String,
        /// Median time past then, Unix seconds.
        at_mtp_secs: u32,
    },
    /// Somebody said something to it.
    WordSaid {
        /// What, signed.
        word: Word,
        /// Median time past then, Unix seconds.
        at_mtp_secs: u32,
    },
    /// Its author took it back.
    WishWithdrawn {
        /// As they signed it.
        withdrawal: Signed<Withdrawal>,
        /// Median time past then, Unix seconds.
        at_mtp_secs: u32,
    },
}

/// Something that happened to a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProjectEvent {
    /// A key claimed it, or changed what it had said.
    ProjectSet {
        /// What it says, signed.
        project: Signed<Project>,
        /// Median time past then, Unix seconds.
        at_mtp_secs: u32,
    },
    /// A key took its claim back.
    ProjectWithdrawn {
        /// As it was signed.
        withdrawal: Signed<ProjectWithdrawal>,
        /// Median time past then, Unix seconds.
        at_mtp_secs: u32,
    },
}

/// A refund batch as it was first broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// Consensus encoding in hex.
    pub transaction: String,
    /// The pledges' outpoints it refunds.
    pub refunds: Vec<OutPoint>,
    /// The operator's outpoints that pay its fee.
    pub fee_inputs: Vec<OutPoint>,
    /// Fee in satoshis.
    pub fee_sat: u64,
    /// Height of the tip when it was built.
    pub height: u32,
}

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Terms were written down.
    TaskDrafted {
        /// Canonical bytes of the charter.
        charter: String,
        /// The task's text, whose hash the charter names.
        text: String,
        /// The identity that asked for it, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drafted_by: Option<XOnlyPublicKey>,
    },
    /// A signer agreed.
    CharterAttested {
        /// Which seat.
        role: Role,
        /// BIP340 signature over the charter id.
        signature: StatementSignature,
    },
    /// All three agreed and the chain is known: addresses are issued from now on.
    TaskOpened,
    /// An address was issued.
    PledgeIssued {
        /// Derivation index.
        index: u32,
        /// S.
        sponsor_key: XOnlyPublicKey,
        /// Where refunds and returns go.
        refund_address: String,
        /// The sponsor's signature over the pledge statement.
        signature: StatementSignature,
        /// What the sponsor means to pay.
        #[serde(with = "bitcoin::amount::serde::as_sat", rename = "amount_sat")]
        amount: Amount,
        /// Median time past when it was issued, Unix seconds.
        at_mtp_secs: u32,
    },
    /// An output pays an address of ours.
    OutpointSeen {
        /// Which address.
        slot: Slot,
        /// The output.
        outpoint: OutPoint,
        /// Its value.
        #[serde(with = "bitcoin::amount::serde::as_sat", rename = "amount_sat")]
        amount: Amount,
        /// From a coinbase.
        coinbase: bool,
        /// Where it is mined, if it is.
        confirmation: Option<Confirmation>,
    },
    /// It was mined, or mined elsewhere after a reorg.
    OutpointConfirmed {
        /// The output.
        outpoint: OutPoint,
        /// Where.
        confirmation: Confirmation,
    },
    /// A reorg put it back into the mempool.
    OutpointUnconfirmed {
        /// The output.
        outpoint: OutPoint,
    },
    /// It is gone: replaced, double-spent or reorged away.
    OutpointVanished {
        /// The output.
        outpoint: OutPoint,
    },
    /// Something spends it (or spends it now in another way, or in a block).
    OutpointSpent {
        /// The spend.
        spend: Spend,
    },
    /// What spent it is gone.
    OutpointUnspent {
        /// The output.
        outpoint: OutPoint,
    },
    /// A refund was signed in advance and checked.
    RefundSecured {
        /// The bundle.
        refund: RefundSignatures,
    },
    /// A refund was signed for an output that a settlement may make: a remainder, or a move to this task.
    RefundPrepared {
        /// The address it will pay.
        slot: Slot,
        /// The bundle.
        refund: RefundSignatures,
    },
    /// A sponsor agreed that an outpoint moves to a pledge under another charter.
    MoveSigned {
        /// Signed by the pledge's S.
        consent: Signed<Move>,
    },
    /// A sponsor agreed that from T on an outpoint goes to a pledge under another charter instead of back. As it was
    /// recorded at first, with a pair that is checked and put aside; [`Event::LateLadderSigned`] is written now.
    LateMoveSigned {
        /// Signed by the pledge's S.
        consent: Signed<Move>,
        /// Refund signatures with the new pledge's address in place of the refund address.
        refund: RefundSignatures,
    },
    /// The same, by a ladder alone: what each rung brings is known before it is sent.
    LateLadderSigned {
        /// Signed by the pledge's S.
        consent: Signed<Move>,
        /// Signatures of a ladder with the new pledge's address in place of the refund address.
        ladder: LadderSignatures,
    },
    /// The developer says the work is done.
    WorkSubmitted {
        /// What was submitted, signed by the developer.
        submission: Signed<Submission>,
        /// Median time past of the named block.
        block_mtp_secs: u32,
    },
    /// The block a submission names was reorged away; the one now at its height takes its place.
    SubmissionBlockMoved {
        /// Which submission.
        submission: SubmissionId,
        /// The block now at the named height.
        block_hash: BlockHash,
        /// Its median time past.
        block_mtp_secs: u32,
    },
    /// The leader confirmed that a submission is merged or released: its review opened.
    MergeConfirmed {
        /// Signed by the leader.
        confirmation: Signed<MergeConfirmation>,
        /// Median time past of the named block.
        block_mtp_secs: u32,
    },
    /// The block a confirmation names was reorged away; the one now at its height takes its place.
    ConfirmationBlockMoved {
        /// The submission that was confirmed.
        submission: SubmissionId,
        /// The block now at the named height.
        block_hash: BlockHash,
        /// Its median time past.
        block_mtp_secs: u32,
    },
    /// A sponsor voted.
    VoteCast {
        /// The vote.
        vote: Signed<Vote>,
        /// The receipt given for it.
        receipt: Signed<Receipt>,
    },
    /// The representative accepted or refused the work.
    WorkJudged {
        /// Signed by the representative.
        acceptance: Signed<Acceptance>,
    },
    /// The arbiter decided over the noes.
    NoesRuled {
        /// Signed by the arbiter.
        ruling: Signed<Ruling>,
    },
    /// Somebody said something about a submission, or opened a dispute.
    EvidenceGiven {
        /// Signed by whoever speaks.
        evidence: Signed<Evidence>,
    },
    /// A settlement was proposed; its transactions follow from its terms.
    SettlementProposed {
        /// The terms.
        terms: Terms,
    },
    /// A signer signed forms of a settlement.
    SettlementSigned {
        /// Which.
        settlement: SettlementId,
        /// The signatures.
        signatures: RoleSignatures,
    },
    /// A form of a settlement was handed to the network for the first time.
    SettlementBroadcast {
        /// Which settlement.
        settlement: SettlementId,
        /// Which of its transactions.
        chunk: u32,
        /// At which of its feerates.
        form: u32,
        /// Height of the tip then.
        height: u32,
    },
}

/// Something asked of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Record a signer's agreement.
    Attest {
        /// Which seat.
        role: Role,
        /// Signature over the charter id.
        signature: StatementSignature,
    },
    /// Issue an address.
    IssuePledge {
        /// Index the sponsor signed; must be the next free one.
        index: u32,
        /// S.
        sponsor_key: XOnlyPublicKey,
        /// Where refunds and returns go.
        refund_address: String,
        /// Signature over the pledge statement.
        signature: StatementSignature,
        /// What the sponsor means to pay.
        amount: Amount,
    },
    /// Keep a refund signed in advance.
    SecureRefund {
        /// The bundle.
        refund: RefundSignatures,
    },
    /// Keep a refund of an output that a settlement may make.
    PrepareRefund {
        /// The address it will pay.
        slot: Slot,
        /// The bundle.
        refund: RefundSignatures,
    },
    /// Agree that an outpoint moves to another charter.
    SignMove {
        /// Signed by the pledge's S.
        consent: Signed<Move>,
    },
    /// Have an outpoint moved from T on, by its sponsor alone.
    SignLateMove {
        /// Signed by the pledge's S.
        consent: Signed<Move>,
        /// Signatures of a ladder with the new pledge's address in place of the refund address.
        ladder: LadderSignatures,
    },
    /// Put work before the sponsors.
    SubmitWork {
        /// Signed by the developer.
        submission: Signed<Submission>,
        /// The block at the named height in our chain, with its median time past.
        block: Option<(BlockHash, u32)>,
    },
    /// The block at a submission's height is another one now.
    MoveSubmissionBlock {
        /// Which submission.
        submission: SubmissionId,
        /// The block now there.
        block: (BlockHash, u32),
    },
    /// Open the review of a submission that waited for its merge or release.
    ConfirmMerge {
        /// Signed by the leader.
        confirmation: Signed<MergeConfirmation>,
        /// The block at the named height in our chain, with its median time past.
        block: Option<(BlockHash, u32)>,
    },
    /// The block at a confirmation's height is another one now.
    MoveConfirmationBlock {
        /// The submission that was confirmed.
        submission: SubmissionId,
        /// The block now there.
        block: (BlockHash, u32),
    },
    /// Vote.
    CastVote {
        /// The vote.
        vote: Signed<Vote>,
        /// Our receipt for it.
        receipt: Signed<Receipt>,
    },
    /// Accept or refuse the work.
    JudgeWork {
        /// Signed by the representative.
        acceptance: Signed<Acceptance>,
    },
    /// Decide over the noes.
    RuleNoes {
        /// Signed by the arbiter.
        ruling: Signed<Ruling>,
    },
    /// Say something about a submission, or open a dispute.
    GiveEvidence {
        /// Signed by whoever speaks.
        evidence: Signed<Evidence>,
    },
    /// Propose a settlement of everything the votes allow.
    ProposeSettlement {
        /// What for.
        kind: Kind,
        /// Its lowest feerate, sat/vB.
        feerate_sat_per_vb: u64,
    },
    /// Add a signer's signatures.
    SignSettlement {
        /// Which settlement.
        settlement: SettlementId,
        /// The signatures.
        signatures: RoleSignatures,
    },
    /// Note that a form is handed to the network.
    NoteBroadcast {
        /// Which settlement.
        settlement: SettlementId,
        /// Which transaction.
        chunk: u32,
        /// Which feerate.
        form: u32,
    },
}
