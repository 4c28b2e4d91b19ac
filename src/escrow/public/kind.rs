//! Names of the types of public events, as their JSON has them, and of what stands in the `data` of each: in one
//! list, so that whoever asks for a name need not serialise an event, and whoever takes one can tell whether any
//! event has it.

use super::What;

macro_rules! kinds {
    ($($variant:ident => $name:literal [$($field:ident)*],)+) => {
        /// Every type of event.
        pub const KINDS: &[&str] = &[$($name),+];

        /// For every type of event, in the order of [`KINDS`], what its `data` always has. A settlement that is
        /// proposed for a submission has that as well, one that moves money the charter it goes `to`; a spend that takes
        /// money to another charter says which, and the pledge there.
        pub const FIELDS: &[(&str, &[&str])] = &[$(($name, &[$(stringify!($field)),*])),+];

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
    TaskDrafted => "task_drafted" [title target_sat],
    CharterAttested => "charter_attested" [role],
    TaskOpened => "task_opened" [open_address],
    StageChanged => "stage_changed" [from to],
    TargetReached => "target_reached" [raised_sat target_sat],
    TargetLost => "target_lost" [raised_sat target_sat],
    FundingClosed => "funding_closed" [raised_sat target_sat],
    FundingReopened => "funding_reopened" [raised_sat target_sat],
    TargetMissed => "target_missed" [raised_sat target_sat rule],
    TargetOpenAgain => "target_open_again" [raised_sat target_sat],
    PledgeIssued => "pledge_issued" [address promised_sat],
    PaymentSeen => "payment_seen" [outpoint amount_sat],
    PaymentConfirmed => "payment_confirmed" [outpoint amount_sat height block_hash needs],
    PaymentUnconfirmed => "payment_unconfirmed" [outpoint amount_sat height block_hash],
    PaymentCredited => "payment_credited" [outpoint amount_sat],
    PaymentUncredited => "payment_uncredited" [outpoint amount_sat],
    PaymentSurplus => "payment_surplus" [outpoint amount_sat reason],
    PaymentBelowMinimum => "payment_below_minimum" [outpoint amount_sat minimum_sat],
    PaymentUncounted => "payment_uncounted" [outpoint amount_sat was],
    PaymentVanished => "payment_vanished" [outpoint amount_sat],
    GiftReceived => "gift_received" [outpoint amount_sat],
    GiftLost => "gift_lost" [outpoint amount_sat],
    RefundSecured => "refund_secured" [outpoint amount_sat pair_only],
    RefundPrepared => "refund_prepared" [outpoint amount_sat generation],
    MoveSigned => "move_signed" [outpoint amount_sat to_charter to_index],
    RefundSent => "refund_sent" [outpoint amount_sat txid],
    RefundConfirmed => "refund_confirmed" [outpoint amount_sat txid height block_hash],
    RefundUnconfirmed => "refund_unconfirmed" [outpoint amount_sat txid height block_hash],
    RefundDropped => "refund_dropped" [outpoint amount_sat txid],
    SpendSeen => "spend_seen" [outpoint amount_sat txid settlement],
    SpendConfirmed => "spend_confirmed" [outpoint amount_sat txid settlement height block_hash],
    SpendUnconfirmed => "spend_unconfirmed" [outpoint amount_sat txid settlement height block_hash],
    SpendDropped => "spend_dropped" [outpoint amount_sat txid settlement],
    WorkSubmitted => "work_submitted" [submission number link content],
    MergeConfirmed => "merge_confirmed" [submission confirmed],
    ReviewOpened => "review_opened" [submission opens_secs closes_secs ruling_ends_secs],
    ReviewMoved => "review_moved" [submission opens_secs closes_secs ruling_ends_secs],
    ReviewClosed => "review_closed" [submission electorate_sat yes_sat no_sat quorum_met threshold_reached ruling_ends_secs],
    ReviewReopened => "review_reopened" [submission],
    RulingClosed => "ruling_closed" [submission],
    RulingReopened => "ruling_reopened" [submission],
    VoteCast => "vote_cast" [submission choice counter counted weight_sat],
    AcceptanceGiven => "acceptance_given" [submission accepted],
    EvidenceGiven => "evidence_given" [submission by dispute counter],
    RulingGiven => "ruling_given" [submission pay_bps],
    SettlementProposed => "settlement_proposed" [settlement kind feerate_sat_per_vb payments amount_sat transactions],
    SettlementSigned => "settlement_signed" [settlement role],
    SettlementComplete => "settlement_complete" [settlement],
    SettlementBroadcast => "settlement_broadcast" [settlement transaction txid feerate_sat_per_vb],
    SettlementConfirmed => "settlement_confirmed" [settlement transaction txid height block_hash],
    SettlementFinal => "settlement_final" [settlement transaction txid confirmations],
    SettlementUnconfirmed => "settlement_unconfirmed" [settlement transaction],
    SettlementConflicted => "settlement_conflicted" [settlement transaction],
    Reorg => "reorg" [moved blocks],
    WishWritten => "wish_written" [title],
    WishWithdrawn => "wish_withdrawn" [],
    WishLiked => "wish_liked" [counter counts],
    WishUnliked => "wish_unliked" [counter counts],
    PromiseMade => "promise_made" [amount_sat counter counts],
    PromiseWithdrawn => "promise_withdrawn" [counter counts],
    SeatOffered => "seat_offered" [seat counter counts],
    SeatDeclined => "seat_declined" [seat counter counts],
    WishReserved => "wish_reserved" [until_secs counter counts],
    WishReleased => "wish_released" [counter counts],
    WishJudged => "wish_judged" [lead place counter counts],
    WishChartered => "wish_chartered" [],
    ProjectClaimed => "project_claimed" [name counter counts],
    ProjectChanged => "project_changed" [name counter counts],
    ProjectWithdrawn => "project_withdrawn" [counter counts],
}
