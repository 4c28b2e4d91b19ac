// Phrases, keys and their spellings; signed requests.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex, unbase64, textOf, unhex } from '../../src/core/bytes.ts';
import { Root, fromWif, keyFromFragment, keyPair, keyToFragment, newPhrase, npub, nsec, readKey, readPhrase, toWif, wordlist } from '../../src/core/keys.ts';
import { authorization } from '../../src/core/nip98.ts';
import { NETWORKS } from '../../src/core/network.ts';
import { looksPrivate, parseSignerKey } from '../../src/core/signer-key.ts';
import { withChecksum } from '../../src/core/descriptor.ts';
import { vectors } from '../lib/vectors.ts';

const WORDS = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about';

test('new phrases have twelve words of the list, a good checksum, and are never the same', () => {
  const phrases = Array.from({ length: 20 }, newPhrase);
  assert.equal(new Set(phrases).size, 20);
  for (const phrase of phrases) {
    assert.equal(phrase.split(' ').length, 12);
    assert.equal(readPhrase(phrase), phrase);
  }
});

test('no phrase is made without randomness, or of a broken source', () => {
  const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  try {
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value: undefined });
    assert.throws(newPhrase, { code: 'no_randomness' });
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value: { getRandomValues: (bytes: Uint8Array) => bytes.fill(5) } });
    assert.throws(newPhrase, { code: 'no_randomness' });
  } finally {
    if (real) Object.defineProperty(globalThis, 'crypto', real);
  }
});

test('a phrase is read in any spelling, and what is wrong with it is said without repeating it', () => {
  assert.equal(readPhrase(`  ${WORDS.toUpperCase().replaceAll(' ', '\n ')} `), WORDS);
  assert.throws(() => readPhrase(WORDS.replace('about', 'abandon')), { code: 'phrase_checksum' });
  assert.throws(() => readPhrase(WORDS.replace('about', 'secretword')), { message: /word 12/ });
  assert.throws(() => readPhrase(WORDS.replace('about', 'secretword')), (error: Error) => !error.message.includes('secretword'));
  assert.throws(() => readPhrase('abandon about'), { code: 'phrase_words' });
  assert.equal(wordlist.length, 2048);
});

test('NIP-06: the identity of its test phrases', () => {
  // NIP-06, "Test vectors".
  const cases = [
    ['leader monkey parrot ring guide accident before fence cannon height naive bean', '7f7ff03d123792d6ac594bfa67bf6d0c0ab55b6b1fdb6249303fe861f1ccba9a', '17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917'],
    ['what bleak badge arrange retreat wolf trade produce cricket blur garlic valid proud rude strong choose busy staff weather area salt hollow arm fade', 'c15d739894c81a2fcfd3a2df85a0d2c0dbc47a280d092799f144d73d7ae78add', 'd41b22899549e1f3d335a31002cfd382174006e166d3e658e3a5eecdb6463573'],
  ] as const;
  for (const [phrase, secret, publicKey] of cases) {
    const key = Root.fromPhrase(phrase, NETWORKS.mainnet).identity();
    assert.equal(hex(key.secret), secret);
    assert.equal(key.publicKey, publicKey);
    assert.equal(Root.fromPhrase(phrase, NETWORKS.regtest).identity().publicKey, publicKey);
  }
  const key = Root.fromPhrase(cases[0][0], NETWORKS.mainnet).identity();
  assert.equal(nsec(key), 'nsec10allq0gjx7fddtzef0ax00mdps9t2kmtrldkyjfs8l5xruwvh2dq0lhhkp');
  assert.equal(npub(key), 'npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu');
});

test('keys in WIF, in a link, in hex', () => {
  const key = keyPair(new Uint8Array(32).fill(0x41), 'key');
  for (const network of Object.values(NETWORKS)) {
    assert.equal(fromWif(toWif(key, network), network, 'key').publicKey, key.publicKey);
    for (const text of [toWif(key, network), keyToFragment(key), hex(key.secret), ` ${hex(key.secret).toUpperCase()}\n`]) {
      assert.equal(readKey(text, network).publicKey, key.publicKey);
    }
    const other = network.name === 'mainnet' ? NETWORKS.signet : NETWORKS.mainnet;
    assert.throws(() => fromWif(toWif(key, network), other, 'key'), { code: 'not_a_key' });
  }
  // Bitcoin wiki's example has no compressed key; the standard compressed one of key 1.
  assert.equal(toWif(keyPair(unhex('01'.padStart(64, '0'), 'k'), 'k'), NETWORKS.mainnet), 'KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn');
  assert.equal(keyToFragment(key).length, 43);
  assert.equal(keyFromFragment(keyToFragment(key)).publicKey, key.publicKey);
  for (const bad of ['', 'x', '00'.repeat(32), 'ff'.repeat(32), keyToFragment(key).slice(1), toWif(key, NETWORKS.mainnet).replace(/.$/, '1')]) {
    assert.throws(() => readKey(bad, NETWORKS.mainnet), { code: /not_/ }, bad);
    assert.throws(() => readKey(bad, NETWORKS.mainnet), (error: Error) => bad.length < 3 || !error.message.includes(bad));
  }
});

test('a private key or a phrase is known as such where a public key belongs', () => {
  const phrase = vectors.charters[0]?.developer.phrase ?? '';
  const wif = toWif(keyPair(new Uint8Array(32).fill(0x41), 'key'), NETWORKS.mainnet);
  for (const secret of [phrase, wif, nsec(keyPair(new Uint8Array(32).fill(2), 'key')), 'xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu']) {
    assert.ok(looksPrivate(secret));
    assert.throws(() => parseSignerKey(secret, NETWORKS.mainnet, 'developer.key'), { code: 'key_private', field: 'developer.key' });
    assert.throws(() => parseSignerKey(secret, NETWORKS.mainnet, 'developer.key'), (error: Error) => !error.message.includes(secret));
  }
  for (const seat of vectors.charters) assert.equal(looksPrivate(seat.developer.key), false);
});

test('base64 that a wallet gave back is no private key, whatever its letters look like; a key beside it is one', () => {
  const wif = 'cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA';
  assert.ok(looksPrivate(wif));
  for (const signed of [`cHNidP8BAF4DAAAA+${wif}/AA==`, `cHNidP8${wif.slice(7)}+${'A'.repeat(20)}`, `smpAQ${'A'.repeat(40)}/${wif}+A=`]) {
    assert.equal(looksPrivate(signed), false, signed);
    assert.equal(looksPrivate(`${signed}\n${signed}`), false);
    assert.ok(looksPrivate(`${signed}\n${wif}`));
  }
});

test('a signed request is the event that NIP-98 asks for', () => {
  const key = keyPair(new Uint8Array(32).fill(3), 'key');
  const body = '{"quote":"\\" ü \u2028"}';
  const header = authorization(key, 'https://example.org/tasks?x=1', 'POST', body, 1_700_000_000);
  assert.match(header, /^Nostr /);
  const event = JSON.parse(textOf(unbase64(header.slice(6), 'header'), 'header')) as Record<string, unknown>;
  assert.deepEqual(event.tags, [['u', 'https://example.org/tasks?x=1'], ['method', 'POST'], ['payload', createHash('sha256').update(body).digest('hex')]]);
  assert.equal(event.kind, 27_235);
  assert.equal(event.created_at, 1_700_000_000);
  const id = createHash('sha256').update(JSON.stringify([0, key.publicKey, event.created_at, event.kind, event.tags, ''])).digest();
  assert.equal(event.id, id.toString('hex'));
  assert.ok(schnorr.verify(unhex(event.sig as string, 'sig'), id, unhex(key.publicKey, 'key')));
  const bare = JSON.parse(textOf(unbase64(authorization(key, 'https://e.org/', 'GET', '', 1).slice(6), 'h'), 'h')) as { tags: string[][] };
  assert.deepEqual(bare.tags.map(([name]) => name), ['u', 'method']);
});

test('BIP380: checksums of descriptors', () => {
  assert.equal(withChecksum('raw(deadbeef)'), 'raw(deadbeef)#89f8spxm');
  assert.throws(() => withChecksum('raw(ü)'), { code: 'descriptor' });
});
