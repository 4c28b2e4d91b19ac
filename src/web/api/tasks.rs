//! Tasks: written down, attested, shown, proved.

use super::super::body::{Body, Params};
use super::super::{ApiError, App};
use crate::escrow::event::Command;
use crate::escrow::proof::ProofDocument;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Role};
use crate::service::views::{TaskSummary, TaskView};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// A task to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Canonical bytes of the charter.
    pub charter: String,
    /// Text whose hash the charter names.
    pub text: String,
}

/// Its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Id of the charter.
    pub charter: CharterId,
}

/// A signer's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAttestation {
    /// Which seat.
    pub role: Role,
    /// BIP340 signature over the charter id, tag `upfront/attest`.
    pub signature: StatementSignature,
}

pub(super) async fn create(
    State(app): State<App>,
    Body(task): Body<NewTask>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let charter = app.service.draft(&task.charter, &task.text).await?;
    Ok((StatusCode::CREATED, Json(Created { charter })))
}

pub(super) async fn list(State(app): State<App>) -> Json<Vec<TaskSummary>> {
    Json(
        app.service
            .read(|book| book.tasks().values().map(|task| TaskSummary::new(task, book.tip())).collect()),
    )
}

pub(super) fn view(app: &App, charter: &CharterId) -> Result<Json<TaskView>, ApiError> {
    Ok(Json(app.service.read_task(charter, TaskView::new)?))
}

pub(super) async fn show(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Json<TaskView>, ApiError> {
    view(&app, &charter)
}

pub(super) async fn charter(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Response, ApiError> {
    let bytes = app.service.read_task(&charter, |task, _| task.charter().bytes().to_vec())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

pub(super) async fn proof(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Json<ProofDocument>, ApiError> {
    Ok(Json(app.service.proof(&charter).await?))
}

pub(super) async fn attest(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(attestation): Body<NewAttestation>,
) -> Result<Json<TaskView>, ApiError> {
    let NewAttestation { role, signature } = attestation;
    app.service.submit(&charter, Command::Attest { role, signature }).await?;
    view(&app, &charter)
}
