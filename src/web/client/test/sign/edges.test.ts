// Where a rule could leave somebody waiting, or credited, for no reason: a rest whose payment a reorg made late, work that is
// handed in in the last second, a settlement that spends what is not there any more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowed, type Verdict } from '../../src/core/proof/allowed.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import type { TermsDocument } from '../../src/core/proof/document.ts';
import { standingsOf, type Held } from '../../src/core/proof/standing.ts';
import type { Task } from '../../src/core/proof/task.ts';
import type { Plan } from '../../src/core/settlement/plan.ts';
import { Life, START } from '../lib/life.ts';
import { proofOf } from './fixture.ts';

const taskOf = (life: Life): Task => {
  const checked = checkProof(proofOf(life.document()));
  return 'task' in checked ? checked.task : assert.fail(JSON.stringify(checked.findings));
};
const judge = (life: Life, plan: Plan): Verdict =>
  allowed(proofOf(life.document()), life.psbts(plan), 'developer', [], { refunds: [], destination: null });
const fields = (verdict: Verdict): string[] => ('findings' in verdict ? verdict.findings.map(({ field }) => field) : []);

test('what a settlement left in escrow counts as what it comes from', () => {
  const rules = { depth: 1, minimum: 10_000n, cap: 1_000_000n, fundingClose: 5_000 };
  const held = (name: string, generation: number, height: number, mtp: number, amount = 600_000n): Held => ({
    outpoint: `${name.repeat(64)}:0`, index: 1, generation, amount, coinbase: false, spend: null, secured: false,
    confirmation: { height, block_hash: '00'.repeat(32), position: generation + 1, mtp_secs: mtp },
  });
  const coverages = (root: Held, rest: Held): Parameters<typeof standingsOf>[3] => new Map([
    [root.outpoint, { covered: new Set<number>(), origin: root.outpoint, from: null }],
    [rest.outpoint, { covered: new Set([0]), origin: root.outpoint, from: root.outpoint }],
  ]);
  const tip = { height: 20, hash: '00'.repeat(32), mtp_secs: 9_000 };
  const rest = held('b', 1, 12, 5_001, 300_000n);
  for (const [root, before, standing] of [
    [held('a', 0, 12, 5_000), [], { standing: 'credited' }],
    // In one block with it, and listed after it.
    [held('a', 0, 12, 5_001), [], { standing: 'surplus', reason: 'late' }],
    [held('a', 0, 12, 5_000), [{ ...held('c', 0, 11, 4_000, 500_000n), index: 2 }], { standing: 'surplus', reason: 'over_cap' }],
  ] as const) {
    const standings = standingsOf(rules, tip, [rest, root, ...before], coverages(root, rest));
    assert.deepEqual([standings.get(root.outpoint), standings.get(rest.outpoint)], [standing, standing]);
  }
  const stranger = standingsOf(rules, tip, [rest]);
  assert.deepEqual(stranger.get(rest.outpoint), { standing: 'surplus', reason: 'not_a_remainder' });
});

test('what is decided is paid before the cut-off, however late the last work came', () => {
  const REVIEW = 3_600;
  const { cutoffSecs } = new Life().charter;
  const deadline = cutoffSecs - 2 * REVIEW;
  const life = new Life({ work_deadline: deadline, milestones: [{ share_bps: 4_000, due: START + 12_000 }, { share_bps: 6_000, due: deadline }] });
  assert.equal(new Life().charter.lastRuling, null, 'with one milestone no other waits');
  const last = life.charter.lastRuling;
  assert.equal(last, cutoffSecs - 60);
  life.pledge('alice', 400_000n);
  life.mine();
  const one = life.submit(0);
  life.vote(one, 1, 'yes');
  life.advanceTo(deadline);
  const two = life.submit(1);
  life.vote(two, 1, 'no');
  const bps = (kind: TermsDocument['for']): number[] => {
    const answer = taskOf(life).entitlements(kind);
    return 'is' in answer ? [...answer.is.values()].map(({ payBps }) => payBps) : [];
  };
  const payout = { kind: 'payout', submission: one } as const;
  life.advanceTo(last);
  assert.deepEqual(bps(payout), [], 'a ruling may still come');
  life.advanceTo(last + 1);
  assert.deepEqual(bps(payout), [4_000], 'what is not decided goes back');
  // One that came in time is carried out as ever.
  life.rule(two, 5_000);
  assert.deepEqual(bps(payout), []);
  assert.deepEqual(bps({ kind: 'ruling', submission: two }), [7_000]);
});

test('what two signed and can never confirm keeps nobody from signing for the rest', () => {
  const life = new Life();
  life.pledge('alice', 400_000n);
  life.pledge('bob', 300_000n);
  life.mine();
  const [first, second] = [life.outpointOf(1), life.outpointOf(2)];
  const kind = { kind: 'early_return' } as const;
  const all = life.propose(life.terms(kind, 1, [[first, 0], [second, 0]]), ['developer', 'representative']);
  const rest = life.propose(life.terms(kind, 2, [[second, 0]]));
  assert.deepEqual(fields(judge(life, all)), []);
  // A reorg in which alice's payment lost to another: a document has nothing of what is not there.
  life.paid.splice(life.paid.indexOf(first), 1);
  assert.deepEqual(fields(judge(life, rest)), []);
  assert.ok(fields(judge(life, all)).some((field) => /^terms\/inputs\/\d\/outpoint$/.test(field)), 'it is signed by nobody any more');
});
