//! Extractors that refuse in our own words: bodies and path parameters.

use super::ApiError;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

/// A JSON body. The content type is not asked for: what is JSON is JSON.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(too_long)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|e| ApiError::shape(format!("the body is not what docs/API.md asks for: {e}")))?;
        Ok(Body(value))
    }
}

fn too_long(rejection: BytesRejection) -> ApiError {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is longer than {} bytes", super::MAX_BODY_BYTES);
        return ApiError::new("too_long", message);
    }
    ApiError::shape("the body could not be read".into())
}

/// Parameters of the path.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(params)) => Ok(Params(params)),
            // Not an id: there can be nothing of that name.
            Err(rejection) => Err(ApiError::new("not_found", rejection.body_text())),
        }
    }
}
