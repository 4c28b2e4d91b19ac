// What the stage offers, on the real service: money that arrives, is replaced and comes back, and the QR code of a real
// pledge, read from its picture and paid.

import assert from 'node:assert/strict';
import { html } from '../lib/fixture.mjs';
import { POLICY } from '../lib/policy.mjs';
import { Liar } from '../lib/proxy.mjs';
import { decodePng, decodeQr, parsePayment } from '../lib/qr.mjs';

export default function fill(test) {
  test('the QR code of a pledge is decoded from its picture, paid by somebody else, credited and secured', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const pledged = await stage.pledge(task, 123_456);
    const page = await t.page();
    await page.goto(`${stage.url}/api/v1/tasks/${task.id}/pledges/${pledged.index}/qr.svg`);
    const payment = parsePayment(await decodeQr(page.locator('svg')));
    assert.deepEqual(payment, { address: pledged.address, amount_sat: 123_456, parameters: ['amount'] });
    const txid = await stage.pay(payment.address, payment.amount_sat);
    await stage.pledgeIs(task, pledged.index, 'is seen', ({ outpoints }) => outpoints[0]?.standing === 'seen');
    await stage.mine(1);
    await stage.secure(task, pledged);
    const view = await stage.pledgeIs(task, pledged.index, 'is secured', ({ outpoints }) => outpoints[0]?.secured);
    assert.equal(view.outpoints[0].outpoint, await stage.node.outpoint(txid, pledged.address));
    assert.equal(view.outpoints[0].standing, 'credited');
  });

  test('the same picture with its colours swapped is not taken for readable', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const pledged = await stage.pledge(task, 50_000);
    const page = await t.page();
    await page.goto(`${stage.url}/api/v1/tasks/${task.id}/pledges/${pledged.index}/qr.svg`);
    const picture = await page.screenshot();
    assert.ok(decodePng(picture));
    await page.evaluate(() => document.documentElement.style.setProperty('filter', 'invert(1)'));
    assert.equal(decodePng(await page.screenshot()), null);
  });

  test('an unconfirmed payment is replaced by a dearer one, then by one to somebody else', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const pledged = await stage.pledge(task, 80_000);
    const first = await stage.pay(pledged.address, 80_000);
    // What was replaced stays in the list, as vanished.
    const live = ({ outpoints }) => outpoints.filter(({ standing }) => standing !== 'vanished').map(({ outpoint }) => outpoint.split(':')[0]);
    const only = (txid) => (view) => live(view).join() === txid;
    await stage.pledgeIs(task, pledged.index, 'has the first payment', only(first));
    const second = await stage.node.bumpFee(first);
    assert.notEqual(second, first);
    await stage.pledgeIs(task, pledged.index, 'has the second in its place', only(second));
    const elsewhere = await stage.node.address();
    const third = await stage.node.replace(second, elsewhere, 80_000);
    await stage.pledgeIs(task, pledged.index, 'has nothing', (view) => live(view).length === 0);
    await stage.mine(1);
    assert.equal((await stage.node.transaction(third)).confirmations, 1);
    assert.deepEqual(live(await stage.pledgeView(task, pledged.index)), []);
  });

  test('work is submitted, voted for, accepted and paid by two signers', async (t) => {
    const { stage } = t;
    const payee = await stage.node.address();
    const task = await stage.newTask({ payees: { [payee]: 10_000 } });
    const yes = await stage.pledgePaid(task, 300_000, 'yes');
    const no = await stage.pledgePaid(task, 200_000, 'no');
    await stage.submit(task);
    await stage.vote(task, yes, 'yes');
    await stage.vote(task, no, 'no');
    await stage.accept(task);
    const settlement = await stage.propose(task, 'payout');
    for (const role of ['developer', 'representative']) await stage.coSign(task, settlement, role);
    const { forms } = (await stage.settlementView(task, settlement)).transactions[0];
    await stage.eventually('the payout reaches the mempool', () => stage.node.inMempool(forms[0].txid));
    await stage.mine(1);
    const { outputs } = await stage.node.transaction(forms[0].txid);
    assert.deepEqual(outputs.map(({ address }) => address), [payee]);
    assert.ok(outputs[0].amount_sat > 299_000 && outputs[0].amount_sat < 300_000);
    await stage.pastReview(task);
    await stage.rule(task, 0);
    const ruling = await stage.propose(task, 'ruling');
    for (const role of ['representative', 'arbiter']) await stage.coSign(task, ruling, role);
    await stage.eventually('the ruling is carried out', async () => (await stage.settlementView(task, ruling)).progress !== 'proposed');
  });

  test('time passes T, and the refund comes by itself', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const pledged = await stage.pledgePaid(task, 70_000, 'frank');
    await stage.setTime(task.T);
    assert.equal((await stage.pledgeView(task, pledged.index)).outpoints[0].ended, null);
    await stage.pastRefundTime(task);
    const view = await stage.pledgeIs(task, pledged.index, 'is refunded', ({ outpoints }) => outpoints[0].ended);
    await stage.eventually('the refund is in the mempool', () => stage.node.inMempool(view.outpoints[0].ended.txid));
    await stage.mine(1);
    const { outputs } = await stage.node.transaction(view.outpoints[0].ended.txid);
    assert.deepEqual(outputs.find(({ address }) => address === pledged.refund_address)?.amount_sat, 70_000);
  });

  test('a service behind a liar takes requests that name the liar, and the liar streams', async (t) => {
    const { stage } = t;
    const liar = await Liar.start();
    t.after(() => liar.close());
    const service = await stage.startService(`behind-${liar.port}`, { publicUrl: liar.url });
    t.after(() => stage.stopService(service));
    liar.target = service.url;
    const task = await stage.newTask({ service });
    const page = await t.page({ origins: [liar.url] });
    liar.tellInstead(/^\/problems$/, html('<p>text</p>'), { 'content-security-policy': POLICY, 'content-type': 'text/html' });
    await page.goto(`${liar.url}/problems`);
    // A write from a page of the liar's: its origin is the service's own.
    const status = await page.evaluate(async (path) => {
      const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
      return (await response.json()).code;
    }, `/api/v1/tasks/${task.id}/votes`);
    assert.equal(status, 'bad_request');
    page.guard.allow(/status of 400/);
    const heard = page.evaluate((path) => new Promise((resolve) => {
      const source = new EventSource(path);
      source.addEventListener('pledge_issued', ({ data }) => {
        source.close();
        resolve(JSON.parse(data).data.promised_sat);
      });
      document.title = 'listening';
    }), `/api/v1/tasks/${task.id}/events`);
    await page.waitForTimeout(300);
    await stage.pledge(task, 40_000);
    assert.equal(await heard, 40_000);
  });
}
