// Settlements of a document: whether charter and votes, as recounted, allow what their terms say, and whether every
// spend by two signers is one of them.

import { hasTransaction, type Chunk, type Plan } from '../settlement/plan.ts';
import { submissionOf, type Terms } from '../settlement/terms.ts';
import { samePayees } from '../statement.ts';
import type { ProofDocument, SettlementProof } from './document.ts';
import type { Findings } from './findings.ts';
import type { Held } from './standing.ts';
import { namedIn, type SettlementState, type Task } from './task.ts';

/** Whether two are said to have signed all of it, the arbiter among them if it carries out a ruling. */
export function fullySigned(proof: SettlementProof): boolean {
  const ruling = proof.terms.for.kind === 'ruling';
  return new Set(proof.signed_by).size >= 2 && (!ruling || proof.signed_by.includes('arbiter'));
}

/** What is excused of a settlement that binds. */
interface Binds {
  readonly onChain: boolean;
  /** What it spends and is not there. */
  readonly gone: ReadonlySet<string>;
}

const PROPOSED: Binds = { onChain: false, gone: new Set() };

/** What is not there of what the transactions spend of which nothing is on the chain: a reorg may have taken it, and then
 * they cannot confirm. */
function goneOf(task: Task, plan: Plan): Set<string> {
  const sent = (chunk: Chunk): boolean => chunk.inputs.some(({ term }) => {
    const spend = task.outpoints.get(term.outpoint)?.spend;
    return spend != null && chunk.forms.some((form) => form.txid === spend.txid);
  });
  const inputs = plan.chunks.filter((chunk) => !sent(chunk)).flatMap((chunk) => chunk.inputs);
  return new Set(inputs.map(({ term }) => term.outpoint).filter((outpoint) => !task.outpoints.has(outpoint)));
}

/** Whether a reorg may have made wrong what two signed: what it spends counts as surplus now, or has to be mined again.
 * Who paid surplus cannot be told from who paid it before it was; whoever signs anything else has no part in either.
 * `upfront verify` tells. */
function overtaken(task: Task, held: Held): boolean {
  const standing = task.standings.get(held.outpoint);
  if (standing?.standing === 'surplus') return standing.reason !== 'not_a_remainder';
  return standing?.standing === 'seen' || standing?.standing === 'confirming';
}

/** Checks a settlement that binds: two signers are said to have signed it, or the chain has it. A mere proposal may be
 * overtaken by votes, rulings and reorgs; it is judged when somebody signs. */
export function checkSettlement(task: Task, state: SettlementState, field: string, findings: Findings): void {
  const onChain = [...task.outpoints.values()].some(({ spend }) => spend !== null && hasTransaction(state.plan, spend.txid));
  if (fullySigned(state.proof) || onChain) checkTerms(task, state.plan.terms, `${field}/terms`, findings, { onChain, gone: goneOf(task, state.plan) });
}

/** Compares terms with what charter, pledges and votes say of each outpoint. What is on the chain may have paid less
 * than would be allowed by now: with several milestones a word on one may come when another was paid and the rest
 * returned. */
export function checkTerms(task: Task, terms: Terms, path: string, findings: Findings, binds: Binds = PROPOSED): void {
  const lessIsFine = binds.onChain && task.charter.fields.milestones.length > 1;
  const answer = task.entitlements(terms.kind);
  if ('refused' in answer) {
    findings.add(`${path}/for`, answer.refused);
    return;
  }
  const { kind } = terms;
  const submission = submissionOf(kind);
  const named = submission === null ? [] : namedIn(task.submission(submission));
  findings.unless(samePayees(named, terms.payees), `${path}/payees`, 'not those that the submission names');
  terms.inputs.forEach((input, at) => {
    const field = (name: string): string => `${path}/inputs/${at}/${name}`;
    const held = task.outpoints.get(input.outpoint);
    if (held === undefined) {
      if (!binds.gone.has(input.outpoint)) findings.add(field('outpoint'), `${input.outpoint} pays no address of the task`);
      return;
    }
    findings.unless(
      held.index === input.index && held.generation === input.generation, field('index'), `the outpoint is at index ${held.index}`,
    );
    findings.unless(held.amount === input.amount, field('amount_sat'), `the outpoint holds ${held.amount} sat`);
    const sponsor = task.pledges.get(held.index)?.sponsor_key ?? null;
    findings.unless(sponsor === input.sponsorKey, field('sponsor_key'), 'not the key of the pledge');
    const signed = task.restAddress(kind, held);
    findings.unless(
      signed === input.returnAddress, field('return_address'),
      `not the address that was signed for returns: ${signed === null ? 'there is none' : `it is ${signed}`}`,
    );
    if (binds !== PROPOSED && overtaken(task, held)) return;
    const entitled = answer.is.get(input.outpoint);
    if (entitled === undefined) {
      const standing = task.standings.get(input.outpoint)?.standing ?? 'vanished';
      findings.add(field('pay_bps'), `charter and votes leave ${input.outpoint} where it is (it is ${standing.replace('_', ' ')})`);
    } else if (entitled.payBps !== input.payBps && !(lessIsFine && input.payBps < entitled.payBps)) {
      findings.add(field('pay_bps'), `${input.payBps} bps; charter and votes allow ${entitled.payBps} bps (${entitled.reason.replace('_', ' ')})`);
    }
  });
}

/** Every spend by the signers must be a transaction of a settlement in the document. */
export function checkSpends(task: Task, document: ProofDocument, findings: Findings): void {
  document.outpoints.forEach(({ spend }, at) => {
    if (spend === null || spend.path === 'refund') return;
    const known = [...task.settlements.values()].some((state) => hasTransaction(state.plan, spend.txid));
    findings.unless(
      known, `outpoints/${at}/spend/txid`, 'two signers spent it in a transaction that no settlement of the document explains',
    );
  });
}
