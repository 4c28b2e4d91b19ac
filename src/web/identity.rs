//! Who signed a request (NIP-98), for handlers: the guard has checked it before they run.

use super::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bitcoin::secp256k1::XOnlyPublicKey;
use std::convert::Infallible;

/// The identity that signed the request; a request without one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub XOnlyPublicKey);

/// The identity that signed the request, if one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaybeIdentity(pub Option<XOnlyPublicKey>);

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Identity>().copied().ok_or_else(|| {
            let detail = "this request must be signed by an identity: Authorization: Nostr ... (NIP-98)";
            ApiError::new("auth_required", detail.into())
        })
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeIdentity {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(MaybeIdentity(parts.extensions.get::<Identity>().map(|identity| identity.0)))
    }
}
