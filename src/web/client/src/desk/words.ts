// Signed statements as they are handed in, told in words before they are sent. Whether a signature is right is for the
// service to say; what it is over must be what this page is for.

import { refuse } from '../core/error.ts';
import { parseJson, type Json } from '../core/json.ts';
import { networkOf } from '../core/network.ts';
import { findSecret, isSecret } from '../core/secret.ts';
import { parseSignature } from '../core/signature.ts';
import { acceptance, attest, confirmation, evidence, ruling, submission, vote, type Statement } from '../core/statement.ts';
import { inert, payeeWords, percent } from '../core/words.ts';
import { namedOf } from '../sponsor/views.ts';

export type Kind = 'attestation' | 'submission' | 'confirmation' | 'acceptance' | 'ruling' | 'vote' | 'evidence';

export interface Told {
  /** In one sentence. */
  readonly sentence: string;
  /** Exactly what was signed. */
  readonly lines: string;
  /** What is sent. */
  readonly body: string;
}

/** Longest text that can be a signed statement. */
const MAX_CHARS = 16_384;

type Fields = { readonly [key: string]: Json };

const isFields = (value: Json | undefined): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What each kind says, from the statement's fields. The core refuses every field that is not of its shape. */
const SAYS: Readonly<Record<Exclude<Kind, 'attestation'>, (fields: Fields) => { statement: Statement; sentence: string }>> = {
  submission: (fields) => ({
    statement: submission({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, number: fields['number'] as number,
      link: text(fields['link'], 'link'), content: fields['content'] as string, blockHeight: fields['block_height'] as number,
      blockHash: fields['block_hash'] as string, milestone: (fields['milestone'] ?? null) as number | null,
      named: namedOf(fields['named'], 'named'),
    }),
    sentence: submissionWords(fields),
  }),
  confirmation: (fields) => ({
    statement: confirmation({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, submission: fields['submission'] as string,
      confirmed: confirmed(fields['confirmed']), blockHeight: fields['block_height'] as number, blockHash: fields['block_hash'] as string,
    }),
    sentence: `The project's leader confirms that the work is ${String(fields['confirmed'])}: voting opens with it.`,
  }),
  evidence: (fields) => ({
    statement: evidence({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, submission: fields['submission'] as string,
      kind: disputeOrEvidence(fields['kind']), by: text(fields['by'], 'by'), text: text(fields['text'], 'text'),
      attachments: attachments(fields['attachments']), counter: fields['counter'] as number,
    }),
    sentence: evidenceWords(text(fields['by'], 'by'), fields['kind'] === 'dispute', text(fields['text'], 'text')),
  }),
  acceptance: (fields) => ({
    statement: acceptance({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, submission: fields['submission'] as string,
      accepted: flag(fields['accepted'], 'accepted'),
    }),
    sentence: fields['accepted'] === true
      ? 'The representative accepts the work. With quorum and threshold reached, the money of the silent is paid.'
      : 'The representative refuses the work. The money of the silent stays.',
  }),
  ruling: (fields) => ({
    statement: ruling({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, submission: fields['submission'] as string,
      payBps: fields['pay_bps'] as number,
    }),
    sentence: rulingWords(Number(fields['pay_bps'])),
  }),
  vote: (fields) => ({
    statement: vote({
      network: networkOf(fields['network']).name, charter: fields['charter'] as string, submission: fields['submission'] as string,
      pledge: fields['pledge'] as number, choice: fields['choice'] as 'yes' | 'no', counter: fields['counter'] as number,
    }),
    sentence: `The sponsor of pledge ${String(fields['pledge'])} votes ${String(fields['choice'])}.`,
  }),
};

function submissionWords(fields: Fields): string {
  const named = namedOf(fields['named'], 'named');
  const part = typeof fields['milestone'] === 'number' ? `, for milestone ${fields['milestone'] + 1}` : '';
  const to = named === null ? '' : `. It names other payees, who are paid from yes votes only: ${payeeWords(named.payees)}`;
  return `The ${named?.by ?? 'developer'} submits work, number ${Number(fields['number']) + 1} of this task${part}: ${String(fields['link'])}${to}`;
}

export function evidenceWords(by: string, dispute: boolean, said: string): string {
  const who = by.startsWith('pledge ') ? `sponsor of ${by}` : by === 'leader' ? 'project\'s leader' : by;
  return `The ${who} ${dispute ? 'opens a dispute' : 'gives evidence'}: “${inert(said)}”. It is published, and cannot be taken back.`;
}

export function rulingWords(bps: number): string {
  if (bps === 0) return 'The arbiter rules that the money of the noes goes back to its sponsors.';
  if (bps === 10_000) return 'The arbiter rules that the money of the noes is paid.';
  return `The arbiter rules that ${percent(bps)} of the money of the noes is paid, and the rest goes back.`;
}

const text = (value: Json | undefined, field: string): string =>
  typeof value === 'string' ? value : refuse('statement_shape', field, `${field} is missing`);
const flag = (value: Json | undefined, field: string): boolean =>
  typeof value === 'boolean' ? value : refuse('statement_shape', field, `${field} is neither true nor false`);

const confirmed = (value: Json | undefined): 'merged' | 'released' =>
  value === 'merged' || value === 'released' ? value : refuse('statement_shape', 'confirmed', 'confirmed is neither merged nor released');
const disputeOrEvidence = (value: Json | undefined): 'dispute' | 'evidence' =>
  value === 'dispute' || value === 'evidence' ? value : refuse('statement_shape', 'kind', 'kind is neither dispute nor evidence');
const attachments = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.map((each) => text(each, 'attachments')) : refuse('statement_shape', 'attachments', 'attachments is no list');

const secret = (): never =>
  refuse('key_private', 'statement', 'this looks like a private key or recovery words. It was not sent. Never give it to any page; a signed statement belongs here');

/** Whether any text in it is a secret; prose only where it has one in it. */
function holdsSecret(value: Json, key = ''): boolean {
  if (typeof value === 'string') return key === 'text' ? findSecret(value) !== null : isSecret(value);
  return typeof value === 'object' && value !== null && Object.entries(value).some(([at, each]) => holdsSecret(each, at));
}

/** Reads a signed statement of `kind` for one task. `submission` is given where the page is about one submission. */
export function readStatement(given: string, kind: Kind, about: { charter: string; network: string; submission?: string | undefined }): Told {
  if (isSecret(given)) secret();
  if (given.length > MAX_CHARS) refuse('statement_shape', 'statement', 'this is too long to be a signed statement');
  let read: Json;
  try {
    read = parseJson(given.trim(), 'statement');
  } catch {
    return refuse('statement_shape', 'statement', 'this is no signed statement: it is no JSON, or cut off');
  }
  // Once more without JSON's escapes.
  if (holdsSecret(read)) secret();
  if (!isFields(read)) return refuse('statement_shape', 'statement', 'this is no signed statement');
  if (kind === 'attestation') return readAttestation(read, about.charter);
  const fields = read['statement'];
  if (!isFields(fields) || typeof read['signature'] !== 'string') {
    const unsigned = typeof read['kind'] === 'string' && isFields(fields);
    return refuse('statement_shape', 'statement', unsigned
      ? 'these are the words without a signature: sign them first, then hand them in with `upfront statement send`'
      : 'this is no signed statement: it has no statement and signature');
  }
  parseSignature(read['signature'], 'signature');
  if (!isKind(fields, kind)) refuse('other_statement', 'statement', `this is another kind of statement; here ${ARTICLE[kind]} is handed in`);
  same(fields['charter'], about.charter, 'charter', 'it was signed for another task');
  same(fields['network'], about.network, 'network', 'it was signed for another network');
  if (about.submission !== undefined) same(fields['submission'], about.submission, 'submission', 'it was signed for another submission');
  const { statement, sentence } = SAYS[kind](fields);
  return { sentence, lines: statement.lines, body: JSON.stringify({ statement: fields, signature: read['signature'] }) };
}

const ARTICLE: Readonly<Record<Kind, string>> = {
  attestation: 'an attestation', submission: 'a submission', confirmation: 'a confirmation', evidence: 'a dispute or evidence', acceptance: 'an acceptance or refusal', ruling: 'a ruling', vote: 'a vote',
};

/** Each kind has a field that no other has. */
const OWN: Readonly<Record<Exclude<Kind, 'attestation'>, string>> = {
  submission: 'link', confirmation: 'confirmed', acceptance: 'accepted', ruling: 'pay_bps', vote: 'choice', evidence: 'by',
};
const isKind = (fields: Fields, kind: Exclude<Kind, 'attestation'>): boolean => Object.hasOwn(fields, OWN[kind]);

function same(given: Json | undefined, expected: string, field: string, words: string): void {
  if (given !== expected) refuse('other_task', field, `${words}: ${field} ${String(given)}. It was not sent`);
}

function readAttestation(read: Fields, charter: string): Told {
  const role = read['role'];
  if (role !== 'developer' && role !== 'representative' && role !== 'arbiter') {
    return refuse('statement_shape', 'role', 'this is no attestation: it names no seat');
  }
  const signature = text(read['signature'], 'signature');
  parseSignature(signature, 'signature');
  // The command line writes which charter it is of; the offline page does not.
  if (read['charter'] !== undefined) same(read['charter'], charter, 'charter', 'it was signed for another charter');
  return {
    sentence: `The ${role} agrees to this charter.`,
    lines: attest(charter).lines,
    body: JSON.stringify({ role, signature }),
  };
}
