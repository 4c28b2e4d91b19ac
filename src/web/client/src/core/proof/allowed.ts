// For a signer, offline: what a settlement does, output by output in words, or why it must not be signed. Votes are
// recounted from the document; PSBTs are compared with transactions built anew from the terms. The words are those of
// `upfront settlement sign`, but for the zeros that its shares end in.

import { addressOf } from '../address.ts';
import { hex } from '../bytes.ts';
import type { Psbt } from '../psbt.ts';
import type { Role } from '../signer-key.ts';
import { formsOf, type Chunk, type Form, type Plan, type Placed } from '../settlement/plan.ts';
import { comparePsbt, placeOf, sharedInputs } from '../settlement/psbts.ts';
import { isGift, isSplit, sameKind, type Kind, type TermInput } from '../settlement/terms.ts';
import type { RefundSignatures } from '../refund.ts';
import { txid, type TxOut } from '../tx.ts';
import { partWords, percent, satWords } from '../words.ts';
import { checkProof } from './check.ts';
import type { CastVoteDocument, ProofDocument } from './document.ts';
import { Findings, type Finding } from './findings.ts';
import { hear } from './heard.ts';
import { checkTerms, fullySigned } from './settled.ts';
import { checkLeft } from './left.ts';
import { GRACE_SECS, milestoneIn, outpointsOf, type Entitlement, type Reason, type Task } from './task.ts';

/** What a file can prove, and what it cannot. */
export const LIMITS =
  'No Electrum server was asked: that these blocks are the chain\'s, that their time is this and that nothing is left out is the service\'s word.';

/** One output in words. */
export interface OutputLine {
  readonly kind: 'payee' | 'return' | 'pot' | 'remainder' | 'move';
  readonly amount: bigint;
  readonly address: string;
  readonly words: string;
}

/** One form of one transaction, in words. */
export interface TransactionWords {
  readonly chunkAt: number;
  readonly formAt: number;
  readonly feerate: number;
  readonly txid: string;
  readonly fee: bigint;
  readonly vsize: number;
  /** Whether a PSBT of it was given. */
  readonly given: boolean;
  readonly outputs: readonly OutputLine[];
}

/** What a signer is about to sign. Sign the plan, never what a PSBT says of itself. */
export interface Explanation {
  readonly task: Task;
  readonly plan: Plan;
  readonly role: Role;
  readonly purpose: string;
  /** What is spent and why, one line an outpoint. */
  readonly inputs: readonly string[];
  readonly transactions: readonly TransactionWords[];
  /** Txids of the forms for which a PSBT was given. */
  readonly given: ReadonlySet<string>;
}

export type Verdict = { readonly explanation: Explanation } | { readonly findings: readonly Finding[] };

/** What comes with a settlement that leaves money in escrow, here or under another charter. */
export interface Besides {
  /** Refunds that sponsors signed beforehand of what the settlement makes. */
  readonly refunds: readonly RefundSignatures[];
  /** The proof document of the task that pledges move to. */
  readonly destination: ProofDocument | null;
}

const NOTHING: Besides = { refunds: [], destination: null };

/** Reads what is to be signed and tells what it does, if charter and votes allow it. `votes` are those that sponsors
 * handed to the signer directly, with or without the service's receipt. */
export function allowed(
  document: ProofDocument, psbts: readonly Psbt[], role: Role, votes: readonly CastVoteDocument[], besides: Besides = NOTHING,
): Verdict {
  const checked = checkProof(document);
  if ('findings' in checked) return checked;
  const { task, contract } = checked;
  const findings = new Findings();
  const plan = find(task, psbts);
  if (plan === undefined) {
    const problem = psbts.length === 0 ? 'no PSBT was given' : 'they belong to no settlement of the document: get a newer document';
    findings.add('psbts', problem);
    return { findings: findings.all };
  }
  psbts.forEach((psbt, at) => {
    for (const { field, problem } of comparePsbt(plan, psbt)) findings.add(`psbts/${at}/${field}`, problem);
  });
  checkTerms(task, plan.terms, 'terms', findings);
  findings.unless(!task.paysAnother(plan), 'terms/for', 'its transactions are those of a settlement that was proposed before, for another milestone');
  hear(task, plan, votes, findings);
  timely(document, task, plan, findings);
  checkConflicts(document, task, plan, findings);
  checkLeft(task, contract, plan, besides.refunds, besides.destination, findings);
  const entitlements = task.entitlements(plan.terms.kind);
  if ('refused' in entitlements || !findings.none) return { findings: findings.all };
  const given = new Set(psbts.map((psbt) => txid(psbt.unsignedTx)));
  const explanation: Explanation = {
    task, plan, role, given,
    purpose: purpose(plan.terms.kind, role),
    inputs: plan.terms.inputs.map((input) => inputWords(task, input, entitlements.is)),
    transactions: formsOf(plan).map((placed) => transactionWords(task, placed, given)),
  };
  return { explanation };
}

/** The document's settlement that some PSBT belongs to, or that is most like the first. */
function find(task: Task, psbts: readonly Psbt[]): Plan | undefined {
  const byId = task.plans.sort((a, b) => (a.id < b.id ? -1 : 1));
  // Of two that have the same transaction, the one that it pays.
  const paysAnother = new Set(byId.filter((plan) => task.paysAnother(plan)));
  const plans = [...byId.filter((plan) => !paysAnother.has(plan)), ...paysAnother];
  const ids = psbts.map((psbt) => txid(psbt.unsignedTx));
  const exact = plans.find((plan) => ids.some((id) => placeOf(plan, id) !== undefined));
  const first = psbts[0]?.unsignedTx;
  if (exact !== undefined || first === undefined) return exact;
  // A changed field changes the txid; the signer is told which, by the settlement that spends most of the same, and of
  // several the smallest.
  const near = plans
    .flatMap((plan) => plan.chunks.map((chunk) => ({ plan, shared: sharedInputs(chunk, first), size: chunk.inputs.length })))
    .filter(({ shared }) => shared > 0)
    .sort((a, b) => b.shared - a.shared || a.size - b.size);
  return near[0]?.plan;
}

/** Whether all that a transaction spends is there. What a reorg took away may come back; until then it goes nowhere. */
const isThere = (task: Task, chunk: Chunk): boolean => chunk.inputs.every(({ term }) => task.outpoints.has(term.outpoint));

/** Whether a transaction of a plan cannot confirm as it is. */
function isBroken(task: Task, plan: Plan): boolean {
  const fates = task.fates(plan);
  return plan.chunks.some((chunk, at) => fates[at] === 'conflicted' || (fates[at] === 'pending' && !isThere(task, chunk)));
}

/** After the cut-off only a rebuild of what two had signed goes on, without an input that was spent or is not there. Gifts have no
 * refund that could be crossed: what moves nothing else may start at any time. */
function timely(document: ProofDocument, task: Task, plan: Plan, findings: Findings): void {
  const { mtp_secs: now } = task.tip;
  if (plan.terms.inputs.every(isGift) || now <= task.cutoff) return;
  const rebuilds = document.settlements.filter(fullySigned).some((proof) => {
    const state = [...task.settlements.values()].find((known) => known.proof === proof);
    if (state === undefined) return false;
    const spent = outpointsOf(state.plan.terms);
    return sameKind(proof.terms.for, plan.terms.kind) && plan.terms.inputs.every(({ outpoint }) => spent.has(outpoint)) &&
      (state.plan.id === plan.id || isBroken(task, state.plan));
  });
  findings.unless(
    rebuilds && now <= task.refundTime + GRACE_SECS, 'tip/mtp_secs',
    `the chain's median time is past the cut-off ${task.cutoff}: nothing new is started`,
  );
}

/** No settlement may start for an outpoint that another one, signed by two, still spends, unless it takes the place of all
 * that may still confirm; what spends something that is not there cannot. Where each outpoint has a transaction of its
 * own, whichever spends it first replaces the other, and the rest goes on. */
export function checkConflicts(document: ProofDocument, task: Task, plan: Plan, findings: Findings): void {
  const ours = outpointsOf(plan.terms);
  document.settlements.forEach((proof, at) => {
    const state = [...task.settlements.values()].find((known) => known.proof === proof);
    if (state === undefined || state.plan.id === plan.id || !fullySigned(proof) || isSplit(state.plan.terms.kind)) return;
    const touched = (chunk: Chunk): boolean => chunk.inputs.some(({ term }) => ours.has(term.outpoint));
    const fates = task.fates(state.plan);
    const binding = state.plan.chunks.filter((chunk, chunkAt) => fates[chunkAt] === 'pending' && isThere(task, chunk));
    findings.unless(
      !binding.some(touched) || binding.every(touched), `settlements/${at}`,
      'two have signed it, and it spends some of the same outpoints: wait until it confirms',
    );
  });
}

function purpose(kind: Kind, role: Role): string {
  switch (kind.kind) {
    case 'payout':
      return `as ${role}, pay what the votes on submission ${kind.submission} allow`;
    case 'early_return':
      return `as ${role}, give everything back before T`;
    case 'ruling':
      return `as ${role}, carry out the arbiter's ruling over the noes of submission ${kind.submission}`;
    case 'milestone':
      return `as ${role}, pay the milestone of submission ${kind.submission}; the rest stays in escrow`;
    case 'move':
      return `as ${role}, move pledges to charter ${kind.to}, as their sponsors signed`;
  }
}

/** `milestone 2 of 3, 30 % of the whole`. */
export function milestoneWords(task: Task, submission: string): string {
  const { milestones } = task.charter.fields;
  const known = task.submission(submission);
  const number = known === undefined ? 0 : milestoneIn(known);
  return partWords(milestones, number);
}

const REASONS: Readonly<Record<Reason, string>> = {
  yes: 'its sponsor voted yes',
  silent: 'its sponsor was silent, the majority says yes and the representative accepts',
  gift: 'a gift, which goes where silent money goes',
  ruled: 'its sponsor voted no, and the arbiter ruled',
  surplus: 'it is beyond what the charter takes',
  below_minimum: 'it is below the minimum pledge',
  early_return: 'everything is given back',
  moved: 'its sponsor signed that it moves',
};

function inputWords(task: Task, input: TermInput, entitlements: ReadonlyMap<string, Entitlement>): string {
  const entitled = entitlements.get(input.outpoint);
  const reason = entitled === undefined ? '' : REASONS[entitled.reason];
  const place = isGift(input) ? 'the open address' : `pledge ${input.index}`;
  const spent = task.outpoints.get(input.outpoint)?.spend ? '; something spends it already' : '';
  return `${satWords(input.amount)} of ${place} (${input.outpoint}): ${percent(input.payBps)} paid, ${reason}${spent}`;
}

function transactionWords(task: Task, placed: Placed, given: ReadonlySet<string>): TransactionWords {
  const { chunkAt, formAt, form } = placed;
  return {
    chunkAt, formAt, feerate: form.feerate, txid: form.txid, fee: form.fee, vsize: Math.ceil(form.weight / 4),
    given: given.has(form.txid),
    outputs: form.tx.outputs.flatMap((output, at) => {
      const line = outputLine(task, placed.chunk, form, output, at);
      return line === null ? [] : [line];
    }),
  };
}

function outputLine(task: Task, chunk: Chunk, form: Form, output: TxOut, at: number): OutputLine | null {
  const kind = form.outputs[at];
  if (kind === undefined) return null;
  const address = addressOf(output.script, task.charter.network) ?? `script ${hex(output.script)}`;
  const amount = satWords(output.amount);
  const line = (of: OutputLine['kind'], words: string): OutputLine =>
    ({ kind: of, amount: output.amount, address, words: `output ${at}: ${words}` });
  if (kind.kind === 'payee') {
    const paid = form.shares.reduce((sum, { pay }) => sum + pay, 0n);
    return line('payee', `${amount} to ${kind.name} ${address}, ${percent(kind.bps)} of the ${satWords(paid)} that are paid`);
  }
  if (kind.kind === 'remainder') return line('remainder', `keeps ${amount} of pledge ${kind.index} in escrow at ${address}`);
  if (kind.kind === 'move') return line('move', `moves ${amount} to the sponsor's pledge at ${address} under charter ${kind.to}`);
  if (isGift(kind)) return line('pot', `gives ${amount} of gift ${kind.outpoint} to the charter's pot ${address}`);
  const from = chunk.inputs.findIndex(({ term }) => term.outpoint === kind.outpoint);
  const [input, share] = [chunk.inputs[from], form.shares[from]];
  const part = input === undefined || share === undefined ? '' : ` (of ${satWords(input.term.amount)}, ${satWords(share.fee)} of it fee)`;
  return line('return', `returns ${amount}${part} to the sponsor of pledge ${kind.index} at the address they signed, ${address}`);
}
