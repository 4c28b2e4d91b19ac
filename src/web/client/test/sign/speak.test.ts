// A signer's own words: byte for byte what the command line signs, in the JSON that the service takes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Charter } from '../../src/core/charter.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { speak, toAccept, toAttest, toRule } from '../../src/core/proof/speak.ts';
import type { SubmissionState, Task } from '../../src/core/proof/task.ts';
import { ROLES } from '../../src/core/signer-key.ts';
import { replaced, valueAt } from './changes.ts';
import { accountOf, fixture, proofOf, readFixture, type Json } from './fixture.ts';

const proof = fixture.payout.proof;
const { voting, paid } = readFixture('spent.json') as Record<'voting' | 'paid', Json>;
const charter = Charter.parse(fixture.charter);

function judged(json: Json): { task: Task; submission: SubmissionState } {
  const checked = checkProof(proofOf(json));
  assert.ok('task' in checked);
  const [submission] = checked.task.submissions;
  assert.ok(submission);
  return { task: checked.task, submission };
}

const coded = (code: string) => (error: unknown): boolean => (error as { code?: string }).code === code;

for (const role of ROLES) {
  test(`attestation of the ${role}`, () => {
    const signature = valueAt(proof, ['attestations', role]);
    assert.deepEqual(JSON.parse(speak(toAttest(charter, role), accountOf(role))), { role, signature });
    const other = role === 'arbiter' ? 'developer' : 'arbiter';
    assert.throws(() => speak(toAttest(charter, role), accountOf(other)), coded('sign_other_key'));
    assert.throws(() => speak(toAttest(charter, role), accountOf(role, 1)), coded('sign_other_key'));
  });
}

test('acceptance', () => {
  const { task, submission } = judged(voting);
  const said = valueAt(proof, ['submissions', 0, 'acceptance']);
  assert.deepEqual(JSON.parse(speak(toAccept(task, submission, true), accountOf('representative'))), said);
  const refusal = JSON.parse(speak(toAccept(task, submission, false), accountOf('representative'))) as { statement: { accepted: boolean }; signature: string };
  assert.equal(refusal.statement.accepted, false);
  assert.notEqual(refusal.signature, valueAt(said, ['signature']));
  assert.throws(() => speak(toAccept(task, submission, true), accountOf('developer')), coded('sign_other_key'));
});

test('a word is given once', () => {
  const done = judged(paid);
  assert.throws(() => toAccept(done.task, done.submission, true), coded('already_judged'));
  assert.throws(() => toRule(done.task, done.submission, 4_000), coded('already_ruled'));
  const ruled = judged(replaced(proof, ['submissions', 0, 'acceptance'], null));
  assert.throws(() => toAccept(ruled.task, ruled.submission, false), coded('already_ruled'));
  toAccept(ruled.task, ruled.submission, true);
});

test('ruling', () => {
  const { task, submission } = judged(replaced(proof, ['submissions', 0, 'ruling'], null));
  const said = valueAt(proof, ['submissions', 0, 'ruling']);
  assert.deepEqual(JSON.parse(speak(toRule(task, submission, 4_000), accountOf('arbiter'))), said);
  for (const bps of [-1, 10_001, 0.5, Number.NaN]) assert.throws(() => toRule(task, submission, bps), coded('out_of_range'));
  assert.throws(() => speak(toRule(task, submission, 0), accountOf('representative')), coded('sign_other_key'));
});

test('nobody rules while sponsors may vote', () => {
  const { task, submission } = judged(voting);
  assert.throws(() => toRule(task, submission, 4_000), coded('ruling_too_early'));
});
