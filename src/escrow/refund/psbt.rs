//! Refunds signed by a sponsor's own wallet: every part as a PSBT (BIP174, BIP371), and the signatures
//! read back. These PSBTs name where the sponsor's key is in the wallet, so they are for the sponsor alone.

use super::{PAIR_SIGHASH, RefundSignatures, RefundTarget};
use bitcoin::bip32::KeySource;
use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::schnorr;
use bitcoin::sighash::TapSighashType;
use bitcoin::taproot::{LeafVersion, Signature};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeMap;

/// Why the PSBTs that came back are no refund.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundPsbtError {
    /// Of another pledge, outpoint or amount.
    #[error("transaction {txid} is no part of this refund: it spends or pays something else")]
    OtherTransaction {
        /// The unsigned transaction's.
        txid: Txid,
    },
    /// The wallet did nothing.
    #[error("transaction {txid} came back without the sponsor key's signature")]
    Unsigned {
        /// The unsigned transaction's.
        txid: Txid,
    },
    /// Signed with another sighash type than the part needs.
    #[error("transaction {txid} is signed with {given}; {expected} is needed")]
    Sighash {
        /// The unsigned transaction's.
        txid: Txid,
        /// What the wallet used.
        given: TapSighashType,
        /// What the part needs.
        expected: TapSighashType,
    },
    /// The part that the automatic refund rests on.
    #[error("the pair (transaction {txid}) is not among them: it is what the refund rests on")]
    NoPair {
        /// The unsigned transaction's.
        txid: Txid,
    },
    /// Rungs are signed all, or none ("pair only").
    #[error("{given} of {expected} rungs are signed: sign all of them, or none")]
    HalfALadder {
        /// How many came signed.
        given: usize,
        /// How many the amount can bear.
        expected: usize,
    },
}

impl RefundPsbtError {
    /// Stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            RefundPsbtError::OtherTransaction { .. } => "psbt_other_transaction",
            RefundPsbtError::Unsigned { .. } => "psbt_no_signature",
            RefundPsbtError::Sighash { .. } => "psbt_sighash",
            RefundPsbtError::NoPair { .. } => "psbt_no_pair",
            RefundPsbtError::HalfALadder { .. } => "psbt_half_a_ladder",
        }
    }
}

impl RefundTarget {
    /// Every part unsigned: the pair first, then the rungs from the lowest feerate. `origin` tells the
    /// wallet where its key is.
    pub fn psbts(&self, origin: Option<&KeySource>) -> Vec<Psbt> {
        self.parts()
            .into_iter()
            .map(|(transaction, sighash)| self.psbt(transaction, sighash, origin))
            .collect()
    }

    fn parts(&self) -> Vec<(Transaction, TapSighashType)> {
        let rungs = self.ladder().into_iter().map(|(_, transaction)| (transaction, TapSighashType::Default));
        std::iter::once((self.pair(), PAIR_SIGHASH)).chain(rungs).collect()
    }

    fn psbt(&self, transaction: Transaction, sighash: TapSighashType, origin: Option<&KeySource>) -> Psbt {
        let mut psbt =
            Psbt::from_unsigned_tx(transaction).expect("parts have neither script_sig nor witness");
        let leaf_hash = self.output.refund_leaf_hash().expect("checked in new");
        let control = self.output.refund_control_block().expect("checked in new");
        let input = psbt.inputs.first_mut().expect("a part has one input");
        input.witness_utxo = Some(self.prevout());
        input.tap_internal_key = Some(self.output.internal_key);
        input.tap_merkle_root = self.output.spend_info.merkle_root();
        input.tap_scripts = BTreeMap::from([(control, (self.refund_leaf.clone(), LeafVersion::TapScript))]);
        if sighash != TapSighashType::Default {
            input.sighash_type = Some(sighash.into());
        }
        if let Some(origin) = origin {
            input.tap_key_origins.insert(self.sponsor_key, (vec![leaf_hash], origin.clone()));
        }
        psbt
    }

    /// Takes the sponsor's signatures out of signed PSBTs, in any order. Whether they verify is checked by
    /// [`super::RefundBundle::check`].
    ///
    /// # Errors
    /// See [`RefundPsbtError`]. Rungs without a signature are left out; then the bundle is "pair only".
    pub fn read_psbts(&self, psbts: &[Psbt]) -> Result<RefundSignatures, RefundPsbtError> {
        let parts = self.parts();
        let mut signed: Vec<Option<schnorr::Signature>> = vec![None; parts.len()];
        for psbt in psbts {
            let txid = psbt.unsigned_tx.compute_txid();
            let same = |(transaction, _): &(Transaction, _)| *transaction == psbt.unsigned_tx;
            let at = parts.iter().position(same).ok_or(RefundPsbtError::OtherTransaction { txid })?;
            let (_, expected) = parts[at];
            let signature = self.signature(psbt).ok_or(RefundPsbtError::Unsigned { txid })?;
            if signature.sighash_type != expected {
                let given = signature.sighash_type;
                return Err(RefundPsbtError::Sighash { txid, given, expected });
            }
            signed[at] = Some(signature.signature);
        }
        let (pair, rungs) = signed.split_first().expect("the pair is always a part");
        let pair = pair.ok_or_else(|| RefundPsbtError::NoPair { txid: self.pair().compute_txid() })?;
        let ladder: Vec<_> = rungs.iter().flatten().copied().collect();
        if !ladder.is_empty() && ladder.len() < rungs.len() {
            return Err(RefundPsbtError::HalfALadder { given: ladder.len(), expected: rungs.len() });
        }
        Ok(RefundSignatures { outpoint: self.outpoint, amount_sat: self.amount.to_sat(), pair, ladder })
    }

    /// The sponsor's signature in a PSBT, finalized or not.
    fn signature(&self, psbt: &Psbt) -> Option<Signature> {
        let input = psbt.inputs.first()?;
        let leaf_hash = self.output.refund_leaf_hash()?;
        if let Some(signature) = input.tap_script_sigs.get(&(self.sponsor_key, leaf_hash)) {
            return Some(*signature);
        }
        let witness = input.final_script_witness.as_ref()?;
        let leaf = witness.nth(1)?;
        (leaf == self.refund_leaf.as_bytes()).then(|| Signature::from_slice(witness.nth(0)?).ok()).flatten()
    }
}
