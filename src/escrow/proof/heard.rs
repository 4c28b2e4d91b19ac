//! Votes that reached a signer by another way than the service: a server that hides noes is found out.
//!
//! A vote with a receipt from before closing must be in the document. One without, or late, is not
//! counted, but it binds its own money as the count says: one without a receipt also where the pledge had
//! said yes before, or a service that will not take a changed vote would win.

use super::super::signature::Speaker;
use super::Findings;
use crate::escrow::ballot::CastVote;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::{Kind, Plan, TermInput};
use crate::escrow::statement::{Choice, Receipt, Signed, Statement};
use crate::escrow::task::{SubmissionState, Task};
use bitcoin::secp256k1::{Secp256k1, Verification};

/// Notes what `votes`, handed over directly, say against `plan` or the document's count.
pub(super) fn direct(task: &Task, tip: &Tip, plan: &Plan, votes: &[CastVote], findings: &mut Findings) {
    let secp = Secp256k1::verification_only();
    for (at, cast) in votes.iter().enumerate() {
        let field = format!("votes/{at}");
        let said = &cast.vote.statement;
        let submission = task.submissions().iter().enumerate().find(|(_, state)| state.id == said.submission);
        let (Some((number, submission)), Some(pledge)) = (submission, task.pledges().get(&said.pledge))
        else {
            findings.add(field, "it is for a submission or pledge that the document does not have");
            continue;
        };
        let same_task = said.network == task.charter().network() && said.charter == task.id();
        if !same_task || cast.vote.verify(&secp, &Speaker::sponsor(pledge.sponsor_key)).is_err() {
            findings.add(field, "it is not signed by that pledge's sponsor for this task");
            continue;
        }
        if submission.votes.iter().any(|known| known.vote.statement == *said) {
            continue;
        }
        if in_time(&secp, task, submission, cast) {
            let problem = format!("the service left out {field}, for which it signed a receipt in time");
            findings.add(format!("submissions/{number}/votes"), problem);
        } else if binds(task, tip, submission, cast, votes) && pays(task, tip, plan, submission, said.pledge)
        {
            let problem =
                format!("the sponsor of pledge {} says no: its money is not to be paid", said.pledge);
            findings.add(field, problem);
        }
    }
}

/// Whether the service's own signature says that it had the vote before closing.
fn in_time<C: Verification>(
    secp: &Secp256k1<C>,
    task: &Task,
    submission: &SubmissionState,
    cast: &CastVote,
) -> bool {
    cast.receipt.as_ref().is_some_and(|receipt| {
        receipt.statement.vote == cast.vote.statement.digest()
            && receipt.statement.charter == task.id()
            && receipt.verify(secp, &task.charter().receipts()).is_ok()
            && task.window(submission).is_some_and(|w| !w.closed(receipt.statement.tip_mtp_secs))
    })
}

/// Whether all that the pledge said, here and there, comes to no.
fn binds(task: &Task, tip: &Tip, submission: &SubmissionState, cast: &CastVote, votes: &[CastVote]) -> bool {
    let secp = Secp256k1::verification_only();
    let pledge = cast.vote.statement.pledge;
    let mut heard = submission.clone();
    for vote in votes {
        let said = &vote.vote.statement;
        let known = heard.votes.iter().any(|known| known.vote.statement == *said);
        if said.pledge == pledge && said.submission == submission.id && !known {
            // A receipt that does not verify is none.
            let genuine = |receipt: &&Signed<Receipt>| {
                receipt.statement.vote == said.digest()
                    && receipt.verify(&secp, &task.charter().receipts()).is_ok()
            };
            let receipt = vote.receipt.as_ref().filter(genuine).cloned();
            heard.votes.push(CastVote { vote: vote.vote.clone(), receipt });
        }
    }
    task.tally(&heard, tip).choice(pledge) == Some(Choice::No)
}

/// Whether `plan` pays money of `pledge` for what was said about this submission. A ruling is over noes
/// anyway, but pays other milestones by their votes.
fn pays(task: &Task, tip: &Tip, plan: &Plan, submission: &SubmissionState, pledge: u32) -> bool {
    let (terms, kind) = (plan.terms(), plan.terms().kind());
    let (paid, split) =
        (Kind::Payout { submission: submission.id }, Kind::Milestone { submission: submission.id });
    let rests_on_it = |input: &TermInput| {
        let held = task.outpoints().get(&input.outpoint);
        held.is_some_and(|held| task.paying_for(&kind, held, tip).contains(&submission.id))
    };
    let mut inputs = terms.inputs().iter().filter(|input| input.slot.index == pledge && input.pays());
    inputs.any(|input| kind == paid || kind == split || rests_on_it(input))
}
