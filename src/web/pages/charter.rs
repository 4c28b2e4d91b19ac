//! A charter: in words beside its canonical bytes and id, with the three signatures over it and how to check them.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces;
use super::task::{Holder, Terms, holders};
use super::{Asked, Site, show as respond};
use crate::escrow::statement::CharterId;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "charter.html")]
struct CharterPage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    /// The task's text, inert.
    text: String,
    /// SHA-256 of its very bytes, as the charter names it.
    text_hash: String,
    terms: Terms,
    holders: Vec<Holder>,
    /// Whether all three have signed.
    attested: bool,
    /// The canonical bytes (RFC 8785).
    canonical: String,
    now_secs: Option<u32>,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let view = app.service.read_task(&charter, |task, tip| CharterPage {
        site,
        charter,
        title: pieces::title(task.text()),
        text: pieces::inert(task.text()),
        text_hash: task.charter().fields().text_hash.to_string(),
        terms: Terms::of(task.charter()),
        holders: holders(task),
        attested: task.attested(),
        canonical: String::from_utf8_lossy(task.charter().bytes()).into_owned(),
        now_secs: tip.map(|tip| tip.mtp_secs),
    })?;
    respond(asked, &view)
}
