//! Errors as a page: what a problem document says, for whoever came with a browser.

use super::respond::{browses, page};
use super::site::Site;
use crate::web::App;
use crate::web::problem::{MEDIA_TYPE, Problem};
use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Longest problem document that is turned into a page; ours are far shorter.
const MAX_PROBLEM_BYTES: usize = 1 << 20;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    site: Site,
    problem: Problem,
}

/// Turns problem documents into pages where a browser asked, outside of the API.
pub async fn for_browsers(State(app): State<App>, request: Request, next: Next) -> Response {
    let wanted = browses(request.headers()) && !request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|given| given == MEDIA_TYPE);
    if !wanted || !ours {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_PROBLEM_BYTES).await else {
        return super::super::ApiError::internal().into_response();
    };
    let rendered = serde_json::from_slice(&bytes)
        .ok()
        .and_then(|problem| page(&ErrorPage { site: Site::new(&app), problem }).ok());
    let Some(mut shown) = rendered else { return Response::from_parts(parts, bytes.into()) };
    *shown.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            shown.headers_mut().entry(name).or_insert(value.clone());
        }
    }
    shown
}
