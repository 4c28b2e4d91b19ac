//! Public events. What stands in `data` depends on the type: what it always has is added to the document from the
//! one table of types (`openapi.rs`).

use super::Shape;
use super::mirrored;
use super::scalar::*;
use crate::escrow::public;
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa::{PartialSchema, ToSchema};

mirrored! {
    public::PublicEvent => PublicEvent,
    public::At => At,
    public::SignedBy => SignedBy,
}

/// Something that happened.
#[derive(ToSchema)]
#[allow(dead_code)]
struct PublicEvent {
    /// Its name.
    id: public::EventId,
    /// What happened.
    #[schema(value_type = EventType)]
    r#type: String,
    /// What belongs to the type: what it always has is required here, by the type.
    data: std::collections::BTreeMap<String, serde_json::Value>,
    /// The task's charter; left out where it is about a wish that has none, or about the project itself.
    #[schema(nullable = false)]
    charter: Option<crate::escrow::statement::CharterId>,
    /// The wish it is about; left out where it is about a task, or about the project itself.
    #[schema(nullable = false)]
    wish: Option<crate::escrow::statement::TaskId>,
    /// The pledge it is about; left out where it is about the task, or a gift.
    #[schema(value_type = Option<PledgeIndex>, nullable = false)]
    pledge: Option<u32>,
    /// Who signed it; left out where nobody did: what the chain, the rules or the service say.
    #[schema(nullable = false)]
    signed_by: Option<SignedBy>,
    /// The project.
    project: public::ProjectId,
    /// The project's repository, as the charter names it.
    repository: String,
    /// Time by the chain: the tip under which it became known; left out while no block is known.
    #[schema(nullable = false)]
    at: Option<At>,
    /// Unix time it was recorded at, by the service's clock: for display.
    #[schema(value_type = UnixSecondsSum)]
    recorded_secs: u64,
}

/// A type of event.
pub enum EventType {}

impl PartialSchema for EventType {
    fn schema() -> Shape {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(public::KINDS.iter().copied()))
            .description(Some(
                "What happened. A newer service may tell of more than this document knows: pass over what you do not know.",
            ))
            .into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }
}

/// Time by the chain.
#[derive(ToSchema)]
#[allow(dead_code)]
struct At {
    /// Height of the tip.
    #[schema(value_type = Height)]
    height: u32,
    /// Its median time past (BIP113).
    #[schema(value_type = UnixSeconds)]
    mtp_secs: u32,
}

/// Who signed what an event tells. The signatures are in the proof document.
#[derive(ToSchema)]
#[allow(dead_code)]
struct SignedBy {
    /// In which part: `developer`, `representative`, `arbiter` (a seat), or `sponsor` (of the event's pledge). There may be
    /// more in a newer service.
    part: String,
    /// What kind of signature: `bip340` or `bip322` (a statement), `transaction` (each input with a key of its own).
    form: String,
    /// Key that it verifies under; left out where each input of a transaction has its own.
    #[schema(value_type = Option<PublicKey>, nullable = false)]
    key: Option<String>,
    /// Fingerprint of the root key that the seat's account is declared to come from (BIP32); left out for sponsors.
    #[schema(value_type = Option<Fingerprint>, nullable = false)]
    fingerprint: Option<String>,
}
