//! Checking a document without a chain: first every signature, branch and header by itself, then the
//! task folded from the same events that a journal holds, then the claims against what follows.

use super::build::{address_claim, form_claims};
use super::{AddressClaim, Finding, Findings, ProofDocument, VERSION, claims, mined, said, settled};
use crate::escrow::ballot::Tally;
use crate::escrow::charter::Charter;
use crate::escrow::descriptor::{Contract, EscrowOutput, MAX_GENERATION, Slot};
use crate::escrow::event::Event;
use crate::escrow::facts::{Spend, Tip};
use crate::escrow::pledge::{Standing, Totals};
use crate::escrow::statement::SubmissionId;
use crate::escrow::task::{self, Task};
use bitcoin::secp256k1::{All, Secp256k1, XOnlyPublicKey};
use bitcoin::{Amount, OutPoint};
use std::collections::BTreeMap;

/// A document that holds together, and what follows from it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The task, folded anew.
    pub task: Task,
    /// The tip everything is computed under.
    pub tip: Tip,
    /// What each outpoint counts as.
    pub standings: BTreeMap<OutPoint, Standing>,
    /// Sums over the outpoints. `secured` is the service's word.
    pub totals: Totals,
    /// The count of each submission, in their order.
    pub tallies: Vec<(SubmissionId, Tally)>,
}

/// Checks a document, purely from itself.
///
/// # Errors
/// Everything that is not so. Later steps are left out where earlier ones failed.
pub fn check(document: &ProofDocument) -> Result<Checked, Vec<Finding>> {
    let Examined { checked, mut findings, undone, .. } = examine(document);
    findings.extend(undone);
    checked.filter(|_| findings.is_empty()).ok_or(findings)
}

/// The same for who is about to sign: what two signed before a reorg keeps nobody from signing what charter and votes allow
/// now.
pub(super) fn check_to_sign(document: &ProofDocument) -> Result<Checked, Vec<Finding>> {
    let Examined { checked, findings, .. } = examine(document);
    checked.ok_or(findings)
}

/// As far as a document can be read, sound or not.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The addresses that its charter, indexes and keys derive.
    pub outputs: BTreeMap<Slot, EscrowOutput>,
    /// Present exactly if there are no findings, but those that a reorg may have made.
    pub checked: Option<Checked>,
    /// What is not so.
    pub findings: Vec<Finding>,
    /// Settlements that two signed of what counts as surplus, or is not deep enough: by a reorg, or against the charter.
    pub undone: Vec<Finding>,
}

/// What statements and transactions are checked against.
pub(super) struct Ground<'a> {
    pub document: &'a ProofDocument,
    pub charter: Charter,
    pub outputs: BTreeMap<Slot, EscrowOutput>,
    pub secp: Secp256k1<All>,
}

impl Ground<'_> {
    /// S of a pledge.
    pub fn sponsor(&self, index: u32) -> Option<XOnlyPublicKey> {
        self.outputs.get(&Slot::pledge(index))?.sponsor_key
    }
}

/// As [`check`], for whoever goes on to ask a chain: says what could be read of an unsound document too.
pub fn examine(document: &ProofDocument) -> Examined {
    let mut findings = Findings::default();
    let refuse = |field: &str, problem: String| Examined {
        outputs: BTreeMap::new(),
        checked: None,
        findings: vec![Finding { field: field.into(), problem }],
        undone: Vec::new(),
    };
    if document.version != VERSION {
        return refuse("version", format!("{}; this program reads {VERSION}", document.version));
    }
    let secp = Secp256k1::new();
    let read = Charter::parse(document.charter.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|charter| Contract::new(&charter).map(|c| (charter, c)).map_err(|error| error.to_string()));
    let (charter, contract) = match read {
        Ok(read) => read,
        Err(problem) => return refuse("charter", problem),
    };
    if let Err(refused) = task::draft(document.charter.as_bytes(), &document.text, None) {
        let field = if matches!(refused, task::Refused::TextHash) { "text" } else { "charter" };
        findings.add(field, refused);
    }
    findings.unless(
        document.charter_id == charter.id(),
        "charter_id",
        format!("the charter's is {}", charter.id()),
    );
    said::attestations(document, &charter, &secp, &mut findings);
    mined::chain(document, &charter, &mut findings);
    let mut outputs = said::pledges(document, &charter, &contract, &secp, &mut findings);
    later_outputs(document, &contract, &secp, &mut outputs);
    let ground = Ground { document, charter, outputs, secp };
    mined::outpoints(&ground, &mut findings);
    said::submissions(&ground, &mut findings);
    said::moves(&ground, &mut findings);
    let issued = ground.outputs.values().filter(|output| document.opened || output.slot != Slot::OPEN);
    let addresses: Vec<AddressClaim> = issued.map(address_claim).collect();
    claims::compare("addresses", &document.addresses, &addresses, &mut findings);

    let (mut checked, mut undone) = (None, Findings::default());
    if findings.0.is_empty() {
        let task = fold(document, &mut findings);
        checked = task.map(|task| conclude(document, task, &mut findings, &mut undone));
    }
    let checked = checked.filter(|_| findings.0.is_empty());
    Examined { outputs: ground.outputs, checked, findings: findings.0, undone: undone.0 }
}

/// The addresses that settlements were proposed to leave money at, up to the latest generation of each pledge.
fn later_outputs(
    document: &ProofDocument,
    contract: &Contract,
    secp: &Secp256k1<All>,
    outputs: &mut BTreeMap<Slot, EscrowOutput>,
) {
    let splits = document.settlements.iter().filter(|proof| proof.terms.kind().leaves_remainder());
    let next = splits.flat_map(|proof| proof.terms.inputs()).map(|input| {
        let Slot { index, generation } = input.slot;
        (index, generation.saturating_add(1))
    });
    // Also those of proposals that were dropped since; each is derived anew and compared.
    let claimed = document.addresses.iter().map(|claim| (claim.index, claim.generation));
    let mut latest: BTreeMap<u32, u32> = BTreeMap::new();
    for (index, generation) in next.chain(claimed.filter(|(_, generation)| *generation > 0)) {
        let kept = latest.entry(index).or_default();
        *kept = (*kept).max(generation);
    }
    for (index, latest) in latest {
        let Some(key) = outputs.get(&Slot::pledge(index)).and_then(|output| output.sponsor_key) else {
            continue;
        };
        for generation in 1..=latest.min(MAX_GENERATION) {
            let slot = Slot { index, generation };
            outputs.extend(contract.pledge(secp, slot, key).map(|output| (slot, output)));
        }
    }
}

/// The task, by the code that serves a journal.
fn fold(document: &ProofDocument, findings: &mut Findings) -> Option<Task> {
    let mut task = match Task::draft(&document.charter, &document.text) {
        Ok(task) => task,
        Err(error) => {
            findings.add("charter", error);
            return None;
        }
    };
    let before = findings.0.len();
    for (field, event) in events(document) {
        if let Err(error) = task.apply(&event) {
            findings.add(field, error);
        }
    }
    for (at, consent) in document.late_moves.iter().enumerate() {
        if let Err(error) = task.keep_late_move(consent, None) {
            findings.add(format!("late_moves/{at}"), error);
        }
    }
    // What was proposed first says where a rest comes from; documents list settlements by id.
    let mut proposed: Vec<_> = document.settlements.iter().enumerate().collect();
    proposed.sort_by_key(|(_, proof)| proof.proposed_mtp_secs);
    for (at, proof) in proposed {
        task.apply_tip(&Tip { mtp_secs: proof.proposed_mtp_secs, ..document.tip });
        if let Err(error) = task.apply(&Event::SettlementProposed { terms: proof.terms.clone() }) {
            findings.add(format!("settlements/{at}/terms"), error);
        }
    }
    task.apply_tip(&document.tip);
    (findings.0.len() == before).then_some(task)
}

/// The events that lead to the task of the document, but for settlements; each with the field it comes from.
fn events(document: &ProofDocument) -> Vec<(String, Event)> {
    let mut events = Vec::new();
    for (role, signature) in &document.attestations {
        let event = Event::CharterAttested { role: *role, signature: *signature };
        events.push((format!("attestations/{role}"), event));
    }
    if document.opened {
        events.push(("opened".into(), Event::TaskOpened));
    }
    for (at, pledge) in document.pledges.iter().enumerate() {
        let event = Event::PledgeIssued {
            index: pledge.index,
            sponsor_key: pledge.sponsor_key,
            refund_address: pledge.refund_address.clone(),
            signature: pledge.signature,
            amount: Amount::from_sat(pledge.promised_sat),
            at_mtp_secs: pledge.issued_mtp_secs,
        };
        events.push((format!("pledges/{at}"), event));
    }
    for (at, proof) in document.outpoints.iter().enumerate() {
        let OutPoint { txid, .. } = proof.outpoint;
        let event = Event::OutpointSeen {
            slot: Slot { index: proof.index, generation: proof.generation },
            outpoint: proof.outpoint,
            amount: Amount::from_sat(proof.amount_sat),
            coinbase: document.raw(&txid).is_some_and(|raw| raw.is_coinbase()),
            confirmation: document.confirmation(&txid),
        };
        events.push((format!("outpoints/{at}"), event));
        if let Some(spend) = &proof.spend {
            let spend = Spend {
                prevout: proof.outpoint,
                txid: spend.txid,
                vin: spend.vin,
                path: spend.path,
                confirmation: document.confirmation(&spend.txid),
            };
            events.push((format!("outpoints/{at}/spend"), Event::OutpointSpent { spend }));
        }
    }
    for (at, consent) in document.moves.iter().enumerate() {
        events.push((format!("moves/{at}"), Event::MoveSigned { consent: consent.clone() }));
    }
    for (at, proof) in document.submissions.iter().enumerate() {
        let field = format!("submissions/{at}");
        let submission = proof.submission.clone();
        events
            .push((field.clone(), Event::WorkSubmitted { submission, block_mtp_secs: proof.block_mtp_secs }));
        if proof.block_hash != proof.submission.statement.block_hash {
            let event = Event::SubmissionBlockMoved {
                submission: proof.id,
                block_hash: proof.block_hash,
                block_mtp_secs: proof.block_mtp_secs,
            };
            events.push((format!("{field}/block_hash"), event));
        }
        if let Some(known) = &proof.confirmation {
            let field = format!("{field}/confirmation");
            let (confirmation, block_mtp_secs) = (known.confirmation.clone(), known.block_mtp_secs);
            let moved = known.block_hash != confirmation.statement.block_hash;
            events.push((field.clone(), Event::MergeConfirmed { confirmation, block_mtp_secs }));
            if moved {
                let (submission, block_hash) = (proof.id, known.block_hash);
                let event = Event::ConfirmationBlockMoved { submission, block_hash, block_mtp_secs };
                events.push((format!("{field}/block_hash"), event));
            }
        }
        for (at, cast) in proof.votes.iter().enumerate() {
            let Some(receipt) = cast.receipt.clone() else { continue };
            events
                .push((format!("{field}/votes/{at}"), Event::VoteCast { vote: cast.vote.clone(), receipt }));
        }
        if let Some(acceptance) = proof.acceptance.clone() {
            events.push((format!("{field}/acceptance"), Event::WorkJudged { acceptance }));
        }
        if let Some(ruling) = proof.ruling.clone() {
            events.push((format!("{field}/ruling"), Event::NoesRuled { ruling }));
        }
        for (at, evidence) in proof.evidence.iter().enumerate() {
            let event = Event::EvidenceGiven { evidence: evidence.clone() };
            events.push((format!("{field}/evidence/{at}"), event));
        }
    }
    events
}

/// Compares every claim with what follows from the task.
fn conclude(document: &ProofDocument, task: Task, findings: &mut Findings, undone: &mut Findings) -> Checked {
    let tip = document.tip;
    let standings = task.standings(&tip);
    for (at, proof) in document.outpoints.iter().enumerate() {
        let Some(standing) = standings.get(&proof.outpoint) else { continue };
        claims::compare(&format!("outpoints/{at}/standing"), &proof.standing, standing, findings);
    }
    let totals = Totals { secured: secured(document), ..task.totals(&tip) };
    claims::compare("totals", &document.totals, &totals, findings);
    let electorate = task.electorate(&tip);
    let mut tallies = Vec::new();
    for (at, (proof, state)) in document.submissions.iter().zip(task.submissions()).enumerate() {
        let tally = task.tally_of(state, &electorate);
        claims::compare(&format!("submissions/{at}/tally"), &proof.tally, &tally, findings);
        tallies.push((state.id, tally));
    }
    for (at, proof) in document.settlements.iter().enumerate() {
        let Some(state) = task.settlements().get(&proof.terms.id()) else { continue };
        let field = format!("settlements/{at}");
        findings.unless(
            proof.id == state.plan.id(),
            format!("{field}/id"),
            format!("of its terms: {}", state.plan.id()),
        );
        claims::compare(
            &format!("{field}/transactions"),
            &proof.transactions,
            &form_claims(&state.plan),
            findings,
        );
        settled::settlement(&task, &tip, &field, proof, findings, undone);
    }
    settled::spends(&task, document, findings);
    Checked { task, tip, standings, totals, tallies }
}

/// What is mined, unspent on the chain, and said to have its refund held.
fn secured(document: &ProofDocument) -> Amount {
    let there = |txid| document.confirmation(txid).is_some();
    document
        .outpoints
        .iter()
        .filter(|proof| proof.secured && there(&proof.outpoint.txid))
        .filter(|proof| !proof.spend.as_ref().is_some_and(|spend| there(&spend.txid)))
        .fold(Amount::ZERO, |sum, proof| sum.checked_add(Amount::from_sat(proof.amount_sat)).unwrap_or(sum))
}
