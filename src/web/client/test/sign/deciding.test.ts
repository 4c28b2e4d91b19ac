// Confirmations, disputes and evidence in proof documents: the crate's own documents are taken, and every value of them
// changed is found out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { verdictOf } from '../../src/core/proof/ballot.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { parseProof } from '../../src/core/proof/document.ts';
import { toRule } from '../../src/core/proof/speak.ts';
import type { Task } from '../../src/core/proof/task.ts';
import { another, leaves, replaced, valueAt, type Path } from './changes.ts';
import { readFixture, type Json } from './fixture.ts';

const documents = readFixture('deciding.json') as { confirmed: Json; disputed: Json; moved: Json };

function taken(json: Json): Task {
  const checked = checkProof(parseProof(JSON.stringify(json)));
  if ('findings' in checked) throw new Error(JSON.stringify(checked.findings));
  return checked.task;
}

/** The fields that are found; that of the error where it is no document. */
function found(json: Json): string[] {
  try {
    const checked = checkProof(parseProof(JSON.stringify(json)));
    return 'findings' in checked ? checked.findings.map(({ field }) => field) : [];
  } catch (error) {
    if (error instanceof UpfrontError) return [error.field];
    throw error;
  }
}

test('the review opens at the block of the confirmation, and weights stay at the submission\'s', () => {
  const task = taken(documents.confirmed);
  const [submission] = task.submissions;
  assert.ok(submission);
  const { confirmation, block_mtp_secs: submitted } = submission.proof;
  assert.ok(confirmation && confirmation.block_mtp_secs > submitted);
  assert.equal(task.window(submission)?.opensSecs, confirmation.block_mtp_secs);
  assert.equal(task.words(submission).awaitsConfirmation, false);
});

test('without the confirmation nothing is open, and nothing moves', () => {
  const task = taken(replaced(documents.confirmed, ['submissions', 0, 'confirmation'], undefined));
  const [submission] = task.submissions;
  assert.ok(submission);
  assert.equal(task.window(submission), null);
  const words = task.words(submission);
  assert.deepEqual([words.awaitsConfirmation, words.closed], [true, false]);
  const rules = { thresholdBps: 1, quorumBps: 0, silence: 'pay', yesWaits: false, reviewSecs: 1, rulingSecs: 1, lastRuling: null } as const;
  const yes = { ...task.tally(submission), late: new Map([[1, 'yes' as const]]) };
  assert.equal(verdictOf(rules, yes, words, 1), 'wait');
  assert.equal(verdictOf(rules, yes, { ...words, awaitsConfirmation: false }, 1), 'pay');
  assert.throws(() => toRule(task, submission, 0), /not open/);
});

for (const [name, below] of [['confirmed', 'confirmation'], ['disputed', 'evidence']] as const) {
  test(`${below}: each value changed is found`, () => {
    const start: Path = ['submissions', 0, below];
    const paths = [...leaves(valueAt(documents[name], start), start)].map(({ path }) => path);
    assert.ok(paths.length >= 9);
    const missed = paths.filter((path) => found(replaced(documents[name], path, another(valueAt(documents[name], path)))).length === 0);
    assert.deepEqual(missed, []);
  });
}

test('what the charter does not ask for, and what is said twice, is named', () => {
  const asked = valueAt(documents.confirmed, ['submissions', 0, 'confirmation']);
  assert.ok(found(replaced(documents.disputed, ['submissions', 0, 'confirmation'], asked)).includes('submissions/0/confirmation'));
  const all = valueAt(documents.disputed, ['submissions', 0, 'evidence']) as Json[];
  assert.deepEqual(found(replaced(documents.disputed, ['submissions', 0, 'evidence'], [...all, all[1] ?? null])), ['submissions/0/evidence/3/statement/counter']);
  assert.deepEqual(found(replaced(documents.disputed, ['submissions', 0, 'evidence', 0, 'more'], 1)), ['submissions/0/evidence/0/more']);
});

test('nobody votes before the confirmation', () => {
  const vote = valueAt(documents.disputed, ['submissions', 0, 'votes', 0]);
  const early = replaced(replaced(documents.confirmed, ['submissions', 0, 'confirmation'], undefined), ['submissions', 0, 'votes'], [vote]);
  assert.ok(found(early).includes('submissions/0/votes/0'));
});

test('what a sponsor moved alone is told by the consent and the chain, in the crate\'s document too', () => {
  const task = taken(documents.moved);
  const { settled_sat: settled, refunded_sat: refunded, raised_sat: raised } = task.totals;
  assert.deepEqual([settled, refunded, raised], [400_000, 100_000, 710_000]);
  const to = [...task.outpoints.values()].flatMap((held) => task.destination(held)?.to_index ?? []);
  assert.deepEqual(to, [4]);
  const consents = valueAt(documents.moved, ['late_moves']) as Json[];
  assert.equal(consents.length, 3);
  consents.forEach((consent, at) => {
    for (const { path: whole } of leaves(consent, ['late_moves', at])) {
      assert.notDeepEqual(found(replaced(documents.moved, whole, another(valueAt(documents.moved, whole)))), [], whole.join('/'));
    }
  });
  const at = consents.findIndex((consent) => valueAt(consent, ['statement', 'to_index']) === 4);
  const without = replaced(documents.moved, ['late_moves'], consents.filter((_, place) => place !== at));
  assert.ok(found(without).includes('totals/refunded_sat'));
});
