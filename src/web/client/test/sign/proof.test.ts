// A proof document that was changed anywhere is found out: every value of it, one at a time; and what can only be said
// by somebody else than the service, even where all claims were made anew to fit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { allowed } from '../../src/core/proof/allowed.ts';
import { parseProof } from '../../src/core/proof/document.ts';
import type { Psbt } from '../../src/core/psbt.ts';
import { another, leaves, replaced, valueAt, type Path } from './changes.ts';
import { explained, fixture, judge, psbtsOf, type Json } from './fixture.ts';

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

/** What the document says itself to be the service's word: nothing follows from it, so nothing can be found. */
function wordOfTheService(path: Path): boolean {
  const text = path.join('/');
  return /^pledges\/\d+\/(promised_sat|issued_mtp_secs)$/.test(text) || /^settlements\/\d+\/proposed_mtp_secs$/.test(text);
}

test('the document as it is, is taken', () => {
  explained(judge(proof, psbts));
});

// The values, in groups, so that what fails is named.
const groups = new Map<string, Path[]>();
for (const { path } of leaves(proof)) {
  const name = String(path[0]);
  groups.set(name, [...(groups.get(name) ?? []), path]);
}

for (const [name, paths] of groups) {
  test(`${name}: each of its ${paths.length} values changed`, () => {
    const taken: string[] = [];
    for (const path of paths) {
      const changed = replaced(proof, path, another(valueAt(proof, path)));
      if ((refusal(changed) === null) !== wordOfTheService(path)) taken.push(path.join('/'));
    }
    assert.deepEqual(taken, []);
  });
}
