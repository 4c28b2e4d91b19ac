//! What stays in escrow or moves to another charter: refunds signed in advance, consents to move.

use super::{Client, ClientError};
use crate::escrow::descriptor::Slot;
use crate::escrow::refund::{LadderSignatures, RefundSignatures};
use crate::escrow::statement::{CharterId, Move, SettlementId, Signed};
use crate::service::views::PledgeView;
use serde::Deserialize;
use serde_json::json;

/// What `GET .../prepared-refunds` answers.
#[derive(Deserialize)]
struct Prepared {
    refunds: Vec<RefundSignatures>,
}

impl Client {
    /// Hands in the refund of an output that a settlement may make at `slot`.
    pub fn prepare_refund(
        &self,
        task: &CharterId,
        slot: Slot,
        refund: &RefundSignatures,
    ) -> Result<PledgeView, ClientError> {
        let Slot { index, generation } = slot;
        let body = json!({ "generation": generation, "refund": refund });
        let view: PledgeView =
            self.post(&format!("/tasks/{task}/pledges/{index}/prepared-refunds"), &body)?;
        same_index(view, index)
    }

    /// Hands in a sponsor's consent that an outpoint moves; the pledge it leaves.
    pub fn sign_move(&self, consent: &Signed<Move>) -> Result<PledgeView, ClientError> {
        self.post(&format!("/tasks/{}/moves", consent.statement.charter), consent)
    }

    /// Hands in what moves an outpoint from T on: the consent, and a ladder that pays the new pledge; the pledge it leaves.
    pub fn sign_late_move(
        &self,
        consent: &Signed<Move>,
        ladder: &LadderSignatures,
    ) -> Result<PledgeView, ClientError> {
        let body = json!({ "consent": consent, "ladder": ladder });
        self.post(&format!("/tasks/{}/late-moves", consent.statement.charter), &body)
    }

    /// The refunds of everything that a settlement would keep in escrow, or move: pairs alone.
    pub fn prepared_refunds(
        &self,
        task: &CharterId,
        id: &SettlementId,
    ) -> Result<Vec<RefundSignatures>, ClientError> {
        let Prepared { refunds } = self.get(&format!("/tasks/{task}/settlements/{id}/prepared-refunds"))?;
        Ok(refunds)
    }
}

/// An answer about another pledge was not to what was asked.
fn same_index(view: PledgeView, index: u32) -> Result<PledgeView, ClientError> {
    if view.index == index { Ok(view) } else { Err(ClientError::untrue("index", "it is another pledge's")) }
}
