// After T: the refund that comes by itself, told by the page as it happens; and the one that a sponsor makes alone, with the
// offline page and what was kept, when the service is gone for good.

import assert from 'node:assert/strict';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { assertAskedNothing, offlinePage } from '../lib/signer.mjs';
import { openPledges, pledge, pledgePath, saveFile, untilSecured, untilState } from '../lib/sponsor.mjs';

/** What the node says of a transaction: `true`, or its reason. */
async function accepts(node, hex) {
  const [{ allowed, 'reject-reason': reason }] = await node.rpc('testmempoolaccept', [hex]);
  return allowed || reason;
}

const json = (name, text) => ({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
/** Every transaction that the offline page shows in a part of itself. */
const transactions = async (page, part) => (await page.locator(`${part} .rung pre`).allTextContents()).map((text) => text.trim());

let orphans = 0;
/** A sponsor whose service is gone: the pledge, what was kept of it, and the payment's bytes. */
async function orphan(t) {
  const { stage } = t;
  orphans += 1;
  const service = await stage.startService(`gone-${orphans}`);
  const task = await stage.newTask({ service });
  const page = await t.page({ origins: [service.url] });
  const mine = await pledge(page, service.url, task, 80_000);
  const txid = await stage.pay(mine.address, 80_000);
  await untilSecured(page);
  await stage.mine(1);
  await untilState(page, 'credited_secured');
  const later = await saveFile(page, page.locator('#after-save'));
  const get = async (path) => (await fetch(`${service.url}/api/v1/tasks/${task.id}${path}`)).text();
  const [charter, proof] = [await get('/charter'), await get('/proof')];
  await page.close();
  await stage.stopService(service);
  const funding = await stage.node.rpc('getrawtransaction', txid);
  return { task, mine, later, charter, proof, txid, funding };
}

export default function fill(test) {
  test('time passes T: an open page tells of the refund as it is sent and as it is mined', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ title: 'Nobody does it' });
    const page = await t.page();
    const mine = await pledge(page, stage.url, task, 70_000);
    await stage.pay(mine.address, 70_000);
    await untilSecured(page);
    await stage.mine(1);
    await untilState(page, 'credited_secured');
    const { refund_address: home } = await stage.pledgeView(task, mine.index);
    await stage.setTime(task.T);
    await stage.pledgeIs(task, mine.index, 'waits', ({ outpoints }) => outpoints[0].ended === null);
    await stage.pastRefundTime(task);
    await untilState(page, 'refunding');
    await screenshots(page, 'pledge-refunding');
    const view = await stage.pledgeView(task, mine.index);
    await stage.eventually('the refund is in the mempool', () => stage.node.inMempool(view.outpoints[0].ended.txid));
    await stage.mine(1);
    await untilState(page, 'refunded');
    await axe(page);
    await screenshots(page, 'pledge-refunded');
    const { outputs } = await stage.node.transaction(view.outpoints[0].ended.txid);
    // The operator's wallet paid the fee: all of it is back.
    assert.equal(outputs.find(({ address }) => address === home)?.amount_sat, 70_000);
    assert.equal(await stage.node.unspent(home), 70_000);
  });

  test('the service is gone: the recovery file alone gives transactions that the node takes after T', async (t) => {
    const { stage } = t;
    const { task, mine, later, txid } = await orphan(t);
    const page = await offlinePage(t, 'recover.html');
    await page.locator('#file').setInputFiles(json(later.name, later.text));
    await page.locator('#pledge').waitFor();
    assert.equal((await page.locator('#pledge-body .address').innerText()).replaceAll(/\s/g, ''), mine.address);
    const [{ outpoint, ladder }] = later.file.outpoints;
    assert.equal(outpoint, await stage.node.outpoint(txid, mine.address));
    const shown = await transactions(page, '#ready-body');
    for (const rung of ladder) assert.ok(shown.includes(rung.transaction), `the page does not show the refund at ${rung.sat_per_vb} sat/vB`);
    await axe(page);
    await screenshots(page, 'recover-ready');
    // With the key a refund of one's own wish: another feerate, another address.
    const elsewhere = await stage.node.address();
    await page.locator('#feerate').fill('7');
    await page.locator('#to').fill(elsewhere);
    await page.locator('#own-form button[type=submit]').click();
    await page.locator('#own-body .rung').waitFor();
    const [own] = await transactions(page, '#own-body');
    const now = ladder.filter(({ lock_time: lock }) => lock === task.T).map(({ transaction }) => transaction);
    assert.ok(now.length >= 2, 'no rung is due at T');
    for (const hex of [...now, own]) assert.equal(await accepts(stage.node, hex), 'non-final');
    await stage.setTime(task.T);
    assert.equal(await accepts(stage.node, own), 'non-final');
    await stage.pastRefundTime(task);
    for (const hex of [...now, own]) assert.equal(await accepts(stage.node, hex), true);
    const sent = await stage.node.rpc('sendrawtransaction', own);
    await stage.mine(1);
    const { outputs, inputs, confirmations } = await stage.node.transaction(sent);
    assert.deepEqual([confirmations, inputs.map((input) => input.outpoint), outputs.map(({ address }) => address)], [1, [outpoint], [elsewhere]]);
    assert.ok(outputs[0].amount_sat > 78_500 && outputs[0].amount_sat < 80_000, `${outputs[0].amount_sat}`);
    assertAskedNothing(page);
  });

  test('the service is gone: the words and the public charter, or the proof document, do the same', async (t) => {
    const { stage } = t;
    const { task, mine, charter, proof, txid, funding } = await orphan(t);
    const { phrase, refund_address: home } = mine.file;
    const outpoint = await stage.node.outpoint(txid, mine.address);
    const open = async (page, document, more = async () => undefined) => {
      await page.locator('input[name=have][value=words]').check();
      await page.locator('#secret').fill(phrase);
      await page.locator('#document-file').setInputFiles(document);
      await more();
      await page.getByRole('button', { name: 'Find the pledge' }).click();
      await page.locator('#pledge').waitFor();
      assert.equal((await page.locator('#pledge-body .address').innerText()).replaceAll(/\s/g, ''), mine.address);
    };
    const byCharter = await offlinePage(t, 'recover.html');
    // Without the terms the words alone are not enough, and the page says so.
    await byCharter.locator('input[name=have][value=words]').check();
    await byCharter.locator('#secret').fill(phrase);
    await byCharter.getByRole('button', { name: 'Find the pledge' }).click();
    await byCharter.locator('#open-status', { hasText: /charter/ }).waitFor();
    await open(byCharter, json('charter.json', charter), async () => {
      await byCharter.locator('#index').fill(String(mine.index));
      await byCharter.locator('#paid-address').fill(mine.address);
    });
    await byCharter.locator('#funding').fill(funding);
    await byCharter.locator('#more-sign').click();
    await byCharter.locator('#more-status.good').waitFor();
    await axe(byCharter);
    await screenshots(byCharter, 'recover-words');
    const byProof = await offlinePage(t, 'recover.html');
    await open(byProof, json('proof.json', proof));
    await byProof.getByRole('button', { name: /^Sign for / }).click();
    await byProof.locator('#more-status.good').waitFor();
    // Whatever was kept, the refunds are the same to the byte.
    const refunds = await transactions(byCharter, '#ready-body');
    assert.ok(refunds.length > 2);
    assert.deepEqual(await transactions(byProof, '#ready-body'), refunds);
    await stage.pastRefundTime(task);
    const due = [];
    for (const hex of refunds) {
      const { vin, vout, locktime } = await stage.node.rpc('decoderawtransaction', hex);
      assert.deepEqual([`${vin[0].txid}:${vin[0].vout}`, vout[0].scriptPubKey.address], [outpoint, home]);
      // The pair pays no fee: nobody relays it alone.
      if (locktime === task.T && await accepts(stage.node, hex) === true) due.push(hex);
    }
    assert.ok(due.length >= 2, 'the node takes none of the refunds');
    await stage.node.rpc('sendrawtransaction', due.at(-1));
    await stage.mine(1);
    assert.ok(await stage.node.unspent(home) > 79_000);
    for (const page of [byCharter, byProof]) assertAskedNothing(page);
  });

  test('a refund that was never signed: the page says so after T, and the key brings it home', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const first = await t.page();
    const mine = await pledge(first, stage.url, task, 50_000);
    await first.close();
    await stage.pay(mine.address, 50_000);
    await stage.mine(1);
    await stage.pastRefundTime(task);
    const page = await t.page();
    await page.goto(stage.url + pledgePath(task, mine.index));
    await untilState(page, 'refund_unsigned');
    await openPledges(page, { words: mine.file.phrase });
    await untilState(page, 'refunding');
    await stage.mine(1);
    await untilState(page, 'refunded');
    assert.ok(await stage.node.unspent(mine.file.refund_address) > 49_000);
  });
}
