// Addresses and the scripts they stand for: base58 (P2PKH, P2SH), bech32 (BIP173) and bech32m (BIP350).
// Bech32 addresses are taken in lower or all upper case, and written in lower case.

import { bytesOf, concat } from './bytes.ts';
import {
  BECH32M_CONSTANT, BECH32_CONSTANT, fromBase58check, fromBech32, fromWords, toBase58check, toBech32, toWords,
} from './codec.ts';
import { refuse } from './error.ts';
import { NETWORKS, type Network } from './network.ts';

export type AddressKind = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'other';

export interface Address {
  /** The one spelling: bech32 in lower case. */
  readonly text: string;
  readonly script: Uint8Array;
  /** `other`: a witness version or length that no wallet uses today. */
  readonly kind: AddressKind;
}

const OP_DUP = 0x76;
const OP_EQUAL = 0x87;
const OP_EQUALVERIFY = 0x88;
const OP_HASH160 = 0xa9;
const OP_CHECKSIG = 0xac;
const OP_1 = 0x51;

/** `OP_1 <output key>` (BIP341). */
export const p2trScript = (outputKey: Uint8Array): Uint8Array => concat(bytesOf(OP_1, 32), outputKey);

const versionByte = (version: number): number => (version === 0 ? 0 : OP_1 + version - 1);

/** BIP350: version 0 has bech32, all later ones bech32m. */
const constantOf = (version: number): number => (version === 0 ? BECH32_CONSTANT : BECH32M_CONSTANT);

function witnessKind(version: number, length: number): AddressKind {
  if (version === 0) return length === 20 ? 'p2wpkh' : 'p2wsh';
  return version === 1 && length === 32 ? 'p2tr' : 'other';
}

function segwit(given: string, network: Network): Address | null {
  const lower = given.toLowerCase();
  if (given !== lower && given !== given.toUpperCase()) return null;
  try {
    const { prefix, words: [version, ...words], constant } = fromBech32(lower);
    if (prefix !== network.hrp || version === undefined || version > 16 || constant !== constantOf(version)) return null;
    const program = fromWords(words);
    if (program.length < 2 || program.length > 40) return null;
    if (version === 0 && program.length !== 20 && program.length !== 32) return null;
    const script = concat(bytesOf(versionByte(version), program.length), program);
    return { text: lower, script, kind: witnessKind(version, program.length) };
  } catch {
    return null;
  }
}

function base58(given: string, network: Network): Address | null {
  // Decoding base58 is quadratic; the longest address has 35 characters.
  if (given.length > 50) return null;
  try {
    const data = fromBase58check(given);
    if (data.length !== 21) return null;
    const hashed = data.slice(1);
    if (data[0] === network.p2pkh) {
      const script = concat(bytesOf(OP_DUP, OP_HASH160, 20), hashed, bytesOf(OP_EQUALVERIFY, OP_CHECKSIG));
      return { text: given, script, kind: 'p2pkh' };
    }
    if (data[0] === network.p2sh) {
      return { text: given, script: concat(bytesOf(OP_HASH160, 20), hashed, bytesOf(OP_EQUAL)), kind: 'p2sh' };
    }
  } catch {
    // Not base58.
  }
  return null;
}

const read = (text: string, network: Network): Address | null => segwit(text, network) ?? base58(text, network);

/** Reads an address of `network`; one of another network is refused in words of its own. */
export function parseAddress(text: string, network: Network, field: string): Address {
  const found = read(text, network);
  if (found !== null) return found;
  if (Object.values(NETWORKS).some((other) => read(text, other) !== null)) {
    return refuse('charter_address_network', field, `${field}: this address is not for ${network.name}`);
  }
  return refuse('charter_address', field, `${field}: not a Bitcoin address`);
}

function witnessAddress(version: number, program: Uint8Array, network: Network): string {
  return toBech32(network.hrp, [version, ...toWords(program)], constantOf(version));
}

export const p2trAddress = (outputKey: Uint8Array, network: Network): string => witnessAddress(1, outputKey, network);

/** The address of a script, or null where none stands for it. */
export function addressOf(script: Uint8Array, network: Network): string | null {
  const [first, second] = script;
  const { length } = script;
  if (length >= 4 && length <= 42 && second === length - 2 && (first === 0 || (first !== undefined && first >= OP_1 && first <= 0x60))) {
    if (first === 0 && length !== 22 && length !== 34) return null;
    return witnessAddress(first === 0 ? 0 : first - OP_1 + 1, script.slice(2), network);
  }
  const is = (at: number, byte: number): boolean => script[at] === byte;
  if (length === 25 && is(0, OP_DUP) && is(1, OP_HASH160) && is(2, 20) && is(23, OP_EQUALVERIFY) && is(24, OP_CHECKSIG)) {
    return toBase58check(concat(bytesOf(network.p2pkh), script.slice(3, 23)));
  }
  if (length === 23 && is(0, OP_HASH160) && is(1, 20) && is(22, OP_EQUAL)) {
    return toBase58check(concat(bytesOf(network.p2sh), script.slice(2, 22)));
  }
  return null;
}

/** Least an output may hold to be relayed: Bitcoin Core's rule at 3 sat/vB. */
export function dust(script: Uint8Array): bigint {
  const [first, second] = script;
  const witness =
    script.length >= 4 && script.length <= 42 && second === script.length - 2 &&
    (first === 0 || (first !== undefined && first >= OP_1 && first <= 0x60));
  return 3n * BigInt(8 + 1 + script.length + (witness ? 67 : 148));
}
