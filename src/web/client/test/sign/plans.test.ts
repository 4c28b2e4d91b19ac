// Transactions from terms: those that a service on regtest made of the same terms, to the txid; and what no service should
// propose.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dust } from '../../src/core/address.ts';
import { Charter } from '../../src/core/charter.ts';
import { Contract } from '../../src/core/output.ts';
import type { Kind, TermsDocument } from '../../src/core/proof/document.ts';
import { formsOf, makePlan, outputsOf, type OutputAt, type Plan } from '../../src/core/settlement/plan.ts';
import { byOutpoint, readTerms, termsId } from '../../src/core/settlement/terms.ts';
import { weight, type Transaction } from '../../src/core/tx.ts';
import { at } from '../lib/vectors.ts';
import { fixture, readFixture } from './fixture.ts';

interface Plans {
  charter: string;
  submissions: string[];
  outpoints: [string, number, number, number, string | null, string | null][];
  settlements: ['payout' | 'early_return' | 'ruling', number | null, number, [number, number][], string, [number, number, string][][]][];
}

const plans = readFixture('plans.json') as Plans;
const charter = Charter.parse(plans.charter);
const outputAt = (() => {
  const fresh = outputsOf(new Contract(charter));
  const known = new Map<string, ReturnType<OutputAt>>();
  return ((input) => {
    const slot = `${input.generation}/${input.index}/${input.sponsorKey}`;
    const output = known.get(slot) ?? fresh(input);
    known.set(slot, output);
    return output;
  }) satisfies OutputAt;
})();

function termsOf([kind, submission, feerate, inputs]: Plans['settlements'][number]): TermsDocument {
  const what: Kind = kind === 'early_return' ? { kind } : { kind, submission: at(plans.submissions, submission ?? -1) };
  return {
    charter: charter.id, for: what, feerate_sat_per_vb: feerate,
    inputs: inputs.map(([number, pay_bps]) => {
      const [outpoint, amount_sat, index, generation, sponsor_key, return_address] = at(plans.outpoints, number);
      return { outpoint, amount_sat, index, generation, sponsor_key, pay_bps, return_address };
    }),
  };
}

const planOf = (terms: TermsDocument): Plan => makePlan(charter, outputAt, readTerms(terms, 'terms'), 'terms');

/** In every form: inputs = payees + returns + fee, no dust, at least its feerate, and the same inputs in order. */
function sound(plan: Plan, network = charter.network.name): void {
  assert.equal(network, 'regtest');
  for (const { chunk, form } of formsOf(plan)) {
    const spent = chunk.inputs.reduce((sum, { term }) => sum + term.amount, 0n);
    const paid = form.tx.outputs.reduce((sum, { amount }) => sum + amount, 0n);
    assert.equal(spent, paid + form.fee);
    for (const [number, share] of form.shares.entries()) assert.equal(share.fee + share.pay + share.returned, chunk.inputs[number]?.term.amount);
    assert.ok(form.tx.outputs.every(({ amount, script }) => amount >= dust(script)));
    const signed: Transaction = {
      ...form.tx,
      inputs: form.tx.inputs.map((input, number) => {
        const { output } = chunk.inputs[number]!;
        const [signature, none] = [new Uint8Array(64), new Uint8Array(0)];
        return { ...input, witness: [none, signature, signature, output.cooperativeLeaf, output.cooperativeControlBlock] };
      }),
    };
    assert.equal(weight(signed), form.weight);
    assert.ok(form.fee * 4n >= BigInt(form.feerate) * BigInt(form.weight));
    assert.ok(form.weight <= 399_000);
    const outpoints = form.tx.inputs.map(({ txid, vout }) => `${txid}:${vout}`);
    assert.deepEqual(outpoints, [...outpoints].sort(byOutpoint));
  }
}

for (const [number, entry] of plans.settlements.entries()) {
  const [kind, submission, feerate, , id, transactions] = entry;
  test(`settlements[${number}]: ${kind} ${submission ?? ''} at ${feerate} sat/vB`, () => {
    const terms = termsOf(entry);
    const plan = planOf(terms);
    assert.equal(plan.id, id);
    assert.equal(termsId(readTerms({ ...terms, inputs: [...terms.inputs].reverse() }, 'terms')), id);
    const made = plan.chunks.map((chunk) => chunk.forms.map((form) => [form.feerate, Number(form.fee), form.txid]));
    assert.deepEqual(made, transactions);
    sound(plan);
  });
}

const refused = (code: string) => (error: unknown): boolean => (error as { code?: string }).code === code;
const [base] = plans.settlements.filter(([kind, , feerate]) => kind === 'ruling' && feerate === 1);
const ruling = termsOf(base!);
const [one] = ruling.inputs;

const broken: [string, TermsDocument, string][] = [
  ['nothing moves', { ...ruling, inputs: [] }, 'terms_empty'],
  ['no feerate', { ...ruling, feerate_sat_per_vb: 0 }, 'terms_feerate'],
  ['an outpoint twice', { ...ruling, inputs: [one!, one!] }, 'terms_duplicate'],
  ['more than all', { ...ruling, inputs: [{ ...one!, pay_bps: 10_001 }] }, 'terms_share'],
  ['more than there is', { ...ruling, inputs: [{ ...one!, amount_sat: 2_100_000_000_000_001 }] }, 'terms_too_much'],
  ['a pledge without its sponsor', { ...ruling, inputs: [{ ...one!, sponsor_key: null }] }, 'terms_sponsor_key'],
  ['a gift with a sponsor', { ...ruling, inputs: [{ ...one!, index: 0 }] }, 'terms_sponsor_key'],
  ['a gift of another generation', { ...ruling, inputs: [{ ...one!, index: 0, generation: 1, sponsor_key: null }] }, 'terms_sponsor_key'],
  ['returned to nobody', { ...ruling, inputs: [{ ...one!, return_address: null }] }, 'terms_no_return_address'],
  ['paid by an early return', { ...ruling, for: { kind: 'early_return' } }, 'terms_pays_in_return'],
  ['another charter', { ...ruling, charter: '00'.repeat(32) }, 'plan_other_charter'],
  ['a feerate above the cap', { ...ruling, feerate_sat_per_vb: 201 }, 'plan_feerate_above_cap'],
  ['a return address of another network', { ...ruling, inputs: [{ ...one!, return_address: 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq' }] }, 'charter_address_network'],
  ['a gift that does not return to the pot', { ...ruling, inputs: [{ ...one!, index: 0, generation: 0, sponsor_key: null }] }, 'plan_not_the_pot'],
  ['a generation too high', { ...ruling, inputs: [{ ...one!, generation: 1000 }] }, 'out_of_range'],
  ['too little to move at this feerate', { ...ruling, feerate_sat_per_vb: 200 }, 'plan_stays_out'],
];
for (const [name, terms, code] of broken) {
  test(`refused: ${name}`, () => assert.throws(() => planOf(terms), refused(code)));
}

test('an outpoint that is in the way is named with its reason', () => {
  const small = { ...one!, amount_sat: 300 };
  assert.throws(() => planOf({ ...ruling, inputs: [small] }), /holds less than 351 sat, three times the fee of spending it/);
  const [segwit] = ruling.inputs.filter(({ return_address }) => return_address?.startsWith('bcrt1q'));
  assert.throws(() => planOf({ ...ruling, inputs: [{ ...segwit!, amount_sat: 630, pay_bps: 0 }] }), /its part of the fee at 4 sat\/vB is \d+ sat, which leaves nothing/);
  assert.throws(() => planOf({ ...ruling, inputs: [{ ...one!, amount_sat: 1_000, pay_bps: 0 }] }), /only \d+ sat would return, which nodes do not relay/);
  const payout: TermsDocument = { ...ruling, for: { kind: 'payout', submission: at(plans.submissions, 0) } };
  assert.throws(() => planOf({ ...payout, inputs: [{ ...one!, amount_sat: 1_700, pay_bps: 10_000 }] }), /all payees together would get \d+ sat/);
});

test('a ruling whose payees would get dust returns everything', () => {
  const plan = planOf({ ...ruling, inputs: [{ ...one!, amount_sat: 20_000, pay_bps: 1 }] });
  for (const { form } of formsOf(plan)) assert.deepEqual(form.outputs.map(({ kind }) => kind), ['return']);
  sound(plan);
});

test('many outpoints make the fewest transactions that nodes relay, evenly', () => {
  const own = Charter.parse(fixture.charter);
  const some = outputsOf(new Contract(own))({
    index: 1, generation: 0, sponsorKey: one!.sponsor_key,
  });
  const many = (count: number, pay_bps: number): Plan => {
    const inputs = Array.from({ length: count }, (_, n) => ({
      ...one!, outpoint: `${n.toString(16).padStart(64, '0')}:${n % 3}`, amount_sat: 50_000 + n, pay_bps,
    }));
    const submission = at(plans.submissions, 0);
    const terms = { ...ruling, charter: own.id, for: { kind: 'payout', submission } as const, inputs };
    return makePlan(own, () => some, readTerms(terms, 'terms'), 'terms');
  };
  for (const [count, bps, chunks] of [[850, 10_000, 1], [860, 10_000, 2], [1_700, 10_000, 2], [1_720, 10_000, 3], [620, 5_000, 1], [680, 5_000, 2]] as const) {
    const plan = many(count, bps);
    assert.equal(plan.chunks.length, chunks, `${count} at ${bps}`);
    const sizes = plan.chunks.map((chunk) => chunk.inputs.length);
    assert.equal(sizes.reduce((sum, size) => sum + size), count);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    sound(plan, own.network.name);
  }
});
