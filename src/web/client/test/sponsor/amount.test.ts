// Amounts as people write them: what is read, and what is refused in which words.

import { satWords } from '../../src/core/words.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { btcWords, linkAmount, readBtc, readSat, refusal, type Amount } from '../../src/sponsor/amount.ts';

const sat = (read: Amount): bigint => 'sat' in read ? read.sat : assert.fail(read.error);
const error = (read: Amount): string => 'error' in read ? read.error : assert.fail(`read as ${read.sat}`);

test('whole satoshis are read, with thousands set apart or not', () => {
  for (const [text, value] of [
    ['0', 0n], ['1', 1n], [' 250000 ', 250_000n], ['250,000', 250_000n], ['1 000 000', 1_000_000n], ["1'000'000", 1_000_000n],
    ['1\u202f000', 1_000n], ['10000 sat', 10_000n], ['10000sats', 10_000n], ['007', 7n], ['2100000000000000', 2_100_000_000_000_000n],
  ] as const) assert.equal(sat(readSat(text)), value, text);
});

test('bitcoin is read with at most eight places', () => {
  for (const [text, value] of [
    ['0.0025', 250_000n], ['1', 100_000_000n], ['.5', 50_000_000n], ['1.', 100_000_000n], ['0.00000001', 1n], ['0.000000010', 1n],
    ['21000000', 2_100_000_000_000_000n], ['0.01 BTC', 1_000_000n], ['₿0', 0n],
  ] as const) {
    if (text.startsWith('₿')) assert.match(error(readBtc(text)), /no number/);
    else assert.equal(sat(readBtc(text)), value, text);
  }
});

test('what is no amount has words of its own', () => {
  for (const [text, words] of [
    ['', /^Write an amount/], ['-1', /cannot be negative/], ['\u22125', /cannot be negative/], ['1e-9', /without an exponent/], ['1E5', /without an exponent/],
    ['NaN', /This is no number/], ['Infinity', /This is no number/], ['-Infinity', /negative/], ['abc', /This is no number/], ['0x10', /ordinary digits/],
    ['10.5', /cannot be divided/], ['1,5', /cannot be divided/], ['1,0000', /cannot be divided/], ['2100000000000001', /never be more than 21 million/],
    ['99999999999999999999999999999999', /never be more/], ['１００', /This is no number/],
  ] as const) assert.match(error(readSat(text)), words, text);
  for (const [text, words] of [
    ['', /^Write an amount/], ['.', /at most one point/], ['1.2.3', /at most one point/], ['0,5', /a point before/], ['1e-9', /exponent/],
    ['0.000000001', /eight decimal places/], ['21000000.00000001', /never be more/], ['NaN', /no number/], ['-0.1', /negative/],
  ] as const) assert.match(error(readBtc(text)), words, text);
});

test('an amount must reach the least pledge and fit under the cap', () => {
  const limits = { minimum: 10_000n, left: 500_000n };
  assert.equal(refusal(10_000n, limits), null);
  assert.equal(refusal(500_000n, limits), null);
  assert.match(refusal(0n, limits) ?? '', /Nothing is no pledge/);
  assert.match(refusal(1n, limits) ?? '', /1 sat is below the least pledge of this task, 10,000 sat/);
  assert.match(refusal(9_999n, limits) ?? '', /below the least/);
  assert.match(refusal(500_001n, limits) ?? '', /takes 500,000 sat more, not 500,001 sat/);
  assert.match(refusal(10_000n, { minimum: 10_000n, left: 9_999n }) ?? '', /no room for another/);
});

test('amounts are written as links and people have them', () => {
  assert.equal(satWords(2_100_000_000_000_000n), '2,100,000,000,000,000 sat');
  assert.equal(satWords(7n), '7 sat');
  assert.equal(btcWords(1n), '0.00000001');
  for (const [value, text] of [[250_000n, '0.0025'], [100_000_000n, '1'], [1n, '0.00000001'], [1_050_000_000n, '10.5'], [10_000_000_000n, '100']] as const) {
    assert.equal(linkAmount(value), text);
  }
});
