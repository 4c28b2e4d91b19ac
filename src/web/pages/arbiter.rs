//! An arbiter's public record, for whoever is about to name or trust one.

use super::super::body::Params;
use super::super::{ApiError, App, api};
use super::{Asked, Site, money, pieces, show as respond, stage_words, words};
use crate::service::views::{ArbiterView, CaseView, OutcomeView};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::bip32::Fingerprint;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "arbiter.html")]
struct ArbiterPage {
    #[serde(skip)]
    site: Site,
    /// As the API tells it.
    #[serde(flatten)]
    record: ArbiterView,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(fingerprint): Params<Fingerprint>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    respond(asked, &ArbiterPage { site, record: api::arbiter(&app, fingerprint)? })
}

/// A state and how it is coloured.
fn state(case: &CaseView) -> (&'static str, &'static str) {
    match case.state.as_str() {
        "ruled" => ("good", "ruled"),
        "missed" => ("bad", "was due and did not come"),
        "due" => ("warn", "due now"),
        "voting" => ("", "sponsors vote"),
        _ => ("", "no ruling was needed"),
    }
}

/// What became of some money.
fn outcome(outcome: &OutcomeView) -> &'static str {
    match (outcome.outcome.as_str(), outcome.mined) {
        ("carried_out", true) => "carried out by a settlement",
        ("carried_out", false) => "carried out by a settlement, not mined yet",
        ("moved_otherwise", true) => "moved by two signers in another way",
        ("moved_otherwise", false) => "moved by two signers in another way, not mined yet",
        ("moved_on", true) => "moved to another task, as its sponsors signed",
        ("moved_on", false) => "on its way to another task, as its sponsors signed",
        ("refunded", true) => "back with its sponsors after T",
        ("refunded", false) => "on its way back to its sponsors",
        _ => "waits at its addresses",
    }
}

fn secs(secs: &u64) -> u32 {
    u32::try_from(*secs).unwrap_or(u32::MAX)
}

/// A span that need not be a whole number of anything, rounded down in a unit that it has at least twice.
fn took(span: &u64) -> String {
    let (size, name) = match *span {
        0..120 => (1, "second"),
        120..7_200 => (60, "minute"),
        7_200..172_800 => (3_600, "hour"),
        _ => (86_400, "day"),
    };
    let count = span / size;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::took;

    #[test]
    fn spans_read_well() {
        let read = [0, 1, 119, 120, 7_199, 7_200, 86_401, 172_799, 172_800, u64::MAX].map(|span| took(&span));
        let expected =
            ["0 seconds", "1 second", "119 seconds", "2 minutes", "119 minutes", "2 hours", "24 hours"];
        assert_eq!(read[..7], expected);
        assert_eq!(read[7..9], ["47 hours", "2 days"]);
    }
}
