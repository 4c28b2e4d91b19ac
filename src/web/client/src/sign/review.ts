// What would be signed, shown: payees, returns and fee in words first, then every input and output; or why it must not
// be signed.

import { LIMITS, milestoneWords, type Explanation, type OutputLine, type TransactionWords } from '../core/proof/allowed.ts';
import { choiceOf } from '../core/proof/ballot.ts';
import type { Finding } from '../core/proof/findings.ts';
import type { Unsigned } from '../core/proof/speak.ts';
import type { SubmissionState, Task } from '../core/proof/task.ts';
import type { Charter } from '../core/charter.ts';
import { messageOf } from '../core/bip322.ts';
import type { Plan } from '../core/settlement/plan.ts';
import { submissionOf } from '../core/settlement/terms.ts';
import { btc, inert, percent } from '../core/words.ts';
import { address, around, code, rows } from '../offline/dom.ts';
import { element } from '../ui/element.ts';
import { sat, stamp, termsInWords, when } from './words.ts';


/** A list of things that speak against signing. The first is what to look at first. */
export function refusal(title: string, findings: readonly Finding[]): HTMLElement {
  const shown = findings.slice(0, 50);
  const more = findings.length - shown.length;
  return element(
    'div', { class: 'bad', role: 'alert' },
    element('h3', {}, title),
    element('p', {}, 'Nothing was signed, and nothing here can be.'),
    element('ul', { class: 'findings' }, ...shown.map(({ field, problem }) => element('li', {}, inert(problem), field === '' ? null : code(inert(field))))),
    more > 0 ? element('p', {}, `and ${more} more`) : null,
  );
}

/** Real money is not practised with, and practice money is not real. */
const networkLine = (charter: Charter): HTMLElement => {
  const { network } = charter.fields;
  return network === 'mainnet'
    ? element('p', { class: 'warn' }, element('strong', {}, 'mainnet: '), 'this is real money.')
    : element('p', { class: 'warn' }, element('strong', {}, `${network}: `), 'bitcoin on it is worth nothing.');
};

const limits = (): HTMLElement => element(
  'div', { class: 'warn' },
  element('strong', {}, 'What a file cannot prove. '), LIMITS, ' ',
  code('upfront verify proof.json --electrum URL'), ' asks a server; do that first where it matters.',
);

const sum = (lines: readonly OutputLine[], kind: OutputLine['kind']): bigint =>
  lines.reduce((total, line) => (line.kind === kind ? total + line.amount : total), 0n);

/** Who gets what, of all transactions at their lowest feerates. */
function summary(explanation: Explanation): HTMLElement {
  const lowest = explanation.transactions.filter(({ formAt }) => formAt === 0);
  const outputs = lowest.flatMap((words) => words.outputs);
  const count = (kind: OutputLine['kind']): number => outputs.filter((line) => line.kind === kind).length;
  const fee = lowest.reduce((total, words) => total + words.fee, 0n);
  const money = (amount: bigint): HTMLElement => element('span', { class: 'money' }, `${sat(amount)} (${btc(amount)})`);
  const spent = explanation.plan.terms.inputs.reduce((total, input) => total + input.amount, 0n);
  const line = (name: string, amount: bigint, rest: string): readonly [string, HTMLElement] =>
    [name, element('span', {}, money(amount), rest)];
  const outs = (kind: OutputLine['kind']): string => `, ${count(kind)} output${count(kind) === 1 ? '' : 's'}`;
  return rows([
    line('spends', spent, `, ${explanation.plan.terms.inputs.length} outpoints`),
    line('pays', sum(outputs, 'payee'), count('payee') === 0 ? ', nobody' : outs('payee')),
    line('returns', sum(outputs, 'return'), count('return') === 0 ? ', to nobody' : `${outs('return')}, to the addresses that sponsors signed`),
    ...(count('pot') === 0 ? [] : [line('gives to the pot', sum(outputs, 'pot'), outs('pot'))]),
    line('stays in escrow', sum(outputs, 'remainder'), count('remainder') === 0 ? ', of what it spends' : `${outs('remainder')}; its sponsors' refunds at T are signed and were checked for every form`),
    ...(count('move') === 0 ? [] : [line('moves to another task', sum(outputs, 'move'), `${outs('move')}; its sponsors' refunds there are signed and were checked for every form`)]),
    line('network fee', fee, ', at the lowest feerate'),
  ]);
}

function transaction(words: TransactionWords): HTMLElement {
  const lines = words.outputs.map((output) => element('li', {}, ...around(output.words, output.address, address(output.address))));
  const title = `Transaction ${words.chunkAt} at ${words.feerate} sat/vB`;
  const fee = `fee ${sat(words.fee)} for ${words.vsize} vB${words.given ? '' : '; no PSBT of it was given, so it is not signed'}`;
  const body = [element('ul', { class: 'moves' }, ...lines), element('p', {}, code(words.txid))];
  // The lowest form says who gets what; in the others everybody gets a little less.
  return words.formAt === 0
    ? element('div', {}, element('h3', {}, title), element('p', {}, fee), ...body)
    : element('details', {}, element('summary', {}, `${title}: ${fee}`), ...body);
}

function inputLine(line: string): HTMLElement {
  const outpoint = /[0-9a-f]{64}:\d+/.exec(line)?.[0] ?? '';
  return element('li', {}, ...around(line, outpoint, code(outpoint)));
}

function standOf(task: Task): HTMLElement {
  const { tip, charter } = task;
  return rows([
    ['charter', code(charter.id)],
    ['as of block', `${tip.height}, median time ${when(tip.mtp_secs)}`],
    ['block', code(tip.hash)],
    ['nothing new after', when(task.cutoff)],
    ['T, refunds', when(task.refundTime)],
  ]);
}

/** Who disputes a submission, and how much was said about it. */
function spoken({ proof }: SubmissionState): string {
  const all = (proof.evidence ?? []).map(({ statement }) => statement);
  const disputes = [...new Set(all.filter(({ kind }) => kind === 'dispute').map(({ by }) => by))];
  if (all.length === 0) return 'none';
  return `${all.length} given${disputes.length === 0 ? '' : `, disputed by ${disputes.join(', ')}`}`;
}

/** The count of a submission, recounted. */
export function count(task: Task, submission: SubmissionState): HTMLElement {
  const tally = task.tally(submission);
  const { statement } = submission.proof.submission;
  const words = task.words(submission);
  const window = task.window(submission);
  const said = [...task.pledges.keys()].flatMap((pledge) => {
    const choice = choiceOf(tally, pledge);
    return choice === undefined ? [] : [`pledge ${pledge} ${choice}`];
  });
  const yesNo = (value: boolean | null, none: string): string => (value === null ? none : value ? 'yes' : 'no');
  return rows([
    ['submission', `number ${statement.number}`], ['id', code(submission.id)],
    ...(task.charter.fields.milestones.length === 1 ? [] : [['milestone', milestoneWords(task, submission.id)] as const]),
    ...(statement.named === null ? [] : [['pays', `whom the ${statement.named.by} named, with the money of yes votes only`] as const]),
    ['link', inert(statement.link)], ['SHA-256 of the work', code(statement.content)],
    ['votes until', window === null ? 'not open: the leader has not confirmed the work' : stamp(window.closesSecs) + (words.closed ? ', closed' : ', still open')],
    ['yes / no / all weight', `${sat(tally.yes)} / ${sat(tally.no)} / ${sat(tally.electorate)}`],
    ['quorum, threshold', `${tally.quorumMet ? 'met' : 'not met'}, ${tally.thresholdReached ? 'reached' : 'not reached'}`],
    ['votes', said.length === 0 ? 'none' : said.join(', ')],
    ['disputes and evidence', spoken(submission)],
    ['representative accepts', yesNo(words.accepted, 'nothing said')],
    ['arbiter ruled', words.rulingBps === null ? 'nothing said' : `${words.rulingBps} of 10000 is paid`],
  ]);
}

/** Whom a submission names in place of the charter's payees, where it does. */
function payeesNamed({ terms }: Plan, submission: SubmissionState | undefined): HTMLElement[] {
  if (terms.payees.length === 0) return [];
  const by = submission?.proof.submission.statement.named?.by ?? 'nobody';
  return [
    element('p', { class: 'warn' }, element('strong', {}, 'Other payees than the charter\'s. '), `The ${by} named them, and signed for that; only money of sponsors who voted yes goes to them:`),
    element('ul', { class: 'moves' }, ...terms.payees.map((payee) => element('li', {}, `${percent(payee.share_bps)} to `, address(payee.address)))),
  ];
}

/** A settlement that may be signed. */
export function settlement(explanation: Explanation, votesHeard: number): HTMLElement[] {
  const { task, plan, inputs, transactions } = explanation;
  const { kind } = plan.terms;
  const submission = task.submission(submissionOf(kind) ?? '');
  return [
    networkLine(task.charter),
    element('p', { class: 'good' }, element('strong', {}, 'Charter and votes allow this: '), explanation.purpose, '.'),
    ...(kind.kind === 'milestone' ? [element('p', {}, `Pays ${milestoneWords(task, kind.submission)}, from pledges that voted yes. What they hold for the other milestones stays in escrow, at addresses of the next generation; at T each sponsor can take it back alone.`)] : []),
    ...(kind.kind === 'move' ? [element('p', {}, 'Moves whole pledges to the pledges of the same sponsors under another charter: other terms, another T. Each sponsor signed for it; their refunds under the new terms were checked.')] : []),
    summary(explanation),
    ...payeesNamed(plan, submission),
    limits(),
    votesHeard === 0 ? element('p', {}, 'No vote was given to you directly. If a sponsor sent you one, add its file: a no that was left out is found.')
      : element('p', {}, `Votes given to you directly: ${votesHeard}. Nothing in them speaks against this.`),
    element('h3', {}, 'It spends'),
    element('ul', { class: 'moves' }, ...inputs.map(inputLine)),
    element('p', {}, 'Each transaction comes at rising feerates, all over the same inputs: only one of them can ever confirm. In the dearer ones everybody bears a little more of the fee.'),
    ...transactions.map(transaction),
    ...(submission === undefined ? [] : [element('h3', {}, 'The count, made anew from signed votes'), count(task, submission)]),
    element('h3', {}, 'The task'), standOf(task),
    rows([['settlement', code(plan.id)]]),
  ];
}

/** Words that a signer is about to say. */
export function words(unsigned: Unsigned, about: readonly HTMLElement[]): HTMLElement[] {
  const { charter, statement } = unsigned;
  const shown = unsigned.resource === 'attestations' ? `${statement.tag}\n${charter.id}\n` : messageOf(statement);
  return [
    networkLine(charter),
    ...about,
    element('h3', {}, 'These words are signed'),
    element('pre', {}, shown),
  ];
}

export const charterTerms = (charter: Charter): HTMLElement =>
  rows(termsInWords(charter).map(([name, value]): [string, HTMLElement] => [name, element('span', {}, value)]));

/** What is known of the task. */
export const standing = (task: Task): HTMLElement[] => [limits(), standOf(task)];

/** What is known of the task whose submission is judged. */
export const judged = (task: Task, submission: SubmissionState): HTMLElement[] => [count(task, submission), ...standing(task)];
