// What the recovery page makes of what a sponsor kept: files, words, keys, links, charters, proof documents; and what it
// signs, against the vectors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { Charter } from '../../src/core/charter.ts';
import { keyToFragment, toWif } from '../../src/core/keys.ts';
import { RecoveryFile } from '../../src/core/recovery.ts';
import { parseTransaction, serialize, transactionHex, txid, vsize, type Transaction } from '../../src/core/tx.ts';
import { hex, unhex } from '../../src/core/bytes.ts';
import { findPayment, openFile, openSecret, readPublic, readSat, signOwn, type Asked } from '../../src/recover/open.ts';
import { amountWords, coreSteps, distance, pledgeRows, readyRows, recoveryFileName, timeWords } from '../../src/recover/words.ts';
import { PHRASE, outpoint, pledgeOf } from '../lib/pledge.ts';
import { rootOf, sponsorIndex } from '../lib/root.ts';
import { at, vectors } from '../lib/vectors.ts';

const ASKED: Asked = { secret: PHRASE, document: '', index: null, address: null, refundAddress: null };

function refusal(attempt: () => unknown): UpfrontError {
  try {
    attempt();
  } catch (error) {
    assert.ok(error instanceof UpfrontError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

/** A transaction that pays the pledge of `position`, twice. */
function funding(position: number): Transaction {
  const { output } = pledgeOf(position).file();
  const input = { txid: 'ab'.repeat(32), vout: 3, scriptSig: new Uint8Array(0), sequence: 0xfffffffd, witness: [new Uint8Array(64).fill(1)] };
  return {
    version: 2, lockTime: 0, inputs: [input],
    outputs: [{ amount: 7n, script: unhex('51', 's') }, { amount: 90_000n, script: output.scriptPubkey }, { amount: 500_000n, script: output.scriptPubkey }],
  };
}

/** A proof document, as far as the page looks at it. */
function proofOf(position: number, changes: Record<string, unknown> = {}): string {
  const { charter, claims, attestations } = pledgeOf(position);
  const paid = funding(position);
  const id = txid(paid);
  return JSON.stringify({
    version: 1, charter_id: charter.id, charter: charter.text, text: 'what is asked', attestations,
    pledges: [
      { index: 1, sponsor_key: claims.internalKey, refund_address: claims.openAddress, signature: '00'.repeat(64), promised_sat: 5, issued_mtp_secs: 5 },
      { index: 4, sponsor_key: claims.sponsorKey, refund_address: claims.refundAddress, signature: claims.signature, promised_sat: 5, issued_mtp_secs: 5 },
    ],
    outpoints: [
      { outpoint: `${id}:1`, index: 4, generation: 0, amount_sat: 90_000, secured: false, spend: null },
      { outpoint: `${id}:2`, index: 4, generation: 0, amount_sat: 500_000, secured: false, spend: { txid: 'cd'.repeat(32), vin: 0, path: 'cooperative' } },
      { outpoint: outpoint(9), index: 1, generation: 0, amount_sat: 12_345, secured: false, spend: null },
    ],
    transactions: { [id]: { raw: transactionHex(paid), confirmation: null, branch: [] } },
    ...changes,
  });
}

test('a recovery file opens, and lists exactly what it holds', () => {
  const file = pledgeOf(3).file();
  file.sign(outpoint(1), 1_000_000n);
  const opened = openFile(file.toJson());
  assert.equal(opened.refunds.output.address, pledgeOf(3).claims.address);
  assert.equal(opened.refundAddressGuessed, false);
  const [list] = readyRows(opened, 0);
  assert.ok(list);
  assert.deepEqual(list.rungs.map((row) => row.title), ['1 sat/vB', '2 sat/vB', '5 sat/vB', '10 sat/vB', '25 sat/vB', '50 sat/vB', '100 sat/vB']);
  assert.deepEqual([...list.rungs, list.pair].map((row) => row.hex).sort(), file.ready().map((one) => transactionHex(one.transaction)).sort());
  assert.ok(list.pair.pair && !list.rungs.some((row) => row.pair));
});

test('ready transactions are valid by the clock an hour after their time, not before', () => {
  const file = pledgeOf(3).file();
  file.sign(outpoint(1), 1_000_000n);
  const t = file.charter.fields.refund_time;
  const valid = (now: number): string[] => readyRows(openFile(file.toJson()), now)[0]!.rungs.filter((row) => row.valid).map((row) => row.title);
  assert.deepEqual(valid(t), []);
  assert.deepEqual(valid(t + 3_600), []);
  assert.deepEqual(valid(t + 3_601), ['1 sat/vB', '2 sat/vB', '5 sat/vB']);
  assert.deepEqual(valid(t + 3_601 + 3 * 86_400), ['1 sat/vB', '2 sat/vB', '5 sat/vB', '10 sat/vB']);
  assert.equal(valid(t + 3_601 + 21 * 86_400).length, 7);
});

test('signed for an outpoint, the refunds are those of the vectors', () => {
  for (const item of vectors.refunds.filter((one) => one.generation === 0)) {
    const { text } = at(vectors.charters, item.charter);
    const charter = Charter.parse(text);
    const key = rootOf(item.phrase, charter.network.name).sponsorKey(sponsorIndex(item.path));
    const address = openSecret({ ...ASKED, secret: hex(key.secret), document: text, index: item.index, refundAddress: item.refund_address }).refunds.output.address;
    // By words and the paid address, which finds the path.
    const opened = openSecret({ ...ASKED, secret: item.phrase, document: `${text}\n`, index: item.index, address, refundAddress: item.refund_address });
    const [payment] = findPayment(opened, { transaction: '', outpoint: item.outpoint, amount: String(item.amount_sat) });
    assert.ok(payment);
    opened.refunds.sign(payment.outpoint, payment.amount);
    const transactions = opened.refunds.ready().map((one) => transactionHex(one.transaction));
    assert.deepEqual(transactions, [item.pair.transaction, ...item.ladder.map((rung) => rung.transaction)]);
  }
});

test('words and a proof document are enough: pledge, refund address and payments are found in it', () => {
  const opened = openSecret({ ...ASKED, document: proofOf(3) });
  const { claims } = pledgeOf(3);
  assert.equal(opened.refunds.output.address, claims.address);
  assert.equal(opened.refunds.refundAddress, claims.refundAddress);
  assert.equal(opened.refundAddressGuessed, false);
  assert.deepEqual(opened.named, [{ outpoint: `${txid(funding(3))}:1`, amount: 90_000n }]);
  // A recovery file comes of it, with the paths.
  assert.ok(opened.file);
  for (const one of opened.named) opened.file.sign(one.outpoint, one.amount);
  const read = RecoveryFile.parse(opened.file.toJson());
  assert.equal(read.parts.origin.sponsorKeyIndex, 3);
  assert.equal(read.parts.origin.refundAddressIndex, 2);
  assert.equal(read.toJson(), opened.file.toJson());
  assert.equal(recoveryFileName(opened), `upfront-recovery-${opened.charter.id.slice(0, 8)}-4.json`);
});

test('a key in hex, in WIF, or in the pledge\'s link does as well', () => {
  const { charter, claims } = pledgeOf(3);
  const key = rootOf(PHRASE, 'regtest').sponsorKey(3);
  const link = `https://example.org/tasks/${charter.id}/pledges/4#key=${keyToFragment(key)}`;
  for (const secret of [hex(key.secret), toWif(key, charter.network), link]) {
    const index = secret === link ? null : 4;
    const opened = openSecret({ ...ASKED, secret, document: charter.text, index, refundAddress: claims.refundAddress });
    assert.equal(opened.refunds.output.address, claims.address);
    assert.equal(opened.file, null);
    assert.ok(opened.refundAddressGuessed);
  }
  assert.equal(refusal(() => openSecret({ ...ASKED, secret: link, document: pledgeOf(2).charter.text })).code, 'other_task');
  assert.equal(refusal(() => openSecret({ ...ASKED, secret: link, document: charter.text })).field, 'refund_address');
});

test('what does not belong together is refused, and the field is named', () => {
  const { charter, claims } = pledgeOf(3);
  const cases: [Partial<Asked>, string][] = [
    [{ document: charter.text }, 'index'],
    [{ document: charter.text, index: 0 }, 'index'],
    [{ document: charter.text, index: 2 ** 31 }, 'index'],
    [{ document: charter.text, index: 5, address: claims.address }, 'address'],
    [{ document: charter.text, index: 4, address: pledgeOf(0).claims.address }, 'address'],
    [{ document: proofOf(3), address: claims.openAddress }, 'address'],
    [{ document: proofOf(3), refundAddress: claims.openAddress }, 'refund_address'],
    [{ document: charter.text, index: 4, refundAddress: 'nonsense' }, 'refund_address'],
    [{ document: charter.text, index: 4, secret: 'abandon abandon' }, 'phrase'],
    [{ document: charter.text, index: 4, secret: 'xyz' }, 'secret'],
    [{ document: proofOf(3, { pledges: [] }) }, 'index'],
    [{ document: proofOf(3, { attestations: { ...pledgeOf(3).attestations, arbiter: '11'.repeat(64) } }) }, 'attestations.arbiter'],
    [{ document: proofOf(3).replace(claims.signature, '22'.repeat(64)) }, 'pledge_signature'],
    [{ document: proofOf(3).replace('"amount_sat":90000', '"amount_sat":90001') }, 'outpoints.amount_sat'],
    [{ document: charter.text.slice(1), index: 4 }, 'charter'],
    [{ document: charter.text.replace('"depth":1', '"depth":0'), index: 4 }, 'depth'],
  ];
  for (const [asked, field] of cases) {
    const error = refusal(() => openSecret({ ...ASKED, ...asked }));
    assert.equal(error.field, field, `${Object.keys(asked).join()}: ${error.message}`);
    assert.ok(!error.message.includes('abandon') && !error.message.includes(PHRASE.split(' ')[0] ?? '?'), error.message);
  }
  assert.equal(readPublic(proofOf(3, { attestations: { developer: '00' } })).attestations, null);
});

test('a payment is taken from its transaction, or as it is named; what contradicts it is refused', () => {
  const opened = openSecret({ ...ASKED, document: proofOf(3) });
  const paid = funding(3);
  const raw = hex(serialize(paid));
  const id = txid(paid);
  const none = { transaction: '', outpoint: '', amount: '' };
  assert.deepEqual(findPayment(opened, { ...none, transaction: ` ${raw.slice(0, 30)}\n${raw.slice(30)}` }), [
    { outpoint: `${id}:1`, amount: 90_000n }, { outpoint: `${id}:2`, amount: 500_000n },
  ]);
  assert.deepEqual(findPayment(opened, { transaction: raw, outpoint: `${id.toUpperCase()}:2`, amount: '500,000 sat' }), [{ outpoint: `${id}:2`, amount: 500_000n }]);
  assert.deepEqual(findPayment(opened, { ...none, outpoint: `${id}:1`, amount: '90 000' }), [{ outpoint: `${id}:1`, amount: 90_000n }]);
  const cases: [Partial<typeof none>, string][] = [
    [{}, 'outpoint'], [{ outpoint: `${id}:1` }, 'amount'], [{ outpoint: id, amount: '5' }, 'outpoint'], [{ outpoint: `${id}:1`, amount: '0.5' }, 'amount'],
    [{ outpoint: `${id}:1`, amount: '0' }, 'amount'], [{ transaction: raw.slice(2) }, 'transaction'], [{ transaction: raw.slice(0, -2) }, 'transaction'],
    [{ transaction: 'xyz' }, 'transaction'], [{ transaction: raw, outpoint: `${id}:0` }, 'outpoint'], [{ transaction: raw, outpoint: `${id}:1`, amount: '90001' }, 'amount'],
    [{ transaction: hex(serialize(funding(2))) }, 'transaction'],
  ];
  for (const [given, field] of cases) assert.equal(refusal(() => findPayment(opened, { ...none, ...given })).field, field, JSON.stringify(given).slice(0, 80));
  for (const [text, sat] of [['1', 1n], ['1,000', 1_000n], ["1'000'000 sats", 1_000_000n], [' 250_000 ', 250_000n], ['2100000000000000', 2_100_000_000_000_000n]] as const) {
    assert.equal(readSat(text, 'amount'), sat);
  }
  for (const bad of ['', '-1', '1.5', '1,00', '1e3', '2100000000000001', '0x10', 'ten']) assert.throws(() => readSat(bad, 'amount'), { field: 'amount' }, bad);
});

test('a refund of one\'s own: any feerate, any address of the network, locked to T, signed by the key alone', () => {
  const opened = openSecret({ ...ASKED, document: proofOf(3) });
  const elsewhere = 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn';
  const own = { outpoint: `${txid(funding(3))}:1`, amount: 90_000n };
  for (const [to, expected] of [['', opened.refunds.refundAddress], [elsewhere, elsewhere]] as const) {
    const signed = signOwn(opened, { ...own, feerate: '7', to });
    const tx = parseTransaction(unhex(signed.hex, 'tx'), 'tx');
    assert.equal(signed.to, expected);
    assert.equal(signed.feeSat, 7n * BigInt(vsize(tx)));
    assert.equal(tx.outputs[0]?.amount, 90_000n - signed.feeSat);
    assert.equal(tx.lockTime, opened.charter.fields.refund_time);
    assert.equal(txid(tx), signed.txid);
  }
  const cases: [{ feerate?: string; to?: string }, string][] = [
    [{ feerate: '0' }, 'feerate'], [{ feerate: '1.5' }, 'feerate'], [{ feerate: '' }, 'feerate'], [{ feerate: '5000' }, 'feerate'],
    [{ to: 'nonsense' }, 'to'], [{ to: pledgeOf(0).claims.refundAddress }, 'to'], [{ to: opened.refunds.output.address }, 'to'],
  ];
  for (const [given, field] of cases) assert.equal(refusal(() => signOwn(opened, { ...own, feerate: '5', to: '', ...given })).field, field, JSON.stringify(given));
  const without = openFile(pledgeOf(3).file({ sponsorKeyIndex: null, refundAddressIndex: null }, false).toJson());
  assert.equal(refusal(() => signOwn(without, { ...own, feerate: '5', to: '' })).code, 'no_key');
  assert.equal(coreSteps(without), null);
});

test('the commands for Bitcoin Core hold the file\'s own private descriptor, T and refund address', () => {
  const file = pledgeOf(3).file();
  const opened = openFile(file.toJson());
  const steps = coreSteps(opened);
  assert.ok(steps);
  const [make, give, send] = steps;
  assert.equal(make?.command, 'bitcoin-cli -regtest createwallet refund false true');
  const imported = /importdescriptors '(.*)'$/.exec(give?.command ?? '')?.[1] ?? '';
  assert.deepEqual(JSON.parse(imported), [{ desc: file.privateDescriptor(), timestamp: 0 }]);
  assert.deepEqual(steps.map((step) => step.secret), [false, true, false]);
  assert.equal(send?.command, `bitcoin-cli -regtest -rpcwallet=refund -named sendall recipients='["${opened.refunds.refundAddress}"]' options='{"fee_rate":5,"locktime":${opened.charter.fields.refund_time}}'`);
});

test('words: amounts, times, rows', () => {
  assert.equal(amountWords(250_000n), '250,000 sat (0.0025 BTC)');
  assert.equal(amountWords(0n), '0 sat (0 BTC)');
  assert.equal(amountWords(2_100_000_000_000_000n), '2,100,000,000,000,000 sat (21000000 BTC)');
  assert.equal(timeWords(1_795_392_000), 'Mon 2026-11-23 00:00 UTC');
  assert.equal(timeWords(1_795_392_061), 'Mon 2026-11-23 00:01:01 UTC');
  assert.equal(distance(0, 86_400 * 3), 'in 3 days');
  assert.equal(distance(7_200, 0), '2 hours ago');
  assert.equal(distance(100, 100), '1 minute ago');
  const rows = new Map(pledgeRows(openFile(pledgeOf(3).file().toJson()), 0));
  assert.equal(rows.get('Pledge number'), '4');
  assert.equal(rows.get('Task (charter id)'), at(vectors.charters, 3).id);
});
