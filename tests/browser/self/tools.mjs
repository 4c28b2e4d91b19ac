// The tools that look at pages must see what is there: accessibility, QR codes, pictures, bytes, and the liar's lies.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { axe, axeFindings } from '../lib/axe.mjs';
import { fixture, html } from '../lib/fixture.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { Liar } from '../lib/proxy.mjs';
import { decodePng, decodeQr, parsePayment } from '../lib/qr.mjs';
import { weigh } from '../lib/weight.mjs';

async function open(t, files) {
  const { url } = await fixture(t, files);
  const page = await t.page({ origins: [url] });
  await page.goto(`${url}/`);
  return { page, url };
}

export default function fill(test) {
  test('axe finds a field without a name and pale text, under the policy, and nothing on a good page', async (t) => {
    const files = {
      '/': html('<input type="text"><p class="pale">text</p>', '<link rel="stylesheet" href="/page.css">'),
      '/page.css': '.pale { color: #bbb; background: #fff }',
      '/good': html('<label>Amount <input type="text"></label>'),
    };
    const { page, url } = await open(t, files);
    const findings = await axeFindings(page);
    assert.ok(findings.some((line) => line.startsWith('critical label')), findings.join('\n'));
    assert.ok(findings.some((line) => line.startsWith('serious color-contrast')), findings.join('\n'));
    await assert.rejects(axe(page), /critical label/);
    await page.goto(`${url}/good`);
    await axe(page);
  });

  test('a QR code is read from its picture, and a blank one is not', async (t) => {
    const { page } = await open(t, { '/': html('<svg width="200" height="200" role="img" aria-label="blank"></svg>') });
    await assert.rejects(decodeQr(page.locator('svg')), /no QR code/);
    assert.equal(decodePng(PNG.sync.write(new PNG({ width: 50, height: 50 }))), null);
  });

  test('payment links are taken apart as wallets do', async () => {
    assert.deepEqual(parsePayment('bitcoin:BCRT1PABC?amount=0.0012'), { address: 'bcrt1pabc', amount_sat: 120_000, parameters: ['amount'] });
    assert.equal(parsePayment('bitcoin:bcrt1pabc?amount=1').amount_sat, 100_000_000);
    assert.equal(parsePayment('bitcoin:bcrt1pabc').amount_sat, undefined);
    for (const wrong of ['BITCOIN:bcrt1pabc', 'bitcoin:bcrt1pABC', 'bitcoin:bcrt1pabc?amount=1e-3', 'bcrt1pabc']) {
      assert.throws(() => parsePayment(wrong), undefined, wrong);
    }
  });

  test('pictures are taken in four sizes and themes, and a page that is too wide is told', async (t) => {
    const files = {
      '/': html('<p>text</p>', '<link rel="stylesheet" href="/page.css">'),
      '/page.css': 'body { background: #fff } @media (prefers-color-scheme: dark) { body { background: #000 } }',
      '/wide': html('<p class="wide">text</p>', '<link rel="stylesheet" href="/wide.css">'),
      '/wide.css': '.wide { width: 900px }',
    };
    const folder = mkdtempSync(join(tmpdir(), 'pictures.'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { page, url } = await open(t, files);
    const pictures = (await screenshots(page, 'fixture', { folder })).map((path) => PNG.sync.read(readFileSync(path)));
    assert.deepEqual(pictures.map(({ width }) => width), [360, 360, 1280, 1280]);
    assert.deepEqual(pictures.map(({ data }) => data[0]), [255, 0, 255, 0]);
    await page.goto(`${url}/wide`);
    await assert.rejects(screenshots(page, 'wide', { folder }), /px wide in a window of 360 px/);
  });

  test('bytes over the wire are counted by kind, with what holds the first paint back', async (t) => {
    const files = {
      '/': html('<p>text</p>', '<link rel="stylesheet" href="/page.css"><script type="module" src="/page.js"></script>'),
      '/page.css': `/* ${'x'.repeat(5_000)} */`,
      '/page.js': `// ${'x'.repeat(9_000)}`,
    };
    const { page, url } = await open(t, files);
    const { total, kinds, files: loaded, blocking } = await weigh(page, `${url}/`);
    assert.equal(loaded.length, 3);
    assert.ok(kinds.Stylesheet > 5_000 && kinds.Stylesheet < 5_500, `${kinds.Stylesheet}`);
    assert.ok(kinds.Script > 9_000 && kinds.Script < 9_500, `${kinds.Script}`);
    assert.equal(total, kinds.Document + kinds.Stylesheet + kinds.Script);
    assert.deepEqual(blocking, [`${url}/page.css`]);
  });

  test('a script that holds the first paint back is told', async (t) => {
    const { page, url } = await open(t, { '/': html('<p>text</p>', '<script src="/page.js"></script>'), '/page.js': '1;' });
    assert.deepEqual((await weigh(page, `${url}/`)).blocking, [`${url}/page.js`]);
  });

  test('the liar passes on what it is not told to alter, and alters what it is told to', async (t) => {
    const list = '{"items": [{"key": "aa", "n": 1}, {"key": "aa", "n": 2}]}';
    const { url } = await fixture(t, { '/list.json': list, '/page': html('<p>the address aa</p>') });
    const liar = await Liar.start();
    liar.target = url;
    t.after(() => liar.close());
    const get = async (path) => (await fetch(liar.url + path)).text();
    assert.equal(await get('/list.json'), list);
    const field = liar.tellField(/^\/list/, 'items.*.key', 'bb');
    assert.deepEqual(JSON.parse(await get('/list.json')).items.map(({ key }) => key), ['bb', 'bb']);
    assert.equal(field.told, 1);
    const missing = liar.tellField(/^\/list/, 'items.*.other', 'bb');
    await get('/list.json');
    assert.equal(missing.told, 0);
    liar.repent();
    const text = liar.tellText('aa', 'bb');
    assert.match(await get('/page'), /the address bb/);
    assert.match(await get('/list.json'), /"key": "bb"/);
    assert.deepEqual(text.paths, ['/page', '/list.json']);
    liar.repent();
    assert.equal(await get('/list.json'), list);
  });
}
