// Play money: on regtest, where an operator gave the service a node, its pages have buttons that pay, mine and move the clock.
// Nowhere else is there such a button, nor anything behind it.

import assert from 'node:assert/strict';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { checkoutPath, indexOf, pledge, pledgePath, untilSecured, untilState } from '../lib/sponsor.mjs';

const ACTIONS = ['mine', 'pay', 'time'];
/** What each of them takes, so that nothing but its absence is refused. */
const ASKED = { mine: { blocks: '1' }, pay: { amount_sat: '1000' }, time: { to_secs: '1' } };

/** Presses a button, and waits until it is done; no "Done." of an earlier one counts. */
const press = async (page, name) => {
  await page.locator('#faucet [role=status]').evaluateAll((lines) => lines.forEach((line) => line.replaceChildren()));
  await page.locator('#faucet').getByRole('button', { name }).click();
  await page.locator('#faucet [role=status]', { hasText: 'Done.' }).waitFor();
};

export default function fill(test) {
  test('pay, mine and move the clock by the page\'s buttons: it goes on from the address to the refund without being left', async (t) => {
    const { stage } = t;
    const service = await stage.startService('play', { faucet: true });
    t.after(() => stage.stopService(service));
    const task = await stage.newTask({ service, title: 'Play it through' });
    const page = await t.page({ origins: [service.url] });
    const mine = await pledge(page, service.url, task, 80_000);
    // What it would pay is what was checked here.
    assert.equal(await page.locator('#faucet-address').inputValue(), mine.address);
    assert.equal(await page.locator('#faucet-amount').inputValue(), '80000');
    await axe(page);
    await screenshots(page, 'checkout-faucet');
    await press(page, 'Pay it');
    await untilState(page, 'seen');
    await untilSecured(page);
    const before = await stage.node.height();
    await press(page, 'Mine a block');
    await untilState(page, 'credited_secured');
    assert.equal(await stage.node.height(), before + 1);
    assert.equal(indexOf(page), mine.index);

    // A pledge's own page names what it asks for.
    const other = await stage.pledge(task, 30_000, 'player');
    const theirs = await t.page({ origins: [service.url] });
    await theirs.goto(service.url + pledgePath(task, other.index));
    assert.equal(await theirs.locator('#faucet-amount').inputValue(), '30000');
    await press(theirs, 'Pay this from the faucet');
    await untilState(theirs, 'seen');
    const view = await stage.pledgeView(task, other.index);
    assert.deepEqual(view.outpoints.map(({ amount_sat: amount }) => amount), [30_000]);
    // Without scripts they are forms that lead back to where one was.
    const plain = await t.page({ origins: [service.url], javaScriptEnabled: false });
    await plain.goto(service.url + pledgePath(task, other.index));
    const height = await stage.node.height();
    await plain.locator('#faucet').getByRole('button', { name: 'Mine a block' }).click();
    await plain.locator('#tip-height', { hasText: String(height + 1) }).waitFor();
    assert.equal(new URL(plain.url()).pathname, pledgePath(task, other.index));
    await untilState(theirs, 'credited_unsecured');

    await press(page, 'Move the clock past T, when refunds begin');
    await untilState(page, 'refunding');
    assert.ok(await stage.node.mtp() > task.T);
    await press(page, 'Mine a block');
    await untilState(page, 'refunded');
    assert.ok(await stage.node.unspent(mine.file.refund_address) > 79_000);
    await stage.synced();
  });

  test('where there is no faucet no page has a button of one, and nothing answers', async (t) => {
    const { stage } = t;
    const task = await stage.newTask();
    const { index, address } = await stage.pledge(task, 30_000, 'player');
    const page = await t.page();
    for (const path of [checkoutPath(task), pledgePath(task, index), `/tasks/${task.id}`, '/']) {
      await page.goto(stage.url + path);
      await page.locator('h1').waitFor();
      assert.equal(await page.locator('#faucet, form[action*="faucet"]').count(), 0, path);
      assert.doesNotMatch(await page.content(), /faucet/i, path);
    }
    const height = await stage.node.height();
    for (const action of ACTIONS) {
      const response = await fetch(`${stage.url}/faucet/${action}`, {
        method: 'POST', headers: { accept: 'application/json' }, body: new URLSearchParams({ ...ASKED[action], address, back: '/' }),
      });
      assert.equal(response.status, 404, action);
    }
    assert.equal(await stage.node.height(), height);
    assert.deepEqual((await stage.pledgeView(task, index)).outpoints, []);
  });
}
