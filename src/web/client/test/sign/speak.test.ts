// A signer's own words: byte for byte what the command line signs, in the JSON that the service takes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Charter } from '../../src/core/charter.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { speak, toAccept, toAttest, toRule, toSay, toSubmit } from '../../src/core/proof/speak.ts';
import type { SubmissionState, Task } from '../../src/core/proof/task.ts';
import { parseSignature, verifyStatement } from '../../src/core/signature.ts';
import { ROLES } from '../../src/core/signer-key.ts';
import { replaced, valueAt } from './changes.ts';
import { Life } from '../lib/life.ts';
import { accountOf, fixture, proofOf, readFixture, rootOf, type Json } from './fixture.ts';

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

const WORK = { link: 'https://example.org/parser/pull/8', content: 'ab'.repeat(32), milestone: null, payees: [] };

test('work handed in: the document\'s tip, the next number, and the lines of the field\'s own', () => {
  const { task } = judged(paid);
  const words = toSubmit(task, 'developer', WORK);
  const given = JSON.parse(speak(words, accountOf('developer'))) as { statement: Record<string, unknown>; signature: string };
  assert.deepEqual(given.statement, {
    network: 'regtest', charter: task.charter.id, number: task.submissions.length, link: WORK.link, content: WORK.content,
    block_height: task.tip.height, block_hash: task.tip.hash,
  });
  verifyStatement(words.statement, parseSignature(given.signature, 'signature'), task.charter.speaker('developer'), 'signature');
  assert.throws(() => speak(words, accountOf('representative')), coded('sign_other_key'));
  for (const link of ['', '  ', 'a\nb', 'x'.repeat(501), 'https://example.org/\u202e']) {
    assert.throws(() => toSubmit(task, 'developer', { ...WORK, link }), coded('link'), link);
  }
  assert.throws(() => toSubmit(task, 'developer', { ...WORK, milestone: 0 }), coded('milestone_number'));
  assert.throws(() => toSubmit(judged(voting).task, 'developer', WORK), coded('still_voting'));
});

test('the representative hands work in to name who did it, and only so', () => {
  const { task } = judged(paid);
  const payees = [{ address: rootOf('erin').refundAddress(40).address, share_bps: 9_000 }];
  const words = toSubmit(task, 'representative', { ...WORK, payees });
  assert.ok(words.statement.lines.endsWith(`payee: ${payees[0]?.address}, 9000 bps\nnamed by: representative\n`), words.statement.lines);
  assert.deepEqual(words.fields['named'], { by: 'representative', payees });
  assert.throws(() => toSubmit(task, 'representative', WORK), coded('payees'));
  assert.throws(() => toSubmit(task, 'developer', { ...WORK, payees }), coded('payees'));
  // The charter's payees have 9000 together: neither more nor less is given to others.
  for (const share of [8_999, 9_001]) {
    assert.throws(() => toSubmit(task, 'representative', { ...WORK, payees: payees.map((payee) => ({ ...payee, share_bps: share })) }), coded('charter_share_sum'));
  }
  assert.throws(() => toSubmit(task, 'representative', { ...WORK, payees: [{ address: 'bc1qnot', share_bps: 9_000 }] }));
});

test('with milestones the work is for one of them, and not past its due date', () => {
  const due = (JSON.parse(fixture.charter) as { work_deadline: number }).work_deadline;
  const life = new Life({ milestones: [{ share_bps: 6_000, due: due - 1 }, { share_bps: 4_000, due }] as never });
  life.pledge('alice', 400_000n);
  life.mine();
  const checked = checkProof(proofOf(life.document()));
  assert.ok('task' in checked);
  assert.throws(() => toSubmit(checked.task, 'developer', WORK), coded('milestone_number'));
  assert.throws(() => toSubmit(checked.task, 'developer', { ...WORK, milestone: 2 }), coded('milestone_number'));
  const words = toSubmit(checked.task, 'developer', { ...WORK, milestone: 1 });
  assert.ok(words.statement.lines.endsWith('milestone: 1\n'));
  const late = new Proxy(checked.task, { get: (task, key) => (key === 'tip' ? { ...task.tip, mtp_secs: due } : Reflect.get(task, key) as unknown) });
  assert.throws(() => toSubmit(late, 'developer', { ...WORK, milestone: 0 }), coded('work_deadline'));
  toSubmit(late, 'developer', { ...WORK, milestone: 1 });
});

test('evidence and disputes: the next counter of the seat, within the limits of the field', () => {
  const documents = readFixture('deciding.json') as { disputed: Json };
  const { task, submission } = judged(documents.disputed);
  const said = (submission.proof.evidence ?? []).map(({ statement }) => statement);
  assert.ok(said.length > 0);
  for (const role of ROLES) {
    const words = toSay(task, submission, role, { kind: 'evidence', text: 'it fails in spring', attachments: ['cd'.repeat(32)] });
    const before = said.filter(({ by }) => by === role).map(({ counter }) => counter);
    assert.equal(words.fields['counter'], Math.max(-1, ...before) + 1, role);
    assert.ok(words.statement.lines.includes(`by: ${role}\ntext: it fails in spring\nattachment: ${'cd'.repeat(32)}\n`));
  }
  const say = (kind: 'dispute' | 'evidence', text: string, attachments: string[] = []): unknown => toSay(task, submission, 'arbiter', { kind, text, attachments });
  assert.throws(() => say('dispute', 'no'), coded('no_dispute'));
  for (const text of ['', ' ', 'é'.repeat(1_001), 'a\nb', 'a\u200bb']) assert.throws(() => say('evidence', text), coded('evidence_text'), text);
  say('evidence', 'é'.repeat(1_000));
  assert.throws(() => say('evidence', 'x', Array<string>(9).fill('cd'.repeat(32))), coded('too_many_attachments'));
  assert.throws(() => say('evidence', fixture.phrases['alice'] ?? ''), coded('key_private'));
});
