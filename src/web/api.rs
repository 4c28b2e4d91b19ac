//! `/api/v1`: one file a group of resources. `docs/API.md` describes it.

mod ballot;
mod pledges;
mod settlements;
mod tasks;

use super::App;
use crate::service::views::StatusView;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/status", get(status))
        .route("/tasks", get(tasks::list).post(tasks::create))
        .route("/tasks/{charter}", get(tasks::show))
        .route("/tasks/{charter}/charter", get(tasks::charter))
        .route("/tasks/{charter}/proof", get(tasks::proof))
        .route("/tasks/{charter}/attestations", post(tasks::attest))
        .route("/tasks/{charter}/pledges", post(pledges::issue))
        .route("/tasks/{charter}/pledges/{index}", get(pledges::show))
        .route("/tasks/{charter}/pledges/{index}/qr.svg", get(pledges::qr))
        .route("/tasks/{charter}/refunds", post(pledges::secure))
        .route("/tasks/{charter}/submissions", post(ballot::submit))
        .route("/tasks/{charter}/submissions/{submission}", get(ballot::show))
        .route("/tasks/{charter}/votes", post(ballot::vote))
        .route("/tasks/{charter}/acceptances", post(ballot::accept))
        .route("/tasks/{charter}/rulings", post(ballot::rule))
        .route("/tasks/{charter}/settlements", post(settlements::propose))
        .route("/tasks/{charter}/settlements/{settlement}", get(settlements::show))
        .route("/tasks/{charter}/settlements/{settlement}/psbts", get(settlements::psbts))
        .route("/tasks/{charter}/settlements/{settlement}/signatures", post(settlements::sign))
}

async fn status(State(app): State<App>) -> Json<StatusView> {
    Json(app.service.status())
}
