//! Settlement: the one co-signed spend, by two of developer, representative and arbiter.
//!
//! The way of the data: [`Terms`] say which outpoints move and what share of each is paid; [`plan()`]
//! makes the unsigned transactions of them, the same for everybody who computes it; [`sign`] or a wallet
//! given [`Plan::psbts`] signs; [`Plan::check_signatures`] and [`Plan::read_psbts`] accept nothing but
//! signatures over these very transactions; [`Plan::finalize`] puts the witnesses together.
//!
//! Nothing here decides *whether* money may move: that is for charter, votes and rulings.

mod budget;
mod finalize;
mod plan;
mod psbt;
mod read;
mod sign;
mod signatures;
mod steps;
mod terms;

pub use budget::{StaysOut, Worthwhile, worthwhile};
pub use finalize::FinalizeError;
pub use plan::{Chunk, ChunkInput, Form, InputShare, Made, OutputKind, Place, Plan, PlanError, plan};
pub use read::{Difference, PsbtError};
pub use sign::{SignError, sign};
pub use signatures::{CheckedSignatures, OtherSettlement, RoleSignatures, SignatureError, Signatures};
pub use steps::{nearest_step, step_at_or_above, step_at_or_below, steps, steps_beside};
pub use terms::{Kind, TermInput, Terms, TermsError};

use bitcoin::Sequence;

/// Feerates of a settlement's forms, as multiples of its lowest: a bump needs no second round of signers.
pub const FORM_FACTORS: [u64; 3] = [1, 2, 4];
/// Replaceable, and no relative timelock.
pub const SEQUENCE: Sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;

#[cfg(test)]
mod tests;
