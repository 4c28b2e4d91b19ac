//! Folding events into state. Events were checked before they were written; on replay they are checked
//! again, so that a journal from elsewhere cannot smuggle anything in.

use super::super::signature::Speaker;
use super::{ConfirmationState, SettlementState, SubmissionState, Task};
use crate::escrow::ballot::CastVote;
use crate::escrow::charter::{Charter, CharterError, address};
use crate::escrow::descriptor::{Contract, DescriptorError, Slot};
use crate::escrow::event::Event;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{LateMove, Outpoint, Pledge};
use crate::escrow::refund::{BundleError, Ladder, RefundBundle, RefundSignatures, RefundTarget};
use crate::escrow::settlement::{self, PlanError, SignatureError, Signatures, Terms};
use crate::escrow::statement::{BadSignature, Digest, Move, Role, SettlementId, Signed};
use bitcoin::secp256k1::{Secp256k1, XOnlyPublicKey};
use bitcoin::{Amount, OutPoint};
use std::collections::BTreeMap;

/// Unsigned proposals kept of one purpose and feerate: an offline signer may still bring back one of these when
/// pledges or votes have come since.
const MAX_UNSIGNED: usize = 4;

/// An event that cannot have happened in this state: the journal was written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A task begins with its charter, once.
    #[error("the task was drafted twice, or not at all")]
    NotTheFirst,
    /// The charter is not valid.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The text is not the one the charter names.
    #[error("the text does not have the hash that the charter names")]
    TextHash,
    /// The keys make no address.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// A signature does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A refund does not verify.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Terms make no transaction.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A settlement's signatures do not verify.
    #[error(transparent)]
    SettlementSignature(#[from] SignatureError),
    /// It names something that is not there.
    #[error("it names {what}, which is not there")]
    Unknown {
        /// What.
        what: &'static str,
    },
}

const fn unknown(what: &'static str) -> ApplyError {
    ApplyError::Unknown { what }
}

impl Task {
    /// The task as it is when its charter was just written down.
    pub fn draft(charter: &str, text: &str) -> Result<Task, ApplyError> {
        let charter = Charter::parse(charter.as_bytes())?;
        if Digest::of(text.as_bytes()) != charter.fields().text_hash {
            return Err(ApplyError::TextHash);
        }
        let secp = Secp256k1::new();
        let contract = Contract::new(&charter)?;
        let open_output = contract.open(&secp);
        Ok(Task {
            charter,
            contract,
            text: text.to_owned(),
            open_output,
            attestations: BTreeMap::new(),
            opened: false,
            pledges: BTreeMap::new(),
            outpoints: BTreeMap::new(),
            submissions: Vec::new(),
            settlements: BTreeMap::new(),
            prepared: BTreeMap::new(),
            moves: BTreeMap::new(),
            later: BTreeMap::new(),
            origins: BTreeMap::new(),
            mtp_secs: 0,
            drafted_by: None,
            acts: super::Acts::default(),
            secp,
        })
    }

    /// Notes which identity asked for it.
    pub fn drafted_for(&mut self, identity: Option<XOnlyPublicKey>) {
        self.drafted_by = identity;
    }

    /// Notes the tip that the facts before it were read under.
    pub fn apply_tip(&mut self, tip: &Tip) {
        self.mtp_secs = tip.mtp_secs;
    }

    /// Folds one event.
    pub fn apply(&mut self, event: &Event) -> Result<(), ApplyError> {
        match event {
            Event::TaskDrafted { .. } => return Err(ApplyError::NotTheFirst),
            Event::CharterAttested { role, signature } => {
                self.charter.verify_attestation(&self.secp, *role, signature)?;
                self.attestations.insert(*role, *signature);
            }
            Event::TaskOpened => {
                if self.attestations.len() != Role::ALL.len() {
                    return Err(unknown("an attestation"));
                }
                self.opened = true;
            }
            Event::PledgeIssued { index, sponsor_key, refund_address, signature, amount, at_mtp_secs } => {
                if *index != self.next_index() {
                    return Err(unknown("a pledge index out of turn"));
                }
                let refund_address = address("refund_address", refund_address, self.charter.network())?;
                let pledge = Pledge {
                    index: *index,
                    sponsor_key: *sponsor_key,
                    output: self.contract.pledge(&self.secp, Slot::pledge(*index), *sponsor_key)?,
                    refund_address,
                    signature: *signature,
                    promised: *amount,
                    at_mtp_secs: *at_mtp_secs,
                };
                let speaker = Speaker::sponsor(*sponsor_key);
                speaker.verify(&self.secp, &self.pledge_statement(&pledge), signature)?;
                self.pledges.insert(*index, pledge);
            }
            Event::OutpointSeen { slot, outpoint, amount, coinbase, confirmation } => {
                // It may come back after a reorg: the refund signed for it is still good.
                let before = self.outpoints.remove(outpoint);
                let same = before.as_ref().filter(|held| (held.slot, held.amount) == (*slot, *amount));
                let late_move = same.and_then(|held| held.late_move.clone());
                let refund = before.and_then(|held| held.refund);
                let refund = refund.filter(|refund| refund.target().amount() == *amount);
                // Or it was signed for what a settlement was going to make.
                let refund = refund.or_else(|| self.prepared.get(&(*slot, *outpoint, *amount)).cloned());
                self.outpoints.insert(
                    *outpoint,
                    Outpoint {
                        outpoint: *outpoint,
                        slot: *slot,
                        amount: *amount,
                        coinbase: *coinbase,
                        present: true,
                        confirmation: *confirmation,
                        spend: None,
                        refund,
                        late_move,
                    },
                );
            }
            Event::OutpointConfirmed { outpoint, confirmation } => {
                self.outpoint_mut(outpoint)?.confirmation = Some(*confirmation);
            }
            Event::OutpointUnconfirmed { outpoint } => self.outpoint_mut(outpoint)?.confirmation = None,
            Event::OutpointVanished { outpoint } => {
                let held = self.outpoint_mut(outpoint)?;
                held.present = false;
                held.confirmation = None;
                held.spend = None;
            }
            Event::OutpointSpent { spend } => self.outpoint_mut(&spend.prevout)?.spend = Some(*spend),
            Event::OutpointUnspent { outpoint } => self.outpoint_mut(outpoint)?.spend = None,
            Event::RefundSecured { refund } => {
                let held = self.outpoints.get(&refund.outpoint).ok_or(unknown("an outpoint"))?;
                let target = self.refund_target(held).ok_or(unknown("a refund of a gift"))?;
                let bundle = RefundBundle::check(&self.secp, target, refund.clone())?;
                self.outpoint_mut(&refund.outpoint)?.refund = Some(bundle);
            }
            Event::RefundPrepared { slot, refund } => {
                let target = self.prepared_target(*slot, refund).ok_or(unknown("a pledge"))?;
                let bundle = RefundBundle::check(&self.secp, target, refund.clone())?;
                self.prepared.insert((*slot, refund.outpoint, bundle.target().amount()), bundle);
            }
            Event::MoveSigned { consent } => {
                let said = &consent.statement;
                let held = self.outpoints.get(&said.outpoint).ok_or(unknown("an outpoint"))?;
                let pledge = self.pledges.get(&held.slot.index).ok_or(unknown("a pledge"))?;
                consent.verify(&self.secp, &Speaker::sponsor(pledge.sponsor_key))?;
                address("to_address", &said.to_address, self.charter.network())?;
                self.moves.insert((said.outpoint, said.to_charter), consent.clone());
            }
            Event::LateMoveSigned { consent, refund } => {
                let target = self.late_target(consent).map_err(|_| unknown("a move from T on"))?;
                let bundle = RefundBundle::check(&self.secp, target, refund.clone())?;
                // What its pair brings has no refund: it is never sent, nor kept.
                self.keep_late_move(consent, Ladder::of(&bundle))?;
            }
            Event::LateLadderSigned { consent, ladder } => {
                let target = self.late_target(consent).map_err(|_| unknown("a move from T on"))?;
                let ladder = Ladder::check(&self.secp, target, ladder.clone())?;
                self.keep_late_move(consent, Some(ladder))?;
            }
            Event::WorkSubmitted { submission, block_mtp_secs } => {
                let speaker = self.charter.submitter(&submission.statement).ok_or(unknown("a leader"))?;
                submission.verify(&self.secp, &speaker)?;
                self.submissions.push(SubmissionState {
                    id: submission.statement.id(),
                    signed: submission.clone(),
                    block_hash: submission.statement.block_hash,
                    block_mtp_secs: *block_mtp_secs,
                    confirmation: None,
                    votes: Vec::new(),
                    acceptance: None,
                    ruling: None,
                    evidence: Vec::new(),
                });
            }
            Event::SubmissionBlockMoved { submission, block_hash, block_mtp_secs } => {
                let state = self.submission_mut(submission)?;
                state.block_hash = *block_hash;
                state.block_mtp_secs = *block_mtp_secs;
            }
            Event::MergeConfirmed { confirmation, block_mtp_secs } => {
                let speaker = self.charter.leader_speaker().ok_or(unknown("a leader"))?;
                confirmation.verify(&self.secp, &speaker)?;
                let state = self.submission_mut(&confirmation.statement.submission)?;
                state.confirmation = Some(ConfirmationState {
                    signed: confirmation.clone(),
                    block_hash: confirmation.statement.block_hash,
                    block_mtp_secs: *block_mtp_secs,
                });
            }
            Event::ConfirmationBlockMoved { submission, block_hash, block_mtp_secs } => {
                let state = self.submission_mut(submission)?.confirmation.as_mut();
                let state = state.ok_or(unknown("a confirmation"))?;
                state.block_hash = *block_hash;
                state.block_mtp_secs = *block_mtp_secs;
            }
            Event::VoteCast { vote, receipt } => {
                let pledge = self.pledges.get(&vote.statement.pledge).ok_or(unknown("a pledge"))?;
                vote.verify(&self.secp, &Speaker::sponsor(pledge.sponsor_key))?;
                receipt.verify(&self.secp, &self.charter.receipts())?;
                let cast = CastVote { vote: vote.clone(), receipt: Some(receipt.clone()) };
                self.submission_mut(&vote.statement.submission)?.votes.push(cast);
            }
            Event::WorkJudged { acceptance } => {
                acceptance.verify(&self.secp, &self.charter.speaker(Role::Representative))?;
                self.submission_mut(&acceptance.statement.submission)?.acceptance = Some(acceptance.clone());
            }
            Event::NoesRuled { ruling } => {
                ruling.verify(&self.secp, &self.charter.speaker(Role::Arbiter))?;
                self.submission_mut(&ruling.statement.submission)?.ruling = Some(ruling.clone());
            }
            Event::EvidenceGiven { evidence } => {
                let speaker = self.speaker(evidence.statement.by).ok_or(unknown("a party"))?;
                evidence.verify(&self.secp, &speaker)?;
                self.submission_mut(&evidence.statement.submission)?.evidence.push(evidence.clone());
            }
            Event::SettlementProposed { terms } => {
                let plan = settlement::plan(&self.secp, &self.charter, &self.contract, terms)?;
                let state = SettlementState {
                    signatures: Signatures::new(&plan),
                    plan,
                    // Not their count: a lapsed one that is proposed again moves to the end.
                    number: self.settlements.values().map(|s| s.number + 1).max().unwrap_or(0),
                    at_mtp_secs: self.mtp_secs,
                    broadcasts: BTreeMap::new(),
                };
                self.note_origins(&state.plan);
                self.settlements.insert(terms.id(), state);
            }
            Event::SettlementSigned { settlement, signatures } => {
                let state = self.settlements.get_mut(settlement).ok_or(unknown("a settlement"))?;
                let checked = state.plan.check_signatures(&self.secp, signatures)?;
                state.signatures.merge(&checked).map_err(|_| unknown("another settlement"))?;
            }
            Event::SettlementBroadcast { settlement, chunk, form, height } => {
                let state = self.settlements.get_mut(settlement).ok_or(unknown("a settlement"))?;
                state.broadcasts.insert(*chunk, (*form, *height));
            }
        }
        self.acts.note(event, self.mtp_secs);
        Ok(())
    }

    /// Keeps what a sponsor signed for T; without its ladder for whoever reads a proof document.
    pub(in crate::escrow) fn keep_late_move(
        &mut self,
        consent: &Signed<Move>,
        ladder: Option<Ladder>,
    ) -> Result<(), ApplyError> {
        let outpoint = consent.statement.outpoint;
        let held = self.outpoints.get(&outpoint).ok_or(unknown("an outpoint"))?;
        let pledge = self.pledges.get(&held.slot.index).ok_or(unknown("a pledge"))?;
        consent.verify(&self.secp, &Speaker::sponsor(pledge.sponsor_key))?;
        let target = self.late_target(consent).map_err(|_| unknown("a move from T on"))?;
        self.outpoint_mut(&outpoint)?.late_move = Some(LateMove::new(consent.clone(), &target, ladder));
        Ok(())
    }

    /// Of the proposals for the same purpose at the same feerate, the last few that nobody has signed are kept:
    /// with the steps of the feerate, strangers can make only so many, and can keep nobody from making one.
    /// For the book, which folds signatures too; a proof document's proposals are all kept.
    pub fn drop_unsigned(&mut self, terms: &Terms) {
        let same = |state: &SettlementState| {
            let other = state.plan.terms();
            // Two may have signed it elsewhere: what explains a spend is never forgotten.
            let explains =
                |held: &Outpoint| held.spend.is_some_and(|spend| state.plan.has_transaction(&spend.txid));
            state.signatures.is_empty()
                && !self.outpoints.values().any(explains)
                && other.kind() == terms.kind()
                && other.feerate_sat_per_vb() == terms.feerate_sat_per_vb()
        };
        let mut numbers: Vec<usize> =
            self.settlements.values().filter(|state| same(state)).map(|state| state.number).collect();
        numbers.sort_unstable();
        let Some(at) = numbers.len().checked_sub(MAX_UNSIGNED + 1) else { return };
        let last_dropped = numbers[at];
        let dropped: Vec<SettlementId> = self
            .settlements
            .iter()
            .filter(|(_, state)| same(state) && state.number <= last_dropped)
            .map(|(id, _)| *id)
            .collect();
        dropped.iter().for_each(|id| drop(self.settlements.remove(id)));
    }

    /// What refunding an output that does not exist yet means; `None` where there is no such pledge.
    pub(super) fn prepared_target(&self, slot: Slot, refund: &RefundSignatures) -> Option<RefundTarget> {
        let amount = Amount::from_sat(refund.amount_sat);
        let pledge = self.pledges.get(&slot.index).filter(|_| amount <= Amount::MAX_MONEY)?;
        let output = self.output(slot)?;
        RefundTarget::new(output, refund.outpoint, amount, &pledge.refund_address).ok()
    }

    /// The statement behind an issued pledge.
    pub fn pledge_statement(&self, pledge: &Pledge) -> crate::escrow::statement::Pledge {
        crate::escrow::statement::Pledge {
            network: self.charter.network(),
            charter: self.id(),
            index: pledge.index,
            sponsor_key: pledge.sponsor_key,
            refund_address: pledge.refund_address.clone(),
        }
    }

    fn outpoint_mut(&mut self, outpoint: &OutPoint) -> Result<&mut Outpoint, ApplyError> {
        self.outpoints.get_mut(outpoint).ok_or(unknown("an outpoint"))
    }

    fn submission_mut(
        &mut self,
        id: &crate::escrow::statement::SubmissionId,
    ) -> Result<&mut SubmissionState, ApplyError> {
        self.submissions.iter_mut().find(|state| state.id == *id).ok_or(unknown("a submission"))
    }
}
