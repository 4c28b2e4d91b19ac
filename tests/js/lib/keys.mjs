// Networks, phrases, extended keys, signatures.

import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import { mnemonicToSeedSync, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { NETWORK, TEST_NETWORK } from '@scure/btc-signer';

export { bytesToHex as hex, hexToBytes as bytes, utf8ToBytes as utf8 };

const MAIN = { private: 0x0488ade4, public: 0x0488b21e };
const TEST = { private: 0x04358394, public: 0x043587cf };
const DAY = 86_400;

// What differs between the four networks.
export const NETWORKS = {
  mainnet: { addresses: NETWORK, versions: MAIN, coinType: 0, weekly: true },
  testnet4: { addresses: TEST_NETWORK, versions: TEST, coinType: 1, weekly: true },
  signet: { addresses: TEST_NETWORK, versions: TEST, coinType: 1, weekly: true },
  regtest: { addresses: { ...TEST_NETWORK, bech32: 'bcrt' }, versions: TEST, coinType: 1, weekly: false },
};

export const limits = (network) =>
  NETWORKS[network].weekly
    ? { step: 7 * DAY, offset: 4 * DAY, cutoff: 3 * DAY, review: 7 * DAY, ruling: 14 * DAY }
    : { step: 60, offset: 0, cutoff: 60, review: 0, ruling: 0 };

export function networkOf(name) {
  if (!Object.hasOwn(NETWORKS, name)) throw new Error(`unknown network ${JSON.stringify(name)}`);
  return NETWORKS[name];
}

export const sha256Hex = (text) => bytesToHex(sha256(utf8ToBytes(text)));

export const taggedHash = (tag, message) => schnorr.utils.taggedHash(tag, message);

// Remembers results by input: the self-test asks for the same thing thousands of times.
export function memo(pure) {
  const results = new Map();
  return (...input) => {
    const id = JSON.stringify(input);
    if (!results.has(id)) results.set(id, pure(...input));
    return results.get(id);
  };
}

// BIP340 with 32 zero bytes of auxiliary randomness, which is what "none" means to libsecp256k1.
const signHex = memo((digest, privateKey) =>
  bytesToHex(schnorr.sign(hexToBytes(digest), hexToBytes(privateKey), new Uint8Array(32))));
export const sign = (digest, privateKey) => signHex(bytesToHex(digest), bytesToHex(privateKey));

export const xOnly = (key) => bytesToHex(key.publicKey.slice(1));

export const root = memo((phrase, network) => {
  if (typeof phrase !== 'string' || !validateMnemonic(phrase, wordlist)) throw new Error('phrase: not a BIP39 phrase');
  return HDKey.fromMasterSeed(mnemonicToSeedSync(phrase), network.versions);
});

// [fingerprint/87h/coin'h/k'h]xpub
export const accountKey = memo((phrase, account, network) => {
  const master = root(phrase, network);
  const key = master.derive(`m/87'/${network.coinType}'/${account}'`);
  const fingerprint = master.fingerprint.toString(16).padStart(8, '0');
  return { key, expression: `[${fingerprint}/87h/${network.coinType}h/${account}h]${key.publicExtendedKey}` };
});

// `m/86'/coin'/1'/0/i`, the refund key of a sponsor's pledge.
export function refundKey(phrase, path, network) {
  const found = /^m\/86'\/(\d)'\/1'\/0\/(0|[1-9]\d*)$/.exec(path);
  if (!found || Number(found[1]) !== network.coinType) throw new Error('path: not a refund path of this network');
  return root(phrase, network).derive(path);
}

export const xpubOf = (expression) => expression.slice(expression.indexOf(']') + 1);

export const extendedKey = memo((xpub, network) => HDKey.fromExtendedKey(xpub, network.versions));

export const child = (key, ...steps) => steps.reduce((parent, step) => parent.deriveChild(step), key);
