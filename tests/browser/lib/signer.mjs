// A signer at the offline page: the released file, opened from the disk, in a browser without a network. Files go in and
// come out, as on a stick between two machines.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { saveFile } from './sponsor.mjs';
import { ROOT } from '../stage.mjs';

/** A page of the released files, opened from a disk with the network off. Whatever it asked for would be told. */
export async function offlinePage(t, name, { text } = {}) {
  const folder = t.stage.file('stick');
  mkdirSync(folder);
  const path = join(folder, name);
  writeFileSync(path, text ?? readFileSync(join(ROOT, 'src/web/static', name), 'utf8'));
  const context = await t.context({ origins: ['file:'] });
  await context.setOffline(true);
  // There is no network: not even this machine's own service can be reached.
  const probe = await context.newPage();
  await assert.rejects(probe.goto(t.stage.url), /ERR_INTERNET_DISCONNECTED/);
  await probe.close();
  context.guard.forget();
  const page = await context.newPage();
  page.guard = context.guard;
  await page.goto(pathToFileURL(path).href);
  return page;
}

/** What the page asked for besides itself: nothing. */
export function assertAskedNothing(page) {
  const others = page.guard.requests.filter((url) => !/^(file|blob|data):/.test(url));
  assert.deepEqual(others, []);
  assert.equal(page.guard.requests.filter((url) => url.startsWith('file:')).length, 1, page.guard.requests.join(' '));
}

/** Gives files to the signing page. */
export async function giveFiles(page, ...files) {
  await page.locator('#files').setInputFiles(files);
  await page.locator('#given li').nth(files.length - 1).waitFor();
}

/** Presses "Check": the words of what would be signed, or of the refusal. */
export async function check(page) {
  await page.locator('#check').click();
  await page.locator('#review').waitFor();
  return page.locator('#review-body').innerText();
}

/** Signs what was checked with twelve words. */
export async function signWith(page, words) {
  await page.locator('#phrase').fill(words);
  await page.locator('#confirmed').check();
  await page.locator('#sign').click();
  await page.locator('#result').waitFor();
  assert.equal(await page.locator('#phrase').inputValue(), '', 'the words are still in the page');
}

/** Saves everything that was signed, by the names on the links. */
export async function takeAll(page, names) {
  const files = [];
  for (const link of await page.locator('#result-body a[download]').all()) {
    if (!names.test(await link.getAttribute('download'))) continue;
    const { text, name } = await saveFile(page, link);
    files.push({ name, text });
  }
  return files;
}
