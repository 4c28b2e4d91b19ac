// What a payout of a milestone left in escrow is found by words and document alone, and goes back to its sponsor at T.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wayOf } from '../../src/core/proof/path.ts';
import { RecoveryFile } from '../../src/core/recovery.ts';
import { transactionHex } from '../../src/core/tx.ts';
import { findPayment, openSecret, signOwn, type Opened } from '../../src/recover/open.ts';
import { Life } from '../lib/life.ts';
import { fixture, type Json } from '../sign/fixture.ts';

const life = new Life({ milestones: [{ share_bps: 4_000, due: 1_763_012_000 }, { share_bps: 6_000, due: 1_763_021_657 }] });
life.pledge('alice', 300_000n);
life.mine();
const submission = life.submit(0);
life.vote(submission, 1, 'yes');
const plan = life.propose(life.terms({ kind: 'milestone', submission }, 1, [[life.outpointOf(1), 4_000]]), ['developer', 'representative']);
life.settle(plan, 1);
const rest = life.outpointOf(1, 1);
const document = life.document() as { [key: string]: Json };

const open = (given: string): Opened =>
  openSecret({ secret: fixture.phrases.alice ?? '', document: given, index: 1, address: life.outputAt(1, 0).address, refundAddress: life.pledges[0]!.refundAddress });

function spends(opened: Opened): void {
  const [bundle] = opened.refunds.refunds;
  const output = life.outputAt(1, 1);
  assert.equal(bundle?.target.output.address, output.address);
  for (const { transaction } of opened.refunds.ready()) {
    assert.deepEqual(wayOf(output, transaction, 0, [{ amount: rest.amount, script: output.scriptPubkey }]), { path: 'refund' });
  }
  assert.ok(opened.refunds.ready().length > 3);
}

test('a proof document names what is unspent, at the address of its generation', () => {
  const opened = open(JSON.stringify(document));
  assert.deepEqual(opened.named, [{ outpoint: rest.outpoint, amount: rest.amount }]);
  opened.refunds.sign(rest.outpoint, rest.amount);
  spends(opened);
  const own = signOwn(opened, { outpoint: rest.outpoint, amount: rest.amount, feerate: '7', to: '' });
  assert.equal(own.to, life.pledges[0]!.refundAddress);
  // The file holds it with its generation, and reads it again at the same address.
  const { file } = opened;
  assert.ok(file);
  assert.deepEqual(file.document().outpoints.map(({ outpoint, generation }) => [outpoint, generation]), [[rest.outpoint, 1]]);
  const again = RecoveryFile.parse(file.toJson());
  assert.deepEqual(again.refunds.map(({ target }) => target.output.address), [file.refunds[0]!.target.output.address]);
  assert.equal(again.toJson(), file.toJson());
});

test('the payout itself is enough beside charter and words', () => {
  const opened = open(life.charter.text);
  const { tx } = plan.chunks[0]!.forms[1]!;
  const payments = findPayment(opened, { transaction: transactionHex(tx), outpoint: '', amount: '' });
  assert.deepEqual(payments, [{ outpoint: rest.outpoint, amount: rest.amount }]);
  opened.refunds.sign(rest.outpoint, rest.amount);
  spends(opened);
});

test('an amount that its own transaction denies is refused there, too', () => {
  const changed = structuredClone(document) as unknown as { outpoints: { generation: number; amount_sat: number }[] };
  for (const held of changed.outpoints) if (held.generation === 1) held.amount_sat += 1;
  assert.throws(() => open(JSON.stringify(changed)), /its own transaction pays/);
});
