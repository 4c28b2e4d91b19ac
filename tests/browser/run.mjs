// The browser tests, on one stage, one after another.
//
//   node run.mjs [--self] [WORDS]...   all tests, or those whose `file: name` holds any of WORDS; --self: only those of the
//                                      tests' own tools
//
// The last line is `N passed, N failed`; the exit code is 0 only if something ran and nothing failed. Pages of a test that
// failed are kept in target/browser-failures/, pictures of pages in target/screenshots/.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from './lib/browser.mjs';
import { lastWords } from './lib/processes.mjs';
import { startRecorder } from './lib/recorder.mjs';
import { runTests, suite } from './lib/runner.mjs';
import { ROOT, Stage } from './stage.mjs';

const FAILURES = join(ROOT, 'target/browser-failures');

const words = process.argv.slice(2).filter((word) => word !== '--self').map((word) => word.toLowerCase());
const folders = process.argv.includes('--self') ? ['self'] : ['self', 'journeys'];

async function collect() {
  const { tests, test } = suite();
  for (const folder of folders) {
    const files = readdirSync(join(import.meta.dirname, folder)).filter((name) => name.endsWith('.mjs')).sort();
    for (const file of files) {
      const fill = (await import(`./${folder}/${file}`)).default;
      fill((name, body) => test(`${file.slice(0, -'.mjs'.length)}: ${name}`, body));
    }
  }
  return tests.filter(({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word)));
}

const counts = { passed: 0, failed: 0 };
rmSync(FAILURES, { recursive: true, force: true });
let [stage, browser, outside] = [];
try {
  const tests = await collect();
  stage = await Stage.start();
  outside = await startRecorder();
  stage.outside = outside;
  browser = await launch(outside);
  console.log(`Chromium ${browser.version()}, ${tests.length} tests`);
  Object.assign(counts, await runTests(tests, { browser, stage, outside, keep: FAILURES }));
  if (counts.failed > 0) console.log(`The service's last words:\n${lastWords(stage.service.process, 6)}`);
} catch (error) {
  counts.failed += 1;
  console.log(`FAILED  the stage\n${error.stack}`);
}
await browser?.close();
await outside?.close();
await stage?.stop();
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
