//! Settlements for signers: PSBTs out, signed PSBTs in.

use super::views::{PsbtView, SettlementPsbts};
use super::{Service, ServiceError};
use crate::escrow::event::Command;
use crate::escrow::refund::RefundSignatures;
use crate::escrow::settlement::{CheckedSignatures, ChunkInput, Made, RoleSignatures};
use crate::escrow::statement::{CharterId, Role, SettlementId};
use crate::escrow::task::Refused;
use crate::failpoint;
use bitcoin::Psbt;

impl Service {
    /// Every form of every transaction of a settlement, unsigned, with all that wallets need.
    pub fn psbts(&self, charter: &CharterId, id: &SettlementId) -> Result<SettlementPsbts, ServiceError> {
        let psbts = self.read_task(charter, |task, _| {
            let state = task.settlements().get(id)?;
            let places = state.plan.forms().map(|(place, _, _)| place);
            let psbt = |(place, psbt): (crate::escrow::settlement::Place, Psbt)| PsbtView {
                chunk: place.chunk,
                form: place.form,
                psbt: psbt.to_string(),
            };
            Some(places.zip(state.plan.psbts()).map(psbt).collect())
        })?;
        let psbts = psbts.ok_or(Refused::UnknownSettlement { settlement: *id })?;
        Ok(SettlementPsbts { settlement: *id, psbts })
    }

    /// The refunds of what a settlement leaves in escrow or moves to another charter, form by form, as pairs alone:
    /// a ladder in strangers' hands could be sent at T in place of the pair, which costs the sponsor less.
    pub fn prepared_refunds(
        &self,
        charter: &CharterId,
        id: &SettlementId,
    ) -> Result<Option<Vec<RefundSignatures>>, ServiceError> {
        self.read(|book| {
            let task = book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
            let Some(state) = task.settlements().get(id) else { return Ok(None) };
            let holder = book.destination(&state.plan.terms().kind()).unwrap_or(task);
            let refund = |(input, made): (&ChunkInput, Made)| {
                let bundle = task.prepared_for(holder, input, &made)?;
                Some(RefundSignatures { ladder: Vec::new(), ..bundle.signatures().clone() })
            };
            Ok(Some(state.plan.made().filter_map(refund).collect()))
        })
    }

    /// Takes signed PSBTs, from whoever brings them: the signatures are authority in themselves. Says who
    /// had signed them.
    pub async fn sign_with_psbts(
        &self,
        charter: &CharterId,
        id: &SettlementId,
        psbts: &[Psbt],
    ) -> Result<Vec<Role>, ServiceError> {
        let plan = self.read_task(charter, |task, _| task.settlements().get(id).map(|s| s.plan.clone()))?;
        let plan = plan.ok_or(Refused::UnknownSettlement { settlement: *id })?;
        let read = plan.read_psbts(&self.secp, psbts)?;
        for checked in read.values() {
            self.sign(charter, id, checked.signatures().clone()).await?;
        }
        Ok(read.values().map(CheckedSignatures::role).collect())
    }

    /// Adds one signer's signatures.
    pub async fn sign(
        &self,
        charter: &CharterId,
        id: &SettlementId,
        signatures: RoleSignatures,
    ) -> Result<bool, ServiceError> {
        let changed = self.execute(charter, Command::SignSettlement { settlement: *id, signatures }).await?;
        let complete =
            self.read_task(charter, |task, _| task.settlements().get(id).is_some_and(|s| s.fully_signed()))?;
        if changed && complete {
            failpoint::hit("settlement_complete");
            tracing::info!(task.id = %charter, settlement.id = %id, "two of three have signed");
        }
        Ok(changed)
    }
}
