// What a move would do with each output of a pledge, and what its sponsor signs for it: the consent, and the refund of
// everything that may arrive under the other charter. The same transactions and statements as the command line makes
// (src/cli/pledge/moving.rs). Asks nobody.

import type { Charter } from '../core/charter.ts';
import { refuse, UpfrontError } from '../core/error.ts';
import type { KeyPair } from '../core/keys.ts';
import type { Contract, EscrowOutput } from '../core/output.ts';
import type { RecoveryFile } from '../core/recovery.ts';
import { RefundTarget, type RefundBundle, type LadderSignatures } from '../core/refund.ts';
import { makePlan, outputsOf, type Plan } from '../core/settlement/plan.ts';
import { madeBy, prepareRefunds } from '../core/settlement/prepared.ts';
import { signStatement } from '../core/signature.ts';
import { move as moveStatement } from '../core/statement.ts';
import { parseOutpoint, txid } from '../core/tx.ts';
import { satWords } from '../core/words.ts';
import type { Held } from './views.ts';

/** Two of three sign it at this lowest feerate; or nobody else does, and it goes at T. */
export type Way = { readonly kind: 'now'; readonly feerate: number } | { readonly kind: 'alone' };

/** The pledge that something leaves. */
export interface Leaving {
  readonly charter: Charter;
  readonly contract: Contract;
  readonly index: number;
  readonly sponsorKey: string;
}

export interface MovingPart {
  readonly held: Held;
  /** What arrives of it, one amount a feerate, in no promised order. */
  readonly arrives: readonly bigint[];
}

export interface Stays {
  readonly outpoint: string;
  readonly amount: bigint;
  readonly reason: string;
}

export interface MovePlans {
  readonly way: Way;
  readonly moving: readonly MovingPart[];
  readonly stays: readonly Stays[];
}

/** `Signed<Move>`. */
export interface SignedMove {
  readonly statement: {
    readonly network: string;
    readonly charter: string;
    readonly outpoint: string;
    readonly to_charter: string;
    readonly to_index: number;
    readonly to_address: string;
  };
  readonly signature: string;
}

/** What is handed in for one output. */
export interface SignedPart {
  readonly consent: SignedMove;
  /** The refund of what arrives, for each transaction that may bring it. */
  readonly refunds: readonly RefundBundle[];
  /** What moves it from T on; null where signers move it. */
  readonly ladder: LadderSignatures | null;
}

/** The transactions by which signers move one output to an address of another charter. */
export function movedPlan({ charter, contract, index, sponsorKey }: Leaving, held: Held, to: string, address: string, feerate: number): Plan {
  return makePlan(charter, outputsOf(contract), {
    charter: charter.id, kind: { kind: 'move', to }, feerate, payees: [],
    inputs: [{
      outpoint: held.outpoint, amount: held.amount, index, generation: held.generation, sponsorKey, payBps: 0, returnAddress: address,
    }],
  }, 'settlement');
}

/** A refund of one output that pays the new pledge: what moves it from T on. */
const lateTarget = ({ contract, index, sponsorKey }: Leaving, held: Held, address: string): RefundTarget => new RefundTarget(
  contract.pledge({ index, generation: held.generation }, sponsorKey), parseOutpoint(held.outpoint, 'outpoint'), held.amount, address);

function arrivals(from: Leaving, held: Held, to: string, address: string, way: Way): bigint[] {
  if (way.kind === 'now') return madeBy(movedPlan(from, held, to, address, way.feerate)).map(({ amount }) => amount);
  return lateTarget(from, held, address).ladder().flatMap(({ transaction }) => transaction.outputs.map(({ amount }) => amount));
}

export const least = (amounts: readonly bigint[]): bigint => amounts.reduce((low, amount) => (amount < low ? amount : low), amounts[0] ?? 0n);
export const most = (amounts: readonly bigint[]): bigint => amounts.reduce((high, amount) => (amount > high ? amount : high), 0n);

/** What is counted on: with signers what arrives at the highest feerate; alone what arrives at the lowest, for the higher
 * rungs are for when that is not mined. */
export const counted = ({ kind }: Way, amounts: readonly bigint[]): bigint => (kind === 'alone' ? most(amounts) : least(amounts));

/** The same, of everything. */
export const promised = ({ way, moving }: MovePlans): bigint => moving.reduce((sum, { arrives }) => sum + counted(way, arrives), 0n);

/** Why an output does not count, in the words of pages. */
function uncounted({ standing }: Held): string {
  switch (standing) {
    case null: return 'the service does not know the chain yet';
    case 'seen': return 'it is not in a block yet';
    case 'confirming': return 'it has not enough confirmations yet';
    case 'below_minimum': return 'it is less than the least pledge here, and does not count';
    default: return 'it does not count here';
  }
}

/** Refunds that one move signs at most: so many fit into the recovery file, and twice as many are taken by the service. */
export const MOST_REFUNDS = 500;

/** What moves in one go, the largest amounts first, of which each needs a refund for whatever may arrive. */
function atOnce(parts: readonly MovingPart[]): ReadonlySet<MovingPart> {
  const largest = [...parts].sort((one, other) => Number(other.held.amount - one.held.amount));
  let refunds = 0;
  return new Set(largest.filter(({ arrives }) => {
    refunds += arrives.length;
    return refunds <= MOST_REFUNDS;
  }));
}

/** Why the others stay. Alone everything moves at the same time: there is no later. */
const tooMany = ({ kind }: Way): string => (kind === 'now'
  ? 'too many at once: move these first, then again'
  : 'too many at once: let two signers move it; else it comes back to you at the refund time');

/** Of what moves, that of which less than the least pledge there may arrive: then it does not count. */
export const mayFallShort = ({ moving }: MovePlans, { fields }: Charter): MovingPart[] =>
  moving.filter(({ arrives }) => least(arrives) < BigInt(fields.minimum_pledge_sat));

/** What would become of each output. Amounts do not depend on which pledge it will be: every address of an escrow is as long
 * as any other. */
export function plansOf(from: Leaving, outpoints: readonly Held[], there: { readonly charter: Charter; readonly output: EscrowOutput }, way: Way): MovePlans {
  const minimum = BigInt(there.charter.fields.minimum_pledge_sat);
  const moving: MovingPart[] = [];
  const stays: Stays[] = [];
  for (const held of outpoints) {
    if (held.ended || held.standing === 'vanished') continue;
    const stay = (reason: string): void => void stays.push({ outpoint: held.outpoint, amount: held.amount, reason });
    if (held.standing !== 'credited') {
      stay(uncounted(held));
      continue;
    }
    if (way.kind === 'alone' && held.lateMove !== null && held.lateMove.toCharter !== there.charter.id) {
      stay('you signed before that it goes to another task at the refund time, and that stands');
      continue;
    }
    try {
      const arrives = arrivals(from, held, there.charter.id, there.output.address, way);
      const arriving = counted(way, arrives);
      if (arrives.length === 0) stay('it is too little to bear the network’s fee');
      else if (arriving < minimum) stay(`${satWords(arriving)} would arrive, and the least pledge there is ${satWords(minimum)}`);
      else moving.push({ held, arrives });
    } catch (error) {
      if (!(error instanceof UpfrontError) || error.code !== 'plan_stays_out') throw error;
      stay(error.message.replace(`${held.outpoint} cannot be part of this settlement: `, ''));
    }
  }
  const chosen = atOnce(moving);
  for (const part of moving) {
    if (!chosen.has(part)) stays.push({ outpoint: part.held.outpoint, amount: part.held.amount, reason: tooMany(way) });
  }
  return { way, moving: moving.filter((part) => chosen.has(part)), stays };
}

function consentOf(from: Leaving, held: Held, { charter, parts, output }: RecoveryFile, key: KeyPair): SignedMove {
  const statement = {
    network: from.charter.network.name, charter: from.charter.id, outpoint: held.outpoint, to_charter: charter.id, to_index: parts.index, to_address: output.address,
  };
  const words = moveStatement({
    network: statement.network, charter: statement.charter, outpoint: held.outpoint, toCharter: charter.id, toIndex: parts.index, toAddress: output.address,
  });
  return { statement, signature: signStatement(words, key) };
}

/** Signs the move of each output to the pledge of `there`, and the refund of everything that may arrive of it. */
export function signMove(from: Leaving, there: RecoveryFile, { way, moving }: MovePlans, key: KeyPair): SignedPart[] {
  if (there.parts.sponsorKey !== key.publicKey || from.sponsorKey !== key.publicKey) {
    refuse('untrue', 'sponsor_key', 'sponsor_key is not so: both pledges must be of your key');
  }
  const { output, parts: { refundAddress } } = there;
  return moving.map(({ held }): SignedPart => {
    const consent = consentOf(from, held, there, key);
    if (way.kind === 'now') {
      const plan = movedPlan(from, held, there.charter.id, output.address, way.feerate);
      return { consent, refunds: prepareRefunds(plan, () => ({ output, refundAddress }), key), ladder: null };
    }
    const target = lateTarget(from, held, output.address);
    const refunds = target.ladder().flatMap(({ transaction }) => {
      const id = txid(transaction);
      return transaction.outputs.map(({ amount }, vout) => there.target(`${id}:${vout}`, amount).sign(key));
    });
    return { consent, refunds, ladder: target.signLadder(key) };
  });
}
