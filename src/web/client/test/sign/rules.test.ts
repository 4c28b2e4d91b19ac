// Rules that hold between milestones, settlements and moves: whom a submission keeps waiting, which of two equal
// transactions is meant, what holds nothing up, and what moved on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowed, type Verdict } from '../../src/core/proof/allowed.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import type { TermsDocument } from '../../src/core/proof/document.ts';
import type { Task } from '../../src/core/proof/task.ts';
import { outputsOf, type Plan } from '../../src/core/settlement/plan.ts';
import { prepareRefunds, remainderHome } from '../../src/core/settlement/prepared.ts';
import type { Named } from '../../src/core/statement.ts';
import type { RefundSignatures } from '../../src/core/refund.ts';
import { Life, leaderKey, START } from '../lib/life.ts';
import { replaced } from './changes.ts';
import { fixture, proofOf, rootOf, type Json } from './fixture.ts';

const REVIEW = 3_600;
const DUE = START + 12_000;
const HALVES = [{ share_bps: 5_000, due: DUE }, { share_bps: 5_000, due: 1_763_021_657 }];
const leader = { ...(JSON.parse(fixture.charter) as { leader: object }).leader, key: leaderKey.publicKey } as never;
const [one, other] = [40, 41].map((at) => rootOf('erin').refundAddress(at).address) as [string, string];
const named = (by: Named['by'], address = one): Named => ({ by, payees: [{ address, share_bps: 9_000 }] });

/** Two halves; alice 400,000 sat and bob 300,000 sat, both credited. */
function funded(change: ConstructorParameters<typeof Life>[0] = {}): Life {
  const life = new Life({ milestones: HALVES, leader, ...change });
  life.pledge('alice', 400_000n);
  life.pledge('bob', 300_000n);
  life.mine();
  return life;
}

const taskOf = (json: Json): Task => {
  const checked = checkProof(proofOf(json));
  return 'task' in checked ? checked.task : assert.fail(JSON.stringify(checked.findings));
};
const foundIn = (json: Json): string[] => {
  const checked = checkProof(proofOf(json));
  return 'findings' in checked ? checked.findings.map(({ field, problem }) => `${field}: ${problem}`) : [];
};
/** Of what is unspent: pledge and share. */
function bps(life: Life, kind: TermsDocument['for']): [number, number][] {
  const task = taskOf(life.document());
  const answer = task.entitlements(kind);
  assert.ok('is' in answer, JSON.stringify(answer));
  return [...answer.is].filter(([outpoint]) => task.outpoints.get(outpoint)?.spend === null)
    .map(([outpoint, { payBps }]): [number, number] => [task.outpoints.get(outpoint)!.index, payBps]).sort(([a], [b]) => a - b);
}
const problems = (verdict: Verdict): string[] => ('findings' in verdict ? verdict.findings.map(({ field, problem }) => `${field}: ${problem}`) : []);
const refundsOf = (life: Life, plan: Plan): RefundSignatures[] =>
  life.pledges.flatMap(({ key }) => prepareRefunds(plan, remainderHome(outputsOf(life.contract)), key)).map(({ signatures }) => signatures);
const judge = (life: Life, plan: Plan, psbts = life.psbts(plan)): Verdict =>
  allowed(proofOf(life.document()), psbts, 'developer', [], { refunds: refundsOf(life, plan), destination: null });
/** Work on a half, accepted by alice. */
function done(life: Life, milestone: number, by: Named | null = null): string {
  const submission = life.submit(milestone, by);
  life.vote(submission, 1, 'yes');
  return submission;
}

// ---- What waits for what

test('the same payees are the same, whoever named them', () => {
  for (const [second, share] of [[named('leader'), 10_000], [named('leader', other), 5_000], [null, 5_000]] as const) {
    const life = funded();
    done(life, 0, named('representative'));
    life.advanceTo(DUE + REVIEW);
    const last = done(life, 1, second);
    assert.deepEqual(bps(life, { kind: 'payout', submission: last }), [[1, share]], JSON.stringify(second));
  }
});

test('a submission that names payees keeps others waiting only until its review closes', () => {
  for (const [first, waits] of [[named('representative'), false], [null, true]] as const) {
    const life = funded();
    life.advanceTo(DUE - 600);
    life.vote(life.submit(0, first), 1, 'no');
    const opened = life.mtp;
    const last = done(life, 1);
    const payout = { kind: 'payout', submission: last } as const;
    life.advanceTo(opened + REVIEW);
    assert.ok(life.mtp > DUE);
    assert.deepEqual(bps(life, payout), []);
    life.advanceTo(opened + REVIEW + 1);
    assert.deepEqual(bps(life, payout), waits ? [] : [[1, 5_000]]);
    life.advanceTo(opened + 2 * REVIEW);
    assert.deepEqual(bps(life, payout), waits ? [] : [[1, 5_000]]);
    life.advanceTo(opened + 2 * REVIEW + 1);
    assert.deepEqual(bps(life, payout), [[1, 5_000]]);
  }
});

test('what is not confirmed yet keeps others waiting only until nothing can be confirmed any more', () => {
  const life = funded({ vote_opens: 'merged' });
  life.submit(0);
  const last = life.submit(1);
  life.confirm(last);
  life.vote(last, 1, 'yes');
  const payout = { kind: 'payout', submission: last } as const;
  const { confirmationDeadline: deadline } = life.charter;
  assert.ok(deadline > DUE + 3 * REVIEW);
  for (const time of [DUE + 1, deadline]) {
    life.advanceTo(time);
    assert.deepEqual(bps(life, payout), []);
  }
  life.advanceTo(deadline + 1);
  assert.deepEqual(bps(life, payout), [[1, 5_000]]);
});

// ---- Equal transactions

test('two milestones of equal shares give one transaction, and it pays the one that was proposed first', () => {
  for (const firstIs of [0, 1]) {
    const life = funded();
    const work = [done(life, 0), done(life, 1)];
    const split = (milestone: number, feerate: number): Plan =>
      life.propose(life.terms({ kind: 'milestone', submission: work[milestone]! }, feerate, [[life.outpointOf(1), 5_000]]));
    const meant = split(firstIs, 2);
    life.advanceTo(life.mtp + 1);
    const late = split(1 - firstIs, 1);
    assert.equal(late.chunks[0]?.forms[1]?.txid, meant.chunks[0]?.forms[0]?.txid);
    assert.notEqual(late.id, meant.id);
    const verdict = judge(life, meant);
    assert.deepEqual(problems(verdict), []);
    assert.ok('explanation' in verdict);
    assert.equal(verdict.explanation.plan.id, meant.id);
    assert.deepEqual(problems(judge(life, late, life.psbts(late).slice(0, 1))),
      ['terms/for: its transactions are those of a settlement that was proposed before, for another milestone']);
    // The shared transaction alone is the first one's.
    const shared = judge(life, meant, life.psbts(late).slice(1, 2));
    assert.ok('explanation' in shared && shared.explanation.plan.id === meant.id);
    // Another feerate gives another transaction.
    const apart = split(1 - firstIs, 16);
    assert.deepEqual(problems(judge(life, apart)), []);
    life.settle(meant);
    const task = taskOf(life.document());
    assert.deepEqual(task.uncovered(life.outpointOf(1, 1).outpoint), [1 - firstIs]);
  }
});

// ---- What holds up, and what does not

test('a milestone that two have signed holds nothing up', () => {
  const life = funded();
  const submission = done(life, 0);
  life.vote(submission, 2, 'yes');
  const kind = { kind: 'milestone', submission } as const;
  life.propose(life.terms(kind, 1, [[life.outpointOf(1), 5_000], [life.outpointOf(2), 5_000]]), ['developer', 'representative']);
  assert.deepEqual(problems(judge(life, life.propose(life.terms(kind, 8, [[life.outpointOf(1), 5_000]])))), []);
});

test('what would spend a rest that never comes is conflicted', () => {
  const life = funded({ depth: 3 });
  life.mine(2);
  const submission = done(life, 0);
  const plan = life.propose(life.terms({ kind: 'milestone', submission }, 1, [[life.outpointOf(1), 5_000]]), ['developer', 'representative']);
  const [low, high] = plan.chunks[0]!.forms;
  const rest = (form: typeof low, generation = 1): Parameters<Life['terms']>[2][number] =>
    [{ outpoint: `${form!.txid}:4`, index: 1, generation, amount: form!.tx.outputs[4]!.amount, spend: null }, 10_000];
  const payout = { kind: 'payout', submission } as const;
  const [lost, comes] = [low, high].map((form) => life.propose(life.terms(payout, 1, [rest(form)])));
  const fates = (): unknown[] => [lost, comes].map((of) => taskOf(life.document()).fates(of!)[0]);
  assert.deepEqual(fates(), ['pending', 'pending']);
  life.settle(plan, 1);
  life.mine();
  assert.deepEqual(fates(), ['pending', 'pending'], 'two deep');
  life.mine();
  assert.deepEqual(fates(), ['conflicted', 'pending']);
});

// ---- What moved on

function destination(names: readonly string[]): Life {
  const to = new Life({ task: 'ab'.repeat(32), refund_time: 1_763_043_300 + 86_400 });
  for (const name of names) to.pledge(name, 0n);
  return to;
}

function moved(life: Life, to: Life, pledges: readonly (readonly [number, number])[], feerate = 1): Plan {
  return life.propose(life.terms({ kind: 'move', to: to.charter.id }, feerate, pledges.map(([index, generation]) =>
    [life.outpointOf(index, generation), 0, to.outputAt(index, 0).address] as const)), ['developer', 'representative']);
}

test('what moved on weighs nothing in what is submitted from then on, and is raised elsewhere', () => {
  const life = funded();
  const to = destination(['alice', 'bob']);
  const before = done(life, 0);
  const split = life.propose(life.terms({ kind: 'milestone', submission: before }, 1, [[life.outpointOf(1), 5_000]]), ['developer', 'representative']);
  life.settle(split);
  const between = life.submit(1);
  life.move(1, to, 1, 1);
  const rest = life.outpointOf(1, 1).amount;
  // A transaction of one input is in every settlement that has this input.
  life.move(2, to, 2);
  const plan = moved(life, to, [[1, 1]]);
  moved(life, to, [[1, 1], [2, 0]]);
  assert.equal(taskOf(life.document()).totals['raised_sat'], 700_000);
  life.settle(plan);
  const after = life.submit(1);
  const task = taskOf(life.document());
  const electorate = (id: string): bigint => task.tally(task.submission(id)!).electorate;
  assert.deepEqual([before, between, after].map(electorate), [700_000n, 700_000n, 300_000n]);
  assert.equal(task.totals['raised_sat'], 700_000 - Number(rest));
  assert.deepEqual(task.standings.get(life.outpointOf(1).outpoint), { standing: 'credited' });
});

test('what was beyond the cap was not raised, and takes nothing away when it moves', () => {
  const life = funded({ cap_sat: 500_000, target_sat: 400_000 });
  const to = destination(['alice', 'bob']);
  assert.equal(taskOf(life.document()).totals['raised_sat'], 400_000);
  life.move(2, to, 2);
  life.settle(moved(life, to, [[2, 0]]));
  const task = taskOf(life.document());
  assert.deepEqual(task.standings.get(life.outpointOf(2).outpoint), { standing: 'surplus', reason: 'over_cap' });
  assert.equal(task.totals['raised_sat'], 400_000);
});

for (const rung of [0, 3]) {
  test(`what a sponsor moved alone from T on by rung ${rung} left as what two signed did, and is no refund`, () => {
    const life = funded();
    const to = destination(['alice', 'bob']);
    life.advanceTo(life.charter.fields.refund_time + 30 * 86_400);
    life.moveLate(1, to, 1, rung);
    life.sendAlone(2, life.pledges[1]!.refundAddress, rung);
    const task = taskOf(life.document());
    const held = task.outpoints.get(life.outpointOf(1).outpoint)!;
    assert.deepEqual([task.destination(held)?.to_charter, task.destination(held)?.to_index], [to.charter.id, 1]);
    assert.equal(task.destination(task.outpoints.get(life.outpointOf(2).outpoint)!), undefined);
    const { raised_sat: raised, settled_sat: settled, refunded_sat: refunded } = task.totals;
    assert.deepEqual([raised, settled, refunded], [300_000, 400_000, 300_000]);
  });
}

test('without the consent, or by another transaction of the same key, it is told as refunded', () => {
  const to = destination(['alice', 'bob']);
  const sums = (life: Life): unknown[] => {
    const { raised_sat: raised, settled_sat: settled, refunded_sat: refunded } = taskOf(life.document()).totals;
    return [raised, settled, refunded];
  };
  const past = (): Life => {
    const life = funded();
    life.advanceTo(life.charter.fields.refund_time + 1);
    return life;
  };
  const unsigned = past();
  unsigned.moveLate(1, to, 1, 0, false);
  assert.deepEqual(sums(unsigned), [700_000, 0, 400_000]);
  const home = past();
  home.moveLate(1, to, 1, null);
  assert.deepEqual(sums(home), [700_000, 0, 0], 'signed, and not sent yet');
  home.sendAlone(1, home.pledges[0]!.refundAddress, 1);
  assert.deepEqual(sums(home), [700_000, 0, 400_000]);
});

test('a consent for T is checked like any other: signature, outpoint, charter, and one an outpoint', () => {
  const life = funded();
  const to = destination(['alice', 'bob']);
  life.advanceTo(life.charter.fields.refund_time + 1);
  life.moveLate(1, to, 1);
  const document = life.document();
  const found = (changed: Json): string => foundIn(changed).join('; ');
  assert.equal(found(document), '');
  const address = life.outputAt(1, 0).address;
  assert.match(found(replaced(document, ['late_moves', 0, 'signature'], '00'.repeat(64))), /late_moves\/0: the move signature does not verify/);
  assert.match(found(replaced(document, ['late_moves', 0, 'statement', 'to_address'], address)), /late_moves\/0: the move signature does not verify/);
  assert.match(found(replaced(document, ['late_moves', 0, 'statement', 'to_charter'], life.charter.id)), /late_moves\/0\/statement\/to_charter: it leads to the charter it comes from/);
  assert.match(found(replaced(document, ['late_moves', 1], (document as { late_moves: Json[] }).late_moves[0]!)), /late_moves\/1\/statement\/outpoint: it has a consent already/);
  assert.match(found(replaced(document, ['late_moves'], [])), /totals\/refunded_sat: claimed 0, computed 400000/);
});

// ---- What stays

test('what stays in escrow can bear its refund, or the pledge stays whole', () => {
  const life = funded();
  const of = (amount: bigint): Plan =>
    life.propose(life.terms({ kind: 'milestone', submission: '00'.repeat(32) }, 1, [[{ ...life.outpointOf(1), amount }, 9_000]]));
  const amounts = Array.from({ length: 40 }, (_, at) => 14_900n + 25n * BigInt(at));
  const rests = amounts.flatMap((amount) => {
    try {
      return of(amount).chunks[0]!.forms.map(({ shares }) => shares[0]!.returned);
    } catch (error) {
      assert.match((error as Error).message, /only 1[23]\d\d sat would return/);
      return [];
    }
  });
  assert.ok(rests.length > 0 && rests.length < 3 * amounts.length);
  assert.ok(rests.every((rest) => rest >= 1_380n));
});
