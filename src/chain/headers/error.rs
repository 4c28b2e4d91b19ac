//! Why headers were refused. Nothing but that.

use bitcoin::BlockHash;

/// Why headers were refused. Any of these means that whoever sent them does not follow the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The hash does not meet the header's own target.
    #[error("header {hash} at height {height} has no proof of work")]
    ProofOfWork {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
    },
    /// The target is easier than the network ever allows.
    #[error(
        "header {hash} at height {height} claims a target ({bits:#010x}) easier than the network's limit"
    )]
    TooEasy {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The compact target it claims.
        bits: u32,
    },
    /// The target is not the one that the blocks before it lead to.
    #[error(
        "header {hash} at height {height} claims the target {bits:#010x}, but the network's rules require \
         {required:#010x} there"
    )]
    WrongTarget {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The compact target it claims.
        bits: u32,
        /// The compact target it had to carry.
        required: u32,
    },
    /// It does not name its predecessor.
    #[error("header {hash} at height {height} does not follow {expected}")]
    Unlinked {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block it had to name.
        expected: BlockHash,
    },
    /// Its time is not beyond the median of the eleven blocks before it.
    #[error(
        "header {hash} at height {height}: time {time_secs} is not beyond the median time past {mtp_secs}"
    )]
    TimeTooOld {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// Its time, Unix seconds.
        time_secs: u32,
        /// The median it must exceed, Unix seconds.
        mtp_secs: u32,
    },
    /// The first block of a period lies too far before its predecessor (BIP94): a time-warp attack.
    #[error(
        "header {hash} at height {height}: time {time_secs} starts a period before {earliest_secs} (time warp)"
    )]
    Timewarp {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// Its time, Unix seconds.
        time_secs: u32,
        /// The earliest it may have, Unix seconds.
        earliest_secs: u32,
    },
    /// A version that the network stopped to accept.
    #[error("header {hash} at height {height} has version {version}, which is no longer valid there")]
    OldVersion {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// Its version.
        version: i32,
    },
    /// It stands where another block is pinned.
    #[error("header {hash} at height {height} contradicts the pinned block {pinned}")]
    NotPinned {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block that belongs there.
        pinned: BlockHash,
    },
    /// It parts from our chain at or below a block that is pinned.
    #[error("header {hash} at height {height} parts from the chain that is pinned at height {pinned}")]
    PartsBelowPin {
        /// Where the two part.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// Height of the highest pinned block we hold.
        pinned: u32,
    },
    /// Nothing below the chain's first header is known.
    #[error("height {height} is below the first header known, at {base}")]
    BelowBase {
        /// The lowest height that was offered.
        height: u32,
        /// The chain's first height.
        base: u32,
    },
    /// Nothing is proved yet, and these headers do not prove the checkpoint: all from `base` to it do.
    #[error(
        "{count} headers from height {height} on do not reach from {base} to the checkpoint at {checkpoint}"
    )]
    NotAnchored {
        /// The lowest height that was offered.
        height: u32,
        /// How many headers there were.
        count: usize,
        /// Where they have to start.
        base: u32,
        /// Where they have to lead.
        checkpoint: u32,
    },
    /// The headers leave out blocks between our tip and theirs.
    #[error("height {height} leaves a gap above our tip at {tip}")]
    Gap {
        /// The lowest height that was offered.
        height: u32,
        /// Our tip.
        tip: u32,
    },
    /// Heights end at 2^32.
    #[error("{count} headers from height {height} on run past the last height")]
    HeightOverflow {
        /// The lowest height that was offered.
        height: u32,
        /// How many headers there were.
        count: usize,
    },
}
