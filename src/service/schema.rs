//! JSON Schemas of the core's types, for the OpenAPI document. The core knows nothing of documents: here each of
//! its types has a mirror that says how it is written (patterns, bounds, units), and answers with that. Every
//! answer of the end-to-end tests is compared with what stands here, so that a mirror cannot drift.
//! Must not change how anything is written: that is the business of the types themselves.

mod chain;
mod charter;
mod event;
mod proof;
mod scalar;
mod servers;
mod statement;
mod wish;

pub(crate) use scalar::text;
pub use scalar::*;
pub use statement::{
    FateIfKnown, SignedAcceptance, SignedConfirmation, SignedEvidence, SignedMove, SignedReceipt,
    SignedRuling, SignedSubmission, SignedVote, StandingIfKnown,
};

pub use wish::{SignedProject, SignedProjectWithdrawal, SignedWish, SignedWithdrawal};

use utoipa::openapi::{RefOr, schema::Schema};

/// Lets a type of the core answer with the schema and the name of its mirror.
macro_rules! mirrored {
    ($($core:ty => $mirror:ty),+ $(,)?) => { $(
        impl utoipa::PartialSchema for $core {
            fn schema() -> super::Shape {
                <$mirror as utoipa::PartialSchema>::schema()
            }
        }
        impl utoipa::ToSchema for $core {
            fn name() -> std::borrow::Cow<'static, str> {
                <$mirror as utoipa::ToSchema>::name()
            }
            fn schemas(schemas: &mut Vec<(String, super::Shape)>) {
                <$mirror as utoipa::ToSchema>::schemas(schemas);
            }
        }
    )+ };
}
use mirrored;

/// What `utoipa` calls a schema or a reference to one.
pub(crate) type Shape = RefOr<Schema>;
