//! What was done: submissions with their count, settlements, and what happened in words.

use crate::escrow::ballot::Tally;
use crate::escrow::facts::Tip;
use crate::escrow::public::{PublicEvent, What, in_words, source_in_words};
use crate::escrow::statement::{Confirmed, SettlementId, SubmissionId};
use crate::escrow::task::{SettlementState, SubmissionState, Task};
use crate::service::views::{SettlementProgress, SettlementView};
use crate::web::pages::{pieces, stage_words, words};
use serde::Serialize;

/// A count as a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TallyPicture {
    /// Weight of yes.
    pub yes_sat: u64,
    /// Weight of no.
    pub no_sat: u64,
    /// Weight of those who said nothing in time.
    pub silent_sat: u64,
    /// Weight of all.
    pub electorate_sat: u64,
    /// Whether enough voted.
    pub quorum_met: bool,
    /// Whether enough of it was yes.
    pub threshold_reached: bool,
}

impl TallyPicture {
    /// Of a count.
    pub fn of(tally: &Tally) -> TallyPicture {
        let (yes_sat, no_sat) = (tally.yes.to_sat(), tally.no.to_sat());
        let electorate_sat = tally.electorate.to_sat();
        TallyPicture {
            yes_sat,
            no_sat,
            silent_sat: electorate_sat.saturating_sub(yes_sat.saturating_add(no_sat)),
            electorate_sat,
            quorum_met: tally.quorum_met,
            threshold_reached: tally.threshold_reached,
        }
    }

    /// Width of yes in thousandths.
    pub fn yes_permille(&self) -> u32 {
        words::permille(self.yes_sat, self.electorate_sat)
    }

    /// Width of no in thousandths; it is drawn from the right.
    pub fn no_permille(&self) -> u32 {
        words::permille(self.no_sat, self.electorate_sat).min(1_000 - self.yes_permille())
    }

    /// Where no begins.
    pub fn no_from(&self) -> u32 {
        1_000 - self.no_permille()
    }

    /// The same for who hears it.
    pub fn in_words(&self) -> String {
        let sat = words::sat;
        format!(
            "{} say yes, {} say no, {} have not voted, of {}",
            sat(self.yes_sat),
            sat(self.no_sat),
            sat(self.silent_sat),
            sat(self.electorate_sat)
        )
    }
}

/// A submission, as a task's page tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubmissionRow {
    /// Its id.
    pub id: SubmissionId,
    /// From 1, as people count.
    pub number: u32,
    /// Where the work is, inert.
    pub link: String,
    /// The same, where a browser may follow it.
    pub href: Option<String>,
    /// Which part of the work, where there are several.
    pub milestone: Option<String>,
    /// What the leader must confirm before sponsors vote, if that is waited for.
    pub awaits: Option<Confirmed>,
    /// What the leader confirmed.
    pub confirmed: Option<Confirmed>,
    /// When voting closes, once it is open.
    pub closes_secs: Option<u32>,
    /// Whether it has.
    pub closed: bool,
    /// Whether somebody disputes it.
    pub disputed: bool,
    /// The count; absent while the chain is not known.
    pub tally: Option<TallyPicture>,
    /// What the representative said.
    pub accepted: Option<bool>,
    /// What the arbiter ruled: the share that is paid.
    pub ruled: Option<String>,
}

impl SubmissionRow {
    /// Of a submission.
    pub fn of(task: &Task, submission: &SubmissionState, tip: Option<&Tip>) -> SubmissionRow {
        let window = task.window(submission);
        let statement = &submission.signed.statement;
        SubmissionRow {
            id: submission.id,
            number: statement.number.saturating_add(1),
            link: pieces::inert(&statement.link),
            href: pieces::outward(&statement.link),
            milestone: super::milestone(task.charter(), statement),
            awaits: task.awaits(submission),
            confirmed: submission.confirmation.as_ref().map(|known| known.signed.statement.confirmed),
            closes_secs: window.map(|window| u32::try_from(window.closes_secs).unwrap_or(u32::MAX)),
            closed: window.zip(tip).is_some_and(|(window, tip)| window.closed(tip.mtp_secs)),
            disputed: submission.disputed(),
            tally: tip.map(|tip| TallyPicture::of(&task.tally(submission, tip))),
            accepted: submission.acceptance.as_ref().map(|signed| signed.statement.accepted),
            ruled: submission.ruling.as_ref().map(|signed| words::share(signed.statement.pay_bps)),
        }
    }
}

/// A pledge of which several milestones are to be paid to different people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartedRow {
    /// The pledge.
    pub pledge: u32,
    /// The milestones, from 1: `1 and 3`.
    pub milestones: String,
    /// Until when something can be done about it.
    pub until_secs: u32,
}

impl PartedRow {
    /// All of a task, one for each pledge.
    pub fn of(task: &Task, tip: Option<&Tip>) -> Vec<PartedRow> {
        let mut rows: Vec<PartedRow> = Vec::new();
        for parted in tip.map(|tip| task.parted(tip)).unwrap_or_default() {
            let mut numbers: Vec<String> = parted.milestones.iter().map(|n| (n + 1).to_string()).collect();
            let last = numbers.pop().unwrap_or_default();
            let milestones = format!("{} and {last}", numbers.join(", "));
            let until_secs = task.charter().cutoff_secs();
            let row = PartedRow { pledge: parted.pledge, milestones, until_secs };
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }
}

/// A settlement, as a task's page tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettlementRow {
    /// Its id.
    pub id: SettlementId,
    /// What for.
    pub kind: &'static str,
    /// How far it is.
    pub progress: SettlementProgress,
    /// The same in words.
    pub state: &'static str,
    /// Who signed.
    pub signed_by: String,
    /// What it spends.
    pub amount_sat: u64,
    /// Payments it spends.
    pub payments: usize,
}

impl SettlementRow {
    /// The last ones, the newest first.
    pub fn last(task: &Task, tip: Option<&Tip>, most: usize) -> Vec<SettlementRow> {
        let mut all: Vec<&SettlementState> = task.settlements().values().collect();
        all.sort_by_key(|settlement| std::cmp::Reverse(settlement.number));
        all.into_iter().take(most).map(|settlement| SettlementRow::of(task, settlement, tip)).collect()
    }

    fn of(task: &Task, settlement: &SettlementState, tip: Option<&Tip>) -> SettlementRow {
        let view = SettlementView::new(task, settlement, tip);
        let inputs = || view.transactions.iter().flat_map(|transaction| &transaction.inputs);
        let names: Vec<&str> = view.signed_by.iter().map(|role| role.name()).collect();
        SettlementRow {
            id: view.id,
            kind: stage_words::kind(&view.kind),
            progress: view.progress,
            state: stage_words::progress(view.progress),
            signed_by: if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") },
            amount_sat: inputs().map(|input| input.amount_sat).fold(0, u64::saturating_add),
            payments: inputs().count(),
        }
    }
}

/// Something that happened, as a timeline tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Its id.
    pub id: String,
    /// What happened.
    pub words: String,
    /// When by the chain, Unix seconds; absent while no block was known.
    pub at_secs: Option<u32>,
    /// Height of the tip then.
    pub height: Option<u32>,
    /// Where there is more about it.
    pub href: Option<String>,
    /// Who signed it, where somebody did.
    pub signed: Option<String>,
}

impl EventRow {
    /// Of an event.
    pub fn of(event: &PublicEvent) -> EventRow {
        let in_task = |charter| {
            let base = format!("/tasks/{charter}");
            match (submission(&event.what), settlement(&event.what), event.pledge) {
                (Some(submission), _, _) => Some(format!("{base}/submissions/{submission}")),
                (_, Some(settlement), _) => Some(format!("{base}/settlements/{settlement}")),
                (_, _, Some(pledge)) => Some(format!("{base}/pledges/{pledge}")),
                _ if matches!(event.what, What::CharterAttested { .. }) => Some(format!("{base}/charter")),
                _ => event.wish.map(|_| base),
            }
        };
        let href = event.charter.and_then(in_task);
        EventRow {
            id: event.id.to_string(),
            words: in_words(event),
            at_secs: event.at.map(|at| at.mtp_secs),
            height: event.at.map(|at| at.height),
            href,
            signed: event.signed_by.map(|_| source_in_words(event)),
        }
    }
}

fn submission(what: &What) -> Option<SubmissionId> {
    match what {
        What::WorkSubmitted { submission, .. }
        | What::MergeConfirmed { submission, .. }
        | What::ReviewOpened { submission, .. }
        | What::ReviewMoved { submission, .. }
        | What::ReviewClosed { submission, .. }
        | What::ReviewReopened { submission }
        | What::RulingClosed { submission }
        | What::RulingReopened { submission }
        | What::VoteCast { submission, .. }
        | What::AcceptanceGiven { submission, .. }
        | What::EvidenceGiven { submission, .. }
        | What::RulingGiven { submission, .. } => Some(*submission),
        _ => None,
    }
}

fn settlement(what: &What) -> Option<SettlementId> {
    match what {
        What::SpendSeen { settlement, .. }
        | What::SpendConfirmed { settlement, .. }
        | What::SpendUnconfirmed { settlement, .. }
        | What::SpendDropped { settlement, .. } => *settlement,
        What::SettlementProposed { settlement, .. }
        | What::SettlementSigned { settlement, .. }
        | What::SettlementComplete { settlement }
        | What::SettlementBroadcast { settlement, .. }
        | What::SettlementConfirmed { settlement, .. }
        | What::SettlementFinal { settlement, .. }
        | What::SettlementUnconfirmed { settlement, .. }
        | What::SettlementConflicted { settlement, .. } => Some(*settlement),
        _ => None,
    }
}
