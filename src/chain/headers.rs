//! Our own chain of block headers: linked, each held to the rules of its network (target, proof of work,
//! times, version), work summed, from a pinned checkpoint. The chain with most work wins, also when it is the
//! shorter one. Pure: no I/O, no clock.
//!
//! What it must not do: look at the time of day. A node refuses blocks two hours ahead of its clock; here a
//! clock that is wrong must not stop refunds, so how the two compare is only told ([`HeaderChain::clock`]).
//!
//! What proof of work is worth: on mainnet, what a fork costs. On signet (where the signature that counts is
//! in the block, not in the header), testnet4 and regtest it is cheap, and headers prove little.

mod checkpoints;
mod error;
mod rules;
#[cfg(test)]
mod tests;

use bitcoin::block::Header;
use bitcoin::{BlockHash, CompactTarget, Network, Target, Work};

pub use self::checkpoints::{Checkpoint, FalseCheckpoint};
pub use self::error::HeaderError;
use self::rules::MEDIAN_TIME_SPAN;
pub use self::rules::Rules;
use crate::escrow::facts::Tip;

/// A block this much later than the clock is refused by nodes, so ours is slow (or the headers are false).
const AHEAD_SECS: i64 = 2 * 3_600;
/// No block for this long happens about once in a thousand years (18 intervals of ten minutes), so the clock
/// is fast, the headers are old, or the network stands still.
const BEHIND_SECS: i64 = 3 * 3_600;

/// What to do with another branch of exactly our work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Keep what came first, as nodes do. Where another server is on our branch.
    KeepOurs,
    /// Follow the branch. Where nobody else is on ours: a server's word on scripts is about its branch only.
    TakeTheirs,
}

/// What became of headers that were offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// All of them were known.
    Nothing,
    /// They were put on top of our tip, or are the first that we hold.
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

/// How the newest blocks' times compare with a clock. Never decides anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockCheck {
    /// Near enough.
    Agrees,
    /// The blocks are later than the clock by more than nodes accept: the clock is slow, or they are false.
    BlocksAhead {
        /// By how much, seconds.
        by_secs: u64,
    },
    /// No block for hours: the clock is fast, the servers are behind, or the network stands still.
    BlocksBehind {
        /// By how much, seconds.
        by_secs: u64,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    header: Header,
    hash: BlockHash,
    /// The target in force as of here ([`Rules::regular`]).
    regular: CompactTarget,
    /// Work from the first header (which counts itself) to here.
    work: Work,
}

/// The best chain known, from the difficulty period of a checkpoint to the tip.
///
/// Before first contact it holds no header unless it starts at the genesis block: then there is no tip, and
/// nothing can be proved ([`HeaderChain::is_anchored`]). The first headers it takes are those that lead to the
/// checkpoint; they are proved by its hash.
#[derive(Clone, Debug)]
pub struct HeaderChain {
    rules: Rules,
    checkpoint: Checkpoint,
    /// Height of the first header.
    base: u32,
    /// Checkpoint, genesis block and shipped pins, lowest first.
    pins: Vec<Checkpoint>,
    entries: Vec<Entry>,
}

impl HeaderChain {
    /// A chain on `checkpoint`, held to the rules and the shipped pins of `network`.
    pub fn new(network: Network, checkpoint: Checkpoint) -> Self {
        Self::with_rules(Rules::new(network), checkpoint, Checkpoint::pins(network))
    }

    /// As [`HeaderChain::new`], with other rules and pins. For chains of one's own.
    pub fn with_rules(rules: Rules, checkpoint: Checkpoint, shipped: Vec<Checkpoint>) -> Self {
        let first = bitcoin::constants::genesis_block(rules.network()).header;
        let genesis = Checkpoint { height: 0, hash: first.block_hash() };
        let base = rules.base_height(checkpoint.height);
        let mut pins = shipped;
        pins.extend([genesis, checkpoint]);
        pins.sort_unstable();
        pins.dedup();
        let mut chain = Self { rules, checkpoint, base, pins, entries: Vec::new() };
        if checkpoint == genesis {
            let (regular, work) = (first.bits, first.work());
            chain.entries.push(Entry { header: first, hash: genesis.hash, regular, work });
        }
        chain
    }

    /// The network whose rules are applied.
    pub fn network(&self) -> Network {
        self.rules.network()
    }

    /// The checkpoint that the chain stands on.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// Height of the first header that the chain holds, or will hold: at or below the checkpoint.
    pub fn base_height(&self) -> u32 {
        self.base
    }

    /// Whether the headers up to the checkpoint are there, and proved. Before that there are none at all.
    pub fn is_anchored(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The highest pinned block that the chain does not hold yet. While there is one, there is no tip: a
    /// chain that stops below a block known to exist is not the network's.
    pub fn missing_pin(&self) -> Option<Checkpoint> {
        self.pins.last().copied().filter(|pin| !self.is_anchored() || pin.height > self.height())
    }

    /// The highest pinned block that the chain holds: nothing at or below it is ever replaced.
    pub fn floor_height(&self) -> u32 {
        let height = self.height();
        self.pins.iter().rev().map(|pin| pin.height).find(|at| *at <= height).unwrap_or(self.base)
    }

    /// Height of the best block; of the checkpoint before first contact.
    pub fn height(&self) -> u32 {
        match self.entries.len().checked_sub(1) {
            None => self.checkpoint.height,
            Some(above) => self.base + u32::try_from(above).expect("accept() keeps heights within u32"),
        }
    }

    /// Hash of the best block; of the checkpoint before first contact.
    pub fn tip_hash(&self) -> BlockHash {
        self.entries.last().map_or(self.checkpoint.hash, |entry| entry.hash)
    }

    /// Work from the first header up to the tip; none before first contact.
    pub fn work(&self) -> Work {
        self.entries.last().map_or(Work::from_be_bytes([0; 32]), |entry| entry.work)
    }

    /// The tip as the core wants it. `None` before first contact, and while a shipped pin above the
    /// operator's own checkpoint is not reached.
    pub fn tip(&self) -> Option<Tip> {
        if self.missing_pin().is_some() {
            return None;
        }
        let height = self.height();
        Some(Tip { height, hash: self.tip_hash(), mtp_secs: self.mtp_secs(height)? })
    }

    /// The header at `height`, if it is between the first and the tip.
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
    /// seconds. `None` if that block is unknown, or if the window reaches below the first header; from the
    /// checkpoint up it is always known.
    pub fn mtp_secs(&self, height: u32) -> Option<u32> {
        let index = self.index(height)?;
        let first = (index + 1).saturating_sub(MEDIAN_TIME_SPAN);
        let span = index + 1 - first;
        if span < MEDIAN_TIME_SPAN && self.base > 0 {
            return None;
        }
        let mut times = Times::default();
        self.entries[first..=index].iter().for_each(|e| times.push(e.header.time));
        Some(times.median())
    }

    /// By how many seconds the newest blocks are ahead of `now_secs` (behind, if negative): the latest time
    /// among the last eleven, since a single one may lie. `None` before first contact, and on regtest, where
    /// the time is made up. For alarms and display only.
    pub fn clock_skew_secs(&self, now_secs: u64) -> Option<i64> {
        if self.network() == Network::Regtest {
            return None;
        }
        let newest = self.entries.iter().rev().take(MEDIAN_TIME_SPAN).map(|e| e.header.time).max()?;
        Some(i64::from(newest).saturating_sub(i64::try_from(now_secs).unwrap_or(i64::MAX)))
    }

    /// [`HeaderChain::clock_skew_secs`], judged: an operator wants to know when the two differ by hours.
    pub fn clock(&self, now_secs: u64) -> Option<ClockCheck> {
        Some(match self.clock_skew_secs(now_secs)? {
            ahead if ahead > AHEAD_SECS => ClockCheck::BlocksAhead { by_secs: ahead.unsigned_abs() },
            behind if behind < -BEHIND_SECS => ClockCheck::BlocksBehind { by_secs: behind.unsigned_abs() },
            _ => ClockCheck::Agrees,
        })
    }

    /// Offers headers of consecutive heights, the first at `from_height`. They are taken all or
    /// not at all: when every one of them is valid, and their branch has more work than ours.
    ///
    /// The first ever must start at [`HeaderChain::base_height`] and reach the checkpoint at least.
    ///
    /// # Errors
    /// The first header that breaks a rule; the chain is unchanged then.
    pub fn accept(
        &mut self,
        from_height: u32,
        headers: &[Header],
        tie: Tie,
    ) -> Result<Accepted, HeaderError> {
        let overflow = || HeaderError::HeightOverflow { height: from_height, count: headers.len() };
        let count = u32::try_from(headers.len()).map_err(|_| overflow())?;
        // One height is kept free, so that `height() + 1` never overflows.
        let end = from_height.checked_add(count).filter(|end| *end < u32::MAX).ok_or_else(overflow)?;
        if !self.is_anchored() {
            return self.anchor(from_height, headers, end);
        }
        if from_height < self.base {
            return Err(HeaderError::BelowBase { height: from_height, base: self.base });
        }
        if from_height > self.height() + 1 {
            return Err(HeaderError::Gap { height: from_height, tip: self.height() });
        }
        let heights = from_height..end;
        let known = heights
            .clone()
            .zip(headers)
            .take_while(|(at, h)| self.hash(*at).is_some_and(|ours| ours == h.block_hash()))
            .count();
        let (Some(first_new), Some(header)) = (heights.clone().nth(known), headers.get(known)) else {
            return Ok(Accepted::Nothing);
        };
        let pinned = self.floor_height();
        if first_new <= pinned {
            let hash = header.block_hash();
            return Err(HeaderError::PartsBelowPin { height: first_new, hash, pinned });
        }
        let fork_height = first_new - 1;
        let kept = &self.entries[..(first_new - self.base) as usize];
        let branch = self.check_branch(kept, first_new, &headers[known..])?;

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

    /// Takes the first headers: from the base to the checkpoint at least. That the header at its height has
    /// its hash proves all those below it; they are held to the rules all the same.
    fn anchor(&mut self, from: u32, headers: &[Header], end: u32) -> Result<Accepted, HeaderError> {
        let (base, checkpoint) = (self.base, self.checkpoint);
        let short = HeaderError::NotAnchored {
            height: from,
            count: headers.len(),
            base,
            checkpoint: checkpoint.height,
        };
        if from != base || end <= checkpoint.height {
            return Err(short);
        }
        let Some((first, rest)) = headers.split_first() else { return Err(short) };
        let hash = first.block_hash();
        self.check_pin(base, hash)?;
        if !self.rules.within_limit(first.bits) {
            return Err(HeaderError::TooEasy { height: base, hash, bits: first.bits.to_consensus() });
        }
        if !first.target().is_met_by(hash) {
            return Err(HeaderError::ProofOfWork { height: base, hash });
        }
        let first = Entry { header: *first, hash, regular: first.bits, work: first.work() };
        let rest = self.check_branch(&[first], base + 1, rest)?;
        self.entries.push(first);
        self.entries.extend(rest);
        Ok(Accepted::Extended)
    }

    /// Every rule that headers can be held to, on a branch upon `kept`, which starts at our base.
    fn check_branch(&self, kept: &[Entry], from: u32, headers: &[Header]) -> Result<Vec<Entry>, HeaderError> {
        let mut prev = *kept.last().expect("a branch stands on at least one header");
        let mut times = Times::default();
        let window = kept.len().saturating_sub(MEDIAN_TIME_SPAN);
        kept[window..].iter().for_each(|e| times.push(e.header.time));
        // Dividing by a target is dear, and nearly always it is the target of the block before.
        let mut worth = (prev.header.bits, prev.header.target(), prev.header.work());
        let mut branch: Vec<Entry> = Vec::with_capacity(headers.len());
        for (height, header) in (from..).zip(headers) {
            let hash = header.block_hash();
            if header.prev_blockhash != prev.hash {
                return Err(HeaderError::Unlinked { height, hash, expected: prev.hash });
            }
            self.check_pin(height, hash)?;
            let first = || {
                let index = (height - self.rules.period() - self.base) as usize;
                kept.get(index).unwrap_or_else(|| &branch[index - kept.len()]).header
            };
            let required = self.rules.required_bits(height, header.time, &prev.header, prev.regular, first);
            self.check_bits(height, hash, header.bits, required)?;
            if header.bits != worth.0 {
                worth = (header.bits, header.target(), header.work());
            }
            let (_, target, work): (_, Target, Work) = worth;
            if !target.is_met_by(hash) {
                return Err(HeaderError::ProofOfWork { height, hash });
            }
            self.check_time(height, hash, header, &prev.header, &times)?;
            let version = header.version.to_consensus();
            if version < self.rules.min_version(height) {
                return Err(HeaderError::OldVersion { height, hash, version });
            }
            times.push(header.time);
            let regular = self.rules.regular(height, header.bits, prev.regular);
            prev = Entry { header: *header, hash, regular, work: prev.work + work };
            branch.push(prev);
        }
        Ok(branch)
    }

    fn check_pin(&self, height: u32, hash: BlockHash) -> Result<(), HeaderError> {
        match self.pins.iter().find(|pin| pin.height == height && pin.hash != hash) {
            Some(pin) => Err(HeaderError::NotPinned { height, hash, pinned: pin.hash }),
            None => Ok(()),
        }
    }

    fn check_bits(
        &self,
        height: u32,
        hash: BlockHash,
        bits: CompactTarget,
        required: CompactTarget,
    ) -> Result<(), HeaderError> {
        if bits == required {
            return Ok(());
        }
        let (easy, bits) = (!self.rules.within_limit(bits), bits.to_consensus());
        Err(if easy {
            HeaderError::TooEasy { height, hash, bits }
        } else {
            HeaderError::WrongTarget { height, hash, bits, required: required.to_consensus() }
        })
    }

    fn check_time(
        &self,
        height: u32,
        hash: BlockHash,
        header: &Header,
        prev: &Header,
        times: &Times,
    ) -> Result<(), HeaderError> {
        let time_secs = header.time;
        // Just above the base the window reaches below it; those headers are proved by the checkpoint's hash.
        if times.whole() || self.base == 0 {
            let mtp_secs = times.median();
            if time_secs <= mtp_secs {
                return Err(HeaderError::TimeTooOld { height, hash, time_secs, mtp_secs });
            }
        }
        let earliest_secs = self.rules.earliest_secs(height, prev);
        if time_secs < earliest_secs {
            return Err(HeaderError::Timewarp { height, hash, time_secs, earliest_secs });
        }
        Ok(())
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
    Rules::new(network).limit()
}

/// The times of the last eleven headers, in no order.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    ring: [u32; MEDIAN_TIME_SPAN],
    /// How many were ever pushed.
    pushed: usize,
}

impl Times {
    fn push(&mut self, time_secs: u32) {
        self.ring[self.pushed % MEDIAN_TIME_SPAN] = time_secs;
        self.pushed += 1;
    }

    fn whole(&self) -> bool {
        self.pushed >= MEDIAN_TIME_SPAN
    }

    /// The upper middle, as in Core where there are fewer than eleven; 0 of none.
    fn median(&self) -> u32 {
        let mut times = self.ring;
        let times = &mut times[..self.pushed.min(MEDIAN_TIME_SPAN)];
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }
}
