//! The book in figures, for metrics: how many tasks, outpoints and settlements stand where, and how much money
//! that is. Sums only: nothing of one task or person. Looks, and changes nothing.

use super::Service;
use super::views::SettlementView;
use crate::escrow::due;
use crate::escrow::facts::{Spend, SpendPath, Tip};
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use crate::service::views::SettlementProgress;
use std::collections::BTreeMap;

/// A count and the satoshis of what is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Satoshis.
    pub sat: u64,
}

impl Sum {
    fn add(&mut self, sat: u64) {
        self.count += 1;
        self.sat = self.sat.saturating_add(sat);
    }
}

/// The book in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The tip they were computed under.
    pub tip: Option<Tip>,
    /// Tasks by stage; every stage is there.
    pub tasks: BTreeMap<&'static str, u64>,
    /// Outpoints by standing, or by how they were spent; every one is there.
    pub outpoints: BTreeMap<&'static str, Sum>,
    /// Settlements by progress; every one is there.
    pub settlements: BTreeMap<&'static str, u64>,
    /// Mined, unspent outputs of pledges for which no refund is held.
    pub unsecured: Sum,
    /// Refunds due and not mined.
    pub refunds_due: Sum,
    /// Addresses issued.
    pub scripts: u64,
    /// What refund batches of the last 144 blocks cost.
    pub budget_used_sat: u64,
}

const PROGRESS: [SettlementProgress; 5] = [
    SettlementProgress::Proposed,
    SettlementProgress::Signing,
    SettlementProgress::Complete,
    SettlementProgress::Confirmed,
    SettlementProgress::Conflicted,
];

fn progress(progress: SettlementProgress) -> &'static str {
    match progress {
        SettlementProgress::Proposed => "proposed",
        SettlementProgress::Signing => "signing",
        SettlementProgress::Complete => "complete",
        SettlementProgress::Confirmed => "confirmed",
        SettlementProgress::Conflicted => "conflicted",
    }
}

const STANDINGS: [&str; 9] = [
    "vanished",
    "seen",
    "awaiting_depth",
    "credited",
    "gift",
    "below_minimum",
    "surplus",
    "settled",
    "refunded",
];

/// Where the money of an outpoint is. A spend that is not mined has not moved anything yet.
fn standing(task: &Task, held: &Outpoint, standing: &Standing) -> &'static str {
    match held.spend {
        Some(Spend { confirmation: Some(_), path: SpendPath::Refund, .. }) => {
            return if task.destination(held).is_some() { "settled" } else { "refunded" };
        }
        Some(Spend { confirmation: Some(_), .. }) => return "settled",
        Some(Spend { confirmation: None, .. }) | None => {}
    }
    match standing {
        Standing::Vanished => "vanished",
        Standing::Seen => "seen",
        Standing::Confirming { .. } => "awaiting_depth",
        Standing::Credited => "credited",
        Standing::Gift => "gift",
        Standing::BelowMinimum => "below_minimum",
        Standing::Surplus { .. } => "surplus",
    }
}

impl Figures {
    fn new(tip: Option<Tip>) -> Figures {
        Figures {
            tip,
            tasks: Stage::ALL.iter().map(|s| (s.name(), 0)).collect(),
            outpoints: STANDINGS.iter().map(|s| (*s, Sum::default())).collect(),
            settlements: PROGRESS.iter().map(|p| (progress(*p), 0)).collect(),
            unsecured: Sum::default(),
            refunds_due: Sum::default(),
            scripts: 0,
            budget_used_sat: 0,
        }
    }

    fn take_in(&mut self, task: &Task, tip: Option<&Tip>) {
        *self.tasks.entry(task.stage(tip).name()).or_default() += 1;
        for settlement in task.settlements().values() {
            let how_far = SettlementView::new(task, settlement, tip).progress;
            *self.settlements.entry(progress(how_far)).or_default() += 1;
        }
        let Some(tip) = tip else { return };
        let standings = task.standings(tip);
        for held in task.outpoints().values() {
            let Some(known) = standings.get(&held.outpoint) else { continue };
            let sat = held.amount.to_sat();
            self.outpoints.entry(standing(task, held, known)).or_default().add(sat);
            let unspent = held.spend.is_none_or(|spend| spend.confirmation.is_none());
            if held.present && held.confirmation.is_some() && unspent {
                if held.slot.index > 0 && !held.secured() {
                    self.unsecured.add(sat);
                }
                if due::refundable(task, held, tip) {
                    self.refunds_due.add(sat);
                }
            }
        }
    }
}

impl Service {
    /// The book in figures. Takes the lock anew for each task, so that nobody waits for all of them.
    pub fn figures(&self) -> Figures {
        let (tip, charters, scripts) = self.read(|book| {
            let charters: Vec<CharterId> = book.tasks().keys().copied().collect();
            (book.tip().copied(), charters, book.scripts().count())
        });
        let mut figures = Figures::new(tip);
        figures.scripts = u64::try_from(scripts).unwrap_or(u64::MAX);
        figures.budget_used_sat =
            self.policy().refund_budget_sat.saturating_sub(self.budget_left(None).to_sat());
        for charter in charters {
            // Tasks are never taken away; were one, it would not count.
            let _ = self.read_task(&charter, |task, tip| figures.take_in(task, tip));
        }
        figures
    }
}
