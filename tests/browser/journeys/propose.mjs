// A new task by its pages alone: drafted, mended where it was wrong, looked at, written down by an identity that was made
// there, signed by three whose keys never came near, and open.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { carrying, recordSent } from '../lib/sent.mjs';

const ROLES = ['developer', 'representative', 'arbiter'];
const XPRV = 'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi';
const WIF = 'cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA';
const PHRASE = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

/** What a proposer writes; the keys are of an account that no other task has. */
async function answers(stage, account, title) {
  const keys = {};
  for (const role of ROLES) keys[role] = await stage.signerKey(role, account);
  return {
    title,
    text: 'It reads what it wrote.\n\nOne test for each kind of file, <b>none</b> of them slow.',
    repository: 'https://example.org/reader',
    target_sat: '1 000 000',
    payee_1_address: await stage.node.address(),
    ...keys,
  };
}

async function fillIn(page, values) {
  for (const [name, value] of Object.entries(values)) await page.locator(`#${name}`).fill(value);
}

const preview = (page) => page.getByRole('button', { name: 'Show the charter' }).click();

/** The charter on the page of the check, its id computed here. */
async function shownCharter(page) {
  await page.getByRole('heading', { name: 'Check the charter' }).waitFor();
  const canonical = await page.locator('#canonical').textContent();
  const text = await page.locator('#task-text').textContent();
  const tag = createHash('sha256').update('upfront/charter').digest();
  const id = createHash('sha256').update(tag).update(tag).update(canonical).digest('hex');
  assert.equal(JSON.parse(canonical).text_hash, createHash('sha256').update(text).digest('hex'));
  return { id, charter: JSON.parse(canonical), canonical, text };
}

/** What the command line signs, as it prints it. */
const attested = (stage, id, role, account) =>
  stage.cli('charter', 'attest', '--task', id, '--role', role, '--key', stage.key(role), '--account', String(account));

async function handIn(page, { text, file }) {
  if (file) {
    await page.locator('#attestation-file').setInputFiles({ name: 'attestation.json', mimeType: 'application/json', buffer: Buffer.from(file) });
    await page.locator('#hand-in [role=status]', { hasText: 'It is not sent yet' }).waitFor();
  } else {
    await page.locator('#attestation').fill(text);
  }
  await page.locator('#hand-in').getByRole('button', { name: 'Check it, and hand it in' }).click();
}

export default function fill(test) {
  test('drafted with errors, mended, looked at, written down by a new identity, signed by three: the task opens', async (t) => {
    const { stage } = t;
    const [account, title] = [9_001, 'Read what was written'];
    const given = await answers(stage, account, title);
    const page = await t.page();
    await page.goto(`${stage.url}/`);
    await page.getByRole('link', { name: /Propose a task|New task/ }).first().click();
    await page.waitForURL('**/new');
    await axe(page);
    await screenshots(page, 'new-form');
    // Whose key it is said at once.
    await page.locator('#developer').fill(given.developer);
    const fingerprint = given.developer.slice(1, 9);
    await page.locator('#developer-told', { hasText: `Fingerprint ${fingerprint}, account ${account}` }).waitFor();

    await fillIn(page, { ...given, target_sat: 'a lot', payee_1_address: 'bcrt1qnobody', arbiter: given.developer });
    await preview(page);
    await page.locator('#wrong').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'wrong');
    const wrong = ['target_sat', 'payee_1_address'];
    for (const name of wrong) {
      assert.equal(await page.locator(`#${name}`).getAttribute('aria-invalid'), 'true', name);
      assert.ok((await page.locator(`#${name}`).getAttribute('aria-describedby')).split(' ').includes(`${name}-error`), name);
    }
    assert.equal(await page.locator('#target_sat-error').innerText(), 'Write a whole number.');
    assert.match(await page.locator('#payee_1_address-error').innerText(), /no address of regtest/);
    assert.deepEqual(await page.locator('#draft .error[id$="-error"]').evaluateAll((all) => all.map(({ id }) => id)), wrong.map((name) => `${name}-error`));
    assert.equal(await page.locator('#title').inputValue(), title, 'what was right is still there');
    await axe(page);
    await screenshots(page, 'new-wrong');
    // The list above leads to the field.
    await page.locator('#wrong').getByRole('link', { name: 'Target, sat' }).click();
    assert.equal(new URL(page.url()).hash, '#target_sat');
    await fillIn(page, { target_sat: given.target_sat, payee_1_address: given.payee_1_address });
    await preview(page);
    // One person in two seats is seen once the rest is right.
    await page.locator('#wrong').waitFor();
    assert.match(await page.locator('#arbiter-error').innerText(), /developer has the same key/);
    await fillIn(page, { arbiter: given.arbiter });
    await preview(page);

    const { id, charter, canonical, text } = await shownCharter(page);
    assert.equal(text, `# ${title}\n\n${given.text}\n`);
    assert.deepEqual([charter.target_sat, charter.payees.map(({ address }) => address)], [1_000_000, [given.payee_1_address]]);
    assert.ok((await page.locator('body').innerText()).includes('<b>none</b>'), 'the text is not shown as it is');
    await axe(page);
    await screenshots(page, 'new-check');
    const missing = await fetch(`${stage.url}/api/v1/tasks/${id}`);
    assert.equal(missing.status, 404, 'it is written down before anybody said so');

    const write = page.locator('#write-button');
    assert.equal(await write.isDisabled(), true, 'nobody has said who writes');
    await page.getByRole('button', { name: 'Make a key in this browser' }).click();
    await page.locator('#identity .hash', { hasText: /^npub1/ }).waitFor();
    await write.click();
    await page.waitForURL(`**/tasks/${id}/charter`);
    const served = await (await fetch(`${stage.url}/api/v1/tasks/${id}/charter`)).text();
    assert.equal(served, canonical, 'another charter was written down than was looked at');
    const view = () => stage.service.get(`/api/v1/tasks/${id}`);
    assert.equal((await view()).stage, 'draft');
    await axe(page);
    await screenshots(page, 'charter-unsigned');

    // Handed in wrongly: said whose and why, and not sent.
    const sent = recordSent(page);
    const byDeveloper = await attested(stage, id, 'developer', account);
    const status = page.locator('#hand-in [role=status]');
    const wrongly = [
      [{ ...byDeveloper, charter: '00'.repeat(32) }, /for another charter/],
      [{ ...byDeveloper, role: 'arbiter' }, /says arbiter, but the key that signed is the developer's/],
      [byDeveloper.signature.replace(/^.{8}/, (start) => (start === '00000000' ? '11111111' : '00000000')), /none of the three keys|signature/],
      [PHRASE, /private key or recovery words/],
    ];
    for (const [each, told] of wrongly) {
      await handIn(page, { text: typeof each === 'string' ? each : JSON.stringify(each) });
      await page.locator('#hand-in [role=status].bad', { hasText: told }).waitFor();
      await status.evaluate((line) => { line.textContent = ''; });
    }
    assert.equal(await page.locator('#attestation').inputValue(), '', 'the words are still in the field');
    assert.deepEqual(sent.filter(({ method }) => method === 'POST'), []);
    assert.deepEqual(carrying(sent, PHRASE), []);

    // As text, as a file, and as nothing but the signature.
    const seat = (role) => page.locator(`#seat-${role} .state.good`);
    await handIn(page, { text: JSON.stringify(byDeveloper) });
    await seat('developer').waitFor();
    await handIn(page, { file: JSON.stringify(await attested(stage, id, 'representative', account), null, 2) });
    await seat('representative').waitFor();
    assert.deepEqual([(await view()).stage, await page.locator('#hand-in').count()], ['draft', 1]);
    await handIn(page, { text: (await attested(stage, id, 'arbiter', account)).signature });
    await seat('arbiter').waitFor();
    await page.locator('#agreed', { hasText: 'All three have signed' }).waitFor();
    assert.equal(await page.locator('#hand-in').count(), 0);
    await stage.eventually('the task opens', async () => (await view()).stage === 'open');
    await page.goto(`${stage.url}/tasks/${id}`);
    await page.locator('#funding').getByRole('link', { name: 'Fund this' }).waitFor();
  });

  test('without JavaScript: the form is checked, the charter shown, and its files are the command line\'s', async (t) => {
    const { stage } = t;
    const given = await answers(stage, 9_002, 'Read it without scripts');
    const page = await t.page({ javaScriptEnabled: false });
    const sent = recordSent(page);
    await page.goto(`${stage.url}/new`);
    // The browser itself keeps back what is no public key.
    await fillIn(page, { ...given, arbiter: XPRV });
    await preview(page);
    assert.deepEqual(sent.filter(({ method }) => method === 'POST'), []);
    await fillIn(page, { arbiter: given.arbiter, target_sat: '-5' });
    await preview(page);
    await page.locator('#target_sat-error', { hasText: 'Write a whole number.' }).waitFor();
    await fillIn(page, { target_sat: given.target_sat });
    await preview(page);
    const { id, canonical, text } = await shownCharter(page);
    assert.equal(await page.locator('#write-down').isVisible(), false);
    // The browser that is driven runs no scripts, but lays <noscript> out as if it did.
    assert.match(await page.locator('main noscript').innerHTML(), /Without JavaScript this page cannot sign in your name/);
    await page.getByText('Take the files, and use the command line').click();
    const files = {};
    for (const name of ['charter.json', 'task.md']) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator(`a[download="${name}"]`).click()]);
      files[name] = await download.path();
    }
    assert.equal(readFileSync(files['charter.json'], 'utf8'), canonical);
    assert.equal(readFileSync(files['task.md'], 'utf8'), text);
    const { task } = await stage.cli('task', 'create', '--charter', files['charter.json'], '--text', files['task.md'], '--identity', stage.key('leader'));
    assert.equal(task, id);
    assert.deepEqual(carrying(sent, XPRV), []);
  });

  test('private keys and phrases in the form are told, taken out, and in no request', async (t) => {
    const { stage } = t;
    const given = await answers(stage, 9_003, 'Keep it to yourself');
    const page = await t.page();
    const sent = recordSent(page);
    await page.goto(`${stage.url}/new`);
    await fillIn(page, given);
    const secrets = [XPRV, `${given.arbiter.slice(0, given.arbiter.indexOf(']') + 1)}${XPRV}`, WIF, PHRASE];
    for (const name of ['developer', 'arbiter', 'payee_1_address', 'repository']) {
      for (const secret of secrets) {
        await page.locator(`#${name}`).fill(secret);
        assert.match(await page.locator(`#${name}-told`).innerText(), /sent nowhere/, name);
        assert.equal(await page.locator(`#${name}`).inputValue(), '', `${name} still holds it`);
      }
      await page.locator(`#${name}`).fill(given[name]);
    }
    // Filled in by something that tells nobody: seen when the form is sent. This one the browser takes for a public key.
    const sly = `[d34db33f/87h/1h/0h]${XPRV}pub`;
    await page.locator('#arbiter').evaluate((input, value) => { input.value = value; }, sly);
    await preview(page);
    await page.locator('#arbiter-told', { hasText: /sent nowhere/ }).waitFor();
    assert.equal(await page.locator('#arbiter').inputValue(), '');
    assert.deepEqual(sent.filter(({ method }) => method === 'POST'), []);
    await fillIn(page, { arbiter: given.arbiter });
    await preview(page);
    await shownCharter(page);
    // The record sees what is sent: the public key is in it, and none of the others.
    assert.equal(carrying(sent, given.arbiter).filter(({ method }) => method === 'POST').length, 1);
    for (const secret of secrets) assert.deepEqual(carrying(sent, secret), [], secret.slice(0, 12));
  });
}
