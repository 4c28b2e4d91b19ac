//! An all-or-nothing target that was missed: when that is so, and when the service is to propose that everything
//! goes back. Two signers still have to sign; without them the refunds follow at T.

use super::Task;
use crate::escrow::charter::FundingRule;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Standing;
use crate::escrow::settlement::Kind;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

impl Task {
    /// Whether funding closed below the target. What was mined in time and is not deep enough may still make
    /// it: while there is any, nothing is missed.
    pub(in crate::escrow) fn target_missed_under(
        &self,
        tip: &Tip,
        standings: &BTreeMap<OutPoint, Standing>,
    ) -> bool {
        let fields = self.charter.fields();
        let may_count = || {
            self.outpoints.values().any(|held| {
                matches!(standings.get(&held.outpoint), Some(Standing::Confirming { .. }))
                    && held.confirmation.is_some_and(|at| !fields.funding_closed(at.mtp_secs))
            })
        };
        let missing = || self.counted_to_target(standings) < self.charter.target();
        self.opened && fields.funding_closed(tip.mtp_secs) && missing() && !may_count()
    }

    /// Whether an all-or-nothing target was missed: everything is to be returned.
    pub fn to_be_returned(&self, tip: &Tip) -> bool {
        self.charter.fields().funding_rule == FundingRule::AllOrNothing
            && self.target_missed_under(tip, &self.standings(tip))
    }

    /// Whether the service is to propose that return now: there is something that can go back before the
    /// cut-off, and no proposal of it that may still be signed or confirm.
    pub fn return_due(&self, tip: &Tip) -> bool {
        self.opened
            && tip.mtp_secs <= self.charter.cutoff_secs()
            && self.to_be_returned(tip)
            && !self.return_proposed(tip)
            && self.proposal_id(Kind::EarlyReturn, 1, None, tip).is_ok()
    }

    /// Whether a return to all sponsors is proposed, and may still be signed or confirm.
    pub fn return_proposed(&self, tip: &Tip) -> bool {
        // One that leaves small pledges out by a high feerate is none: somebody else may have proposed it.
        let returned = |feerate_sat_per_vb| {
            let terms = self.terms(Kind::EarlyReturn, feerate_sat_per_vb, None, tip);
            terms.map_or(0, |terms| terms.inputs().len())
        };
        self.settlements.values().any(|state| {
            let terms = state.plan.terms();
            terms.kind() == Kind::EarlyReturn
                && (state.can_go_out() || returned(terms.feerate_sat_per_vb()) >= returned(1))
                && self.is_open(state, tip)
                && self.may_be_signed(state, tip).is_ok()
        })
    }
}
