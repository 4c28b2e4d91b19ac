//! Settlements of a document: whether charter and votes, as recounted, allow what their terms say, and
//! whether every spend by two signers is one of them.

use super::{Findings, ProofDocument, SettlementProof};
use crate::escrow::facts::{SpendPath, Tip};
use crate::escrow::pledge::{Outpoint, Standing, Surplus};
use crate::escrow::settlement::{Chunk, ChunkInput, Kind, Plan, TermInput, Terms};
use crate::escrow::statement::Role;
use crate::escrow::task::Task;
use bitcoin::OutPoint;
use std::collections::BTreeSet;

impl SettlementProof {
    /// Whether two are said to have signed all of it, the arbiter among them if it carries out a ruling.
    pub(super) fn fully_signed(&self) -> bool {
        let ruling = matches!(self.terms.kind(), Kind::Ruling { .. });
        self.signed_by.len() >= 2 && (!ruling || self.signed_by.contains(&Role::Arbiter))
    }
}

/// Checks a settlement that binds: two signers are said to have signed it, or the chain has it. A mere
/// proposal may be overtaken by votes, rulings and reorgs; it is judged when somebody signs. What was
/// right before a reorg, for all that a document can tell, goes to `undone`.
pub(super) fn settlement(
    task: &Task,
    tip: &Tip,
    field: &str,
    proof: &SettlementProof,
    findings: &mut Findings,
    undone: &mut Findings,
) {
    let Some(state) = task.settlements().get(&proof.terms.id()) else { return };
    let spends = || task.outpoints().values().filter_map(|held| held.spend);
    let on_chain = spends().any(|spend| state.plan.has_transaction(&spend.txid));
    if proof.fully_signed() || on_chain {
        let binds = Binds { signed: true, on_chain, gone: gone(task, &state.plan) };
        judge(task, tip, &format!("{field}/terms"), &proof.terms, &binds, (findings, undone));
    }
}

/// What is excused of a settlement that binds.
#[derive(Default)]
struct Binds {
    /// Two have signed it, or it is on the chain; else it is a proposal that somebody is about to sign.
    signed: bool,
    on_chain: bool,
    /// What it spends and is not there.
    gone: BTreeSet<OutPoint>,
}

/// What is not there of what the transactions spend of which nothing is on the chain: a reorg may have taken it, and
/// then they cannot confirm. Whoever signs anything else needs not wait for that.
fn gone(task: &Task, plan: &Plan) -> BTreeSet<OutPoint> {
    let held = |input: &ChunkInput| task.outpoints().get(&input.term.outpoint);
    let sent = |chunk: &Chunk| {
        let spends = chunk.inputs.iter().filter_map(|input| held(input)?.spend);
        spends.into_iter().any(|spend| chunk.forms.iter().any(|form| form.txid == spend.txid))
    };
    let inputs = plan.chunks().iter().filter(|chunk| !sent(chunk)).flat_map(|chunk| &chunk.inputs);
    inputs.filter(|input| held(input).is_none()).map(|input| input.term.outpoint).collect()
}

/// Whether a reorg may have made wrong what two signed: what it spends counts as surplus now, or has to be mined again.
/// Who paid surplus cannot be told from who paid it before it was; whoever signs anything else has no part in either.
fn overtaken(binds: &Binds, standing: Option<&Standing>) -> bool {
    let reorganised = matches!(
        standing,
        Some(
            Standing::Seen
                | Standing::Confirming { .. }
                | Standing::Surplus { reason: Surplus::Late | Surplus::OverCap | Surplus::AlreadySettled }
        )
    );
    binds.signed && reorganised
}

/// Compares terms with what charter, pledges and votes say of each outpoint.
pub(super) fn terms(task: &Task, tip: &Tip, field: &str, terms: &Terms, findings: &mut Findings) {
    judge(task, tip, field, terms, &Binds::default(), (findings, &mut Findings::default()));
}

/// The same; what is on the chain may have paid less than would be allowed by now: with several milestones a word
/// on one may come when another was paid and the rest returned.
fn judge(
    task: &Task,
    tip: &Tip,
    field: &str,
    terms: &Terms,
    binds: &Binds,
    (findings, undone): (&mut Findings, &mut Findings),
) {
    let less_is_fine = binds.on_chain && task.charter().milestones() > 1;
    let entitlements = match task.entitlements(&terms.kind(), tip) {
        Ok(entitlements) => entitlements,
        Err(refused) => return findings.add(format!("{field}/for"), refused),
    };
    match task.payees(&terms.kind()) {
        Ok(payees) if payees == terms.payees() => {}
        Ok(_) => findings.add(format!("{field}/payees"), "not those that the submission names"),
        Err(refused) => findings.add(format!("{field}/payees"), refused),
    }
    let standings = task.standings(tip);
    for (at, input) in terms.inputs().iter().enumerate() {
        let field = |name: &str| format!("{field}/inputs/{at}/{name}");
        let Some(held) = task.outpoints().get(&input.outpoint) else {
            let problem = format!("{} pays no address of the task", input.outpoint);
            findings.unless(binds.gone.contains(&input.outpoint), field("outpoint"), problem);
            continue;
        };
        findings.unless(
            held.slot == input.slot,
            field("index"),
            format!("the outpoint is at index {}", held.slot.index),
        );
        let sat = held.amount.to_sat();
        findings.unless(
            held.amount == input.amount,
            field("amount_sat"),
            format!("the outpoint holds {sat} sat"),
        );
        let sponsor = task.pledges().get(&held.slot.index).map(|pledge| pledge.sponsor_key);
        findings.unless(sponsor == input.sponsor_key, field("sponsor_key"), "not the key of the pledge");
        returns(task, &terms.kind(), held, input, &field("return_address"), findings);
        let reorganised = overtaken(binds, standings.get(&input.outpoint));
        let findings = if reorganised { &mut *undone } else { &mut *findings };
        match entitlements.get(&input.outpoint) {
            Some(entitlement) if entitlement.pay == input.pay => {}
            Some(entitlement) if less_is_fine && input.pay < entitlement.pay => {}
            Some(entitlement) => {
                let allowed = entitlement.pay.get();
                let problem = format!(
                    "{} bps; charter and votes allow {allowed} bps ({:?})",
                    input.pay.get(),
                    entitlement.reason
                );
                findings.add(field("pay_bps"), problem);
            }
            None => {
                let standing = standings.get(&input.outpoint).copied().unwrap_or(Standing::Vanished);
                let problem =
                    format!("charter and votes leave {} where it is (it is {standing:?})", input.outpoint);
                findings.add(field("pay_bps"), problem);
            }
        }
    }
}

fn returns(
    task: &Task,
    kind: &Kind,
    held: &Outpoint,
    input: &TermInput,
    field: &str,
    findings: &mut Findings,
) {
    let signed = task.goes_to(kind, held);
    if signed != input.return_address {
        let words = signed.map_or("there is none".to_owned(), |address| format!("it is {address}"));
        findings.add(field, format!("not the address that was signed for returns: {words}"));
    }
}

/// Every spend by the signers must be a transaction of a settlement in the document.
pub(super) fn spends(task: &Task, document: &ProofDocument, findings: &mut Findings) {
    for (at, proof) in document.outpoints.iter().enumerate() {
        let Some(spend) = proof.spend.filter(|spend| spend.path != SpendPath::Refund) else { continue };
        let known = task.settlements().values().any(|state| state.plan.has_transaction(&spend.txid));
        let problem = "two signers spent it in a transaction that no settlement of the document explains";
        findings.unless(known, format!("outpoints/{at}/spend/txid"), problem);
    }
}
