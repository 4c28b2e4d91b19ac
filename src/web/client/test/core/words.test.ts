// Amounts, shares and foreign texts, as every page and file writes them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { btc, groups, inert, percent, satWords } from '../../src/core/words.ts';
import { rulingWords } from '../../src/desk/words.ts';

test('shares have no needless zeros, and amounts every digit', () => {
  const shares: [number, string][] = [[0, '0 %'], [5, '0.05 %'], [50, '0.5 %'], [2_000, '20 %'], [6_667, '66.67 %'], [1_250, '12.5 %'], [10_000, '100 %']];
  for (const [bps, words] of shares) assert.equal(percent(bps), words);
  assert.match(rulingWords(6_667), / 66\.67 % of the money/);
  assert.match(rulingWords(2_000), / 20 % of the money/);
  const amounts: [bigint, string, string][] = [
    [0n, '0 sat', '0 BTC'], [999n, '999 sat', '0.00000999 BTC'], [1_000_000n, '1,000,000 sat', '0.01 BTC'],
    [2_100_000_000_000_000n, '2,100,000,000,000,000 sat', '21000000 BTC'],
  ];
  for (const [amount, sat, bitcoin] of amounts) assert.deepEqual([satWords(amount), btc(amount)], [sat, bitcoin]);
});

test('what cannot be seen is seen, every time, and groups lose nothing', () => {
  assert.equal(inert('a\u202eb\u200bc\nd\u{e0041}'), 'a\ufffdb\ufffdc\ufffdd\ufffd');
  assert.equal(inert('Ünïcode 文 stays'), 'Ünïcode 文 stays');
  assert.deepEqual(groups('abcdefghi'), ['abcd', 'efgh', 'i']);
  assert.deepEqual(groups(''), []);
});
