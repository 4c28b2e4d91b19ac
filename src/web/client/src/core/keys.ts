// Secret keys: phrases (BIP39, English, without a passphrase), the sponsor's keys and refund addresses, the
// identity (NIP-06), a signer's account, and their spellings (WIF, nsec). Nothing here leaves the page by
// itself, and no error repeats a secret.

import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { p2trAddress } from './address.ts';
import { ExtendedKey, HARDENED } from './bip32.ts';
import { base64url, bytesOf, concat, same, unbase64url, unhex } from './bytes.ts';
import { BECH32_CONSTANT, fromBase58check, toBase58check, toBech32, toWords } from './codec.ts';
import { UpfrontError, refuse } from './error.ts';
import { MAX_31, integer } from './number.ts';
import type { Network } from './network.ts';
import { keyPair, tapTweak, type KeyPair } from './point.ts';
import { STATEMENT_GENERATION } from './signer-key.ts';

export { keyPair, type KeyPair } from './point.ts';
export { wordlist };

/** Keys of a phrase that are looked at, here and on the command line. */
export const KEYS_TRIED = 1_000;

const ENTROPY_BYTES = 16;
const WORD_COUNTS = [12, 15, 18, 21, 24];

/** Twelve new words from the browser's randomness, read back before anybody relies on them. */
export function newPhrase(): string {
  const randomness = globalThis.crypto;
  if (typeof randomness?.getRandomValues !== 'function') {
    refuse('no_randomness', 'phrase', 'this browser gives no secure randomness: no key can be made here');
  }
  const entropy = randomness.getRandomValues(new Uint8Array(ENTROPY_BYTES));
  // A source that answers with one byte over and over is broken; chance does so once in 2^120.
  if (entropy.every((byte) => byte === entropy[0])) {
    refuse('no_randomness', 'phrase', 'this browser\'s randomness is broken: no key can be made here');
  }
  const phrase = entropyToMnemonic(entropy, wordlist);
  if (!same(mnemonicToEntropy(readPhrase(phrase), wordlist), entropy)) {
    refuse('phrase_checksum', 'phrase', 'the new phrase does not read back: no key can be made here');
  }
  entropy.fill(0);
  return phrase;
}

/** The words of a phrase in their one spelling; says which word is wrong, without repeating it. */
export function readPhrase(text: string): string {
  const words = text.normalize('NFKD').toLowerCase().split(/\s+/).filter((word) => word !== '');
  if (!WORD_COUNTS.includes(words.length)) {
    refuse('phrase_words', 'phrase', `phrase: a recovery phrase has 12, 15, 18, 21 or 24 words; this has ${words.length}`);
  }
  words.forEach((word, at) => {
    if (!wordlist.includes(word)) {
      refuse('phrase_word', 'phrase', `phrase: word ${at + 1} is not in the English BIP39 list`);
    }
  });
  const phrase = words.join(' ');
  try {
    mnemonicToEntropy(phrase, wordlist).fill(0);
  } catch {
    refuse('phrase_checksum', 'phrase', 'phrase: its checksum is wrong: a word is mistyped or two are swapped');
  }
  return phrase;
}

/** A key of the sponsor's with the path it came by. */
export interface PathKey extends KeyPair {
  readonly path: string;
}

export interface RefundAddress {
  readonly address: string;
  readonly path: string;
  readonly index: number;
}

/** The root of a phrase on one network. */
export class Root {
  readonly network: Network;
  private readonly key: ExtendedKey;
  private readonly branches: [ExtendedKey?, ExtendedKey?] = [];

  constructor(key: ExtendedKey, network: Network) {
    this.key = key;
    this.network = network;
  }

  /** Takes about a tenth of a second: 2048 rounds of HMAC-SHA512 (BIP39). */
  static fromPhrase(text: string, network: Network): Root {
    return new Root(ExtendedKey.fromSeed(mnemonicToSeedSync(readPhrase(text)), network), network);
  }

  private at(...steps: number[]): KeyPair {
    return keyPair(this.key.derive(...steps).secret, 'key');
  }

  private sponsor(branch: 0 | 1, index: number): PathKey {
    const { coinType } = this.network;
    integer(index, 'index of the path', 0, MAX_31);
    // A search takes a thousand of them: the way to the branch is gone once.
    const above = (this.branches[branch] ??= this.key.derive(86 + HARDENED, coinType + HARDENED, branch + HARDENED, 0));
    const key = keyPair(above.derive(index).secret, 'key');
    return { ...key, path: `m/86'/${coinType}'/${branch}'/0/${index}` };
  }

  /** S of the i-th pledge: `m/86'/coin'/1'/0/i`. */
  sponsorKey(index: number): PathKey {
    return this.sponsor(1, index);
  }

  /** `m/86'/coin'/0'/0/j` as an address (BIP86): any Taproot wallet restored from the phrase shows it. */
  refundAddress(index: number): RefundAddress {
    const { path, publicKey } = this.sponsor(0, index);
    return { address: bip86Address(publicKey, this.network), path, index };
  }

  /** NIP-06: `m/44'/1237'/0'/0/0`, for signing in; without power over money. */
  identity(): KeyPair {
    return this.at(44 + HARDENED, 1237 + HARDENED, HARDENED, 0, 0);
  }

  /** A signer's account: `m/87'/coin'/k'`. */
  account(account: number): Account {
    integer(account, 'account', 0, MAX_31);
    const { coinType } = this.network;
    const key = this.key.derive(87 + HARDENED, coinType + HARDENED, account + HARDENED);
    return new Account(key, `[${this.key.fingerprint}/87h/${coinType}h/${account}h]${key.xpub}`);
  }
}

/** A signer's account with its private keys. */
export class Account {
  /** `[fingerprint/87h/coin'h/k'h]xpub`, what a charter holds. */
  readonly expression: string;
  private readonly key: ExtendedKey;

  constructor(key: ExtendedKey, expression: string) {
    this.key = key;
    this.expression = expression;
  }

  /** The key at `generation/index`, which stands in the output of a pledge. */
  child(generation: number, index: number): KeyPair {
    return keyPair(this.key.derive(generation, index).secret, 'key');
  }

  /** The key at `1000/0`, which attests, accepts and rules. */
  get statementKey(): KeyPair {
    return this.child(STATEMENT_GENERATION, 0);
  }
}

/** The address of a key alone (BIP86): `tr(key)`. */
export const bip86Address = (publicKey: string, network: Network): string =>
  p2trAddress(tapTweak(publicKey, null, 'key').outputKey, network);

// ---- Spellings

/** Wallet import format of a key with a compressed public key. */
export const toWif = (key: KeyPair, network: Network): string =>
  toBase58check(concat(bytesOf(network.wif), key.secret, bytesOf(1)));

export function fromWif(text: string, network: Network, field: string): KeyPair {
  // 52 characters hold a compressed key of any network; decoding base58 is quadratic.
  if (text.length > 52) refuse('not_a_key', field, `${field} is no private key`);
  let data: Uint8Array;
  try {
    data = fromBase58check(text);
  } catch {
    return refuse('not_a_key', field, `${field} is no private key: it is mistyped or damaged`);
  }
  if (data.length !== 34 || data[33] !== 1 || data[0] !== network.wif) {
    refuse('not_a_key', field, `${field} is no private key of ${network.name}`);
  }
  return keyPair(data.slice(1, 33), field);
}

const nostr = (prefix: string, bytes: Uint8Array): string => toBech32(prefix, toWords(bytes), BECH32_CONSTANT);
export const npub = (key: KeyPair): string => nostr('npub', unhex(key.publicKey, 'key', 32));
export const nsec = (key: KeyPair): string => nostr('nsec', key.secret);

/** The key of one pledge as it stands behind `#key=` of a link: base64url of its 32 bytes. */
export const keyToFragment = (key: KeyPair): string => base64url(key.secret);

export function keyFromFragment(text: string): KeyPair {
  const secret = unbase64url(text, 'key');
  return keyPair(secret, 'key');
}

/** A private key as people have it: 64 hex digits, WIF, or what stands behind `#key=`. */
export function readKey(text: string, network: Network, field = 'key'): KeyPair {
  const given = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(given)) return keyPair(unhex(given, field), field);
  if (/^[A-Za-z0-9_-]{43}$/.test(given)) return keyFromFragment(given);
  try {
    return fromWif(given, network, field);
  } catch (error) {
    if (error instanceof UpfrontError) throw error;
    throw new UpfrontError('not_a_key', field, `${field} is no private key`);
  }
}
