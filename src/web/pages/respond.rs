//! A view on its way out: as a page to browsers, as JSON to programs, from the same handler.

use super::super::ApiError;
use askama::Template;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use std::convert::Infallible;

/// What pages may do in a browser (UX): nothing but what comes from here, no inline script or style, no framing.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types upfront";
/// The same of what other sites may frame. No script is there, so that no key ever is.
pub const EMBED_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors *";

/// In which form the page is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A page.
    Html,
    /// Its data.
    Json,
}

impl Asked {
    /// By `?format=json`, or by what the `Accept` header names first of the two. Without either it is a page.
    pub fn of(headers: &HeaderMap, query: Option<&str>) -> Asked {
        if query.unwrap_or_default().split('&').any(|part| part == "format=json") {
            return Asked::Json;
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (accept.find("application/json"), accept.find("text/html")) {
            (Some(json), Some(html)) if json < html => Asked::Json,
            (Some(_), None) => Asked::Json,
            _ => Asked::Html,
        }
    }
}

/// Whether a browser asks for something to look at. Programs that name nothing get what they always got.
pub fn browses(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Asked::of(&parts.headers, parts.uri.query()))
    }
}

/// The view in the form that was asked for.
pub fn show<V: Template + Serialize>(asked: Asked, view: &V) -> Result<Response, ApiError> {
    let mut response = match asked {
        Asked::Json => Json(view).into_response(),
        Asked::Html => page(view)?,
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // Whatever its path ends with: what a page says changes with every block.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// A page, with the policy it lives under.
pub fn page(view: &impl Template) -> Result<Response, ApiError> {
    let text = view.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        ApiError::internal()
    })?;
    let mut response = Html(text).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Other sites are told nothing; to our own, forms bear their origin, without which no write is taken.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

/// The media type of a file, by its ending.
pub fn media(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_json_and_browsers_pages() {
        let asked = |accept: Option<&'static str>, query| {
            let value = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept)));
            Asked::of(&value.into_iter().collect(), query)
        };
        assert_eq!(asked(None, None), Asked::Html);
        assert_eq!(asked(Some("*/*"), None), Asked::Html);
        assert_eq!(asked(Some("text/html,application/xhtml+xml,*/*;q=0.8"), None), Asked::Html);
        assert_eq!(asked(Some("application/json"), None), Asked::Json);
        assert_eq!(asked(Some("application/json, text/html"), None), Asked::Json);
        assert_eq!(asked(Some("text/html, application/json"), None), Asked::Html);
        assert_eq!(asked(Some("text/html"), Some("a=b&format=json")), Asked::Json);
    }
}
