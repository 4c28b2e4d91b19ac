// A yes to one of several milestones: what it splits off each output, the refunds that are signed for it, and what people
// are told when something of it does not work.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { parseJson, type Json } from '../../src/core/json.ts';
import { newPhrase } from '../../src/core/keys.ts';
import { Contract } from '../../src/core/output.ts';
import { RefundTarget } from '../../src/core/refund.ts';
import { makePlan, outputsOf } from '../../src/core/settlement/plan.ts';
import { madeBy } from '../../src/core/settlement/prepared.ts';
import { readTerms } from '../../src/core/settlement/terms.ts';
import { parseOutpoint } from '../../src/core/tx.ts';
import { checkedWork } from '../../src/sponsor/ballot.ts';
import { Issuing } from '../../src/sponsor/issue.ts';
import type { Keeper } from '../../src/sponsor/keeper.ts';
import { handInPrepared, partOf, splitsOf, splitWords } from '../../src/sponsor/milestone.ts';
import { submissionOf, type SubmissionView } from '../../src/sponsor/views.ts';
import { rootOf } from '../lib/root.ts';
import { FakeService, served } from '../lib/service.ts';
import { at, vectors } from '../lib/vectors.ts';

const due = (parseJson(at(vectors.charters, 0).text, 'charter') as unknown as { milestones: { due: number }[] }).milestones.at(-1)!.due;
const MILESTONES = [{ share_bps: 3_000, due: due - 2 }, { share_bps: 2_500, due: due - 1 }, { share_bps: 4_500, due }];
const phrase = newPhrase();
const first = `${'1'.repeat(64)}:0`;

/** A pledge with these outputs, and work for a milestone. */
async function ready(service: FakeService, outpoints: readonly object[], milestone = 1): Promise<{ keeper: Keeper; work: SubmissionView }> {
  const root = rootOf(phrase, service.charter.network.name);
  const keeper = await new Issuing().issue({ charter: service.charter.id, root, phrase, amount: 50_000n, refundAddress: null, used: false });
  Object.assign(service.pledges[0] ?? {}, {
    outpoints: outpoints.map((held) => ({ outpoint: first, generation: 0, amount_sat: 100_000, standing: 'credited', secured: true, pair_only: false, ended: null, ...held })),
  });
  await keeper.look();
  const work = submissionOf(service.submit({ milestone }) as unknown as Json);
  return { keeper, work: checkedWork(service.charter, work, work.id) };
}

const withMilestones = (): FakeService => new FakeService({ milestones: MILESTONES });

test('the refunds fit the transactions that the service would propose, one for each feerate', async () => {
  const service = withMilestones();
  await served(service, async () => {
    const { keeper, work } = await ready(service, [{}, { outpoint: `${'2'.repeat(64)}:1`, generation: 1, uncovered: [1, 2] }]);
    const { charter } = service;
    assert.equal(partOf(charter, work), 'milestone 2 of 3, 25 % of the whole');
    const found = splitsOf(keeper, work, 3);
    assert.deepEqual(found.whole, []);
    // 25 of 100, and of the second output, which paid the first part, 25 of 70: rounded down.
    assert.deepEqual(found.splits.map(({ generation, refunds }) => [generation, refunds.length]), [[1, 3], [2, 3]]);
    await handInPrepared(keeper, found.splits);
    assert.deepEqual(service.prepared.map(({ index, generation }) => [index, generation]), [[1, 1], [1, 1], [1, 1], [1, 2], [1, 2], [1, 2]]);
    const contract = new Contract(charter);
    const { sponsorKey, refundAddress } = keeper.view;
    const terms = readTerms({
      charter: charter.id, for: { kind: 'milestone', submission: work.id }, feerate_sat_per_vb: 3,
      inputs: [[first, 0, 2_500], [`${'2'.repeat(64)}:1`, 1, 3_571]].map(([outpoint, generation, pay_bps]) => ({
        outpoint: String(outpoint), generation: Number(generation), pay_bps: Number(pay_bps), amount_sat: 100_000, index: 1, sponsor_key: sponsorKey, return_address: refundAddress,
      })),
    }, 'terms');
    const made = madeBy(makePlan(charter, outputsOf(contract), terms, 'terms'));
    assert.equal(made.length, 6);
    for (const { outpoint, amount, input } of made) {
      const held = service.prepared.find(({ refund }) => refund.outpoint === outpoint);
      assert.equal(held?.generation, input.generation + 1);
      const output = contract.pledge({ index: 1, generation: input.generation + 1 }, sponsorKey);
      new RefundTarget(output, parseOutpoint(outpoint, 'outpoint'), amount, refundAddress).check(held.refund);
    }
    const [words, ...more] = splitWords(1, found, 'milestone 2 of 3, 25 % of the whole', null);
    assert.deepEqual(more, []);
    const paid = found.splits.reduce((sum, split) => sum + split.paid, 0n);
    assert.ok(words?.includes(`about ${paid.toLocaleString('en')} sat may be paid now`) && /their refund is signed and handed in/.test(words), words);
  });
});

test('what is spent, not credited, paid already, or owes nothing else is not split', async () => {
  const service = withMilestones();
  await served(service, async () => {
    const outpoint = (n: number): string => `${String(n).repeat(64)}:0`;
    const { keeper, work } = await ready(service, [
      { outpoint: outpoint(3), ended: { how: 'settled' } }, { outpoint: outpoint(4), standing: 'confirming' },
      { outpoint: outpoint(5), generation: 1, uncovered: [0, 2] }, { outpoint: outpoint(6), generation: 2, uncovered: [1] },
    ]);
    assert.deepEqual(splitsOf(keeper, work, 1), { splits: [], whole: [] });
  });
});

test('what cannot be split stays whole, with the reason', async () => {
  const service = withMilestones();
  await served(service, async () => {
    const { keeper, work } = await ready(service, [{ amount_sat: 10_000 }]);
    const found = splitsOf(keeper, work, 2);
    assert.deepEqual(found.splits, []);
    assert.match(splitWords(1, found, 'milestone 2 of 3', null).join(), /^Pledge 1: nothing of it is paid now \(10,000 sat: at 2 sat\/vB its share would pay \d+ sat, under ten times .*\)\. It stays whole/);
    // Without a feerate, or where the service does not say what an output has paid, there is nothing to sign.
    assert.match(splitsOf(keeper, work, null).whole.join(), /does not say/);
    const unknown = { ...keeper.view.outpoints[0]!, generation: 1, uncovered: null };
    keeper.view = { ...keeper.view, outpoints: [unknown] };
    assert.match(splitsOf(keeper, work, 1).whole.join(), /does not say/);
  });
});

test('a service that does not take them: the vote stands, and people are told', async () => {
  const service = withMilestones();
  service.mostPrepared = 1;
  await served(service, async () => {
    const { keeper, work } = await ready(service, [{}]);
    const found = splitsOf(keeper, work, 1);
    await assert.rejects(handInPrepared(keeper, found.splits));
    assert.match(splitWords(1, found, 'milestone 2 of 3', 'There is no such thing.').join(), /your vote stands, but .* There is no such thing\. It stays whole, .* Vote yes once more to try again/);
  });
});

test('work of the whole, or of a milestone that the terms do not have', async () => {
  const one = new FakeService();
  await served(one, async () => {
    const { keeper } = await ready(withMilestones(), [{}]).catch(() => ({ keeper: null }));
    assert.equal(keeper, null, 'another service does not answer');
    const work = submissionOf(one.submit() as unknown as Json);
    assert.equal(partOf(one.charter, checkedWork(one.charter, work, work.id)), null);
  });
  const service = withMilestones();
  const refused = (change: object): string => {
    const work = submissionOf(service.submit(change) as unknown as Json);
    try {
      checkedWork(service.charter, work, work.id);
      return 'nothing';
    } catch (error) {
      return error instanceof UpfrontError ? error.field : assert.fail(String(error));
    }
  };
  assert.equal(refused({ milestone: 2 }), 'nothing');
  assert.equal(refused({ milestone: 3 }), 'submission.milestone');
  assert.equal(refused({}), 'submission.milestone');
  const { payees } = service.charter.fields;
  assert.equal(refused({ milestone: 0, named: { by: 'representative', payees } }), 'nothing');
  assert.equal(refused({ milestone: 0, named: { by: 'representative', payees: [{ ...payees[0]!, share_bps: 1 }] } }), 'payees, leader and operator');
});

test('what a settlement left in escrow is secured at its own address', async () => {
  const service = withMilestones();
  await served(service, async () => {
    const { keeper } = await ready(service, [{ generation: 1, secured: false, uncovered: [1, 2] }]);
    assert.deepEqual(service.refunds, [first]);
    const kept = keeper.file.document().outpoints.map(({ outpoint, generation }) => [outpoint, generation]);
    assert.deepEqual(kept, [[first, 1]], 'in the file with its generation');
    const [signed] = keeper.signed;
    assert.deepEqual(signed, { outpoint: first, amount: 100_000n });
    const output = new Contract(service.charter).pledge({ index: 1, generation: 1 }, keeper.view.sponsorKey);
    assert.equal(keeper.target(keeper.view.outpoints[0]!).output.address, output.address);
  });
});
