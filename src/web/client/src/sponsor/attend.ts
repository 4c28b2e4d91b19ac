// Waiting for the money: the pledge's page is kept fresh, and before each look whatever arrived is secured.

import type { UpfrontError } from '../core/error.ts';
import { Fresh } from '../ui/fresh.ts';
import { say, wordsOf } from '../ui/page.ts';
import { waiting, type Waiting } from './duties.ts';
import type { Keeper } from './keeper.ts';
import { isLie } from './lie.ts';

/** After trouble the next try comes so soon. */
const AGAIN_MS = 4_000;

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

/** What is told after each look. */
export interface Attended {
  /** Where the pledge stands; and what hinders its refund, if anything does. */
  readonly changed: (state: Waiting, trouble: string | null) => void;
  /** The service told what cannot be so. */
  readonly lied: (error: UpfrontError) => void;
}

/** Keeps pledges safe before each look of a page that is followed. `main` is the one that the page is about. */
export function attend(fresh: Fresh, keepers: readonly Keeper[], main: Keeper, { changed, lied }: Attended): void {
  let before: Waiting | null = null;
  let trouble: string | null = null;
  const tell = (): void => {
    const now = waiting(main.view);
    if (now === 'secured' && before !== 'secured') say('Your refund is secured.');
    before = now;
    changed(now, trouble);
  };
  fresh.always = true;
  fresh.before = async (): Promise<void> => {
    trouble = null;
    for (const keeper of keepers) {
      await keeper.look().catch((error: unknown) => {
        if (isLie(error)) lied(error);
        else trouble = `Your refund could not be looked after just now, and is tried again. ${wordsOf(error)}`;
      });
    }
    tell();
    if (trouble !== null) setTimeout(() => fresh.soon(), AGAIN_MS);
  };
  fresh.after = tell;
}

/** Asks before the tab is closed while something would be lost with it. */
export function holdOpen(needed: () => boolean): void {
  window.addEventListener('beforeunload', (event) => {
    if (needed()) event.preventDefault();
  });
}
