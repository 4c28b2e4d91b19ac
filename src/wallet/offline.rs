//! The other side of an external signer: signs with the fee wallet's keys on a machine that knows nothing of
//! the chain. What it signs for is the wallet's own business, refund batches, unless it is told otherwise: so
//! whoever takes over the service can waste fees up to a limit, and not take the money.

use super::descriptor::{Branch, FeeKeys};
use super::signer::{self, OwnInput};
use super::{DESCRIPTOR_FILE, WalletError};
use crate::escrow::network::Network;
use crate::keys::Phrase;
use bitcoin::psbt::{self, Psbt};
use bitcoin::{Amount, TxOut};
use std::path::Path;

/// Sighash byte of a refund pair: SINGLE|ANYONECANPAY.
const PAIR_SIGHASH: u8 = 0x83;

/// What may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineRule {
    /// Refund batches whose fee is at most this: every other input's money goes whole to the output in its
    /// place, all else comes back to this wallet.
    Refunds {
        /// The limit.
        max_fee: Amount,
    },
    /// Anything.
    Anything,
}

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfflineError {
    /// No input of this wallet.
    #[error("no input of this PSBT belongs to these keys")]
    NothingToSign,
    /// A field that a signature needs is missing.
    #[error("input {at} does not say what it spends (witness_utxo)")]
    NoPrevout {
        /// Which input.
        at: usize,
    },
    /// Not a refund batch.
    #[error("this is no refund batch: {what}. Pass --anything to sign it all the same")]
    NotRefunds {
        /// What does not fit.
        what: &'static str,
    },
    /// More than allowed.
    #[error("the fee is {fee}, the limit {limit} (--max-fee-sat)")]
    FeeAboveLimit {
        /// What the wallet would pay.
        fee: Amount,
        /// What it may.
        limit: Amount,
    },
    /// It could not be signed.
    #[error(transparent)]
    Signer(#[from] signer::SignerError),
}

/// A signed PSBT.
#[derive(Clone, Debug)]
pub struct OfflineSigned {
    /// With the signatures.
    pub psbt: Psbt,
    /// Inputs signed.
    pub inputs: usize,
    /// What the wallet pays: the fee, of a refund batch.
    pub paid: Amount,
}

/// The fee wallet's keys without a wallet.
pub struct OfflineSigner {
    keys: FeeKeys,
}

impl std::fmt::Debug for OfflineSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfflineSigner(secret)")
    }
}

impl OfflineSigner {
    /// From what a `wallet.phrase` or a `wallet.descriptor` file holds.
    ///
    /// # Errors
    /// [`WalletError::File`], [`WalletError::BadDescriptor`], [`WalletError::WrongNetwork`].
    pub fn from_bytes(bytes: &[u8], network: Network) -> Result<OfflineSigner, WalletError> {
        if let Ok(phrase) = Phrase::from_bytes(bytes) {
            return Ok(OfflineSigner { keys: FeeKeys::from_phrase(&phrase, network) });
        }
        let keys = FeeKeys::parse(Path::new(DESCRIPTOR_FILE), bytes, network)?;
        if keys.can_sign() { Ok(OfflineSigner { keys }) } else { Err(signer::SignerError::None.into()) }
    }

    /// Signs the inputs of this wallet.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn sign(&self, mut psbt: Psbt, rule: OfflineRule) -> Result<OfflineSigned, OfflineError> {
        let prevouts: Vec<TxOut> = psbt
            .inputs
            .iter()
            .enumerate()
            .map(|(at, input)| input.witness_utxo.clone().ok_or(OfflineError::NoPrevout { at }))
            .collect::<Result<_, _>>()?;
        let mut own = Vec::new();
        for (at, (input, prevout)) in psbt.inputs.iter().zip(&prevouts).enumerate() {
            let unsigned = input.final_script_witness.is_none() && input.tap_key_sig.is_none();
            let found = index_of(input).and_then(|index| {
                let branch = self.keys.branch_of(&prevout.script_pubkey, index)?;
                Some(OwnInput { at, branch, index })
            });
            own.extend(found.filter(|_| unsigned));
        }
        if own.is_empty() {
            return Err(OfflineError::NothingToSign);
        }
        let paid = self.paid(&psbt, &prevouts, &own);
        if let OfflineRule::Refunds { max_fee } = rule {
            self.require_refunds(&psbt, &prevouts, &own)?;
            if paid > max_fee {
                return Err(OfflineError::FeeAboveLimit { fee: paid, limit: max_fee });
            }
        }
        let witnesses = signer::sign_here(&self.keys, &psbt.unsigned_tx, &prevouts, &own)?;
        for (input, witness) in own.iter().zip(witnesses) {
            psbt.inputs[input.at].final_script_witness = Some(witness);
        }
        Ok(OfflineSigned { psbt, inputs: own.len(), paid })
    }

    /// What goes out of the wallet: inputs less what comes back to it. Sums beyond all money are all money.
    fn paid(&self, psbt: &Psbt, prevouts: &[TxOut], own: &[OwnInput]) -> Amount {
        let sum = |amounts: Vec<Amount>| {
            amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add).unwrap_or(Amount::MAX)
        };
        let spent = sum(own.iter().map(|input| prevouts[input.at].value).collect());
        let outputs = psbt.unsigned_tx.output.iter().zip(&psbt.outputs);
        let back = outputs.filter(|(output, known)| self.is_ours(output, known));
        spent.checked_sub(sum(back.map(|(output, _)| output.value).collect())).unwrap_or_default()
    }

    fn is_ours(&self, output: &TxOut, known: &psbt::Output) -> bool {
        let paths = known.tap_key_origins.values().map(|(_, (_, path))| path);
        let index = paths.chain(known.bip32_derivation.values().map(|(_, path)| path)).next();
        let index = index.and_then(last_step);
        // Change, never an address that is given out: a PSBT could name any.
        index.and_then(|index| self.keys.branch_of(&output.script_pubkey, index)) == Some(Branch::Internal)
    }

    /// Each input that is not ours is a signed pair whose money goes whole to the output in its place; what
    /// outputs there are beyond are ours. Our signature covers every amount, so that a lie makes it invalid.
    fn require_refunds(&self, psbt: &Psbt, prevouts: &[TxOut], own: &[OwnInput]) -> Result<(), OfflineError> {
        let not = |what| Err(OfflineError::NotRefunds { what });
        let pairs = psbt.inputs.len() - own.len();
        if pairs == 0 {
            return not("it refunds nobody");
        }
        if own.iter().zip(pairs..).any(|(input, at)| input.at != at) {
            return not("the fee inputs are not the last ones");
        }
        let outputs = &psbt.unsigned_tx.output;
        for (at, (input, prevout)) in psbt.inputs.iter().zip(prevouts).enumerate().take(pairs) {
            let signature = input.final_script_witness.as_ref().and_then(|witness| witness.iter().next());
            if signature.is_none_or(|signature| signature.len() != 65 || signature[64] != PAIR_SIGHASH) {
                return not("an input is not a signed refund pair");
            }
            if outputs.get(at).is_none_or(|output| output.value != prevout.value) {
                return not("a pledge does not go back whole");
            }
        }
        let rest = outputs.iter().zip(&psbt.outputs).skip(pairs);
        if rest.clone().count() > 1 || !rest.clone().all(|(output, known)| self.is_ours(output, known)) {
            return not("something is paid to somebody else");
        }
        Ok(())
    }
}

fn index_of(input: &psbt::Input) -> Option<u32> {
    let taproot = input.tap_key_origins.values().map(|(_, (_, path))| path);
    taproot.chain(input.bip32_derivation.values().map(|(_, path)| path)).find_map(last_step)
}

fn last_step(path: &bitcoin::bip32::DerivationPath) -> Option<u32> {
    match path.into_iter().last()? {
        bitcoin::bip32::ChildNumber::Normal { index } => Some(*index),
        bitcoin::bip32::ChildNumber::Hardened { .. } => None,
    }
}
