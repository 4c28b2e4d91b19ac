//! Projects: all repositories that tasks name, and one of them with its tasks, feed, widget and badge.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces::{self, TaskCard, outward, repository_name};
use super::{Asked, Site, show as respond, words};
use crate::escrow::public::ProjectId;
use crate::service::views::{ProjectSummary, ProjectView, projects};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;

/// Tasks shown of a project; the rest is found by searching.
const TASKS: usize = 48;
/// Projects shown.
const PROJECTS: usize = 500;

#[derive(Serialize)]
struct Row {
    project: ProjectId,
    name: String,
    tasks: usize,
    raised_sat: u64,
}

#[derive(Template, Serialize)]
#[template(path = "projects.html")]
struct Projects {
    #[serde(skip)]
    site: Site,
    projects: Vec<Row>,
    /// Those that found no place.
    more: usize,
}

#[derive(Template, Serialize)]
#[template(path = "project.html")]
struct Project {
    #[serde(skip)]
    site: Site,
    project: ProjectId,
    /// As charters name it.
    repository: String,
    name: String,
    /// The repository, where it is a web address.
    link: Option<String>,
    tasks: Vec<TaskCard>,
    /// How many tasks there are.
    count: usize,
    /// Sums over all tasks.
    raised_sat: u64,
    pending_sat: u64,
    paid_sat: u64,
    refunded_sat: u64,
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let (rows, all) = app.service.read(|book| {
        let mut raised: BTreeMap<&str, u64> = BTreeMap::new();
        for task in book.tasks().values() {
            let sat = book.tip().map_or(0, |tip| task.totals(tip).raised.to_sat());
            let sum = raised.entry(&task.charter().fields().repository).or_default();
            *sum = sum.saturating_add(sat);
        }
        let all = projects(book);
        let count = all.len();
        let row = |summary: ProjectSummary| Row {
            project: summary.project,
            name: repository_name(&summary.repository),
            tasks: summary.tasks,
            raised_sat: raised.get(summary.repository.as_str()).copied().unwrap_or_default(),
        };
        (all.into_iter().take(PROJECTS).map(row).collect::<Vec<_>>(), count)
    });
    let more = all - rows.len();
    respond(asked, &Projects { site: Site::new(&app), projects: rows, more })
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(project): Params<ProjectId>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let view = app.service.read(|book| {
        let view = ProjectView::of(book, project)?;
        let tip = book.tip();
        let mut cards: Vec<TaskCard> = view
            .tasks
            .iter()
            .filter_map(|summary| book.task(&summary.charter))
            .map(|task| TaskCard::of(task, tip))
            .collect();
        // Those that still want something first, then by what they raised.
        let asks = |card: &TaskCard| (card.deadline.is_none(), std::cmp::Reverse(card.progress.raised_sat));
        cards.sort_by_key(asks);
        let sum = |of: fn(&crate::escrow::pledge::Totals) -> bitcoin::Amount| {
            view.tasks.iter().map(|task| of(&task.totals).to_sat()).fold(0, u64::saturating_add)
        };
        let (raised_sat, pending_sat) = (
            sum(|totals| totals.raised),
            cards.iter().map(|c| c.progress.pending_sat).fold(0, u64::saturating_add),
        );
        let count = cards.len();
        cards.truncate(TASKS);
        Some(Project {
            site,
            project,
            name: repository_name(&view.repository),
            link: outward(&view.repository),
            tasks: cards,
            count,
            raised_sat,
            pending_sat,
            paid_sat: sum(|totals| totals.settled),
            refunded_sat: sum(|totals| totals.refunded),
            repository: view.repository,
        })
    });
    respond(asked, &view.ok_or(ApiError::missing("project"))?)
}
