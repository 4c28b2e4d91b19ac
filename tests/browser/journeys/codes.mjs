// A settlement as a signer with a camera and no network has it: read code by code from pictures of the screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { joinBbqr } from '../lib/bbqr.mjs';
import { axe } from '../lib/axe.mjs';
import { decodeQr } from '../lib/qr.mjs';
import { saveFile } from '../lib/sponsor.mjs';

export default function fill(test) {
  test('the QR codes of a settlement, read from the screen in any order, are its PSBT files to the byte', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ title: 'Scan it' });
    for (const name of ['first', 'second']) await stage.pledgePaid(task, 50_000, name);
    const settlement = await stage.propose(task, 'early-return');
    const page = await t.page({ viewport: { width: 1280, height: 1000 } });
    await page.goto(`${stage.url}/tasks/${task.id}/settlements/${settlement}`);
    const rows = page.locator('#take table tbody tr');
    assert.ok(await rows.count() >= 2, 'one feerate alone');
    const read = new Set();
    // The lowest feerate and the highest.
    for (const row of [rows.first(), rows.last()]) {
      const { path } = await saveFile(page, row.locator('a[download]'));
      const link = row.getByRole('link', { name: /QR code/ });
      const total = Number(/^(\d+) QR/.exec(await link.innerText())[1]);
      assert.ok(total > 1, 'with one code, joining shows nothing');
      const details = page.locator(await link.getAttribute('href'));
      await details.locator('summary').click();
      // It runs by itself until it is stopped; then each code is shown as long as a slow hand needs.
      const count = details.getByText(/^Code \d+ of \d+$/);
      const before = await count.innerText();
      if (read.size === 0) await page.waitForFunction(([words, id]) => ![...document.querySelectorAll(`${id} p`)].some((line) => line.textContent === words), [before, await link.getAttribute('href')]);
      await details.getByRole('button', { name: 'Pause' }).click();
      if (read.size === 0) await axe(page);
      const codes = [];
      for (let seen = 0; seen < total; seen += 1) {
        const [, at] = /^Code (\d+) of/.exec(await count.innerText());
        await page.waitForFunction((id) => document.querySelector(`${id} div figure img`)?.complete, await link.getAttribute('href'));
        const code = await decodeQr(details.locator('div > figure.qr'));
        assert.equal(parseInt(code.slice(6, 8), 36), Number(at) - 1, 'the code is not the one it is called');
        codes.push(code);
        await details.getByRole('button', { name: 'Next' }).click();
      }
      const { type, bytes } = joinBbqr(codes);
      assert.equal(type, 'P');
      const file = readFileSync(path);
      assert.equal(bytes.toString('hex'), file.toString('hex'));
      assert.throws(() => joinBbqr(codes.slice(1)), /codes were seen/);
      // As a list all are there at once: what a page without scripts shows, too.
      if (read.size === 0) {
        await details.getByRole('button', { name: 'Show as a list' }).click();
        const listed = [];
        for (const figure of await details.locator('ol.frames figure').all()) {
          await figure.scrollIntoViewIfNeeded();
          await figure.locator('img').evaluate((image) => image.decode());
          listed.push(await decodeQr(figure));
        }
        assert.deepEqual([...listed].sort(), [...codes].sort());
      }
      read.add(bytes.toString('hex'));
      await details.locator('summary').click();
    }
    assert.equal(read.size, 2, 'two rows of codes say the same');
  });
}
