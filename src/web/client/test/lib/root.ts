// Roots of the vectors' phrases: a phrase takes a tenth of a second, and there are few.

import { Root } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';

const roots = new Map<string, Root>();

export function rootOf(phrase: string, network: string): Root {
  const id = `${network} ${phrase}`;
  const root = roots.get(id) ?? Root.fromPhrase(phrase, networkOf(network));
  roots.set(id, root);
  return root;
}

/** The i of `m/86'/coin'/1'/0/i`. */
export function sponsorIndex(path: string): number {
  const found = /^m\/86'\/[01]'\/1'\/0\/(\d+)$/.exec(path);
  if (found === null) throw new Error(`${path} is no refund path`);
  return Number(found[1]);
}
