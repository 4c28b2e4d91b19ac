// From a wish to "fund it now", by pages and a key made in the browser; offers and the leader's word come by the command line.

import assert from 'node:assert/strict';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';

const REPOSITORY = 'https://example.org/wished';
const WISH = '# Keep comments\n\nThe writer drops them, <b>all</b> of them.';

/** A key of this browser, as an identity. */
async function identity(page) {
  await page.getByRole('button', { name: 'Make a key in this browser' }).click();
  await page.locator('#identity .hash', { hasText: /^npub1/ }).waitFor();
}

export default function fill(test) {
  test('wished, liked, promised, led, chartered: whoever promised is led to fund it', async (t) => {
    const { stage } = t;
    const page = await t.page();
    await page.goto(`${stage.url}/wishes`);
    await page.getByRole('link', { name: 'Make a wish' }).click();
    await page.waitForURL('**/wishes/new');
    await page.locator('#wish-new').waitFor();
    await axe(page);
    await screenshots(page, 'wish-new');
    const publish = page.getByRole('button', { name: 'Sign and publish the wish' });
    assert.equal(await publish.isDisabled(), true, 'nobody has said who wishes');
    await identity(page);
    await page.locator('#wish-repository').fill(REPOSITORY);
    await page.locator('#wish-link').fill('https://example.org/wished/issues/4');
    await page.locator('#wish-text').fill(WISH);
    await publish.click();
    await page.waitForURL(/\/wishes\/[0-9a-f]{64}$/);
    const id = new URL(page.url()).pathname.split('/').at(-1);
    const view = () => stage.service.get(`/api/v1/wishes/${id}`);
    assert.equal((await view()).text, WISH);
    await page.getByRole('heading', { name: 'Keep comments', level: 1 }).waitFor();

    await page.getByRole('button', { name: 'Like it', exact: true }).click();
    await page.locator('#own', { hasText: 'You like this.' }).waitFor();
    await page.locator('#promise-sat').fill('50,000');
    await page.locator('#promise').getByRole('button', { name: 'Promise' }).click();
    await page.locator('#own', { hasText: 'You like this and promised 50,000 sat.' }).waitFor();
    await page.locator('#promise-sat').fill('a lot');
    await page.locator('#promise').getByRole('button', { name: 'Promise' }).click();
    await page.locator('#speak-status', { hasText: 'whole number of satoshis' }).waitFor();
    await page.getByRole('button', { name: 'Like it no longer' }).click();
    await page.locator('#own', { hasText: /^You promised 50,000 sat\.$/ }).waitFor();
    let { summary, words } = await view();
    assert.deepEqual([summary.likes, summary.promised_sat, words], [0, 50_000, 3]);
    await axe(page);
    await screenshots(page, 'wish');

    await page.locator('summary', { hasText: 'Offer to do it' }).click();
    await page.locator('#offer-what').selectOption('representative accept');
    await page.getByRole('button', { name: 'Say so', exact: true }).click();
    await page.locator('#said ~ .timeline', { hasText: 'offers to represent the sponsors' }).waitFor();
    await page.locator('summary', { hasText: 'Offer to do it' }).click();
    await page.locator('#offer-what').selectOption('developer reserve 7');
    await page.getByRole('button', { name: 'Say so', exact: true }).click();
    await page.locator('#said ~ .timeline', { hasText: 'reserves it until' }).waitFor();
    ({ summary } = await view());
    assert.equal(summary.reservation.by, summary.by);
    await page.locator('summary', { hasText: 'Offer to do it' }).click();
    await page.locator('#offer-what').selectOption('developer release');
    await page.getByRole('button', { name: 'Say so', exact: true }).click();
    await page.locator('#said ~ .timeline', { hasText: 'ends the reservation' }).waitFor();
    assert.equal(await page.locator('#lead').isVisible(), false, 'nobody leads the project yet');

    const me = ['--identity', stage.key('leader')];
    await stage.cli('wish', 'offer', id, '--as', 'developer', 'reserve', '--until', '1h', ...me);
    await stage.cli('project', 'claim', REPOSITORY, '--name', 'Wished', '--description', 'Writes what it read', '--licence', 'MIT', ...me);
    await stage.cli('wish', 'lead', id, 'accept', '--place', '1', ...me);
    const task = await stage.newTask({ title: 'Keep comments', repository: REPOSITORY, more: ['--task-id', id] });
    await page.reload();
    await page.locator('#own', { hasText: 'It can be funded now' }).waitFor();
    for (const words of ['Accepted by the project', 'until', 'Its text is not the wish']) {
      assert.ok((await page.locator('main').innerText()).includes(words), words);
    }
    await axe(page);
    await screenshots(page, 'wish-funded');
    await page.locator('aside').getByRole('link', { name: 'Fund it now' }).click();
    await page.waitForURL(`**/tasks/${task.id}/pledge`);
    // The card of the charter leads to its task, and its button to the same checkout.
    await page.goBack();
    await page.locator('article').getByRole('link', { name: 'Fund it now' }).click();
    await page.waitForURL(`**/tasks/${task.id}/pledge`);
    await page.goto(`${stage.url}/tasks/${task.id}`);
    await page.getByRole('link', { name: 'a wish' }).click();
    await page.waitForURL(`**/wishes/${id}`);
    await page.getByRole('link', { name: 'how to check that' }).click();
    await page.getByRole('heading', { name: 'Who leads it' }).waitFor();
    await axe(page);
    await screenshots(page, 'project-led');

    // Another key claims it, too; it is kept beside the first, and leads nothing.
    await page.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await page.locator('#project-set').waitFor();
    await page.locator('#project-name').fill('Mine');
    await page.locator('#project-description').fill('Says somebody else');
    await page.locator('#project-published').fill('https://example.org/elsewhere');
    await page.locator('#project-set').getByRole('button', { name: 'Sign and publish' }).click();
    await page.getByRole('heading', { name: 'Others who claim it' }).waitFor();
    const { claims, project } = await stage.service.get(new URL(page.url()).pathname.replace('/projects', '/api/v1/projects'));
    assert.deepEqual(claims.map(({ leads, settings }) => [leads, settings.name]), [[true, 'Wished'], [false, 'Mine']]);
    await page.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await page.locator('#project-status', { hasText: 'your key has said so far' }).waitFor();
    assert.equal(await page.locator('#project-name').inputValue(), 'Mine');
    await axe(page);
    assert.match(project, /^[0-9a-f]{32}$/);
  });
}
