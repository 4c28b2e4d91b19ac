//! The front page: what this is and why, in one screen, with the task that raised most as a live example.

use super::super::{ApiError, App};
use super::pieces::TaskCard;
use super::{Asked, Site, show as respond, words};
use crate::escrow::task::Stage;
use crate::service::views::{TaskQuery, TaskSort};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

/// Tasks looked at for an example that takes pledges.
const LOOKED_AT: usize = 50;
/// Tasks shown beside it.
const SHOWN: usize = 3;

#[derive(Template, Serialize)]
#[template(path = "front.html")]
struct Front {
    #[serde(skip)]
    site: Site,
    /// The example: of those that take pledges the one that raised most, else the one that did so of all.
    example: Option<TaskCard>,
    /// The next ones by what they raised.
    tasks: Vec<TaskCard>,
}

pub(super) async fn show(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let query = TaskQuery { sort: Some(TaskSort::MostFunded), ..TaskQuery::default() };
    let cards = app.service.read(|book| {
        let page = query.page(book, LOOKED_AT)?;
        let tasks = page.items.iter().filter_map(|summary| book.task(&summary.charter));
        Ok(tasks.map(|task| TaskCard::of(task, book.tip())).collect::<Vec<_>>())
    });
    let mut tasks =
        cards.map_err(|error: crate::service::views::BadCursor| ApiError::shape(error.to_string()))?;
    let at = tasks.iter().position(|task| task.stage == Stage::Open).unwrap_or(0);
    let example = (at < tasks.len()).then(|| tasks.remove(at));
    tasks.truncate(SHOWN);
    respond(asked, &Front { site: Site::new(&app), example, tasks })
}
