//! PSBTs that come back from signers: each must be one of this settlement's forms to the last field, and
//! hold good signatures for all its inputs.
//!
//! Fields of a PSBT that nothing here relies on (what else a wallet knows of its keys) are passed over.

mod difference;
mod error;

pub use difference::Difference;
pub use error::PsbtError;

use super::super::statement::Role;
use super::signatures::messages;
use super::{CheckedSignatures, Chunk, ChunkInput, Form, Place, Plan, RoleSignatures};
use bitcoin::psbt::{Input, Psbt};
use bitcoin::secp256k1::{Message, Secp256k1, Verification, schnorr};
use bitcoin::sighash::TapSighashType;
use bitcoin::taproot::Signature;
use bitcoin::{OutPoint, Txid, Witness};
use std::collections::{BTreeMap, HashMap};

/// One signer's signatures over the inputs of one form, as far as they came.
type Partial = Vec<Option<schnorr::Signature>>;

impl Plan {
    /// Takes the signatures out of PSBTs, each verified; forms that did not come stay unsigned.
    ///
    /// # Errors
    /// See [`PsbtError`]. One bad PSBT refuses them all.
    pub fn read_psbts<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        psbts: &[Psbt],
    ) -> Result<BTreeMap<Role, CheckedSignatures>, PsbtError> {
        if psbts.is_empty() {
            return Err(PsbtError::Nothing);
        }
        let forms: HashMap<Txid, (usize, usize, Place)> = self
            .chunks()
            .iter()
            .enumerate()
            .flat_map(|(at, chunk)| {
                chunk.forms.iter().enumerate().map(move |(form_at, form)| (at, form_at, form))
            })
            .zip(self.forms())
            .map(|((at, form_at, form), (place, ..))| (form.txid, (at, form_at, place)))
            .collect();
        let mut found: BTreeMap<Role, RoleSignatures> = BTreeMap::new();
        for (number, psbt) in psbts.iter().enumerate() {
            let (at, form_at, place) = *forms
                .get(&psbt.unsigned_tx.compute_txid())
                .ok_or_else(|| self.other_transaction(number, psbt))?;
            let chunk = &self.chunks()[at];
            for (role, list) in read_form(secp, place, chunk, &chunk.forms[form_at], psbt)? {
                let signatures = found.entry(role).or_insert_with(|| self.unsigned(role));
                signatures.chunks[at][form_at] = list;
            }
        }
        let checked = |signatures| CheckedSignatures::from_verified(self.id(), signatures);
        Ok(found.into_iter().map(|(role, signatures)| (role, checked(signatures))).collect())
    }

    /// The shape of one signer's signatures, without any.
    fn unsigned(&self, role: Role) -> RoleSignatures {
        let chunks = self.chunks().iter().map(|chunk| vec![Vec::new(); chunk.forms.len()]).collect();
        RoleSignatures { role, chunks }
    }

    /// Says in what a PSBT differs from the form that is most like it.
    fn other_transaction(&self, number: usize, psbt: &Psbt) -> PsbtError {
        let (place, differences) = self
            .forms()
            .map(|(place, _, form)| (place, difference::differences(form, &psbt.unsigned_tx)))
            .min_by_key(|(_, differences)| differences.len())
            .expect("a plan has at least one form");
        let difference = differences
            .into_iter()
            .next()
            .expect("transactions with different ids differ in a field of the id");
        PsbtError::OtherTransaction { number, place, difference }
    }
}

/// Everybody's signatures over one form; at least one signer's.
fn read_form<C: Verification>(
    secp: &Secp256k1<C>,
    place: Place,
    chunk: &Chunk,
    form: &Form,
    psbt: &Psbt,
) -> Result<BTreeMap<Role, Vec<schnorr::Signature>>, PsbtError> {
    let (given, expected) = (psbt.inputs.len(), chunk.inputs.len());
    if given != expected {
        return Err(PsbtError::InputCount { place, given, expected });
    }
    let mut partial: BTreeMap<Role, Partial> = BTreeMap::new();
    for (at, ((input, message), given)) in
        chunk.inputs.iter().zip(messages(chunk, form)).zip(&psbt.inputs).enumerate()
    {
        let reader = Reader { place, input, outpoint: input.term.outpoint };
        reader.check_fields(given)?;
        for (role, signature) in reader.signatures(given)? {
            reader.verify(secp, &message, role, &signature)?;
            partial.entry(role).or_insert_with(|| vec![None; expected])[at] = Some(signature);
        }
    }
    if partial.is_empty() {
        return Err(PsbtError::NoSignature { place });
    }
    let whole = |(role, list): (Role, Partial)| {
        let missing = || {
            let unsigned = chunk.inputs.iter().zip(&list).filter(|(_, signature)| signature.is_none());
            unsigned.map(|(input, _)| input.term.outpoint).collect()
        };
        let all: Option<Vec<schnorr::Signature>> = list.iter().copied().collect();
        match all {
            Some(all) => Ok((role, all)),
            None => Err(PsbtError::Incomplete { role, place, missing: missing() }),
        }
    };
    partial.into_iter().map(whole).collect()
}

/// One input of a PSBT against what it must be.
struct Reader<'a> {
    place: Place,
    input: &'a ChunkInput,
    outpoint: OutPoint,
}

impl Reader<'_> {
    /// What a PSBT repeats of the contract must be right, or a signer was shown something else.
    fn check_fields(&self, given: &Input) -> Result<(), PsbtError> {
        let Reader { place, input, outpoint } = self;
        let output = &input.output;
        let field = |field| PsbtError::Field { place: *place, outpoint: *outpoint, field };
        let prevout = input.prevout();
        if given.witness_utxo.as_ref().is_some_and(|given| *given != prevout) {
            return Err(field("witness_utxo"));
        }
        if let Some(previous) = &given.non_witness_utxo {
            let vout = usize::try_from(outpoint.vout).ok().and_then(|vout| previous.output.get(vout));
            if previous.compute_txid() != outpoint.txid || vout != Some(&prevout) {
                return Err(field("non_witness_utxo"));
            }
        }
        if given.tap_internal_key.is_some_and(|key| key != output.internal_key) {
            return Err(field("tap_internal_key"));
        }
        if given.tap_merkle_root.is_some() && given.tap_merkle_root != output.spend_info.merkle_root() {
            return Err(field("tap_merkle_root"));
        }
        let leaf = given.tap_scripts.get(&output.cooperative_control_block());
        if leaf.is_some_and(|(script, _)| *script != output.cooperative_leaf) {
            return Err(field("tap_scripts"));
        }
        if let Some(sighash) = given.sighash_type
            && sighash.taproot_hash_ty() != Ok(TapSighashType::Default)
        {
            return Err(self.wrong_sighash(sighash.to_string()));
        }
        Ok(())
    }

    fn wrong_sighash(&self, given: String) -> PsbtError {
        PsbtError::WrongSighash { place: self.place, outpoint: self.outpoint, given }
    }

    /// The signatures of one input, from a wallet's partial ones or from the witness it made of them.
    fn signatures(&self, given: &Input) -> Result<BTreeMap<Role, schnorr::Signature>, PsbtError> {
        let Reader { place, input, outpoint } = self;
        let (place, outpoint) = (*place, *outpoint);
        if given.tap_key_sig.is_some() {
            return Err(PsbtError::KeyPath { place, outpoint });
        }
        let mut found = BTreeMap::new();
        for ((key, leaf), signature) in &given.tap_script_sigs {
            let role = Role::ALL.into_iter().find(|role| input.output.signer_key(*role) == *key);
            let role = role.ok_or(PsbtError::WrongKey { place, outpoint, key: *key })?;
            if *leaf != input.output.cooperative_leaf_hash() {
                return Err(PsbtError::WrongLeaf { place, outpoint, role });
            }
            found.insert(role, self.plain(signature)?);
        }
        if given.final_script_sig.as_ref().is_some_and(|script| !script.is_empty()) {
            return Err(PsbtError::FinalWitness { place, outpoint });
        }
        if let Some(witness) = &given.final_script_witness {
            found.extend(self.take_apart(witness)?);
        }
        Ok(found)
    }

    fn plain(&self, signature: &Signature) -> Result<schnorr::Signature, PsbtError> {
        match signature.sighash_type {
            TapSighashType::Default => Ok(signature.signature),
            other => Err(self.wrong_sighash(other.to_string())),
        }
    }

    /// The two signatures of `[sig A, sig R, sig D, leaf, control block]`.
    fn take_apart(&self, witness: &Witness) -> Result<BTreeMap<Role, schnorr::Signature>, PsbtError> {
        let Reader { place, input, outpoint } = self;
        let broken = PsbtError::FinalWitness { place: *place, outpoint: *outpoint };
        let elements: Vec<&[u8]> = witness.iter().collect();
        let [arbiter, representative, developer, leaf, control] = elements.as_slice() else {
            // One element is a signature by the internal key.
            return Err(match elements.len() {
                1 => PsbtError::KeyPath { place: *place, outpoint: *outpoint },
                _ => broken,
            });
        };
        let expected = input.output.cooperative_control_block().serialize();
        if *leaf != input.output.cooperative_leaf.as_bytes() || *control != expected.as_slice() {
            return Err(broken);
        }
        let mut found = BTreeMap::new();
        for (role, element) in Role::ALL.into_iter().zip([developer, representative, arbiter]) {
            if !element.is_empty() {
                let signature = Signature::from_slice(element).map_err(|_| broken.clone())?;
                found.insert(role, self.plain(&signature)?);
            }
        }
        if found.len() == 2 { Ok(found) } else { Err(broken) }
    }

    fn verify<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        message: &Message,
        role: Role,
        signature: &schnorr::Signature,
    ) -> Result<(), PsbtError> {
        let Reader { place, input, outpoint } = self;
        secp.verify_schnorr(signature, message, &input.output.signer_key(role))
            .map_err(|_| PsbtError::BadSignature { place: *place, outpoint: *outpoint, role })
    }
}
