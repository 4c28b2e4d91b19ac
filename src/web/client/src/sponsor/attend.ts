// Waiting for the money: the pledge's page is kept fresh, and before each look whatever arrived is secured.

import type { UpfrontError } from '../core/error.ts';
import { element } from '../ui/element.ts';
import { cleaned, Fresh } from '../ui/fresh.ts';
import { later } from '../ui/later.ts';
import { say, wordsOf } from '../ui/page.ts';
import { didWords, waiting, type Waiting } from './duties.ts';
import type { Keeper } from './keeper.ts';
import { isLie } from './lie.ts';

/** After trouble the next try comes so soon, and later the longer it lasts. */
const AGAIN_MS = 4_000;

export const pledgePath = (charter: string, index: number): string => `/tasks/${charter}/pledges/${index}`;
const eventsPath = (charter: string, index: number): string => `/api/v1${pledgePath(charter, index)}/events`;

/** The parts of the pledge's page that tell its state. */
const PARTS = ['pledge-state', 'pledge-remarks', 'pledge-payments', 'pledge-vote'];

/** Puts the pledge's state into `place` of another page. */
export async function embedState(place: HTMLElement, charter: string, index: number): Promise<void> {
  const page = await new Fresh(pledgePath(charter, index)).fetch();
  const nothing = element('div');
  place.replaceChildren(...PARTS.flatMap((id) => {
    const part = page?.getElementById(id) ?? null;
    return (part && cleaned(part, nothing)) ?? element('div', { id, 'data-live': true });
  }));
}

/** The state's name, as the server tells it. */
export const shownState = (): string => document.getElementById('pledge-state')?.dataset.state ?? '';

/** Whether an address may still be asked to be paid. */
export const wantsMoney = (): boolean => ['waiting', 'lapsed', 'replaced'].includes(shownState());

/** The pledge's page, followed for everybody; with `attend`, for whoever has its key. */
export function followed(charter: string, index: number): Fresh {
  const fresh = new Fresh(pledgePath(charter, index), true);
  fresh.start(eventsPath(charter, index));
  return fresh;
}

/** What is told after each look. */
export interface Attended {
  /** Where the pledge stands; what hinders its refund, if anything does; and what cannot be so of what the service told last. */
  readonly changed: (state: Waiting, trouble: string | null, lie: UpfrontError | null) => void;
}

/** Keeps pledges safe before each look of a page that is followed. `main` is the one that the page is about. */
export function attend(fresh: Fresh, keepers: readonly Keeper[], main: Keeper, { changed }: Attended): void {
  let before: Waiting | null = null;
  let trouble: string | null = null;
  /** Kept until a look finds everything in order: what is shown meanwhile must not invite to pay. */
  let lie: UpfrontError | null = null;
  let tries = 0;
  const tell = (): void => {
    const now = waiting(main.view);
    if (now === 'secured' && before !== 'secured' && main.file.key !== null) say(didWords(main.view, main.handedIn));
    before = now;
    changed(now, trouble, lie);
  };
  fresh.always = true;
  fresh.before = async (): Promise<void> => {
    let [hindered, lied]: [string | null, UpfrontError | null] = [null, null];
    for (const keeper of keepers) {
      await keeper.look().catch((error: unknown) => {
        if (isLie(error)) lied = error;
        else hindered = `The refund could not be signed or handed in just now; this page tries again. ${wordsOf(error)}`;
      });
    }
    [trouble, lie] = [hindered, lied];
    tell();
    tries = trouble === null && lie === null ? 0 : tries + 1;
    if (tries > 0) setTimeout(() => fresh.soon(), later(AGAIN_MS, tries));
  };
  fresh.after = tell;
}

/** Asks before the tab is closed while something would be lost with it. */
export function holdOpen(needed: () => boolean): void {
  window.addEventListener('beforeunload', (event) => {
    if (needed()) event.preventDefault();
  });
}
