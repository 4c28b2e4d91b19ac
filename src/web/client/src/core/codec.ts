// Base64, base58 with checksum, and bech32: the three texts of this field. Written here because the library that has them
// weighs more than all addresses and keys made with them; the tests compare every one with @scure/base.
//
// All of them throw a plain Error for what is no such text; callers say which field it was.

import { hash256 } from './hash.ts';

const no = (): never => {
  throw new Error('not of this encoding');
};

// ---- Base64 (RFC 4648): the browser's own, held to one spelling

export const toBase64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

export function fromBase64(text: string): Uint8Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  // atob takes white space, missing padding and stray bits; one text for one value is taken here.
  return toBase64(bytes) === text ? bytes : no();
}

export const toBase64url = (bytes: Uint8Array): string =>
  toBase64(bytes).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');

export function fromBase64url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) no();
  const padding = '='.repeat((4 - (text.length % 4)) % 4);
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + padding);
}

// ---- Base58 with four bytes of double SHA-256

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** The digits of a number in another base, highest first; leading zeros are kept one for one. */
function rebase(digits: Iterable<number>, from: number, to: number): number[] {
  const out: number[] = [];
  let zeros = 0;
  for (const digit of digits) {
    if (digit === 0 && out.length === 0) zeros += 1;
    let carry = digit;
    for (let at = 0; at < out.length; at += 1) {
      carry += (out[at] ?? 0) * from;
      out[at] = carry % to;
      carry = Math.floor(carry / to);
    }
    for (; carry > 0; carry = Math.floor(carry / to)) out.push(carry % to);
  }
  return [...new Array<number>(zeros).fill(0), ...out.reverse()];
}

export function toBase58check(data: Uint8Array): string {
  const bytes = [...data, ...hash256(data).subarray(0, 4)];
  return rebase(bytes, 256, 58).map((digit) => BASE58[digit]).join('');
}

/** Quadratic in the length: callers bound it first. */
export function fromBase58check(text: string): Uint8Array {
  const digits = Array.from(text, (character) => BASE58.indexOf(character));
  const bytes = Uint8Array.from(digits.includes(-1) ? no() : rebase(digits, 58, 256));
  const data = bytes.slice(0, -4);
  const sum = hash256(data);
  return bytes.length >= 4 && bytes.slice(-4).every((byte, at) => byte === sum[at]) ? data : no();
}

// ---- Bech32 (BIP173) and bech32m (BIP350)

const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
/** What the checksum comes to. */
export const BECH32_CONSTANT = 1;
export const BECH32M_CONSTANT = 0x2bc830a3;

function polymod(values: readonly number[]): number {
  return values.reduce((sum, value) => {
    const top = sum >>> 25;
    return GENERATORS.reduce((rest, generator, bit) => ((top >>> bit) & 1 ? rest ^ generator : rest), ((sum & 0x1ffffff) << 5) ^ value);
  }, 1) >>> 0;
}

const codes = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const spread = (prefix: string): number[] => [...codes(prefix).map((code) => code >> 5), 0, ...codes(prefix).map((code) => code & 31)];

export function toBech32(prefix: string, words: readonly number[], constant: number): string {
  const sum = polymod([...spread(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ constant;
  const check = [25, 20, 15, 10, 5, 0].map((shift) => (sum >>> shift) & 31);
  return `${prefix}1${[...words, ...check].map((word) => BECH32[word]).join('')}`;
}

/** Lower case only, at most 90 characters. */
export function fromBech32(text: string): { prefix: string; words: number[]; constant: number } {
  const at = text.lastIndexOf('1');
  const prefix = text.slice(0, at);
  const words = Array.from(text.slice(at + 1), (character) => BECH32.indexOf(character));
  const wellFormed = at > 0 && text.length <= 90 && words.length >= 6 && !words.includes(-1) && /^[!-@[-~]+$/.test(prefix);
  if (!wellFormed) no();
  return { prefix, words: words.slice(0, -6), constant: polymod([...spread(prefix), ...words]) };
}

/** Bytes as groups of five bits, the last one filled with zeros. */
export function toWords(bytes: Uint8Array): number[] {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((group) => parseInt(group.padEnd(5, '0'), 2));
}

/** Back again; what was filled must be zeros, and less than one group. */
export function fromWords(words: readonly number[]): Uint8Array {
  const bits = words.map((word) => word.toString(2).padStart(5, '0')).join('');
  const rest = bits.slice(bits.length - (bits.length % 8));
  if (rest.length > 4 || rest.includes('1')) no();
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => parseInt(byte, 2));
}
