// Waiting for the money: the pledge's page is kept fresh, and before each look whatever arrived is secured.

import { Fresh } from '../ui/fresh.ts';
import { say } from '../ui/page.ts';
import { waiting, type Waiting } from './duties.ts';
import type { Keeper } from './keeper.ts';

export const pledgePath = (charter: string, index: number): string => `/tasks/${charter}/pledges/${index}`;
const eventsPath = (charter: string, index: number): string => `/api/v1${pledgePath(charter, index)}/events`;

/** The parts of the pledge's page that tell its state. */
const PARTS = ['pledge-state', 'pledge-remarks', 'pledge-payments', 'pledge-vote'];

/** Puts the pledge's state into `place` of another page. */
export async function embedState(place: HTMLElement, charter: string, index: number): Promise<void> {
  const page = await new Fresh(pledgePath(charter, index)).fetch();
  const parts = PARTS.flatMap((id) => page?.getElementById(id) ?? []);
  place.replaceChildren(...parts.map((part) => document.importNode(part, true)));
}

/** The state's name, as the server tells it. */
export const shownState = (): string => document.getElementById('pledge-state')?.dataset.state ?? '';

/** Whether an address may still be asked to be paid. */
export const wantsMoney = (): boolean => ['waiting', 'lapsed', 'replaced'].includes(shownState());

/** The pledge's page, followed for everybody; with `attend`, for whoever has its key. */
export function followed(charter: string, index: number): Fresh {
  const fresh = new Fresh(pledgePath(charter, index));
  fresh.start(eventsPath(charter, index));
  return fresh;
}

/** Keeps a pledge safe before each look of a page that is followed. `changed` is told after each. */
export function attend(fresh: Fresh, keepers: readonly Keeper[], index: number, changed: (state: Waiting) => void): void {
  const main = keepers.find((keeper) => keeper.file.parts.index === index);
  let before: Waiting | null = null;
  fresh.before = async (): Promise<void> => {
    for (const keeper of keepers) await keeper.look();
  };
  fresh.after = (): void => {
    if (main === undefined) return;
    const now = waiting(main.view);
    if (now === 'secured' && before !== 'secured') say('Your refund is secured.');
    before = now;
    changed(now);
  };
}

/** Asks before the tab is closed while something would be lost with it. */
export function holdOpen(needed: () => boolean): void {
  window.addEventListener('beforeunload', (event) => {
    if (needed()) event.preventDefault();
  });
}
