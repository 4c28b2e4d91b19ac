// What a settlement is to do: everything its transactions follow from, and its id. Whether the votes allow it is not
// judged here.

import { hex, utf8 } from '../bytes.ts';
import { refuse } from '../error.ts';
import { taggedHash } from '../hash.ts';
import { MAX_MONEY_SAT } from '../number.ts';
import { MAX_GENERATION } from '../output.ts';
import type { Kind, TermsDocument } from '../proof/document.ts';
import { payeeLines, type NamedPayee } from '../statement.ts';

export type { Kind };

/** Index and generation of the task's open address are both 0. */
export const OPEN_INDEX = 0;

/** One outpoint that moves. */
export interface TermInput {
  readonly outpoint: string;
  readonly amount: bigint;
  readonly index: number;
  readonly generation: number;
  /** S; null for gifts to the open address. */
  readonly sponsorKey: string | null;
  /** Share that goes to the payees; the rest returns. */
  readonly payBps: number;
  /** Where the rest goes: the signed refund address of a pledge, the pot for gifts (null without one). */
  readonly returnAddress: string | null;
}

/** Everything a settlement's transactions follow from; inputs by outpoint. */
export interface Terms {
  readonly charter: string;
  readonly kind: Kind;
  /** Of the lowest form, sat/vB. */
  readonly feerate: number;
  readonly inputs: readonly TermInput[];
  /** Whom the submission names in place of the charter's payees; none: the charter's. */
  readonly payees: readonly NamedPayee[];
}

export const txidOf = (outpoint: string): string => outpoint.slice(0, 64);
export const voutOf = (outpoint: string): number => Number(outpoint.slice(65));

// Txids are shown with their bytes reversed, and ordered as they are.
const sortKey = (outpoint: string): string => (txidOf(outpoint).match(/../g) ?? []).reverse().join('');

/** The order of outpoints: by the bytes of the txid, then by output number. */
export function byOutpoint(a: string, b: string): number {
  const [left, right] = [sortKey(a), sortKey(b)];
  if (left !== right) return left < right ? -1 : 1;
  return voutOf(a) - voutOf(b);
}

export const isGift = (input: { readonly index: number }): boolean => input.index === OPEN_INDEX;
export const returns = (input: TermInput): boolean => input.payBps < 10_000;
export const pays = (input: TermInput): boolean => input.payBps > 0;

/** Each outpoint has a transaction of its own: its txid depends on nobody else's vote. */
export const isSplit = (kind: Kind): boolean => kind.kind === 'milestone' || kind.kind === 'move';

export const sameKind = (a: Kind, b: Kind): boolean =>
  a.kind === b.kind && submissionOf(a) === submissionOf(b) && (a.kind !== 'move' || (b.kind === 'move' && a.to === b.to));
export const submissionOf = (kind: Kind): string | null => ('submission' in kind ? kind.submission : null);

/** Reads terms as written, sorts them, and checks what can be checked without the charter. */
export function readTerms(given: TermsDocument, field: string): Terms {
  const inputs = given.inputs
    .map((input) => ({
      outpoint: input.outpoint, amount: BigInt(input.amount_sat), index: input.index, generation: input.generation,
      sponsorKey: input.sponsor_key, payBps: input.pay_bps, returnAddress: input.return_address,
    }))
    .sort((a, b) => byOutpoint(a.outpoint, b.outpoint));
  const no = (code: string, words: string): never => refuse(code, field, words);
  if (inputs.length === 0) no('terms_empty', 'a settlement needs at least one outpoint');
  if (given.feerate_sat_per_vb < 1) no('terms_feerate', 'a feerate of 0 sat/vB: it is at least 1');
  let sum = 0n;
  inputs.forEach((input, at) => {
    const { outpoint } = input;
    if (inputs[at + 1]?.outpoint === outpoint) no('terms_duplicate', `${outpoint} is named twice`);
    if (input.payBps > 10_000) no('terms_share', `${outpoint}: a share of ${input.payBps} bps; it is at most 10000`);
    sum += input.amount;
    if (sum > MAX_MONEY_SAT) no('terms_too_much', 'the outpoints hold more than 21 million BTC');
    const open = isGift(input) && input.generation === 0;
    if (open === (input.sponsorKey !== null) || isGift(input) !== open) {
      no('terms_sponsor_key', `${outpoint}: pledges have a sponsor's key, the open address (index 0, generation 0) has none`);
    }
    if (returns(input) && input.returnAddress === null) {
      no('terms_no_return_address', `${outpoint}: part of it returns, and there is no address for that`);
    }
    const { kind } = given.for;
    if ((kind === 'early_return' || kind === 'move') && pays(input)) {
      no('terms_pays_in_return', `${outpoint}: an early return or a move pays nobody`);
    }
    if ((isSplit(given.for) && open) || (kind === 'milestone' && (!pays(input) || !returns(input)))) {
      no('terms_not_a_part', `${outpoint}: a milestone pays a part of a pledge and leaves a rest in escrow, of a pledge only`);
    }
    if (kind === 'milestone' && input.generation >= MAX_GENERATION) {
      no('terms_no_generation_left', `${outpoint}: it was split ${input.generation} times, and has no further address`);
    }
  });
  return { charter: given.charter, kind: given.for, feerate: given.feerate_sat_per_vb, inputs, payees: given.payees ?? [] };
}

function kindLines(kind: Kind): string {
  switch (kind.kind) {
    case 'early_return':
      return 'kind: early return\n';
    case 'move':
      return `kind: move\nto: ${kind.to}\n`;
    default:
      return `kind: ${kind.kind}\nsubmission: ${kind.submission}\n`;
  }
}

/** Every field in words: what the id is a hash of. */
export function termsLines(terms: Terms): string {
  const what = `${kindLines(terms.kind)}${payeeLines(terms.payees).map(([name, value]) => `${name}: ${value}\n`).join('')}`;
  const line = (input: TermInput): string =>
    `input: ${input.outpoint}, ${input.amount} sat, slot ${input.generation}/${input.index}, ` +
    `sponsor key ${input.sponsorKey ?? 'none'}, pay ${input.payBps} bps, return to ${input.returnAddress ?? 'none'}\n`;
  return `charter: ${terms.charter}\n${what}feerate: ${terms.feerate} sat/vB\n${terms.inputs.map(line).join('')}`;
}

export const termsId = (terms: Terms): string => hex(taggedHash('upfront/settlement', utf8(termsLines(terms))));
