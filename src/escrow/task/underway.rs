//! Settlements under way: what became of each of their transactions, which of them bind their outpoints, and until when
//! something may be started.

use super::part::Origin;
use super::{Refused, SettlementState, Task};
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::{self, Kind, TermInput, Terms};
use crate::escrow::statement::{SettlementId, SubmissionId};
use bitcoin::OutPoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Seconds after T during which a payout that was under way may still be rebuilt and bumped.
pub const GRACE_SECS: u32 = 3 * crate::escrow::network::DAY_SECS;
/// A proposal nobody signed lapses after a week.
pub const PROPOSAL_SECS: u32 = 7 * crate::escrow::network::DAY_SECS;

/// What became of one transaction of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It may still confirm.
    Pending,
    /// It is mined.
    Confirmed {
        /// Confirmations.
        depth: u32,
    },
    /// Something else spent one of its inputs, deep enough.
    Conflicted,
}

impl SettlementState {
    /// Whether two signers (for a ruling, the arbiter among them) signed any form of any transaction.
    pub fn can_go_out(&self) -> bool {
        self.plan.forms().any(|(place, _, _)| self.signatures.pair(place.chunk, place.form).is_some())
    }

    /// Whether two signers (for a ruling, the arbiter among them) signed everything.
    pub fn fully_signed(&self) -> bool {
        self.plan.forms().all(|(place, _, _)| self.signatures.pair(place.chunk, place.form).is_some())
    }
}

impl Task {
    /// Whether a proposal may still be signed: nothing that it rests on has changed, and it has not lapsed.
    pub fn may_be_signed(&self, settlement: &SettlementState, tip: &Tip) -> Result<(), Refused> {
        if settlement.signatures.is_empty() && self.lapsed(settlement.at_mtp_secs, tip) {
            return Err(Refused::ProposalLapsed);
        }
        let terms = settlement.plan.terms();
        // A third signature on what two have signed changes nothing that could be refused.
        if !settlement.fully_signed() {
            self.still_entitled(terms, tip)?;
            self.check_time(terms, tip)?;
            self.check_conflicts(settlement.plan.id(), &settlement.plan.outpoints().collect(), tip)?;
        }
        Ok(())
    }

    /// Whether a settlement binds its outpoints: somebody signed, and a transaction of it may still confirm.
    pub fn is_live(&self, id: &SettlementId, tip: &Tip) -> bool {
        self.settlements.get(id).is_some_and(|settlement| {
            !settlement.signatures.is_empty()
                && self.chunk_fates(settlement, tip).into_iter().any(|fate| fate == Fate::Pending)
        })
    }

    /// Whether a transaction that rests on this pledge's vote, or on its silence, may go out: two have
    /// signed one of its forms. What merely returns a stray payment to the pledge's address rests on no
    /// vote, or anybody could end a vote by paying a little there.
    pub(super) fn vote_used(&self, submission: SubmissionId, pledge: u32, tip: &Tip) -> bool {
        self.settlements.values().any(|settlement| {
            let kind = settlement.plan.terms().kind();
            // What pays one milestone rests on the votes for that one; what pays the last, on all.
            if matches!(kind, Kind::Milestone { submission: other } if other != submission) {
                return false;
            }
            let ruled = matches!(kind, Kind::Ruling { .. });
            let uses = |input: &TermInput| input.slot.index == pledge && (ruled || input.pays());
            let chunks = (0u32..).zip(settlement.plan.chunks());
            chunks.zip(self.chunk_fates(settlement, tip)).any(|((at, chunk), fate)| {
                let mut forms = (0u32..).take(chunk.forms.len());
                fate != Fate::Conflicted
                    && chunk.inputs.iter().any(|input| uses(&input.term))
                    && forms.any(|form| settlement.signatures.pair(at, form).is_some())
            })
        })
    }

    /// Whether a signed settlement has a transaction that is not deep enough yet.
    pub(super) fn is_settling(&self, tip: &Tip) -> bool {
        let depth = self.charter.fields().depth;
        self.settlements.values().filter(|settlement| !settlement.signatures.is_empty()).any(|settlement| {
            self.chunk_fates(settlement, tip).into_iter().any(|fate| match fate {
                Fate::Pending => true,
                Fate::Confirmed { depth: has } => has < depth,
                Fate::Conflicted => false,
            })
        })
    }

    /// What became of each transaction of a settlement.
    pub fn chunk_fates(&self, settlement: &SettlementState, tip: &Tip) -> Vec<Fate> {
        settlement
            .plan
            .chunks()
            .iter()
            .map(|chunk| {
                let spends = outpoints_of(chunk).filter_map(|o| self.outpoints.get(&o).and_then(|h| h.spend));
                let mut fate = Fate::Pending;
                for spend in spends {
                    let Some(at) = spend.confirmation else { continue };
                    if chunk.forms.iter().any(|form| form.txid == spend.txid) {
                        return Fate::Confirmed { depth: at.depth(tip) };
                    }
                    if at.depth(tip) >= self.charter.fields().depth {
                        fate = Fate::Conflicted;
                    }
                }
                if outpoints_of(chunk).any(|outpoint| self.never_comes(outpoint, tip)) {
                    fate = Fate::Conflicted;
                }
                fate
            })
            .collect()
    }

    /// Whether an outpoint is a rest that is not there, and what it was to be split off from was spent otherwise,
    /// deep enough: by another form, or by a refund.
    fn never_comes(&self, outpoint: OutPoint, tip: &Tip) -> bool {
        // A proof document leaves out what vanished.
        let held = self.outpoints.get(&outpoint);
        if held.is_some_and(|held| held.present) {
            return false;
        }
        let Some(Origin { from, slot, .. }) = self.origins.get(&outpoint) else { return false };
        if held.is_some_and(|held| held.slot != *slot) {
            return false;
        }
        let spend = self.outpoints.get(from).and_then(|from| from.spend);
        let otherwise = spend.is_some_and(|spend| {
            let depth = spend.confirmation.map_or(0, |at| at.depth(tip));
            spend.txid != outpoint.txid && depth >= self.charter.fields().depth
        });
        otherwise || self.never_comes(*from, tip)
    }

    /// No settlement may share an outpoint with a transaction that binds, unless it spends an outpoint of each that
    /// binds of the same settlement: then only one of the two can ever happen. A single signature binds nobody else:
    /// any one of the three could hold everything up with it.
    pub(super) fn check_conflicts(
        &self,
        id: SettlementId,
        outpoints: &BTreeSet<OutPoint>,
        tip: &Tip,
    ) -> Result<(), Refused> {
        for (other, settlement) in &self.settlements {
            // Where each outpoint has a transaction of its own, whichever spends it first replaces the other, and
            // the rest goes on: who prepared nothing at a higher feerate holds nobody else up.
            if *other == id || settlement.plan.terms().kind().one_by_one() || !settlement.can_go_out() {
                continue;
            }
            let binding = self.binding(settlement, tip);
            let touched = |chunk: &&settlement::Chunk| {
                outpoints_of(chunk).any(|outpoint| outpoints.contains(&outpoint))
            };
            if binding.iter().any(touched) && !binding.iter().all(touched) {
                return Err(Refused::SettlementUnderWay { settlement: *other });
            }
        }
        Ok(())
    }

    /// The transactions of a settlement that bind what they spend: two have signed a form of it, and it may still
    /// confirm. One that spends what is not there cannot, whatever is signed: if a reorg brings that back, it binds
    /// again. No outpoint is paid twice for it, since each is still spent once.
    fn binding<'a>(&self, settlement: &'a SettlementState, tip: &Tip) -> Vec<&'a settlement::Chunk> {
        let signed = |at, chunk: &settlement::Chunk| {
            (0u32..).take(chunk.forms.len()).any(|form| settlement.signatures.pair(at, form).is_some())
        };
        self.open_chunks(settlement, tip)
            .filter(|(at, chunk)| signed(*at, chunk))
            .map(|(_, chunk)| chunk)
            .collect()
    }

    /// The transactions of a settlement that may still confirm, with their numbers: nothing else spent their inputs deep
    /// enough, and all of them are there.
    pub fn open_chunks<'a>(
        &self,
        settlement: &'a SettlementState,
        tip: &Tip,
    ) -> impl Iterator<Item = (u32, &'a settlement::Chunk)> {
        let chunks = (0u32..).zip(settlement.plan.chunks()).zip(self.chunk_fates(settlement, tip));
        let open = chunks.filter(|((_, chunk), fate)| *fate == Fate::Pending && self.inputs_there(chunk));
        open.map(|(numbered, _)| numbered)
    }

    /// Whether all that a transaction spends is there, spent or not. What a reorg took away may come back; until then
    /// the transaction can go nowhere, whatever is signed.
    pub fn inputs_there(&self, chunk: &settlement::Chunk) -> bool {
        outpoints_of(chunk).all(|outpoint| self.outpoints.get(&outpoint).is_some_and(|held| held.present))
    }

    /// Whether a transaction of a settlement cannot confirm as it is: something else spent one of its inputs, or one is
    /// not there.
    pub fn is_broken(&self, settlement: &SettlementState, tip: &Tip) -> bool {
        let chunks = settlement.plan.chunks().iter().zip(self.chunk_fates(settlement, tip));
        chunks.into_iter().any(|(chunk, fate)| match fate {
            Fate::Conflicted => true,
            Fate::Pending => !self.inputs_there(chunk),
            Fate::Confirmed { .. } => false,
        })
    }

    /// Whether a transaction of a settlement may still confirm.
    pub fn is_open(&self, settlement: &SettlementState, tip: &Tip) -> bool {
        self.open_chunks(settlement, tip).next().is_some()
    }

    /// After the cut-off only a rebuild goes on: of a settlement that two had signed, without an input
    /// that was spent otherwise, or is not there any more. Gifts have no refund that could be crossed, and nobody but the signers
    /// to move them: what moves nothing else may start at any time.
    pub(in crate::escrow) fn check_time(&self, terms: &Terms, tip: &Tip) -> Result<(), Refused> {
        let gifts_only = terms.inputs().iter().all(|input| input.slot.index == OPEN_INDEX);
        if gifts_only || tip.mtp_secs <= self.charter.cutoff_secs() {
            return Ok(());
        }
        let too_late = Refused::PastCutoff { cutoff_secs: self.charter.cutoff_secs() };
        if tip.mtp_secs > self.charter.refund_time_secs().saturating_add(GRACE_SECS) {
            return Err(too_late);
        }
        let rebuilds = |settlement: &SettlementState| {
            let inputs: BTreeSet<OutPoint> = settlement.plan.outpoints().collect();
            settlement.plan.terms().kind() == terms.kind()
                && settlement.fully_signed()
                && terms.inputs().iter().all(|input| inputs.contains(&input.outpoint))
                && self.is_broken(settlement, tip)
        };
        if self.settlements.values().any(rebuilds) { Ok(()) } else { Err(too_late) }
    }
}

fn outpoints_of(chunk: &settlement::Chunk) -> impl Iterator<Item = OutPoint> {
    chunk.inputs.iter().map(|input| input.term.outpoint)
}
