// What each arrival counts as, under one tip. Nothing is decided once and kept: it follows from the chain's facts, so
// that a reorg needs no special path.

import type { ConfirmationDocument, SpendPath, StandingDocument, TipDocument } from './document.ts';
import { voutOf } from '../settlement/terms.ts';
import type { Coverages } from './coverage.ts';

/** A coinbase output can be spent when it has a hundred confirmations. */
const COINBASE_MATURITY = 100;

/** The part of a charter that arrivals are judged by. */
export interface FundingRules {
  readonly depth: number;
  readonly minimum: bigint;
  readonly cap: bigint;
  readonly fundingClose: number;
}

export interface Spend {
  readonly txid: string;
  readonly vin: number;
  readonly path: SpendPath;
  readonly confirmation: ConfirmationDocument | null;
}

/** An output that pays an address of the task. */
export interface Held {
  readonly outpoint: string;
  readonly index: number;
  readonly generation: number;
  readonly amount: bigint;
  readonly coinbase: boolean;
  readonly confirmation: ConfirmationDocument | null;
  readonly spend: Spend | null;
  /** Whether the service says that it holds a refund for it. */
  readonly secured: boolean;
}

export type Standings = ReadonlyMap<string, StandingDocument>;

/** Confirmations: 1 when the block is the tip. */
export const depthOf = (at: ConfirmationDocument, tip: TipDocument): number => Math.max(tip.height + 1 - at.height, 0);

/** Per pledge, the height at which one of its outpoints was first spent. What is too little to count ends no pledge
 * when it goes back: anybody can send it. */
function firstSettledHeights(rules: FundingRules, outpoints: Iterable<Held>): Map<number, number> {
  const heights = new Map<number, number>();
  for (const held of outpoints) {
    const at = held.spend?.confirmation;
    if (held.generation > 0 || held.amount < rules.minimum || !at) continue;
    heights.set(held.index, Math.min(heights.get(held.index) ?? at.height, at.height));
  }
  return heights;
}

/** Mined outpoints fill the cap in the order of height, position in the block and output number; each is credited whole
 * or not at all. What a settlement left in escrow has the place of what it comes from, and counts as that does. */
export function standingsOf(
  rules: FundingRules, tip: TipDocument, outpoints: readonly Held[], coverages: Coverages = new Map(),
): Standings {
  const standings = new Map<string, StandingDocument>();
  const mined: { held: Held; at: ConfirmationDocument }[] = [];
  for (const held of outpoints) {
    if (held.confirmation === null) standings.set(held.outpoint, { standing: 'seen' });
    else mined.push({ held, at: held.confirmation });
  }
  mined.sort((a, b) =>
    a.at.height - b.at.height || a.at.position - b.at.position || voutOf(a.held.outpoint) - voutOf(b.held.outpoint));
  const settled = firstSettledHeights(rules, outpoints);
  let filled = 0n;
  const roots = new Map<string, StandingDocument>();
  const counted = (held: Held, at: ConfirmationDocument): StandingDocument => {
    if (held.index === 0) return { standing: 'gift' };
    if (held.generation > 0) {
      const origin = coverages.get(held.outpoint)?.origin;
      if (origin === undefined) return { standing: 'surplus', reason: 'not_a_remainder' };
      // What it comes from is mined before it. One that is not there says nothing against it.
      return roots.get(origin) ?? { standing: 'credited' };
    }
    if (held.amount < rules.minimum) return { standing: 'below_minimum' };
    if (at.height > (settled.get(held.index) ?? Infinity)) return { standing: 'surplus', reason: 'already_settled' };
    if (at.mtp_secs > rules.fundingClose) return { standing: 'surplus', reason: 'late' };
    if (filled + held.amount > rules.cap) return { standing: 'surplus', reason: 'over_cap' };
    // It holds its place from its first confirmation on, so that depth reached in another order changes nothing.
    filled += held.amount;
    return { standing: 'credited' };
  };
  for (const { held, at } of mined) {
    const of = held.coinbase ? COINBASE_MATURITY : rules.depth;
    const depth = depthOf(at, tip);
    const standing = counted(held, at);
    if (held.generation === 0) roots.set(held.outpoint, standing);
    standings.set(held.outpoint, depth < of ? { standing: 'confirming', depth, of } : standing);
  }
  return standings;
}

/** Sums over all outpoints, by what they count as; as JSON, which is what the document claims. What settlements
 * left in escrow was raised once, and did not leave; what moved on is raised where it moved to, and is no refund, whoever
 * signed it. `movedOn` is asked of what a mined transaction spends. */
export function totalsOf(
  outpoints: readonly Held[], standings: Standings, coverages: Coverages = new Map(), movedOn: (held: Held) => boolean = () => false,
): Record<string, number> {
  const sums = {
    seen_sat: 0n, awaiting_depth_sat: 0n, credited_sat: 0n, gifts_sat: 0n, surplus_sat: 0n, below_minimum_sat: 0n,
    raised_sat: 0n, settled_sat: 0n, refunded_sat: 0n, secured_sat: 0n,
  };
  const places = {
    seen: 'seen_sat', confirming: 'awaiting_depth_sat', credited: 'credited_sat', gift: 'gifts_sat',
    surplus: 'surplus_sat', below_minimum: 'below_minimum_sat',
  } as const;
  let [stayed, moved] = [0n, 0n];
  for (const held of outpoints) {
    const standing = standings.get(held.outpoint)?.standing;
    if (standing === undefined || standing === 'vanished') continue;
    const remainder = held.generation > 0 && coverages.has(held.outpoint);
    if (remainder && held.confirmation !== null) stayed += held.amount;
    if ((standing === 'credited' && !remainder) || standing === 'gift') sums.raised_sat += held.amount;
    // A spend that is not mined has not moved anything yet.
    if (held.spend?.confirmation) {
      const on = movedOn(held);
      sums[held.spend.path === 'refund' && !on ? 'refunded_sat' : 'settled_sat'] += held.amount;
      // What was beyond the cap was never raised here.
      if (on && standing === 'credited') moved += held.amount;
      continue;
    }
    sums[places[standing]] += held.amount;
    if (held.secured && standing !== 'seen') sums.secured_sat += held.amount;
  }
  const less = (sum: bigint, by: bigint): bigint => (sum > by ? sum - by : 0n);
  sums.settled_sat = less(sums.settled_sat, stayed);
  sums.raised_sat = less(sums.raised_sat, moved);
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Number(sum)]));
}
