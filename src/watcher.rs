//! Glue between the chain and what is kept of it on disk: the sled index as the watcher's cache. Has no
//! rules of its own.

use crate::chain::cache::ProvedTransaction;
use crate::chain::merkle::MerkleProof;
use crate::chain::{ChainCache, ScriptRecord};
use crate::store::index::{self, Index, IndexError};
use bitcoin::block::Header;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Script, Transaction, Txid};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Unconfirmed transactions kept in memory.
const MAX_UNCONFIRMED: usize = 5_000;

/// The index as the watcher sees it. Failures are logged and cost requests, never correctness.
#[derive(Debug)]
pub struct IndexCache {
    index: Index,
    /// Height of the first header kept: the base of the chain.
    from_height: u32,
    unconfirmed: Mutex<HashMap<Txid, Transaction>>,
    /// What failed last; none once something works again.
    failed: Mutex<Option<String>>,
}

impl IndexCache {
    /// Keeps headers from `from_height` on.
    pub fn new(index: Index, from_height: u32) -> IndexCache {
        IndexCache { index, from_height, unconfirmed: Mutex::default(), failed: Mutex::default() }
    }

    fn unconfirmed(&self) -> std::sync::MutexGuard<'_, HashMap<Txid, Transaction>> {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What failed, if the last use of the index did.
    pub fn trouble(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What failed is only told: the cache may forget.
    fn told<T>(&self, result: Result<T, IndexError>) -> Option<T> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = result.as_ref().err().map(ToString::to_string);
        result.inspect_err(|error| tracing::warn!(%error, "the index failed; it is asked for again")).ok()
    }
}

impl ChainCache for IndexCache {
    fn headers(&self) -> Option<(u32, Vec<Header>)> {
        let headers = self.told(self.index.headers_from(self.from_height))?;
        (!headers.is_empty()).then_some((self.from_height, headers))
    }

    fn put_headers(&self, from_height: u32, headers: &[Header]) {
        crate::failpoint::hit("before_index");
        if let Some(below) = from_height.checked_sub(1) {
            self.told(self.index.truncate_headers_above(below));
        }
        self.told(self.index.put_headers(from_height, headers));
        crate::failpoint::hit("after_index");
    }

    fn script(&self, script: &Script) -> Option<ScriptRecord> {
        let record = self.told(self.index.script(script))??;
        Some(ScriptRecord { status: record.status.map(|status| status.to_byte_array()), view: record.view })
    }

    fn put_script(&self, script: &Script, record: &ScriptRecord) {
        let status = record.status.map(sha256::Hash::from_byte_array);
        let record = index::ScriptRecord { status, view: record.view.clone() };
        self.told(self.index.put_scripts([(script, &record)]));
    }

    fn proof(&self, txid: Txid) -> Option<ProvedTransaction> {
        let record = self.told(self.index.proof(txid))??;
        let proof = MerkleProof { height: record.height, position: record.position, branch: record.branch };
        Some(ProvedTransaction { transaction: record.tx, proof })
    }

    fn put_proof(&self, _txid: Txid, proved: &ProvedTransaction) {
        let MerkleProof { height, position, branch } = proved.proof.clone();
        let tx = proved.transaction.clone();
        self.told(self.index.put_proof(&index::ProofRecord { tx, height, position, branch }));
    }

    fn transaction(&self, txid: Txid) -> Option<Transaction> {
        self.unconfirmed().get(&txid).cloned()
    }

    fn put_transaction(&self, txid: Txid, tx: &Transaction) {
        let mut kept = self.unconfirmed();
        // A flood of transactions must not fill the memory; which of them is forgotten does not matter.
        if kept.len() >= MAX_UNCONFIRMED {
            kept.clear();
        }
        kept.insert(txid, tx.clone());
    }
}
