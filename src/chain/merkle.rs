//! The core's Merkle branches, under the name the chain knows them by; here for what tests them against
//! mined blocks. No rules of its own.

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use crate::escrow::merkle::hash_pair;
pub use crate::escrow::merkle::{MAX_DEPTH, MerkleError, MerkleProof, verify};
