// A pledge with several outputs is looked after: what is refused for one of them keeps none of the others unsecured.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPhrase, Root } from '../../src/core/keys.ts';
import { didWords } from '../../src/sponsor/duties.ts';
import { Issuing } from '../../src/sponsor/issue.ts';
import { ServiceError } from '../../src/ui/api.ts';
import { FakeService, served } from '../lib/service.ts';

test('one refund that is refused does not keep the others from being handed in', async () => {
  const service = new FakeService();
  const phrase = newPhrase();
  const root = Root.fromPhrase(phrase, service.charter.network);
  await served(service, async () => {
    const keeper = await new Issuing().issue({ charter: service.charter.id, root, phrase, amount: 50_000n, refundAddress: null, used: false });
    const outpoint = (at: number): string => `${String(at).repeat(64)}:0`;
    const outpoints = [1, 2, 3].map((at) => ({ outpoint: outpoint(at), amount_sat: 50_000 - at, standing: 'seen', secured: false, pair_only: false, ended: null }));
    Object.assign(service.pledges[0] ?? {}, { outpoints });
    service.refuse = outpoint(1);
    await assert.rejects(keeper.look(), (error) => error instanceof ServiceError && error.code === 'refused');
    assert.deepEqual(service.refunds, [outpoint(2), outpoint(3)]);
    // What was taken is known, and at the next look only the refused one is left.
    assert.deepEqual(keeper.view.outpoints.map(({ secured }) => secured), [false, true, true]);
    assert.deepEqual([...keeper.handedIn], [outpoint(2), outpoint(3)]);
    assert.match(didWords(keeper.view, keeper.handedIn), /not handed in yet/);
    service.refuse = null;
    await keeper.look();
    assert.deepEqual(service.refunds, [outpoint(2), outpoint(3), outpoint(1)]);
    assert.deepEqual([...keeper.handedIn], service.refunds, 'only what was taken was handed in');
    assert.match(didWords(keeper.view, keeper.handedIn), /signed here and handed in/);
  });
});
