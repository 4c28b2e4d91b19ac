//! Projects: all tasks and wishes of one repository, as charters name it, and what its leader says of it.

use super::super::body::{Body, Params};
use super::super::{ApiError, App};
use super::paths::ProjectPath;
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::Signed;
use crate::service::schema::{SignedProject, SignedProjectWithdrawal};
use crate::service::views::{ProjectSummary, ProjectView, projects, repository_of};
use axum::Json;
use axum::extract::State;

/// List projects
///
/// Every repository that a charter, a wish or a claim names, in the order of their names.
#[utoipa::path(
    get, path = "/projects", operation_id = "listProjects", tag = "events",
    responses((status = 200, description = "The projects.", body = Vec<ProjectSummary>))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<ProjectSummary>> {
    Json(app.service.read(|book| projects(book, &app.service.policy().hidden)))
}

/// Read a project
///
/// A repository with its leader, tasks and wishes.
#[utoipa::path(
    get, path = "/projects/{project}", operation_id = "getProject", tag = "events", params(ProjectPath),
    responses((status = 200, description = "The project.", body = ProjectView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params(project): Params<ProjectId>,
) -> Result<Json<ProjectView>, ApiError> {
    view(&app, project).map(Json)
}

/// Claim or set up a project
///
/// What a leader says of it, signed by the leader's key. The same again changes nothing.
#[utoipa::path(
    post, path = "/projects", operation_id = "setProject", tag = "wishes",
    request_body = SignedProject,
    responses((status = 200, description = "The project.", body = ProjectView))
)]
pub(super) async fn set(
    State(app): State<App>,
    Body(project): Body<Signed<Project>>,
) -> Result<Json<ProjectView>, ApiError> {
    let project = app.service.set_project(project).await?;
    view(&app, project).map(Json)
}

/// Withdraw a claim to a project
///
/// Signed by the key that made it. It claims the project no longer, until it sets it up again under a higher counter: then it
/// stands behind those who claim it by then. The same again changes nothing.
#[utoipa::path(
    post, path = "/projects/{project}/withdrawal", operation_id = "withdrawProject", tag = "wishes",
    params(ProjectPath),
    request_body = SignedProjectWithdrawal,
    responses((status = 200, description = "The project.", body = ProjectView))
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    Params(project): Params<ProjectId>,
    Body(withdrawal): Body<Signed<ProjectWithdrawal>>,
) -> Result<Json<ProjectView>, ApiError> {
    if withdrawal.statement.id() != project {
        let detail = "the withdrawal is of a claim to another project: send it there";
        return Err(ApiError::new("other_task", detail.to_owned()));
    }
    let project = app.service.withdraw_project(withdrawal).await?;
    view(&app, project).map(Json)
}

/// A project that there is.
pub(super) fn view(app: &App, project: ProjectId) -> Result<ProjectView, ApiError> {
    let hidden = &app.service.policy().hidden;
    app.service
        .read(|book| ProjectView::of(book, project, hidden))
        .ok_or_else(|| ApiError::missing("project"))
}

/// The repository of this id, if anything names it.
pub(super) fn repository(app: &App, project: ProjectId) -> Result<String, ApiError> {
    let hidden = &app.service.policy().hidden;
    let known = app.service.read(|book| repository_of(book, project, hidden).map(str::to_owned));
    known.ok_or_else(|| ApiError::missing("project"))
}
