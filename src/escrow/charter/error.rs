//! Why a charter is refused: one variant a cause, each with a stable code and words that say what to do.

use super::super::keys::KeyError;
use super::super::network::Network;
use super::super::statement::Role;

/// A charter that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// Longer than any charter needs to be.
    #[error("the charter has {bytes} bytes; at most {max} are accepted")]
    TooLong {
        /// Given length.
        bytes: usize,
        /// Longest accepted.
        max: usize,
    },
    /// Not UTF-8 or not JSON.
    #[error("the charter is not JSON: {detail}")]
    NotJson {
        /// What the parser said.
        detail: String,
    },
    /// An object gives a key twice.
    #[error("the key {key:?} is given twice; keep one")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that no charter has.
    #[error("the key {path:?} is not part of a charter; remove it")]
    UnknownKey {
        /// Path of the key.
        path: String,
    },
    /// A key is missing or its value has the wrong type.
    #[error("the charter's fields cannot be read: {detail}")]
    Shape {
        /// What the parser said.
        detail: String,
    },
    /// Right values, but not the one canonical text of them.
    #[error(
        "the charter is not in canonical form (RFC 8785) from byte {position}: write keys in order, without spaces"
    )]
    NotCanonical {
        /// First byte that differs.
        position: usize,
    },
    /// A format this program does not know.
    #[error("charter version {given} is not known; this program reads version 1")]
    Version {
        /// Given version.
        given: u32,
    },
    /// A text is empty, too long, or has characters that cannot be seen.
    #[error("{field}: {reason}")]
    Text {
        /// Field.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A signer's key is refused.
    #[error("key of the {role}: {source}")]
    Key {
        /// Whose.
        role: Role,
        /// Why.
        source: KeyError,
    },
    /// Two seats hold the same key.
    #[error("{first} and {second} have the same key: the three signers must be three keys")]
    DuplicateSigner {
        /// One seat.
        first: Role,
        /// The other.
        second: Role,
    },
    /// An x-only public key (64 hex digits) is not one.
    #[error("{field}: not an x-only public key (64 lower-case hex digits, BIP340)")]
    PublicKey {
        /// Field.
        field: &'static str,
    },
    /// Not an address.
    #[error("{field}: not a Bitcoin address")]
    Address {
        /// Field.
        field: String,
    },
    /// An address of another network.
    #[error("{field}: this address is not for {network}")]
    AddressNetwork {
        /// Field.
        field: String,
        /// The charter's network.
        network: Network,
    },
    /// T is not on the grid.
    #[error(
        "refund_time {given} is off the grid: on {network} it is a multiple of {step_secs} s (weekly: Monday 00:00 UTC); the next is {next:?}"
    )]
    OffGrid {
        /// Given T.
        given: u32,
        /// The charter's network.
        network: Network,
        /// Step of the grid.
        step_secs: u32,
        /// First grid point after it.
        next: Option<u32>,
    },
    /// Below 500,000,000 a locktime is a block height.
    #[error("{field} {given} is no time: times are Unix seconds from 500000000 on")]
    NotATime {
        /// Field.
        field: &'static str,
        /// Given value.
        given: u32,
    },
    /// Above 2^31-1 the `after(T)` of miniscript cannot say it.
    #[error("refund_time {given} is past 2038-01-19, the last time miniscript's after() can hold")]
    TimeTooLate {
        /// Given T.
        given: u32,
    },
    /// A window is shorter than sponsors or the arbiter need.
    #[error("{field} is {given_secs} s; on {network} it is at least {min_secs} s")]
    WindowTooShort {
        /// Field.
        field: &'static str,
        /// Given length.
        given_secs: u32,
        /// Shortest accepted.
        min_secs: u32,
        /// The charter's network.
        network: Network,
    },
    /// Deadlines do not follow each other.
    #[error("{earlier} ({earlier_at}) must come before {later} ({later_at})")]
    OutOfOrder {
        /// What should be earlier.
        earlier: &'static str,
        /// Its time.
        earlier_at: u64,
        /// What should be later.
        later: &'static str,
        /// Its time.
        later_at: u64,
    },
    /// Confirmations out of range.
    #[error("depth {given}: from 1 to 100 confirmations")]
    Depth {
        /// Given depth.
        given: u32,
    },
    /// Minimum pledge below what can be refunded.
    #[error("minimum_pledge_sat {given_sat} is below {min_sat}: so little cannot be refunded or paid")]
    DustMinimum {
        /// Given minimum.
        given_sat: u64,
        /// Least accepted.
        min_sat: u64,
    },
    /// More than there are.
    #[error("{field} {given_sat} is more than 21 million BTC")]
    TooMuch {
        /// Field.
        field: &'static str,
        /// Given amount.
        given_sat: u64,
    },
    /// Amounts that contradict each other.
    #[error("{smaller} must not be more than {larger}")]
    AmountOrder {
        /// What must be smaller.
        smaller: &'static str,
        /// What must be larger.
        larger: &'static str,
    },
    /// Shares do not add up.
    #[error("the shares of {what} add up to {sum_bps} bps; they must make 10000")]
    ShareSum {
        /// Which shares.
        what: &'static str,
        /// Their sum.
        sum_bps: u64,
    },
    /// A share of nothing, or more than all.
    #[error("{field}: a share is 1 to 10000 bps")]
    Share {
        /// Field.
        field: String,
    },
    /// Nobody, or too many, to pay.
    #[error("{field}: {given} entries; from 1 to {max}")]
    Count {
        /// Field.
        field: &'static str,
        /// Given number.
        given: usize,
        /// Most accepted.
        max: usize,
    },
    /// Threshold or quorum out of range.
    #[error("{field}: {given} bps; {min} to 10000")]
    Rate {
        /// Field.
        field: &'static str,
        /// Given value.
        given: u16,
        /// Least accepted.
        min: u16,
    },
    /// All-or-nothing with early submissions: a partly funded task could be paid out.
    #[error("an all-or-nothing charter opens submissions when_target_credited")]
    EarlySubmissions,
    /// Feerate cap out of range.
    #[error("feerate_cap_sat_per_vb {given}: from 1 to {max}")]
    FeerateCap {
        /// Given cap.
        given: u64,
        /// Highest accepted.
        max: u64,
    },
}

impl CharterError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            CharterError::TooLong { .. } => "charter_too_long",
            CharterError::NotJson { .. } => "charter_not_json",
            CharterError::DuplicateKey { .. } => "charter_duplicate_key",
            CharterError::UnknownKey { .. } => "charter_unknown_key",
            CharterError::Shape { .. } => "charter_shape",
            CharterError::NotCanonical { .. } => "charter_not_canonical",
            CharterError::Version { .. } => "charter_version",
            CharterError::Text { .. } => "charter_text",
            CharterError::Key { source, .. } => source.code(),
            CharterError::DuplicateSigner { .. } => "charter_duplicate_signer",
            CharterError::PublicKey { .. } => "charter_public_key",
            CharterError::Address { .. } => "charter_address",
            CharterError::AddressNetwork { .. } => "charter_address_network",
            CharterError::OffGrid { .. } => "charter_off_grid",
            CharterError::NotATime { .. } => "charter_not_a_time",
            CharterError::TimeTooLate { .. } => "charter_time_too_late",
            CharterError::WindowTooShort { .. } => "charter_window_too_short",
            CharterError::OutOfOrder { .. } => "charter_out_of_order",
            CharterError::Depth { .. } => "charter_depth",
            CharterError::DustMinimum { .. } => "charter_dust_minimum",
            CharterError::TooMuch { .. } => "charter_too_much",
            CharterError::AmountOrder { .. } => "charter_amount_order",
            CharterError::ShareSum { .. } => "charter_share_sum",
            CharterError::Share { .. } => "charter_share",
            CharterError::Count { .. } => "charter_count",
            CharterError::Rate { .. } => "charter_rate",
            CharterError::EarlySubmissions => "charter_early_submissions",
            CharterError::FeerateCap { .. } => "charter_feerate_cap",
        }
    }
}
