// A PSBT that is not, to the last field, a transaction that charter and votes give is refused, and the field is named.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../../src/core/bytes.ts';
import type { Psbt, PsbtInput } from '../../src/core/psbt.ts';
import { signPlan } from '../../src/core/settlement/sign.ts';
import { leafHash, serialize, type Transaction } from '../../src/core/tx.ts';
import { withInput, withTx } from './changes.ts';
import { accountOf, explained, fixture, judge, psbtsOf, type Json } from './fixture.ts';

const proof = fixture.payout.proof;
const [first, second, third] = psbtsOf(fixture.payout.psbts) as [Psbt, Psbt, Psbt];
const [ruling] = psbtsOf(fixture.ruling.psbts) as [Psbt];
const inputs = first.unsignedTx.inputs.length;
const outputs = first.unsignedTx.outputs.length;

/** The first thing that is said against a PSBT: field and words. */
function firstRefusal(psbt: Psbt, json: Json = proof): { field: string; problem: string } {
  const verdict = judge(json, [psbt, second, third]);
  assert.ok('findings' in verdict, 'it was taken');
  const [found] = verdict.findings;
  assert.ok(found);
  assert.match(found.field, /^psbts\/0\//);
  return { field: found.field.slice('psbts/0/'.length), problem: found.problem };
}

type Tx = Parameters<Parameters<typeof withTx>[1]>[0];
const stranger = { ...(ruling.unsignedTx.inputs[0] as Transaction['inputs'][number]) };

const changes: [string, (tx: Tx) => void, string, RegExp][] = [
  ['version', (tx) => { tx.version = 1; }, 'version', /its version is 1, not 2/],
  ['a negative version', (tx) => { tx.version = 0xffff_ffff; }, 'version', /its version is -1, not 2/],
  ['locktime', (tx) => { tx.lockTime = 1; }, 'lock_time', /its locktime is 1, not 0/],
  ['an input more', (tx) => { tx.inputs.push(stranger); }, `inputs/${inputs}`, /it spends .* which is not part of this transaction/],
  ['an input twice', (tx) => { tx.inputs.push(tx.inputs[0]!); }, `inputs/${inputs}`, /which is not part/],
  ['an output more', (tx) => { tx.outputs.push(tx.outputs[0]!); }, `outputs/${outputs}`, /output \d is not part of this transaction/],
  ['two outputs swapped', (tx) => { tx.outputs.unshift(...tx.outputs.splice(1, 1)); }, 'outputs/0/script', /output 0 \(payee 1, 85 %\) pays another address/],
];
for (let at = 0; at < inputs; at += 1) {
  changes.push(
    [`sequence of input ${at}`, (tx) => { tx.inputs[at] = { ...tx.inputs[at]!, sequence: 0xffff_fffe }; }, `inputs/${at}/sequence`, /the sequence of .* is 0xfffffffe, not 0xfffffffd/],
    [`input ${at} gone`, (tx) => { tx.inputs.splice(at, 1); }, 'inputs', /it does not spend/],
    [`input ${at} replaced`, (tx) => { tx.inputs[at] = stranger; }, `inputs/${at}`, /which is not part/],
    [`vout of input ${at}`, (tx) => { tx.inputs[at] = { ...tx.inputs[at]!, vout: 9 }; }, `inputs/${at}`, /which is not part/],
  );
  if (at > 0) {
    changes.push([`inputs 0 and ${at} swapped`, (tx) => { [tx.inputs[0], tx.inputs[at]] = [tx.inputs[at]!, tx.inputs[0]!]; }, 'inputs/0', /its input 0 is .*, not/]);
  }
}
for (let at = 0; at < outputs; at += 1) {
  const change = (name: string, into: (tx: Tx) => void, field: string, words: RegExp): void => {
    changes.push([`output ${at}: ${name}`, into, `outputs/${at}/${field}`, words]);
  };
  change('a satoshi more', (tx) => { tx.outputs[at] = { ...tx.outputs[at]!, amount: tx.outputs[at]!.amount + 1n }; }, 'amount', /has [\d,]+ sat, not [\d,]+ sat/);
  change('a satoshi less', (tx) => { tx.outputs[at] = { ...tx.outputs[at]!, amount: tx.outputs[at]!.amount - 1n }; }, 'amount', /has [\d,]+ sat, not [\d,]+ sat/);
  change('another script', (tx) => { tx.outputs[at] = { ...tx.outputs[at]!, script: bytesOf(0x51) }; }, 'script', /pays another address/);
}
changes.push(['the last output gone', (tx) => { tx.outputs.pop(); }, `outputs/${outputs - 1}`, /output 4 \(return of .* to the sponsor of pledge 5\) is missing/]);

for (const [name, change, field, words] of changes) {
  test(`changed transaction, ${name}`, () => {
    const found = firstRefusal(withTx(first, change));
    assert.equal(found.field, field);
    assert.match(found.problem, words);
  });
}

const signatureOf = (role: 'developer' | 'representative'): { key: string; leafHash: Uint8Array; signature: Uint8Array } => {
  const { task, plan, given } = explained(judge(proof, [first], role));
  const [form] = [...signPlan(task.charter, plan, role, accountOf(role), given)];
  const signed = psbtsOf({ one: form!.psbt })[0]!.inputs[0]!.tapScriptSigs[0];
  assert.ok(signed);
  return signed;
};
const good = signatureOf('representative');

test('a PSBT that somebody has signed well already is taken', () => {
  explained(judge(proof, [withInput(first, 0, (input) => input.addTapScriptSig(good)), second, third]));
});

const fields: [string, (input: PsbtInput) => void, string][] = [
  ['amount of the spent output', (input) => { input.witnessUtxo = { ...input.witnessUtxo!, amount: input.witnessUtxo!.amount + 1n }; }, 'witness_utxo'],
  ['script of the spent output', (input) => { input.witnessUtxo = { ...input.witnessUtxo!, script: bytesOf(0x51) }; }, 'witness_utxo'],
  ['spent transaction', (input) => input.map.set(0, serialize({ ...first.unsignedTx, lockTime: 7 })), 'non_witness_utxo'],
  ['internal key', (input) => { input.tapInternalKey = good.key; }, 'tap_internal_key'],
  ['merkle root', (input) => { input.tapMerkleRoot = new Uint8Array(32); }, 'tap_merkle_root'],
  ['leaf', (input) => changeLeaf(input, (leaf) => { leaf.script[0] = 0x21; }), 'tap_scripts'],
  ['another leaf beside', (input) => input.addTapLeaf({ ...input.tapLeaves[0]!, controlBlock: new Uint8Array(33), script: bytesOf(0x51) }), 'tap_scripts'],
  ['leaf version', (input) => changeLeaf(input, (leaf) => { leaf.leafVersion = 0xc2; }), 'tap_scripts'],
  ['control block', (input) => changeLeaf(input, (leaf) => { leaf.controlBlock[5]! ^= 1; }), 'tap_scripts'],
  ['sighash type ALL', (input) => { input.sighashType = 1; }, 'sighash_type'],
  ['sighash type SINGLE|ANYONECANPAY', (input) => { input.sighashType = 0x83; }, 'sighash_type'],
  ['a key path signature', (input) => input.map.set(0x13, good.signature), 'tap_key_sig'],
  ['a final witness', (input) => { input.finalScriptWitness = [good.signature]; }, 'final_script_witness'],
  ['a stranger\'s signature', (input) => input.addTapScriptSig({ ...good, key: input.tapInternalKey! }), 'tap_script_sigs'],
  ['a signature over another leaf', (input) => input.addTapScriptSig({ ...good, leafHash: leafHash(bytesOf(0x51)) }), 'tap_script_sigs'],
  ['a signature of SIGHASH_ALL', (input) => input.addTapScriptSig({ ...good, signature: bytesOf(...good.signature, 1) }), 'tap_script_sigs'],
  ['a damaged signature', (input) => input.addTapScriptSig({ ...good, signature: good.signature.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) }), 'tap_script_sigs'],
];

function changeLeaf(input: PsbtInput, change: (leaf: { controlBlock: Uint8Array; script: Uint8Array; leafVersion: number }) => void): void {
  const [leaf] = input.tapLeaves;
  assert.ok(leaf);
  input.map.delete(0x15, leaf.controlBlock);
  const changed = { controlBlock: leaf.controlBlock.slice(), script: leaf.script.slice(), leafVersion: leaf.leafVersion };
  change(changed);
  input.addTapLeaf(changed);
}

for (const [name, change, field] of fields) {
  test(`changed field, ${name}`, () => {
    for (let at = 0; at < (name.includes('signature') ? 1 : inputs); at += 1) {
      assert.equal(firstRefusal(withInput(first, at, change)).field, `inputs/${at}/${field}`);
    }
  });
}

test('a changed leaf is named as a leaf, a changed control block as one', () => {
  const leaf = firstRefusal(withInput(first, 2, fields.find(([name]) => name === 'leaf')![1]));
  assert.match(leaf.problem, /a leaf that a settlement does not use/);
  const control = firstRefusal(withInput(first, 2, fields.find(([name]) => name === 'control block')![1]));
  assert.match(control.problem, /a control block that is not the address's/);
});

test('PSBTs of two settlements are not signed together', () => {
  const verdict = judge(proof, [first, ruling]);
  assert.ok('findings' in verdict);
  assert.match(verdict.findings[0]!.field, /^psbts\/1\//);
});

test('no PSBT, or one of another task, belongs to no settlement', () => {
  const none = judge(proof, []);
  assert.ok('findings' in none);
  assert.deepEqual(none.findings, [{ field: 'psbts', problem: 'no PSBT was given' }]);
  const foreign = judge(fixture.early.proof, [ruling]);
  // Carol's outpoint is part of the early return: that is what it is compared with.
  assert.ok('findings' in foreign && foreign.findings.length > 0);
  const elsewhere = withTx(first, (tx) => { tx.inputs = [{ ...stranger, txid: 'ab'.repeat(32) }]; });
  const other = judge(proof, [elsewhere]);
  assert.ok('findings' in other);
  assert.match(other.findings[0]!.problem, /belong to no settlement of the document/);
});

test('only forms for which a PSBT was given are signed, and only with the key of the seat', () => {
  const { task, plan, given } = explained(judge(proof, [second]));
  const made = [...signPlan(task.charter, plan, 'developer', accountOf('developer'), given)];
  assert.deepEqual(made.map(({ chunkAt, formAt }) => [chunkAt, formAt]), [[0, 1]]);
  const wrong: [Parameters<typeof accountOf>, RegExp][] = [
    [['alice'], /this is not the developer's account key of the charter: check the phrase/],
    [['developer', 1], /check the phrase, and the number of the account/],
    [['arbiter'], /it is the arbiter's: choose that seat/],
  ];
  for (const [who, words] of wrong) {
    assert.throws(
      () => [...signPlan(task.charter, plan, 'developer', accountOf(...who), given)],
      (error: unknown) => error instanceof Error && words.test(error.message) && (error as { code?: string }).code === 'sign_other_key',
    );
  }
});
