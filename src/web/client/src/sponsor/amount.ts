// Amounts as people write them, in satoshis or in bitcoin, read digit by digit: no number with a fraction is ever made.

import { MAX_MONEY_SAT } from '../core/number.ts';
import { satWords } from '../core/words.ts';

export type Amount = { readonly sat: bigint } | { readonly error: string };

/** What a pledge may be. */
export interface Limits {
  readonly minimum: bigint;
  /** What the cap has left. */
  readonly left: bigint;
}

const SAT_PER_BTC = 100_000_000n;

/** `0.01000000`. */
export const btcWords = (sat: bigint): string => `${sat / SAT_PER_BTC}.${(sat % SAT_PER_BTC).toString().padStart(8, '0')}`;

/** As payment links write it (BIP321): no zeroes at the end. */
export const linkAmount = (sat: bigint): string => btcWords(sat).replace(/\.?0+$/, '');

const GROUP_SPACES = /[\s\u00a0\u2009\u202f_']/gu;

/** What both ways of writing share: signs, words and exponents are told apart. */
function misread(text: string): string | null {
  if (text === '') return 'Write an amount.';
  if (/^[-\u2212]/u.test(text)) return 'An amount cannot be negative.';
  if (/^[+]?\d[\d.,]*e[+-]?\d+$/i.test(text)) return 'Write all digits, without an exponent.';
  if (/^(?:nan|[+]?inf(?:inity)?|∞)$/i.test(text)) return 'This is no number. Write digits only.';
  if (/^0x/i.test(text)) return 'Write the amount in ordinary digits.';
  return /[^\d.,]/u.test(text) ? 'This is no number. Write digits only.' : null;
}

function bounded(sat: bigint): Amount {
  if (sat <= MAX_MONEY_SAT) return { sat };
  return { error: `There will never be more than 21 million bitcoin: ${satWords(MAX_MONEY_SAT)}.` };
}

/** Whole satoshis; thousands may be set apart by spaces or commas. */
export function readSat(given: string): Amount {
  const text = given.trim().replace(/\s*sats?$/i, '').replace(GROUP_SPACES, '');
  const wrong = misread(text);
  if (wrong !== null) return { error: wrong };
  if (text.includes('.')) return { error: 'A satoshi cannot be divided: write a whole number.' };
  if (text.includes(',') && !/^\d{1,3}(?:,\d{3})+$/.test(text)) {
    return { error: 'A satoshi cannot be divided: write a whole number, with commas between thousands or none.' };
  }
  return bounded(BigInt(text.replaceAll(',', '')));
}

/** Bitcoin with at most eight places after a point. */
export function readBtc(given: string): Amount {
  const text = given.trim().replace(/\s*(?:btc|₿)$/iu, '').replace(GROUP_SPACES, '');
  const wrong = misread(text);
  if (wrong !== null) return { error: wrong };
  if (text.includes(',')) return { error: 'Write a point before the decimal places, and nothing between thousands.' };
  const [, whole = '', fraction = ''] = /^(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === '' && fraction === '') return { error: 'This is no number. Write digits and at most one point.' };
  if (fraction.replace(/0+$/, '').length > 8) return { error: 'A bitcoin has eight decimal places; nothing smaller can be paid.' };
  return bounded(BigInt(whole || '0') * SAT_PER_BTC + BigInt(fraction.slice(0, 8).padEnd(8, '0')));
}

/** Why an amount cannot be pledged, or null. */
export function refusal(sat: bigint, { minimum, left }: Limits): string | null {
  if (sat === 0n) return `Nothing is no pledge. The least is ${satWords(minimum)}.`;
  if (sat < minimum) return `${satWords(sat)} is below the least pledge of this task, ${satWords(minimum)}.`;
  if (left < minimum) return 'The task has all it takes; there is no room for another pledge now.';
  return sat > left ? `The task takes ${satWords(left)} more, not ${satWords(sat)}.` : null;
}
