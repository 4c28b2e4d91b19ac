//! What the codes of errors mean: pages for browsers, JSON and plain text for programs.

use super::super::body::Params;
use super::super::problem::{CODES, Entry, entry};
use super::super::{ApiError, App};
use super::respond::browses;
use super::{Asked, Site, show as respond};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A code as told.
#[derive(Serialize)]
struct Told {
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
    hint: &'static str,
}

impl From<&'static Entry> for Told {
    fn from(entry: &'static Entry) -> Told {
        let Entry { code, status, title, meaning, hint } = *entry;
        Told { code, status, title, meaning, hint }
    }
}

#[derive(Template, Serialize)]
#[template(path = "problems.html")]
struct Problems {
    #[serde(skip)]
    site: Site,
    problems: Vec<Told>,
}

#[derive(Template, Serialize)]
#[template(path = "problem.html")]
struct Problem {
    #[serde(skip)]
    site: Site,
    #[serde(flatten)]
    problem: Told,
}

/// Programs that name no form get the text they always got.
fn as_text(asked: Asked, headers: &HeaderMap) -> bool {
    asked == Asked::Html && !browses(headers)
}

pub(super) async fn list(
    State(app): State<App>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if as_text(asked, &headers) {
        let line = |entry: &Entry| format!("{} {}: {}\n", entry.status, entry.code, entry.title);
        return Ok(CODES.iter().map(line).collect::<String>().into_response());
    }
    respond(asked, &Problems { site: Site::new(&app), problems: CODES.iter().map(Told::from).collect() })
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    headers: HeaderMap,
    Params(code): Params<String>,
) -> Result<Response, ApiError> {
    let entry = entry(&code).ok_or(ApiError::missing("code of an error"))?;
    if as_text(asked, &headers) {
        let Entry { code, status, title, meaning, hint } = entry;
        let text =
            format!("{title}\n\n{meaning}\n\nWhat to do: {hint}\n\nCode {code}, HTTP status {status}.\n");
        return Ok(text.into_response());
    }
    respond(asked, &Problem { site: Site::new(&app), problem: entry.into() })
}
