//! The front page: what this is and why, in one screen, with the task that raised most as a live example.

use super::super::{ApiError, App};
use super::{Asked, Site, show as respond, words};
use crate::service::views::{TaskQuery, TaskSort, TaskSummary};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

/// Tasks shown.
const SHOWN: usize = 6;

#[derive(Template, Serialize)]
#[template(path = "front.html")]
struct Front {
    #[serde(skip)]
    site: Site,
    /// Those that raised most, the example first.
    tasks: Vec<TaskSummary>,
}

pub(super) async fn show(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let query = TaskQuery { sort: Some(TaskSort::MostFunded), ..TaskQuery::default() };
    let page = app.service.read(|book| query.page(book, SHOWN));
    let tasks = page.map_err(|error| ApiError::shape(error.to_string()))?.items;
    respond(asked, &Front { site: Site::new(&app), tasks })
}
