//! What the chain told: tip, confirmations, arrivals, sums, stages.

use super::mirrored;
use super::scalar::*;
use crate::escrow::statement::CharterId;
use crate::escrow::{facts, network, pledge, task};
use utoipa::ToSchema;

mirrored! {
    network::Network => Network,
    facts::Tip => Tip,
    facts::Confirmation => Confirmation,
    facts::SpendPath => SpendPath,
    pledge::Standing => Standing,
    pledge::Surplus => Surplus,
    pledge::Ending => Ending,
    pledge::Ended => Ended,
    pledge::Destination => Destination,
    pledge::Totals => Totals,
    task::Stage => Stage,
    task::Fate => Fate,
}

/// A Bitcoin network.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Network {
    Mainnet,
    Testnet4,
    Signet,
    Regtest,
}

/// The block that everything is judged by.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Tip {
    /// Its height.
    #[schema(value_type = Height)]
    height: u32,
    /// Its hash.
    #[schema(value_type = BlockId)]
    hash: String,
    /// Its median time past (BIP113).
    #[schema(value_type = UnixSeconds)]
    mtp_secs: u32,
}

/// Where a transaction is mined.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Confirmation {
    /// Height of the block.
    #[schema(value_type = Height)]
    height: u32,
    /// Hash of the block.
    #[schema(value_type = BlockId)]
    block_hash: String,
    /// Position of the transaction in the block; 0 is the coinbase.
    #[schema(value_type = Count)]
    position: u32,
    /// Median time past of that block.
    #[schema(value_type = UnixSeconds)]
    mtp_secs: u32,
}

/// The way a spend took: `key` (developer and representative together), `cooperative` (two of three), `refund` (the
/// sponsor, after T).
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum SpendPath {
    Key,
    Cooperative,
    Refund,
    Unknown,
}

/// What an arrival counts as.
#[derive(ToSchema)]
#[serde(tag = "standing", rename_all = "snake_case")]
#[allow(dead_code)]
pub(super) enum Standing {
    /// Not on the chain nor in the mempool any more.
    Vanished,
    /// In the mempool: shown, never counted.
    Seen,
    /// Mined, not deep enough yet.
    Confirming {
        /// Confirmations it has.
        #[schema(value_type = Confirmations)]
        depth: u32,
        /// Confirmations it needs.
        #[schema(value_type = Confirmations)]
        of: u32,
    },
    /// Counts.
    Credited,
    /// At the open address: counts to the target, not to votes.
    Gift,
    /// Below the minimum pledge: no vote; goes back.
    BelowMinimum,
    /// Beyond the cap, late, or after the end: no vote; goes back.
    Surplus {
        /// Why.
        reason: Surplus,
    },
}

/// Why an arrival is too much: mined after funding close (`late`), not under the cap any more (`over_cap`), to an
/// address paid out already (`already_settled`), to an address for what settlements leave in escrow
/// (`not_a_remainder`).
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
pub(super) enum Surplus {
    Late,
    OverCap,
    AlreadySettled,
    NotARemainder,
}

/// How an outpoint ended: by two of three (`settled`), by its sponsor's refund (`refunded`), or, as the sponsor signed, at a
/// pledge of theirs under another charter (`moved`).
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Ending {
    Settled,
    Refunded,
    Moved,
}

/// A pledge under another charter.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Destination {
    /// That charter.
    to_charter: CharterId,
    /// Index of the pledge there.
    #[schema(value_type = PledgeIndex)]
    to_index: u32,
}

/// What spends an outpoint.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Ended {
    /// Which way.
    how: Ending,
    /// The spending transaction.
    #[schema(value_type = TransactionId)]
    txid: String,
    /// Its confirmations.
    #[schema(value_type = Confirmations)]
    depth: u32,
}

/// Sums over outpoints, by what they count as. `credited_sat + awaiting_depth_sat + surplus_sat + below_minimum_sat
/// + gifts_sat` is what lies confirmed and unspent at issued addresses.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Totals {
    /// In the mempool only.
    #[schema(value_type = Sat)]
    seen_sat: u64,
    /// Mined, not deep enough.
    #[schema(value_type = Sat)]
    awaiting_depth_sat: u64,
    /// Credited and unspent.
    #[schema(value_type = Sat)]
    credited_sat: u64,
    /// Gifts, unspent.
    #[schema(value_type = Sat)]
    gifts_sat: u64,
    /// Surplus, unspent.
    #[schema(value_type = Sat)]
    surplus_sat: u64,
    /// Below the minimum, unspent.
    #[schema(value_type = Sat)]
    below_minimum_sat: u64,
    /// Credited and gifts, spent or not, but for what moved to another charter: what the task raised.
    #[schema(value_type = Sat)]
    raised_sat: u64,
    /// Spent by settlements, or moved to another charter by the sponsor alone; mined.
    #[schema(value_type = Sat)]
    settled_sat: u64,
    /// Taken back by refunds, mined.
    #[schema(value_type = Sat)]
    refunded_sat: u64,
    /// Of the unspent and mined: those whose refund is held.
    #[schema(value_type = Sat)]
    secured_sat: u64,
}

/// Where a task stands (`docs/PROTOCOL.md`, section 11). Later stages win.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
enum Stage {
    Draft,
    Attested,
    Open,
    Working,
    Voting,
    Deciding,
    Settling,
    Paid,
    Returned,
    Expired,
    Refunding,
    Refunded,
}

/// What became of one transaction of a settlement.
#[derive(ToSchema)]
#[serde(tag = "fate", rename_all = "snake_case")]
#[allow(dead_code)]
pub(super) enum Fate {
    /// It may still confirm.
    Pending,
    /// It is mined.
    Confirmed {
        /// Confirmations.
        #[schema(value_type = Confirmations)]
        depth: u32,
    },
    /// Something else spent one of its inputs, deep enough.
    Conflicted,
}
