// Developer, representative and arbiter at the offline page, each in a browser of their own, opened from the disk with the
// network off. What they sign comes back by the served pages, and the chain confirms it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { axe } from '../lib/axe.mjs';
import { fixture } from '../lib/fixture.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { assertAskedNothing, check, giveFiles, offlinePage, signWith, takeAll } from '../lib/signer.mjs';
import { saveFile, untilState } from '../lib/sponsor.mjs';
import { ROOT } from '../stage.mjs';

/** A task that was paid by a yes and a no, with work that waits for judgement. */
async function workDone(stage, options) {
  const payee = await stage.node.address();
  const task = await stage.newTask({ payees: { [payee]: 10_000 }, ...options });
  const yes = await stage.pledgePaid(task, 300_000, 'yes');
  const no = await stage.pledgePaid(task, 200_000, 'no');
  const submission = await stage.submit(task);
  await stage.vote(task, yes, 'yes');
  await stage.vote(task, no, 'no');
  return { task, payee, yes, no, submission };
}

const settlementPath = (task, settlement) => `/tasks/${task.id}/settlements/${settlement}`;
const asFile = ({ name, text }) => ({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(text) });

/** What a signer carries away from the settlement's page: the proof document and every PSBT. */
async function takeAway(page) {
  const files = [];
  for (const link of [page.locator('#take a[download="proof.json"]'), ...await page.locator('#take table a[download]').all()]) {
    files.push(await saveFile(page, link));
  }
  assert.ok(files.length >= 2, 'nothing to take away');
  return files;
}

/** Signs a settlement offline; the signed files. */
async function signSettlement(t, task, role, files, look = async () => undefined) {
  const page = await offlinePage(t, 'sign.html');
  await giveFiles(page, ...files.map(({ name, path }) => ({ name, mimeType: 'application/octet-stream', buffer: readFileSync(path) })));
  await page.locator('#role').selectOption(role);
  const words = await check(page);
  assert.match(words, /Charter and votes allow this/);
  await look(page, words);
  await signWith(page, await t.stage.words(role));
  const signed = await takeAll(page, /\.signed\.psbt$/);
  assert.equal(signed.length, files.length - 1);
  assertAskedNothing(page);
  return signed;
}

/** Says a word offline; the statement's file. */
async function sayOffline(t, role, action, proof, choose) {
  const page = await offlinePage(t, 'sign.html');
  await page.locator(`input[name=action][value=${action}]`).check();
  await giveFiles(page, { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(proof) });
  await choose(page);
  const words = await check(page);
  assert.match(words, /These words are signed/);
  await axe(page);
  await screenshots(page, `sign-${action}`);
  await signWith(page, await t.stage.words(role));
  const [statement] = await takeAll(page, /\.json$/);
  assertAskedNothing(page);
  return { statement, words };
}

/** Hands signed PSBTs in on the settlement's page, as files. */
async function bring(page, files, told) {
  await page.locator('#signed-files').setInputFiles(files.map(asFile));
  await page.locator('#signed-list li').nth(files.length - 1).waitFor();
  await page.getByRole('button', { name: 'Hand in the signatures' }).click();
  await page.locator('#signed-status', { hasText: told }).waitFor();
}

const proofOf = async (task) => (await fetch(`${task.service.url}/api/v1/tasks/${task.id}/proof`)).text();

/** Hands a statement in on a desk, by file. */
async function handIn(page, statement, told) {
  const form = page.locator('form.handin');
  await form.locator('input[type=file]').setInputFiles(asFile(statement));
  await form.locator('[data-shown]').waitFor();
  await form.getByRole('button', { name: 'Hand it in' }).click();
  await form.locator('[data-status]', { hasText: told }).waitFor();
}

export default function fill(test) {
  test('the offline files that the service gives away are those of the release', async (t) => {
    const published = Object.fromEntries(readFileSync(join(ROOT, 'src/web/static/SHA256SUMS'), 'utf8').trim().split('\n')
      .map((line) => line.split(/\s+/).reverse()));
    for (const name of ['sign.html', 'recover.html']) {
      const response = await fetch(`${t.stage.url}/${name}`);
      assert.equal(response.status, 200, name);
      const hash = createHash('sha256').update(Buffer.from(await response.arrayBuffer())).digest('hex');
      assert.equal(hash, published[name], name);
      // It is a file to keep, never a page to be opened in place.
      assert.match(response.headers.get('content-disposition') ?? '', /^attachment/, name);
    }
  });

  test('a copy of the signing page that came from a server shows files and takes no key', async (t) => {
    const { stage } = t;
    const { task } = await workDone(stage);
    const { url } = await fixture(t, { '/': { type: 'text/html', body: readFileSync(join(ROOT, 'src/web/static/sign.html'), 'utf8'), policy: null } });
    const page = await t.page({ origins: [url], unguarded: true });
    await page.goto(`${url}/`);
    await page.locator('#served').waitFor();
    await page.locator('input[name=action][value=accept]').check();
    await giveFiles(page, { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(await proofOf(task)) });
    await page.locator('input[name=accepted][value=yes]').check();
    assert.match(await check(page), /These words are signed/);
    assert.equal(await page.locator('#signing').isVisible(), false);
    assert.equal(await page.locator('#phrase').isVisible(), false);
  });

  test('a payout: checked and signed offline by two, brought back on its page, and mined', async (t) => {
    const { stage } = t;
    const { task, payee, yes, no } = await workDone(stage, { title: 'Pay for it' });
    await stage.accept(task);
    const settlement = await stage.propose(task, 'payout');
    const page = await t.page();
    await page.goto(stage.url + settlementPath(task, settlement));
    const files = await takeAway(page);
    await axe(page);
    const byDeveloper = await signSettlement(t, task, 'developer', files, async (offline, words) => {
      assert.ok(words.includes(payee.slice(-6)) || words.replaceAll(/\s/g, '').includes(payee), 'the payee is not shown');
      await axe(offline);
      await screenshots(offline, 'sign-settle');
    });
    await bring(page, byDeveloper, 'It waits for the next signer');
    await page.locator('#signing-card', { hasText: '1 of 2 signed' }).waitFor();
    await screenshots(page, 'settlement-half');
    // The same again is no second signature.
    await page.locator('#signed-files').setInputFiles(byDeveloper.map(asFile));
    await page.getByRole('button', { name: 'Hand in the signatures' }).click();
    await page.locator('#signed-status:not(:empty)').waitFor();
    assert.deepEqual((await stage.settlementView(task, settlement)).transactions[0].forms.map(({ signed_by: by }) => by), byDeveloper.map(() => ['developer']));
    const byRepresentative = await signSettlement(t, task, 'representative', files);
    await bring(page, byRepresentative, 'It goes to the network by itself');
    const { forms } = (await stage.settlementView(task, settlement)).transactions[0];
    await stage.eventually('the payout reaches the mempool', () => stage.node.inMempool(forms[0].txid));
    await stage.mine(1);
    const { outputs, inputs, confirmations } = await stage.node.transaction(forms[0].txid);
    assert.equal(confirmations, 1);
    assert.deepEqual(outputs.map(({ address }) => address), [payee]);
    assert.deepEqual(inputs.map(({ outpoint }) => outpoint), [await stage.node.outpoint(yes.txid, yes.address)]);
    assert.ok(outputs[0].amount_sat > 299_000 && outputs[0].amount_sat < 300_000, `${outputs[0].amount_sat}`);
    await page.locator('#signing-card', { hasText: 'Mined, deep enough' }).waitFor();
    await screenshots(page, 'settlement-paid');
    await axe(page);
    // Each sponsor sees what became of their own money.
    await page.goto(`${stage.url}/tasks/${task.id}/pledges/${yes.index}`);
    await untilState(page, 'paid');
    await page.goto(`${stage.url}/tasks/${task.id}/pledges/${no.index}`);
    await untilState(page, 'credited_secured');
  });

  test('what charter and votes do not allow is refused offline, and a wrong key signs nothing', async (t) => {
    const { stage } = t;
    const { task } = await workDone(stage);
    await stage.accept(task);
    const settlement = await stage.propose(task, 'payout');
    const page = await t.page();
    await page.goto(stage.url + settlementPath(task, settlement));
    const files = await takeAway(page);
    const offline = await offlinePage(t, 'sign.html');
    // A document of which one letter was changed: a vote's choice.
    const proof = readFileSync(files[0].path, 'utf8');
    const bent = proof.replace('"choice":"no"', '"choice":"yes"');
    assert.notEqual(bent, proof);
    const psbts = files.slice(1).map(({ name, path }) => ({ name, mimeType: 'application/octet-stream', buffer: readFileSync(path) }));
    await giveFiles(offline, { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(bent) }, ...psbts);
    await offline.locator('#role').selectOption('developer');
    assert.match(await check(offline), /Nothing was signed/);
    assert.equal(await offline.locator('#signing').isVisible(), false);
    // The true one, and the words of somebody else.
    const again = await offlinePage(t, 'sign.html');
    await giveFiles(again, { name: 'proof.json', mimeType: 'application/json', buffer: Buffer.from(proof) }, ...psbts);
    await again.locator('#role').selectOption('developer');
    await check(again);
    await again.locator('#phrase').fill(await stage.words('arbiter'));
    await again.locator('#confirmed').check();
    await again.locator('#sign').click();
    await again.locator('#sign-status', { hasText: /key|account|seat/i }).waitFor();
    assert.equal(await again.locator('#result').isVisible(), false);
    for (const each of [offline, again]) assertAskedNothing(each);
    // A phrase that strays among the files is told, and not sent: the page of the settlement takes PSBTs only.
    await page.locator('#signed-text').fill(await stage.words('developer'));
    const before = page.guard.requests.length;
    await page.getByRole('button', { name: 'Hand in the signatures' }).click();
    await page.locator('#signed-status', { hasText: /./ }).waitFor();
    assert.deepEqual(page.guard.requests.slice(before).filter((url) => url.endsWith('/signatures')), []);
  });

  test('the representative\'s acceptance and the arbiter\'s ruling: said offline, handed in at the desks, and the return is mined', async (t) => {
    const { stage } = t;
    const { task, no, submission } = await workDone(stage, { title: 'Judge it' });
    const accepted = await sayOffline(t, 'representative', 'accept', await proofOf(task), (page) => page.locator('input[name=accepted][value=yes]').check());
    const page = await t.page();
    await page.goto(`${stage.url}/desk/representative/${task.id}/${submission}`);
    await handIn(page, accepted.statement, 'It is said, and counts');
    const view = () => stage.service.get(`/api/v1/tasks/${task.id}/submissions/${submission}`);
    assert.equal((await view()).acceptance.statement.accepted, true);

    await stage.pastReview(task);
    const ruled = await sayOffline(t, 'arbiter', 'rule', await proofOf(task), async (offline) => {
      await offline.locator('#bps').fill('0');
      await offline.locator('#bps-words', { hasText: /100(\.00)? % returns/ }).waitFor();
    });
    await page.goto(`${stage.url}/desk/arbiter/${task.id}/${submission}`);
    await axe(page);
    await screenshots(page, 'desk-case-arbiter');
    await handIn(page, ruled.statement, 'can be proposed now');
    assert.equal((await view()).ruling.statement.pay_bps, 0);

    const settlement = await stage.propose(task, 'ruling');
    await page.goto(stage.url + settlementPath(task, settlement));
    const files = await takeAway(page);
    await bring(page, await signSettlement(t, task, 'arbiter', files), 'It waits for the next signer');
    await bring(page, await signSettlement(t, task, 'representative', files), 'It goes to the network by itself');
    const transactions = (await stage.settlementView(task, settlement)).transactions;
    for (const { forms } of transactions) await stage.eventually('the return reaches the mempool', () => stage.node.inMempool(forms[0].txid));
    await stage.mine(1);
    const { outputs, confirmations } = await stage.node.transaction(transactions[0].forms[0].txid);
    assert.equal(confirmations, 1);
    const back = outputs.find(({ address }) => address === no.refund_address);
    assert.ok(back && back.amount_sat > 199_000, JSON.stringify(outputs));
    await page.goto(`${stage.url}/tasks/${task.id}/pledges/${no.index}`);
    await untilState(page, 'returned');
  });
}
