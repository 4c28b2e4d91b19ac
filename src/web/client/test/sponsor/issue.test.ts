// A pledge asked for over a line that loses answers, and what was issued is what is backed up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPhrase, Root } from '../../src/core/keys.ts';
import { Issuing, type Order } from '../../src/sponsor/issue.ts';
import { isLie } from '../../src/sponsor/lie.ts';
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

test('no key and no address is used twice, whatever page of whatever task they stand on', async () => {
  const service = new FakeService();
  const phrase = newPhrase();
  const root = Root.fromPhrase(phrase, service.charter.network);
  const used = (index: number): { sponsor_key: string; refund_address: string } => ({ sponsor_key: root.sponsorKey(index).publicKey, refund_address: root.refundAddress(index).address });
  const [first, second] = ['1'.repeat(64), '2'.repeat(64)];
  service.others = [{ charter: first, pages: [[used(0)], [used(1)]] }, { charter: second, pages: [[], [], [used(2)]] }];
  service.perPage = 1;
  await served(service, async () => {
    const taken: number[] = [];
    const kept = await new Issuing().issue(order(service, phrase, { used: true, taken: async (next) => { taken.push(next); } }));
    assert.deepEqual([kept.file.parts.origin.sponsorKeyIndex, kept.file.parts.origin.refundAddressIndex], [3, 3]);
    assert.deepEqual(taken, [4]);
    // What this browser remembers counts also where the service tells nothing.
    service.others = [];
    service.pledges.length = 0;
    const next = await new Issuing().issue(order(service, phrase, { used: true, from: 4 }));
    assert.deepEqual([next.file.parts.origin.sponsorKeyIndex, next.file.parts.origin.refundAddressIndex], [4, 4]);
  });
});

test('where other tasks cannot be read, older words are not used: nothing is issued', async () => {
  for (const broken of ['/api/v1/tasks', `/api/v1/tasks/${'1'.repeat(64)}/pledges`]) {
    const service = new FakeService();
    service.others = [{ charter: '1'.repeat(64), pages: [[], []] }];
    service.alter = (_, path) => (path === broken ? null : undefined);
    await served(service, async () => {
      const phrase = newPhrase();
      await assert.rejects(new Issuing().issue(order(service, phrase, { used: true })), (error) => error instanceof ServiceError && /used in other tasks/.test(error.message) && !isLie(error));
      assert.equal(service.pledges.length, 0);
      // New words were used nowhere.
      await new Issuing().issue(order(service, phrase));
    });
  }
});

test('one pledge is issued at a time', async () => {
  const service = new FakeService();
  const phrase = newPhrase();
  const locked: string[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const locks = { request: (name: string, act: () => Promise<unknown>): Promise<unknown> => { locked.push(name); return (last = last.then(act)); } };
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
  try {
    const both = await served(service, () => Promise.all([new Issuing().issue(order(service, phrase)), new Issuing().issue(order(service, phrase))]));
    assert.deepEqual(both.map(({ file }) => file.parts.origin.sponsorKeyIndex), [0, 1]);
    assert.deepEqual(locked, ['upfront-issue', 'upfront-issue']);
  } finally {
    if (before !== undefined) Object.defineProperty(globalThis, 'navigator', before);
  }
});
