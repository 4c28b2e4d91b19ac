// A key file of `upfront key new` under a passphrase opens, and nothing else does.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { base64, textOf, unbase64, utf8 } from '../../src/core/bytes.ts';
import { Root } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';
import { isSealed, openSealed } from '../../src/sign/sealed.ts';

declare const TEST_ROOT: string;

const armored = readFileSync(join(TEST_ROOT, 'sign/fixtures/sealed.age'));
const lines = armored.toString().trim().split('\n');
const binary = unbase64(lines.slice(1, -1).join(''), 'file');
const passphrase = 'demo passphrase of four words';
const KEY = '[5070ed37/87h/1h/0h]tpubDDC4X4PBJMrCbdwEzC1HUDHzSuNXvRNi8hTzwGNhWEDHgL2K1Z5xA2Lq4pvkaZYHENiF1zzm1WcRtRair6oB19qG14xbvrt9rXQBDnE2R6L';
const coded = (code: string) => (error: unknown): boolean => (error as { code?: string }).code === code;

/** The file with another header: everything before the payload is text. */
function withHeader(change: (header: string) => string): Uint8Array {
  const end = Buffer.from(binary).indexOf('\n', Buffer.from(binary).indexOf('\n---') + 1);
  const header = Buffer.from(binary.slice(0, end)).toString();
  return Uint8Array.from([...utf8(change(header)), ...binary.slice(end)]);
}

test('it opens, armored and not, and holds the phrase', async () => {
  assert.ok(isSealed(armored) && isSealed(binary) && !isSealed(utf8('abandon ability')));
  for (const file of [armored, binary]) {
    const text = textOf(await openSealed(Uint8Array.from(file), passphrase), 'file');
    const words = text.split('\n').map((line) => line.split('#')[0]).join(' ');
    assert.equal(Root.fromPhrase(words, networkOf('regtest')).account(0).expression, KEY);
  }
});

test('another passphrase, and a file that was changed', async () => {
  await assert.rejects(openSealed(binary, 'another'), coded('sealed_passphrase'));
  const payload = binary.slice();
  payload[payload.length - 1]! ^= 1;
  await assert.rejects(openSealed(payload, passphrase), coded('sealed_damaged'));
  await assert.rejects(openSealed(binary.slice(0, -20), passphrase), coded('sealed_damaged'));
  const mac = withHeader((header) => header.replace(/--- (.)/, (_, first: string) => `--- ${first === 'A' ? 'B' : 'A'}`));
  await assert.rejects(openSealed(mac, passphrase), coded('sealed_damaged'));
});

test('what asks for too much work, is for a key, or is no age file, is refused before any work', async () => {
  const from = performance.now();
  const cases: [Uint8Array, string][] = [
    [withHeader((header) => header.replace(/ 18\n/, ' 21\n')), 'sealed_work'],
    [withHeader((header) => header.replace(/ 18\n/, ' 99\n')), 'sealed_work'],
    [withHeader((header) => header.replace(/ 18\n/, ' 018\n')), 'sealed_damaged'],
    [withHeader((header) => header.replace(/-> scrypt .*\n/, '-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n')), 'sealed_to_key'],
    [withHeader((header) => header.replace('v1', 'v2')), 'sealed_damaged'],
    [withHeader((header) => header.replace('\n---', '\n-> x-grease\nabcd\n---')), 'sealed_damaged'],
    [binary.slice(0, 60), 'sealed_damaged'],
    [utf8(`${lines[0]}\n${base64(binary)}\n`), 'sealed_damaged'],
  ];
  for (const [file, code] of cases) await assert.rejects(openSealed(file, passphrase), coded(code), code);
  assert.ok(performance.now() - from < 1000);
});
