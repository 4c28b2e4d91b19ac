//! What happened to a task, to a wish, or to all of a project, backwards in pages: every act with who signed it, and what
//! nobody signed with where it comes from. The events are those of the API and of the feeds, under the same ids.

use super::super::api::wishes::shown;
use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{self, repository_name};
use super::task::EventRow;
use super::{Asked, Site, show as respond, words};
use crate::escrow::public::{EventId, ProjectId, PublicEvent, Source, source, source_in_words};
use crate::escrow::statement::{CharterId, TaskId};
use crate::nip98::npub;
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
    /// The task or wish it is about; on a project's timeline.
    about: Option<About>,
    /// Where there is more about it.
    href: Option<String>,
}

/// A task or wish of a project.
#[derive(Clone, Serialize)]
struct About {
    /// What it is called.
    title: String,
    /// Where it is.
    href: String,
}

#[derive(Template, Serialize)]
#[template(path = "timeline.html")]
struct Timeline {
    #[serde(skip)]
    site: Site,
    /// What it is the timeline of.
    title: String,
    /// The task; absent on another's.
    charter: Option<CharterId>,
    /// The wish; absent on another's.
    wish: Option<TaskId>,
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
    let page = Timeline::new(Site::new(&app), title, &repository, told, &query, &resource, &|_| None);
    respond(asked, &Timeline { charter: Some(charter), ..page })
}

pub(super) async fn of_project(
    State(app): State<App>,
    asked: Asked,
    Params(project): Params<ProjectId>,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, ApiError> {
    let told = app.service.events().before(&Topic::Project(project), query.before, EVENTS);
    let named = app.service.read(|book| {
        let repository = repository_of(book, project, &app.service.policy().hidden)?.to_owned();
        let about = |event: &PublicEvent| {
            if let Some(wish) = event.wish {
                let title = pieces::title(book.wishes().get(&wish)?.text());
                return Some(About { title, href: format!("/wishes/{wish}") });
            }
            let charter = event.charter?;
            Some(About {
                title: pieces::title(book.task(&charter)?.text()),
                href: format!("/tasks/{charter}"),
            })
        };
        let named: BTreeMap<EventId, About> =
            told.items.iter().filter_map(|event| Some((event.id, about(event)?))).collect();
        Some((repository, named))
    });
    let (repository, named) = named.ok_or(ApiError::missing("project"))?;
    let resource = format!("/api/v1/projects/{project}");
    let name = repository_name(&repository);
    let about = |event: &PublicEvent| named.get(&event.id).cloned();
    respond(asked, &Timeline::new(Site::new(&app), name, &repository, told, &query, &resource, &about))
}

pub(super) async fn of_wish(
    State(app): State<App>,
    asked: Asked,
    Params(wish): Params<TaskId>,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, ApiError> {
    let (title, repository) =
        shown(&app, &wish, |_, state| (pieces::title(state.text()), state.repository().to_owned()))?;
    let told = app.service.events().before(&Topic::Wish(wish), query.before, EVENTS);
    let resource = format!("/api/v1/wishes/{wish}");
    let page = Timeline::new(Site::new(&app), title, &repository, told, &query, &resource, &|_| None);
    respond(asked, &Timeline { wish: Some(wish), ..page })
}

impl Timeline {
    fn new(
        site: Site,
        title: String,
        repository: &str,
        told: Backwards,
        query: &TimelineQuery,
        resource: &str,
        about: &dyn Fn(&PublicEvent) -> Option<About>,
    ) -> Timeline {
        let row = |event: &PublicEvent| {
            let EventRow { words, href, .. } = EventRow::of(event);
            Row {
                words,
                source: source(event),
                source_words: source_in_words(event),
                about: about(event),
                href,
                event: event.clone(),
            }
        };
        Timeline {
            site,
            title,
            charter: None,
            wish: None,
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

    /// What was said to the wish, signed.
    fn words(&self) -> String {
        self.wish.map(|wish| format!("/api/v1/wishes/{wish}/words")).unwrap_or_default()
    }

    /// The page's own address, without where it begins.
    fn path(&self) -> String {
        match (self.charter, self.wish) {
            (Some(charter), _) => format!("/tasks/{charter}/timeline"),
            (None, Some(wish)) => format!("/wishes/{wish}/timeline"),
            (None, None) => format!("/projects/{}/timeline", self.project),
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
        let key = self.event.signed_by.and_then(|signed| signed.key)?;
        // Identities as the pages of wishes and projects write them; keys of charters as charters do.
        Some(if self.event.charter.is_none() { npub(&key) } else { key.to_string() })
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
