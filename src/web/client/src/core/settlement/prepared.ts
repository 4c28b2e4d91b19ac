// Refunds of what does not exist yet: what a milestone's settlement leaves in escrow, and what a move brings to another
// charter. The outpoint of each form is known before anybody signs, so its sponsor signs the refund beforehand, and every
// signer sees that it is there. Without it an outpoint is neither split nor moved.

import type { Charter } from '../charter.ts';
import { UpfrontError } from '../error.ts';
import type { EscrowOutput } from '../output.ts';
import type { KeyPair } from '../point.ts';
import { RefundTarget, type RefundBundle, type RefundSignatures } from '../refund.ts';
import { parseOutpoint } from '../tx.ts';
import { formsOf, placeWords, type OutputAt, type Plan, type Placed } from './plan.ts';
import type { TermInput } from './terms.ts';

/** An outpoint that a form makes in an escrow. */
export interface Made {
  readonly placed: Placed;
  /** What it is made of. */
  readonly input: TermInput;
  readonly outpoint: string;
  readonly amount: bigint;
}

/** Where it lies: its output, and the address that its sponsor signed for refunds. */
export interface Home {
  readonly output: EscrowOutput;
  readonly refundAddress: string;
}

export type HomeOf = (made: Made) => Home;

/** The part of an outpoint, in basis points, that one milestone pays of those it has not paid yet. Rounded down. */
export function milestoneBps({ fields }: Charter, uncovered: readonly number[], milestone: number): number {
  const share = (at: number): number => fields.milestones[at]?.share_bps ?? 0;
  const whole = uncovered.reduce((sum, at) => sum + share(at), 0);
  return whole === 0 ? 0 : Math.floor((10_000 * share(milestone)) / whole);
}

/** Everything that a plan's forms leave in escrow or move to another charter. */
export function madeBy(plan: Plan): Made[] {
  return formsOf(plan).flatMap((placed) => placed.form.outputs.flatMap((kind, vout) => {
    if (kind.kind !== 'remainder' && kind.kind !== 'move') return [];
    const input = placed.chunk.inputs.find(({ term }) => term.outpoint === kind.outpoint)?.term;
    const output = placed.form.tx.outputs[vout];
    if (input === undefined || output === undefined) return [];
    return [{ placed, input, outpoint: `${placed.form.txid}:${vout}`, amount: output.amount }];
  }));
}

/** A remainder lies at the next generation of its pledge, and is refunded to the address that the pledge was signed with. */
export const remainderHome = (outputAt: OutputAt): HomeOf => ({ input }) =>
  ({ output: outputAt({ ...input, generation: input.generation + 1 }), refundAddress: input.returnAddress ?? '' });

export function targetOf(made: Made, homeOf: HomeOf): RefundTarget {
  const { output, refundAddress } = homeOf(made);
  return new RefundTarget(output, parseOutpoint(made.outpoint, 'outpoint'), made.amount, refundAddress);
}

/** The refunds of everything that a plan makes of one sponsor's outpoints, each for every form. */
export const prepareRefunds = (plan: Plan, homeOf: HomeOf, key: KeyPair): RefundBundle[] =>
  madeBy(plan).filter(({ input }) => input.sponsorKey === key.publicKey).map((made) => targetOf(made, homeOf).sign(key));

/** What is missing or wrong among refunds given beforehand: one line for each outpoint that a form makes. */
export function refundProblems(plan: Plan, homeOf: HomeOf, given: readonly RefundSignatures[]): { field: string; problem: string }[] {
  return madeBy(plan).flatMap((made) => {
    const where = `pledge ${made.input.index} in ${placeWords(made.placed)} (${made.outpoint})`;
    const at = given.findIndex((refund) => refund.outpoint === made.outpoint);
    const refund = given[at];
    if (refund === undefined) return [{ field: 'refunds', problem: `the refund of what is left of ${where} is missing: its sponsor could not take it back at T` }];
    try {
      targetOf(made, homeOf).check(refund, '');
      return [];
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      return [{ field: `refunds/${at}`, problem: `the refund of what is left of ${where} does not hold: ${error.message}` }];
    }
  });
}
