//! What happens, told as it happens: a stream (`text/event-stream`) for who asks for one, pages for everybody else.

use super::super::body::Params;
use super::super::clients::{Client, Source};
use super::super::page::Query;
use super::super::{ApiError, App};
use super::paths::{PledgePath, ProjectPath, TaskPath, WishPath};
use crate::escrow::public::{EventId, ProjectId};
use crate::escrow::statement::{CharterId, TaskId};
use crate::service::ServiceError;
use crate::service::events::{Full, Heard, Listener, Lost, Page, Seat, Topic};
use crate::service::views::EventPage;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;
use utoipa::IntoParams;

/// A stream says that it is alive this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_LINE: &[u8] = b": still here\n\n";
/// Longest that a request for a page may wait for events.
const MAX_WAIT_SECS: u64 = 30;
const MAX_PAGE: usize = 1_000;
const PAGE: usize = 100;

/// Where to go on, and how much.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Events after this id; 0 is the beginning of what is kept. A stream without it begins with what happens from
    /// now on, a page with the beginning. The header `Last-Event-ID` says the same, and wins.
    #[param(pattern = "^(0|[0-9]+-[0-9]+)$")]
    after: Option<String>,
    /// Most events of a page; 100 if not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where there is nothing to tell yet, a page is waited for so long.
    #[param(minimum = 0, maximum = 30)]
    wait_secs: Option<u64>,
}

/// How somebody asks for events.
pub(super) struct Ask {
    after: Option<EventId>,
    limit: usize,
    wait: Duration,
    stream: bool,
    address: Option<IpAddr>,
}

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Ask, ApiError> {
        let Query(asked) = Query::<Asked>::from_request_parts(parts, state).await?;
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let after = header("last-event-id").filter(|id| !id.is_empty()).or(asked.after.as_deref());
        let after = after.map(str::parse).transpose();
        let after =
            after.map_err(|error: crate::escrow::public::BadEventId| ApiError::shape(error.to_string()))?;
        let limit = asked.limit.unwrap_or(PAGE);
        let wait_secs = asked.wait_secs.unwrap_or(0);
        if limit == 0 || limit > MAX_PAGE || wait_secs > MAX_WAIT_SECS {
            let detail = format!("limit is 1 to {MAX_PAGE}, wait_secs 0 to {MAX_WAIT_SECS}");
            return Err(ApiError::shape(detail));
        }
        Ok(Ask {
            after,
            limit,
            wait: Duration::from_secs(wait_secs),
            stream: wants_stream(&parts.headers),
            address: parts.extensions.get().and_then(seat_of),
        })
    }
}

/// The address whose share of places a listener takes: the client's, where a trusted proxy speaks for it.
fn seat_of(source: &Source) -> Option<IpAddr> {
    match source.client {
        Client::Address(address) => {
            Some(address).filter(|address| !source.local && !address.is_unspecified())
        }
        Client::Identity(_) | Client::Crowd => None,
    }
}

/// Only who names the media type: a stream does not end, which whoever takes anything does not expect.
fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

impl From<Lost> for ApiError {
    fn from(lost: Lost) -> ApiError {
        ApiError::new("events_forgotten", lost.to_string())
    }
}

impl From<Full> for ApiError {
    fn from(full: Full) -> ApiError {
        ApiError::new("too_many_listeners", full.to_string())
    }
}

async fn tell(app: &App, topic: Topic, ask: Ask) -> Result<Response, ApiError> {
    let log = app.service.events();
    if ask.stream {
        let seat = log.seat(ask.address)?;
        return Ok(stream(log.listen(topic, ask.after)?, seat));
    }
    let after = ask.after.unwrap_or_default();
    let mut watch = log.watch();
    watch.mark_unchanged();
    let mut page = log.page(&topic, after, ask.limit)?;
    if page.items.is_empty() && !ask.wait.is_zero() {
        let _seat = log.seat(ask.address)?;
        let wait = async {
            loop {
                // The list outlives the request, so this ends with a change.
                if watch.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                let page = log.page(&topic, after, ask.limit)?;
                if !page.items.is_empty() {
                    return Ok::<Page, Lost>(page);
                }
            }
        };
        match tokio::time::timeout(ask.wait, wait).await {
            Ok(told) => page = told?,
            Err(_) => page = log.page(&topic, after, ask.limit)?,
        }
    }
    let items = page.items.iter().map(|event| (**event).clone()).collect();
    let mut response = Json(EventPage { items, next: page.next }).into_response();
    mark(&mut response);
    Ok(response)
}

/// What is told depends on who asks how, and is not to be kept.
fn mark(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
}

fn stream(listener: Listener, seat: Seat) -> Response {
    let lines = futures::stream::unfold((listener, seat), |(mut listener, seat)| async move {
        let bytes = match listener.next(KEEP_ALIVE).await? {
            Heard::Text(text) => Bytes::from_owner(text),
            Heard::Quiet => Bytes::from_static(KEEP_ALIVE_LINE),
        };
        Some((Ok::<Bytes, Infallible>(bytes), (listener, seat)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    mark(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies that gather answers (nginx) would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Follow all events
///
/// What happens to any task, wish or project. With `Accept: text/event-stream` a stream that goes on: each event with its `id`, its type
/// as `event`, and as `data` the same JSON as in pages; first a `hello`. Otherwise a page.
#[utoipa::path(
    get, path = "/events", operation_id = "followEvents", tag = "events", params(Asked),
    responses((status = 200, description = "A page, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn all(State(app): State<App>, ask: Ask) -> Result<Response, ApiError> {
    tell(&app, Topic::All, ask).await
}

/// Follow a task's events
///
/// As `followEvents`, of one task.
#[utoipa::path(
    get, path = "/tasks/{charter}/events", operation_id = "followTask", tag = "events", params(TaskPath, Asked),
    responses((status = 200, description = "A page, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn of_task(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    ask: Ask,
) -> Result<Response, ApiError> {
    app.service.read_task(&charter, |_, _| ())?;
    tell(&app, Topic::Task(charter), ask).await
}

/// Follow a pledge's events
///
/// As `followEvents`, of one pledge of a task.
#[utoipa::path(
    get, path = "/tasks/{charter}/pledges/{index}/events", operation_id = "followPledge", tag = "events",
    params(PledgePath, Asked),
    responses((status = 200, description = "A page, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn of_pledge(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
    ask: Ask,
) -> Result<Response, ApiError> {
    let there = app.service.read_task(&charter, |task, _| task.pledges().contains_key(&index))?;
    if !there {
        return Err(
            ServiceError::Refused(crate::escrow::task::Refused::UnknownPledge { pledge: index }).into()
        );
    }
    tell(&app, Topic::Pledge(charter, index), ask).await
}

/// Follow a project's events
///
/// As `followEvents`, of all tasks and wishes of a repository, and of what keys say of it.
#[utoipa::path(
    get, path = "/projects/{project}/events", operation_id = "followProject", tag = "events",
    params(ProjectPath, Asked),
    responses((status = 200, description = "A page, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn of_project(
    State(app): State<App>,
    Params(project): Params<ProjectId>,
    ask: Ask,
) -> Result<Response, ApiError> {
    super::projects::repository(&app, project)?;
    tell(&app, Topic::Project(project), ask).await
}

/// Follow a wish's events
///
/// As `followEvents`, of one wish: everything said to it, and charters drafted from it.
#[utoipa::path(
    get, path = "/wishes/{wish}/events", operation_id = "followWish", tag = "events",
    params(WishPath, Asked),
    responses((status = 200, description = "A page, or a stream.",
        content((EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn of_wish(
    State(app): State<App>,
    Params(wish): Params<TaskId>,
    ask: Ask,
) -> Result<Response, ApiError> {
    super::wishes::shown(&app, &wish, |_, _| ())?;
    tell(&app, Topic::Wish(wish), ask).await
}
