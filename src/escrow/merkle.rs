//! Proof that a transaction is in a block: a Merkle branch with a position, checked against the
//! block's header. Pure. Whether that header is in the best chain is the caller's question.
//!
//! The tree commits neither to its depth nor to the kind of its nodes, hence the extra rules:
//! nothing of 64 bytes counts as a transaction (CVE-2017-12842, both ways round), a copied last
//! leaf has no position of its own (CVE-2012-2459), and the position fits the depth.

use bitcoin::block::Header;
use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Amount, BlockHash, Transaction, TxMerkleNode, Txid};
use serde::{Deserialize, Serialize};

/// A block holds at most 4,000,000 / 240 = 16,666 transactions (the least transaction weighs 240),
/// so no branch is longer than this.
pub const MAX_DEPTH: usize = 15;

/// A branch from a transaction to the Merkle root of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerkleProof {
    /// Height of the block, as far as whoever gave the proof said.
    pub height: u32,
    /// Position of the transaction in the block; 0 is the coinbase.
    pub position: u32,
    /// Siblings from the leaf upwards, in the byte order of hashes (not of their hex).
    pub branch: Vec<TxMerkleNode>,
}

/// Why a branch proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// 64 bytes are what an inner node has, so such a transaction may be one.
    #[error("transaction {txid} has 64 bytes and could be an inner node of the tree")]
    SixtyFourBytes {
        /// The transaction.
        txid: Txid,
    },
    /// An inner node of the branch is a well-formed transaction, so the leaf may be part of it.
    #[error("the branch of {txid} goes through a transaction of 64 bytes at level {level}")]
    ThroughTransaction {
        /// The transaction.
        txid: Txid,
        /// Levels above the leaf, from 0.
        level: usize,
    },
    /// Longer than any block's tree.
    #[error("the branch of {txid} has {depth} levels, more than any block")]
    TooDeep {
        /// The transaction.
        txid: Txid,
        /// Length of the branch.
        depth: usize,
    },
    /// A tree of this depth has no such position.
    #[error("position {position} of {txid} does not exist in a tree of depth {depth}")]
    NoSuchPosition {
        /// The transaction.
        txid: Txid,
        /// The position that was claimed.
        position: u32,
        /// Length of the branch.
        depth: usize,
    },
    /// The position is that of a copy, made to fill up an odd level.
    #[error("position {position} of {txid} is a copy of the last node of its level")]
    CopiedNode {
        /// The transaction.
        txid: Txid,
        /// The position that was claimed.
        position: u32,
    },
    /// Position 0 is the coinbase, and nothing else is.
    #[error("transaction {txid} cannot be at position {position}: only a coinbase is at 0")]
    CoinbasePosition {
        /// The transaction.
        txid: Txid,
        /// The position that was claimed.
        position: u32,
    },
    /// The branch leads elsewhere.
    #[error("the branch of {txid} does not lead to the Merkle root of block {block_hash}")]
    WrongRoot {
        /// The transaction.
        txid: Txid,
        /// The block.
        block_hash: BlockHash,
    },
}

/// Checks that `tx` is at `position` of the block with `header`.
///
/// # Errors
/// See [`MerkleError`]: each one means that nothing is proved, not that the contrary is.
pub fn verify(
    tx: &Transaction,
    position: u32,
    branch: &[TxMerkleNode],
    header: &Header,
) -> Result<(), MerkleError> {
    let txid = tx.compute_txid();
    let depth = branch.len();
    // The txid covers the serialization without witness, so that is what counts.
    if tx.base_size() == 64 {
        return Err(MerkleError::SixtyFourBytes { txid });
    }
    if depth > MAX_DEPTH {
        return Err(MerkleError::TooDeep { txid, depth });
    }
    if position >> depth != 0 {
        return Err(MerkleError::NoSuchPosition { txid, position, depth });
    }
    if tx.is_coinbase() != (position == 0) {
        return Err(MerkleError::CoinbasePosition { txid, position });
    }
    let mut node = txid.to_byte_array();
    for (level, sibling) in branch.iter().enumerate() {
        let sibling = sibling.to_byte_array();
        let is_right = (position >> level) & 1 == 1;
        if is_right && sibling == node {
            return Err(MerkleError::CopiedNode { txid, position });
        }
        let (left, right) = if is_right { (sibling, node) } else { (node, sibling) };
        if is_transaction(&left, &right) {
            return Err(MerkleError::ThroughTransaction { txid, level });
        }
        node = hash_pair(&left, &right);
    }
    if node != header.merkle_root.to_byte_array() {
        return Err(MerkleError::WrongRoot { txid, block_hash: header.block_hash() });
    }
    Ok(())
}

/// The parent of two nodes.
pub(crate) fn hash_pair(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// Whether two nodes side by side read as a transaction that could be in a block. An honest pair of
/// hashes does so with a chance of about 2^-42: the counts, lengths and amounts have to fit.
fn is_transaction(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let bytes = [left.as_slice(), right.as_slice()].concat();
    match bitcoin::consensus::deserialize::<Transaction>(&bytes) {
        Ok(tx) => {
            !tx.input.is_empty()
                && !tx.output.is_empty()
                && tx.output.iter().all(|out| out.value <= Amount::MAX_MONEY)
        }
        Err(_) => false,
    }
}
