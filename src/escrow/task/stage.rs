//! Where a task stands, in one word: computed from its state and the tip.

use super::Task;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Ending, Standing};
use bitcoin::OutPoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The life of a task. Later stages win: a task whose money is being paid is `Settling`, even though
/// its vote may still be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not everybody has attested.
    Draft,
    /// All three attested; waiting for the chain to be known.
    Attested,
    /// Addresses are issued.
    Open,
    /// Funding is closed and the work goes on.
    Working,
    /// Sponsors vote.
    Voting,
    /// Voting is over; representative and arbiter have their time.
    Deciding,
    /// Signed settlements are on their way.
    Settling,
    /// Nothing is left at the addresses, and some of it was paid.
    Paid,
    /// Nothing is left at the addresses and nobody was paid: it went back before T, or moved to other charters.
    Returned,
    /// T is reached; nothing is left to refund, or nothing ever came.
    Expired,
    /// T is reached and refunds are on their way.
    Refunding,
    /// Everything that was left at T went back.
    Refunded,
}

impl Stage {
    /// Every stage, in the order of a life.
    pub const ALL: [Stage; 12] = [
        Stage::Draft,
        Stage::Attested,
        Stage::Open,
        Stage::Working,
        Stage::Voting,
        Stage::Deciding,
        Stage::Settling,
        Stage::Paid,
        Stage::Returned,
        Stage::Expired,
        Stage::Refunding,
        Stage::Refunded,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Draft => "draft",
            Stage::Attested => "attested",
            Stage::Open => "open",
            Stage::Working => "working",
            Stage::Voting => "voting",
            Stage::Deciding => "deciding",
            Stage::Settling => "settling",
            Stage::Paid => "paid",
            Stage::Returned => "returned",
            Stage::Expired => "expired",
            Stage::Refunding => "refunding",
            Stage::Refunded => "refunded",
        }
    }
}

impl Task {
    /// Where the task stands. Without a tip nothing is known of the chain yet.
    pub fn stage(&self, tip: Option<&Tip>) -> Stage {
        let Some(tip) = tip.filter(|_| self.opened) else {
            return if self.attestations.len() == 3 { Stage::Attested } else { Stage::Draft };
        };
        self.stage_under(tip, &self.standings(tip))
    }

    /// The same of an open task, with the standings under `tip` at hand.
    pub(in crate::escrow) fn stage_under(
        &self,
        tip: &Tip,
        standings: &BTreeMap<OutPoint, Standing>,
    ) -> Stage {
        let after_refund_time = self.charter.fields().refundable(tip.mtp_secs);
        let mut left = false;
        let (mut settled, mut refunded) = (false, false);
        for held in self.outpoints.values().filter(|held| held.present && held.confirmation.is_some()) {
            match self.ended(held, tip) {
                Some(end) if end.depth >= self.charter.fields().depth => match end.how {
                    Ending::Settled | Ending::Moved => settled = true,
                    Ending::Refunded => refunded = true,
                },
                // Too little to move, or a gift, which nothing returns by itself: not to be waited for.
                _ if matches!(standings.get(&held.outpoint), Some(Standing::BelowMinimum)) => {}
                _ if held.slot.index == OPEN_INDEX && after_refund_time => {}
                _ => left = true,
            }
        }
        if after_refund_time {
            return match (left, refunded, settled) {
                (true, _, _) => Stage::Refunding,
                (false, true, _) => Stage::Refunded,
                (false, false, true) => self.settled_stage(tip),
                (false, false, false) => Stage::Expired,
            };
        }
        if !left && settled {
            return self.settled_stage(tip);
        }
        if self.is_settling(tip) {
            return Stage::Settling;
        }
        // One that waits for its merge says nothing of its own: the one before it may still be decided over.
        let opened = |submission| self.window(submission);
        if let Some(window) = self.submissions.iter().rev().find_map(opened) {
            if !window.closed(tip.mtp_secs) {
                return Stage::Voting;
            }
            if !window.ruling_over(tip.mtp_secs) {
                return Stage::Deciding;
            }
        }
        if self.charter.fields().funding_closed(tip.mtp_secs) { Stage::Working } else { Stage::Open }
    }

    /// Paid if any settlement with a confirmed transaction paid somebody, else returned.
    fn settled_stage(&self, tip: &Tip) -> Stage {
        let paid = self.settlements.values().any(|settlement| {
            settlement.plan.pays_anybody()
                && settlement.plan.outpoints().any(|outpoint| {
                    self.outpoints.get(&outpoint).and_then(|held| held.spend).is_some_and(|spend| {
                        spend.confirmation.is_some_and(|at| at.depth(tip) > 0)
                            && settlement.plan.has_transaction(&spend.txid)
                    })
                })
        });
        if paid { Stage::Paid } else { Stage::Returned }
    }
}
