// What a sponsor moved to another task is told as moved there, and not as refunded, by words and document alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSecret, type Opened } from '../../src/recover/open.ts';
import { Life } from '../lib/life.ts';
import { fixture } from '../sign/fixture.ts';

function funded(): { life: Life; to: Life } {
  const life = new Life();
  life.pledge('alice', 300_000n);
  life.mine();
  const to = new Life({ task: 'ab'.repeat(32), refund_time: life.charter.fields.refund_time + 86_400 });
  to.pledge('alice', 0n);
  return { life, to };
}

const open = (life: Life): Opened => openSecret({
  secret: fixture.phrases.alice ?? '', document: JSON.stringify(life.document()), index: 1, address: life.outputAt(1, 0).address,
  refundAddress: life.pledges[0]!.refundAddress,
});

test('the address that the sponsor\'s key sent it to is named, and home is not called elsewhere', () => {
  const { life, to } = funded();
  life.advanceTo(life.charter.fields.refund_time + 1);
  life.moveLate(1, to, 1, 1);
  const { outpoint, amount, spend } = life.outpointOf(1);
  const opened = open(life);
  assert.deepEqual(opened.elsewhere, [{ outpoint, amount, txid: spend?.txid, alone: true, address: to.outputAt(1, 0).address }]);
  assert.deepEqual(opened.named, [], 'there is nothing left to refund');

  const { life: home } = funded();
  home.advanceTo(home.charter.fields.refund_time + 1);
  home.sendAlone(1, home.pledges[0]!.refundAddress, 0);
  assert.deepEqual(open(home).elsewhere, []);
});

test('where two signers moved it as the sponsor signed, the address is named too; a payout is none', () => {
  const { life, to } = funded();
  life.move(1, to, 1);
  const kind = { kind: 'move', to: to.charter.id } as const;
  life.settle(life.propose(life.terms(kind, 1, [[life.outpointOf(1), 0, to.outputAt(1, 0).address]]), ['developer', 'arbiter']));
  const [one] = open(life).elsewhere;
  assert.deepEqual([one?.alone, one?.address], [false, to.outputAt(1, 0).address]);

  const { life: paid } = funded();
  const submission = paid.submit(null);
  paid.vote(submission, 1, 'yes');
  paid.settle(paid.propose(paid.terms({ kind: 'payout', submission }, 1, [[paid.outpointOf(1), 10_000]]), ['developer', 'arbiter']));
  assert.deepEqual(open(paid).elsewhere, []);
});
