// The sponsor's side of a pledge: which key and which refund address of a phrase the next one takes, and which pledges
// are a phrase's already.

import { refuse } from '../core/error.ts';
import type { KeyPair, PathKey, Root } from '../core/keys.ts';
import type { Origin } from '../core/recovery.ts';
import type { PledgeView } from './views.ts';

/** Keys looked at, as the command line does. */
const MOST = 1_000;
/** Unused keys in a row after which a search ends; more are looked at where a task has more pledges. */
const GAP = 20;

export interface Own {
  readonly key: PathKey;
  readonly refundAddress: string;
  readonly origin: Origin;
}

/** The lowest key and the lowest BIP86 address that no pledge known here has; or the address that the person gave. */
export function chooseOwn(root: Root, phrase: string, pledges: readonly PledgeView[], ownAddress: string | null): Own {
  const keys = new Set(pledges.map((pledge) => pledge.sponsorKey));
  const addresses = new Set(pledges.map((pledge) => pledge.refundAddress));
  const key = lowest((index) => root.sponsorKey(index), ({ publicKey }) => !keys.has(publicKey));
  const refund = ownAddress === null ? lowest((index) => root.refundAddress(index), ({ address }) => !addresses.has(address)) : null;
  const origin = { sponsorKeyIndex: key.at, refundAddressIndex: refund?.at ?? null, phrase };
  return { key: key.found, refundAddress: refund?.found.address ?? ownAddress ?? '', origin };
}

function lowest<T>(make: (index: number) => T, fits: (made: T) => boolean): { at: number; found: T } {
  for (let at = 0; at < MOST; at += 1) {
    const found = make(at);
    if (fits(found)) return { at, found };
  }
  return refuse('no_index_left', 'phrase', `the first ${MOST} keys of these words are all used: take new words`);
}

/** A pledge of the task that a key at hand belongs to. */
export interface Mine {
  readonly view: PledgeView;
  readonly key: KeyPair;
  readonly origin: Origin;
}

/** Which pledges are a phrase's. */
export function pledgesOf(root: Root, phrase: string, pledges: readonly PledgeView[]): Mine[] {
  const byKey = new Map(pledges.map((view) => [view.sponsorKey, view]));
  const mine: Mine[] = [];
  let unused = 0;
  for (let index = 0; index < MOST && unused < GAP && mine.length < byKey.size; index += 1) {
    const key = root.sponsorKey(index);
    const view = byKey.get(key.publicKey);
    if (view === undefined) unused += 1;
    else {
      unused = 0;
      mine.push({ view, key, origin: { sponsorKeyIndex: index, refundAddressIndex: addressIndex(root, view.refundAddress), phrase } });
    }
  }
  return mine;
}

/** j of a refund address of this phrase; null for an address of another wallet. */
function addressIndex(root: Root, address: string): number | null {
  for (let index = 0; index < GAP; index += 1) {
    if (root.refundAddress(index).address === address) return index;
  }
  return null;
}

/** Which pledge is a single key's. */
export function pledgeOfKey(key: KeyPair, pledges: readonly PledgeView[]): Mine | null {
  const view = pledges.find((pledge) => pledge.sponsorKey === key.publicKey);
  return view === undefined ? null : { view, key, origin: { sponsorKeyIndex: null, refundAddressIndex: null, phrase: null } };
}
