// Whole numbers from outside, checked: amounts are bigints of satoshis in the core and plain JSON numbers
// outside, and no fraction ever comes near either.

import { refuse } from './error.ts';

/** 21 million BTC. */
export const MAX_MONEY_SAT = 2_100_000_000_000_000n;
export const MAX_U32 = 0xffff_ffff;
/** Unhardened BIP32 steps, and times that miniscript's after() can hold, end here. */
export const MAX_31 = 0x7fff_ffff;

export function integer(value: unknown, field: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  return refuse('out_of_range', field, `${field} is not a whole number from ${least} to ${most}`);
}

/** Satoshis of a JSON number. */
export function sat(value: unknown, field: string): bigint {
  return BigInt(integer(value, field, 0, Number(MAX_MONEY_SAT)));
}

/** Satoshis as a JSON number: below 2^53 whatever the amount. */
export function satNumber(amount: bigint, field: string): number {
  if (amount < 0n || amount > MAX_MONEY_SAT) refuse('out_of_range', field, `${field} is no amount of satoshis`);
  return Number(amount);
}
