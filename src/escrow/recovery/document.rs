//! The recovery file as it is written: JSON with every key in one place, and the way back from it.
//!
//! Values are plain text and numbers here, so that a bad one is reported by its name and never quoted.

use super::super::charter::Charter;
use super::super::network::Network;
use super::super::refund::{BundleError, RefundBundle, RefundSignatures};
use super::super::statement::{Pledge, Role, Signed};
use super::{MAX_RECOVERY_BYTES, Origin, RecoveryError, RecoveryFile};
use bitcoin::address::NetworkUnchecked;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::secp256k1::{Keypair, Secp256k1, Signing, Verification, XOnlyPublicKey, schnorr};
use bitcoin::{Address, Amount, OutPoint, PrivateKey, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;

const VERSION: u32 = 1;

/// Every key of the file, in the order they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// For people. The only field that proves nothing and is not compared.
    instructions: Vec<String>,
    network: String,
    charter_id: String,
    /// Canonical JSON of the charter, as a string.
    charter: String,
    attestations: Attestations,
    /// Derivation index of the pledge.
    index: u32,
    sponsor_key: String,
    sponsor_key_path: Option<String>,
    phrase: Option<String>,
    refund_address: String,
    refund_path: Option<String>,
    pledge_signature: String,
    address: String,
    descriptor: String,
    private_descriptor: Option<String>,
    outpoints: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attestations {
    developer: String,
    representative: String,
    arbiter: String,
}

/// One outpoint with its refunds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    outpoint: String,
    amount_sat: u64,
    /// Generation of the pledge's address that it pays; left out for the first, 0.
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
    pair: SignedPart,
    ladder: Vec<SignedRung>,
}

/// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_first(generation: &u32) -> bool {
    *generation == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedPart {
    lock_time: u32,
    signature: String,
    transaction: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedRung {
    sat_per_vb: u64,
    lock_time: u32,
    signature: String,
    transaction: String,
}

impl RecoveryFile {
    /// The file as pretty JSON, secrets and all: for the sponsor's own disk, mode 0600.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.document()).expect("text and numbers are JSON");
        text.push('\n');
        text
    }

    fn document(&self) -> Document {
        let coin = self.charter.network().coin_type();
        let pledge = &self.pledge.statement;
        let [developer, representative, arbiter] = self.attestations.map(|signature| signature.to_string());
        Document {
            version: VERSION,
            instructions: self.instructions(),
            network: self.charter.network().to_string(),
            charter_id: self.charter.id().to_string(),
            charter: String::from_utf8(self.charter.bytes().to_vec()).expect("JSON is UTF-8"),
            attestations: Attestations { developer, representative, arbiter },
            index: pledge.index,
            sponsor_key: pledge.sponsor_key.to_string(),
            sponsor_key_path: self.origin.sponsor_key_index.map(|i| format!("m/86'/{coin}'/1'/0/{i}")),
            phrase: self.origin.phrase.clone(),
            refund_address: pledge.refund_address.to_string(),
            refund_path: self.origin.refund_address_index.map(|j| format!("m/86'/{coin}'/0'/0/{j}")),
            pledge_signature: self.pledge.signature.to_string(),
            address: self.output.address.to_string(),
            descriptor: self.output.descriptor(),
            private_descriptor: self.private_descriptor(),
            outpoints: self.bundles.iter().map(entry).collect(),
        }
    }

    fn instructions(&self) -> Vec<String> {
        let refund_time = self.charter.refund_time_secs();
        let address = &self.pledge.statement.refund_address;
        let lines = [
            "SECRET. Whoever has this file can take this pledge back to themselves after the refund time. Keep it offline, in two places.".to_owned(),
            format!("It gets your pledge on {} back when nobody helps you. Before the refund time T = {refund_time} (Unix seconds; `date -u -d @{refund_time}` shows the date) only two of the three signers can move the money.", self.charter.network()),
            "T has come when the median time of the last eleven blocks (mediantime in getblockchaininfo) is later than T; that is about an hour after T by the clock.".to_owned(),
            "1. With this program: `upfront recover FILE`. It needs this file and an Electrum server of your choice, nothing else.".to_owned(),
            format!("2. Without it: under outpoints, ladder, take the transaction whose sat_per_vb is enough for the day and broadcast it by any wallet, node or explorer that takes raw transactions, once its lock_time has passed. It pays {address} and nobody can change that."),
            "3. With Bitcoin Core, if there is a private_descriptor and no transaction serves: createwallet NAME false true; importdescriptors '[{\"desc\":\"PRIVATE_DESCRIPTOR\",\"timestamp\":0}]'; after T: sendall '[\"YOUR_ADDRESS\"]' options='{\"fee_rate\":5,\"locktime\":T}'. Give at least 2 sat/vB: Core underestimates this spend. Do not run sendall before T.".to_owned(),
            "Outpoints with a generation are what a milestone may leave of the pledge, at the next address of it: of several with one generation only one ever exists.".to_owned(),
            "If outpoints is empty, the file is older than your payment: ways 1 and 3 work all the same.".to_owned(),
            "charter, attestations, descriptor and address let anybody check that this address belongs to these terms.".to_owned(),
        ];
        lines.to_vec()
    }

    /// Reads a recovery file and derives everything in it again.
    ///
    /// # Errors
    /// [`RecoveryError`], which names the field that is wrong and quotes nothing.
    pub fn parse<C: Signing + Verification>(
        secp: &Secp256k1<C>,
        bytes: &[u8],
    ) -> Result<RecoveryFile, RecoveryError> {
        if bytes.len() > MAX_RECOVERY_BYTES {
            return Err(RecoveryError::TooLong { bytes: bytes.len(), max: MAX_RECOVERY_BYTES });
        }
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|e| RecoveryError::NotARecoveryFile { line: e.line(), column: e.column() })?;
        if document.version != VERSION {
            return Err(RecoveryError::Version { given: document.version });
        }
        let mut file = header(secp, &document)?;
        for (at, entry) in document.outpoints.iter().enumerate() {
            let bundle = bundle(secp, &file, entry, &format!("outpoints.{at}"))?;
            let outpoint = bundle.target().outpoint();
            if file.bundles.iter().any(|held| held.target().outpoint() == outpoint) {
                return Err(RecoveryError::DuplicateOutpoint { field: format!("outpoints.{at}"), outpoint });
            }
            file.bundles.push(bundle);
        }
        // What was not needed to get here must still be what it would be if written now.
        match first_difference(&to_value(&document), &to_value(&file.document())) {
            None => Ok(file),
            Some(field) => Err(RecoveryError::Mismatch { field }),
        }
    }
}

/// All but the outpoints.
fn header<C: Signing + Verification>(
    secp: &Secp256k1<C>,
    document: &Document,
) -> Result<RecoveryFile, RecoveryError> {
    let unreadable = |field: &str| RecoveryError::Unreadable { field: field.into() };
    let network: Network = document.network.parse().map_err(|_| unreadable("network"))?;
    let charter = Charter::parse(document.charter.as_bytes())?;
    if charter.network() != network {
        return Err(RecoveryError::Mismatch { field: "network".into() });
    }
    if charter.id().to_string() != document.charter_id {
        return Err(RecoveryError::Mismatch { field: "charter_id".into() });
    }
    let Attestations { developer, representative, arbiter } = &document.attestations;
    let attestations = [
        signature(developer, || format!("attestations.{}", Role::Developer))?,
        signature(representative, || format!("attestations.{}", Role::Representative))?,
        signature(arbiter, || format!("attestations.{}", Role::Arbiter))?,
    ];
    let sponsor_key: XOnlyPublicKey = document.sponsor_key.parse().map_err(|_| unreadable("sponsor_key"))?;
    let refund_address: Address<NetworkUnchecked> =
        document.refund_address.parse().map_err(|_| unreadable("refund_address"))?;
    let refund_address = refund_address
        .require_network(network.bitcoin())
        .map_err(|_| RecoveryError::Mismatch { field: "refund_address".into() })?;
    let statement =
        Pledge { network, charter: charter.id(), index: document.index, sponsor_key, refund_address };
    let pledge =
        Signed { statement, signature: signature(&document.pledge_signature, || "pledge_signature".into())? };
    let key = match &document.private_descriptor {
        None => None,
        Some(descriptor) => {
            let key = private_key(descriptor).ok_or(unreadable("private_descriptor"))?;
            Some(Keypair::from_secret_key(secp, &key.inner))
        }
    };
    let coin = network.coin_type();
    let origin = Origin {
        sponsor_key_index: last_step(
            &document.sponsor_key_path,
            &format!("m/86'/{coin}'/1'/0/"),
            "sponsor_key_path",
        )?,
        refund_address_index: last_step(
            &document.refund_path,
            &format!("m/86'/{coin}'/0'/0/"),
            "refund_path",
        )?,
        phrase: document.phrase.clone(),
    };
    RecoveryFile::new(secp, charter, attestations, pledge, key, origin)
}

fn bundle<C: Verification>(
    secp: &Secp256k1<C>,
    file: &RecoveryFile,
    entry: &Entry,
    field: &str,
) -> Result<RefundBundle, RecoveryError> {
    let outpoint: OutPoint = entry
        .outpoint
        .parse()
        .map_err(|_| RecoveryError::Unreadable { field: format!("{field}.outpoint") })?;
    let mut ladder = Vec::new();
    for (at, rung) in entry.ladder.iter().enumerate() {
        ladder.push(signature(&rung.signature, || format!("{field}.ladder.{at}.signature"))?);
    }
    let signatures = RefundSignatures {
        outpoint,
        amount_sat: entry.amount_sat,
        pair: signature(&entry.pair.signature, || format!("{field}.pair.signature"))?,
        ladder,
    };
    let target = file
        .target_at(secp, entry.generation, outpoint, Amount::from_sat(entry.amount_sat))
        .map_err(|_| RecoveryError::Unreadable { field: format!("{field}.generation") })?;
    let rungs = target.ladder();
    RefundBundle::check(secp, target, signatures).map_err(|source| {
        let part = match &source {
            BundleError::Outpoint { .. } => ".outpoint".to_owned(),
            BundleError::Amount { .. } => ".amount_sat".to_owned(),
            BundleError::Pair => ".pair".to_owned(),
            BundleError::LadderLength { .. } | BundleError::NoRung => ".ladder".to_owned(),
            BundleError::Key => String::new(),
            BundleError::Rung { sat_per_vb } => {
                let at = rungs.iter().position(|(rung, _)| rung.sat_per_vb == *sat_per_vb);
                at.map_or(".ladder".to_owned(), |at| format!(".ladder.{at}"))
            }
        };
        RecoveryError::Refund { field: format!("{field}{part}"), source }
    })
}

fn entry(bundle: &RefundBundle) -> Entry {
    let signatures = bundle.signatures();
    let pair = bundle.pair();
    let rung = |((rung, tx), signature): ((super::super::refund::Rung, Transaction), &schnorr::Signature)| {
        SignedRung {
            sat_per_vb: rung.sat_per_vb,
            lock_time: tx.lock_time.to_consensus_u32(),
            signature: signature.to_string(),
            transaction: serialize_hex(&tx),
        }
    };
    Entry {
        outpoint: signatures.outpoint.to_string(),
        amount_sat: signatures.amount_sat,
        generation: bundle.target().output().slot.generation,
        pair: SignedPart {
            lock_time: pair.lock_time.to_consensus_u32(),
            signature: signatures.pair.to_string(),
            transaction: serialize_hex(&pair),
        },
        ladder: bundle.ladder().into_iter().zip(&signatures.ladder).map(rung).collect(),
    }
}

/// A statement's (BIP340 or BIP322) or a refund's (BIP340) signature.
fn signature<S: FromStr>(text: &str, field: impl Fn() -> String) -> Result<S, RecoveryError> {
    text.parse().map_err(|_| RecoveryError::Unreadable { field: field() })
}

/// The WIF key in `v:pk(...)` of a private descriptor.
fn private_key(descriptor: &str) -> Option<PrivateKey> {
    let (_, rest) = descriptor.split_once("v:pk(")?;
    let (wif, _) = rest.split_once(')')?;
    // 52 characters hold a compressed key of any network; base58 decoding is quadratic.
    if wif.len() > 52 { None } else { PrivateKey::from_wif(wif).ok() }
}

fn last_step(path: &Option<String>, before: &str, field: &str) -> Result<Option<u32>, RecoveryError> {
    let Some(path) = path else { return Ok(None) };
    let index = path.strip_prefix(before).and_then(|step| step.parse().ok());
    index.map(Some).ok_or(RecoveryError::Unreadable { field: field.into() })
}

fn to_value(document: &Document) -> Value {
    let mut value = serde_json::to_value(document).expect("text and numbers are JSON");
    if let Some(fields) = value.as_object_mut() {
        // Words for people; a later version may say them better.
        fields.remove("instructions");
    }
    value
}

/// Path of the first value that differs.
fn first_difference(given: &Value, derived: &Value) -> Option<String> {
    let below = |step: &str, rest: Option<String>| {
        rest.map(|rest| if rest.is_empty() { step.to_owned() } else { format!("{step}.{rest}") })
    };
    match (given, derived) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, value)| match b.get(key) {
            None => Some(key.clone()),
            Some(other) => below(key, first_difference(value, other)),
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (value, other))| below(&at.to_string(), first_difference(value, other))),
        _ if given == derived => None,
        _ => Some(String::new()),
    }
}
