//! Around every request: an id, a span for the log, its place in the metrics. Looks at method, route and
//! status alone; query strings, headers and bodies never reach a log here.

use super::operator::Operator;
use crate::metrics::{Interned, RouteLabels};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument;

/// Names a request in the log of whoever sent it, of a proxy, and of ours.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken over from a request.
const MAX_ID_CHARS: usize = 64;

/// Patterns of the routes; there are as many as the router has.
static ROUTES: LazyLock<Interned> = LazyLock::new(Interned::default);

/// One request under way, counted until it is answered or given up.
struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The layer.
pub async fn observe(State(operator): State<Arc<Operator>>, request: Request, next: Next) -> Response {
    let metrics = Arc::clone(operator.service.metrics());
    let id = given(&request).unwrap_or_else(fresh);
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| ROUTES.get(path.as_str()));
    let method = method(request.method());
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        method,
        route,
        task.id = task(request.uri().path()).map(tracing::field::display),
    );
    metrics.http.in_flight.inc();
    let in_flight = InFlight(metrics.http.in_flight.clone());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = begun.elapsed();
    drop(in_flight);
    let status = response.status().as_u16();
    metrics.http.requests.get_or_create(&RouteLabels { route, method, status }).inc();
    metrics.http.seconds.get_or_create(&[("route", route), ("method", method)]).observe(took.as_secs_f64());
    let _within = span.enter();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::warn!(status, ms, "answered");
    } else {
        tracing::debug!(status, ms, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The id that a client or proxy gave, if it is harmless in a log.
fn given(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // Whoever puts a key there by mistake does not find it in a log: 64 hex digits are no id.
    let key = id.len() >= 64 && id.chars().all(|c| c.is_ascii_hexdigit());
    (!id.is_empty() && id.len() <= MAX_ID_CHARS && id.chars().all(plain) && !key).then(|| id.to_owned())
}

/// An id that this process has not given before, and no other is likely to.
fn fresh() -> String {
    static STARTED: LazyLock<u128> =
        LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:x}-{:x}", *STARTED, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The id of the task that a path names.
fn task(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/api/v1/tasks/")?.split('/').next()?;
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn with(id: &str) -> Request {
        Request::builder().header(REQUEST_ID, id).body(Body::empty()).unwrap()
    }

    #[test]
    fn an_id_is_taken_over_if_it_can_do_no_harm() {
        assert_eq!(given(&with("a-1_B.c")).as_deref(), Some("a-1_B.c"));
        for bad in ["", "a b", "a\tb", "a=b", &"x".repeat(65), &"ab".repeat(32)] {
            assert_eq!(given(&with(bad)), None, "{bad}");
        }
        assert_ne!(fresh(), fresh());
        assert!(given(&with(&fresh())).is_some());
    }

    #[test]
    fn a_task_is_named_if_the_path_names_one() {
        let id = "0f".repeat(32);
        assert_eq!(task(&format!("/api/v1/tasks/{id}/votes")), Some(id.as_str()));
        assert_eq!(task("/api/v1/tasks/nonsense\n"), None);
        assert_eq!(task("/api/v1/status"), None);
    }
}
