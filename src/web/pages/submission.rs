//! A submission: the work, the block it names, the count with every vote, what representative and arbiter said, and
//! what follows for each pledge.

use super::super::body::Params;
use super::super::faucet::Offer;
use super::super::{ApiError, App};
use super::pieces;
use super::task::{Paid, TallyPicture, by_whom, milestone, named};
use super::{Asked, Site, show as respond, stage_words, words};
use crate::escrow::ballot::CastVote;
use crate::escrow::facts::Tip;
use crate::escrow::statement::{
    CharterId, Choice, Confirmed, Evidence, EvidenceKind, SettlementId, Signed, SubmissionId,
};
use crate::escrow::task::{SettlementState, SubmissionState, Task};
use crate::service::views::SubmissionView;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

/// Votes and verdicts shown: usually, and when all are asked for.
const LIST: [usize; 2] = [20, 2_000];

/// `?all=1` asks for long lists.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Lists {
    #[serde(default)]
    all: String,
}

/// A vote as it was given.
#[derive(Serialize)]
struct VoteRow {
    pledge: u32,
    choice: &'static str,
    counter: u32,
    /// Whether it decides what its pledge counts for.
    counted: &'static str,
    signature: String,
    /// The service's receipt: the tip's median time it names, and its signature.
    receipt_secs: Option<u32>,
    receipt: Option<String>,
}

/// What somebody said about it.
#[derive(Serialize)]
pub(super) struct EvidenceRow {
    /// Who.
    pub by: String,
    /// Whether it opens a dispute.
    pub dispute: bool,
    /// Inert.
    pub text: String,
    /// SHA-256 of each.
    pub attachments: Vec<String>,
    /// Which of this party's words it is.
    pub counter: u32,
    /// As it was made.
    pub signature: String,
}

/// What follows for a pledge.
#[derive(Serialize)]
struct VerdictRow {
    pledge: u32,
    said: &'static str,
    verdict: &'static str,
}

#[derive(Template, Serialize)]
#[template(path = "submission.html")]
struct SubmissionPage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    id: SubmissionId,
    number: u32,
    /// Which part of the work, where there are several.
    milestone: Option<String>,
    /// Who handed it in.
    by_whom: &'static str,
    /// Who is paid in place of the charter's payees.
    named: Vec<Paid>,
    link: String,
    href: Option<String>,
    content: String,
    block_height: u32,
    block_hash: String,
    signature: String,
    /// What the leader must confirm before sponsors vote, if that is waited for.
    awaits: Option<Confirmed>,
    /// What the leader confirmed, at which height, and the signature.
    confirmed: Option<Confirmed>,
    confirmed_height: Option<u32>,
    confirmation_signature: Option<String>,
    opens_secs: Option<u32>,
    closes_secs: Option<u32>,
    ruling_ends_secs: Option<u32>,
    closed: bool,
    ruling_over: bool,
    now_secs: Option<u32>,
    tally: Option<TallyPicture>,
    quorum: String,
    threshold: String,
    silence_pays: bool,
    accepted: Option<bool>,
    acceptance_signature: Option<String>,
    /// Share of the noes that is paid.
    ruled: Option<String>,
    ruling_signature: Option<String>,
    /// Whether somebody disputes it.
    disputed: bool,
    /// Newest first.
    evidence: Vec<EvidenceRow>,
    evidence_count: usize,
    votes: Vec<VoteRow>,
    vote_count: usize,
    verdicts: Vec<VerdictRow>,
    verdict_count: usize,
    /// The settlement that was proposed for it last.
    settlement: Option<SettlementId>,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params((charter, id)): Params<(CharterId, SubmissionId)>,
    lists: Result<Query<Lists>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(lists) = lists.map_err(|error| ApiError::shape(error.body_text()))?;
    let most = LIST[usize::from(!lists.all.is_empty())];
    let offer = Offer::of_task(&app, &charter, format!("/tasks/{charter}/submissions/{id}"));
    let site = Site::new(&app).with_faucet(offer);
    let view = app.service.read_task(&charter, |task, tip| {
        task.submission(&id).map(|submission| page(site, task, submission, tip, most))
    })?;
    respond(asked, &view.ok_or(ApiError::missing("submission"))?)
}

fn page(site: Site, task: &Task, state: &SubmissionState, tip: Option<&Tip>, most: usize) -> SubmissionPage {
    let view = SubmissionView::new(task, state, tip);
    let (window, statement) = (view.window, &state.signed.statement);
    let secs = |secs: u64| u32::try_from(secs).unwrap_or(u32::MAX);
    let said = |pledge: u32| match view.tally.as_ref().and_then(|tally| tally.choice(pledge)) {
        Some(Choice::Yes) => "yes",
        Some(Choice::No) => "no",
        None => "nothing",
    };
    let verdicts = view.verdicts.iter().take(most).map(|(pledge, verdict)| VerdictRow {
        pledge: *pledge,
        said: said(*pledge),
        verdict: stage_words::verdict(*verdict),
    });
    let votes = view.votes.iter().rev().take(most).map(|cast| vote(cast, &view, state));
    SubmissionPage {
        charter: task.id(),
        title: pieces::title(task.text()),
        id: state.id,
        number: statement.number.saturating_add(1),
        milestone: milestone(task.charter(), statement),
        by_whom: by_whom(statement),
        named: named(statement),
        link: pieces::inert(&statement.link),
        href: pieces::outward(&statement.link),
        content: statement.content.to_string(),
        block_height: statement.block_height,
        block_hash: state.block_hash.to_string(),
        signature: state.signed.signature.to_string(),
        awaits: view.awaits,
        confirmed: view.confirmation.as_ref().map(|signed| signed.statement.confirmed),
        confirmed_height: view.confirmation.as_ref().map(|signed| signed.statement.block_height),
        confirmation_signature: view.confirmation.as_ref().map(|signed| signed.signature.to_string()),
        opens_secs: window.map(|window| window.opens_secs),
        closes_secs: window.map(|window| secs(window.closes_secs)),
        ruling_ends_secs: window.map(|window| secs(window.ruling_ends_secs)),
        closed: view.closed,
        ruling_over: window.zip(tip).is_some_and(|(window, tip)| window.ruling_over(tip.mtp_secs)),
        now_secs: tip.map(|tip| tip.mtp_secs),
        tally: view.tally.as_ref().map(TallyPicture::of),
        quorum: words::share(task.charter().quorum().get()),
        threshold: words::share(task.charter().threshold().get()),
        silence_pays: view.silence_pays,
        accepted: view.acceptance.as_ref().map(|signed| signed.statement.accepted),
        acceptance_signature: view.acceptance.as_ref().map(|signed| signed.signature.to_string()),
        ruled: view.ruling.as_ref().map(|signed| words::share(signed.statement.pay_bps)),
        ruling_signature: view.ruling.as_ref().map(|signed| signed.signature.to_string()),
        disputed: view.disputed,
        evidence: view.evidence.iter().rev().take(most).map(EvidenceRow::of).collect(),
        evidence_count: view.evidence.len(),
        votes: votes.collect(),
        vote_count: view.votes.len(),
        verdicts: verdicts.collect(),
        verdict_count: view.verdicts.len(),
        settlement: settlement(task, state.id),
        site,
    }
}

impl EvidenceRow {
    /// As it was signed.
    pub(super) fn of(signed: &Signed<Evidence>) -> EvidenceRow {
        let said = &signed.statement;
        EvidenceRow {
            by: stage_words::party(said.by),
            dispute: said.kind == EvidenceKind::Dispute,
            text: pieces::inert(&said.text),
            attachments: said.attachments.iter().map(ToString::to_string).collect(),
            counter: said.counter,
            signature: signed.signature.to_string(),
        }
    }
}

fn vote(cast: &CastVote, view: &SubmissionView, state: &SubmissionState) -> VoteRow {
    let vote = &cast.vote.statement;
    let receipt = cast.receipt.as_ref();
    let in_time = receipt
        .zip(view.window)
        .is_some_and(|(receipt, window)| !window.closed(receipt.statement.tip_mtp_secs));
    let newer = state.votes.iter().any(|other| {
        let other = &other.vote.statement;
        other.pledge == vote.pledge && other.counter > vote.counter
    });
    let counted = match (in_time, newer, receipt.is_some()) {
        (true, false, _) => "counted",
        (true, true, _) => "changed later",
        (false, _, true) => "too late, binds its own money",
        (false, _, false) => "no receipt, binds its own money",
    };
    VoteRow {
        pledge: vote.pledge,
        choice: vote.choice.name(),
        counter: vote.counter,
        counted,
        signature: cast.vote.signature.to_string(),
        receipt_secs: receipt.map(|receipt| receipt.statement.tip_mtp_secs),
        receipt: receipt.map(|receipt| receipt.signature.to_string()),
    }
}

/// The newest settlement that pays or rules on a submission.
fn settlement(task: &Task, submission: SubmissionId) -> Option<SettlementId> {
    let about =
        |settlement: &&SettlementState| settlement.plan.terms().kind().submission() == Some(submission);
    let all = task.settlements().values().filter(about);
    all.max_by_key(|settlement| settlement.number).map(|settlement| settlement.plan.id())
}
