//! What a checked task's milestones and moves come to, for the report. Computed anew, like everything in it.

use crate::escrow::pledge::Standing;
use crate::escrow::proof::Checked;
use crate::escrow::statement::{CharterId, Move, Signed, SubmissionId};
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
    /// Address of that pledge, as the sponsor signed it. That it is one of the other charter's shows in that task's own
    /// proof document.
    pub to_address: String,
    /// Whether the sponsor moves it alone, from T on.
    pub alone: bool,
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

/// Every consent to move, now or from T on.
pub fn moves(checked: &Checked) -> Vec<MoveReport> {
    let task = &checked.task;
    let report = |consent: &Signed<Move>, alone: bool| {
        let Move { outpoint, to_charter, to_index, to_address, .. } = &consent.statement;
        let spend =
            task.outpoints().get(outpoint).and_then(|held| held.spend.map(|spend| (held, spend.txid)));
        let moved_by = spend.and_then(|(held, txid)| {
            let to = task.destination(held)?;
            let carried_out = (to.to_charter, to.to_index) == (*to_charter, *to_index);
            // Of two consents to one pledge that is carried out which the transaction follows from.
            let by_ladder = held.late_move.as_ref().is_some_and(|late| late.sends(&txid));
            (carried_out && by_ladder == alone).then_some(txid)
        });
        let (outpoint, to_charter, to_index) = (*outpoint, *to_charter, *to_index);
        MoveReport { outpoint, to_charter, to_index, to_address: to_address.clone(), alone, moved_by }
    };
    let late = task.outpoints().values().filter_map(|held| held.late_move.as_ref());
    let now = task.moves().values().map(|consent| report(consent, false));
    now.chain(late.map(|late| report(late.consent(), true))).collect()
}
