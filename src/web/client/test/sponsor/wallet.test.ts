// A sponsor's own wallet: keys as people paste them, words and refunds out as PSBTs and back signed, by a signer of the
// test's own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../../src/core/bip322.ts';
import { bytesOf, concat, hex } from '../../src/core/bytes.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { signSchnorr } from '../../src/core/point.ts';
import { Psbt } from '../../src/core/psbt.ts';
import { signStatement } from '../../src/core/signature.ts';
import { vote } from '../../src/core/statement.ts';
import { leafHash, SighashCache, SIGHASH } from '../../src/core/tx.ts';
import { psbtOfFile, psbtsOf, readRefund, readWalletKey, refundParts, statementPsbt, statementSignature } from '../../src/sponsor/wallet-psbt.ts';
import { signMessage, signStatementBip322 } from '../lib/bip322.ts';
import { outpoint, pledgeOf } from '../lib/pledge.ts';

const code = (error: unknown): string => (error instanceof UpfrontError ? error.code : assert.fail(String(error)));
const whole = pledgeOf(0);
const key = whole.file().key ?? assert.fail('a key');
const ORIGIN = { fingerprint: 'd34db33f', path: [86 + 2 ** 31, 1 + 2 ** 31, 2 ** 31, 0, 9] };
const words = vote({ network: 'regtest', charter: 'a'.repeat(64), submission: 'b'.repeat(64), pledge: 4, choice: 'yes', counter: 0 });

test('public keys are read with and without their origin, and other things named', () => {
  assert.deepEqual(readWalletKey(` ${key.publicKey} `, 'key'), { key: key.publicKey, origin: null });
  assert.deepEqual(readWalletKey(`02${key.publicKey.toUpperCase()}`, 'key').key, key.publicKey);
  assert.deepEqual(readWalletKey(`[D34DB33F/86h/1'/0H/0/9]${key.publicKey}`, 'key'), { key: key.publicKey, origin: ORIGIN });
  for (const wrong of ['', 'abc', `[d34db33/86h]${key.publicKey}`, `04${key.publicKey}`, 'f'.repeat(64), `[d34db33f/2147483648]${key.publicKey}`]) {
    assert.throws(() => readWalletKey(wrong, 'key'), (error) => code(error) === 'not_a_key', wrong);
  }
  const xpub = 'tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B';
  assert.throws(() => readWalletKey(xpub, 'key'), /extended key/);
});

test('words go out as a PSBT with their message and come back in every form a wallet gives', () => {
  const psbt = Psbt.read(statementPsbt(words, { key: key.publicKey, origin: ORIGIN }).base64());
  assert.equal(new TextDecoder().decode(psbt.global.get(0x09) ?? bytesOf()), messageOf(words));
  const [input] = psbt.inputs;
  assert.ok(input);
  assert.equal(input.tapInternalKey, key.publicKey);
  assert.deepEqual(input.tapDerivations, [{ key: key.publicKey, leafHashes: [], origin: ORIGIN }]);
  const [signature, text] = [signMessage(words, key), signStatementBip322(words, key)];
  const withKeySig = Psbt.read(psbt.base64());
  withKeySig.inputs[0]?.map.set(0x13, signature);
  const finalized = Psbt.read(psbt.base64());
  const [last] = finalized.inputs;
  if (last) last.finalScriptWitness = [signature];
  for (const given of [text, withKeySig.base64(), `\n${finalized.base64()}\n`, finalized.bytes(), text.slice(3)]) {
    assert.equal(statementSignature(given, words, key.publicKey, 'signature'), text);
  }
  assert.equal(statementSignature(signStatement(words, key), words, key.publicKey, 'signature').length, 128);
  const other = vote({ network: 'regtest', charter: 'a'.repeat(64), submission: 'b'.repeat(64), pledge: 4, choice: 'no', counter: 0 });
  assert.throws(() => statementSignature(text, other, key.publicKey, 'signature'), (error) => code(error) === 'signature');
  assert.throws(() => statementSignature(psbt.base64(), words, key.publicKey, 'signature'), (error) => code(error) === 'psbt_no_signature');
});

const file = whole.file({}, false);
const target = file.target(outpoint(7), 250_000n);

/** Signs as a wallet that holds the key would: by the fields of the PSBT alone. */
function walletSigns(psbt: Psbt, sighash?: number): Psbt {
  const signed = Psbt.read(psbt.base64());
  const [input] = signed.inputs;
  const leaf = input?.tapLeaves[0];
  const prevouts = signed.prevouts();
  if (input === undefined || leaf === undefined || prevouts === null) return assert.fail('a field is missing');
  const type = sighash ?? input.sighashType ?? SIGHASH.default;
  const hash = leafHash(leaf.script);
  const signature = signSchnorr(new SighashCache(signed.unsignedTx, prevouts).taproot(0, type, hash), key);
  input.addTapScriptSig({ key: key.publicKey, leafHash: hash, signature: type === SIGHASH.default ? signature : concat(signature, bytesOf(type)) });
  return signed;
}

test('every part of a refund goes out and comes back, to the same bytes as if signed here', () => {
  const parts = refundParts(target, ORIGIN);
  assert.deepEqual(parts.map(({ name }) => name), ['pair', '1-sat-per-vb', '2-sat-per-vb', '5-sat-per-vb', '10-sat-per-vb', '25-sat-per-vb', '50-sat-per-vb', '100-sat-per-vb']);
  const signed = parts.map(({ psbt }) => walletSigns(psbt)).reverse();
  const pasted = psbtsOf(signed.map((psbt) => psbt.base64()).join('\n'), 'psbt');
  const bundle = readRefund(target, pasted, 'psbt');
  assert.deepEqual(bundle.signatures, target.sign(key).signatures);
  assert.equal(hex(psbtOfFile(signed[0]?.bytes() ?? bytesOf(), 'psbt').bytes()), hex(signed[0]?.bytes() ?? bytesOf()));
  const pairOnly = readRefund(target, [signed.at(-1) ?? assert.fail('the pair')], 'psbt');
  assert.ok(pairOnly.pairOnly);
});

test('what is wrong with a refund that came back is named', () => {
  const [pair, low, ...rest] = refundParts(target, null).map(({ psbt }) => psbt);
  assert.ok(pair && low);
  const refused = (psbts: readonly Psbt[], expected: string): void =>
    assert.throws(() => readRefund(target, psbts, 'psbt'), (error) => code(error) === expected, expected);
  refused([pair], 'psbt_no_signature');
  refused([walletSigns(low), ...rest.map((psbt) => walletSigns(psbt))], 'psbt_no_pair');
  refused([walletSigns(pair), walletSigns(low)], 'psbt_half_a_ladder');
  refused([walletSigns(pair, SIGHASH.default)], 'psbt_sighash');
  const [other] = refundParts(file.target(outpoint(8), 250_000n), null);
  assert.ok(other);
  refused([walletSigns(other.psbt)], 'psbt_other_transaction');
  const false_ = walletSigns(pair);
  const [input] = false_.inputs;
  const found = input?.tapScriptSigs[0];
  assert.ok(input && found);
  input.addTapScriptSig({ ...found, signature: concat(found.signature.slice(0, 63), bytesOf(found.signature[63] === 1 ? 2 : 1), found.signature.slice(64)) });
  refused([false_], 'refund_pair');
});
