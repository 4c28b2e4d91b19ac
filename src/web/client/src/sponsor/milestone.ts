// What a yes to one of several milestones does: its share of each output can be paid at once, if the refund of what would
// stay in escrow is signed beforehand for every transaction that may pay it. Signed and handed in here, with the vote.

import { UpfrontError } from '../core/error.ts';
import type { RefundBundle } from '../core/refund.ts';
import { makePlan, outputsOf } from '../core/settlement/plan.ts';
import { madeBy, milestoneBps, prepareRefunds, remainderHome } from '../core/settlement/prepared.ts';
import type { Terms } from '../core/settlement/terms.ts';
import { partWords, satWords } from '../core/words.ts';
import type { Charter } from '../core/charter.ts';
import { postJson } from '../ui/api.ts';
import type { Keeper } from './keeper.ts';
import type { Held, SubmissionView } from './views.ts';

/** An output of a pledge that is split by a milestone's payout. */
export interface Split {
  readonly outpoint: string;
  /** At the lowest feerate: what the payees get, and what stays in escrow. */
  readonly paid: bigint;
  readonly stays: bigint;
  /** Generation of the address where it stays. */
  readonly generation: number;
  /** Its refund, for each transaction that may leave it there. */
  readonly refunds: readonly RefundBundle[];
}

/** What a yes does with a pledge. */
export interface Splits {
  readonly splits: readonly Split[];
  /** Why others of its outputs stay whole until the last payout. */
  readonly whole: readonly string[];
}

/** `milestone 2 of 3, 30 % of the whole`; null where the work is the whole of it. */
export function partOf({ fields }: Charter, { fields: { milestone } }: SubmissionView): string | null {
  if (typeof milestone !== 'number' || fields.milestones.length < 2) return null;
  return partWords(fields.milestones, milestone);
}

/** Milestones that an output has not paid yet; null where nobody says so. What was paid in has paid none. */
const uncoveredOf = ({ fields }: Charter, held: Held): readonly number[] | null =>
  held.generation === 0 ? fields.milestones.map((_, at) => at) : held.uncovered;

/** Works out the transactions of a milestone at `feerate` and signs the refunds of what they leave. A feerate of null:
 * the service suggests none, and nothing can be split. Signing gives no money to anybody but the sponsor. */
export function splitsOf({ task, file, view }: Keeper, work: SubmissionView, feerate: number | null): Splits {
  const { charter, contract } = task;
  const { key, parts, refundAddress } = file;
  const { milestone } = work.fields;
  const [splits, whole]: [Split[], string[]] = [[], []];
  if (key === null || typeof milestone !== 'number') return { splits, whole };
  const outputAt = outputsOf(contract);
  for (const held of view.outpoints) {
    if (held.standing !== 'credited' || held.ended) continue;
    const uncovered = uncoveredOf(charter, held);
    if (uncovered === null || feerate === null) {
      whole.push(`${satWords(held.amount)}: the service does not say what a payout would be made of`);
      continue;
    }
    // The last milestone pays the whole, and one that was paid is paid once.
    if (!uncovered.includes(milestone) || uncovered.length < 2) continue;
    const terms: Terms = {
      charter: charter.id, kind: { kind: 'milestone', submission: work.id }, feerate, payees: work.fields.named?.payees ?? [],
      inputs: [{
        outpoint: held.outpoint, amount: held.amount, index: parts.index, generation: held.generation, sponsorKey: parts.sponsorKey,
        payBps: milestoneBps(charter, uncovered, milestone), returnAddress: refundAddress,
      }],
    };
    try {
      const plan = makePlan(charter, outputAt, terms, 'settlement');
      const [lowest] = madeBy(plan);
      const refunds = prepareRefunds(plan, remainderHome(outputAt), key);
      const paid = lowest?.placed.form.shares[0]?.pay;
      if (lowest === undefined || paid === undefined) continue;
      splits.push({ outpoint: held.outpoint, paid, stays: lowest.amount, generation: held.generation + 1, refunds });
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      whole.push(`${satWords(held.amount)}: ${error.message.replace(`${held.outpoint} cannot be part of this settlement: `, '')}`);
    }
  }
  return { splits, whole };
}

/** Hands the refunds in, one by one: without all of them the service proposes no such payout. */
export async function handInPrepared({ task, file }: Keeper, splits: readonly Split[]): Promise<void> {
  for (const { generation, refunds } of splits) {
    for (const { signatures } of refunds) {
      await postJson(task.charter.id, `/pledges/${file.parts.index}/prepared-refunds`, { generation, refund: signatures });
    }
  }
}

/** What became of a pledge with a yes to a milestone, in words. `failed`: why its refunds were not taken. */
export function splitWords(index: number, { splits, whole }: Splits, part: string, failed: string | null): string[] {
  const sum = (of: (split: Split) => bigint): string => satWords(splits.reduce((total, split) => total + of(split), 0n));
  const later = 'It stays whole, with its refund as it was, and is paid by the last payout.';
  const words: string[] = [];
  if (failed !== null) {
    words.push(`Pledge ${index}: your vote stands, but the refund of what would stay in escrow could not be handed in. ${failed} ${later} Vote yes once more to try again.`);
  } else if (splits.length > 0) {
    words.push(`Pledge ${index}: about ${sum(({ paid }) => paid)} may be paid now, for ${part}. About ${sum(({ stays }) => stays)} stay in escrow for what is still to be done; their refund is signed and handed in, so that you can take them back at the same time as before.`);
  }
  words.push(...whole.map((why) => `Pledge ${index}: nothing of it is paid now (${why}). ${later}`));
  return words;
}
