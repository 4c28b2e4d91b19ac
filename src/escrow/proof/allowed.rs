//! For a signer, offline: what a settlement does, output by output in words, or why it must not be signed.
//! Votes are recounted from the document; PSBTs are compared with transactions built anew from the terms.

use super::check::{Checked, check_to_sign};
use super::{Finding, Findings, ProofDocument, heard, kept, settled};
use crate::escrow::ballot::CastVote;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Outpoint;
use crate::escrow::refund::RefundSignatures;
use crate::escrow::settlement::{self, Chunk, Form, Kind, OutputKind, Place, Plan, Terms};
use crate::escrow::statement::{Role, SettlementId};
use crate::escrow::task::{Entitlement, GRACE_SECS, Reason, Task};
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::sighash::TapSighashType;
use bitcoin::{Address, Amount, OutPoint, Transaction, TxOut, Txid};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a signer is about to sign. Sign [`Explanation::plan`], never what a PSBT says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its transactions, built anew.
    #[serde(skip)]
    pub plan: Plan,
    /// Its id.
    pub settlement: SettlementId,
    /// The seat that signs.
    pub role: Role,
    /// What for, in words.
    pub purpose: String,
    /// The tip up to which the document knows the chain.
    pub tip: Tip,
    /// What is spent and why, one line an outpoint.
    pub inputs: Vec<String>,
    /// Each transaction at each feerate.
    pub transactions: Vec<TransactionWords>,
}

/// One form of one transaction, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionWords {
    /// Which transaction, at which feerate.
    #[serde(flatten)]
    pub place: Place,
    /// Its txid.
    pub txid: Txid,
    /// What it pays, in satoshis.
    pub fee_sat: u64,
    /// Its size once signed, in virtual bytes.
    pub vsize_vb: u64,
    /// Whether a PSBT of it was given.
    pub given: bool,
    /// Each output.
    pub outputs: Vec<String>,
}

/// Reads what is to be signed and tells what it does, if charter and votes allow it.
///
/// `beside` are terms that the document does not have (yet); without them the settlement is the
/// document's one that the PSBTs belong to. Without PSBTs all of `beside` is meant.
///
/// # Errors
/// Everything that speaks against signing: what is wrong with the document, with a PSBT
/// (`psbts/0/outputs/2`), or with the terms (`terms/inputs/3/pay_bps`).
pub fn allowed(
    document: &ProofDocument,
    beside: Option<&Terms>,
    psbts: &[Psbt],
    role: Role,
) -> Result<Explanation, Vec<Finding>> {
    allowed_hearing(document, beside, psbts, role, &[])
}

/// As [`allowed`], hearing also votes that sponsors handed to the signer directly, with or without the
/// service's receipt: one that the service left out, or that holds money the settlement pays, speaks
/// against signing (`votes/0`).
///
/// # Errors
/// As [`allowed`].
pub fn allowed_hearing(
    document: &ProofDocument,
    beside: Option<&Terms>,
    psbts: &[Psbt],
    role: Role,
    votes: &[CastVote],
) -> Result<Explanation, Vec<Finding>> {
    allowed_beside(document, psbts, role, &Beside { terms: beside, votes, ..Beside::default() })
}

/// What a signer has besides the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Terms that the document does not have (yet).
    pub terms: Option<&'a Terms>,
    /// Votes that sponsors handed over directly.
    pub votes: &'a [CastVote],
    /// Refunds of what the settlement keeps in escrow, or moves to another charter's; pairs are enough.
    pub refunds: &'a [RefundSignatures],
    /// The document of the task that money moves to.
    pub destination: Option<&'a ProofDocument>,
}

/// As [`allowed_hearing`]. A settlement that keeps money in escrow, or moves it to another charter, is allowed only if
/// every form's output has its sponsor's refund (`refunds`), and the pledge it moves to is the sponsor's own under a
/// charter that all have attested (`destination`).
///
/// # Errors
/// As [`allowed`].
pub fn allowed_beside(
    document: &ProofDocument,
    psbts: &[Psbt],
    role: Role,
    beside: &Beside<'_>,
) -> Result<Explanation, Vec<Finding>> {
    let Checked { task, tip, .. } = check_to_sign(document)?;
    let one = |field: &str, problem: String| vec![Finding { field: field.into(), problem }];
    let plan = match beside.terms {
        Some(terms) => {
            let secp = bitcoin::secp256k1::Secp256k1::verification_only();
            settlement::plan(&secp, task.charter(), task.contract(), terms)
                .map_err(|error| one("terms", error.to_string()))?
        }
        None => find(&task, psbts).ok_or_else(|| {
            one(
                "psbts",
                "they belong to no settlement of the document: get a newer document, or the terms".into(),
            )
        })?,
    };
    let mut findings = Findings::default();
    let given: BTreeSet<Txid> = psbts.iter().map(|psbt| psbt.unsigned_tx.compute_txid()).collect();
    for (at, psbt) in psbts.iter().enumerate() {
        compare_psbt(&format!("psbts/{at}"), &plan, psbt, &mut findings);
    }
    settled::terms(&task, &tip, "terms", plan.terms(), &mut findings);
    findings.unless(
        !task.pays_another(&plan),
        "terms/for",
        "its transactions are those of a settlement that was proposed before, for another milestone",
    );
    heard::direct(&task, &tip, &plan, beside.votes, &mut findings);
    kept::refundable(&task, &plan, beside, &mut findings);
    timely(document, &task, &tip, &plan, &mut findings);
    conflicts(document, &task, &tip, &plan, &mut findings);
    if !findings.0.is_empty() {
        return Err(findings.0);
    }
    let entitlements = task
        .entitlements(&plan.terms().kind(), &tip)
        .map_err(|refused| one("terms/for", refused.to_string()))?;
    Ok(Explanation {
        settlement: plan.id(),
        role,
        purpose: purpose(&plan.terms().kind(), role),
        tip,
        inputs: inputs(&task, &plan, &entitlements),
        transactions: plan
            .forms()
            .map(|(place, chunk, form)| words(&task, place, chunk, form, &given))
            .collect(),
        plan,
    })
}

/// The document's settlement that some PSBT belongs to, or that is most like the first.
fn find(task: &Task, psbts: &[Psbt]) -> Option<Plan> {
    let plans = || task.settlements().values().map(|state| &state.plan);
    let txids: Vec<Txid> = psbts.iter().map(|psbt| psbt.unsigned_tx.compute_txid()).collect();
    let has = |plan: &&Plan| txids.iter().any(|txid| plan.has_transaction(txid));
    // Of two that have the same transaction, the one that it pays.
    let exact = plans().filter(has).find(|plan| !task.pays_another(plan)).or_else(|| plans().find(has));
    // A changed output changes the txid; the signer is told which if the inputs are a settlement's.
    let alike = || {
        let first = &psbts.first()?.unsigned_tx;
        plans().find(|plan| plan.chunks().iter().any(|chunk| spends(chunk, first)))
    };
    exact.or_else(alike).cloned()
}

fn spends(chunk: &Chunk, transaction: &Transaction) -> bool {
    let ours: BTreeSet<OutPoint> = chunk.inputs.iter().map(|input| input.term.outpoint).collect();
    let theirs: BTreeSet<OutPoint> = transaction.input.iter().map(|input| input.previous_output).collect();
    ours == theirs
}

/// A PSBT must be one of the plan's transactions, with nothing in it that would mislead a wallet.
fn compare_psbt(field: &str, plan: &Plan, psbt: &Psbt, findings: &mut Findings) {
    let Some(place) = plan.find(&psbt.unsigned_tx.compute_txid()) else {
        return other_transaction(field, plan, &psbt.unsigned_tx, findings);
    };
    let Some(ours) = plan.psbt(place.chunk, place.form) else { return };
    for (at, (ours, theirs)) in ours.inputs.iter().zip(&psbt.inputs).enumerate() {
        let field = |name: &str| format!("{field}/inputs/{at}/{name}");
        findings.unless(
            theirs.witness_utxo.is_none() || theirs.witness_utxo == ours.witness_utxo,
            field("witness_utxo"),
            "not the output that is spent",
        );
        let key = theirs.tap_internal_key;
        findings.unless(
            key.is_none() || key == ours.tap_internal_key,
            field("tap_internal_key"),
            "not the address's",
        );
        let root = theirs.tap_merkle_root;
        findings.unless(
            root.is_none() || root == ours.tap_merkle_root,
            field("tap_merkle_root"),
            "not the address's",
        );
        let leaves =
            theirs.tap_scripts.values().all(|leaf| ours.tap_scripts.values().any(|known| known == leaf));
        findings.unless(leaves, field("tap_scripts"), "a leaf that a settlement does not use");
        let sighash = theirs.sighash_type;
        let default = sighash.is_none_or(|kind| kind == PsbtSighashType::from(TapSighashType::Default));
        findings.unless(default, field("sighash_type"), "settlements are signed with SIGHASH_DEFAULT only");
    }
}

/// Says in what a transaction differs from the plan's one that is most like it.
fn other_transaction(field: &str, plan: &Plan, given: &Transaction, findings: &mut Findings) {
    let Some((_, chunk, _)) = plan.forms().find(|(_, chunk, _)| spends(chunk, given)) else {
        return findings.add(
            format!("{field}/inputs"),
            format!("no transaction of settlement {} spends these", plan.id()),
        );
    };
    let differing = |form: &Form| -> Vec<usize> {
        let outputs = &form.transaction.output;
        (0..outputs.len().max(given.output.len()))
            .filter(|at| outputs.get(*at) != given.output.get(*at))
            .collect()
    };
    let likest = chunk.forms.iter().min_by_key(|form| differing(form).len());
    let Some(form) = likest else { return };
    let differences = differing(form);
    for at in &differences {
        let words = |output: Option<&TxOut>| {
            output.map_or("nothing".to_owned(), |output| {
                format!("{} to script {:x}", sat(output.value), output.script_pubkey)
            })
        };
        let problem = format!(
            "it gives {}; charter and votes give {}",
            words(given.output.get(*at)),
            words(form.transaction.output.get(*at))
        );
        findings.add(format!("{field}/outputs/{at}"), problem);
    }
    if differences.is_empty() {
        findings.add(
            field,
            "its version, locktime, sequences or the order of its inputs are not the settlement's",
        );
    }
}

/// After the cut-off only a rebuild of what two had signed goes on, without an input that was spent or is not there.
/// Gifts have no refund that could be crossed: what moves nothing else may start at any time.
fn timely(document: &ProofDocument, task: &Task, tip: &Tip, plan: &Plan, findings: &mut Findings) {
    let charter = task.charter();
    let gifts_only = plan.terms().inputs().iter().all(|input| input.slot.index == OPEN_INDEX);
    if gifts_only || tip.mtp_secs <= charter.cutoff_secs() {
        return;
    }
    let rebuilds = document.settlements.iter().filter(|proof| proof.fully_signed()).any(|proof| {
        task.settlements().get(&proof.terms.id()).is_some_and(|state| {
            let spent: BTreeSet<OutPoint> = state.plan.outpoints().collect();
            proof.terms.kind() == plan.terms().kind()
                && plan.outpoints().all(|outpoint| spent.contains(&outpoint))
                && (state.plan.id() == plan.id() || task.is_broken(state, tip))
        })
    });
    let in_grace = tip.mtp_secs <= charter.refund_time_secs().saturating_add(GRACE_SECS);
    let problem = format!(
        "the chain's median time is past the cut-off {}: nothing new is started",
        charter.cutoff_secs()
    );
    findings.unless(rebuilds && in_grace, "tip/mtp_secs", problem);
}

/// No settlement may start for an outpoint that another one, signed by two, still spends, unless it takes the place of
/// all that may still confirm. What spends something that is not there cannot.
fn conflicts(document: &ProofDocument, task: &Task, tip: &Tip, plan: &Plan, findings: &mut Findings) {
    let ours: BTreeSet<OutPoint> = plan.outpoints().collect();
    for (at, proof) in document.settlements.iter().enumerate() {
        let Some(state) =
            task.settlements().get(&proof.terms.id()).filter(|state| state.plan.id() != plan.id())
        else {
            continue;
        };
        // Where each outpoint has a transaction of its own, whichever spends it first replaces the other.
        if state.plan.terms().kind().one_by_one() {
            continue;
        }
        if !proof.fully_signed() {
            continue;
        }
        let touched = |chunk: &&Chunk| chunk.inputs.iter().any(|input| ours.contains(&input.term.outpoint));
        let binding: Vec<&Chunk> = task.open_chunks(state, tip).map(|(_, chunk)| chunk).collect();
        let problem = "two have signed it, and it spends some of the same outpoints: wait until it confirms";
        findings.unless(
            !binding.iter().any(touched) || binding.iter().all(touched),
            format!("settlements/{at}"),
            problem,
        );
    }
}

fn purpose(kind: &Kind, role: Role) -> String {
    match kind {
        Kind::Payout { submission } => {
            format!("as {role}, pay what the votes on submission {submission} allow")
        }
        Kind::EarlyReturn => format!("as {role}, give everything back before T"),
        Kind::Ruling { submission } => {
            format!("as {role}, carry out the arbiter's ruling over the noes of submission {submission}")
        }
        Kind::Milestone { submission } => {
            format!("as {role}, pay the milestone of submission {submission}; the rest stays in escrow")
        }
        Kind::Move { to } => format!("as {role}, move pledges to charter {to}, as their sponsors signed"),
    }
}

fn inputs(task: &Task, plan: &Plan, entitlements: &BTreeMap<OutPoint, Entitlement>) -> Vec<String> {
    let why = |reason| match reason {
        Reason::Yes => "its sponsor voted yes",
        Reason::Silent => "its sponsor was silent, the majority says yes and the representative accepts",
        Reason::Gift => "a gift, which goes where silent money goes",
        Reason::Ruled => "its sponsor voted no, and the arbiter ruled",
        Reason::Surplus => "it is beyond what the charter takes",
        Reason::BelowMinimum => "it is below the minimum pledge",
        Reason::EarlyReturn => "everything is given back",
        Reason::Moved => "its sponsor signed that it moves",
    };
    let line = |input: &settlement::TermInput| {
        let reason = entitlements.get(&input.outpoint).map_or("", |entitlement| why(entitlement.reason));
        let held: Option<&Outpoint> = task.outpoints().get(&input.outpoint);
        let place = if input.slot.index == 0 {
            "the open address".into()
        } else {
            format!("pledge {}", input.slot.index)
        };
        let spent =
            if held.is_some_and(|held| held.spend.is_some()) { "; something spends it already" } else { "" };
        let pay = input.pay.get();
        format!(
            "{} of {place} ({}): {}.{:02} % paid, {reason}{spent}",
            sat(input.amount),
            input.outpoint,
            pay / 100,
            pay % 100
        )
    };
    plan.terms().inputs().iter().map(line).collect()
}

fn words(task: &Task, place: Place, chunk: &Chunk, form: &Form, given: &BTreeSet<Txid>) -> TransactionWords {
    let network = task.charter().network().bitcoin();
    let line = |(at, (output, kind)): (usize, (&TxOut, &OutputKind))| {
        let address = Address::from_script(&output.script_pubkey, network)
            .map_or_else(|_| format!("script {:x}", output.script_pubkey), |address| address.to_string());
        let amount = sat(output.value);
        match kind {
            OutputKind::Payee { name, share } => {
                let paid: Amount = form.shares.iter().map(|share| share.pay).sum();
                let (whole, part) = (share.get() / 100, share.get() % 100);
                format!(
                    "output {at}: {amount} to {name} {address}, {whole}.{part:02} % of the {} that are paid",
                    sat(paid)
                )
            }
            OutputKind::Return { outpoint, slot } if slot.index == 0 => {
                format!("output {at}: gives {amount} of gift {outpoint} to the charter's pot {address}")
            }
            OutputKind::Return { outpoint, slot } => {
                let input =
                    chunk.inputs.iter().zip(&form.shares).find(|(input, _)| input.term.outpoint == *outpoint);
                let from = input.map_or(String::new(), |(input, share)| {
                    format!(" (of {}, {} of it fee)", sat(input.term.amount), sat(share.fee))
                });
                let index = slot.index;
                format!(
                    "output {at}: returns {amount}{from} to the sponsor of pledge {index} at the address they signed, {address}"
                )
            }
            OutputKind::Remainder { slot } => {
                format!("output {at}: keeps {amount} of pledge {} in escrow at {address}", slot.index)
            }
            OutputKind::Move { to, .. } => {
                format!("output {at}: moves {amount} to the sponsor's pledge at {address} under charter {to}")
            }
        }
    };
    TransactionWords {
        place,
        txid: form.txid,
        fee_sat: form.fee.to_sat(),
        vsize_vb: form.weight.to_vbytes_ceil(),
        given: given.contains(&form.txid),
        outputs: form.transaction.output.iter().zip(&form.outputs).enumerate().map(line).collect(),
    }
}

/// `412,300 sat`.
fn sat(amount: Amount) -> String {
    let digits = amount.to_sat().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + " sat"
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "settlement {}", self.settlement)?;
        writeln!(f, "{}", self.purpose)?;
        writeln!(
            f,
            "as of block {} ({}), median time {}",
            self.tip.height, self.tip.hash, self.tip.mtp_secs
        )?;
        writeln!(f, "it spends")?;
        self.inputs.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        for words in &self.transactions {
            let TransactionWords { place, txid, fee_sat, vsize_vb, given, outputs } = words;
            let missing = if *given { "" } else { ", no PSBT given" };
            let fee = sat(Amount::from_sat(*fee_sat));
            writeln!(f, "{place}: {txid}, fee {fee} for {vsize_vb} vB{missing}")?;
            outputs.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
