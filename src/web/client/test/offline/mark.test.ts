// The offline files carry the site's mark, and not another one.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

declare const TEST_ROOT: string;

const markIn = (path: string): string => {
  const page = readFileSync(join(TEST_ROOT, '..', path), 'utf8');
  return /<svg[^>]* viewBox="0 0 32 32"[^>]*>(.*?)<\/svg>/s.exec(page)?.[1] ?? assert.fail(`${path} has no mark`);
};

test('the mark of the offline files is the site’s', () => {
  const site = markIn('../templates/base.html');
  for (const name of ['sign', 'recover']) assert.equal(markIn(`src/${name}/${name}.html`), site, name);
});
