//! What a watcher need not ask for again: headers, transactions, proofs, and per script the status
//! and view it had. A cache and nothing more: whatever is mined in it is proved again when read (what
//! is in the mempool counts for nothing anyway), and an implementation that forgets, or cannot write,
//! costs requests and no correctness (it logs its own failures).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::block::Header;
use bitcoin::{Script, ScriptBuf, Transaction, Txid};
use serde::{Deserialize, Serialize};

use super::merkle::MerkleProof;
use crate::escrow::facts::ScriptView;

/// A script as it was last read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRecord {
    /// The status the server gave for it; `None` = no history.
    pub status: Option<[u8; 32]>,
    /// What it came to.
    pub view: ScriptView,
}

/// A mined transaction and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvedTransaction {
    /// The transaction.
    pub transaction: Transaction,
    /// Its proof, for the header of our chain at that height.
    pub proof: MerkleProof,
}

/// Where a watcher keeps what it may need again.
pub trait ChainCache: Send + Sync {
    /// Headers that were put, of consecutive heights, with the height of the first.
    fn headers(&self) -> Option<(u32, Vec<Header>)>;
    /// Replaces everything at and above `from_height`.
    fn put_headers(&self, from_height: u32, headers: &[Header]);
    /// The last record of a script.
    fn script(&self, script: &Script) -> Option<ScriptRecord>;
    /// Replaces the record of a script.
    fn put_script(&self, script: &Script, record: &ScriptRecord);
    /// The last proof of a transaction.
    fn proof(&self, txid: Txid) -> Option<ProvedTransaction>;
    /// Replaces the proof of a transaction.
    fn put_proof(&self, txid: Txid, proved: &ProvedTransaction);
    /// A transaction that may not be mined. Worth keeping in memory only, if at all.
    fn transaction(&self, _txid: Txid) -> Option<Transaction> {
        None
    }
    /// Keeps a transaction that may not be mined.
    fn put_transaction(&self, _txid: Txid, _tx: &Transaction) {}
}

/// A cache that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryCache(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    headers: BTreeMap<u32, Header>,
    scripts: HashMap<ScriptBuf, ScriptRecord>,
    transactions: HashMap<Txid, Transaction>,
    proofs: HashMap<Txid, ProvedTransaction>,
}

impl MemoryCache {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChainCache for MemoryCache {
    fn headers(&self) -> Option<(u32, Vec<Header>)> {
        let memory = self.lock();
        let first = *memory.headers.keys().next()?;
        Some((first, memory.headers.values().copied().collect()))
    }

    fn put_headers(&self, from_height: u32, headers: &[Header]) {
        let mut memory = self.lock();
        memory.headers.split_off(&from_height);
        memory.headers.extend((from_height..).zip(headers.iter().copied()));
    }

    fn script(&self, script: &Script) -> Option<ScriptRecord> {
        self.lock().scripts.get(script).cloned()
    }

    fn put_script(&self, script: &Script, record: &ScriptRecord) {
        self.lock().scripts.insert(script.to_owned(), record.clone());
    }

    fn transaction(&self, txid: Txid) -> Option<Transaction> {
        self.lock().transactions.get(&txid).cloned()
    }

    fn put_transaction(&self, txid: Txid, tx: &Transaction) {
        self.lock().transactions.insert(txid, tx.clone());
    }

    fn proof(&self, txid: Txid) -> Option<ProvedTransaction> {
        self.lock().proofs.get(&txid).cloned()
    }

    fn put_proof(&self, txid: Txid, proved: &ProvedTransaction) {
        self.lock().proofs.insert(txid, proved.clone());
    }
}
