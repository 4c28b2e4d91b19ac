// The sponsor's side of a pledge: which key and which refund address of a phrase the next one takes, and which pledges
// are a phrase's already.

import { refuse } from '../core/error.ts';
import { KEYS_TRIED, type KeyPair, type PathKey, type Root } from '../core/keys.ts';
import type { Origin } from '../core/recovery.ts';
import type { PledgeView } from './views.ts';

/** An address is as low as the keys before it, or a little higher where pledges were taken elsewhere. */
const ADDRESSES_BEYOND = 20;

export interface Own {
  readonly key: PathKey;
  readonly refundAddress: string;
  readonly origin: Origin;
}

/** What must not be used twice. */
export type Used = Pick<PledgeView, 'sponsorKey' | 'refundAddress'>;

/**
 * The lowest key and the lowest BIP86 address from index `from` on that no pledge known here has; or the address that the
 * person gave.
 */
export function chooseOwn(root: Root, phrase: string, pledges: readonly Used[], ownAddress: string | null, from = 0): Own {
  const keys = new Set(pledges.map((pledge) => pledge.sponsorKey));
  const addresses = new Set(pledges.map((pledge) => pledge.refundAddress));
  const key = lowest(from, (index) => root.sponsorKey(index), ({ publicKey }) => !keys.has(publicKey));
  const refund = ownAddress === null ? lowest(from, (index) => root.refundAddress(index), ({ address }) => !addresses.has(address)) : null;
  const origin = { sponsorKeyIndex: key.at, refundAddressIndex: refund?.at ?? null, phrase };
  return { key: key.found, refundAddress: refund?.found.address ?? ownAddress ?? '', origin };
}

function lowest<T>(from: number, make: (index: number) => T, fits: (made: T) => boolean): { at: number; found: T } {
  for (let at = from; at < KEYS_TRIED; at += 1) {
    const found = make(at);
    if (fits(found)) return { at, found };
  }
  return refuse('no_index_left', 'phrase', `the first ${KEYS_TRIED} keys of these words are all used: take new words`);
}

/** A pledge of the task that a key at hand belongs to. */
export interface Mine {
  readonly view: PledgeView;
  readonly key: KeyPair;
  readonly origin: Origin;
}

/** Which pledges are a phrase's. A gap ends no search: other tasks may have taken any number of keys in between. */
export function pledgesOf(root: Root, phrase: string, pledges: readonly PledgeView[]): Mine[] {
  const byKey = new Map(pledges.map((view) => [view.sponsorKey, view]));
  const found: { view: PledgeView; key: KeyPair; at: number }[] = [];
  for (let at = 0; at < KEYS_TRIED && found.length < byKey.size; at += 1) {
    const key = root.sponsorKey(at);
    const view = byKey.get(key.publicKey);
    if (view !== undefined) found.push({ view, key, at });
  }
  const places = addressIndices(root, found.map(({ view }) => view.refundAddress), (found.at(-1)?.at ?? 0) + ADDRESSES_BEYOND);
  return found.map(({ view, key, at }) => ({ view, key, origin: { sponsorKeyIndex: at, refundAddressIndex: places.get(view.refundAddress) ?? null, phrase } }));
}

/** j of each refund address that is this phrase's; those of another wallet have none. */
function addressIndices(root: Root, addresses: readonly string[], most: number): Map<string, number> {
  const left = new Set(addresses);
  const places = new Map<string, number>();
  for (let index = 0; index < most && left.size > 0; index += 1) {
    const { address } = root.refundAddress(index);
    if (left.delete(address)) places.set(address, index);
  }
  return places;
}

/** Which pledge is a single key's. */
export function pledgeOfKey(key: KeyPair, pledges: readonly PledgeView[]): Mine | null {
  const view = pledges.find((pledge) => pledge.sponsorKey === key.publicKey);
  return view === undefined ? null : { view, key, origin: { sponsorKeyIndex: null, refundAddressIndex: null, phrase: null } };
}
