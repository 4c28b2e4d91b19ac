//! Atom feeds (RFC 4287) of a task, of a wish and of a project: the last events in plain words. What people wrote goes in as
//! text that no reader takes for markup.

use super::super::body::Params;
use super::super::{ApiError, App, etag, openapi};
use super::paths::{ProjectPath, TaskPath, WishPath};
use crate::escrow::charter::inert;
use crate::escrow::public::{EventId, ProjectId, PublicEvent, in_words, source_in_words};
use crate::escrow::statement::{CharterId, TaskId};
use crate::escrow::task::title;
use crate::service::events::Topic;
use atom_syndication::{Category, Content, Entry, Feed, FixedDateTime, Generator, Link, Person, Text};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Entries of a feed.
const ENTRIES: usize = 50;
/// Media type of Atom.
const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// Read a task's feed
///
/// Its last 50 events as an Atom feed (RFC 4287).
#[utoipa::path(
    get, path = "/tasks/{charter}/feed.atom", operation_id = "getTaskFeed", tag = "events", params(TaskPath),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/atom+xml"),
    )
)]
pub(super) async fn of_task(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = app.service.read_task(&charter, |task, _| title(task.text()))?;
    let about = About { title: name, path: format!("tasks/{charter}") };
    Ok(feed(&app, Topic::Task(charter), &about, &headers))
}

/// Read a project's feed
///
/// The last 50 events of it, its wishes and its tasks as an Atom feed (RFC 4287).
#[utoipa::path(
    get, path = "/projects/{project}/feed.atom", operation_id = "getProjectFeed", tag = "events", params(ProjectPath),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/atom+xml"),
    )
)]
pub(super) async fn of_project(
    State(app): State<App>,
    Params(project): Params<ProjectId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let title = super::projects::repository(&app, project)?;
    let about = About { title, path: format!("projects/{project}") };
    Ok(feed(&app, Topic::Project(project), &about, &headers))
}

/// Read a wish's feed
///
/// Its last 50 events as an Atom feed (RFC 4287).
#[utoipa::path(
    get, path = "/wishes/{wish}/feed.atom", operation_id = "getWishFeed", tag = "events", params(WishPath),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/atom+xml"),
    )
)]
pub(super) async fn of_wish(
    State(app): State<App>,
    Params(wish): Params<TaskId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = super::wishes::shown(&app, &wish, |_, state| title(state.text()))?;
    let about = About { title: name, path: format!("wishes/{wish}") };
    Ok(feed(&app, Topic::Wish(wish), &about, &headers))
}

/// What a feed is about.
struct About {
    title: String,
    /// Below the API's base.
    path: String,
}

fn feed(app: &App, topic: Topic, about: &About, headers: &HeaderMap) -> Response {
    let events = app.service.events().last(&topic, ENTRIES);
    let newest = events.last().map_or(EventId::default(), |event| event.id);
    let etag = format!("\"{newest}-{}\"", events.len());
    let etag = HeaderValue::from_str(&etag).expect("ids and numbers are a header's text");
    let mut response = if etag::has(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let base = &app.service.policy().public_url;
        let events: Vec<&PublicEvent> = events.iter().rev().map(|event| &**event).collect();
        let text = document(base, about, &events).to_string();
        ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The feed of some events, newest first.
fn document(base: &str, about: &About, events: &[&PublicEvent]) -> Feed {
    let resource = format!("{base}{}/{}", openapi::BASE, about.path);
    let newest = events.first().map_or(0, |event| event.recorded_secs);
    let service = Person { name: "Upfront".into(), uri: Some(base.to_owned()), ..Person::default() };
    let generator =
        Generator { value: "Upfront".into(), version: Some(env!("CARGO_PKG_VERSION").into()), uri: None };
    Feed {
        title: Text::plain(inert(&about.title)),
        id: tag(base, &about.path),
        updated: time(newest),
        authors: vec![service],
        links: vec![
            link("self", format!("{resource}/feed.atom"), "application/atom+xml"),
            link("alternate", resource, "application/json"),
            link("alternate", format!("{base}/{}/timeline", about.path), "text/html"),
        ],
        generator: Some(generator),
        entries: events.iter().map(|event| entry(base, event)).collect(),
        ..Feed::default()
    }
}

fn entry(base: &str, event: &PublicEvent) -> Entry {
    let words = in_words(event);
    // A charter that was drafted from a wish is told of the wish.
    let (about, name) = match (event.wish, event.charter) {
        (Some(wish), _) => (format!("wishes/{wish}"), format!("Wish {wish}")),
        (None, Some(charter)) => (format!("tasks/{charter}"), format!("Task {charter}")),
        (None, None) => {
            (format!("projects/{}", event.project), format!("Project {}", inert(event.repository.as_str())))
        }
    };
    let resource = format!("{base}{}/{about}", openapi::BASE);
    let pledge = event.pledge.filter(|_| event.charter.is_some());
    let address = pledge.map_or_else(|| resource.clone(), |index| format!("{resource}/pledges/{index}"));
    let content = Content {
        value: Some(format!("{words}.\n{}{}.\n{name}", source_in_words(event), key(event))),
        content_type: Some("text".into()),
        ..Content::default()
    };
    Entry {
        title: Text::plain(inert(&words)),
        id: tag(base, &format!("events/{}", event.id)),
        updated: time(event.recorded_secs),
        published: Some(time(event.recorded_secs)),
        categories: vec![Category { term: event.what.kind().to_owned(), ..Category::default() }],
        links: vec![
            link("alternate", address, "application/json"),
            link("alternate", format!("{base}/{about}/timeline#event-{}", event.id), "text/html"),
        ],
        content: Some(content),
        ..Entry::default()
    }
}

/// The key that an act was signed with, where it is one.
fn key(event: &PublicEvent) -> String {
    event.signed_by.and_then(|signed| signed.key).map(|key| format!(", key {key}")).unwrap_or_default()
}

fn link(rel: &str, href: String, media_type: &str) -> Link {
    Link { href, rel: rel.into(), mime_type: Some(media_type.into()), ..Link::default() }
}

/// A name for ever (RFC 4151), by the host people reach the service at.
fn tag(base: &str, what: &str) -> String {
    let host = base.split_once("://").map_or(base, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    // An IPv6 address has colons of its own, between brackets.
    let host = if host.starts_with('[') { "localhost" } else { host.split(':').next().unwrap_or_default() };
    format!("tag:{host},2026:upfront/{what}")
}

fn time(unix_secs: u64) -> FixedDateTime {
    // The default is 1970; a clock beyond 2106 is wrong.
    let secs = unix_secs.min(u64::from(u32::MAX));
    FixedDateTime::default() + Duration::from_secs(secs)
}
