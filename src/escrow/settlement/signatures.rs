//! Signatures as they travel, as they are once checked, and how many a settlement has.
//!
//! For each form a signer has signed all inputs or none: half a form is no use to anybody.

use super::super::statement::{Role, SettlementId};
use super::{Chunk, Form, Kind, Place, Plan};
use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Message, Secp256k1, Verification, schnorr};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One signer's signatures: by chunk, form and input. A form not signed is an empty list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSignatures {
    /// Whose.
    pub role: Role,
    /// BIP340 signatures, SIGHASH_DEFAULT, by the cooperative leaf.
    pub chunks: Vec<Vec<Vec<schnorr::Signature>>>,
}

/// Why signatures are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not one list a transaction.
    #[error("signatures for {given} transactions; the settlement has {expected}")]
    Chunks {
        /// In what came.
        given: usize,
        /// In the plan.
        expected: usize,
    },
    /// Not one list a form.
    #[error("signatures for {given} forms of transaction {chunk}; it has {expected}")]
    Forms {
        /// Which transaction.
        chunk: u32,
        /// In what came.
        given: usize,
        /// In the plan.
        expected: usize,
    },
    /// Neither all inputs nor none.
    #[error("{place}: {given} signatures for {expected} inputs")]
    Inputs {
        /// Where.
        place: Place,
        /// In what came.
        given: usize,
        /// In the plan.
        expected: usize,
    },
    /// Nothing is signed.
    #[error("nothing is signed")]
    Nothing,
    /// One does not verify.
    #[error(
        "{place}: the {role}'s signature for {outpoint} does not verify: it was made by another key or for another transaction"
    )]
    Bad {
        /// Whose it should be.
        role: Role,
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
    },
}

impl SignatureError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            SignatureError::Chunks { .. } => "signatures_chunks",
            SignatureError::Forms { .. } => "signatures_forms",
            SignatureError::Inputs { .. } => "signatures_inputs",
            SignatureError::Nothing => "signatures_none",
            SignatureError::Bad { .. } => "signature_bad",
        }
    }
}

/// Signatures of one signer that verify for one settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignatures {
    settlement: SettlementId,
    signatures: RoleSignatures,
}

impl CheckedSignatures {
    /// For the results of other checks in this folder; every signature must have been verified.
    pub(super) fn from_verified(settlement: SettlementId, signatures: RoleSignatures) -> Self {
        CheckedSignatures { settlement, signatures }
    }

    /// Which settlement.
    pub fn settlement(&self) -> SettlementId {
        self.settlement
    }

    /// Whose.
    pub fn role(&self) -> Role {
        self.signatures.role
    }

    /// As they travel and are stored.
    pub fn signatures(&self) -> &RoleSignatures {
        &self.signatures
    }
}

impl Plan {
    /// Verifies every signature of one signer against this very settlement.
    pub fn check_signatures<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        signatures: &RoleSignatures,
    ) -> Result<CheckedSignatures, SignatureError> {
        let (given, expected) = (signatures.chunks.len(), self.chunks().len());
        if given != expected {
            return Err(SignatureError::Chunks { given, expected });
        }
        for ((at, chunk), forms) in (0u32..).zip(self.chunks()).zip(&signatures.chunks) {
            let (given, expected) = (forms.len(), chunk.forms.len());
            if given != expected {
                return Err(SignatureError::Forms { chunk: at, given, expected });
            }
        }
        let lists = || self.forms().zip(signatures.chunks.iter().flatten());
        for ((place, chunk, _), list) in lists() {
            let (given, expected) = (list.len(), chunk.inputs.len());
            if given != 0 && given != expected {
                return Err(SignatureError::Inputs { place, given, expected });
            }
        }
        if lists().all(|(_, list)| list.is_empty()) {
            return Err(SignatureError::Nothing);
        }
        let role = signatures.role;
        for ((place, chunk, form), list) in lists().filter(|(_, list)| !list.is_empty()) {
            for ((input, message), signature) in chunk.inputs.iter().zip(messages(chunk, form)).zip(list) {
                let bad = |_| SignatureError::Bad { role, place, outpoint: input.term.outpoint };
                secp.verify_schnorr(signature, &message, &input.output.signer_key(role)).map_err(bad)?;
            }
        }
        Ok(CheckedSignatures { settlement: self.id(), signatures: signatures.clone() })
    }
}

/// What is signed for each input of a form: BIP341 with SIGHASH_DEFAULT, by the cooperative leaf.
pub(super) fn messages(chunk: &Chunk, form: &Form) -> Vec<Message> {
    let prevouts = chunk.prevouts();
    // One cache: hashing all prevouts again for each input would be quadratic.
    let mut cache = SighashCache::new(&form.transaction);
    let message = |(at, leaf)| {
        let sighash = cache
            .taproot_script_spend_signature_hash(at, &Prevouts::All(&prevouts), leaf, TapSighashType::Default)
            .expect("the chunk has a prevout for each input of its forms");
        Message::from_digest(sighash.to_byte_array())
    };
    chunk.inputs.iter().map(|input| input.output.cooperative_leaf_hash()).enumerate().map(message).collect()
}

/// These signatures are for another settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these signatures are for settlement {given}, not for {expected}")]
pub struct OtherSettlement {
    /// What they are for.
    pub given: SettlementId,
    /// What is collected.
    pub expected: SettlementId,
}

/// All signatures a settlement has so far, each of them verified.
///
/// It is not read from outside: store the [`RoleSignatures`], and merge them again after
/// [`Plan::check_signatures`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signatures {
    settlement: SettlementId,
    #[serde(skip)]
    kind: Kind,
    /// By role, chunk, form and input.
    roles: BTreeMap<Role, Vec<Vec<Vec<schnorr::Signature>>>>,
}

impl Signatures {
    /// None yet.
    pub fn new(plan: &Plan) -> Signatures {
        Signatures { settlement: plan.id(), kind: plan.terms().kind(), roles: BTreeMap::new() }
    }

    /// Adds one signer's signatures; a form that signer has signed already stays as it is. Says whether
    /// anything was new.
    pub fn merge(&mut self, checked: &CheckedSignatures) -> Result<bool, OtherSettlement> {
        if checked.settlement != self.settlement {
            return Err(OtherSettlement { given: checked.settlement, expected: self.settlement });
        }
        let RoleSignatures { role, chunks } = &checked.signatures;
        let Some(held) = self.roles.get_mut(role) else {
            self.roles.insert(*role, chunks.clone());
            return Ok(true);
        };
        let mut new = false;
        for (held, given) in held.iter_mut().flatten().zip(chunks.iter().flatten()) {
            if held.is_empty() && !given.is_empty() {
                held.clone_from(given);
                new = true;
            }
        }
        Ok(new)
    }

    /// Which settlement they are for.
    pub fn settlement(&self) -> SettlementId {
        self.settlement
    }

    /// Whether nobody has signed anything.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// What one signer has signed so far.
    pub fn of(&self, role: Role) -> Option<RoleSignatures> {
        self.roles.get(&role).map(|chunks| RoleSignatures { role, chunks: chunks.clone() })
    }

    /// Signatures of one signer for one form.
    pub(super) fn form(&self, role: Role, chunk: u32, form: u32) -> Option<&[schnorr::Signature]> {
        let at = |index| usize::try_from(index).ok();
        let list = self.roles.get(&role)?.get(at(chunk)?)?.get(at(form)?)?;
        (!list.is_empty()).then_some(list.as_slice())
    }

    /// Who has signed one form, in the order of [`Role::ALL`].
    pub fn signed_by(&self, chunk: u32, form: u32) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.form(*role, chunk, form).is_some()).collect()
    }

    /// The two whose signatures finalize one form; for a ruling the arbiter is one of them.
    pub fn pair(&self, chunk: u32, form: u32) -> Option<[Role; 2]> {
        let signed = self.signed_by(chunk, form);
        if matches!(self.kind, Kind::Ruling { .. }) {
            let other = *signed.iter().find(|role| **role != Role::Arbiter)?;
            return signed.contains(&Role::Arbiter).then_some([other, Role::Arbiter]);
        }
        match signed.as_slice() {
            [first, second, ..] => Some([*first, *second]),
            _ => None,
        }
    }

    /// The pair of a chunk's lowest form; with it the chunk can be broadcast.
    pub fn complete(&self, chunk: u32) -> Option<[Role; 2]> {
        self.pair(chunk, 0)
    }

    /// The signers who have signed every form of every chunk.
    pub fn roles_done(&self) -> Vec<Role> {
        let done = |chunks: &Vec<Vec<Vec<_>>>| chunks.iter().flatten().all(|list| !list.is_empty());
        self.roles.iter().filter(|(_, chunks)| done(chunks)).map(|(role, _)| *role).collect()
    }
}
