//! Pages over HTTP: each renders for browsers, tells the same as JSON to programs, and lives under its policy.

mod desks;
mod new;
mod public;
mod seen;
mod sponsor;

use super::fakes::World;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;

impl World {
    /// A page as a browser gets it.
    pub async fn browse(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(path).header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        let response = self.respond_to(request.body(Body::empty()).unwrap(), "192.0.2.7:50000").await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A page that is there, after what holds for every page was checked; and the same as JSON.
    pub async fn page(&self, path: &str) -> (String, Value) {
        let (status, headers, html) = self.browse(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {html}");
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_policy(path, &headers, &html);
        let request = Request::get(path).header(header::ACCEPT, "application/json");
        let response = self.respond_to(request.body(Body::empty()).unwrap(), "192.0.2.7:50000").await;
        assert_eq!(response.status(), StatusCode::OK, "{path} as JSON");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{path} as JSON");
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (html, serde_json::from_slice(&bytes).unwrap())
    }
}

/// The policy of pages, and nothing in them that it would block.
#[track_caller]
fn assert_policy(path: &str, headers: &HeaderMap, html: &str) {
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let framed = path.starts_with("/embed/");
    assert_eq!(policy.contains("frame-ancestors 'none'"), !framed, "{path}: {policy}");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}: {policy}");
    for inline in [" style=", "<style", "<script>", " onclick=", "javascript:"] {
        assert!(!html.contains(inline), "{path} has {inline}");
    }
    assert!(!(framed && html.contains("<script")), "{path}: no script is framed");
    // Whatever is loaded is ours, and named with its hash.
    for tag in
        html.split('<').filter(|tag| tag.starts_with("script ") || tag.starts_with("link rel=\"stylesheet\""))
    {
        assert!(tag.contains("integrity=\"sha384-") && tag.contains("\"/static/"), "{path}: {tag}");
    }
}

#[tokio::test]
async fn the_front_page_shows_what_raised_most() {
    let world = World::new(None, |_| {}).await;
    let (html, json) = world.page("/").await;
    let task = world.id.to_string();
    assert!(html.contains(&format!("/tasks/{task}")), "{html}");
    assert_eq!(json["example"]["charter"], task);
    assert!(html.contains(&format!("href=\"/operator#files\">{}<", crate::web::files_in_one())), "{html}");
    for part in ["Three steps for a sponsor", "<title id=\"two-title\">", "og:title", "Who it is for"] {
        assert!(html.contains(part), "{part}");
    }
}

#[tokio::test]
async fn browsers_get_errors_as_pages_and_programs_as_problems() {
    let world = World::new(None, |_| {}).await;
    let (status, headers, html) = world.browse("/nothing/here").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_policy("/nothing/here", &headers, &html);
    assert!(html.contains("not_found") && html.contains("<h1>"), "{html}");
    let (status, problem) = world.get("/nothing/here").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (_, headers, _) = world.browse("/api/v1/nothing").await;
    assert_eq!(
        headers[header::CONTENT_TYPE],
        "application/problem+json",
        "the API answers as its document says"
    );
}

#[tokio::test]
async fn what_pages_load_is_kept_for_ever_under_its_hash() {
    let world = World::new(None, |_| {}).await;
    for asset in crate::web::assets::all() {
        let request = Request::get(&asset.path).body(Body::empty()).unwrap();
        let response = world.respond_to(request, "192.0.2.7:50000").await;
        assert_eq!(response.status(), StatusCode::OK);
        let kept = response.headers()[header::CACHE_CONTROL].to_str().unwrap();
        assert!(kept.contains("immutable"), "{}: {kept}", asset.name);
        assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), asset.bytes);
        let old = format!("/static/0000000000000000/{}", asset.name);
        let response =
            world.respond_to(Request::get(old).body(Body::empty()).unwrap(), "192.0.2.7:50000").await;
        assert!(!response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    }
}
