// What is decided beside votes, by pages: the leader confirms a merge, sponsors and leader give evidence, the developer disputes
// with words signed offline; and representative and leader name who did the work, whom a yes then pays.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { assertAskedNothing, check, giveFiles, offlinePage, signWith, takeAll } from '../lib/signer.mjs';
import { openPledges, votePath } from '../lib/sponsor.mjs';

/** A task whose leader is the stage's own identity, with five percent. */
async function ledTask(stage, options = {}) {
  const { public_key: leader } = await stage.cli('key', 'identity', stage.key('leader'));
  const payee = await stage.node.address();
  return stage.newTask({
    payees: { [payee]: 9_500 }, ...options,
    more: ['--leader-address', await stage.node.address(), '--leader-share-bps', '500', '--leader-key', leader, ...(options.more ?? [])],
  });
}

/** The leader's key, as somebody brings their own to a browser. */
async function beLeader(page, stage, place) {
  const { nsec } = await stage.cli('key', 'identity', stage.key('leader'), '--nsec', '--force');
  const panel = page.locator(place);
  await panel.locator('summary', { hasText: 'Use a key that I have' }).click();
  await panel.locator('#identity-nsec').fill(nsec);
  await panel.getByRole('button', { name: 'Use this key' }).click();
  await panel.getByText('You lead this project').waitFor();
}

const proofOf = async (task) => (await fetch(`${task.service.url}/api/v1/tasks/${task.id}/proof`)).text();
const workOf = (stage, task, id) => stage.service.get(`/api/v1/tasks/${task.id}/submissions/${id}`);
const sayPath = (task, submission) => `/tasks/${task.id}/submissions/${submission}/say`;
const file = (name, text) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** Signs words at the offline page, the fields filled in by `fill`; the statement's file. */
async function offline(t, task, role, action, name, fill) {
  const page = await offlinePage(t, 'sign.html');
  await page.locator(`input[name=action][value=${action}]`).check();
  await giveFiles(page, { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(await proofOf(task)) });
  await page.locator('#role').selectOption(role);
  await fill(page);
  assert.match(await check(page), /These words are signed/);
  await axe(page);
  await screenshots(page, name);
  await signWith(page, await t.stage.words(role));
  const [statement] = await takeAll(page, /\.json$/);
  assertAskedNothing(page);
  return statement;
}

/** Looks at what would be signed, and signs it. */
async function sayIt(form, words) {
  await form.getByRole('button', { name: 'See what would be signed' }).click();
  await form.locator('[data-words]', { hasText: words }).waitFor();
  await form.getByRole('button', { name: 'Sign and publish it' }).click();
  await form.locator('[role=status]', { hasText: 'Taken' }).waitFor();
}

async function handIn(page, kind, { name, text }, told) {
  const form = page.locator(`#handin-${kind}`);
  await form.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
  await form.locator('[data-shown]').waitFor();
  await form.getByRole('button', { name: 'Hand it in' }).click();
  await form.locator('[data-status]', { hasText: told }).waitFor();
}

export default function fill(test) {
  test('the leader confirms the merge on a page, and leader, sponsor and developer say what is to be known', async (t) => {
    const { stage } = t;
    const task = await ledTask(stage, { title: 'Only when merged', more: ['--vote-opens', 'merged'] });
    const mine = await stage.pledgePaid(task, 300_000, 'speaker');
    const submission = await stage.submit(task);
    const page = await t.page();
    await page.goto(`${stage.url}/desk/leader`);
    await page.locator('#due', { hasText: 'once you confirm that it is merged' }).waitFor();
    await axe(page);
    await screenshots(page, 'desk-leader');
    await page.locator(`#due a[href^="${sayPath(task, submission)}"]`).click();
    await page.waitForURL(`**${sayPath(task, submission)}#leader`);
    await page.locator('#open-words').waitFor();
    await axe(page);
    await screenshots(page, 'say');
    // Another identity is told that it is not the leader's, and sees no form.
    await page.locator('#say-leader').getByRole('button', { name: 'Make a key in this browser' }).click();
    await page.locator('#say-leader', { hasText: 'is not the leader' }).waitFor();
    assert.equal(await page.locator('#confirm').isVisible(), false);
    const remove = page.locator('#say-leader').getByRole('button', { name: 'Remove it from this browser' });
    await remove.click();
    await remove.click();
    await beLeader(page, stage, '#say-leader');
    const look = page.locator('#confirm').getByRole('button', { name: 'See what would be signed' });
    await look.click();
    await page.locator('#confirm [role=status]', { hasText: 'Tick the box first' }).waitFor();
    await page.locator('#confirm-sure').check();
    await look.click();
    const { tip } = await stage.view(task);
    await page.locator('#confirm [data-words]', { hasText: `from block ${tip.height} on` }).waitFor();
    assert.ok((await page.locator('#confirm pre').textContent()).includes(`submission: ${submission}\nconfirmed: merged\nblock height: ${tip.height}\nblock hash: ${tip.hash}\n`));
    await axe(page);
    await screenshots(page, 'say-leader');
    assert.equal((await workOf(stage, task, submission)).awaits, 'merged', 'nothing was sent so far');
    await page.getByRole('button', { name: 'Confirm that it is merged' }).click();
    await page.locator('#confirm', { hasText: 'sponsors vote from now on' }).waitFor();
    const confirmed = await workOf(stage, task, submission);
    assert.equal(confirmed.awaits, null);
    assert.equal(confirmed.confirmation.statement.confirmed, 'merged');
    assert.ok(confirmed.window.closes_secs > 0);

    // The leader's own words, with a file.
    await page.locator('#evidence-leader-text').fill('Merged as 5d41402a,\nbut the third case is missing');
    await page.locator('#evidence-leader-files').setInputFiles(file('log.txt', 'the log'));
    await page.locator('#evidence-leader-dispute').check();
    await sayIt(page.locator('#evidence-leader'), 'opens a dispute: “Merged as 5d41402a, but the third case is missing”');
    await page.locator('#evidence .card', { hasText: 'the third case is missing' }).waitFor();

    // A sponsor's, with the key of the pledge: recovery words in the text itself are refused, and stay here.
    await openPledges(page, { words: await stage.words('speaker') });
    const own = page.locator('#evidence-pledge');
    await own.waitFor();
    assert.equal(await own.locator('#evidence-pledge-dispute').count(), 0, 'a sponsor disputes by a no');
    await own.locator('textarea').fill(`My words are ${await stage.words('speaker')}`);
    const before = page.guard.requests.length;
    await own.getByRole('button', { name: 'See what would be signed' }).click();
    await own.locator('[role=status]', { hasText: 'Take them out' }).waitFor();
    assert.deepEqual(page.guard.requests.slice(before), []);
    await own.locator('textarea').fill('It fails on an empty file');
    await sayIt(own, 'It fails on an empty file');
    await page.locator('#evidence .card', { hasText: 'It fails on an empty file' }).waitFor();
    await axe(page);

    // The developer's key never comes here.
    const statement = await offline(t, task, 'developer', 'evidence', 'sign-evidence', async (signing) => {
      await signing.locator('input[name=evidence-kind][value=dispute]').check();
      await signing.locator('#evidence-text').fill('All three cases are there, see the log');
      await signing.locator('#attach').setInputFiles(file('build.log', 'all green'));
    });
    await handIn(page, 'evidence', statement, 'published with the submission');
    const { evidence, disputed } = await workOf(stage, task, submission);
    assert.equal(disputed, true);
    assert.deepEqual(evidence.map(({ statement: { by, kind, text, attachments, counter } }) => [by, kind, text, attachments, counter]), [
      ['leader', 'dispute', 'Merged as 5d41402a, but the third case is missing', [sha256('the log')], 0],
      [`pledge ${mine.index}`, 'evidence', 'It fails on an empty file', [], 0],
      ['developer', 'dispute', 'All three cases are there, see the log', [sha256('all green')], 0],
    ]);
    await page.locator('#evidence .card', { hasText: 'All three cases are there' }).waitFor();
    await screenshots(page, 'say-said');
    await page.goto(`${stage.url}/desk/arbiter/${task.id}/${submission}`);
    await page.locator('#evidence', { hasText: 'It fails on an empty file' }).waitFor();
    assert.ok(await stage.cli('verify', '--task', task.id), 'the proof document does not verify');
  });

  test('the representative names who did the work, a yes pays them; then the leader names somebody on a page', async (t) => {
    const { stage } = t;
    const task = await ledTask(stage, { title: 'Done by a stranger' });
    const mine = await stage.pledgePaid(task, 400_000, 'namer');
    const stranger = await stage.node.address();
    const link = 'https://example.org/stranger/pull/9';
    const statement = await offline(t, task, 'representative', 'submit', 'sign-submit', async (signing) => {
      await signing.locator('#link').fill(link);
      await signing.locator('#content').setInputFiles(file('patch.diff', 'the patch'));
      await signing.locator('#payees').fill(`${stranger} 95 %`);
    });
    const page = await t.page();
    await page.goto(`${stage.url}/desk/representative/${task.id}`);
    await axe(page);
    await screenshots(page, 'desk-name');
    await handIn(page, 'submission', statement, 'Taken.');
    const [work] = (await stage.view(task)).submissions;
    assert.deepEqual(work.submission.statement.named, { by: 'representative', payees: [{ address: stranger, share_bps: 9_500 }] });
    assert.equal(work.submission.statement.content, sha256('the patch'));

    await page.goto(stage.url + votePath(task));
    await openPledges(page, { words: await stage.words('namer') });
    await page.locator('.signed-payees', { hasText: stranger }).waitFor();
    await page.locator('#vote-form input[value=yes]').check();
    await page.locator('#vote-form button[type=submit]').click();
    await page.locator('#receipt-checked').waitFor();
    const settlement = await stage.propose(task, 'payout');
    for (const role of ['developer', 'representative']) await stage.coSign(task, settlement, role);
    const [{ forms }] = (await stage.settlementView(task, settlement)).transactions;
    await stage.eventually('the payout reaches the mempool', () => stage.node.inMempool(forms[0].txid));
    await stage.mine(1);
    const { outputs, inputs } = await stage.node.transaction(forms[0].txid);
    assert.ok(outputs.some(({ address, amount_sat }) => address === stranger && amount_sat > 378_000), JSON.stringify(outputs));
    assert.deepEqual(inputs.map(({ outpoint }) => outpoint), [await stage.node.outpoint(mine.txid, mine.address)]);

    // More was done, and this time the leader says by whom.
    await stage.pastReview(task);
    await page.goto(`${stage.url}/desk/leader/${task.id}`);
    await beLeader(page, stage, '#name-leader');
    const other = await stage.node.address();
    const look = page.getByRole('button', { name: 'See what would be signed' });
    const status = page.locator('#name-leader-form [role=status]');
    await page.locator('#name-link').fill('https://example.org/other/pull/10');
    await look.click();
    await status.filter({ hasText: 'Choose the file' }).waitFor();
    await page.locator('#name-content').setInputFiles(file('more.diff', 'more of it'));
    await page.locator('#name-payees').fill(`${other} 94 %`);
    await look.click();
    await status.filter({ hasText: /share/i }).waitFor();
    assert.equal((await stage.view(task)).submissions.length, 1);
    await page.locator('#name-payees').fill(`${other} 95 %`);
    await look.click();
    await page.locator('#name-leader-form pre', { hasText: 'named by: leader' }).waitFor({ state: 'attached' });
    await axe(page);
    await screenshots(page, 'desk-name-leader');
    await page.getByRole('button', { name: 'Sign and hand in' }).click();
    await page.waitForURL(/\/submissions\/[0-9a-f]{64}$/);
    await page.locator('main', { hasText: other }).waitFor();
    const named = (await stage.view(task)).submissions[1].submission.statement;
    assert.deepEqual([named.number, named.named], [1, { by: 'leader', payees: [{ address: other, share_bps: 9_500 }] }]);
    assert.ok(await stage.cli('verify', '--task', task.id), 'the proof document does not verify');
  });
}
