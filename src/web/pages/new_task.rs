//! A new task: the form in which a charter is drafted, and the charter in words before anybody writes it down. The
//! form asks nothing of the service but its chain, time and receipt key; a draft leaves no trace here.

mod fields;
mod form;
mod refused;

use super::super::body::Fields;
use super::super::{ApiError, App};
use super::task::Terms;
use super::{Asked, Site, pieces, show as respond, words};
use crate::draft::Ground;
use crate::escrow::charter::Charter;
use crate::escrow::statement::{CharterId, Role};
use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use form::{Drafted, Form};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Template, Serialize)]
#[template(path = "new_task.html")]
struct NewTask {
    #[serde(skip)]
    site: Site,
    #[serde(skip)]
    form: Form,
    /// What is in the form, by field.
    values: BTreeMap<&'static str, String>,
    /// What is wrong with it, by field; of the whole under an empty name.
    errors: BTreeMap<String, String>,
    /// The dates that follow.
    moments: Vec<Moment>,
}

/// A date that follows from what is in the form.
#[derive(Serialize)]
struct Moment {
    name: &'static str,
    secs: u32,
    then: String,
}

#[derive(Template, Serialize)]
#[template(path = "new_review.html")]
struct Review {
    #[serde(skip)]
    site: Site,
    #[serde(skip)]
    form: Form,
    /// Id of the charter, if it is written down as it is.
    charter: CharterId,
    /// Its canonical bytes.
    canonical: String,
    /// The text whose hash it names.
    text: String,
    /// The same with everything that cannot be seen made visible.
    #[serde(skip)]
    shown_text: String,
    /// Title of the task.
    title: String,
    /// The terms in words.
    terms: Terms,
    /// The three.
    signers: Vec<Signer>,
    /// What dates are counted from.
    now_secs: Option<u32>,
    #[serde(skip)]
    charter_href: String,
    #[serde(skip)]
    text_href: String,
}

#[derive(Serialize)]
struct Signer {
    role: Role,
    fingerprint: String,
    account: String,
    nominated_by: String,
}

/// `GET /new`.
pub(super) async fn show(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let (site, ground) = (Site::new(&app), ground(&app));
    let form = Form::begin(site.network, &ground);
    respond(asked, &NewTask::new(site, form, &ground))
}

/// `POST /new/preview`: the charter in words, or the form with what is wrong. Nothing is kept.
pub(super) async fn preview(
    State(app): State<App>,
    asked: Asked,
    Fields(given): Fields,
) -> Result<Response, ApiError> {
    let (site, ground) = (Site::new(&app), ground(&app));
    let mut form = Form::sent(site.network, given)
        .map_err(|name| ApiError::shape(format!("the form has no field {:?}", pieces::inert(&name))))?;
    match form.draft(&ground) {
        Some(drafted) => respond(asked, &Review::new(site, form, drafted)),
        // What is wrong is the answer that was asked for.
        None => respond(asked, &NewTask::new(site, form, &ground)),
    }
}

/// `GET /new/preview`, by whoever loads it again: the draft is not kept, and begins anew.
pub(super) async fn again() -> Redirect {
    Redirect::to("/new")
}

/// What a draft stands on here. Before the chain is known the machine's clock has to do: every date is shown, and
/// the charter is judged again when it is written down.
fn ground(app: &App) -> Ground {
    let wall_clock = || {
        let secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        u32::try_from(secs).unwrap_or(u32::MAX)
    };
    let tip = app.service.read(|book| book.tip().copied());
    Ground {
        network: Some(app.service.policy().network),
        receipt_key: Some(app.service.receipt_key().to_string()),
        now_secs: tip.map_or_else(wall_clock, |tip| tip.mtp_secs),
    }
}

impl NewTask {
    fn new(site: Site, mut form: Form, ground: &Ground) -> NewTask {
        let moments = moments(&mut form, ground);
        let (values, errors) = (form.values().clone(), form.errors().clone());
        NewTask { site, form, values, errors, moments }
    }
}

fn moments(form: &mut Form, ground: &Ground) -> Vec<Moment> {
    let Some(times) = form.times(ground) else { return Vec::new() };
    let voted = times.work_deadline.saturating_add(times.review_secs);
    let ruled = voted.saturating_add(times.ruling_secs);
    let moment = |name, secs, then: &str| Moment { name, secs, then: then.to_owned() };
    vec![
        moment("Now", ground.now_secs, "Three sign, and sponsors can pay."),
        moment("Funding closes", times.funding_close, "No pledge counts after it."),
        moment("Work is due", times.work_deadline, "The last moment to hand it in."),
        moment("Votes end", voted, "If it was handed in at the last moment; else earlier."),
        moment("The arbiter's time ends", ruled, "For the money of those who said no."),
        moment("Refund time T", times.refund, "What was not paid goes back to its sponsors."),
    ]
}

impl Review {
    fn new(site: Site, form: Form, drafted: Drafted) -> Review {
        let Drafted { charter, text } = drafted;
        let canonical = String::from_utf8_lossy(charter.bytes()).into_owned();
        // Files that need no second request: a draft is kept nowhere.
        let href = |kind: &str, text: &str| format!("data:{kind};base64,{}", BASE64_STANDARD.encode(text));
        Review {
            now_secs: site.tip.map(|tip| tip.mtp_secs),
            charter: charter.id(),
            charter_href: href("application/json", &canonical),
            text_href: href("text/markdown", &text),
            title: pieces::title(&text),
            shown_text: pieces::inert(&text),
            terms: Terms::of(&charter),
            signers: signers(&charter),
            site,
            form,
            canonical,
            text,
        }
    }
}

fn signers(charter: &Charter) -> Vec<Signer> {
    let fields = charter.fields();
    let seats = [&fields.developer, &fields.representative, &fields.arbiter];
    let of = |(role, seat): (Role, &crate::escrow::charter::Seat)| Signer {
        role,
        fingerprint: charter.signer(role).fingerprint().to_string(),
        account: account(&seat.key).to_owned(),
        nominated_by: pieces::inert(&seat.nominated_by),
    };
    Role::ALL.into_iter().zip(seats).map(of).collect()
}

/// The last step of `[fingerprint/87h/coin'h/k'h]xpub`, as people number accounts.
fn account(expression: &str) -> &str {
    let origin = expression.split(']').next().unwrap_or_default();
    origin.rsplit('/').next().unwrap_or_default().trim_end_matches('h')
}
