// What a settlement may do with each outpoint, by charter, votes and rulings: which share is paid, and why.
//
// A pledge pays milestone after milestone. For each that an outpoint has not paid yet it is known whether it is paid, ruled,
// pending or lost; a payout or a ruling closes the pledge only when nothing is pending, and returns the rest.

import type { Window } from './ballot.ts';
import { milestoneBps } from '../settlement/prepared.ts';
import type { Kind } from '../settlement/terms.ts';
import { samePayees } from '../statement.ts';
import { milestoneIn, type SubmissionState, type Task } from './task.ts';
import type { Held } from './standing.ts';

export type Reason = 'yes' | 'silent' | 'gift' | 'ruled' | 'surplus' | 'below_minimum' | 'early_return' | 'moved';

/** What may be done with one outpoint: the share that is paid; the rest returns, stays in escrow or moves. */
export interface Entitlement {
  readonly payBps: number;
  readonly reason: Reason;
}

/** What is decided about one milestone of an outpoint. */
type Decided =
  | { readonly is: 'paid'; readonly by: SubmissionState }
  | { readonly is: 'ruled'; readonly by: SubmissionState; readonly bps: number }
  | { readonly is: 'pending' | 'lost' };

const ALL = 10_000;

/** One transaction has one list of payees: who is paid for another milestone must be the same people. Who named them does
 * not matter. */
function samePeople(a: SubmissionState, b: SubmissionState): boolean {
  const [left, right] = [a.proof.submission.statement.named, b.proof.submission.statement.named];
  if (left === null || right === null) return left === right;
  return samePayees(left.payees, right.payees);
}

/** Submissions that may speak for a milestone under a settlement of `submission`. */
function speaking(task: Task, submission: SubmissionState, milestone: number): readonly SubmissionState[] {
  if (milestoneIn(submission) === milestone) return [submission];
  return task.submissions.filter((other) => milestoneIn(other) === milestone);
}

/** Whether more can still be said about a milestone that no verdict decides. */
function isPending(task: Task, submission: SubmissionState, milestone: number, of: readonly SubmissionState[]): boolean {
  if (milestoneIn(submission) === milestone) return false;
  const { mtp_secs: now } = task.tip;
  const due = task.charter.fields.milestones[milestone]?.due ?? 0;
  return now <= due || of.some((other) => {
    const window: Window | null = task.window(other);
    // What is not voted on yet may be as long as a merge or release can be confirmed.
    if (window === null) return now <= task.charter.confirmationDeadline;
    // Noes of a submission that names payees get no ruling: it holds others up only until its review closes.
    return now <= (other.proof.submission.statement.named === null ? window.rulingEndsSecs : window.closesSecs);
  });
}

function decided(task: Task, submission: SubmissionState, milestone: number, held: Held): Decided {
  const of = speaking(task, submission, milestone);
  const same = of.filter((other) => samePeople(other, submission));
  const paid = same.find((other) => task.verdict(other, held) === 'pay');
  if (paid !== undefined) return { is: 'paid', by: paid };
  const ruled = same.findLast((other) => other.proof.ruling !== null && task.verdict(other, held) === 'contested');
  if (ruled?.proof.ruling) return { is: 'ruled', by: ruled, bps: ruled.proof.ruling.statement.pay_bps };
  return { is: isPending(task, submission, milestone, of) ? 'pending' : 'lost' };
}

/** The submissions whose verdicts or rulings pay a part of an outpoint under a settlement of `submission`. */
export function payingFor(task: Task, kind: Kind, submission: SubmissionState, held: Held): SubmissionState[] {
  if (kind.kind === 'milestone') return [submission];
  return task.uncovered(held.outpoint).flatMap((milestone) => {
    const found = decided(task, submission, milestone, held);
    return found.is === 'paid' ? [found.by] : [];
  });
}

/** What a settlement of `kind` may do with an outpoint; null leaves it where it is. */
export function entitlementOf(task: Task, kind: Kind, submission: SubmissionState | null, held: Held): Entitlement | null {
  const back = (reason: Reason): Entitlement => ({ payBps: 0, reason });
  const standing = task.standings.get(held.outpoint)?.standing;
  if (kind.kind === 'move') {
    const there = standing === 'credited' || standing === 'surplus' || standing === 'below_minimum';
    return there && task.move(held.outpoint, kind.to) !== undefined ? back('moved') : null;
  }
  switch (standing) {
    case 'credited':
      if (kind.kind === 'early_return') return back('early_return');
      return submission === null ? null : credited(task, kind, submission, held);
    case 'gift':
      if (kind.kind === 'early_return') return task.returnAddress(0) === null ? null : back('early_return');
      return kind.kind === 'payout' && submission !== null && giftPays(task, submission) ? { payBps: ALL, reason: 'gift' } : null;
    case 'surplus':
      return kind.kind === 'payout' || kind.kind === 'early_return' ? back('surplus') : null;
    case 'below_minimum':
      return kind.kind === 'payout' || kind.kind === 'early_return' ? back('below_minimum') : null;
    default:
      return null;
  }
}

/** Gifts wait for the last payout, and are paid whole. */
function giftPays(task: Task, submission: SubmissionState): boolean {
  return task.silencePays(submission) && task.charter.fields.milestones.every((_, milestone) => {
    const of = speaking(task, submission, milestone);
    const paid = of.some((other) => samePeople(other, submission) && task.silencePays(other));
    return paid || !isPending(task, submission, milestone, of);
  });
}

function credited(task: Task, kind: Kind, submission: SubmissionState, held: Held): Entitlement | null {
  const shareOf = (milestone: number): number => task.charter.fields.milestones[milestone]?.share_bps ?? 0;
  const uncovered = task.uncovered(held.outpoint);
  const own = milestoneIn(submission);
  if (!uncovered.includes(own)) return null;
  const whole = uncovered.reduce((sum, milestone) => sum + shareOf(milestone), 0);
  const choice = task.choice(submission, held.index);
  if (kind.kind === 'milestone') {
    const pays = uncovered.length > 1 && choice === 'yes' && task.verdict(submission, held) === 'pay';
    return pays ? { payBps: milestoneBps(task.charter, uncovered, own), reason: 'yes' } : null;
  }
  let weighed = 0;
  for (const milestone of uncovered) {
    const found = decided(task, submission, milestone, held);
    const rightWay = milestone !== own || found.is === (kind.kind === 'ruling' ? 'ruled' : 'paid');
    if (!rightWay || found.is === 'pending' || (found.is === 'ruled' && kind.kind !== 'ruling')) return null;
    weighed += shareOf(milestone) * (found.is === 'paid' ? ALL : found.is === 'ruled' ? found.bps : 0);
  }
  const payBps = Math.floor(weighed / whole);
  if (kind.kind === 'ruling') return { payBps, reason: 'ruled' };
  return { payBps, reason: choice === 'yes' ? 'yes' : 'silent' };
}
