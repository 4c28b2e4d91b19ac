// One of two milestones is paid: the sponsor pledges, votes and looks in the browser, the refunds of what stays in escrow
// are signed with the vote, and the rest stays theirs to take back. Signed by commands, and at the offline page.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { assertAskedNothing, check, giveFiles, offlinePage, signWith, takeAll } from '../lib/signer.mjs';
import { openPledges, pledgeInBrowser, pledgePath, saveFile, stateOf, untilState, votePath } from '../lib/sponsor.mjs';

const AMOUNT = 400_000;

/** A task in two parts, of which the first is paid with 60 %. */
const twoParts = (stage, options) => stage.newTask({ ...options, more: ['--milestone', '60%:50m', '--milestone', '40%'] });

const payeeOf = (task) => Object.keys(task.payees)[0];

/** Votes yes with the pledge's file; what the page says about the money. */
async function sayYes(t, task, mine) {
  const page = await t.page();
  await page.goto(t.stage.url + votePath(task));
  await openPledges(page, { file: mine.path });
  await page.locator('#vote-form').waitFor();
  await page.locator('#vote-form input[value=yes]').check();
  await page.locator('#vote-form button[type=submit]').click();
  await page.locator('#receipt-checked').waitFor();
  return page;
}

/** A satoshi amount in the words of a page. */
const amountIn = (words, pattern) => Number(pattern.exec(words)?.[1]?.replaceAll(',', ''));

/** What a signer carries away: the proof document, the refunds, and every PSBT. */
async function takeAway(page) {
  const take = async (name) => saveFile(page, page.locator(`#take a[download="${name}"]`));
  const [proof, refunds] = [await take('proof.json'), await take('prepared-refunds.json')];
  const psbts = [];
  for (const link of await page.locator('#take table a[download]').all()) psbts.push(await saveFile(page, link));
  assert.equal(psbts.length, 3, 'one PSBT for each feerate');
  const file = ({ name, path }) => ({ name, mimeType: 'application/octet-stream', buffer: readFileSync(path) });
  return { proof: file(proof), refunds: file(refunds), psbts: psbts.map(file) };
}

/** What stays of a pledge, as the service holds it. */
const leftOf = ({ outpoints }) => outpoints.find(({ generation, standing }) => generation === 1 && standing !== 'vanished');

export default function fill(test) {
  test('pledged, voted and split: part is paid, the rest stays in escrow with its refund, until the last payout', async (t) => {
    const { stage } = t;
    const task = await twoParts(stage, { title: 'Two parts' });
    const mine = await pledgeInBrowser(t, task, AMOUNT);
    const submission = await stage.submit(task, 'https://example.org/parser/pull/8', { milestone: 1 });

    const vote = await t.page();
    await vote.goto(stage.url + votePath(task));
    await vote.locator('#vote-work', { hasText: 'Milestone 1 of 2, 60 % of every pledge' }).waitFor();
    await openPledges(vote, { file: mine.path });
    await vote.locator('.signed-part', { hasText: 'milestone 1 of 2, 60 % of the whole' }).waitFor();
    assert.match(await vote.locator('#choices').innerText(), /stays in escrow: its refund is signed here together with your vote/);
    await axe(vote);
    await screenshots(vote, 'milestone-vote');
    await vote.locator('#vote-form input[value=yes]').check();
    await vote.locator('#vote-form button[type=submit]').click();
    await vote.locator('#receipt-checked').waitFor();
    const told = await vote.locator('.split').innerText();
    const [paid, stays] = [amountIn(told, /about ([\d,]+) sat may be paid now/), amountIn(told, /About ([\d,]+) sat stay in escrow/)];
    assert.ok(paid > 239_000 && paid <= 240_000 && stays > 159_000 && stays < 160_000, told);
    await axe(vote);
    await screenshots(vote, 'milestone-voted');

    // The page proposes it, in the name of a key of this browser.
    const page = await t.page();
    await page.goto(`${stage.url}/tasks/${task.id}/settlements`);
    const offer = page.locator('#offers li', { hasText: 'Pay the milestone of submission 1' });
    await offer.getByText('stays in escrow').waitFor();
    await screenshots(page, 'milestone-offer');
    await offer.getByRole('button', { name: 'Propose this' }).click();
    await page.locator('#propose-identity').getByRole('button', { name: 'Make a key in this browser' }).click();
    await page.locator('#propose-identity .hash', { hasText: /^npub1/ }).waitFor();
    await offer.getByRole('button', { name: 'Propose this' }).click();
    await page.waitForURL(/\/settlements\/[0-9a-f]{64}$/);
    const settlement = new URL(page.url()).pathname.split('/').at(-1);
    await page.getByRole('heading', { name: 'Payout of a milestone', level: 1 }).waitFor();
    await page.locator('#kept').waitFor();
    await axe(page);
    await screenshots(page, 'milestone-settlement');
    for (const role of ['developer', 'representative']) await stage.coSign(task, settlement, role);
    const { transactions } = await stage.settlementView(task, settlement);
    const { txid } = transactions[0].forms[0];
    await stage.eventually('the payout reaches the mempool', () => stage.node.inMempool(txid));
    await untilState(mine.page, 'part_paying');
    await stage.mine(1);
    await untilState(mine.page, 'part_paid_secured');
    const { outputs } = await stage.node.transaction(txid);
    assert.deepEqual(outputs.map(({ amount_sat: sat }) => sat), [paid, stays]);
    assert.equal(outputs[0].address, payeeOf(task));
    const left = leftOf(await stage.pledgeView(task, mine.index));
    assert.deepEqual([left.outpoint, left.amount_sat, left.secured, left.standing, left.uncovered], [`${txid}:1`, stays, true, 'credited', [1]]);

    // Its sponsor reads what became of each part.
    await mine.page.reload();
    await untilState(mine.page, 'part_paid_secured');
    const pledgeWords = await mine.page.locator('#pledge').innerText();
    assert.ok(pledgeWords.includes(`${stays.toLocaleString('en-US')} sat stay in escrow for milestone 2`), pledgeWords);
    assert.match(pledgeWords, /60 % of it went to those who did the work/);
    assert.doesNotMatch(pledgeWords, /payments arrived|More than you meant|ruling/);
    assert.equal(await mine.page.locator('[data-state="stays"] [data-security="secured"]').count(), 1);
    await axe(mine.page);
    await screenshots(mine.page, 'milestone-pledge');
    await page.locator('#signing-card', { hasText: 'Mined, deep enough' }).waitFor();
    await page.goto(`${stage.url}/tasks/${task.id}`);
    await page.locator('#pledges', { hasText: 'left by a payout, stays in escrow' }).waitFor();
    await page.locator('#submissions', { hasText: 'Milestone 1 of 2' }).waitFor();
    assert.match(await page.locator('#funding').innerText(), /^400,000 sat/);
    assert.equal(await page.locator('#give-more h3').count(), 0);
    await axe(page);
    await screenshots(page, 'milestone-task');
    await page.goto(`${stage.url}/tasks/${task.id}/timeline`);
    await axe(page);
    await screenshots(page, 'milestone-timeline');
    await page.goto(`${stage.url}/tasks/${task.id}/submissions/${submission}`);
    await screenshots(page, 'milestone-submission');

    // The second part pays the rest; then the task says where more may be sent.
    await stage.pastReview(task);
    await stage.submit(task, 'https://example.org/parser/pull/9', { milestone: 2 });
    const last = await sayYes(t, task, mine);
    assert.match(await last.locator('#vote-own').innerText(), /You said yes/);
    await screenshots(last, 'milestone-voted-last');
    const payout = await stage.propose(task, 'payout');
    for (const role of ['developer', 'representative']) await stage.coSign(task, payout, role);
    const form = (await stage.settlementView(task, payout)).transactions[0].forms[0];
    await stage.eventually('the rest reaches the mempool', () => stage.node.inMempool(form.txid));
    await stage.mine(1);
    await untilState(mine.page, 'paid');
    assert.deepEqual((await stage.node.transaction(form.txid)).inputs.map(({ outpoint }) => outpoint), [left.outpoint]);
    await screenshots(mine.page, 'milestone-pledge-paid');
    await page.goto(`${stage.url}/tasks/${task.id}`);
    await page.locator('#state', { hasText: 'Paid' }).waitFor();
    assert.match(await page.locator('#give-more').innerText(), new RegExp(`straight to those who did the work[^]*${payeeOf(task)}`));
    await axe(page);
    await screenshots(page, 'milestone-task-paid');
  });

  test('the offline page signs a milestone with the refunds of what stays, and refuses it without them', async (t) => {
    const { stage } = t;
    const task = await twoParts(stage, { title: 'Two parts, offline' });
    const mine = await stage.pledgePaid(task, AMOUNT, 'parted');
    const submission = await stage.submit(task, 'https://example.org/parser/pull/10', { milestone: 1 });
    await stage.vote(task, mine, 'yes');
    const settlement = await stage.propose(task, 'milestone');
    const page = await t.page();
    await page.goto(`${stage.url}/tasks/${task.id}/settlements/${settlement}`);
    const { proof, refunds, psbts } = await takeAway(page);

    // Without the refunds, and with those of another form only, nobody is asked for a key.
    const some = JSON.parse(refunds.buffer.toString());
    assert.equal(some.refunds.length, 3);
    const fewer = { ...refunds, buffer: Buffer.from(JSON.stringify({ refunds: some.refunds.slice(1) })) };
    for (const given of [[proof, ...psbts], [proof, fewer, ...psbts]]) {
      const refused = await offlinePage(t, 'sign.html');
      await giveFiles(refused, ...given);
      await refused.locator('#role').selectOption('developer');
      const words = await check(refused);
      assert.match(words, /Nothing was signed/);
      assert.match(words, /refund/i);
      assert.equal(await refused.locator('#signing').isVisible(), false);
      await screenshots(refused, 'sign-milestone-refused');
      assertAskedNothing(refused);
    }
    const signed = {};
    for (const role of ['developer', 'arbiter']) {
      const offline = await offlinePage(t, 'sign.html');
      await giveFiles(offline, proof, refunds, ...psbts);
      await offline.locator('#role').selectOption(role);
      const words = await check(offline);
      assert.match(words, /Charter and votes allow this/);
      assert.match(words, /stays in escrow[^]*refunds at T are signed and were checked for every form/);
      await axe(offline);
      await screenshots(offline, 'sign-milestone');
      await signWith(offline, await stage.words(role));
      signed[role] = await takeAll(offline, /\.signed\.psbt$/);
      assert.equal(signed[role].length, psbts.length);
      assertAskedNothing(offline);
    }
    for (const [role, told] of [['developer', 'It waits for the next signer'], ['arbiter', 'It goes to the network by itself']]) {
      await page.locator('#signed-files').setInputFiles(signed[role].map(({ name, text }) => ({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(text) })));
      await page.locator('#signed-list li').nth(psbts.length - 1).waitFor();
      await page.getByRole('button', { name: 'Hand in the signatures' }).click();
      await page.locator('#signed-status', { hasText: told }).waitFor();
    }
    const { txid } = (await stage.settlementView(task, settlement)).transactions[0].forms[0];
    await stage.eventually('the payout reaches the mempool', () => stage.node.inMempool(txid));
    await stage.mine(1);
    await page.goto(stage.url + pledgePath(task, mine.index));
    await untilState(page, 'part_paid_secured');
    assert.equal(leftOf(await stage.pledgeView(task, mine.index)).secured, true);
    assert.equal((await stage.service.get(`/api/v1/tasks/${task.id}/submissions/${submission}`)).tally.yes_sat, AMOUNT);

    // Nobody delivers the rest: from T on it is sent back by the refund that was signed before it was there.
    await stage.pastRefundTime(task);
    await untilState(page, 'refunding', 'refunded');
    await stage.mine(1);
    await untilState(page, 'refunded');
    assert.equal(await stateOf(page), 'refunded');
    const back = await stage.node.unspent(mine.refund_address);
    assert.ok(back > 158_000 && back < 160_000, `${back}`);
    await screenshots(page, 'milestone-pledge-refunded');
  });
}
