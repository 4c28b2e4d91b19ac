//! Pages over HTTP: query parameters in, `Link` (RFC 8288) out.

use super::ApiError;
use super::openapi::BASE;
use crate::service::views::{DEFAULT_LIMIT, MAX_LIMIT, Page};
use axum::Json;
use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// Query parameters, refused in our own words: an unknown one may be a misspelt filter.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match AxumQuery::<T>::from_request_parts(parts, state).await {
            Ok(AxumQuery(query)) => Ok(Query(query)),
            Err(rejection) => Err(ApiError::shape(rejection.body_text())),
        }
    }
}

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items in a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,10}$")]
    cursor: Option<String>,
}

impl PageQuery {
    /// Items in the page.
    pub fn limit(&self) -> Result<usize, ApiError> {
        limit(self.limit)
    }

    /// Number of the last thing shown.
    pub fn after(&self) -> Result<Option<u32>, ApiError> {
        after(self.cursor.as_ref())
    }
}

/// Number of the last thing shown, from a list's cursor.
pub fn after(cursor: Option<&String>) -> Result<Option<u32>, ApiError> {
    let parse = |given: &String| {
        let bad = || ApiError::shape(format!("{given:?} is no cursor of this list: begin again without one"));
        let digits = given.bytes().all(|b| b.is_ascii_digit());
        given.parse().ok().filter(|_| digits).ok_or_else(bad)
    };
    cursor.map(parse).transpose()
}

/// Items in a page, if it is a number that may be asked for.
pub fn limit(given: Option<u32>) -> Result<usize, ApiError> {
    let limit = given.unwrap_or(DEFAULT_LIMIT);
    let within = (1..=MAX_LIMIT).contains(&limit);
    let bad = || ApiError::shape(format!("limit is a number from 1 to {MAX_LIMIT}"));
    usize::try_from(limit).ok().filter(|_| within).ok_or_else(bad)
}

/// A page with the link to the next one: the same question with another cursor. `uri` is what the handler sees of it,
/// without the base path of the API.
pub fn respond<T: Serialize>(uri: &Uri, page: Page<T>) -> Response {
    let next = page.next.as_ref().and_then(|cursor| {
        let kept = uri.query().unwrap_or_default().split('&');
        let kept = kept.filter(|part| !part.is_empty() && part.split('=').next() != Some("cursor"));
        let cursor = format!("cursor={cursor}");
        let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
        HeaderValue::from_str(&format!("<{BASE}{}?{}>; rel=\"next\"", uri.path(), query.join("&"))).ok()
    });
    let mut response = Json(page).into_response();
    response.headers_mut().extend(next.map(|next| (header::LINK, next)));
    response
}
