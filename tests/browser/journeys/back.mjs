// Coming back: the tab was closed too early, the payment was replaced, somebody paid twice. Whatever the sponsor kept, the
// end is a refund that is secured for exactly what is there.

import assert from 'node:assert/strict';
import {
  assertNoAddress, checkoutPath, openCheckout, openPledges, pledge, pledgePath, privateLink, saveFile, stateOf, untilSafe,
  untilSecured, untilState,
} from '../lib/sponsor.mjs';

const AMOUNT = 60_000;
const PASSPHRASE = 'a long walk by the sea';

/** A pledge whose tab was closed before anything was paid; `keep` is told the page before it closes. */
async function closedTooEarly(t, task, keep = async () => undefined) {
  const context = await t.context();
  const page = await context.newPage();
  const mine = await pledge(page, t.stage.url, task, AMOUNT);
  mine.kept = await keep(page);
  mine.context = context;
  await page.close();
  return mine;
}

/** Pays, and sees that nobody secures it. */
async function payAlone(stage, task, { address, index }) {
  const txid = await stage.pay(address, AMOUNT);
  const view = await stage.pledgeIs(task, index, 'is seen', ({ outpoints }) => outpoints.length > 0);
  assert.equal(view.outpoints[0].secured, false);
  return txid;
}

/** What the service holds: so many outpoints, each of them secured, and those of the file that is saved now. */
async function assertSecured(t, task, page, index, txids) {
  const { outpoints } = await t.stage.pledgeIs(task, index, 'is secured', (view) => view.outpoints.filter(({ standing }) => standing !== 'vanished').every(({ secured }) => secured));
  const present = outpoints.filter(({ standing }) => standing !== 'vanished');
  assert.deepEqual(present.map(({ outpoint }) => outpoint.split(':')[0]).sort(), [...txids].sort());
  assert.ok(present.every(({ pair_only: pairOnly }) => !pairOnly));
  const { file } = await saveFile(page, page.locator('#after-save'));
  const held = file.outpoints.map(({ outpoint }) => outpoint);
  for (const { outpoint } of present) assert.ok(held.includes(outpoint), `${outpoint} is not in the file`);
  return file;
}

/** A page in a browser that knows nothing. */
const elsewhere = (t) => t.page();

export default function fill(test) {
  test('a tab closed before the payment, by the private link on another device', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const mine = await closedTooEarly(t, task, privateLink);
    const txid = await payAlone(stage, task, mine);
    const page = await elsewhere(t);
    await page.goto(mine.kept);
    await untilSafe(page);
    // The key is not in the address bar, nor in what "back" leads to, nor in any request.
    assert.equal(page.url(), stage.url + pledgePath(task, mine.index));
    const secret = mine.kept.split('#key=')[1];
    assert.equal(secret.length, 43);
    assert.deepEqual(page.guard.requests.filter((url) => new URL(url).href.split('#')[0].includes(secret)), []);
    await assertSecured(t, task, page, mine.index, [txid]);
    await stage.mine(1);
    await untilState(page, 'credited_secured');
  });

  test('a tab closed before the payment, by the words on the checkout page', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const mine = await closedTooEarly(t, task);
    const txid = await payAlone(stage, task, mine);
    await stage.mine(1);
    const page = await elsewhere(t);
    await openCheckout(page, stage.url, task);
    await page.getByText('I have pledged before').click();
    await openPledges(page, { words: mine.file.phrase });
    await page.locator('#back-secured', { hasText: 'Nothing is left to hand in' }).waitFor();
    await assertNoAddress(page);
    await page.getByRole('link', { name: `Pledge ${mine.index}` }).click();
    await untilState(page, 'credited_secured');
    await openPledges(page, { words: mine.file.phrase });
    await untilSafe(page);
    await assertSecured(t, task, page, mine.index, [txid]);
  });

  test('a tab closed before the payment, by the recovery file', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const mine = await closedTooEarly(t, task);
    const txid = await payAlone(stage, task, mine);
    const page = await elsewhere(t);
    await page.goto(stage.url + pledgePath(task, mine.index));
    await openPledges(page, { file: { name: mine.name, mimeType: 'application/json', buffer: Buffer.from(mine.text) } });
    await untilSafe(page);
    const file = await assertSecured(t, task, page, mine.index, [txid]);
    assert.equal(file.phrase, mine.file.phrase);
  });

  test('a tab closed before the payment, by the words that this browser keeps under a passphrase; and they pledge again', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const mine = await closedTooEarly(t, task, async (page) => {
      await page.getByText('Keep the words in this browser').click();
      await page.locator('#keep-passphrase').fill(PASSPHRASE);
      await page.locator('#keep-again').fill(`${PASSPHRASE}!`);
      await page.getByRole('button', { name: 'Keep my words here' }).click();
      await page.locator('#keep-again-error:not([hidden])').waitFor();
      await page.locator('#keep-passphrase').fill(PASSPHRASE);
      await page.locator('#keep-again').fill(PASSPHRASE);
      await page.getByRole('button', { name: 'Keep my words here' }).click();
      await page.getByText('Your words are kept in this browser.').first().waitFor();
    });
    const txid = await payAlone(stage, task, mine);
    const page = await mine.context.newPage();
    await page.goto(stage.url + pledgePath(task, mine.index));
    // What is kept is locked: no word of the phrase lies there in the open.
    const kept = await page.evaluate(() => new Promise((resolve, reject) => {
      const opening = indexedDB.open('upfront');
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const asked = opening.result.transaction('words').objectStore('words').getAll();
        asked.onsuccess = () => resolve(JSON.stringify(asked.result));
      };
    }));
    assert.match(kept, /"box"/);
    for (const word of mine.file.phrase.split(' ')) assert.ok(!new RegExp(`\\b${word}\\b`).test(kept), 'a word is kept in the open');
    await openPledges(page, { passphrase: 'a short walk by the sea' });
    await page.locator('#open-kept-error:not([hidden])').waitFor();
    await openPledges(page, { passphrase: PASSPHRASE });
    await untilSafe(page);
    await assertSecured(t, task, page, mine.index, [txid]);
    // The next pledge takes the next key of the same words.
    const second = await pledge(page, stage.url, task, 20_000, { passphrase: PASSPHRASE });
    assert.equal(second.file.phrase, mine.file.phrase);
    assert.notEqual(second.file.sponsor_key, mine.file.sponsor_key);
    assert.notEqual(second.file.refund_address, mine.file.refund_address);
  });

  test('a payment replaced by a dearer one, before the eyes of the page and behind its back', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    const mine = await pledge(page, stage.url, task, AMOUNT);
    const first = await stage.pay(mine.address, AMOUNT);
    await untilSecured(page);
    const second = await stage.node.bumpFee(first);
    const outpoint = await stage.node.outpoint(second, mine.address);
    await page.locator(`#pledge-payments [data-outpoint="${outpoint}"] [data-security="secured"]`).waitFor();
    await page.locator('[data-remark="replacement"]').waitFor();
    const file = await assertSecured(t, task, page, mine.index, [second]);
    const link = await privateLink(page);
    await page.close();
    const third = await stage.node.bumpFee(second, 60);
    await stage.pledgeIs(task, mine.index, 'has the third payment', ({ outpoints }) => outpoints.some((held) => held.outpoint.startsWith(third) && !held.secured));
    const again = await elsewhere(t);
    await again.goto(link);
    await untilSafe(again);
    await assertSecured(t, task, again, mine.index, [third]);
    await stage.mine(1);
    await untilState(again, 'credited_secured');
    assert.equal(file.outpoints.length, 2);
  });

  test('a payment replaced by one to somebody else: the page says that it is gone, and takes the next', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    const mine = await pledge(page, stage.url, task, AMOUNT);
    const first = await stage.pay(mine.address, AMOUNT);
    await untilSecured(page);
    await stage.node.replace(first, await stage.node.address(), AMOUNT);
    await untilState(page, 'replaced');
    await page.locator('#address').waitFor();
    const second = await stage.pay(mine.address, AMOUNT);
    await untilSecured(page);
    await stage.mine(1);
    await untilState(page, 'credited_secured');
    await assertSecured(t, task, page, mine.index, [second]);
  });

  test('a second payment, while the page is open and after it was closed', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    const mine = await pledge(page, stage.url, task, AMOUNT);
    const txids = [await stage.pay(mine.address, AMOUNT)];
    await untilSecured(page, 1);
    txids.push(await stage.pay(mine.address, 25_000));
    await untilSecured(page, 2);
    await page.locator('[data-remark="double"]').waitFor();
    await assertSecured(t, task, page, mine.index, txids);
    await page.close();
    txids.push(await stage.pay(mine.address, 15_000));
    await stage.mine(1);
    await stage.pledgeIs(task, mine.index, 'has a third payment', ({ outpoints }) => outpoints.length === 3);
    const again = await elsewhere(t);
    await again.goto(stage.url + pledgePath(task, mine.index));
    assert.equal(await stateOf(again), 'credited_unsecured');
    await openPledges(again, { words: mine.file.phrase });
    await untilSafe(again);
    await untilSecured(again, 3);
    await assertSecured(t, task, again, mine.index, txids);
  });

  test('too little, too much and too late each have words of their own', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ cap_sat: 200_000, target_sat: 100_000 });
    const page = await t.page();
    const mine = await pledge(page, stage.url, task, AMOUNT);
    await stage.pay(mine.address, 45_000);
    await page.locator('[data-remark="under"]').waitFor();
    await untilSecured(page);
    const other = await t.page();
    const more = await pledge(other, stage.url, task, AMOUNT);
    await stage.pay(more.address, 70_000);
    await other.locator('[data-remark="over_promised"]').waitFor();
    const late = await t.page();
    const last = await pledge(late, stage.url, task, 20_000);
    await stage.mine(1);
    await untilState(page, 'credited_secured');
    await stage.setTime(task.charter.funding_close + 1);
    await stage.pay(last.address, 20_000);
    await untilSecured(late);
    await stage.mine(1);
    await untilState(late, 'late');
    await untilSecured(late);
    await late.goto(stage.url + checkoutPath(task));
    await late.getByText('No pledges now.').waitFor();
    assert.equal(await late.locator('#amount-form').isVisible(), false);
  });
}
