// A signer's key expression, `[fingerprint/87h/coin'h/k'h]xpub`, in the one spelling a charter accepts. Public
// keys only: a private key or a phrase pasted here is recognised, refused and never repeated.

import { HARDENED, readXpub, type ExtendedKey } from './bip32.ts';
import { hex } from './bytes.ts';
import { refuse } from './error.ts';
import { NETWORKS, type Network } from './network.ts';

export type Role = 'developer' | 'representative' | 'arbiter';
/** In the order of the keys in the `multi_a` leaf. */
export const ROLES: readonly [Role, Role, Role] = ['developer', 'representative', 'arbiter'];

/** Statements are signed by the key at `1000/0` below the account. */
export const STATEMENT_GENERATION = 1000;
/** BIP341's point with no known discrete logarithm. */
const NUMS_H = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0';
/** The longest key expression has 146 characters. */
const MAX_CHARS = 256;

const STEP = "(0|[1-9]\\d*)([h']?)";
const EXPRESSION = new RegExp(`^\\[([0-9a-fA-F]{8})/${STEP}/${STEP}/${STEP}\\]([^/]*)(/.*)?$`);

/** A PSBT or a BIP322 signature in base64: every PSBT begins with the letter of a private key, and some go on as one would. */
const SIGNED = /(?<![A-Za-z0-9+/=])(?:cHNidP8|smp|ful)[A-Za-z0-9+/=]{53,}/g;

/** The text with blanks for what is signed in it, so that places stay. */
export const withoutSigned = (text: string): string => text.replace(SIGNED, (run) => ' '.repeat(run.length));

/** Whether a text has, anywhere in it, what could spend money: better one public key refused than one private key passed on. */
export function looksPrivate(text: string): boolean {
  const words = text.trim().split(/\s+/);
  if ([12, 15, 18, 21, 24].includes(words.length) && words.every((word) => /^[a-z]{3,8}$/.test(word))) return true;
  return withoutSigned(text).split(/[^A-Za-z0-9]/).some(
    (part) =>
      (/^.prv/.test(part) && part.length > 50) ||
      part.startsWith('nsec1') ||
      /^[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}$/.test(part),
  );
}

export class SignerKey {
  /** Canonical text. */
  readonly text: string;
  readonly fingerprint: string;
  /** k' of `87h/coin'h/k'h`. */
  readonly account: number;
  readonly network: Network;
  readonly xpub: string;
  private readonly key: ExtendedKey;
  private readonly generations = new Map<number, ExtendedKey>();

  constructor(fingerprint: string, account: number, network: Network, xpub: string, key: ExtendedKey) {
    this.fingerprint = fingerprint;
    this.account = account;
    this.network = network;
    this.xpub = xpub;
    this.key = key;
    this.text = `[${fingerprint}/87h/${network.coinType}h/${account}h]${xpub}`;
  }

  /** Compressed public key of the account. */
  get publicKey(): Uint8Array {
    return this.key.publicKey;
  }

  /** X-only key at `xpub/generation/index`. */
  child(generation: number, index: number): string {
    let parent = this.generations.get(generation);
    if (parent === undefined) {
      parent = this.key.derive(generation);
      this.generations.set(generation, parent);
    }
    return parent.derive(index).xOnly;
  }

  /** X-only key at `xpub/1000/0`, which signs statements and stands in no output. */
  get statementKey(): string {
    return this.child(STATEMENT_GENERATION, 0);
  }

  /** Steps from the root, as BIP174 derivations are written. */
  fullPath(generation: number, index: number): number[] {
    return [87 + HARDENED, this.network.coinType + HARDENED, this.account + HARDENED, generation, index];
  }
}

/** Reads a key expression; takes `'` for `h` and capitals in the fingerprint, which `text` of the result has not. */
export function parseSignerKey(text: string, network: Network, field: string): SignerKey {
  const no = (code: string, words: string): never => refuse(code, field, `${field}: ${words}`);
  if (looksPrivate(text)) {
    no('key_private', 'this is a private key or a recovery phrase: never give it to anyone; a public key belongs here');
  }
  const form = 'not a key expression; write it as [fingerprint/87h/coin\'h/k\'h]xpub';
  const found = text.length > MAX_CHARS ? null : EXPRESSION.exec(text);
  if (found === null) return no('key_not_an_expression', form);
  const [, fingerprint = '', purpose, h1, coin, h2, account, h3, xpub = '', suffix] = found;
  if (![purpose, coin, account].every((step) => Number(step) < HARDENED)) no('key_not_an_expression', form);
  if (suffix !== undefined) {
    if (/\*[h'H]$/.test(suffix)) no('key_hardened_wildcard', 'a hardened wildcard can never be derived: end the text with the xpub');
    if (suffix.endsWith('*')) no('key_wildcard', 'a wildcard follows the key: end the text with the xpub');
    no('key_trailing_path', 'a path follows the key: end the text with the xpub');
  }
  const key = readXpub(xpub, network);
  if (key === null) {
    const other = network.coinType === 0 ? NETWORKS.testnet4 : NETWORKS.mainnet;
    if (readXpub(xpub, other) === null) {
      return no('key_invalid_xpub', 'the extended public key is damaged: its checksum, length or prefix is wrong');
    }
    const expected = network.coinType === 0 ? 'xpub' : 'tpub';
    return no('key_wrong_network', `the key is of the wrong network: ${network.name} keys begin with ${expected}`);
  }
  if (purpose !== '87') no('key_wrong_purpose', `the path begins with ${purpose}, not with 87 (BIP87)`);
  if (Number(coin) !== network.coinType) no('key_wrong_coin_type', `the coin type is ${coin}; it is ${network.coinType} on this network`);
  [h1, h2, h3].forEach((hardened, at) => {
    if (!hardened) no('key_not_hardened', `step ${at + 1} of the path is not hardened: all three end in h`);
  });
  if (key.depth !== 3) no('key_depth', `the extended key has depth ${key.depth}; an account has depth 3`);
  if (key.index !== Number(account) + HARDENED) no('key_account', `the path ends in ${account}h, but the extended key is another child`);
  if (key.xOnly === NUMS_H) no('key_nums', 'this key is the point H of BIP341: nobody can sign for it');
  return new SignerKey(fingerprint.toLowerCase(), Number(account), network, xpub, key);
}

/** Whether two signers hold the same account key. */
export const sameKey = (a: SignerKey, b: SignerKey): boolean => hex(a.publicKey) === hex(b.publicKey);
