// What pages cost: bytes over the wire are held to their limits; times depend on the machine and are only told.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chooseBackup, giveAmount, openCheckout } from '../lib/sponsor.mjs';
import { weigh } from '../lib/weight.mjs';
import { ROOT } from '../stage.mjs';

const CHECKOUT_BYTES = 75_000;
const TASK_PAGE_BYTES = 40_000;
const figure = (name, value) => console.log(`figure  ${name}: ${value}`);
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

/** Remembers how long the page's own work took after each answer of the service: what runs before the browser's next turn. */
function timeAnswers() {
  globalThis.answers = [];
  const ask = globalThis.fetch;
  globalThis.fetch = async (...given) => {
    const response = await ask(...given);
    for (const read of ['text', 'json', 'arrayBuffer']) {
      const original = response[read].bind(response);
      response[read] = async () => {
        const body = await original();
        const since = performance.now();
        setTimeout(() => globalThis.answers.push({ path: new URL(response.url).pathname, ms: performance.now() - since }), 0);
        return body;
      };
    }
    return response;
  };
}

export default function fill(test) {
  test('the checkout bundle is at most 75 kB gzipped', async () => {
    const bytes = gzipSync(readFileSync(join(ROOT, 'src/web/static/checkout.js')), { level: 9 }).length;
    figure('checkout bundle, gzipped', kilobytes(bytes));
    assert.ok(bytes <= CHECKOUT_BYTES, `${bytes} B`);
  });

  test('a task page is at most 40 kB over the wire, and first paint needs the page and one stylesheet', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ title: 'Weigh it' });
    for (const name of ['ada', 'bea', 'cyd']) await stage.pledgePaid(task, 50_000, name);
    await stage.submit(task);
    for (const [name, path, limit] of [
      ['task page', `/tasks/${task.id}`, TASK_PAGE_BYTES],
      ['checkout page', `/tasks/${task.id}/pledge`, Infinity], ['pledge page', `/tasks/${task.id}/pledges/1`, Infinity],
      ['vote page', `/tasks/${task.id}/vote`, Infinity], ['front page', '/', Infinity],
    ]) {
      const page = await t.page();
      const { total, kinds, files, blocking } = await weigh(page, stage.url + path);
      figure(`${name}, over the wire`, `${kilobytes(total)} (${Object.entries(kinds).map(([kind, bytes]) => `${kind.toLowerCase()} ${kilobytes(bytes)}`).join(', ')})`);
      assert.ok(total <= limit, `${name}: ${total} B`);
      const styles = files.filter(({ type }) => type === 'Stylesheet').map(({ url }) => url);
      assert.equal(styles.length, 1, styles.join(' '));
      assert.deepEqual(blocking, styles, `${name}: what holds the first paint back`);
      await page.close();
    }
  });

  test('what a sponsor waits for in the browser: told, not judged', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const page = await t.page();
    await page.addInitScript(timeAnswers);
    await openCheckout(page, stage.url, task);
    await giveAmount(page, 30_000);
    await chooseBackup(page, 'file');
    await page.locator('#file-save').waitFor();
    const answers = await page.evaluate(() => globalThis.answers);
    const longest = (pattern) => Math.max(...answers.filter(({ path }) => pattern.test(path)).map(({ ms }) => ms));
    const [first, address] = [longest(/\/tasks\/[0-9a-f]{64}(\/charter)?$/), longest(/\/pledges$/)];
    assert.ok(Number.isFinite(first) && Number.isFinite(address), JSON.stringify(answers));
    figure('charter, three attestations and aggregate key checked, first of a page', `${first.toFixed(0)} ms`);
    figure('address of a pledge derived and compared', `${address.toFixed(0)} ms`);
    const [paint] = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint').map(({ startTime }) => startTime));
    figure('first contentful paint of the checkout page', `${paint.toFixed(0)} ms`);
  });
}
