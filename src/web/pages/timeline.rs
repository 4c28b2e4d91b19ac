//! What happened to a task, or to all tasks of a project, backwards in pages: every act with who signed it, and what
//! nobody signed with where it comes from. The events are those of the API and of the feeds, under the same ids.

use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{self, repository_name};
use super::task::EventRow;
use super::{Asked, Site, show as respond, words};
use crate::escrow::public::{EventId, ProjectId, PublicEvent, Source, source, source_in_words};
use crate::escrow::statement::CharterId;
use crate::service::events::{Backwards, Topic};
use crate::service::views::repository_of;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events of a page.
const EVENTS: usize = 50;

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineQuery {
    /// Events before this one; the newest without.
    before: Option<EventId>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

/// Something that happened.
#[derive(Serialize)]
struct Row {
    /// As the API tells it.
    event: PublicEvent,
    /// The same in words.
    words: String,
    /// Who signed it, or where it comes from.
    #[serde(flatten)]
    source: Source,
    /// The same in words.
    source_words: String,
    /// Title of its task; on a project's timeline.
    task: Option<String>,
    /// Where there is more about it.
    href: Option<String>,
}

#[derive(Template, Serialize)]
#[template(path = "timeline.html")]
struct Timeline {
    #[serde(skip)]
    site: Site,
    /// What it is the timeline of.
    title: String,
    /// The task; absent on a project's.
    charter: Option<CharterId>,
    project: ProjectId,
    project_name: String,
    /// The newest first.
    events: Vec<Row>,
    /// What to ask for as `before` to go on backwards.
    next: Option<EventId>,
    /// Whether what is shown last is the first of all.
    complete: bool,
    /// Whether this page begins with the newest.
    newest: bool,
    /// The same events for programs.
    api: String,
    /// And as an Atom feed.
    feed: String,
}

pub(super) async fn of_task(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, ApiError> {
    let (title, repository) = app.service.read_task(&charter, |task, _| {
        (pieces::title(task.text()), task.charter().fields().repository.clone())
    })?;
    let told = app.service.events().before(&Topic::Task(charter), query.before, EVENTS);
    let resource = format!("/api/v1/tasks/{charter}");
    let page = Timeline::new(Site::new(&app), title, &repository, told, &query, &resource, None);
    respond(asked, &Timeline { charter: Some(charter), ..page })
}

pub(super) async fn of_project(
    State(app): State<App>,
    asked: Asked,
    Params(project): Params<ProjectId>,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, ApiError> {
    let titles = app.service.read(|book| {
        // A project may have wishes or a leader, and no task yet: then nothing has happened.
        let repository = repository_of(book, project)?.to_owned();
        let tasks = book.tasks().values();
        let ours = tasks.filter(|task| task.charter().fields().repository == repository);
        let titles: BTreeMap<CharterId, String> =
            ours.map(|task| (task.id(), pieces::title(task.text()))).collect();
        Some((repository, titles))
    });
    let (repository, titles) = titles.ok_or(ApiError::missing("project"))?;
    let told = app.service.events().before(&Topic::Project(project), query.before, EVENTS);
    let resource = format!("/api/v1/projects/{project}");
    let name = repository_name(&repository);
    let page = Timeline::new(Site::new(&app), name, &repository, told, &query, &resource, Some(&titles));
    respond(asked, &page)
}

impl Timeline {
    fn new(
        site: Site,
        title: String,
        repository: &str,
        told: Backwards,
        query: &TimelineQuery,
        resource: &str,
        titles: Option<&BTreeMap<CharterId, String>>,
    ) -> Timeline {
        let row = |event: &PublicEvent| {
            let EventRow { words, href, .. } = EventRow::of(event);
            Row {
                words,
                source: source(event),
                source_words: source_in_words(event),
                task: titles.map(|titles| titles.get(&event.charter).cloned().unwrap_or_default()),
                href,
                event: event.clone(),
            }
        };
        Timeline {
            site,
            title,
            charter: None,
            project: ProjectId::of(repository),
            project_name: repository_name(repository),
            events: told.items.iter().map(|event| row(event)).collect(),
            complete: told.next.is_none() && !told.forgotten,
            next: told.next,
            newest: query.before.is_none(),
            api: format!("{resource}/events"),
            feed: format!("{resource}/feed.atom"),
        }
    }

    /// The page's own address, without where it begins.
    fn path(&self) -> String {
        match self.charter {
            Some(charter) => format!("/tasks/{charter}/timeline"),
            None => format!("/projects/{}/timeline", self.project),
        }
    }
}

impl Row {
    fn txid(&self) -> Option<String> {
        match self.source {
            Source::Chain { txid } => txid.map(|txid| txid.to_string()),
            Source::Service { txid } => Some(txid.to_string()),
            Source::Signed | Source::Rules | Source::Nobody => None,
        }
    }

    fn key(&self) -> Option<String> {
        self.event.signed_by.and_then(|signed| signed.key).map(|key| key.to_string())
    }

    /// What kind of signature, for who wants to check it.
    fn form(&self) -> Option<&'static str> {
        use crate::escrow::public::Form;
        self.event.signed_by.map(|signed| match signed.form {
            Form::Bip340 => "BIP340",
            Form::Bip322 => "BIP322",
            Form::Transaction => "in transactions",
        })
    }
}
