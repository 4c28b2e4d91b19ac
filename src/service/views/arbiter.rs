//! An arbiter's public record: every task in which a key of this root holds the arbiter's seat, what was to be decided
//! there, what was ruled and when, and what came of it. Facts only: no score.

use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::statement::{CharterId, Role, SettlementId, SubmissionId};
use crate::escrow::task::{Case, CaseState, NoesFate, NoesMoved, Stage, Task, title};
use crate::service::schema;
use bitcoin::Txid;
use bitcoin::bip32::Fingerprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tasks told in one record; the sums are over all.
const TASKS: usize = 200;

/// An arbiter's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArbiterView {
    /// Fingerprint of the root key, as the charters' key expressions declare it. Nothing proves it: whoever writes a charter
    /// can put any fingerprint before any key. What is proved is that the account's key attested and ruled.
    #[schema(value_type = schema::Fingerprint)]
    pub fingerprint: String,
    /// Different accounts that were declared under it.
    #[schema(value_type = schema::Count)]
    pub accounts: usize,
    /// Tasks that name it.
    #[schema(value_type = schema::Count)]
    pub task_count: usize,
    /// Of those, with the arbiter's own signature over the charter.
    #[schema(value_type = schema::Count)]
    pub attested: usize,
    /// Rulings given.
    #[schema(value_type = schema::Count)]
    pub ruled: usize,
    /// Rulings that were due and did not come in time.
    #[schema(value_type = schema::Count)]
    pub missed: usize,
    /// Rulings that are due now.
    #[schema(value_type = schema::Count)]
    pub due: usize,
    /// The tasks, the newest first; at most 200.
    pub tasks: Vec<ArbiterTask>,
    /// The tip all this was computed under; nothing is judged while there is none.
    #[schema(required)]
    pub tip: Option<Tip>,
}

/// A task in an arbiter's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArbiterTask {
    /// Its charter.
    pub charter: CharterId,
    /// First line of its text.
    pub title: String,
    /// Where it stands.
    pub stage: Stage,
    /// The arbiter's key expression in its charter.
    pub key: String,
    /// Whether this key has signed the charter; if not, somebody only wrote it there.
    pub attested: bool,
    /// What was to be decided, a case a submission.
    pub cases: Vec<CaseView>,
}

/// A submission as the arbiter had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseView {
    /// Its id.
    pub submission: SubmissionId,
    /// From 0.
    #[schema(value_type = schema::Count)]
    pub number: u32,
    /// `voting`, `due`, `ruled`, `missed` or `not_needed`.
    pub state: String,
    /// Share that the ruling pays; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BasisPoints>, nullable = false)]
    pub pay_bps: Option<u16>,
    /// When it was given; left out where nobody knew the chain's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::UnixSeconds>, nullable = false)]
    pub ruled_secs: Option<u32>,
    /// Seconds from the close of the vote to the ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::LongSeconds>, nullable = false)]
    pub took_secs: Option<u64>,
    /// Last time at which votes counted.
    #[schema(value_type = schema::UnixSecondsSum)]
    pub closes_secs: u64,
    /// Last time for a ruling.
    #[schema(value_type = schema::UnixSecondsSum)]
    pub ruling_ends_secs: u64,
    /// Pledges that said no.
    #[schema(value_type = schema::Count)]
    pub noes: usize,
    /// Their credited money, moved since or not.
    #[schema(value_type = schema::Sat)]
    pub noes_sat: u64,
    /// What became of it.
    pub outcomes: Vec<OutcomeView>,
}

/// What became of money that said no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// `waits`, `carried_out` (by the settlement of the ruling), `moved_otherwise` (by two signers), `moved_on` (to another
    /// charter, as the sponsor signed) or `refunded` (after T).
    pub outcome: String,
    /// How much.
    #[schema(value_type = schema::Sat)]
    pub amount_sat: u64,
    /// The transaction; left out for what waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TransactionId>, nullable = false)]
    pub txid: Option<Txid>,
    /// The settlement, if it is one of the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settlement: Option<SettlementId>,
    /// Whether it is mined.
    pub mined: bool,
}

impl ArbiterView {
    /// Of the root with this fingerprint, if any task's arbiter declares it.
    pub fn of(book: &Book, fingerprint: Fingerprint) -> Option<ArbiterView> {
        let holds = |task: &&Task| task.charter().signer(Role::Arbiter).fingerprint() == fingerprint;
        let mut tasks: Vec<ArbiterTask> =
            book.in_order().filter(holds).map(|task| ArbiterTask::new(task, book.tip())).collect();
        tasks.first()?;
        tasks.reverse();
        let mut accounts: Vec<&str> = tasks.iter().map(|task| task.key.as_str()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let accounts = accounts.len();
        let cases = |state: &str| {
            tasks.iter().flat_map(|task| &task.cases).filter(|case| case.state == state).count()
        };
        let (ruled, missed, due) = (cases("ruled"), cases("missed"), cases("due"));
        let (task_count, attested) = (tasks.len(), tasks.iter().filter(|task| task.attested).count());
        tasks.truncate(TASKS);
        Some(ArbiterView {
            fingerprint: fingerprint.to_string(),
            accounts,
            task_count,
            attested,
            ruled,
            missed,
            due,
            tasks,
            tip: book.tip().copied(),
        })
    }
}

impl ArbiterTask {
    fn new(task: &Task, tip: Option<&Tip>) -> ArbiterTask {
        ArbiterTask {
            charter: task.id(),
            title: title(task.text()),
            stage: task.stage(tip),
            key: task.charter().signer(Role::Arbiter).to_string(),
            attested: task.attestations().contains_key(&Role::Arbiter),
            cases: tip.map(|tip| task.cases(tip)).unwrap_or_default().iter().map(CaseView::new).collect(),
        }
    }
}

impl CaseView {
    fn new(case: &Case) -> CaseView {
        let (state, pay_bps, ruled_secs, took_secs) = match case.state {
            CaseState::Voting => ("voting", None, None, None),
            CaseState::Due => ("due", None, None, None),
            CaseState::Ruled { pay_bps, at_secs, took_secs } => ("ruled", Some(pay_bps), at_secs, took_secs),
            CaseState::Missed => ("missed", None, None, None),
            CaseState::NotNeeded => ("not_needed", None, None, None),
        };
        CaseView {
            submission: case.submission,
            number: case.number,
            state: state.to_owned(),
            pay_bps,
            ruled_secs,
            took_secs,
            closes_secs: case.closes_secs,
            ruling_ends_secs: case.ruling_ends_secs,
            noes: case.noes,
            noes_sat: case.noes_amount.to_sat(),
            outcomes: case.moved.iter().map(OutcomeView::new).collect(),
        }
    }
}

impl OutcomeView {
    fn new(moved: &NoesMoved) -> OutcomeView {
        let outcome = match moved.fate {
            NoesFate::Waits => "waits",
            NoesFate::CarriedOut => "carried_out",
            NoesFate::MovedOtherwise => "moved_otherwise",
            NoesFate::Refunded => "refunded",
            NoesFate::MovedOn => "moved_on",
        };
        OutcomeView {
            outcome: outcome.to_owned(),
            amount_sat: moved.amount.to_sat(),
            txid: moved.txid,
            settlement: moved.settlement,
            mined: moved.mined,
        }
    }
}
