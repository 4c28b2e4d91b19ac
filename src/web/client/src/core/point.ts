// Points of secp256k1 and BIP340 signatures: the only file that names the curve library.
//
// Signatures use 32 zero bytes of auxiliary randomness, as the crate does: equal input gives equal bytes.

import { schnorr } from '@noble/curves/secp256k1.js';
import { hex, unhex } from './bytes.ts';
import { refuse } from './error.ts';
import { taggedHash } from './hash.ts';

const { Point } = schnorr;
const { Fn } = Point;
export type Point = InstanceType<typeof Point>;
const NO_RANDOMNESS = new Uint8Array(32);

export const pointOf = (compressedKey: Uint8Array): Point => Point.fromBytes(compressedKey);
export const compressed = (point: Point): Uint8Array => point.toBytes(true);
export const xOnlyOf = (compressedKey: Uint8Array): string => hex(compressedKey.subarray(1));

/** A scalar of 32 bytes below the order, or null. */
export function scalar(bytes: Uint8Array): bigint | null {
  const value = BigInt(`0x${hex(bytes)}`);
  return value < Fn.ORDER ? value : null;
}

export const scalarBytes = (value: bigint): Uint8Array => Fn.toBytes(value);
export const addScalars = (a: bigint, b: bigint): bigint => Fn.add(a, b);

/** `secret × G`, in time that does not depend on the secret. */
export const publicPoint = (secret: bigint): Point => Point.BASE.multiply(secret);

/** `point × factor`; for public values only. */
export const times = (point: Point, factor: bigint): Point => point.multiplyUnsafe(factor);

/** `point + factor × G`; for public values only. */
export const sumWithBase = (point: Point, factor: bigint): Point => point.add(Point.BASE.multiplyUnsafe(factor));

/** The point of an x coordinate with even y, or null. */
export function liftX(key: string): Point | null {
  try {
    return schnorr.utils.lift_x(BigInt(`0x${key}`)) as Point;
  } catch {
    return null;
  }
}

export interface Tweaked {
  readonly outputKey: Uint8Array;
  /** Whether the output key's y is odd: the lowest bit of a control block. */
  readonly odd: boolean;
}

/** BIP341: the output key of an internal key and the merkle root of its scripts (none: BIP86). */
export function tapTweak(internalKey: string, merkleRoot: Uint8Array | null, field: string): Tweaked {
  const point = liftX(internalKey) ?? refuse('not_a_key', field, `${field} is no x-only public key`);
  const hash = taggedHash('TapTweak', unhex(internalKey, field), ...(merkleRoot === null ? [] : [merkleRoot]));
  const tweak = scalar(hash) ?? refuse('not_a_key', field, `${field} cannot be tweaked`);
  const bytes = compressed(sumWithBase(point, tweak));
  return { outputKey: bytes.slice(1), odd: bytes[0] === 3 };
}

/** A secret key and its x-only public key. */
export interface KeyPair {
  readonly secret: Uint8Array;
  readonly publicKey: string;
}

export function keyPair(secret: Uint8Array, field: string): KeyPair {
  const value = secret.length === 32 ? scalar(secret) : null;
  if (value === null || value === 0n) refuse('not_a_key', field, `${field} is no private key`);
  return { secret, publicKey: hex(schnorr.getPublicKey(secret)) };
}

/** BIP340, 64 bytes. */
export const signSchnorr = (digest: Uint8Array, key: KeyPair): Uint8Array =>
  schnorr.sign(digest, key.secret, NO_RANDOMNESS);

/** Whether a BIP340 signature is by this x-only key; false for whatever is no signature or no key. */
export function verifySchnorr(signature: Uint8Array, digest: Uint8Array, publicKey: string): boolean {
  try {
    return signature.length === 64 && schnorr.verify(signature, digest, unhex(publicKey, 'key', 32));
  } catch {
    return false;
  }
}
