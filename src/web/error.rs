//! Errors as the API tells them: a status, a stable code, words that say what to do. Internals are logged
//! here once and never shown.

use crate::chain::{BroadcastError, ChainError};
use crate::escrow::task::Refused;
use crate::service::ServiceError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorText,
}

/// Code and words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// Stable code for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// An error of the edge itself.
    pub fn new(status: StatusCode, code: &'static str, message: String) -> ApiError {
        ApiError { status, code, message }
    }

    /// The body is not what the documentation says.
    pub fn shape(message: String) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// No such thing.
    pub fn missing(what: &'static str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorText { code: self.code.to_owned(), message: self.message };
        (self.status, Json(ErrorBody { error })).into_response()
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> ApiError {
        let message = error.to_string();
        let (status, code) = match &error {
            ServiceError::Refused(refused) => (status_of(refused), refused.code()),
            ServiceError::UnknownTask { .. } => (StatusCode::NOT_FOUND, "unknown_task"),
            ServiceError::OtherNetwork { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "other_network"),
            ServiceError::OtherReceiptKey { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "other_receipt_key"),
            ServiceError::TooManyTasks { .. } => (StatusCode::CONFLICT, "too_many_tasks"),
            ServiceError::Psbt(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.code()),
            ServiceError::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk_full"),
            ServiceError::Journal(source) => {
                tracing::error!(error = %source, "the journal failed");
                (StatusCode::SERVICE_UNAVAILABLE, "journal_failed")
            }
            ServiceError::Reload(source) => {
                tracing::error!(error = %source, "the journal cannot be read back");
                (StatusCode::SERVICE_UNAVAILABLE, "journal_failed")
            }
            ServiceError::Fold(source) => {
                tracing::error!(error = %source, "a decision could not be folded");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
            ServiceError::Chain(ChainError::Offline)
            | ServiceError::Broadcast(BroadcastError::Offline | BroadcastError::TimedOut)
            | ServiceError::Chain(ChainError::NoAnswer { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "chain_offline")
            }
            ServiceError::Chain(ChainError::Refused { .. } | ChainError::Wrong { .. }) => {
                (StatusCode::BAD_GATEWAY, "chain_wrong")
            }
            ServiceError::Broadcast(BroadcastError::Rejected { .. }) => {
                (StatusCode::BAD_GATEWAY, "broadcast_rejected")
            }
            ServiceError::Proof(_) => (StatusCode::SERVICE_UNAVAILABLE, "proof_not_ready"),
        };
        ApiError { status, code, message }
    }
}

/// 404 for what is not there, 409 for what contradicts the present state, 422 for what is wrong in itself.
fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::UnknownSubmission { .. }
        | Refused::UnknownPledge { .. }
        | Refused::UnknownSettlement { .. } => StatusCode::NOT_FOUND,
        Refused::NoTip
        | Refused::NotOpen
        | Refused::FundingClosed { .. }
        | Refused::IndexTaken { .. }
        | Refused::NoIndexLeft
        | Refused::AddressReused
        | Refused::CapReached { .. }
        | Refused::UnknownOutpoint { .. }
        | Refused::SubmissionNumber { .. }
        | Refused::SubmissionBlock { .. }
        | Refused::WorkDeadline { .. }
        | Refused::TargetMissing { .. }
        | Refused::StillVoting
        | Refused::VoteSettled
        | Refused::VotingClosed
        | Refused::TooManyVotes { .. }
        | Refused::AlreadyJudged
        | Refused::AlreadyRuled
        | Refused::RulingTooEarly { .. }
        | Refused::RulingTooLate { .. }
        | Refused::NoRuling { .. }
        | Refused::NothingToSettle
        | Refused::SettlementUnderWay { .. }
        | Refused::PastCutoff { .. }
        | Refused::ProposalLapsed
        | Refused::OtherTask { .. }
        | Refused::NoLongerAllowed { .. } => StatusCode::CONFLICT,
        Refused::Charter(_)
        | Refused::TextHash
        | Refused::TextTooLong { .. }
        | Refused::NotSupported { .. }
        | Refused::TooFarAhead { .. }
        | Refused::AlreadyClosed { .. }
        | Refused::Descriptor(_)
        | Refused::Signature(_)
        | Refused::RefundAddress(_)
        | Refused::RefundToEscrow
        | Refused::BelowMinimum { .. }
        | Refused::GiftHasNoRefund { .. }
        | Refused::Bundle(_)
        | Refused::Link { .. }
        | Refused::RulingShare { .. }
        | Refused::Feerate { .. }
        | Refused::Terms(_)
        | Refused::Plan(_)
        | Refused::SettlementSignature(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
