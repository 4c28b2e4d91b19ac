//! Feerates from several servers: no single one of them can drive a fee up, and none yields nonsense.

use bitcoin::FeeRate;
use futures::future::join_all;
use serde_json::Value;

use super::connection::Connection;
use crate::chain::fetch::{self, Rpc};

/// Never more than this per server: 1,000 sat/vB.
const MOST: FeeRate = FeeRate::from_sat_per_kwu(250_000);
/// Never less: 1 sat/vB.
const LEAST: FeeRate = FeeRate::from_sat_per_kwu(250);
/// A relay minimum this many times the median of the servers' is nobody's minimum.
const SANE_TIMES: u64 = 10;
/// Room for transactions in a block, vbytes.
const BLOCK_VSIZE: u64 = 998_000;

/// The feerate to confirm within `target_blocks`: the (lower) median of every server's estimate and of what
/// its mempool shows.
pub(super) async fn estimate(servers: &[Connection], target_blocks: u16) -> Option<FeeRate> {
    let asked = servers.iter().map(|server| async move {
        let estimated = fetch::estimate(server, target_blocks).await;
        let histogram = server.call("mempool.get_fee_histogram", vec![]).await.ok();
        let shown = histogram.as_ref().and_then(|histogram| from_histogram(histogram, target_blocks));
        [estimated, shown]
    });
    median(
        join_all(asked).await.into_iter().flatten().flatten().map(|rate| rate.clamp(LEAST, MOST)).collect(),
    )
}

/// The least feerate that is relayed: the highest of the servers' that is not beyond reason.
pub(super) async fn relay(servers: &[Connection]) -> Option<FeeRate> {
    let told = join_all(servers.iter().map(fetch::relay_feerate)).await;
    sane_most(told.into_iter().flatten().map(|rate| rate.min(MOST)).collect())
}

fn sane_most(rates: Vec<FeeRate>) -> Option<FeeRate> {
    let middle = median(rates.clone())?;
    let bound = middle.to_sat_per_kwu().max(LEAST.to_sat_per_kwu()).saturating_mul(SANE_TIMES);
    rates.into_iter().filter(|rate| rate.to_sat_per_kwu() <= bound).max()
}

/// The middle one; of two the lower, since what is too low is bumped and what is too high is gone.
fn median(mut rates: Vec<FeeRate>) -> Option<FeeRate> {
    rates.sort_unstable();
    rates.get(rates.len().checked_sub(1)? / 2).copied()
}

/// What it takes to be among the first `target_blocks` blocks of the mempool: pairs of feerate (sat/vB) and
/// vbytes at or above it, the dearest first. An empty or short mempool takes anything.
fn from_histogram(histogram: &Value, target_blocks: u16) -> Option<FeeRate> {
    let room = BLOCK_VSIZE * u64::from(target_blocks.max(1));
    let mut above = 0u64;
    for pair in histogram.as_array()? {
        let [rate, vsize] = pair.as_array()?.as_slice() else { return None };
        above = above.saturating_add(whole(vsize)?);
        if above > room {
            return FeeRate::from_sat_per_vb(whole(rate)?.saturating_add(1));
        }
    }
    Some(LEAST)
}

/// The whole part of a number that is not negative; digit by digit, never through a float.
fn whole(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    if text.contains(['e', 'E']) {
        return None;
    }
    text.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rates(sat_per_vb: &[u32]) -> Vec<FeeRate> {
        sat_per_vb.iter().map(|rate| FeeRate::from_sat_per_vb_u32(*rate)).collect()
    }

    #[test]
    fn one_liar_moves_neither_the_median_nor_the_relay_minimum() {
        let one = |sat_per_vb| Some(FeeRate::from_sat_per_vb_u32(sat_per_vb));
        assert_eq!(median(rates(&[])), None);
        assert_eq!(median(rates(&[5, 1_000])), one(5));
        assert_eq!(median(rates(&[5, 6, 1_000])), one(6));
        assert_eq!(median(rates(&[5, 6, 1_000, 1_000])), one(6));
        assert_eq!(sane_most(rates(&[1, 1_000])), one(1));
        assert_eq!(sane_most(rates(&[1, 3])), one(3));
        assert_eq!(sane_most(rates(&[2, 5, 1_000])), one(5));
        assert_eq!(sane_most(rates(&[])), None);
    }

    #[test]
    fn a_histogram_says_what_the_next_blocks_cost() {
        let histogram = json!([[53.01, 102_131], [38, 1_100_000], [12.5, 5_000_000], [1, 9_000_000]]);
        let vb = |target| from_histogram(&histogram, target).map(FeeRate::to_sat_per_vb_ceil);
        assert_eq!((vb(1), vb(2), vb(6), vb(100)), (Some(39), Some(13), Some(13), Some(1)));
        assert_eq!(from_histogram(&json!([]), 6), Some(LEAST));
        for bad in
            [json!(null), json!([[1]]), json!([["1", 2_000_000_000u64]]), json!([[-1, 9_000_000_000u64]])]
        {
            assert_eq!(from_histogram(&bad, 1), None, "{bad}");
        }
    }
}
