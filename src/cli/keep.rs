//! Refunds of outputs that do not exist yet: of what a milestone leaves in escrow, of what a move brings to another
//! charter. Every form of the transaction has its own, so that whichever confirms, the sponsor can take the money
//! back after T. What is signed is computed here from the checked proof document, never what the service says.

use super::exit::Failure;
use super::pledge::KeptRecovery;
use super::text::{percent, sat, when};
use super::verify::{read_proof, refuse_findings};
use crate::client::{CheckedTask, Client, ClientError};
use crate::escrow::descriptor::Slot;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::proof::{Checked, check};
use crate::escrow::refund::{RefundBundle, RefundTarget};
use crate::escrow::settlement::{Form, Made, OutputKind, Plan, step_at_or_below, steps_beside};
use crate::escrow::statement::{CharterId, SubmissionId};
use anyhow::Context as _;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Amount, OutPoint};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Feerate where nobody names one, sat/vB: the API tells none, and the forms go up to four times as much.
const DEFAULT_SAT_PER_VB: u64 = 2;

/// The feerate that refunds are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Feerate {
    /// Of the lowest form, sat/vB.
    #[serde(rename = "feerate_sat_per_vb")]
    pub sat_per_vb: u64,
    /// Nobody named it.
    #[serde(rename = "feerate_by_default")]
    pub by_default: bool,
}

impl Feerate {
    /// The one that was named, if signers may sign it and it is a step; else the default within the charter's cap.
    pub fn choose(given: Option<u64>, cap: u64) -> anyhow::Result<Feerate> {
        let Some(sat_per_vb) = given else {
            let sat_per_vb = step_at_or_below(DEFAULT_SAT_PER_VB.min(cap)).unwrap_or(1);
            return Ok(Feerate { sat_per_vb, by_default: true });
        };
        if sat_per_vb == 0 || sat_per_vb > cap {
            let message = format!("signers of this charter sign 1 to {cap} sat/vB, not {sat_per_vb}");
            return Err(Failure::refused("feerate", message).into());
        }
        if let Some(near) = steps_beside(sat_per_vb, cap) {
            let message = format!("{sat_per_vb} sat/vB is no step of feerates");
            return Err(Failure::refused("feerate_step", message).hint(near).into());
        }
        Ok(Feerate { sat_per_vb, by_default: false })
    }
}

impl fmt::Display for Feerate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.by_default { " (the default; --feerate names another)" } else { "" };
        write!(f, "{} sat/vB{whose}", self.sat_per_vb)
    }
}

/// A task's proof document, checked by itself: what follows from it.
pub fn checked_proof(client: &Client, task: &CharterId) -> anyhow::Result<Checked> {
    let document = read_proof(&client.proof(task)?)?;
    if document.charter_id != *task {
        return Err(ClientError::untrue("proof", format!("it is of {}", document.charter_id)).into());
    }
    match check(&document) {
        Ok(checked) => Ok(checked),
        Err(findings) => {
            refuse_findings("the proof document is not true", &findings)?;
            Err(Failure::untrue("findings", "the proof document is not true").into())
        }
    }
}

/// Of a pledge, what is credited and unspent.
pub fn credited(checked: &Checked, index: u32) -> Vec<&Outpoint> {
    let of_it = checked.task.outpoints().values().filter(|held| held.slot.index == index && held.unspent());
    of_it.filter(|held| checked.standings.get(&held.outpoint) == Some(&Standing::Credited)).collect()
}

/// A refund of an output that a form of a settlement would make.
pub struct Prepared {
    /// The address it would pay.
    pub slot: Slot,
    /// Signed: pair and ladder.
    pub bundle: RefundBundle,
}

/// Signs the refund of everything that a plan would make in an escrow; `place` says of an output where it lies and
/// what refunding it means.
pub fn sign_refunds(
    plan: &Plan,
    key: &Keypair,
    place: impl Fn(&Made) -> anyhow::Result<(Slot, RefundTarget)>,
) -> anyhow::Result<Vec<Prepared>> {
    let secp = Secp256k1::new();
    let signed = plan.made().map(|(_, made)| {
        let (slot, target) = place(&made)?;
        Ok(Prepared { slot, bundle: RefundBundle::sign(&secp, target, key)? })
    });
    signed.collect()
}

/// What a yes vote splits off.
#[derive(Serialize)]
pub struct Kept {
    #[serde(flatten)]
    feerate: Feerate,
    /// Every feerate whose transaction has its refund, sat/vB.
    feerates_sat_per_vb: Vec<u64>,
    splits: Vec<SplitOff>,
    /// What is not split, and why.
    whole: Vec<Whole>,
    /// Refunds that the service holds now.
    refunds_prepared: usize,
    refund_time: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_file: Option<PathBuf>,
}

/// One outpoint, at the lowest feerate.
#[derive(Serialize)]
struct SplitOff {
    outpoint: OutPoint,
    /// Part of it that is paid.
    pay_bps: u16,
    paid_sat: u64,
    stays_sat: u64,
    fee_sat: u64,
    /// What it stays for, counted from 1.
    stays_for: Vec<u32>,
}

#[derive(Serialize)]
struct Whole {
    outpoint: OutPoint,
    reason: String,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for SplitOff { outpoint, pay_bps, paid_sat, stays_sat, fee_sat, stays_for } in &self.splits {
            let numbers: Vec<String> = stays_for.iter().map(u32::to_string).collect();
            let milestones = if numbers.len() == 1 { "milestone" } else { "milestones" };
            writeln!(
                f,
                "Of {outpoint}: {} are paid now ({}), {} stay in escrow for {milestones} {}; the fee is {}.",
                sat(*paid_sat),
                percent(*pay_bps),
                sat(*stays_sat),
                numbers.join(", "),
                sat(*fee_sat)
            )?;
        }
        self.whole.iter().try_for_each(|whole| writeln!(f, "{}: {}.", whole.outpoint, whole.reason))?;
        if self.splits.is_empty() {
            return Ok(());
        }
        let rates: Vec<String> = self.feerates_sat_per_vb.iter().map(u64::to_string).collect();
        writeln!(f, "Signed for {} sat/vB, from {}.", rates.join(", "), self.feerate)?;
        writeln!(
            f,
            "The refund of what stays is secured at each of them: after {} it comes back without your doing anything.",
            when(self.refund_time)
        )?;
        match &self.recovery_file {
            Some(file) => writeln!(f, "The refunds are in {}, too.", file.display()),
            None => writeln!(
                f,
                "The pledge's key takes it back without the service; with --recovery FILE the refunds are kept there, too."
            ),
        }
    }
}

/// Splits every credited outpoint of a pledge for a submission's milestone: signs the refunds of what stays, into the
/// recovery file first if there is one, and hands them in.
pub fn split(
    client: &Client,
    task: &CheckedTask,
    submission: &SubmissionId,
    index: u32,
    key: &Keypair,
    feerate: Feerate,
    recovery: Option<&mut KeptRecovery>,
) -> anyhow::Result<Kept> {
    let charter = task.charter();
    let checked = checked_proof(client, &charter.id())?;
    let core = &checked.task;
    let missing =
        || ClientError::untrue("proof", format!("it lacks submission {submission} or pledge {index}"));
    let number = core.submission(submission).ok_or_else(missing)?.milestone();
    let pledge = core.pledges().get(&index).ok_or_else(missing)?;
    let place = |made: &Made| {
        let slot = made.slot.context("a milestone leaves what remains with its own charter")?;
        let output = task.contract().pledge(task.secp(), slot, pledge.sponsor_key)?;
        Ok((slot, RefundTarget::new(output, made.outpoint, made.amount, &pledge.refund_address)?))
    };
    let mut kept = Kept {
        feerate,
        feerates_sat_per_vb: Vec::new(),
        splits: Vec::new(),
        whole: Vec::new(),
        refunds_prepared: 0,
        refund_time: charter.refund_time_secs(),
        recovery_file: None,
    };
    let mut prepared = Vec::new();
    for held in credited(&checked, index) {
        let outpoint = held.outpoint;
        let open = core.uncovered(held);
        if let Some(reason) = not_split(&open, number) {
            kept.whole.push(Whole { outpoint, reason });
            continue;
        }
        let plan = match core.split_off(submission, outpoint, feerate.sat_per_vb) {
            Ok(plan) => plan,
            Err(refused) => {
                let reason = format!("not split, it is paid with the last payout ({refused})");
                kept.whole.push(Whole { outpoint, reason });
                continue;
            }
        };
        kept.feerates_sat_per_vb = plan.forms().map(|(place, _, _)| place.feerate_sat_per_vb).collect();
        let others = open.iter().filter(|other| **other != number).map(|other| other + 1).collect();
        kept.splits.extend(summed(&plan, outpoint, others));
        prepared.extend(sign_refunds(&plan, key, place)?);
    }
    let of_it = core.outpoints().values().filter(|held| held.slot.index == index && held.unspent());
    let waits = |standing| matches!(standing, Some(Standing::Seen | Standing::Confirming { .. }));
    for held in of_it.filter(|held| waits(checked.standings.get(&held.outpoint).copied())) {
        let reason = "not deep enough yet: give the same command again when it is credited".into();
        kept.whole.push(Whole { outpoint: held.outpoint, reason });
    }
    if let Some(recovery) = recovery {
        if !prepared.is_empty() {
            keep(recovery, &prepared)?;
        }
        kept.recovery_file = Some(recovery.path().to_owned());
    }
    kept.refunds_prepared = hand_in_refunds(client, &charter.id(), &prepared)?;
    if kept.splits.is_empty() && kept.whole.is_empty() {
        return Err(
            Failure::not_yet("nothing_credited", "nothing of this pledge is credited and unspent").into()
        );
    }
    Ok(kept)
}

/// Hands in refunds of what will be there; how many.
pub fn hand_in_refunds(client: &Client, to: &CharterId, prepared: &[Prepared]) -> anyhow::Result<usize> {
    for Prepared { slot, bundle } in prepared {
        client.prepare_refund(to, *slot, bundle.signatures())?;
    }
    Ok(prepared.len())
}

/// On the disk, before it leaves this machine.
pub fn keep(recovery: &mut KeptRecovery, prepared: &[Prepared]) -> anyhow::Result<()> {
    for Prepared { bundle, .. } in prepared {
        recovery.file.add_refund(bundle.clone())?;
    }
    recovery.save()
}

/// Why nothing of an outpoint with the shares `open` stays in escrow when milestone `number` is paid.
fn not_split(open: &[u32], number: u32) -> Option<String> {
    match open {
        [] => Some("it is no remainder of a milestone, and goes back".into()),
        [last] if *last == number => Some(
            "this is its last milestone: all of it is paid with the payout, nothing stays in escrow".into(),
        ),
        open if !open.contains(&number) => Some("this milestone was paid of it before".into()),
        _ => None,
    }
}

/// What the cheapest form pays and leaves.
fn summed(plan: &Plan, outpoint: OutPoint, stays_for: Vec<u32>) -> Option<SplitOff> {
    let chunk = plan.chunks().first()?;
    let pay_bps = chunk.inputs.first()?.term.pay.get();
    let form: &Form = chunk.forms.first()?;
    let sum = |wanted: fn(&OutputKind) -> bool| -> Amount {
        let outputs = form.outputs.iter().zip(&form.transaction.output);
        outputs.filter(|(kind, _)| wanted(kind)).map(|(_, output)| output.value).sum()
    };
    Some(SplitOff {
        outpoint,
        pay_bps,
        paid_sat: sum(|kind| matches!(kind, OutputKind::Payee { .. })).to_sat(),
        stays_sat: sum(|kind| matches!(kind, OutputKind::Remainder { .. })).to_sat(),
        fee_sat: form.fee.to_sat(),
        stays_for,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feerate_is_a_step_within_the_cap_or_the_default() {
        let choose = |given, cap| Feerate::choose(given, cap).map(|feerate| feerate.sat_per_vb);
        assert_eq!(choose(None, 200).unwrap(), 2);
        assert_eq!(choose(None, 1).unwrap(), 1, "never above what signers may sign");
        assert_eq!(choose(Some(12), 200).unwrap(), 12);
        for (given, cap, part) in [(0, 200, "1 to 200"), (201, 200, "1 to 200"), (11, 200, "no step")] {
            let error = choose(Some(given), cap).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_not_split_is_told_why() {
        assert_eq!(not_split(&[0, 1], 0), None);
        assert!(not_split(&[1], 1).unwrap().contains("last"));
        assert!(not_split(&[1, 2], 0).unwrap().contains("before"));
        assert!(not_split(&[], 0).unwrap().contains("goes back"));
    }
}
