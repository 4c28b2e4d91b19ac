//! A task's badge, for READMEs: an SVG of its own, and the JSON that shields.io draws one from. It says our words
//! and numbers only, nothing that strangers wrote.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces::Progress;
use super::{stage_words, words};
use crate::escrow::facts::Tip;
use crate::escrow::task::{Stage, Task};
use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// READMEs are looked at more often than tasks change.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// How long shields.io keeps its picture, seconds; its least is 300.
const SHIELDS_CACHE_SECS: u32 = 300;
/// About the width of a character at 11 px, in tenths of a pixel; `textLength` makes it exact.
const CHAR_TENTHS: u32 = 64;

#[derive(Template)]
#[template(path = "badge.svg")]
struct Badge {
    label: &'static str,
    message: String,
    colour: &'static str,
    label_width: u32,
    message_width: u32,
}

/// What shields.io asks of an endpoint (<https://shields.io/badges/endpoint-badge>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    schema_version: u32,
    label: &'static str,
    message: String,
    color: &'static str,
    cache_seconds: u32,
}

/// What the badge says: how much is there while money is gathered or kept, else how it ended.
fn message(task: &Task, tip: Option<&Tip>) -> (String, Stage) {
    let stage = task.stage(tip);
    let text = match stage {
        Stage::Open | Stage::Working | Stage::Voting | Stage::Deciding | Stage::Settling => {
            let progress = Progress::of(task, tip);
            format!("{} % of {}", progress.percent, words::sat(progress.target_sat))
        }
        Stage::Draft
        | Stage::Attested
        | Stage::Paid
        | Stage::Returned
        | Stage::Expired
        | Stage::Refunding
        | Stage::Refunded => stage_words::label(stage).to_lowercase(),
    };
    (text, stage)
}

fn width(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX / CHAR_TENTHS).saturating_mul(CHAR_TENTHS) / 10
}

/// The colours of the SVG, dark enough for white letters.
fn hex(stage: Stage) -> &'static str {
    match stage_words::colour(stage) {
        "brightgreen" => "#0d7a5f",
        "blue" => "#2a6299",
        "orange" => "#9a5300",
        _ => "#5a615d",
    }
}

pub(super) async fn show(State(app): State<App>, Params(file): Params<String>) -> Result<Response, ApiError> {
    let missing = || ApiError::missing("badge: ask for /badge/CHARTER.svg or /badge/CHARTER.json");
    let (charter, ending) = file.rsplit_once('.').ok_or_else(missing)?;
    let charter = charter.parse().map_err(|_| missing())?;
    let (message, stage) = app.service.read_task(&charter, message)?;
    let mut response = match ending {
        "json" => Json(Endpoint {
            schema_version: 1,
            label: "upfront",
            message,
            color: stage_words::colour(stage),
            cache_seconds: SHIELDS_CACHE_SECS,
        })
        .into_response(),
        "svg" => {
            let (label_width, message_width) = (width("upfront"), width(&message));
            let badge = Badge { label: "upfront", message, colour: hex(stage), label_width, message_width };
            let text = badge.render().map_err(|error| {
                tracing::error!(%error, "a badge could not be rendered");
                ApiError::internal()
            })?;
            ([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"))], text).into_response()
        }
        _ => return Err(missing()),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}
