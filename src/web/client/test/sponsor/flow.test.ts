// The order of a checkout, and what is left to do for a pledge.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didWords, duties, waiting } from '../../src/sponsor/duties.ts';
import { after, quizPlaces, randomBelow, START, stepOf, type Done, type Flow } from '../../src/sponsor/flow.ts';
import type { Held, PledgeView } from '../../src/sponsor/views.ts';

const run = (...steps: Done[]): Flow => steps.reduce(after, START);
const AMOUNT: Done = { kind: 'amount', sat: 250_000n, keys: 'browser' };
const CHECKED: Done = { kind: 'checked' };
const SAVED: Done = { kind: 'backedUp' };

test('no order of steps shows an address before amount, checks and backup', () => {
  const all: Done[] = [AMOUNT, { ...AMOUNT, keys: 'wallet' } as Done, CHECKED, SAVED, { kind: 'back' }, { kind: 'stopped' }];
  let shown = 0;
  const walk = (flow: Flow, past: readonly Done[], depth: number): void => {
    if (stepOf(flow) === 'pay') {
      shown += 1;
      const rest = [...past];
      for (const kind of ['amount', 'checked', 'backedUp'] as const) {
        const at = rest.findIndex((done) => done.kind === kind);
        assert.ok(at >= 0, `${past.map((done) => done.kind).join(', ')}: no ${kind} in its turn`);
        rest.splice(0, at + 1);
      }
      assert.ok(!past.some((done) => done.kind === 'stopped'));
    }
    if (depth > 0) for (const done of all) walk(after(flow, done), [...past, done], depth - 1);
  };
  walk(START, [], 5);
  assert.ok(shown > 0);
});

test('steps follow each other, and back leads to the amount only before there is a pledge', () => {
  assert.equal(stepOf(START), 'amount');
  assert.equal(stepOf(run(AMOUNT)), 'backup');
  assert.equal(stepOf(run({ ...AMOUNT, keys: 'wallet' } as Done)), 'wallet');
  assert.equal(stepOf(run(AMOUNT, { kind: 'back' })), 'amount');
  assert.equal(stepOf(run(AMOUNT, CHECKED, { kind: 'back' })), 'backup');
  assert.equal(run(AMOUNT, CHECKED, { kind: 'amount', sat: 1n, keys: 'wallet' }).amount, 250_000n);
  assert.equal(stepOf(run(AMOUNT, CHECKED, SAVED)), 'pay');
  assert.equal(stepOf(run(AMOUNT, CHECKED, SAVED, { kind: 'stopped' }, AMOUNT, CHECKED, SAVED)), 'stopped');
});

test('three different words are asked for, in order', () => {
  const numbers = [4, 4, 11, 4, 0];
  assert.deepEqual(quizPlaces(12, () => numbers.shift() ?? assert.fail('asked too often')), [0, 4, 11]);
  for (let round = 0; round < 50; round += 1) {
    const places = quizPlaces(12, randomBelow);
    assert.equal(new Set(places).size, 3);
    assert.ok(places.every((place) => place >= 0 && place < 12));
  }
});

const held = (outpoint: string, more: Partial<Held> = {}): Held =>
  ({ outpoint, generation: 0, uncovered: null, amount: 1_000n, standing: 'seen', secured: false, pairOnly: false, ended: false, lateMove: null, ...more });
const view = (...outpoints: Held[]): PledgeView =>
  ({ index: 1, address: '', descriptor: '', sponsorKey: '', refundAddress: '', signature: '', promised: 1_000n, uri: '', outpoints });
const names = (list: readonly Held[]): string[] => list.map(({ outpoint }) => outpoint);

test('every output that is there is signed once for its amount, and handed in until the service has it', () => {
  const both = view(held('a:0'), held('b:0', { secured: true, standing: 'credited' }));
  assert.deepEqual(names(duties(both, []).sign), ['a:0', 'b:0'], 'what others handed in is signed for the file');
  assert.deepEqual(names(duties(both, []).handIn), ['a:0']);
  const signed = [{ outpoint: 'a:0', amount: 1_000n }];
  assert.deepEqual(names(duties(view(held('a:0')), signed).sign), []);
  assert.deepEqual(names(duties(view(held('a:0')), signed).handIn), ['a:0'], 'signed, but the service has not got it');
  assert.deepEqual(names(duties(view(held('a:0', { amount: 999n })), signed).sign), ['a:0'], 'another amount is another refund');
  assert.deepEqual(names(duties(view(held('a:0', { standing: 'vanished' }), held('c:1')), signed).sign), ['c:1'], 'a replacement is signed, what vanished is not');
  assert.deepEqual(names(duties(view(held('a:0', { ended: true })), []).sign), []);
  assert.deepEqual(names(duties(view(held('a:0', { secured: true, pairOnly: true })), signed).handIn), ['a:0'], 'a pair is completed');
  assert.equal(duties(view(...Array.from({ length: 900 }, (_, at) => held(`${at}:0`))), []).sign.length, 500, 'a flood has an end');
  const dust = Array.from({ length: 500 }, (_, at) => held(`${at}:0`));
  const flooded = duties(view(...dust, held('real:0', { amount: 250_000n })), []);
  assert.equal(flooded.sign[0]?.outpoint, 'real:0', 'dust crowds nothing out');
  assert.equal(flooded.handIn[0]?.outpoint, 'real:0');
});

test('a pledge waits, is open, safe or over', () => {
  assert.equal(waiting(view()), 'unpaid');
  assert.equal(waiting(view(held('a:0', { standing: 'vanished' }))), 'unpaid');
  assert.equal(waiting(view(held('a:0'))), 'unsecured');
  assert.equal(waiting(view(held('a:0', { secured: true }), held('b:0'))), 'unsecured');
  assert.equal(waiting(view(held('a:0', { secured: true }), held('b:0', { standing: 'vanished' }))), 'secured');
  assert.equal(waiting(view(held('a:0', { ended: true, secured: true }), held('b:0', { secured: true }))), 'secured');
  assert.equal(waiting(view(held('a:0', { ended: true }))), 'over');
  const dust = Array.from({ length: 500 }, (_, at) => held(`${at}:0`));
  assert.equal(waiting(view(held('real:0', { amount: 2_000n, secured: true }), ...dust.slice(0, 499).map((at) => ({ ...at, secured: true })), held('late:0', { amount: 1n }))), 'secured', 'more than can be secured is not waited for');
});

test('a browser tells what it did itself, and leaves the rest to the page', () => {
  const none: ReadonlySet<string> = new Set();
  assert.match(didWords(view(), none), /Keep this tab open while you pay/);
  assert.match(didWords(view(held('a:0')), none), /not handed in yet/);
  assert.match(didWords(view(held('a:0', { secured: true })), new Set(['a:0'])), /signed here and handed in/);
  assert.match(didWords(view(held('a:0', { secured: true })), new Set(['b:0'])), /nothing left to hand in/, 'another device handed it in');
  assert.equal(didWords(view(held('a:0', { ended: true })), new Set(['a:0'])), '');
});
