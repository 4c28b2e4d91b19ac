//! Submissions, votes, acceptance and rulings.

use super::super::body::{Body, Params};
use super::super::page::{self, PageQuery, Query};
use super::super::{ApiError, App};
use super::paths::{SubmissionPath, TaskPath};
use crate::escrow::ballot::CastVote;
use crate::escrow::statement::{
    Acceptance, CharterId, Evidence, MergeConfirmation, Ruling, Signed, Submission, SubmissionId, Vote,
};
use crate::service::schema::{
    SignedAcceptance, SignedConfirmation, SignedEvidence, SignedRuling, SignedSubmission, SignedVote,
};
use crate::service::views::{Page, ReceiptView, SubmissionView, votes};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

fn view(app: &App, charter: &CharterId, id: &SubmissionId) -> Result<Json<SubmissionView>, ApiError> {
    let view = app.service.read_task(charter, |task, tip| {
        task.submission(id).map(|submission| SubmissionView::new(task, submission, tip))
    })?;
    view.map(Json).ok_or(ApiError::missing("submission"))
}

/// Submit work
///
/// Puts work before the sponsors. The window for votes begins with the block it names.
#[utoipa::path(
    post, path = "/tasks/{charter}/submissions", operation_id = "submitWork", tag = "votes",
    params(TaskPath),
    request_body = SignedSubmission,
    responses((status = 201, description = "The submission.", body = SubmissionView))
)]
pub(super) async fn submit(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(submission): Body<Signed<Submission>>,
) -> Result<(StatusCode, Json<SubmissionView>), ApiError> {
    let id = submission.statement.id();
    app.service.submit_work(&charter, submission).await?;
    Ok((StatusCode::CREATED, view(&app, &charter, &id)?))
}

/// List a task's submissions
///
/// In pages, in order. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/tasks/{charter}/submissions", operation_id = "listSubmissions", tag = "votes",
    params(TaskPath, PageQuery),
    responses((
        status = 200, description = "A page of submissions.", body = Page<SubmissionView>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    Params(charter): Params<CharterId>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let page = app.service.read_task(&charter, |task, tip| SubmissionView::page(task, tip, after, limit))?;
    Ok(page::respond(&uri, page))
}

/// List the votes on a submission
///
/// In pages, in order of arrival. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/tasks/{charter}/submissions/{submission}/votes", operation_id = "listVotes", tag = "votes",
    params(SubmissionPath, PageQuery),
    responses((
        status = 200, description = "A page of votes.", body = Page<CastVote>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn list_votes(
    State(app): State<App>,
    uri: Uri,
    Params((charter, submission)): Params<(CharterId, SubmissionId)>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let page = app.service.read_task(&charter, |task, _| {
        task.submission(&submission).map(|submission| votes(submission, after, limit))
    })?;
    Ok(page::respond(&uri, page.ok_or(ApiError::missing("submission"))?))
}

/// Read a submission
///
/// With every vote, its receipt, the count and what follows from it.
#[utoipa::path(
    get, path = "/tasks/{charter}/submissions/{submission}", operation_id = "getSubmission", tag = "votes",
    params(SubmissionPath),
    responses((status = 200, description = "The submission with its count.", body = SubmissionView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params((charter, submission)): Params<(CharterId, SubmissionId)>,
) -> Result<Json<SubmissionView>, ApiError> {
    view(&app, &charter, &submission)
}

/// Vote
///
/// With the key of one pledge. The same vote again keeps its first receipt.
#[utoipa::path(
    post, path = "/tasks/{charter}/votes", operation_id = "vote", tag = "votes",
    params(TaskPath),
    request_body = SignedVote,
    responses((status = 200, description = "The vote as kept, with its receipt: keep it, it proves an omission.", body = ReceiptView))
)]
pub(super) async fn vote(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(vote): Body<Signed<Vote>>,
) -> Result<Json<ReceiptView>, ApiError> {
    Ok(Json(app.service.vote(&charter, vote).await?))
}

/// Confirm a merge or release
///
/// The project leader's word that the submission is merged or released, where the charter waits for that: the window for
/// votes begins with the block it names.
#[utoipa::path(
    post, path = "/tasks/{charter}/confirmations", operation_id = "confirm", tag = "votes",
    params(TaskPath),
    request_body = SignedConfirmation,
    responses((status = 200, description = "The submission.", body = SubmissionView))
)]
pub(super) async fn confirm(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(confirmation): Body<Signed<MergeConfirmation>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = confirmation.statement.submission;
    app.service.confirm(&charter, confirmation).await?;
    view(&app, &charter, &id)
}

/// Accept or refuse work
///
/// The representative's word, which frees the money of the silent.
#[utoipa::path(
    post, path = "/tasks/{charter}/acceptances", operation_id = "accept", tag = "votes",
    params(TaskPath),
    request_body = SignedAcceptance,
    responses((status = 200, description = "The submission.", body = SubmissionView))
)]
pub(super) async fn accept(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(acceptance): Body<Signed<Acceptance>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = acceptance.statement.submission;
    app.service.judge(&charter, acceptance).await?;
    view(&app, &charter, &id)
}

/// Rule over the noes
///
/// The arbiter's word.
#[utoipa::path(
    post, path = "/tasks/{charter}/rulings", operation_id = "rule", tag = "votes",
    params(TaskPath),
    request_body = SignedRuling,
    responses((status = 200, description = "The submission.", body = SubmissionView))
)]
pub(super) async fn rule(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(ruling): Body<Signed<Ruling>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = ruling.statement.submission;
    app.service.rule(&charter, ruling).await?;
    view(&app, &charter, &id)
}

/// Open a dispute or give evidence
///
/// Words about a submission, signed by the party that they name: a signer, the project's leader, or the sponsor of a
/// pledge that was paid. No rule about money rests on them.
#[utoipa::path(
    post, path = "/tasks/{charter}/evidence", operation_id = "giveEvidence", tag = "votes",
    params(TaskPath),
    request_body = SignedEvidence,
    responses((status = 200, description = "The submission.", body = SubmissionView))
)]
pub(super) async fn give_evidence(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(evidence): Body<Signed<Evidence>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = evidence.statement.submission;
    app.service.give_evidence(&charter, evidence).await?;
    view(&app, &charter, &id)
}
