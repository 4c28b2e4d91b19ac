//! The index: everything that can be rebuilt from the journal and the chain, kept so that a start
//! need not ask for it again. The only file that names sled.
//!
//! It must never hold the only copy of anything: sled's `flush` is not durable against a power cut,
//! and a directory that does not open, or is of another schema or journal, is put away and begun
//! anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bitcoin::consensus::encode;
use bitcoin::consensus::serde::{Hex, With};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Script, Transaction, TxMerkleNode, Txid, block};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::escrow::facts::ScriptView;

/// Version of the tables' shapes. Any change to one of them counts it up; no migration is needed.
pub const SCHEMA_VERSION: u32 = 1;

const DIR: &str = "index";
const HEADER_BYTES: usize = 80;
/// How long a lock on the directory is waited for. Another process cannot hold it, the journal's lock comes
/// first; but sled releases its own in threads of its own, some time after it was dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Why the index failed. At run time it is no harm to go on without it; the next start rebuilds it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// sled failed.
    #[error("the index cannot {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What sled said.
        source: sled::Error,
    },
    /// A stored value is not what this version writes.
    #[error("the index holds something unreadable in its table {table}")]
    Unreadable {
        /// The table.
        table: &'static str,
    },
    /// The index cannot be put away to begin anew.
    #[error("cannot put the old index away at {}", path.display())]
    PutAway {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A usable index.
    Kept,
    /// None; an empty one was made.
    Nothing,
    /// One of another schema version or journal; wiped.
    Other {
        /// What it says it is.
        label: String,
    },
    /// One that does not open; moved aside.
    Broken {
        /// Where it is now.
        saved_as: PathBuf,
        /// What was wrong with it.
        detail: String,
    },
}

/// What was last known of a watched script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptRecord {
    /// The Electrum status that `view` was read under; `None` for a script without history.
    pub status: Option<sha256::Hash>,
    /// What the chain said.
    pub view: ScriptView,
}

/// A confirmed transaction and the proof that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRecord {
    /// The transaction, as consensus-encoded hex.
    #[serde(with = "With::<Hex>")]
    pub tx: Transaction,
    /// Height of its block.
    pub height: u32,
    /// Its position in the block.
    pub position: u32,
    /// The Merkle branch, from the leaf's sibling up.
    pub branch: Vec<TxMerkleNode>,
}

/// The open index.
#[derive(Debug)]
pub struct Index {
    db: sled::Db,
    headers: sled::Tree,
    scripts: sled::Tree,
    proofs: sled::Tree,
}

/// Says what failed.
fn failed(doing: &'static str) -> impl FnOnce(sled::Error) -> IndexError {
    move |source| IndexError::Store { doing, source }
}

impl Index {
    /// Opens the index in `data_dir` for the journal called `instance`, empty where there is none
    /// that fits.
    pub fn open(data_dir: &Path, instance: &str) -> Result<(Index, Found), IndexError> {
        let path = data_dir.join(DIR);
        let label = format!("upfront index {SCHEMA_VERSION} of {instance}");
        let found = if path.exists() {
            match Index::try_open(&path) {
                Ok(index) => match index.label() {
                    Ok(found) if found == label => return Ok((index, Found::Kept)),
                    Ok(found) => Found::Other { label: found },
                    Err(detail) => Found::Broken { saved_as: aside(data_dir), detail },
                },
                Err(detail) => Found::Broken { saved_as: aside(data_dir), detail },
            }
        } else {
            Found::Nothing
        };
        put_away(&path, &found).map_err(|source| IndexError::PutAway { path: path.clone(), source })?;
        let index = Index::new(&path).map_err(failed("be made"))?;
        index.db.insert("label", label.as_bytes()).map_err(failed("be made"))?;
        index.flush()?;
        Ok((index, found))
    }

    fn new(path: &Path) -> Result<Index, sled::Error> {
        let until = Instant::now() + LOCK_PATIENCE;
        let db = loop {
            match sled::Config::new().path(path).cache_capacity(64 << 20).open() {
                Err(error) if is_locked(&error) && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                opened => break opened?,
            }
        };
        let (headers, scripts, proofs) =
            (db.open_tree("headers")?, db.open_tree("scripts")?, db.open_tree("proofs")?);
        Ok(Index { db, headers, scripts, proofs })
    }

    /// sled panics on some damaged directories; for a cache that is one more way of being broken.
    fn try_open(path: &Path) -> Result<Index, String> {
        match catch_unwind(AssertUnwindSafe(|| Index::new(path))) {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(_) => Err("sled panicked on opening it".into()),
        }
    }

    fn label(&self) -> Result<String, String> {
        let label = self.db.get("label").map_err(|error| error.to_string())?;
        Ok(label.map(|label| String::from_utf8_lossy(&label).into_owned()).unwrap_or_default())
    }

    /// Stores consecutive headers, the first at height `from`, replacing what is there.
    pub fn put_headers(&self, from: u32, headers: &[block::Header]) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (height, header) in (from..=u32::MAX).zip(headers) {
            batch.insert(&height.to_be_bytes(), encode::serialize(header));
        }
        self.headers.apply_batch(batch).map_err(failed("store headers"))
    }

    /// The stored headers from height `from` on, up to the first gap.
    pub fn headers_from(&self, from: u32) -> Result<Vec<block::Header>, IndexError> {
        let mut headers = Vec::new();
        for (height, entry) in (from..=u32::MAX).zip(self.headers.range(from.to_be_bytes()..)) {
            let (key, value) = entry.map_err(failed("read headers"))?;
            if *key != height.to_be_bytes() {
                break;
            }
            let header: Option<[u8; HEADER_BYTES]> = value.as_ref().try_into().ok();
            let header = header.and_then(|bytes| encode::deserialize(&bytes).ok());
            headers.push(header.ok_or(IndexError::Unreadable { table: "headers" })?);
        }
        Ok(headers)
    }

    /// Removes all headers above `height`, as a reorg does before its own are put.
    pub fn truncate_headers_above(&self, height: u32) -> Result<(), IndexError> {
        let Some(first) = height.checked_add(1) else { return Ok(()) };
        let mut batch = sled::Batch::default();
        for key in self.headers.range(first.to_be_bytes()..).keys() {
            batch.remove(key.map_err(failed("read headers"))?);
        }
        self.headers.apply_batch(batch).map_err(failed("remove headers"))
    }

    /// What was last stored of a script.
    pub fn script(&self, script: &Script) -> Result<Option<ScriptRecord>, IndexError> {
        read(&self.scripts, "scripts", script_hash(script).as_ref())
    }

    /// Stores what is known of scripts; all of them or, after a crash, none.
    pub fn put_scripts<'a>(
        &self,
        records: impl IntoIterator<Item = (&'a Script, &'a ScriptRecord)>,
    ) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (script, record) in records {
            batch.insert(&script_hash(script).to_byte_array(), to_json(record, "scripts")?);
        }
        self.scripts.apply_batch(batch).map_err(failed("store scripts"))
    }

    /// The stored proof of a confirmed transaction. Check it again: a reorg may have come since.
    pub fn proof(&self, txid: Txid) -> Result<Option<ProofRecord>, IndexError> {
        read(&self.proofs, "proofs", txid.as_ref())
    }

    /// Stores the proof of a confirmed transaction, under its txid.
    pub fn put_proof(&self, proof: &ProofRecord) -> Result<(), IndexError> {
        let value = to_json(proof, "proofs")?;
        self.proofs.insert(proof.tx.compute_txid(), value).map_err(failed("store a proof"))?;
        Ok(())
    }

    /// Writes out what is still in memory. Not durable against a power cut, and need not be.
    pub fn flush(&self) -> Result<(), IndexError> {
        self.db.flush().map_err(failed("be flushed"))?;
        Ok(())
    }
}

/// sled has no error of its own for a lock that is held.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// SHA-256 of the script, as Electrum servers name scripts (but not reversed).
fn script_hash(script: &Script) -> sha256::Hash {
    sha256::Hash::hash(script.as_bytes())
}

fn to_json(value: &impl Serialize, table: &'static str) -> Result<Vec<u8>, IndexError> {
    serde_json::to_vec(value).map_err(|_| IndexError::Unreadable { table })
}

fn read<T: DeserializeOwned>(
    tree: &sled::Tree,
    table: &'static str,
    key: &[u8],
) -> Result<Option<T>, IndexError> {
    let value = tree.get(key).map_err(failed("be read"))?;
    let parse =
        |value: sled::IVec| serde_json::from_slice(&value).map_err(|_| IndexError::Unreadable { table });
    value.map(parse).transpose()
}

/// Where a broken index goes; one is kept, for whoever wants to look into it.
fn aside(data_dir: &Path) -> PathBuf {
    data_dir.join(format!("{DIR}.broken"))
}

fn put_away(path: &Path, found: &Found) -> std::io::Result<()> {
    let remove = |path: &Path| match std::fs::symlink_metadata(path) {
        Ok(entry) if entry.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    match found {
        Found::Kept | Found::Nothing => Ok(()),
        Found::Other { .. } => remove(path),
        Found::Broken { saved_as, .. } => {
            remove(saved_as)?;
            std::fs::rename(path, saved_as)
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::absolute::LockTime;
    use bitcoin::constants::genesis_block;
    use bitcoin::{Amount, Network, OutPoint, ScriptBuf};

    use super::*;
    use crate::escrow::facts::Deposit;

    fn header(nonce: u32) -> block::Header {
        block::Header { nonce, ..genesis_block(Network::Regtest).header }
    }

    fn record(vout: u32) -> ScriptRecord {
        let outpoint = OutPoint { txid: Txid::all_zeros(), vout };
        let deposit = Deposit { outpoint, amount: Amount::from_sat(5), coinbase: false, confirmation: None };
        let view = ScriptView { deposits: vec![deposit], spends: vec![] };
        ScriptRecord { status: Some(sha256::Hash::hash(&[7])), view }
    }

    fn proof(locktime: u32) -> ProofRecord {
        let tx = Transaction {
            lock_time: LockTime::from_consensus(locktime),
            ..genesis_block(Network::Regtest).txdata[0].clone()
        };
        ProofRecord { tx, height: 3, position: 1, branch: vec![TxMerkleNode::all_zeros()] }
    }

    #[test]
    fn everything_comes_back_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let (index, found) = Index::open(dir.path(), "a").unwrap();
        assert_eq!(found, Found::Nothing);
        let headers: Vec<_> = (0..300).map(header).collect();
        index.put_headers(10, &headers).unwrap();
        let (one, two) = (ScriptBuf::from_bytes(vec![1]), ScriptBuf::from_bytes(vec![2]));
        let none = ScriptRecord { status: None, view: ScriptView::default() };
        index.put_scripts([(one.as_script(), &record(1)), (two.as_script(), &none)]).unwrap();
        index.put_scripts([(one.as_script(), &record(2))]).unwrap();
        index.put_proof(&proof(9)).unwrap();
        index.flush().unwrap();
        drop(index);

        let (index, found) = Index::open(dir.path(), "a").unwrap();
        assert_eq!(found, Found::Kept);
        assert_eq!(index.headers_from(10).unwrap(), headers);
        assert_eq!(index.headers_from(300).unwrap(), headers[290..]);
        assert_eq!(index.headers_from(9).unwrap(), []);
        assert_eq!(index.script(&one).unwrap(), Some(record(2)));
        assert_eq!(index.script(&two).unwrap(), Some(none));
        assert_eq!(index.script(Script::new()).unwrap(), None);
        assert_eq!(index.proof(proof(9).tx.compute_txid()).unwrap(), Some(proof(9)));
        assert_eq!(index.proof(proof(8).tx.compute_txid()).unwrap(), None);
    }

    #[test]
    fn a_reorg_replaces_headers() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(dir.path(), "a").unwrap();
        index.put_headers(254, &[header(1), header(2), header(3), header(4)]).unwrap();
        index.truncate_headers_above(255).unwrap();
        assert_eq!(index.headers_from(254).unwrap(), [header(1), header(2)]);
        index.put_headers(255, &[header(5)]).unwrap();
        assert_eq!(index.headers_from(0).unwrap(), []);
        assert_eq!(index.headers_from(254).unwrap(), [header(1), header(5)]);
        index.truncate_headers_above(u32::MAX).unwrap();
        index.put_headers(u32::MAX, &[header(6), header(7)]).unwrap();
        assert_eq!(index.headers_from(u32::MAX).unwrap(), [header(6)]);
    }

    #[test]
    fn an_index_of_another_journal_or_schema_is_wiped() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(dir.path(), "a").unwrap();
        index.put_headers(0, &[header(1)]).unwrap();
        index.flush().unwrap();
        drop(index);
        let (index, found) = Index::open(dir.path(), "b").unwrap();
        assert_eq!(found, Found::Other { label: format!("upfront index {SCHEMA_VERSION} of a") });
        assert_eq!(index.headers_from(0).unwrap(), []);
        index.db.insert("label", "upfront index 0 of b").unwrap();
        index.flush().unwrap();
        drop(index);
        let (_, found) = Index::open(dir.path(), "b").unwrap();
        assert!(matches!(found, Found::Other { .. }));
    }

    #[test]
    fn a_lock_that_is_still_being_released_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(dir.path(), "a").unwrap();
        index.put_headers(0, &[header(1)]).unwrap();
        let releasing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(index);
        });
        let (index, found) = Index::open(dir.path(), "a").unwrap();
        assert_eq!((found, index.headers_from(0).unwrap().len()), (Found::Kept, 1));
        releasing.join().unwrap();
    }

    #[test]
    fn a_broken_index_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let path = dir.path().join(DIR);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("conf"), [0xff; 64]).unwrap();
            std::fs::write(path.join("db"), [0xff; 4096]).unwrap();
            let (index, found) = Index::open(dir.path(), "a").unwrap();
            let Found::Broken { saved_as, .. } = found else { panic!("{found:?}") };
            assert!(saved_as.join("db").exists());
            index.put_headers(0, &[header(1)]).unwrap();
            index.flush().unwrap();
            drop(index);
            let (index, found) = Index::open(dir.path(), "a").unwrap();
            assert_eq!((found, index.headers_from(0).unwrap().len()), (Found::Kept, 1));
        }
    }
}
