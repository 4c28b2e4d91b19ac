//! What a pledge's sponsor signed already, and how far it has come.

use super::super::pieces;
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Destination, Outpoint};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Task;
use bitcoin::OutPoint;
use serde::Serialize;

/// How far a move has come that a sponsor signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStep {
    /// Two of three signers have to sign.
    Consented,
    /// They can start nothing new any more.
    TooLate,
    /// The service sends it from T on.
    AtRefundTime,
    /// The transaction is there.
    Gone,
}

/// A move that a pledge's sponsor signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignedMove {
    /// What moves.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount_sat: u64,
    /// Where to.
    pub to: CharterId,
    /// None where the task is not known here.
    pub to_title: Option<String>,
    /// The pledge there.
    pub to_pledge: u32,
    /// How far it has come.
    pub step: MoveStep,
}

impl SignedMove {
    /// All of a pledge, in the order of its outpoints.
    pub(in crate::web::pages) fn of(book: &Book, charter: &CharterId, index: u32) -> Vec<SignedMove> {
        let (Some(task), Some(tip)) = (book.task(charter), book.tip()) else { return Vec::new() };
        let own = task.outpoints().values().filter(|held| held.slot.index == index && held.present);
        own.flat_map(|held| match held.spend {
            Some(_) => task
                .destination(held)
                .map(|to| SignedMove::new(book, held, to, MoveStep::Gone))
                .into_iter()
                .collect(),
            None => waits(book, task, held, tip),
        })
        .collect()
    }

    fn new(book: &Book, held: &Outpoint, there: Destination, step: MoveStep) -> Self {
        let to = there.to_charter;
        SignedMove {
            outpoint: held.outpoint,
            amount_sat: held.amount.to_sat(),
            to,
            to_title: book.task(&to).map(|task| pieces::title(task.text())),
            to_pledge: there.to_index,
            step,
        }
    }

    /// What people call the task.
    pub(in crate::web::pages) fn name(&self) -> String {
        self.to_title.clone().unwrap_or_else(|| format!("charter {}", self.to))
    }
}

fn waits(book: &Book, task: &Task, held: &Outpoint, tip: &Tip) -> Vec<SignedMove> {
    let in_time = tip.mtp_secs <= task.charter().cutoff_secs();
    let step = if in_time { MoveStep::Consented } else { MoveStep::TooLate };
    let mut found: Vec<SignedMove> = task
        .consents(held.outpoint)
        .map(|signed| SignedMove::new(book, held, Destination::of(&signed.statement), step))
        .collect();
    let late = held.late_move.as_ref().map(|late| late.destination());
    found.extend(late.map(|to| SignedMove::new(book, held, to, MoveStep::AtRefundTime)));
    found
}
