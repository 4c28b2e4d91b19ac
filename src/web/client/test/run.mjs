// Runs every test/**/*.test.ts with node's own test runner: each file is bundled first, so that no Node needs to know
// TypeScript. Arguments choose files by a part of their path.
//
// The last line is `N passed, N failed`; the exit code is 0 only if something passed and nothing failed.

import { build } from 'esbuild';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const sources = readdirSync(here, { recursive: true })
  .filter((file) => file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort();

const out = mkdtempSync(join(process.env.UPFRONT_TEST_DIR ?? tmpdir(), 'upfront-client-test-'));
let passed = 0;
const failures = [];
try {
  if (sources.length > 0) {
    await build({
      entryPoints: sources.map((file) => join(here, file)), outdir: out, outbase: here, outExtension: { '.js': '.mjs' },
      bundle: true, platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline', logLevel: 'warning',
      define: { TEST_ROOT: JSON.stringify(here) },
    });
    const files = sources.map((file) => join(out, file.replace(/\.ts$/, '.mjs')));
    const stream = run({ files, concurrency: 2, timeout: 300_000 });
    const isFile = (data) => data.nesting === 0 && (files.includes(data.name) || files.some((file) => relative(process.cwd(), file) === data.name));
    stream.on('test:pass', (data) => {
      if (data.skip === undefined && data.details?.type !== 'suite' && !isFile(data)) passed += 1;
    });
    stream.on('test:fail', (data) => {
      if (data.details?.type !== 'suite') failures.push([data.name, data.details?.error]);
    });
    stream.on('test:stderr', (data) => process.stderr.write(data.message));
    for await (const _ of stream) ;
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
for (const [name, error] of failures) {
  const cause = error?.cause ?? error;
  console.log(`FAILED ${name}: ${cause?.message ?? cause}`);
  if (cause?.stack) console.log(cause.stack.split('\n').slice(1, 6).join('\n'));
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1;
