//! The developer's page of one task: whether work can be submitted, what the statement names, and where to hand it
//! in.

use super::super::super::body::Params;
use super::super::super::{ApiError, App};
use super::super::pieces::title;
use super::super::{Asked, Site, money, pieces, show as respond, words};
use crate::escrow::ballot::Window;
use crate::escrow::facts::Tip;
use crate::escrow::network::Network;
use crate::escrow::statement::{CharterId, Confirmed, SubmissionId};
use crate::escrow::task::{Refused, Stage, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "desk_work.html")]
struct Work {
    #[serde(skip)]
    site: Site,
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
    /// How many parts are handed in one by one.
    milestones: u32,
    review_secs: u32,
    ruling_secs: u32,
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

pub async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    respond(asked, &app.service.read_task(&charter, |task, tip| Work::new(site, task, tip))?)
}

impl Work {
    fn new(site: Site, task: &Task, tip: Option<&Tip>) -> Work {
        let fields = task.charter().fields();
        let earlier = task.submissions().iter().rev().map(|state| Earlier {
            id: state.id,
            number: state.signed.statement.number.saturating_add(1),
            link: state.signed.statement.link.clone(),
            window: task.window(state),
            awaits: task.awaits(state),
            closed: task.window(state).zip(tip).is_some_and(|(window, tip)| window.closed(tip.mtp_secs)),
        });
        Work {
            site,
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
            review_secs: fields.review_secs,
            ruling_secs: fields.ruling_secs,
            submissions: earlier.collect(),
        }
    }

    fn now(&self) -> u32 {
        self.site.tip.map_or(0, |tip| tip.mtp_secs)
    }
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
