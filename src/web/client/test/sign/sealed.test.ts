// A key file of `upfront key new` under a passphrase opens, and nothing else does.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base64, concat, textOf, unbase64, utf8 } from '../../src/core/bytes.ts';
import { Root } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';
import { isSealed, openSealed } from '../../src/offline/sealed.ts';

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

/** What `age -p` makes of a text, with little work: https://c2sp.org/age. `close` gives chunks their last byte. */
function seal(plain: Uint8Array, close = (_number: number, last: boolean): number => (last ? 1 : 0)): Uint8Array {
  const [fileKey, salt, start] = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];
  const bare = (bytes: Uint8Array): string => base64(bytes).replace(/=+$/, '');
  const wrapKey = scrypt(utf8('few'), concat(utf8('age-encryption.org/v1/scrypt'), salt), { N: 2 ** 4, r: 8, p: 1, dkLen: 32 });
  const wrapped = chacha20poly1305(wrapKey, new Uint8Array(12)).encrypt(fileKey);
  const header = `age-encryption.org/v1\n-> scrypt ${bare(salt)} 4\n${bare(wrapped)}\n---`;
  const mac = hmac(sha256, hkdf(sha256, fileKey, new Uint8Array(0), utf8('header'), 32), utf8(header));
  const key = hkdf(sha256, fileKey, start, utf8('payload'), 32);
  const count = Math.max(Math.ceil(plain.length / 65_536), 1);
  const chunks = Array.from({ length: count }, (_, number) => {
    const nonce = new Uint8Array(12);
    nonce[10] = number;
    nonce[11] = close(number, number === count - 1);
    return chacha20poly1305(key, nonce).encrypt(plain.slice(number * 65_536, (number + 1) * 65_536));
  });
  return concat(utf8(`${header} ${bare(mac)}\n`), start, ...chunks);
}

test('long files: every length around a chunk, and no chunk missing, swapped or added', async () => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const plain = Uint8Array.from({ length }, (_, at) => (at * 7) % 251);
    assert.deepEqual(await openSealed(seal(plain), 'few'), plain, `${length}`);
  }
  const plain = new Uint8Array(150_000);
  const whole = seal(plain);
  const [from, size] = [whole.length - 150_000 - 3 * 16, 65_552];
  const chunk = (number: number): Uint8Array => whole.slice(from + number * size, from + (number + 1) * size);
  const head = whole.slice(0, from);
  const wrong = [
    concat(head, chunk(0), chunk(1)), concat(head, chunk(0), chunk(2)), concat(head, chunk(1), chunk(0), chunk(2)),
    concat(head, chunk(0), chunk(1), chunk(2), chunk(2)), head, concat(head, chunk(2)), seal(plain, () => 0), seal(plain, () => 1),
  ];
  for (const file of wrong) await assert.rejects(openSealed(file, 'few'), coded('sealed_damaged'));
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
