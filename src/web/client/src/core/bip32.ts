// BIP32 through @scure/bip32, and nothing more of it than this program needs.

import { HDKey } from '@scure/bip32';
import { concat, hex, uintLe, reversed } from './bytes.ts';
import { refuse } from './error.ts';
import { sha256 } from './hash.ts';
import { createBase58check } from '@scure/base';
import type { Network } from './network.ts';
import { xOnlyOf } from './point.ts';

export const HARDENED = 0x8000_0000;

export type ExtendedKey = HDKey;

export const fromSeed = (seed: Uint8Array, network: Network): ExtendedKey => HDKey.fromMasterSeed(seed, network.versions);

/** An extended public key of this network; null where it does not decode. */
export function readXpub(text: string, network: Network): ExtendedKey | null {
  // Decoding base58 is quadratic; an extended key has 111 characters.
  if (text.length > 120) return null;
  try {
    const key = HDKey.fromExtendedKey(text, network.versions);
    return key.privateKey === null ? key : null;
  } catch {
    return null;
  }
}

export function derive(key: ExtendedKey, ...steps: number[]): ExtendedKey {
  return steps.reduce((parent, step) => parent.deriveChild(step), key);
}

export const publicKeyOf = (key: ExtendedKey): Uint8Array =>
  key.publicKey ?? refuse('not_a_key', 'key', 'the extended key holds no public key');

export const secretKeyOf = (key: ExtendedKey): Uint8Array =>
  key.privateKey ?? refuse('not_a_key', 'key', 'the extended key holds no private key');

export const xOnly = (key: ExtendedKey): string => xOnlyOf(publicKeyOf(key));

/** Eight hex digits, as in key origins. */
export const fingerprintOf = (key: ExtendedKey): string => hex(reversed(uintLe(key.fingerprint, 4)));

/** An extended public key of depth 0 without parent. */
export function rootXpub(publicKey: Uint8Array, chainCode: Uint8Array, network: Network): string {
  const version = reversed(uintLe(network.versions.public, 4));
  return createBase58check(sha256).encode(concat(version, new Uint8Array(9), chainCode, publicKey));
}
