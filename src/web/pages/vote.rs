//! Voting on delivered work with the key of a pledge. The vote is signed in the browser; this page says what is voted
//! on, what a yes and a no do, how the count stands, and until when.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces;
use super::settlements::{feerate, feerate_cap};
use super::task::{Paid, milestone, named};
use super::{Asked, Site, show as respond, words};
use crate::escrow::ballot::Tally;
use crate::escrow::charter::{AcceptanceRule, Silence};
use crate::escrow::facts::Tip;
use crate::escrow::statement::{CharterId, Confirmed, Digest, SubmissionId};
use crate::escrow::task::{Stage, SubmissionState, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

/// Work that is voted on, or was.
#[derive(Serialize)]
pub struct Work {
    id: SubmissionId,
    /// From 1, as people count.
    number: u32,
    link: String,
    content: Digest,
    /// Which part of the work, where there are several.
    milestone: Option<String>,
    /// Who is paid in place of the charter's payees.
    named: Vec<Paid>,
    /// What the leader must confirm before sponsors vote, if that is waited for.
    awaits: Option<Confirmed>,
    /// What the leader confirmed.
    confirmed: Option<Confirmed>,
    opens_secs: Option<u32>,
    closes_secs: Option<u32>,
    ruling_ends_secs: Option<u32>,
    closed: bool,
    tally: Option<Tally>,
    /// Weight that said nothing so far.
    silent_sat: u64,
    accepted: Option<bool>,
    ruled_bps: Option<u16>,
}

#[derive(Template, Serialize)]
#[template(path = "vote.html")]
struct VotePage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    stage: Stage,
    now_secs: u32,
    refund_time: u32,
    /// The feerate that refunds of what stays in escrow are signed for, a step, sat/vB.
    feerate_sat_per_vb: u64,
    acceptance: AcceptanceRule,
    silence_pays: bool,
    /// The latest.
    work: Option<Work>,
    /// Those before it, newest first.
    earlier: Vec<Work>,
}

/// `/tasks/{charter}/vote`.
pub(super) async fn show(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let cap = app.service.read_task(&charter, |task, _| feerate_cap(task))?;
    let feerate_sat_per_vb = feerate(&app, cap, None).await?;
    let page =
        app.service.read_task(&charter, |task, tip| VotePage::of(site, task, feerate_sat_per_vb, tip))?;
    respond(asked, &page)
}

impl Work {
    fn of(task: &Task, submission: &SubmissionState, tip: Option<&Tip>) -> Work {
        let statement = &submission.signed.statement;
        let window = task.window(submission);
        let tally = tip.map(|tip| task.tally(submission, tip));
        let silent_sat = tally.as_ref().map_or(0, |tally| {
            tally.electorate.to_sat().saturating_sub(tally.yes.to_sat()).saturating_sub(tally.no.to_sat())
        });
        let secs = |secs: u64| u32::try_from(secs).unwrap_or(u32::MAX);
        Work {
            id: submission.id,
            number: statement.number.saturating_add(1),
            link: statement.link.clone(),
            content: statement.content,
            milestone: milestone(task.charter(), statement),
            named: named(statement),
            awaits: task.awaits(submission),
            confirmed: submission.confirmation.as_ref().map(|known| known.signed.statement.confirmed),
            opens_secs: window.map(|window| window.opens_secs),
            closes_secs: window.map(|window| secs(window.closes_secs)),
            ruling_ends_secs: window.map(|window| secs(window.ruling_ends_secs)),
            closed: window.zip(tip).is_some_and(|(window, tip)| window.closed(tip.mtp_secs)),
            tally,
            silent_sat,
            accepted: submission.acceptance.as_ref().map(|signed| signed.statement.accepted),
            ruled_bps: submission.ruling.as_ref().map(|signed| signed.statement.pay_bps),
        }
    }

    /// The link, where a browser may follow it: what is signed need not be one.
    fn web(&self) -> Option<String> {
        pieces::outward(&self.link)
    }

    /// The link as it can be shown: a text that somebody else signed.
    fn link_words(&self) -> String {
        pieces::inert(&self.link)
    }
}

impl VotePage {
    fn of(site: Site, task: &Task, feerate_sat_per_vb: u64, tip: Option<&Tip>) -> VotePage {
        let terms = task.charter().fields();
        let mut all: Vec<Work> =
            task.submissions().iter().rev().map(|submission| Work::of(task, submission, tip)).collect();
        let earlier = all.split_off(all.len().min(1));
        VotePage {
            site,
            charter: task.id(),
            title: pieces::title(task.text()),
            stage: task.stage(tip),
            now_secs: tip.map_or(0, |tip| tip.mtp_secs),
            refund_time: terms.refund_time,
            feerate_sat_per_vb,
            silence_pays: terms.acceptance.silence == Silence::Pay,
            acceptance: terms.acceptance,
            work: all.pop(),
            earlier,
        }
    }
}
