// What the command line made is read, judged and signed here as it is there: the same words, the same bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { signPlan } from '../../src/core/settlement/sign.ts';
import type { Role } from '../../src/core/signer-key.ts';
import { accountOf, explained, fixture, judge, linesOf, psbtsOf, type Json } from './fixture.ts';

/** The command writes every share with two places. */
const asHere = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/(\.\d*?)0+ %/g, (_, part: string) => `${part === '.' ? '' : part} %`));

test('settlements are told in the words of the command line', () => {
  const { payout, ruling, early, words } = fixture;
  assert.deepEqual(linesOf(explained(judge(payout.proof, psbtsOf(payout.psbts)))), asHere(words.payout));
  assert.deepEqual(linesOf(explained(judge(payout.proof, psbtsOf(ruling.psbts), 'arbiter'))), asHere(words.ruling));
  assert.deepEqual(linesOf(explained(judge(early.proof, psbtsOf(early.psbts), 'arbiter'))), asHere(words.early));
});

const cases: [string, Json, { psbts: Record<string, string>; signed: Record<string, string[]> }][] = [
  ['payout', fixture.payout.proof, fixture.payout],
  ['ruling', fixture.payout.proof, fixture.ruling],
  ['early return', fixture.early.proof, fixture.early],
];

for (const [name, proof, { psbts, signed }] of cases) {
  for (const [role, expected] of Object.entries(signed) as [Role, string[]][]) {
    test(`${name}, signed as ${role}: byte for byte what the command line signs`, () => {
      const given = psbtsOf(psbts);
      const { task, plan, given: wanted } = explained(judge(proof, given, role));
      const made = [...signPlan(task.charter, plan, role, accountOf(role), wanted)];
      assert.deepEqual(made.map((form) => hex(sha256(utf8(form.psbt)))), expected);
    });
  }
}
