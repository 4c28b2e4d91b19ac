// The last step of a checkout: where to pay, and looking after the refund as payments arrive.

import type { UpfrontError } from '../core/error.ts';
import { satWords } from '../core/words.ts';
import { later as delay } from '../ui/later.ts';
import { byId } from '../ui/page.ts';
import { attend, embedState, followed, holdOpen, pledgePath, shownState, wantsMoney } from './attend.ts';
import { waiting } from './duties.ts';
import type { Keeper } from './keeper.ts';
import { lieWords } from './lie.ts';
import { addressPanel, AfterPanel } from './panels.ts';

/** What else is kept up to date: a refund that a wallet signs, say. `done` asks for a look. */
export type Besides = (before: HTMLElement, done: () => void) => () => void;

/** Shows the address of a pledge that was checked and backed up. */
export async function showPay(id: string, kept: Keeper, besides?: Besides): Promise<void> {
  const { view } = kept;
  // Held from now on, by themselves: nothing that comes later can take the place of what was checked.
  const [title, address, trouble, state, then] = ['pay-title', 'pay-address', 'pay-trouble', 'pay-state', 'pay-after'].map((part) => byId(part)) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  byId('pay-amount').textContent = satWords(view.promised);
  addressPanel(address, kept);
  const later = new AfterPanel(then, kept);
  // On regtest the faucet pays it: its form lies open with what was checked.
  for (const [name, value] of [['faucet-address', kept.file.output.address], ['faucet-amount', String(view.promised)]] as const) {
    const field = document.getElementById(name);
    field?.setAttribute('value', value);
    field?.closest('details')?.setAttribute('open', '');
  }
  // Whoever loads this page again is shown the pledge, not a new checkout.
  history.replaceState(null, '', pledgePath(id, view.index));
  let more: (() => void) | undefined;
  const follow = (_: unknown, hindrance: string | null, lie: UpfrontError | null): void => {
    const words = lie === null ? hindrance
      : `Do not pay. ${lieWords(lie)} Save the recovery file below: it gets back what you have paid. Keep this page open; it looks again by itself.`;
    // Said once, not at every look.
    if (trouble.textContent !== (words ?? '')) trouble.textContent = words ?? '';
    trouble.hidden = words === null;
    // Until the first words about its state are there, it is a pledge that waits.
    const wanted = shownState() === '' || wantsMoney();
    address.hidden = lie !== null || !wanted;
    title.replaceChildren(...(lie !== null ? ['Do not pay now'] : wanted ? ['Pay ', satWords(view.promised)] : ['Your pledge']));
    later.update();
    more?.();
  };
  holdOpen(() => waiting(kept.view) === 'unsecured');
  const fresh = followed(id, view.index);
  attend(fresh, [kept], kept, { changed: follow });
  more = besides?.(then, () => fresh.soon());
  for (let tries = 1; ; tries += 1) {
    try {
      await embedState(state, id, view.index);
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, delay(1_000, tries)));
    }
  }
  // What was found out meanwhile, a lie too, is not forgotten.
  fresh.after([]);
  fresh.soon();
}
