//! Public events. What stands in `data` depends on the type; `docs/API.md` has the list.

use super::mirrored;
use super::scalar::*;
use crate::escrow::public;
use utoipa::ToSchema;

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
    /// What happened, as `payment_credited`; docs/API.md lists the types. New ones may come: pass over those you do not
    /// know.
    #[schema(pattern = "^[a-z][a-z_]*$", example = "payment_credited")]
    r#type: String,
    /// What belongs to the type; docs/API.md lists the fields.
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
