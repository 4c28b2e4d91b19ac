// HTTP requests signed by an identity: NIP-98, a Nostr event (NIP-01) of kind 27235 in the Authorization header.

import { base64, hex, utf8 } from './bytes.ts';
import { sha256 } from './hash.ts';
import { integer } from './number.ts';
import { signSchnorr, type KeyPair } from './point.ts';

const KIND = 27_235;

export interface UnsignedEvent {
  readonly pubkey: string;
  readonly created_at: number;
  readonly kind: number;
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
}

export interface Event extends UnsignedEvent {
  readonly id: string;
  readonly sig: string;
}

/** The event a request needs, for a signer that holds its own key (`window.nostr`). */
export function requestEvent(publicKey: string, url: string, method: string, body: string, nowSecs: number): UnsignedEvent {
  const payload = body === '' ? [] : [['payload', hex(sha256(utf8(body)))]];
  return {
    pubkey: publicKey,
    created_at: integer(nowSecs, 'created_at', 0, Number.MAX_SAFE_INTEGER),
    kind: KIND,
    tags: [['u', url], ['method', method], ...payload],
    content: '',
  };
}

/** NIP-01: SHA-256 of `[0, pubkey, created_at, kind, tags, content]` as JSON without white space. */
export const eventId = (event: UnsignedEvent): Uint8Array =>
  sha256(utf8(JSON.stringify([0, event.pubkey, event.created_at, event.kind, event.tags, event.content])));

export function signEvent(event: UnsignedEvent, key: KeyPair): Event {
  const id = eventId(event);
  return { id: hex(id), ...event, sig: hex(signSchnorr(id, key)) };
}

/** The header of a signed event. */
export const authorizationOf = (event: Event): string => `Nostr ${base64(utf8(JSON.stringify(event)))}`;

/** The Authorization header of a request. `url` is the whole address below the service's public one, with its query. */
export const authorization = (key: KeyPair, url: string, method: string, body: string, nowSecs: number): string =>
  authorizationOf(signEvent(requestEvent(key.publicKey, url, method, body, nowSecs), key));
