//! Other tasks that a task's sponsors could go on with. Anybody can have a charter attested that names the same wish or
//! repository: none is recommended, none is chosen beforehand, and each is told with its key holders.

use super::super::pieces::{self, repository_name};
use super::super::stage_words;
use super::super::task::{Holder, holders, room};
use super::counting;
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use serde::Serialize;
use std::cmp::Reverse;

/// Tasks that are offered; any other is named by its id.
const MOST_OFFERED: usize = 20;
/// Tasks that a task's page names.
const MOST_NAMED: usize = 3;
/// Pledges that a task's page names.
const MOST_PLEDGES: usize = 20;
/// So long before T a task's page speaks of other tasks of its project.
const NEAR_SECS: u32 = 30 * 86_400;

/// What another task has in common with the one that a pledge leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Same {
    /// It is for the same repository, and its charter names the same wish.
    Wish,
    /// Its charter names the same repository.
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
    /// Who holds its three keys, as its charter says.
    pub holders: Vec<KeyHolder>,
}

/// Who holds a key, in short.
#[derive(Clone, Debug, Serialize)]
pub struct KeyHolder {
    /// The seat.
    pub seat: &'static str,
    /// Fingerprint of the wallet's root.
    pub fingerprint: String,
    /// Who named this signer, in the charter's words, inert.
    pub named_by: String,
}

impl KeyHolder {
    /// The three of a task.
    pub(in crate::web::pages) fn of(task: &Task) -> Vec<KeyHolder> {
        let short = |Holder { name, fingerprint, nominated_by, .. }| KeyHolder {
            seat: name,
            fingerprint,
            named_by: nominated_by,
        };
        holders(task).into_iter().map(short).collect()
    }
}

impl Destination {
    fn of(found: &Found<'_>, from: &Task, tip: &Tip) -> Destination {
        let Found { task, same, left_sat, .. } = *found;
        let fields = task.charter().fields();
        Destination {
            charter: task.id(),
            title: pieces::title(task.text()),
            project_name: repository_name(&fields.repository),
            same,
            stage: task.stage(Some(tip)),
            minimum_sat: fields.minimum_pledge_sat,
            left_sat,
            funding_close: fields.funding_close,
            refund_time: fields.refund_time,
            takes_later: fields.funding_close > from.charter().fields().refund_time,
            holders: KeyHolder::of(task),
        }
    }

    pub(in crate::web::pages) fn state(&self) -> &'static str {
        stage_words::label(self.stage)
    }

    pub(in crate::web::pages) fn tone(&self) -> &'static str {
        stage_words::tone(self.stage)
    }

    pub(in crate::web::pages) fn common(&self) -> &'static str {
        match self.same {
            Same::Wish => "Its charter names the same wish",
            Same::Project => "Its charter names the same repository",
            Same::Nothing => "It is of another project",
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

/// A task that takes pledges, before all is told of it.
struct Found<'a> {
    task: &'a Task,
    same: Same,
    raised_sat: u64,
    left_sat: u64,
}

impl<'a> Found<'a> {
    fn of(task: &'a Task, from: &Task, tip: &Tip) -> Option<Found<'a>> {
        let fits = task.id() != from.id() && task.charter().network() == from.charter().network();
        let room = fits.then(|| room(task, tip)).flatten()?;
        Some(Found { task, same: common(from, task), raised_sat: room.raised_sat, left_sat: room.left_sat })
    }
}

/// Those of `tasks` that take pledges. What raised more goes first, then what was written down first: dates and the wish
/// that a charter names are its drafter's choice alone.
fn ranked<'a>(tasks: impl Iterator<Item = &'a Task>, from: &Task, tip: &Tip, most: usize) -> Vec<Found<'a>> {
    let mut found: Vec<Found<'a>> = tasks.filter_map(|task| Found::of(task, from, tip)).collect();
    found.sort_by_key(|each| Reverse(each.raised_sat));
    found.truncate(most);
    found
}

/// The tasks of the same repository that take pledges; `named` before them all.
pub(super) fn destinations(
    book: &Book,
    from: &Task,
    named: Option<CharterId>,
    tip: &Tip,
) -> Vec<Destination> {
    let named = named.and_then(|named| book.task(&named));
    let first = named.and_then(|task| Found::of(task, from, tip));
    let others = book.tasks_of(&from.charter().fields().repository);
    let others = others.filter(|task| Some(task.id()) != named.map(Task::id));
    let most = MOST_OFFERED - usize::from(first.is_some());
    let found = first.into_iter().chain(ranked(others, from, tip, most));
    found.map(|each| Destination::of(&each, from, tip)).collect()
}

/// Where sponsors of a task could go on, as its page says it.
#[derive(Clone, Debug, Serialize)]
pub struct GoOn {
    /// Other tasks, a few.
    pub to: Vec<Destination>,
    /// Pledges that could move, by index.
    pub pledges: Vec<u32>,
    /// Whether there are more.
    pub more: bool,
}

impl GoOn {
    /// Of a task whose T is near, or whose wish has another charter.
    pub(in crate::web::pages) fn of(book: &Book, charter: &CharterId) -> Option<GoOn> {
        let (tip, task) = (book.tip()?, book.task(charter)?);
        let fields = task.charter().fields();
        if fields.refundable(tip.mtp_secs) {
            return None;
        }
        let near = tip.mtp_secs.saturating_add(NEAR_SECS) >= fields.refund_time;
        let own = book.tasks_of(&fields.repository);
        let own = own.filter(|other| near || other.charter().fields().task == fields.task);
        let found = ranked(own, task, tip, MOST_NAMED);
        if found.is_empty() {
            return None;
        }
        let pledges = counting(task, tip);
        let more = pledges.len() > MOST_PLEDGES;
        let pledges: Vec<u32> = pledges.into_iter().take(MOST_PLEDGES).collect();
        let to = found.iter().map(|each| Destination::of(each, task, tip)).collect();
        (!pledges.is_empty()).then_some(GoOn { to, pledges, more })
    }
}
