//! A ladder without a pair: for what a sponsor sends elsewhere than home, to a pledge under another charter. A pair can be
//! put into a batch, and nobody knows a batch's txid beforehand; of a ladder every txid is known when it is signed, so
//! that what arrives has its refund already.

use super::{BundleError, RefundBundle, RefundTarget, Rung};
use bitcoin::secp256k1::{Keypair, Secp256k1, Signing, Verification, schnorr};
use bitcoin::sighash::TapSighashType;
use bitcoin::{OutPoint, Transaction};
use serde::{Deserialize, Serialize};

/// A ladder as it travels: signatures only. The transactions are rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderSignatures {
    /// The outpoint that is spent.
    pub outpoint: OutPoint,
    /// Its value in satoshis.
    pub amount_sat: u64,
    /// One signature a rung that the amount can bear, lowest first.
    pub ladder: Vec<schnorr::Signature>,
}

/// A checked ladder of one outpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    target: RefundTarget,
    signatures: LadderSignatures,
}

impl Ladder {
    /// Signs every rung with the sponsor's key. Equal input gives equal bytes.
    ///
    /// # Errors
    /// [`BundleError::Key`] where `key` is not the key of the output, [`BundleError::NoRung`] where the amount bears none.
    pub fn sign<C: Signing>(
        secp: &Secp256k1<C>,
        target: RefundTarget,
        key: &Keypair,
    ) -> Result<Ladder, BundleError> {
        let ladder = target.sign_rungs(secp, key)?;
        if ladder.is_empty() {
            return Err(BundleError::NoRung);
        }
        let signatures =
            LadderSignatures { outpoint: target.outpoint(), amount_sat: target.amount().to_sat(), ladder };
        Ok(Ladder { target, signatures })
    }

    /// Checks every rung against what it must spend, and where to.
    ///
    /// # Errors
    /// Where it is of another outpoint or amount, has too few or too many rungs or none, or where one does not verify.
    pub fn check<C: Verification>(
        secp: &Secp256k1<C>,
        target: RefundTarget,
        signatures: LadderSignatures,
    ) -> Result<Ladder, BundleError> {
        target.same(signatures.outpoint, signatures.amount_sat)?;
        if signatures.ladder.is_empty() {
            return Err(BundleError::NoRung);
        }
        target.check_rungs(secp, &signatures.ladder)?;
        Ok(Ladder { target, signatures })
    }

    /// The ladder of a bundle, without its pair; `None` where it has no rung.
    pub fn of(bundle: &RefundBundle) -> Option<Ladder> {
        let target = bundle.target().clone();
        let signatures = LadderSignatures {
            outpoint: target.outpoint(),
            amount_sat: target.amount().to_sat(),
            ladder: bundle.signatures().ladder.clone(),
        };
        (!signatures.ladder.is_empty()).then_some(Ladder { target, signatures })
    }

    /// What it spends, and where to.
    pub fn target(&self) -> &RefundTarget {
        &self.target
    }

    /// The signatures, for storing and sending.
    pub fn signatures(&self) -> &LadderSignatures {
        &self.signatures
    }

    /// The signed rungs, lowest feerate first.
    pub fn rungs(&self) -> Vec<(Rung, Transaction)> {
        self.target.signed_rungs(&self.signatures.ladder)
    }
}

impl RefundTarget {
    /// Whether a bundle is for this output.
    pub(super) fn same(&self, outpoint: OutPoint, amount_sat: u64) -> Result<(), BundleError> {
        if outpoint != self.outpoint() {
            return Err(BundleError::Outpoint { given: outpoint, expected: self.outpoint() });
        }
        let expected_sat = self.amount().to_sat();
        if amount_sat != expected_sat {
            return Err(BundleError::Amount { given_sat: amount_sat, expected_sat });
        }
        Ok(())
    }

    pub(super) fn sign_rungs<C: Signing>(
        &self,
        secp: &Secp256k1<C>,
        key: &Keypair,
    ) -> Result<Vec<schnorr::Signature>, BundleError> {
        if key.x_only_public_key().0 != self.sponsor_key {
            return Err(BundleError::Key);
        }
        let sign =
            |tx: &Transaction| secp.sign_schnorr_no_aux_rand(&self.message(tx, TapSighashType::Default), key);
        Ok(self.ladder().iter().map(|(_, tx)| sign(tx)).collect())
    }

    /// Whether there is a valid signature for each rung that the amount can bear.
    pub(super) fn check_rungs<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        signatures: &[schnorr::Signature],
    ) -> Result<(), BundleError> {
        let ladder = self.ladder();
        if signatures.len() != ladder.len() {
            return Err(BundleError::LadderLength { given: signatures.len(), expected: ladder.len() });
        }
        for ((rung, tx), signature) in ladder.iter().zip(signatures) {
            let message = self.message(tx, TapSighashType::Default);
            if secp.verify_schnorr(signature, &message, &self.sponsor_key).is_err() {
                return Err(BundleError::Rung { sat_per_vb: rung.sat_per_vb });
            }
        }
        Ok(())
    }

    /// The rungs with their witnesses; none without signatures.
    pub(super) fn signed_rungs(&self, signatures: &[schnorr::Signature]) -> Vec<(Rung, Transaction)> {
        let mut rungs = self.ladder();
        // With no signatures this zip is empty, not wrong.
        rungs.truncate(signatures.len());
        for ((_, tx), signature) in rungs.iter_mut().zip(signatures) {
            tx.input[0].witness = self.witness(signature, TapSighashType::Default);
        }
        rungs
    }
}
