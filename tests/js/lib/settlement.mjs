// Settlement cases: candidates, terms, id, every form, its outputs, and its two signatures.

import { sha256 } from '@noble/hashes/sha2.js';
import { SigHash, Transaction } from '@scure/btc-signer';
import { weighed } from './closing.mjs';
import { equal, equalFields, exactKeys, integer } from './compare.mjs';
import { bytes, child, accountKey, hex, memo, networkOf, sha256Hex, taggedHash, utf8 } from './keys.mjs';
import { sponsor } from './labels.mjs';
import { formWeight, plan, scriptOf } from './plan.mjs';
import { charterAt, payeeLines, pledgeOutput } from './submission.mjs';
import { checkRefund } from './refund.mjs';
import { output } from './contract.mjs';

const SEQUENCE = 0xfffffffd;
// Where pledges move to, and how far their index is from the old one.
const MOVES_TO = 2;
const MOVED_BY = 100;
const reversed = (txid) => hex(bytes(txid).reverse());

const known = new WeakMap();

// Every output that stays in escrow or moves, by outpoint.
export function madeBy(vectors) {
  if (known.has(vectors)) return known.get(vectors);
  const made = new Map();
  known.set(vectors, made);
  vectors.settlements.forEach((settlement, at) => {
    for (const { forms } of settlement.chunks) {
      for (const { txid, outputs } of forms) {
        outputs.forEach((one, vout) => {
          if (['remainder', 'move'].includes(one.kind)) made.set(`${txid}:${vout}`, { ...one, at });
        });
      }
    }
  });
  return made;
}

function outputOf(charter, { generation, index, sponsor_key: key }) {
  if (index !== 0) return pledgeOutput(charter, generation, index, key);
  const { terms, id } = charter;
  const signers = [terms.developer.key, terms.representative.key, terms.arbiter.key];
  return output({ network: terms.network, signers, charterId: id, refundTime: terms.refund_time, generation, index, sponsor: null });
}

function checkCandidate(vectors, at, charter, item, candidate, name) {
  exactKeys(candidate, ['parts', 'input'], name);
  const { input, parts } = candidate;
  const { kind } = item.terms.for;
  const shares = charter.terms.milestones.map((one) => one.share_bps);
  const network = networkOf(charter.terms.network);
  const open = input.index === 0;
  const made = sponsor(input.index, network);
  let back = open ? charter.terms.pot : made.refundAddress;
  if (kind === 'move') {
    back = pledgeOutput(charterAt(vectors, MOVES_TO, name), 0, input.index + MOVED_BY, made.key).fields.address;
  }
  const expected = {
    sponsor_key: open ? null : made.key,
    pay_bps: open ? 10_000 : weighed(shares, parts, `${name}.parts`),
    return_address: back,
  };
  exactKeys(input, ['outpoint', 'amount_sat', 'index', 'generation', ...Object.keys(expected)], `${name}.input`);
  equalFields(expected, input, `${name}.input`);
  if (open) equal(0, parts.length, `${name}.parts: of a gift`);
  else equal(input.generation, parts.filter((part) => part === 'covered').length, `${name}.parts: how many are covered`);
  integer(input.amount_sat, 21e14, `${name}.input.amount_sat`);
  if (input.generation === 0) {
    const paid = sha256Hex(`paid ${item.charter}/${input.index}: ${input.amount_sat} sat`);
    equal(`${reversed(paid)}:${input.index}`, input.outpoint, `${name}.input.outpoint`);
  } else {
    const rest = madeBy(vectors).get(input.outpoint);
    if (!rest || rest.at >= at) throw new Error(`${name}.input.outpoint: no settlement before this left it`);
    equal('remainder', rest.kind, `${name}.input.outpoint: kind`);
    equal(rest.of, `${input.generation}/${input.index}`, `${name}.input: slot`);
    equal(rest.amount_sat, input.amount_sat, `${name}.input.amount_sat`);
  }
  if (kind === 'move' && !parts.every((part) => ['kept', 'covered'].includes(part))) throw new Error(`${name}.parts`);
}

function checkBasis(vectors, charter, { terms, candidates }, name) {
  const { kind } = terms.for;
  if (kind === 'move') {
    exactKeys(terms.for, ['kind', 'to'], `${name}.terms.for`);
    equal(charterAt(vectors, MOVES_TO, name).id, terms.for.to, `${name}.terms.for.to`);
    return [];
  }
  if (!['milestone', 'payout', 'ruling'].includes(kind)) throw new Error(`${name}.terms.for.kind: unknown`);
  exactKeys(terms.for, ['kind', 'submission'], `${name}.terms.for`);
  const submission = vectors.submissions.find(({ digest }) => digest === terms.for.submission);
  if (!submission) throw new Error(`${name}.terms.for.submission: no submission of this id`);
  equal(charter.id, submission.statement.charter, `${name}.terms.for.submission: its charter`);
  const own = submission.statement.milestone ?? 0;
  candidates.forEach(({ parts, input }, at) => {
    if (input.index === 0) return;
    const fits = parts.every((part, milestone) => {
      if (milestone === own) return kind === 'ruling' ? part.startsWith('ruled ') : part === 'paid';
      return kind === 'milestone' ? ['kept', 'covered'].includes(part) : part !== 'kept';
    });
    if (!fits) throw new Error(`${name}.candidates[${at}].parts: not for a ${kind} of milestone ${own}`);
  });
  return submission.statement.named?.payees ?? [];
}

function linesOf({ charter, for: { kind, submission, to }, feerate_sat_per_vb: feerate, inputs }, payees) {
  const basis = kind === 'move' ? `to: ${to}\n` : `submission: ${submission}\n`;
  const each = inputs.map((input) =>
    `input: ${input.outpoint}, ${input.amount_sat} sat, slot ${input.generation}/${input.index}, ` +
    `sponsor key ${input.sponsor_key ?? 'none'}, pay ${input.pay_bps} bps, return to ${input.return_address ?? 'none'}\n`);
  return `charter: ${charter}\nkind: ${kind}\n${basis}${payeeLines(payees)}feerate: ${feerate} sat/vB\n${each.join('')}`;
}

const transaction = (inputs, outputs) => {
  const tx = new Transaction({ version: 2, lockTime: 0 });
  for (const { spent, amount, txid, vout, leafAt } of inputs) {
    tx.addInput({
      txid: bytes(txid),
      index: vout,
      sequence: SEQUENCE,
      witnessUtxo: { script: spent.payment.script, amount },
      tapInternalKey: spent.payment.tapInternalKey,
      // Only the cooperative leaf.
      tapLeafScript: [spent.payment.tapLeafScript[leafAt]],
    });
  }
  for (const { script, amount } of outputs) tx.addOutput({ script, amount });
  return tx;
};

// The bytes of a transaction without witnesses. `build` makes it; the rest says which it is.
const unsignedForm = memo((_inputs, _outputs, build) => hex(build().unsignedTx));

// Two accounts sign all inputs by the leaf; keys are at generation/index below each.
const signedForm = memo((_unsigned, seats, networkName, slots, build) => {
  const tx = build();
  for (const { phrase, account } of seats) {
    const { key } = accountKey(phrase, account, networkOf(networkName));
    slots.forEach(([generation, index], at) => {
      tx.signIdx(child(key, generation, index).privateKey, at, [SigHash.DEFAULT], new Uint8Array(32));
    });
  }
  tx.finalize();
  return { signed: hex(tx.extract()), weight: tx.weight };
});

function checkForm({ charter, item, seats, payees, part, split, form, name }) {
  const { kind, to } = item.terms.for;
  const { addresses } = networkOf(charter.terms.network);
  const outputs = [];
  payees.forEach(({ name: of, address, script }, at) => {
    const amount = split.amounts[at];
    if (amount > 0n) outputs.push({ kind: 'payee', of, address, script, amount });
  });
  part.inputs.forEach((input, at) => {
    const amount = split.shares[at].returned;
    if (amount === 0n) return;
    const { script, rest, term, outpoint } = input;
    if (kind === 'milestone') {
      const of = `${term.generation + 1}/${term.index}`;
      outputs.push({ kind: 'remainder', of, address: rest.fields.address, script, amount });
    } else {
      const address = term.return_address;
      outputs.push({ kind: to ? 'move' : 'return', of: outpoint, address, script: scriptOf(address, addresses), amount });
    }
  });
  const build = () => transaction(part.inputs, outputs);
  const ins = part.inputs.map(({ outpoint, amount, spent }) => [outpoint, String(amount), spent.fields.script_pubkey]);
  const unsigned = unsignedForm(ins, outputs.map(({ script, amount }) => [hex(script), String(amount)]), build);
  const fields = {
    sat_per_vb: Number(split.rate),
    fee_sat: Number(split.shares.reduce((all, { fee }) => all + fee, 0n)),
    weight: Number(formWeight(part.inputs, outputs)),
    txid: reversed(hex(sha256(sha256(bytes(unsigned))))),
    transaction: unsigned,
  };
  exactKeys(form, [...Object.keys(fields), 'shares', 'outputs', 'signed'], name);
  equalFields(fields, form, name);
  const list = (computed, given, what) => {
    equal(computed.length, given.length, `${what}.length`);
    computed.forEach((one, at) => {
      exactKeys(given[at], Object.keys(one), `${what}[${at}]`);
      equalFields(one, given[at], `${what}[${at}]`);
    });
  };
  list(split.shares.map(({ fee, pay, returned }) =>
    ({ fee_sat: Number(fee), pay_sat: Number(pay), returned_sat: Number(returned) })), form.shares, `${name}.shares`);
  list(outputs.map(({ kind: what, of, address, amount }) =>
    ({ kind: what, of, address, amount_sat: Number(amount) })), form.outputs, `${name}.outputs`);
  const whole = part.inputs.reduce((all, { amount }) => all + amount, 0n);
  const out = outputs.reduce((all, { amount }) => all + amount, 0n);
  equal(Number(whole - out), form.fee_sat, `${name}.fee_sat: what goes in and does not come out`);
  const slots = part.inputs.map(({ term }) => [term.generation, term.index]);
  const signers = seats.map(({ phrase, account }) => ({ phrase, account }));
  const { signed, weight } = signedForm([unsigned, ins], signers, charter.terms.network, slots, build);
  equal(signed, form.signed, `${name}.signed`);
  equal(weight, form.weight, `${name}.weight, of the signed transaction`);
}

export function checkSettlement(vectors, item, name) {
  exactKeys(item, ['charter', 'candidates', 'stays_out', 'terms', 'lines', 'id', 'chunks'], name);
  const at = vectors.settlements.indexOf(item);
  const charter = charterAt(vectors, item.charter, `${name}.charter`);
  const { addresses } = networkOf(charter.terms.network);
  const named = checkBasis(vectors, charter, item, name);
  item.candidates.forEach((one, i) => checkCandidate(vectors, at, charter, item, one, `${name}.candidates[${i}]`));
  const { terms } = item;
  exactKeys(terms, ['charter', 'for', 'feerate_sat_per_vb', 'inputs', ...(named.length > 0 ? ['payees'] : [])], `${name}.terms`);
  equal(charter.id, terms.charter, `${name}.terms.charter`);
  equal(JSON.stringify(named), JSON.stringify(terms.payees ?? []), `${name}.terms.payees`);
  integer(terms.feerate_sat_per_vb, charter.terms.feerate_cap_sat_per_vb, `${name}.terms.feerate_sat_per_vb`);

  const { leader, operator } = charter.terms;
  const theirs = named.length > 0 ? named : charter.terms.payees;
  const payees = [
    ...theirs.map((payee, i) => ({ ...payee, name: `payee ${i + 1}` })),
    ...(leader && leader.share_bps > 0 ? [{ ...leader, name: 'leader' }] : []),
    ...(operator ? [{ ...operator, name: 'operator' }] : []),
  ].map((one) => ({ name: one.name, address: one.address, bps: one.share_bps, script: scriptOf(one.address, addresses) }));

  const inputs = item.candidates.map(({ input }) => {
    const spent = outputOf(charter, input);
    const leafAt = spent.payment.leaves.findIndex((one) => hex(one.script) === spent.fields.cooperative_leaf);
    const [txid, vout] = input.outpoint.split(':');
    const rest = terms.for.kind === 'milestone' ? outputOf(charter, { ...input, generation: input.generation + 1 }) : null;
    return {
      outpoint: input.outpoint,
      txid,
      vout: Number(vout),
      amount: BigInt(input.amount_sat),
      pay: input.pay_bps,
      // Where what is not paid goes.
      script: rest ? rest.payment.script : scriptOf(input.return_address, addresses),
      rest,
      spent,
      leafAt,
      leaf: spent.payment.leaves[leafAt].script.length,
      control: spent.payment.leaves[leafAt].controlBlock.length,
      term: input,
    };
  });
  // Outpoints are in the order of their bytes on the wire.
  const order = inputs.map(({ txid, vout }) => `${reversed(txid)}:${String(vout).padStart(10, '0')}`);
  equal(`${[...order].sort()}`, `${order}`, `${name}.candidates: their order`);
  const made = plan(terms.for.kind, payees, terms.feerate_sat_per_vb, charter.terms.feerate_cap_sat_per_vb, inputs);

  const staysOut = inputs
    .filter(({ outpoint }) => made.staysOut.has(outpoint))
    .map(({ outpoint }) => ({ outpoint, why: made.staysOut.get(outpoint) }));
  equal(staysOut.length, item.stays_out.length, `${name}.stays_out.length`);
  staysOut.forEach(({ outpoint, why }, i) => {
    const place = `${name}.stays_out[${i}]`;
    exactKeys(item.stays_out[i], ['outpoint', 'why'], place);
    equal(outpoint, item.stays_out[i].outpoint, `${place}.outpoint`);
    exactKeys(item.stays_out[i].why, Object.keys(why), `${place}.why`);
    equalFields(why, item.stays_out[i].why, `${place}.why`);
  });
  const joins = made.joins.map(({ term }) => JSON.stringify(term));
  equal(`${joins}`, `${terms.inputs.map((one) => JSON.stringify(one))}`, `${name}.terms.inputs`);
  const lines = linesOf(terms, named);
  equal(lines, item.lines, `${name}.lines`);
  equal(hex(taggedHash('upfront/settlement', utf8(lines))), item.id, `${name}.id`);

  const one = vectors.charters[item.charter];
  const seats = [one.developer, terms.for.kind === 'ruling' ? one.arbiter : one.representative];
  equal(made.parts.length, item.chunks.length, `${name}.chunks.length`);
  made.parts.forEach((part, i) => {
    const place = `${name}.chunks[${i}]`;
    exactKeys(item.chunks[i], ['inputs', 'forms'], place);
    equal(`${part.inputs.map(({ outpoint }) => outpoint)}`, `${item.chunks[i].inputs}`, `${place}.inputs`);
    equal(part.splits.length, item.chunks[i].forms.length, `${place}.forms.length`);
    part.splits.forEach((split, j) => checkForm({
      charter, item, seats, payees, part, split, form: item.chunks[i].forms[j], name: `${place}.forms[${j}]`,
    }));
  });
}

// A refund of an output that a settlement of the file makes.
export function checkMadeRefund(vectors, item, name) {
  const made = madeBy(vectors).get(item.outpoint);
  if (!made) throw new Error(`${name}.outpoint: no settlement makes it`);
  equal(made.amount_sat, item.amount_sat, `${name}.amount_sat`);
  checkRefund(vectors, item, name);
}
