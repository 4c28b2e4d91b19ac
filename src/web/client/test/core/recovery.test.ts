// A recovery file survives the way to disk and back, is the one that the command writes, and any change to it is found
// and named without repeating a secret.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Transaction } from '@scure/btc-signer';
import { hex, unhex } from '../../src/core/bytes.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { toWif } from '../../src/core/keys.ts';
import { NETWORKS } from '../../src/core/network.ts';
import { RecoveryFile } from '../../src/core/recovery.ts';
import { transactionHex, txid } from '../../src/core/tx.ts';
import { PHRASE, outpoint, pledgeOf } from '../lib/pledge.ts';
import { vectors } from '../lib/vectors.ts';

declare const TEST_ROOT: string;

type Tree = null | boolean | number | string | Tree[] | { [key: string]: Tree };

function filled(position: number, amounts: number[]): RecoveryFile {
  const file = pledgeOf(position).file({ phrase: PHRASE });
  amounts.forEach((amount, at) => file.sign(outpoint(at + 1), BigInt(amount)));
  return file;
}

const refusal = (text: string): UpfrontError => {
  try {
    RecoveryFile.parse(text);
  } catch (error) {
    assert.ok(error instanceof UpfrontError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'the file was taken' });
};

test('the file that the command writes is read, and written again byte for byte', () => {
  const bytes = readFileSync(join(TEST_ROOT, 'core/fixtures/recovery-regtest.json'));
  const file = RecoveryFile.parse(bytes);
  assert.equal(file.toJson(), bytes.toString('utf8'));
  assert.equal(file.refunds.length, 1);
  // Signing anew gives the command's signatures.
  const [held] = file.refunds;
  assert.ok(held !== undefined && file.key !== null);
  assert.deepEqual(held.target.sign(file.key).signatures, held.signatures);
});

for (const position of vectors.charters.keys()) {
  test(`a file of charter ${position} comes back as it was`, () => {
    const file = filled(position, [10_000, 1_000_000]);
    const text = file.toJson();
    const read = RecoveryFile.parse(text);
    assert.equal(read.toJson(), text);
    assert.deepEqual(read.refunds.map((bundle) => bundle.signatures), file.refunds.map((bundle) => bundle.signatures));
    const before = pledgeOf(position).file();
    assert.equal(RecoveryFile.parse(before.toJson()).toJson(), before.toJson());
  });
}

test('a key of another wallet leaves no secret in the file', () => {
  const file = pledgeOf(3).file({ sponsorKeyIndex: null, refundAddressIndex: null }, false);
  const document = file.document();
  for (const field of ['private_descriptor', 'phrase', 'sponsor_key_path', 'refund_path'] as const) assert.equal(document[field], null);
  const read = RecoveryFile.parse(file.toJson());
  assert.equal(read.key, null);
  assert.throws(() => read.sign(outpoint(1), 10_000n), { code: 'no_key' });
});

test('ready transactions are in order, pay the refund address, and have the fees they say', () => {
  const file = filled(3, [10_000, 1_000, 1_000_000]);
  const ready = file.ready();
  assert.equal(ready.length, (1 + 5) + 1 + (1 + 7));
  assert.deepEqual(ready.slice(0, 6).map((one) => one.satPerVb), [0, 1, 2, 5, 10, 25]);
  for (const one of ready) {
    const tx = Transaction.fromRaw(unhex(transactionHex(one.transaction), 'tx'), { allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true });
    assert.equal(tx.id, txid(one.transaction));
    assert.equal(one.amount - (tx.getOutput(0).amount ?? 0n), one.feeSat);
    assert.equal(one.feeSat, BigInt(one.satPerVb) * BigInt(tx.vsize));
    assert.ok(one.lockTime >= file.charter.fields.refund_time);
    assert.equal(tx.lockTime, one.lockTime);
  }
});

test('a refund of another pledge is not added, a second one of an outpoint replaces the first', () => {
  const file = filled(3, [10_000]);
  const [bundle] = filled(2, [10_000]).refunds;
  assert.ok(bundle);
  assert.throws(() => file.add(bundle), { code: 'recovery_other_pledge' });
  file.sign(outpoint(1), 20_000n);
  assert.equal(file.refunds.length, 1);
  assert.equal(file.refunds[0]?.target.amount, 20_000n);
});

function leaves(value: Tree, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]));
}

function altered(document: Tree, path: (string | number)[], change: (value: Tree) => Tree): string {
  const copy = structuredClone(document);
  let holder = copy as { [key: string | number]: Tree };
  for (const key of path.slice(0, -1)) holder = holder[key] as { [key: string | number]: Tree };
  const last = path.at(-1) ?? '';
  holder[last] = change(holder[last] as Tree);
  return JSON.stringify(copy);
}

const changed = (value: Tree): Tree => {
  if (typeof value === 'number') return value + 1;
  assert.ok(typeof value === 'string');
  const at = value.length >> 1;
  return value.slice(0, at) + (value[at] === '2' ? '3' : '2') + value.slice(at + 1);
};

test('every changed field is found, and no refusal repeats a secret', () => {
  const file = filled(3, [10_000, 1_000_000]);
  const document = JSON.parse(file.toJson()) as Tree;
  assert.ok(file.key);
  const secrets = [...PHRASE.split(' ').filter((word) => word.length > 5), hex(file.key.secret), toWif(file.key, NETWORKS.regtest)];
  let tried = 0;
  for (const path of leaves(document)) {
    if (path[0] === 'instructions') continue;
    const error = refusal(altered(document, path, changed));
    assert.ok(error.field !== '', path.join('.'));
    for (const secret of secrets) assert.ok(!error.message.includes(secret), `${path.join('.')}: ${error.message}`);
    tried += 1;
  }
  assert.ok(tried > 50, `${tried}`);
});

test('changed fields are named', () => {
  const document = JSON.parse(filled(3, [10_000, 1_000_000]).toJson()) as Tree;
  const other = pledgeOf(3).claims.openAddress;
  const bad = '11'.repeat(64);
  const cases: [(string | number)[], Tree, string][] = [
    [['network'], 'signet', 'network'],
    [['charter_id'], '00'.repeat(32), 'charter_id'],
    [['attestations', 'arbiter'], bad, 'attestations.arbiter'],
    [['index'], 5, 'pledge_signature'],
    [['sponsor_key'], vectors.refunds[0]?.sponsor_key ?? '', 'pledge_signature'],
    [['refund_address'], other, 'pledge_signature'],
    [['address'], other, 'address'],
    [['descriptor'], 'tr(00)', 'descriptor'],
    [['private_descriptor'], 'tr(00)', 'private_descriptor'],
    [['sponsor_key_path'], "m/86'/0'/1'/0/3", 'sponsor_key_path'],
    [['sponsor_key_path'], "m/86'/1'/1'/0/4", 'phrase'],
    [['refund_path'], "m/86'/1'/0'/0/-2", 'refund_path'],
    [['refund_path'], "m/86'/1'/0'/0/9", 'refund_path'],
    [['outpoints', 1, 'amount_sat'], 999_999, 'outpoints.1.pair'],
    [['outpoints', 0, 'pair', 'signature'], bad, 'outpoints.0.pair'],
    [['outpoints', 0, 'pair', 'lock_time'], 1, 'outpoints.0.pair.lock_time'],
    [['outpoints', 1, 'ladder', 6, 'signature'], bad, 'outpoints.1.ladder.6'],
    [['outpoints', 1, 'ladder', 2, 'sat_per_vb'], 6, 'outpoints.1.ladder.2.sat_per_vb'],
    [['outpoints', 1, 'ladder', 2, 'transaction'], '00', 'outpoints.1.ladder.2.transaction'],
  ];
  for (const [path, value, field] of cases) {
    const error = refusal(altered(document, path, () => value));
    assert.equal(error.field, field, `${path.join('.')}: ${error.message}`);
  }
});

test('what is no recovery file is refused without a quote', () => {
  const text = filled(3, [10_000]).toJson();
  const broken = [
    text.replace('"version": 1,', '"version": 1,\n  "version": 1,'),
    text.replace('"version": 1,', '"version": 1,\n  "surprise": 1,'),
    text.replace('"version": 1,', '"version": "abandon abandon",'),
    text.replace('"address"', '"constructor"'),
    text.slice(0, text.length / 2), '', '[]', '\u0000', 'null', '"words"',
  ];
  for (const bad of broken) {
    const { code, message } = refusal(bad);
    assert.ok(['recovery_not_a_file', 'not_json', 'duplicate_key'].includes(code), code);
    assert.ok(!message.includes('abandon'));
  }
  assert.equal(refusal(text.replace('"version": 1,', '"version": 2,')).code, 'recovery_version');
  assert.equal(refusal('age-encryption.org/v1\n-> scrypt').code, 'recovery_encrypted');
  assert.equal(refusal(' '.repeat(4_194_305)).code, 'recovery_too_long');
  const document = JSON.parse(text) as { outpoints: Tree[] };
  document.outpoints.push(document.outpoints[0] ?? null);
  assert.equal(refusal(JSON.stringify(document)).code, 'recovery_duplicate');
  assert.throws(() => RecoveryFile.parse(unhex('ff00', 'bytes')), { code: 'not_utf8' });
});

test('a damaged byte never passes for a whole file', () => {
  const bytes = new TextEncoder().encode(filled(3, [10_000]).toJson());
  const whole = RecoveryFile.parse(bytes);
  // A fixed stride, so that a failure can be found again.
  for (let at = 7; at < bytes.length; at += 397) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    let read: RecoveryFile;
    try {
      read = RecoveryFile.parse(damaged);
    } catch (error) {
      assert.ok(error instanceof UpfrontError, `byte ${at}: ${String(error)}`);
      continue;
    }
    // Only the instructions may have changed.
    assert.deepEqual({ ...read.document(), instructions: [] }, { ...whole.document(), instructions: [] }, `byte ${at}`);
    assert.equal(hex(read.output.scriptPubkey), hex(whole.output.scriptPubkey));
  }
});
