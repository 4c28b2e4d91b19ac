//! One submission as representative or arbiter judge it: the work, every vote with its signature, what was said, what
//! happened when, how long there is; and for each way to rule the very transactions it would make.

use super::super::super::body::Params;
use super::super::super::page::Query;
use super::super::super::{ApiError, App};
use super::super::pieces::title;
use super::super::settlement::Refusal;
use super::super::settlement::moves::Moves;
use super::super::settlements::{copy, feerate, feerate_cap};
use super::super::{Asked, Site, money, pieces, show as respond, stage_words, words};
use super::seat;
use crate::escrow::ballot::{CastVote, Verdict};
use crate::escrow::charter::Bps;
use crate::escrow::facts::Tip;
use crate::escrow::public::{PublicEvent, in_words};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{
    CharterId, Choice, Evidence, EvidenceKind, Role, SettlementId, Signed, Statement, SubmissionId,
};
use crate::escrow::task::{SubmissionState, Task};
use crate::service::events::Topic;
use crate::service::views::SubmissionView;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events of the task that are looked through.
const EVENTS: usize = 500;
/// Shares whose transactions are shown beforehand: return, split, pay.
const SHARES: [u16; 3] = [0, 5_000, 10_000];

/// At which feerate the rulings are tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseQuery {
    feerate_sat_per_vb: Option<u64>,
    #[expect(dead_code, reason = "read by Asked")]
    format: Option<String>,
}

#[derive(Template, Serialize)]
#[template(path = "desk_case.html")]
struct Case {
    #[serde(skip)]
    site: Site,
    role: Role,
    charter: CharterId,
    title: String,
    /// Number of the submission, from 1.
    number: u32,
    /// The submission, as the API tells it.
    submission: SubmissionView,
    /// Every vote, in order of arrival.
    votes: Vec<VoteLine>,
    /// Disputes and evidence, oldest first.
    evidence: Vec<EvidenceLine>,
    /// Weight of those who said nothing.
    silent_sat: u64,
    /// Share of the weight cast that yes must reach.
    threshold_bps: u16,
    /// Share of the weight that must be cast.
    quorum_bps: u16,
    /// Weight that waits for the arbiter.
    contested_sat: u64,
    /// What happened, oldest first.
    timeline: Vec<Moment>,
    /// What each ruling would do; the one that was given, once there is one.
    rulings: Vec<Preview>,
    /// The feerate they are tried at.
    feerate_sat_per_vb: u64,
    /// Last moment anything new is started.
    cutoff_secs: u32,
    /// T.
    refund_time: u32,
    /// Whether a word of this seat is still taken: an acceptance, or a ruling.
    open: bool,
    /// Whether the representative may still refuse the work.
    may_refuse: bool,
}

/// A vote with what it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct VoteLine {
    pledge: u32,
    choice: Choice,
    weight_sat: u64,
    /// Whether it decides over its pledge; another of the same pledge may.
    decides: bool,
    /// Whether it counts for the majority.
    counted: bool,
    /// The sponsor's key.
    key: XOnlyPublicKey,
    /// Exactly what was signed.
    lines: String,
    signature: String,
    /// Digest of it, which the receipt names.
    digest: String,
    /// Median time past when the service took it.
    received_mtp_secs: Option<u32>,
}

/// What somebody said, with what it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct EvidenceLine {
    by: String,
    dispute: bool,
    /// Inert.
    text: String,
    /// Exactly what was signed.
    lines: String,
    signature: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Moment {
    mtp_secs: Option<u32>,
    words: String,
}

/// A ruling, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Preview {
    pay_bps: u16,
    /// Whether it is the one that was given.
    given: bool,
    /// The settlement it would be.
    settlement: Option<SettlementId>,
    /// What it would do with the money.
    moves: Option<Moves>,
    /// Why nothing would move.
    refused: Option<Refusal>,
}

pub async fn show(
    State(app): State<App>,
    asked: Asked,
    Params((role, charter, id)): Params<(String, CharterId, SubmissionId)>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, ApiError> {
    let role = seat(&role)?;
    if role == Role::Developer {
        return Err(ApiError::missing("desk"));
    }
    let site = Site::new(&app);
    let (task, tip) = copy(&app, &charter)?;
    let feerate_sat_per_vb = feerate(&app, feerate_cap(&task), query.feerate_sat_per_vb).await?;
    let events = app.service.events().last(&Topic::Task(charter), EVENTS);
    let timeline = events
        .iter()
        .filter(|event| is_about(event, &id))
        .map(|event| Moment { mtp_secs: event.at.map(|at| at.mtp_secs), words: in_words(event) });
    let timeline: Vec<Moment> = timeline.collect();
    let page = move || {
        let state = task.submission(&id)?;
        Some(Case::new(site, role, &task, state, tip.as_ref(), timeline, feerate_sat_per_vb))
    };
    let page = tokio::task::spawn_blocking(page).await.map_err(|_| ApiError::internal())?;
    respond(asked, &page.ok_or(ApiError::missing("submission"))?)
}

/// Whether an event names the submission.
fn is_about(event: &PublicEvent, submission: &SubmissionId) -> bool {
    let data = serde_json::to_value(&event.what).unwrap_or_default();
    data["data"]["submission"] == submission.to_string()
}

impl Case {
    fn new(
        site: Site,
        role: Role,
        task: &Task,
        state: &SubmissionState,
        tip: Option<&Tip>,
        timeline: Vec<Moment>,
        feerate_sat_per_vb: u64,
    ) -> Case {
        let submission = SubmissionView::new(task, state, tip);
        let weights = weights(task, state, tip);
        let weight_sat = |pledge: u32| weights.get(&pledge).copied().unwrap_or_default().to_sat();
        let contested = submission.verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Contested);
        let silent = submission.tally.as_ref().map_or(Amount::ZERO, |tally| {
            tally.electorate.checked_sub(tally.yes + tally.no).unwrap_or(Amount::ZERO)
        });
        Case {
            site,
            role,
            charter: task.id(),
            title: title(task.text()),
            number: state.signed.statement.number.saturating_add(1),
            votes: state
                .votes
                .iter()
                .filter_map(|cast| VoteLine::new(task, &submission, cast, &weights))
                .collect(),
            evidence: state.evidence.iter().map(EvidenceLine::new).collect(),
            silent_sat: silent.to_sat(),
            threshold_bps: task.charter().threshold().get(),
            quorum_bps: task.charter().quorum().get(),
            contested_sat: contested.map(|(pledge, _)| weight_sat(*pledge)).sum(),
            timeline,
            rulings: tip.map(|tip| rulings(task, state, feerate_sat_per_vb, tip)).unwrap_or_default(),
            feerate_sat_per_vb,
            cutoff_secs: task.charter().cutoff_secs(),
            refund_time: task.charter().refund_time_secs(),
            open: match role {
                Role::Representative => task.may_judge(state, true).is_ok(),
                _ => tip.is_some_and(|tip| task.may_rule(state, tip).is_ok()),
            },
            may_refuse: task.may_judge(state, false).is_ok(),
            submission,
        }
    }

    fn now(&self) -> u32 {
        self.site.tip.map_or(0, |tip| tip.mtp_secs)
    }

    fn closes(&self) -> u32 {
        self.submission.window.map_or(0, |window| u32::try_from(window.closes_secs).unwrap_or(u32::MAX))
    }

    fn ruling_ends(&self) -> u32 {
        self.submission.window.map_or(0, |window| u32::try_from(window.ruling_ends_secs).unwrap_or(u32::MAX))
    }

    fn is_arbiter(&self) -> bool {
        self.role == Role::Arbiter
    }

    fn ruling_over(&self) -> bool {
        self.submission.window.is_some_and(|window| window.ruling_over(self.now()))
    }
}

/// What each pledge weighs in a vote: credited and confirmed at or below the named block.
fn weights(task: &Task, state: &SubmissionState, tip: Option<&Tip>) -> BTreeMap<u32, Amount> {
    let mut weights = BTreeMap::new();
    for weight in tip.map(|tip| task.electorate(tip)).unwrap_or_default() {
        if weight.counts_at(state.signed.statement.block_height) {
            *weights.entry(weight.pledge).or_insert(Amount::ZERO) += weight.amount;
        }
    }
    weights
}

fn rulings(task: &Task, state: &SubmissionState, feerate_sat_per_vb: u64, tip: &Tip) -> Vec<Preview> {
    let given = state.ruling.as_ref().map(|signed| signed.statement.pay_bps);
    let shares = given.map_or(SHARES.to_vec(), |share| vec![share]);
    let kind = Kind::Ruling { submission: state.id };
    let preview = |pay_bps| {
        let tried = task.preview(kind, feerate_sat_per_vb, Bps::new(pay_bps), None, tip);
        Preview {
            pay_bps,
            given: given.is_some(),
            settlement: tried.as_ref().ok().map(crate::escrow::settlement::Plan::id),
            moves: tried.as_ref().ok().map(|plan| Moves::new(task.charter(), plan)),
            refused: tried.as_ref().err().map(Refusal::new),
        }
    };
    shares.into_iter().map(preview).collect()
}

impl EvidenceLine {
    fn new(signed: &Signed<Evidence>) -> EvidenceLine {
        let said = &signed.statement;
        EvidenceLine {
            by: stage_words::party(said.by),
            dispute: said.kind == EvidenceKind::Dispute,
            text: pieces::inert(&said.text),
            lines: said.lines(),
            signature: signed.signature.to_string(),
        }
    }
}

impl VoteLine {
    fn new(
        task: &Task,
        submission: &SubmissionView,
        cast: &CastVote,
        weights: &BTreeMap<u32, Amount>,
    ) -> Option<VoteLine> {
        let vote = &cast.vote.statement;
        let highest = submission
            .votes
            .iter()
            .filter(|other| other.vote.statement.pledge == vote.pledge)
            .map(|other| other.vote.statement.counter)
            .max();
        let tally = submission.tally.as_ref();
        let decides = highest == Some(vote.counter)
            && tally.and_then(|tally| tally.choice(vote.pledge)) == Some(vote.choice);
        Some(VoteLine {
            pledge: vote.pledge,
            choice: vote.choice,
            weight_sat: weights.get(&vote.pledge).copied().unwrap_or_default().to_sat(),
            decides,
            counted: decides && tally.is_some_and(|tally| tally.choices.contains_key(&vote.pledge)),
            key: task.pledges().get(&vote.pledge)?.sponsor_key,
            lines: vote.lines(),
            signature: cast.vote.signature.to_string(),
            digest: vote.digest().to_string(),
            received_mtp_secs: cast.receipt.as_ref().map(|receipt| receipt.statement.tip_mtp_secs),
        })
    }
}

impl Preview {
    fn name(&self) -> String {
        match (self.pay_bps, self.given) {
            (share, true) => format!("Ruled: {} is paid", words::share(share)),
            (0, _) => "Return all of it".to_owned(),
            (10_000, _) => "Pay all of it".to_owned(),
            (5_000, _) => "Split it in halves".to_owned(),
            (share, _) => format!("Pay {}", words::share(share)),
        }
    }
}
