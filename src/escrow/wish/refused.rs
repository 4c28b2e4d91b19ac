//! Why a wish, a word to one, or a project's settings are refused: one variant a cause, with a stable code and
//! words that say what to do.

use crate::escrow::charter::CharterError;
use crate::escrow::network::Network;
use crate::escrow::statement::{BadSignature, TaskId};
use bitcoin::secp256k1::XOnlyPublicKey;

/// A statement that is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishRefused {
    /// No such wish.
    #[error("there is no wish {wish}")]
    UnknownWish {
        /// Its id.
        wish: TaskId,
    },
    /// Made for another chain.
    #[error("the {what} is for {given}; this service works on {ours}")]
    OtherNetwork {
        /// Which statement.
        what: &'static str,
        /// The service's.
        ours: Network,
        /// The statement's.
        given: Network,
    },
    /// Made for another wish.
    #[error("the {what} is for another wish: it cannot be used here")]
    OtherWish {
        /// Which statement.
        what: &'static str,
    },
    /// The signature is wrong.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Nothing is known of the chain yet, so there is no time.
    #[error(
        "the chain is not known yet: the service is still connecting to its Electrum server; try again shortly"
    )]
    NoTip,
    /// The text cannot be taken.
    #[error("the wish's text {reason}")]
    Text {
        /// What is wrong.
        reason: &'static str,
    },
    /// A field cannot be taken.
    #[error("{field} {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Not an address of this network.
    #[error(transparent)]
    Address(CharterError),
    /// More than there will ever be.
    #[error("a promise is at most 21 million BTC (2,100,000,000,000,000 sat); 0 takes it back")]
    PromiseAmount,
    /// The time of a reservation is missing, or not one.
    #[error("{reason} (the chain's median time is {mtp_secs})")]
    ReservationTime {
        /// What is wrong.
        reason: &'static str,
        /// Median time past.
        mtp_secs: u32,
    },
    /// Somebody else goes first.
    #[error("{by} has reserved this wish until {until_secs} by the chain's median time")]
    Reserved {
        /// Who.
        by: XOnlyPublicKey,
        /// Until when.
        until_secs: u32,
    },
    /// The key has said something else under this counter.
    #[error("this key has said something else under counter {counter}: sign again with {next}")]
    CounterUsed {
        /// Given counter.
        counter: u32,
        /// One that is free.
        next: u32,
    },
    /// The counters of the key are used up.
    #[error("counter {counter} leaves none for a later word: give the next after your last one")]
    CounterTooHigh {
        /// Given counter.
        counter: u32,
    },
    /// More than anybody needs.
    #[error("this key has changed its word {max} times here: no more changes are kept")]
    TooManyWords {
        /// Most kept.
        max: usize,
    },
    /// The wish is full.
    #[error("{max} words were said to this wish: no more are kept")]
    WishFull {
        /// Most kept.
        max: usize,
    },
    /// More wishes than one key, or the service, keeps.
    #[error("{max} wishes of {whose} are kept at most")]
    TooManyWishes {
        /// Most kept.
        max: usize,
        /// `everybody`, or `this key`.
        whose: &'static str,
    },
    /// More claims than anybody can compare.
    #[error("{max} {what} are kept at most")]
    TooManyClaims {
        /// Most kept.
        max: usize,
        /// Of what.
        what: &'static str,
    },
    /// Its author has taken it back.
    #[error(
        "whoever wrote this wish has withdrawn it: what was said can be taken back, and nothing is added"
    )]
    Withdrawn,
    /// Only its author may.
    #[error("only whoever wrote the wish withdraws it, and {by} is not its author's key")]
    NotAuthor {
        /// Who tried.
        by: XOnlyPublicKey,
    },
    /// There is no claim to take back.
    #[error("{by} does not claim this project: there is nothing to withdraw")]
    NoClaim {
        /// Who tried.
        by: XOnlyPublicKey,
    },
    /// The leader wants none.
    #[error("the leader of this project has switched likes off; promises and offers are taken")]
    LikesOff,
    /// Only the leader of the project may.
    #[error("only the leader of the project orders its wishes, and {by} is not the key that leads it here")]
    NotLeader {
        /// Who tried.
        by: XOnlyPublicKey,
    },
}

impl WishRefused {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            WishRefused::Address(error) => error.code(),
            WishRefused::UnknownWish { .. } => "unknown_wish",
            WishRefused::OtherNetwork { .. } => "other_network",
            WishRefused::OtherWish { .. } => "other_task",
            WishRefused::Signature(_) => "bad_signature",
            WishRefused::NoTip => "chain_unknown",
            WishRefused::Text { .. } => "wish_text",
            WishRefused::Field { .. } => "statement_field",
            WishRefused::PromiseAmount => "promise_amount",
            WishRefused::ReservationTime { .. } => "reservation_time",
            WishRefused::Reserved { .. } => "reserved",
            WishRefused::CounterUsed { .. } => "counter_used",
            WishRefused::CounterTooHigh { .. } => "counter_too_high",
            WishRefused::TooManyWords { .. } => "too_many_words",
            WishRefused::WishFull { .. } => "wish_full",
            WishRefused::TooManyWishes { .. } => "too_many_wishes",
            WishRefused::TooManyClaims { .. } => "too_many_claims",
            WishRefused::Withdrawn => "wish_withdrawn",
            WishRefused::NotAuthor { .. } => "not_author",
            WishRefused::NoClaim { .. } => "no_claim",
            WishRefused::LikesOff => "likes_off",
            WishRefused::NotLeader { .. } => "not_leader",
        }
    }
}
