//! Why a recovery file is refused. Nothing of the file is repeated: it is full of secrets.

use super::super::charter::CharterError;
use super::super::descriptor::DescriptorError;
use super::super::refund::BundleError;
use bitcoin::OutPoint;

/// A recovery file that cannot be trusted, and where it is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Larger than any recovery file.
    #[error("this file has {bytes} bytes; a recovery file has at most {max}")]
    TooLong {
        /// Given length.
        bytes: usize,
        /// Longest read.
        max: usize,
    },
    /// Not the JSON of a recovery file: cut off, a field missing, unknown, doubled or of another type.
    #[error("this is no recovery file, or it is damaged in line {line}, column {column}")]
    NotARecoveryFile {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A version this program does not know.
    #[error("recovery file version {given} is not known; this program reads version 1")]
    Version {
        /// Given version.
        given: u32,
    },
    /// The charter inside is not valid.
    #[error("charter: {0}")]
    Charter(#[from] CharterError),
    /// There is no such address.
    #[error("index or sponsor_key: {0}")]
    Descriptor(#[from] DescriptorError),
    /// A field does not have the form it should have.
    #[error("{field} cannot be read: it is damaged or was changed")]
    Unreadable {
        /// Path of the field.
        field: String,
    },
    /// A field is not what follows from the rest of the file.
    #[error("{field} does not fit the rest of the file: it is damaged or was changed")]
    Mismatch {
        /// Path of the field.
        field: String,
    },
    /// A signature does not verify.
    #[error("{field} does not verify: it, or what it signs, is damaged or was changed")]
    Signature {
        /// Path of the field.
        field: String,
    },
    /// A refund in the file is not one of its outpoint.
    #[error("{field}: {source}")]
    Refund {
        /// Path of the entry.
        field: String,
        /// Why.
        source: BundleError,
    },
    /// Two entries for one outpoint.
    #[error("{field}: {outpoint} is in the file twice")]
    DuplicateOutpoint {
        /// Path of the second entry.
        field: String,
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// A refund of something else was to be added.
    #[error("the refund of {outpoint} is not one of this pledge")]
    OtherPledge {
        /// What it refunds.
        outpoint: OutPoint,
    },
}
