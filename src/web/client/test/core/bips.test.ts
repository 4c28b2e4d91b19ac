// Published vectors of the BIPs, and random cases against libraries that share nothing with this code.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { mnemonicToSeedSync } from '@scure/bip39';
import { Address, NETWORK, OutScript, TEST_NETWORK } from '@scure/btc-signer';
import { addressOf, dust, parseAddress } from '../../src/core/address.ts';
import { ExtendedKey, HARDENED, readXpub } from '../../src/core/bip32.ts';
import { hex, unhex } from '../../src/core/bytes.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { bip86Address } from '../../src/core/keys.ts';
import { aggregate, sortKeys, syntheticKey } from '../../src/core/musig.ts';
import { NETWORKS } from '../../src/core/network.ts';
import { keyPair, tapTweak, verifySchnorr, signSchnorr } from '../../src/core/point.ts';
import { SighashCache, leafHash, parseTransaction, serialize } from '../../src/core/tx.ts';
import { bip, at } from '../lib/vectors.ts';

const keyBytes = (text: string): Uint8Array => unhex(text, 'key');

test('BIP340: signatures and refusals', () => {
  const { vectors } = bip('0340') as { vectors: { secret_key: string | null; aux_rand: string | null; public_key: string; message: string; signature: string; valid: boolean }[] };
  assert.ok(vectors.length > 10);
  let signed = 0;
  for (const one of vectors) {
    const message = keyBytes(one.message);
    assert.equal(verifySchnorr(keyBytes(one.signature), message, one.public_key.toLowerCase()), one.valid, one.signature);
    if (one.secret_key && one.aux_rand && /^0+$/.test(one.aux_rand)) {
      assert.equal(hex(signSchnorr(message, keyPair(keyBytes(one.secret_key), 'key'))), one.signature.toLowerCase());
      signed += 1;
    }
  }
  assert.ok(signed > 0);
});

test('BIP327: sorting and aggregation', () => {
  interface Bip327 {
    pubkeys: string[];
    valid: { key_indices: number[]; expected: string }[];
    invalid_keys: { key_indices: number[] }[];
    sort: { pubkeys: string[]; sorted: string[] };
  }
  const { pubkeys, valid, invalid_keys, sort } = bip('0327') as Bip327;
  assert.deepEqual(sortKeys(sort.pubkeys.map(keyBytes)).map(hex), sort.sorted.map((key) => key.toLowerCase()));
  for (const { key_indices, expected } of valid) {
    assert.equal(hex(aggregate(key_indices.map((i) => keyBytes(at(pubkeys, i)))).slice(1)), expected.toLowerCase());
  }
  for (const { key_indices } of invalid_keys) {
    assert.throws(() => aggregate(key_indices.map((i) => keyBytes(at(pubkeys, i)))), { code: 'not_a_key' });
  }
  assert.throws(() => aggregate([]), { code: 'aggregate' });
});

test('BIP328: synthetic keys', () => {
  const { vectors } = bip('0328') as { vectors: { keys: string[]; aggregate: string; synthetic_xpub: string }[] };
  assert.ok(vectors.length > 0);
  for (const one of vectors) {
    const key = aggregate(one.keys.map(keyBytes));
    assert.equal(hex(key), one.aggregate);
    assert.equal(syntheticKey(key, NETWORKS.mainnet).xpub, one.synthetic_xpub);
  }
});

test('BIP341: tweaks, leaves and signature hashes', () => {
  interface Bip341 {
    script_pubkey: { internal_key: string; tree: { script?: string; leaf_version?: number } | null; leaf_hashes: string[]; merkle_root: string | null; output_key: string; address: string; script_pubkey: string; control_blocks: string[] }[];
    key_path_spending: { unsigned_tx: string; spent: { script_pubkey: string; amount_sat: number }[]; inputs: { vin: number; sighash_type: number; sighash: string }[] };
  }
  const { script_pubkey, key_path_spending } = bip('0341') as Bip341;
  let leaves = 0;
  for (const one of script_pubkey) {
    const root = one.merkle_root === null ? null : keyBytes(one.merkle_root);
    const { outputKey, odd } = tapTweak(one.internal_key, root, 'key');
    assert.equal(hex(outputKey), one.output_key);
    assert.equal(addressOf(keyBytes(one.script_pubkey), NETWORKS.mainnet), one.address);
    for (const block of one.control_blocks) assert.equal(keyBytes(block)[0]! & 1, odd ? 1 : 0);
    if (one.tree?.script !== undefined && one.tree.leaf_version === 0xc0) {
      assert.equal(hex(leafHash(keyBytes(one.tree.script))), one.leaf_hashes[0]);
      leaves += 1;
    }
  }
  assert.ok(leaves > 0);
  const bytes = keyBytes(key_path_spending.unsigned_tx);
  const tx = parseTransaction(bytes, 'tx');
  assert.deepEqual(serialize(tx), bytes);
  const cache = new SighashCache(tx, key_path_spending.spent.map((out) => ({ amount: BigInt(out.amount_sat), script: keyBytes(out.script_pubkey) })));
  const types = new Set<number>();
  for (const { vin, sighash_type, sighash } of key_path_spending.inputs) {
    assert.equal(hex(cache.taproot(vin, sighash_type, null)), sighash, `input ${vin}`);
    types.add(sighash_type);
  }
  assert.ok(types.size > 4);
});

test('BIP86 and BIP32: accounts, children, addresses', () => {
  const { phrase, account_xpub, vectors } = bip('0086') as { phrase: string; account_xpub: string; vectors: { path: string; internal_key: string; address: string }[] };
  const root = ExtendedKey.fromSeed(mnemonicToSeedSync(phrase), NETWORKS.mainnet);
  const account = root.derive(86 + HARDENED, HARDENED, HARDENED);
  assert.equal(account.xpub, account_xpub);
  const publicOnly = readXpub(account_xpub, NETWORKS.mainnet);
  assert.ok(publicOnly);
  assert.equal(publicOnly.xpub, account_xpub);
  for (const { path, internal_key, address } of vectors) {
    const steps = path.split('/').map(Number);
    assert.equal(account.derive(...steps).xOnly, internal_key);
    assert.equal(publicOnly.derive(...steps).xOnly, internal_key);
    assert.equal(bip86Address(internal_key, NETWORKS.mainnet), address);
  }
  assert.throws(() => publicOnly.secret, { code: 'not_a_key' });
  assert.equal(readXpub(account_xpub, NETWORKS.signet), null);
  assert.equal(readXpub(`${account_xpub.slice(0, -1)}Z`, NETWORKS.mainnet), null);
});

test('BIP32: what @scure/bip32 derives', () => {
  for (let round = 0; round < 12; round += 1) {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => (i * 31 + round * 7 + 1) & 0xff);
    const network = round % 2 === 0 ? NETWORKS.mainnet : NETWORKS.testnet4;
    const theirs = HDKey.fromMasterSeed(seed, network.versions);
    const ours = ExtendedKey.fromSeed(seed, network);
    assert.equal(ours.fingerprint, theirs.fingerprint.toString(16).padStart(8, '0'));
    assert.equal(ours.xpub, theirs.publicExtendedKey);
    const path = [87 + HARDENED, 1 + HARDENED, round + HARDENED];
    const account = path.reduce((key, step) => key.deriveChild(step), theirs);
    assert.equal(ours.derive(...path).xpub, account.publicExtendedKey);
    for (const steps of [[0, round], [1000, 0], [0x7fff_ffff, 5]]) {
      const child = steps.reduce((key, step) => key.deriveChild(step), account);
      assert.ok(child.publicKey && child.privateKey);
      assert.equal(hex(ours.derive(...path, ...steps).publicKey), hex(child.publicKey));
      assert.equal(hex(ours.derive(...path, ...steps).secret), hex(child.privateKey));
      assert.equal(hex(readXpub(account.publicExtendedKey, network)!.derive(...steps).publicKey), hex(child.publicKey));
    }
  }
});

test('addresses of every kind, there and back, as another library reads them', () => {
  const libraries = { mainnet: NETWORK, testnet4: TEST_NETWORK, signet: TEST_NETWORK, regtest: { ...TEST_NETWORK, bech32: 'bcrt' } };
  for (const network of Object.values(NETWORKS)) {
    const hash = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
    const key = unhex('d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d', 'key');
    const scripts = [
      OutScript.encode({ type: 'pkh', hash }), OutScript.encode({ type: 'sh', hash }), OutScript.encode({ type: 'wpkh', hash }),
      OutScript.encode({ type: 'wsh', hash: key }), OutScript.encode({ type: 'tr', pubkey: key }),
    ];
    const library = Address(libraries[network.name]);
    for (const [at, script] of scripts.entries()) {
      const text = addressOf(script, network);
      assert.ok(text !== null);
      assert.equal(library.encode(OutScript.decode(script)), text);
      const parsed = parseAddress(text, network, 'address');
      assert.equal(hex(parsed.script), hex(script));
      assert.equal(parsed.text, text);
      if (at >= 2) assert.equal(parseAddress(text.toUpperCase(), network, 'address').text, text);
      const places = [0, text.length >> 1, text.length - 1].map((place) => text.slice(0, place) + (text[place] === 'q' ? 'p' : 'q') + text.slice(place + 1));
      for (const other of [...places, text.slice(1), text.slice(0, -1), `${text}q`, ` ${text}`]) {
        assert.throws(() => parseAddress(other, network, 'refund_address'), (error: unknown) => error instanceof UpfrontError && error.field === 'refund_address', other);
      }
    }
    const foreign = network.name === 'mainnet' ? NETWORKS.regtest : NETWORKS.mainnet;
    assert.throws(() => parseAddress(addressOf(scripts[4] ?? key, foreign) ?? '', network, 'x'), { code: 'charter_address_network' });
  }
  // BIP350: v0 with bech32m, v1 with bech32, mixed case, a program of the wrong length.
  for (const bad of [
    'tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd',
    'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4', 'BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P', 'bc1pw5dgrnzv', 'bc1gmk9yu',
    'tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq',
  ]) {
    assert.throws(() => parseAddress(bad, NETWORKS.mainnet, 'address'), UpfrontError, bad);
  }
  // BIP350's own good one of a later version.
  const later = parseAddress('bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y', NETWORKS.mainnet, 'address');
  assert.equal(later.kind, 'other');
  assert.equal(addressOf(later.script, NETWORKS.mainnet), later.text);
});

test('dust is Bitcoin Core\'s', () => {
  const hash = new Uint8Array(20);
  assert.equal(dust(OutScript.encode({ type: 'pkh', hash })), 546n);
  assert.equal(dust(OutScript.encode({ type: 'sh', hash })), 540n);
  assert.equal(dust(OutScript.encode({ type: 'wpkh', hash })), 294n);
  assert.equal(dust(OutScript.encode({ type: 'wsh', hash: new Uint8Array(32) })), 330n);
});
