//! What a network's consensus rules demand of a header, given the ones before it: target, earliest time,
//! version. The rules of `GetNextWorkRequired` and `ContextualCheckBlockHeader` in Bitcoin Core. Pure; holds
//! no chain, and never looks at a clock.

use bitcoin::block::Header;
use bitcoin::params::Params;
use bitcoin::{CompactTarget, Network, Target};

/// Blocks in the median time past (BIP113).
pub(super) const MEDIAN_TIME_SPAN: usize = 11;

/// How far the first block of a period may lie before its predecessor (BIP94), seconds.
const MAX_TIMEWARP_SECS: u32 = 600;

/// The rules of one network.
#[derive(Clone, Debug)]
pub struct Rules {
    params: Params,
    /// Testnet4's repairs: retargets count from the first block's target, and no time warp.
    bip94: bool,
}

impl Rules {
    /// Those of a network that exists.
    pub fn new(network: Network) -> Self {
        Self::custom(Params::new(network), network == Network::Testnet4)
    }

    /// Those of a chain of one's own, for tests and benchmarks: `bip94` adds the rules of testnet4. The
    /// limit times four times the timespan must stay within 256 bits, as it does on every real network.
    pub fn custom(params: Params, bip94: bool) -> Self {
        Self { params, bip94 }
    }

    /// The network whose name the parameters bear.
    pub fn network(&self) -> Network {
        self.params.network
    }

    /// The easiest target, as headers carry it.
    pub fn limit(&self) -> CompactTarget {
        self.params.max_attainable_target.to_compact_lossy()
    }

    /// Whether a target is one that the network ever allows.
    pub(super) fn within_limit(&self, bits: CompactTarget) -> bool {
        Target::from_compact(bits) <= Target::from_compact(self.limit())
    }

    /// Blocks from one retarget to the next.
    pub fn period(&self) -> u32 {
        u32::try_from(self.params.difficulty_adjustment_interval()).unwrap_or(u32::MAX).max(1)
    }

    /// Whether a period starts at `height`: its target is computed anew.
    pub fn starts_period(&self, height: u32) -> bool {
        height.is_multiple_of(self.period())
    }

    /// Where the headers have to start, so that everything above `height` can be checked: a period's first
    /// block, and eleven blocks for the median time past.
    pub fn base_height(&self, height: u32) -> u32 {
        let window = height.saturating_sub(10);
        window - window % self.period()
    }

    /// The target that the header at `height` with time `time_secs` must carry. `prev` is the header below
    /// it, `regular` the target in force as of that one (see [`Rules::regular`]), and `first` the header
    /// that its period began with, `height - period`; it is looked at only where a period starts.
    pub(super) fn required_bits(
        &self,
        height: u32,
        time_secs: u32,
        prev: &Header,
        regular: CompactTarget,
        first: impl FnOnce() -> Header,
    ) -> CompactTarget {
        if self.params.no_pow_retargeting {
            // Every block of such a network has the target of the first, whatever its time.
            return prev.bits;
        }
        if self.starts_period(height) {
            let first = first();
            // Up to 2015 intervals, as it always was, and negative where times run backwards: clamped either way.
            let timespan_secs = u64::from(prev.time.saturating_sub(first.time));
            let from = if self.bip94 { first.bits } else { prev.bits };
            return CompactTarget::from_next_work_required(from, timespan_secs, &self.params);
        }
        if !self.params.allow_min_difficulty_blocks {
            return prev.bits;
        }
        let patience_secs = self.params.pow_target_spacing.saturating_mul(2);
        if u64::from(time_secs) > u64::from(prev.time).saturating_add(patience_secs) {
            self.limit()
        } else {
            regular
        }
    }

    /// The target in force as of a header: its own, or, where blocks of least difficulty are allowed, that of
    /// the last one of its period that is none. (Core walks back for it at each block; here it is carried.)
    pub(super) fn regular(&self, height: u32, bits: CompactTarget, before: CompactTarget) -> CompactTarget {
        let exception = self.params.allow_min_difficulty_blocks
            && !self.params.no_pow_retargeting
            && !self.starts_period(height)
            && bits == self.limit();
        if exception { before } else { bits }
    }

    /// The earliest time of the header at `height` that BIP94 allows after `prev`, Unix seconds.
    pub(super) fn earliest_secs(&self, height: u32, prev: &Header) -> u32 {
        if self.bip94 && self.starts_period(height) { prev.time.saturating_sub(MAX_TIMEWARP_SECS) } else { 0 }
    }

    /// The least version that a header at `height` may have (BIP34, BIP66, BIP65).
    pub(super) fn min_version(&self, height: u32) -> i32 {
        let Params { bip34_height, bip65_height, bip66_height, .. } = self.params;
        match height {
            _ if height >= bip65_height => 4,
            _ if height >= bip66_height => 3,
            _ if height >= bip34_height => 2,
            _ => i32::MIN,
        }
    }
}
