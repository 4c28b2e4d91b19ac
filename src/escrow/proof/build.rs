//! Writing a proof document: which evidence a task needs from the chain, and the document made of both.

use super::{
    AddressClaim, ConfirmationProof, FormClaim, HexHeader, HexTransaction, OutpointProof, PledgeProof,
    ProofDocument, SettlementProof, SpendProof, SubmissionProof, TransactionProof, VERSION,
};
use crate::escrow::ballot::Tally;
use crate::escrow::descriptor::EscrowOutput;
use crate::escrow::facts::{Confirmation, Tip};
use crate::escrow::pledge::Outpoint;
use crate::escrow::settlement::Plan;
use crate::escrow::task::{SettlementState, SubmissionState, Task};
use bitcoin::block::Header;
use bitcoin::{BlockHash, Transaction, TxMerkleNode, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// A median time past is that of eleven blocks: a header and the ten below it (BIP113).
pub(super) const HEADERS_BELOW: u32 = 10;

/// What a document needs from the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Transactions and where they are mined; `None`: in the mempool, to be given if it is to be had.
    pub transactions: BTreeMap<Txid, Option<Confirmation>>,
    /// Heights of headers.
    pub headers: BTreeSet<u32>,
}

/// What was fetched of the [`Needs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Transactions with witnesses; a mined one with its Merkle branch, one in the mempool with none.
    pub transactions: BTreeMap<Txid, (Transaction, Vec<TxMerkleNode>)>,
    /// Headers by height, of the best chain.
    pub headers: BTreeMap<u32, Header>,
}

/// Why no document was built: the chain moved on, or something was not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingEvidence {
    /// No such transaction was given.
    #[error("transaction {txid} was not given")]
    Transaction {
        /// The transaction.
        txid: Txid,
    },
    /// The chain that the evidence is of has another block there than the task knows.
    #[error("the header given for height {height} is not the block that the task knows")]
    OtherBlock {
        /// Its height.
        height: u32,
    },
    /// No such header was given.
    #[error("the header at height {height} was not given")]
    Header {
        /// Its height.
        height: u32,
    },
}

/// What the document of `task` under `tip` needs from the chain.
pub fn needs(task: &Task, tip: &Tip) -> Needs {
    let mut needs = Needs::default();
    let mut heights = vec![tip.height];
    for held in present(task) {
        needs.transactions.insert(held.outpoint.txid, held.confirmation);
        if let Some(spend) = held.spend {
            needs.transactions.insert(spend.txid, spend.confirmation);
        }
    }
    heights.extend(needs.transactions.values().flatten().map(|at| at.height));
    heights.extend(named_blocks(task).map(|(height, _)| height));
    for height in heights {
        needs.headers.extend(height.saturating_sub(HEADERS_BELOW)..=height);
    }
    needs
}

/// The blocks that submissions and confirmations name, as they are now.
fn named_blocks(task: &Task) -> impl Iterator<Item = (u32, BlockHash)> {
    task.submissions().iter().flat_map(|state| {
        let confirmed = state.confirmation.as_ref();
        let opened = confirmed.map(|known| (known.signed.statement.block_height, known.block_hash));
        [Some((state.signed.statement.block_height, state.block_hash)), opened].into_iter().flatten()
    })
}

/// What vanished proves nothing and counts for nothing.
fn present(task: &Task) -> impl Iterator<Item = &Outpoint> {
    task.outpoints().values().filter(|held| held.present)
}

impl ProofDocument {
    /// The document of `task` under `tip`.
    ///
    /// # Errors
    /// If `evidence` does not have what [`needs`] names, or is of another chain than the task's facts.
    pub fn build(task: &Task, tip: &Tip, evidence: &Evidence) -> Result<ProofDocument, MissingEvidence> {
        let needs = needs(task, tip);
        same_chain(task, tip, &needs, evidence)?;
        let standings = task.standings(tip);
        let electorate = task.electorate(tip);
        let outpoints = present(task).filter_map(|held| {
            Some(OutpointProof {
                outpoint: held.outpoint,
                index: held.slot.index,
                generation: held.slot.generation,
                amount_sat: held.amount.to_sat(),
                secured: held.secured(),
                spend: held.spend.map(|s| SpendProof { txid: s.txid, vin: s.vin, path: s.path }),
                standing: *standings.get(&held.outpoint)?,
            })
        });
        let pledges = task.pledges().values().map(|pledge| PledgeProof {
            index: pledge.index,
            sponsor_key: pledge.sponsor_key,
            refund_address: pledge.refund_address.to_string(),
            signature: pledge.signature,
            promised_sat: pledge.promised.to_sat(),
            issued_mtp_secs: pledge.at_mtp_secs,
        });
        let header = |height: &u32| {
            let header = evidence.headers.get(height).ok_or(MissingEvidence::Header { height: *height })?;
            Ok((*height, HexHeader(*header)))
        };
        Ok(ProofDocument {
            version: VERSION,
            charter_id: task.id(),
            charter: String::from_utf8_lossy(task.charter().bytes()).into_owned(),
            text: task.text().to_owned(),
            attestations: task.attestations().clone(),
            opened: task.opened(),
            tip: *tip,
            addresses: outputs(task).iter().map(address_claim).collect(),
            pledges: pledges.collect(),
            outpoints: outpoints.collect(),
            transactions: transactions(&needs, evidence)?,
            headers: needs.headers.iter().map(header).collect::<Result<_, _>>()?,
            moves: task
                .moves()
                .iter()
                .filter(|((outpoint, _), _)| task.outpoints().get(outpoint).is_some_and(|held| held.present))
                .map(|(_, consent)| consent.clone())
                .collect(),
            late_moves: present(task)
                .filter_map(|held| held.late_move.as_ref())
                .map(|late| late.consent().clone())
                .collect(),
            submissions: task
                .submissions()
                .iter()
                .map(|state| submission(state, task.tally_of(state, &electorate)))
                .collect(),
            settlements: task.settlements().values().map(settlement).collect(),
            totals: task.totals(tip),
        })
    }
}

/// A document of two chains would be refused by whoever reads it: better say so to who writes it.
fn same_chain(task: &Task, tip: &Tip, needs: &Needs, evidence: &Evidence) -> Result<(), MissingEvidence> {
    let mined = needs.transactions.values().flatten().map(|at| (at.height, at.block_hash));
    for (height, hash) in mined.chain(named_blocks(task)).chain([(tip.height, tip.hash)]) {
        let header = evidence.headers.get(&height).ok_or(MissingEvidence::Header { height })?;
        if header.block_hash() != hash {
            return Err(MissingEvidence::OtherBlock { height });
        }
    }
    Ok(())
}

fn transactions(
    needs: &Needs,
    evidence: &Evidence,
) -> Result<BTreeMap<Txid, TransactionProof>, MissingEvidence> {
    let mut proofs = BTreeMap::new();
    for (txid, confirmation) in &needs.transactions {
        let proof = match (evidence.transactions.get(txid), confirmation) {
            (Some((transaction, branch)), _) => TransactionProof {
                raw: Some(HexTransaction(transaction.clone())),
                confirmation: *confirmation,
                branch: if confirmation.is_some() { branch.clone() } else { Vec::new() },
            },
            (None, None) => TransactionProof { raw: None, confirmation: None, branch: Vec::new() },
            (None, Some(_)) => return Err(MissingEvidence::Transaction { txid: *txid }),
        };
        proofs.insert(*txid, proof);
    }
    Ok(proofs)
}

/// The outputs whose addresses were issued, by index and generation, the open one first.
fn outputs(task: &Task) -> Vec<EscrowOutput> {
    let open = task.opened().then(|| task.open_output().clone());
    let pledges = task.pledges().values().map(|pledge| pledge.output.clone());
    let mut outputs: Vec<EscrowOutput> =
        open.into_iter().chain(pledges).chain(task.later_outputs().cloned()).collect();
    outputs.sort_by_key(|output| output.slot);
    outputs
}

pub(super) fn address_claim(output: &EscrowOutput) -> AddressClaim {
    AddressClaim {
        index: output.slot.index,
        generation: output.slot.generation,
        script_pubkey: output.script_pubkey.clone(),
        address: output.address.to_string(),
        descriptor: output.descriptor(),
    }
}

fn submission(state: &SubmissionState, tally: Tally) -> SubmissionProof {
    SubmissionProof {
        id: state.id,
        submission: state.signed.clone(),
        block_hash: state.block_hash,
        block_mtp_secs: state.block_mtp_secs,
        confirmation: state.confirmation.as_ref().map(|known| ConfirmationProof {
            confirmation: known.signed.clone(),
            block_hash: known.block_hash,
            block_mtp_secs: known.block_mtp_secs,
        }),
        votes: state.votes.clone(),
        acceptance: state.acceptance.clone(),
        ruling: state.ruling.clone(),
        evidence: state.evidence.clone(),
        tally,
    }
}

fn settlement(state: &SettlementState) -> SettlementProof {
    SettlementProof {
        id: state.plan.id(),
        terms: state.plan.terms().clone(),
        signed_by: state.signatures.roles_done(),
        proposed_mtp_secs: state.at_mtp_secs,
        transactions: form_claims(&state.plan),
    }
}

pub(super) fn form_claims(plan: &Plan) -> Vec<Vec<FormClaim>> {
    let claim = |form: &crate::escrow::settlement::Form| FormClaim {
        feerate_sat_per_vb: form.feerate_sat_per_vb,
        fee_sat: form.fee.to_sat(),
        txid: form.txid,
    };
    plan.chunks().iter().map(|chunk| chunk.forms.iter().map(claim).collect()).collect()
}
