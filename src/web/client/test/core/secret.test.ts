// Secrets in fields for public things: however a phrase is written, it is known; what people rightly write passes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { keyToFragment, toWif } from '../../src/core/keys.ts';
import { NETWORKS } from '../../src/core/network.ts';
import { keyPair } from '../../src/core/point.ts';
import { findSecret, isSecret } from '../../src/core/secret.ts';
import { psbtsOfText } from '../../src/desk/psbts.ts';
import { readStatement } from '../../src/desk/words.ts';
import { PHRASE, pledgeOf } from '../lib/pledge.ts';
import { vectors } from '../lib/vectors.ts';

const WORDS = PHRASE.split(' ');
const KEY = keyPair(new Uint8Array(32).fill(0x41), 'key');
const XPRV = 'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi';

const WRITTEN: Readonly<Record<string, string>> = {
  'as it is': PHRASE,
  'with a capital': `${PHRASE[0]?.toUpperCase() ?? ''}${PHRASE.slice(1)}`,
  'in capitals': PHRASE.toUpperCase(),
  'numbered': WORDS.map((word, at) => `${at + 1}. ${word}`).join(' '),
  'numbered, a line each': WORDS.map((word, at) => `${at + 1}) ${word}`).join('\r\n'),
  'lettered': WORDS.map((word, at) => `${'abcdefghijklmnopqrstuvwxyz'[at] ?? ''}) ${word}`).join('\t'),
  'with commas': WORDS.join(', '),
  'with commas alone': WORDS.join(','),
  'after a label': `words: ${PHRASE}`,
  'eleven words': WORDS.slice(0, 11).join(' '),
  'six words': WORDS.slice(0, 6).join(' '),
  'quoted': `"${WORDS.join('" "')}"`,
};

test('a phrase is known however it is written, alone and among other words', () => {
  for (const [how, text] of Object.entries(WRITTEN)) {
    assert.ok(isSecret(text), how);
    const among = `Make the parser survive.\n\nThe harness uses ${text}\nand gives the files to it.`;
    const found = findSecret(among) ?? assert.fail(how);
    const marked = among.slice(found.start, found.end).toLowerCase();
    for (const word of WORDS.slice(0, how === 'six words' ? 6 : 11)) assert.ok(marked.includes(word), how);
  }
});

test('private keys and the private link are known, and where they stand', () => {
  for (const secret of [XPRV, toWif(KEY, NETWORKS.mainnet), toWif(KEY, NETWORKS.regtest), `key=${keyToFragment(KEY)}`]) {
    assert.ok(isSecret(secret));
    const among = `See /tasks/1/pledges/2#${secret} for it.`;
    const found = findSecret(among) ?? assert.fail(secret.slice(0, 4));
    assert.equal(among.slice(found.start, found.end), secret);
  }
});

test('public things and sentences pass', () => {
  const { claims, charter } = pledgeOf(0);
  const signers = vectors.charters.flatMap(({ developer, arbiter }) => [developer.key, arbiter.key]);
  for (const text of ['', claims.address, claims.sponsorKey, claims.descriptor, charter.id, 'https://example.org/a/b', 'MIT OR Apache-2.0', '250000', ...signers]) {
    assert.ok(!isSecret(text), text.slice(0, 40));
  }
  // Twelve short words: for a line they are a phrase, in prose they are none.
  const sentence = 'make the parser survive every file that was cut off too early';
  assert.equal(findSecret(sentence), null);
  assert.ok(isSecret(sentence));
  assert.equal(findSecret(WORDS.slice(0, 5).join(' ')), null);
});

test('what a wallet signed is none, whatever letters are in it; a key or words beside it are found where they stand', () => {
  const wif = 'cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA';
  const psbt = `cHNidP8BAF4DAAAA+${wif}/AA==`;
  assert.equal(findSecret(psbt), null);
  assert.ok(!isSecret(`${psbt}\n${psbt}`));
  const found = findSecret(`${psbt}\n${wif}`);
  assert.deepEqual(found, { start: psbt.length + 1, end: psbt.length + 1 + wif.length });
  assert.ok(isSecret(`${psbt} ${WORDS.join(' ')}`));
});

test('desks take none of them', () => {
  const about = { charter: 'ab'.repeat(32), network: 'regtest' };
  const code = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      return error instanceof UpfrontError ? error.code : assert.fail(String(error));
    }
    return 'taken';
  };
  for (const [how, text] of Object.entries(WRITTEN)) {
    assert.equal(code(() => readStatement(text, 'vote', about)), 'key_private', how);
    assert.equal(code(() => readStatement(JSON.stringify({ statement: { note: text }, signature: 'ef' }), 'vote', about)), 'key_private', how);
    assert.equal(code(() => psbtsOfText('text', text)), 'key_private', how);
  }
});
