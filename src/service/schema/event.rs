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
    /// The task's charter.
    charter: crate::escrow::statement::CharterId,
    /// The pledge it is about; left out where it is about the task, or a gift.
    #[schema(value_type = Option<PledgeIndex>, nullable = false)]
    pledge: Option<u32>,
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
