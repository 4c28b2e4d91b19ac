// A proof document from which something was taken, or to which something was added, is found out, but for what only others
// than the service can say: that nothing is left out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { allowed } from '../../src/core/proof/allowed.ts';
import { parseProof } from '../../src/core/proof/document.ts';
import type { Psbt } from '../../src/core/psbt.ts';
import { replaced, valueAt, type Path } from './changes.ts';
import { fixture, psbtsOf, type Json } from './fixture.ts';

const proof = fixture.payout.proof;
const psbts: Psbt[] = psbtsOf(fixture.payout.psbts);

/** What is said against a document: a field, or the field of the error that it is no document. */
function refusal(json: Json): string[] | null {
  let verdict;
  try {
    verdict = allowed(parseProof(JSON.stringify(json)), psbts, 'developer', []);
  } catch (error) {
    if (error instanceof UpfrontError) return [error.field];
    throw error;
  }
  return 'findings' in verdict ? verdict.findings.map(({ field }) => field) : null;
}

test('each key taken away, and a key more in each object', () => {
  const objects: Path[] = [[]];
  const walk = (value: Json, path: Path): void => {
    if (value === null || typeof value !== 'object') return;
    const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
    for (const [key, inner] of entries) {
      const below = [...path, key];
      // Of a list the first two stand for all.
      if (typeof key === 'number' && key > 1) continue;
      if (inner !== null && typeof inner === 'object' && !Array.isArray(inner)) objects.push(below);
      walk(inner, below);
    }
  };
  walk(proof, []);
  const taken: string[] = [];
  for (const path of objects) {
    const object = valueAt(proof, path) as Record<string, Json>;
    if (refusal(replaced(proof, [...path, 'nobody_knows'], 1)) === null) taken.push(`${path.join('/')} with more`);
    for (const key of Object.keys(object)) {
      const gone = replaced(proof, [...path, key], undefined);
      // What may be null may be left out, and a header nobody needs may be missing.
      const optional = object[key] === null;
      if (!optional && refusal(gone) === null) taken.push([...path, key].join('/'));
    }
  }
  // A ruling that pays stands in for the representative's word, and a payout needs no ruling: what is left out is not
  // always missed. That nothing is left out is the service's word, and the page says so.
  assert.deepEqual(taken, ['submissions/0/acceptance', 'submissions/0/ruling']);
  const both = replaced(replaced(proof, ['submissions', 0, 'acceptance'], null), ['submissions', 0, 'ruling'], null);
  assert.deepEqual(refusal(both)?.slice(0, 1), ['terms/inputs/0/pay_bps']);
});

test('each entry of each list taken away', () => {
  const taken: string[] = [];
  const lists: Path[] = [];
  const walk = (value: Json, path: Path): void => {
    if (value === null || typeof value !== 'object') return;
    if (Array.isArray(value)) lists.push(path);
    const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
    for (const [key, inner] of entries) walk(inner, [...path, key]);
  };
  walk(proof, []);
  for (const path of lists) {
    const list = valueAt(proof, path) as Json[];
    list.forEach((_, at) => {
      const text = [...path, at].join('/');
      // A settlement that is not meant need not be there.
      const other = /^settlements\/\d+$/.test(text) && !JSON.stringify(list[at]).includes(psbtTxid);
      if (!other && refusal(replaced(proof, [...path, at], undefined)) === null) taken.push(text);
    });
  }
  // Alice's first vote, which her second one overruled.
  assert.deepEqual(taken, ['submissions/0/votes/0']);
});
const psbtTxid = fixture.words.payout.join('\n').match(/at 2 sat\/vB: ([0-9a-f]{64})/)![1]!;
