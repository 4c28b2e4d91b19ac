//! Who signs for the fee wallet: this program with its private keys, or another one that is given a PSBT
//! (BIP174) and gives it back signed. What comes back is believed in nothing: only signatures of our own
//! inputs are taken from it, each checked, and a change of anything else is an error.

use super::descriptor::{Branch, FeeKeys, OutputType};
use bitcoin::hashes::Hash;
use bitcoin::key::TweakedPublicKey;
use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::{Message, schnorr};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::{ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey, ecdsa};
use miniscript::psbt::PsbtExt;

/// An input of the wallet's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnInput {
    /// Its place in the transaction.
    pub(super) at: usize,
    pub(super) branch: Branch,
    pub(super) index: u32,
}

/// What is wrong with a signer's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No keys here, and no program to ask.
    #[error("the fee wallet's descriptor is public, and no wallet_signer is set")]
    None,
    /// It does not run, or ends badly.
    #[error("the signer failed: {detail}")]
    Failed {
        /// What happened.
        detail: String,
    },
    /// It takes too long.
    #[error("the signer took longer than {secs} s and was stopped")]
    TimeOut {
        /// The limit.
        secs: u64,
    },
    /// It failed a short while ago and is not asked again yet.
    #[error("the signer failed lately and is asked again in {secs} s")]
    Resting {
        /// Until then.
        secs: u64,
    },
    /// Not a PSBT, or too long for one.
    #[error("the signer's answer is no PSBT in base64 of sensible size")]
    NoPsbt,
    /// It changed what it was to sign.
    #[error("the signer changed {what}")]
    Changed {
        /// What.
        what: &'static str,
    },
    /// A signature is missing.
    #[error("the signer did not sign input {at}: does its wallet hold this key, and cover its index?")]
    NotSigned {
        /// Which input.
        at: usize,
    },
    /// A signature is not good, or not of the whole transaction.
    #[error("the signer's signature of input {at} is not valid for all inputs and outputs")]
    BadSignature {
        /// Which input.
        at: usize,
    },
}

/// Signs with the private keys: Taproot key path, SIGHASH_DEFAULT.
pub(super) fn sign_here(
    keys: &FeeKeys,
    tx: &Transaction,
    prevouts: &[TxOut],
    own: &[OwnInput],
) -> Result<Vec<Witness>, SignerError> {
    let mut cache = SighashCache::new(tx);
    let prevouts = Prevouts::All(prevouts);
    let sign = |input: &OwnInput| {
        let bad = SignerError::BadSignature { at: input.at };
        let key = keys.keypair(input.branch, input.index).ok_or(SignerError::None)?;
        let sighash = cache
            .taproot_key_spend_signature_hash(input.at, &prevouts, TapSighashType::Default)
            .map_err(|_| bad)?;
        let message = Message::from_digest(sighash.to_byte_array());
        let signature = keys.secp().sign_schnorr_no_aux_rand(&message, &key);
        Ok(Witness::from_slice(&[signature.serialize()]))
    };
    own.iter().map(sign).collect()
}

/// The PSBT for another program: everything known of our inputs and outputs, and the sponsors' inputs
/// finished as they are. `previous` knows the transactions that our inputs spend.
pub(super) fn request(
    keys: &FeeKeys,
    tx: &Transaction,
    prevouts: &[TxOut],
    own: &[OwnInput],
    change: Option<(usize, Branch, u32)>,
    previous: &dyn Fn(bitcoin::Txid) -> Option<Transaction>,
) -> Result<Psbt, SignerError> {
    let changed = |what| SignerError::Changed { what };
    let mut unsigned = tx.clone();
    unsigned.input.iter_mut().for_each(|input| input.witness = Witness::new());
    let mut psbt = Psbt::from_unsigned_tx(unsigned).map_err(|_| changed("the form"))?;
    for ((input, signed), prevout) in psbt.inputs.iter_mut().zip(&tx.input).zip(prevouts) {
        input.witness_utxo = Some(prevout.clone());
        if !signed.witness.is_empty() {
            input.final_script_witness = Some(signed.witness.clone());
        }
    }
    for OwnInput { at, branch, index } in own {
        let definite = keys.definite(*branch, *index).ok_or(changed("an index"))?;
        if keys.output_type() == OutputType::WitnessKeyHash {
            // A signature of version 0 commits to one amount only, so devices want to see the whole payment.
            let outpoint = tx.input.get(*at).map(|input| input.previous_output);
            psbt.inputs[*at].non_witness_utxo = outpoint.and_then(|outpoint| previous(outpoint.txid));
        }
        psbt.update_input_with_descriptor(*at, &definite).map_err(|_| changed("an own input"))?;
    }
    if let Some((at, branch, index)) = change {
        let definite = keys.definite(branch, index).ok_or(changed("an index"))?;
        psbt.update_output_with_descriptor(at, &definite).map_err(|_| changed("the change"))?;
    }
    Ok(psbt)
}

/// The witnesses of our inputs from a signer's answer.
pub(super) fn read_answer(
    keys: &FeeKeys,
    asked: &Psbt,
    answer: &Psbt,
    prevouts: &[TxOut],
    own: &[OwnInput],
) -> Result<Vec<Witness>, SignerError> {
    let changed = |what| Err(SignerError::Changed { what });
    if answer.unsigned_tx != asked.unsigned_tx {
        return changed("the transaction");
    }
    if answer.inputs.len() != asked.inputs.len() || answer.outputs.len() != asked.outputs.len() {
        return changed("the number of inputs or outputs");
    }
    for (at, (theirs, ours)) in answer.inputs.iter().zip(&asked.inputs).enumerate() {
        if own.iter().any(|input| input.at == at) {
            continue;
        }
        let signatures = !theirs.partial_sigs.is_empty()
            || theirs.tap_key_sig.is_some()
            || !theirs.tap_script_sigs.is_empty()
            || theirs.final_script_sig.is_some();
        if signatures || theirs.final_script_witness != ours.final_script_witness {
            return changed("an input of a sponsor");
        }
    }
    let mut cache = SighashCache::new(&asked.unsigned_tx);
    let mut witness = |input: &OwnInput| {
        let at = input.at;
        let bad = SignerError::BadSignature { at };
        let (theirs, prevout) = answer.inputs.get(at).zip(prevouts.get(at)).ok_or(bad.clone())?;
        let found = match keys.output_type() {
            OutputType::Taproot => taproot_signature(theirs),
            OutputType::WitnessKeyHash => key_hash_signature(theirs),
        };
        let witness = found.ok_or(SignerError::NotSigned { at })?;
        let good = match keys.output_type() {
            OutputType::Taproot => good_taproot(keys, &mut cache, at, prevouts, prevout, &witness),
            OutputType::WitnessKeyHash => good_key_hash(keys, &mut cache, at, prevout, &witness),
        };
        good.map(|()| witness).ok_or(bad)
    };
    own.iter().map(&mut witness).collect()
}

fn taproot_signature(input: &bitcoin::psbt::Input) -> Option<Witness> {
    match (&input.final_script_witness, &input.tap_key_sig) {
        (Some(witness), _) => Some(witness.clone()),
        (None, Some(signature)) => Some(Witness::from_slice(&[signature.to_vec()])),
        (None, None) => None,
    }
}

fn key_hash_signature(input: &bitcoin::psbt::Input) -> Option<Witness> {
    if let Some(witness) = &input.final_script_witness {
        return Some(witness.clone());
    }
    let (key, signature) = input.partial_sigs.iter().next()?;
    Some(Witness::from_slice(&[signature.to_vec(), key.to_bytes()]))
}

fn good_taproot(
    keys: &FeeKeys,
    cache: &mut SighashCache<&Transaction>,
    at: usize,
    prevouts: &[TxOut],
    prevout: &TxOut,
    witness: &Witness,
) -> Option<()> {
    let mut elements = witness.iter();
    let (Some(element), None) = (elements.next(), elements.next()) else { return None };
    let (bytes, sighash_type) = match element.len() {
        64 => (element, TapSighashType::Default),
        65 if element[64] == 1 => (&element[..64], TapSighashType::All),
        _ => return None,
    };
    let signature = schnorr::Signature::from_slice(bytes).ok()?;
    let program = prevout.script_pubkey.as_bytes().get(2..).filter(|_| prevout.script_pubkey.is_p2tr())?;
    let output_key = TweakedPublicKey::dangerous_assume_tweaked(XOnlyPublicKey::from_slice(program).ok()?);
    let sighash = cache.taproot_key_spend_signature_hash(at, &Prevouts::All(prevouts), sighash_type).ok()?;
    let message = Message::from_digest(sighash.to_byte_array());
    keys.secp().verify_schnorr(&signature, &message, &output_key.to_x_only_public_key()).ok()
}

fn good_key_hash(
    keys: &FeeKeys,
    cache: &mut SighashCache<&Transaction>,
    at: usize,
    prevout: &TxOut,
    witness: &Witness,
) -> Option<()> {
    let elements: Vec<&[u8]> = witness.iter().collect();
    let [signature, key] = elements[..] else { return None };
    let signature = ecdsa::Signature::from_slice(signature).ok()?;
    let key = bitcoin::CompressedPublicKey::from_slice(key).ok()?;
    let pays_key = prevout.script_pubkey == ScriptBuf::new_p2wpkh(&key.wpubkey_hash());
    if signature.sighash_type != EcdsaSighashType::All || !pays_key {
        return None;
    }
    let sighash =
        cache.p2wpkh_signature_hash(at, &prevout.script_pubkey, prevout.value, EcdsaSighashType::All).ok()?;
    let message = Message::from_digest(sighash.to_byte_array());
    // Also refuses what is not low-S, which nodes would not relay.
    keys.secp().verify_ecdsa(&message, &signature.signature, &key.0).ok()
}
