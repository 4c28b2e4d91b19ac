//! Signed messages of wallets that sign transactions only (BIP322, "simple" and "full", key path of a
//! Taproot output with no script): what is shown to the wallet, and whether what came back is its word.
//!
//! The message is a statement's tag and lines, so that a wallet can show what is signed and a signature
//! over one kind of statement is none over another. `to_sign` is the standard one (version 0, no locks):
//! a proof "valid at time T" is refused, because statements have no such time.

use super::statement::{Statement, tagged_hash};
use bitcoin::absolute::LockTime;
use bitcoin::bip32::KeySource;
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::key::{TapTweak, UntweakedPublicKey};
use bitcoin::opcodes::OP_0;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::psbt::raw;
use bitcoin::script::Builder;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, Signing, Verification, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::Signature;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Txid, Witness,
};

/// Tag of the message hash in `to_spend`.
const TAG: &str = "BIP0322-signed-message";
/// Marks a "simple" signature: base64 of the witness.
pub const SIMPLE: &str = "smp";
/// Marks a "full" signature: base64 of the transaction.
pub const FULL: &str = "ful";
/// `PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE`: the message, for signers that show it.
const PSBT_GLOBAL_MESSAGE: u8 = 0x09;

/// A text that is no BIP322 signature of a Taproot key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bip322Error {
    /// Not base64, or not what the prefix says.
    #[error("this is no BIP322 signature: {SIMPLE} or {FULL} and base64, or a signed PSBT, is expected")]
    Unreadable,
    /// Proofs of funds, legacy proofs.
    #[error("only BIP322's simple and full signatures are taken here")]
    OtherVariant,
    /// Nobody signed.
    #[error(
        "the PSBT came back without a signature: the wallet does not hold this key, or does not know that it does"
    )]
    Unsigned,
    /// A witness that is not one signature.
    #[error("the signature is not that of a single Taproot key (one witness element of 64 or 65 bytes)")]
    OtherScript,
    /// A sighash type that would leave out a part of the message.
    #[error("the signature does not cover everything: SIGHASH_DEFAULT or SIGHASH_ALL is expected")]
    Sighash,
}

impl Bip322Error {
    /// Stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Bip322Error::Unreadable => "bip322_unreadable",
            Bip322Error::OtherVariant => "bip322_variant",
            Bip322Error::Unsigned => "psbt_no_signature",
            Bip322Error::OtherScript => "bip322_script",
            Bip322Error::Sighash => "bip322_sighash",
        }
    }
}

/// The message of a statement: its tag on the first line, then its lines.
pub fn message<S: Statement>(statement: &S) -> String {
    format!("{}\n{}", S::TAG, statement.lines())
}

/// The output whose owner speaks: `tr(key)`, no script (BIP86).
fn challenge<C: Verification>(secp: &Secp256k1<C>, key: UntweakedPublicKey) -> ScriptBuf {
    ScriptBuf::new_p2tr(secp, key, None)
}

fn to_spend(message: &[u8], challenge: ScriptBuf) -> Transaction {
    let script_sig = Builder::new().push_opcode(OP_0).push_slice(tagged_hash(TAG, message)).into_script();
    let previous_output = OutPoint { txid: Txid::all_zeros(), vout: u32::MAX };
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness: Witness::new() }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: challenge }],
    }
}

fn to_sign(spent: &Transaction) -> Transaction {
    let previous_output = OutPoint { txid: spent.compute_txid(), vout: 0 };
    let script_sig = ScriptBuf::new();
    let script_pubkey = Builder::new().push_opcode(OP_RETURN).into_script();
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness: Witness::new() }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey }],
    }
}

fn sighash<C: Verification>(
    secp: &Secp256k1<C>,
    message: &[u8],
    key: UntweakedPublicKey,
    sighash_type: TapSighashType,
) -> Message {
    let spent = to_spend(message, challenge(secp, key));
    let signed = to_sign(&spent);
    let hash = SighashCache::new(&signed).taproot_key_spend_signature_hash(
        0,
        &Prevouts::All(&spent.output),
        sighash_type,
    );
    Message::from(hash.expect("one input, one prevout, a sighash type that covers all"))
}

/// What a wallet is given to sign: `to_sign` as a PSBT (BIP174, BIP371) with the message in it. `origin`
/// tells a wallet that the key is its own.
pub fn psbt<C: Verification>(
    secp: &Secp256k1<C>,
    message: &str,
    key: XOnlyPublicKey,
    origin: Option<KeySource>,
) -> Psbt {
    let spent = to_spend(message.as_bytes(), challenge(secp, key));
    let mut psbt = Psbt::from_unsigned_tx(to_sign(&spent)).expect("it has no witness and no script");
    let field = raw::Key { type_value: PSBT_GLOBAL_MESSAGE, key: Vec::new() };
    psbt.unknown.insert(field, message.as_bytes().to_vec());
    let input = psbt.inputs.first_mut().expect("to_sign has one input");
    input.witness_utxo = spent.output.first().cloned();
    input.tap_internal_key = Some(key);
    if let Some(origin) = origin {
        input.tap_key_origins.insert(key, (Vec::new(), origin));
    }
    psbt
}

/// Signs a message as the owner of `tr(key)`; for tests and for who has the key at hand.
pub fn sign<C: Signing + Verification>(secp: &Secp256k1<C>, message: &str, key: &Keypair) -> Signature {
    let (public, _) = key.x_only_public_key();
    let tweaked = key.tap_tweak(secp, None).to_keypair();
    let digest = sighash(secp, message.as_bytes(), public, TapSighashType::Default);
    let signature = secp.sign_schnorr_no_aux_rand(&digest, &tweaked);
    Signature { signature, sighash_type: TapSighashType::Default }
}

/// Whether the owner of `tr(key)` signed the message.
pub fn verify<C: Verification>(
    secp: &Secp256k1<C>,
    message: &str,
    key: XOnlyPublicKey,
    signature: &Signature,
) -> bool {
    if check_type(*signature).is_err() {
        return false;
    }
    let digest = sighash(secp, message.as_bytes(), key, signature.sighash_type);
    let (tweaked, _) = key.tap_tweak(secp, None);
    secp.verify_schnorr(&signature.signature, &digest, &tweaked.to_x_only_public_key()).is_ok()
}

/// Reads `smp...` (the witness), or `ful...` (the transaction: whether it is the standard one is found out
/// by [`verify`], because a signature over another one is none over this). Without a prefix it is `smp`.
pub fn parse(text: &str) -> Result<Signature, Bip322Error> {
    let decoded = |base64: &str| base64_bytes(base64).ok_or(Bip322Error::Unreadable);
    if let Some(base64) = text.strip_prefix(SIMPLE) {
        let witness = deserialize::<Witness>(&decoded(base64)?).map_err(|_| Bip322Error::Unreadable)?;
        return from_witness(&witness);
    }
    if let Some(base64) = text.strip_prefix(FULL) {
        let signed = deserialize::<Transaction>(&decoded(base64)?).map_err(|_| Bip322Error::Unreadable)?;
        let [input] = signed.input.as_slice() else { return Err(Bip322Error::OtherVariant) };
        return from_witness(&input.witness);
    }
    if text.starts_with("pof") {
        return Err(Bip322Error::OtherVariant);
    }
    // Version 1 of the proposal had no prefixes.
    from_witness(&deserialize::<Witness>(&decoded(text)?).map_err(|_| Bip322Error::Unreadable)?)
}

/// Takes the signature out of a PSBT that came back from a wallet, finalized or not.
pub fn from_psbt(psbt: &Psbt) -> Result<Signature, Bip322Error> {
    let [input] = psbt.inputs.as_slice() else { return Err(Bip322Error::OtherVariant) };
    match (&input.final_script_witness, input.tap_key_sig) {
        (Some(witness), _) => from_witness(witness),
        (None, Some(signature)) => check_type(signature),
        (None, None) => Err(Bip322Error::Unsigned),
    }
}

/// `smp` and the base64 of the witness.
pub fn to_text(signature: &Signature) -> String {
    let witness = Witness::p2tr_key_spend(signature);
    format!("{SIMPLE}{}", to_base64(&serialize(&witness)))
}

fn from_witness(witness: &Witness) -> Result<Signature, Bip322Error> {
    let (Some(element), 1) = (witness.nth(0), witness.len()) else { return Err(Bip322Error::OtherScript) };
    check_type(Signature::from_slice(element).map_err(|_| Bip322Error::OtherScript)?)
}

fn check_type(signature: Signature) -> Result<Signature, Bip322Error> {
    match signature.sighash_type {
        TapSighashType::Default | TapSighashType::All => Ok(signature),
        _ => Err(Bip322Error::Sighash),
    }
}

fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    use bitcoin::base64::prelude::*;
    BASE64_STANDARD.decode(text).ok()
}

fn to_base64(bytes: &[u8]) -> String {
    use bitcoin::base64::prelude::*;
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests;
