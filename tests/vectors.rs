//! The published test vectors, `descriptors/vectors.json`: made here from fixed seeds and compared with the
//! committed file byte for byte. `UPFRONT_WRITE_VECTORS=1 cargo test vectors` writes the file anew; do that
//! only for a new version of the format, since other programs rely on it. All phrases are public: nothing
//! they lead to must ever hold money.

mod broken;
mod cases;
mod charters;
pub mod milestones;
mod spends;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The whole file. Explained field by field in `descriptors/README.md`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    pub version: u32,
    pub charters: Vec<CharterCase>,
    pub broken_charters: Vec<BrokenCase>,
    pub addresses: Vec<AddressCase>,
    pub refunds: Vec<RefundCase>,
    pub votes: Vec<VoteCase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterCase {
    pub text: String,
    pub id: String,
    pub developer: AttestationCase,
    pub representative: AttestationCase,
    pub arbiter: AttestationCase,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationCase {
    pub phrase: String,
    pub account: u32,
    pub key: String,
    pub statement_key: String,
    pub signature: String,
    pub bip322_key: String,
    pub bip322_signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenCase {
    pub charter: usize,
    pub find: String,
    pub replace: String,
    pub sha256: String,
    pub code: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressCase {
    pub network: String,
    pub developer: String,
    pub representative: String,
    pub arbiter: String,
    pub charter_id: String,
    pub refund_time: u32,
    pub generation: u32,
    pub index: u32,
    pub sponsor_key: Option<String>,
    pub aggregate_key: String,
    pub synthetic_xpub: String,
    pub internal_key: String,
    pub cooperative_leaf: String,
    pub refund_leaf: Option<String>,
    pub descriptor: String,
    pub musig_descriptor: String,
    pub script_pubkey: String,
    pub address: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundCase {
    pub charter: usize,
    pub refund_time: u32,
    pub generation: u32,
    pub index: u32,
    pub phrase: String,
    pub path: String,
    pub outpoint: String,
    pub amount_sat: u64,
    pub refund_address: String,
    pub sponsor_key: String,
    pub script_pubkey: String,
    pub pledge_lines: String,
    pub pledge_signature: String,
    pub pair: SignedTransaction,
    pub ladder: Vec<RungCase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTransaction {
    pub signature: String,
    pub txid: String,
    pub transaction: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungCase {
    pub sat_per_vb: u64,
    pub lock_time: u32,
    pub signature: String,
    pub txid: String,
    pub transaction: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteCase {
    pub charter: usize,
    pub submission: String,
    pub pledge: u32,
    pub choice: String,
    pub counter: u32,
    pub phrase: String,
    pub path: String,
    pub key: String,
    pub lines: String,
    pub digest: String,
    pub signature: String,
    pub bip322_signature: String,
}

fn path() -> PathBuf {
    in_descriptors("vectors.json")
}

fn in_descriptors(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("descriptors").join(name)
}

/// The committed file.
pub fn read() -> Vectors {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn generate() -> Vectors {
    let charters = charters::all();
    Vectors {
        version: 1,
        charters: charters.iter().map(charters::Signed::case).collect(),
        broken_charters: broken::cases(&charters),
        addresses: cases::addresses(&charters),
        refunds: cases::refunds(&charters),
        votes: cases::votes(&charters),
    }
}

/// Compares what this code makes with a committed file, or writes it.
fn committed_is(path: &Path, made: &impl Serialize) {
    let mut made = serde_json::to_string_pretty(made).unwrap();
    made.push('\n');
    if std::env::var_os("UPFRONT_WRITE_VECTORS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    let differs = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    assert_eq!(differs, None, "{} differs from line (0-based) on", path.display());
    assert!(made == committed, "{} differs in length", path.display());
}

#[test]
fn the_committed_vectors_are_what_this_code_makes() {
    committed_is(&path(), &generate());
}

#[test]
fn there_are_as_many_vectors_as_promised() {
    let vectors = read();
    assert_eq!(vectors.charters.len(), 4);
    assert!(vectors.broken_charters.len() >= 12);
    assert!(vectors.addresses.len() >= 24);
    assert_eq!(vectors.refunds.len(), 8);
    assert_eq!(vectors.votes.len(), 8);
    for network in ["mainnet", "testnet4", "signet", "regtest"] {
        assert!(vectors.addresses.iter().filter(|case| case.network == network).count() >= 6, "{network}");
    }
    let scripts: std::collections::HashSet<&str> =
        vectors.addresses.iter().map(|case| case.script_pubkey.as_str()).collect();
    assert_eq!(scripts.len(), vectors.addresses.len(), "no two cases share an output");
}
