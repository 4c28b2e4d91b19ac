// Loaded by the checkout for whoever has the key in a wallet of their own: that wallet's steps, and the last step after them.

import { networkOf } from '../core/network.ts';
import type { Keeper } from '../sponsor/keeper.ts';
import { isLie, lieWords } from '../sponsor/lie.ts';
import { showPay } from '../sponsor/pay.ts';
import type { Place } from '../sponsor/place.ts';
import { WalletSteps } from '../sponsor/wallet-checkout.ts';
import { byId, wordsOf } from '../ui/page.ts';

/** What the checkout is told. */
export interface Host {
  readonly issued: () => void;
  readonly backedUp: () => void;
  readonly lied: (words: string, field: string) => void;
}

let steps: WalletSteps | null = null;
let keeper: Keeper | null = null;

/** Begins for an amount, or begins again for another; what shows the last step. */
export function begin({ charter }: Place, sat: bigint, host: Host): () => void {
  steps ??= new WalletSteps(charter, networkOf(byId('checkout').dataset.network), {
    issued: (made) => {
      keeper = made;
      host.issued();
    },
    backedUp: host.backedUp,
    // The two modules have each their own errors.
    failed: (error, otherwise) => (isLie(error) ? host.lied(lieWords(error), error.field) : otherwise(wordsOf(error))),
  });
  const mine = steps;
  mine.begin(sat);
  return () => {
    const kept = keeper;
    if (kept === null) return;
    void showPay(charter, kept, (before, done) => {
      mine.attend(kept, before, done);
      return () => mine.update();
    });
  };
}
