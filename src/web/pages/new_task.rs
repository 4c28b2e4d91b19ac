//! A new task: the form in which a charter is drafted, and the charter in words before anybody writes it down. The
//! form asks nothing of the service but its chain, time and receipt key; a draft leaves no trace here.

mod fields;
mod form;
mod refused;
mod wished;

use super::super::api::wishes::shown;
use super::super::body::Fields;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::task::Terms;
use super::{Asked, Site, pieces, show as respond, words};
use crate::draft::Ground;
use crate::draft::wish::{FromWish, Wished, percent};
use crate::escrow::charter::Charter;
use crate::escrow::statement::{CharterId, Role, TaskId};
use crate::escrow::wish::WishRefused;
use crate::service::views::{Heard, settings};
use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use form::{Drafted, Form};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use wished::Wish;

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
    /// The wish it is drafted from.
    wish: Option<TaskId>,
    /// What of the wish and its project only people can put in, inert.
    notes: Vec<String>,
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
    /// The wish it was drafted from.
    wish: Option<TaskId>,
    /// Whether its text is the wish's, word for word.
    same_text: bool,
    /// The terms in words.
    terms: Terms,
    /// What goes to whoever is told to lead the project, if anything does.
    leader: Option<LeaderShare>,
    /// The three.
    signers: Vec<Signer>,
    /// Whether a seat's words name an identity: nothing proves that the key is that identity's.
    unproven: bool,
    /// What dates are counted from.
    now_secs: Option<u32>,
    #[serde(skip)]
    charter_href: String,
    #[serde(skip)]
    text_href: String,
}

#[derive(Serialize)]
struct LeaderShare {
    /// In per cent.
    share: String,
    address: String,
    /// Whether it was filled in from what a key has set for the project here.
    from_project: bool,
}

#[derive(Serialize)]
struct Signer {
    role: Role,
    fingerprint: String,
    account: String,
    nominated_by: String,
}

/// What a link may put into the form: an empty field is none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Begin {
    /// The wish to draft from.
    #[serde(default)]
    wish: String,
    #[serde(default)]
    repository: String,
}

/// `GET /new`.
pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Query(begin): Query<Begin>,
) -> Result<Response, ApiError> {
    let (site, ground) = (Site::new(&app), ground(&app));
    let form = match wish_of(&app, &begin.wish)? {
        Some(wish) => Form::of_wish(site.network, &ground, wish),
        None => {
            let repository: String = pieces::inert(&begin.repository).chars().take(300).collect();
            Form::begin(site.network, &ground).for_repository(&repository)
        }
    };
    respond(asked, &NewTask::new(site, form, &ground))
}

/// The wish of this id, as a charter is drafted from it.
fn wish_of(app: &App, given: &str) -> Result<Option<Wish>, ApiError> {
    if given.is_empty() {
        return Ok(None);
    }
    let id: TaskId = given.parse().map_err(|_| {
        ApiError::shape("a wish's id is 64 lower-case hex digits: follow the link on its page".to_owned())
    })?;
    let hidden = &app.service.policy().hidden;
    let wish = shown(app, &id, |book, state| {
        if state.withdrawn().is_some() {
            return Err(WishRefused::Withdrawn);
        }
        let heard = Heard::of(book, state, hidden);
        let reserved = book.tip().and_then(|tip| state.reservation(tip.mtp_secs)).map(|held| held.by);
        let from = FromWish::new(&Wished {
            wish: id,
            repository: state.repository(),
            by: state.by(),
            settings: settings(book, state.repository(), hidden),
            developers: &heard.developers,
            reserved: reserved.filter(|key| !hidden.key(key)),
            representative: heard.representative,
        });
        Ok(Wish {
            id,
            text: state.text().to_owned(),
            title: pieces::title(state.text()),
            repository: state.repository().to_owned(),
            from,
        })
    })?;
    wish.map(Some).map_err(|error| ApiError::mapped(error.code(), error.to_string()))
}

/// `POST /new/preview`: the charter in words, or the form with what is wrong. Nothing is kept.
pub(super) async fn preview(
    State(app): State<App>,
    asked: Asked,
    Fields(mut given): Fields,
) -> Result<Response, ApiError> {
    let (site, ground) = (Site::new(&app), ground(&app));
    let unknown = |name: String| ApiError::shape(format!("the form has no field {:?}", pieces::inert(&name)));
    let wish = match wish_of(&app, &given.remove("wish").unwrap_or_default()) {
        Ok(wish) => wish,
        // It was withdrawn, or hidden, while somebody filled the form in: what they wrote is theirs.
        Err(error) if matches!(error.code(), "wish_withdrawn" | "not_shown") => {
            let mut form = Form::sent(site.network, None, given).map_err(unknown)?;
            form.parted(error.detail());
            return respond(asked, &NewTask::new(site, form, &ground));
        }
        Err(error) => return Err(error),
    };
    let mut form = Form::sent(site.network, wish, given).map_err(unknown)?;
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
        let wish = form.wish().map(|wish| wish.id);
        let notes = form.wish().map(|wish| wish.from.notes.iter().map(|note| pieces::inert(note)).collect());
        NewTask { site, values, errors, moments, wish, notes: notes.unwrap_or_default(), form }
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
        let leader = charter.fields().leader.as_ref().filter(|leader| leader.share_bps > 0);
        let leader = leader.map(|leader| LeaderShare {
            share: percent(leader.share_bps),
            address: leader.address.clone(),
            from_project: form.wish().is_some_and(|wish| {
                wish.from.draft.leader_address.as_deref() == Some(leader.address.as_str())
            }),
        });
        let signers = signers(&charter);
        Review {
            now_secs: site.tip.map(|tip| tip.mtp_secs),
            charter: charter.id(),
            charter_href: href("application/json", &canonical),
            text_href: href("text/markdown", &text),
            title: pieces::title(&text),
            wish: form.wish().map(|wish| wish.id),
            same_text: form.wish().is_some_and(|wish| wish.says(&text)),
            shown_text: pieces::inert(&text),
            terms: Terms::of(&charter),
            leader,
            unproven: signers.iter().any(|signer| signer.nominated_by.contains("npub1")),
            signers,
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
