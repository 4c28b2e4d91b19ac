// From a wish to "fund it now": with a charter of its own by the command line, and the whole road by pages, each person with a key
// made in a browser of their own; and wishes and claims that are taken back.

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
    await page.locator('#words .timeline', { hasText: 'offers to represent the sponsors' }).waitFor();
    await page.locator('summary', { hasText: 'Offer to do it' }).click();
    await page.locator('#offer-what').selectOption('developer reserve 7');
    await page.getByRole('button', { name: 'Say so', exact: true }).click();
    await page.locator('#words .timeline', { hasText: 'reserves it until' }).waitFor();
    ({ summary } = await view());
    assert.equal(summary.reservation.by, summary.by);
    await page.locator('summary', { hasText: 'Offer to do it' }).click();
    await page.locator('#offer-what').selectOption('developer release');
    await page.getByRole('button', { name: 'Say so', exact: true }).click();
    await page.locator('#words .timeline', { hasText: 'ends the reservation' }).waitFor();
    assert.equal(await page.locator('#lead').isVisible(), false, 'nobody leads the project yet');

    const me = ['--identity', stage.key('leader')];
    await stage.cli('wish', 'offer', id, '--as', 'developer', 'reserve', '--until', '1h', ...me);
    await stage.cli('project', 'claim', REPOSITORY, '--name', 'Wished', '--description', 'Writes what it read', '--licence', 'MIT', ...me);
    await stage.cli('wish', 'lead', id, 'accept', '--place', '1', ...me);
    // Its text is the wish's, byte for byte: of another one people would only be told.
    const task = await stage.newTask({ title: 'Keep comments', text: WISH, repository: REPOSITORY, more: ['--task-id', id] });
    await page.reload();
    await page.locator('#own', { hasText: 'It can be funded now' }).waitFor();
    for (const words of ['Accepted by the project', 'until']) {
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

  test('the whole road by page: wish, like, promise, offer, the leader accepts, the charter drafted, signed, funded', async (t) => {
    const { stage } = t;
    const repository = 'https://example.org/road';
    const text = '# Read the road\n\nEvery sign, <i>also</i> the small ones.\n';
    const account = 9_011;
    const author = await t.page();
    await author.goto(`${stage.url}/wishes/new`);
    await author.locator('#wish-new').waitFor();
    await identity(author);
    await author.locator('#wish-repository').fill(repository);
    await author.locator('#wish-text').fill(text);
    await author.getByRole('button', { name: 'Sign and publish the wish' }).click();
    await author.waitForURL(/\/wishes\/[0-9a-f]{64}$/);
    const url = author.url();
    const id = new URL(url).pathname.split('/').at(-1);
    const view = () => stage.service.get(`/api/v1/wishes/${id}`);

    const sponsor = await t.page();
    await sponsor.goto(url);
    await sponsor.locator('summary', { hasText: 'Who signs' }).click();
    await identity(sponsor);
    await sponsor.getByRole('button', { name: 'Like it', exact: true }).click();
    await sponsor.locator('#own', { hasText: 'You like this.' }).waitFor();
    await sponsor.locator('#promise-sat').fill('60000');
    await sponsor.locator('#promise').getByRole('button', { name: 'Promise' }).click();
    await sponsor.locator('#own', { hasText: 'promised 60,000 sat' }).waitFor();
    // The author's page, which nobody loads again, says so.
    await author.locator('#promised-sum', { hasText: '60,000 sat' }).waitFor();
    await author.locator('#words', { hasText: 'promises 60,000 sat' }).waitFor();

    const developer = await t.page();
    await developer.goto(url);
    await developer.locator('summary', { hasText: 'Who signs' }).click();
    await identity(developer);
    await developer.locator('summary', { hasText: 'Offer to do it' }).click();
    await developer.locator('#offer-what').selectOption('developer accept');
    await developer.getByRole('button', { name: 'Say so', exact: true }).click();
    await developer.locator('#words', { hasText: 'offers to do the work' }).waitFor();

    const leader = await t.page();
    await leader.goto(url);
    await leader.locator('main nav').getByRole('link').last().click();
    await leader.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await leader.locator('#project-set').waitFor();
    await identity(leader);
    const share = await stage.node.address();
    const said = {
      name: 'Road', description: 'Reads signs', licence: 'Apache-2.0', arbiter: 'the road foundation', leader_address: share,
      leader_share_bps: '250', minimum_pledge_sat: '20000', published: 'https://example.org/road/UPFRONT',
    };
    for (const [name, value] of Object.entries(said)) await leader.locator(`#project-${name}`).fill(value);
    await leader.getByRole('button', { name: 'Sign and publish' }).click();
    await leader.getByRole('heading', { name: 'Road', exact: true, level: 1 }).waitFor();
    await leader.locator('#leaders', { hasText: 'was the first to claim it here' }).waitFor();
    await leader.goto(url);
    await leader.locator('#lead').waitFor();
    await leader.locator('#lead-place').fill('1');
    await leader.getByRole('button', { name: 'Say so as the leader' }).click();
    await leader.locator('#words', { hasText: 'accepts it for the project, at place 1' }).waitFor();
    await author.locator('#standing', { hasText: 'Accepted by the project' }).waitFor();

    await author.getByRole('link', { name: 'Draft the charter' }).click();
    await author.waitForURL(`**/new?wish=${id}`);
    await author.locator('#from-wish', { hasText: 'Offers to do the work' }).waitFor();
    const value = (name) => author.locator(`#${name}`).inputValue();
    assert.deepEqual([await value('text'), await value('repository'), await value('licence')], [text, repository, 'Apache-2.0']);
    assert.deepEqual([await value('minimum_pledge_sat'), await value('leader_address'), await value('leader_share')], ['20000', share, '2.5']);
    assert.match(await value('developer_nominated_by'), /^themselves, as npub1/);
    assert.match(await value('representative_nominated_by'), /^the wish, which npub1/);
    assert.match(await value('arbiter_nominated_by'), /the road foundation$/);
    await author.locator('#licence-origin', { hasText: 'As the key that leads the project here has set it' }).waitFor();
    await axe(author);
    await screenshots(author, 'new-from-wish');
    const roles = ['developer', 'representative', 'arbiter'];
    for (const role of roles) await author.locator(`#${role}`).fill(await stage.signerKey(role, account));
    await author.locator('#target_sat').fill('900000');
    await author.locator('#payee_1_address').fill(await stage.node.address());
    await author.locator('#repository').fill('https://example.org/another');
    await author.getByRole('button', { name: 'Show the charter' }).click();
    await author.locator('#repository-error', { hasText: 'a charter drafted from it is too' }).waitFor();
    await author.locator('#repository').fill(repository);
    await author.getByRole('button', { name: 'Show the charter' }).click();
    await author.locator('#of-wish', { hasText: 'word for word' }).waitFor();
    const charter = JSON.parse(await author.locator('#canonical').textContent());
    assert.deepEqual([charter.task, charter.leader.share_bps, charter.minimum_pledge_sat], [id, 250, 20_000]);
    await axe(author);
    await screenshots(author, 'new-check-from-wish');
    await author.locator('#write-button').click();
    await author.waitForURL(/\/tasks\/[0-9a-f]{64}\/charter$/);
    const task = new URL(author.url()).pathname.split('/').at(-2);
    // The sponsor's page was not loaded again, and shows the draft.
    await sponsor.locator('#charters', { hasText: 'Charter' }).getByRole('link', { name: /^Charter/ }).waitFor();
    assert.equal(await sponsor.locator('#fund-now').count(), 0, 'nobody has signed it');
    for (const role of roles) {
      const signed = await stage.cli('charter', 'attest', '--task', task, '--role', role, '--key', stage.key(role), '--account', String(account));
      await author.locator('#attestation').fill(JSON.stringify(signed));
      await author.locator('#hand-in').getByRole('button', { name: 'Check it, and hand it in' }).click();
      await author.locator(`#seat-${role} .state.good`).waitFor();
    }
    await stage.eventually('the task opens', async () => (await stage.service.get(`/api/v1/tasks/${task}`)).stage === 'open');
    assert.deepEqual((await view()).charters.map((each) => [each.charter, each.same_text]), [[task, true]]);
    await sponsor.reload();
    await sponsor.locator('#own', { hasText: 'It can be funded now' }).waitFor();
    await axe(sponsor);
    await screenshots(sponsor, 'wish-road');
    await sponsor.locator('#said').scrollIntoViewIfNeeded();
    await sponsor.getByRole('link', { name: 'Timeline' }).click();
    await sponsor.locator('#events li').nth(5).waitFor();
    const told = await sponsor.locator('#events').innerText();
    for (const words of ['Wished for', 'Liked', '60,000 sat promised', 'Somebody offered to do the work', 'Accepted for the project, at place 1', 'A charter was drafted from the wish']) {
      assert.ok(told.includes(words), `${words} in ${told}`);
    }
    await axe(sponsor);
    await screenshots(sponsor, 'wish-road-timeline');
    await leader.locator('main nav').getByRole('link').last().click();
    await leader.waitForURL('**/projects/*');
    await leader.getByRole('heading', { name: 'Road', exact: true, level: 1 }).waitFor();
    await axe(leader);
    await screenshots(leader, 'project-road');
    await leader.getByRole('link', { name: 'Timeline' }).click();
    await leader.locator('#events', { hasText: 'A key claims to lead the project' }).waitFor();
    await axe(leader);
    await sponsor.goto(url);
    await sponsor.locator('#fund-now').click();
    await sponsor.waitForURL(`**/tasks/${task}/pledge`);
  });

  test('whoever wrote a wish withdraws it, and a key its claim', async (t) => {
    const { stage } = t;
    const author = await t.page();
    await author.goto(`${stage.url}/wishes/new`);
    await author.locator('#wish-new').waitFor();
    await identity(author);
    await author.locator('#wish-repository').fill('https://example.org/taken-back');
    await author.locator('#wish-text').fill('Not any more');
    await author.getByRole('button', { name: 'Sign and publish the wish' }).click();
    await author.waitForURL(/\/wishes\/[0-9a-f]{64}$/);
    const url = author.url();
    const id = new URL(url).pathname.split('/').at(-1);
    const other = await t.page();
    await other.goto(url);
    await other.locator('summary', { hasText: 'Who signs' }).click();
    await identity(other);
    await other.getByRole('button', { name: 'Like it', exact: true }).click();
    await other.locator('#own', { hasText: 'You like this.' }).waitFor();
    assert.equal(await other.locator('#withdraw').isVisible(), false, 'it is not theirs');
    await author.locator('summary', { hasText: 'You wrote this wish' }).click();
    await author.getByRole('button', { name: 'Withdraw the wish' }).click();
    await author.locator('#standing', { hasText: 'Withdrawn by its author' }).waitFor();
    await author.locator('#words', { hasText: 'withdraws the wish' }).waitFor();
    assert.equal(await author.locator('#draft-charter').count(), 0);
    assert.equal(await author.getByRole('button', { name: 'Like it', exact: true }).count(), 0);
    await axe(author);
    await screenshots(author, 'wish-withdrawn');
    // Who liked it can take that back, and say nothing new.
    await other.locator('#standing', { hasText: 'Withdrawn by its author' }).waitFor();
    await other.reload();
    await other.getByRole('button', { name: 'Like it no longer' }).click();
    await other.locator('#words', { hasText: 'likes it no longer' }).waitFor();
    assert.equal(await other.locator('#promise').isVisible(), false);
    assert.equal((await stage.service.get(`/api/v1/wishes/${id}`)).summary.likes, 0);
    await other.goto(`${stage.url}/wishes`);
    await other.getByRole('link', { name: 'Withdrawn ones too' }).click();
    await other.locator(`#wish-${id}`, { hasText: 'Withdrawn by its author' }).waitFor();
    await axe(other);

    await author.locator('main nav').getByRole('link').last().click();
    await author.waitForURL('**/projects/*');
    await author.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await author.locator('#project-set').waitFor();
    const withdraw = author.locator('#project-withdraw summary', { hasText: 'Withdraw my claim' });
    assert.equal(await withdraw.isVisible(), false, 'there is none yet');
    await author.locator('#project-name').fill('Mine');
    await author.locator('#project-description').fill('For a day');
    await author.locator('#project-set').getByRole('button', { name: 'Sign and publish' }).click();
    await author.locator('#leaders', { hasText: 'was the first to claim it here' }).waitFor();
    await author.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await withdraw.click();
    await author.getByRole('button', { name: 'Sign, and withdraw the claim' }).click();
    await author.locator('#leaders', { hasText: 'Nobody has claimed this project' }).waitFor();
    await author.locator('summary', { hasText: 'Claim it as its leader' }).click();
    await author.locator('#project-status', { hasText: 'Your key has withdrawn its claim' }).waitFor();
    await axe(author);
    await author.locator('#project-set').getByRole('button', { name: 'Sign and publish' }).click();
    await author.locator('#leaders', { hasText: 'was the first to claim it here' }).waitFor();
  });
}
