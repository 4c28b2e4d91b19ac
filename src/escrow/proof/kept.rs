//! For a signer: that what a settlement keeps in escrow, or moves to another charter's, can be taken back by its
//! sponsor alone. Every form has other outpoints, so every form needs its refund.

use super::allowed::Beside;
use super::check::{Checked, check_to_sign};
use super::{Finding, Findings};
use crate::escrow::descriptor::EscrowOutput;
use crate::escrow::refund::{RefundBundle, RefundTarget};
use crate::escrow::settlement::{ChunkInput, Kind, Made, Plan};
use crate::escrow::task::Task;
use bitcoin::Address;
use bitcoin::secp256k1::{Secp256k1, Verification};

/// Notes every output of `plan` that would stay in an escrow without its sponsor's refund.
pub(super) fn refundable(task: &Task, plan: &Plan, beside: &Beside<'_>, findings: &mut Findings) {
    let secp = Secp256k1::verification_only();
    let destination = match plan.terms().kind() {
        Kind::Move { to } => match beside.destination.map(check_to_sign) {
            None => return findings.add("destination", "the document of the task it moves to is missing"),
            Some(Err(wrong)) => {
                let named = |Finding { field, problem }| (format!("destination/{field}"), problem);
                return wrong
                    .into_iter()
                    .map(named)
                    .for_each(|(field, problem)| findings.add(field, problem));
            }
            Some(Ok(Checked { task, .. })) if task.id() != to => {
                return findings.add("destination", format!("it is of charter {}, not of {to}", task.id()));
            }
            Some(Ok(Checked { task, .. })) if !task.opened() => {
                return findings.add("destination", "its charter is not attested by all three");
            }
            Some(Ok(Checked { task, tip, .. })) => {
                if let Err(refused) = task.may_pledge(&tip) {
                    findings.add("destination", format!("it would not count there: {refused}"));
                }
                Some(task)
            }
        },
        Kind::Payout { .. } | Kind::EarlyReturn | Kind::Ruling { .. } | Kind::Milestone { .. } => None,
    };
    for (input, made) in plan.made() {
        let least = destination.as_ref().map(|to| to.charter().minimum_pledge());
        if least.is_some_and(|least| made.amount < least) {
            let problem = format!("{} of {} is below the least pledge there", made.amount, made.outpoint);
            findings.add("destination", problem);
        }
        match place(task, destination.as_ref(), input, &made) {
            Ok((output, refund_address)) => {
                refund(&secp, &made, output, &refund_address, beside, findings);
            }
            Err(problem) => findings.add("destination", problem),
        }
    }
}

/// The output that money stays at, and where its refund goes.
fn place(
    task: &Task,
    destination: Option<&Task>,
    input: &ChunkInput,
    made: &Made,
) -> Result<(EscrowOutput, Address), String> {
    let outpoint = input.term.outpoint;
    if let Some(slot) = made.slot {
        let pledge = task.pledges().get(&slot.index).map(|pledge| pledge.refund_address.clone());
        return task.output(slot).zip(pledge).ok_or_else(|| format!("{outpoint} is of no pledge"));
    }
    let moved = destination.and_then(|to| Some((to, task.moves_to(outpoint, to.id())?)));
    let Some((to, slot)) = moved else { return Err(format!("no sponsor signed {outpoint} over")) };
    let Some(pledge) = to.pledges().get(&slot.index) else {
        return Err(format!("it has no pledge {}, to which {outpoint} is signed over", slot.index));
    };
    if input.term.return_address.as_ref() != Some(&pledge.output.address) {
        return Err(format!("{outpoint} does not go to pledge {}, {}", slot.index, pledge.output.address));
    }
    if input.term.sponsor_key != Some(pledge.sponsor_key) {
        return Err(format!("pledge {} is another sponsor's than that of {outpoint}", slot.index));
    }
    Ok((pledge.output.clone(), pledge.refund_address.clone()))
}

fn refund<C: Verification>(
    secp: &Secp256k1<C>,
    made: &Made,
    output: EscrowOutput,
    refund_address: &Address,
    beside: &Beside<'_>,
    findings: &mut Findings,
) {
    let Made { place, outpoint, amount, .. } = made;
    let Ok(target) = RefundTarget::new(output, *outpoint, *amount, refund_address) else {
        return findings.add("refunds", format!("{outpoint} of {place} could never be refunded"));
    };
    let mut given = (0usize..).zip(beside.refunds).filter(|(_, refund)| refund.outpoint == *outpoint);
    match given.next() {
        None => {
            let problem = format!("{place} would keep {outpoint} in escrow without its sponsor's refund");
            findings.add("refunds", problem);
        }
        Some((at, refund)) => {
            if let Err(error) = RefundBundle::check(secp, target, refund.clone()) {
                findings.add(format!("refunds/{at}"), error);
            }
        }
    }
}
