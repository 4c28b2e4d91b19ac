//! Every error has the one shape (RFC 9457), whoever in the stack made it.

use super::fakes::World;
use crate::web::problem::{CODES, MEDIA_TYPE};
use crate::web::{App, dress, router};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use axum::routing::get;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

/// Asks a router and reads its problem.
async fn problem(router: Router, request: Request<Body>, status: u16, code: &str) -> (HeaderMap, Value) {
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), status, "{code}");
    let headers = response.headers().clone();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(headers["content-type"], MEDIA_TYPE);
    let entry = CODES.iter().find(|entry| entry.code == code).unwrap();
    assert_eq!(body["code"], code);
    assert_eq!(body["type"], format!("/problems/{code}"));
    assert_eq!((body["status"].as_u64(), entry.status), (Some(u64::from(status)), status));
    assert_eq!((&body["title"], &body["hint"]), (&entry.title.into(), &entry.hint.into()));
    assert!(!body["detail"].as_str().unwrap().is_empty());
    (headers, body)
}

fn asked(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

#[tokio::test]
async fn router_and_extractors_refuse_in_one_shape() {
    let world = World::new(None, |_| {}).await;
    let ask = |method, path: &str, body: Vec<u8>, status, code| {
        problem(router(world.app()), asked(method, path, body), status, code)
    };
    let task = world.path("");
    let task = task.trim_end_matches('/');
    for path in ["/none", "/api/v1", "/api/v1/none", "/api/v2/status", "/problems/none", "/api/v1/tasks/xyz"]
    {
        ask(Method::GET, path, vec![], 404, "not_found").await;
    }
    for path in [
        "/api/v1/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/tasks/%2e%2e%2fstatus",
        "/..%5c..%5cx",
    ] {
        ask(Method::GET, path, vec![], 404, "not_found").await;
    }
    let (headers, _) = ask(Method::DELETE, task, vec![], 405, "method_not_allowed").await;
    assert_eq!(headers["allow"], "GET,HEAD");
    for body in [&b"{"[..], b"", b"[]", b"\xff\xfe", b"null"] {
        ask(Method::POST, &world.path("votes"), body.to_vec(), 400, "bad_request").await;
    }
    let (headers, _) = {
        world.disk.0.fill(true);
        let body = world.pledge_body(1, 50_000).to_string().into_bytes();
        ask(Method::POST, &world.path("pledges"), body, 503, "disk_full").await
    };
    assert_eq!(headers["retry-after"], "60");
}

#[tokio::test]
async fn layers_refuse_in_one_shape() {
    async fn defect() -> &'static str {
        panic!("a defect, wanted by a test: the secret is 42")
    }
    let world = World::new(None, |_| {}).await;
    let routes = || {
        Router::<App>::new()
            .route("/defect", get(defect))
            .route("/slow", get(std::future::pending::<()>))
            .route("/teapot", get(|| async { axum::http::StatusCode::IM_A_TEAPOT }))
            .route("/bad-gateway", get(|| async { (axum::http::StatusCode::BAD_GATEWAY, "inner words") }))
    };
    let ask = |path: &str, status, code| {
        let router = dress(routes(), &world.app(), Duration::from_millis(20)).with_state(world.app());
        problem(router, asked(Method::GET, path, Body::empty()), status, code)
    };
    let (_, body) = ask("/defect", 500, "internal").await;
    assert!(!body.to_string().contains("42"), "what the defect said stays inside");
    ask("/slow", 408, "timed_out").await;
    ask("/teapot", 400, "bad_request").await;
    let (_, body) = ask("/bad-gateway", 500, "internal").await;
    assert!(!body.to_string().contains("inner words"));
}

#[tokio::test]
async fn every_code_is_explained_by_the_service() {
    let world = World::new(None, |_| {}).await;
    let (_, list) = world.get("/problems").await;
    for entry in CODES {
        let (status, page) = world.get(&format!("/problems/{}", entry.code)).await;
        let page = page.as_str().unwrap();
        assert!(status.is_success() && page.contains(entry.meaning) && page.contains(entry.hint), "{page}");
        assert!(list.as_str().unwrap().contains(entry.code));
    }
}
