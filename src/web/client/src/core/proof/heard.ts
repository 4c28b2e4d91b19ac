// Votes that reached a signer by another way than the service: a server that hides noes is found out.
//
// A vote with a receipt from before closing must be in the document. One without, or late, is not counted, but it binds
// its own money as the count says: one without a receipt also where the pledge had said yes before, or a service that
// will not take a changed vote would win.

import type { Plan } from '../settlement/plan.ts';
import { pays, submissionOf } from '../settlement/terms.ts';
import { sponsorSpeaker } from '../signature.ts';
import { choiceOf, type Cast } from './ballot.ts';
import type { CastVoteDocument } from './document.ts';
import { payingFor } from './entitle.ts';
import type { Findings } from './findings.ts';
import { digestOf, sameVote } from './said.ts';
import type { SubmissionState, Task } from './task.ts';
import { receiptWords, signatureProblem, voteWords } from './words.ts';

/** Notes what `votes`, handed over directly, say against `plan` or the document's count. */
export function hear(task: Task, plan: Plan, votes: readonly CastVoteDocument[], findings: Findings): void {
  votes.forEach((cast, at) => {
    const field = `votes/${at}`;
    const said = cast.vote.statement;
    const number = task.submissions.findIndex((known) => known.id === said.submission);
    const submission = task.submissions[number];
    const pledge = task.pledges.get(said.pledge);
    if (submission === undefined || pledge === undefined) {
      findings.add(field, 'it is for a submission or pledge that the document does not have');
      return;
    }
    const sameTask = said.network === task.charter.fields.network && said.charter === task.charter.id;
    if (!sameTask || signatureProblem(() => voteWords(said), cast.vote.signature, sponsorSpeaker(pledge.sponsor_key)) !== null) {
      findings.add(field, 'it is not signed by that pledge\'s sponsor for this task');
      return;
    }
    if (submission.votes.some((known) => sameVote(known.vote, said))) return;
    if (inTime(task, submission, cast)) {
      findings.add(`submissions/${number}/votes`, `the service left out ${field}, for which it signed a receipt in time`);
    } else if (binds(task, submission, said.pledge, votes) && paysPledge(task, plan, submission, said.pledge)) {
      findings.add(field, `the sponsor of pledge ${said.pledge} says no: its money is not to be paid`);
    }
  });
}

/** Whether a receipt is the service's own over this vote. */
function genuine(task: Task, cast: CastVoteDocument): boolean {
  const { receipt } = cast;
  return receipt !== null && receipt.statement.vote === digestOf(cast.vote.statement) &&
    signatureProblem(() => receiptWords(receipt.statement), receipt.signature, task.charter.receipts) === null;
}

/** Whether the service's own signature says that it had the vote before closing. */
function inTime(task: Task, submission: SubmissionState, cast: CastVoteDocument): boolean {
  return cast.receipt !== null && cast.receipt.statement.charter === task.charter.id && genuine(task, cast) &&
    cast.receipt.statement.tip_mtp_secs <= (task.window(submission)?.closesSecs ?? -1);
}

/** Whether all that the pledge said, here and there, comes to no. */
function binds(task: Task, submission: SubmissionState, pledge: number, votes: readonly CastVoteDocument[]): boolean {
  const heard: Cast[] = [...submission.votes];
  for (const cast of votes) {
    const said = cast.vote.statement;
    if (said.pledge !== pledge || said.submission !== submission.id || heard.some((known) => sameVote(known.vote, said))) continue;
    // A receipt that does not verify is none.
    heard.push({ vote: said, receiptMtpSecs: genuine(task, cast) ? (cast.receipt?.statement.tip_mtp_secs ?? null) : null });
  }
  return choiceOf(task.count(submission, heard), pledge) === 'no';
}

/** Whether `plan` pays money of `pledge` for what was said about this submission. A ruling is over noes anyway, but pays
 * other milestones by their votes. */
function paysPledge(task: Task, plan: Plan, submission: SubmissionState, pledge: number): boolean {
  const { kind, inputs } = plan.terms;
  const of = task.submission(submissionOf(kind) ?? '');
  if (of === undefined || kind.kind === 'early_return') return false;
  return inputs.some((input) => {
    const held = task.outpoints.get(input.outpoint);
    return input.index === pledge && pays(input) && held !== undefined && payingFor(task, kind, of, held).includes(submission);
  });
}
