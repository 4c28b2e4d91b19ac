// Extended keys (BIP32): seeds, children, and their base58 text. Written here because a checkout derives two dozen public
// children before it shows an address, and needs neither the fingerprints nor the ECDSA that a general library brings;
// the tests compare it with @scure/bip32 and the vectors of the BIP.

import { hmac } from '@noble/hashes/hmac.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { Reader, bytesOf, concat, hex, reversed, uintLe, utf8 } from './bytes.ts';
import { fromBase58check, toBase58check } from './codec.ts';
import { refuse } from './error.ts';
import { sha256 } from './hash.ts';
import type { Network } from './network.ts';
import { addScalars, compressed, pointOf, publicPoint, scalar, scalarBytes, sumWithBase, xOnlyOf, type Point } from './point.ts';

export const HARDENED = 0x8000_0000;

const uintBe = (value: number): Uint8Array => reversed(uintLe(value, 4));
// Invalid with a chance of 2^-127 (BIP32).
const underivable = (): never => refuse('not_a_key', 'key', 'the key has no child of this number');

export class ExtendedKey {
  readonly network: Network;
  readonly depth: number;
  /** Child number, hardened ones from 2^31 on. */
  readonly index: number;
  /** Compressed. */
  readonly publicKey: Uint8Array;
  private readonly chainCode: Uint8Array;
  private readonly parentFingerprint: Uint8Array;
  private readonly point: Point;
  private readonly scalar: bigint | null;

  constructor(network: Network, place: { depth: number; index: number; parent: Uint8Array }, chainCode: Uint8Array, point: Point, secret: bigint | null) {
    this.network = network;
    this.depth = place.depth;
    this.index = place.index;
    this.parentFingerprint = place.parent;
    this.chainCode = chainCode;
    this.point = point;
    this.scalar = secret;
    this.publicKey = compressed(point);
  }

  static fromSeed(seed: Uint8Array, network: Network): ExtendedKey {
    const { left, chainCode } = split(hmac(sha512, utf8('Bitcoin seed'), seed));
    return new ExtendedKey(network, { depth: 0, index: 0, parent: new Uint8Array(4) }, chainCode, publicPoint(left), left);
  }

  /** The private key, 32 bytes. */
  get secret(): Uint8Array {
    return this.scalar === null ? refuse('not_a_key', 'key', 'the extended key holds no private key') : scalarBytes(this.scalar);
  }

  get xOnly(): string {
    return xOnlyOf(this.publicKey);
  }

  /** Eight hex digits, as in key origins. */
  get fingerprint(): string {
    return hex(this.fingerprintBytes());
  }

  private fingerprintBytes(): Uint8Array {
    return ripemd160(sha256(this.publicKey)).slice(0, 4);
  }

  derive(...steps: number[]): ExtendedKey {
    return steps.reduce((parent: ExtendedKey, step) => parent.child(step), this);
  }

  private child(index: number): ExtendedKey {
    const hardened = index >= HARDENED;
    const key = hardened ? concat(bytesOf(0), this.secret) : this.publicKey;
    const { left, chainCode } = split(hmac(sha512, this.chainCode, concat(key, uintBe(index))));
    // Fingerprints stand in no address; only the text of an account needs its parent's.
    const parent = hardened ? this.fingerprintBytes() : new Uint8Array(4);
    const place = { depth: this.depth + 1, index, parent };
    if (this.scalar !== null) {
      const secret = addScalars(this.scalar, left);
      return secret === 0n ? underivable() : new ExtendedKey(this.network, place, chainCode, publicPoint(secret), secret);
    }
    const point = sumWithBase(this.point, left);
    return point.is0() ? underivable() : new ExtendedKey(this.network, place, chainCode, point, null);
  }

  /** `xpub...` of a root or of a hardened child: those have their parent's fingerprint. */
  get xpub(): string {
    if (this.depth > 0 && this.index < HARDENED) refuse('not_a_key', 'key', 'only accounts are written as extended keys');
    return toBase58check(concat(
      uintBe(this.network.versions.public), bytesOf(this.depth), this.parentFingerprint, uintBe(this.index), this.chainCode, this.publicKey,
    ));
  }
}

function split(bytes: Uint8Array): { left: bigint; chainCode: Uint8Array } {
  const left = scalar(bytes.slice(0, 32));
  return left === null || left === 0n ? underivable() : { left, chainCode: bytes.slice(32) };
}

/** An extended public key of this network; null where it does not decode. */
export function readXpub(text: string, network: Network): ExtendedKey | null {
  // Decoding base58 is quadratic; an extended key has 111 characters.
  if (text.length > 120) return null;
  try {
    const reader = new Reader(fromBase58check(text), 'key');
    const version = hex(reader.take(4));
    const depth = reader.uint(1);
    const parent = reader.take(4);
    const index = Number(`0x${hex(reader.take(4))}`);
    const chainCode = reader.take(32);
    const point = pointOf(reader.take(33));
    reader.end();
    const fits = version === hex(uintBe(network.versions.public));
    return fits ? new ExtendedKey(network, { depth, index, parent }, chainCode, point, null) : null;
  } catch {
    return null;
  }
}

/** An extended public key of depth 0 without parent. */
export function rootKey(publicKey: Uint8Array, chainCode: Uint8Array, network: Network): ExtendedKey {
  return new ExtendedKey(network, { depth: 0, index: 0, parent: new Uint8Array(4) }, chainCode, pointOf(publicKey), null);
}
