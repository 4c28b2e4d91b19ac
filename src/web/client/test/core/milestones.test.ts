// descriptors/milestones.json, recomputed: statements, addresses of later generations, settlements to the last byte, the
// refunds of what they leave in escrow, and what closing payouts pay.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addressOf } from '../../src/core/address.ts';
import { hex } from '../../src/core/bytes.ts';
import { Charter } from '../../src/core/charter.ts';
import { Root, type Account } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';
import { Contract } from '../../src/core/output.ts';
import { signSchnorr } from '../../src/core/point.ts';
import type { SubmissionProof, TermsDocument } from '../../src/core/proof/document.ts';
import { moveWords, submissionWords } from '../../src/core/proof/words.ts';
import { Task, type SubmissionState } from '../../src/core/proof/task.ts';
import { makePlan, outputsOf, type OutputAt, type OutputKind } from '../../src/core/settlement/plan.ts';
import { messagesOf } from '../../src/core/settlement/psbts.ts';
import { madeBy, remainderHome, targetOf, type HomeOf } from '../../src/core/settlement/prepared.ts';
import { readTerms, termsId, termsLines } from '../../src/core/settlement/terms.ts';
import { parseSignature, sponsorSpeaker, verifies } from '../../src/core/signature.ts';
import { transactionHex, withWitness } from '../../src/core/tx.ts';
import { at, descriptors, type AddressCase, type CharterCase, type RefundCase } from '../lib/vectors.ts';

interface Said {
  charter: number;
  statement: Record<string, unknown>;
  key: string;
  lines: string;
  digest: string;
  signature: string;
  bip322_signature?: string;
}

interface FormCase {
  sat_per_vb: number;
  fee_sat: number;
  weight: number;
  shares: { fee_sat: number; pay_sat: number; returned_sat: number }[];
  outputs: { kind: string; of: string; address: string; amount_sat: number }[];
  txid: string;
  transaction: string;
  signed: string;
}

interface SettlementCase {
  charter: number;
  candidates: { input: TermsDocument['inputs'][number] }[];
  stays_out: { outpoint: string; why: { reason: string } & Record<string, number | string> }[];
  terms: TermsDocument;
  lines: string;
  id: string;
  chunks: { inputs: string[]; forms: FormCase[] }[];
}

interface Closing {
  shares_bps: number[];
  parts: string[];
  kind: 'milestone' | 'payout' | 'ruling';
  milestone: number;
  pay_bps: number | null;
}

const file = JSON.parse(readFileSync(join(descriptors, 'milestones.json'), 'utf8')) as {
  version: number; charters: CharterCase[]; submissions: Said[]; moves: Said[]; settlements: SettlementCase[]; addresses: AddressCase[];
  refunds: RefundCase[]; closings: Closing[];
};
const charters = file.charters.map(({ text }) => Charter.parse(text));
const contracts = charters.map((charter) => new Contract(charter));
const outputs = contracts.map((contract): OutputAt => outputsOf(contract));

test('charters and addresses of every generation', () => {
  assert.equal(file.version, 1);
  assert.deepEqual(charters.map(({ id }) => id), file.charters.map(({ id }) => id));
  for (const item of file.addresses) {
    const contract = at(contracts, charters.findIndex(({ id }) => id === item.charter_id));
    const output = item.sponsor_key === null ? contract.open() : contract.pledge({ generation: item.generation, index: item.index }, item.sponsor_key);
    assert.deepEqual([output.address, output.descriptor, hex(output.scriptPubkey)], [item.address, item.descriptor, item.script_pubkey]);
  }
});

test('submissions and moves: lines, digests and signatures', () => {
  const check = (said: Said, words: ReturnType<typeof moveWords>): void => {
    assert.equal(words.lines, said.lines);
    assert.equal(hex(words.digest), said.digest);
    for (const signature of [said.signature, ...(said.bip322_signature === undefined ? [] : [said.bip322_signature])]) {
      assert.ok(verifies(words, parseSignature(signature, 'signature'), sponsorSpeaker(said.key)), said.digest);
    }
  };
  for (const said of file.submissions) check(said, submissionWords(said.statement as never));
  for (const said of file.moves) check(said, moveWords(said.statement as never));
});

const ofOutput = (kind: OutputKind): string => {
  switch (kind.kind) {
    case 'payee':
      return kind.name;
    case 'remainder':
      return `${kind.generation}/${kind.index}`;
    default:
      return kind.outpoint;
  }
};

for (const [number, item] of file.settlements.entries()) {
  test(`settlements[${number}]: ${item.terms.for.kind}, to the last byte`, () => {
    const charter = at(charters, item.charter);
    const terms = readTerms(item.terms, 'terms');
    assert.equal(termsLines(terms), item.lines);
    assert.equal(termsId(terms), item.id);
    const plan = makePlan(charter, at(outputs, item.charter), terms, 'terms');
    const roles = item.terms.for.kind === 'ruling' ? (['developer', 'arbiter'] as const) : (['developer', 'representative'] as const);
    const seats = ['developer', 'representative', 'arbiter'] as const;
    const accounts = new Map(roles.map((role): [string, Account] => {
      const { phrase, account } = at(file.charters, item.charter)[role];
      return [role, Root.fromPhrase(phrase, charter.network).account(account)];
    }));
    const made = plan.chunks.map((chunk, chunkAt) => ({
      inputs: chunk.inputs.map(({ term }) => term.outpoint),
      forms: chunk.forms.map((form, formAt): FormCase => {
        const messages = messagesOf({ chunkAt, formAt, chunk, form });
        let signed = form.tx;
        chunk.inputs.forEach(({ term, output }, place) => {
          const signatures = seats.map((seat) => {
            const account = accounts.get(seat);
            return account === undefined ? new Uint8Array(0) : signSchnorr(messages[place]!, account.child(term.generation, term.index));
          });
          signed = withWitness(signed, place, [...signatures.reverse(), output.cooperativeLeaf, output.cooperativeControlBlock]);
        });
        return {
          sat_per_vb: form.feerate, fee_sat: Number(form.fee), weight: form.weight,
          shares: form.shares.map(({ fee, pay, returned }) => ({ fee_sat: Number(fee), pay_sat: Number(pay), returned_sat: Number(returned) })),
          outputs: form.outputs.map((kind, vout) => ({
            kind: kind.kind, of: ofOutput(kind), address: addressOf(form.tx.outputs[vout]!.script, charter.network) ?? '', amount_sat: Number(form.tx.outputs[vout]!.amount),
          })),
          txid: form.txid, transaction: transactionHex(form.tx), signed: transactionHex(signed),
        };
      }),
    }));
    assert.deepEqual(made, item.chunks);
  });
}

test('what is not worth a transaction of its own stays out, for the reason that is named', () => {
  const words: Readonly<Record<string, RegExp>> = {
    small: /it holds less than (?<needs_sat>\d+) sat/, eaten: /fee at (?<feerate_sat_per_vb>\d+) sat\/vB is (?<fee_sat>\d+) sat/,
    return_dust: /at (?<feerate_sat_per_vb>\d+) sat\/vB only (?<returned_sat>\d+) sat would return/,
    pool_dust: /at (?<feerate_sat_per_vb>\d+) sat\/vB all payees together would get (?<pool_sat>\d+) sat/,
    share_small: /at (?<feerate_sat_per_vb>\d+) sat\/vB its share would pay (?<paid_sat>\d+) sat, .* fee of (?<fee_sat>\d+) sat/,
  };
  let tried = 0;
  for (const item of file.settlements.filter(({ terms }) => terms.for.kind === 'milestone' || terms.for.kind === 'move')) {
    for (const { outpoint, why: { reason, ...numbers } } of item.stays_out) {
      const { input } = item.candidates.find((candidate) => candidate.input.outpoint === outpoint)!;
      const plan = (): unknown => makePlan(at(charters, item.charter), at(outputs, item.charter), readTerms({ ...item.terms, inputs: [input] }, 'terms'), 'terms');
      assert.throws(plan, (error: Error) => {
        const found = words[reason]?.exec(error.message)?.groups;
        assert.deepEqual({ ...found }, Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)])), error.message);
        return true;
      });
      tried += 1;
    }
  }
  assert.ok(tried >= 6);
});

test('refunds of what does not exist yet, for every form', () => {
  const chosen = [0, 1, 5].flatMap((number) => {
    const item = at(file.settlements, number);
    const plan = makePlan(at(charters, item.charter), at(outputs, item.charter), readTerms(item.terms, 'terms'), 'terms');
    return madeBy(plan).filter(({ placed }) => placed.chunkAt === 0).map((made) => ({ item, made }));
  });
  assert.equal(chosen.length, file.refunds.length);
  for (const [number, refund] of file.refunds.entries()) {
    const { item, made } = at(chosen, number);
    assert.deepEqual([made.outpoint, Number(made.amount)], [refund.outpoint, refund.amount_sat]);
    const output = at(contracts, refund.charter).pledge({ index: refund.index, generation: refund.generation }, refund.sponsor_key);
    const there: HomeOf = () => ({ output, refundAddress: refund.refund_address });
    const homeOf = item.terms.for.kind === 'move' ? there : remainderHome(at(outputs, item.charter));
    const key = Root.fromPhrase(refund.phrase, at(charters, refund.charter).network).sponsorKey(Number(refund.path.split('/').at(-1)));
    const bundle = targetOf(made, homeOf).sign(key);
    assert.deepEqual(bundle.signatures, {
      outpoint: refund.outpoint, amount_sat: refund.amount_sat, pair: refund.pair.signature, ladder: refund.ladder.map(({ signature }) => signature),
    });
    assert.equal(transactionHex(bundle.pair()), refund.pair.transaction);
    assert.deepEqual(bundle.ladder().map(({ transaction }) => transactionHex(transaction)), refund.ladder.map(({ transaction }) => transaction));
  }
});

/** One pledge whose milestones have ended so, as a task; votes and words are taken as they are. */
function ended(parts: readonly string[]): Task {
  const [charter] = charters as [Charter];
  const network = networkOf(charter.fields.network).name;
  const { milestones } = charter.fields;
  const due = (wanted: string): number[] => parts.flatMap((part, number) => (part === wanted ? [milestones[number]!.due] : []));
  const now = Math.max(1_000_000_000, ...due('lost').map((secs) => secs + 1));
  assert.ok(due('pending').every((secs) => now <= secs));
  const submissions = parts.flatMap((part, milestone): SubmissionState[] => {
    if (part === 'pending') return [];
    const ruled = /^ruled (\d+)$/.exec(part)?.[1];
    const choice = part === 'lost' ? null : ruled === undefined ? 'yes' : 'no';
    const id = `0${milestone}`.repeat(32);
    const vote = { network, charter: charter.id, submission: id, pledge: 1, choice: choice ?? 'no', counter: 0 } as const;
    const proof = {
      id, submission: { statement: { block_height: 10, milestone, named: null }, signature: '' }, block_mtp_secs: 1, confirmation: null,
      votes: [], acceptance: null, ruling: ruled === undefined ? null : { statement: { pay_bps: Number(ruled) }, signature: '' },
    } as unknown as SubmissionProof;
    return [{ id, proof, votes: choice === null ? [] : [{ vote, receiptMtpSecs: 2 }] }];
  });
  const outpoint = `${'ab'.repeat(32)}:0`;
  const task = new Task({
    charter, tip: { height: 500, hash: '00'.repeat(32), mtp_secs: now }, outputs: new Map(), pledges: [], submissions, moves: [], lateMoves: [], settlements: new Map(),
    outpoints: [{
      outpoint, index: 1, generation: 0, amount: 500_000n, coinbase: false, spend: null, secured: true,
      confirmation: { height: 5, block_hash: '00'.repeat(32), position: 1, mtp_secs: 1 },
    }],
  });
  task.uncovered = () => parts.flatMap((part, number) => (part === 'covered' ? [] : [number]));
  return task;
}

test('what closing payouts pay, in every way that three milestones may have ended', () => {
  assert.deepEqual(charters[0]?.fields.milestones.map(({ share_bps: share }) => share), at(file.closings, 0).shares_bps);
  for (const { parts, kind, milestone, pay_bps: expected } of file.closings) {
    const task = ended(parts);
    const answer = task.entitlements({ kind, submission: `0${milestone}`.repeat(32) });
    const found = 'is' in answer ? [...answer.is.values()][0]?.payBps ?? null : null;
    assert.equal(found, expected, `${kind} of ${milestone}: ${parts.join(', ')}`);
  }
});
