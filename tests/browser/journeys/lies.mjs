// A server that lies between the real service and the browser, about one field at a time: the page stops before it shows
// an address or a picture, and names what disagrees. Each lie is told in all the answers that carry it, so that the liar is
// at one with itself, and each test says how often it was told: a lie that nobody heard proves nothing.

import assert from 'node:assert/strict';
import { checkoutPath, chooseBackup, giveAmount, openPledges, pledgePath, readPayment, shownAddress, stopped, untilSecured, votePath } from '../lib/sponsor.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { axe } from '../lib/axe.mjs';
import { Liar } from '../lib/proxy.mjs';

let made;
/** A service whose public address is the liar's, with a task and a pledge; all tests lie about these. */
function world(stage) {
  made ??= (async () => {
    const liar = await Liar.start();
    const service = await stage.startService('lied-about', { publicUrl: liar.url });
    liar.target = service.url;
    const task = await stage.newTask({ service, cap_sat: 20_000_000 });
    const other = await stage.newTask({ service });
    const pledged = await stage.pledge(task, 50_000, 'deceived');
    const others = await stage.pledge(other, 50_000, 'deceived');
    return { liar, service, task, other, pledged, others };
  })();
  return made;
}

const TASK = /^\/api\/v1\/tasks\/[0-9a-f]{64}$/;
const CHARTER = /^\/api\/v1\/tasks\/[0-9a-f]{64}\/charter$/;
const PLEDGES = /^\/api\/v1\/tasks\/[0-9a-f]{64}\/pledges$/;
const PLEDGE = /^\/api\/v1\/tasks\/[0-9a-f]{64}\/pledges\/\d+$/;

/** Swaps one hex digit, so that what is told is well formed. */
const otherHex = (text) => `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`;

/**
 * What is lied about: the answer, the field, the lie, and the field that the page names. `at` says where the page stops:
 * on the way in, or when the pledge was asked for.
 */
const LIES = [
  { name: 'a signer\'s key in the charter', at: 'in', tell: (liar, { task, other }) => liar.tell(CHARTER, (body) => body.replace(task.charter.developer.key, other.charter.developer.key)), field: /charter/ },
  { name: 'a signer\'s key in the terms beside it', at: 'in', tell: (liar, { other }) => liar.tellField(TASK, 'terms.arbiter.key', other.charter.arbiter.key), field: /^terms\.arbiter/ },
  { name: 'T in the charter', at: 'in', tell: (liar, { task }) => liar.tell(CHARTER, (body) => body.replace(`"refund_time":${task.T}`, `"refund_time":${task.T + 600}`)), field: /charter/ },
  { name: 'T in the terms beside it', at: 'in', tell: (liar, { task }) => liar.tellField(TASK, 'terms.refund_time', task.T + 600), field: /^terms\.refund_time/ },
  { name: 'the whole charter, with its own attestations', at: 'in', tell: (liar, { other, service }) => liar.tell(/\/api\/v1\/tasks\//, (body, { path }) => {
    const wanted = path.endsWith('/charter') ? '/charter' : '';
    return TASK.test(path) || CHARTER.test(path) ? other.answers[wanted] : undefined;
  }), field: /charter/, before: async ({ other, service }) => {
    other.answers = {};
    for (const part of ['', '/charter']) other.answers[part] = await (await fetch(`${service.url}/api/v1/tasks/${other.id}${part}`)).text();
  } },
  { name: 'an attestation', at: 'in', tell: (liar) => liar.tellField(TASK, 'attestations.representative', otherHex), field: /^attestations\.representative$/ },
  { name: 'an attestation of another task', at: 'in', tell: (liar, { attestations }) => liar.tellField(TASK, 'attestations.arbiter', attestations.arbiter), field: /^attestations\.arbiter$/, before: async (w) => { w.attestations = (await w.service.get(`/api/v1/tasks/${w.other.id}`)).attestations; } },
  { name: 'an attestation that is left out', at: 'in', tell: (liar) => liar.tell(TASK, (body, { json }) => { delete json.attestations.developer; return json; }), field: /^attestations\.developer$/ },
  { name: 'which task the page is about', at: 'in', tell: (liar, { task, other }) => liar.tellText(`data-charter="${task.id}"`, `data-charter="${other.id}"`, /\/pledge$/), field: /charter/ },
  { name: 'which network the page is of', at: 'in', tell: (liar) => liar.tellText('data-network="regtest"', 'data-network="signet"', /\/pledge$/), field: /network/ },
  { name: 'the open address', at: 'in', tell: (liar, { others }) => liar.tellField(TASK, 'open_address', others.address), field: /^open_address$/ },
  { name: 'the text of the task', at: 'in', tell: (liar) => liar.tellField(TASK, 'text', 'Do something else.'), field: /^text$/ },
  { name: 'the address', at: 'asked', tell: (liar, { others }) => liar.tellField(PLEDGES, 'address', others.address), field: /^address$/ },
  { name: 'the leaf, in the descriptor', at: 'asked', tell: (liar, { task }) => liar.tellField(PLEDGES, 'descriptor', (text) => text.replace(`after(${task.T})`, `after(${task.T + 600})`)), field: /^descriptor$/ },
  { name: 'the two of three, in the descriptor', at: 'asked', tell: (liar) => liar.tellField(PLEDGES, 'descriptor', (text) => text.replace('multi_a(2,', 'multi_a(1,')), field: /^descriptor$/ },
  { name: 'the index', at: 'asked', tell: (liar) => liar.tellField(PLEDGES, 'index', (index) => index + 1), field: /^index$/ },
  { name: 'the sponsor\'s key', at: 'asked', tell: (liar, { others }) => liar.tellField(PLEDGES, 'sponsor_key', others.key), field: /^sponsor_key$/, before: async (w) => { w.others.key = (await w.service.get(`/api/v1/tasks/${w.other.id}/pledges/${w.others.index}`)).sponsor_key; } },
  { name: 'the refund address', at: 'asked', tell: (liar, { others }) => liar.tellField(PLEDGES, 'refund_address', others.refund), field: /^refund_address$/, before: async (w) => { w.others.refund = (await w.service.get(`/api/v1/tasks/${w.other.id}/pledges/${w.others.index}`)).refund_address; } },
  { name: 'the signature of the pledge', at: 'asked', tell: (liar) => liar.tellField(PLEDGES, 'signature', otherHex), field: /^signature$/ },
  { name: 'the amount', at: 'asked', tell: (liar) => liar.tellField(PLEDGES, 'promised_sat', (amount) => amount * 10), field: /^promised_sat$/ },
  { name: 'the payment link', at: 'asked', tell: (liar, { others }) => liar.tellField(PLEDGES, 'uri', (uri) => uri.replace(/bitcoin:[^?]*/, `bitcoin:${others.address}`)), field: /^uri$/ },
];

/** Goes as far as the page lets, but never to an address. */
async function goOn(page, base, task, at) {
  await page.goto(base + checkoutPath(task));
  if (at === 'in') return;
  await page.locator('#step-amount').waitFor();
  await giveAmount(page, 30_000);
  await chooseBackup(page, 'file');
}

/** Has the page look at its service at once, as it does after every event. */
const lookNow = (page) => page.evaluate(() => window.dispatchEvent(new Event('upfront-look')));

export default function fill(test) {
  for (const { name, at, tell, field, before } of LIES) {
    test(`about ${name}: the page stops before the address and names it`, async (t) => {
      const there = await world(t.stage);
      const { liar, task } = there;
      t.after(() => liar.repent());
      await before?.(there);
      const lie = tell(liar, there);
      const page = await t.page({ origins: [liar.url] });
      await goOn(page, liar.url, task, at);
      const told = await stopped(page);
      assert.ok(lie.told > 0, 'the lie was not told');
      assert.match(told.field, field);
      assert.ok(told.words.length > 20, told.words);
      assert.equal(await page.locator('#checkout').isVisible(), false);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'stopped-title');
      if (name === 'the address') {
        await axe(page);
        await screenshots(page, 'checkout-stopped');
      }
    });
  }

  test('the same way without a lie leads to the address', async (t) => {
    const { liar, task } = await world(t.stage);
    const page = await t.page({ origins: [liar.url] });
    await goOn(page, liar.url, task, 'asked');
    await page.locator('#file-save').click();
    await page.locator('#file-done').click();
    await page.locator('#address').waitFor();
    assert.equal(await page.locator('#stopped').isVisible(), false);
  });

  test('about a pledge that is there already: whoever comes back is not shown where to pay', async (t) => {
    const { liar, task, pledged, others } = await world(t.stage);
    t.after(() => liar.repent());
    // The whole page lies too: it says the other address everywhere.
    const lie = liar.tellText(pledged.address, others.address);
    const page = await t.page({ origins: [liar.url] });
    await page.goto(liar.url + pledgePath(task, pledged.index));
    await page.locator('#open-words').fill(await t.stage.words('deceived'));
    await page.getByRole('button', { name: 'Open my pledges' }).click();
    await page.locator('#open-words-error:not([hidden])').waitFor();
    assert.match(await page.locator('#open-words-error').innerText(), /address/i);
    assert.ok(lie.told > 0, 'the lie was not told');
    assert.equal(await page.locator('#address, .qr, a[href^="bitcoin:"]').count(), 0);
  });

  test('about the pledge while somebody waits for the payment: no refund is signed for another address', async (t) => {
    const { liar, task, pledged, others } = await world(t.stage);
    t.after(() => liar.repent());
    const page = await t.page({ origins: [liar.url] });
    await page.goto(liar.url + pledgePath(task, pledged.index));
    await page.locator('#open-words').fill(await t.stage.words('deceived'));
    await page.getByRole('button', { name: 'Open my pledges' }).click();
    await page.locator('#address').waitFor();
    const lie = liar.tellField(PLEDGE, 'address', others.address);
    await t.stage.pay(pledged.address, 50_000);
    // Two looks: at the payment, and at its block. Neither may end in a signature that leaves the page.
    await t.stage.eventually('the lie is told', () => lie.told > 0);
    const before = lie.told;
    await t.stage.mine(1);
    await t.stage.eventually('the lie is told again', () => lie.told > before);
    assert.deepEqual(page.guard.requests.filter((url) => url.endsWith('/refunds')), []);
    assert.equal((await t.stage.pledgeView(task, pledged.index)).outpoints[0].secured, false);
    // The warning stands in the place of the address for as long as the lie lasts, and goes with it.
    await page.locator('#stopped').waitFor();
    assert.match(await page.locator('#stopped-words').innerText(), /address to pay/);
    assert.equal(await page.locator('#stopped-field').innerText(), 'address');
    assert.equal(await page.locator('#address, .qr, a[href^="bitcoin:"]').count(), 0);
    liar.repent();
    await untilSecured(page);
    await page.locator('#stopped').waitFor({ state: 'hidden' });
    assert.equal((await t.stage.pledgeView(task, pledged.index)).outpoints[0].secured, true);
  });

  test('about the address after it was shown: it is hidden while the lie lasts, and file, link and words stay', async (t) => {
    const { liar, task, others } = await world(t.stage);
    t.after(() => liar.repent());
    const page = await t.page({ origins: [liar.url] });
    await goOn(page, liar.url, task, 'asked');
    await page.locator('#file-save').click();
    await page.locator('#file-done').click();
    const { address } = await readPayment(page);
    const lie = liar.tellField(PLEDGE, 'address', others.address);
    await lookNow(page);
    await page.locator('#pay-trouble', { hasText: 'Do not pay' }).waitFor();
    assert.ok(lie.told > 0, 'the lie was not told');
    assert.equal(await page.locator('#address').isVisible(), false);
    assert.equal(await page.locator('#checkout').isVisible(), true);
    assert.equal(await page.locator('#after-save').isVisible(), true);
    assert.doesNotMatch(await page.locator('main').innerText(), /Nothing was paid/);
    assert.match(await page.locator('#pay-title').innerText(), /Do not pay/);
    // It lasts over another look.
    const told = lie.told;
    await t.stage.mine(1);
    await lookNow(page);
    await t.stage.eventually('the lie is told again', () => lie.told > told);
    // The page's own words are drawn anew after the look: the warning outlasts them.
    await page.locator('#tip-height', { hasText: String(await t.stage.node.height()) }).waitFor();
    assert.match(await page.locator('#pay-trouble').innerText(), /Do not pay/);
    assert.equal(await page.locator('#address').isVisible(), false);
    liar.repent();
    await lookNow(page);
    await page.locator('#address').waitFor();
    assert.equal(await shownAddress(page), address);
    assert.equal(await page.locator('#pay-trouble').isVisible(), false);
  });

  /** What a swapped page would like to have beside the checked address. */
  const bait = (address) => `<h2>Pay here instead</h2><a href="bitcoin:${address}?amount=1" id="pay-link" class="button">Open in a wallet</a>
    <img src="/badge/x.svg" alt="code"><div class="qr"><svg viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg></div><p class="address" id="address"><span>${address}</span></p>
    <span id="checked">Checked in this browser</span><form id="checkout" action="/tasks"><button>Pay</button></form><meta http-equiv="refresh" content="9">`;

  test('about the words beside a checked address: no link, picture, form or other address comes with them', async (t) => {
    const { liar, task, others } = await world(t.stage);
    t.after(() => liar.repent());
    const page = await t.page({ origins: [liar.url] });
    await goOn(page, liar.url, task, 'asked');
    await page.locator('#file-save').click();
    // Told from the first words on, and in every later look.
    const lie = liar.tellText('<div id="pledge-remarks" data-live>', `<div id="pledge-remarks" data-live>${bait(others.address)}`, /^\/tasks\//);
    await page.locator('#file-done').click();
    const alone = async (address) => {
      assert.equal(await page.locator('#address, #checked, #pay-link, .qr').count(), 4, 'one of each');
      assert.equal(await page.locator('a[href^="bitcoin:"]').count(), 1);
      assert.equal(await page.locator('#pay-state img, #pay-state form, #pay-state meta, #pay-state button').count(), 0);
      assert.equal((await page.locator('main').innerText()).replaceAll(/\s/g, '').includes(others.address), false, 'another address stands beside');
      assert.equal(await shownAddress(page), address);
    };
    const { address } = await readPayment(page);
    await page.locator('#pledge-state').waitFor();
    assert.ok(lie.told > 0, 'the lie was not told');
    await alone(address);
    const told = lie.told;
    await t.stage.mine(1);
    await lookNow(page);
    await t.stage.eventually('the lie is told again', () => lie.told > told);
    await page.locator('#tip-height', { hasText: String(await t.stage.node.height()) }).waitFor();
    await alone(address);
  });

  test('about the terms in the page\'s own words: what stands by the address is the charter\'s', async (t) => {
    const { liar, task } = await world(t.stage);
    t.after(() => liar.repent());
    const { charter } = task;
    const lie = liar.tell(/^\/tasks\/[0-9a-f]{64}\/pledge$/, (body) => body.replace(/from [^<]{6,40} on it comes back to you/, 'from tomorrow on it comes back to you').replaceAll('Two of three signers', 'Nobody'));
    const page = await t.page({ origins: [liar.url] });
    await goOn(page, liar.url, task, 'asked');
    assert.match(await page.locator('main').innerText(), /from tomorrow on/);
    assert.ok(lie.told > 0, 'the lie was not told');
    await page.locator('#file-save').click();
    await page.locator('#file-done').click();
    await page.locator('#address').waitFor();
    const terms = await page.locator('#checked-terms').innerText();
    const at = new Date(task.T * 1000);
    assert.ok(terms.includes(`${at.getUTCDate()} ${at.toLocaleString('en-GB', { month: 'long', timeZone: 'UTC' })} ${at.getUTCFullYear()}`), terms);
    for (const role of ['developer', 'representative', 'arbiter']) {
      assert.ok(terms.includes(/^\[([0-9a-f]{8})/.exec(charter[role].key)[1]), `${role}: ${terms}`);
      assert.ok(terms.includes(charter[role].nominated_by), `${role}: ${terms}`);
    }
    for (const { address } of charter.payees) assert.ok(terms.includes(address.slice(0, 12)) && terms.includes(address.slice(-6)), terms);
    assert.ok(terms.includes(charter.minimum_pledge_sat.toLocaleString('en-US')), terms);
    assert.match(terms, charter.acceptance.silence === 'pay' ? /it is paid if/ : /your money stays/);
    assert.match(terms, /It comes back to\s+bcrt1/);
  });

  test('about which pledge the page is of: nothing is opened', async (t) => {
    const { liar, task, pledged } = await world(t.stage);
    t.after(() => liar.repent());
    const lie = liar.tellText(`data-index="${pledged.index}"`, `data-index="${pledged.index + 1}"`, /\/pledges\/\d+$/);
    const page = await t.page({ origins: [liar.url] });
    await page.goto(liar.url + pledgePath(task, pledged.index));
    await page.locator('#stopped').waitFor();
    assert.equal(await page.locator('#stopped-field').innerText(), 'index');
    assert.ok(lie.told > 0, 'the lie was not told');
    await openPledges(page, { words: await t.stage.words('deceived') });
    await page.locator('#open-words-error:not([hidden])').waitFor();
    assert.equal(await page.locator('#address, .qr, a[href^="bitcoin:"]').count(), 0);
  });

  test('about the work that is voted on: no vote is signed', async (t) => {
    const { stage } = t;
    const { liar, service } = await world(stage);
    t.after(() => liar.repent());
    const task = await stage.newTask({ service });
    await stage.pledgePaid(task, 60_000, 'deceived-voter');
    const submission = await stage.submit(task);
    const words = await stage.words('deceived-voter');
    const VIEW = /^\/api\/v1\/tasks\/[0-9a-f]{64}\/submissions\/[0-9a-f]{64}$/;
    for (const [what, tell] of [
      ['another submission', () => liar.tellField(VIEW, 'id', otherHex)],
      ['another link', () => liar.tellField(VIEW, 'submission.statement.link', 'https://example.org/evil')],
      ['other bytes', () => liar.tellField(VIEW, 'submission.statement.content', otherHex)],
      ['another signature', () => liar.tellField(VIEW, 'submission.signature', otherHex)],
      ['another id in the page', () => liar.tellText(submission, otherHex(submission), /\/vote$|\/submissions\//)],
      ['other bytes in the page', () => liar.tell(/\/vote$/, (body) => body.replace(/sha256 [0-9a-f]{64}/, (text) => otherHex(text)))],
    ]) {
      liar.repent();
      const lie = tell();
      const page = await t.page({ origins: [liar.url], unguarded: true });
      await page.goto(liar.url + votePath(task));
      await page.locator('#open-form').waitFor();
      await openPledges(page, { words });
      await page.locator('#open-words-error:not([hidden])').waitFor();
      assert.ok(lie.told > 0, `${what}: the lie was not told`);
      assert.equal(await page.locator('#vote-form').count(), 0, what);
      await page.close();
    }
    liar.repent();
    const page = await t.page({ origins: [liar.url] });
    await page.goto(liar.url + votePath(task));
    await page.locator('#open-form').waitFor();
    await openPledges(page, { words });
    await page.locator('.signed-work').waitFor();
    const { submission: signed } = await service.get(`/api/v1/tasks/${task.id}/submissions/${submission}`);
    const shown = await page.locator('.signed-work').innerText();
    assert.ok(shown.includes(signed.statement.link) && shown.includes(signed.statement.content), shown);
  });
}
