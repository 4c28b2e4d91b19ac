// Payees that a submission names, and pledges that move to another charter.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowed, type Besides, type Verdict } from '../../src/core/proof/allowed.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import { toRule } from '../../src/core/proof/speak.ts';
import type { Task } from '../../src/core/proof/task.ts';
import type { Plan } from '../../src/core/settlement/plan.ts';
import { prepareRefunds } from '../../src/core/settlement/prepared.ts';
import { termsLines } from '../../src/core/settlement/terms.ts';
import { move, submission as submissionStatement, type Named } from '../../src/core/statement.ts';
import type { RefundSignatures } from '../../src/core/refund.ts';
import { Life, leaderKey } from '../lib/life.ts';
import { replaced } from './changes.ts';
import { fixture, proofOf, rootOf, type Json } from './fixture.ts';

const REVIEW = 3_600;
const address = rootOf('erin').refundAddress(40).address;
const other = rootOf('erin').refundAddress(41).address;
/** The charter's payees have 9000 bps together. */
const NAMED: Named = { by: 'representative', payees: [{ address, share_bps: 6_000 }, { address: other, share_bps: 3_000 }] };

const problems = (verdict: Verdict): string[] => ('findings' in verdict ? verdict.findings.map(({ field, problem }) => `${field}: ${problem}`) : []);
const judge = (life: Life, plan: Plan, besides: Partial<Besides> = {}, json = life.document()): Verdict =>
  allowed(proofOf(json), life.psbts(plan), 'developer', [], { refunds: [], destination: null, ...besides });
const taskOf = (json: Json): Task => {
  const checked = checkProof(proofOf(json));
  return 'task' in checked ? checked.task : assert.fail(JSON.stringify(checked.findings));
};
const foundIn = (json: Json): string[] => {
  const checked = checkProof(proofOf(json));
  return 'findings' in checked ? checked.findings.map(({ field, problem }) => `${field}: ${problem}`) : [];
};

test('the lines that are signed: milestone, payees in their order, who names them', () => {
  const { lines } = submissionStatement({
    network: 'regtest', charter: 'aa'.repeat(32), number: 2, link: 'https://example.org', content: 'bb'.repeat(32), blockHeight: 7,
    blockHash: 'cc'.repeat(32), milestone: 0, named: { by: 'leader', payees: [{ address: 'one', share_bps: 1 }, { address: 'two', share_bps: 8_999 }] },
  });
  assert.equal(lines.slice(lines.indexOf('block hash')), `block hash: ${'cc'.repeat(32)}\nmilestone: 0\npayee: one, 1 bps\npayee: two, 8999 bps\nnamed by: leader\n`);
  const moved = move({
    network: 'regtest', charter: 'aa'.repeat(32), outpoint: `${'dd'.repeat(32)}:1`, toCharter: 'ee'.repeat(32), toIndex: 3, toAddress: 'there',
  });
  assert.equal(moved.tag, 'upfront/move');
  assert.equal(moved.lines, `network: regtest\ncharter: ${'aa'.repeat(32)}\noutpoint: ${'dd'.repeat(32)}:1\nto charter: ${'ee'.repeat(32)}\nto index: 3\nto address: there\n`);
});

function named(by: Named['by']): { life: Life; submission: string } {
  const leader = { ...(JSON.parse(fixture.charter) as { leader: object }).leader, key: leaderKey.publicKey };
  const life = new Life({ leader: leader as never });
  life.pledge('alice', 400_000n);
  life.pledge('bob', 100_000n);
  life.pledge('carol', 50_000n);
  life.mine();
  const submission = life.submit(null, { ...NAMED, by });
  life.vote(submission, 1, 'yes');
  life.vote(submission, 3, 'no');
  return { life, submission };
}

for (const by of ['representative', 'leader'] as const) {
  test(`payees named by the ${by} are paid from yes votes alone, whatever the majority says`, () => {
    const { life, submission } = named(by);
    life.advanceTo(life.mtp + REVIEW + 1);
    life.accept(submission);
    const task = taskOf(life.document());
    const [known] = task.submissions;
    assert.deepEqual([task.tally(known!).quorumMet, task.tally(known!).thresholdReached, task.silencePays(known!)], [true, true, false]);
    const answer = task.entitlements({ kind: 'payout', submission });
    assert.ok('is' in answer);
    assert.deepEqual([...answer.is].map(([outpoint, { payBps, reason }]) => [task.outpoints.get(outpoint)?.index, payBps, reason]), [[1, 10_000, 'yes']]);
    assert.throws(() => toRule(task, known!, 5_000), /names other payees/);
    const plan = life.propose(life.terms({ kind: 'payout', submission }, 1, [[life.outpointOf(1), 10_000]], NAMED.payees));
    const verdict = judge(life, plan);
    assert.deepEqual(problems(verdict), []);
    assert.ok('explanation' in verdict);
    // 400,000 sat less 300 sat of fee: 60, 30, 6 and 4 %.
    const [lowest] = verdict.explanation.transactions;
    assert.equal(lowest?.fee, 300n);
    assert.deepEqual(lowest?.outputs.map((line) => [line.address.slice(0, 12), line.amount]), [
      [address.slice(0, 12), 239_820n], [other.slice(0, 12), 119_910n],
      ...life.charter.shares.slice(2).map((share, at) => [share.address.text.slice(0, 12), [23_982n, 15_988n][at]]),
    ]);
    assert.ok(termsLines(plan.terms).includes(`submission: ${submission}\npayee: ${address}, 6000 bps\npayee: ${other}, 3000 bps\nfeerate: 1 sat/vB\n`));
  });
}

test('other payees than the submission names are refused', () => {
  const { life, submission } = named('representative');
  for (const payees of [[], [{ address, share_bps: 9_000 }], [...NAMED.payees].reverse()]) {
    const plan = life.propose(life.terms({ kind: 'payout', submission }, 1, [[life.outpointOf(1), 10_000]], payees));
    assert.deepEqual(problems(judge(life, plan)), ['terms/payees: not those that the submission names']);
    life.settlements.pop();
  }
  assert.throws(() => life.propose(life.terms({ kind: 'payout', submission }, 1, [[life.outpointOf(1), 10_000]], [{ address, share_bps: 8_999 }])), (error) => (error as { code: string }).code === 'plan_payees');
});

test('who names payees signs for it, and their shares are those of the charter\'s payees together', () => {
  const { life } = named('representative');
  const json = life.document();
  const path = ['submissions', 0, 'submission', 'statement', 'named'];
  assert.deepEqual(foundIn(json), []);
  assert.match(foundIn(replaced(json, [...path, 'by'], 'leader')).join(), /submissions\/0\/submission: the submission signature does not verify/);
  assert.match(foundIn(replaced(json, path, null)).join(), /submissions\/0\/submission: the submission signature does not verify/);
  assert.match(foundIn(replaced(json, [...path, 'payees', 0, 'share_bps'], 6_001)).join(), /named\/payees: the shares of .* add up to 10001 bps/);
  assert.match(foundIn(replaced(json, [...path, 'payees'], [])).join(), /named\/payees: nobody is named/);
  assert.match(foundIn(replaced(json, [...path, 'payees', 0, 'address'], 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq')).join(), /named\/payees: .*not for regtest/);
  const alone = new Life({ leader: null, payees: [{ address, share_bps: 9_600 }] });
  alone.submit(null, { by: 'leader', payees: [{ address, share_bps: 9_600 }] });
  assert.match(foundIn(alone.document()).join(), /named\/by: the charter has no leader/);
});

// ---- Moves

/** Alice's pledge, signed over to her pledge in another task, and the refunds there. */
function moving(change: ConstructorParameters<typeof Life>[0] = {}): { from: Life; to: Life; plan: Plan; refunds: RefundSignatures[] } {
  const from = new Life();
  from.pledge('alice', 400_000n);
  from.mine();
  const to = new Life({ task: 'ab'.repeat(32), refund_time: 1_763_043_300 + 86_400, ...change });
  to.pledge('alice', 0n);
  from.move(1, to, 1);
  const plan = from.propose(from.terms({ kind: 'move', to: to.charter.id }, 1, [[from.outpointOf(1), 0, to.outputAt(1, 0).address]]));
  const home = () => ({ output: to.outputAt(1, 0), refundAddress: to.pledges[0]!.refundAddress });
  const refunds = prepareRefunds(plan, home, from.pledges[0]!.key).map(({ signatures }) => signatures);
  return { from, to, plan, refunds };
}

test('a pledge moves whole to its sponsor\'s pledge elsewhere, with the refunds under the terms there', () => {
  const { from, to, plan, refunds } = moving();
  // One input, one Taproot output: 467 + 172 and 42 weight units.
  assert.deepEqual(plan.chunks[0]?.forms.map(({ fee, tx }) => [fee, tx.outputs.map(({ amount }) => amount)]), [
    [171n, [399_829n]], [341n, [399_659n]], [681n, [399_319n]],
  ]);
  assert.equal(refunds.length, 3);
  const destination = proofOf(to.document());
  const verdict = judge(from, plan, { refunds, destination });
  assert.deepEqual(problems(verdict), []);
  assert.ok('explanation' in verdict);
  const [lowest] = verdict.explanation.transactions;
  assert.equal(lowest?.outputs[0]?.words, `output 0: moves 399,829 sat to the sponsor's pledge at ${to.outputAt(1, 0).address} under charter ${to.charter.id}`);
  assert.ok(termsLines(plan.terms).includes(`kind: move\nto: ${to.charter.id}\nfeerate: 1 sat/vB\n`));
  // Refunds of the old address are none of the new one's.
  const old = prepareRefunds(plan, () => ({ output: from.outputAt(1, 0), refundAddress: from.pledges[0]!.refundAddress }), from.pledges[0]!.key);
  assert.match(problems(judge(from, plan, { refunds: old.map(({ signatures }) => signatures), destination })).join(), /refunds\/0: .* does not hold/);
  assert.match(problems(judge(from, plan, { refunds: refunds.slice(1), destination })).join(), /refunds: .*at 1 sat\/vB .* is missing/);
});

test('nothing moves without its sponsor, nor to a task that is not shown or does not take it', () => {
  const { from, to, plan, refunds } = moving();
  const destination = proofOf(to.document());
  const words = (besides: Partial<Besides>, json = from.document()): string => problems(judge(from, plan, { refunds, destination, ...besides }, json)).join('; ');
  assert.match(words({ destination: null }), /destination: the proof document of the task that the money moves to, .* is missing/);
  assert.match(words({ destination: proofOf(from.document()) }), /destination\/charter: this is task/);
  assert.match(words({}, replaced(from.document(), ['moves'], undefined)), /pay_bps: charter and votes leave .* where it is/);
  assert.match(words({}, replaced(from.document(), ['moves', 0, 'signature'], '00'.repeat(64))), /moves\/0: the move signature does not verify/);
  assert.match(words({}, replaced(from.document(), ['moves', 0, 'statement', 'to_address'], address)), /moves\/0: the move signature does not verify/);
  const stranger = new Life({ task: 'ab'.repeat(32), refund_time: to.charter.fields.refund_time });
  stranger.pledge('bob', 0n);
  assert.match(words({ destination: proofOf(stranger.document()) }), /destination\/pledges: pledge 1 there is not the same sponsor's/);
  const full = moving({ cap_sat: 390_000, target_sat: 300_000 });
  assert.match(problems(judge(full.from, full.plan, { refunds: full.refunds, destination: proofOf(full.to.document()) })).join(), /destination\/charter: its cap leaves no room/);
  const large = moving({ minimum_pledge_sat: 399_400 });
  assert.match(problems(judge(large.from, large.plan, { refunds: large.refunds, destination: proofOf(large.to.document()) })).join(), /below its minimum pledge/);
  to.advanceTo(to.charter.fields.funding_close + 1);
  assert.match(words({ destination: proofOf(to.document()) }), /its funding has closed/);
});
