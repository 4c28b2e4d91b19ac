// One pledge: kept fresh for everybody; and for whoever has its key, by the private link, words or recovery file, its
// refund is signed and handed in, and its address is checked before it is shown.

import { UpfrontError } from '../core/error.ts';
import { satWords } from '../core/words.ts';
import { attend, followed, holdOpen, pledgePath, wantsMoney } from '../sponsor/attend.ts';
import { didWords, waiting } from '../sponsor/duties.ts';
import type { Keeper } from '../sponsor/keeper.ts';
import { isLie, lieWords } from '../sponsor/lie.ts';
import { takeKey } from '../sponsor/link.ts';
import { keepersOf, openForm } from '../sponsor/open.ts';
import { addressPanel, AfterPanel } from '../sponsor/panels.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import type { OpenTask } from '../sponsor/task.ts';
import { WalletRefund } from '../sponsor/wallet-refund.ts';
import { element } from '../ui/element.ts';
import { byId, focusOn, say, wordsOf } from '../ui/page.ts';

const place = byId('pledge');
const here = placeOf(location.pathname);
const { charter: id } = here;
const index = here.index ?? 0;
const network = place.dataset.network ?? '';

const again = (): Promise<OpenTask> => taskHere(here, place.dataset);
const task = again();

const address = byId('pledge-address');
/** What stands in the place of the address: the pledge's own panel, or the field that somebody lied about. */
let standing: Keeper | string | null = null;

/** Says that something lies, in the place of the address, for as long as it does. */
function warn(error: UpfrontError): void {
  if (standing === error.field) return;
  standing = error.field;
  address.replaceChildren(element('div', { class: 'note bad', role: 'alert', id: 'stopped' }, element('h2', {}, 'Do not pay'),
    element('p', { id: 'stopped-words' }, lieWords(error)),
    element('p', {}, 'What you have paid already is safe with your words or your recovery file. This page looks again by itself.'),
    element('p', { class: 'small' }, 'What disagrees: ', element('code', { id: 'stopped-field' }, error.field))));
}

/** Shows where to pay, or nothing; nothing is drawn anew that stands there. */
function showAddress(mine: Keeper | null): void {
  if (standing === mine) return;
  standing = mine;
  if (mine === null) return address.replaceChildren();
  const panel = element('div', {});
  addressPanel(panel, mine);
  address.replaceChildren(element('h2', {}, `Pay ${satWords(mine.view.promised)}`), panel);
}

async function opened(keepers: readonly Keeper[]): Promise<void> {
  const mine = keepers.find((keeper) => keeper.file.parts.index === index);
  if (mine === undefined) {
    const others = keepers.map(({ view }) => view.index);
    throw new UpfrontError('no_pledge', 'words', `this is the key of another pledge of this task: number ${others.join(', ')}. Open that one`);
  }
  for (const keeper of keepers) await keeper.look();
  show(mine, keepers);
}

function show(mine: Keeper, keepers: readonly Keeper[]): void {
  const state = element('p', { id: 'own-state' });
  const hindrance = element('p', { class: 'note warn', role: 'alert', id: 'trouble', hidden: true });
  const later = element('div', {});
  const wallet = element('section', { id: 'wallet-refund-parts' });
  const title = element('h2', { tabindex: '-1', id: 'own-title' }, 'This pledge is yours');
  const others = keepers.filter((keeper) => keeper !== mine);
  byId('pledge-own').replaceChildren(title, state, hindrance, wallet, later,
    ...(others.length === 0 ? [] : [element('p', {}, 'Your other pledges of this task: ',
      ...others.flatMap(({ view }, at) => [at === 0 ? '' : ', ', element('a', { href: pledgePath(id, view.index) }, `pledge ${view.index}`)]), '. They are kept safe from here, too.')]));
  const panel = new AfterPanel(later, mine);
  const refund = mine.file.key === null ? new WalletRefund(wallet, mine, null, () => fresh.soon()) : null;
  const update = (_: unknown, trouble: string | null, lie: UpfrontError | null): void => {
    // A wallet's part says by itself what it waits for.
    state.textContent = mine.file.key === null ? '' : didWords(mine.view, mine.handedIn);
    hindrance.textContent = trouble ?? '';
    hindrance.hidden = trouble === null;
    if (lie !== null) warn(lie);
    else showAddress(wantsMoney() ? mine : null);
    panel.update();
    refund?.update();
  };
  holdOpen(() => waiting(mine.view) === 'unsecured');
  attend(fresh, keepers, mine, { changed: update });
  update(null, null, null);
  fresh.soon();
  focusOn(title);
  say(state.textContent ?? '');
}

function offer(error?: unknown): void {
  const form = element('div', {});
  const details = element('details', { id: 'open' }, element('summary', {}, 'This pledge is mine'),
    element('p', {}, 'With its key this page secures the refund, shows where to pay, and saves the recovery file.'), form);
  const wrong = error === undefined ? [] : [element('p', { class: 'note bad', role: 'alert' }, wordsOf(error))];
  byId('pledge-own').replaceChildren(...wrong, details);
  details.open = error !== undefined || ['waiting', 'lapsed', 'replaced', 'seen', 'confirming', 'credited_unsecured', 'refund_unsigned'].includes(byId('pledge-state').dataset.state ?? '');
  openForm(form, again, () => network, opened);
}

const fresh = followed(id, index);
task.catch((error: unknown) => { if (isLie(error)) warn(error); });

async function start(): Promise<void> {
  try {
    const key = takeKey();
    if (key === null) return offer();
    byId('pledge-own').replaceChildren(element('p', {}, 'Opening your pledge…'));
    await opened(keepersOf(await task, { kind: 'key', key }));
  } catch (error) {
    offer(error);
  }
}

void start();
// A private link that is pasted over this page's address loads nothing anew.
window.addEventListener('hashchange', () => { if (location.hash.startsWith('#key=')) void start(); });
