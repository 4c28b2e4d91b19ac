//! The proof document: all public data of one task, from which anyone recomputes its addresses, its
//! balances and its tally. Whoever reads it trusts neither the service that wrote it nor its claims.
//!
//! [`ProofDocument::build`] writes one from a task and the chain's evidence; [`check`] reads one, checks
//! every signature, Merkle branch and header, folds the very events a journal would hold, and compares
//! what follows with what is claimed. [`allowed`] tells a signer what a settlement does, and refuses what
//! charter and votes do not allow.
//!
//! What it cannot tell without a chain: whether its headers are in the best chain, and whether it leaves
//! an output or a spend out. `verify` asks a server for that.

mod allowed;
mod build;
mod check;
mod claims;
mod heard;
mod kept;
mod mined;
mod path;
mod said;
mod settled;

pub use allowed::{Beside, Explanation, TransactionWords, allowed, allowed_beside, allowed_hearing};
pub use build::{Evidence, MissingEvidence, Needs, needs};
pub use check::{Checked, Examined, check, examine};
pub use mined::mtp_secs;

use super::ballot::{CastVote, Tally};
use super::charter::{Charter, canonical};
use super::facts::{Confirmation, SpendPath, Tip};
use super::pledge::{Standing, Totals};
use super::settlement::Terms;
use super::signature::StatementSignature;
use super::statement::{
    Acceptance, CharterId, Evidence as SaidInEvidence, MergeConfirmation, Move, Role, Ruling, SettlementId,
    Signed, Submission, SubmissionId,
};
use bitcoin::block::Header;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, TxMerkleNode, Txid};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Format of the document.
pub const VERSION: u32 = 1;

/// All public data of one task, as of one tip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofDocument {
    /// [`VERSION`].
    pub version: u32,
    /// Claim: id of the charter.
    pub charter_id: CharterId,
    /// Canonical text of the charter.
    pub charter: String,
    /// The task's text, whose hash the charter names.
    pub text: String,
    /// Who agreed to the charter: BIP340 signatures over its id.
    pub attestations: BTreeMap<Role, StatementSignature>,
    /// Whether addresses are issued; needs all three attestations.
    pub opened: bool,
    /// The tip under which everything is computed.
    pub tip: Tip,
    /// Claim: every address of the task, the open one first.
    pub addresses: Vec<AddressClaim>,
    /// Pledges by index, from 1.
    pub pledges: Vec<PledgeProof>,
    /// Everything that pays the task's addresses now.
    pub outpoints: Vec<OutpointProof>,
    /// The transactions that create and spend these outpoints.
    pub transactions: BTreeMap<Txid, TransactionProof>,
    /// Every header that is referred to, by height, each with the ten below it (for its median time past).
    pub headers: BTreeMap<u32, HexHeader>,
    /// Sponsors' consents that an outpoint moves to another charter, by outpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Signed<Move>>,
    /// Their consents that it moves from T on, by themselves alone. The txids that carry one out follow from it, so that
    /// whoever reads the document sees on the chain which were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_moves: Vec<Signed<Move>>,
    /// Submissions with everything said about them.
    pub submissions: Vec<SubmissionProof>,
    /// Settlements that were proposed.
    pub settlements: Vec<SettlementProof>,
    /// Claim: sums over the outpoints.
    pub totals: Totals,
}

/// Claim: an address of the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressClaim {
    /// Derivation index; 0 is the open address.
    pub index: u32,
    /// Generation.
    pub generation: u32,
    /// In hex.
    pub script_pubkey: ScriptBuf,
    /// On the charter's network.
    pub address: String,
    /// With checksum.
    pub descriptor: String,
}

/// A pledge as it was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PledgeProof {
    /// Derivation index, from 1.
    pub index: u32,
    /// S.
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go.
    pub refund_address: String,
    /// The sponsor's signature over the pledge statement.
    pub signature: StatementSignature,
    /// What the sponsor meant to pay, in satoshis. The service's word; nothing follows from it.
    pub promised_sat: u64,
    /// Median time past when it was issued, Unix seconds. The service's word.
    pub issued_mtp_secs: u32,
}

/// An output that pays an address of the task. Its transaction is in [`ProofDocument::transactions`],
/// unless it is in the mempool only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutpointProof {
    /// The output.
    pub outpoint: OutPoint,
    /// Index of the address it pays.
    pub index: u32,
    /// Generation of that address.
    pub generation: u32,
    /// Its value in satoshis.
    pub amount_sat: u64,
    /// Whether the service holds a refund for it. The service's word: refunds are not published.
    pub secured: bool,
    /// What spends it.
    pub spend: Option<SpendProof>,
    /// Claim: what it counts as.
    pub standing: Standing,
}

/// What spends an outpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpendProof {
    /// The spending transaction.
    pub txid: Txid,
    /// Its input that does.
    pub vin: u32,
    /// Claim: the way it took.
    pub path: SpendPath,
}

/// A transaction, and if it is mined, the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionProof {
    /// With witnesses. May be missing while it is in the mempool only.
    pub raw: Option<HexTransaction>,
    /// Where it is mined.
    pub confirmation: Option<Confirmation>,
    /// Siblings from the leaf upwards.
    pub branch: Vec<TxMerkleNode>,
}

/// A submission with everything said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionProof {
    /// Claim: its id.
    pub id: SubmissionId,
    /// As the developer signed it.
    pub submission: Signed<Submission>,
    /// Hash of the block now at the named height.
    pub block_hash: BlockHash,
    /// Median time past of that block, Unix seconds.
    pub block_mtp_secs: u32,
    /// The leader's confirmation of a merge or release, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<ConfirmationProof>,
    /// Every vote with its receipt, in order of arrival.
    pub votes: Vec<CastVote>,
    /// The representative's word.
    pub acceptance: Option<Signed<Acceptance>>,
    /// The arbiter's word.
    pub ruling: Option<Signed<Ruling>>,
    /// Disputes and evidence, in order of arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Signed<SaidInEvidence>>,
    /// Claim: the count.
    pub tally: Tally,
}

/// The leader's word that opens a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationProof {
    /// As the leader signed it.
    pub confirmation: Signed<MergeConfirmation>,
    /// Hash of the block now at the named height.
    pub block_hash: BlockHash,
    /// Median time past of that block, Unix seconds: the review opens with it.
    pub block_mtp_secs: u32,
}

/// A settlement. Signatures are not published: two signers' would let anybody send the dearest form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementProof {
    /// Claim: id of the terms.
    pub id: SettlementId,
    /// Everything its transactions follow from.
    pub terms: Terms,
    /// Who has signed all of it. The service's word.
    pub signed_by: Vec<Role>,
    /// Median time past when it was proposed, Unix seconds. The service's word.
    pub proposed_mtp_secs: u32,
    /// Claim: every form of every transaction.
    pub transactions: Vec<Vec<FormClaim>>,
}

/// Claim: a transaction of a settlement at one feerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormClaim {
    /// Its feerate is at least this, sat/vB.
    pub feerate_sat_per_vb: u64,
    /// Its fee in satoshis.
    pub fee_sat: u64,
    /// Its txid.
    pub txid: Txid,
}

/// Something in a document that is not so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Path of the field, steps parted by `/`, lists counted from 0: `submissions/0/votes/3/receipt`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Collects findings in the order they are made.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, field: impl Into<String>, problem: impl fmt::Display) {
        self.0.push(Finding { field: field.into(), problem: problem.to_string() });
    }

    /// Notes that `condition` does not hold.
    fn unless(&mut self, condition: bool, field: impl Into<String>, problem: impl fmt::Display) {
        if !condition {
            self.add(field, problem);
        }
    }
}

/// Compares the document's charter with one that the reader has from elsewhere, term by term. A charter
/// that nobody attested is found by [`check`] too, but not which of its terms was changed.
pub fn other_terms(document: &ProofDocument, charter: &Charter) -> Vec<Finding> {
    let mut findings = Findings::default();
    match Charter::parse(document.charter.as_bytes()) {
        Ok(given) => claims::compare("charter", given.fields(), charter.fields(), &mut findings),
        Err(error) => findings.add("charter", error),
    }
    findings.0
}

/// A text that is no proof document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADocument {
    /// Not JSON, or not of this shape.
    #[error("not a proof document: {detail}")]
    Shape {
        /// What the parser says.
        detail: String,
    },
    /// A key nobody knows, or one that is given twice.
    #[error("the proof document has a key {key:?} that is unknown or given twice")]
    Key {
        /// The key.
        key: String,
    },
}

impl ProofDocument {
    /// Reads a document strictly: no unknown and no repeated key at any depth. Checks nothing else.
    ///
    /// # Errors
    /// If the text is of another shape.
    pub fn parse(text: &str) -> Result<ProofDocument, NotADocument> {
        let shape = |error: serde_json::Error| NotADocument::Shape { detail: error.to_string() };
        if let Some(key) = canonical::first_duplicate_key(text).map_err(shape)? {
            return Err(NotADocument::Key { key });
        }
        let document: ProofDocument = serde_json::from_str(text).map_err(shape)?;
        let given = serde_json::from_str(text).map_err(shape)?;
        let known = serde_json::to_value(&document).map_err(shape)?;
        match canonical::first_unknown_key(&given, &known) {
            Some(key) => Err(NotADocument::Key { key }),
            None => Ok(document),
        }
    }
}

macro_rules! hex_type {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&serialize_hex(&self.0))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let hex = Cow::<'de, str>::deserialize(deserializer)?;
                let inner = deserialize_hex(&hex)
                    .map_err(|error| de::Error::custom(format!("not {} in hex: {error}", $what)))?;
                Ok($name(inner))
            }
        }
    };
}

hex_type!(
    /// A block header, written as its 80 bytes in hex.
    HexHeader(Header),
    "a block header"
);
hex_type!(
    /// A transaction, written as its consensus encoding in hex.
    HexTransaction(Transaction),
    "a transaction"
);

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
