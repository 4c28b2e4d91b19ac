// Documents of tasks whose money has moved: by two signers, and by refunds after T. A witness is not covered by a txid,
// so what a document shows of it is checked.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, unhex } from '../../src/core/bytes.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { parseTransaction, serialize, txid, type Transaction } from '../../src/core/tx.ts';
import { another, leaves, replaced, valueAt, type Path } from './changes.ts';
import { proofOf, readFixture, type Json } from './fixture.ts';

const { paid, refunded, voting } = readFixture('spent.json') as Record<'paid' | 'refunded' | 'voting', Json>;

function findings(json: Json): { field: string; problem: string }[] {
  const checked = checkProof(proofOf(json));
  return 'findings' in checked ? [...checked.findings] : [];
}

for (const [name, document] of Object.entries({ paid, refunded, voting })) {
  test(`${name}: holds together`, () => assert.deepEqual(findings(document), []));
}

test('what was paid and what was refunded add up', () => {
  assert.equal(valueAt(paid, ['totals', 'settled_sat']), 1_205_000);
  assert.equal(valueAt(refunded, ['totals', 'refunded_sat']), 140_000);
});

/** The document with another witness of the transaction that spends its first spent outpoint. */
function withWitness(document: Json, change: (witness: Uint8Array[]) => Uint8Array[], into = 0): Json {
  const outpoints = valueAt(document, ['outpoints']) as Json[];
  const spend = valueAt(outpoints.filter((entry) => valueAt(entry, ['spend']) !== null)[into]!, ['spend']);
  const id = valueAt(spend, ['txid']) as string;
  const path: Path = ['transactions', id, 'raw'];
  const tx = parseTransaction(unhex(valueAt(document, path) as string, 'raw'), 'raw');
  const vin = valueAt(spend, ['vin']) as number;
  const inputs = tx.inputs.map((input, at) => (at === vin ? { ...input, witness: change([...input.witness]) } : input));
  const changed: Transaction = { ...tx, inputs };
  assert.equal(txid(changed), id);
  return replaced(document, path, hex(serialize(changed)));
}

const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === 10 ? byte ^ 1 : byte));
const BAD = /a signature in the witness does not verify/;
const NO_WAY = /the witness spends no way that this address has/;

const witnesses: [string, (witness: Uint8Array[]) => Uint8Array[], RegExp][] = [
  ['one signature of two is damaged', (w) => w.map((element, at) => (element.length === 64 && at === w.findIndex((e) => e.length === 64) ? flipped(element) : element)), BAD],
  ['only one has signed', (w) => w.map((element, at) => (at === w.findIndex((e) => e.length === 64) ? new Uint8Array(0) : element)), /not signed by exactly two of three/],
  ['a signature of another type', (w) => w.map((element, at) => (at === w.findIndex((e) => e.length === 64) ? Uint8Array.of(...element, 0x83) : element)), BAD],
  ['two signatures swapped', (w) => [w[1]!, w[0]!, w[2]!, w[3]!, w[4]!].some((e, at) => e.length !== w[at]!.length) ? [w[1]!, w[0]!, w[2]!, w[3]!, w[4]!] : [w[0]!, w[2]!, w[1]!, w[3]!, w[4]!], BAD],
  ['another leaf', (w) => w.map((element, at) => (at === 3 ? flipped(element) : element)), NO_WAY],
  ['another control block', (w) => w.map((element, at) => (at === 4 ? flipped(element) : element)), NO_WAY],
  ['no witness', () => [], NO_WAY],
  ['a signature alone', (w) => [w.find((element) => element.length === 64)!], BAD],
  ['an annex', (w) => [...w, Uint8Array.of(0x50)], /an annex, which this page does not read/],
];
for (const [name, change, words] of witnesses) {
  test(`a spend by two: ${name}`, () => {
    const [found] = findings(withWitness(paid, change));
    assert.ok(found);
    assert.match(found.field, /^outpoints\/\d+\/spend\/path$/);
    assert.match(found.problem, words);
  });
}

test('a refund: a damaged signature, another leaf, a claim that signers did it', () => {
  for (const [change, words] of [
    [(w: Uint8Array[]) => [flipped(w[0]!), w[1]!, w[2]!], BAD],
    [(w: Uint8Array[]) => [w[0]!, flipped(w[1]!), w[2]!], NO_WAY],
    [(w: Uint8Array[]) => [w[0]!, w[1]!, flipped(w[2]!)], NO_WAY],
  ] as const) {
    const [found] = findings(withWitness(refunded, change));
    assert.match(found!.problem, words);
  }
  const [claimed] = findings(replaced(refunded, ['outpoints', 0, 'spend', 'path'], 'cooperative'));
  assert.deepEqual(claimed, { field: 'outpoints/0/spend/path', problem: 'the witness takes the way refund' });
});

test('a spend by two that no settlement of the document explains', () => {
  const payout = (valueAt(paid, ['settlements']) as Json[]).findIndex((entry) => valueAt(entry, ['terms', 'for', 'kind']) === 'ruling');
  const [found] = findings(replaced(paid, ['settlements', payout], undefined));
  assert.match(found!.problem, /two signers spent it in a transaction that no settlement of the document explains/);
});

test('each value of spends and standings changed is found', () => {
  for (const [name, document] of [['paid', paid], ['refunded', refunded]] as const) {
    for (const { path } of leaves(valueAt(document, ['outpoints']), ['outpoints'])) {
      const changed = replaced(document, path, another(valueAt(document, path)));
      let found: unknown[];
      try {
        found = findings(changed);
      } catch {
        continue;
      }
      // Whether a refund is held changes nothing about what is spent already, and the document says whose word it is.
      if (path.at(-1) !== 'secured') assert.ok(found.length > 0, `${name}: ${path.join('/')}`);
    }
  }
});
