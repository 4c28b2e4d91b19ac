// A pledge asked for over a line that loses answers, and what was issued is what is backed up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPhrase, Root } from '../../src/core/keys.ts';
import { Issuing, type Order } from '../../src/sponsor/issue.ts';
import { ServiceError } from '../../src/ui/api.ts';
import { FakeService, served } from '../lib/service.ts';

const order = (service: FakeService, phrase: string, change: Partial<Order> = {}): Order => ({
  charter: service.charter.id, root: Root.fromPhrase(phrase, service.charter.network), phrase, amount: 50_000n, refundAddress: null, used: false, ...change,
});

/** Asks once while the answer is lost, once more with `next`; what came of it. */
async function afterLoss(next: (service: FakeService, phrase: string) => Order): Promise<{ service: FakeService; phrase: string; kept: Awaited<ReturnType<Issuing['issue']>> }> {
  const service = new FakeService();
  const issuing = new Issuing();
  const phrase = newPhrase();
  return served(service, async () => {
    service.alter = (_, path, method) => (method === 'POST' && path.endsWith('/pledges') ? null : undefined);
    await assert.rejects(issuing.issue(order(service, phrase)), (error) => error instanceof ServiceError && error.passes);
    assert.equal(service.pledges.length, 1);
    service.alter = () => undefined;
    return { service, phrase, kept: await issuing.issue(next(service, phrase)) };
  });
}

test('a pledge whose answer was lost is taken where everything asked for is the same', async () => {
  const { service, phrase, kept } = await afterLoss((of, words) => order(of, words));
  assert.equal(service.pledges.length, 1);
  assert.equal(kept.file.parts.origin.phrase, phrase);
  assert.equal(kept.view.index, 1);
});

test('other words, another refund address or another amount are issued anew, never answered with the lost pledge', async () => {
  const other = newPhrase();
  const words = await afterLoss((of) => order(of, other));
  assert.equal(words.service.pledges.length, 2);
  assert.equal(words.kept.file.parts.origin.phrase, other);
  assert.equal(words.kept.file.parts.sponsorKey, Root.fromPhrase(other, words.service.charter.network).sponsorKey(0).publicKey);

  let own = '';
  const address = await afterLoss((of, phrase) => {
    own = Root.fromPhrase(other, of.charter.network).refundAddress(7).address;
    return order(of, phrase, { refundAddress: own });
  });
  assert.equal(address.kept.view.refundAddress, own);
  assert.equal(address.kept.view.index, 2);

  const amount = await afterLoss((of, phrase) => order(of, phrase, { amount: 60_000n }));
  assert.equal(amount.kept.view.promised, 60_000n);
  assert.equal(amount.kept.view.index, 2);
  // Not the key that the lost pledge has.
  assert.equal(amount.kept.file.parts.origin.sponsorKeyIndex, 1);
});
