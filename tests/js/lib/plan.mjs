// The transactions of a settlement from its terms: budget, chunks, forms. PROTOCOL, section "Settlement", once more.

import { Address, OutScript } from '@scure/btc-signer';
import { memo } from './keys.mjs';

const FACTORS = [1n, 2n, 4n];
const ALL = 10_000n;
// What stays in escrow must bear its refund's first rung, 138 vB at 1 sat/vB, for at most a tenth.
const LEAST_REMAINDER = 1_380n;

const ceil = (value, by) => (value + by - 1n) / by;
const feeAt = (rate, weight) => ceil(rate * weight, 4n);
const of = (bps, amount) => (BigInt(bps) * amount) / ALL;
const size = (count) => (count < 253 ? 1n : 3n);
const sum = (values) => values.reduce((a, b) => a + b, 0n);

export const scriptOf = memo((address, addresses) => OutScript.encode(Address(addresses).decode(address)));
const outputWeight = (script) => 4n * (8n + size(script.length) + BigInt(script.length));
const frameWeight = (inputs, outputs) => 4n * 8n + 2n + 4n * (size(inputs) + size(outputs));

// Bitcoin Core's GetDustThreshold at 3 sat/vB.
function dust(script) {
  const program = script.length >= 4 && script.length <= 42 && script[1] === script.length - 2
    && (script[0] === 0 || (script[0] >= 0x51 && script[0] <= 0x60));
  return 3n * (8n + 1n + BigInt(script.length) + (program ? 67n : 148n));
}

// An input by the cooperative leaf: two signatures, one left empty, leaf and control block.
const inputWeight = ({ leaf, control }) => 4n * 41n + 1n + 65n + 65n + 1n + BigInt(1 + leaf + 1 + control);

class Out extends Error {
  constructor(reason, numbers) {
    super(reason);
    this.why = { reason, ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, Number(value)])) };
  }
}

// One input: { outpoint, amount, pay, script (of what is not paid), leaf, control }. `kept`: that stays in escrow.
function one(kind, input, rate, pay, fee) {
  const net = input.amount - fee;
  if (net <= 0n) throw new Out('eaten', { feerate_sat_per_vb: rate, fee_sat: fee });
  const paid = of(pay, net);
  if (pay === 10_000) return { fee, pay: net, returned: 0n };
  const returned = net - paid;
  if (returned >= (kind === 'milestone' ? LEAST_REMAINDER : dust(input.script))) return { fee, pay: paid, returned };
  if (pay === 0 || kind === 'milestone') throw new Out('return_dust', { feerate_sat_per_vb: rate, returned_sat: returned });
  return { fee, pay: net, returned: 0n };
}

function dividePool(payees, pool) {
  const dusts = payees.map(({ script }) => dust(script));
  const top = Math.max(...payees.map(({ bps }) => bps));
  const largest = payees.findIndex(({ bps }) => bps === top);
  if (pool < dusts[largest]) return null;
  const amounts = payees.map(({ bps }) => of(bps, pool));
  amounts[0] += pool - sum(amounts);
  amounts.forEach((amount, at) => {
    if (at === largest || amount >= dusts[at]) return;
    amounts[largest] += amount;
    amounts[at] = 0n;
  });
  return amounts[largest] >= dusts[largest] ? amounts : amounts.map((_, at) => (at === largest ? pool : 0n));
}

// What becomes of one chunk's inputs at one feerate; `out` collects the reasons of those that cannot be part of it.
function split(kind, payees, rate, inputs, out) {
  const share = (bpsOf) => {
    const returning = inputs.filter((input) => bpsOf(input) < 10_000).length;
    const paying = inputs.filter((input) => bpsOf(input) > 0).length;
    const outputs = returning + (paying > 0 ? payees.length : 0);
    const frame = ceil(feeAt(rate, frameWeight(inputs.length, outputs)), BigInt(inputs.length));
    const toPayees = ceil(feeAt(rate, sum(payees.map(({ script }) => outputWeight(script)))), BigInt(Math.max(paying, 1)));
    return inputs.map((input) => {
      const pay = bpsOf(input);
      const own = inputWeight(input) + (pay < 10_000 ? outputWeight(input.script) : 0n);
      try {
        return one(kind, input, rate, pay, feeAt(rate, own) + frame + (pay > 0 ? toPayees : 0n));
      } catch (error) {
        if (!(error instanceof Out)) throw error;
        out.push([input.outpoint, error.why]);
        return null;
      }
    });
  };
  const before = out.length;
  let shares = share((input) => input.pay);
  if (out.length > before) return null;
  const nobody = payees.map(() => 0n);
  const paying = inputs.filter((input) => input.pay > 0);
  if (paying.length === 0) return { rate, shares, amounts: nobody };
  const pool = sum(shares.map(({ pay }) => pay));
  const amounts = dividePool(payees, pool);
  if (amounts !== null) return { rate, shares, amounts };
  if (kind === 'ruling') {
    shares = share(() => 0);
    return out.length > before ? null : { rate, shares, amounts: nobody };
  }
  const { why } = new Out('pool_dust', { feerate_sat_per_vb: rate, pool_sat: pool });
  for (const input of paying) out.push([input.outpoint, why]);
  return null;
}

function divide(kind, payees, feerate, cap, inputs) {
  const out = [];
  const rates = FACTORS.map((factor) => BigInt(feerate) * factor).filter((rate) => rate <= BigInt(cap));
  for (const input of inputs) {
    const needs = 3n * feeAt(rates[0], inputWeight(input));
    if (input.amount < needs) out.push([input.outpoint, new Out('small', { needs_sat: needs }).why]);
  }
  if (out.length > 0) return { out };
  const single = kind === 'milestone' || kind === 'move';
  const chunks = single ? inputs.map((input) => [input]) : [inputs];
  const parts = chunks.map((chunk) => {
    const before = out.length;
    const splits = rates.map((rate) => split(kind, payees, rate, chunk, out));
    const lowest = splits[0];
    if (kind === 'milestone' && lowest !== null && out.length === before) {
      const [{ fee, pay }] = lowest.shares;
      const numbers = { feerate_sat_per_vb: lowest.rate, paid_sat: pay, fee_sat: fee };
      if (pay < 10n * fee) out.push([chunk[0].outpoint, new Out('share_small', numbers).why]);
    }
    return { inputs: chunk, splits };
  });
  return out.length > 0 ? { out } : { parts };
}

// Chunks with their splits, and who stays out why. Inputs are in order.
export function plan(kind, payees, feerate, cap, inputs) {
  const staysOut = new Map();
  let joins = inputs;
  for (;;) {
    if (joins.length === 0) return { parts: [], joins, staysOut };
    const { out, parts } = divide(kind, payees, feerate, cap, joins);
    if (parts) return { parts, joins, staysOut };
    for (const [outpoint, why] of out) if (!staysOut.has(outpoint)) staysOut.set(outpoint, why);
    joins = joins.filter(({ outpoint }) => !staysOut.has(outpoint));
  }
}

export const formWeight = (inputs, outputs) =>
  frameWeight(inputs.length, outputs.length) + sum(inputs.map(inputWeight))
  + sum(outputs.map(({ script }) => outputWeight(script)));
