// Builds what browsers are given, from this folder into ../static: a module for each page, and the offline pages, each one
// file with script and style in it. Built files are committed; the same source gives the same bytes.
//
//   node build.mjs           writes them, and SHA256SUMS of the offline pages
//   node build.mjs --check   builds into memory, compares with what is committed, and fails where a byte differs
//
// Every file's size is printed, plain and gzipped. A file above its budget fails the build.

import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'src');
const target = join(here, '../static');

/** Gzipped bytes: a page that signs must load on a slow line. */
const PAGE_BUDGET = 75_000;
const CORE_BUDGET = 46_500;
/** What every page that takes a pledge needs of the core. */
const CORE = `
  export { checkPledge, checkTask } from './src/core/check.ts';
  export { Root, keyToFragment, newPhrase } from './src/core/keys.ts';
  export { RecoveryFile } from './src/core/recovery.ts';
  export { paymentsOf } from './src/core/refund.ts';
  export { signStatement } from './src/core/signature.ts';
`;
/** Pages served by the service: every src/pages/NAME.ts becomes NAME.js. */
const PAGES = list(join(source, 'pages'), '.ts').map((name) => ({ name: `${name}.js`, entry: join(source, 'pages', `${name}.ts`) }));
/** Offline pages: src/NAME/NAME.html with NAME.css and NAME.ts becomes NAME.html, where all three exist. */
const OFFLINE = ['recover', 'sign']
  .map((name) => ({ name: `${name}.html`, ...Object.fromEntries(['html', 'css', 'ts'].map((kind) => [kind, join(source, name, `${name}.${kind}`)])) }))
  .filter(({ html, css, ts }) => [html, css, ts].every((file) => existsSync(file)));

const OPTIONS = {
  bundle: true, write: false, minify: true, format: 'esm', target: 'es2022', legalComments: 'none', charset: 'utf8',
  absWorkingDir: here, logLevel: 'warning',
};

function list(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((file) => file.endsWith(ending) && !file.endsWith('.d.ts')).map((file) => file.slice(0, -ending.length)).sort();
}

/** Packages whose code is in something that was built: their licences are shipped. */
const packages = new Set();

async function bundle(entry) {
  const { outputFiles, metafile } = await build({ ...OPTIONS, entryPoints: [entry], metafile: true });
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null) packages.add(found[1]);
  }
  return outputFiles[0].text;
}

/** What whoever copies that code must pass on: each package's name, version and licence as it came. */
function licences() {
  const notices = [...packages].sort().map((name) => {
    const folder = join(here, 'node_modules', name);
    const file = readdirSync(folder).find((found) => /^licen[cs]e/i.test(found));
    if (file === undefined) throw new Error(`${name} came without a licence`);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `What browsers are given contains code of these packages.\n\n${notices.join('\n----\n\n')}`;
}

const hashOf = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

// The page may run its own script and style and nothing else, and cannot reach any network.
function policy(script, style) {
  return [
    "default-src 'none'", `script-src '${hashOf(script)}'`, `style-src '${hashOf(style)}'`, 'img-src data:', "connect-src 'none'",
    "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
  ].join('; ');
}

function insert(text, before, what, file) {
  const pieces = text.split(before);
  if (pieces.length !== 2) throw new Error(`${file}: ${before} is there ${pieces.length - 1} times, not once`);
  return `${pieces[0]}${what}${before}${pieces[1]}`;
}

async function offline({ name, html, css, ts }) {
  const script = await bundle(ts);
  // Imported styles come with it; what the file refers to besides would not.
  const style = await bundle(css);
  for (const [text, end] of [[script, /<\/script|<!--|\r/i], [style, /<\/style|\r/i]]) {
    if (end.test(text)) throw new Error(`${name}: ${end} inside would change what is hashed`);
  }
  const page = readFileSync(html, 'utf8');
  // Ahead of everything it must hold for; the encoding alone comes before it.
  const guarded = insert(page, '<meta name="viewport"', `<meta http-equiv="content-security-policy" content="${policy(script, style)}">\n`, name);
  const styled = insert(guarded, '</head>', `<style>${style}</style>\n`, name);
  return insert(styled, '</body>', `<script type="module">${script}</script>\n`, name);
}

const files = new Map();
for (const page of PAGES) files.set(page.name, await bundle(page.entry));
for (const page of OFFLINE) files.set(page.name, await offline(page));
const notices = licences();
if (notices.includes('--\x3e')) throw new Error('a licence would end the comment it stands in');
for (const { name } of OFFLINE) files.set(name, `${files.get(name)}<!--\n${notices}-->\n`);
files.set('licences.txt', notices);
const sums = OFFLINE.map(({ name }) => `${createHash('sha256').update(files.get(name)).digest('hex')}  ${name}\n`).join('');

const failures = [];
function size(name, text, budget) {
  const gzipped = gzipSync(text, { level: 9 }).length;
  console.log(`${name.padEnd(24)} ${String(Buffer.byteLength(text)).padStart(8)} B ${String(gzipped).padStart(7)} B gzipped`);
  if (budget !== undefined && gzipped > budget) failures.push(`${name} has ${gzipped} B gzipped; at most ${budget} are allowed`);
}
for (const [name, text] of files) size(name, text, name.endsWith('.js') ? PAGE_BUDGET : undefined);

const { outputFiles: [core] } = await build({ ...OPTIONS, stdin: { contents: CORE, resolveDir: here } });
size('(core and BIP39 words)', core.text, CORE_BUDGET);

files.set('SHA256SUMS', sums);
if (process.argv.includes('--check')) {
  for (const [name, text] of files) {
    const file = join(target, name);
    if (!existsSync(file)) failures.push(`static/${name} is missing: run build.mjs`);
    else if (readFileSync(file, 'utf8') !== text) failures.push(`static/${name} is not what its source gives: run build.mjs`);
  }
  for (const name of list(target, '.js')) {
    if (!files.has(`${name}.js`)) failures.push(`static/${name}.js has no source`);
  }
} else {
  for (const [name, text] of files) writeFileSync(join(target, name), text);
}
for (const failure of failures) console.log(`FAILED ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;
