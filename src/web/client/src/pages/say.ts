// Saying something about delivered work besides votes: sponsors with the key of a pledge, the project's leader with the identity of
// this browser. Signers sign elsewhere and hand in. On the leader's desk the leader names who did the work.

import { UpfrontError } from '../core/error.ts';
import { sponsorSpeaker } from '../core/signature.ts';
import { evidenceForm, type Party } from '../say/evidence.ts';
import { aboutSubmission, naming } from '../say/leader.ts';
import type { Keeper } from '../sponsor/keeper.ts';
import { openHere } from '../sponsor/open.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import type { OpenTask } from '../sponsor/task.ts';
import type { SubmissionView } from '../sponsor/views.ts';
import { workPanel, workShown } from '../sponsor/work.ts';
import { element } from '../ui/element.ts';
import { Fresh } from '../ui/fresh.ts';
import { byId, focusOn, maybe, sayer, wordsOf } from '../ui/page.ts';

const here = placeOf(location.pathname);
const page = maybe('say-page');
const place = maybe('name-leader');
if (page !== null && here.submission !== null) about(page, here.submission);
if (place !== null) {
  void taskHere(here, place.dataset).then(({ charter }) => naming(place, charter))
    .catch((error: unknown) => sayer(byId('name-status'))(wordsOf(error), true));
}

/** The page of one submission. */
function about(shown: HTMLElement, submission: string): void {
  const network = shown.dataset['network'] ?? '';
  let task = taskHere(here, shown.dataset);
  const again = (): Promise<OpenTask> => task.catch(() => (task = taskHere(here, shown.dataset)));
  const look = ({ charter }: OpenTask): Promise<SubmissionView> => workShown(charter, submission, byId('work'));
  // Words of a sponsor may be typed here: nothing of the service's comes in besides words about state.
  const fresh = new Fresh(location.pathname, true);
  fresh.start(shown.dataset['follow'] ?? '');
  const said = (): Promise<void> => fresh.look();

  maybe('no-script')?.remove();
  const sponsor = byId('say-sponsor');
  const speak = async (keepers: readonly Keeper[]): Promise<void> => {
    const [first, ...others] = keepers.flatMap(({ file: { key, parts } }): Party[] => (key === null ? [] : [{
      by: `pledge ${parts.index}`, words: `Pledge ${parts.index}`, speaker: sponsorSpeaker(parts.sponsorKey), key: () => Promise.resolve(key),
    }]));
    if (first === undefined) throw new UpfrontError('no_key', 'file', 'this file holds no key: sign with your own wallet, by the command below');
    const open = await again();
    const { charter } = open;
    const work = await look(open);
    const title = element('h3', { tabindex: '-1' }, others.length === 0 ? `As the sponsor of ${first.by}` : 'As a sponsor');
    sponsor.replaceChildren(title, workPanel(charter, work, 'You speak about', 'your words name exactly them'),
      evidenceForm({ network: charter.network.name, charter: charter.id, submission }, [first, ...others], said));
    focusOn(title);
  };
  const start = (): void => openHere(sponsor, again, () => network, speak);
  start();
  // A private link that is pasted over this page's address loads nothing anew.
  window.addEventListener('hashchange', () => { if (location.hash.startsWith('#key=')) start(); });

  const leader = maybe('say-leader');
  if (leader !== null) {
    void again().then(async (open) => {
      const work = await look(open);
      leader.append(workPanel(open.charter, work, 'You speak about', 'your words name exactly them'));
      aboutSubmission(leader, open.charter, work, leader.dataset['open'] !== undefined, said);
    }).catch((error: unknown) => sayer(byId('say-leader-status'))(wordsOf(error), true));
  }
}
