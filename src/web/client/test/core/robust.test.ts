// No input makes the core fall over: whatever is damaged is taken as it is, or refused with an UpfrontError that names a
// field. Damage follows a fixed seed, so that what is found is found again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/core/address.ts';
import { readXpub } from '../../src/core/bip32.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { Charter } from '../../src/core/charter.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { parseJson } from '../../src/core/json.ts';
import { readKey, readPhrase } from '../../src/core/keys.ts';
import { NETWORKS } from '../../src/core/network.ts';
import { Psbt } from '../../src/core/psbt.ts';
import { RecoveryFile } from '../../src/core/recovery.ts';
import { parseSignature } from '../../src/core/signature.ts';
import { parseSignerKey } from '../../src/core/signer-key.ts';
import { parseOutpoint, parseTransaction } from '../../src/core/tx.ts';
import { PHRASE, outpoint, pledgeOf } from '../lib/pledge.ts';
import { at, vectors } from '../lib/vectors.ts';

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const next = random(4);
const below = (limit: number): number => Math.floor(next() * limit);

function damagedBytes(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice(0, below(4) === 0 ? below(bytes.length + 1) : bytes.length);
  for (let times = 1 + below(4); times > 0 && out.length > 0; times -= 1) out[below(out.length)] = below(256);
  return out;
}

const PIECES = ['{', '}', '[', ']', '"', ',', ':', '\\', '\\ud800', '\u0000', '0', '-1', '1e999', '99999999999999999999', 'null', 'true', '__proto__', '\u{1f600}', '\ud800', ' ', '/', '#', '1', 'q'];

function damagedText(text: string): string {
  let out = text;
  for (let times = 1 + below(3); times > 0; times -= 1) {
    const place = below(out.length + 1);
    out = out.slice(0, place) + (PIECES[below(PIECES.length)] ?? '') + out.slice(place + below(4));
  }
  return below(6) === 0 ? out.slice(0, below(out.length + 1)) : out;
}

/** How many of `rounds` were refused; anything thrown but an UpfrontError fails. */
function refused(rounds: number, attempt: () => unknown): number {
  let count = 0;
  for (let round = 0; round < rounds; round += 1) {
    try {
      attempt();
    } catch (error) {
      assert.ok(error instanceof UpfrontError, error instanceof Error ? error.stack : String(error));
      assert.ok(error.field !== '' && error.message !== '' && error.code !== '');
      count += 1;
    }
  }
  return count;
}

test('bytes: transactions, PSBTs, charters, recovery files', () => {
  const paid = pledgeOf(3).file();
  const bundle = paid.sign(outpoint(1), 10_000n);
  const transaction = at(vectors.refunds, 0).pair.transaction;
  const raw = Uint8Array.from(transaction.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  const psbt = Psbt.fromUnsigned(bundle.target.pair());
  psbt.inputs[0]!.witnessUtxo = bundle.target.prevout;
  psbt.inputs[0]!.tapInternalKey = paid.output.internalKey;
  psbt.inputs[0]!.addTapLeaf({ controlBlock: paid.output.refundControlBlock!, script: paid.output.refundLeaf!, leafVersion: 0xc0 });
  psbt.inputs[0]!.addTapDerivation({ key: paid.output.internalKey, leafHashes: [paid.output.merkleRoot], origin: { fingerprint: '00000000', path: [1, 2] } });
  const whole = psbt.bytes();
  const look = (one: Psbt): void => {
    for (const input of one.inputs) {
      for (const read of [() => input.witnessUtxo, () => input.tapLeaves, () => input.tapDerivations, () => input.tapScriptSigs, () => input.tapInternalKey, () => input.tapMerkleRoot, () => input.sighashType, () => input.finalScriptWitness]) read();
    }
    // What is read is written as it was.
    assert.deepEqual(Psbt.parse(one.bytes()).bytes(), one.bytes());
  };
  assert.ok(refused(2_000, () => parseTransaction(damagedBytes(raw), 'transaction')) > 200);
  assert.ok(refused(2_000, () => look(Psbt.parse(damagedBytes(whole)))) > 200);
  assert.ok(refused(500, () => Charter.parse(damagedBytes(utf8(at(vectors.charters, 1).text)))) > 490);
  assert.ok(refused(150, () => RecoveryFile.parse(damagedBytes(utf8(paid.toJson())))) > 50);
});

test('texts: JSON, charters, keys, addresses, signatures, outpoints', () => {
  const { text, developer } = at(vectors.charters, 2);
  const { address } = pledgeOf(2).claims;
  assert.ok(refused(1_500, () => parseJson(damagedText(text), 'text')) > 500);
  assert.ok(refused(600, () => Charter.parse(damagedText(text))) > 590);
  assert.ok(refused(1_000, () => parseSignerKey(damagedText(developer.key), NETWORKS.signet, 'key')) > 900);
  assert.ok(refused(1_000, () => parseAddress(damagedText(address), NETWORKS.signet, 'address')) > 900);
  assert.ok(refused(1_000, () => parseSignature(damagedText(developer.bip322_signature), 'signature')) > 300);
  assert.ok(refused(1_000, () => parseSignature(damagedText(developer.signature), 'signature')) > 900);
  assert.ok(refused(1_000, () => parseOutpoint(damagedText(outpoint(1)), 'outpoint')) > 900);
  assert.ok(refused(300, () => readKey(damagedText('cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA'), NETWORKS.signet)) > 250);
  assert.ok(refused(1_000, () => readPhrase(damagedText(PHRASE))) > 700);
  for (let round = 0; round < 300; round += 1) readXpub(damagedText(developer.key.slice(developer.key.indexOf(']') + 1)), NETWORKS.signet);
});

test('values of every type where a charter or a recovery file has another', () => {
  const file = JSON.parse(pledgeOf(3).file().toJson()) as Record<string, unknown>;
  const terms = JSON.parse(pledgeOf(3).charter.text) as Record<string, unknown>;
  const others: unknown[] = [null, true, 0, -1, 1.5, 2 ** 40, 2 ** 53, '', 'x', [], [[]], {}, { key: 1 }, { constructor: 1 }];
  for (const other of others) {
    for (const key of Object.keys(file)) refused(1, () => RecoveryFile.parse(JSON.stringify({ ...file, [key]: other })));
    for (const key of Object.keys(terms)) refused(1, () => Charter.parse(JSON.stringify({ ...terms, [key]: other })));
    refused(1, () => RecoveryFile.parse(JSON.stringify(other)));
    assert.equal(refused(1, () => Charter.parse(JSON.stringify(other))), 1);
  }
});
