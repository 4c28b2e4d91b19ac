// What each outpoint bears of the fee, what it pays and what returns; and how many transactions they need.
//
// Whole satoshis throughout: every share of the fee is rounded up, so that no form falls below its feerate, and what
// rounding leaves of the payees' pool goes to the first of them.

import { dust } from '../address.ts';
import { isGift, isSplit, pays, returns, type Kind, type TermInput } from './terms.ts';

/** Feerates of a settlement's forms, as multiples of its lowest. */
const FORM_FACTORS = [1, 2, 4] as const;
/** What an outpoint must hold at least to be moved: three leaf inputs' fees. */
const WORTH = 3n;
/** A milestone's share must pay ten times the fee of the transaction that splits it off. */
const WORTH_SPLITTING = 10n;
/** Least that stays in escrow: what can still bear the first rung of its refund, 138 vB at 1 sat/vB for at most a tenth. */
const LEAST_REMAINDER = 1_380n;
/** Weights (BIP141) of an input by the two-of-three leaf: of a pledge, and of the open address with its shorter proof. */
const PLEDGE_INPUT = 4 * 41 + 1 + 65 + 65 + 1 + 105 + 66;
const OPEN_INPUT = 4 * 41 + 1 + 65 + 65 + 1 + 105 + 34;
/** Version, locktime, segwit marker and flag. */
const FRAME = 4 * 8 + 2;
/** Ours stay this far below what nodes relay. */
const MAX_TRANSACTION = 399_000;

/** Where a share of a payout goes, in the charter's order. */
export interface Share {
  readonly name: string;
  readonly script: Uint8Array;
  readonly bps: number;
}

/** The part of a charter that settlements are made from. */
export interface PayRules {
  readonly shares: readonly Share[];
  readonly feerateCap: number;
}

/** An input with the script that what is not paid goes to: its return address; the next generation's address where the
 * rest stays in escrow. */
export interface BudgetInput extends TermInput {
  readonly restScript: Uint8Array | null;
}

/** What becomes of one input: the three make its value. */
export interface InputShare {
  readonly fee: bigint;
  readonly pay: bigint;
  /** Returns, stays in escrow or moves, as the settlement's kind says. */
  readonly returned: bigint;
}

/** What becomes of a chunk's money in one form. */
export interface Split {
  readonly feerate: number;
  readonly shares: readonly InputShare[];
  /** By the charter's shares; zero makes no output. */
  readonly payees: readonly bigint[];
}

export interface Part {
  readonly inputs: readonly BudgetInput[];
  readonly splits: readonly Split[];
}

/** An outpoint that cannot be part of a settlement, and why. */
export interface StaysOut {
  readonly outpoint: string;
  readonly reason: string;
}

const compactLength = (count: number): number => (count <= 252 ? 1 : count <= 0xffff ? 3 : 5);
export const outputWeight = (script: Uint8Array): number => 4 * (8 + compactLength(script.length) + script.length);
export const frameWeight = (inputs: number, outputs: number): number =>
  FRAME + 4 * (compactLength(inputs) + compactLength(outputs));
export const inputWeight = (input: { readonly index: number }): number => (isGift(input) ? OPEN_INPUT : PLEDGE_INPUT);
const returnWeight = (input: BudgetInput): number => (input.restScript === null ? 0 : outputWeight(input.restScript));

const ceilDivide = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;
/** Fee of a weight, rounded up: a virtual byte is four weight units. */
const feeAt = (feerate: number, weight: number): bigint => ceilDivide(BigInt(feerate) * BigInt(weight), 4n);
const partOf = (amount: bigint, parts: number): bigint => ceilDivide(amount, BigInt(Math.max(parts, 1)));
const shareOf = (bps: number, amount: bigint): bigint => (amount * BigInt(bps)) / 10_000n;
const total = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);
const payeesWeight = (rules: PayRules): number => rules.shares.reduce((sum, share) => sum + outputWeight(share.script), 0);

/** Chunks and splits for `inputs` (in order), or the outpoints that spoil them. */
export function divide(
  rules: PayRules, kind: Kind, feerate: number, inputs: readonly BudgetInput[],
): { parts: Part[] } | { out: StaysOut[] } {
  const rates = FORM_FACTORS.map((factor) => feerate * factor).filter((rate) => rate >= 1 && rate <= rules.feerateCap);
  const lowest = rates[0];
  if (lowest === undefined) {
    return { out: inputs.map(({ outpoint }) => ({ outpoint, reason: 'the feerate is above the charter\'s cap' })) };
  }
  const small = inputs.flatMap((input) => {
    const needs = feeAt(lowest, inputWeight(input)) * WORTH;
    const reason = `it holds less than ${needs} sat, three times the fee of spending it`;
    return input.amount < needs ? [{ outpoint: input.outpoint, reason }] : [];
  });
  if (small.length > 0) return { out: small };
  const out: StaysOut[] = [];
  const parts = chunks(rules, kind, inputs).map((chunk) => {
    const splits: Split[] = [];
    for (const rate of rates) {
      const made = split(rules, kind, rate, chunk);
      if ('out' in made) out.push(...made.out);
      else splits.push(made);
    }
    if (kind.kind === 'milestone') out.push(...shareSmall(chunk, splits[0]));
    return { inputs: chunk, splits };
  });
  return out.length > 0 ? { out } : { parts };
}

/** Whether a milestone's share of an outpoint is not worth splitting off. */
function shareSmall(inputs: readonly BudgetInput[], lowest: Split | undefined): StaysOut[] {
  const [input, share] = [inputs[0], lowest?.shares[0]];
  if (input === undefined || lowest === undefined || share === undefined || share.pay >= share.fee * WORTH_SPLITTING) return [];
  const reason = `at ${lowest.feerate} sat/vB its share would pay ${share.pay} sat, under ten times its transaction's fee of ${share.fee} sat`;
  return [{ outpoint: input.outpoint, reason }];
}

/** The fewest chunks that nodes relay however the inputs are spent; their sizes differ by one at most. */
function chunks(rules: PayRules, kind: Kind, inputs: readonly BudgetInput[]): BudgetInput[][] {
  if (isSplit(kind)) return evenly(inputs, inputs.length);
  // A ruling whose payees would get dust returns everything.
  const mayReturn = (input: BudgetInput): boolean => returns(input) || kind.kind === 'ruling';
  const weigh = (chunk: readonly BudgetInput[]): number => {
    const paid = chunk.some(pays);
    const returning = chunk.filter(mayReturn);
    const weight = chunk.reduce((sum, input) => sum + inputWeight(input), 0) +
      returning.reduce((sum, input) => sum + returnWeight(input), 0) + (paid ? payeesWeight(rules) : 0);
    return weight + frameWeight(chunk.length, returning.length + (paid ? rules.shares.length : 0));
  };
  const least = Math.min(Math.max(Math.ceil(weigh(inputs) / MAX_TRANSACTION), 1), inputs.length);
  for (let count = least; count < inputs.length; count += 1) {
    const made = evenly(inputs, count);
    if (made.every((chunk) => weigh(chunk) <= MAX_TRANSACTION)) return made;
  }
  return evenly(inputs, inputs.length);
}

function evenly(inputs: readonly BudgetInput[], count: number): BudgetInput[][] {
  const [size, longer] = [Math.floor(inputs.length / count), inputs.length % count];
  const made: BudgetInput[][] = [];
  for (let at = 0, from = 0; at < count; at += 1) {
    const length = size + (at < longer ? 1 : 0);
    made.push(inputs.slice(from, from + length));
    from += length;
  }
  return made;
}

/** Splits one chunk at one feerate. A ruling whose payees together would get dust returns everything; any other
 * settlement refuses the inputs that pay. */
function split(rules: PayRules, kind: Kind, feerate: number, inputs: readonly BudgetInput[]): Split | { out: StaysOut[] } {
  const nobody = rules.shares.map(() => 0n);
  const shared = share(rules, kind, feerate, inputs, false);
  if ('out' in shared) return shared;
  if (!inputs.some(pays)) return { feerate, shares: shared.shares, payees: nobody };
  const pool = total(shared.shares.map((of) => of.pay));
  const payees = dividePool(rules, pool);
  if (payees !== null) return { feerate, shares: shared.shares, payees };
  if (kind.kind === 'ruling') {
    const returned = share(rules, kind, feerate, inputs, true);
    return 'out' in returned ? returned : { feerate, shares: returned.shares, payees: nobody };
  }
  const reason = `at ${feerate} sat/vB all payees together would get ${pool} sat, which nodes do not relay`;
  return { out: inputs.filter(pays).map(({ outpoint }) => ({ outpoint, reason })) };
}

/** What becomes of each input. With `nobodyPaid` everything returns, whatever the terms say. */
function share(
  rules: PayRules, kind: Kind, feerate: number, inputs: readonly BudgetInput[], nobodyPaid: boolean,
): { shares: InputShare[] } | { out: StaysOut[] } {
  const pay = (input: BudgetInput): number => (nobodyPaid ? 0 : input.payBps);
  const returning = inputs.filter((input) => pay(input) < 10_000).length;
  const paying = inputs.filter((input) => pay(input) > 0).length;
  const payees = paying > 0 ? rules.shares.length : 0;
  const frame = partOf(feeAt(feerate, frameWeight(inputs.length, returning + payees)), inputs.length);
  const payeeOutputs = partOf(feeAt(feerate, payeesWeight(rules)), paying);
  const out: StaysOut[] = [];
  const shares: InputShare[] = [];
  for (const input of inputs) {
    const bps = pay(input);
    const own = inputWeight(input) + (bps < 10_000 ? returnWeight(input) : 0);
    const fee = feeAt(feerate, own) + frame + (bps > 0 ? payeeOutputs : 0n);
    const made = one(input, kind, feerate, bps, fee);
    if (typeof made === 'string') out.push({ outpoint: input.outpoint, reason: made });
    else shares.push(made);
  }
  return out.length > 0 ? { out } : { shares };
}

/** What becomes of one input that bears `fee`, or why it stays out. */
function one(input: BudgetInput, kind: Kind, feerate: number, bps: number, fee: bigint): InputShare | string {
  const net = input.amount - fee;
  if (net <= 0n) return `its part of the fee at ${feerate} sat/vB is ${fee} sat, which leaves nothing`;
  if (bps === 10_000) return { fee, pay: net, returned: 0n };
  const pay = shareOf(bps, net);
  const returned = net - pay;
  if (input.restScript === null) return 'it would return, and there is no address for that';
  const least = kind.kind === 'milestone' ? LEAST_REMAINDER : dust(input.restScript);
  if (returned >= least) return { fee, pay, returned };
  // What is to stay in escrow is never paid instead.
  if (bps === 0 || kind.kind === 'milestone') return `at ${feerate} sat/vB only ${returned} sat would return, which nodes do not relay`;
  // Too little to come back: better the payees have it than the miners.
  return { fee, pay: net, returned: 0n };
}

/** Shares of the pool by the charter; null where all of it together is dust. What rounding leaves goes to the first,
 * and what would be dust to whoever has the largest share. */
function dividePool(rules: PayRules, pool: bigint): bigint[] | null {
  const dusts = rules.shares.map((of) => dust(of.script));
  const largest = rules.shares.reduce((best, of, at) => (of.bps > (rules.shares[best]?.bps ?? 0) ? at : best), 0);
  const limit = dusts[largest] ?? 0n;
  if (pool < limit) return null;
  const amounts = rules.shares.map((of) => shareOf(of.bps, pool));
  amounts[0] = (amounts[0] ?? 0n) + pool - total(amounts);
  let gathered = 0n;
  amounts.forEach((amount, at) => {
    if (at !== largest && amount < (dusts[at] ?? 0n)) {
      gathered += amount;
      amounts[at] = 0n;
    }
  });
  const most = (amounts[largest] ?? 0n) + gathered;
  // The others' kinds of output may have lower limits than this one's.
  if (most < limit) return amounts.map((_, at) => (at === largest ? pool : 0n));
  amounts[largest] = most;
  return amounts;
}
