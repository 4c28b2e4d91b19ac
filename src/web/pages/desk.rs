//! Desks: what waits for a developer, a sponsors' representative, an arbiter, a project's leader. Everything on them is
//! public; a key only picks the tasks it has a seat in, and a private one is refused without being repeated.

mod case;
mod leader;
pub mod waiting;
mod work;

use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{encoded, title};
use super::{Asked, Site, show as respond, stage_words, words};
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::keys::SignerKey;
use crate::escrow::network::Network;
use crate::escrow::statement::{CharterId, Role};
use crate::escrow::task::{Stage, Task};
use crate::service::views::SignerView;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use waiting::{Waiting, waiting};

/// Every desk.
pub fn router() -> Router<App> {
    Router::new()
        .route("/desk", get(index))
        .route("/desk/{role}", get(desk))
        .route("/desk/leader", get(leader::show))
        .route("/desk/developer/{charter}", get(work::by_developer))
        .route("/desk/representative/{charter}", get(work::by_representative))
        .route("/desk/leader/{charter}", get(work::by_leader))
        .route("/desk/{role}/{charter}/{submission}", get(case::show))
}

/// Whose desk.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeskQuery {
    key: Option<String>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

/// A key as it was understood, so that whoever pasted it can compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyShown {
    /// `[fingerprint/87h/coin'h/k'h]xpub`.
    pub text: String,
    /// Fingerprint of the root.
    pub fingerprint: String,
    /// Account below it.
    pub path: String,
    /// For links to other desks of this key.
    #[serde(skip)]
    pub query: String,
}

fn parse(given: Option<&str>, network: Network) -> Result<Option<SignerKey>, ApiError> {
    let given = given.map(str::trim).filter(|text| !text.is_empty());
    // No error of this kind repeats what was given.
    let bad = |error: crate::escrow::keys::KeyError| ApiError::mapped(error.code(), error.to_string());
    given.map(|text| SignerKey::parse(text, network).map_err(bad)).transpose()
}

impl KeyShown {
    fn new(key: &SignerKey) -> KeyShown {
        let text = key.to_string();
        KeyShown {
            query: format!("?key={}", encoded(&text)),
            text,
            fingerprint: key.fingerprint().to_string(),
            path: format!("m/{:#}", key.account_path()).replace('\'', "h"),
        }
    }
}

#[derive(Template, Serialize)]
#[template(path = "desk.html")]
struct Index {
    #[serde(skip)]
    site: Site,
    key: Option<KeyShown>,
    desks: Vec<DeskSummary>,
    /// All tasks that name a leader: leaders speak with other keys than signers.
    leader: LeaderSummary,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct LeaderSummary {
    tasks: usize,
    due: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct DeskSummary {
    role: Role,
    /// Tasks with the key in this seat; all of them without a key.
    tasks: usize,
    /// Things that wait for this seat.
    due: usize,
}

async fn index(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<DeskQuery>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let key = parse(query.key.as_deref(), site.network)?;
    let (desks, leader) = app.service.read(|book| {
        let summary = |role| {
            let tasks = of_seat(book, role, key.as_ref());
            let wait = tasks.iter().flat_map(|task| waiting(task, role, book.tip()));
            DeskSummary { role, due: wait.filter(|wait| wait.due).count(), tasks: tasks.len() }
        };
        (Role::ALL.map(summary), leader::summary(book))
    });
    respond(asked, &Index { site, key: key.as_ref().map(KeyShown::new), desks: desks.into(), leader })
}

#[derive(Template, Serialize)]
#[template(path = "desk_role.html")]
struct Desk {
    #[serde(skip)]
    site: Site,
    role: Role,
    key: Option<KeyShown>,
    /// What waits for this seat, soonest first.
    due: Vec<Waiting>,
    /// What is only to be watched, or another can do.
    others: Vec<Waiting>,
    /// Signers of these tasks who have left something waiting for too long.
    silent: Vec<SilentSeat>,
    /// Every task with the key in this seat.
    tasks: Vec<DeskTask>,
}

/// A signer who is silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SilentSeat {
    charter: CharterId,
    title: String,
    /// Whether it is the desk's own seat.
    own: bool,
    signer: SignerView,
}

impl SilentSeat {
    fn of(task: &Task, own: Role, tip: Option<&Tip>) -> Vec<SilentSeat> {
        let silent = SignerView::of(task, tip).into_iter().filter(|signer| signer.silent);
        let seat = |signer: SignerView| SilentSeat {
            charter: task.id(),
            title: title(task.text()),
            own: signer.role == own,
            signer,
        };
        silent.map(seat).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct DeskTask {
    charter: CharterId,
    title: String,
    stage: Stage,
    credited_sat: u64,
    target_sat: u64,
    refund_time: u32,
}

impl DeskTask {
    fn of(task: &Task, tip: Option<&Tip>) -> DeskTask {
        DeskTask {
            charter: task.id(),
            title: title(task.text()),
            stage: task.stage(tip),
            credited_sat: tip.map_or(0, |tip| task.totals(tip).raised.to_sat()),
            target_sat: task.charter().fields().target_sat,
            refund_time: task.charter().refund_time_secs(),
        }
    }
}

async fn desk(
    State(app): State<App>,
    asked: Asked,
    Params(role): Params<String>,
    Query(query): Query<DeskQuery>,
) -> Result<Response, ApiError> {
    let role = seat(&role)?;
    let site = Site::new(&app);
    let key = parse(query.key.as_deref(), site.network)?;
    let (mut all, silent, tasks) = app.service.read(|book| {
        let tasks = of_seat(book, role, key.as_ref());
        let all: Vec<Waiting> = tasks.iter().flat_map(|task| waiting(task, role, book.tip())).collect();
        let silent = tasks.iter().flat_map(|task| SilentSeat::of(task, role, book.tip())).collect();
        let shown = tasks.into_iter().map(|task| DeskTask::of(task, book.tip()));
        (all, silent, shown.collect())
    });
    all.sort_by_key(|wait| (wait.deadline_secs.unwrap_or(u32::MAX), wait.what));
    let (due, others) = all.into_iter().partition(|wait| wait.due);
    respond(asked, &Desk { site, role, key: key.as_ref().map(KeyShown::new), due, others, silent, tasks })
}

/// The seat that a path names.
fn seat(name: &str) -> Result<Role, ApiError> {
    name.parse().map_err(|_| ApiError::missing("desk"))
}

/// Tasks in which `key` has this seat; all of them without a key. The newest first.
fn of_seat<'a>(book: &'a Book, role: Role, key: Option<&SignerKey>) -> Vec<&'a Task> {
    let mut tasks: Vec<&Task> =
        book.in_order().filter(|task| key.is_none_or(|key| task.charter().signer(role) == key)).collect();
    tasks.reverse();
    tasks
}

/// What somebody in this seat does, in a sentence.
fn duty(role: &Role) -> &'static str {
    match role {
        Role::Developer => "Agree to charters, submit work, watch the votes, sign payouts.",
        Role::Representative => {
            "Speak for the sponsors: accept or refuse work, co-sign what the votes allow."
        }
        Role::Arbiter => "Decide over the noes: hear both sides, rule, sign what you ruled.",
    }
}

/// The seat's name at the beginning of a sentence.
fn name(role: &Role) -> &'static str {
    match role {
        Role::Developer => "Developer",
        Role::Representative => "Sponsors' representative",
        Role::Arbiter => "Arbiter",
    }
}

impl Desk {
    /// What somebody in this seat hands in for a task, as its link says it.
    fn hand_in(&self) -> Option<&'static str> {
        match self.role {
            Role::Developer => Some("submit work"),
            Role::Representative => Some("name who did the work"),
            Role::Arbiter => None,
        }
    }

    fn path(&self) -> String {
        format!("/desk/{}", self.role)
    }

    fn now(&self) -> u32 {
        self.site.tip.map_or(0, |tip| tip.mtp_secs)
    }
}
