//! Moving a pledge to another task: where it could go, and what its sponsor signed already. Both tasks are checked, and
//! everything is signed, in the browser; this page holds the list and the words.

use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{self, repository_name};
use super::settlements::{feerate, feerate_cap, steps};
use super::standing::Words;
use super::task::{fundable, left_under_cap};
use super::{Asked, Site, show as respond, stage_words, words};
use crate::escrow;
use crate::escrow::book::Book;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::OutPoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Tasks that are offered; any other is named by its id.
const MOST_OFFERED: usize = 20;
/// Pledges that a task's page names.
const MOST_PLEDGES: usize = 20;
/// So long before T a task's page speaks of other tasks of its project.
const NEAR_SECS: u32 = 30 * 86_400;

/// `?to=CHARTER` fills in where to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whereto {
    to: Option<CharterId>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

/// What another task has in common with the one that a pledge leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Same {
    /// It came of the same wish.
    Wish,
    /// It is for the same repository.
    Project,
    /// Nothing: it was named.
    Nothing,
}

/// Another task, which takes pledges now.
#[derive(Clone, Debug, Serialize)]
pub struct Destination {
    /// Its charter.
    pub charter: CharterId,
    /// Its first line.
    pub title: String,
    /// Its repository, as people call it.
    pub project_name: String,
    /// What it has in common with the other one.
    pub same: Same,
    /// Where it stands.
    pub stage: Stage,
    /// The least pledge.
    pub minimum_sat: u64,
    /// What still fits under the cap.
    pub left_sat: u64,
    /// When its funding closes.
    pub funding_close: u32,
    /// Its T.
    pub refund_time: u32,
    /// Whether its funding is open beyond the other one's T: only then can a sponsor move there alone.
    pub takes_later: bool,
}

impl Destination {
    fn of(task: &Task, same: Same, from: &Task, tip: &Tip) -> Destination {
        let fields = task.charter().fields();
        Destination {
            charter: task.id(),
            title: pieces::title(task.text()),
            project_name: repository_name(&fields.repository),
            same,
            stage: task.stage(Some(tip)),
            minimum_sat: fields.minimum_pledge_sat,
            left_sat: left_under_cap(task, tip),
            funding_close: fields.funding_close,
            refund_time: fields.refund_time,
            takes_later: fields.funding_close > from.charter().fields().refund_time,
        }
    }

    pub(super) fn state(&self) -> &'static str {
        stage_words::label(self.stage)
    }

    pub(super) fn tone(&self) -> &'static str {
        stage_words::tone(self.stage)
    }

    pub(super) fn common(&self) -> &'static str {
        match self.same {
            Same::Wish => "the same wish",
            Same::Project => "the same project",
            Same::Nothing => "another project",
        }
    }
}

/// What two tasks have in common.
fn common(one: &Task, other: &Task) -> Same {
    let (one, other) = (one.charter().fields(), other.charter().fields());
    match (one.repository == other.repository, one.task == other.task) {
        (true, true) => Same::Wish,
        (true, false) => Same::Project,
        (false, _) => Same::Nothing,
    }
}

/// The tasks of the same wish, then those of the same project, that take pledges; `named` before them all.
fn destinations(book: &Book, from: &Task, named: Option<CharterId>, tip: &Tip) -> Vec<Destination> {
    let fits = |task: &&Task| task.id() != from.id() && task.charter().network() == from.charter().network();
    let own = book.tasks().values().filter(fits).filter(|task| {
        let kin = common(from, task) != Same::Nothing || Some(task.id()) == named;
        kin && fundable(task, Some(tip))
    });
    let mut found: Vec<Destination> =
        own.map(|task| Destination::of(task, common(from, task), from, tip)).collect();
    found.sort_by_key(|each| {
        (Some(each.charter) != named, each.same, std::cmp::Reverse(each.funding_close), each.charter)
    });
    found.truncate(MOST_OFFERED);
    found
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

/// Where sponsors of a task could go on, as its page says it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GoOn {
    /// Other tasks, at most three.
    pub to: Vec<Destination>,
    /// Pledges that could move, by index.
    pub pledges: Vec<u32>,
    /// Whether there are more.
    pub more: bool,
}

impl GoOn {
    /// Of a task whose T is near, or whose wish has another charter.
    pub(super) fn of(book: &Book, charter: &CharterId) -> Option<GoOn> {
        let (tip, task) = (book.tip()?, book.task(charter)?);
        let fields = task.charter().fields();
        if fields.refundable(tip.mtp_secs) {
            return None;
        }
        let pledges = counting(task, tip);
        if pledges.is_empty() {
            return None;
        }
        let near = tip.mtp_secs.saturating_add(NEAR_SECS) >= fields.refund_time;
        let mut to = destinations(book, task, None, tip);
        to.retain(|each| near || each.same == Same::Wish);
        to.truncate(3);
        let more = pledges.len() > MOST_PLEDGES;
        let pledges = pledges.into_iter().take(MOST_PLEDGES).collect();
        (!to.is_empty()).then_some(GoOn { to, pledges, more })
    }
}

/// How far a move has come that a sponsor signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStep {
    /// Two of three signers have to sign.
    Consented,
    /// They can start nothing new any more.
    TooLate,
    /// The service sends it from T on.
    AtRefundTime,
    /// The transaction is there.
    Gone,
}

/// A move that a pledge's sponsor signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignedMove {
    /// What moves.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount_sat: u64,
    /// Where to.
    pub to: CharterId,
    /// None where the task is not known here.
    pub to_title: Option<String>,
    /// The pledge there.
    pub to_pledge: u32,
    /// How far it has come.
    pub step: MoveStep,
}

impl SignedMove {
    /// All of a pledge, in the order of its outpoints.
    pub(super) fn of(book: &Book, charter: &CharterId, index: u32) -> Vec<SignedMove> {
        let (Some(task), Some(tip)) = (book.task(charter), book.tip()) else { return Vec::new() };
        let own = task.outpoints().values().filter(|held| held.slot.index == index && held.present);
        own.flat_map(|held| match held.spend {
            Some(_) => task
                .destination(held)
                .map(|to| SignedMove::new(book, held, to, MoveStep::Gone))
                .into_iter()
                .collect(),
            None => waits(book, task, held, tip),
        })
        .collect()
    }

    fn new(book: &Book, held: &Outpoint, there: escrow::pledge::Destination, step: MoveStep) -> Self {
        let to = there.to_charter;
        SignedMove {
            outpoint: held.outpoint,
            amount_sat: held.amount.to_sat(),
            to,
            to_title: book.task(&to).map(|task| pieces::title(task.text())),
            to_pledge: there.to_index,
            step,
        }
    }

    /// What people call the task.
    pub(super) fn name(&self) -> String {
        self.to_title.clone().unwrap_or_else(|| format!("charter {}", self.to))
    }
}

/// Money of another task that its sponsor signed over to a pledge to which nothing was paid.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Incoming {
    /// The charter that it leaves.
    pub from: CharterId,
    /// Its task's first line.
    pub from_title: String,
    /// What lies there; less the network's fee arrives.
    pub amount_sat: u64,
    /// Whether it comes at that task's T, by the sponsor alone.
    pub alone: bool,
}

impl Incoming {
    /// All that is to come, in the order of charters.
    pub(super) fn of(book: &Book, charter: &CharterId, index: u32) -> Vec<Incoming> {
        let (Some(task), Some(tip)) = (book.task(charter), book.tip()) else { return Vec::new() };
        if !task.pledges().contains_key(&index) {
            return Vec::new();
        }
        let come = |from: &Task, held: &Outpoint, alone| Incoming {
            from: from.id(),
            from_title: pieces::title(from.text()),
            amount_sat: held.amount.to_sat(),
            alone,
        };
        let of_task = |from: &Task| -> Vec<Incoming> {
            let in_time = tip.mtp_secs <= from.charter().cutoff_secs();
            let signers = |held: &Outpoint| {
                let signed = from.moves().get(&(held.outpoint, *charter));
                in_time && signed.is_some_and(|signed| signed.statement.to_index == index)
            };
            let alone = |held: &Outpoint| {
                let late = held.late_move.as_ref().map(|late| late.destination());
                late.is_some_and(|to| to.to_charter == *charter && to.to_index == index)
            };
            let unspent = from.outpoints().values().filter(|held| held.unspent());
            let coming = unspent.filter_map(|held| match (signers(held), alone(held)) {
                (true, _) => Some(come(from, held, false)),
                (false, true) => Some(come(from, held, true)),
                (false, false) => None,
            });
            coming.collect()
        };
        book.tasks().values().flat_map(of_task).collect()
    }

    /// The pledge's headline while nothing has arrived.
    pub(super) fn headline(coming: &[Incoming]) -> Option<Words> {
        let first = coming.first()?;
        let sum = words::sat(coming.iter().fold(0u64, |sum, each| sum.saturating_add(each.amount_sat)));
        let when = if coming.iter().all(|each| each.alone) {
            "at that task's refund time"
        } else {
            "once two of that task's signers have signed"
        };
        Some(Words {
            state: "moving_here",
            tone: "",
            title: "Waits for money that moves here".to_owned(),
            text: format!(
                "{sum}, less the network's fee, come from the pledge to “{}” {when}. Do not pay here besides.",
                first.from_title
            ),
        })
    }
}

fn waits(book: &Book, task: &Task, held: &Outpoint, tip: &Tip) -> Vec<SignedMove> {
    let in_time = tip.mtp_secs <= task.charter().cutoff_secs();
    let step = if in_time { MoveStep::Consented } else { MoveStep::TooLate };
    let consents = task.moves().iter().filter(|((outpoint, _), _)| *outpoint == held.outpoint);
    let mut found: Vec<SignedMove> = consents
        .map(|(_, signed)| {
            SignedMove::new(book, held, escrow::pledge::Destination::of(&signed.statement), step)
        })
        .collect();
    let late = held.late_move.as_ref().map(|late| late.destination());
    found.extend(late.map(|to| SignedMove::new(book, held, to, MoveStep::AtRefundTime)));
    found
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
