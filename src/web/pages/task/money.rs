//! A task's money: its pledges, what arrived, and how it came together over time.

use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Standing;
use crate::escrow::task::Task;
use crate::service::views::{OutpointView, PledgeView};
use crate::web::pages::{stage_words, words};
use serde::Serialize;
use std::collections::BTreeSet;

/// A payment, as a row tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// Its value.
    pub amount_sat: u64,
    /// What it counts as, or how it ended.
    pub state: String,
    /// Whether a refund is held.
    pub secured: &'static str,
    /// The output, as `txid:vout`.
    pub outpoint: String,
}

impl Arrival {
    fn new(outpoint: &OutpointView) -> Arrival {
        Arrival {
            amount_sat: outpoint.amount_sat,
            state: stage_words::arrival(outpoint),
            secured: stage_words::secured(outpoint),
            outpoint: outpoint.outpoint.to_string(),
        }
    }

    /// What arrived at the addresses of one index.
    pub fn of(task: &Task, tip: Option<&Tip>, index: u32) -> Vec<Arrival> {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let held = task.outpoints().values().filter(|held| held.slot.index == index);
        held.map(|held| Arrival::new(&OutpointView::new(task, held, standings.get(&held.outpoint), tip)))
            .collect()
    }
}

/// A pledge, as a row tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PledgeRow {
    /// Its index.
    pub index: u32,
    /// What its sponsor meant to pay.
    pub promised_sat: u64,
    /// What arrived; usually one payment, or none so far.
    pub arrivals: Vec<Arrival>,
}

impl PledgeRow {
    /// The last ones, the newest first.
    pub fn last(task: &Task, tip: Option<&Tip>, most: usize) -> Vec<PledgeRow> {
        let skip = task.pledges().len().saturating_sub(most);
        let after = task.pledges().keys().nth(skip).map_or(0, |index| index.saturating_sub(1));
        let page = PledgeView::page(task, tip, Some(after), most.max(1));
        let mut rows: Vec<PledgeRow> = page
            .items
            .iter()
            .map(|pledge| {
                // What was paid in, then what payouts left of it.
                let mut outpoints: Vec<&OutpointView> = pledge.outpoints.iter().collect();
                outpoints.sort_by_key(|held| held.generation);
                PledgeRow {
                    index: pledge.index,
                    promised_sat: pledge.promised_sat,
                    arrivals: outpoints.into_iter().map(Arrival::new).collect(),
                }
            })
            .collect();
        rows.reverse();
        rows
    }
}

/// How many pledges something arrived on.
pub fn sponsors(task: &Task) -> usize {
    let paid = task.outpoints().values().filter(|held| held.present && held.slot.index != OPEN_INDEX);
    paid.map(|held| held.slot.index).collect::<BTreeSet<u32>>().len()
}

/// Width of the drawing.
const WIDTH: u32 = 1_000;
/// Its height.
const HEIGHT: u32 = 300;

/// What was confirmed over time: steps upwards, and a line at the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chart {
    /// The steps, as an SVG path.
    pub line: String,
    /// The same, closed at the bottom.
    pub area: String,
    /// Height of the target.
    pub target_y: u32,
    /// First and last moment, Unix seconds of the median time past.
    pub from_secs: u32,
    /// See `from_secs`.
    pub to_secs: u32,
    /// Where the steps end.
    pub raised_sat: u64,
    /// Payments drawn.
    pub payments: usize,
}

impl Chart {
    /// Of a task; none before anything is confirmed.
    pub fn of(task: &Task, tip: &Tip) -> Option<Chart> {
        let standings = task.standings(tip);
        let counts =
            |standing: Option<&Standing>| matches!(standing, Some(Standing::Credited | Standing::Gift));
        let mut payments: Vec<(u32, u64)> = task
            .outpoints()
            .values()
            // What a payout left in escrow was confirmed before, as part of what was paid in.
            .filter(|held| held.slot.generation == 0 && counts(standings.get(&held.outpoint)))
            .filter_map(|held| Some((held.confirmation?.mtp_secs, held.amount.to_sat())))
            .collect();
        payments.sort_unstable();
        let issued = task.pledges().values().map(|pledge| pledge.at_mtp_secs).min();
        let first = payments.first()?.0;
        Chart::draw(
            &payments,
            issued.map_or(first, |issued| issued.min(first)),
            tip.mtp_secs,
            task.charter().target().to_sat(),
        )
    }

    fn draw(payments: &[(u32, u64)], from_secs: u32, now_secs: u32, target_sat: u64) -> Option<Chart> {
        let to_secs = payments.last()?.0.max(now_secs);
        let span = to_secs.checked_sub(from_secs).filter(|span| *span > 0)?;
        let raised_sat = payments.iter().fold(0, |sum: u64, (_, sat)| sum.saturating_add(*sat));
        let top = raised_sat.max(target_sat);
        let x =
            |secs: u32| words::permille(secs.saturating_sub(from_secs).into(), span.into()) * WIDTH / 1_000;
        let y = |sat: u64| HEIGHT - words::permille(sat, top) * (HEIGHT - 10) / 1_000;
        let (mut line, mut sum) = (format!("M0 {HEIGHT}"), 0_u64);
        for (secs, sat) in payments {
            sum = sum.saturating_add(*sat);
            line.push_str(&format!("H{}V{}", x(*secs), y(sum)));
        }
        line.push_str(&format!("H{WIDTH}"));
        Some(Chart {
            area: format!("{line}V{HEIGHT}Z"),
            line,
            target_y: y(target_sat),
            from_secs,
            to_secs,
            raised_sat,
            payments: payments.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_to_what_was_raised() {
        let chart = Chart::draw(&[(100, 250), (150, 250)], 100, 200, 1_000).unwrap();
        assert_eq!(chart.line, "M0 300H0V228H500V155H1000");
        assert_eq!((chart.target_y, chart.raised_sat), (10, 500));
        assert_eq!(Chart::draw(&[], 0, 10, 1), None);
        assert_eq!(Chart::draw(&[(5, 1)], 5, 5, 1), None, "no time has passed");
        let over = Chart::draw(&[(0, u64::MAX), (u32::MAX, u64::MAX)], 0, 1, 1_000).unwrap();
        assert!(over.line.ends_with("V10H1000"), "{}", over.line);
    }
}
