// A vote names the work that the developer signed, and its counter is above all that the pledge itself has said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import type { Json } from '../../src/core/json.ts';
import type { Choice } from '../../src/core/statement.ts';
import { checkedWork, counterOf, isLate, nextVote, said, signedBy, type Receipt } from '../../src/sponsor/ballot.ts';
import { submissionOf, type SubmissionView } from '../../src/sponsor/views.ts';
import { PHRASE } from '../lib/pledge.ts';
import { rootOf } from '../lib/root.ts';
import { FakeService } from '../lib/service.ts';

const service = new FakeService();
const { charter } = service;
const made = service.submit();
const other = service.submit({ number: 2, link: 'https://example.org/other' });
const root = rootOf(PHRASE, charter.network.name);
const [key, stranger] = [root.sponsorKey(0), root.sponsorKey(1)];
const voter = { index: 4, sponsorKey: key.publicKey };
const id = String(made.id);

const vote = (choice: Choice, counter: number, by = key, change: object = {}): Json => {
  const fields = { network: charter.network.name, charter: charter.id, submission: id, pledge: 4, choice, counter, ...change };
  return { vote: signedBy(fields, by), receipt: null } as unknown as Json;
};
const view = (...votes: Json[]): SubmissionView => submissionOf({ ...(made as { [key: string]: Json }), votes });

test('work is voted on only where the developer signed it and the page names it', () => {
  const field = (given: object, asked = id): string => {
    try {
      checkedWork(charter, submissionOf(given as unknown as Json), asked);
      return 'nothing';
    } catch (error) {
      return error instanceof UpfrontError ? error.field : assert.fail(String(error));
    }
  };
  assert.equal(field(made), 'nothing');
  assert.equal(field(other), 'submission', 'another submission than was asked for');
  assert.equal(field({ ...made, id: other.id }), 'submission');
  assert.equal(field({ ...other, id: made.id }), 'submission', 'other work under the same id');
  const signed = made.submission as { statement: object; signature: string };
  assert.equal(field({ ...made, submission: { ...signed, statement: { ...signed.statement, link: 'https://example.org/evil' } } }), 'submission');
  const forged = new FakeService();
  Object.assign(forged.keys, { developer: forged.keys.arbiter });
  const byAnother = forged.submit();
  assert.equal(field(byAnother, String(byAnother.id)), 'submission.signature');
});

test('the highest counter decides, and what the key did not sign counts nothing', () => {
  assert.deepEqual(said(charter, view(vote('yes', 0), vote('no', 2), vote('yes', 1)), voter), { choice: 'no', counter: 2 });
  assert.deepEqual(said(charter, view(), voter), { choice: null, counter: null });
  assert.equal(said(charter, view(vote('no', 1), vote('yes', 1)), voter).choice, 'no');
  assert.equal(nextVote(charter, view(vote('yes', 0), vote('no', 2)), voter, 'yes').counter, 3);
  assert.equal(nextVote(charter, view(), voter, 'yes').counter, 0);
  // Told by the service, signed by nobody who may: the counter would be used up at once.
  const forged = view(vote('yes', 4_294_967_295, stranger), vote('yes', 4_294_967_294, key, { submission: other.id }), vote('no', 9, key, { pledge: 5 }));
  assert.deepEqual(said(charter, forged, voter), { choice: null, counter: null });
  assert.equal(nextVote(charter, forged, voter, 'yes').counter, 0);
});

test('votes that the service keeps back still count where this browser or a saved receipt knows them', () => {
  assert.equal(nextVote(charter, view(), voter, 'yes', 5).counter, 6);
  assert.equal(nextVote(charter, view(vote('no', 7)), voter, 'yes', 5).counter, 8);
  const saved = JSON.stringify([vote('no', 3), vote('yes', 8, stranger), vote('yes', 9, key, { pledge: 5 })]);
  assert.equal(counterOf(saved, charter, id, voter), 3);
  assert.equal(counterOf(JSON.stringify(vote('no', 2)), charter, id, voter), 2);
  assert.equal(counterOf('[]', charter, id, voter), -1);
  assert.throws(() => counterOf('no receipts', charter, id, voter), UpfrontError);
  assert.throws(() => nextVote(charter, view(), voter, 'yes', 4_294_967_295), (error) => error instanceof UpfrontError && error.code === 'too_many_votes');
});

test('a vote that was taken after closing is late', () => {
  const taken = (secs: number): Receipt => ({ receipt: { statement: { tip_mtp_secs: secs } } }) as unknown as Receipt;
  assert.equal(isLate(taken(2_000_000_000), view()), false);
  assert.equal(isLate(taken(2_000_000_001), view()), true);
});
