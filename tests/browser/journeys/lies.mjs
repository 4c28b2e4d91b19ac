// A server that lies between the real service and the browser, about one field at a time: the page stops before it shows
// an address or a picture, and names what disagrees. Each lie is told in all the answers that carry it, so that the liar is
// at one with itself, and each test says how often it was told: a lie that nobody heard proves nothing.

import assert from 'node:assert/strict';
import { assertNoAddress, checkoutPath, chooseBackup, giveAmount, pledgePath, stopped, untilSecured } from '../lib/sponsor.mjs';
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
  { name: 'which task the page is about', at: 'in', tell: (liar, { task, other }) => liar.tellText(task.id, other.id, /\/pledge$/), field: /^charter$/ },
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
    liar.repent();
    await page.reload();
    await page.locator('#open-words').fill(await t.stage.words('deceived'));
    await page.getByRole('button', { name: 'Open my pledges' }).click();
    await untilSecured(page);
    assert.equal((await t.stage.pledgeView(task, pledged.index)).outpoints[0].secured, true);
  });
}
