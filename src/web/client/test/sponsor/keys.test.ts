// Words kept under a passphrase, private links, secrets in the wrong field, and which pledges are a phrase's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { keyToFragment, toWif } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';
import { lock, unlock, type Box } from '../../src/sponsor/keystore.ts';
import { keyOfFragment, privateLink } from '../../src/sponsor/link.ts';
import { readSecret } from '../../src/sponsor/open.ts';
import { chooseOwn, pledgeOfKey, pledgesOf } from '../../src/sponsor/own.ts';
import { isSecret } from '../../src/core/secret.ts';
import type { PledgeView } from '../../src/sponsor/views.ts';
import { PHRASE, pledgeOf } from '../lib/pledge.ts';
import { rootOf } from '../lib/root.ts';

const CHEAP = { N: 2 ** 10, r: 8, p: 1 };
const PASSPHRASE = 'correct horse battery';
const code = (error: unknown): string => (error instanceof UpfrontError ? error.code : assert.fail(String(error)));

test('words come back from a box by the passphrase alone, and by nothing else', async () => {
  const box = await lock(PHRASE, PASSPHRASE, 'regtest', '2026-11-25', CHEAP);
  assert.ok(!JSON.stringify(box).includes(PHRASE.split(' ')[0] ?? ''));
  assert.equal(await unlock(box, PASSPHRASE), PHRASE);
  const other = await lock(PHRASE, PASSPHRASE, 'regtest', '2026-11-25', CHEAP);
  assert.notEqual(other.box, box.box, 'salt and nonce are new each time');
  const flip = (text: string): string => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;
  const broken: [string, Box, string][] = [
    ['passphrase', box, 'correct horse batterY'],
    ['box', { ...box, box: flip(box.box) }, PASSPHRASE],
    ['nonce', { ...box, nonce: flip(box.nonce) }, PASSPHRASE],
    ['salt', { ...box, salt: flip(box.salt) }, PASSPHRASE],
    ['network', { ...box, network: 'mainnet' }, PASSPHRASE],
    ['cost', { ...box, n: 2 ** 11 }, PASSPHRASE],
  ];
  for (const [what, given, passphrase] of broken) {
    await assert.rejects(unlock(given, passphrase), (error) => code(error) === 'wrong_passphrase', what);
  }
  await assert.rejects(unlock({ ...box, n: 2 ** 30 }, PASSPHRASE), (error) => code(error) === 'out_of_range', 'a cost that would take for ever');
  await assert.rejects(lock(PHRASE, 'too short', 'regtest', '2026-11-25', CHEAP), (error) => code(error) === 'passphrase_short');
  await assert.rejects(lock('no phrase at all', PASSPHRASE, 'regtest', '2026-11-25', CHEAP));
});

test('a private link carries the key behind #, and nothing but a whole key is read', () => {
  const { key, claims, charter } = { ...pledgeOf(0), key: pledgeOf(0).file().key ?? assert.fail('a key') };
  const link = privateLink('https://upfront.example', charter.id, claims.index, key);
  const [before = '', behind = ''] = link.split('#');
  assert.equal(before, `https://upfront.example/tasks/${charter.id}/pledges/4`);
  assert.equal(keyOfFragment(`#${behind}`)?.publicKey, key.publicKey);
  assert.equal(keyOfFragment(''), null);
  assert.equal(keyOfFragment('#main'), null);
  for (const damaged of ['#key=', `#${behind.slice(0, -1)}`, `#${behind}A`, `#key=${'A'.repeat(43)}`, `#key=${'_'.repeat(43)}`]) {
    assert.throws(() => keyOfFragment(damaged), UpfrontError, damaged);
  }
});

test('words, links and keys are told apart in one field', () => {
  const { charter } = pledgeOf(0);
  const key = pledgeOf(0).file().key ?? assert.fail('a key');
  const { network } = charter;
  const publicKeyOf = (text: string): string => {
    const read = readSecret(text, network);
    return read.kind === 'key' ? read.key.publicKey : assert.fail('no key');
  };
  assert.deepEqual(readSecret(`  ${PHRASE.toUpperCase().replaceAll(' ', '\n ')} `, network), { kind: 'phrase', phrase: PHRASE });
  for (const text of [privateLink('https://a.example', charter.id, 4, key), `#key=${keyToFragment(key)}`, keyToFragment(key), toWif(key, network)]) {
    assert.equal(publicKeyOf(text), key.publicKey);
  }
  assert.throws(() => readSecret('', network), (error) => code(error) === 'nothing');
  assert.throws(() => readSecret('abc', network), UpfrontError);
});

test('private things are known in fields for public ones, and public things pass', () => {
  const key = pledgeOf(0).file().key ?? assert.fail('a key');
  const regtest = networkOf('regtest');
  for (const secret of [
    PHRASE, PHRASE.toUpperCase(), PHRASE.split(' ').slice(0, 7).join(', '), toWif(key, regtest), toWif(key, networkOf('mainnet')),
    'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi',
  ]) assert.ok(isSecret(secret), secret.slice(0, 12));
  const { claims } = pledgeOf(0);
  for (const open of [claims.address, claims.refundAddress, claims.sponsorKey, `[d34db33f/86h/1h/0h/0/9]${claims.sponsorKey}`, '250000', '', claims.descriptor]) {
    assert.ok(!isSecret(open), open.slice(0, 20));
  }
});

const view = (index: number, sponsorKey: string, refundAddress: string): PledgeView =>
  ({ index, address: '', descriptor: '', sponsorKey, refundAddress, signature: '', promised: 1n, uri: '', outpoints: [] });

test('the next pledge of a phrase takes the lowest key and address that none has', () => {
  const root = rootOf(PHRASE, 'regtest');
  const key = (index: number): string => root.sponsorKey(index).publicKey;
  const address = (index: number): string => root.refundAddress(index).address;
  const first = chooseOwn(root, PHRASE, [], null);
  assert.equal(first.key.publicKey, key(0));
  assert.deepEqual([first.origin.sponsorKeyIndex, first.origin.refundAddressIndex, first.refundAddress], [0, 0, address(0)]);
  const third = chooseOwn(root, PHRASE, [view(1, key(0), address(1)), view(2, key(1), address(0)), view(3, 'f'.repeat(64), 'x')], null);
  assert.deepEqual([third.origin.sponsorKeyIndex, third.origin.refundAddressIndex], [2, 2]);
  const own = chooseOwn(root, PHRASE, [view(1, key(0), address(0))], 'bcrt1qown');
  assert.deepEqual([own.origin.sponsorKeyIndex, own.origin.refundAddressIndex, own.refundAddress], [1, null, 'bcrt1qown']);
});

test('all pledges of a phrase are found, across gaps, and a single key finds its own', () => {
  const root = rootOf(PHRASE, 'regtest');
  const pledges = [view(7, root.sponsorKey(0).publicKey, root.refundAddress(3).address), view(9, 'e'.repeat(64), 'x'), view(12, root.sponsorKey(15).publicKey, 'bcrt1qown')];
  const mine = pledgesOf(root, PHRASE, pledges);
  assert.deepEqual(mine.map(({ view: { index }, origin }) => [index, origin.sponsorKeyIndex, origin.refundAddressIndex]), [[7, 0, 3], [12, 15, null]]);
  // Other tasks may have taken any number of keys in between, and other people's pledges end no search.
  const far = [0, 20, 21, 300, 999].map((key, at) => view(at + 1, root.sponsorKey(key).publicKey, root.refundAddress(key).address));
  const found = pledgesOf(root, PHRASE, [...far, view(40, 'e'.repeat(64), 'x')]);
  assert.deepEqual(found.map(({ origin }) => [origin.sponsorKeyIndex, origin.refundAddressIndex]), [[0, 0], [20, 20], [21, 21], [300, 300], [999, 999]]);
  assert.deepEqual(pledgesOf(root, PHRASE, []), []);
  assert.equal(pledgeOfKey(root.sponsorKey(15), pledges)?.view.index, 12);
  assert.equal(pledgeOfKey(root.sponsorKey(1), pledges), null);
});
