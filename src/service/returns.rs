//! Proposes the return of everything where an all-or-nothing target was missed, so that two signers only have to
//! sign. It moves nothing by itself.

use super::{Service, ServiceError, WITHIN_BLOCKS};
use crate::escrow::event::Command;
use crate::escrow::settlement::{Kind, nearest_step, step_at_or_below};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Refused;

impl Service {
    /// Proposes it at the step that should confirm soon, within the charter's cap. Where pledges are too small to
    /// bear that, at the highest step that they bear. A return that is proposed already is left alone.
    pub(super) async fn propose_return(&self, charter: &CharterId) -> Result<(), ServiceError> {
        let estimated = self.feerate(WITHIN_BLOCKS).await.to_sat_per_vb_ceil();
        let proposed = self
            .commit(|book| {
                let task = book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
                let tip = book.tip().ok_or(Refused::NoTip)?;
                // Somebody may have proposed it since it fell due.
                if !task.return_due(tip) {
                    return Ok((None, Vec::new()));
                }
                let cap = task.charter().fields().feerate_cap_sat_per_vb;
                let mut step = nearest_step(estimated, cap);
                loop {
                    let command =
                        Command::ProposeSettlement { kind: Kind::EarlyReturn, feerate_sat_per_vb: step };
                    match book.decide(task, &command) {
                        Ok(records) => return Ok((Some(step), records)),
                        Err(Refused::NothingToSettle) if step > 1 => {
                            step = step_at_or_below(step - 1).unwrap_or(1);
                        }
                        Err(refused) => return Err(refused.into()),
                    }
                }
            })
            .await?;
        if let Some(feerate_sat_per_vb) = proposed {
            tracing::info!(task.id = %charter, feerate_sat_per_vb, "target missed: return to all sponsors proposed");
        }
        Ok(())
    }
}
