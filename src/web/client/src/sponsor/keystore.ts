// Words kept in this browser, where the person wants that: in IndexedDB, locked by a passphrase (scrypt, then
// XChaCha20-Poly1305). Nothing here works without the passphrase, and nothing is kept without being asked for.

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { base64, concat, unbase64, utf8, textOf } from '../core/bytes.ts';
import { UpfrontError } from '../core/error.ts';
import { readPhrase } from '../core/keys.ts';
import { integer } from '../core/number.ts';

/** 128 MiB and about a second: what a guess costs. */
const COST = { N: 2 ** 17, r: 8, p: 1 };
const MAX_COST = { N: 2 ** 20, r: 16, p: 4 };
/** Short passphrases fall to guessing whatever a guess costs. */
export const LEAST_PASSPHRASE = 10;

/** As it is kept: text and numbers. */
export interface Box {
  readonly version: 1;
  readonly network: string;
  readonly kept: string;
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly nonce: string;
  readonly box: string;
}

/** What the cipher binds: a box moved to another network does not open. */
const bound = (network: string): Uint8Array => utf8(`upfront keystore 1 ${network}`);

const keyFor = (passphrase: string, salt: Uint8Array, cost: { N: number; r: number; p: number }): Promise<Uint8Array> =>
  scryptAsync(utf8(passphrase.normalize('NFKC')), salt, { ...cost, dkLen: 32, maxmem: 2 ** 31, asyncTick: 20 });

/** Locks words. `day` says when, for people who find it later. */
export async function lock(phrase: string, passphrase: string, network: string, day: string, cost = COST): Promise<Box> {
  if ([...passphrase].length < LEAST_PASSPHRASE) {
    throw new UpfrontError('passphrase_short', 'passphrase', `a passphrase has at least ${LEAST_PASSPHRASE} characters`);
  }
  const random = crypto.getRandomValues(new Uint8Array(16 + 24));
  const [salt, nonce] = [random.slice(0, 16), random.slice(16)];
  const key = await keyFor(passphrase, salt, cost);
  const box = xchacha20poly1305(key, nonce, bound(network)).encrypt(utf8(readPhrase(phrase)));
  key.fill(0);
  return { version: 1, network, kept: day, n: cost.N, r: cost.r, p: cost.p, salt: base64(salt), nonce: base64(nonce), box: base64(box) };
}

/** Opens a box; a wrong passphrase and a damaged box cannot be told apart. */
export async function unlock(box: Box, passphrase: string): Promise<string> {
  if (box.version !== 1) throw new UpfrontError('keystore_version', 'keystore', 'these words were kept by another version of this page');
  const cost = { N: integer(box.n, 'n', 2, MAX_COST.N), r: integer(box.r, 'r', 1, MAX_COST.r), p: integer(box.p, 'p', 1, MAX_COST.p) };
  const [salt, nonce, sealed] = [unbase64(box.salt, 'salt'), unbase64(box.nonce, 'nonce'), unbase64(box.box, 'box')];
  const key = await keyFor(passphrase, salt, cost);
  try {
    return readPhrase(textOf(xchacha20poly1305(key, nonce, bound(box.network)).decrypt(concat(sealed)), 'box'));
  } catch {
    throw new UpfrontError('wrong_passphrase', 'passphrase', 'this passphrase does not open the words kept here');
  } finally {
    key.fill(0);
  }
}

// ---- IndexedDB

const DATABASE = 'upfront';
const STORE = 'words';

const notKept = (): UpfrontError => new UpfrontError('keystore', 'keystore', 'this browser keeps nothing here: it may be in a private window');

function request<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = (): void => resolve(asked.result);
    asked.onerror = (): void => reject(notKept());
  });
}

async function withStore<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = (): void => { opening.result.createObjectStore(STORE, { autoIncrement: true }); };
  const database = await request(opening);
  try {
    const transaction = database.transaction(STORE, mode, { durability: 'strict' });
    const kept = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = (): void => resolve();
      transaction.onabort = transaction.onerror = (): void => reject(notKept());
    });
    const [result] = await Promise.all([request(act(transaction.objectStore(STORE))), kept]);
    return result;
  } finally {
    database.close();
  }
}

/** The boxes kept for a network, the latest first. A browser that keeps nothing has none. */
export async function keptBoxes(network: string): Promise<Box[]> {
  try {
    const all = (await withStore('readonly', (store) => store.getAll())) as Box[];
    return all.filter((box) => box.network === network).reverse();
  } catch {
    return [];
  }
}

export const keep = (box: Box): Promise<IDBValidKey> => withStore('readwrite', (store) => store.add(box));

/** What the next index of these words is remembered under: what was taken for them here is not taken again. */
export const nextName = (box: Box): string => `next ${box.salt}`;

/** The words that the passphrase opens, among all that are kept. */
export async function unlockKept(network: string, passphrase: string): Promise<{ readonly phrase: string; readonly box: Box }> {
  const boxes = await keptBoxes(network);
  for (const box of boxes) {
    try {
      return { phrase: await unlock(box, passphrase), box };
    } catch (error) {
      if (!(error instanceof UpfrontError) || error.code !== 'wrong_passphrase') throw error;
    }
  }
  throw new UpfrontError('wrong_passphrase', 'passphrase', 'this passphrase does not open the words kept here');
}
