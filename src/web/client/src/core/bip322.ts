// Signed messages of wallets that sign transactions only (BIP322, "simple" and "full", key path of `tr(key)`).
// The message is a statement's tag and lines, so that a signature over one kind of statement is none over another.

import { p2trScript } from './address.ts';
import { Reader, base64, bytesOf, concat, hex, unbase64, utf8 } from './bytes.ts';
import { refuse } from './error.ts';
import { taggedHash } from './hash.ts';
import { tapTweak, verifySchnorr } from './point.ts';
import type { Statement } from './statement.ts';
import {
  SIGHASH, SighashCache, parseTransaction, readWitness, readWitnessSignature, txid, witnessBytes, witnessSignature,
  type Transaction, type TxOut,
} from './tx.ts';

export interface Bip322Signature {
  readonly signature: Uint8Array;
  /** SIGHASH_DEFAULT or SIGHASH_ALL. */
  readonly sighashType: number;
}

/** Its tag on the first line, then its lines. */
export const messageOf = (statement: Statement): string => `${statement.tag}\n${statement.lines}`;

/** `to_spend` and `to_sign` of BIP322, both of version 0 and never on any chain. */
export function toSign(message: string, publicKey: string): { tx: Transaction; prevout: TxOut } {
  const { outputKey } = tapTweak(publicKey, null, 'key');
  const prevout: TxOut = { amount: 0n, script: p2trScript(outputKey) };
  const scriptSig = concat(bytesOf(0, 32), taggedHash('BIP0322-signed-message', utf8(message)));
  const toSpend: Transaction = {
    version: 0,
    lockTime: 0,
    inputs: [{ txid: '0'.repeat(64), vout: 0xffff_ffff, scriptSig, sequence: 0, witness: [] }],
    outputs: [prevout],
  };
  const input = { txid: txid(toSpend), vout: 0, scriptSig: new Uint8Array(0), sequence: 0, witness: [] };
  const tx = { version: 0, lockTime: 0, inputs: [input], outputs: [{ amount: 0n, script: bytesOf(0x6a) }] };
  return { tx, prevout };
}

function digest(message: string, publicKey: string, sighashType: number): Uint8Array {
  const { tx, prevout } = toSign(message, publicKey);
  return new SighashCache(tx, [prevout]).taproot(0, sighashType, null);
}

/** Whether the owner of `tr(key)` signed the message. */
export function verifyMessage(message: string, publicKey: string, given: Bip322Signature): boolean {
  if (given.sighashType !== SIGHASH.default && given.sighashType !== SIGHASH.all) return false;
  const { outputKey } = tapTweak(publicKey, null, 'key');
  return verifySchnorr(given.signature, digest(message, publicKey, given.sighashType), hex(outputKey));
}

function fromWitness(witness: readonly Uint8Array[], field: string): Bip322Signature {
  const [element] = witness;
  const read = witness.length === 1 && element !== undefined ? readWitnessSignature(element) : null;
  if (read === null) {
    return refuse('bip322_script', field, `${field}: not the signature of a single Taproot key (one witness element of 64 or 65 bytes)`);
  }
  if (read.sighashType !== SIGHASH.default && read.sighashType !== SIGHASH.all) {
    return refuse('bip322_sighash', field, `${field} does not cover everything: SIGHASH_DEFAULT or SIGHASH_ALL is expected`);
  }
  return read;
}

function simple(bytes: Uint8Array, field: string): Bip322Signature {
  const reader = new Reader(bytes, field);
  const witness = readWitness(reader);
  reader.end();
  return fromWitness(witness, field);
}

/** Reads `smp` and base64 of the witness, or `ful` and base64 of the transaction; without a prefix it is `smp`. */
export function parseMessageSignature(text: string, field: string): Bip322Signature {
  if (text.startsWith('ful')) {
    const [input, ...others] = parseTransaction(unbase64(text.slice(3), field), field).inputs;
    if (input !== undefined && others.length === 0) return fromWitness(input.witness, field);
    return refuse('bip322_variant', field, `${field}: only BIP322's simple and full signatures are taken here`);
  }
  if (text.startsWith('pof')) refuse('bip322_variant', field, `${field}: only BIP322's simple and full signatures are taken here`);
  return simple(unbase64(text.startsWith('smp') ? text.slice(3) : text, field), field);
}

/** `smp` and the base64 of the witness. */
export const messageSignatureText = ({ signature, sighashType }: Bip322Signature): string =>
  `smp${base64(witnessBytes([witnessSignature(signature, sighashType)]))}`;
