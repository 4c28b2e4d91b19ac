// Transactions: bytes and back, ids and sizes, and the signature hashes of Taproot (BIP341, BIP342). What all
// inputs share is hashed once a transaction, so that signing many inputs costs no more than their number.

import { Reader, bytesOf, compactSize, concat, hex, isHash, reversed, u64Le, uintLe, unhex, withLength } from './bytes.ts';
import { refuse } from './error.ts';
import { hash256, sha256, taggedHash } from './hash.ts';
import { MAX_U32 } from './number.ts';

export interface Outpoint {
  /** As wallets show it. */
  readonly txid: string;
  readonly vout: number;
}

export interface TxIn extends Outpoint {
  readonly scriptSig: Uint8Array;
  readonly sequence: number;
  readonly witness: readonly Uint8Array[];
}

export interface TxOut {
  /** Satoshis. */
  readonly amount: bigint;
  readonly script: Uint8Array;
}

export interface Transaction {
  readonly version: number;
  readonly lockTime: number;
  readonly inputs: readonly TxIn[];
  readonly outputs: readonly TxOut[];
}

/** `txid:vout`. */
export const outpointText = ({ txid, vout }: Outpoint): string => `${txid}:${vout}`;

export function parseOutpoint(text: string, field: string): Outpoint {
  const found = /^([0-9a-f]{64}):(0|[1-9]\d{0,9})$/.exec(text);
  const [, txid, vout] = found ?? [];
  if (!isHash(txid) || vout === undefined || Number(vout) > MAX_U32) {
    return refuse('outpoint', field, `${field} is not txid:vout (64 lower-case hex digits, a colon, the number of the output)`);
  }
  return { txid, vout: Number(vout) };
}

// ---- Bytes

const outpointBytes = ({ txid, vout }: Outpoint): Uint8Array => concat(reversed(unhex(txid, 'txid', 32)), uintLe(vout, 4));
const inputBytes = (input: TxIn): Uint8Array =>
  concat(outpointBytes(input), withLength(input.scriptSig), uintLe(input.sequence, 4));
export const outputBytes = ({ amount, script }: TxOut): Uint8Array => concat(u64Le(amount), withLength(script));
const listBytes = (items: readonly Uint8Array[]): Uint8Array => concat(compactSize(items.length), ...items);
export const witnessBytes = (witness: readonly Uint8Array[]): Uint8Array => listBytes(witness.map(withLength));

const body = (tx: Transaction): Uint8Array =>
  concat(listBytes(tx.inputs.map(inputBytes)), listBytes(tx.outputs.map(outputBytes)));

const hasWitness = (tx: Transaction): boolean => tx.inputs.some((input) => input.witness.length > 0);

export function stripped(tx: Transaction): Uint8Array {
  return concat(uintLe(tx.version, 4), body(tx), uintLe(tx.lockTime, 4));
}

export function serialize(tx: Transaction): Uint8Array {
  if (!hasWitness(tx)) return stripped(tx);
  const witnesses = tx.inputs.map((input) => witnessBytes(input.witness));
  return concat(uintLe(tx.version, 4), bytesOf(0, 1), body(tx), ...witnesses, uintLe(tx.lockTime, 4));
}

export const txid = (tx: Transaction): string => hex(reversed(hash256(stripped(tx))));
export const transactionHex = (tx: Transaction): string => hex(serialize(tx));

/** BIP141: four times the size without witnesses, plus the rest. */
export const weight = (tx: Transaction): number => 3 * stripped(tx).length + serialize(tx).length;
export const vsize = (tx: Transaction): number => Math.ceil(weight(tx) / 4);

export function readWitness(reader: Reader): Uint8Array[] {
  return Array.from({ length: reader.count(1) }, () => reader.withLength());
}

export function parseTransaction(bytes: Uint8Array, field: string): Transaction {
  const reader = new Reader(bytes, field);
  const version = reader.uint(4);
  const segwit = reader.peek() === 0 && reader.peek(1) === 1;
  if (segwit) reader.take(2);
  const bare = Array.from({ length: reader.count(41) }, () => ({
    txid: hex(reversed(reader.take(32))), vout: reader.uint(4), scriptSig: reader.withLength(), sequence: reader.uint(4),
  }));
  const outputs = Array.from({ length: reader.count(9) }, () => ({ amount: reader.u64(), script: reader.withLength() }));
  const inputs = bare.map((input) => ({ ...input, witness: segwit ? readWitness(reader) : [] }));
  const lockTime = reader.uint(4);
  reader.end();
  const tx = { version, lockTime, inputs, outputs };
  if (inputs.length === 0 || (segwit && !hasWitness(tx))) reader.broken();
  return tx;
}

// ---- Signature hashes

export const SIGHASH = { default: 0, all: 1, none: 2, single: 3, anyoneCanPay: 0x80, singleAnyoneCanPay: 0x83 } as const;

/** BIP341: the hash of a leaf of version 0xc0. */
export const leafHash = (script: Uint8Array): Uint8Array => taggedHash('TapLeaf', bytesOf(0xc0), withLength(script));

/** One transaction with the outputs it spends, whose shared hashes are computed when first needed. */
export class SighashCache {
  readonly tx: Transaction;
  readonly prevouts: readonly TxOut[];
  private shared: { prevouts: Uint8Array; amounts: Uint8Array; scripts: Uint8Array; sequences: Uint8Array } | null = null;
  private outputs: Uint8Array | null = null;

  constructor(tx: Transaction, prevouts: readonly TxOut[]) {
    if (tx.inputs.length !== prevouts.length) refuse('prevouts', 'prevouts', 'prevouts: one is needed for each input');
    this.tx = tx;
    this.prevouts = prevouts;
  }

  private inputHashes(): { prevouts: Uint8Array; amounts: Uint8Array; scripts: Uint8Array; sequences: Uint8Array } {
    this.shared ??= {
      prevouts: sha256(concat(...this.tx.inputs.map(outpointBytes))),
      amounts: sha256(concat(...this.prevouts.map(({ amount }) => u64Le(amount)))),
      scripts: sha256(concat(...this.prevouts.map(({ script }) => withLength(script)))),
      sequences: sha256(concat(...this.tx.inputs.map(({ sequence }) => uintLe(sequence, 4)))),
    };
    return this.shared;
  }

  private outputHash(): Uint8Array {
    this.outputs ??= sha256(concat(...this.tx.outputs.map(outputBytes)));
    return this.outputs;
  }

  /** What is signed for an input: by the leaf of this hash (BIP342), or by the key path where there is none. */
  taproot(index: number, sighashType: number, leaf: Uint8Array | null): Uint8Array {
    const base = sighashType & 3;
    const anyone = (sighashType & SIGHASH.anyoneCanPay) !== 0;
    const known = sighashType === 0 || ((sighashType & 0x7c) === 0 && base !== 0);
    if (!known) refuse('sighash', 'sighash_type', `sighash_type ${sighashType} is not one of Taproot`);
    const input = this.tx.inputs[index];
    const prevout = this.prevouts[index];
    if (input === undefined || prevout === undefined) return refuse('sighash', 'input', `input ${index} does not exist`);
    const parts = [bytesOf(0, sighashType), uintLe(this.tx.version, 4), uintLe(this.tx.lockTime, 4)];
    if (!anyone) {
      const { prevouts, amounts, scripts, sequences } = this.inputHashes();
      parts.push(prevouts, amounts, scripts, sequences);
    }
    if (base === SIGHASH.default || base === SIGHASH.all) parts.push(this.outputHash());
    parts.push(bytesOf(leaf === null ? 0 : 2));
    if (anyone) {
      parts.push(outpointBytes(input), outputBytes(prevout), uintLe(input.sequence, 4));
    } else {
      parts.push(uintLe(index, 4));
    }
    if (base === SIGHASH.single) {
      const output = this.tx.outputs[index];
      if (output === undefined) return refuse('sighash', 'output', `input ${index} has no output beside it`);
      parts.push(sha256(outputBytes(output)));
    }
    if (leaf !== null) parts.push(leaf, bytesOf(0), uintLe(MAX_U32, 4));
    return taggedHash('TapSighash', ...parts);
  }
}

/** A signature in a witness: 64 bytes, and its type where that is not SIGHASH_DEFAULT. */
export const witnessSignature = (signature: Uint8Array, sighashType: number): Uint8Array =>
  sighashType === SIGHASH.default ? signature : concat(signature, bytesOf(sighashType));

/** The same read back; null for what is no Taproot signature. */
export function readWitnessSignature(bytes: Uint8Array): { signature: Uint8Array; sighashType: number } | null {
  if (bytes.length === 64) return { signature: bytes, sighashType: SIGHASH.default };
  const type = bytes[64];
  // BIP341: the default type has no byte of its own.
  if (bytes.length !== 65 || type === undefined || type === SIGHASH.default) return null;
  return { signature: bytes.slice(0, 64), sighashType: type };
}

export const withWitness = (tx: Transaction, index: number, witness: readonly Uint8Array[]): Transaction => ({
  ...tx,
  inputs: tx.inputs.map((input, at) => (at === index ? { ...input, witness } : input)),
});
