//! What the chain's part of a document proves: headers linked and with work, median times past, Merkle
//! branches, and that each outpoint and spend is what its transaction says.

use super::build::HEADERS_BELOW;
use super::check::Ground;
use super::{Findings, OutpointProof, ProofDocument, SpendProof, TransactionProof, path};
use crate::escrow::charter::Charter;
use crate::escrow::descriptor::{EscrowOutput, OPEN_INDEX, Slot};
use crate::escrow::facts::Confirmation;
use crate::escrow::merkle::{self, MerkleError};
use bitcoin::block::Header;
use bitcoin::{Amount, OutPoint, Transaction, TxOut, Txid};
use std::collections::BTreeSet;

/// Median time past of the block at `height` (BIP113), if all its headers are there.
pub fn mtp_secs(height: u32, header: impl Fn(u32) -> Option<Header>) -> Option<u32> {
    let mut times = (height.saturating_sub(HEADERS_BELOW)..=height)
        .map(|at| Some(header(at)?.time))
        .collect::<Option<Vec<u32>>>()?;
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

impl ProofDocument {
    fn header(&self, height: u32) -> Option<Header> {
        self.headers.get(&height).map(|header| header.0)
    }

    /// Where a transaction is mined, as the document says.
    pub(super) fn confirmation(&self, txid: &Txid) -> Option<Confirmation> {
        self.transactions.get(txid)?.confirmation
    }

    pub(super) fn raw(&self, txid: &Txid) -> Option<&Transaction> {
        self.transactions.get(txid)?.raw.as_ref().map(|raw| &raw.0)
    }

    fn prevout(&self, outpoint: &OutPoint) -> Option<TxOut> {
        let vout = usize::try_from(outpoint.vout).ok()?;
        self.raw(&outpoint.txid)?.output.get(vout).cloned()
    }
}

/// Headers, tip and transactions.
pub(super) fn chain(document: &ProofDocument, charter: &Charter, findings: &mut Findings) {
    headers(document, charter, findings);
    let tip = document.tip;
    // Depths count from the block above the tip.
    findings.unless(tip.height < u32::MAX, "tip/height", "no chain is that high");
    match document.header(tip.height) {
        None => findings.add(format!("headers/{}", tip.height), "missing: it is the tip's"),
        Some(header) => {
            findings.unless(
                header.block_hash() == tip.hash,
                "tip/hash",
                "not the hash of the header at its height",
            );
            median(document, tip.height, tip.mtp_secs, "tip/mtp_secs", findings);
        }
    }
    for (txid, proof) in &document.transactions {
        transaction(document, txid, proof, findings);
    }
}

fn headers(document: &ProofDocument, charter: &Charter, findings: &mut Findings) {
    let params = charter.network().params();
    let limit = bitcoin::Target::from_compact(params.max_attainable_target.to_compact_lossy());
    let genesis = bitcoin::constants::genesis_block(charter.network().bitcoin()).block_hash();
    for (height, header) in &document.headers {
        let (field, header) = (format!("headers/{height}"), header.0);
        if header.validate_pow(header.target()).is_err() || header.target() > limit {
            findings.add(&field, "no proof of work, or for a target that the network does not allow");
        }
        if *height == 0 && header.block_hash() != genesis {
            findings.add(&field, "not the network's first block");
        }
        let above = height.checked_add(1).and_then(|above| document.header(above));
        if above.is_some_and(|above| above.prev_blockhash != header.block_hash()) {
            findings.add(&field, "the header above does not follow it");
        }
    }
}

/// Compares a claimed median time past with the one of the document's headers.
pub(super) fn median(
    document: &ProofDocument,
    height: u32,
    claimed: u32,
    field: &str,
    findings: &mut Findings,
) {
    match mtp_secs(height, |at| document.header(at)) {
        Some(mtp) if mtp == claimed => {}
        Some(mtp) => findings.add(field, format!("{claimed}; the eleven headers up to {height} give {mtp}")),
        None => {
            let missing =
                (height.saturating_sub(HEADERS_BELOW)..=height).find(|at| document.header(*at).is_none());
            let missing = missing.unwrap_or(height);
            findings.add(
                format!("headers/{missing}"),
                format!("missing: the median time past of {height} needs it"),
            );
        }
    }
}

fn transaction(document: &ProofDocument, txid: &Txid, proof: &TransactionProof, findings: &mut Findings) {
    let field = |name: &str| format!("transactions/{txid}/{name}");
    let Some(raw) = &proof.raw else {
        findings.unless(proof.confirmation.is_none(), field("raw"), "missing, though it is said to be mined");
        return;
    };
    let found = raw.0.compute_txid();
    findings.unless(found == *txid, field("raw"), format!("this is transaction {found}"));
    let Some(at) = proof.confirmation else { return };
    findings.unless(at.height <= document.tip.height, field("confirmation/height"), "above the tip");
    let Some(header) = document.header(at.height) else {
        return findings
            .add(format!("headers/{}", at.height), format!("missing: {txid} is said to be mined there"));
    };
    if header.block_hash() != at.block_hash {
        let elsewhere = document.headers.values().any(|header| header.0.block_hash() == at.block_hash);
        let name = if elsewhere { "confirmation/height" } else { "confirmation/block_hash" };
        return findings.add(field(name), "the document's header at this height has another hash");
    }
    median(document, at.height, at.mtp_secs, &field("confirmation/mtp_secs"), findings);
    let Err(error) = merkle::verify(&raw.0, at.position, &proof.branch, &header) else { return };
    let proves = |header: &Header| merkle::verify(&raw.0, at.position, &proof.branch, header).is_ok();
    let name = match error {
        MerkleError::NoSuchPosition { .. }
        | MerkleError::CopiedNode { .. }
        | MerkleError::CoinbasePosition { .. } => "confirmation/position",
        MerkleError::WrongRoot { .. } if document.headers.values().any(|header| proves(&header.0)) => {
            "confirmation/height"
        }
        MerkleError::WrongRoot { .. }
        | MerkleError::SixtyFourBytes { .. }
        | MerkleError::ThroughTransaction { .. }
        | MerkleError::TooDeep { .. } => "branch",
    };
    findings.add(field(name), error);
}

/// Every outpoint against its transaction and the address derived for it.
pub(super) fn outpoints(ground: &Ground<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    let mut sum = Amount::ZERO;
    let (mut pays, mut strays) = (false, false);
    for (at, proof) in ground.document.outpoints.iter().enumerate() {
        let field = |name: &str| format!("outpoints/{at}/{name}");
        findings.unless(seen.insert(proof.outpoint), field("outpoint"), "named twice");
        match sum.checked_add(Amount::from_sat(proof.amount_sat)).filter(|sum| *sum <= Amount::MAX_MONEY) {
            Some(more) => sum = more,
            None => findings.add(field("amount_sat"), "with those before it more than 21 million BTC"),
        }
        let slot = Slot { index: proof.index, generation: proof.generation };
        let Some(output) = ground.outputs.get(&slot) else {
            findings.add(
                field("index"),
                format!("the document has no address {}/{}", slot.generation, slot.index),
            );
            continue;
        };
        match outpoint(ground, proof, output, &field, findings) {
            Some(true) => pays = true,
            Some(false) => strays = true,
            None => {}
        }
        if let Some(spent) = &proof.spend {
            spend(ground, proof, spent, output, &field, findings);
        }
    }
    if strays && !pays {
        findings.add("charter", "no output pays an address of this charter: a term that all addresses commit to (T, a key, a share, ...) is not what the sponsors paid under");
    }
}

/// Whether it pays the address; `None` if nobody can tell.
fn outpoint(
    ground: &Ground<'_>,
    proof: &OutpointProof,
    output: &EscrowOutput,
    field: &dyn Fn(&str) -> String,
    findings: &mut Findings,
) -> Option<bool> {
    let OutPoint { txid, vout } = proof.outpoint;
    let Some(transaction) = ground.document.transactions.get(&txid) else {
        findings.add(field("outpoint"), format!("the document lacks transaction {txid}"));
        return None;
    };
    // In the mempool only: it counts for nothing anyway.
    let raw = &transaction.raw.as_ref()?.0;
    let Some(paid) = usize::try_from(vout).ok().and_then(|vout| raw.output.get(vout)) else {
        findings.add(field("outpoint"), format!("transaction {txid} has no output {vout}"));
        return None;
    };
    if paid.value != Amount::from_sat(proof.amount_sat) {
        let problem = format!("{} sat; the output has {} sat", proof.amount_sat, paid.value.to_sat());
        findings.add(field("amount_sat"), problem);
    }
    if paid.script_pubkey == output.script_pubkey {
        return Some(true);
    }
    let derived = &output.address;
    let other = ground.outputs.values().find(|other| other.script_pubkey == paid.script_pubkey);
    match other {
        Some(other) => {
            findings
                .add(field("index"), format!("the output pays the address of index {}", other.slot.index));
        }
        None if proof.index == OPEN_INDEX => {
            findings.add(field("outpoint"), format!("the output does not pay the open address {derived}"));
        }
        None => {
            let problem =
                format!("with this key the address is {derived}, which {} does not pay", proof.outpoint);
            let at = ground.document.pledges.iter().position(|pledge| pledge.index == proof.index);
            findings.add(format!("pledges/{}/sponsor_key", at.unwrap_or_default()), problem);
        }
    }
    Some(false)
}

fn spend(
    ground: &Ground<'_>,
    proof: &OutpointProof,
    spend: &SpendProof,
    output: &EscrowOutput,
    field: &dyn Fn(&str) -> String,
    findings: &mut Findings,
) {
    let document = ground.document;
    let Some(transaction) = document.transactions.get(&spend.txid) else {
        return findings.add(field("spend/txid"), "the document lacks this transaction");
    };
    match (document.confirmation(&proof.outpoint.txid), transaction.confirmation) {
        (None, Some(_)) => findings.add(field("spend/txid"), "mined, though what it spends is not"),
        (Some(paid), Some(spent)) if spent.height < paid.height => {
            findings.add(field("spend/txid"), "mined below what it spends");
        }
        _ => {}
    }
    let Some(raw) = document.raw(&spend.txid) else { return };
    let input = usize::try_from(spend.vin).ok().and_then(|vin| raw.input.get(vin));
    if input.is_none_or(|input| input.previous_output != proof.outpoint) {
        return findings.add(field("spend/vin"), format!("this input does not spend {}", proof.outpoint));
    }
    match path::proven(&ground.secp, output, raw, spend.vin, |outpoint| document.prevout(outpoint)) {
        Ok(path) if path == spend.path => {}
        Ok(path) => findings.add(field("spend/path"), format!("the witness takes the way {path:?}")),
        Err(problem) => findings.add(field("spend/path"), problem),
    }
}
