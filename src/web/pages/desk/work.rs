//! Where work is handed in for one task: by the developer, or by representative or leader, who name somebody else that
//! did it. Whether any is taken now, what the statement names, and where to hand it in.

use super::super::super::body::Params;
use super::super::super::{ApiError, App};
use super::super::pieces::title;
use super::super::task::leader;
use super::super::{Asked, Site, money, pieces, show as respond, words};
use crate::escrow::ballot::Window;
use crate::escrow::charter::Milestone;
use crate::escrow::facts::Tip;
use crate::escrow::network::Network;
use crate::escrow::statement::{CharterId, Confirmed, SubmissionId};
use crate::escrow::task::{Refused, Stage, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

/// Who hands work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Developer,
    Representative,
    Leader,
}

#[derive(Template, Serialize)]
#[template(path = "desk_work.html")]
struct Work {
    #[serde(skip)]
    site: Site,
    /// Whose page it is.
    by: Who,
    charter: CharterId,
    title: String,
    stage: Stage,
    network: Network,
    /// What raised, and what is needed.
    raised_sat: u64,
    target_sat: u64,
    /// The number that the next submission has, from 0 as the statement says it.
    next_number: u32,
    /// Why none is taken now.
    not_now: Option<String>,
    work_deadline: u32,
    /// How many parts are handed in one by one, and each in words.
    milestones: u32,
    parts: Vec<String>,
    /// What the charter's payees have together: named ones have the same.
    payees_share: String,
    /// The project's leader, as `npub`.
    leader: Option<String>,
    review_secs: u32,
    ruling_secs: u32,
    /// Number of the submission that waits for a merge or release, whose place the next one takes.
    replaces: Option<u32>,
    /// Submissions so far, the latest first.
    submissions: Vec<Earlier>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Earlier {
    id: SubmissionId,
    /// From 1, as people count.
    number: u32,
    link: String,
    window: Option<Window>,
    /// What the leader must confirm before sponsors vote.
    awaits: Option<Confirmed>,
    closed: bool,
}

/// `/desk/developer/{charter}`.
pub async fn by_developer(app: State<App>, asked: Asked, charter: Params<CharterId>) -> Answer {
    show(app, asked, charter, Who::Developer)
}

/// `/desk/representative/{charter}`.
pub async fn by_representative(app: State<App>, asked: Asked, charter: Params<CharterId>) -> Answer {
    show(app, asked, charter, Who::Representative)
}

/// `/desk/leader/{charter}`.
pub async fn by_leader(app: State<App>, asked: Asked, charter: Params<CharterId>) -> Answer {
    show(app, asked, charter, Who::Leader)
}

type Answer = Result<Response, ApiError>;

fn show(State(app): State<App>, asked: Asked, Params(charter): Params<CharterId>, by: Who) -> Answer {
    let site = Site::new(&app);
    respond(asked, &app.service.read_task(&charter, |task, tip| Work::new(site, task, by, tip))?)
}

impl Who {
    /// As paths and commands name it.
    fn name(self) -> &'static str {
        match self {
            Who::Developer => "developer",
            Who::Representative => "representative",
            Who::Leader => "leader",
        }
    }

    /// As a heading of a desk.
    fn title(self) -> &'static str {
        match self {
            Who::Developer => "Developer",
            Who::Representative => "Sponsors' representative",
            Who::Leader => "Project leader",
        }
    }
}

impl Work {
    fn new(site: Site, task: &Task, by: Who, tip: Option<&Tip>) -> Work {
        let fields = task.charter().fields();
        let replaces = task.submissions().last().filter(|last| task.awaits(last).is_some());
        let earlier = task.submissions().iter().rev().map(|state| Earlier {
            id: state.id,
            number: state.signed.statement.number.saturating_add(1),
            link: state.signed.statement.link.clone(),
            window: task.window(state),
            awaits: task.awaits(state),
            closed: task.window(state).zip(tip).is_some_and(|(window, tip)| window.closed(tip.mtp_secs)),
        });
        let shares = fields.payees.iter().map(|payee| u32::from(payee.share_bps)).sum::<u32>();
        Work {
            site,
            by,
            charter: task.id(),
            title: title(task.text()),
            stage: task.stage(tip),
            network: fields.network,
            raised_sat: tip.map_or(0, |tip| task.totals(tip).raised.to_sat()),
            target_sat: fields.target_sat,
            next_number: u32::try_from(task.submissions().len()).unwrap_or(u32::MAX),
            not_now: not_now(task, tip),
            work_deadline: fields.work_deadline,
            milestones: task.charter().milestones(),
            parts: fields.milestones.iter().map(|part| part_in_words(part, tip)).collect(),
            payees_share: words::share(u16::try_from(shares).unwrap_or(u16::MAX)),
            leader: leader(task.charter()),
            review_secs: fields.review_secs,
            ruling_secs: fields.ruling_secs,
            replaces: replaces.map(|last| last.signed.statement.number.saturating_add(1)),
            submissions: earlier.collect(),
        }
    }

    fn is_developer(&self) -> bool {
        self.by == Who::Developer
    }

    fn is_leader(&self) -> bool {
        self.by == Who::Leader
    }

    /// The same as commands take it.
    fn payee_example(&self) -> String {
        self.payees_share.replace(' ', "")
    }

    /// Nobody can hand in for a leader that there is not.
    fn can_be(&self) -> bool {
        !self.is_leader() || self.leader.is_some()
    }

    fn now(&self) -> u32 {
        self.site.tip.map_or(0, |tip| tip.mtp_secs)
    }
}

/// A milestone in a list.
fn part_in_words(part: &Milestone, tip: Option<&Tip>) -> String {
    let over = tip.is_some_and(|tip| tip.mtp_secs > part.due);
    let due = if over { "overdue since" } else { "due" };
    format!("{} of every pledge, {due} {}", words::share(part.share_bps), words::time(part.due))
}

/// Why no work is taken, if none is.
fn not_now(task: &Task, tip: Option<&Tip>) -> Option<String> {
    let Some(tip) = tip else { return Some("The chain is not known yet; try again shortly.".to_owned()) };
    let refused = task.may_submit(tip).err()?;
    Some(match refused {
        Refused::NotOpen => {
            "The task is not open: all three signers must attest the charter first.".to_owned()
        }
        Refused::WorkDeadline { .. } => {
            "The work deadline has passed: nothing can be submitted any more.".to_owned()
        }
        Refused::StillVoting => "Sponsors still vote on the submission before this one.".to_owned(),
        Refused::TargetMissing { missing } => {
            let sat = words::sat(missing.to_sat());
            format!("Work is taken once the target is reached: {sat} are missing.")
        }
        other => other.to_string(),
    })
}
