//! Projects: all tasks of one repository, as charters name it.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::paths::ProjectPath;
use crate::escrow::public::ProjectId;
use crate::service::views::{ProjectSummary, ProjectView, projects};
use axum::Json;
use axum::extract::State;

/// List projects
///
/// Every repository that a charter names, in the order of their names.
#[utoipa::path(
    get, path = "/projects", operation_id = "listProjects", tag = "events",
    responses((status = 200, description = "The projects.", body = Vec<ProjectSummary>))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<ProjectSummary>> {
    Json(app.service.read(projects))
}

/// Read a project
///
/// A repository with its tasks.
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

/// A project that there is.
pub(super) fn view(app: &App, project: ProjectId) -> Result<ProjectView, ApiError> {
    app.service.read(|book| ProjectView::of(book, project)).ok_or_else(|| ApiError::missing("project"))
}

/// Whether there is one of this id.
pub(super) fn need(app: &App, project: ProjectId) -> Result<(), ApiError> {
    view(app, project).map(drop)
}
