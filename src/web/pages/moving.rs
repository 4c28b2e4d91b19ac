//! Moving a pledge to another task: where it could go, and what its sponsor signed already. Both tasks are checked, and
//! everything is signed, in the browser; this page holds the list and the words.

mod elsewhere;
mod incoming;
mod signed;

pub use elsewhere::{Destination, GoOn, KeyHolder, Same};
pub use incoming::Incoming;
pub use signed::{MoveStep, SignedMove};

use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces;
use super::settlements::{feerate, feerate_cap, steps};
use super::{Asked, Site, show as respond, words};
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Task;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use elsewhere::destinations;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `?to=CHARTER` fills in where to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whereto {
    to: Option<CharterId>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

/// The pledges of which something counts for their task and was not spent.
fn counting(task: &Task, tip: &Tip) -> BTreeSet<u32> {
    let standings = task.standings(tip);
    let counts = |held: &&Outpoint| {
        held.slot.index != OPEN_INDEX
            && held.unspent()
            && standings.get(&held.outpoint) == Some(&Standing::Credited)
    };
    task.outpoints().values().filter(counts).map(|held| held.slot.index).collect()
}

/// Whether something of a pledge could move: it counts, and T has not come.
pub(super) fn movable(task: &Task, index: u32, tip: Option<&Tip>) -> bool {
    let before = |tip: &&Tip| !task.charter().fields().refundable(tip.mtp_secs);
    tip.filter(before).is_some_and(|tip| counting(task, tip).contains(&index))
}

#[derive(Template, Serialize)]
#[template(path = "move.html")]
struct MovePage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    index: u32,
    title: String,
    now_secs: u32,
    refund_time: u32,
    /// Last moment signers start anything.
    cutoff_secs: u32,
    /// The feerate that is suggested for it, a step, sat/vB.
    feerate_sat_per_vb: u64,
    /// Those that can be taken.
    feerates_sat_per_vb: Vec<u64>,
    destinations: Vec<Destination>,
    /// Who holds the keys of the task that the pledge leaves.
    holders: Vec<KeyHolder>,
    /// The charter that was named.
    to: Option<CharterId>,
    /// Whether it is among them.
    to_listed: bool,
    /// What was signed already.
    moves: Vec<SignedMove>,
    /// Why nothing can move; absent where it can.
    closed: Option<&'static str>,
}

/// `/tasks/{charter}/pledges/{index}/move`.
pub(super) async fn show(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
    Query(Whereto { to, .. }): Query<Whereto>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let cap = app.service.read_task(&charter, |task, _| feerate_cap(task))?;
    let feerate_sat_per_vb = feerate(&app, cap, None).await?;
    let to = to.filter(|to| *to != charter);
    let page = app.service.read(|book| {
        let (task, tip) = (book.task(&charter)?, book.tip());
        task.pledges().get(&index)?;
        let destinations = tip.map(|tip| destinations(book, task, to, tip)).unwrap_or_default();
        let fields = task.charter().fields();
        Some(MovePage {
            site,
            charter,
            index,
            title: pieces::title(task.text()),
            now_secs: tip.map_or(fields.refund_time, |tip| tip.mtp_secs),
            refund_time: fields.refund_time,
            cutoff_secs: task.charter().cutoff_secs(),
            feerate_sat_per_vb,
            feerates_sat_per_vb: steps(cap),
            to_listed: destinations.iter().any(|each| Some(each.charter) == to),
            destinations,
            holders: KeyHolder::of(task),
            to,
            moves: SignedMove::of(book, &charter, index),
            closed: why_closed(task, index, tip),
        })
    });
    respond(asked, &page.ok_or(ApiError::missing("pledge"))?)
}

/// Why nothing of a pledge can move now.
fn why_closed(task: &Task, index: u32, tip: Option<&Tip>) -> Option<&'static str> {
    let Some(tip) = tip else {
        return Some("The service does not know the chain yet. Try again in a minute.");
    };
    if task.charter().fields().refundable(tip.mtp_secs) {
        return Some(
            "The refund time has come: the money comes back to you by itself. From there you can pledge it anew.",
        );
    }
    if movable(task, index, Some(tip)) {
        return None;
    }
    let held = task.outpoints().values().any(|held| held.slot.index == index && held.unspent());
    Some(if held {
        "Nothing of this pledge counts yet. What counts, with enough confirmations, can move."
    } else {
        "Nothing lies at this pledge: there is nothing to move."
    })
}
