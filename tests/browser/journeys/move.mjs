// A sponsor moves a pledge to another task on its page: now, signed by two of the old task's signers, and at T by the
// sponsor alone. Whatever breaks in between, the money lies where it lay, or where it was to go, with its refund.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { openPledges, pledgeInBrowser, pledgePath, saveFile, untilState } from '../lib/sponsor.mjs';

const AMOUNT = 400_000;

const movePath = (task, index, to) => `${pledgePath(task, index)}/move${to ? `?to=${to.id}` : ''}`;
/** A task that takes pledges beyond the other one's T. */
const later = (stage, title) => stage.newTask({ title, refundIn: '8h', fundingCloseIn: '4h', workDeadlineIn: '5h' });
const satIn = (text) => Number(text.replaceAll(/\D/g, ''));
const consents = async (stage, task) => (await stage.service.get(`/api/v1/tasks/${task.id}/proof`)).moves ?? [];

/** From the page's first step to what would happen. */
async function lookAt(page, { file, to, way = 'now' }) {
  await openPledges(page, { file });
  await page.locator('#step-where').waitFor();
  if (to) await page.locator(`#where-form input[name=to][value="${to.id}"]`).check();
  await page.locator(`#where-form input[name=way][value=${way}]`).check();
  await page.locator('#where-form button[type=submit]').click();
  await page.locator('#look-checked').waitFor();
  return page.locator('#look-body').innerText();
}

/** Signs, saves the new file, and hands everything in; the file. */
async function signAndSave(page) {
  await page.locator('#look-sign').click();
  await page.locator('#file-save').waitFor();
  assert.equal(await page.locator('#file-done').isVisible(), false, 'nothing goes on before the file is saved');
  return saveFile(page, page.locator('#file-save'));
}

export default function fill(test) {
  test('two signers move a pledge as its sponsor signed in the browser, and it is as safe there', async (t) => {
    const { stage } = t;
    const from = await stage.newTask({ title: 'This round' });
    const to = await later(stage, 'The next round');
    const mine = await pledgeInBrowser(t, from, AMOUNT);

    // The task says where one can go on, and the pledge's page leads to the move.
    const page = await t.page();
    await page.goto(`${stage.url}/tasks/${from.id}`);
    await page.locator('#go-on', { hasText: 'The next round' }).waitFor();
    await axe(page);
    await screenshots(page, 'move-task');
    await page.goto(stage.url + pledgePath(from, mine.index));
    await screenshots(page, 'move-pledge');
    await page.locator('#pledge-move').getByRole('link', { name: 'Move this pledge to another task' }).click();
    await page.locator('#open-form').waitFor();
    await axe(page);
    await screenshots(page, 'move-open');
    await openPledges(page, { file: mine.path });
    await page.locator('#where-form', { hasText: 'The next round' }).waitFor();
    await axe(page);
    await screenshots(page, 'move-where');

    // What is no task is told at its field; nothing is asked for so far.
    await page.locator('#where-form input[name=to][value=""]').check();
    await page.locator('#move-to').fill('the next round');
    await page.locator('#where-form button[type=submit]').click();
    await page.locator('#move-to-error', { hasText: 'neither the id of a task' }).waitFor();
    await page.locator('#move-to').fill(`${stage.url}/tasks/${from.id}`);
    await page.locator('#where-form button[type=submit]').click();
    await page.locator('#where-error', { hasText: 'under this task already' }).waitFor();
    await page.locator('#move-to').fill(`${stage.url}/tasks/${to.id}`);
    await page.locator('#where-form button[type=submit]').click();
    await page.locator('#look-checked').waitFor();
    const words = await page.locator('#look-body').innerText();
    assert.match(words, /The next round/);
    assert.match(await page.locator('#look-money').innerText(), /Yours again\s+from [^]*here: from/);
    assert.match(await page.locator('#look-terms').innerText(), /Takes pledges until\s+here: [^]*there: /);
    const [least, most] = (await page.locator('.arrives').innerText()).split(' to ').map(satIn);
    assert.ok(least > 390_000 && least < most && most < AMOUNT, `${least} to ${most}`);
    await axe(page);
    await screenshots(page, 'move-look');
    assert.equal((await stage.view(to)).pledges.length, 0, 'looking asks for nothing');

    // Signed, and left before it is handed in: an empty pledge is all that there is.
    await page.locator('#look-sign').click();
    await page.locator('#file-save').waitFor();
    await axe(page);
    await screenshots(page, 'move-save');
    assert.deepEqual([(await stage.view(to)).pledges.length, await consents(stage, from)], [1, []]);
    await page.goto(stage.url + movePath(from, mine.index, to));
    assert.equal(await page.locator(`#where-form input[name=to][value="${to.id}"]`).isChecked(), true);
    await lookAt(page, { file: mine.path });
    const saved = await signAndSave(page);
    assert.match(saved.name, new RegExp(`^upfront-${to.id.slice(0, 12)}-1\\.recovery\\.json$`));
    assert.deepEqual([saved.file.charter_id, saved.file.index, saved.file.outpoints.length], [to.id, 1, 3]);
    assert.equal((await stage.view(to)).pledges.length, 1, 'no second pledge');

    // The line breaks before the consent: told, and once more is enough.
    let cut = 0;
    await page.route('**/moves', (route) => { cut += 1; return cut === 1 ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"code":"busy","detail":"the service is busy","status":503}' }) : route.continue(); });
    page.guard.allow(/503/);
    await page.locator('#file-done').click();
    await page.locator('#save-error', { hasText: 'Not everything was handed in; what was handed in stands' }).waitFor();
    await screenshots(page, 'move-cut');
    assert.deepEqual(await consents(stage, from), []);
    await page.locator('#file-done').click();
    await page.locator('#done-propose').waitFor();
    await axe(page);
    await screenshots(page, 'move-done');
    assert.equal(cut, 2);
    const [consent] = await consents(stage, from);
    const there = await stage.pledgeView(to, 1);
    assert.deepEqual([consent.statement.to_charter, consent.statement.to_index, consent.statement.to_address], [to.id, 1, there.address]);
    assert.equal(there.sponsor_key, (await stage.pledgeView(from, mine.index)).sponsor_key);
    await mine.page.goto(stage.url + pledgePath(from, mine.index));
    await mine.page.locator('[data-move=consented]', { hasText: 'The next round' }).waitFor();
    await screenshots(mine.page, 'move-pledge-consented');
    await page.locator('#done-there').click();
    await untilState(page, 'moving_here');
    assert.equal(await page.locator('#address, .qr, a[href^="bitcoin:"]').count(), 0, 'nobody is asked to pay besides');
    await axe(page);
    await screenshots(page, 'move-pledge-waits');
    await page.goBack();
    await page.goto(stage.url + pledgePath(from, mine.index));

    // Proposed where the page leads, signed by two, and it is there.
    await page.locator('[data-move=consented] a').click();
    const offer = page.locator('#offers li', { hasText: 'Move pledges to “The next round”' });
    await offer.getByText('moves to the other task').waitFor();
    await screenshots(page, 'move-offer');
    await offer.getByRole('button', { name: 'Propose this' }).click();
    await page.locator('#propose-identity').getByRole('button', { name: 'Make a key in this browser' }).click();
    await page.locator('#propose-identity .hash', { hasText: /^npub1/ }).waitFor();
    await offer.getByRole('button', { name: 'Propose this' }).click();
    await page.waitForURL(/\/settlements\/[0-9a-f]{64}$/);
    const settlement = new URL(page.url()).pathname.split('/').at(-1);
    for (const role of ['representative', 'developer']) await stage.coSign(from, settlement, role);
    const { txid } = (await stage.settlementView(from, settlement)).transactions[0].forms[0];
    await stage.eventually('the move reaches the mempool', () => stage.node.inMempool(txid));
    await untilState(mine.page, 'going_over');
    await stage.mine(1);
    await untilState(mine.page, 'went_over');
    await mine.page.locator('[data-move=gone]', { hasText: 'Pledge 1 there' }).waitFor();
    await screenshots(mine.page, 'move-pledge-gone');
    const { outputs } = await stage.node.transaction(txid);
    assert.deepEqual(outputs, [{ ...outputs[0], address: there.address }]);
    assert.ok(outputs[0].amount_sat >= least && outputs[0].amount_sat <= most);
    await mine.page.locator('[data-move=gone] a').click();
    await untilState(mine.page, 'credited_secured');
    await axe(mine.page);
    await screenshots(mine.page, 'move-pledge-there');
    // The file that was saved before there was anything takes it back.
    const told = await stage.recover(saved.path);
    assert.ok(JSON.stringify(told).includes(`${txid}:0`), JSON.stringify(told));

    // There is nothing left to move, and the page says so.
    await page.goto(stage.url + movePath(from, mine.index));
    await page.locator('#move-closed', { hasText: 'Nothing lies at this pledge' }).waitFor();
    await axe(page);
    await screenshots(page, 'move-nothing');
  });

  test('at T a sponsor moves alone: the service sends the ladder, and the refund there is ready', async (t) => {
    const { stage } = t;
    const from = await stage.newTask({ title: 'A pot, first year' });
    const to = await later(stage, 'A pot, second year');
    const short = await stage.newTask({ title: 'Closes before', fundingCloseIn: '40m' });
    const mine = await pledgeInBrowser(t, from, AMOUNT);
    const page = await t.page();
    await page.goto(stage.url + movePath(from, mine.index, short));
    await openPledges(page, { file: mine.path });
    await page.locator('#where-form input[name=way][value=alone]').check();
    await page.locator('#where-form button[type=submit]').click();
    await page.locator('#where-error', { hasText: 'closes before the refund time of this one' }).waitFor();
    await screenshots(page, 'move-alone-refused');
    await page.locator(`#where-form input[name=to][value="${to.id}"]`).check();
    await page.locator('#where-form button[type=submit]').click();
    await page.locator('#look-checked').waitFor();
    await axe(page);
    await screenshots(page, 'move-alone-look');
    const saved = await signAndSave(page);
    assert.ok(saved.file.outpoints.length >= 5, 'one refund for each rung');
    await page.locator('#file-done').click();
    await page.locator('#step-done', { hasText: 'Nothing more is to be done' }).waitFor();
    await axe(page);
    await screenshots(page, 'move-alone-done');
    assert.deepEqual(await consents(stage, from), [], 'signers move nothing by it');
    await mine.page.goto(stage.url + pledgePath(from, mine.index));
    await mine.page.locator('[data-move=at_refund_time]', { hasText: 'A pot, second year' }).waitFor();
    await screenshots(mine.page, 'move-alone-pledge');

    await stage.pastRefundTime(from);
    const there = await stage.pledgeIs(to, 1, 'is paid by the ladder', ({ outpoints }) => outpoints.length === 1);
    await stage.mine(1);
    const arrived = await stage.pledgeIs(to, 1, 'is credited and secured', ({ outpoints: [held] }) => held.standing === 'credited' && held.secured);
    assert.ok(saved.file.outpoints.some(({ outpoint, amount_sat: sat }) => outpoint === arrived.outpoints[0].outpoint && sat === arrived.outpoints[0].amount_sat), 'its refund is in the file');
    assert.equal(there.address, (await stage.node.transaction(arrived.outpoints[0].outpoint.slice(0, 64))).outputs[0].address);
    await mine.page.locator('[data-move=gone]', { hasText: 'Pledge 1 there' }).waitFor();
    await page.goto(stage.url + pledgePath(to, 1));
    await untilState(page, 'credited_secured');
    await screenshots(page, 'move-alone-there');
  });

  test('a service that answers with another address is stopped, and a file without a key is told what it is', async (t) => {
    const { stage } = t;
    const from = await stage.newTask({ title: 'Held fast' });
    const to = await later(stage, 'Lied about');
    const mine = await pledgeInBrowser(t, from, AMOUNT);
    const page = await t.page();
    await page.goto(stage.url + movePath(from, mine.index, to));
    const keyless = stage.file('keyless.json');
    writeFileSync(keyless, JSON.stringify({ ...mine.file, private_descriptor: null, phrase: null }));
    await openPledges(page, { file: keyless });
    await page.locator('#open-file-error', { hasText: 'holds no key' }).waitFor();
    await page.locator('#move-wallet summary').click();
    await screenshots(page, 'move-no-key');
    await page.route(`**/tasks/${to.id}/pledges`, async (route) => {
      const response = await route.fetch();
      const told = await response.json();
      return route.fulfill({ response, json: { ...told, address: mine.address } });
    });
    await page.goto(stage.url + movePath(from, mine.index, to));
    await lookAt(page, { file: mine.path });
    await page.locator('#look-sign').click();
    await page.locator('#stopped', { hasText: 'address' }).waitFor();
    assert.equal(await page.locator('#stopped-field').textContent(), 'address');
    assert.match(await page.locator('#stopped').innerText(), /No consent was handed in/);
    assert.equal(await page.locator('#move').isVisible(), false);
    await screenshots(page, 'move-stopped');
    assert.deepEqual(await consents(stage, from), []);
  });
}
