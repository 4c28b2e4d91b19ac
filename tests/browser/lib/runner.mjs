// Runs tests one after another and counts them. Each gets pages that are watched from their first moment; a test passes
// only if nothing went wrong in it and its pages did nothing that the guard forbids.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Guard } from './guard.mjs';

/** Longest time for a test, milliseconds. */
const PATIENCE_MS = 120_000;
/** Longest wait of a page for what it should show. */
const PAGE_PATIENCE_MS = 30_000;

/** A list of tests that a file fills: `test('what is so', async (t) => ...)`. */
export function suite() {
  const tests = [];
  const test = (name, body) => tests.push({ name, body });
  return { tests, test };
}

/** What a test is given. */
class World {
  #contexts = [];
  #ends = [];

  constructor(browser, stage) {
    this.browser = browser;
    this.stage = stage;
  }

  /**
   * A new browser profile, watched. Options: `origins` (URLs that may be asked for; the service's if none is named),
   * `unguarded` (its problems are the test's own affair), and what the browser takes for a context.
   */
  async context({ origins, unguarded = false, ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(PAGE_PATIENCE_MS);
    const guard = await Guard.over(context, origins ?? [this.stage.url]);
    this.#contexts.push({ context, guard, unguarded });
    context.guard = guard;
    return context;
  }

  /** A page in a profile of its own; `page.guard` watches it. */
  async page(options) {
    const context = await this.context(options);
    const page = await context.newPage();
    page.guard = context.guard;
    return page;
  }

  /** To be done when the test is over, however it ends. */
  after(end) {
    this.#ends.push(end);
  }

  /** What the guards say. */
  async verdict() {
    const all = this.#contexts.filter(({ unguarded }) => !unguarded).map(({ guard }) => guard.verdict());
    return (await Promise.all(all)).flat();
  }

  /** Pictures and text of all open pages, for whoever looks for the fault. */
  async keep(folder, name) {
    let number = 0;
    mkdirSync(folder, { recursive: true });
    for (const page of this.#contexts.flatMap(({ context }) => context.pages())) {
      number += 1;
      const path = join(folder, `${name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 80)}-${number}`);
      await page.screenshot({ path: `${path}.png`, fullPage: true, timeout: 5_000 }).catch(() => undefined);
      const html = await page.content().catch((error) => error.message);
      writeFileSync(`${path}.html`, `<!-- ${page.url().split('#')[0]} -->\n${html}`);
    }
  }

  async close() {
    for (const { context } of this.#contexts) await context.close().catch(() => undefined);
    for (const end of this.#ends.reverse()) await end();
  }
}

async function within(patience_ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${patience_ms / 1000} s`)), patience_ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why a test fails, or null. */
async function complaint({ body }, { browser, stage, outside, patience_ms, keep, name }) {
  const world = new World(browser, stage);
  const before = outside?.asked.length ?? 0;
  let why = null;
  try {
    await within(patience_ms, Promise.resolve().then(() => body(world)));
    const problems = await world.verdict();
    if (problems.length > 0) throw new Error(`the page did what no page may:\n${problems.join('\n')}`);
  } catch (error) {
    why = error?.stack ?? String(error);
    const told = await world.verdict().catch(() => []);
    if (told.length > 0 && !why.includes(told[0])) why += `\nbesides:\n${told.join('\n')}`;
    if (keep) await world.keep(keep, name).catch(() => undefined);
  }
  await world.close().catch((error) => (why ??= error.stack));
  const asked = (outside?.asked ?? []).slice(before);
  if (asked.length > 0) why = `${why ? `${why}\n` : ''}the browser wanted to reach: ${[...new Set(asked)].join(', ')}`;
  return why;
}

/** Runs the tests in order: `{ passed, failed }`. `say` gets a line for each. */
export async function runTests(tests, { browser, stage, outside, keep, patience_ms = PATIENCE_MS, say = console.log }) {
  let [passed, failed] = [0, 0];
  for (const test of tests) {
    const begun = Date.now();
    const why = await complaint(test, { browser, stage, outside, patience_ms, keep, name: test.name });
    const took = `${((Date.now() - begun) / 1000).toFixed(1)} s`;
    if (why === null) {
      passed += 1;
      say(`ok      ${test.name} (${took})`);
    } else {
      failed += 1;
      say(`FAILED  ${test.name} (${took})\n${why.replaceAll(/^/gm, '        ')}`);
    }
  }
  return { passed, failed };
}
