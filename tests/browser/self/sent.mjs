// The record of what pages send must see a secret wherever it goes out, and the decoder of code rows what is wrong with one.

import assert from 'node:assert/strict';
import { joinBbqr } from '../lib/bbqr.mjs';
import { fixture, html } from '../lib/fixture.mjs';
import { carrying, recordSent } from '../lib/sent.mjs';

const SECRET = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

export default function fill(test) {
  test('a secret is seen in a query, a form, a body, a beacon and a header, whole or in part', async (t) => {
    const query = `/?q=${encodeURIComponent(SECRET)}`;
    const script = `const secret = ${JSON.stringify(SECRET)};
      await fetch('/?q=' + encodeURIComponent(secret));
      await fetch('/body', { method: 'POST', body: JSON.stringify({ secret }) });
      await fetch('/part', { method: 'POST', body: secret.slice(0, 40) });
      await fetch('/header', { headers: { 'x-note': secret } });
      await fetch('/nothing', { method: 'POST', body: 'legal winner' });
      navigator.sendBeacon('/beacon', secret);
      document.querySelector('form').submit();`;
    const { url } = await fixture(t, {
      '/': html(`<form method="post" action="/form"><label>Words <input name="words" value="${SECRET}"></label></form>`, '<script type="module" src="/page.js"></script>'),
      '/page.js': script,
      '/form': html('<p>Thanks</p>'),
      [query]: 'ok', '/body': 'ok', '/part': 'ok', '/header': 'ok', '/nothing': 'ok', '/beacon': 'ok',
    });
    const page = await t.page({ origins: [url] });
    const sent = recordSent(page);
    await page.goto(`${url}/`);
    await page.waitForURL('**/form');
    const caught = carrying(sent, SECRET).map((request) => request.url.slice(url.length).split('?')[0]).sort();
    assert.deepEqual(caught, ['/', '/beacon', '/body', '/form', '/header', '/part']);
  });

  test('a row of codes is joined in any order, and one that is missing, foreign or bent is told', () => {
    const row = ['B$2P0200MZXW6YTBOI', 'B$2P0201MZXW6YTBOI'];
    for (const codes of [row, [...row].reverse(), [...row, row[0]]]) {
      assert.deepEqual(joinBbqr(codes), { type: 'P', bytes: Buffer.from('foobarfoobar') });
    }
    assert.equal(joinBbqr(['B$HP0100666f6f']).bytes.toString(), 'foo');
    for (const [codes, told] of [
      [[], /0 of/], [row.slice(1), /1 of 2/], [[row[0], 'B$2T0201MZXW6YTBOI'], /two rows/], [[row[0], 'B$2P0202MZXW6YTBOI'], /no place/],
      [[...row, 'B$2P0201MZXW6YTBOA'], /no place/], [['B$2P0100MZXW6YTBO1'], /no base32/], [['hello'], /no BBQr/], [['B$ZP0100MZXW6YTBOI'], /./],
    ]) assert.throws(() => joinBbqr(codes), told, codes.join(' '));
  });
}
