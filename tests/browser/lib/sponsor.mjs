// A sponsor at the pages of checkout, pledge and vote: what a person does there, by what a person sees there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { decodeQr, parsePayment } from './qr.mjs';

export const checkoutPath = (task) => `/tasks/${task.id}/pledge`;
export const pledgePath = (task, index) => `/tasks/${task.id}/pledges/${index}`;
export const votePath = (task) => `/tasks/${task.id}/vote`;

/** The state of the pledge that the page shows, as `seen`, `credited_secured`. */
export const stateOf = (page) => page.locator('#pledge-state').getAttribute('data-state');

/** Waits until the page tells one of these states. */
export async function untilState(page, ...states) {
  const any = states.map((state) => `#pledge-state[data-state="${state}"]`).join(', ');
  await page.locator(any).first().waitFor();
}

/** Waits until the page tells of so many payments whose refunds are held. */
export const untilSecured = (page, payments = 1) =>
  page.locator('#pledge-payments [data-security="secured"]').nth(payments - 1).waitFor();

/** The address on the page, as selecting it takes it. */
export const shownAddress = async (page) => (await page.locator('#address').textContent()).replaceAll(/\s/g, '');

/** No address anywhere on the page, nor a QR code, nor a link to pay. */
export async function assertNoAddress(page) {
  assert.equal(await page.locator('#address, .qr, a[href^="bitcoin:"]').count(), 0, 'an address is shown');
  assert.doesNotMatch(await page.locator('body').innerText(), /bcrt1[a-z0-9]{6}/, 'an address stands on the page');
}

/** Saves a file: its content, the name it was saved under, and where it lies. */
export async function saveFile(page, button) {
  const saved = page.waitForEvent('download');
  await button.click();
  const download = await saved;
  const path = await download.path();
  const text = readFileSync(path, 'utf8');
  return { name: download.suggestedFilename(), path, text, file: text.startsWith('{') ? JSON.parse(text) : undefined };
}

// ---- checkout

export async function openCheckout(page, base, task) {
  await page.goto(base + checkoutPath(task));
  await page.locator('#step-amount').waitFor();
}

/** Goes from the amount to the backup. */
export async function giveAmount(page, amount_sat) {
  await page.locator('#amount').fill(String(amount_sat));
  await page.locator('#amount-form button[type=submit]').click();
  await page.locator('#step-backup').waitFor();
}

/** Goes on from the choice of words and backup; `words` are some that the sponsor has already. */
export async function chooseBackup(page, kind, { words, passphrase } = {}) {
  if (words) {
    await page.locator('input[name=words][value=typed]').check();
    await page.locator('#typed-words').fill(words);
  }
  if (passphrase) {
    await page.locator('input[name=words][value=kept]').check();
    await page.locator('#kept-passphrase').fill(passphrase);
  }
  await page.locator(`input[name=backup][value=${kind}]`).check();
  await page.locator('#backup-form button[type=submit]').click();
}

/** The words that the page shows to be written down. */
export async function writeDown(page) {
  await page.locator('#words-list li').nth(11).waitFor();
  return page.locator('#words-list li').allInnerTexts();
}

/** The fields of the quiz, each with the number of the word it asks for. */
export async function quizFields(page) {
  await page.locator('#words-quiz').waitFor();
  const labels = await page.locator('#quiz-fields label').all();
  return Promise.all(labels.map(async (label) => ({
    number: Number(/^Word (\d+)$/.exec(await label.innerText())[1]),
    field: page.locator(`#${await label.getAttribute('for')}`),
  })));
}

/**
 * From the first page to the address, with the file as backup. What the page shows three times, as text, as link and as
 * picture, must be one payment.
 */
export async function pledge(page, base, task, amount_sat, { words, passphrase } = {}) {
  await openCheckout(page, base, task);
  await giveAmount(page, amount_sat);
  await chooseBackup(page, 'file', { words, passphrase });
  await page.locator('#file-save').waitFor();
  await assertNoAddress(page);
  const saved = await saveFile(page, page.locator('#file-save'));
  await page.locator('#file-done').click();
  const payment = await readPayment(page);
  assert.equal(payment.amount_sat, amount_sat);
  return { ...payment, ...saved, index: indexOf(page) };
}

/** A sponsor's pledge by the checkout, paid and secured; the page it was made on, and its file. */
export async function pledgeInBrowser(t, task, amount_sat) {
  const { stage } = t;
  const page = await t.page();
  const mine = await pledge(page, stage.url, task, amount_sat);
  await stage.pay(mine.address, amount_sat);
  await stage.mine(1);
  await untilSecured(page);
  return { page, ...mine };
}

/** Which pledge the page is about, by the address that it would be loaded from again. */
export const indexOf = (page) => Number(/\/pledges\/(\d+)$/.exec(new URL(page.url()).pathname)?.[1]);

/** The payment on the page, read from the picture and compared with text and link. */
export async function readPayment(page) {
  await page.locator('#address').waitFor();
  const payment = parsePayment(await decodeQr(page.locator('.qr')));
  assert.deepEqual(payment.parameters, ['amount'], 'the code says more than the amount');
  const link = parsePayment(await page.locator('#pay-link').getAttribute('href'));
  assert.deepEqual([link.address, link.amount_sat], [payment.address, payment.amount_sat]);
  assert.equal(await shownAddress(page), payment.address);
  return { address: payment.address, amount_sat: payment.amount_sat };
}

/** The private link of a pledge, from the page it was made on. */
export async function privateLink(page) {
  await page.getByText('The private link to this pledge').click();
  return (await page.locator('#private-link', { hasText: '#key=' }).innerText()).trim();
}

/** The words under which a page stopped, and the field it names. */
export async function stopped(page) {
  await page.locator('#stopped').waitFor();
  await assertNoAddress(page);
  return {
    words: await page.locator('#stopped-words').textContent(),
    field: await page.locator('#stopped-field').textContent(),
  };
}

// ---- coming back

/** Opens pledges by what the sponsor kept: `words` (or a link), a `file`, or the `passphrase` of words kept in the browser. */
export async function openPledges(page, { words, file, passphrase }) {
  const form = page.locator('#open-form');
  // It lies behind a summary where nothing is to be done; on a page that asks for it, it is open.
  if (!(await form.isVisible())) await page.locator('details:has(#open-form) > summary').click();
  if (words) await page.locator('#open-words').fill(words);
  if (file) await page.locator('#open-file').setInputFiles(file);
  if (passphrase) await page.locator('#open-kept').fill(passphrase);
  await form.getByRole('button', { name: 'Open my pledges' }).click();
}

/** Waits until the page says that this pledge's refund was signed in it, and that nothing is left to hand in. */
export const untilSafe = (page) => page.locator('#own-state', { hasText: 'The refund was signed here' }).waitFor();
