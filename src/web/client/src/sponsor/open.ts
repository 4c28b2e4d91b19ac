// Coming back: a form that takes words, a private link, a key or a recovery file, and finds which pledges of the task
// they belong to.

import { refuse, UpfrontError } from '../core/error.ts';
import { readKey, Root, type KeyPair } from '../core/keys.ts';
import type { Network } from '../core/network.ts';
import { RecoveryFile } from '../core/recovery.ts';
import { element } from '../ui/element.ts';
import { breathe, fieldError, wordsOf } from '../ui/page.ts';
import { bytesOfFile } from '../ui/save.ts';
import { fileOf, Keeper } from './keeper.ts';
import { keptBoxes, unlockKept } from './keystore.ts';
import { keyOfFragment, takeKey } from './link.ts';
import { pledgeOfKey, pledgesOf, type Mine } from './own.ts';
import type { OpenTask } from './task.ts';

/** What somebody may write in the one field: words, a private link, or a key. */
export type Secret = { readonly kind: 'phrase'; readonly phrase: string } | { readonly kind: 'key'; readonly key: KeyPair };

export function readSecret(given: string, network: Network): Secret {
  const text = given.trim();
  const fragment = text.indexOf('#key=');
  if (fragment >= 0) {
    const key = keyOfFragment(text.slice(fragment));
    if (key !== null) return { kind: 'key', key };
  }
  if (/\s/.test(text)) return { kind: 'phrase', phrase: text.normalize('NFKD').toLowerCase().split(/\s+/).join(' ') };
  if (text === '') refuse('nothing', 'words', 'write your words, or your private link');
  return { kind: 'key', key: readKey(text, network, 'key') };
}

const none = (what: string): never => refuse('no_pledge', 'words', `no pledge of this task belongs to ${what}`);

/** Keepers of all pledges that a secret belongs to. */
export function keepersOf(task: OpenTask, secret: Secret): Keeper[] {
  const { pledges } = task.view;
  let mine: Mine[];
  if (secret.kind === 'phrase') {
    mine = pledgesOf(Root.fromPhrase(secret.phrase, task.charter.network), secret.phrase, pledges);
    if (mine.length === 0) none('these words');
  } else {
    const one = pledgeOfKey(secret.key, pledges);
    mine = one === null ? none('this key') : [one];
  }
  return mine.map((own) => new Keeper(task, fileOf(task, own), own.view));
}

/** Keepers by a recovery file: its own pledge with the refunds it holds, and the others of its words. */
export function keepersOfFile(task: OpenTask, bytes: Uint8Array): Keeper[] {
  const file = RecoveryFile.parse(bytes);
  if (file.charter.id !== task.charter.id) {
    refuse('other_task', 'file', `file: it is of another task: ${file.charter.id.slice(0, 12)}…`);
  }
  const view = task.view.pledges.find(({ index, sponsorKey }) => index === file.parts.index && sponsorKey === file.parts.sponsorKey);
  if (view === undefined) return refuse('no_pledge', 'file', 'file: the service knows no such pledge. `upfront recover` gets the money back without it');
  const own = new Keeper(task, file, view);
  const { phrase } = file.parts.origin;
  if (phrase === null) return [own];
  const others = keepersOf(task, { kind: 'phrase', phrase }).filter((keeper) => keeper.file.parts.index !== view.index);
  return [own, ...others];
}

/** Builds the form in `place`. `opened` gets the keepers; what it throws is shown like a wrong word. */
export function openForm(place: HTMLElement, task: () => Promise<OpenTask>, network: () => string, opened: (keepers: Keeper[]) => Promise<void>): void {
  const words = element('textarea', { id: 'open-words', class: 'mono', rows: '3', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', 'aria-describedby': 'open-words-hint open-words-error' });
  const file = element('input', { id: 'open-file', type: 'file', accept: '.json,application/json', 'aria-describedby': 'open-file-error' });
  const passphrase = element('input', { id: 'open-kept', type: 'password', autocomplete: 'off', 'aria-describedby': 'open-kept-error' });
  const keptField = element('div', { class: 'field', hidden: true },
    element('label', { for: 'open-kept' }, 'The passphrase of the words kept in this browser'), passphrase,
    element('p', { class: 'error', id: 'open-kept-error', hidden: true }));
  const submit = element('button', { type: 'submit' }, 'Open my pledges');
  const form = element('form', { id: 'open-form', novalidate: true },
    keptField,
    element('div', { class: 'field' }, element('label', { for: 'open-words' }, 'Your words, or your private link'), words,
      element('p', { class: 'hint', id: 'open-words-hint' }, 'They do not leave this page.'),
      element('p', { class: 'error', id: 'open-words-error', hidden: true })),
    element('div', { class: 'field' }, element('label', { for: 'open-file' }, 'Or your recovery file'), file,
      element('p', { class: 'error', id: 'open-file-error', hidden: true })),
    element('p', { class: 'actions' }, submit),
  );
  void keptBoxes(network()).then((boxes) => { keptField.hidden = boxes.length === 0; });

  const run = async (field: string, find: (task: OpenTask) => Promise<Keeper[]>): Promise<void> => {
    for (const id of ['open-words', 'open-file', 'open-kept']) fieldError(id, null);
    submit.disabled = true;
    try {
      await breathe();
      await opened(await find(await task()));
      words.value = passphrase.value = '';
    } catch (error) {
      fieldError(field, wordsOf(error));
      document.getElementById(field)?.focus();
    } finally {
      submit.disabled = false;
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const [chosen] = file.files ?? [];
    if (passphrase.value !== '') {
      void run('open-kept', async (open) => keepersOf(open, { kind: 'phrase', phrase: (await unlockKept(network(), passphrase.value)).phrase }));
    } else if (words.value.trim() === '' && chosen !== undefined) {
      void run('open-file', async (open) => keepersOfFile(open, await bytesOfFile(chosen)));
    } else {
      void run('open-words', async (open) => keepersOf(open, readSecret(words.value, open.charter.network)));
    }
  });
  place.replaceChildren(form);
}

/** The same, and who comes by a private link is let in at once; `failed` is told what went wrong with that. */
export function openHere(
  place: HTMLElement, task: () => Promise<OpenTask>, network: () => string, opened: (keepers: Keeper[]) => Promise<void>,
  failed: (error: unknown) => void = (error) => fieldError('open-words', wordsOf(error)),
): void {
  openForm(place, task, network, opened);
  try {
    const key = takeKey();
    if (key !== null) void task().then((open) => opened(keepersOf(open, { kind: 'key', key }))).catch(failed);
  } catch (error) {
    fieldError('open-words', wordsOf(error));
  }
}

/** Whether an error is about what somebody wrote, not about the service. */
export const isOwn = (error: unknown): error is UpfrontError => error instanceof UpfrontError;
