//! A task's own page: what is asked, what is there, who decides, what may go wrong, and how to check all of it.

mod money;
mod parts;
mod work;

use super::super::body::Params;
use super::super::faucet::Offer;
use super::super::{ApiError, App};
use super::moving::GoOn;
use super::pieces::{self, Deadline, Progress, outward, repository_name};
use super::{Asked, Site, show as respond, stage_words, words};
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{self, Standing, Totals};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{CharterId, TaskId};
use crate::escrow::task::{Stage, Task};
use crate::service::events::Topic;
use crate::service::views::SignerView;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use bitcoin::OutPoint;
use money::{Arrival, Chart, PledgeRow};
pub(super) use parts::{Holder, Paid, Terms, by_whom, holders, leader, milestone, named};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use work::PartedRow;
pub(super) use work::{EventRow, SettlementRow, SubmissionRow, TallyPicture};

/// Characters of the text shown; the whole is on the charter's page.
const TEXT_CHARS: usize = 6_000;
/// Items of a list: usually, and when all are asked for. The API has the rest in pages.
const LIST: [usize; 2] = [10, 1_000];
/// Events of the timeline, likewise.
const EVENTS: [usize; 2] = [10, 1_000];

/// `?all=1` asks for long lists.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Lists {
    #[serde(default)]
    all: String,
}

/// Somewhere to go.
#[derive(Clone, Debug, Serialize)]
struct Action {
    label: &'static str,
    href: String,
}

/// How to check a task without believing the service.
#[derive(Serialize)]
struct Checks {
    /// Descriptor of the open address, with every key in place.
    descriptor: String,
    /// The same as Bitcoin Core writes it (BIP390).
    core_descriptor: String,
    /// Descriptor of the first pledge's address, if there is one.
    pledge_descriptor: Option<String>,
}

#[derive(Template, Serialize)]
#[template(path = "task.html")]
struct TaskPage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    /// What is asked, inert.
    text: String,
    /// Whether there is more of it.
    text_cut: bool,
    /// The wish it was drafted from, if it is kept here.
    wish: Option<TaskId>,
    project: ProjectId,
    project_name: String,
    /// The repository, where it is a web address.
    repository_link: Option<String>,
    stage: Stage,
    state: &'static str,
    /// What becomes of the money where an all-or-nothing target was missed.
    missed: Option<&'static str>,
    progress: Progress,
    deadline: Option<Deadline>,
    now_secs: Option<u32>,
    actions: Vec<Action>,
    takes_pledges: bool,
    /// What still fits under the cap.
    left_sat: u64,
    totals: Totals,
    holders: Vec<Holder>,
    /// The same three, and what waits for them.
    signers: Vec<SignerView>,
    /// Pledges of which no single payout can pay all that their votes say.
    parted: Vec<PartedRow>,
    /// Two seats that the same words named.
    same_nominator: bool,
    terms: Terms,
    chart: Option<Chart>,
    pledges: Vec<PledgeRow>,
    pledge_count: usize,
    /// Pledges that something arrived on.
    sponsors: usize,
    /// Where gifts go; none once no gift should be made any more.
    open_address: Option<String>,
    gifts: Vec<Arrival>,
    gift_count: usize,
    submissions: Vec<SubmissionRow>,
    settlements: Vec<SettlementRow>,
    settlement_count: usize,
    /// Where its sponsors could go on, once its T is near or its wish has another charter.
    go_on: Option<GoOn>,
    /// Who was paid, once all is: where whoever wants to give more sends it, past the escrow.
    paid_to: Vec<Paid>,
    events: Vec<EventRow>,
    /// Whether there were more than are shown.
    more_events: bool,
    checks: Checks,
    tip: Option<Tip>,
}

impl TaskPage {
    fn tone(&self) -> &'static str {
        stage_words::tone(self.stage)
    }
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
    lists: Result<Query<Lists>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(lists) = lists.map_err(|error| ApiError::shape(error.body_text()))?;
    let all = usize::from(!lists.all.is_empty());
    let (list, most) = (LIST[all], EVENTS[all]);
    let mut events = app.service.events().last(&Topic::Task(charter), most + 1);
    let more_events = events.len() > most;
    if more_events {
        events.remove(0);
    }
    let offer = Offer::of_task(&app, &charter, format!("/tasks/{charter}"));
    let site = Site::new(&app).with_faucet(offer);
    let wish = app.service.read(|book| {
        let fields = book.task(&charter)?.charter().fields();
        let wish = book.wishes().get(&fields.task)?;
        let shown = !app.service.policy().hidden.wish(wish);
        (shown && wish.repository() == fields.repository).then(|| wish.id())
    });
    let mut view = app.service.read_task(&charter, |task, tip| {
        let events = events.iter().rev().map(|event| EventRow::of(event)).collect();
        page(site, task, tip, list, events, more_events)
    })?;
    view.wish = wish;
    view.go_on = app.service.read(|book| GoOn::of(book, &charter));
    respond(asked, &view)
}

fn page(
    site: Site,
    task: &Task,
    tip: Option<&Tip>,
    list: usize,
    events: Vec<EventRow>,
    more_events: bool,
) -> TaskPage {
    let (charter, fields) = (task.charter(), task.charter().fields());
    let stage = task.stage(tip);
    let left_sat = tip.map_or(0, |tip| left_under_cap(task, tip));
    let takes_pledges = takes_pledges(task, stage, tip, left_sat);
    let inert = pieces::body(task.text());
    let text: String = inert.chars().take(TEXT_CHARS).collect();
    let gifts = Arrival::of(task, tip, OPEN_INDEX);
    let mut seats =
        [&fields.developer, &fields.representative, &fields.arbiter].map(|s| s.nominated_by.trim());
    seats.sort_unstable();
    TaskPage {
        charter: task.id(),
        title: pieces::title(task.text()),
        text_cut: text.len() < inert.len(),
        text,
        wish: None,
        project: ProjectId::of(&fields.repository),
        project_name: repository_name(&fields.repository),
        repository_link: outward(&fields.repository),
        stage,
        state: stage_words::label(stage),
        missed: tip.and_then(|tip| stage_words::missed(task, stage, tip)),
        progress: Progress::of(task, tip),
        deadline: Deadline::of(task, stage),
        now_secs: tip.map(|tip| tip.mtp_secs),
        actions: actions(task, stage, takes_pledges),
        takes_pledges,
        left_sat,
        totals: tip.map(|tip| task.totals(tip)).unwrap_or_default(),
        holders: holders(task),
        signers: SignerView::of(task, tip),
        parted: PartedRow::of(task, tip),
        same_nominator: seats.windows(2).any(|pair| pair[0] == pair[1]),
        terms: Terms::of(charter),
        chart: tip.and_then(|tip| Chart::of(task, tip)),
        pledges: PledgeRow::last(task, tip, list),
        pledge_count: task.pledges().len(),
        sponsors: money::sponsors(task),
        open_address: takes_gifts(task, stage).then(|| task.open_output().address.to_string()),
        gift_count: gifts.len(),
        gifts: gifts.into_iter().take(list).collect(),
        submissions: task
            .submissions()
            .iter()
            .rev()
            .take(list)
            .map(|s| SubmissionRow::of(task, s, tip))
            .collect(),
        settlements: SettlementRow::last(task, tip, list),
        settlement_count: task.settlements().len(),
        go_on: None,
        paid_to: if stage == Stage::Paid { parts::paid(task, tip) } else { Vec::new() },
        events,
        more_events,
        checks: Checks {
            descriptor: task.open_output().descriptor(),
            core_descriptor: task.contract().musig_descriptor(task.open_output()),
            pledge_descriptor: task.pledges().values().next().map(|pledge| pledge.output.descriptor()),
        },
        tip: tip.copied(),
        site,
    }
}

/// What still fits under the cap, with what others are just paying.
fn left_under_cap(task: &Task, tip: &Tip) -> u64 {
    left_beside(task, &task.standings(tip), tip)
}

fn left_beside(task: &Task, standings: &BTreeMap<OutPoint, Standing>, tip: &Tip) -> u64 {
    let taken = pledge::reserved(task.pledges(), task.outpoints(), standings, tip);
    task.charter().cap().to_sat().saturating_sub(taken.to_sat())
}

/// What a task that takes pledges has raised, and has room for.
pub(super) struct Room {
    pub(super) raised_sat: u64,
    pub(super) left_sat: u64,
}

/// Of a task that would issue an address now to whoever asks.
pub(super) fn room(task: &Task, tip: &Tip) -> Option<Room> {
    // Most do not, and that is told without counting anything.
    task.may_pledge(tip).ok()?;
    let standings = task.standings(tip);
    let left_sat = left_beside(task, &standings, tip);
    let raised_sat = task.totals_of(&standings).raised.to_sat();
    takes_pledges(task, task.stage(Some(tip)), Some(tip), left_sat).then_some(Room { raised_sat, left_sat })
}

/// Whether an address would be issued now to whoever asks.
pub(super) fn fundable(task: &Task, tip: Option<&Tip>) -> bool {
    tip.is_some_and(|tip| room(task, tip).is_some())
}

/// The same, where stage and room are known.
fn takes_pledges(task: &Task, stage: Stage, tip: Option<&Tip>, left_sat: u64) -> bool {
    let may_pledge = tip.is_some_and(|tip| task.may_pledge(tip).is_ok());
    let running = matches!(stage, Stage::Open | Stage::Voting | Stage::Deciding | Stage::Settling);
    may_pledge && running && left_sat >= task.charter().minimum_pledge().to_sat()
}

/// Whether a gift could still reach the developer. Later it would lie where nothing returns it.
fn takes_gifts(task: &Task, stage: Stage) -> bool {
    task.opened() && matches!(stage, Stage::Open | Stage::Working | Stage::Voting | Stage::Deciding)
}

/// What a visitor can do now, the most likely first.
fn actions(task: &Task, stage: Stage, takes_pledges: bool) -> Vec<Action> {
    let base = format!("/tasks/{}", task.id());
    let go = |label, rest: &str| Action { label, href: format!("{base}{rest}") };
    let submission = task.submissions().last().map(|s| format!("/submissions/{}", s.id));
    let newest = task.settlements().values().max_by_key(|settlement| settlement.number);
    let settlement = newest.map(|settlement| format!("/settlements/{}", settlement.plan.id()));
    let mut actions = Vec::new();
    match stage {
        Stage::Draft | Stage::Attested => actions.push(go("Read the charter", "/charter")),
        Stage::Voting => actions.push(go("Vote", "/vote")),
        Stage::Deciding => {
            actions.extend(submission.as_deref().map(|rest| go("See the vote", rest)));
        }
        Stage::Settling => actions.extend(settlement.as_deref().map(|rest| go("See the settlement", rest))),
        Stage::Paid | Stage::Returned => {
            actions.extend(settlement.as_deref().map(|rest| go("See where the money went", rest)));
        }
        Stage::Refunding => actions.push(Action { label: "Where is my refund?", href: "/recover".into() }),
        Stage::Open | Stage::Working | Stage::Expired | Stage::Refunded => {}
    }
    if takes_pledges {
        actions.insert(usize::from(!actions.is_empty()), go("Fund this", "/pledge"));
    }
    actions
}
