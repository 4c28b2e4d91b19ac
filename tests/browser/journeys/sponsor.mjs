// A sponsor who knows nothing but how to scan a QR code: from the first visit until the refund is secured.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import {
  assertNoAddress, checkoutPath, chooseBackup, giveAmount, indexOf, openCheckout, privateLink, quizFields, readPayment, saveFile, stateOf,
  untilSecured, untilState, writeDown,
} from '../lib/sponsor.mjs';

export default function fill(test) {
  test('first visit: task, amount with its errors, file, picture, payment, credited and secured; the file recovers it', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ title: 'Read truncated files', minimum_sat: 20_000, cap_sat: 600_000, target_sat: 500_000 });
    const page = await t.page();
    await page.goto(`${stage.url}/`);
    await page.getByRole('link', { name: 'Tasks', exact: true }).click();
    // The list begins with what is funded most, and goes on over pages: whoever knows the name looks for it.
    await page.locator('input[name=q]').fill('truncated files');
    await page.locator('input[name=q]').press('Enter');
    await page.getByRole('link', { name: /Read truncated files/ }).first().click();
    await page.waitForURL(`**/tasks/${task.id}`);
    await page.locator('#funding').getByRole('link', { name: 'Fund this' }).click();
    await page.waitForURL(`**${checkoutPath(task)}`);
    await page.locator('#step-amount').waitFor();
    await screenshots(page, 'checkout-amount');

    // Errors stand at the field, and nothing goes on.
    for (const [given, words] of [
      ['', /./], ['abc', /./], ['-5', /./], ['0', /20,000/], ['19999', /20,000/], ['600001', /600,000/], ['21000000000000001', /./],
    ]) {
      await page.locator('#amount').fill(given);
      await page.locator('#amount-form button[type=submit]').click();
      await page.locator('#amount-error:not([hidden])').waitFor();
      assert.match(await page.locator('#amount-error').innerText(), words, `amount ${given}`);
      assert.equal(await page.locator('#amount').getAttribute('aria-invalid'), 'true');
      assert.equal(await page.evaluate(() => document.activeElement.id), 'amount');
      assert.equal(await page.locator('#step-backup').isVisible(), false);
      // What is typed anew takes the error away, so that the next one is seen to be new.
      await page.locator('#amount').fill('1');
      await page.locator('#amount-error').waitFor({ state: 'hidden' });
    }
    await page.locator('#amount').fill('');
    await page.locator('#amount-btc').fill('0.0025');
    assert.equal(await page.locator('#amount').inputValue(), '250000');
    await page.locator('#amount-form button[type=submit]').click();
    await page.locator('#step-backup').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'backup-title');
    await assertNoAddress(page);
    await screenshots(page, 'checkout-backup');
    await axe(page);

    await chooseBackup(page, 'file');
    await page.locator('#file-save').waitFor();
    await assertNoAddress(page);
    assert.equal(await page.locator('#file-done').isVisible(), false, 'the address is offered before the file is saved');
    const first = await saveFile(page, page.locator('#file-save'));
    await screenshots(page, 'checkout-file');
    await page.locator('#file-done').click();
    const payment = await readPayment(page);
    assert.equal(payment.amount_sat, 250_000);
    const index = indexOf(page);
    await axe(page);
    await screenshots(page, 'checkout-pay');

    // The payer knows the address from the picture, and nothing else.
    const txid = await stage.pay(payment.address, payment.amount_sat);
    await untilState(page, 'seen');
    await untilSecured(page);
    await page.locator('#address').waitFor({ state: 'hidden' });
    await stage.mine(1);
    await untilState(page, 'credited_secured');
    await screenshots(page, 'checkout-secured');
    await axe(page);
    const view = await stage.pledgeIs(task, index, 'is secured', ({ outpoints }) => outpoints[0]?.secured);
    assert.equal(view.address, payment.address);
    assert.equal(view.outpoints.length, 1);
    assert.equal(view.outpoints[0].outpoint, await stage.node.outpoint(txid, payment.address));
    assert.equal(view.outpoints[0].amount_sat, 250_000);
    assert.equal(view.outpoints[0].pair_only, false);

    // The file saved before the payment recovers it by its key; the one saved now holds the signed refund besides.
    const later = await saveFile(page, page.locator('#after-save'));
    assert.equal(later.name, first.name);
    assert.deepEqual(first.file.outpoints, []);
    assert.deepEqual(later.file.outpoints.map(({ outpoint }) => outpoint), [view.outpoints[0].outpoint]);
    for (const { text } of [first, later]) {
      const path = stage.file('recovery.json');
      writeFileSync(path, text);
      const told = await stage.recover(path);
      assert.equal(told.address, payment.address);
      assert.equal(told.refund_address, view.refund_address);
      const { outpoint, amount_sat, state, until } = told.outpoints[0];
      assert.deepEqual({ outpoint, amount_sat, state, until },
        { outpoint: view.outpoints[0].outpoint, amount_sat: 250_000, state: 'locked', until: task.T });
    }
  });

  test('the words as backup: three of them are asked for, wrong ones are told, and the address comes only then', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    await openCheckout(page, stage.url, task);
    await giveAmount(page, 40_000);
    await chooseBackup(page, 'paper');
    const words = await writeDown(page);
    assert.equal(words.length, 12);
    await assertNoAddress(page);
    await axe(page);
    await screenshots(page, 'checkout-words');
    await page.locator('#words-done').click();
    const fields = await quizFields(page);
    assert.deepEqual(fields.map(({ number }) => number), [...new Set(fields.map(({ number }) => number))].sort((a, b) => a - b));
    assert.equal(fields.length, 3);
    await screenshots(page, 'checkout-quiz');
    await axe(page);
    const confirm = page.locator('#words-quiz button[type=submit]');
    // Two right ones and a wrong one.
    for (const { number, field } of fields) await field.fill(words[number - 1]);
    const last = fields.at(-1);
    await last.field.fill(words[last.number - 1] === 'zoo' ? 'zone' : 'zoo');
    await confirm.click();
    await page.locator('#quiz-fields .error:not([hidden])').waitFor();
    assert.equal(await page.locator('#quiz-fields .error:not([hidden])').count(), 1);
    await assertNoAddress(page);
    // To look again is allowed; who comes back is asked again.
    await page.locator('#quiz-back').click();
    assert.deepEqual(await writeDown(page), words);
    await page.locator('#words-done').click();
    for (const { number, field } of await quizFields(page)) await field.fill(words[number - 1].toUpperCase());
    await confirm.click();
    const payment = await readPayment(page);
    const txid = await stage.pay(payment.address, payment.amount_sat);
    await untilSecured(page);
    await stage.mine(1);
    await untilState(page, 'credited_secured');
    // The words are those of the pledge: they, with the public charter, give the key and the refund address.
    const index = indexOf(page);
    const view = await stage.pledgeView(task, index);
    assert.equal(view.outpoints[0].outpoint, await stage.node.outpoint(txid, payment.address));
    const { file } = await saveFile(page, page.locator('#after-save'));
    assert.equal(file.phrase, words.join(' '));
    assert.equal(file.sponsor_key, view.sponsor_key);
  });

  test('by keyboard alone: nothing of the way from the amount to the secured refund needs a pointer', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    await page.goto(stage.url + checkoutPath(task));
    await page.locator('#step-amount').waitFor();
    const focus = () => page.evaluate(() => {
      const at = document.activeElement;
      return { id: at.id, name: at.name, value: at.value, text: at.textContent.trim() };
    });
    /** Tabs on until the focus is where it should be; the focus must be seen on its way. */
    const tabTo = async (what, is) => {
      for (let steps = 0; steps < 40; steps += 1) {
        if (is(await focus())) return;
        await page.keyboard.press('Tab');
        const outline = await page.evaluate(() => {
          const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
          return document.activeElement === document.body || (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
        });
        assert.ok(outline, `the focus is not seen at ${JSON.stringify(await focus())}`);
      }
      throw new Error(`no way by Tab to ${what}`);
    };
    // The first stop skips what every page has above its own.
    await page.keyboard.press('Tab');
    assert.match((await focus()).text, /Skip/);
    await page.keyboard.press('Enter');
    await tabTo('the amount', ({ id }) => id === 'amount');
    await page.keyboard.type('33000');
    await page.keyboard.press('Enter');
    await page.locator('#step-backup').waitFor();
    assert.equal((await focus()).id, 'backup-title');
    await tabTo('the choice of a backup', ({ name }) => name === 'backup');
    await page.keyboard.press('ArrowDown');
    assert.equal((await focus()).value, 'paper');
    await page.keyboard.press('ArrowUp');
    assert.equal((await focus()).value, 'file');
    await tabTo('Continue', ({ text }) => text === 'Continue');
    await page.keyboard.press('Enter');
    await page.locator('#file-save').waitFor();
    assert.equal((await focus()).id, 'file-title');
    await tabTo('the file', ({ id }) => id === 'file-save');
    const saved = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    await saved;
    await tabTo('the address', ({ id }) => id === 'file-done');
    await page.keyboard.press('Space');
    await page.locator('#address').waitFor();
    assert.equal((await focus()).id, 'pay-title');
    await tabTo('the link to a wallet', ({ id }) => id === 'pay-link');
    const payment = await readPayment(page);
    assert.equal(payment.amount_sat, 33_000);
    await stage.pay(payment.address, payment.amount_sat);
    await untilSecured(page);
    await tabTo('the file with the refund', ({ id }) => id === 'after-save');
    const again = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    await again;
    // What happened meanwhile was said aloud.
    assert.match(await page.locator('#say').textContent(), /recovery file was saved/);
  });

  test('two devices show the same pledge, and go on together', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ depth: 2 });
    const pledged = await stage.pledge(task, 90_000, 'twice');
    const url = `${stage.url}/tasks/${task.id}/pledges/${pledged.index}`;
    const pages = [await t.page(), await t.page({ viewport: { width: 360, height: 740 } })];
    for (const page of pages) await page.goto(url);
    const words = (page) => page.locator('#pledge-state').innerText();
    const agree = async (state) => {
      for (const page of pages) await untilState(page, state);
      assert.equal(await words(pages[0]), await words(pages[1]));
    };
    await agree('waiting');
    await stage.pay(pledged.address, 90_000);
    await agree('seen');
    await stage.mine(1);
    await agree('confirming');
    assert.match(await words(pages[0]), /1 of 2/);
    await stage.secure(task, pledged);
    for (const page of pages) await untilSecured(page);
    await stage.mine(1);
    await agree('credited_secured');
    for (const page of pages) assert.equal(await stateOf(page), 'credited_secured');
    const heights = await Promise.all(pages.map((page) => page.locator('#tip-height').innerText()));
    assert.deepEqual(heights, [String(await stage.node.height()), String(await stage.node.height())]);
  });

  test('an answer that is lost: the words that are shown are those of the pledge, and nobody is asked to write down others', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    let lost = 0;
    await page.route('**/api/v1/tasks/*/pledges', async (route) => {
      if (lost > 0) return route.fallback();
      // Taken by the service; its answer never arrives.
      await route.fetch();
      lost += 1;
      return route.abort('connectionreset');
    });
    page.guard.allow(/ERR_CONNECTION_RESET/);
    await openCheckout(page, stage.url, task);
    await giveAmount(page, 45_000);
    await chooseBackup(page, 'paper');
    await page.locator('#backup-error:not([hidden])').waitFor();
    assert.equal(lost, 1);
    await chooseBackup(page, 'paper');
    const words = await writeDown(page);
    await page.locator('#words-done').click();
    for (const { number, field } of await quizFields(page)) await field.fill(words[number - 1]);
    await page.locator('#words-quiz button[type=submit]').click();
    await readPayment(page);
    const { file } = await saveFile(page, page.locator('#after-save'));
    const view = await stage.pledgeView(task, indexOf(page));
    assert.equal(file.phrase, words.join(' '), 'other words than those of the pledge were written down');
    assert.equal(file.sponsor_key, view.sponsor_key);
    assert.equal((await stage.service.get(`/api/v1/tasks/${task.id}/pledges`)).items.length, 1);
  });

  test('while a pledge is being issued there is no way back to another amount', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    let answer;
    const held = new Promise((resolve) => { answer = resolve; });
    await page.route('**/api/v1/tasks/*/pledges', async (route) => {
      await held;
      return route.continue();
    });
    await openCheckout(page, stage.url, task);
    await giveAmount(page, 45_000);
    const asked = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/pledges'));
    await chooseBackup(page, 'file');
    await asked;
    const back = page.locator('#backup-form [data-back]');
    assert.equal(await back.isDisabled(), true);
    answer();
    await page.locator('#file-save').waitFor();
    assert.equal(await page.locator('#step-amount').isVisible(), false);
  });

  test('a private link pasted over the open page opens the pledge, and the key stands in the page only while it is looked at', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    await openCheckout(page, stage.url, task);
    await giveAmount(page, 45_000);
    await chooseBackup(page, 'file');
    await page.locator('#file-save').click();
    await page.locator('#file-done').click();
    await readPayment(page);
    assert.equal(await page.locator('#private-link').textContent(), '', 'the key stands in the page before anybody asked for it');
    const link = await privateLink(page);
    await page.getByText('The private link to this pledge').click();
    await page.locator('#private-link', { hasText: /^$/ }).waitFor({ state: 'attached' });
    const other = await t.page();
    await other.goto(link.split('#')[0]);
    await other.locator('#open-form').waitFor();
    await other.evaluate((hash) => { location.hash = hash; }, link.split('#')[1]);
    await other.locator('#own-title').waitFor();
    assert.equal(new URL(other.url()).hash, '');
    });

  test('a wallet of one\'s own: what it needs is loaded when it is chosen, with its hash', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    await openCheckout(page, stage.url, task);
    assert.equal(page.guard.requests.some((url) => url.endsWith('/wallet.js')), false);
    await page.locator('#amount').fill('45000');
    await page.locator('input[name=keys][value=wallet]').check();
    await page.locator('#amount-form button[type=submit]').click();
    await page.locator('#step-wallet').waitFor();
    assert.equal(page.guard.requests.filter((url) => url.endsWith('/wallet.js')).length, 1);
    // A key that has a pledge already is told, and takes no second one.
    const used = await stage.pledge(task, 50_000, 'used-key');
    const { sponsor_key: key } = await stage.pledgeView(task, used.index);
    await page.locator('#wallet-key').fill(key);
    await page.locator('#wallet-refund').fill(await stage.node.rpc('getnewaddress', '', 'bech32m'));
    await page.locator('#wallet-form button[type=submit]').click();
    await page.locator('#wallet-key-error', { hasText: `pledge ${used.index} ` }).waitFor();
    await page.locator('#wallet-key').fill('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798');
    await page.locator('#wallet-refund').fill((await stage.node.rpc('getnewaddress', '', 'bech32m')));
    await page.locator('#wallet-form button[type=submit]').click();
    await page.locator('#sign-words', { hasText: task.id }).waitFor();
  });
}
