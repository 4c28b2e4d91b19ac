//! Arbiters: their public records.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::paths::ArbiterPath;
use crate::service::views::ArbiterView;
use axum::Json;
use axum::extract::State;
use bitcoin::bip32::Fingerprint;

/// Read an arbiter's record
///
/// Every task in which a key of this root holds the arbiter's seat: rulings given and how long they took, rulings that
/// were due and did not come, what became of the money. The fingerprint is declared by whoever wrote the charters, and not
/// proved.
#[utoipa::path(
    get, path = "/arbiters/{fingerprint}", operation_id = "getArbiter", tag = "votes", params(ArbiterPath),
    responses((status = 200, description = "The record.", body = ArbiterView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params(fingerprint): Params<Fingerprint>,
) -> Result<Json<ArbiterView>, ApiError> {
    view(&app, fingerprint).map(Json)
}

/// The record of an arbiter whom some task names.
pub(in crate::web) fn view(app: &App, fingerprint: Fingerprint) -> Result<ArbiterView, ApiError> {
    app.service.read(|book| ArbiterView::of(book, fingerprint)).ok_or_else(|| ApiError::missing("arbiter"))
}
