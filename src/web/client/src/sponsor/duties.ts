// What is left to do for a pledge's safety, from what the service tells and what is signed already: a pure function, so
// that every look gives the same answer, whatever happened to the tab in between.

import type { Held, PledgeView } from './views.ts';

/** A refund that is signed here: which output of which amount. */
export interface Signed {
  readonly outpoint: string;
  readonly amount: bigint;
}

export interface Duties {
  /** To be signed: seen, and not signed here for exactly this output. */
  readonly sign: readonly Held[];
  /** To be handed in: the service holds none, or a pair alone though a ladder can be had. */
  readonly handIn: readonly Held[];
}

/** Where a pledge stands for whoever waits. */
export type Waiting = 'unpaid' | 'unsecured' | 'secured' | 'over';

/** More outputs than a recovery file holds; whoever floods an address must not make the file unreadable, nor crowd out what counts. */
export const MOST_OUTPOINTS = 500;

const present = ({ outpoints }: PledgeView): Held[] =>
  outpoints.filter(({ standing, ended }) => standing !== 'vanished' && !ended)
    .sort((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0)).slice(0, MOST_OUTPOINTS);

export function duties(view: PledgeView, signed: readonly Signed[], pairsOnly = false): Duties {
  const held = present(view);
  const known = (at: Held): boolean => signed.some(({ outpoint, amount }) => outpoint === at.outpoint && amount === at.amount);
  return {
    sign: held.filter((at) => !known(at)),
    handIn: held.filter(({ secured, pairOnly }) => !secured || (pairOnly && !pairsOnly)),
  };
}

export function waiting(view: PledgeView): Waiting {
  const there = view.outpoints.filter(({ standing }) => standing !== 'vanished');
  if (there.length === 0) return 'unpaid';
  if (there.every(({ ended }) => ended)) return 'over';
  return present(view).every(({ secured }) => secured) ? 'secured' : 'unsecured';
}

/**
 * What this browser did for a pledge whose key it has, and what it asks for; what became of the money is for the page to
 * say. `handedIn`: the outputs whose refund the service took from here.
 */
export function didWords(view: PledgeView, handedIn: ReadonlySet<string>): string {
  const here = present(view).filter(({ outpoint }) => handedIn.has(outpoint)).length;
  switch (waiting(view)) {
    case 'unpaid':
      return 'Keep this tab open while you pay: the refund is signed here as soon as the payment is seen.';
    case 'unsecured':
      return 'The refund is signed here, and not handed in yet. Keep this tab open.';
    case 'secured':
      return `The refund was signed here${here > 0 ? ' and handed in' : ', and there was nothing left to hand in'}. You may close this page.`;
    case 'over':
      return '';
  }
}
