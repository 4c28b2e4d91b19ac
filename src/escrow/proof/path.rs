//! Which way of an output's Taproot tree a spend took, and whether its witness is a valid one.
//!
//! A txid does not cover witnesses, so a document could show another witness than the chain has. Where
//! everything that was signed is at hand, the signatures are verified; where it is not (a batch of refunds
//! whose fee input is not the task's), the form of the witness and what the txid covers must do.

use crate::escrow::descriptor::EscrowOutput;
use crate::escrow::facts::SpendPath;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Message, Secp256k1, Verification, XOnlyPublicKey};
use bitcoin::sighash::{Annex, Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::{Signature, TapLeafHash};
use bitcoin::{OutPoint, Sequence, Transaction, TxOut};

/// The way input `vin` of `transaction` spends `output`; `prevout` gives what an input spends, if known.
pub(super) fn proven<C: Verification>(
    secp: &Secp256k1<C>,
    output: &EscrowOutput,
    transaction: &Transaction,
    vin: u32,
    prevout: impl Fn(&OutPoint) -> Option<TxOut>,
) -> Result<SpendPath, &'static str> {
    let vin = usize::try_from(vin).map_err(|_| "no such input")?;
    let input = transaction.input.get(vin).ok_or("no such input")?;
    let mut stack: Vec<&[u8]> = input.witness.iter().collect();
    let annex = match stack.as_slice() {
        [_, .., last] if last.first() == Some(&0x50) => stack.pop(),
        _ => None,
    };
    let prevouts: Vec<Option<TxOut>> =
        transaction.input.iter().map(|input| prevout(&input.previous_output)).collect();
    let spent = Spent { transaction, vin, annex, prevouts };
    let signed = |leaf, key: &XOnlyPublicKey, signature| spent.signed(secp, leaf, key, signature);
    match stack.as_slice() {
        [signature] => {
            let key = output.spend_info.output_key().to_x_only_public_key();
            signed(None, &key, signature)?;
            Ok(SpendPath::Key)
        }
        [arbiter, representative, developer, leaf, control]
            if *leaf == output.cooperative_leaf.as_bytes()
                && *control == output.cooperative_control_block().serialize() =>
        {
            let leaf = Some(output.cooperative_leaf_hash());
            let signatures = [developer, representative, arbiter];
            let given =
                signatures.iter().zip(&output.signer_keys).filter(|(signature, _)| !signature.is_empty());
            let mut count = 0;
            for (signature, key) in given {
                signed(leaf, key, signature)?;
                count += 1;
            }
            if count == 2 { Ok(SpendPath::Cooperative) } else { Err("not signed by exactly two of three") }
        }
        [signature, leaf, control]
            if output.refund_leaf.as_ref().is_some_and(|refund| *leaf == refund.as_bytes())
                && output.refund_control_block().is_some_and(|block| *control == block.serialize()) =>
        {
            let refund_time = output.refund_time.to_consensus_u32();
            let locked = transaction.lock_time.is_block_time()
                && transaction.lock_time.to_consensus_u32() >= refund_time
                && input.sequence != Sequence::MAX;
            if !locked {
                return Err("a refund locked to T is not final before it; this one is not locked so (BIP65)");
            }
            let sponsor = output.sponsor_key.ok_or("the open address has no refund")?;
            signed(output.refund_leaf_hash(), &sponsor, signature)?;
            Ok(SpendPath::Refund)
        }
        _ => Err("the witness spends no way that this address has"),
    }
}

/// An input with all that its signatures commit to.
struct Spent<'a> {
    transaction: &'a Transaction,
    vin: usize,
    annex: Option<&'a [u8]>,
    prevouts: Vec<Option<TxOut>>,
}

impl Spent<'_> {
    /// Refuses a signature that does not verify; says nothing of one whose prevouts are not known.
    fn signed<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        leaf: Option<TapLeafHash>,
        key: &XOnlyPublicKey,
        signature: &[u8],
    ) -> Result<(), &'static str> {
        const BAD: &str = "a signature in the witness does not verify";
        let Signature { signature, sighash_type } = Signature::from_slice(signature).map_err(|_| BAD)?;
        let alone = matches!(
            sighash_type,
            TapSighashType::AllPlusAnyoneCanPay
                | TapSighashType::NonePlusAnyoneCanPay
                | TapSighashType::SinglePlusAnyoneCanPay
        );
        let all: Option<Vec<TxOut>> = self.prevouts.iter().cloned().collect();
        let prevouts = match (&all, &self.prevouts[self.vin]) {
            (_, Some(own)) if alone => Prevouts::One(self.vin, own.clone()),
            (Some(all), _) if !alone => Prevouts::All(all.as_slice()),
            _ => return Ok(()),
        };
        let annex = self.annex.map(Annex::new).transpose().map_err(|_| BAD)?;
        let leaf = leaf.map(|leaf| (leaf, u32::MAX));
        let sighash = SighashCache::new(self.transaction)
            .taproot_signature_hash(self.vin, &prevouts, annex, leaf, sighash_type)
            .map_err(|_| BAD)?;
        let message = Message::from_digest(sighash.to_byte_array());
        secp.verify_schnorr(&signature, &message, key).map_err(|_| BAD)
    }
}
