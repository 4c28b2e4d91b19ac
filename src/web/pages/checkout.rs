//! Checkout of a new pledge: amount, one backup, address. Keys are made and the address is checked in the browser; this
//! page holds the forms and the words, and says what to do without JavaScript.

use super::super::body::Params;
use super::super::faucet::Offer;
use super::super::{ApiError, App};
use super::pieces;
use super::{Asked, Site, show as respond, words};
use crate::escrow::facts::Tip;
use crate::escrow::pledge::reserved;
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::Amount;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "checkout.html")]
struct Checkout {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    stage: Stage,
    minimum_sat: u64,
    /// What the cap has left, with addresses of the last half hour taken off.
    left_sat: u64,
    target_sat: u64,
    raised_sat: u64,
    depth: u32,
    refund_time: u32,
    funding_close: u32,
    now_secs: u32,
    /// Why nothing can be pledged; absent where it can.
    closed: Option<&'static str>,
}

/// `/tasks/{charter}/pledge`.
pub(super) async fn show(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let offer = Offer::of_task(&app, &charter, format!("/tasks/{charter}/pledge"));
    let site = Site::new(&app).with_faucet(offer);
    respond(asked, &app.service.read_task(&charter, |task, tip| Checkout::of(site, task, tip))?)
}

impl Checkout {
    fn of(site: Site, task: &Task, tip: Option<&Tip>) -> Checkout {
        let terms = task.charter().fields();
        let (taken, raised) = tip.map_or((Amount::ZERO, Amount::ZERO), |tip| {
            let standings = task.standings(tip);
            (reserved(task.pledges(), task.outpoints(), &standings, tip), task.totals(tip).raised)
        });
        let left_sat = terms.cap_sat.saturating_sub(taken.to_sat());
        Checkout {
            site,
            charter: task.id(),
            title: pieces::title(task.text()),
            stage: task.stage(tip),
            minimum_sat: terms.minimum_pledge_sat,
            left_sat,
            target_sat: terms.target_sat,
            raised_sat: raised.to_sat(),
            depth: terms.depth,
            refund_time: terms.refund_time,
            funding_close: terms.funding_close,
            now_secs: tip.map_or(terms.funding_close, |tip| tip.mtp_secs),
            closed: why_closed(task, tip, left_sat),
        }
    }
}

/// Why no address is given out now.
fn why_closed(task: &Task, tip: Option<&Tip>, left_sat: u64) -> Option<&'static str> {
    let terms = task.charter().fields();
    let Some(tip) = tip else {
        return Some("The service does not know the chain yet. Try again in a minute.");
    };
    if !task.attested() {
        return Some("Not all three signers have agreed to the terms yet. Nobody can pay before they have.");
    }
    if !task.opened() {
        return Some("This task does not take pledges.");
    }
    if task.may_pledge(tip).is_err() {
        return Some("Funding has closed: what is paid now would not count.");
    }
    if left_sat < terms.minimum_pledge_sat {
        return Some(
            "The task has all it takes. If somebody who is paying now does not, there is room again in half an hour.",
        );
    }
    None
}
