//! Submissions, votes, acceptance and rulings.

use super::super::body::{Body, Params};
use super::super::{ApiError, App};
use crate::escrow::statement::{Acceptance, CharterId, Ruling, Signed, Submission, SubmissionId, Vote};
use crate::service::views::{ReceiptView, SubmissionView};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

fn view(app: &App, charter: &CharterId, id: &SubmissionId) -> Result<Json<SubmissionView>, ApiError> {
    let view = app.service.read_task(charter, |task, tip| {
        task.submission(id).map(|submission| SubmissionView::new(task, submission, tip))
    })?;
    view.map(Json).ok_or(ApiError::missing("submission"))
}

pub(super) async fn submit(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(submission): Body<Signed<Submission>>,
) -> Result<(StatusCode, Json<SubmissionView>), ApiError> {
    let id = submission.statement.id();
    app.service.submit_work(&charter, submission).await?;
    Ok((StatusCode::CREATED, view(&app, &charter, &id)?))
}

pub(super) async fn show(
    State(app): State<App>,
    Params((charter, submission)): Params<(CharterId, SubmissionId)>,
) -> Result<Json<SubmissionView>, ApiError> {
    view(&app, &charter, &submission)
}

pub(super) async fn vote(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(vote): Body<Signed<Vote>>,
) -> Result<Json<ReceiptView>, ApiError> {
    Ok(Json(app.service.vote(&charter, vote).await?))
}

pub(super) async fn accept(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(acceptance): Body<Signed<Acceptance>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = acceptance.statement.submission;
    app.service.judge(&charter, acceptance).await?;
    view(&app, &charter, &id)
}

pub(super) async fn rule(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(ruling): Body<Signed<Ruling>>,
) -> Result<Json<SubmissionView>, ApiError> {
    let id = ruling.statement.submission;
    app.service.rule(&charter, ruling).await?;
    view(&app, &charter, &id)
}
