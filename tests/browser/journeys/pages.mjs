// Every page: for people who see badly, in four sizes, under the policy word for word, without JavaScript, and as JSON.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { pages, STATUS } from '../lib/pages.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { fixture, html } from '../lib/fixture.mjs';
import { directives, EMBED_POLICY, POLICY } from '../lib/policy.mjs';

let made;
/** A site with something on every page: pledges that said yes, no and nothing, a submission, a payout that one has signed. */
function site(stage) {
  made ??= (async () => {
    const task = await stage.newTask({ title: 'Read every page' });
    const draft = await stage.newTask({ title: 'Not agreed to yet', attest: ['developer'] });
    const yes = await stage.pledgePaid(task, 600_000, 'ada');
    const no = await stage.pledgePaid(task, 200_000, 'bea');
    await stage.pledgePaid(task, 100_000, 'cyd');
    await stage.pay((await stage.view(task)).open_address, 50_000);
    await stage.mine(1);
    const submission = await stage.submit(task);
    await stage.vote(task, yes, 'yes');
    await stage.vote(task, no, 'no');
    await stage.accept(task);
    const settlement = await stage.propose(task, 'payout');
    await stage.coSign(task, settlement, 'developer');
    const list = await stage.service.get('/projects');
    const project = /"\/projects\/([^"/?]+)"/.exec(await (await fetch(`${stage.url}/projects`)).text())?.[1];
    assert.ok(project, JSON.stringify(list));
    const arbiter = /"\/arbiters\/([0-9a-f]{8})"/.exec(await (await fetch(`${stage.url}/tasks/${task.id}`)).text())?.[1];
    assert.ok(arbiter, 'a task leads to its arbiter');
    const text = stage.file('wish.md');
    writeFileSync(text, '# Read it to the end\n\nNo prefix of a file should be silently dropped.\n');
    const { summary: { wish } } = await stage.cli('wish', 'new', '--text', text, '--repository', task.charter.repository, '--identity', stage.key('leader'));
    return { charter: task.id, draft: draft.id, index: yes.index, submission, settlement, project, arbiter, wish };
  })();
  return made;
}

const LONG = ['api', 'problems'];

export default function fill(test) {
  for (const name of Object.keys(pages({}))) {
    const status = STATUS[name] ?? 200;
    test(`${name}: accessible in both themes, four pictures, the policy word for word, readable without JavaScript, and JSON`, async (t) => {
      const url = t.stage.url + pages(await site(t.stage))[name];
      const page = await t.page();
      if (status !== 200) page.guard.allow(new RegExp(`status of ${status}`));
      const response = await page.goto(url, { waitUntil: 'load' });
      assert.equal(response.status(), status);
      assert.match(response.headers()['content-type'], /^text\/html/);
      assert.deepEqual(directives(response.headers()['content-security-policy']), directives(name === 'embed' ? EMBED_POLICY : POLICY));
      assert.equal(await page.locator('h1').count(), 1, 'one heading tells what the page is');
      await axe(page);
      // What the dark theme may spoil are colours; long lists have those of all others.
      await page.emulateMedia({ colorScheme: 'dark' });
      if (!LONG.includes(name)) await axe(page, ['color-contrast']);
      await screenshots(page, name);
      // The same without JavaScript: a heading, and words.
      const plain = await t.page({ javaScriptEnabled: false });
      if (status !== 200) plain.guard.allow(new RegExp(`status of ${status}`));
      await plain.goto(url);
      assert.equal(await plain.locator('h1').count(), 1);
      const words = await plain.locator('main, body').first().innerText();
      assert.ok(words.length > 100, 'nothing to read without JavaScript');
      assert.doesNotMatch(words, /loading/i, 'without JavaScript something is for ever to come');
      for (const [asked, headers] of [[url, { accept: 'application/json' }], [`${url}${url.includes('?') ? '&' : '?'}format=json`, {}]]) {
        const json = await fetch(asked, { headers });
        assert.equal(json.status, status);
        assert.match(json.headers.get('content-type'), /^application\/(problem\+)?json/);
        assert.equal(typeof await json.json(), 'object');
      }
    });
  }

  test('the widget may be framed by others and leads here; no other page may', async (t) => {
    const { charter } = await site(t.stage);
    const frames = `<iframe title="a widget" src="${t.stage.url}/embed/tasks/${charter}"></iframe>` +
      `<iframe title="a page" src="${t.stage.url}/tasks/${charter}"></iframe>`;
    const { url } = await fixture(t, { '/': { type: 'text/html', body: html(frames), policy: null } });
    const page = await t.page({ origins: [url, t.stage.url] });
    page.guard.allow(/no content security policy/);
    page.guard.allow(/ERR_BLOCKED_BY_RESPONSE/);
    page.guard.allow(/frame-ancestors/);
    await page.goto(`${url}/`);
    const widget = page.frameLocator('iframe[title="a widget"]');
    assert.equal(await widget.locator('h1 a').getAttribute('href'), `${t.stage.url}/tasks/${charter}`);
    assert.equal(await page.frameLocator('iframe[title="a page"]').getByText('Read every page').count(), 0);
    const badge = await fetch(`${t.stage.url}/badge/${charter}.svg`);
    assert.match(badge.headers.get('content-type'), /^image\/svg\+xml/);
    const shield = await (await fetch(`${t.stage.url}/badge/${charter}.json`)).json();
    assert.equal(shield.schemaVersion, 1);
  });
}
