// Which milestones each outpoint has paid already. A pledge's first outpoint has paid none; what a milestone's settlement
// left in escrow has paid that one, and those of the outpoint it comes from. Follows from settlements alone: an arrival at
// a later generation that none of them explains has no place here.

import type { Plan } from '../settlement/plan.ts';
import { madeBy } from '../settlement/prepared.ts';
import type { Held } from './standing.ts';

export interface Coverage {
  /** Numbers of milestones, from 0. */
  readonly covered: ReadonlySet<number>;
  /** The outpoint of generation 0 that it comes from: its own for that one. */
  readonly origin: string;
  /** The outpoint that it was split off from; null for one of generation 0. */
  readonly from: string | null;
}

export type Coverages = ReadonlyMap<string, Coverage>;

/** An output of a milestone's settlement that stays in escrow. */
export interface Left {
  readonly from: string;
  readonly index: number;
  readonly generation: number;
  readonly submission: string;
}

export type Remainders = ReadonlyMap<string, Left>;

/** Everything that settlements leave in escrow, by outpoint. `plans` stand in the order in which they were proposed: what
 * was said first stays, or one could say later that the same transaction pays another milestone. */
export function remaindersIn(plans: Iterable<Plan>): Remainders {
  const found = new Map<string, Left>();
  for (const plan of plans) {
    const { kind } = plan.terms;
    if (kind.kind !== 'milestone') continue;
    for (const { outpoint, input } of madeBy(plan)) {
      const { outpoint: from, index, generation } = input;
      if (!found.has(outpoint)) found.set(outpoint, { from, index, generation: generation + 1, submission: kind.submission });
    }
  }
  return found;
}

/** Coverage of every outpoint of generation 0, and of every remainder of a known settlement; index 0 has none.
 * `milestoneOf` gives a submission's milestone. */
export function coveragesOf(outpoints: readonly Held[], left: Remainders, milestoneOf: (submission: string) => number | undefined): Coverages {
  const found = new Map<string, Coverage>();
  // A remainder's origin is of the generation before it.
  for (const held of [...outpoints].sort((a, b) => a.generation - b.generation)) {
    if (held.index === 0) continue;
    if (held.generation === 0) {
      found.set(held.outpoint, { covered: new Set(), origin: held.outpoint, from: null });
      continue;
    }
    const of = left.get(held.outpoint);
    if (of === undefined || of.index !== held.index || of.generation !== held.generation) continue;
    const [before, milestone] = [found.get(of.from), milestoneOf(of.submission)];
    if (before === undefined) continue;
    const covered = new Set(milestone === undefined ? before.covered : [...before.covered, milestone]);
    found.set(held.outpoint, { covered, origin: before.origin, from: of.from });
  }
  return found;
}
