//! The HTTP side: the router, and serving until told to stop. Handlers translate; rules are elsewhere.

pub mod api;
pub mod assets;
mod bbqr;
mod body;
mod classes;
mod clients;
pub mod connections;
mod edge;
mod error;
mod etag;
pub mod faucet;
pub mod health;
mod idempotency;
mod identity;
pub mod listen;
pub mod metrics;
pub mod observe;
pub mod openapi;
pub mod operator;
mod origin;
mod page;
pub mod pages;
mod problem;
mod qr;
mod rates;
mod unpaid;

pub use edge::Edge;
pub use error::ApiError;
pub use identity::{Identity, MaybeIdentity};
pub use problem::{CODES, Problem};
pub use qr::{qr_payload, qr_svg};

use crate::service::Service;
use crate::webhooks::Webhooks;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bitcoin::hashes::{Hash, sha256};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// Longest body accepted. The PSBTs of a full chunk of 850 inputs at three feerates, signed, are within it.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Longest time a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What handlers share.
#[derive(Clone)]
pub struct App {
    /// The service.
    pub service: Arc<Service>,
    /// What stands before every handler.
    pub edge: Arc<Edge>,
    /// Webhooks, unless the operator wants none.
    pub webhooks: Option<Arc<Webhooks>>,
    /// The faucet, on regtest where the operator has set one.
    pub faucet: Option<Arc<faucet::Faucet>>,
}

/// Names and SHA-256 (hex) of all files that browsers are given, also those to be kept and opened from a disk.
pub fn files_for_browsers() -> Vec<(&'static str, String)> {
    let assets = assets::all().map(|asset| (asset.name, asset.sha256.clone()));
    let mut files: Vec<_> =
        assets.chain(pages::offline_files().map(|(name, _, sha256)| (name, sha256))).collect();
    files.sort();
    files
}

/// All of them in one: the first 12 hex digits of the SHA-256 over a line for each, hash and name as `sha256sum`
/// prints them. Two services with the same digits give browsers the same bytes.
pub fn files_in_one() -> &'static str {
    static DIGITS: LazyLock<String> = LazyLock::new(|| {
        let lines: String =
            files_for_browsers().iter().map(|(name, sha256)| format!("{sha256}  {name}\n")).collect();
        let mut digits = sha256::Hash::hash(lines.as_bytes()).to_string();
        digits.truncate(12);
        digits
    });
    &DIGITS
}

/// Every route.
pub fn router(app: App) -> Router {
    let (api, _) = openapi::build(api::router());
    let faucet = if app.faucet.is_some() { faucet::router() } else { Router::new() };
    let tagged = api.merge(pages::router()).merge(assets::router()).merge(faucet);
    let routes =
        Router::new().merge(tagged.layer(axum::middleware::from_fn(etag::conditional))).fallback(not_found);
    dress(routes, &app, REQUEST_TIMEOUT).with_state(app)
}

/// What every route has around it, the outermost last.
fn dress(routes: Router<App>, app: &App, timeout: Duration) -> Router<App> {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn_with_state(app.clone(), edge::guard))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(problem::shape))
        .layer(axum::middleware::from_fn_with_state(app.clone(), pages::for_browsers))
        .layer(axum::middleware::from_fn(origin::headers))
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::not_found(uri.path())
}

/// A panic is a defect: logged by the panic hook, never shown.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests;
