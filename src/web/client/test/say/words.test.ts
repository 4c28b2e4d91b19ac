// Words of sponsors and leaders: which are a party's own, which come next, and which block a confirmation names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../src/core/json.ts';
import { nextEvidence } from '../../src/core/evidence.ts';
import { networkOf } from '../../src/core/network.ts';
import { signStatement, sponsorSpeaker } from '../../src/core/signature.ts';
import { evidence, type EvidenceFields } from '../../src/core/statement.ts';
import { spokenBy } from '../../src/say/evidence.ts';
import { confirming, nowIn } from '../../src/say/leader.ts';
import { submissionOf } from '../../src/sponsor/views.ts';
import { FakeService } from '../lib/service.ts';
import { fixture, rootOf } from '../sign/fixture.ts';

const about = { network: 'regtest' as const, charter: 'ab'.repeat(32), submission: 'cd'.repeat(32) };
const key = rootOf('alice').sponsorKey(1);
const other = rootOf('bob').sponsorKey(1);
const party = { by: 'pledge 3', speaker: sponsorSpeaker(key.publicKey) };
const coded = (code: string) => (error: unknown): boolean => (error as { code?: string }).code === code;

const said = (counter: number, change: Partial<EvidenceFields> = {}, signer = key): Json => {
  const fields: EvidenceFields = { ...about, kind: 'evidence', by: 'pledge 3', text: `words ${counter}`, attachments: [], counter, ...change };
  return { statement: fields as unknown as Json, signature: signStatement(evidence(fields), signer) };
};

test('only what a party signed is its word: nobody else uses up its counters', () => {
  const view = (list: Json[]): Json => ({ evidence: list });
  assert.deepEqual(spokenBy(party, about, view([said(0), said(4)])).map(({ counter }) => counter), [0, 4]);
  const forged = [said(4_294_967_295, {}, other), ...Array.from({ length: 64 }, (_, at) => said(at, {}, other))];
  assert.deepEqual(spokenBy(party, about, view(forged)), []);
  // Signed by this key, but about something else, or by somebody else's name.
  assert.deepEqual(spokenBy(party, about, view([said(1, { submission: 'ee'.repeat(32) }), said(1, { by: 'leader' })])), []);
  for (const strange of [null, 3, {}, { evidence: null }, { evidence: 'x' }, { evidence: [null, 4, {}, { statement: null }] }] as Json[]) {
    assert.deepEqual(spokenBy(party, about, strange), [], JSON.stringify(strange));
  }
});

test('the next words: the counter after the last, and never the same once more', () => {
  const next = (text: string, spoken = spokenBy(party, about, { evidence: [said(0), said(4)] })): EvidenceFields =>
    nextEvidence({ ...about, by: 'pledge 3', kind: 'evidence', text, attachments: [] }, spoken);
  assert.equal(next('something new').counter, 5);
  assert.equal(next('something new', []).counter, 0);
  assert.throws(() => next('words 4'), coded('said_already'));
  assert.throws(() => nextEvidence({ ...about, by: 'pledge 3', kind: 'dispute', text: 'no', attachments: [] }, []), coded('no_dispute'));
  assert.equal(nextEvidence({ ...about, by: 'leader', kind: 'dispute', text: 'no', attachments: [] }, []).counter, 0);
  const all = Array.from({ length: 64 }, (_, counter) => ({ by: 'pledge 3', kind: 'evidence' as const, text: `${counter}`, attachments: [], counter }));
  assert.throws(() => next('one more', all), coded('too_much_evidence'));
  assert.throws(() => next(fixture.phrases['carol'] ?? ''), coded('key_private'));
});

test('a confirmation names the newest block, never one below the work\'s, nor one that is plainly old', () => {
  const service = new FakeService();
  const work = submissionOf(service.submit({ blockHeight: 100 }) as Json);
  const { charter } = service;
  const at = (height: number, mtp = 1_700_000_000): Json => ({ tip: { height, hash: 'ef'.repeat(32), mtp_secs: mtp }, submissions: [1] });
  const here = { network: charter.network.name, charter: charter.id, submission: work.id };
  const made = confirming(here, work, 'merged', nowIn(charter, at(100), 0));
  assert.equal(made.statement.tag, 'upfront/confirm');
  assert.ok(made.statement.lines.endsWith(`submission: ${work.id}\nconfirmed: merged\nblock height: 100\nblock hash: ${'ef'.repeat(32)}\n`), made.statement.lines);
  assert.deepEqual(made.json, { ...here, confirmed: 'merged', block_height: 100, block_hash: 'ef'.repeat(32) });
  assert.throws(() => confirming(here, work, 'merged', nowIn(charter, at(99), 0)), coded('confirmation_block'));
  const mainnet = { network: networkOf('mainnet') } as unknown as typeof charter;
  assert.equal(nowIn(mainnet, at(100, 1_700_000_000), 1_700_000_000 + 12 * 3600).submissions, 1);
  assert.throws(() => nowIn(mainnet, at(100, 1_700_000_000), 1_700_000_001 + 12 * 3600), coded('behind'));
  for (const [answer, code] of [[{}, 'chain_unknown'], [{ tip: null }, 'chain_unknown'], [{ tip: 3 }, 'answer'], [null, 'answer'], [{ ...(at(1) as object), submissions: null }, 'answer']] as const) {
    assert.throws(() => nowIn(charter, answer as Json, 0), coded(code), JSON.stringify(answer));
  }
});

