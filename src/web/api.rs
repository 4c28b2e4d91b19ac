//! `/api/v1`: one file a group of resources. `docs/API.md` describes it.

mod arbiters;
mod ballot;
mod events;
mod feeds;
mod paths;
mod pledges;
mod projects;
mod settlements;
mod tasks;
mod webhooks;
pub(super) mod wishes;

pub(super) use arbiters::view as arbiter;

use super::App;
use crate::service::views::StatusView;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route with its description, below [`super::openapi::BASE`].
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(status))
        .routes(routes!(tasks::list, tasks::create))
        .routes(routes!(tasks::show))
        .routes(routes!(tasks::charter))
        .routes(routes!(tasks::proof))
        .routes(routes!(tasks::attest))
        .routes(routes!(pledges::list, pledges::issue))
        .routes(routes!(pledges::show))
        .routes(routes!(pledges::qr))
        .routes(routes!(pledges::secure))
        .routes(routes!(pledges::prepare))
        .routes(routes!(pledges::sign_move))
        .routes(routes!(pledges::sign_late_move))
        .routes(routes!(ballot::list, ballot::submit))
        .routes(routes!(ballot::show))
        .routes(routes!(ballot::list_votes))
        .routes(routes!(ballot::vote))
        .routes(routes!(ballot::confirm))
        .routes(routes!(ballot::accept))
        .routes(routes!(ballot::rule))
        .routes(routes!(ballot::give_evidence))
        .routes(routes!(arbiters::show))
        .routes(routes!(settlements::list, settlements::propose))
        .routes(routes!(settlements::show))
        .routes(routes!(settlements::psbts))
        .routes(routes!(settlements::prepared))
        .routes(routes!(settlements::sign))
        .routes(routes!(events::all))
        .routes(routes!(events::of_task))
        .routes(routes!(events::of_pledge))
        .routes(routes!(projects::list, projects::set))
        .routes(routes!(projects::show))
        .routes(routes!(projects::withdraw))
        .routes(routes!(events::of_project))
        .routes(routes!(wishes::list, wishes::create))
        .routes(routes!(wishes::show))
        .routes(routes!(wishes::words, wishes::say))
        .routes(routes!(wishes::withdraw))
        .routes(routes!(events::of_wish))
        .routes(routes!(feeds::of_wish))
        .routes(routes!(feeds::of_task))
        .routes(routes!(feeds::of_project))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::remove))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::resume))
}

/// Read the service's status
///
/// The service and what it knows of the chain.
#[utoipa::path(
    get, path = "/status", operation_id = "getStatus", tag = "service",
    responses((status = 200, description = "The status.", body = StatusView))
)]
async fn status(State(app): State<App>) -> Json<StatusView> {
    Json(app.service.status())
}
