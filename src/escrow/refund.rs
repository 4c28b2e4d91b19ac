//! Refunds signed in advance: what gives a sponsor the money back after T without anybody's goodwill.
//!
//! For each outpoint of a pledge the sponsor signs, by the refund leaf, version 2, sequence 0xfffffffd:
//! - the **pair**: SIGHASH_SINGLE|ANYONECANPAY, nLockTime T, one output of the full value to the refund
//!   address. It pays no fee; many pairs go together in one transaction whose last input, the
//!   operator's, pays it. Input i and output i line up.
//! - the **ladder**: whole transactions with SIGHASH_DEFAULT at rising feerates, the higher ones locked
//!   later, so that nobody can burn money by sending the top rung first. Anyone can broadcast a rung,
//!   nobody can alter it.
//!
//! Only signatures travel: both sides rebuild the transactions. A [`RefundBundle`] that exists was
//! checked, part by part, against its outpoint, amount, output and refund address.

mod ladder;
mod psbt;

pub use ladder::{Ladder, LadderSignatures};
pub use psbt::RefundPsbtError;

use super::descriptor::EscrowOutput;
use super::fee;
use super::network::DAY_SECS;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, Signing, Verification, XOnlyPublicKey, schnorr};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, FeeRate, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Weight, Witness,
};
use serde::{Deserialize, Serialize};

/// Replaceable, and not final: CHECKLOCKTIMEVERIFY needs the latter.
pub const SEQUENCE: Sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
/// The sighash type of a pair.
pub const PAIR_SIGHASH: TapSighashType = TapSighashType::SinglePlusAnyoneCanPay;
/// Pairs of one batch stay below this: clusters are limited to 101 kvB, and small batches confirm sooner.
pub const MAX_BATCH: Weight = Weight::from_wu(200_000);

/// One step of the fee ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Feerate, sat/vB.
    pub sat_per_vb: u64,
    /// Seconds after T from which it is valid.
    pub delay_secs: u32,
}

/// The ladder: three rungs at T, four later ones.
pub const LADDER: [Rung; 7] = [
    Rung { sat_per_vb: 1, delay_secs: 0 },
    Rung { sat_per_vb: 2, delay_secs: 0 },
    Rung { sat_per_vb: 5, delay_secs: 0 },
    Rung { sat_per_vb: 10, delay_secs: 3 * DAY_SECS },
    Rung { sat_per_vb: 25, delay_secs: 7 * DAY_SECS },
    Rung { sat_per_vb: 50, delay_secs: 14 * DAY_SECS },
    Rung { sat_per_vb: 100, delay_secs: 21 * DAY_SECS },
];

/// What is refunded and to whom: everything a refund transaction is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundTarget {
    /// The output of the contract, which must have a refund leaf.
    output: EscrowOutput,
    refund_leaf: ScriptBuf,
    sponsor_key: XOnlyPublicKey,
    /// The outpoint that paid it.
    outpoint: OutPoint,
    /// Its value.
    amount: Amount,
    /// Where the money goes.
    refund_script: ScriptBuf,
}

/// The open address has no refund leaf: gifts are not refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the open address has no refund: what is sent there is a gift")]
pub struct NoRefundLeaf;

impl RefundTarget {
    /// Fails for the open address only.
    pub fn new(
        output: EscrowOutput,
        outpoint: OutPoint,
        amount: Amount,
        refund_address: &Address,
    ) -> Result<RefundTarget, NoRefundLeaf> {
        let refund_leaf = output.refund_leaf.clone().ok_or(NoRefundLeaf)?;
        let sponsor_key = output.sponsor_key.ok_or(NoRefundLeaf)?;
        let refund_script = refund_address.script_pubkey();
        Ok(RefundTarget { output, refund_leaf, sponsor_key, outpoint, amount, refund_script })
    }

    /// The outpoint.
    pub fn outpoint(&self) -> OutPoint {
        self.outpoint
    }

    /// Its value.
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// The output it pays.
    pub fn output(&self) -> &EscrowOutput {
        &self.output
    }

    /// The contract's output that is spent.
    pub fn prevout(&self) -> TxOut {
        TxOut { value: self.amount, script_pubkey: self.output.script_pubkey.clone() }
    }

    /// The refund's output in a pair: full value.
    pub fn pair_output(&self) -> TxOut {
        TxOut { value: self.amount, script_pubkey: self.refund_script.clone() }
    }

    fn input(&self) -> TxIn {
        TxIn {
            previous_output: self.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: SEQUENCE,
            witness: Witness::new(),
        }
    }

    fn refund_time(&self) -> u32 {
        self.output.refund_time.to_consensus_u32()
    }

    fn transaction(&self, lock_time: LockTime, value: Amount) -> Transaction {
        Transaction {
            version: Version::TWO,
            lock_time,
            input: vec![self.input()],
            output: vec![TxOut { value, script_pubkey: self.refund_script.clone() }],
        }
    }

    /// The pair alone, unsigned.
    pub fn pair(&self) -> Transaction {
        self.transaction(self.output.refund_time, self.amount)
    }

    /// Weight of a signed rung.
    pub fn rung_weight(&self) -> Weight {
        fee::frame_weight(1, 1) + fee::LADDER_INPUT + fee::output_weight(&self.refund_script)
    }

    /// The rungs this amount can bear, unsigned: at T a fee of at most a tenth, later at most half, and
    /// what is left must not be dust.
    pub fn ladder(&self) -> Vec<(Rung, Transaction)> {
        // Whole vbytes, so that the feerate is never below what the rung says.
        let weight = Weight::from_vb(self.rung_weight().to_vbytes_ceil()).unwrap_or(Weight::MAX);
        let rung = |rung: Rung| {
            let feerate = FeeRate::from_sat_per_vb(rung.sat_per_vb)?;
            let fee = fee::fee(feerate, weight)?;
            let share = if rung.delay_secs == 0 { 10 } else { 2 };
            let value = self.amount.checked_sub(fee)?;
            if fee > self.amount / share || value < fee::dust(&self.refund_script) {
                return None;
            }
            let lock_time = LockTime::from_time(self.refund_time().checked_add(rung.delay_secs)?).ok()?;
            Some((rung, self.transaction(lock_time, value)))
        };
        LADDER.into_iter().filter_map(rung).collect()
    }

    fn message(&self, transaction: &Transaction, sighash: TapSighashType) -> Message {
        let prevouts = [self.prevout()];
        let leaf = self.output.refund_leaf_hash().expect("checked in new");
        let sighash = SighashCache::new(transaction)
            .taproot_script_spend_signature_hash(0, &Prevouts::All(&prevouts), leaf, sighash)
            .expect("one input, one output, one prevout");
        Message::from_digest(sighash.to_byte_array())
    }

    fn witness(&self, signature: &schnorr::Signature, sighash: TapSighashType) -> Witness {
        let signature = bitcoin::taproot::Signature { signature: *signature, sighash_type: sighash };
        let control = self.output.refund_control_block().expect("checked in new");
        Witness::from_slice(&[signature.to_vec(), self.refund_leaf.to_bytes(), control.serialize()])
    }
}

/// A refund bundle as it travels: signatures only. The transactions are rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundSignatures {
    /// The outpoint that is refunded.
    pub outpoint: OutPoint,
    /// Its value in satoshis: a bundle for another value is another bundle.
    pub amount_sat: u64,
    /// Signature of the pair (64 bytes; its sighash type is always 0x83).
    pub pair: schnorr::Signature,
    /// One signature a rung that the amount can bear, lowest first; empty for "pair only".
    pub ladder: Vec<schnorr::Signature>,
}

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// For another outpoint.
    #[error("the refund is for {given}, not for {expected}: sign again for what the chain has now")]
    Outpoint {
        /// In the bundle.
        given: OutPoint,
        /// On the chain.
        expected: OutPoint,
    },
    /// For another amount.
    #[error("the refund is for {given_sat} sat; the output has {expected_sat} sat")]
    Amount {
        /// In the bundle.
        given_sat: u64,
        /// On the chain.
        expected_sat: u64,
    },
    /// Signed with another key.
    #[error("this is not the key of the output")]
    Key,
    /// Nothing is left of the amount at any fee.
    #[error("a ladder of fees is needed, and there is none: nothing was signed, or the amount bears no fee")]
    NoRung,
    /// The pair's signature does not verify.
    #[error(
        "the signature of the refund pair does not verify: it was made by another key or for another address, amount or time"
    )]
    Pair,
    /// Too many or too few rungs.
    #[error("the ladder has {given} signatures; this amount has {expected} rungs (or leave it empty)")]
    LadderLength {
        /// In the bundle.
        given: usize,
        /// For this amount.
        expected: usize,
    },
    /// A rung's signature does not verify.
    #[error("the signature of the {sat_per_vb} sat/vB rung does not verify")]
    Rung {
        /// Which rung.
        sat_per_vb: u64,
    },
}

/// A checked refund of one outpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundBundle {
    target: RefundTarget,
    signatures: RefundSignatures,
}

impl RefundBundle {
    /// Signs pair and ladder with the sponsor's key. Signatures use no auxiliary randomness, so that the
    /// same outpoint always gives the same bundle.
    ///
    /// # Errors
    /// [`BundleError::Key`] where `key` is not the key of the output.
    pub fn sign<C: Signing + Verification>(
        secp: &Secp256k1<C>,
        target: RefundTarget,
        key: &Keypair,
    ) -> Result<RefundBundle, BundleError> {
        let ladder = target.sign_rungs(secp, key)?;
        let pair = secp.sign_schnorr_no_aux_rand(&target.message(&target.pair(), PAIR_SIGHASH), key);
        let signatures =
            RefundSignatures { outpoint: target.outpoint, amount_sat: target.amount.to_sat(), pair, ladder };
        Ok(RefundBundle { target, signatures })
    }

    /// Checks every part of a bundle against what it must refund.
    pub fn check<C: Verification>(
        secp: &Secp256k1<C>,
        target: RefundTarget,
        signatures: RefundSignatures,
    ) -> Result<RefundBundle, BundleError> {
        target.same(signatures.outpoint, signatures.amount_sat)?;
        let message = target.message(&target.pair(), PAIR_SIGHASH);
        if secp.verify_schnorr(&signatures.pair, &message, &target.sponsor_key).is_err() {
            return Err(BundleError::Pair);
        }
        if !signatures.ladder.is_empty() {
            target.check_rungs(secp, &signatures.ladder)?;
        }
        Ok(RefundBundle { target, signatures })
    }

    /// What it refunds.
    pub fn target(&self) -> &RefundTarget {
        &self.target
    }

    /// The signatures, for storing and sending.
    pub fn signatures(&self) -> &RefundSignatures {
        &self.signatures
    }

    /// Whether the sponsor signed no ladder though the amount could bear one.
    pub fn pair_only(&self) -> bool {
        self.signatures.ladder.is_empty()
    }

    /// The pair as a transaction of its own: valid, but without a fee.
    pub fn pair(&self) -> Transaction {
        let mut tx = self.target.pair();
        tx.input[0].witness = self.target.witness(&self.signatures.pair, PAIR_SIGHASH);
        tx
    }

    /// The signed rungs, lowest feerate first.
    pub fn ladder(&self) -> Vec<(Rung, Transaction)> {
        self.target.signed_rungs(&self.signatures.ladder)
    }
}

/// Why a refund cannot go by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AloneError {
    /// Another key than the output's.
    #[error("this is not the key of the output")]
    OtherKey,
    /// The fee leaves less than nodes relay.
    #[error("{amount} cannot bear the fee at {feerate} sat/kwu: a lower feerate may do")]
    TooDear {
        /// What the output holds.
        amount: Amount,
        /// Wanted feerate.
        feerate: FeeRate,
    },
}

/// Signs a refund of its own at any feerate, locked to T: for a sponsor who acts alone after T.
pub fn sign_alone<C: Signing>(
    secp: &Secp256k1<C>,
    target: &RefundTarget,
    key: &Keypair,
    feerate: FeeRate,
) -> Result<Transaction, AloneError> {
    if key.x_only_public_key().0 != target.sponsor_key {
        return Err(AloneError::OtherKey);
    }
    let too_dear = AloneError::TooDear { amount: target.amount, feerate };
    let weight = Weight::from_vb(target.rung_weight().to_vbytes_ceil()).unwrap_or(Weight::MAX);
    let fee = fee::fee(feerate, weight).ok_or(too_dear)?;
    let value = target.amount.checked_sub(fee).ok_or(too_dear)?;
    if value < fee::dust(&target.refund_script) {
        return Err(too_dear);
    }
    let mut transaction = target.transaction(target.output.refund_time, value);
    let message = target.message(&transaction, TapSighashType::Default);
    let signature = secp.sign_schnorr_no_aux_rand(&message, key);
    transaction.input[0].witness = target.witness(&signature, TapSighashType::Default);
    Ok(transaction)
}

/// An input that pays the fee of a batch; it and the change come last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeInput {
    /// The operator's output.
    pub outpoint: OutPoint,
    /// What it holds.
    pub prevout: TxOut,
    /// Weight of the input once signed.
    pub weight: Weight,
}

/// Why no batch is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Nothing to refund.
    #[error("no refund to batch")]
    Empty,
    /// Pairs of different T cannot share a transaction: its locktime is in every signature.
    #[error("refunds of different times cannot go together")]
    MixedTimes,
    /// More than fits.
    #[error("{weight} is more than a batch may weigh")]
    TooHeavy {
        /// Weight of the batch.
        weight: Weight,
    },
    /// The fee inputs do not hold the fee.
    #[error("the fee is {fee}; the fee inputs hold {available}")]
    Fee {
        /// What is needed.
        fee: Amount,
        /// What there is.
        available: Amount,
    },
}

/// A batch of pairs with the operator's fee inputs, which are still to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundBatch {
    /// Pairs first, witnesses in place; then fee inputs without witness. Outputs in the same order, then
    /// the change.
    pub transaction: Transaction,
    /// What every input spends, in order.
    pub prevouts: Vec<TxOut>,
    /// Fee it pays.
    pub fee: Amount,
}

/// Weight one pair adds to a batch.
pub fn pair_weight(bundle: &RefundBundle) -> Weight {
    fee::PAIR_INPUT + fee::output_weight(&bundle.target.refund_script)
}

/// Puts pairs and fee inputs into one transaction at `feerate`. Pairs are ordered by outpoint, so that
/// the same refunds give the same transaction. Change below dust goes to the fee.
pub fn batch(
    bundles: &[&RefundBundle],
    fee_inputs: &[FeeInput],
    change_script: &ScriptBuf,
    feerate: FeeRate,
) -> Result<RefundBatch, BatchError> {
    let mut bundles = bundles.to_vec();
    bundles.sort_by_key(|bundle| bundle.target.outpoint);
    bundles.dedup_by_key(|bundle| bundle.target.outpoint);
    let lock_time = bundles.first().ok_or(BatchError::Empty)?.target.output.refund_time;
    if bundles.iter().any(|bundle| bundle.target.output.refund_time != lock_time) {
        return Err(BatchError::MixedTimes);
    }
    let inputs = bundles.len() + fee_inputs.len();
    let pairs: Weight = bundles.iter().map(|bundle| pair_weight(bundle)).sum();
    let weight = pairs
        + fee::frame_weight(inputs, bundles.len() + 1)
        + fee_inputs.iter().map(|input| input.weight).sum()
        + fee::output_weight(change_script);
    if weight > MAX_BATCH {
        return Err(BatchError::TooHeavy { weight });
    }
    let available: Amount = fee_inputs.iter().map(|input| input.prevout.value).sum();
    let short = |fee| BatchError::Fee { fee, available };
    let fee = fee::fee(feerate, weight).ok_or(short(Amount::MAX))?;
    let change = available.checked_sub(fee).ok_or(short(fee))?;
    let keeps_change = change >= fee::dust(change_script);

    let mut transaction =
        Transaction { version: Version::TWO, lock_time, input: Vec::new(), output: Vec::new() };
    let mut prevouts = Vec::new();
    for bundle in bundles {
        let signed = bundle.pair();
        transaction.input.extend(signed.input);
        transaction.output.extend(signed.output);
        prevouts.push(bundle.target.prevout());
    }
    for input in fee_inputs {
        transaction.input.push(TxIn {
            previous_output: input.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: SEQUENCE,
            witness: Witness::new(),
        });
        prevouts.push(input.prevout.clone());
    }
    if keeps_change {
        transaction.output.push(TxOut { value: change, script_pubkey: change_script.clone() });
    }
    Ok(RefundBatch { transaction, prevouts, fee: if keeps_change { fee } else { available } })
}

#[cfg(test)]
mod tests;
