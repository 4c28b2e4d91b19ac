//! Errors as the API tells them: a code of `problem/codes.rs`, and words that say what is wrong. Internals are
//! logged here once and never shown.

use super::problem::{Entry, Problem, entry, retry_after_secs};
use super::rates::Left;
use crate::chain::{BroadcastError, ChainError};
use crate::nip98;
use crate::service::ServiceError;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    entry: &'static Entry,
    detail: String,
    retry_after_secs: Option<u32>,
    left: Option<Left>,
}

impl ApiError {
    /// An error with a code of the table, which says its status. A code that is not there is a defect, and
    /// told as one; the tests of `problem.rs` find it.
    pub fn new(code: &'static str, detail: String) -> ApiError {
        match entry(code) {
            Some(entry) => ApiError { entry, detail, retry_after_secs: retry_after_secs(code), left: None },
            None => {
                tracing::error!(code, detail, "an error's code is not in the table");
                ApiError::internal()
            }
        }
    }

    /// As [`ApiError::new`], for codes that an error of ours names.
    pub fn mapped(code: &'static str, detail: String) -> ApiError {
        ApiError::new(code, detail)
    }

    /// The body is not what the documentation says.
    pub fn shape(detail: String) -> ApiError {
        ApiError::new("bad_request", detail)
    }

    /// No such thing.
    pub fn missing(what: &'static str) -> ApiError {
        ApiError::new("not_found", format!("there is no such {what}"))
    }

    /// No such path.
    pub fn not_found(path: &str) -> ApiError {
        let detail = format!("there is nothing at {path}: the API is described in docs/API.md");
        ApiError::new("not_found", detail)
    }

    /// A defect of ours. What it was is in the log.
    pub fn internal() -> ApiError {
        let detail = "the service made an error of its own; nothing was changed".to_owned();
        let entry = entry("internal").expect("the table has it");
        ApiError { entry, detail, retry_after_secs: None, left: None }
    }

    /// Worth another try after so long.
    pub fn retry_after(mut self, secs: u32) -> ApiError {
        self.retry_after_secs = Some(secs);
        self
    }

    /// With what is left of the client's rate.
    pub fn rate(mut self, left: Left) -> ApiError {
        self.left = Some(left);
        self
    }

    /// Why, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.entry.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Entry { code, status, title, hint, .. } = *self.entry;
        let problem = Problem {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status,
            detail: self.detail,
            code: code.to_owned(),
            hint: hint.to_owned(),
        };
        let mut response = problem.respond();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if let Some(left) = self.left {
            left.write(response.headers_mut());
        }
        if status == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(nip98::SCHEME));
        }
        response
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> ApiError {
        let detail = error.to_string();
        let code = match &error {
            ServiceError::Refused(refused) => refused.code(),
            ServiceError::Wish(refused) => refused.code(),
            ServiceError::UnknownTask { .. } => "unknown_task",
            ServiceError::OtherNetwork { .. } => "other_network",
            ServiceError::OtherReceiptKey { .. } => "other_receipt_key",
            ServiceError::TooManyTasks { .. } => "too_many_tasks",
            ServiceError::TooManyDrafts { .. } => "too_many_drafts",
            ServiceError::NotADrafter { .. } => "not_a_drafter",
            ServiceError::Psbt(error) => error.code(),
            ServiceError::DiskFull => "disk_full",
            ServiceError::Journal(source) => {
                tracing::error!(error = %source, "the journal failed");
                "journal_failed"
            }
            ServiceError::Reload(source) => {
                tracing::error!(error = %source, "the journal cannot be read back");
                "journal_failed"
            }
            ServiceError::Fold(source) => {
                tracing::error!(error = %source, "a decision could not be folded");
                "internal"
            }
            ServiceError::Chain(ChainError::Offline)
            | ServiceError::Broadcast(BroadcastError::Offline | BroadcastError::TimedOut)
            | ServiceError::Chain(ChainError::NoAnswer { .. }) => "chain_offline",
            ServiceError::Chain(ChainError::Refused { .. } | ChainError::Wrong { .. }) => "chain_wrong",
            ServiceError::Broadcast(BroadcastError::Rejected { .. }) => "broadcast_rejected",
            ServiceError::Proof(_) => "proof_not_ready",
        };
        ApiError::mapped(code, detail)
    }
}
