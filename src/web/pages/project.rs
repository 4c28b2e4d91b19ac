//! Projects: all repositories that tasks, wishes or claims name, and one of them with who leads it, its wishes, tasks, feed,
//! widget and badge.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces::{self, TaskCard, inert, outward, repository_name};
use super::wishes::WishCard;
use super::{Asked, Site, show as respond, words};
use crate::escrow::project::Project as Settings;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::CharterId;
use crate::nip98::npub;
use crate::service::views::{LeaderView, ProjectSummary, ProjectView, projects};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;

/// Tasks shown of a project; the rest is found by searching.
const TASKS: usize = 48;
/// Wishes shown, likewise.
const WISHES: usize = 24;
/// Projects shown.
const PROJECTS: usize = 500;

#[derive(Serialize)]
struct Row {
    project: ProjectId,
    name: String,
    tasks: usize,
    wishes: usize,
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
    /// Who leads it here.
    leader: Option<Leader>,
    /// What they say of it.
    about: Option<About>,
    /// Other keys that say they lead it.
    others: Vec<Leader>,
    /// In the leader's order.
    wishes: Vec<WishCard>,
    wish_count: usize,
    tasks: Vec<TaskCard>,
    /// How many tasks there are.
    count: usize,
    /// Sums over all tasks.
    raised_sat: u64,
    pending_sat: u64,
    paid_sat: u64,
    refunded_sat: u64,
}

/// A key that says it leads the project, or that a charter names.
#[derive(Serialize)]
struct Leader {
    key: String,
    /// As repositories may show it too.
    hex: String,
    /// The charter that names it.
    charter: Option<CharterId>,
    since_secs: Option<u32>,
    /// Where it says its key is published.
    published: Option<String>,
    /// When it took its claim back.
    withdrawn_secs: Option<u32>,
}

/// What the leader says of the project, inert.
#[derive(Serialize)]
struct About {
    description: String,
    licence: String,
    arbiter: Option<String>,
    share: Option<String>,
    minimum_sat: u64,
    donations: Option<String>,
    likes: bool,
}

impl About {
    fn of(settings: &Settings) -> About {
        About {
            description: inert(&settings.description),
            licence: settings.licence.clone(),
            arbiter: settings.arbiter.as_deref().map(inert),
            share: (settings.leader_share_bps > 0).then(|| words::share(settings.leader_share_bps)),
            minimum_sat: settings.minimum_pledge_sat,
            donations: settings.donations.as_deref().and_then(outward),
            likes: settings.likes,
        }
    }
}

impl Leader {
    fn of(view: &ProjectView, leader: &LeaderView) -> Leader {
        let claim = view.claims.iter().find(|claim| claim.by == leader.key);
        Leader {
            key: npub(&leader.key),
            hex: leader.key.to_string(),
            charter: leader.charter,
            since_secs: claim.map(|claim| claim.since_secs),
            withdrawn_secs: claim.and_then(|claim| claim.withdrawn.as_ref()).map(|taken| taken.at_secs),
            published: claim.and_then(|claim| claim.settings.published.as_deref()).and_then(outward),
        }
    }

    fn claiming(view: &ProjectView) -> Vec<Leader> {
        let others = view.claims.iter().filter(|claim| !claim.leads);
        others.map(|claim| Leader::of(view, &LeaderView { key: claim.by, charter: None })).collect()
    }
}

/// What its leader calls it, or its repository.
fn project_name(name: Option<&str>, repository: &str) -> String {
    name.map_or_else(|| repository_name(repository), inert)
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let hidden = &app.service.policy().hidden;
    let (rows, all) = app.service.read(|book| {
        let mut raised: BTreeMap<&str, u64> = BTreeMap::new();
        for task in book.tasks().values() {
            let sat = book.tip().map_or(0, |tip| task.totals(tip).raised.to_sat());
            let sum = raised.entry(&task.charter().fields().repository).or_default();
            *sum = sum.saturating_add(sat);
        }
        let all = projects(book, hidden);
        let count = all.len();
        let row = |summary: ProjectSummary| Row {
            project: summary.project,
            name: project_name(summary.name.as_deref(), &summary.repository),
            tasks: summary.tasks,
            wishes: summary.wishes,
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
        let view = ProjectView::of(book, project, &app.service.policy().hidden)?;
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
            name: project_name(view.settings().map(|settings| settings.name.as_str()), &view.repository),
            leader: view.leader.as_ref().map(|leader| Leader::of(&view, leader)),
            about: view.settings().map(About::of),
            others: Leader::claiming(&view),
            wishes: view.wishes.iter().take(WISHES).map(WishCard::of).collect(),
            wish_count: view.wish_count,
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
