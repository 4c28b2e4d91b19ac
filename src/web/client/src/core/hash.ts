// SHA-256 and what Bitcoin makes of it.

import { sha256 as sha256Of } from '@noble/hashes/sha2.js';
import { concat, utf8 } from './bytes.ts';

export const sha256 = (bytes: Uint8Array): Uint8Array => sha256Of(bytes);
export const hash256 = (bytes: Uint8Array): Uint8Array => sha256Of(sha256Of(bytes));

const prefixes = new Map<string, Uint8Array>();

/** BIP340: `SHA256(SHA256(tag) || SHA256(tag) || message)`. */
export function taggedHash(tag: string, ...message: Uint8Array[]): Uint8Array {
  let prefix = prefixes.get(tag);
  if (prefix === undefined) {
    const hashed = sha256Of(utf8(tag));
    prefix = concat(hashed, hashed);
    prefixes.set(tag, prefix);
  }
  return sha256Of(concat(prefix, ...message));
}
