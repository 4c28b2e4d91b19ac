// A service that lies well: everything it may claim is made anew to fit. What only sponsors, signers and the chain can
// say is missing then, and the settlement is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, hex, reversed, uintLe, unhex } from '../../src/core/bytes.ts';
import { hash256 } from '../../src/core/hash.ts';
import type { CastVoteDocument, TermsDocument } from '../../src/core/proof/document.ts';
import { checkConflicts } from '../../src/core/proof/allowed.ts';
import { Findings, type Finding } from '../../src/core/proof/findings.ts';
import type { Psbt } from '../../src/core/psbt.ts';
import { formsOf, makePlan, outputsOf, type Chunk, type Plan } from '../../src/core/settlement/plan.ts';
import { psbtOf } from '../../src/core/settlement/psbts.ts';
import { readTerms, termsId } from '../../src/core/settlement/terms.ts';
import { Charter } from '../../src/core/charter.ts';
import { Contract } from '../../src/core/output.ts';
import { signStatement } from '../../src/core/signature.ts';
import { vote } from '../../src/core/statement.ts';
import type { Role } from '../../src/core/signer-key.ts';
import { replaced, valueAt } from './changes.ts';
import { clone, explained, fixture, judge, proofOf, psbtsOf, remade, rootOf, voteOf, type Json } from './fixture.ts';

const proof = fixture.payout.proof;
const charter = Charter.parse(fixture.charter);
const contract = new Contract(charter);
const [payout, ruled] = ['payout', 'ruling'].map((kind) => {
  const at = (valueAt(proof, ['settlements']) as Json[]).findIndex((entry) => valueAt(entry, ['terms', 'for', 'kind']) === kind);
  return valueAt(proof, ['settlements', at, 'terms']) as unknown as TermsDocument;
}) as [TermsDocument, TermsDocument];
const early = (valueAt(proof, ['settlements']) as Json[]).findIndex((entry) => valueAt(entry, ['terms', 'for', 'kind']) === 'early_return');
const carols = ruled.inputs[0]!;

/** The document with one settlement more, and that one's PSBTs. */
function proposing(json: Json, terms: TermsDocument, signedBy: Role[] = []): { json: Json; psbts: Psbt[] } {
  const read = readTerms(terms, 'terms');
  const plan = makePlan(charter, outputsOf(contract), read, 'terms');
  const lists: Json[][] = plan.chunks.map(() => []);
  for (const { chunkAt, form } of formsOf(plan)) lists[chunkAt]!.push({ feerate_sat_per_vb: form.feerate, fee_sat: Number(form.fee), txid: form.txid });
  const more = { id: termsId(read), terms: terms as unknown as Json, signed_by: signedBy, proposed_mtp_secs: 1_763_003_659, transactions: lists };
  const copy = clone(json) as { settlements: Json[] };
  copy.settlements.push(more);
  return { json: copy as unknown as Json, psbts: formsOf(plan).map((placed) => psbtOf(charter, placed, [])) };
}

function refused(json: Json, psbts: readonly Psbt[], role: Role = 'developer', votes: CastVoteDocument[] = []): readonly Finding[] {
  const verdict = judge(json, psbts, role, votes);
  assert.ok('findings' in verdict, 'it was taken');
  return verdict.findings;
}

/** Other terms, at another feerate: the same transactions would be those of the honest ones. */
const paying = (of: TermsDocument, inputs: TermsDocument['inputs']): TermsDocument => ({ ...of, feerate_sat_per_vb: 3, inputs });

test('new terms of the same are taken: the helpers of this file are sound', () => {
  const { json, psbts } = proposing(proof, { ...payout, feerate_sat_per_vb: 3 });
  assert.equal(explained(judge(json, psbts)).plan.terms.feerate, 3);
});

// ---- Votes left out, and votes given directly

const withoutCarol = ((): Json => {
  const votes = valueAt(proof, ['submissions', 0, 'votes']) as Json[];
  const at = votes.findIndex((cast) => valueAt(cast, ['vote', 'statement', 'pledge']) === 3);
  return remade(replaced(proof, ['submissions', 0, 'votes', at], undefined));
})();
const hidden = proposing(withoutCarol, paying(payout, [...payout.inputs, { ...carols, pay_bps: 10_000 }]));

test('a service that hides a no can make carol look silent', () => {
  const explanation = explained(judge(hidden.json, hidden.psbts));
  assert.ok(explanation.inputs.some((line) => /of pledge 3 .*its sponsor was silent/.test(line)));
});

test('her vote with the receipt finds it', () => {
  const [found] = refused(hidden.json, hidden.psbts, 'developer', [voteOf(fixture.votes.carol)]);
  assert.deepEqual(found, { field: 'submissions/0/votes', problem: 'the service left out votes/0, for which it signed a receipt in time' });
});

test('her vote without a receipt, or with one that is not the service\'s, holds her money all the same', () => {
  const bare = voteOf({ ...(fixture.votes.carol as Record<string, Json>), receipt: null });
  const forged = clone(voteOf(fixture.votes.carol));
  (forged.receipt as { signature: string }).signature = '00'.repeat(64);
  for (const cast of [bare, forged]) {
    const [found] = refused(hidden.json, hidden.psbts, 'developer', [cast]);
    assert.deepEqual(found, { field: 'votes/0', problem: 'the sponsor of pledge 3 says no: its money is not to be paid' });
  }
});

/** A vote of alice's, pledge 1, that never reached the service. */
function alices(choice: 'yes' | 'no', counter: number): CastVoteDocument {
  const said = { network: 'regtest', charter: charter.id, submission: payout.for.kind === 'payout' ? payout.for.submission : '', pledge: 1, choice, counter } as const;
  const key = [0, 1, 2].map((index) => rootOf('alice').sponsorKey(index))
    .find(({ publicKey }) => publicKey === valueAt(proof, ['pledges', 0, 'sponsor_key']));
  assert.ok(key);
  return voteOf({ vote: { statement: said, signature: signStatement(vote(said), key) }, receipt: null });
}

test('a sponsor who changed to no and was not heard by the service is heard here', () => {
  const psbts = psbtsOf(fixture.payout.psbts);
  const [found] = refused(proof, psbts, 'representative', [alices('no', 2)]);
  assert.deepEqual(found, { field: 'votes/0', problem: 'the sponsor of pledge 1 says no: its money is not to be paid' });
  // Both under one counter is no; a lower counter is overruled; a yes more changes nothing.
  assert.equal(refused(proof, psbts, 'developer', [alices('no', 1)])[0]?.field, 'votes/0');
  assert.equal(refused(proof, psbts, 'developer', [alices('yes', 3), alices('no', 4)])[0]?.field, 'votes/0');
  for (const votes of [[alices('no', 0)], [alices('yes', 1)], [alices('yes', 2)], [alices('no', 2), alices('yes', 3)]]) {
    explained(judge(proof, psbts, 'developer', votes));
  }
  explained(judge(proof, psbts, 'developer', Object.values(fixture.votes).map(voteOf)));
});

test('a vote that is not its sponsor\'s, or of another task, is no vote', () => {
  const psbts = psbtsOf(fixture.payout.psbts);
  const change = (into: (cast: { vote: { statement: Record<string, Json> } }) => void): CastVoteDocument => {
    const cast = clone(fixture.votes.carol) as unknown as { vote: { statement: Record<string, Json> } };
    into(cast);
    return voteOf(cast as unknown as Json);
  };
  const cases: [CastVoteDocument, RegExp][] = [
    [change((cast) => { cast.vote.statement.pledge = 1; }), /not signed by that pledge's sponsor/],
    [change((cast) => { cast.vote.statement.counter = 9; }), /not signed by that pledge's sponsor/],
    [change((cast) => { cast.vote.statement.charter = '00'.repeat(32); }), /not signed by that pledge's sponsor/],
    [change((cast) => { cast.vote.statement.submission = '00'.repeat(32); }), /that the document does not have/],
    [change((cast) => { cast.vote.statement.pledge = 77; }), /that the document does not have/],
  ];
  for (const [cast, words] of cases) {
    const [found] = refused(proof, psbts, 'developer', [cast]);
    assert.equal(found?.field, 'votes/0');
    assert.match(found.problem, words);
  }
});

// ---- Terms that charter and votes do not give

const terms: [string, TermsDocument, Role, string, RegExp][] = [
  ['the money of a no is paid', paying(payout, [...payout.inputs, { ...carols, pay_bps: 10_000 }]), 'developer', 'pay_bps', /leave .* where it is/],
  ['what is too little is paid', paying(payout, payout.inputs.map((input) => ({ ...input, pay_bps: 10_000 }))), 'developer', 'pay_bps', /allow 0 bps \(below minimum\)/],
  ['a yes is returned', paying(payout, payout.inputs.map((input) => (input.index === 1 ? { ...input, pay_bps: 0 } : input))), 'developer', 'pay_bps', /allow 10000 bps \(yes\)/],
  ['the ruling is overdone', paying(ruled, [{ ...carols, pay_bps: 10_000 }]), 'arbiter', 'pay_bps', /10000 bps; charter and votes allow 4000 bps \(ruled\)/],
  ['a ruling takes the money of a yes', paying(ruled, [carols, { ...payout.inputs.find(({ index }) => index === 2)!, pay_bps: 4_000 }]), 'arbiter', 'pay_bps', /leave .* where it is/],
  ['what returns goes elsewhere', paying(ruled, [{ ...carols, return_address: payout.inputs.find(({ index }) => index === 1)!.return_address }]), 'arbiter', 'return_address', /not the address that was signed for returns/],
  ['an amount is another', paying(ruled, [{ ...carols, amount_sat: carols.amount_sat - 1 }]), 'arbiter', 'amount_sat', /the outpoint holds 200000 sat/],
  ['an outpoint is said to be at another address', paying(ruled, [{ ...carols, index: 2 }]), 'arbiter', 'index', /the outpoint is at index 3/],
  ['a sponsor\'s key is another', paying(ruled, [{ ...carols, sponsor_key: payout.inputs.find(({ index }) => index === 1)!.sponsor_key }]), 'arbiter', 'sponsor_key', /not the key of the pledge/],
  ['an outpoint is nobody\'s', paying(ruled, [{ ...carols, outpoint: `${'ab'.repeat(32)}:0` }]), 'arbiter', 'outpoint', /pays no address of the task/],
  ['another submission', { ...ruled, feerate_sat_per_vb: 3, for: { kind: 'ruling', submission: '00'.repeat(32) } }, 'arbiter', '', /there is no submission/],
];

for (const [name, changed, role, field, words] of terms) {
  test(`terms: ${name}`, () => {
    const { json, psbts } = proposing(proof, changed);
    const found = refused(json, psbts, role).find((finding) => finding.field.startsWith('terms/') && words.test(finding.problem));
    assert.ok(found, 'nothing says so');
    assert.match(found.field, field === '' ? /^terms\/for$/ : new RegExp(`^terms/inputs/\\d+/${field}$`));
  });
  const gone = field === 'outpoint';
  test(`terms: ${name}, and two are said to have signed it: ${gone ? 'a reorg may have taken it' : 'the document is not true'}`, () => {
    const { json } = proposing(proof, changed, ['developer', 'arbiter']);
    const psbts = psbtsOf(fixture.payout.psbts);
    // What is not there can be spent by nobody, and so keeps nobody from signing for the rest.
    if (gone) explained(judge(json, psbts));
    else assert.ok(refused(json, psbts).some(({ field: at }) => at.startsWith('settlements/3/terms/')));
  });
}

test('a feerate above the charter\'s cap gives no transactions', () => {
  const copy = clone(proof) as { settlements: Json[] };
  const [one] = copy.settlements as unknown as [{ terms: { feerate_sat_per_vb: number } }];
  one.terms.feerate_sat_per_vb = 201;
  const found = refused(copy as unknown as Json, psbtsOf(fixture.payout.psbts));
  assert.ok(found.some(({ field, problem }) => field === 'settlements/0/terms' && /above the charter's cap of 200/.test(problem)));
});

test('silence pays only with the representative\'s word, or a ruling that pays in its place', () => {
  const psbts = psbtsOf(fixture.payout.psbts);
  const silent = (json: Json): readonly Finding[] => refused(json, psbts).filter(({ field }) => field.endsWith('pay_bps'));
  const unsaid = replaced(proof, ['submissions', 0, 'acceptance'], null);
  explained(judge(unsaid, psbts));
  const neither = replaced(unsaid, ['submissions', 0, 'ruling'], null);
  // Dave's two outpoints and the gift.
  assert.equal(silent(neither).length, 3);
});

// ---- Time, and what is under way

/** Eleven blocks more, of this time. */
function later(json: Json, time: number): Json {
  const copy = clone(json) as { tip: { height: number; hash: string; mtp_secs: number }; headers: Record<string, string> };
  for (let block = 0; block < 11; block += 1) {
    const previous = reversed(unhex(copy.tip.hash, 'hash'));
    for (let nonce = 0; ; nonce += 1) {
      const bytes = concat(uintLe(4, 4), previous, new Uint8Array(32), uintLe(time, 4), uintLe(0x207fffff, 4), uintLe(nonce, 4));
      const hash = reversed(hash256(bytes));
      if (hash[0]! >= 0x7f) continue;
      copy.tip = { height: copy.tip.height + 1, hash: hex(hash), mtp_secs: time };
      copy.headers[String(copy.tip.height)] = hex(bytes);
      break;
    }
  }
  return remade(copy as unknown as Json);
}
const cutoff = charter.cutoffSecs;

test('after the cut-off nothing new is signed, but what two have signed goes on for three days after T', () => {
  const psbts = psbtsOf(fixture.payout.psbts);
  explained(judge(later(proof, cutoff), psbts));
  const after = later(proof, cutoff + 1);
  const [found] = refused(after, psbts);
  assert.deepEqual(found, { field: 'tip/mtp_secs', problem: `the chain's median time is past the cut-off ${cutoff}: nothing new is started` });
  const number = (valueAt(proof, ['settlements']) as Json[]).findIndex((entry) => valueAt(entry, ['terms', 'for', 'kind']) === 'payout');
  const signed = (json: Json): Json => replaced(json, ['settlements', number, 'signed_by'], ['developer', 'representative']);
  explained(judge(signed(after), psbts));
  const grace = charter.fields.refund_time + 3 * 86_400;
  explained(judge(signed(later(proof, grace)), psbts));
  assert.equal(refused(signed(later(proof, grace + 1)), psbts)[0]?.field, 'tip/mtp_secs');
});

test('gifts alone may move at any time', () => {
  const gifts = proposing(proof, paying(payout, payout.inputs.filter(({ index }) => index === 0)));
  explained(judge(later(gifts.json, cutoff + 1), gifts.psbts));
});

test('a settlement that takes the place of one that two have signed is signed', () => {
  const psbts = psbtsOf(fixture.payout.psbts);
  const signedBy = (...roles: Role[]): Json => replaced(proof, ['settlements', early, 'signed_by'], roles);
  explained(judge(signedBy('developer'), psbts));
  // It spends an outpoint of its only transaction, so only one of the two can happen.
  explained(judge(signedBy('developer', 'arbiter'), psbts));
  const bound = proposing(proof, { ...payout, feerate_sat_per_vb: 3 }, ['developer', 'representative']);
  explained(judge(bound.json, psbts));
});

test('a settlement of which two have signed several transactions holds what it spends, until each is replaced', () => {
  const { task, plan, given } = explained(judge(proof, psbtsOf(fixture.payout.psbts)));
  assert.ok(given.size > 0);
  const [whole] = plan.chunks as [Chunk];
  // The same outpoints in two transactions, as a settlement of a thousand pledges has them.
  const part = (from: number, to: number): Chunk => ({ ...whole, inputs: whole.inputs.slice(from, to), forms: whole.forms.map((form) => ({ ...form, txid: `${from}${form.txid.slice(1)}` })) });
  const two: Plan = { ...plan, id: 'two', chunks: [part(0, 3), part(3, 6)] };
  const document = proofOf(replaced(proof, ['settlements', 0, 'signed_by'], ['developer', 'representative']));
  const [signed] = document.settlements;
  task.settlements.clear();
  task.settlements.set('two', { proof: signed!, plan: two });
  const of = (inputs: Plan['terms']['inputs']): Plan => ({ ...plan, id: 'ours', terms: { ...plan.terms, inputs } });
  const found = (inputs: Plan['terms']['inputs']): string[] => {
    const findings = new Findings();
    checkConflicts(document, task, of(inputs), findings);
    return findings.all.map(({ field }) => field);
  };
  const inputs = plan.terms.inputs;
  assert.deepEqual(found(inputs.slice(0, 3)), ['settlements/0']);
  assert.deepEqual(found(inputs.slice(4)), ['settlements/0']);
  assert.deepEqual(found(inputs.slice(2, 4)), []);
  assert.deepEqual(found(inputs), []);
  assert.deepEqual(found([]), []);
  // One signature binds nobody.
  (signed as { signed_by: string[] }).signed_by = ['developer', 'developer'];
  assert.deepEqual(found(inputs.slice(0, 3)), []);
});

test('the tally, the verdicts and the votes are counted anew, not read', () => {
  const { task } = explained(judge(proof, psbtsOf(fixture.payout.psbts)));
  const [submission] = task.submissions;
  assert.ok(submission);
  const tally = task.tally(submission);
  assert.deepEqual([tally.yes, tally.no, tally.electorate], [700_000n, 200_000n, 1_150_000n]);
  assert.deepEqual([...tally.choices], [[1, 'yes'], [2, 'yes'], [3, 'no']]);
  assert.equal(task.silencePays(submission), true);
});
