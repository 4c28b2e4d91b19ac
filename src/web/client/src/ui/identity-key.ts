// The identity key of this browser: read, made, kept. It signs requests and has no power over money.
//
// It is kept as it is: whoever can read this browser's storage could sign with any key kept there.

import { bech32 } from '@scure/base';
import { hex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { keyPair, type KeyPair } from '../core/point.ts';

const DATABASE = 'upfront-identity';
const STORE = 'identity';
const ENTRY = 'chosen';

/** What this browser signs with. */
export type Chosen =
  | { readonly kind: 'extension' }
  | { readonly kind: 'key'; readonly secret: Uint8Array };

/** A new key from the browser's randomness. */
export function newKey(): KeyPair {
  const randomness = globalThis.crypto;
  if (typeof randomness?.getRandomValues !== 'function') {
    refuse('no_randomness', 'identity', 'this browser gives no secure randomness: no key can be made here');
  }
  return keyPair(randomness.getRandomValues(new Uint8Array(32)), 'identity');
}

/** A key as Nostr programs export it (NIP-19). What was pasted is never repeated, nor sent. */
export function readNsec(text: string): KeyPair {
  const given = text.trim();
  if (/^npub1/i.test(given)) {
    refuse('identity_public', 'identity', 'this is a public key (npub); to sign, the private one (nsec) is needed');
  }
  if (/^[xtyzuv]prv/.test(given)) {
    refuse('identity_extended', 'identity', 'this is a private key of a wallet. It may move money: never paste it into a page. An identity is an nsec');
  }
  if (given.split(/\s+/).length >= 12) {
    refuse('identity_phrase', 'identity',
      'these look like recovery words. Never type them into a page: export the identity alone, with `upfront key identity --nsec`');
  }
  let read: { prefix: string; bytes: Uint8Array };
  try {
    read = bech32.decodeToBytes(given);
  } catch {
    return refuse('identity_nsec', 'identity', 'this is no nsec: it is mistyped or cut off');
  }
  if (read.prefix !== 'nsec' || read.bytes.length !== 32) {
    refuse('identity_nsec', 'identity', 'this is no nsec: a private key of Nostr begins with nsec1');
  }
  return keyPair(read.bytes, 'identity');
}

// ---- Kept in IndexedDB; where a browser has none (some private windows), for as long as the page is open.

let inMemory: Chosen | null = null;

function database(): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    let request: IDBOpenDBRequest;
    try {
      request = indexedDB.open(DATABASE, 1);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => { request.result.createObjectStore(STORE); };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  const open = await database();
  if (open === null) return undefined;
  try {
    return await new Promise<T | undefined>((resolve) => {
      const transaction = open.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => resolve(undefined);
      transaction.onabort = () => resolve(undefined);
    });
  } finally {
    open.close();
  }
}

/** What is kept. What cannot be read counts as nothing. */
export async function kept(): Promise<Chosen | null> {
  const found: unknown = await within('readonly', (store) => store.get(ENTRY));
  if (typeof found !== 'object' || found === null || !('kind' in found)) return inMemory;
  if (found.kind === 'extension') return { kind: 'extension' };
  return 'secret' in found && found.secret instanceof Uint8Array ? { kind: 'key', secret: found.secret } : inMemory;
}

/** Keeps it; says whether it outlasts the page. */
export async function keep(chosen: Chosen): Promise<boolean> {
  inMemory = chosen;
  const key = await within('readwrite', (store) => store.put(chosen, ENTRY));
  return key === ENTRY;
}

/** Removes it from this browser. */
export async function forget(): Promise<void> {
  inMemory = null;
  await within('readwrite', (store) => store.delete(ENTRY));
}

/** 16 random bytes: two requests of one second are two events. */
export const nonce = (): string => hex(crypto.getRandomValues(new Uint8Array(16)));
