//! Two signatures an input become a witness. Ours, because the general finalizer of rust-miniscript looks
//! for a satisfaction of every input anew and takes quadratic time.

use super::super::statement::Role;
use super::{Form, Kind, Place, Plan, Signatures};
use bitcoin::{Transaction, Witness};

/// Why a form cannot be finalized.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalizeError {
    /// No such transaction or form.
    #[error("the settlement has no form {form} of a transaction {chunk}")]
    NoSuchForm {
        /// Which transaction.
        chunk: u32,
        /// Which form.
        form: u32,
    },
    /// Signatures of another settlement.
    #[error("the signatures belong to another settlement")]
    OtherSettlement,
    /// Fewer than two have signed, or a ruling without its arbiter.
    #[error("{place} is signed by {}; it needs two of three{}", names(.signed), if *.needs_arbiter { ", one of them the arbiter" } else { "" })]
    Incomplete {
        /// Where.
        place: Place,
        /// Who has signed.
        signed: Vec<Role>,
        /// Whether the arbiter must be one of the two.
        needs_arbiter: bool,
    },
}

fn names(roles: &[Role]) -> String {
    if roles.is_empty() {
        return "nobody".into();
    }
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(" and ")
}

impl FinalizeError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            FinalizeError::NoSuchForm { .. } => "finalize_no_such_form",
            FinalizeError::OtherSettlement => "finalize_other_settlement",
            FinalizeError::Incomplete { .. } => "finalize_incomplete",
        }
    }
}

impl Plan {
    /// One form with its witnesses: `[sig A or empty, sig R or empty, sig D or empty, leaf, control block]`,
    /// because the leaf takes the developer's signature from the top of the stack first.
    pub fn finalize(
        &self,
        chunk: u32,
        form: u32,
        signatures: &Signatures,
    ) -> Result<Transaction, FinalizeError> {
        let no_such_form = FinalizeError::NoSuchForm { chunk, form };
        let inputs = &self.chunk(chunk).ok_or(no_such_form.clone())?.inputs;
        let Form { transaction, feerate_sat_per_vb, .. } = self.form(chunk, form).ok_or(no_such_form)?;
        if signatures.settlement() != self.id() {
            return Err(FinalizeError::OtherSettlement);
        }
        let pair = signatures.pair(chunk, form).ok_or_else(|| FinalizeError::Incomplete {
            place: Place { chunk, form, feerate_sat_per_vb: *feerate_sat_per_vb },
            signed: signatures.signed_by(chunk, form),
            needs_arbiter: matches!(self.terms().kind(), Kind::Ruling { .. }),
        })?;
        let lists = Role::ALL.map(|role| signatures.form(role, chunk, form).filter(|_| pair.contains(&role)));
        let mut transaction = transaction.clone();
        for (at, (input, spent)) in transaction.input.iter_mut().zip(inputs).enumerate() {
            let mut witness = Witness::new();
            for list in lists.iter().rev() {
                match list {
                    Some(list) => witness.push(list[at].as_ref()),
                    None => witness.push([]),
                }
            }
            witness.push(&spent.output.cooperative_leaf);
            witness.push(spent.output.cooperative_control_block().serialize());
            input.witness = witness;
        }
        Ok(transaction)
    }
}
