//! What happened and what happens, asked of a service: pages, and the stream, taken up again after every cut where it
//! broke off. The service is not believed: ids must rise, what is held is bounded, and an event of a type that
//! this version does not know is handed on as it came.

use super::sse::{Block, Reader, StreamError};
use super::{Client, ClientError, visible};
use crate::escrow::public::{EventId, PublicEvent};
use crate::service::events::Topic;
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use ureq::http::StatusCode;
use ureq::{Body, BodyReader, http::Response};

/// Most events of a page, as the service has it.
const PAGE: usize = 1_000;
/// Longest page: far beyond a thousand of our events.
const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;
/// A stream says every 15 s that it is alive.
const SILENCE: Duration = Duration::from_secs(50);
/// An answer begins within so long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Where the stream does not say how soon to come back.
const RETRY_MS: u64 = 3_000;
/// However soon a stream wants us back, and however often it broke.
const RETRY_LIMITS_MS: (u64, u64) = (100, 60_000);
/// A stream that held so long was a good one.
const HELD_WELL: Duration = Duration::from_secs(30);

/// An event as a service tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its id.
    pub id: EventId,
    /// As it came.
    pub json: Value,
    /// As this version reads it; absent for types it does not know.
    pub event: Option<PublicEvent>,
}

impl Told {
    fn read(json: Value) -> Result<Told, String> {
        #[derive(Deserialize)]
        struct Named {
            id: EventId,
        }
        let Named { id } =
            Named::deserialize(&json).map_err(|error| format!("an event has no id: {error}"))?;
        let event = PublicEvent::deserialize(&json).ok();
        Ok(Told { id, json, event })
    }

    /// Its type, in the service's words.
    pub fn kind(&self) -> String {
        visible(self.json.get("type").and_then(Value::as_str).unwrap_or("event"))
    }
}

/// A page as it came.
#[derive(Deserialize)]
struct RawPage {
    items: Vec<Value>,
    next: EventId,
}

/// Where a topic's events are.
fn path(topic: &Topic) -> String {
    match topic {
        Topic::All => "/events".to_owned(),
        Topic::Project(project) => format!("/projects/{project}/events"),
        Topic::Wish(wish) => format!("/wishes/{wish}/events"),
        Topic::Task(charter) => format!("/tasks/{charter}/events"),
        Topic::Pledge(charter, index) => format!("/tasks/{charter}/pledges/{index}/events"),
    }
}

impl Client {
    /// At most `limit` events after an id, oldest first, and where to go on. One request: a page may be shorter than
    /// what there is.
    ///
    /// # Errors
    /// Why there is no answer, or [`ClientError::Untrue`] where its ids do not rise.
    pub fn events(
        &self,
        topic: &Topic,
        after: EventId,
        limit: usize,
    ) -> Result<(Vec<Told>, EventId), ClientError> {
        let path = path(topic);
        let request = format!("GET {path}");
        let limit = limit.clamp(1, PAGE);
        let response = self
            .agent
            .get(self.url(&path))
            .query("after", after.to_string())
            .query("limit", limit.to_string())
            .call()
            .map_err(|error| self.unreachable(&error))?;
        let page: RawPage = self.json(&request, &self.text_within(MAX_PAGE_BYTES, &request, response)?)?;
        let unread = |detail: String| ClientError::Answer { request: request.clone(), detail };
        let items = page.items.into_iter().map(Told::read).collect::<Result<Vec<_>, _>>().map_err(unread)?;
        let mut last = after;
        for told in &items {
            if told.id <= last {
                return Err(ClientError::untrue("events", format!("{} comes after {last}", told.id)));
            }
            last = told.id;
        }
        if page.next < last || items.len() > limit {
            return Err(ClientError::untrue("events", format!("{} leads back behind {last}", page.next)));
        }
        Ok((items, page.next))
    }

    /// Listens, after an id or from now on. Nothing is sent yet.
    pub fn follow(&self, topic: Topic, after: Option<EventId>) -> Follow<'_> {
        let request = format!("GET {}", path(&topic));
        Follow {
            client: self,
            request,
            topic,
            last: after,
            stream: None,
            retry_ms: RETRY_MS,
            cuts: 0,
            met: false,
        }
    }
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An event, each once and in order.
    Event(Box<Told>),
    /// The stream broke. [`Follow::step`] goes on where it was; call it after the time given.
    Cut {
        /// What happened.
        why: String,
        /// When to try again.
        wait: Duration,
    },
}

/// Somebody who listens, over as many connections as it takes.
pub struct Follow<'a> {
    client: &'a Client,
    request: String,
    topic: Topic,
    /// The last event heard.
    last: Option<EventId>,
    stream: Option<(Reader<BodyReader<'static>>, Instant)>,
    retry_ms: u64,
    /// How often it broke since it went well.
    cuts: u32,
    /// It has listened before: from then on what breaks is tried again.
    met: bool,
}

impl Follow<'_> {
    /// The last event heard, from which it goes on after a cut.
    pub fn last(&self) -> Option<EventId> {
        self.last
    }

    /// Waits for what comes next. A cut says how long to wait before the next call.
    ///
    /// # Errors
    /// What does not go away by trying again: a refusal, an answer that is no stream of events. Before the first
    /// stream that is everything.
    pub fn step(&mut self) -> Result<Step, ClientError> {
        loop {
            if self.stream.is_none() {
                match self.connect() {
                    Ok(stream) => {
                        self.stream = Some((stream, Instant::now()));
                        self.met = true;
                    }
                    Err(error) if self.met && passing(&error) => return Ok(self.cut(error.to_string())),
                    Err(error) => return Err(error),
                }
            }
            let Some((stream, since)) = &mut self.stream else { continue };
            match stream.next() {
                Ok(block) => {
                    if let Some(told) = self.take(block)? {
                        self.cuts = 0;
                        return Ok(Step::Event(Box::new(told)));
                    }
                }
                Err(error @ StreamError::TooLong) => return Err(self.unread(error.to_string())),
                Err(error @ (StreamError::Ended | StreamError::Broke(_))) => {
                    if since.elapsed() > HELD_WELL {
                        self.cuts = 0;
                    }
                    self.stream = None;
                    return Ok(self.cut(error.to_string()));
                }
            }
        }
    }

    fn connect(&self) -> Result<Reader<BodyReader<'static>>, ClientError> {
        let mut request =
            self.client.agent.get(self.client.url(&path(&self.topic))).header("accept", "text/event-stream");
        if let Some(last) = self.last {
            request = request.header("last-event-id", last.to_string());
        }
        let request = request
            .config()
            .timeout_global(None)
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(SILENCE))
            .build();
        let response = request.call().map_err(|error| self.client.unreachable(&error))?;
        if response.status() != StatusCode::OK {
            // A refusal in words; anything else that is no stream is said so.
            self.client.text_within(MAX_PAGE_BYTES, &self.request, response)?;
            return Err(self.unread("it is no stream".to_owned()));
        }
        if !is_stream(&response) {
            return Err(self.unread("it is no stream of events".to_owned()));
        }
        Ok(Reader::new(response.into_body().into_reader()))
    }

    /// What a block of the stream tells, if it is new.
    fn take(&mut self, block: Block) -> Result<Option<Told>, ClientError> {
        if let Some(retry_ms) = block.retry_ms {
            self.retry_ms = retry_ms;
        }
        let id: Option<EventId> = match &block.id {
            Some(id) => Some(id.parse().map_err(|_| self.unread(format!("{:?} is no id", visible(id))))?),
            None => None,
        };
        if block.kind == "hello" {
            // From here on nothing is missed, also if the stream breaks before the first event.
            self.last = self.last.or(id);
            return Ok(None);
        }
        let json = serde_json::from_str(&block.data);
        let json = json.map_err(|error| self.unread(format!("an event is no JSON: {error}")))?;
        let told = Told::read(json).map_err(|detail| self.unread(detail))?;
        if id.is_some_and(|id| id != told.id) {
            return Err(self.unread(format!("an event has two ids, one of them {}", told.id)));
        }
        if self.last.is_some_and(|last| told.id <= last) {
            return Ok(None);
        }
        self.last = Some(told.id);
        Ok(Some(told))
    }

    fn cut(&mut self, why: String) -> Step {
        let (least, most) = RETRY_LIMITS_MS;
        let grown = self.retry_ms.saturating_mul(1_u64.checked_shl(self.cuts).unwrap_or(u64::MAX));
        let wait_ms = grown.clamp(least, most);
        self.cuts = self.cuts.saturating_add(1);
        // Up to a quarter more: those who were cut at once do not come back at once.
        let mut random = [0; 2];
        let more_ms = match getrandom::fill(&mut random) {
            Ok(()) => wait_ms / 4 * u64::from(u16::from_le_bytes(random)) / u64::from(u16::MAX),
            Err(_) => 0,
        };
        Step::Cut { why, wait: Duration::from_millis(wait_ms + more_ms) }
    }

    fn unread(&self, detail: String) -> ClientError {
        ClientError::Answer { request: self.request.clone(), detail }
    }
}

/// Whether trying again may help.
fn passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
        // What a proxy says while the service behind it starts is none of its problem documents.
        ClientError::Answer { detail, .. } => detail.starts_with("status 5"),
        ClientError::Unsigned { .. } | ClientError::Untrue { .. } => false,
    }
}

fn is_stream(response: &Response<Body>) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests;
