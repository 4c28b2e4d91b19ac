//! Each kind of thing that is told, with what is told of it.

use super::{Block, Funding, Payment, Review, Spoken, Was};
use crate::escrow::charter::FundingRule;
use crate::escrow::pledge::{Destination, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{
    CharterId, Choice, Confirmed, Digest, Party, Role, SettlementId, SubmissionId,
};
use crate::escrow::task::Stage;
use crate::escrow::wish::{LeadChoice, OfferedSeat};
use bitcoin::Txid;
use serde::{Deserialize, Serialize};

/// What happened. What a reorg takes back is told as an event of its own, so that whoever adds up what is told
/// always arrives at the present state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum What {
    /// Terms were written down.
    TaskDrafted {
        /// First line of the task's text.
        title: String,
        /// What the work needs.
        target_sat: u64,
    },
    /// A signer agreed to the charter.
    CharterAttested {
        /// Which seat.
        role: Role,
    },
    /// All three agreed: addresses are issued from now on.
    TaskOpened {
        /// Where gifts go.
        open_address: String,
    },
    /// The task stands elsewhere now.
    StageChanged {
        /// Where it stood.
        from: Stage,
        /// Where it stands.
        to: Stage,
    },
    /// What is credited reaches the target.
    TargetReached(Funding),
    /// It does not any more: a reorg took a payment back. No move does that.
    TargetLost(Funding),
    /// No pledge confirmed from now on is credited.
    FundingClosed(Funding),
    /// A reorg took the block back that closed it.
    FundingReopened(Funding),
    /// Funding is closed, and what came is less than the target.
    TargetMissed {
        /// The most that was credited and given at any time.
        raised_sat: u64,
        /// The charter's target.
        target_sat: u64,
        /// What the charter says then.
        rule: FundingRule,
    },
    /// The target can be reached again, after it was missed.
    TargetOpenAgain(Funding),
    /// An address was issued to a sponsor.
    PledgeIssued {
        /// Where to pay.
        address: String,
        /// What the sponsor means to pay.
        promised_sat: u64,
    },
    /// A payment to an address of the task is in the mempool.
    PaymentSeen(Payment),
    /// It is mined.
    PaymentConfirmed {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// Where.
        #[serde(flatten)]
        block: Block,
        /// Confirmations it needs to count.
        needs: u32,
    },
    /// A reorg took the block back.
    PaymentUnconfirmed {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// Where it was mined.
        #[serde(flatten)]
        block: Block,
    },
    /// It counts as a pledge.
    PaymentCredited(Payment),
    /// It does not any more.
    PaymentUncredited(Payment),
    /// It is deep enough, and too much: it goes back.
    PaymentSurplus {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// Why.
        reason: Surplus,
    },
    /// It is deep enough, and too little: it goes back.
    PaymentBelowMinimum {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// The least pledge.
        minimum_sat: u64,
    },
    /// It is not counted so any more.
    PaymentUncounted {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// What it counted as.
        was: Was,
    },
    /// It is gone: replaced, double-spent or reorged away.
    PaymentVanished(Payment),
    /// A gift to the open address counts.
    GiftReceived(Payment),
    /// It does not any more.
    GiftLost(Payment),
    /// A refund signed in advance is kept.
    RefundSecured {
        /// Of what.
        #[serde(flatten)]
        payment: Payment,
        /// Without a ladder of fees of its own: it needs the service's fee wallet.
        pair_only: bool,
    },
    /// A refund is kept of an output that a settlement may make: what a milestone leaves, or what moves here.
    RefundPrepared {
        /// Of what. It need never come to be.
        #[serde(flatten)]
        payment: Payment,
        /// Generation of the pledge's address that it would pay.
        generation: u32,
    },
    /// A sponsor agreed that a payment moves to a pledge under another charter.
    MoveSigned {
        /// Which.
        #[serde(flatten)]
        payment: Payment,
        /// The other charter.
        to_charter: CharterId,
        /// Index of the pledge there.
        to_index: u32,
    },
    /// A sponsor's refund is in the mempool.
    RefundSent {
        /// Of what.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
    },
    /// It is mined.
    RefundConfirmed {
        /// Of what.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// Where.
        #[serde(flatten)]
        block: Block,
    },
    /// A reorg took the block back.
    RefundUnconfirmed {
        /// Of what.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// Where it was mined.
        #[serde(flatten)]
        block: Block,
    },
    /// It is not in the mempool any more: replaced, or forgotten.
    RefundDropped {
        /// Of what.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
    },
    /// Two signers' transaction that spends a payment is in the mempool, or one by which its sponsor moves it alone.
    SpendSeen {
        /// What is spent.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// The settlement it belongs to; absent if it was made elsewhere, or where the sponsor alone moves it after T.
        settlement: Option<SettlementId>,
        /// Where it takes it, if that is a pledge of the sponsor's under another charter.
        #[serde(flatten)]
        moved: Option<Destination>,
    },
    /// It is mined.
    SpendConfirmed {
        /// What is spent.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// The settlement it belongs to; absent if it was made elsewhere, or where the sponsor alone moves it after T.
        settlement: Option<SettlementId>,
        /// Where it takes it, if that is a pledge of the sponsor's under another charter.
        #[serde(flatten)]
        moved: Option<Destination>,
        /// Where.
        #[serde(flatten)]
        block: Block,
    },
    /// A reorg took the block back.
    SpendUnconfirmed {
        /// What was spent.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// The settlement it belongs to; absent if it was made elsewhere, or where the sponsor alone moves it after T.
        settlement: Option<SettlementId>,
        /// Where it takes it, if that is a pledge of the sponsor's under another charter.
        #[serde(flatten)]
        moved: Option<Destination>,
        /// Where it was mined.
        #[serde(flatten)]
        block: Block,
    },
    /// It is not in the mempool any more: replaced, or forgotten.
    SpendDropped {
        /// What was to be spent.
        #[serde(flatten)]
        payment: Payment,
        /// The transaction.
        txid: Txid,
        /// The settlement it belongs to; absent if it was made elsewhere, or where the sponsor alone moves it after T.
        settlement: Option<SettlementId>,
        /// Where it takes it, if that is a pledge of the sponsor's under another charter.
        #[serde(flatten)]
        moved: Option<Destination>,
    },
    /// The developer put work before the sponsors.
    WorkSubmitted {
        /// Its id.
        submission: SubmissionId,
        /// From 0.
        number: u32,
        /// Where the work is, in the developer's words.
        link: String,
        /// SHA-256 of what was delivered.
        content: Digest,
    },
    /// The leader confirmed that the work is merged or released.
    MergeConfirmed {
        /// Of what.
        submission: SubmissionId,
        /// Merged, or released.
        confirmed: Confirmed,
    },
    /// Sponsors may vote.
    ReviewOpened {
        /// On what.
        submission: SubmissionId,
        /// When.
        #[serde(flatten)]
        review: Review,
    },
    /// A reorg moved the block that the times are counted from.
    ReviewMoved {
        /// Of what.
        submission: SubmissionId,
        /// The times now.
        #[serde(flatten)]
        review: Review,
    },
    /// Voting is over; the arbiter may rule.
    ReviewClosed {
        /// On what.
        submission: SubmissionId,
        /// Weight of all who could vote.
        electorate_sat: u64,
        /// Weight of yes.
        yes_sat: u64,
        /// Weight of no.
        no_sat: u64,
        /// Whether enough voted.
        quorum_met: bool,
        /// Whether enough of it was yes.
        threshold_reached: bool,
        /// Last time for a ruling, by median time past, Unix seconds.
        ruling_ends_secs: u64,
    },
    /// A reorg took the block back that closed it.
    ReviewReopened {
        /// On what.
        submission: SubmissionId,
    },
    /// The time for a ruling is over.
    RulingClosed {
        /// On what.
        submission: SubmissionId,
    },
    /// A reorg took the block back that ended it.
    RulingReopened {
        /// On what.
        submission: SubmissionId,
    },
    /// A sponsor voted.
    VoteCast {
        /// On what.
        submission: SubmissionId,
        /// How.
        choice: Choice,
        /// Of the votes of one pledge the highest counter decides.
        counter: u32,
        /// Whether it came within the review. One that came late binds its own money only.
        counted: bool,
        /// What the pledge weighs.
        weight_sat: u64,
    },
    /// The representative spoke.
    AcceptanceGiven {
        /// On what.
        submission: SubmissionId,
        /// Accepted, or refused.
        accepted: bool,
    },
    /// Somebody said something about a submission, or opened a dispute. The words are with the submission.
    EvidenceGiven {
        /// On what.
        submission: SubmissionId,
        /// Who: `developer`, `representative`, `arbiter`, `leader`, or `pledge` and its number.
        by: Party,
        /// Whether it opens a dispute.
        dispute: bool,
        /// Names it among all that the party said about the submission.
        counter: u32,
    },
    /// The arbiter ruled over the noes.
    RulingGiven {
        /// On what.
        submission: SubmissionId,
        /// Share that is paid, in basis points.
        pay_bps: u16,
    },
    /// A settlement was proposed: nobody has signed it.
    SettlementProposed {
        /// Its id.
        settlement: SettlementId,
        /// What for.
        #[serde(flatten)]
        kind: Kind,
        /// Its lowest feerate.
        feerate_sat_per_vb: u64,
        /// Payments it spends.
        payments: usize,
        /// Their sum.
        amount_sat: u64,
        /// Transactions it takes.
        transactions: usize,
    },
    /// A signer signed all of it.
    SettlementSigned {
        /// Which.
        settlement: SettlementId,
        /// Who.
        role: Role,
    },
    /// Two have signed all of it: it can go out.
    SettlementComplete {
        /// Which.
        settlement: SettlementId,
    },
    /// A transaction of it was handed to the network.
    SettlementBroadcast {
        /// Which.
        settlement: SettlementId,
        /// Which of its transactions, from 0.
        transaction: u32,
        /// Its txid.
        txid: Txid,
        /// Its feerate.
        feerate_sat_per_vb: u64,
    },
    /// It is mined.
    SettlementConfirmed {
        /// Which.
        settlement: SettlementId,
        /// Which of its transactions, from 0.
        transaction: u32,
        /// Its txid.
        txid: Txid,
        /// Where.
        #[serde(flatten)]
        block: Block,
    },
    /// It has as many confirmations as the charter asks for.
    SettlementFinal {
        /// Which.
        settlement: SettlementId,
        /// Which of its transactions, from 0.
        transaction: u32,
        /// Its txid.
        txid: Txid,
        /// Confirmations the charter asks for.
        confirmations: u32,
    },
    /// Neither mined nor out of the question any more: a reorg.
    SettlementUnconfirmed {
        /// Which.
        settlement: SettlementId,
        /// Which of its transactions, from 0.
        transaction: u32,
    },
    /// Something else spent what it wanted to, deep enough.
    SettlementConflicted {
        /// Which.
        settlement: SettlementId,
        /// Which of its transactions, from 0.
        transaction: u32,
    },
    /// A reorg took payments or spends of the task out of their blocks. What it changed follows.
    Reorg {
        /// How many payments and spends.
        moved: usize,
        /// Blocks from the lowest of them to the tip that was.
        blocks: u32,
    },
    /// Somebody wished for something.
    WishWritten {
        /// First line of its text.
        title: String,
    },
    /// Whoever wrote a wish took it back.
    WishWithdrawn {},
    /// Somebody likes a wish.
    WishLiked(Spoken),
    /// They do no longer.
    WishUnliked(Spoken),
    /// Somebody promised money to a wish. It binds nobody.
    PromiseMade {
        /// How much.
        amount_sat: u64,
        /// Among the promises of the key.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// They took it back.
    PromiseWithdrawn(Spoken),
    /// Somebody offered to take a seat.
    SeatOffered {
        /// Which.
        seat: OfferedSeat,
        /// Among the offers of the key for it.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// Somebody will not take a seat, or not any more.
    SeatDeclined {
        /// Which.
        seat: OfferedSeat,
        /// Among the offers of the key for it.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// A developer reserved a wish.
    WishReserved {
        /// Last median time past at which it holds, Unix seconds.
        until_secs: u32,
        /// Among the offers of the key to do the work.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// They let others go first again.
    WishReleased(Spoken),
    /// The project's leader said something of a wish.
    WishJudged {
        /// What.
        lead: LeadChoice,
        /// Its place in the leader's order.
        place: Option<u32>,
        /// Among the words of the key on it.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// The charter of this event was drafted from the wish of this event. Anybody may draft one.
    WishChartered {},
    /// A key claims a project.
    ProjectClaimed {
        /// What it calls it.
        name: String,
        /// Among its statements about the project.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// A key that claims a project changed what it says of it.
    ProjectChanged {
        /// What it calls it.
        name: String,
        /// Among its statements about the project.
        #[serde(flatten)]
        spoken: Spoken,
    },
    /// A key took its claim to a project back.
    ProjectWithdrawn(Spoken),
}
