// The guard and the runner must fail what they are there to fail: pages that do each forbidden thing, and one that does none.

import assert from 'node:assert/strict';
import { fixture, html } from '../lib/fixture.mjs';
import { runTests } from '../lib/runner.mjs';

const script = html('<p>text</p>', '<script type="module" src="/page.js"></script>');

/** What the guard says of a page. */
async function verdict(t, files, act = async () => undefined) {
  const { url } = await fixture(t, files);
  const page = await t.page({ origins: [url], unguarded: true });
  await page.goto(`${url}/`);
  await act(page);
  await page.waitForTimeout(150);
  return page.guard.verdict();
}

const tells = (problems, pattern) =>
  assert.ok(problems.some((problem) => pattern.test(problem)), `${pattern} is not among: ${problems.join(' | ') || 'nothing'}`);

export default function fill(test) {
  test('a page without fault is let pass, and its evaluation breaks no policy', async (t) => {
    const found = await verdict(t, { '/': script, '/page.js': 'document.title = "moved";' }, async (page) => {
      assert.equal(await page.evaluate(() => document.title), 'moved');
      await page.waitForFunction(() => document.title === 'moved');
    });
    assert.deepEqual(found, []);
  });

  test('an inline script violates the policy', async (t) => {
    const found = await verdict(t, { '/': html('<p>text</p>', '<script>document.title = "moved"</script>') });
    tells(found, /^policy violation: script-src/);
    tells(found, /^console error: securitypolicyviolation: script-src/);
  });

  test('a style attribute violates the policy', async (t) => {
    tells(await verdict(t, { '/': html('<p style="color: red">text</p>') }), /^policy violation: style-src/);
  });

  test('innerHTML violates the policy', async (t) => {
    tells(await verdict(t, { '/': script, '/page.js': 'document.body.innerHTML = "<p>x</p>";' }), /require-trusted-types-for/);
  });

  test('a violation on a page that was left is remembered', async (t) => {
    const files = { '/': html('<p style="color: red">text</p><a href="/next">next</a>'), '/next': html('<p>fine</p>') };
    const found = await verdict(t, files, async (page) => {
      await page.click('a');
      await page.waitForURL('**/next');
    });
    tells(found, /^policy violation: style-src/);
  });

  test('a request to another host is told, even where the policy stops it', async (t) => {
    const other = await fixture(t, { '/picture.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>' });
    const free = { type: 'text/html', policy: "img-src *; default-src 'self'", body: html(`<img alt="" src="${other.url}/picture.svg">`) };
    tells(await verdict(t, { '/': free }), /^request to another host: http:\/\/127/);
    assert.deepEqual(other.asked, ['/picture.svg']);
    tells(await verdict(t, { '/': html(`<img alt="" src="${other.url}/picture.svg">`) }), /policy violation: img-src/);
  });

  test('a preconnect is told', async (t) => {
    tells(await verdict(t, { '/': html('<p>text</p>', '<link rel="preconnect" href="https://elsewhere.example">') }),
      /^link to another host: https:\/\/elsewhere\.example/);
  });

  test('the recorder tells whom the browser wanted to reach, also for a page that nobody watches', async (t) => {
    const open = { type: 'text/html', policy: null, body: html('<p>text</p>', '<link rel="prefetch" href="http://elsewhere.example/x">') };
    const { url } = await fixture(t, { '/': open });
    const told = [];
    const { outside } = t.stage;
    const before = outside.asked.length;
    const counts = await runTests([{ name: 'prefetch', body: async (inner) => {
      const page = await inner.page({ origins: [url], unguarded: true });
      await page.goto(`${url}/`);
      await t.stage.eventually('somebody is asked for', () => outside.asked.length > before);
    } }], { browser: t.browser, stage: t.stage, outside, say: (line) => told.push(line) });
    // It was this test's wish.
    outside.asked.length = before;
    assert.deepEqual(counts, { passed: 0, failed: 1 });
    assert.match(told.join('\n'), /the browser wanted to reach: http:\/\/elsewhere\.example\/x/);
  });

  test('an uncaught error, a rejected promise and a console error are told', async (t) => {
    tells(await verdict(t, { '/': script, '/page.js': 'throw new Error("thrown");' }), /^uncaught error: thrown/);
    tells(await verdict(t, { '/': script, '/page.js': 'Promise.reject(new Error("rejected"));' }), /^uncaught error: rejected/);
    tells(await verdict(t, { '/': script, '/page.js': 'console.error("said");' }), /^console error: said/);
  });

  test('a file that is not there, a broken server and a missing policy are told', async (t) => {
    tells(await verdict(t, { '/': script }), /^console error: Failed to load resource/);
    tells(await verdict(t, { '/': { type: 'text/html', status: 500, body: html('') } }), /^server error: 500/);
    tells(await verdict(t, { '/': { type: 'text/html', policy: null, body: html('') } }), /^no content security policy/);
  });

  test('what is allowed must happen', async (t) => {
    const { url } = await fixture(t, { '/': html('<p>fine</p>') });
    const page = await t.page({ origins: [url], unguarded: true });
    page.guard.allow(/console error/);
    await page.goto(`${url}/`);
    tells(await page.guard.verdict(), /^allowed, but it did not happen/);
  });

  test('the runner fails a test whose page broke a rule, one that throws and one that hangs, and passes one that does not', async (t) => {
    const { url } = await fixture(t, { '/': html('<p style="color: red">text</p>'), '/fine': html('<p>text</p>') });
    const visit = (path) => async (inner) => {
      const page = await inner.page({ origins: [url] });
      await page.goto(url + path);
    };
    const told = [];
    const counts = await runTests([
      { name: 'violates', body: visit('/') },
      { name: 'throws', body: async () => assert.equal(1, 2) },
      { name: 'hangs', body: () => new Promise(() => undefined) },
      { name: 'fine', body: visit('/fine') },
    ], { browser: t.browser, stage: t.stage, say: (line) => told.push(line), patience_ms: 3_000 });
    assert.deepEqual(counts, { passed: 1, failed: 3 });
    assert.match(told[0], /^FAILED {2}violates[^]*policy violation/);
    assert.match(told[1], /^FAILED {2}throws/);
    assert.match(told[2], /^FAILED {2}hangs[^]*not done after 3 s/);
    assert.match(told[3], /^ok {6}fine/);
  });
}
