//! Extractors that refuse in our own words: bodies and path parameters.

use super::ApiError;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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

/// The fields of a form, by name: as a page sends them, or as an object of texts, numbers and truths in JSON. What is
/// not there is empty.
pub struct Fields(pub BTreeMap<String, String>);

impl Fields {
    /// The field of this name.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let pairs: Vec<(String, String)> = if media_type.is_some_and(|given| given.contains("json")) {
            let Body(object) = Body::<Map<String, Value>>::from_request(request, state).await?;
            object.into_iter().map(plain).collect::<Result<_, _>>()?
        } else {
            let form = Form::from_request(request, state).await;
            form.map_err(|rejection| ApiError::shape(rejection.body_text()))?.0
        };
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.contains_key(&name) {
                return Err(ApiError::shape("a field of the form is there twice".into()));
            }
            fields.insert(name, value);
        }
        Ok(Fields(fields))
    }
}

fn plain((name, value): (String, Value)) -> Result<(String, String), ApiError> {
    match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        _ => Err(ApiError::shape(format!("{name} must be a text, a number, true or false"))),
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
