// Which way of an output's Taproot tree a spend took, and whether its witness is a valid one. A txid does not cover
// witnesses, so a document could show another witness than the chain has. Where everything that was signed is at hand,
// the signatures are verified; where it is not (a batch of refunds whose fee input is not the task's), the form of the
// witness and what the txid covers must do.

import { hex, same } from '../bytes.ts';
import type { EscrowOutput } from '../output.ts';
import { verifySchnorr } from '../point.ts';
import { leafHash, readWitnessSignature, SIGHASH, SighashCache, type Transaction, type TxOut } from '../tx.ts';
import type { SpendPath } from './document.ts';

const ANNEX = 0x50;
const FINAL = 0xffff_ffff;
const FIRST_TIME = 500_000_000;
const BAD = 'a signature in the witness does not verify';

export type Way = { readonly path: SpendPath } | { readonly problem: string };

/** The way input `vin` of `tx` spends `output`; `prevouts` are what its inputs spend, null where that is not known. */
export function wayOf(output: EscrowOutput, tx: Transaction, vin: number, prevouts: readonly (TxOut | null)[]): Way {
  const input = tx.inputs[vin];
  if (input === undefined) return { problem: 'no such input' };
  const stack = input.witness;
  if (stack.length > 1 && stack.at(-1)?.[0] === ANNEX) {
    return { problem: 'its witness has an annex, which this page does not read: check the document with `upfront verify`' };
  }
  const signed = (leaf: Uint8Array | null, key: string, element: Uint8Array): boolean =>
    verified(tx, vin, prevouts, leaf, key, element);
  const [first, second, third, fourth, fifth] = stack;
  if (stack.length === 1 && first !== undefined) {
    return signed(null, hex(output.scriptPubkey.slice(2)), first) ? { path: 'key' } : { problem: BAD };
  }
  if (stack.length === 5 && first && second && third && fourth && fifth &&
      same(fourth, output.cooperativeLeaf) && same(fifth, output.cooperativeControlBlock)) {
    const leaf = leafHash(output.cooperativeLeaf);
    const given = [third, second, first].flatMap((element, at) =>
      element.length > 0 ? [{ element, key: output.signerKeys[at] ?? '' }] : []);
    if (!given.every(({ element, key }) => signed(leaf, key, element))) return { problem: BAD };
    return given.length === 2 ? { path: 'cooperative' } : { problem: 'not signed by exactly two of three' };
  }
  if (stack.length === 3 && first && second && third && output.refundLeaf !== null && output.refundControlBlock !== null &&
      output.sponsorKey !== null && same(second, output.refundLeaf) && same(third, output.refundControlBlock)) {
    const locked = tx.lockTime >= FIRST_TIME && tx.lockTime >= output.refundTime && input.sequence !== FINAL;
    if (!locked) return { problem: 'a refund locked to T is not final before it; this one is not locked so (BIP65)' };
    return signed(leafHash(output.refundLeaf), output.sponsorKey, first) ? { path: 'refund' } : { problem: BAD };
  }
  return { problem: 'the witness spends no way that this address has' };
}

/** Refuses a signature that does not verify; says nothing of one whose prevouts are not known. */
function verified(
  tx: Transaction, vin: number, prevouts: readonly (TxOut | null)[], leaf: Uint8Array | null, key: string, element: Uint8Array,
): boolean {
  const read = readWitnessSignature(element);
  if (read === null) return false;
  const own = prevouts[vin];
  const alone = (read.sighashType & SIGHASH.anyoneCanPay) !== 0;
  const known = alone ? own !== null && own !== undefined : prevouts.every((prevout) => prevout !== null);
  if (!known) return true;
  // What ANYONECANPAY leaves out need not be known: any output stands in for it.
  const all = prevouts.map((prevout) => prevout ?? { amount: 0n, script: new Uint8Array(0) });
  try {
    return verifySchnorr(read.signature, new SighashCache(tx, all).taproot(vin, read.sighashType, leaf), key);
  } catch {
    return false;
  }
}
