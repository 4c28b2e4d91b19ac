// Aggregate keys: BIP327 key sorting and aggregation, and the BIP328 synthetic xpub of the result. Addresses need no
// more than the aggregate; nothing is signed with it here.

import { rootKey, type ExtendedKey } from './bip32.ts';
import { compare, concat, same, utf8 } from './bytes.ts';
import { refuse } from './error.ts';
import { sha256, taggedHash } from './hash.ts';
import type { Network } from './network.ts';
import { compressed, pointOf, scalar, times, type Point } from './point.ts';

/** BIP327 `KeySort`. */
export const sortKeys = (keys: readonly Uint8Array[]): Uint8Array[] => [...keys].sort(compare);

function readPoint(key: Uint8Array, position: number): Point {
  try {
    if (key.length === 33) return pointOf(key);
  } catch {
    // Not on the curve.
  }
  return refuse('not_a_key', 'aggregate', `aggregate: key ${position + 1} is no compressed public key`);
}

/** BIP327 `KeyAgg` in the given order: the plain aggregate, compressed, with its sign. */
export function aggregate(keys: readonly Uint8Array[]): Uint8Array {
  const [first] = keys;
  if (first === undefined) return refuse('aggregate', 'aggregate', 'aggregate: no key is given');
  const second = keys.find((key) => !same(key, first));
  const list = taggedHash('KeyAgg list', ...keys);
  const terms = keys.map((key, position) => {
    const point = readPoint(key, position);
    // The first key unlike the first has coefficient 1 (BIP327).
    if (second !== undefined && same(key, second)) return point;
    const coefficient = scalar(taggedHash('KeyAgg coefficient', concat(list, key)));
    return times(point, coefficient ?? refuse('aggregate', 'aggregate', 'aggregate: a coefficient is no scalar'));
  });
  const sum = terms.reduce((total, term) => total.add(term));
  if (sum.is0()) refuse('aggregate', 'aggregate', 'aggregate: the keys cancel each other out');
  return compressed(sum);
}

/** The aggregate of the sorted keys, as BIP390 `musig()`. */
export const aggregateSorted = (keys: readonly Uint8Array[]): Uint8Array => aggregate(sortKeys(keys));

/** BIP328: the aggregate as an extended public key of depth 0. */
export const syntheticKey = (aggregateKey: Uint8Array, network: Network): ExtendedKey =>
  rootKey(aggregateKey, sha256(utf8('MuSig2MuSig2MuSig2')), network);
