//! Why PSBTs are refused: where, and what to do.

use super::super::super::statement::Role;
use super::super::Place;
use super::Difference;
use bitcoin::OutPoint;
use bitcoin::secp256k1::XOnlyPublicKey;

/// Bitcoin Core signs nothing, and says nothing, for keys outside the range of its descriptors.
const HINT: &str = "Bitcoin Core signs only inside its key's range (0/0 to 0/999): \
    run `upfront charter show --core` and import what it prints, or use descriptorprocesspsbt";

/// PSBTs that are not signatures over this settlement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsbtError {
    /// None came.
    #[error("no PSBT was given")]
    Nothing,
    /// Not one of the settlement's transactions.
    #[error("PSBT {number} is not a transaction of this settlement; compared with {place}: {difference}")]
    OtherTransaction {
        /// Which of those given, from 0.
        number: usize,
        /// The form most like it.
        place: Place,
        /// The first difference.
        difference: Difference,
    },
    /// Not one map for each input.
    #[error("{place}: fields for {given} inputs; there are {expected}")]
    InputCount {
        /// Where.
        place: Place,
        /// In what came.
        given: usize,
        /// In the plan.
        expected: usize,
    },
    /// A field does not describe the output that is spent.
    #[error("{place}: {field} of {outpoint} is not as proposed")]
    Field {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
        /// Name of the field in BIP174 or BIP371.
        field: &'static str,
    },
    /// Signed by the internal key.
    #[error("{place}: {outpoint} is signed by the key path; this settlement is signed by the leaf")]
    KeyPath {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
    },
    /// A key that is none of the three.
    #[error("{place}: {outpoint} is signed by {key}, which is not a key of the three signers there")]
    WrongKey {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
        /// Which key.
        key: XOnlyPublicKey,
    },
    /// Another leaf.
    #[error("{place}: the {role} signed another leaf of {outpoint} than the two-of-three one")]
    WrongLeaf {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
        /// Whose signature.
        role: Role,
    },
    /// Not SIGHASH_DEFAULT.
    #[error("{place}: the sighash type of {outpoint} is {given}; sign with SIGHASH_DEFAULT")]
    WrongSighash {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
        /// In what came.
        given: String,
    },
    /// A signature does not verify.
    #[error("{place}: the {role}'s signature for {outpoint} does not verify")]
    BadSignature {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
        /// Whose signature.
        role: Role,
    },
    /// A final witness that is not two signatures, the leaf and its control block.
    #[error("{place}: the final witness of {outpoint} is not a spend by two of three")]
    FinalWitness {
        /// Where.
        place: Place,
        /// Which input.
        outpoint: OutPoint,
    },
    /// Came back as it went out.
    #[error("{place}: the PSBT has no signature; {HINT}")]
    NoSignature {
        /// Where.
        place: Place,
    },
    /// A signer left inputs out.
    #[error("{place}: the {role} did not sign {}; {HINT}", some(.missing))]
    Incomplete {
        /// Whose signatures.
        role: Role,
        /// Where.
        place: Place,
        /// What they did not sign.
        missing: Vec<OutPoint>,
    },
}

fn some(outpoints: &[OutPoint]) -> String {
    const SHOWN: usize = 3;
    let shown = outpoints.iter().take(SHOWN).map(OutPoint::to_string).collect::<Vec<_>>().join(", ");
    match outpoints.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl PsbtError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            PsbtError::Nothing => "psbt_nothing",
            PsbtError::OtherTransaction { .. } => "psbt_other_transaction",
            PsbtError::InputCount { .. } => "psbt_input_count",
            PsbtError::Field { .. } => "psbt_field",
            PsbtError::KeyPath { .. } => "psbt_key_path",
            PsbtError::WrongKey { .. } => "psbt_wrong_key",
            PsbtError::WrongLeaf { .. } => "psbt_wrong_leaf",
            PsbtError::WrongSighash { .. } => "psbt_wrong_sighash",
            PsbtError::BadSignature { .. } => "psbt_bad_signature",
            PsbtError::FinalWitness { .. } => "psbt_final_witness",
            PsbtError::NoSignature { .. } => "psbt_no_signature",
            PsbtError::Incomplete { .. } => "psbt_incomplete",
        }
    }
}
