//! The desk of a project's leader: tasks whose charter names the key, and what waits for it.

use super::super::super::page::Query;
use super::super::super::{ApiError, App};
use super::super::pieces::title;
use super::super::{Asked, Site, show as respond, stage_words, words};
use super::waiting::{Waiting, What};
use super::{DeskQuery, DeskTask, LeaderSummary};
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::task::{SubmissionState, Task};
use crate::nip98::{npub, parse_public};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "desk_leader.html")]
struct Desk {
    #[serde(skip)]
    site: Site,
    /// Whose desk, as `npub`; all tasks that have a leader without one.
    key: Option<String>,
    /// What waits, soonest first.
    due: Vec<Waiting>,
    /// What another does, and is to be watched.
    others: Vec<Waiting>,
    /// The newest first.
    tasks: Vec<DeskTask>,
}

/// `/desk/leader`.
pub async fn show(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<DeskQuery>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let key = parse(query.key.as_deref())?;
    let (mut all, tasks) = app.service.read(|book| {
        let tasks: Vec<&Task> = book.in_order().filter(|task| leads(task, key.as_ref())).collect();
        let all: Vec<Waiting> = tasks.iter().flat_map(|task| waiting(task, book.tip())).collect();
        let shown = tasks.iter().rev().map(|task| DeskTask::of(task, book.tip())).collect();
        (all, shown)
    });
    all.sort_by_key(|wait| (wait.deadline_secs.unwrap_or(u32::MAX), wait.what));
    let (due, others) = all.into_iter().partition(|wait| wait.due);
    respond(asked, &Desk { site, key: key.as_ref().map(npub), due, others, tasks })
}

/// How many tasks have a leader, and how much waits for leaders.
pub(super) fn summary(book: &Book) -> LeaderSummary {
    let tasks: Vec<&Task> = book.in_order().filter(|task| leads(task, None)).collect();
    let wait = tasks.iter().flat_map(|task| waiting(task, book.tip()));
    LeaderSummary { due: wait.filter(|wait| wait.due).count(), tasks: tasks.len() }
}

/// What was given is not repeated: it might be a secret.
fn parse(given: Option<&str>) -> Result<Option<XOnlyPublicKey>, ApiError> {
    let given = given.map(str::trim).filter(|text| !text.is_empty());
    let no = || {
        let detail = "key: this is no public key of an identity; give it as npub1... or as 64 hex digits";
        ApiError::shape(detail.to_owned())
    };
    given.map(|text| parse_public(text).ok_or_else(no)).transpose()
}

/// Whether the charter names this key as leader; any, without one.
fn leads(task: &Task, key: Option<&XOnlyPublicKey>) -> bool {
    let leader = task.charter().fields().leader.as_ref();
    leader.is_some_and(|leader| key.is_none_or(|key| leader.key == key.to_string()))
}

/// What waits for the leader of a task.
fn waiting(task: &Task, tip: Option<&Tip>) -> Vec<Waiting> {
    let Some(tip) = tip.filter(|_| task.opened()) else { return Vec::new() };
    let wait = |what, words, act, link, due, deadline_secs| {
        let (charter, title) = (task.id(), title(task.text()));
        Waiting { what, charter, title, words, act, link, due, deadline_secs }
    };
    let over = |submission: &SubmissionState| {
        let ruling = task.window(submission).is_some_and(|window| window.ruling_over(tip.mtp_secs));
        ruling || tip.mtp_secs > task.charter().cutoff_secs()
    };
    let mut all = Vec::new();
    for submission in task.submissions() {
        let number = submission.signed.statement.number.saturating_add(1);
        let say = format!("/tasks/{}/submissions/{}/say#leader", task.id(), submission.id);
        let asked = task.awaits(submission).filter(|asked| task.may_confirm(submission, *asked, tip).is_ok());
        if let Some(asked) = asked {
            let words =
                format!("Submission {number} waits: sponsors vote once you confirm that it is {asked}.");
            let until = task.charter().confirmation_deadline_secs();
            all.push(wait(What::Confirm, words, "Look and confirm", say, true, Some(until)));
        } else if submission.disputed() && submission.ruling.is_none() && !over(submission) {
            let words = format!("Submission {number} is disputed. You may say what you know of it.");
            all.push(wait(What::Watch, words, "Have your say", say, false, None));
        }
    }
    all
}

impl Desk {
    /// What leaders hand in for a task, as its link says it.
    fn hand_in(&self) -> Option<&'static str> {
        Some("name who did the work")
    }

    fn path(&self) -> &'static str {
        "/desk/leader"
    }

    fn now(&self) -> u32 {
        self.site.tip.map_or(0, |tip| tip.mtp_secs)
    }
}
