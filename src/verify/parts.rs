//! What a checked task's milestones and moves come to, for the report. Computed anew, like everything in it.

use crate::escrow::pledge::Standing;
use crate::escrow::proof::Checked;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, SubmissionId};
use bitcoin::{Amount, OutPoint, Txid};
use serde::Serialize;

/// One of several milestones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MilestoneReport {
    /// Which, counted from 0 as in submissions.
    pub milestone: u32,
    /// Its share of each pledge.
    pub share_bps: u16,
    /// Last moment for a submission, Unix seconds.
    pub due: u32,
    /// The submissions for it, in order.
    pub submissions: Vec<SubmissionId>,
    /// Its share of what is credited, unspent, and not paid for it yet; before fees.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "in_escrow_sat")]
    pub in_escrow: Amount,
}

/// A sponsor's consent that an outpoint moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveReport {
    /// What moves.
    pub outpoint: OutPoint,
    /// The charter it goes to.
    pub to_charter: CharterId,
    /// Index of the pledge there.
    pub to_index: u32,
    /// The transaction that moved it, mined or not.
    pub moved_by: Option<Txid>,
}

/// The milestones, where there are several.
pub fn milestones(checked: &Checked) -> Vec<MilestoneReport> {
    let charter = checked.task.charter();
    if charter.milestones() < 2 {
        return Vec::new();
    }
    let one = |number: u32| {
        let milestone = charter.milestone(number)?;
        let of_it = checked.task.submissions().iter().filter(|state| state.milestone() == number);
        Some(MilestoneReport {
            milestone: number,
            share_bps: milestone.share_bps,
            due: milestone.due,
            submissions: of_it.map(|state| state.id).collect(),
            in_escrow: in_escrow(checked, number),
        })
    };
    (0..charter.milestones()).filter_map(one).collect()
}

fn in_escrow(checked: &Checked, number: u32) -> Amount {
    let share = |number: &u32| {
        checked.task.charter().milestone(*number).map_or(0, |milestone| u64::from(milestone.share_bps))
    };
    let held = checked.task.outpoints().values().filter(|held| held.unspent());
    let credited = held.filter(|held| checked.standings.get(&held.outpoint) == Some(&Standing::Credited));
    let part = |held: &crate::escrow::pledge::Outpoint| {
        let open = checked.task.uncovered(held);
        if !open.contains(&number) {
            return None;
        }
        let whole: u64 = open.iter().map(share).sum();
        let part = u128::from(held.amount.to_sat()) * u128::from(share(&number));
        u64::try_from(part.checked_div(u128::from(whole))?).ok()
    };
    Amount::from_sat(credited.filter_map(part).fold(0, u64::saturating_add))
}

/// Every consent to move.
pub fn moves(checked: &Checked) -> Vec<MoveReport> {
    let task = &checked.task;
    let moved_by = |outpoint: &OutPoint, to: CharterId| {
        let spend = task.outpoints().get(outpoint)?.spend?;
        let mut settlements = task.settlements().values();
        let by_move = settlements.any(|state| {
            state.plan.terms().kind() == Kind::Move { to } && state.plan.has_transaction(&spend.txid)
        });
        by_move.then_some(spend.txid)
    };
    let report = |((outpoint, to_charter), consent): (&(OutPoint, CharterId), _)| {
        let consent: &crate::escrow::statement::Signed<crate::escrow::statement::Move> = consent;
        MoveReport {
            outpoint: *outpoint,
            to_charter: *to_charter,
            to_index: consent.statement.to_index,
            moved_by: moved_by(outpoint, *to_charter),
        }
    };
    task.moves().iter().map(report).collect()
}
