// Milestones: what a payout of one takes and leaves, what the last one pays, and what a signer refuses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowed, milestoneWords, type Besides, type Verdict } from '../../src/core/proof/allowed.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { parsePrepared, type TermsDocument } from '../../src/core/proof/document.ts';
import type { Task } from '../../src/core/proof/task.ts';
import { outputsOf, type Plan } from '../../src/core/settlement/plan.ts';
import { madeBy, prepareRefunds, refundProblems, remainderHome } from '../../src/core/settlement/prepared.ts';
import type { RefundSignatures } from '../../src/core/refund.ts';
import type { Role } from '../../src/core/signer-key.ts';
import { readTerms, termsLines } from '../../src/core/settlement/terms.ts';
import { Life } from '../lib/life.ts';
import { replaced, valueAt } from './changes.ts';
import { proofOf, voteOf, type Json } from './fixture.ts';

const MILESTONES = [
  { share_bps: 2_000, due: 1_763_012_000 }, { share_bps: 3_000, due: 1_763_016_000 }, { share_bps: 5_000, due: 1_763_021_657 },
];
const REVIEW = 3_600;

/** Three parts of the work; alice 400,000 sat, bob 300,000 sat and carol 200,000 sat, all credited. */
function funded(): Life {
  const life = new Life({ milestones: MILESTONES });
  for (const [name, amount] of [['alice', 400_000n], ['bob', 300_000n], ['carol', 200_000n]] as const) life.pledge(name, amount);
  life.mine();
  return life;
}

const taskOf = (json: Json): Task => {
  const checked = checkProof(proofOf(json));
  return 'task' in checked ? checked.task : assert.fail(JSON.stringify(checked.findings));
};
const homes = (life: Life) => remainderHome(outputsOf(life.contract));
const refundsOf = (life: Life, plan: Plan): RefundSignatures[] =>
  life.pledges.flatMap(({ key }) => prepareRefunds(plan, homes(life), key)).map(({ signatures }) => signatures);
const judge = (life: Life, plan: Plan, besides: Partial<Besides> = {}, role: Role = 'developer', json = life.document()): Verdict =>
  allowed(proofOf(json), life.psbts(plan), role, [], { refunds: [], destination: null, ...besides });
const problems = (verdict: Verdict): string[] => ('findings' in verdict ? verdict.findings.map(({ field, problem }) => `${field}: ${problem}`) : []);
const takes = (verdict: Verdict): void => assert.deepEqual(problems(verdict), []);
/** Of what is unspent: pledge, share and reason. */
const bps = (task: Task, kind: TermsDocument['for']): [number, number, string][] => {
  const answer = task.entitlements(kind);
  assert.ok('is' in answer, JSON.stringify(answer));
  return [...answer.is].filter(([outpoint]) => task.outpoints.get(outpoint)?.spend === null).map(([outpoint, { payBps, reason }]): [number, number, string] => [task.outpoints.get(outpoint)!.index, payBps, reason])
    .sort(([a], [b]) => a - b);
};

test('one transaction an outpoint, to the satoshi as computed by hand', () => {
  const life = funded();
  const submission = life.submit(0);
  const kind = { kind: 'milestone', submission } as const;
  const plan = life.propose(life.terms(kind, 1, [[life.outpointOf(1), 2_000], [life.outpointOf(2), 2_000]]));
  assert.equal(plan.chunks.length, 2);
  const chunk = plan.chunks.find(({ inputs }) => inputs[0]?.term.index === 1)!;
  assert.deepEqual(chunk.forms.map(({ feerate, fee }) => [feerate, fee]), [[1, 343n], [2, 685n], [4, 1_369n]]);
  const [lowest] = chunk.forms;
  // 399,657 sat are left of the fee: a fifth of them is paid, 85, 5, 6 and 4 % of it, and what rounding leaves to the first.
  assert.deepEqual(lowest?.tx.outputs.map(({ amount }) => amount), [67_943n, 3_996n, 4_795n, 3_197n, 319_726n]);
  assert.deepEqual(lowest?.outputs.map((output) => output.kind), ['payee', 'payee', 'payee', 'payee', 'remainder']);
  const kept = life.outputAt(1, 1);
  assert.deepEqual(lowest?.tx.outputs.at(-1)?.script, kept.scriptPubkey);
  assert.deepEqual(madeBy(plan).map(({ outpoint }) => outpoint).sort(), plan.chunks.flatMap(({ forms }) => forms.map(({ txid }) => `${txid}:4`)).sort());
  assert.match(termsLines(plan.terms), new RegExp(`^charter: .*\\nkind: milestone\\nsubmission: ${submission}\\nfeerate: 1 sat/vB\\ninput: `));
  // Its txid depends on nobody else.
  const alone = life.propose(life.terms(kind, 1, [[life.outpointOf(1), 2_000]]));
  assert.equal(alone.chunks[0]?.forms[0]?.txid, lowest?.txid);
});

test('what is not worth splitting stays whole', () => {
  const life = funded();
  const kind = { kind: 'milestone', submission: '00'.repeat(32) } as const;
  const of = (amount: bigint, share: number, feerate = 1): Plan => life.propose(life.terms(kind, feerate, [[{ ...life.outpointOf(1), amount }, share]]));
  assert.throws(() => of(17_490n, 2_000), /at 1 sat\/vB its share would pay 3429 sat, under ten times its transaction's fee of 343 sat/);
  assert.equal(of(17_493n, 2_000).chunks[0]?.forms[0]?.shares[0]?.pay, 3_430n);
  assert.throws(() => of(20_000n, 9_900), /at 1 sat\/vB only 197 sat would return, which nodes do not relay/);
  assert.throws(() => of(300n, 2_000), /three times the fee of spending it/);
  const code = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'none';
  };
  assert.equal(code(() => of(400_000n, 10_000)), 'terms_not_a_part');
  assert.equal(code(() => of(400_000n, 0)), 'terms_not_a_part');
  const input = life.terms(kind, 1, [[life.outpointOf(1), 2_000]]);
  const gift = { ...input, inputs: [{ ...input.inputs[0]!, index: 0, sponsor_key: null, return_address: life.charter.fields.pot }] };
  assert.equal(code(() => readTerms(gift, 'terms')), 'terms_not_a_part');
  assert.equal(code(() => readTerms({ ...input, inputs: [{ ...input.inputs[0]!, generation: 999 }] }, 'terms')), 'terms_no_generation_left');
  assert.equal(code(() => readTerms({ ...input, for: { kind: 'move', to: '00'.repeat(32) } }, 'terms')), 'terms_pays_in_return');
});

test('a yes is paid its part with the refund of the rest, and nothing without it', () => {
  const life = funded();
  const submission = life.submit(0);
  life.vote(submission, 1, 'yes');
  life.vote(submission, 3, 'no');
  const kind = { kind: 'milestone', submission } as const;
  const plan = life.propose(life.terms(kind, 2, [[life.outpointOf(1), 2_000]]));
  const refunds = refundsOf(life, plan);
  assert.equal(refunds.length, 3);
  assert.deepEqual(bps(taskOf(life.document()), kind), [[1, 2_000, 'yes']]);
  const verdict = judge(life, plan, { refunds });
  takes(verdict);
  assert.ok('explanation' in verdict);
  assert.equal(verdict.explanation.purpose, `as developer, pay the milestone of submission ${submission}; the rest stays in escrow`);
  assert.equal(milestoneWords(verdict.explanation.task, submission), 'milestone 1 of 3, 20 % of the whole');
  const [lowest] = verdict.explanation.transactions;
  assert.deepEqual(lowest?.outputs.map((line) => line.kind), ['payee', 'payee', 'payee', 'payee', 'remainder']);
  assert.match(lowest?.outputs.at(-1)?.words ?? '', /^output 4: keeps 319,452 sat of pledge 1 in escrow at bcrt1p/);
  // A pair alone is enough to take it back: ladders are not given out.
  takes(judge(life, plan, { refunds: refunds.map((refund) => ({ ...refund, ladder: [] })) }));
  assert.match(problems(judge(life, plan)).join(), /^refunds: the refund of what is left of pledge 1 in transaction 0 at 2 sat\/vB .* is missing/);
  for (const at of [0, 1, 2]) {
    const [found, ...more] = problems(judge(life, plan, { refunds: refunds.filter((_, other) => other !== at) }));
    assert.match(found ?? '', new RegExp(`at ${[2, 4, 8][at]} sat/vB .* is missing`));
    assert.equal(more.length, 0);
  }
  const wrong: [Partial<RefundSignatures>, RegExp][] = [
    [{ pair: '00'.repeat(64) }, /does not hold: pair: its signature does not verify/],
    [{ amount_sat: refunds[1]!.amount_sat - 1 }, /does not hold: amount_sat: the refund is for another amount/],
    [{ ladder: refunds[0]!.ladder }, /does not hold: ladder.0: /],
  ];
  for (const [change, words] of wrong) {
    const changed = refunds.map((refund, at) => (at === 1 ? { ...refund, ...change } : refund));
    const [found] = problems(judge(life, plan, { refunds: changed }));
    assert.match(found ?? '', /^refunds\/1: /);
    assert.match(found ?? '', words);
  }
});

test('who was silent, who said no, and other shares are refused', () => {
  const life = funded();
  const submission = life.submit(0);
  life.vote(submission, 1, 'yes');
  life.vote(submission, 3, 'no');
  const kind = { kind: 'milestone', submission } as const;
  const cases: [number, number, RegExp][] = [
    [2, 2_000, /pay_bps: charter and votes leave .* where it is \(it is credited\)/],
    [3, 2_000, /pay_bps: charter and votes leave .* where it is/],
    [1, 3_000, /pay_bps: 3000 bps; charter and votes allow 2000 bps \(yes\)/],
  ];
  for (const [pledge, share, words] of cases) {
    const plan = life.propose(life.terms(kind, 1, [[life.outpointOf(pledge), share]]));
    assert.match(problems(judge(life, plan, { refunds: refundsOf(life, plan) })).join(), words);
    life.settlements.pop();
  }
  const elsewhere = life.propose(life.terms(kind, 1, [[life.outpointOf(1), 2_000, life.pledges[1]!.refundAddress]]));
  assert.match(problems(judge(life, elsewhere, { refunds: refundsOf(life, elsewhere) })).join(), /return_address: not the address that was signed for returns/);
});

test('part after part: what stays is credited once, has the vote it had, and owes less each time', () => {
  const life = funded();
  const first = life.submit(0);
  life.vote(first, 1, 'yes');
  life.vote(first, 2, 'yes');
  const plan = life.propose(life.terms({ kind: 'milestone', submission: first }, 1, [[life.outpointOf(1), 2_000], [life.outpointOf(2), 2_000]]), ['developer', 'representative']);
  takes(judge(life, plan, { refunds: refundsOf(life, plan) }));
  life.settle(plan);
  let json = life.document();
  let task = taskOf(json);
  const rest = life.outpointOf(1, 1);
  assert.deepEqual(task.standings.get(rest.outpoint), { standing: 'credited' });
  assert.deepEqual(task.uncovered(rest.outpoint), [1, 2]);
  assert.deepEqual(task.uncovered(life.outpointOf(3).outpoint), [0, 1, 2]);
  const left = 900_000 - 319_726 - Number(life.outpointOf(2, 1).amount) - 200_000;
  assert.deepEqual([task.totals['raised_sat'], task.totals['settled_sat'], task.totals['credited_sat']], [900_000, left, 900_000 - left]);
  assert.deepEqual((valueAt(json, ['addresses']) as Json[]).map((address) => [valueAt(address, ['index']), valueAt(address, ['generation'])]),
    [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0]]);
  // Paid once: the same submission takes nothing of what stays.
  for (const kind of ['milestone', 'payout'] as const) assert.deepEqual(bps(task, { kind, submission: first }), []);

  life.advanceTo(life.mtp + REVIEW + 1);
  const second = life.submit(1);
  life.vote(second, 1, 'yes');
  const next = life.propose(life.terms({ kind: 'milestone', submission: second }, 2, [[rest, 3_750]]), ['developer', 'arbiter']);
  takes(judge(life, next, { refunds: refundsOf(life, next) }));
  const weight = taskOf(life.document());
  assert.equal(weight.tally(weight.submissions[1]!).electorate, 900_000n, 'what was split weighs what was paid in');
  assert.equal(weight.tally(weight.submissions[1]!).yes, 400_000n);
  life.settle(next, 2);

  life.advanceTo(life.mtp + REVIEW + 1);
  const third = life.submit(2);
  life.vote(third, 1, 'yes');
  life.vote(third, 2, 'yes');
  task = taskOf(life.document());
  const last = life.outpointOf(1, 2);
  assert.deepEqual(task.uncovered(last.outpoint), [2]);
  // Bob owes the second part still, and its time is not over; alice owes the last alone, which the last payout pays.
  assert.deepEqual(bps(task, { kind: 'milestone', submission: third }).filter(([index]) => index === 1), []);
  assert.deepEqual(bps(task, { kind: 'payout', submission: third }), [[1, 10_000, 'yes']]);
  life.advanceTo(MILESTONES[1]!.due + 1);
  life.advanceTo(Math.max(life.mtp, 1_763_000_000 + 4 * REVIEW) + 2 * REVIEW);
  assert.deepEqual(bps(taskOf(life.document()), { kind: 'payout', submission: third }), [[1, 10_000, 'yes'], [2, 6_250, 'yes']], 'five of the eight parts that are left');
  const payout = life.propose(life.terms({ kind: 'payout', submission: third }, 1, [[last, 10_000], [life.outpointOf(2, 1), 6_250]]));
  json = life.document();
  takes(judge(life, payout, {}, 'representative', json));
});

test('a pledge that was never split is paid by the last payout: what was accepted, and no more', () => {
  const life = funded();
  life.pay(0, 0, 50_000n);
  life.mine();
  const first = life.submit(0);
  life.vote(first, 1, 'yes');
  life.vote(first, 2, 'no');
  life.advanceTo(life.mtp + REVIEW + 1);
  const last = life.submit(2);
  life.vote(last, 1, 'yes');
  life.vote(last, 2, 'yes');
  const kind = { kind: 'payout', submission: last } as const;
  // The second part may still come.
  assert.deepEqual(bps(taskOf(life.document()), kind), []);
  life.rule(first, 5_000);
  life.advanceTo(life.mtp + 2 * REVIEW + 1);
  life.accept(first);
  life.accept(last);
  life.advanceTo(MILESTONES[1]!.due + 1);
  // Alice: the first and the last part. Bob: half of the first is ruled, so his comes by a ruling. Carol was silent: she
  // pays the last part, which has its majority, and not the first, which has none. The gift is whole.
  assert.deepEqual(bps(taskOf(life.document()), kind), [[0, 10_000, 'gift'], [1, 7_000, 'yes'], [3, 5_000, 'silent']]);
  assert.deepEqual(bps(taskOf(life.document()), { kind: 'ruling', submission: first }), [[2, 6_000, 'ruled']]);
  const ruling = life.propose(life.terms({ kind: 'ruling', submission: first }, 1, [[life.outpointOf(2), 6_000]]));
  takes(judge(life, ruling, {}, 'arbiter'));
  assert.match(problems(judge(life, life.propose(life.terms(kind, 1, [[life.outpointOf(1), 10_000]])))).join(), /10000 bps; charter and votes allow 7000 bps \(yes\)/);
});

test('what somebody sends to a later address is no remainder: it goes back and has no voice', () => {
  const life = funded();
  const submission = life.submit(0);
  life.vote(submission, 1, 'yes');
  const plan = life.propose(life.terms({ kind: 'milestone', submission }, 1, [[life.outpointOf(1), 2_000]]), ['developer', 'representative']);
  life.settle(plan);
  const stray = life.pay(1, 1, 70_000n);
  life.mine();
  const task = taskOf(life.document());
  assert.deepEqual(task.standings.get(stray), { standing: 'surplus', reason: 'not_a_remainder' });
  assert.deepEqual(task.uncovered(stray), []);
  assert.equal(task.totals['surplus_sat'], 70_000);
  const answer = task.entitlements({ kind: 'payout', submission });
  assert.deepEqual('is' in answer ? answer.is.get(stray) : null, { payBps: 0, reason: 'surplus' });
});

test('a submission names its milestone exactly where the charter has several', () => {
  const life = funded();
  life.submit(0);
  const json = life.document();
  const path = ['submissions', 0, 'submission', 'statement', 'milestone'] as const;
  for (const value of [undefined, 3] as const) {
    const checked = checkProof(proofOf(replaced(json, [...path], value)));
    assert.ok('findings' in checked && checked.findings.some(({ field }) => field === path.join('/')), String(value));
  }
  const single = new Life();
  single.pledge('alice', 50_000n);
  single.mine();
  single.submit(0);
  const checked = checkProof(proofOf(single.document()));
  assert.ok('findings' in checked && checked.findings.some(({ field }) => field === path.join('/')));
});

test('a no to an earlier part, handed over directly, is heard at the last payout', () => {
  const life = funded();
  const first = life.submit(0);
  life.vote(first, 1, 'yes');
  life.advanceTo(life.mtp + REVIEW + 1);
  const last = life.submit(2);
  life.vote(last, 1, 'yes');
  life.advanceTo(MILESTONES[1]!.due + 1);
  life.advanceTo(life.mtp + 2 * REVIEW + 1);
  const plan = life.propose(life.terms({ kind: 'payout', submission: last }, 1, [[life.outpointOf(1), 7_000]]));
  const json = life.document();
  takes(judge(life, plan, {}, 'developer', json));
  const heard = (submission: string, counter: number): string[] =>
    problems(allowed(proofOf(json), life.psbts(plan), 'developer', [voteOf(life.said(submission, 1, 'no', counter) as unknown as Json)]));
  for (const submission of [first, last]) {
    assert.deepEqual(heard(submission, 1), ['votes/0: the sponsor of pledge 1 says no: its money is not to be paid']);
  }
});

test('prepared refunds are read strictly', () => {
  const life = funded();
  const plan = life.propose(life.terms({ kind: 'milestone', submission: '00'.repeat(32) }, 1, [[life.outpointOf(1), 2_000]]));
  const refunds = refundsOf(life, plan);
  assert.deepEqual(parsePrepared(JSON.stringify({ refunds }), 'file'), refunds);
  assert.deepEqual(refundProblems(plan, homes(life), refunds), []);
  assert.throws(() => parsePrepared(JSON.stringify({ refunds, more: 1 }), 'file'), /key that nobody knows/);
  assert.throws(() => parsePrepared(JSON.stringify({ refunds: [{ ...refunds[0], pair: 1 }] }), 'file'), /pair is not/);
});
