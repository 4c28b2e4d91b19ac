// Payees as people write them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPayees, shareBps } from '../../src/core/payees.ts';

test('shares in percent and in basis points, and nothing else', () => {
  for (const [text, bps] of [['95%', 9_500], ['95 %', 9_500], ['12.5%', 1_250], ['0.01 %', 1], ['100%', 10_000], ['9500', 9_500], ['1', 1]] as const) {
    assert.equal(shareBps(text), bps, text);
  }
  for (const text of ['', '0', '0 %', '100.01%', '10001', '1.234%', '-5%', '5,5%', '5 % %', '1e3', '.5%', '5.%']) assert.equal(shareBps(text), null, text);
});

test('one a line, as pages and the command line write them', () => {
  assert.deepEqual(readPayees(' bcrt1qone 60 %\r\n\nbcrt1qtwo:3500\n'), [{ address: 'bcrt1qone', share_bps: 6_000 }, { address: 'bcrt1qtwo', share_bps: 3_500 }]);
  assert.deepEqual(readPayees(' \n'), []);
  for (const text of ['bcrt1qone', 'bcrt1qone 60 % extra', 'bcrt1qone: ', '60 %', 'a b c']) assert.throws(() => readPayees(text), /line 1 of the payees/, text);
});
