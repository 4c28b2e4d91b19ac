//! Why a command is refused: one variant a cause, each with a stable code and words that say what to do.

use crate::escrow::charter::CharterError;
use crate::escrow::descriptor::{DescriptorError, MAX_INDEX};
use crate::escrow::refund::BundleError;
use crate::escrow::settlement::{PlanError, SignatureError, TermsError};
use crate::escrow::statement::{BadSignature, Confirmed, Party, SettlementId, SubmissionId};
use bitcoin::{Amount, OutPoint};

/// A command that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The charter is not valid.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The text is not the one the charter names.
    #[error("the task's text does not have the hash that the charter names (text_hash)")]
    TextHash,
    /// The text is longer than anybody reads.
    #[error("the task's text is longer than {max} bytes: put the rest where the text links to")]
    TextTooLong {
        /// Most accepted.
        max: usize,
    },
    /// The vote waits for a word that nobody can give.
    #[error(
        "vote_opens asks for a confirmation by the project's leader, and the charter names none: name a leader (its share may be 0), or set vote_opens to none"
    )]
    NobodyToConfirm,
    /// T is more than two years away.
    #[error("refund_time is more than two years after the chain's median time {mtp_secs}")]
    TooFarAhead {
        /// Median time past.
        mtp_secs: u32,
    },
    /// Funding would be closed before it opens.
    #[error("funding_close has passed already (the chain's median time is {mtp_secs})")]
    AlreadyClosed {
        /// Median time past.
        mtp_secs: u32,
    },
    /// The keys make no address.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// A statement's signature is wrong.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A statement names another network, charter or submission.
    #[error("the {what} is for another {field}: it cannot be used here")]
    OtherTask {
        /// Which statement.
        what: &'static str,
        /// What differs.
        field: &'static str,
    },
    /// Nothing is known of the chain yet.
    #[error(
        "the chain is not known yet: the service is still connecting to its Electrum server; try again shortly"
    )]
    NoTip,
    /// The task is not open.
    #[error("the task is not open: all three signers must attest the charter first")]
    NotOpen,
    /// Funding is over.
    #[error("funding closed at {close_secs} (the chain's median time is {mtp_secs}): no new pledges")]
    FundingClosed {
        /// Funding close.
        close_secs: u32,
        /// Median time past.
        mtp_secs: u32,
    },
    /// Another pledge has this index.
    #[error("pledge index {given} is taken; sign again for {next}")]
    IndexTaken {
        /// Given index.
        given: u32,
        /// Next free one.
        next: u32,
    },
    /// Indexes are used up.
    #[error("the task has no index left: all {MAX_INDEX} are issued")]
    NoIndexLeft,
    /// Not an address of this network.
    #[error("refund_address: {0}")]
    RefundAddress(CharterError),
    /// The refund address is one of the escrow's own.
    #[error("refund_address is an address of this escrow: give one of your own wallet")]
    RefundToEscrow,
    /// The script was issued before.
    #[error("this address was issued before, here or in another task: it is refused again")]
    AddressReused,
    /// Too little.
    #[error("{given} is less than the minimum pledge of {minimum}")]
    BelowMinimum {
        /// Given amount.
        given: Amount,
        /// Least accepted.
        minimum: Amount,
    },
    /// The cap is reached.
    #[error("only {left} is left under the cap, counting what others are just paying")]
    CapReached {
        /// What is left.
        left: Amount,
    },
    /// No such output at an address of the task.
    #[error(
        "{outpoint} does not pay an address of this task, or is not seen yet; try again when it is in the mempool"
    )]
    UnknownOutpoint {
        /// The output.
        outpoint: OutPoint,
    },
    /// Gifts have no refund.
    #[error("{outpoint} pays the open address: a gift has no refund")]
    GiftHasNoRefund {
        /// The output.
        outpoint: OutPoint,
    },
    /// The refund does not verify.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Not the next submission.
    #[error("the next submission has number {expected}, not {given}")]
    SubmissionNumber {
        /// Given number.
        given: u32,
        /// Expected number.
        expected: u32,
    },
    /// Link or text cannot be shown.
    #[error("the submission's link {reason}")]
    Link {
        /// What is wrong.
        reason: &'static str,
    },
    /// The named block is not at most two below the tip, or not in our chain.
    #[error(
        "the submission must name a block of the best chain at most two below the tip ({tip_height}); name the tip and sign again"
    )]
    SubmissionBlock {
        /// Height of the tip.
        tip_height: u32,
    },
    /// After the work deadline.
    #[error("the work deadline {deadline_secs} has passed")]
    WorkDeadline {
        /// The deadline.
        deadline_secs: u32,
    },
    /// The charter opens submissions at the target.
    #[error("work may be submitted when the target is credited; {missing} is missing")]
    TargetMissing {
        /// What is missing.
        missing: Amount,
    },
    /// A submission is still being judged.
    #[error("the submission before this one is still being voted on")]
    StillVoting,
    /// More submissions than anybody needs.
    #[error("{max} submissions were made: no more are kept")]
    TooManySubmissions {
        /// Most kept.
        max: usize,
    },
    /// The charter's vote waits for nothing.
    #[error("this charter's vote opens with the submission: there is nothing to confirm")]
    NothingToConfirm,
    /// Merged where released is asked for, or the other way round.
    #[error("the charter opens the vote when the work is {asked}, not when it is {given}: sign that")]
    OtherConfirmation {
        /// What was confirmed.
        given: Confirmed,
        /// What the charter asks for.
        asked: Confirmed,
    },
    /// The leader confirmed it before.
    #[error("the leader has confirmed this submission already: its review is open or over")]
    AlreadyConfirmed,
    /// A later submission took its place.
    #[error("a later submission took the place of this one: confirm the latest")]
    SubmissionReplaced,
    /// Review and ruling would not end before the cut-off.
    #[error(
        "the time to confirm ended at median time {deadline_secs}: review and ruling would not end in time; the money goes back at T"
    )]
    ConfirmationTooLate {
        /// When it ended.
        deadline_secs: u32,
    },
    /// The named block is not at most two below the tip, below the submission's, or not in our chain.
    #[error(
        "the confirmation must name a block of the best chain at most two below the tip ({tip_height}) and not below the submission's; name the tip and sign again"
    )]
    ConfirmationBlock {
        /// Height of the tip.
        tip_height: u32,
    },
    /// The submission waits for its merge or release.
    #[error(
        "voting is not open: it opens when the project's leader confirms that the work is {awaits}; vote after that"
    )]
    VotingNotOpen {
        /// What is waited for.
        awaits: Confirmed,
    },
    /// No such submission.
    #[error("there is no submission {submission}")]
    UnknownSubmission {
        /// Its id.
        submission: SubmissionId,
    },
    /// No such pledge.
    #[error("there is no pledge {pledge}")]
    UnknownPledge {
        /// Its index.
        pledge: u32,
    },
    /// The money is already on its way.
    #[error("the settlement of this pledge is fully signed: the vote can change no more")]
    VoteSettled,
    /// The window closed and this pledge had voted.
    #[error("voting has closed, and this pledge has voted: the vote can change no more")]
    VotingClosed,
    /// More votes than anybody needs.
    #[error("this pledge has changed its vote {max} times: no more changes are kept")]
    TooManyVotes {
        /// Most kept.
        max: usize,
    },
    /// The representative said something else already.
    #[error("the representative has judged this submission already")]
    AlreadyJudged,
    /// The arbiter said something else already.
    #[error("the arbiter has ruled on this submission already")]
    AlreadyRuled,
    /// Rulings come after the vote.
    #[error("a ruling comes after voting has closed (at median time {closes_secs})")]
    RulingTooEarly {
        /// When voting closes.
        closes_secs: u64,
    },
    /// The ruling window is over.
    #[error("the time for a ruling ended at median time {ended_secs}; the money goes back at T")]
    RulingTooLate {
        /// When it ended.
        ended_secs: u64,
    },
    /// More than all.
    #[error("pay_bps {given}: from 0 to 10000")]
    RulingShare {
        /// Given share.
        given: u16,
    },
    /// No such party here.
    #[error("the charter names no project leader, who could say this or name payees")]
    NoLeader,
    /// Not one of those who may open a dispute.
    #[error(
        "{by} opens no dispute: developer, representative and the project's leader do; say it as evidence, or vote no"
    )]
    NoDispute {
        /// Who asked.
        by: Party,
    },
    /// Text that cannot be shown.
    #[error("the evidence's text {reason}")]
    EvidenceText {
        /// What is wrong.
        reason: &'static str,
    },
    /// More files than anybody reads.
    #[error("at most {max} attachments: put the files into one archive, or give them with further evidence")]
    TooManyAttachments {
        /// Most taken.
        max: usize,
    },
    /// Nothing was paid under this pledge.
    #[error("pledge {pledge} has no confirmed payment: who has nothing at stake is not heard here")]
    UnpaidPledge {
        /// Its index.
        pledge: u32,
    },
    /// More words than anybody needs.
    #[error("this party has said {max} things about the submission: no more are kept")]
    TooMuchEvidence {
        /// Most kept.
        max: usize,
    },
    /// The counter does not rise.
    #[error("counter {given} was used, or a higher one: sign again with {next}")]
    EvidenceCounter {
        /// Given counter.
        given: u32,
        /// Lowest that is taken.
        next: u32,
    },
    /// No ruling yet.
    #[error("there is no ruling on submission {submission} yet")]
    NoRuling {
        /// The submission.
        submission: SubmissionId,
    },
    /// The feerate is outside what signers may sign.
    #[error("feerate {given} sat/vB: from 1 to the charter's cap of {cap}")]
    Feerate {
        /// Given feerate.
        given: u64,
        /// The cap.
        cap: u64,
    },
    /// The feerate is none of the steps.
    #[error("feerate {given} sat/vB is no step of the ladder of feerates: take {nearest}")]
    FeerateStep {
        /// Given feerate.
        given: u64,
        /// The steps beside it.
        nearest: String,
    },
    /// Nothing may be settled so.
    #[error(
        "nothing may be settled so now: see the tally for what waits for votes, acceptance or a ruling, and mind that small pledges cannot bear a high feerate"
    )]
    NothingToSettle,
    /// No pledge may be split or moved: its refunds are missing.
    #[error(
        "nothing may be settled so now at this feerate: each pledge needs a yes vote (or a signed move), and its sponsor's refunds of what stays in escrow, signed for exactly this feerate"
    )]
    NothingPrepared,
    /// A refund for an output that may come to be: too many.
    #[error("{max} refunds were prepared for this pledge already: no more are kept")]
    TooManyPrepared {
        /// Most kept.
        max: usize,
    },
    /// Not a milestone of the charter, or none where there should be one.
    #[error("the charter has {milestones} milestones: {hint}")]
    MilestoneNumber {
        /// How many there are.
        milestones: u32,
        /// What to do.
        hint: &'static str,
    },
    /// The milestone's time is over.
    #[error("milestone {milestone} was due at {due_secs}: it can be submitted no more")]
    MilestoneOverdue {
        /// Which, from 1 as people count.
        milestone: u32,
        /// When it was due.
        due_secs: u32,
    },
    /// Payees that cannot be.
    #[error("named payees: {0}")]
    NamedPayees(CharterError),
    /// To others only yes pays.
    #[error(
        "the submission names other payees than the charter: only yes votes pay them, and there is no ruling"
    )]
    NoRulingForNamed,
    /// A move that leads nowhere.
    #[error("the move cannot be made: {reason}")]
    MoveTarget {
        /// Why.
        reason: &'static str,
    },
    /// It was signed over already.
    #[error("this outpoint was signed over to another pledge of that charter already")]
    MoveSigned,
    /// The terms contradict themselves.
    #[error(transparent)]
    Terms(TermsError),
    /// The terms make no transaction.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Outpoints are bound by another settlement.
    #[error(
        "settlement {settlement} is fully signed and spends some of the same outpoints: wait until it confirms"
    )]
    SettlementUnderWay {
        /// The other one.
        settlement: SettlementId,
    },
    /// Too close to T.
    #[error("nothing new is started after {cutoff_secs}, so that it cannot cross the refunds")]
    PastCutoff {
        /// The cut-off.
        cutoff_secs: u32,
    },
    /// No such settlement.
    #[error("there is no settlement {settlement}")]
    UnknownSettlement {
        /// Its id.
        settlement: SettlementId,
    },
    /// A proposal that nobody signed in time.
    #[error("this proposal lapsed unsigned: propose it again")]
    ProposalLapsed,
    /// A vote, ruling or block changed since the proposal.
    #[error(
        "the settlement may not spend {outpoint} so any more (a vote changed, or the chain did): propose it again"
    )]
    NoLongerAllowed {
        /// The output.
        outpoint: OutPoint,
    },
    /// Signatures do not belong to the settlement.
    #[error(transparent)]
    SettlementSignature(#[from] SignatureError),
}

impl Refused {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refused::Charter(error) | Refused::RefundAddress(error) => error.code(),
            Refused::TextHash => "text_hash",
            Refused::TextTooLong { .. } => "text_too_long",
            Refused::NobodyToConfirm => "nobody_to_confirm",
            Refused::TooFarAhead { .. } => "refund_time_too_far",
            Refused::AlreadyClosed { .. } => "funding_close_past",
            Refused::Descriptor(_) => "descriptor",
            Refused::Signature(_) => "bad_signature",
            Refused::OtherTask { .. } => "other_task",
            Refused::NoTip => "chain_unknown",
            Refused::NotOpen => "not_open",
            Refused::FundingClosed { .. } => "funding_closed",
            Refused::IndexTaken { .. } => "index_taken",
            Refused::NoIndexLeft => "no_index_left",
            Refused::RefundToEscrow => "refund_to_escrow",
            Refused::AddressReused => "address_reused",
            Refused::BelowMinimum { .. } => "below_minimum",
            Refused::CapReached { .. } => "cap_reached",
            Refused::UnknownOutpoint { .. } => "unknown_outpoint",
            Refused::GiftHasNoRefund { .. } => "gift_has_no_refund",
            Refused::Bundle(_) => "bad_refund",
            Refused::SubmissionNumber { .. } => "submission_number",
            Refused::Link { .. } => "submission_link",
            Refused::SubmissionBlock { .. } => "submission_block",
            Refused::WorkDeadline { .. } => "work_deadline",
            Refused::TargetMissing { .. } => "target_missing",
            Refused::StillVoting => "still_voting",
            Refused::TooManySubmissions { .. } => "too_many_submissions",
            Refused::NothingToConfirm => "nothing_to_confirm",
            Refused::OtherConfirmation { .. } => "other_confirmation",
            Refused::AlreadyConfirmed => "already_confirmed",
            Refused::SubmissionReplaced => "submission_replaced",
            Refused::ConfirmationTooLate { .. } => "confirmation_too_late",
            Refused::ConfirmationBlock { .. } => "confirmation_block",
            Refused::VotingNotOpen { .. } => "voting_not_open",
            Refused::UnknownSubmission { .. } => "unknown_submission",
            Refused::UnknownPledge { .. } => "unknown_pledge",
            Refused::VoteSettled => "vote_settled",
            Refused::VotingClosed => "voting_closed",
            Refused::TooManyVotes { .. } => "too_many_votes",
            Refused::AlreadyJudged => "already_judged",
            Refused::AlreadyRuled => "already_ruled",
            Refused::RulingTooEarly { .. } => "ruling_too_early",
            Refused::RulingTooLate { .. } => "ruling_too_late",
            Refused::RulingShare { .. } => "ruling_share",
            Refused::NoLeader => "no_leader",
            Refused::NoDispute { .. } => "no_dispute",
            Refused::EvidenceText { .. } => "evidence_text",
            Refused::TooManyAttachments { .. } => "too_many_attachments",
            Refused::UnpaidPledge { .. } => "unpaid_pledge",
            Refused::TooMuchEvidence { .. } => "too_much_evidence",
            Refused::EvidenceCounter { .. } => "evidence_counter",
            Refused::NoRuling { .. } => "no_ruling",
            Refused::Feerate { .. } => "feerate",
            Refused::FeerateStep { .. } => "feerate_step",
            Refused::NothingToSettle => "nothing_to_settle",
            Refused::NothingPrepared => "nothing_prepared",
            Refused::TooManyPrepared { .. } => "too_many_prepared",
            Refused::MilestoneNumber { .. } => "milestone_number",
            Refused::MilestoneOverdue { .. } => "milestone_overdue",
            Refused::NamedPayees(_) => "named_payees",
            Refused::NoRulingForNamed => "no_ruling_for_named",
            Refused::MoveTarget { .. } => "move_target",
            Refused::MoveSigned => "move_signed",
            Refused::Terms(_) => "settlement_terms",
            Refused::Plan(_) => "settlement_plan",
            Refused::SettlementUnderWay { .. } => "settlement_under_way",
            Refused::PastCutoff { .. } => "past_cutoff",
            Refused::UnknownSettlement { .. } => "unknown_settlement",
            Refused::ProposalLapsed => "proposal_lapsed",
            Refused::NoLongerAllowed { .. } => "no_longer_allowed",
            Refused::SettlementSignature(_) => "settlement_signature",
        }
    }
}
