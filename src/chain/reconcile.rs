//! From what a server said about one script to what holds: history, transactions and proofs in,
//! a [`ScriptView`] out. Pure, and the only place where a confirmation comes into being: without
//! a Merkle proof against a header of our own chain there is none.
//!
//! What it must not do: guess. A piece that is missing or wrong is an error for the whole script,
//! because a view is the whole truth about it.
//!
//! A txid does not cover the witness, so the [`SpendPath`] of a spend is the server's word.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use bitcoin::opcodes::all::{OP_CHECKSIGADD, OP_CLTV, OP_NUMEQUAL};
use bitcoin::script::Instruction;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Transaction, Txid, Witness};
use serde::{Deserialize, Serialize};

use super::headers::HeaderChain;
use super::merkle::{self, MerkleError, MerkleProof};
use crate::escrow::facts::{Confirmation, Deposit, ScriptView, Spend, SpendPath};

/// One line of a script's history: a transaction that pays it or spends from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The transaction.
    pub txid: Txid,
    /// Height of its block; 0 = in the mempool.
    pub height: u32,
}

/// The leaves of an output, for who knows them; without them a leaf is recognised by its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// The `multi_a` leaf.
    pub cooperative: ScriptBuf,
    /// The refund leaf (the open address has none).
    pub refund: Option<ScriptBuf>,
}

/// Why a history is not (yet) a view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// A transaction of the history was not given.
    #[error("transaction {txid} is missing")]
    MissingTransaction {
        /// The transaction.
        txid: Txid,
    },
    /// A confirmed transaction has no proof for a height that was claimed.
    #[error("transaction {txid} is said to be in block {height}, without proof")]
    MissingProof {
        /// The transaction.
        txid: Txid,
        /// The height that was claimed.
        height: u32,
    },
    /// The height that was claimed is above our tip or below our checkpoint.
    #[error("transaction {txid} is said to be in block {height}, whose header is not known")]
    UnknownHeader {
        /// The transaction.
        txid: Txid,
        /// The height that was claimed.
        height: u32,
    },
    /// The proof is wrong.
    #[error("transaction {txid} is said to be in block {height}: {source}")]
    BadProof {
        /// The transaction.
        txid: Txid,
        /// The height that was claimed.
        height: u32,
        /// What is wrong with it.
        source: MerkleError,
    },
    /// No block could contain it.
    #[error("transaction {txid} cannot be valid: its outputs exceed all money")]
    TooMuchMoney {
        /// The transaction.
        txid: Txid,
    },
}

/// Heights claimed per transaction, duplicates removed: servers may list one transaction twice,
/// once with a height and once as in the mempool. Empty = in the mempool only.
pub fn claimed_heights(history: &[HistoryEntry]) -> BTreeMap<Txid, Vec<u32>> {
    let mut claims: BTreeMap<Txid, Vec<u32>> = BTreeMap::new();
    for entry in history {
        let heights = claims.entry(entry.txid).or_default();
        if entry.height > 0 && !heights.contains(&entry.height) {
            heights.push(entry.height);
        }
    }
    claims
}

/// What `history` comes to under the chain `headers`.
///
/// # Errors
/// See [`ReconcileError`]; nothing of the history counts then.
pub fn reconcile(
    script: &Script,
    history: &[HistoryEntry],
    transactions: &HashMap<Txid, Transaction>,
    proofs: &HashMap<Txid, MerkleProof>,
    headers: &HeaderChain,
    leaves: Option<&Leaves>,
) -> Result<ScriptView, ReconcileError> {
    let mut listed = Vec::new();
    for (txid, heights) in claimed_heights(history) {
        let tx = transactions.get(&txid).ok_or(ReconcileError::MissingTransaction { txid })?;
        check_money(txid, tx)?;
        let confirmation = confirm(txid, tx, &heights, proofs.get(&txid), headers)?;
        // A coinbase is in a block or nowhere: without one (after a reorg) it does not exist.
        if confirmation.is_some() || !tx.is_coinbase() {
            listed.push((txid, tx, confirmation));
        }
    }
    Ok(assemble_with(script, &listed, leaves))
}

/// The view of transactions that are known to touch `script`, each with where it is mined.
pub fn assemble(script: &Script, listed: &[(Txid, &Transaction, Option<Confirmation>)]) -> ScriptView {
    assemble_with(script, listed, None)
}

fn assemble_with(
    script: &Script,
    listed: &[(Txid, &Transaction, Option<Confirmation>)],
    leaves: Option<&Leaves>,
) -> ScriptView {
    let mut deposits: BTreeMap<OutPoint, Deposit> = BTreeMap::new();
    for (txid, tx, confirmation) in listed {
        for (vout, output) in (0u32..).zip(&tx.output) {
            if output.script_pubkey.as_script() == script {
                let outpoint = OutPoint { txid: *txid, vout };
                let coinbase = tx.is_coinbase();
                let (amount, confirmation) = (output.value, *confirmation);
                deposits.insert(outpoint, Deposit { outpoint, amount, coinbase, confirmation });
            }
        }
    }
    let mut spends: BTreeMap<OutPoint, Spend> = BTreeMap::new();
    for (txid, tx, confirmation) in listed {
        for (vin, input) in (0u32..).zip(&tx.input) {
            let prevout = input.previous_output;
            if !deposits.contains_key(&prevout) {
                continue;
            }
            let path = spend_path(&input.witness, leaves);
            let spend = Spend { prevout, txid: *txid, vin, path, confirmation: *confirmation };
            match spends.get(&prevout) {
                Some(other) if !precedes(&spend, other) => {}
                _ => {
                    spends.insert(prevout, spend);
                }
            }
        }
    }
    ScriptView { deposits: deposits.into_values().collect(), spends: spends.into_values().collect() }
}

/// Which of two spends of one output is shown: the mined one; of two in the mempool (which one node
/// never has) the lower txid, so that the answer does not depend on the order they came in.
fn precedes(a: &Spend, b: &Spend) -> bool {
    let key = |s: &Spend| (s.confirmation.is_none(), s.confirmation, s.txid, s.vin);
    key(a) < key(b)
}

pub(crate) fn check_money(txid: Txid, tx: &Transaction) -> Result<(), ReconcileError> {
    let mut sum = Amount::ZERO;
    for output in &tx.output {
        sum = sum
            .checked_add(output.value)
            .filter(|sum| *sum <= Amount::MAX_MONEY)
            .ok_or(ReconcileError::TooMuchMoney { txid })?;
    }
    Ok(())
}

fn confirm(
    txid: Txid,
    tx: &Transaction,
    heights: &[u32],
    proof: Option<&MerkleProof>,
    headers: &HeaderChain,
) -> Result<Option<Confirmation>, ReconcileError> {
    let Some(first) = heights.first().copied() else { return Ok(None) };
    let proof = proof
        .filter(|p| heights.contains(&p.height))
        .ok_or(ReconcileError::MissingProof { txid, height: first })?;
    check_proof(txid, tx, proof, headers).map(Some)
}

/// Turns a proof into a confirmation, if it holds under `headers`.
///
/// # Errors
/// `UnknownHeader`, or `BadProof` (also when it was right for another block at that height).
pub fn check_proof(
    txid: Txid,
    tx: &Transaction,
    proof: &MerkleProof,
    headers: &HeaderChain,
) -> Result<Confirmation, ReconcileError> {
    let height = proof.height;
    let unknown = ReconcileError::UnknownHeader { txid, height };
    let (Some(header), Some(mtp_secs)) = (headers.header(height), headers.mtp_secs(height)) else {
        return Err(unknown);
    };
    merkle::verify(tx, proof.position, &proof.branch, header).map_err(|source| ReconcileError::BadProof {
        txid,
        height,
        source,
    })?;
    Ok(Confirmation { height, block_hash: header.block_hash(), position: proof.position, mtp_secs })
}

/// Reads the way a Taproot spend took off its witness (BIP341).
pub fn spend_path(witness: &Witness, leaves: Option<&Leaves>) -> SpendPath {
    let mut stack: Vec<&[u8]> = witness.iter().collect();
    if stack.len() >= 2 && stack.last().is_some_and(|last| last.first() == Some(&0x50)) {
        stack.pop(); // the annex
    }
    match stack.as_slice() {
        [_] => SpendPath::Key,
        [.., leaf, _control_block] => leaf_path(Script::from_bytes(leaf), leaves),
        [] => SpendPath::Unknown,
    }
}

fn leaf_path(leaf: &Script, leaves: Option<&Leaves>) -> SpendPath {
    if let Some(leaves) = leaves {
        return match leaf {
            l if l == leaves.cooperative.as_script() => SpendPath::Cooperative,
            l if Some(l) == leaves.refund.as_deref() => SpendPath::Refund,
            _ => SpendPath::Unknown,
        };
    }
    let mut ops = Vec::new();
    for instruction in leaf.instructions() {
        match instruction {
            Ok(Instruction::Op(op)) => ops.push(op),
            Ok(Instruction::PushBytes(_)) => {}
            Err(_) => return SpendPath::Unknown,
        }
    }
    if ops.contains(&OP_CHECKSIGADD) && ops.contains(&OP_NUMEQUAL) {
        SpendPath::Cooperative
    } else if ops.contains(&OP_CLTV) {
        SpendPath::Refund
    } else {
        SpendPath::Unknown
    }
}
