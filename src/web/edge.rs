//! The guard before every handler: who asks, how often, how much, by whose signature, and whether it was
//! answered before. It knows requests, not escrow: rules of money are the service's.

use super::classes::{self, Class, Kind};
use super::clients::{self, Client, Source};
use super::idempotency::{Answer, Begun, Fingerprint, First, Idempotency, Key, MAX_ANSWER_BYTES};
use super::identity::Identity;
use super::rates::Rates;
use super::unpaid::Unpaid;
use super::{ApiError, App, origin};
use crate::config::api::ApiLimits;
use crate::escrow::statement::CharterId;
use crate::nip98::{self, AuthError};
use crate::service::Clock;
use crate::store::replay::{ReplayCache, ReplayError};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::secp256k1::{Secp256k1, VerifyOnly};
use futures::StreamExt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Most bytes of bodies held at once, of all clients together.
const MAX_BODIES_BYTES: usize = 256 << 20;
/// Tells that an answer is one given before.
const REPLAYED: &str = "idempotent-replayed";

/// What the guard needs.
pub struct Edge {
    public_url: String,
    origin: String,
    limits: ApiLimits,
    rates: Rates,
    unpaid: Unpaid,
    replay: ReplayCache,
    idempotency: Idempotency,
    clock: Arc<dyn Clock>,
    bodies: Arc<Semaphore>,
    secp: Secp256k1<VerifyOnly>,
}

impl Edge {
    /// A guard of the service at `public_url`.
    pub fn new(public_url: &str, limits: ApiLimits, replay: ReplayCache, clock: Arc<dyn Clock>) -> Edge {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Edge {
            origin: origin::origin_of(&public_url),
            public_url,
            rates: Rates::new(&limits),
            limits,
            unpaid: Unpaid::default(),
            replay,
            idempotency: Idempotency::default(),
            clock,
            bodies: Arc::new(Semaphore::new(MAX_BODIES_BYTES)),
            secp: Secp256k1::verification_only(),
        }
    }
}

/// Guards one request.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut left = None;
    let mut response = match admitted(&app, request, next, &mut left).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    if let Some(left) = left
        && !response.headers().contains_key("ratelimit")
    {
        super::rates::Left::write(&left, response.headers_mut());
    }
    response
}

async fn admitted(
    app: &App,
    request: Request,
    next: Next,
    left: &mut Option<super::rates::Left>,
) -> Result<Response, ApiError> {
    let edge = &app.edge;
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let kind = classes::kind(&parts.method, &route);
    if !classes::reads(&parts.method) {
        origin::check_write(&parts.headers, &edge.origin)?;
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let source = clients::source(peer, &parts.headers, &edge.limits);
    parts.extensions.insert(source);
    let limited = !source.local || edge.limits.limit_loopback;
    if limited {
        *left = edge.rates.count(source.client, kind.class)?;
    }
    let (body, _held) = if kind.class == Class::Read || classes::reads(&parts.method) {
        (Bytes::new(), None)
    } else {
        let (body, held) = read_body(edge, &parts.headers, body, &kind).await?;
        (body, Some(held))
    };
    let signed = check_signature(edge, &parts, &body)?;
    let mut client = source.client;
    if let Some(signed) = &signed {
        client = Client::Identity(signed.key);
        if limited {
            edge.rates.count(client, kind.class)?;
        }
        parts.extensions.insert(Identity(signed.key));
    }
    // What will be refused for want of a signature uses up no key.
    let unsigned = signed.is_none() && classes::needs_identity(&parts.method, &route);
    let key = if unsigned { None } else { idempotency_key(&parts, client)? };
    let first = match key {
        None => None,
        Some(key) => match edge.idempotency.begin(key, fingerprint(&parts, &body, client)).await? {
            Begun::Known(answer) => return Ok(told_again(&answer)),
            Begun::First(first) => Some(first),
        },
    };
    // From here on the request is acted on: its signature is used up.
    if let Some(signed) = &signed {
        let now_secs = edge.clock.now_secs();
        edge.replay.claim(signed.event.0, signed.created_at, now_secs).await.map_err(replayed)?;
    }
    let place = if limited && kind.issues_pledge { take_place(app, &source, &parts, &body)? } else { None };
    let request = Request::from_parts(parts, Body::from(body));
    let response = match first {
        Some(first) => answer_once(first, request, next).await?,
        None => next.run(request).await,
    };
    if let Some((charter, index)) = place
        && !response.status().is_success()
    {
        edge.unpaid.give_back(source.client, charter, index);
    }
    Ok(response)
}

/// Bytes that are counted while they are held.
struct Held {
    bodies: Arc<Semaphore>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bodies.add_permits(self.bytes);
    }
}

/// Reads a body: refused by its announced length before it is read, and by its bytes as they come.
async fn read_body(
    edge: &Edge,
    headers: &HeaderMap,
    body: Body,
    kind: &Kind,
) -> Result<(Bytes, Held), ApiError> {
    let max = kind.max_body_bytes;
    let too_long = || ApiError::new("too_long", format!("the body of this request has at most {max} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.is_some_and(|text| text.parse::<usize>().is_ok_and(|bytes| bytes > max)) {
        return Err(too_long());
    }
    let mut held = Held { bodies: Arc::clone(&edge.bodies), bytes: 0 };
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::shape("the body could not be read".into()))?;
        if bytes.len() + chunk.len() > max {
            return Err(too_long());
        }
        let count = u32::try_from(chunk.len()).map_err(|_| too_long())?;
        let room = edge.bodies.try_acquire_many(count).map_err(|_| {
            ApiError::new("busy", "the service holds as many bodies of requests as it can".into())
        })?;
        room.forget();
        held.bytes += chunk.len();
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.into(), held))
}

/// Checks the signature of a request that has one. Other schemes than `Nostr` are none of ours.
fn check_signature(edge: &Edge, parts: &Parts, body: &[u8]) -> Result<Option<nip98::Signed>, ApiError> {
    let Some(header) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let ours = header
        .as_bytes()
        .get(..nip98::SCHEME.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(nip98::SCHEME.as_bytes()));
    if !ours {
        return Ok(None);
    }
    let header = header
        .to_str()
        .map_err(|_| AuthError::Malformed { reason: "it is not ASCII".into() })
        .map_err(unsigned)?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", edge.public_url);
    let asked = nip98::Asked { url: &url, method: parts.method.as_str(), body };
    nip98::verify(&edge.secp, header, &asked, edge.clock.now_secs()).map(Some).map_err(unsigned)
}

fn unsigned(error: AuthError) -> ApiError {
    ApiError::mapped(error.code(), error.to_string())
}

fn replayed(error: ReplayError) -> ApiError {
    let detail = error.to_string();
    match error {
        ReplayError::Used => ApiError::new("auth_replayed", detail),
        ReplayError::Forgotten { .. } => ApiError::new("auth_clock", detail),
        ReplayError::Full => ApiError::new("busy", detail),
        ReplayError::NoSpace => ApiError::new("disk_full", detail),
        ReplayError::Failed { detail } => {
            tracing::error!(detail, "a signed request was refused: its use could not be recorded");
            let detail = "the service cannot record that this signed request was used";
            ApiError::new("auth_unavailable", detail.into())
        }
    }
}

fn idempotency_key(parts: &Parts, client: Client) -> Result<Option<Key>, ApiError> {
    // What is no write here is answered by the router: 405, whatever key it comes with.
    if parts.method != axum::http::Method::POST {
        return Ok(None);
    }
    let Some(value) = parts.headers.get("idempotency-key") else { return Ok(None) };
    Key::read(client, value.to_str().unwrap_or_default()).map(Some)
}

fn fingerprint(parts: &Parts, body: &[u8], client: Client) -> Fingerprint {
    let mut engine = sha256::Hash::engine();
    // The lengths keep the parts apart.
    for part in [parts.method.as_str(), &parts.uri.to_string(), &format!("{client:?}")] {
        engine.input(&part.len().to_be_bytes());
        engine.input(part.as_bytes());
    }
    engine.input(body);
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// Carries a request out, on a task of its own: the others wait for it, even if its client goes away.
async fn answer_once(first: First, request: Request, next: Next) -> Result<Response, ApiError> {
    let answered = tokio::spawn(async move {
        let response = next.run(request).await;
        let (parts, body) = response.into_parts();
        // An answer too long to be kept is sent on as it is.
        let body = to_bytes(body, 8 * MAX_ANSWER_BYTES).await.map_err(|_| ApiError::internal())?;
        first.finish(&Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() });
        Ok(Response::from_parts(parts, Body::from(body)))
    });
    answered.await.map_err(|_| ApiError::internal())?
}

fn told_again(answer: &Answer) -> Response {
    let mut response = (answer.status, answer.body.clone()).into_response();
    *response.headers_mut() = answer.headers.clone();
    response.headers_mut().insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
    response
}

/// One of the few places a client may hold unpaid. What cannot be read here the handler refuses.
fn take_place(
    app: &App,
    source: &Source,
    parts: &Parts,
    body: &[u8],
) -> Result<Option<(CharterId, u32)>, ApiError> {
    #[derive(serde::Deserialize)]
    struct Asked {
        index: u32,
    }
    let max = app.edge.limits.max_unpaid_pledges;
    let mut path = parts.uri.path().rsplit('/');
    let charter = path.nth(1).and_then(|id| id.parse::<CharterId>().ok());
    let (Some(charter), Ok(asked)) = (charter, serde_json::from_slice::<Asked>(body)) else {
        return Ok(None);
    };
    if max == 0 {
        return Ok(None);
    }
    let waiting = |charter: &CharterId, index: u32| app.service.holds_unpaid(charter, index);
    // One that is known already is not issued now.
    if waiting(&charter, asked.index) {
        return Ok(None);
    }
    app.edge.unpaid.take(source.client, charter, asked.index, max, waiting)?;
    Ok(Some((charter, asked.index)))
}
