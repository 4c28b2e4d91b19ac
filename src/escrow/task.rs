//! One task under one charter: its state as a fold of events, and everything that follows from it.
//!
//! [`Task::decide`] (in `decide.rs`) turns a command into events or a refusal, [`Task::apply`] folds an
//! event, [`Task::observe`] (in `observe.rs`) turns what the chain says into events. What the state
//! *means* under a tip (standings, tally, stage, what may be settled) is computed, never stored.

mod apply;
mod cases;
mod decide;
mod entitle;
mod evidence;
mod may;
mod missed;
mod observe;
mod part;
mod refused;
mod silent;
mod stage;
mod underway;

pub use apply::ApplyError;
pub use cases::{Case, CaseState, NoesFate, NoesMoved};
pub use decide::draft;
pub use entitle::{Counted, Entitlement, Reason};
pub(in crate::escrow) use evidence::check_words;
pub use evidence::{MAX_ATTACHMENTS, MAX_EVIDENCE, MAX_EVIDENCE_BYTES};
pub use part::{Origin, Parted};
pub use refused::Refused;
pub use silent::{Acts, Bound, SeatState, Wait, Waiting, Way};
pub use stage::Stage;
pub use underway::{Fate, GRACE_SECS};

use super::ballot::{self, CastVote, Tally, Window, Words};
use super::charter::Charter;
use super::descriptor::{Contract, DescriptorError, EscrowOutput, OPEN_INDEX, Slot};
use super::event::Event;
use super::facts::Tip;
use super::pledge::{self, Ended, Outpoint, Pledge, Standing, Totals};
use super::refund::RefundBundle;
use super::refund::RefundTarget;
use super::settlement::{Plan, Signatures, TermInput};
use super::signature::{Speaker, StatementSignature};
use super::statement::{
    Acceptance, CharterId, Confirmed, Evidence, EvidenceKind, MergeConfirmation, Move, Party, Role, Ruling,
    SettlementId, Signed, Submission, SubmissionId,
};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{All, Secp256k1, XOnlyPublicKey};
use bitcoin::{Address, Amount, OutPoint, ScriptBuf, Txid};
use std::collections::BTreeMap;

/// A submission with everything said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionState {
    /// Its id.
    pub id: SubmissionId,
    /// As the developer signed it.
    pub signed: Signed<Submission>,
    /// Hash of the block now at the named height.
    pub block_hash: bitcoin::BlockHash,
    /// Median time past of that block.
    pub block_mtp_secs: u32,
    /// The leader's word that it is merged or released, where the charter waits for that.
    pub confirmation: Option<ConfirmationState>,
    /// Every vote with a valid signature, in order of arrival.
    pub votes: Vec<CastVote>,
    /// The representative's word.
    pub acceptance: Option<Signed<Acceptance>>,
    /// The arbiter's word.
    pub ruling: Option<Signed<Ruling>>,
    /// What was said about it besides, in order of arrival.
    pub evidence: Vec<Signed<Evidence>>,
}

impl SubmissionState {
    /// Whether somebody disputes it. It is a mark for people: no rule about money rests on it.
    pub fn disputed(&self) -> bool {
        self.evidence.iter().any(|signed| signed.statement.kind == EvidenceKind::Dispute)
    }

    /// How much a party has said about it, and the lowest counter that its next words may have.
    pub fn said_by(&self, party: Party) -> (usize, u32) {
        let own = self.evidence.iter().map(|signed| &signed.statement).filter(|said| said.by == party);
        own.fold((0, 0), |(count, next), said| (count + 1, next.max(said.counter.saturating_add(1))))
    }
}

/// The leader's confirmation of a merge or release, with the block that opens the review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmationState {
    /// As the leader signed it.
    pub signed: Signed<MergeConfirmation>,
    /// Hash of the block now at the named height.
    pub block_hash: bitcoin::BlockHash,
    /// Median time past of that block.
    pub block_mtp_secs: u32,
}

/// A settlement with its signatures and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementState {
    /// Its transactions.
    pub plan: Plan,
    /// Signatures so far.
    pub signatures: Signatures,
    /// Higher than that of every one proposed before it: of two that spend the same, the newer goes out.
    pub number: usize,
    /// Median time past when it was proposed.
    pub at_mtp_secs: u32,
    /// Per chunk: the highest form handed out, and the height then.
    pub broadcasts: BTreeMap<u32, (u32, u32)>,
}

/// An output that may come to be, as its refund names it: address, outpoint and value. The address comes first, so that
/// those of one pledge lie together.
pub type Prepared = (Slot, OutPoint, Amount);

/// First line of a task's text, at most 120 characters. The marks of a Markdown heading are not part of it.
pub fn title(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.trim_start_matches('#').trim().chars().take(120).collect()
}

/// A task under one charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    charter: Charter,
    contract: Contract,
    text: String,
    open_output: EscrowOutput,
    attestations: BTreeMap<Role, StatementSignature>,
    opened: bool,
    pledges: BTreeMap<u32, Pledge>,
    outpoints: BTreeMap<OutPoint, Outpoint>,
    submissions: Vec<SubmissionState>,
    settlements: BTreeMap<SettlementId, SettlementState>,
    /// Refunds of outputs that settlements may make here: remainders, and what moves in from other charters.
    prepared: BTreeMap<Prepared, RefundBundle>,
    /// Sponsors' consents to move, by outpoint and charter.
    moves: BTreeMap<(OutPoint, CharterId), Signed<Move>>,
    /// What settlements would leave here, by the outpoint it would have. Also of proposals that were dropped since:
    /// the same transactions can still be signed.
    origins: BTreeMap<OutPoint, Origin>,
    /// Addresses of later generations that settlements were proposed to leave money at. Derived once: they are asked
    /// for with every look at the chain.
    later: BTreeMap<Slot, EscrowOutput>,
    /// Median time past of the last tip applied; settles when a proposal was made.
    mtp_secs: u32,
    drafted_by: Option<XOnlyPublicKey>,
    acts: Acts,
    secp: Secp256k1<All>,
}

impl Task {
    /// The charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The charter's id, which names the task everywhere.
    pub fn id(&self) -> CharterId {
        self.charter.id()
    }

    /// Its addresses.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The text whose hash the charter names.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who has attested.
    pub fn attestations(&self) -> &BTreeMap<Role, StatementSignature> {
        &self.attestations
    }

    /// The identity that wrote it down, where one signed for it.
    pub fn drafted_by(&self) -> Option<XOnlyPublicKey> {
        self.drafted_by
    }

    /// Whether all three have agreed.
    pub fn attested(&self) -> bool {
        self.attestations.len() == Role::ALL.len()
    }

    /// Whether addresses are issued.
    pub fn opened(&self) -> bool {
        self.opened
    }

    /// The open address.
    pub fn open_output(&self) -> &EscrowOutput {
        &self.open_output
    }

    /// Pledges by index.
    pub fn pledges(&self) -> &BTreeMap<u32, Pledge> {
        &self.pledges
    }

    /// Everything that ever paid an address of the task.
    pub fn outpoints(&self) -> &BTreeMap<OutPoint, Outpoint> {
        &self.outpoints
    }

    /// Submissions in order.
    pub fn submissions(&self) -> &[SubmissionState] {
        &self.submissions
    }

    /// One submission.
    pub fn submission(&self, id: &SubmissionId) -> Option<&SubmissionState> {
        self.submissions.iter().find(|submission| submission.id == *id)
    }

    /// Settlements by id.
    pub fn settlements(&self) -> &BTreeMap<SettlementId, SettlementState> {
        &self.settlements
    }

    /// The index the next pledge must sign.
    pub fn next_index(&self) -> u32 {
        self.pledges.last_key_value().map_or(OPEN_INDEX + 1, |(index, _)| index + 1)
    }

    /// The contract's output at `slot`, if it was issued.
    pub fn output(&self, slot: Slot) -> Option<EscrowOutput> {
        if slot == Slot::OPEN {
            return Some(self.open_output.clone());
        }
        let pledge = self.pledges.get(&slot.index)?;
        if slot.generation == 0 {
            return Some(pledge.output.clone());
        }
        if let Some(output) = self.later.get(&slot) {
            return Some(output.clone());
        }
        self.contract.pledge(&self.secp, slot, pledge.sponsor_key).ok()
    }

    /// Every script of the task that must be watched, with its place.
    pub fn scripts(&self) -> Vec<(ScriptBuf, Slot)> {
        let mut scripts = Vec::new();
        if self.opened {
            scripts.push((self.open_output.script_pubkey.clone(), Slot::OPEN));
        }
        scripts.extend(
            self.pledges.values().map(|pledge| (pledge.output.script_pubkey.clone(), pledge.output.slot)),
        );
        scripts.extend(self.later_outputs().map(|output| (output.script_pubkey.clone(), output.slot)));
        scripts
    }

    /// The addresses of later generations that settlements were proposed to leave money at.
    pub fn later_outputs(&self) -> impl Iterator<Item = &EscrowOutput> {
        self.later.values()
    }

    /// Those of one pledge, by generation.
    pub fn later_outputs_of(&self, index: u32) -> impl Iterator<Item = &EscrowOutput> {
        let slot = |generation| Slot { index, generation };
        self.later.range(slot(0)..=slot(u32::MAX)).map(|(_, output)| output)
    }

    /// The scripts that an event which was just folded issued, each to be watched from now on.
    pub fn issued_by(&self, event: &Event) -> Vec<(ScriptBuf, Slot)> {
        let place = |output: EscrowOutput| (output.script_pubkey, output.slot);
        match event {
            Event::TaskOpened => vec![(self.open_output.script_pubkey.clone(), Slot::OPEN)],
            Event::PledgeIssued { index, .. } => {
                self.pledges.get(index).map(|pledge| place(pledge.output.clone())).into_iter().collect()
            }
            Event::SettlementProposed { terms } if terms.kind().leaves_remainder() => {
                let next = |input: &TermInput| Slot { generation: input.slot.generation + 1, ..input.slot };
                terms.inputs().iter().filter_map(|input| self.output(next(input))).map(place).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The refund that was signed for an output before it came to be.
    pub fn prepared(&self, prepared: &Prepared) -> Option<&RefundBundle> {
        self.prepared.get(prepared)
    }

    /// Every refund of an output that may come to be, by pledge.
    pub fn all_prepared(&self) -> &BTreeMap<Prepared, RefundBundle> {
        &self.prepared
    }

    /// Those of one pledge.
    pub fn prepared_of(&self, index: u32) -> impl Iterator<Item = &RefundBundle> {
        let lowest = OutPoint { txid: Txid::from_byte_array([0; 32]), vout: 0 };
        let from = |index| (Slot::pledge(index), lowest, Amount::ZERO);
        self.prepared.range(from(index)..from(index.saturating_add(1))).map(|(_, refund)| refund)
    }

    /// Sponsors' consents to move, by outpoint and charter.
    pub fn moves(&self) -> &BTreeMap<(OutPoint, CharterId), Signed<Move>> {
        &self.moves
    }

    /// The output pledge `index` would have with `sponsor_key`; for checks before it is issued.
    pub fn candidate(
        &self,
        index: u32,
        sponsor_key: bitcoin::secp256k1::XOnlyPublicKey,
    ) -> Result<EscrowOutput, DescriptorError> {
        self.contract.pledge(&self.secp, Slot::pledge(index), sponsor_key)
    }

    /// What refunding an outpoint means; `None` for gifts.
    pub fn refund_target(&self, held: &Outpoint) -> Option<RefundTarget> {
        let pledge = self.pledges.get(&held.slot.index)?;
        let output = self.output(held.slot)?;
        RefundTarget::new(output, held.outpoint, held.amount, &pledge.refund_address).ok()
    }

    /// Where money of `slot` goes when it is returned: the signed refund address, or the pot for gifts.
    pub fn return_address(&self, slot: Slot) -> Option<&Address> {
        if slot.index == OPEN_INDEX {
            return self.charter.pot();
        }
        self.pledges.get(&slot.index).map(|pledge| &pledge.refund_address)
    }

    /// Where each outpoint stands.
    pub fn standings(&self, tip: &Tip) -> BTreeMap<OutPoint, Standing> {
        pledge::standings(&self.charter, tip, &self.outpoints, &self.remainders())
    }

    /// Sums over the outpoints.
    pub fn totals(&self, tip: &Tip) -> Totals {
        self.totals_of(&self.standings(tip))
    }

    /// The same, with the standings at hand.
    pub fn totals_of(&self, standings: &BTreeMap<OutPoint, Standing>) -> Totals {
        pledge::totals(&self.outpoints, standings, &self.remainders(), &self.moved_on())
    }

    /// What counts towards the target: the most that was raised at any time. So a target that was met stays met, also
    /// where money moves to another charter.
    pub fn counted_to_target(&self, standings: &BTreeMap<OutPoint, Standing>) -> Amount {
        pledge::most_raised(&self.charter, &self.outpoints, standings, &self.remainders(), &self.moved_on())
    }

    /// Whether the target was reached under this tip or one before it.
    pub fn target_met(&self, tip: &Tip) -> bool {
        self.counted_to_target(&self.standings(tip)) >= self.charter.target()
    }

    /// How an outpoint ended, or is about to, under `tip`.
    pub fn ended(&self, held: &Outpoint, tip: &Tip) -> Option<Ended> {
        held.spend.map(|spend| pledge::ended(&spend, self.destination(held).is_some(), tip))
    }

    /// The electorate: every credited outpoint of a pledge as it was paid in, also when it has since been paid out
    /// or split.
    pub fn electorate(&self, tip: &Tip) -> Vec<ballot::Weight> {
        let standings = self.standings(tip);
        let credited = |held: &&Outpoint| {
            held.slot.generation == 0 && standings.get(&held.outpoint) == Some(&Standing::Credited)
        };
        self.outpoints
            .values()
            .filter(credited)
            .filter_map(|held| {
                let height = held.confirmation?.height;
                let moved_height = self.moved_height(held);
                Some(ballot::Weight { pledge: held.slot.index, amount: held.amount, height, moved_height })
            })
            .collect()
    }

    /// Under which keys a party's words about a submission verify; `None` if there is no such party.
    pub fn speaker(&self, party: Party) -> Option<Speaker> {
        self.charter.party_speaker(party, |index| Some(self.pledges.get(&index)?.sponsor_key))
    }

    /// When sponsors may vote on a submission; `None` while it waits for its merge or release.
    pub fn window(&self, submission: &SubmissionState) -> Option<Window> {
        let opens_secs = match self.charter.fields().vote_opens.awaits() {
            None => submission.block_mtp_secs,
            Some(_) => submission.confirmation.as_ref()?.block_mtp_secs,
        };
        Some(Window::new(&self.charter, opens_secs))
    }

    /// What the leader must confirm before sponsors vote on a submission; `None` once that is done, or where
    /// the charter asks for nothing.
    pub fn awaits(&self, submission: &SubmissionState) -> Option<Confirmed> {
        self.charter.fields().vote_opens.awaits().filter(|_| submission.confirmation.is_none())
    }

    /// The count of a submission.
    pub fn tally(&self, submission: &SubmissionState, tip: &Tip) -> Tally {
        self.tally_of(submission, &self.electorate(tip))
    }

    /// The same, with the electorate at hand: it is one for all submissions.
    pub fn tally_of(&self, submission: &SubmissionState, electorate: &[ballot::Weight]) -> Tally {
        ballot::tally(
            &self.charter,
            &submission.signed.statement,
            self.window(submission).as_ref(),
            electorate,
            &submission.votes,
        )
    }

    /// What was said about a submission besides votes.
    pub fn words(&self, submission: &SubmissionState, tip: &Tip) -> Words {
        Words {
            accepted: submission.acceptance.as_ref().map(|signed| signed.statement.accepted),
            ruling: submission
                .ruling
                .as_ref()
                .and_then(|signed| super::charter::Bps::new(signed.statement.pay_bps)),
            closed: self.window(submission).is_some_and(|window| window.closed(tip.mtp_secs)),
            awaits_confirmation: self.awaits(submission).is_some(),
        }
    }
}

#[cfg(test)]
pub(in crate::escrow) mod tests;
