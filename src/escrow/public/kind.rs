//! Names of the types of public events, as their JSON has them: in one list, so that whoever asks for a name need
//! not serialise an event, and whoever takes one can tell whether any event has it.

use super::What;

macro_rules! kinds {
    ($($variant:ident => $name:literal,)+) => {
        /// Every type of event.
        pub const KINDS: &[&str] = &[$($name),+];

        impl What {
            /// The event's `type`.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(What::$variant { .. } => $name,)+
                }
            }
        }
    };
}

kinds! {
    TaskDrafted => "task_drafted",
    CharterAttested => "charter_attested",
    TaskOpened => "task_opened",
    StageChanged => "stage_changed",
    TargetReached => "target_reached",
    TargetLost => "target_lost",
    FundingClosed => "funding_closed",
    FundingReopened => "funding_reopened",
    TargetMissed => "target_missed",
    TargetOpenAgain => "target_open_again",
    PledgeIssued => "pledge_issued",
    PaymentSeen => "payment_seen",
    PaymentConfirmed => "payment_confirmed",
    PaymentUnconfirmed => "payment_unconfirmed",
    PaymentCredited => "payment_credited",
    PaymentUncredited => "payment_uncredited",
    PaymentSurplus => "payment_surplus",
    PaymentBelowMinimum => "payment_below_minimum",
    PaymentUncounted => "payment_uncounted",
    PaymentVanished => "payment_vanished",
    GiftReceived => "gift_received",
    GiftLost => "gift_lost",
    RefundSecured => "refund_secured",
    RefundSent => "refund_sent",
    RefundConfirmed => "refund_confirmed",
    RefundUnconfirmed => "refund_unconfirmed",
    RefundDropped => "refund_dropped",
    SpendSeen => "spend_seen",
    SpendConfirmed => "spend_confirmed",
    SpendUnconfirmed => "spend_unconfirmed",
    SpendDropped => "spend_dropped",
    WorkSubmitted => "work_submitted",
    ReviewOpened => "review_opened",
    ReviewMoved => "review_moved",
    ReviewClosed => "review_closed",
    ReviewReopened => "review_reopened",
    RulingClosed => "ruling_closed",
    RulingReopened => "ruling_reopened",
    VoteCast => "vote_cast",
    AcceptanceGiven => "acceptance_given",
    RulingGiven => "ruling_given",
    SettlementProposed => "settlement_proposed",
    SettlementSigned => "settlement_signed",
    SettlementComplete => "settlement_complete",
    SettlementBroadcast => "settlement_broadcast",
    SettlementConfirmed => "settlement_confirmed",
    SettlementFinal => "settlement_final",
    SettlementUnconfirmed => "settlement_unconfirmed",
    SettlementConflicted => "settlement_conflicted",
    Reorg => "reorg",
}
