// What was altered is refused, and the field that is wrong is named: charters, claims of a page, refunds, statements.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPledge, checkTask, type Attestations, type PledgeClaims, type TaskClaims } from '../../src/core/check.ts';
import { Charter } from '../../src/core/charter.ts';
import { hex, utf8 } from '../../src/core/bytes.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { Contract, type EscrowOutput } from '../../src/core/output.ts';
import type { RefundSignatures } from '../../src/core/refund.ts';
import { parseSignature, signStatement, sponsorSpeaker, verifies } from '../../src/core/signature.ts';
import { acceptance, attest, pledge, receipt, ruling, submission, vote, type Statement } from '../../src/core/statement.ts';
import { checkReceipt } from '../../src/core/vote.ts';
import { signedBy } from '../../src/sponsor/ballot.ts';
import { keyPair } from '../../src/core/point.ts';
import { outpoint, pledgeOf, targetOf } from '../lib/pledge.ts';
import { at, vectors } from '../lib/vectors.ts';

type Tree = null | boolean | number | string | Tree[] | { [key: string]: Tree };

/** Task and pledge, as a page checks them. */
const checked = (text: Uint8Array | string, attestations: Attestations, claims: TaskClaims & PledgeClaims): EscrowOutput =>
  checkPledge(checkTask(text, attestations, claims), claims);

function refusalOf(attempt: () => unknown): UpfrontError {
  try {
    attempt();
  } catch (error) {
    assert.ok(error instanceof UpfrontError, String(error));
    assert.notEqual(error.message, '');
    return error;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

function leaves(value: Tree, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]));
}

const sorted = (value: Tree): Tree => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key] as Tree)]));
};

const change = (value: Tree): Tree => {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (value === null) return 'x';
  const text = value as string;
  const middle = text.length >> 1;
  return text.slice(0, middle) + (text[middle] === '1' ? '2' : '1') + text.slice(middle + 1);
};

for (const position of vectors.charters.keys()) {
  test(`charter ${position}: any altered value gives another id or is refused, so its attestations and addresses do not hold`, () => {
    const { charter, attestations, claims } = pledgeOf(position);
    const fields = JSON.parse(charter.text) as Tree;
    let refused = 0;
    for (const path of leaves(fields)) {
      const copy = structuredClone(fields);
      let holder = copy as { [key: string | number]: Tree };
      for (const key of path.slice(0, -1)) holder = holder[key] as { [key: string | number]: Tree };
      holder[path.at(-1) ?? ''] = change(holder[path.at(-1) ?? ''] as Tree);
      const text = JSON.stringify(sorted(copy));
      const error = refusalOf(() => checked(text, attestations, claims));
      if (error.code !== 'untrue') refused += 1;
      else assert.equal(error.field, 'charter');
      // Also where the page names the altered charter's own id.
      try {
        const { id } = Charter.parse(text);
        const own = refusalOf(() => checked(text, attestations, { ...claims, task: id }));
        assert.match(own.field, /^attestations\./);
      } catch (parsed) {
        assert.ok(parsed instanceof UpfrontError);
      }
    }
    assert.ok(refused > 10);
  });
}

test('a charter has one spelling', () => {
  const { text } = at(vectors.charters, 0);
  const cases: [string, string][] = [
    [` ${text}`, 'charter_not_canonical'],
    [`${text}\n`, 'charter_not_canonical'],
    [`\ufeff${text}`, 'charter_not_json'],
    [text.replace('"depth":2', '"depth":2.0'), 'charter_not_json'],
    [text.replace('"depth":2', '"depth":2e0'), 'charter_not_json'],
    [text.replace('"depth":2', '"depth":-0'), 'charter_depth'],
    [text.replace('"pot":null,', ''), 'charter_not_canonical'],
    [text.replace('"leader":null,', ''), 'charter_not_canonical'],
    [text.replace('"cap_sat"', '"__proto__":1,"cap_sat"'), 'charter_unknown_key'],
    [text.replace('"cap_sat"', '"constructor":1,"cap_sat"'), 'charter_unknown_key'],
    [text.replace('"cap_sat"', '"leader?":1,"cap_sat"'), 'charter_unknown_key'],
    [text.replace('"depth":2', '"depth":2,"depth":2'), 'charter_duplicate_key'],
    [text.replace('"depth":2', '"depth":2,"\\u0064epth":2'), 'charter_duplicate_key'],
    [text.replace('"both sides"', '"both \\ud800 sides"'), 'charter_not_json'],
    [text.replace('"both sides"', '"both\\u0020sides"'), 'charter_not_canonical'],
    [text.replace('"both sides"', '"both \u202e sides"'), 'charter_text'],
    [text.replace('"milestones":[', `"milestones":${'['.repeat(5_000)}`), 'charter_not_json'],
    [`[${text}]`, 'charter_shape'],
    ['null', 'charter_shape'],
    ['', 'charter_not_json'],
    [text.slice(0, -1), 'charter_not_json'],
    [text + ' '.repeat(40_000), 'charter_too_long'],
  ];
  for (const [broken, code] of cases) {
    assert.notEqual(broken, text);
    assert.equal(refusalOf(() => Charter.parse(broken)).code, code, broken.slice(0, 60));
  }
  assert.equal(refusalOf(() => Charter.parse(Uint8Array.of(0xff, 0x7b))).code, 'charter_not_json');
});

test('what is claimed of a pledge must be so, and the first claim that is not is named', () => {
  const { charter, attestations, claims } = pledgeOf(3);
  const good = checked(charter.text, attestations, claims);
  assert.equal(good.address, claims.address);
  assert.equal(checked(charter.bytes, attestations, claims).address, claims.address);
  const other = pledgeOf(2).claims;
  const index5 = new Contract(charter).pledge({ generation: 0, index: 5 }, claims.sponsorKey);
  const cases: [Partial<TaskClaims & PledgeClaims>, string][] = [
    [{ task: other.task }, 'charter'],
    [{ openAddress: claims.address }, 'open_address'],
    [{ descriptor: index5.descriptor }, 'descriptor'],
    [{ address: index5.address }, 'address'],
    [{ address: claims.address.toUpperCase() }, 'address'],
    [{ index: 0 }, 'index'],
    [{ index: 2 ** 31 }, 'index'],
    [{ index: 1.5 }, 'index'],
    [{ index: 5 }, 'descriptor'],
    [{ sponsorKey: other.internalKey }, 'descriptor'],
    [{ sponsorKey: 'ff'.repeat(32) }, 'sponsor_key'],
    [{ sponsorKey: 'words' }, 'sponsor_key'],
    [{ refundAddress: other.refundAddress }, 'refund_address'],
    [{ refundAddress: claims.refundAddress.toUpperCase() }, 'refund_address'],
    [{ refundAddress: claims.openAddress }, 'signature'],
    [{ signature: '00'.repeat(64) }, 'signature'],
    [{ signature: 'nonsense' }, 'signature'],
    [{ text: 'another text' }, 'text'],
  ];
  for (const [claim, field] of cases) {
    const error = refusalOf(() => checked(charter.text, attestations, { ...claims, ...claim }));
    assert.equal(error.field, field, `${JSON.stringify(claim)}: ${error.message}`);
    assert.ok(error.message.includes(field) || field === 'charter', error.message);
  }
});

test('an address is shown only where all three have attested', () => {
  const { charter, attestations, claims } = pledgeOf(3);
  for (const role of ['developer', 'representative', 'arbiter'] as const) {
    const { [role]: _, ...two } = attestations;
    assert.deepEqual([refusalOf(() => checkTask(charter.text, two, claims))].map(({ code, field }) => [code, field]), [['not_attested', `attestations.${role}`]]);
    const swapped = { ...attestations, [role]: pledgeOf(2).attestations[role] };
    assert.equal(refusalOf(() => checkTask(charter.text, swapped, claims)).field, `attestations.${role}`);
    const malformed = { ...attestations, [role]: 'smpAAA' };
    assert.equal(refusalOf(() => checkTask(charter.text, malformed, claims)).field, `attestations.${role}`);
  }
});

test('an altered refund bundle is refused, and its part is named', () => {
  for (const item of vectors.refunds) {
    const charter = Charter.parse(at(vectors.charters, item.charter).text);
    const contract = new Contract(charter);
    const output = contract.pledge({ generation: item.generation, index: item.index }, item.sponsor_key);
    const target = targetOf(output, item.outpoint, BigInt(item.amount_sat), item.refund_address);
    const good: RefundSignatures = { outpoint: item.outpoint, amount_sat: item.amount_sat, pair: item.pair.signature, ladder: item.ladder.map((rung) => rung.signature) };
    assert.ok(target.check({ ...good, ladder: [] }).pairOnly);
    const flip = (text: string): string => change(text) as string;
    const cases: [RefundSignatures, string][] = [
      [{ ...good, outpoint: flip(good.outpoint) }, 'refund.outpoint'],
      [{ ...good, amount_sat: good.amount_sat + 1 }, 'refund.amount_sat'],
      [{ ...good, pair: flip(good.pair) }, 'refund.pair'],
      [{ ...good, pair: good.pair.slice(2) }, 'refund.pair'],
      [{ ...good, ladder: [...good.ladder, good.pair] }, good.ladder.length === 0 ? 'refund.ladder' : 'refund.ladder'],
      ...good.ladder.map((text, place): [RefundSignatures, string] => [{ ...good, ladder: good.ladder.with(place, flip(text)) }, `refund.ladder.${place}`]),
    ];
    for (const [bundle, field] of cases) assert.equal(refusalOf(() => target.check(bundle)).field, field);
    // For another address, amount, outpoint or output the same signatures are none.
    const more = targetOf(output, item.outpoint, BigInt(item.amount_sat) + 1n, item.refund_address);
    assert.equal(refusalOf(() => more.check({ ...good, amount_sat: item.amount_sat + 1 })).field, 'refund.pair');
    const elsewhere = targetOf(output, item.outpoint, BigInt(item.amount_sat), contract.open().address);
    assert.equal(refusalOf(() => elsewhere.check(good)).field, 'refund.pair');
    const place = targetOf(contract.pledge({ generation: item.generation, index: item.index === 1 ? 2 : item.index - 1 }, item.sponsor_key), item.outpoint, BigInt(item.amount_sat), item.refund_address);
    assert.equal(refusalOf(() => place.check(good)).field, 'refund.pair');
  }
  const { charter, claims } = pledgeOf(3);
  assert.equal(refusalOf(() => targetOf(new Contract(charter).open(), outpoint(1), 5_000n, claims.refundAddress)).code, 'no_refund_leaf');
  assert.equal(refusalOf(() => targetOf(pledgeOf(3).file().output, 'x:1', 5_000n, claims.refundAddress)).field, 'outpoint');
});

test('every field of every statement counts, and statements refuse what no line can hold', () => {
  const key = keyPair(new Uint8Array(32).fill(7), 'key');
  const [a, b] = ['1'.repeat(64), '2'.repeat(64)];
  const network = 'regtest' as const;
  type Maker = (fields: Record<string, string | number | boolean>) => Statement;
  const cases: [Maker, Record<string, string | number | boolean>][] = [
    [pledge as unknown as Maker, { network, charter: a, index: 1, sponsorKey: b, refundAddress: 'addr' }],
    [submission as unknown as Maker, { network, charter: a, number: 0, link: 'https://example.org', content: b, blockHeight: 5, blockHash: a }],
    [vote as unknown as Maker, { network, charter: a, submission: b, pledge: 1, choice: 'yes', counter: 0 }],
    [acceptance as unknown as Maker, { network, charter: a, submission: b, accepted: true }],
    [ruling as unknown as Maker, { network, charter: a, submission: b, payBps: 5_000 }],
    [receipt as unknown as Maker, { network, charter: a, vote: b, tipHeight: 3, tipHash: a, tipMtpSecs: 9 }],
  ];
  for (const [make, fields] of cases) {
    const signature = parseSignature(signStatement(make(fields), key), 'signature');
    assert.ok(verifies(make(fields), signature, sponsorSpeaker(key.publicKey)));
    for (const [field, value] of Object.entries(fields)) {
      const other = field === 'network' ? 'signet' : field === 'choice' ? 'no' : typeof value === 'string' && value.length === 64 ? '3'.repeat(64) : change(value);
      assert.equal(verifies(make({ ...fields, [field]: other as string }), signature, sponsorSpeaker(key.publicKey)), false, field);
    }
    assert.throws(() => make({ ...fields, charter: a.slice(1) }), { code: 'not_a_hash', field: 'charter' });
  }
  assert.throws(() => submission({ network, charter: a, number: 0, link: 'one\ntwo', content: b, blockHeight: 5, blockHash: a }), { field: 'link' });
  assert.throws(() => vote({ network, charter: a, submission: b, pledge: 0, choice: 'yes', counter: 0 }), { field: 'pledge' });
  assert.throws(() => ruling({ network, charter: a, submission: b, payBps: 10_001 }), { field: 'pay_bps' });
  assert.equal(attest(a).lines, a);
});

test('a receipt is checked under the receipt key of the charter, for this very vote', () => {
  const { charter } = pledgeOf(3);
  const service = keyPair(new Uint8Array(32).fill(9), 'key');
  const own = Charter.parse(charter.text.replace(charter.fields.receipt_key, service.publicKey));
  const key = keyPair(new Uint8Array(32).fill(7), 'key');
  const votes = { network: own.network.name, charter: own.id, submission: '4'.repeat(64), pledge: 4 };
  const given = signedBy({ ...votes, choice: 'no', counter: 1 }, key);
  const digest = hex(vote({ ...given.statement, network: 'regtest' }).digest);
  const fields = { network: 'regtest', charter: own.id, vote: digest, tip_height: 7, tip_hash: '5'.repeat(64), tip_mtp_secs: 8 };
  const sign = (by: typeof key): string => signStatement(receipt({ network: 'regtest', charter: own.id, vote: digest, tipHeight: 7, tipHash: '5'.repeat(64), tipMtpSecs: 8 }), by);
  checkReceipt(own, given, { statement: fields, signature: sign(service) });
  assert.throws(() => checkReceipt(own, given, { statement: fields, signature: sign(key) }), { field: 'receipt.signature' });
  const later = signedBy({ ...votes, choice: 'yes', counter: 2 }, key);
  assert.throws(() => checkReceipt(own, later, { statement: fields, signature: sign(service) }), { field: 'receipt.vote' });
  assert.throws(() => checkReceipt(charter, given, { statement: fields, signature: sign(service) }), { field: 'receipt.charter' });
  assert.throws(() => checkReceipt(own, given, { statement: { ...fields, tip_height: 8 }, signature: sign(service) }), { field: 'receipt.signature' });
  assert.ok(utf8(own.text).length > 0);
});
