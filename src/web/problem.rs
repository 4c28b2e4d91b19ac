//! Errors on the wire: problem details (RFC 9457), one shape for every refusal.
//! What the codes mean is in `problem/codes.rs`; nothing is decided here.

mod codes;

pub use codes::CODES;

use super::ApiError;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A code with what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stable code for programs.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// A few words, the same each time.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// Looks a code up.
pub fn entry(code: &str) -> Option<&'static Entry> {
    CODES.iter().find(|entry| entry.code == code)
}

/// The body of every error (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained, a path of this service: `/problems/CODE`.
    #[serde(rename = "type")]
    #[schema(pattern = "^/problems/[a-z0-9_]+$")]
    pub kind: String,
    /// A few words on the code, the same each time.
    pub title: String,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// Stable code for programs.
    #[schema(pattern = "^[a-z0-9_]+$")]
    pub code: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// As a response.
    pub fn respond(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("text and numbers are JSON");
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

/// How long to wait before another try, where waiting helps.
pub fn retry_after_secs(code: &str) -> Option<u32> {
    match code {
        "chain_unknown" | "proof_not_ready" => Some(5),
        "too_many_listeners" | "chain_offline" | "chain_wrong" | "journal_failed" => Some(30),
        "disk_full" => Some(60),
        "busy" => Some(2),
        _ => None,
    }
}

/// Gives every error the one shape: what a layer or the router answered without a body of ours gets one.
pub async fn shape(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|given| given == MEDIA_TYPE);
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let shaped = of_status(status, &path).into_response();
    parts.status = shaped.status();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(shaped.headers().clone());
    Response::from_parts(parts, shaped.into_body())
}

fn of_status(status: StatusCode, path: &str) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => ApiError::not_found(path),
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::new("method_not_allowed", format!("{path} cannot be asked so: see the Allow header"))
        }
        StatusCode::REQUEST_TIMEOUT => {
            ApiError::new("timed_out", "the request took longer than a request may take".into())
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new("too_long", "the body is longer than this request may have".into())
        }
        other if other.is_client_error() => {
            ApiError::new("bad_request", format!("the request could not be read ({other})"))
        }
        _ => ApiError::internal(),
    }
}

#[cfg(test)]
mod tests;
