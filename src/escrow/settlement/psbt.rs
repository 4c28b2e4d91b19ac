//! Unsigned and signed PSBTs (BIP174 with the fields of BIP371), with all that wallets need to find their
//! key: full derivation paths of the three signers, never the sponsor's.

use super::super::statement::Role;
use super::{CheckedSignatures, Chunk, ChunkInput, Form, Plan};
use bitcoin::psbt::{Input, Psbt};
use bitcoin::sighash::TapSighashType;
use bitcoin::taproot::{LeafVersion, Signature};
use std::collections::BTreeMap;

impl Plan {
    /// One form as a PSBT; `None` where there is no such form.
    pub fn psbt(&self, chunk: u32, form: u32) -> Option<Psbt> {
        Some(self.to_psbt(self.chunk(chunk)?, self.form(chunk, form)?))
    }

    /// Every form of every transaction as a PSBT, in the order of [`Plan::forms`].
    pub fn psbts(&self) -> Vec<Psbt> {
        self.forms().map(|(_, chunk, form)| self.to_psbt(chunk, form)).collect()
    }

    /// The forms that one signer has signed, as PSBTs with those signatures.
    pub fn signed_psbts(&self, signatures: &CheckedSignatures) -> Vec<Psbt> {
        let role = signatures.role();
        let lists = signatures.signatures().chunks.iter().flatten();
        let signed = self.forms().zip(lists).filter(|(_, list)| !list.is_empty());
        signed
            .map(|((_, chunk, form), list)| {
                let mut psbt = self.to_psbt(chunk, form);
                for ((into, input), signature) in psbt.inputs.iter_mut().zip(&chunk.inputs).zip(list) {
                    let key = (input.output.signer_key(role), input.output.cooperative_leaf_hash());
                    let signature =
                        Signature { signature: *signature, sighash_type: TapSighashType::Default };
                    into.tap_script_sigs.insert(key, signature);
                }
                psbt
            })
            .collect()
    }

    fn to_psbt(&self, chunk: &Chunk, form: &Form) -> Psbt {
        let mut psbt = Psbt::from_unsigned_tx(form.transaction.clone())
            .expect("forms have neither script_sig nor witness");
        psbt.inputs = chunk.inputs.iter().map(|input| self.psbt_input(input)).collect();
        psbt
    }

    fn psbt_input(&self, input: &ChunkInput) -> Input {
        let ChunkInput { term, output } = input;
        let leaf_hash = output.cooperative_leaf_hash();
        let origins = Role::ALL.map(|role| {
            let signer = self.signer(role);
            let path = signer.full_path(term.slot.generation, term.slot.index);
            (output.signer_key(role), (vec![leaf_hash], (signer.fingerprint(), path)))
        });
        let leaf = (output.cooperative_leaf.clone(), LeafVersion::TapScript);
        Input {
            witness_utxo: Some(input.prevout()),
            tap_internal_key: Some(output.internal_key),
            tap_merkle_root: output.spend_info.merkle_root(),
            tap_scripts: BTreeMap::from([(output.cooperative_control_block(), leaf)]),
            tap_key_origins: BTreeMap::from(origins),
            ..Input::default()
        }
    }
}
