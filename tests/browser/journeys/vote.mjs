// A sponsor votes with the pledge's key: no, then yes, then no again; the receipts are kept and checked elsewhere, and the
// service counts what was said.

import assert from 'node:assert/strict';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { checkReceipt } from '../lib/receipt.mjs';
import { openPledges, saveFile, votePath } from '../lib/sponsor.mjs';

/** Chooses and sends; waits until the page has checked the receipt. */
async function say(page, choice) {
  await page.locator(`#vote-form input[value=${choice}]`).check();
  await page.locator('#vote-form button[type=submit]').click();
  await page.locator('#receipt-checked').waitFor();
  assert.equal(await page.locator('#done-title').innerText(), `You said ${choice}`);
}

/** What is saved under "Save the receipt". */
async function receipt(page) {
  const { text } = await saveFile(page, page.getByRole('button', { name: 'Save the receipt', exact: true }));
  return JSON.parse(text);
}

export default function fill(test) {
  test('no, changed to yes and back: each receipt is the service\'s, and the tally is what was said', async (t) => {
    const { stage } = t;
    const task = await stage.newTask({ title: 'Vote on it' });
    const mine = await stage.pledgePaid(task, 300_000, 'voter');
    const silent = await stage.pledgePaid(task, 100_000, 'silent');
    const page = await t.page();
    await page.goto(stage.url + votePath(task));
    assert.match(await page.locator('#vote').innerText(), /nothing to vote on yet/);
    const submission = await stage.submit(task);
    const tally = async () => {
      const { tally } = await stage.service.get(`/api/v1/tasks/${task.id}/submissions/${submission}`);
      return [tally.yes_sat, tally.no_sat, tally.electorate_sat];
    };
    assert.deepEqual(await tally(), [0, 0, 400_000]);
    // Whoever had the page open before there was work is brought to the vote without doing anything.
    await page.locator('#open-words').waitFor();
    await screenshots(page, 'vote-open');
    // Words that are no pledge's are refused in words, and go nowhere.
    await openPledges(page, { words: await stage.words('silent').then((words) => words.split(' ').reverse().join(' ')) });
    await page.locator('#open-words-error:not([hidden])').waitFor();
    await openPledges(page, { words: await stage.words('voter') });
    await page.locator('#vote-form').waitFor();
    assert.match(await page.locator('#vote-form').innerText(), /300,000/);
    await axe(page);
    await screenshots(page, 'vote-choice');
    await page.locator('#vote-form button[type=submit]').click();
    await page.locator('#vote-error:not([hidden])').waitFor();
    assert.deepEqual(await tally(), [0, 0, 400_000]);

    const { sponsor_key: key } = await stage.pledgeView(task, mine.index);
    const counters = [];
    for (const [choice, counted] of [['no', [0, 300_000, 400_000]], ['yes', [300_000, 0, 400_000]], ['no', [0, 300_000, 400_000]]]) {
      await say(page, choice);
      const kept = await receipt(page);
      checkReceipt(kept, task.charter, task.id, key);
      const { statement } = kept.vote;
      assert.deepEqual([statement.submission, statement.pledge, statement.choice], [submission, mine.index, choice]);
      counters.push(statement.counter);
      assert.deepEqual(await tally(), counted);
      // The page's own words about the count follow by themselves.
      const [yes, no] = counted.map((sat) => sat.toLocaleString('en-US'));
      await page.locator('#vote-tally', { hasText: new RegExp(`Yes\\s*${yes} sat\\s*No\\s*${no} sat\\s*Silent\\s*100,000 sat`) }).waitFor();
      await page.getByRole('button', { name: 'Change my vote' }).click();
      await page.locator('#vote-form', { hasText: `So far you said ${choice}` }).waitFor();
    }
    assert.deepEqual(counters, [0, 1, 2]);
    await axe(page);
    // The document that signers and strangers count from says the same.
    const verified = await stage.cli('verify', '--task', task.id);
    assert.ok(verified, 'the proof document does not verify');
    const seen = await stage.service.get(`/api/v1/tasks/${task.id}/submissions/${submission}/votes`);
    assert.deepEqual(seen.items.map(({ vote }) => vote.statement.choice), ['no', 'yes', 'no']);
    assert.equal((await stage.pledgeView(task, silent.index)).outpoints[0].ended, null);
  });
}
