// Saying something about delivered work besides votes: sponsors with the key of a pledge, the project's leader with the identity of
// this browser. Signers sign elsewhere and hand in. On the leader's desk the leader names who did the work.

import type { KeyPair } from '../core/keys.ts';
import { UpfrontError } from '../core/error.ts';
import { refresh } from '../desk/take.ts';
import { evidenceForm, type About, type Party } from '../say/evidence.ts';
import { aboutSubmission, naming } from '../say/leader.ts';
import { checkedWork } from '../sponsor/ballot.ts';
import type { Keeper } from '../sponsor/keeper.ts';
import { takeKey } from '../sponsor/link.ts';
import { keepersOf, openForm } from '../sponsor/open.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import type { OpenTask } from '../sponsor/task.ts';
import { submissionOf } from '../sponsor/views.ts';
import { getJson } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { byId, fieldError, focusOn, maybe, sayer, wordsOf } from '../ui/page.ts';

const page = maybe('say-page');
if (page !== null) about(page);
const place = maybe('name-leader');
if (place !== null) void naming(place, place.dataset['charter'] ?? '').catch((error: unknown) => sayer(byId('name-status'))(wordsOf(error), true));

/** The page of one submission. */
function about(shown: HTMLElement): void {
  const here = placeOf(location.pathname);
  const { charter, submission } = here;
  if (submission === null) return;
  const network = shown.dataset['network'] ?? '';
  let task = taskHere(here, shown.dataset);
  const again = (): Promise<OpenTask> => task.catch(() => (task = taskHere(here, shown.dataset)));

  /** The work must be what its submitter signed, and what stands on the page: people speak about what they read. */
  const look = async (open: OpenTask): Promise<About> => {
    const view = checkedWork(open.charter, submissionOf(await getJson(charter, `/submissions/${submission}`)), submission);
    const work = byId('work');
    const leads = work.querySelector('a')?.getAttribute('href') ?? view.fields.link;
    if (leads !== view.fields.link || !(work.textContent ?? '').includes(view.fields.content)) {
      throw new UpfrontError('untrue', 'submission', 'this page shows other work than was signed: say nothing here');
    }
    return { network: open.charter.fields.network, charter, submission };
  };

  const sponsor = byId('say-sponsor');
  const speak = async (keepers: readonly Keeper[]): Promise<void> => {
    const parties = keepers.flatMap((keeper): Party[] => {
      const { key, parts } = keeper.file;
      return key === null ? [] : [{ by: `pledge ${parts.index}`, words: `Pledge ${parts.index}`, key: (): Promise<KeyPair> => Promise.resolve(key) }];
    });
    if (parties.length === 0) throw new UpfrontError('no_key', 'file', 'this file holds no key: sign with your own wallet, by `upfront evidence --psbt-out`');
    const open = await again();
    const title = element('h3', { tabindex: '-1' }, parties.length === 1 ? `As the sponsor of pledge ${keepers[0]?.file.parts.index ?? ''}` : 'As a sponsor');
    const form = evidenceForm(await look(open), parties, refresh);
    sponsor.replaceChildren(title, form);
    focusOn(title);
  };
  openForm(sponsor, again, () => network, speak);
  try {
    const key = takeKey();
    if (key !== null) void again().then((open) => speak(keepersOf(open, { kind: 'key', key }))).catch((error: unknown) => fieldError('open-words', wordsOf(error)));
  } catch (error) {
    fieldError('open-words', wordsOf(error));
  }

  const leader = maybe('say-leader');
  if (leader !== null) {
    const awaits = leader.dataset['awaits'];
    void again().then(async (open) => {
      aboutSubmission(leader, open.charter, await look(open), { awaits: awaits === 'merged' || awaits === 'released' ? awaits : null }, refresh);
    }).catch((error: unknown) => sayer(byId('say-leader-status'))(wordsOf(error), true));
  }
}
