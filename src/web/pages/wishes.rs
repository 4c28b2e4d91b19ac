//! Wishes: all of them or those for a project, newest first; and the form that writes one down.

use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{self, repository_name};
use super::{Asked, Site, show as respond, words};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::TaskId;
use crate::escrow::wish::LeadChoice;
use crate::service::views::{WishQuery, WishSummary, repository_of};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

/// Wishes in a page.
const PAGE: usize = 24;

/// A wish in a list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WishCard {
    pub(super) wish: TaskId,
    pub(super) title: String,
    pub(super) project_name: String,
    /// What the leader says.
    pub(super) state: &'static str,
    #[serde(skip)]
    pub(super) tone: &'static str,
    pub(super) place: Option<u32>,
    pub(super) likes: usize,
    pub(super) promises: usize,
    pub(super) promised_sat: u64,
    pub(super) developers: usize,
    pub(super) reserved: bool,
    pub(super) charters: usize,
}

impl WishCard {
    /// Of what lists tell.
    pub(super) fn of(summary: &WishSummary) -> WishCard {
        WishCard {
            wish: summary.wish,
            title: pieces::title(&summary.title),
            project_name: repository_name(&summary.repository),
            state: state_words(summary),
            tone: state_tone(summary),
            place: summary.place.filter(|_| summary.withdrawn_secs.is_none()),
            likes: summary.likes,
            promises: summary.promises,
            promised_sat: summary.promised_sat,
            developers: summary.developers,
            reserved: summary.reservation.is_some(),
            charters: summary.charters,
        }
    }
}

/// Where it stands, in words.
pub(super) fn state_words(wish: &WishSummary) -> &'static str {
    if wish.withdrawn_secs.is_some() {
        return "Withdrawn by its author";
    }
    match wish.lead {
        LeadChoice::Accept => "Accepted by the project",
        LeadChoice::Decline => "Declined by the project",
        LeadChoice::None => "Wished",
    }
}

/// How it looks.
pub(super) fn state_tone(wish: &WishSummary) -> &'static str {
    if wish.withdrawn_secs.is_some() {
        return "bad";
    }
    match wish.lead {
        LeadChoice::Accept => "good",
        LeadChoice::Decline => "bad",
        LeadChoice::None => "",
    }
}

/// What is asked for: an empty field is none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    project: String,
    /// Whether withdrawn ones are shown as well.
    #[serde(default)]
    withdrawn: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template, Serialize)]
#[template(path = "wishes.html")]
struct Wishes {
    #[serde(skip)]
    site: Site,
    /// The project they are for, if one was asked for.
    project: Option<ProjectId>,
    project_name: Option<String>,
    #[serde(skip)]
    repository: Option<String>,
    wishes: Vec<WishCard>,
    next: Option<String>,
    /// Whether withdrawn ones are among them.
    withdrawn: bool,
    /// The list with them, or without.
    #[serde(skip)]
    other: String,
}

pub(super) async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(list): Query<List>,
) -> Result<Response, ApiError> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let project = given(list.project)
        .map(|text| text.parse::<ProjectId>().map_err(|error| ApiError::shape(error.to_string())))
        .transpose()?;
    let withdrawn = (list.withdrawn == "true").then_some(true);
    let query = WishQuery { project, withdrawn, limit: None, cursor: given(list.cursor) };
    let site = Site::new(&app);
    let hidden = &app.service.policy().hidden;
    let (page, repository) = app.service.read(|book| {
        let repository = project.and_then(|project| repository_of(book, project, hidden)).map(str::to_owned);
        (query.page(book, hidden, PAGE), repository)
    });
    let page = page.map_err(|error| ApiError::shape(error.to_string()))?;
    let of_project = project.map_or_else(String::new, |project| format!("project={project}&"));
    let with_withdrawn = withdrawn.map_or("", |_| "withdrawn=true&");
    let view = Wishes {
        site,
        project,
        project_name: repository.as_deref().map(repository_name),
        repository,
        wishes: page.items.iter().map(WishCard::of).collect(),
        next: page.next.map(|cursor| format!("/wishes?{of_project}{with_withdrawn}cursor={cursor}")),
        other: format!("/wishes?{of_project}withdrawn={}", withdrawn.is_none()),
        withdrawn: withdrawn.is_some(),
    };
    respond(asked, &view)
}

/// What a link may put into the form.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    repository: String,
}

#[derive(Template, Serialize)]
#[template(path = "wish_new.html")]
struct NewWish {
    #[serde(skip)]
    site: Site,
    repository: String,
}

pub(super) async fn new(
    State(app): State<App>,
    asked: Asked,
    Query(begin): Query<Begin>,
) -> Result<Response, ApiError> {
    let repository: String = pieces::inert(&begin.repository).chars().take(300).collect();
    respond(asked, &NewWish { site: Site::new(&app), repository })
}
