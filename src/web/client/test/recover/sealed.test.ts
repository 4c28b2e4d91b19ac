// A recovery file under a passphrase, in the age format.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base64, concat, utf8 } from '../../src/core/bytes.ts';
import { openBytes } from '../../src/recover/open.ts';
import { outpoint, pledgeOf } from '../lib/pledge.ts';

/** https://c2sp.org/age: scrypt recipient. */
function seal(plain: Uint8Array, passphrase: string): Uint8Array {
  const [fileKey, salt, payloadNonce] = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];
  const bare = (bytes: Uint8Array): string => base64(bytes).replace(/=+$/, '');
  const wrapKey = scrypt(utf8(passphrase), concat(utf8('age-encryption.org/v1/scrypt'), salt), { N: 2 ** 10, r: 8, p: 1, dkLen: 32 });
  const wrapped = chacha20poly1305(wrapKey, new Uint8Array(12)).encrypt(fileKey);
  const header = `age-encryption.org/v1\n-> scrypt ${bare(salt)} 10\n${bare(wrapped)}\n---`;
  const mac = hmac(sha256, hkdf(sha256, fileKey, new Uint8Array(0), utf8('header'), 32), utf8(header));
  const key = hkdf(sha256, fileKey, payloadNonce, utf8('payload'), 32);
  const chunks = Array.from({ length: Math.ceil(plain.length / 65_536) }, (_, number) => {
    const last = (number + 1) * 65_536 >= plain.length;
    const nonce = Uint8Array.from([...new Uint8Array(10), number, last ? 1 : 0]);
    return chacha20poly1305(key, nonce).encrypt(plain.slice(number * 65_536, (number + 1) * 65_536));
  });
  return concat(utf8(`${header} ${bare(mac)}\n`), payloadNonce, ...chunks);
}

const armored = (bytes: Uint8Array): Uint8Array =>
  utf8(`-----BEGIN AGE ENCRYPTED FILE-----\n${(base64(bytes).match(/.{1,64}/g) ?? []).join('\n')}\n-----END AGE ENCRYPTED FILE-----\n`);

test('an encrypted file opens with its passphrase and with no other', async () => {
  const file = pledgeOf(3).file();
  file.sign(outpoint(1), 1_000_000n);
  const sealed = seal(utf8(file.toJson()), 'correct horse');
  for (const bytes of [sealed, armored(sealed)]) {
    const opened = await openBytes(bytes, 'correct horse');
    assert.equal(opened.file?.toJson(), file.toJson());
    await assert.rejects(openBytes(bytes, null), { code: 'recovery_encrypted', field: 'passphrase' });
    await assert.rejects(openBytes(bytes, 'wrong horse'), { code: 'sealed_passphrase', field: 'passphrase' });
  }
  await assert.rejects(openBytes(sealed.slice(0, -5), 'correct horse'), { code: 'sealed_damaged', field: 'file' });
  await assert.rejects(openBytes(concat(sealed, new Uint8Array(6_300_000)), 'correct horse'), { code: 'recovery_too_long' });
  // Longer than one chunk of the format: a file of many payments.
  const long = utf8(file.toJson().replace('"instructions": [', `"instructions": [${JSON.stringify('x'.repeat(140_000))},`));
  assert.equal((await openBytes(armored(seal(long, 'p')), 'p')).refunds.refunds.length, 1);
  assert.equal((await openBytes(utf8(file.toJson()), null)).file?.toJson(), file.toJson());
});
