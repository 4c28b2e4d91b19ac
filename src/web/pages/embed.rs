//! A task as a widget, for other sites to frame: its state and one link that opens outside of the frame. No script.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces::TaskCard;
use super::respond::EMBED_POLICY;
use super::{Asked, Site, show as respond, words};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Stage;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "embed.html")]
struct Widget {
    #[serde(skip)]
    site: Site,
    task: TaskCard,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
) -> Result<Response, ApiError> {
    let task = app.service.read_task(&charter, TaskCard::of)?;
    let mut response = respond(asked, &Widget { site: Site::new(&app), task })?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(EMBED_POLICY));
    Ok(response)
}
