// Files are told apart by what is in them; secrets and strangers are refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { recognise, whatIs } from '../../src/sign/files.ts';
import { fixture, psbtsOf, type Json } from './fixture.ts';

const read = (text: string): ReturnType<typeof recognise> => recognise('file', utf8(text));
const coded = (code: string) => (error: unknown): boolean => (error as { code?: string }).code === code;
const psbts = Object.values(fixture.payout.psbts);

test('what the page knows', () => {
  assert.equal(read(JSON.stringify(fixture.payout.proof)).kind, 'proof');
  for (const end of ['', '\n', '\r\n']) assert.equal(read(fixture.charter + end).kind, 'charter');
  assert.equal(read(JSON.stringify(fixture.votes.carol, null, 2)).kind, 'vote');
  const bare = read(JSON.stringify((fixture.votes.carol as Record<string, Json>)['vote']));
  assert.ok(bare.kind === 'vote' && bare.vote.receipt === null);
  // Twelve words make no phrase.
  assert.equal(read('# A task\n\nmake the parser survive every file that was cut off somewhere else\n').kind, 'text');
  const refunds = read(JSON.stringify({ refunds: [{ outpoint: `${'ab'.repeat(32)}:1`, amount_sat: 5, pair: 'cd'.repeat(64), ladder: [] }] }));
  assert.ok(refunds.kind === 'refunds' && refunds.refunds.length === 1);
  assert.equal(whatIs(refunds), 'refunds signed beforehand');
  assert.throws(() => read('{"refunds":[{"outpoint":"x"}]}'), coded('shape'));
  const text = read('# A task\n');
  assert.ok(text.kind === 'text' && text.hash === hex(sha256(utf8('# A task\n'))));
});

test('PSBTs: base64, hex, the bytes themselves, several in one file, and the service\'s answer', () => {
  const [first] = psbtsOf(fixture.payout.psbts);
  assert.ok(first);
  const whole = first.base64();
  const texts = (given: ReturnType<typeof recognise>): string[] => {
    assert.ok(given.kind === 'psbts');
    return given.psbts.map((psbt) => psbt.base64());
  };
  for (const given of [read(`${whole}\n`), read(hex(first.bytes())), recognise('file', first.bytes()), read(whole.replace(/(.{76})/g, '$1\n'))]) {
    assert.deepEqual(texts(given), [whole]);
    assert.equal(whatIs(given), 'PSBT');
  }
  assert.equal(texts(read(psbts.join('\n'))).length, 3);
  const view = { settlement: 'id', psbts: psbts.map((psbt, form) => ({ chunk: 0, form, psbt })) };
  assert.deepEqual(texts(read(JSON.stringify(view))), texts(read(psbts.join('\n'))));
  assert.deepEqual(texts(read(JSON.stringify({ psbts }))).length, 3);
  assert.equal(whatIs(read(JSON.stringify(view))), '3 PSBTs');
});

test('a phrase, a key or a key file is refused, and not repeated', () => {
  const phrase = fixture.phrases['developer']!;
  for (const secret of [
    phrase, `my words:\n${phrase.toUpperCase()}\nnot to be lost`, `# Upfront recovery phrase.\n${phrase}\n`, '-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n', 'age-encryption.org/v1\n-> scrypt x 18\n',
    'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi',
  ]) {
    assert.throws(() => read(secret), (error: unknown) => coded('private')(error) && !(error as Error).message.includes(phrase.split(' ')[0]!));
  }
});

test('whatever else is refused in words', () => {
  const cases: [string, string][] = [
    ['{"charter_id": 1, "tip": 2}', 'shape'], ['{"refund_time": 1, "developer": 2}', 'charter_shape'], ['{"psbts": [1]}', 'unknown_file'],
    ['{"psbts": 1}', 'unknown_file'], ['{"hello": 1}', 'unknown_file'], ['{', 'not_json'], ['cHNidP8BAAA=', 'cut_off'],
    [JSON.stringify(fixture.payout.proof).replace('"version":1', '"version":2'), 'version'],
    [JSON.stringify(fixture.payout.proof).replace('"version":1', '"version":1,"version":1'), 'duplicate_key'],
  ];
  for (const [text, code] of cases) assert.throws(() => read(text), coded(code), text.slice(0, 40));
  assert.throws(() => recognise('file', Uint8Array.of(0xff, 0xfe, 0x00)), coded('not_utf8'));
});
