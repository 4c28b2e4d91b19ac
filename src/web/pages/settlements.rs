//! A task's settlements, and what could be proposed now: each kind is tried at a feerate and shown as plain
//! outputs before anybody proposes it. Reading proposes nothing.

use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::title;
use super::settlement::Refusal;
use super::settlement::moves::{self, Moves};
use super::{Asked, Site, money, show as respond, stage_words, words};
use crate::escrow::event::Event;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::{Kind, nearest_step, step_at_or_above, step_at_or_below};
use crate::escrow::statement::{CharterId, Role, SettlementId, SubmissionId};
use crate::escrow::task::{Refused, Stage, Task};
use crate::service::WITHIN_BLOCKS;
use crate::service::views::{SettlementProgress, SettlementView};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Feerates offered; beyond them the command line takes any step.
const MOST_OFFERED_SAT_PER_VB: u64 = 1_000;

/// What is to be tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementsQuery {
    feerate_sat_per_vb: Option<u64>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

#[derive(Template, Serialize)]
#[template(path = "settlements.html")]
struct SettlementsPage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    stage: Stage,
    /// The feerate that is tried, sat/vB.
    feerate_sat_per_vb: u64,
    /// Those that can be tried.
    feerates_sat_per_vb: Vec<u64>,
    /// What could be proposed, each with what it would do or why it cannot.
    offers: Vec<Offer>,
    /// What was proposed, the newest first.
    settlements: Vec<Listed>,
    /// Last moment anything new is started.
    cutoff_secs: u32,
}

/// A kind of settlement, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What for.
    #[serde(flatten)]
    pub kind: Kind,
    /// Number of the submission, from 1.
    pub submission_number: Option<u32>,
    /// What people call the task that pledges move to.
    pub to_title: Option<String>,
    /// The lowest feerate that was tried, sat/vB.
    pub feerate_sat_per_vb: u64,
    /// The settlement it would be, and what it would do.
    pub would: Option<Would>,
    /// Why it cannot be proposed now.
    pub refused: Option<Refusal>,
}

/// A settlement that nobody has proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Would {
    /// The id it would have.
    pub settlement: SettlementId,
    /// What it would do with the money.
    pub moves: Moves,
    /// Whether it is there already.
    pub proposed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Listed {
    settlement: SettlementId,
    #[serde(flatten)]
    kind: Kind,
    number: usize,
    proposed_mtp_secs: u32,
    feerate_sat_per_vb: u64,
    spent_sat: u64,
    progress: SettlementProgress,
    signed_by: Vec<Role>,
    /// Whether signatures are still taken.
    open: bool,
}

impl Offer {
    /// Tries a kind under a tip; changes nothing.
    pub fn try_out(
        task: &Task,
        kind: Kind,
        destination: Option<&Task>,
        feerate_sat_per_vb: u64,
        tip: &Tip,
    ) -> Offer {
        let submission_number = kind.submission().and_then(|submission| number_of(task, &submission));
        // Refunds of what stays in escrow were signed for the feerates that sponsors took.
        let prepared = task.prepared_step(kind, feerate_sat_per_vb, destination, tip);
        let feerate_sat_per_vb = prepared.unwrap_or(feerate_sat_per_vb);
        let tried = task.propose(kind, feerate_sat_per_vb, destination, tip).and_then(|events| {
            let plan = task.preview(kind, feerate_sat_per_vb, None, destination, tip)?;
            let proposed = !events.iter().any(|event| matches!(event, Event::SettlementProposed { .. }));
            let moves = Moves::new(task.charter(), &plan);
            Ok(Would { settlement: plan.id(), moves, proposed })
        });
        let (would, refused) = match tried {
            Ok(would) => (Some(would), None),
            Err(refused) => (None, Some(Refusal::new(&refused))),
        };
        let to_title = destination.map(|to| title(to.text()));
        Offer { kind, submission_number, to_title, feerate_sat_per_vb, would, refused }
    }

    fn name(&self) -> String {
        let number = self.submission_number.unwrap_or_default();
        match self.kind {
            Kind::Payout { .. } => format!("Pay for submission {number}"),
            Kind::EarlyReturn => "Give everything back".to_owned(),
            Kind::Ruling { .. } => format!("Carry out the ruling on submission {number}"),
            Kind::Milestone { .. } => format!("Pay the milestone of submission {number}"),
            Kind::Move { to } => match &self.to_title {
                Some(title) => format!("Move pledges to “{title}”"),
                None => format!("Move pledges to charter {to}"),
            },
        }
    }

    fn body(&self) -> String {
        let mut body = serde_json::json!(self.kind);
        body["feerate_sat_per_vb"] = self.feerate_sat_per_vb.into();
        body.to_string()
    }

    fn command(&self) -> String {
        match self.kind {
            Kind::Payout { submission } => format!("--kind payout --submission {submission}"),
            Kind::EarlyReturn => "--kind early-return".to_owned(),
            Kind::Ruling { submission } => format!("--kind ruling --submission {submission}"),
            Kind::Milestone { submission } => format!("--kind milestone --submission {submission}"),
            Kind::Move { to } => format!("--kind move --to {to}"),
        }
    }
}

/// The charters that sponsors signed money of this task over to.
fn moved_to(task: &Task) -> BTreeSet<CharterId> {
    task.moves().keys().map(|(_, to)| *to).collect()
}

/// The tasks of those charters.
fn destinations(app: &App, task: &Task) -> Result<BTreeMap<CharterId, Task>, ApiError> {
    moved_to(task).into_iter().map(|to| Ok((to, copy(app, &to)?.0))).collect()
}

/// Number of a submission as people count, from 1.
pub fn number_of(task: &Task, submission: &SubmissionId) -> Option<u32> {
    task.submission(submission).map(|state| state.signed.statement.number.saturating_add(1))
}

/// What can be proposed at all: a payout for each submission, its ruling where there is one, and everything back.
fn kinds(task: &Task) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for state in task.submissions().iter().rev() {
        if task.charter().milestones() > 1 {
            kinds.push(Kind::Milestone { submission: state.id });
        }
        kinds.push(Kind::Payout { submission: state.id });
        if state.ruling.is_some() {
            kinds.push(Kind::Ruling { submission: state.id });
        }
    }
    kinds.extend(moved_to(task).into_iter().map(|to| Kind::Move { to }));
    kinds.push(Kind::EarlyReturn);
    kinds
}

/// Feerates that are offered up to a charter's cap, sat/vB.
pub(super) fn steps(cap_sat_per_vb: u64) -> Vec<u64> {
    let cap = cap_sat_per_vb.min(MOST_OFFERED_SAT_PER_VB);
    let next = |step: &u64| step_at_or_above(step + 1).filter(|next| *next <= cap);
    std::iter::successors(Some(1), next).collect()
}

/// A feerate that was asked for, or the estimate, within a charter's cap (sat/vB).
pub async fn feerate(app: &App, cap: u64, asked: Option<u64>) -> Result<u64, ApiError> {
    match asked {
        None => Ok(nearest_step(app.service.feerate(WITHIN_BLOCKS).await.to_sat_per_vb_ceil(), cap)),
        Some(given) if step_at_or_below(given) == Some(given) && given <= cap => Ok(given),
        Some(given) => {
            let refused = Refused::Feerate { given, cap };
            Err(ApiError::mapped(refused.code(), refused.to_string()))
        }
    }
}

/// The most that signers of a task may sign, sat/vB.
pub fn feerate_cap(task: &Task) -> u64 {
    task.charter().fields().feerate_cap_sat_per_vb
}

/// A copy of a task, so that nobody waits while it is thought about.
pub fn copy(app: &App, charter: &CharterId) -> Result<(Task, Option<Tip>), ApiError> {
    Ok(app.service.read_task(charter, |task, tip| (task.clone(), tip.copied()))?)
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(charter): Params<CharterId>,
    Query(query): Query<SettlementsQuery>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let (task, tip) = copy(&app, &charter)?;
    let feerate_sat_per_vb = feerate(&app, feerate_cap(&task), query.feerate_sat_per_vb).await?;
    // Trying takes a while for a task of many pledges; others go on meanwhile.
    let others = destinations(&app, &task)?;
    let page = move || SettlementsPage::new(site, &task, &others, feerate_sat_per_vb, tip.as_ref());
    let page = tokio::task::spawn_blocking(page).await.map_err(|_| ApiError::internal())?;
    respond(asked, &page)
}

impl SettlementsPage {
    fn new(
        site: Site,
        task: &Task,
        others: &BTreeMap<CharterId, Task>,
        feerate_sat_per_vb: u64,
        tip: Option<&Tip>,
    ) -> SettlementsPage {
        let offers = tip.filter(|_| task.opened()).map(|tip| {
            let offer = |kind| {
                let destination = if let Kind::Move { to } = &kind { others.get(to) } else { None };
                Offer::try_out(task, kind, destination, feerate_sat_per_vb, tip)
            };
            kinds(task).into_iter().map(offer).collect()
        });
        let listed = |state: &crate::escrow::task::SettlementState| {
            let view = SettlementView::new(task, state, tip);
            let spent = state.plan.terms().inputs().iter().map(|input| input.amount.to_sat()).sum();
            let over =
                matches!(view.progress, SettlementProgress::Confirmed | SettlementProgress::Conflicted);
            Listed {
                settlement: view.id,
                kind: view.kind,
                number: state.number,
                proposed_mtp_secs: state.at_mtp_secs,
                feerate_sat_per_vb: view.feerate_sat_per_vb,
                spent_sat: spent,
                progress: view.progress,
                signed_by: view.signed_by,
                open: !over && tip.is_some_and(|tip| task.may_be_signed(state, tip).is_ok()),
            }
        };
        let mut settlements: Vec<Listed> = task.settlements().values().map(listed).collect();
        settlements.sort_by_key(|each| std::cmp::Reverse(each.number));
        SettlementsPage {
            site,
            charter: task.id(),
            title: title(task.text()),
            stage: task.stage(tip),
            feerate_sat_per_vb,
            feerates_sat_per_vb: steps(task.charter().fields().feerate_cap_sat_per_vb),
            offers: offers.unwrap_or_default(),
            settlements,
            cutoff_secs: task.charter().cutoff_secs(),
        }
    }
}

impl Listed {
    fn state(&self) -> (&'static str, &'static str) {
        match self.progress {
            SettlementProgress::Confirmed => ("good", "mined"),
            SettlementProgress::Complete => ("good", "signed, on its way"),
            SettlementProgress::Conflicted => ("bad", "overtaken"),
            SettlementProgress::Proposed | SettlementProgress::Signing if !self.open => ("", "lapsed"),
            SettlementProgress::Signing => ("warn", "one more must sign"),
            SettlementProgress::Proposed => ("", "nobody signed yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feerates_offered_are_steps_within_the_cap() {
        assert_eq!(steps(12), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
        assert_eq!(steps(1), [1]);
        assert!(steps(u64::MAX).len() < 40);
        assert_eq!((nearest_step(11, 200), nearest_step(11, 11), nearest_step(0, 200)), (12, 10, 1));
    }
}
