// From terms to unsigned transactions: deterministic, so that every signer rebuilds them and compares.
//
// Inputs stand in order of outpoint; payees in the charter's order, then returns in the order of their inputs. Every
// form of a chunk spends the same inputs, so only one of them can ever confirm.

import { parseAddress } from '../address.ts';
import type { Charter, Share } from '../charter.ts';
import { refuse, UpfrontError } from '../error.ts';
import type { Contract, EscrowOutput } from '../output.ts';
import { txid, type Transaction, type TxOut } from '../tx.ts';
import { percent } from '../words.ts';
import { divide, frameWeight, inputWeight, outputWeight, type BudgetInput, type InputShare, type PayRules, type Split } from './budget.ts';
import { isGift, termsId, txidOf, voutOf, type Kind, type TermInput, type Terms } from './terms.ts';

/** Replaceable, and no relative timelock. */
const SEQUENCE = 0xffff_fffd;

/** What an output is for: somebody is paid, or money of an outpoint goes back. */
export type OutputKind =
  | { readonly kind: 'payee'; readonly name: string; readonly bps: number }
  | { readonly kind: 'return'; readonly outpoint: string; readonly index: number }
  /** Back to escrow, at the next generation of the same pledge. */
  | { readonly kind: 'remainder'; readonly outpoint: string; readonly index: number; readonly generation: number }
  /** To the address of a pledge of another charter. */
  | { readonly kind: 'move'; readonly outpoint: string; readonly index: number; readonly to: string };

export function outputWords(output: OutputKind): string {
  switch (output.kind) {
    case 'payee':
      return `${output.name}, ${percent(output.bps)}`;
    case 'remainder':
      return `rest of pledge ${output.index} stays in escrow, generation ${output.generation}`;
    case 'move':
      return `${output.outpoint} moves to charter ${output.to}`;
    case 'return':
      return isGift(output) ? `gift ${output.outpoint} to the pot` : `return of ${output.outpoint} to the sponsor of pledge ${output.index}`;
  }
}

/** A chunk at one feerate. */
export interface Form {
  /** Its feerate is at least this, sat/vB. */
  readonly feerate: number;
  readonly tx: Transaction;
  readonly txid: string;
  /** Weight once signed by the leaf. */
  readonly weight: number;
  readonly fee: bigint;
  /** What each output is, in their order. */
  readonly outputs: readonly OutputKind[];
  /** What becomes of each input, in their order. */
  readonly shares: readonly InputShare[];
}

export interface ChunkInput {
  readonly term: TermInput;
  readonly output: EscrowOutput;
}

/** One transaction, in its forms of rising feerates. */
export interface Chunk {
  readonly inputs: readonly ChunkInput[];
  readonly forms: readonly Form[];
}

/** All transactions of one settlement. */
export interface Plan {
  readonly id: string;
  readonly terms: Terms;
  readonly chunks: readonly Chunk[];
}

/** One form of one transaction, with its place: both counted from 0. */
export interface Placed {
  readonly chunkAt: number;
  readonly formAt: number;
  readonly chunk: Chunk;
  readonly form: Form;
}

export const formsOf = (plan: Plan): Placed[] =>
  plan.chunks.flatMap((chunk, chunkAt) => chunk.forms.map((form, formAt) => ({ chunkAt, formAt, chunk, form })));

export const placeWords = ({ chunkAt, form }: Placed): string => `transaction ${chunkAt} at ${form.feerate} sat/vB`;

export const hasTransaction = (plan: Plan, id: string): boolean => formsOf(plan).some(({ form }) => form.txid === id);

export const prevoutsOf = (chunk: Chunk): TxOut[] =>
  chunk.inputs.map(({ term, output }) => ({ amount: term.amount, script: output.scriptPubkey }));

/** Gives the output of a pledge or of the open address. */
export type OutputAt = (input: Pick<TermInput, 'sponsorKey' | 'index' | 'generation'>) => EscrowOutput;

/** Outputs derived anew; `known` are at hand already, by `generation/index`: a thousand of them take seconds. */
export const outputsOf = (contract: Contract, known: ReadonlyMap<string, EscrowOutput> = new Map()): OutputAt =>
  ({ sponsorKey, index, generation }) => {
    const found = known.get(`${generation}/${index}`);
    if (found !== undefined && found.sponsorKey === sponsorKey) return found;
    return sponsorKey === null ? contract.open() : contract.pledge({ index, generation }, sponsorKey);
  };

/** The transactions of `terms`. Equal arguments give equal plans. */
export function makePlan(charter: Charter, outputAt: OutputAt, terms: Terms, field: string): Plan {
  if (terms.charter !== charter.id) refuse('plan_other_charter', `${field}/charter`, 'these terms are not for this charter');
  const cap = charter.fields.feerate_cap_sat_per_vb;
  if (terms.feerate > cap) {
    refuse('plan_feerate_above_cap', `${field}/feerate_sat_per_vb`, `a feerate of ${terms.feerate} sat/vB is above the charter's cap of ${cap}`);
  }
  const rules: PayRules = {
    feerateCap: cap,
    shares: payeesOf(charter, terms, field).map(({ name, address, shareBps }) => ({ name, script: address.script, bps: shareBps })),
  };
  const inputs = terms.inputs.map((input) => withRest(charter, outputAt, terms, input, field));
  const divided = divide(rules, terms.kind, terms.feerate, inputs);
  if ('out' in divided) {
    const [first] = divided.out;
    return refuse('plan_stays_out', field, `${first?.outpoint ?? ''} cannot be part of this settlement: ${first?.reason ?? ''}`);
  }
  const chunks = divided.parts.map((part) => ({
    inputs: part.inputs.map((term) => ({ term, output: outputAt(term) })),
    forms: part.splits.map((split) => makeForm(rules, terms.kind, part.inputs, split)),
  }));
  return { id: termsId(terms), terms, chunks };
}

function payeesOf(charter: Charter, terms: Terms, field: string): readonly Share[] {
  try {
    return charter.sharesFor(terms.payees);
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    return refuse('plan_payees', `${field}/payees`, `named payees: ${error.message}`);
  }
}

function withRest(charter: Charter, outputAt: OutputAt, terms: Terms, input: TermInput, field: string): BudgetInput {
  const { outpoint, returnAddress } = input;
  if (returnAddress === null) return { ...input, restScript: null };
  const address = parseAddress(returnAddress, charter.network, `the return address of ${outpoint}`);
  // One spelling, or the same terms would have two ids.
  if (address.text !== returnAddress) refuse('plan_return_address', field, `the return address of ${outpoint} is not in its one spelling`);
  if (isGift(input) && charter.fields.pot !== returnAddress) {
    refuse('plan_not_the_pot', field, `${outpoint} is a gift; it can return to the charter's pot only`);
  }
  if (terms.kind.kind === 'milestone') {
    return { ...input, restScript: outputAt({ ...input, generation: input.generation + 1 }).scriptPubkey };
  }
  return { ...input, restScript: address.script };
}

/** What an output is that holds what was not paid of an input. */
function restOf(kind: Kind, { outpoint, index, generation }: TermInput): OutputKind {
  if (kind.kind === 'milestone') return { kind: 'remainder', outpoint, index, generation: generation + 1 };
  return kind.kind === 'move' ? { kind: 'move', outpoint, index, to: kind.to } : { kind: 'return', outpoint, index };
}

function makeForm(rules: PayRules, kind: Kind, inputs: readonly BudgetInput[], split: Split): Form {
  const outputs: TxOut[] = [];
  const kinds: OutputKind[] = [];
  rules.shares.forEach((share, at) => {
    const amount = split.payees[at] ?? 0n;
    if (amount === 0n) return;
    outputs.push({ amount, script: share.script });
    kinds.push({ kind: 'payee', name: share.name, bps: share.bps });
  });
  inputs.forEach((input, at) => {
    const returned = split.shares[at]?.returned ?? 0n;
    if (returned === 0n || input.restScript === null) return;
    outputs.push({ amount: returned, script: input.restScript });
    kinds.push(restOf(kind, input));
  });
  const tx: Transaction = {
    version: 2,
    lockTime: 0,
    inputs: inputs.map(({ outpoint }) => ({
      txid: txidOf(outpoint), vout: voutOf(outpoint), scriptSig: new Uint8Array(0), sequence: SEQUENCE, witness: [],
    })),
    outputs,
  };
  const weight = frameWeight(inputs.length, outputs.length) +
    inputs.reduce((sum, input) => sum + inputWeight(input), 0) +
    outputs.reduce((sum, { script }) => sum + outputWeight(script), 0);
  return {
    feerate: split.feerate, tx, txid: txid(tx), weight, outputs: kinds, shares: split.shares,
    fee: split.shares.reduce((sum, { fee }) => sum + fee, 0n),
  };
}
