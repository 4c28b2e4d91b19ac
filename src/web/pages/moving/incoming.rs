//! Money of other tasks that its sponsor signed over to a pledge to which nothing was paid.

use super::super::standing::Words;
use super::super::{pieces, words};
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Outpoint;
use crate::escrow::statement::CharterId;
use crate::escrow::task::Task;
use serde::Serialize;

/// Money of another task that its sponsor signed over to a pledge to which nothing was paid.
#[derive(Clone, Debug, Serialize)]
pub struct Incoming {
    pub from: CharterId,
    /// Its task's first line.
    pub from_title: String,
    /// What lies there; less the network's fee arrives.
    pub amount_sat: u64,
    /// Whether it comes at that task's T, by the sponsor alone.
    pub alone: bool,
}

impl Incoming {
    /// All that is to come, in the order of charters. Only tasks of which something was ever signed over to this one are
    /// looked at.
    pub(in crate::web::pages) fn of(book: &Book, charter: &CharterId, index: u32) -> Vec<Incoming> {
        let (Some(task), Some(tip)) = (book.task(charter), book.tip()) else { return Vec::new() };
        if !task.pledges().contains_key(&index) {
            return Vec::new();
        }
        book.moving_to(charter).flat_map(|from| Incoming::from_task(from, charter, index, tip)).collect()
    }

    fn from_task(from: &Task, charter: &CharterId, index: u32, tip: &Tip) -> Vec<Incoming> {
        let come = |held: &Outpoint, alone| Incoming {
            from: from.id(),
            from_title: pieces::title(from.text()),
            amount_sat: held.amount.to_sat(),
            alone,
        };
        let in_time = tip.mtp_secs <= from.charter().cutoff_secs();
        let by_signers = |held: &Outpoint| {
            let signed = from.moves().get(&(held.outpoint, *charter));
            in_time && signed.is_some_and(|signed| signed.statement.to_index == index)
        };
        let alone = |held: &Outpoint| {
            let late = held.late_move.as_ref().map(|late| late.destination());
            late.is_some_and(|to| to.to_charter == *charter && to.to_index == index)
        };
        let unspent = from.outpoints().values().filter(|held| held.unspent());
        let coming = unspent.filter_map(|held| match by_signers(held) {
            true => Some(come(held, false)),
            false => alone(held).then(|| come(held, true)),
        });
        coming.collect()
    }

    /// The pledge's headline while nothing has arrived.
    pub(in crate::web::pages) fn headline(coming: &[Incoming]) -> Option<Words> {
        let first = coming.first()?;
        let sum = words::sat(coming.iter().fold(0u64, |sum, each| sum.saturating_add(each.amount_sat)));
        let when = if coming.iter().all(|each| each.alone) {
            "at that task's refund time"
        } else {
            "once two of that task's signers have signed"
        };
        Some(Words {
            state: "moving_here",
            tone: "",
            title: "Waits for money that moves here".to_owned(),
            text: format!(
                "{sum}, less the network's fee, come from the pledge to “{}” {when}. Do not pay here besides.",
                first.from_title
            ),
        })
    }
}
