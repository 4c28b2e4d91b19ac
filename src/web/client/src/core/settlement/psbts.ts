// PSBTs of a plan (BIP174 with the fields of BIP371), and PSBTs that were given compared with it to the last field.
// What is signed is always the plan; a PSBT that says something else would mislead whoever looks at it elsewhere.

import { compare, same, unhex } from '../bytes.ts';
import type { Charter } from '../charter.ts';
import { UpfrontError } from '../error.ts';
import { verifySchnorr } from '../point.ts';
import { Psbt, type PsbtInput } from '../psbt.ts';
import { ROLES } from '../signer-key.ts';
import { leafHash, outpointText, parseTransaction, readWitnessSignature, SIGHASH, SighashCache, txid, type Transaction } from '../tx.ts';
import { differences, type Difference } from './difference.ts';
import { formsOf, placeWords, prevoutsOf, type Chunk, type ChunkInput, type Plan, type Placed } from './plan.ts';

const LEAF_VERSION = 0xc0;
const NON_WITNESS_UTXO = 0x00;
const FINAL_SCRIPT_SIG = 0x07;
const FINAL_SCRIPT_WITNESS = 0x08;

/** What signs each input of a form, by BIP341 with SIGHASH_DEFAULT and the two-of-three leaf. One cache a transaction:
 * hashing all that inputs share anew for each of them would be quadratic. */
export function messagesOf({ chunk, form }: Placed): Uint8Array[] {
  const cache = new SighashCache(form.tx, prevoutsOf(chunk));
  return chunk.inputs.map(({ output }, at) => cache.taproot(at, SIGHASH.default, leafHash(output.cooperativeLeaf)));
}

/** One form as a PSBT, with one signer's signatures: by input, of the key at that input. */
export function psbtOf(charter: Charter, placed: Placed, signatures: readonly { key: string; signature: Uint8Array }[]): Psbt {
  const psbt = Psbt.fromUnsigned(placed.form.tx);
  placed.chunk.inputs.forEach((input, at) => {
    const into = psbt.inputs[at];
    if (into === undefined) return;
    const { term, output } = input;
    const leaf = leafHash(output.cooperativeLeaf);
    into.witnessUtxo = { amount: term.amount, script: output.scriptPubkey };
    const signed = signatures[at];
    if (signed !== undefined) into.addTapScriptSig({ key: signed.key, leafHash: leaf, signature: signed.signature });
    into.addTapLeaf({ controlBlock: output.cooperativeControlBlock, script: output.cooperativeLeaf, leafVersion: LEAF_VERSION });
    // Full paths of the three signers, never the sponsor's; in the order that other programs write them in.
    const origins = ROLES.map((role, seat) => ({ key: output.signerKeys[seat] ?? '', signer: charter.signer(role) }))
      .sort((a, b) => compare(unhex(a.key, 'key'), unhex(b.key, 'key')));
    for (const { key, signer } of origins) {
      const path = signer.fullPath(term.generation, term.index);
      into.addTapDerivation({ key, leafHashes: [leaf], origin: { fingerprint: signer.fingerprint, path } });
    }
    into.tapInternalKey = output.internalKey;
    into.tapMerkleRoot = output.merkleRoot;
  });
  return psbt;
}

const spentBy = (tx: Transaction): Set<string> => new Set(tx.inputs.map(outpointText));

/** The form that a transaction is. */
export const placeOf = (plan: Plan, id: string): Placed | undefined => formsOf(plan).find(({ form }) => form.txid === id);

/** How many inputs a transaction shares with a chunk. */
export function sharedInputs(chunk: Chunk, tx: Transaction): number {
  const theirs = spentBy(tx);
  return chunk.inputs.filter(({ term }) => theirs.has(term.outpoint)).length;
}

/** In what a transaction differs from the form most like it, and which that is. */
export function likest(plan: Plan, tx: Transaction): { placed: Placed; differences: Difference[] } | undefined {
  return formsOf(plan)
    .map((placed) => ({ placed, differences: differences(placed.form, tx) }))
    .reduce<{ placed: Placed; differences: Difference[] } | undefined>(
      (best, next) => (best === undefined || next.differences.length < best.differences.length ? next : best), undefined);
}

/** Everything in which a PSBT is not a form of the plan, the first difference first; nothing where it is one. */
export function comparePsbt(plan: Plan, psbt: Psbt): Difference[] {
  const placed = placeOf(plan, txid(psbt.unsignedTx));
  if (placed === undefined) {
    const near = likest(plan, psbt.unsignedTx);
    if (near === undefined) return [{ field: 'inputs', problem: `no transaction of settlement ${plan.id} spends these` }];
    const where = `compared with ${placeWords(near.placed)}`;
    return near.differences.map(({ field, problem }) => ({ field, problem: `${problem} (${where})` }));
  }
  const messages = messagesOf(placed);
  return psbt.inputs.flatMap((given, at) => {
    const input = placed.chunk.inputs[at];
    const message = messages[at];
    if (input === undefined || message === undefined) return [];
    try {
      return compareInput(input, given, message, `inputs/${at}`);
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      return [{ field: `inputs/${at}`, problem: error.message }];
    }
  });
}

/** What a PSBT repeats of the contract must be right, or a signer was shown something else. */
function compareInput(input: ChunkInput, given: PsbtInput, message: Uint8Array, path: string): Difference[] {
  const { output, term } = input;
  const found: Difference[] = [];
  const unless = (holds: boolean, name: string, problem: string): void => {
    if (!holds) found.push({ field: `${path}/${name}`, problem: `${problem} (${term.outpoint})` });
  };
  const utxo = given.witnessUtxo;
  unless(
    utxo === null || (utxo.amount === term.amount && same(utxo.script, output.scriptPubkey)),
    'witness_utxo', 'not the output that is spent',
  );
  const previous = given.map.get(NON_WITNESS_UTXO);
  if (previous !== null) {
    const tx = parseTransaction(previous, 'non_witness_utxo');
    const spent = tx.outputs[Number(term.outpoint.slice(65))];
    unless(
      txid(tx) === term.outpoint.slice(0, 64) && spent !== undefined && spent.amount === term.amount &&
      same(spent.script, output.scriptPubkey), 'non_witness_utxo', 'not the transaction that is spent',
    );
  }
  const key = given.tapInternalKey;
  unless(key === null || key === output.internalKey, 'tap_internal_key', 'not the address\'s');
  const root = given.tapMerkleRoot;
  unless(root === null || same(root, output.merkleRoot), 'tap_merkle_root', 'not the address\'s');
  for (const leaf of given.tapLeaves) {
    unless(
      same(leaf.script, output.cooperativeLeaf) && leaf.leafVersion === LEAF_VERSION,
      'tap_scripts', 'a leaf that a settlement does not use',
    );
    unless(same(leaf.controlBlock, output.cooperativeControlBlock), 'tap_scripts', 'a control block that is not the address\'s');
  }
  const type = given.sighashType;
  unless(type === null || type === SIGHASH.default, 'sighash_type', 'settlements are signed with SIGHASH_DEFAULT only');
  unless(given.tapKeySig === null, 'tap_key_sig', 'signed by the key path; this settlement is signed by the leaf');
  unless(
    given.map.get(FINAL_SCRIPT_SIG) === null && given.map.get(FINAL_SCRIPT_WITNESS) === null,
    'final_script_witness', 'it is finalized already: take the PSBT as the service gave it',
  );
  for (const signed of given.tapScriptSigs) {
    const seat = output.signerKeys.indexOf(signed.key);
    const read = readWitnessSignature(signed.signature);
    const at = 'tap_script_sigs';
    if (seat < 0) unless(false, at, `signed by ${signed.key}, which is not a key of the three signers there`);
    else if (!same(signed.leafHash, leafHash(output.cooperativeLeaf))) {
      unless(false, at, `the ${ROLES[seat]} signed another leaf than the two-of-three one`);
    } else if (read === null || read.sighashType !== SIGHASH.default) {
      unless(false, at, `the ${ROLES[seat]}'s signature is not made with SIGHASH_DEFAULT`);
    } else {
      unless(verifySchnorr(read.signature, message, signed.key), at, `the ${ROLES[seat]}'s signature does not verify`);
    }
  }
  return found;
}
