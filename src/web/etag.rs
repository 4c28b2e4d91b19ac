//! Conditional reading (RFC 9110): a strong ETag on every answer to a GET, and 304 for who has it already. The tag is
//! the hash of the very bytes that would be sent, made after the answer was computed: it changes with whatever changes
//! the answer, the chain's tip included, and nothing is ever served from a memory. Streams go through untouched.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bitcoin::hashes::{Hash, sha256};

/// Longest answer that is tagged. It is in memory already, so this bounds the hashing.
const MAX_TAGGED_BYTES: u64 = 64 << 20;
/// May be kept, must be asked for again.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// What an address or a charter's id fixes for ever.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Answers to writes, and errors.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Tags what is read, and answers 304 where the reader has it.
pub async fn conditional(mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    if method != Method::GET && method != Method::HEAD {
        return with_cache_control(next.run(request).await, NO_STORE);
    }
    let wanted = request.headers().clone();
    let path = request.uri().path().to_owned();
    // The tag of a HEAD is that of the GET: the body is dropped on the way out.
    *request.method_mut() = Method::GET;
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return with_cache_control(response, NO_STORE);
    }
    let headers = response.headers();
    let streams = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    // A feed has a tag of its own, which needs no body.
    let tagged = headers.contains_key(header::ETAG);
    let length = response.body().size_hint().exact();
    if streams || tagged || length.is_none_or(|length| length > MAX_TAGGED_BYTES) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return crate::web::ApiError::internal().into_response();
    };
    let tag = format!("\"{}\"", &sha256::Hash::hash(&bytes).to_string()[..32]);
    let tag = HeaderValue::from_str(&tag).expect("hex is a header's text");
    let fixed = path.ends_with("/charter") || path.ends_with("/qr.svg");
    let cache_control = if fixed { FOR_EVER } else { REVALIDATE };
    parts.headers.entry(header::CACHE_CONTROL).or_insert(cache_control);
    let known = has(&wanted, &tag);
    parts.headers.insert(header::ETAG, tag);
    if known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether `If-None-Match` has the tag, compared weakly as it is meant to be.
pub fn has(wanted: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = wanted.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut given = lists.flat_map(|list| list.split(',')).map(str::trim);
    given.any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given).as_bytes() == tag.as_bytes())
}

fn with_cache_control(mut response: Response, cache_control: HeaderValue) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(cache_control);
    response
}
