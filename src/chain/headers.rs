//! Our own chain of block headers: linked, proof of work checked, work summed, from a pinned
//! checkpoint. The chain with most work wins, also when it is the shorter one. Pure: no I/O, no
//! clock, so times are checked against the median time past only and never against "now".
//!
//! What is *not* proved here: that `bits` follow the network's retarget rules (where a network
//! retargets, only its easiest limit is enforced, see `HeaderChain::check_bits`).

#[cfg(test)]
mod tests;

use bitcoin::block::Header;
use bitcoin::params::Params;
use bitcoin::{BlockHash, CompactTarget, Network, Work};

use crate::escrow::facts::Tip;

/// Blocks in the median time past (BIP113).
const MEDIAN_TIME_SPAN: usize = 11;

/// The block that is taken as given; everything above it is checked. Blocks below are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its height.
    pub height: u32,
    /// Its header.
    pub header: Header,
}

impl Checkpoint {
    /// The first block of `network`.
    pub fn genesis(network: Network) -> Self {
        Self { height: 0, header: bitcoin::constants::genesis_block(network).header }
    }
}

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
    /// The target differs from its predecessor's on a network that never retargets.
    #[error("header {hash} at height {height} changes the target to {bits:#010x}")]
    Retargeted {
        /// Where it was put.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The compact target it claims.
        bits: u32,
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
    /// The checkpoint is fixed, and nothing below it is known.
    #[error("height {height} is not above the checkpoint at {checkpoint}")]
    NotAboveCheckpoint {
        /// The lowest height that was offered.
        height: u32,
        /// The checkpoint's height.
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

/// What to do with another branch of exactly our work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Keep what came first, as nodes do. For comparing several servers.
    KeepOurs,
    /// Follow the branch. For a single server, whose word on scripts is about that branch only.
    TakeTheirs,
}

/// What became of headers that were offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// All of them were known.
    Nothing,
    /// They were put on top of our tip.
    Extended,
    /// Our blocks above `fork_height` were replaced.
    Reorganised {
        /// The highest block that both branches share.
        fork_height: u32,
    },
    /// Valid, but our branch has more work (or the same, with [`Tie::KeepOurs`]): nothing changed.
    LessWork {
        /// The highest block that both branches share.
        fork_height: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    header: Header,
    hash: BlockHash,
    /// Work from the checkpoint (which counts itself) to here.
    work: Work,
}

/// The best chain known, from a checkpoint to the tip. Never empty: it starts with the checkpoint.
#[derive(Clone, Debug)]
pub struct HeaderChain {
    params: Params,
    base: u32,
    entries: Vec<Entry>,
}

impl HeaderChain {
    /// A chain that holds nothing but `checkpoint`.
    pub fn new(network: Network, checkpoint: Checkpoint) -> Self {
        let Checkpoint { height, header } = checkpoint;
        let entry = Entry { header, hash: header.block_hash(), work: header.work() };
        Self { params: Params::new(network), base: height, entries: vec![entry] }
    }

    /// The network whose rules are applied.
    pub fn network(&self) -> Network {
        self.params.network
    }

    /// The checkpoint that the chain stands on.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { height: self.base, header: self.entries[0].header }
    }

    /// Height of the best block.
    pub fn height(&self) -> u32 {
        let above = u32::try_from(self.entries.len() - 1).expect("accept() keeps heights within u32");
        self.base + above
    }

    /// Hash of the best block.
    pub fn tip_hash(&self) -> BlockHash {
        self.last().hash
    }

    /// Work from the checkpoint up to the tip.
    pub fn work(&self) -> Work {
        self.last().work
    }

    /// The tip as the core wants it. `None` while fewer than eleven headers above a checkpoint
    /// that is not the genesis block are known: its median time past cannot be computed then.
    pub fn tip(&self) -> Option<Tip> {
        let height = self.height();
        Some(Tip { height, hash: self.tip_hash(), mtp_secs: self.mtp_secs(height)? })
    }

    /// The header at `height`, if it is between the checkpoint and the tip.
    pub fn header(&self, height: u32) -> Option<&Header> {
        self.entry(height).map(|e| &e.header)
    }

    /// The hash of the header at `height`.
    pub fn hash(&self, height: u32) -> Option<BlockHash> {
        self.entry(height).map(|e| e.hash)
    }

    /// Headers from `height` to the tip.
    pub fn headers_from(&self, height: u32) -> impl Iterator<Item = &Header> {
        let skip = height.saturating_sub(self.base) as usize;
        self.entries.iter().skip(skip).map(|e| &e.header)
    }

    /// Median time past of the block at `height` (BIP113: of the eleven blocks ending in it), Unix
    /// seconds. `None` if that block is unknown, or if the window reaches below the checkpoint.
    pub fn mtp_secs(&self, height: u32) -> Option<u32> {
        let index = self.index(height)?;
        let first = (index + 1).saturating_sub(MEDIAN_TIME_SPAN);
        let span = index + 1 - first;
        if span < MEDIAN_TIME_SPAN && self.base > 0 {
            return None;
        }
        Some(median(self.entries[first..=index].iter().map(|e| e.header.time)))
    }

    /// Offers headers of consecutive heights, the first at `from_height`. They are taken all or
    /// not at all: when every one of them is valid, and their branch has more work than ours.
    ///
    /// # Errors
    /// The first header that breaks a rule; the chain is unchanged then.
    pub fn accept(
        &mut self,
        from_height: u32,
        headers: &[Header],
        tie: Tie,
    ) -> Result<Accepted, HeaderError> {
        if from_height <= self.base {
            return Err(HeaderError::NotAboveCheckpoint { height: from_height, checkpoint: self.base });
        }
        if from_height > self.height() + 1 {
            return Err(HeaderError::Gap { height: from_height, tip: self.height() });
        }
        let overflow = || HeaderError::HeightOverflow { height: from_height, count: headers.len() };
        let count = u32::try_from(headers.len()).map_err(|_| overflow())?;
        // One height is kept free, so that `height() + 1` never overflows.
        from_height.checked_add(count).filter(|end| *end < u32::MAX).ok_or_else(overflow)?;

        let heights = from_height..from_height + count;
        let known =
            heights.clone().zip(headers).take_while(|(at, h)| self.hash(*at) == Some(h.block_hash())).count();
        let Some(first_new) = heights.clone().nth(known) else { return Ok(Accepted::Nothing) };
        let fork_height = first_new - 1;
        let branch = self.check_branch(first_new, &headers[known..])?;

        let ours = self.work();
        let theirs = branch.last().map_or(ours, |e| e.work);
        if theirs < ours || (theirs == ours && tie == Tie::KeepOurs) {
            return Ok(Accepted::LessWork { fork_height });
        }
        let extends = fork_height == self.height();
        self.entries.truncate((first_new - self.base) as usize);
        self.entries.extend(branch);
        Ok(if extends { Accepted::Extended } else { Accepted::Reorganised { fork_height } })
    }

    /// Every rule that a header alone can be held to, on a branch that leaves ours below `first`.
    fn check_branch(&self, first: u32, headers: &[Header]) -> Result<Vec<Entry>, HeaderError> {
        let kept = &self.entries[..(first - self.base) as usize];
        let mut prev = *kept.last().expect("the checkpoint is below every accepted height");
        let mut times: Vec<u32> =
            kept.iter().rev().take(MEDIAN_TIME_SPAN).rev().map(|e| e.header.time).collect();
        let mut branch = Vec::with_capacity(headers.len());
        for (height, header) in (first..).zip(headers) {
            let hash = header.block_hash();
            if header.prev_blockhash != prev.hash {
                return Err(HeaderError::Unlinked { height, hash, expected: prev.hash });
            }
            self.check_bits(height, &prev.header, header)?;
            // Against the header's own target: whether that target is the right one was checked above.
            header.validate_pow(header.target()).map_err(|_| HeaderError::ProofOfWork { height, hash })?;
            if times.len() == MEDIAN_TIME_SPAN || self.base == 0 {
                let mtp_secs = median(times.iter().copied());
                if header.time <= mtp_secs {
                    return Err(HeaderError::TimeTooOld { height, hash, time_secs: header.time, mtp_secs });
                }
            }
            if times.len() == MEDIAN_TIME_SPAN {
                times.remove(0);
            }
            times.push(header.time);
            prev = Entry { header: *header, hash, work: prev.work + header.work() };
            branch.push(prev);
        }
        Ok(branch)
    }

    /// The place for each network's difficulty rules. Today: never easier than the network's limit,
    /// and unchanging where the network does not retarget (regtest).
    fn check_bits(&self, height: u32, prev: &Header, header: &Header) -> Result<(), HeaderError> {
        let (hash, bits) = (header.block_hash(), header.bits.to_consensus());
        // The consensus rules compare with the limit as it is written in compact form.
        let limit = bitcoin::Target::from_compact(self.params.max_attainable_target.to_compact_lossy());
        if header.target() > limit {
            return Err(HeaderError::TooEasy { height, hash, bits });
        }
        if self.params.no_pow_retargeting && header.bits != prev.bits {
            return Err(HeaderError::Retargeted { height, hash, bits });
        }
        Ok(())
    }

    fn last(&self) -> &Entry {
        self.entries.last().expect("the checkpoint is never removed")
    }

    fn index(&self, height: u32) -> Option<usize> {
        let index = height.checked_sub(self.base)? as usize;
        (index < self.entries.len()).then_some(index)
    }

    fn entry(&self, height: u32) -> Option<&Entry> {
        self.entries.get(self.index(height)?)
    }
}

/// The easiest target that `network` allows, in the compact form that headers carry.
pub fn easiest_bits(network: Network) -> CompactTarget {
    Params::new(network).max_attainable_target.to_compact_lossy()
}

fn median(times: impl Iterator<Item = u32>) -> u32 {
    let mut times: Vec<u32> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}
