//! Signing with a signer's account key, all forms of all chunks in one go.
//!
//! What may be signed is judged before: this signs whatever the plan holds. The key is used and
//! forgotten; no error names it.

use super::super::statement::Role;
use super::signatures::messages;
use super::{Plan, RoleSignatures};
use bitcoin::bip32::{ChildNumber, Xpriv, Xpub};
use bitcoin::secp256k1::{Keypair, Secp256k1, Signing};
use std::collections::BTreeMap;

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The account key is not that of the charter.
    #[error("this is not the {role}'s account key of the charter: check phrase and account number")]
    OtherKey {
        /// Whose it should be.
        role: Role,
    },
}

impl SignError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            SignError::OtherKey { .. } => "sign_other_key",
        }
    }
}

/// Signs every form with the key at `generation/index` below `account` (`87h/coin'h/k'h`), by the
/// cooperative leaf, without auxiliary randomness: equal plans give equal signatures.
pub fn sign<C: Signing>(
    secp: &Secp256k1<C>,
    plan: &Plan,
    role: Role,
    account: &Xpriv,
) -> Result<RoleSignatures, SignError> {
    let (xpub, expected) = (Xpub::from_priv(secp, account), plan.signer(role).xpub());
    if (xpub.public_key, xpub.chain_code) != (expected.public_key, expected.chain_code) {
        return Err(SignError::OtherKey { role });
    }
    let child = |parent: &Xpriv, number: u32| {
        let step = ChildNumber::from_normal_idx(number).expect("slots of a plan are below 2^31");
        parent.derive_priv(secp, &[step]).expect("unhardened steps derive (BIP32, but for odds of 2^-127)")
    };
    let mut branches: BTreeMap<u32, Xpriv> = BTreeMap::new();
    let mut chunks = Vec::with_capacity(plan.chunks().len());
    for chunk in plan.chunks() {
        let keys: Vec<Keypair> = chunk
            .inputs
            .iter()
            .map(|input| {
                let slot = input.term.slot;
                let branch =
                    branches.entry(slot.generation).or_insert_with(|| child(account, slot.generation));
                child(branch, slot.index).to_keypair(secp)
            })
            .collect();
        let signed = chunk.forms.iter().map(|form| {
            let messages = messages(chunk, form);
            messages
                .iter()
                .zip(&keys)
                .map(|(message, key)| secp.sign_schnorr_no_aux_rand(message, key))
                .collect()
        });
        chunks.push(signed.collect());
    }
    Ok(RoleSignatures { role, chunks })
}
