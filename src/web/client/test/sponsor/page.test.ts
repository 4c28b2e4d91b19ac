// Streams put together, codes drawn, words of errors, and answers of the service that are not what was asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import decodeQR from 'qr/decode.js';
import { UpfrontError } from '../../src/core/error.ts';
import { canonical, parseJson, type Json } from '../../src/core/json.ts';
import { checkedPledge, firstOtherTerm, issuedPledge, openTask, paymentLink, qrText } from '../../src/sponsor/task.ts';
import { pledgeOf as readPledge, taskOf, type PledgeView, type TaskView } from '../../src/sponsor/views.ts';
import { isLie, lieWords } from '../../src/sponsor/lie.ts';
import { ServiceError } from '../../src/ui/api.ts';
import { StreamReader } from '../../src/ui/events.ts';
import { sentence } from '../../src/ui/page.ts';
import { qrPath } from '../../src/ui/qr.ts';
import { pledgeOf } from '../lib/pledge.ts';

test('a stream gives the same events however it is cut', () => {
  const text = 'event: hello\nid: 4-0\ndata: {}\n\n: still here\n\nid: 5-0\nevent: payment_seen\ndata: {"a":"id: 9-9"}\n\nevent: payment_credited\r\nid: 5-1\r\ndata: {}\r\n\r\n';
  const expected = [{ id: '4-0', type: 'hello' }, { id: '5-0', type: 'payment_seen' }, { id: '5-1', type: 'payment_credited' }];
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new StreamReader();
    const told = [];
    for (let at = 0; at < text.length; at += size) told.push(...reader.push(text.slice(at, at + size)));
    assert.deepEqual(told, expected, `in pieces of ${size}`);
  }
});

test('the code that is drawn says the link, with the address in capitals', () => {
  const { claims } = pledgeOf(0);
  const text = qrText(claims.address, 250_000n);
  assert.equal(text, `bitcoin:${claims.address.toUpperCase()}?amount=0.0025`);
  const { path, side } = qrPath(text);
  const scale = 4;
  const size = side * scale;
  const data = new Uint8Array(size * size * 3).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let dy = 0; dy < scale; dy += 1) for (let dx = 0; dx < scale; dx += 1) data.fill(0, ((Number(y) * scale + dy) * size + Number(x) * scale + dx) * 3, ((Number(y) * scale + dy) * size + Number(x) * scale + dx) * 3 + 3);
  }
  assert.equal(decodeQR({ width: size, height: size, data }), text);
  assert.ok(![...path.matchAll(/M(\d+) (\d+)h/g)].some(([, x, y]) => Math.min(Number(x), Number(y)) < 4), 'a quiet zone of four modules');
});

test('errors read as sentences', () => {
  assert.equal(sentence('phrase: word 3 is not in the list'), 'Phrase: word 3 is not in the list.');
  assert.equal(sentence(' Stop! '), 'Stop!');
  assert.equal(sentence(''), '');
});

const { charter, claims, attestations } = pledgeOf(0);
const terms = parseJson(charter.text, 'charter') as { readonly [key: string]: Json };
const view = (): PledgeView => ({
  index: claims.index, address: claims.address, descriptor: claims.descriptor, sponsorKey: claims.sponsorKey, refundAddress: claims.refundAddress,
  signature: claims.signature, promised: 250_000n, uri: paymentLink(claims.address, 250_000n), outpoints: [],
});
const field = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof UpfrontError ? error.field : assert.fail(String(error));
  }
  return 'nothing';
};

test('every claim of the service beside the charter is compared, and the one that differs is named', () => {
  const task = (): TaskView => ({
    charter: charter.id, text: '', terms, attestations, openAddress: claims.openAddress, nextIndex: 5, pledges: [view()],
  });
  // The vectors' charters name a text that is not kept with them.
  const open = (change: Partial<TaskView>, text = charter.text, id = charter.id): string => field(() => openTask(id, text, { ...task(), ...change }));
  assert.equal(open({}), 'text');
  assert.equal(open({ attestations: { ...attestations, arbiter: attestations.developer } }), 'attestations.arbiter');
  assert.equal(open({ attestations: { developer: attestations.developer, representative: attestations.representative } }), 'attestations.arbiter');
  assert.equal(open({}, charter.text.replace('"depth":', '"depth": ')), 'charter');
  assert.equal(open({}, charter.text, 'a'.repeat(64)), 'charter');
  for (const key of Object.keys(terms)) {
    const { [key]: _, ...without } = terms;
    assert.equal(firstOtherTerm(without, charter.text), key);
    assert.equal(firstOtherTerm({ ...terms, [key]: 'another' }, charter.text), key);
  }
  assert.equal(firstOtherTerm({ ...terms, more: 1 }, charter.text), 'more');
  assert.equal(firstOtherTerm(parseJson(canonical(terms), 'terms'), charter.text), null);
});

test('a pledge that was answered must be the one that was asked for, at the address that follows', () => {
  const contract = { charter, contract: pledgeOf(0).file().contract };
  const wanted = { index: claims.index, sponsorKey: claims.sponsorKey, refundAddress: claims.refundAddress, amount: 250_000n };
  assert.equal(issuedPledge(contract, view(), wanted).address, claims.address);
  const lie = (change: Partial<PledgeView>): string => field(() => issuedPledge(contract, { ...view(), ...change }, wanted));
  assert.equal(lie({ index: 5 }), 'index');
  assert.equal(lie({ sponsorKey: 'f'.repeat(64) }), 'sponsor_key');
  assert.equal(lie({ refundAddress: claims.openAddress }), 'refund_address');
  assert.equal(lie({ promised: 250_001n }), 'promised_sat');
  assert.equal(lie({ address: claims.openAddress }), 'address');
  assert.equal(lie({ descriptor: claims.descriptor.replace(/.$/, 'q') }), 'descriptor');
  assert.equal(lie({ uri: paymentLink(claims.openAddress, 250_000n) }), 'uri');
  assert.equal(lie({ uri: paymentLink(claims.address, 260_000n) }), 'uri');
  assert.equal(lie({ signature: `${claims.signature.startsWith('0') ? '1' : '0'}${claims.signature.slice(1)}` }), 'signature');
  assert.equal(checkedPledge(contract, view()).address, claims.address);
});

test('answers are read with care', () => {
  const pledge = {
    index: 1, address: 'a', descriptor: 'd', sponsor_key: 's', refund_address: 'r', signature: 'x', promised_sat: 5, uri: 'u',
    outpoints: [{ outpoint: 'o:0', generation: 0, amount_sat: 5, standing: 'confirming', depth: 1, of: 2, confirmations: 1, secured: false, pair_only: false, ended: null }],
  };
  assert.deepEqual(readPledge(pledge).outpoints, [{ outpoint: 'o:0', generation: 0, uncovered: null, amount: 5n, standing: 'confirming', secured: false, pairOnly: false, ended: false, lateMove: null }]);
  for (const [key, wrong] of [['index', 0], ['index', 1.5], ['address', 7], ['promised_sat', -1], ['outpoints', {}], ['outpoints', [1]]] as const) {
    assert.throws(() => readPledge({ ...pledge, [key]: wrong } as unknown as Json), UpfrontError, key);
  }
  assert.throws(() => taskOf([]), UpfrontError);
});

test('a lie is named in plain words, and the true value is not repeated', () => {
  const contract = { charter, contract: pledgeOf(0).file().contract };
  const wanted = { index: claims.index, sponsorKey: claims.sponsorKey, refundAddress: claims.refundAddress, amount: 250_000n };
  const words = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      return isLie(error) ? lieWords(error) : assert.fail(String(error));
    }
    return assert.fail('nothing was refused');
  };
  const address = words(() => issuedPledge(contract, { ...view(), address: claims.openAddress }, wanted));
  assert.equal(address, 'The address to pay does not follow from the task’s terms and the keys.');
  const untrue = (name: string, code = 'untrue'): string => lieWords(new UpfrontError(code, name, 'bcrt1psecret'));
  assert.match(untrue('charter.refund_time'), /the refund time is not the one/);
  assert.match(untrue('terms.depth'), /“depth”/);
  assert.match(untrue('attestations.arbiter'), /agreement of the arbiter/);
  assert.match(untrue('attestations.arbiter', 'not_attested'), /arbiter has not agreed/);
  assert.match(untrue('pledges.3.uri'), /“pledges.3.uri”/);
  const task = { charter: charter.id, text: '', terms, attestations, openAddress: claims.openAddress, nextIndex: 5, pledges: [] };
  const later = charter.text.replace(/"refund_time":(\d+)/, (_, secs: string) => `"refund_time":${Number(secs) + 604_800}`);
  assert.equal(field(() => openTask(charter.id, later, task)), 'charter.refund_time');
  assert.ok(!isLie(new ServiceError('cap_reached', 'no room', 409)));
  assert.ok(!isLie(new UpfrontError('no_randomness', 'phrase', 'none')));
  assert.ok(!isLie(new Error('a defect')));
});
