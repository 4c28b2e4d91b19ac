//! Tasks: written down, attested, shown, proved.

use super::super::body::{Body, Params};
use super::super::page::{self, Query};
use super::super::{ApiError, App, Identity};
use super::paths::TaskPath;
use crate::escrow::charter::CharterFields;
use crate::escrow::event::Command;
use crate::escrow::proof::ProofDocument;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Role};
use crate::service::views::{Page, TaskQuery, TaskSummary, TaskView};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bitcoin::Amount;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A task to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Canonical bytes of the charter.
    #[schema(max_length = 65536)]
    pub charter: String,
    /// Text whose hash the charter names.
    pub text: String,
}

/// Its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Created {
    /// Id of the charter.
    pub charter: CharterId,
}

/// A signer's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttestation {
    /// Which seat.
    pub role: Role,
    /// BIP340 signature over the charter id, tag `upfront/attest`.
    pub signature: StatementSignature,
}

/// Write a task down
///
/// Keeps a charter and its text. The same again answers the same.
#[utoipa::path(
    post, path = "/tasks", operation_id = "createTask", tag = "tasks",
    request_body = NewTask,
    responses((status = 201, description = "The task is written down; nothing is attested yet.", body = Created))
)]
pub(super) async fn create(
    State(app): State<App>,
    Identity(by): Identity,
    Body(task): Body<NewTask>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let charter = app.service.draft(&task.charter, &task.text, by).await?;
    Ok((StatusCode::CREATED, Json(Created { charter })))
}

/// List tasks
///
/// In pages, filtered and sorted. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/tasks", operation_id = "listTasks", tag = "tasks",
    params(TaskQuery),
    responses((
        status = 200, description = "A page of tasks.", body = Page<TaskSummary>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<TaskQuery>,
) -> Result<Response, ApiError> {
    let limit = page::limit(query.limit)?;
    if query.min_target_sat.is_some_and(|sat| sat > Amount::MAX_MONEY.to_sat()) {
        return Err(ApiError::shape("min_target_sat is more than all satoshis there will ever be".into()));
    }
    let page = app.service.read(|book| query.page(book, limit));
    Ok(page::respond(&uri, page.map_err(|error| ApiError::shape(error.to_string()))?))
}

pub(super) fn view(app: &App, charter: &CharterId) -> Result<Json<TaskView>, ApiError> {
    Ok(Json(app.service.read_task(charter, TaskView::new)?))
}

/// Read a task
///
/// The task with its pledges, submissions and settlements, computed under one tip.
#[utoipa::path(
    get, path = "/tasks/{charter}", operation_id = "getTask", tag = "tasks",
    params(TaskPath),
    responses((status = 200, description = "The task.", body = TaskView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Json<TaskView>, ApiError> {
    view(&app, &charter)
}

/// Read a charter
///
/// The canonical bytes, as they are hashed.
#[utoipa::path(
    get, path = "/tasks/{charter}/charter", operation_id = "getCharter", tag = "tasks",
    params(TaskPath),
    responses((status = 200, description = "Canonical bytes (RFC 8785) of the charter: their tagged hash is its id.", body = CharterFields))
)]
pub(super) async fn charter(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Response, ApiError> {
    let bytes = app.service.read_task(&charter, |task, _| task.charter().bytes().to_vec())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Read the proof document
///
/// All public data of the task, for `upfront verify`: addresses, balances and the tally can be recomputed from it.
#[utoipa::path(
    get, path = "/tasks/{charter}/proof", operation_id = "getProof", tag = "tasks",
    params(TaskPath),
    responses((status = 200, description = "The proof document.", body = ProofDocument))
)]
pub(super) async fn proof(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
) -> Result<Json<ProofDocument>, ApiError> {
    Ok(Json(app.service.proof(&charter).await?))
}

/// Attest a charter
///
/// A signer agrees to the charter. With the third attestation the task is open.
#[utoipa::path(
    post, path = "/tasks/{charter}/attestations", operation_id = "attest", tag = "tasks",
    params(TaskPath),
    request_body = NewAttestation,
    responses((status = 200, description = "The task, attested.", body = TaskView))
)]
pub(super) async fn attest(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(attestation): Body<NewAttestation>,
) -> Result<Json<TaskView>, ApiError> {
    let NewAttestation { role, signature } = attestation;
    app.service.submit(&charter, Command::Attest { role, signature }).await?;
    view(&app, &charter)
}
