// Bytes and their spellings: hex, base64, base64url, little-endian numbers, Bitcoin's compact sizes; and a
// reader that never looks past the end.

import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { fromBase64, fromBase64url, toBase64, toBase64url } from './codec.ts';
import { refuse, orRefuse } from './error.ts';

export const hex = (bytes: Uint8Array): string => bytesToHex(bytes);
export const concat = (...parts: Uint8Array[]): Uint8Array => concatBytes(...parts);
export const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);

const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of bytes that must be UTF-8. A byte order mark stays: it is no part of any text of ours. */
export function textOf(bytes: Uint8Array, field: string): string {
  return orRefuse(
    () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    'not_utf8', field, `${field} is not UTF-8 text`,
  );
}

/** Bytes of hex, in either case. */
export function unhex(text: string, field: string, length?: number): Uint8Array {
  const fits = /^(?:[0-9a-fA-F]{2})*$/.test(text) && (length === undefined || text.length === 2 * length);
  if (!fits) {
    refuse('not_hex', field, `${field} is not ${length === undefined ? 'hex' : `${2 * length} hex digits`}`);
  }
  return hexToBytes(text);
}

export const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

/** 64 lower-case hex digits: ids, hashes, x-only keys. */
export function hash(value: unknown, field: string): string {
  return isHash(value) ? value : refuse('not_a_hash', field, `${field} is not 64 lower-case hex digits`);
}

export const base64 = toBase64;
export const base64url = toBase64url;

export function unbase64(text: string, field: string): Uint8Array {
  return orRefuse(() => fromBase64(text), 'not_base64', field, `${field} is not base64`);
}

export function unbase64url(text: string, field: string): Uint8Array {
  return orRefuse(() => fromBase64url(text), 'not_base64', field, `${field} is not base64url`);
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Order of the bytes, the shorter first where one begins the other. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export const reversed = (bytes: Uint8Array): Uint8Array => bytes.slice().reverse();

/** A number of 16 or 32 bits in `size` bytes, lowest first. */
export function uintLe(value: number, size: 1 | 2 | 4): Uint8Array {
  const out = new Uint8Array(size);
  for (let at = 0, rest = value; at < size; at += 1, rest = Math.floor(rest / 256)) out[at] = rest % 256;
  return out;
}

export function u64Le(value: bigint): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, value, true);
  return out;
}

export function compactSize(length: number): Uint8Array {
  if (length < 0xfd) return bytesOf(length);
  if (length <= 0xffff) return concat(bytesOf(0xfd), uintLe(length, 2));
  return concat(bytesOf(0xfe), uintLe(length, 4));
}

/** Bytes after their length. */
export const withLength = (bytes: Uint8Array): Uint8Array => concat(compactSize(bytes.length), bytes);

/** Reads from the front; every step is checked against the end, and lengths have one spelling only. */
export class Reader {
  private at = 0;
  private readonly bytes: Uint8Array;
  private readonly field: string;

  constructor(bytes: Uint8Array, field: string) {
    this.bytes = bytes;
    this.field = field;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  broken(): never {
    return refuse('cut_off', this.field, `${this.field} is damaged or cut off at byte ${this.at}`);
  }

  take(length: number): Uint8Array {
    if (length > this.left) this.broken();
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  /** The next byte, without moving on; undefined at the end. */
  peek(ahead = 0): number | undefined {
    return this.bytes[this.at + ahead];
  }

  uint(size: 1 | 2 | 4): number {
    return this.take(size).reduceRight((sum, byte) => sum * 256 + byte, 0);
  }

  u64(): bigint {
    const bytes = this.take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }

  compactSize(): number {
    const first = this.uint(1);
    if (first < 0xfd) return first;
    if (first === 0xff) return this.broken();
    const value = this.uint(first === 0xfd ? 2 : 4);
    if (value < (first === 0xfd ? 0xfd : 0x1_0000)) this.broken();
    return value;
  }

  withLength(): Uint8Array {
    return this.take(this.compactSize());
  }

  /** A number of things of which each takes at least `least` bytes: more than can follow is refused at once. */
  count(least: number): number {
    const count = this.compactSize();
    if (count * least > this.left) this.broken();
    return count;
  }

  end(): void {
    if (this.left !== 0) this.broken();
  }
}
