//! The blocks that were tips lately, so that reorganisations are noticed and counted. For the operator's eyes
//! alone: credits follow what the chain says, whatever is counted here.

use super::Service;
use crate::escrow::facts::Tip;
use crate::metrics;
use bitcoin::BlockHash;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Blocks remembered.
const LENGTH: u32 = 200;

/// Hashes of the best chain's last blocks, by height.
#[derive(Debug, Default)]
pub struct Trail(BTreeMap<u32, BlockHash>);

impl Trail {
    /// Takes in a new tip; `block` says what the best chain now has at a height. Says how many blocks of the
    /// trail were undone, if any.
    pub fn follow(&mut self, tip: &Tip, block: impl Fn(u32) -> Option<BlockHash>) -> Option<u32> {
        let at = |height: u32| if height == tip.height { Some(tip.hash) } else { block(height) };
        let before = self.0.last_key_value().map(|(height, _)| *height);
        let undone = |(height, hash): &(&u32, &BlockHash)| at(**height) != Some(**hash);
        let depth = self.0.iter().rev().take_while(undone).count();
        let keep = self.0.len() - depth;
        self.0 = std::mem::take(&mut self.0).into_iter().take(keep).collect();
        let from = self.0.last_key_value().map_or(before.unwrap_or(tip.height), |(height, _)| height + 1);
        for height in from.max(tip.height.saturating_sub(LENGTH))..=tip.height {
            if let Some(hash) = at(height) {
                self.0.insert(height, hash);
            }
        }
        while self.0.len() > usize::try_from(LENGTH).unwrap_or(usize::MAX) {
            self.0.pop_first();
        }
        u32::try_from(depth).ok().filter(|depth| *depth > 0)
    }
}

impl Service {
    pub(super) fn follow_trail(&self, tip: &Tip) {
        let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(depth) = trail.follow(tip, |height| Some(self.chain.block(height)?.0)) else { return };
        self.metrics.chain.reorgs.get_or_create(&[("depth", metrics::depth_label(depth))]).inc();
        tracing::info!(depth, tip.height = tip.height, "the chain was reorganised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;

    fn hash(branch: u8, height: u32) -> BlockHash {
        let mut bytes = [branch; 32];
        bytes[..4].copy_from_slice(&height.to_le_bytes());
        BlockHash::from_byte_array(bytes)
    }

    #[test]
    fn depth_is_the_number_of_blocks_undone() {
        let mut trail = Trail::default();
        // A branch: its number, and the last height it shares with branch 0.
        let mut go = |height: u32, branch: u8, shared: u32| {
            let block =
                |at: u32| Some(hash(if at <= shared { 0 } else { branch }, at)).filter(|_| at <= height);
            let tip = Tip { height, hash: block(height).unwrap(), mtp_secs: 0 };
            trail.follow(&tip, block)
        };
        assert_eq!(go(100, 0, 1_000), None, "the first tip");
        assert_eq!(go(100, 0, 1_000), None, "told twice");
        assert_eq!(go(105, 0, 1_000), None, "five at once");
        assert_eq!(go(106, 1, 104), Some(1));
        assert_eq!(go(109, 2, 100), Some(6), "101 to 106");
        assert_eq!(go(108, 3, 107), Some(9), "more work at a lower height");
        assert_eq!(go(400, 3, 107), None, "a long jump");
        assert!(trail.0.len() <= 201);
    }
}
