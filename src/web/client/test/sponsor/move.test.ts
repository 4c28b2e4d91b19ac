// Moving a pledge: what is signed equals what the command line signs (descriptors/milestones.json), in the order that loses
// nothing, whatever breaks on the way and whatever the service says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Charter } from '../../src/core/charter.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { newPhrase, Root } from '../../src/core/keys.ts';
import { Contract } from '../../src/core/output.ts';
import { MAX_RECOVERY_BYTES, RecoveryFile } from '../../src/core/recovery.ts';
import { RefundTarget, type LadderSignatures } from '../../src/core/refund.ts';
import { parseSignature, signStatement, sponsorSpeaker, verifyStatement } from '../../src/core/signature.ts';
import { move as moveStatement, pledge as pledgeStatement } from '../../src/core/statement.ts';
import { parseOutpoint, txid } from '../../src/core/tx.ts';
import { Issuing } from '../../src/sponsor/issue.ts';
import type { Keeper } from '../../src/sponsor/keeper.ts';
import { isLie } from '../../src/sponsor/lie.ts';
import { charterIn, Move } from '../../src/sponsor/move.ts';
import { counted, least, mayFallShort, most, MOST_REFUNDS, plansOf, promised, signMove, type Leaving, type SignedMove, type Way } from '../../src/sponsor/move-plan.ts';
import { otherTerms, warnings } from '../../src/sponsor/other-terms.ts';
import type { Held } from '../../src/sponsor/views.ts';
import { rootOf, sponsorIndex } from '../lib/root.ts';
import { FakeService, served } from '../lib/service.ts';
import { at, descriptors, type CharterCase, type RefundCase } from '../lib/vectors.ts';

const NOW: Way = { kind: 'now', feerate: 2 };
const ALONE: Way = { kind: 'alone' };
const DAY = 86_400;

// ---- the published vectors

interface Input { outpoint: string; amount_sat: number; index: number; generation: number; sponsor_key: string }
const file = JSON.parse(readFileSync(join(descriptors, 'milestones.json'), 'utf8')) as {
  charters: CharterCase[]; refunds: RefundCase[];
  moves: { charter: number; to_charter: number; statement: SignedMove['statement']; phrase: string; path: string; key: string; signature: string }[];
  settlements: { charter: number; terms: { for: { kind: string; to?: string }; feerate_sat_per_vb: number; inputs: Input[] }; candidates: { input: Input }[];
    chunks: { inputs: string[]; forms: { txid: string; outputs: { amount_sat: number }[] }[] }[]; stays_out: { outpoint: string; why: { reason: string } }[] }[];
};
const moved = file.settlements.find(({ terms }) => terms.for.kind === 'move')!;
const heldOf = ({ outpoint, amount_sat: amount, generation }: Input): Held =>
  ({ outpoint, generation, uncovered: null, amount: BigInt(amount), standing: 'credited', secured: true, pairOnly: false, ended: false, lateMove: null });
const charterOf = (number: number): Charter => Charter.parse(at(file.charters, number).text);

/** The pledge that a published move leaves, the recovery file of the one it goes to, and its key. */
function published(number: number): { from: Leaving; there: RecoveryFile; key: ReturnType<Root['sponsorKey']>; input: Input; said: (typeof file.moves)[number] } {
  const said = at(file.moves, number);
  const input = moved.candidates.map((each) => each.input).find(({ outpoint }) => outpoint === said.statement.outpoint)!;
  const [charter, to] = [charterOf(said.charter), charterOf(said.to_charter)];
  const root = rootOf(said.phrase, charter.network.name);
  const key = root.sponsorKey(sponsorIndex(said.path));
  assert.equal(key.publicKey, said.key);
  const refund = file.refunds.find((each) => each.charter === said.to_charter && each.index === said.statement.to_index);
  const refundAddress = refund?.refund_address ?? root.refundAddress(0).address;
  const statement = pledgeStatement({ network: to.network.name, charter: to.id, index: said.statement.to_index, sponsorKey: key.publicKey, refundAddress });
  const item = at(file.charters, said.to_charter);
  const there = new RecoveryFile({
    charter: to, attestations: [item.developer.signature, item.representative.signature, item.arbiter.signature],
    index: said.statement.to_index, sponsorKey: key.publicKey, refundAddress, pledgeSignature: signStatement(statement, key),
    key, origin: { sponsorKeyIndex: null, refundAddressIndex: null, phrase: null },
  });
  return { from: { charter, contract: new Contract(charter), index: input.index, sponsorKey: input.sponsor_key }, there, key, input, said };
}

test('consents, transactions and refunds are those that are published', () => {
  let refunds = 0;
  for (const number of file.moves.keys()) {
    const { from, there, key, input, said } = published(number);
    const way: Way = { kind: 'now', feerate: moved.terms.feerate_sat_per_vb };
    const plans = plansOf(from, [heldOf(input)], there, way);
    assert.deepEqual(plans.stays, []);
    const chunk = moved.chunks.find(({ inputs }) => inputs.includes(input.outpoint))!;
    assert.deepEqual(at(plans.moving, 0).arrives.map(Number), chunk.forms.map(({ outputs }) => at(outputs, 0).amount_sat));
    const [part, ...more] = signMove(from, there, plans, key);
    assert.ok(part !== undefined && more.length === 0 && part.ladder === null);
    assert.deepEqual(part.consent, { statement: said.statement, signature: said.signature });
    assert.deepEqual(part.refunds.map(({ signatures: { outpoint } }) => outpoint), chunk.forms.map((form) => `${form.txid}:0`));
    for (const { signatures } of part.refunds) {
      const expected = file.refunds.find(({ outpoint }) => outpoint === signatures.outpoint);
      if (expected === undefined) continue;
      refunds += 1;
      assert.deepEqual(signatures, {
        outpoint: expected.outpoint, amount_sat: expected.amount_sat, pair: expected.pair.signature, ladder: expected.ladder.map(({ signature }) => signature),
      });
    }
  }
  assert.equal(refunds, 3);
});

test('what is published as too small to move stays, with the reason', () => {
  for (const { outpoint } of moved.stays_out) {
    const input = moved.candidates.map((each) => each.input).find((each) => each.outpoint === outpoint)!;
    const { there } = published(0);
    const charter = charterOf(moved.charter);
    const from = { charter, contract: new Contract(charter), index: input.index, sponsorKey: input.sponsor_key };
    const plans = plansOf(from, [heldOf(input)], there, { kind: 'now', feerate: moved.terms.feerate_sat_per_vb });
    assert.deepEqual([plans.moving, plans.stays.map((each) => each.outpoint)], [[], [outpoint]]);
    assert.match(at(plans.stays, 0).reason, /^at 100 sat\/vB only 275 sat would return|^its part of the fee at 100 sat\/vB is 17025 sat/);
  }
});

test('alone: the ladder is a refund that pays the new pledge, and the refund of every rung is ready there', () => {
  const { from, there, key, input } = published(1);
  const held = heldOf(input);
  const plans = plansOf(from, [held], there, ALONE);
  const [part] = signMove(from, there, plans, key);
  assert.ok(part !== undefined && part.ladder !== null);
  const target = new RefundTarget(from.contract.pledge({ index: from.index, generation: held.generation }, from.sponsorKey), parseOutpoint(held.outpoint, 'outpoint'), held.amount, there.output.address);
  assert.ok(!('pair' in part.ladder), 'a batch would bring it under a txid that nobody knows beforehand');
  const bundle = target.check({ ...part.ladder, pair: target.sign(key).signatures.pair });
  assert.equal(bundle.pairOnly, false);
  const rungs = bundle.ladder();
  assert.equal(part.refunds.length, rungs.length);
  rungs.forEach(({ transaction }, number) => {
    const { amount } = transaction.outputs[0]!;
    new RefundTarget(there.output, { txid: txid(transaction), vout: 0 }, amount, there.parts.refundAddress).check(at(part.refunds, number).signatures);
  });
  // The lowest fee is counted on; with signers the highest.
  assert.equal(promised(plans), rungs[0]!.transaction.outputs[0]!.amount);
  assert.equal(counted(NOW, [3n, 1n, 2n]), 1n);
  assert.equal(counted(ALONE, [3n, 1n, 2n]), 3n);
  assert.throws(() => signMove(from, there, plans, rootOf(at(file.moves, 0).phrase, from.charter.network.name).sponsorKey(2)), /sponsor_key/);
});

test('what is too much for one go stays, the largest move first, and the file can be read again', () => {
  const { from, there, key, input } = published(1);
  const many = (count: number): Held[] => Array.from({ length: count }, (_, number) =>
    ({ ...heldOf(input), outpoint: `${(number + 1).toString(16).padStart(64, '0')}:0`, amount: BigInt(1_000_000 + number) }));
  for (const [way, forms] of [[NOW, 3], [ALONE, 7]] as const) {
    const fit = Math.floor(MOST_REFUNDS / forms);
    const all = many(fit + 2);
    assert.equal(plansOf(from, all.slice(2), there, way).stays.length, 0, 'as many as fit');
    const plans = plansOf(from, all, there, way);
    assert.ok(plans.moving.every(({ arrives }) => arrives.length === forms));
    assert.deepEqual(plans.moving.map(({ held }) => held), all.slice(2));
    assert.deepEqual(plans.stays.map(({ outpoint }) => outpoint), all.slice(0, 2).map(({ outpoint }) => outpoint));
    for (const { reason } of plans.stays) assert.match(reason, way === NOW ? /^too many at once: move these first, then again$/ : /^too many at once: let two signers/);
  }
  // What one of them adds to the file, times as many as move.
  const before = there.toJson().length;
  const [part] = signMove(from, there, plansOf(from, many(1), there, ALONE), key);
  for (const refund of part!.refunds) there.add(refund);
  assert.ok(before + (there.toJson().length - before) / 7 * MOST_REFUNDS < 0.9 * MAX_RECOVERY_BYTES);
});

test('alone, that less than the least pledge there may arrive is known', () => {
  const { from, there, input } = published(1);
  const held = heldOf(input);
  const { arrives } = at(plansOf(from, [held], there, ALONE).moving, 0);
  assert.ok(least(arrives) < most(arrives));
  const asking = (minimum: bigint): { charter: Charter; output: typeof there.output } =>
    ({ output: there.output, charter: Charter.parse(JSON.stringify({ ...JSON.parse(there.charter.text) as object, minimum_pledge_sat: Number(minimum) })) });
  for (const [minimum, moves, short] of [[least(arrives), 1, 0], [least(arrives) + 1n, 1, 1], [most(arrives), 1, 1], [most(arrives) + 1n, 0, 0]] as const) {
    const to = asking(minimum);
    const plans = plansOf(from, [held], to, ALONE);
    assert.deepEqual([plans.moving.length, mayFallShort(plans, to.charter).length], [moves, short], String(minimum));
  }
  // With signers the least is what is counted on.
  const now = least(at(plansOf(from, [held], there, NOW).moving, 0).arrives);
  assert.deepEqual(mayFallShort(plansOf(from, [held], asking(now), NOW), asking(now).charter), []);
  assert.deepEqual(plansOf(from, [held], asking(now + 1n), NOW).moving, []);
});

// ---- against a service

const phrase = newPhrase();

interface Both { readonly from: FakeService; readonly to: FakeService; readonly own: Keeper; readonly outpoint: string }

/** A pledge that is paid, and another task which takes pledges long beyond this one's T. */
async function both(act: (all: Both) => Promise<void>, { amount = 100_000, change = {} }: { amount?: number; change?: object } = {}): Promise<void> {
  const from = new FakeService();
  const { fields } = from.charter;
  const weeks = 20 * 7 * DAY;
  const to = new FakeService({
    licence: 'Apache-2.0', refund_time: fields.refund_time + 2 * weeks, funding_close: fields.refund_time + DAY, work_deadline: fields.refund_time + 10 * DAY,
    milestones: [{ share_bps: 10_000, due: fields.refund_time + 10 * DAY }], ...change,
  });
  from.mtp = fields.funding_close - DAY;
  await served([from, to], async () => {
    const root = rootOf(phrase, from.charter.network.name);
    const own = await new Issuing().issue({ charter: from.charter.id, root, phrase, amount: BigInt(amount), refundAddress: null, used: false });
    const outpoint = from.pay(1, amount);
    await own.look();
    from.asked.length = to.asked.length = 0;
    await act({ from, to, own, outpoint });
  });
}

const posts = ({ from, to }: Both): string[] => [...to.asked.filter((asked) => asked.startsWith('POST')).map((asked) => `to ${asked.split('/').at(-1)}`),
  ...from.asked.filter((asked) => asked.startsWith('POST')).map((asked) => `from ${asked.split('/').at(-1)}`)];

const code = async (act: () => Promise<unknown>): Promise<string> => {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error instanceof UpfrontError ? error.code : assert.fail(String(error));
  }
};

test('looking asks for nothing and signs nothing; then the pledge, the file, the refunds, and the consent last', async () => {
  for (const way of [NOW, ALONE]) {
    await both(async (all) => {
      const { from, to, own, outpoint } = all;
      const move = await Move.look(own, to.charter.id, way);
      assert.deepEqual(posts(all), []);
      assert.equal(await code(() => move.handIn()), 'move_order', 'nothing before there is a pledge');
      assert.throws(() => move.saved(), /nothing to save yet/);
      const saved = RecoveryFile.parse((await move.prepare()).toJson());
      assert.deepEqual(posts(all), ['to pledges']);
      assert.equal(await code(() => move.handIn()), 'move_order', 'nothing before the file is saved');
      assert.deepEqual(posts(all), ['to pledges']);
      // The file takes back everything that may arrive, by itself.
      assert.equal(saved.charter.id, to.charter.id);
      assert.deepEqual([saved.key?.publicKey, saved.parts.refundAddress], [own.file.key?.publicKey, own.file.parts.refundAddress]);
      assert.deepEqual(saved.parts.origin, own.file.parts.origin);
      const count = way === NOW ? 3 : saved.refunds.length;
      assert.ok(saved.refunds.length === count && count >= 3);
      move.saved();
      await move.handIn();
      assert.deepEqual(posts(all), ['to pledges', ...Array.from({ length: count }, () => 'to prepared-refunds'), way === NOW ? 'from moves' : 'from late-moves']);
      assert.deepEqual(to.prepared.map(({ index, generation }) => [index, generation]), Array.from({ length: count }, () => [1, 0]));
      assert.deepEqual(to.prepared.map(({ refund }) => refund), saved.refunds.map(({ signatures }) => signatures));
      const [consent] = (way === NOW ? from.moves : from.lateMoves.map((late) => late.consent)) as SignedMove[];
      const { address } = new Contract(to.charter).pledge({ index: 1, generation: 0 }, own.view.sponsorKey);
      assert.deepEqual(consent?.statement, {
        network: from.charter.network.name, charter: from.charter.id, outpoint, to_charter: to.charter.id, to_index: 1, to_address: address,
      });
      const words = moveStatement({ network: from.charter.network.name, charter: from.charter.id, outpoint, toCharter: to.charter.id, toIndex: 1, toAddress: address });
      verifyStatement(words, parseSignature(consent?.signature, 'signature'), sponsorSpeaker(own.view.sponsorKey), 'signature');
      if (way === ALONE) {
        const { ladder } = from.lateMoves[0] as unknown as { ladder: LadderSignatures };
        const target = new RefundTarget(own.file.output, parseOutpoint(outpoint, 'outpoint'), 100_000n, address);
        assert.deepEqual(ladder, target.signLadder(own.file.key!));
      }
      // Again, at once and after a reload: the same pledge, nothing that was not said before.
      await move.handIn();
      assert.equal(posts(all).length, count + 2);
      const again = await Move.look(own, to.charter.id, way);
      assert.deepEqual([again.signedBefore, again.elsewhereLater], [true, false]);
      assert.equal(move.signedBefore, false);
      const file = await again.prepare();
      again.saved();
      await again.handIn();
      assert.equal(to.pledges.length, 1, 'no second pledge');
      assert.equal(file.toJson(), saved.toJson(), 'the same file');
      assert.deepEqual(to.prepared.slice(count), to.prepared.slice(0, count));
      assert.deepEqual(from.moves.slice(1), from.moves.slice(0, from.moves.length - 1));
    });
  }
});

test('a connection that breaks anywhere loses nothing: once more, and it is done', async () => {
  for (const lost of ['/pledges', '/prepared-refunds', '/moves']) {
    await both(async ({ from, to, own }) => {
      let broken = 0;
      const cut: FakeService['alter'] = (_, path, method) => {
        if (method !== 'POST' || !path.endsWith(lost) || broken > 0) return undefined;
        broken += 1;
        return null;
      };
      from.alter = to.alter = cut;
      const move = await Move.look(own, to.charter.id, NOW);
      if (lost === '/pledges') assert.notEqual(await code(() => move.prepare()), 'none');
      await move.prepare();
      move.saved();
      if (lost !== '/pledges') assert.notEqual(await code(() => move.handIn()), 'none');
      await move.handIn();
      assert.equal(broken, 1);
      assert.equal(to.pledges.length, 1);
      assert.equal(new Set(to.prepared.map(({ refund }) => refund.outpoint)).size, 3);
      assert.equal(new Set(from.moves.map((each) => JSON.stringify(each))).size, 1);
    });
  }
});

test('an index that somebody else took is not insisted on, and what is refused is told and can be tried again', async () => {
  await both(async ({ from, to, own }) => {
    let taken = 0;
    to.refusal = (rest, method) => {
      if (method !== 'POST' || rest !== '/pledges' || taken > 0) return null;
      taken += 1;
      to.pledges.push({ ...from.pledges[0], index: 1, sponsor_key: 'f'.repeat(64), outpoints: [] });
      return 'index_taken';
    };
    // Somebody else's pledge is told as it is: it takes no part, and is not checked here.
    const move = await Move.look(own, to.charter.id, NOW);
    const file = await move.prepare();
    assert.equal(file.parts.index, 2);
    // The funding closes while the file is being saved.
    move.saved();
    from.refusal = (rest) => (rest === '/moves' ? 'funding_closed' : null);
    assert.equal(await code(() => move.handIn()), 'funding_closed');
    assert.deepEqual(from.moves, []);
    from.refusal = () => null;
    await move.handIn();
    assert.equal(from.moves.length, 1);
  });
  await both(async ({ to, own }) => {
    to.refusal = (rest, method) => (method === 'POST' && rest === '/pledges' ? 'cap_reached' : null);
    const move = await Move.look(own, to.charter.id, NOW);
    assert.equal(await code(() => move.prepare()), 'cap_reached');
    assert.equal(to.prepared.length, 0);
  });
  // Nobody was faster: told as it is, after one try.
  await both(async (all) => {
    all.to.refusal = (rest, method) => (method === 'POST' && rest === '/pledges' ? 'address_reused' : null);
    const move = await Move.look(all.own, all.to.charter.id, NOW);
    await assert.rejects(move.prepare(), (error) => error instanceof UpfrontError && error.code === 'address_reused' && !/faster/.test(error.message) && !isLie(error));
    assert.deepEqual(posts(all), ['to pledges']);
  });
});

test('a service that lies is stopped before anything is handed in', async () => {
  const other = new Contract(new FakeService({ licence: 'ISC' }).charter);
  const lies: readonly (readonly [string, string, FakeService['alter']])[] = [
    ['the address', 'address', (body, path, method) => (method === 'POST' && path.endsWith('/pledges') ? { ...body, address: other.open().address } : undefined)],
    ['the index', 'index', (body, path, method) => (method === 'POST' && path.endsWith('/pledges') ? { ...body, index: 7 } : undefined)],
    ['the refund address', 'refund_address', (body, path, method) => (method === 'POST' && path.endsWith('/pledges') ? { ...body, refund_address: other.open().address } : undefined)],
    ['the amount', 'promised_sat', (body, path, method) => (method === 'POST' && path.endsWith('/pledges') ? { ...body, promised_sat: 1 } : undefined)],
  ];
  for (const [, field, alter] of lies) {
    await both(async (all) => {
      const { to, own } = all;
      to.alter = alter;
      const move = await Move.look(own, to.charter.id, NOW);
      await assert.rejects(move.prepare(), (error) => isLie(error) && error.field === field);
      assert.throws(() => move.saved());
      assert.notEqual(await code(() => move.handIn()), 'none');
      assert.deepEqual(posts(all).filter((post) => post !== 'to pledges'), []);
    });
  }
  // Another charter under the id: no lie of this task's, and nothing to move to.
  await both(async ({ from, to, own }) => {
    to.alter = (body, path) => (path === to.base ? { ...body, terms: { ...(body.terms as object), cap_sat: 1 } } : undefined);
    assert.equal(await code(() => Move.look(own, to.charter.id, NOW)), 'move_destination');
    to.alter = (body, path) => (path === to.base ? { ...body, attestations: { ...(body.attestations as object), arbiter: '00'.repeat(64) } } : undefined);
    assert.equal(await code(() => Move.look(own, to.charter.id, NOW)), 'move_destination');
    assert.deepEqual(from.moves, []);
  });
  // What lies at the pledge is what its transaction says.
  const aboutMoney: readonly (readonly [string, (from: FakeService) => void])[] = [
    ['amount_sat', (from) => { Object.assign((from.pledges[0]!.outpoints as object[])[0]!, { amount_sat: 100_001 }); }],
    ['outpoint', (from) => { Object.assign((from.pledges[0]!.outpoints as object[])[0]!, { generation: 1 }); }],
    ['outpoint', (from) => { const held = (from.pledges[0]!.outpoints as { outpoint: string }[])[0]!; held.outpoint = held.outpoint.replace(/:1$/, ':0'); }],
    ['transaction', (from) => { const [id, raw] = [...from.transactions][0]!; from.transactions.set(id, raw.replace(/^02/, '01')); }],
  ];
  for (const [field, lie] of aboutMoney) {
    await both(async (all) => {
      lie(all.from);
      await assert.rejects(Move.look(all.own, all.to.charter.id, NOW), (error) => isLie(error) && error.field === field, field);
      assert.deepEqual(posts(all).filter((post) => post !== 'from refunds'), []);
    });
  }
  // What answers a refund or a consent must be about the pledge that it was for.
  for (const [path, field] of [['/prepared-refunds', 'index'], ['/moves', 'index']] as const) {
    await both(async ({ from, to, own }) => {
      const move = await Move.look(own, to.charter.id, NOW);
      await move.prepare();
      move.saved();
      from.alter = to.alter = (body, asked, method) => (method === 'POST' && asked.endsWith(path) ? { ...body, index: 9 } : undefined);
      await assert.rejects(move.handIn(), (error) => isLie(error) && error.field === field);
      if (path === '/prepared-refunds') assert.deepEqual(from.moves, [], 'no consent before the refunds are taken');
    });
  }
});

test('a pledge there that is said to be ours must carry our signature; the one that a consent names comes first', async () => {
  await both(async ({ from, to, own }) => {
    const { sponsorKey, refundAddress } = own.view;
    const told = (index: number, signature: string): void => {
      const output = new Contract(to.charter).pledge({ index, generation: 0 }, sponsorKey);
      to.pledges.push({ index, sponsor_key: sponsorKey, refund_address: refundAddress, signature, promised_sat: 50_000, address: output.address, descriptor: output.descriptor, uri: `bitcoin:${output.address}?amount=0.0005`, outpoints: [] });
    };
    told(1, own.view.signature);
    await assert.rejects((await Move.look(own, to.charter.id, NOW)).prepare(), (error) => isLie(error) && error.field === 'signature');
    to.pledges.length = 0;
    const key = own.file.key!;
    const sign = (index: number): string => signStatement(pledgeStatement({ network: to.charter.network.name, charter: to.charter.id, index, sponsorKey, refundAddress }), key);
    told(1, sign(1));
    told(2, sign(2));
    assert.equal((await (await Move.look(own, to.charter.id, NOW)).prepare()).parts.index, 1);
    const said = { network: from.charter.network.name, charter: from.charter.id, outpoint: `${'a'.repeat(64)}:0`, to_charter: to.charter.id, to_index: 2, to_address: 'x' };
    const words = moveStatement({ network: from.charter.network.name, charter: said.charter, outpoint: said.outpoint, toCharter: said.to_charter, toIndex: 2, toAddress: 'x' });
    from.moves.push({ statement: said, signature: '00'.repeat(64) });
    assert.equal((await (await Move.look(own, to.charter.id, NOW)).prepare()).parts.index, 1, 'a consent that is not ours says nothing');
    from.moves.push({ statement: said, signature: signStatement(words, key) });
    assert.equal((await (await Move.look(own, to.charter.id, NOW)).prepare()).parts.index, 2);
  });
});

test('what was signed for the refund time is known before anything is signed again', async () => {
  await both(async (all) => {
    const { from, to, own } = all;
    const [held] = from.pledges[0]!.outpoints as Record<string, unknown>[];
    const { sponsorKey, refundAddress } = own.view;
    for (const index of [1, 2]) {
      const output = new Contract(to.charter).pledge({ index, generation: 0 }, sponsorKey);
      const words = pledgeStatement({ network: to.charter.network.name, charter: to.charter.id, index, sponsorKey, refundAddress });
      to.pledges.push({
        index, sponsor_key: sponsorKey, refund_address: refundAddress, signature: signStatement(words, own.file.key!), promised_sat: 50_000,
        address: output.address, descriptor: output.descriptor, uri: `bitcoin:${output.address}?amount=0.0005`, outpoints: [],
      });
    }
    // To that task: the pledge that it names, not the first that fits.
    held!.late_move = { to_charter: to.charter.id, to_index: 2 };
    for (const way of [NOW, ALONE]) {
      const move = await Move.look(own, to.charter.id, way);
      assert.deepEqual([move.signedBefore, move.elsewhereLater], [true, false]);
      assert.equal((await move.prepare()).parts.index, 2);
    }
    // To another one: it cannot be signed over a second time; two signers can still move it.
    held!.late_move = { to_charter: 'ab'.repeat(32), to_index: 2 };
    from.asked.length = to.asked.length = 0;
    await assert.rejects(Move.look(own, to.charter.id, ALONE), (error) => error instanceof UpfrontError && error.code === 'move_nothing'
      && /you signed before that it goes to another task at the refund time, and that stands/.test(error.message));
    assert.deepEqual(posts(all), []);
    const move = await Move.look(own, to.charter.id, NOW);
    assert.deepEqual([move.signedBefore, move.elsewhereLater], [false, true]);
    // What is no destination is an answer that is not used.
    for (const late_move of ['x', {}, { to_charter: 1, to_index: 1 }, { to_charter: 'ab'.repeat(32), to_index: 0 }]) {
      held!.late_move = late_move;
      await assert.rejects(own.look(), (error) => error instanceof UpfrontError && error.field.includes('late_move'), JSON.stringify(late_move));
    }
  });
});

test('what cannot move is told before anything is signed', async () => {
  await both(async ({ from, to, own }) => {
    const look = (way: Way = NOW, id = to.charter.id): Promise<string> => code(() => Move.look(own, id, way));
    assert.equal(await look(NOW, from.charter.id), 'move_same_task');
    const { fields, cutoffSecs } = from.charter;
    from.mtp = cutoffSecs;
    assert.equal(await look(), 'none');
    from.mtp = cutoffSecs + 1;
    assert.equal(await look(), 'move_past_cutoff');
    assert.equal(await look(ALONE), 'none');
    from.mtp = fields.refund_time;
    assert.equal(await look(ALONE), 'none');
    from.mtp = fields.refund_time + 1;
    assert.equal(await look(ALONE), 'move_refund_time');
    from.mtp = to.charter.fields.funding_close + 1;
    assert.equal(await look(ALONE), 'move_refund_time');
    from.mtp = fields.funding_close;
    Object.assign((from.pledges[0]!.outpoints as object[])[0]!, { standing: 'confirming' });
    await assert.rejects(Move.look(own, to.charter.id, NOW), /nothing of this pledge can move: it has not enough confirmations yet/);
    Object.assign((from.pledges[0]!.outpoints as object[])[0]!, { standing: 'credited', ended: { how: 'refunded' } });
    await assert.rejects(Move.look(own, to.charter.id, NOW), /nothing of this pledge can move: nothing lies there/);
    from.transactions.clear();
    Object.assign((from.pledges[0]!.outpoints as object[])[0]!, { ended: null });
    assert.equal(await look(), 'proof_not_ready');
  });
  // Funding that closes at T or before takes nothing at T; one that is closed takes nothing at all.
  const { fields } = new FakeService().charter;
  await both(async ({ from, to, own }) => {
    assert.equal(await code(() => Move.look(own, to.charter.id, ALONE)), 'move_closes_before');
    assert.equal(await code(() => Move.look(own, to.charter.id, NOW)), 'none');
    from.mtp = to.charter.fields.funding_close + 1;
    assert.equal(await code(() => Move.look(own, to.charter.id, NOW)), 'move_funding_closed');
  }, { change: { funding_close: fields.funding_close } });
  // Below the least pledge there.
  await both(async ({ to, own }) => {
    await assert.rejects(Move.look(own, to.charter.id, NOW), /[\d,]+ sat would arrive, and the least pledge there is 100,000 sat/);
    await assert.rejects(Move.look(own, to.charter.id, ALONE), /[\d,]+ sat would arrive, and the least pledge there is 100,000 sat/);
  }, { change: { minimum_pledge_sat: 100_000 } });
  await both(async ({ to, own }) => {
    await assert.rejects(Move.look(own, to.charter.id, ALONE), /too little to bear the network’s fee/);
  }, { amount: 1_000, change: { minimum_pledge_sat: 330 } });
  // A file without a key.
  await both(async ({ to, own }) => {
    const without = { ...own, file: Object.assign(Object.create(Object.getPrototypeOf(own.file) as object) as RecoveryFile, own.file, { key: null }) } as unknown as Keeper;
    assert.equal(await code(() => Move.look(without, to.charter.id, NOW)), 'no_key');
  });
});

test('a task is named by its id or by the address of one of its pages', () => {
  const id = 'ab'.repeat(32);
  for (const given of [id, id.toUpperCase(), ` ${id}\n`, `https://upfront.example/tasks/${id}`, `/tasks/${id}/pledge?x=1#y`, `http://h/tasks/${id}/settlements/${'cd'.repeat(32)}`]) {
    assert.equal(charterIn(given), id, given);
  }
  for (const given of ['', 'x', id.slice(1), `${id}0`, `https://upfront.example/wishes/${id}`, `${id} ${id}`]) {
    assert.throws(() => charterIn(given), (error) => error instanceof UpfrontError && error.code === 'move_no_task' && !isLie(error), given);
  }
});

test('every term that differs is told', () => {
  const here = new FakeService();
  const { fields } = here.charter;
  const shifted = fields.refund_time + 52 * 7 * DAY;
  assert.deepEqual(otherTerms(here.charter, here.charter), []);
  const names = (change: object): string[] => otherTerms(here.charter, new FakeService(change as ConstructorParameters<typeof FakeService>[0]).charter).map(({ name }) => name);
  const accept = (change: object): object => ({ acceptance: { ...fields.acceptance, ...change } });
  const flip = fields.acceptance.silence === 'pay' ? 'hold' : 'pay';
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ refund_time: shifted }, /Yours again/], [{ repository: 'https://example.org/other' }, /Project/], [{ licence: 'ISC' }, /Released under/],
    [{ funding_close: fields.funding_close - DAY }, /Takes pledges until/], [{ depth: fields.depth + 1 }, /Counts after/],
    [{ target_sat: fields.target_sat - 1 }, /Target/], [{ cap_sat: fields.cap_sat + 1 }, /Takes at most/], [{ minimum_pledge_sat: fields.minimum_pledge_sat + 1 }, /Least pledge/],
    [accept({ silence: flip }), /If you do not vote/], [accept({ yes_waits: !fields.acceptance.yes_waits }), /A yes/],
    [{ ruling_secs: fields.ruling_secs + DAY }, /Time for the arbiter/], [{ review_secs: fields.review_secs + DAY }, /Time to vote/],
    [{ funding_rule: fields.funding_rule === 'keep' ? 'all_or_nothing' : 'keep' }, /If the target is missed/],
    [{ feerate_cap_sat_per_vb: fields.feerate_cap_sat_per_vb + 1 }, /Highest feerate/],
    [{ receipt_key: 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9' }, /Receipts/],
    [{ arbiter: { ...fields.arbiter, nominated_by: 'somebody else' } }, /Arbiter’s key/],
    [{ funding_rule: 'keep', submissions_open: fields.submissions_open === 'at_once' ? 'when_target_credited' : 'at_once' }, /Work is taken(?! until)/],
    [{ vote_opens: fields.vote_opens === 'merged' ? 'released' : 'merged' }, /Voting opens/],
    [{ payees: [fields.payees[0]?.address, rootOf(phrase, fields.network).refundAddress(0).address].map((address) => ({ address, share_bps: 5_000 })) }, /Paid to/],
    [{ milestones: [{ share_bps: 4_000, due: fields.work_deadline - 1 }, { share_bps: 6_000, due: fields.work_deadline }] }, /Parts of the work/],
  ];
  for (const [change, name] of cases) assert.match(names(change).join(), name, JSON.stringify(change));
  const said = (change: object): string => warnings(here.charter, new FakeService(change as never).charter).map(({ twice, words }) => `${twice} ${words}`).join('\n');
  assert.match(said({ repository: 'https://example.org/other' }), /^true It is another project\.\ntrue The fingerprints .* are the same/);
  assert.match(said({ refund_time: fields.refund_time + 28 * DAY }), /^false Your money may be held 28 days longer than here\./);
  assert.match(said({ refund_time: fields.refund_time + 371 * DAY }), /^true Your money may be held 371 days longer/);
  const else_ = { ...fields.developer, key: fields.developer.key.replace(/^\[[0-9a-f]{8}/, '[00000000') };
  assert.match(said({ developer: else_ }), /^true Other people may hold keys there: of the developer\. .*Any two of the three can pay your money out/);
  // Whoever copies the three fingerprints gets no milder words.
  assert.match(said({ licence: 'ISC' }), /^true The fingerprints .* nobody can check it.* Any two of the three can pay your money out, whatever the votes say\.$/);
});
