// Moving a pledge to another task: opened by its key, where to and how, what would happen, the new recovery file, and then
// everything handed in. What is shown was checked in this browser; nothing is handed in before the file is saved.

import { UpfrontError } from '../core/error.ts';
import { satWords, title as titleOf } from '../core/words.ts';
import { pledgePath } from '../sponsor/attend.ts';
import { fileName, type Keeper } from '../sponsor/keeper.ts';
import { isLie, lieWords } from '../sponsor/lie.ts';
import { charterIn, isChoice, Move } from '../sponsor/move.ts';
import { least, mayFallShort, most, type MovePlans, type MovingPart, type Way } from '../sponsor/move-plan.ts';
import { openHere } from '../sponsor/open.ts';
import { otherTerms, warnings } from '../sponsor/other-terms.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import type { OpenTask } from '../sponsor/task.ts';
import { time } from '../sponsor/terms.ts';
import { element } from '../ui/element.ts';
import { ServiceError } from '../ui/api.ts';
import { breathe, byId, fieldError, focusOn, maybe, say, sentence, valueOf, wordsOf } from '../ui/page.ts';
import { saveText } from '../ui/save.ts';
import { guardFields, refusedSecret } from '../ui/secret.ts';

type Step = 'open' | 'where' | 'look' | 'save' | 'done';
const STEPS: readonly Step[] = ['open', 'where', 'look', 'save', 'done'];

/** What the service refused, in words that fit here. */
const refusal = (error: unknown): string => (error instanceof ServiceError && error.code === 'move_signed'
  ? 'You signed this money over before: to another pledge there, or, for the refund time, to another task. That stands.' : wordsOf(error));

/** Null where the page says that nothing can move. */
const place = maybe('move');

function begin(page: HTMLElement): void {
  const here = placeOf(location.pathname);
  const { charter: id } = here;
  const index = here.index ?? 0;
  const again = (): Promise<OpenTask> => taskHere(here, page.dataset);

  let mine: Keeper | null = null;
  let move: Move | null = null;
  /** Whether anything may be with the service already. */
  let handing = false;

  // ---- steps

  function go(step: Step, focus = true): void {
    for (const each of STEPS) byId(`step-${each}`).hidden = each !== step;
    const at = STEPS.indexOf(step);
    [...byId('steps').children].forEach((mark, number) => {
      mark.classList.toggle('done', number < at);
      if (number === at) mark.setAttribute('aria-current', 'step');
      else mark.removeAttribute('aria-current');
    });
    if (focus) focusOn(byId(`${step}-title`));
  }

  function stop(error: UpfrontError): void {
    byId('stopped-words').textContent = lieWords(error);
    byId('stopped-field').textContent = error.field;
    byId('stopped-advice').textContent = handing
      ? 'What was handed in so far moves your money only to the address that this browser computed, with its refund signed; or not at all.'
      : 'No consent was handed in.';
    byId('stopped').hidden = false;
    page.hidden = true;
    focusOn(byId('stopped-title'));
  }

  /** Tells an error in its place; what cannot be so stops everything. */
  function told(error: unknown, where: string): void {
    if (isLie(error)) return stop(error);
    byId(where).textContent = wordsOf(error);
    byId(where).hidden = false;
  }

  const quiet = (where: string): void => { byId(where).hidden = true; };

  // ---- open

  function opened(keepers: readonly Keeper[]): Promise<void> {
    const found = keepers.find(({ file }) => file.parts.index === index);
    if (found === undefined) {
      const others = keepers.map(({ view }) => view.index).join(', ');
      throw new UpfrontError('no_pledge', 'words', `this is the key of another pledge of this task: number ${others}. Open that one’s page`);
    }
    if (found.file.key === null) {
      throw new UpfrontError('no_key', 'file', 'this file holds no key: another wallet has it. What that means for a move stands below');
    }
    mine = found;
    go('where');
    return Promise.resolve();
  }

  function open(): void {
    openHere(byId('move-open'), again, () => page.dataset.network ?? '', opened,
      (error) => { if (isLie(error)) stop(error); else fieldError('open-words', wordsOf(error)); });
  }

  // ---- where to

  const form = byId<HTMLFormElement>('where-form');
  const choice = (name: string): string => String(new FormData(form).get(name) ?? '');
  const showOther = (): void => { byId('other-field').hidden = choice('to') !== ''; };

  function wayOf(): Way {
    if (choice('way') === 'alone') return { kind: 'alone' };
    const feerate = Number(valueOf('move-feerate'));
    return { kind: 'now', feerate: Number.isSafeInteger(feerate) && feerate >= 1 ? feerate : 1 };
  }

  async function look(): Promise<void> {
    quiet('where-error');
    fieldError('move-to', null);
    if (mine === null || refusedSecret('move-to')) return;
    try {
      const to = charterIn(choice('to') === '' ? valueOf('move-to') : choice('to'));
      say('Both tasks are being checked.');
      await breathe();
      move = await Move.look(mine, to, wayOf());
      review(move);
      go('look');
    } catch (error) {
      if (error instanceof UpfrontError && error.code === 'move_no_task') {
        fieldError('move-to', wordsOf(error));
        byId('move-to').focus();
        return;
      }
      told(error, 'where-error');
    }
  }

  // ---- look

  const row = (name: string, ...words: (string | Node)[]): HTMLElement => element('div', {}, element('dt', {}, name), element('dd', {}, ...words));

  const quietly = (words: string): HTMLElement => element('span', { class: 'quiet' }, words);

  function taskLink({ charter, view }: OpenTask): HTMLElement[] {
    const newTab = element('span', { class: 'visually-hidden' }, ' (in a new tab)');
    const to = { href: `/tasks/${charter.id}`, id: 'look-task', target: '_blank', rel: 'noopener' };
    return [
      element('a', to, titleOf(view.text), newTab), element('br'),
      element('span', { class: 'hash quiet' }, charter.id),
    ];
  }

  function movingRow({ held, arrives }: MovingPart, way: Way): HTMLElement {
    const [low, high] = [least(arrives), most(arrives)];
    const fee = way.kind === 'now'
      ? 'The rest is the network’s fee: the less arrives, the more it has to be hurried.'
      : 'The rest is the network’s fee. The most at the lowest feerate; less only if that is not mined within days and weeks.';
    return row(`Of ${satWords(held.amount)}`,
      element('strong', { class: 'arrives' }, low === high ? satWords(high) : `${satWords(low)} to ${satWords(high)}`), ' arrive',
      element('br'), element('span', { class: 'quiet small' }, fee));
  }

  const moneyRows = ({ own, to, plans: { way, moving, stays } }: Move): HTMLElement[] => {
    const [here, there] = [own.task.charter.fields.refund_time, to.charter.fields.refund_time].map(time);
    return [
      row('It goes to', ...taskLink(to)),
      ...moving.map((part) => movingRow(part, way)),
      ...stays.map(({ amount, reason }) => row(`${satWords(amount)} stay here`, sentence(reason))),
      row('Yours again', element('strong', { id: 'look-again' }, `from ${there}`), ' on, by your key alone', element('br'), quietly(`here: from ${here}`)),
      row('It comes back to', element('span', { class: 'hash' }, own.file.parts.refundAddress)),
      row('When', way.kind === 'now'
        ? 'As soon as two of this task’s three signers sign it. Your consent stays with them until the refund time. '
          + 'Until they have signed, you vote and are refunded here as before.'
        : `After ${here}, in place of your refund, if that task takes pledges then; else the refund goes to you. `
          + 'What you hand in is not taken back here.'),
      row('Checked', element('span', { class: 'state good', id: 'look-checked' }, '✓ Checked in this browser'),
        ' Both tasks’ terms by their ids, that all three signers there agreed, the payments by their transactions.'),
    ];
  };

  /** What was signed before, where the service tells of it. */
  function before({ signedBefore, elsewhereLater, plans: { way } }: Move): HTMLElement[] {
    const again = way.kind === 'now' ? 'it makes the file again, and signs refunds for the feerate that you choose now' : 'it makes the file again';
    return [
      ...(signedBefore ? [element('p', { class: 'note', id: 'look-before' },
        `You signed before that this pledge moves to that task. Once more changes nothing of it: ${again}.`)] : []),
      ...(elsewhereLater ? [element('p', { class: 'note', id: 'look-elsewhere' },
        'You signed before that money of this pledge goes to another task at the refund time. That stands: it goes there '
        + 'unless two signers move it here first.')] : []),
    ];
  }

  /** What arrives and would not count, told plainly where it may be so. */
  function uncounted(plans: MovePlans, there: OpenTask['charter']): HTMLElement[] {
    const short = mayFallShort(plans, there).map(({ held, arrives }) => `of ${satWords(held.amount)} as little as ${satWords(least(arrives))}`);
    const minimum = satWords(BigInt(there.fields.minimum_pledge_sat));
    return [
      ...(short.length === 0 ? [] : [element('p', { class: 'note warn', id: 'look-short' },
        `Less than the least pledge there, ${minimum}, may arrive: ${short.join('; ')}, if what pays the lowest feerate is not `
        + 'mined for long. Then it does not count there: it has no vote, and stays locked until that task’s refund time.')]),
      element('p', {}, 'What does not fit under the cap there when it arrives, arrives after its funding has closed, or is less than '
        + 'the least pledge there, does not count there: it has no vote, and comes back at that task’s refund time at the latest.'),
    ];
  }

  function review(moved: Move): void {
    quiet('look-error');
    const [from, there] = [moved.own.task.charter, moved.to.charter];
    // The refund time stands above, in any case.
    const different = otherTerms(from, there).filter(({ name }) => name !== 'Yours again');
    byId('look-body').replaceChildren(
      element('dl', { class: 'rows', id: 'look-money' }, ...moneyRows(moved)),
      ...before(moved),
      ...warnings(from, there).map(({ twice, words }) => element('p', { class: twice ? 'note warn' : 'note' }, words)),
      ...uncounted(moved.plans, there),
      element('h3', {}, different.length === 0 ? 'All other terms are the same there' : 'These terms are others there'),
      element('dl', { class: 'rows', id: 'look-terms' }, ...different.map(({ name, here, there: other }) =>
        row(name, quietly('here: '), here, element('br'), quietly('there: '), element('strong', {}, other)))),
    );
  }

  // ---- sign, save, hand in

  /** One thing at a time: a button rests while its work is under way, and back with it. */
  function press(button: string, error: string, act: () => Promise<void>): void {
    const rest = [button, 'look-back'].map((each) => byId<HTMLButtonElement>(each));
    byId(button).addEventListener('click', () => {
      if (rest[0]?.disabled) return;
      quiet(error);
      for (const each of rest) each.disabled = true;
      void act().catch((wrong: unknown) => { told(wrong, error); }).finally(() => { for (const each of rest) each.disabled = false; });
    });
  }

  async function sign(): Promise<void> {
    if (move === null) return;
    say('Everything is being signed.');
    await breathe();
    try {
      await move.prepare();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      throw new UpfrontError('move_not_issued', 'to', `${wordsOf(error)} No consent was handed in, and your pledge is as before`);
    }
    for (const each of ['file-name', 'file-done']) byId(each).hidden = true;
    go('save');
  }

  async function save(): Promise<void> {
    if (move === null) return;
    const file = await move.prepare();
    const name = fileName(file);
    saveText(name, file.toJson());
    byId('file-name').textContent = `Saved as ${name}. Look that it is there.`;
    byId('file-name').hidden = false;
    byId('file-done').hidden = false;
    byId('file-save').classList.add('second');
    say(`Saved as ${name}.`);
  }

  async function handIn(): Promise<void> {
    if (move === null) return;
    move.saved();
    handing = true;
    try {
      await move.handIn();
    } catch (error) {
      if (isLie(error)) throw error;
      throw isChoice(error) ? error : new UpfrontError('move_unfinished', 'handing_in',
        `${refusal(error)} Not everything was handed in; what was handed in stands. ${
          error instanceof ServiceError && !error.passes ? 'Load this page again, and choose another task or another way'
            : 'Press once more, now or later'}; nothing is done twice`);
    }
    done(move);
  }

  function done({ own, to, plans: { way }, arrival }: Move): void {
    const there = arrival?.view.index ?? 0;
    const name = titleOf(to.view.text);
    const settlements = byId('done-body').dataset.settlements ?? '';
    byId('done-body').replaceChildren(
      element('p', {}, element('strong', {}, way.kind === 'now' ? 'You signed it, and nothing has moved yet.' : 'Nothing more is to be done, and nothing has moved yet.'),
        ' The refund of everything that may arrive is signed and handed in. Keep both recovery files.'),
      way.kind === 'now'
        ? element('p', {}, 'Next, somebody proposes the transaction, you if you like, and two of this task’s three signers sign it. They see that your consent and your refunds are there.')
        : element('p', {}, `After ${time(own.task.charter.fields.refund_time)} the service sends your money to “${name}”, if it takes pledges then; else your refund goes to you.`),
      element('p', { class: 'actions' },
        ...(way.kind === 'now' ? [element('a', { class: 'button', id: 'done-propose', href: settlements }, 'Propose it')] : []),
        element('a', { class: 'button second', href: pledgePath(id, index) }, 'Back to the pledge')),
      element('p', {}, 'It will lie at ', element('a', { id: 'done-there', href: pledgePath(to.charter.id, there) }, `pledge ${there} of “${name}”`), '. Do not pay there besides: the money comes from here.'),
    );
    go('done');
    say('The move is signed and handed in.');
  }

  // ---- wiring

  form.addEventListener('change', showOther);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const submit = form.querySelector<HTMLButtonElement>('button[type="submit"]');
    if (submit === null || submit.disabled) return;
    submit.disabled = true;
    void look().finally(() => { submit.disabled = false; });
  });
  press('look-sign', 'look-error', sign);
  press('file-save', 'save-error', save);
  press('file-done', 'save-error', handIn);
  byId('look-back').addEventListener('click', () => {
    move = null;
    go('where');
  });
  guardFields(['move-to']);
  showOther();
  page.hidden = false;
  go('open', false);
  open();
  // A private link that is pasted over this page's address loads nothing anew.
  window.addEventListener('hashchange', () => {
    if (!location.hash.startsWith('#key=')) return;
    go('open');
    open();
  });
  // A lie is found before anybody has typed anything.
  again().catch((error: unknown) => { if (isLie(error)) stop(error); });
}

maybe('no-script')?.remove();
if (place !== null) begin(place);
