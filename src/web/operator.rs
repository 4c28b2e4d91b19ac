//! What the operator asks: is it alive (`/health`), can it do its work (`/ready`), how does it fare
//! (`/metrics`). Outside of `/api/v1` and of its limits. Tells sums and states, nothing of a person.

use super::health::{self, Probe};
use super::metrics::Exporter;
use super::observe;
use crate::service::Service;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Headers by which a proxy says that it speaks for another.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What these answers are made from.
pub struct Operator {
    pub(super) service: Arc<Service>,
    pub(super) exporter: Exporter,
    /// What else must work: the disk, the index.
    pub(super) probes: Vec<Probe>,
    stopping: AtomicBool,
    /// Whether `/metrics` has a listener of its own.
    metrics_elsewhere: bool,
}

impl Operator {
    /// Over a service.
    pub fn new(service: Arc<Service>, probes: Vec<Probe>, metrics_elsewhere: bool) -> Arc<Operator> {
        let exporter = Exporter::new(Arc::clone(&service));
        let stopping = AtomicBool::new(false);
        Arc::new(Operator { service, exporter, probes, stopping, metrics_elsewhere })
    }

    /// From now on it is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The public routes with these beside them; every request is counted and has its id.
    pub fn beside(self: &Arc<Self>, routes: Router) -> Router {
        let own = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics_to_this_machine))
            .with_state(Arc::clone(self));
        let watched = Arc::clone(self);
        routes.merge(own).layer(axum::middleware::from_fn_with_state(watched, observe::observe))
    }

    /// The routes of a listener for the monitoring alone.
    pub fn alone(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(self))
    }
}

async fn health() -> Response {
    let body = serde_json::json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") });
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    let readiness = health::readiness(&operator);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(readiness)).into_response()
}

async fn metrics(State(operator): State<Arc<Operator>>) -> Response {
    // Counting the book may take a while; others go on meanwhile.
    let text = tokio::task::spawn_blocking(move || {
        let ready = health::readiness(&operator).ready;
        operator.exporter.text(ready)
    });
    match text.await {
        Ok(text) => ([(header::CONTENT_TYPE, super::metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Only to this machine, and to nobody whom a proxy on it speaks for: whoever else asks finds nothing here.
async fn metrics_to_this_machine(operator: State<Arc<Operator>>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let spoken_for = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    if operator.metrics_elsewhere || !here || spoken_for {
        return super::ApiError::not_found("/metrics").into_response();
    }
    metrics(operator).await
}
