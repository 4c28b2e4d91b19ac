// Handing in a signed statement: chosen, dropped or pasted, shown in words, then sent. It carries its own authority, so
// nobody signs in for it; and nothing but a statement of the kind this page is for is ever sent.

import { UpfrontError } from '../core/error.ts';
import { readStatement, type Kind, type Told } from '../desk/words.ts';
import { refresh, takeFiles, tell } from '../desk/take.ts';
import { element } from '../ui/element.ts';
import { errorWords, problemOf, wordsOf } from '../ui/identity.ts';

const SENT: Readonly<Record<Kind, string>> = {
  attestation: 'Taken. The charter carries it from now on.',
  submission: 'Taken. Where the terms wait for a merge or release, the leader confirms it next; else sponsors vote from now on.',
  confirmation: 'Taken: sponsors vote from now on.',
  acceptance: 'Taken. It is said, and counts.',
  ruling: 'Taken. The settlement that carries it out can be proposed now.',
  vote: 'Taken. The vote is kept, with a receipt.',
  evidence: 'Taken. It is published with the submission.',
};

for (const form of document.querySelectorAll<HTMLFormElement>('form[data-handin]')) handIn(form);

function handIn(form: HTMLFormElement): void {
  const part = <T extends HTMLElement>(selector: string): T => form.querySelector<T>(selector)!;
  const field = part<HTMLTextAreaElement>('textarea');
  const submit = part<HTMLButtonElement>('button[type=submit]');
  const [shown, status] = [part('[data-shown]'), part('[data-status]')];
  const kind = form.dataset['handin'] as Kind;
  const about = { charter: form.dataset['charter'] ?? '', network: form.dataset['network'] ?? '', submission: form.dataset['submission'] || undefined };
  let told: Told | null = null;
  form.hidden = false;

  const read = (text: string): void => {
    told = null;
    shown.hidden = true;
    tell(status, '');
    if (text.trim() !== '') {
      try {
        told = readStatement(text, kind, about);
        shown.replaceChildren(element('p', {}, element('strong', {}, 'It says: '), told.sentence),
          element('details', {}, element('summary', {}, 'The exact words that are signed'), element('pre', { tabindex: '0' }, told.lines)));
        shown.hidden = false;
      } catch (error) {
        if (error instanceof UpfrontError && error.code === 'key_private') field.value = '';
        tell(status, errorWords(error), 'bad');
      }
    }
    submit.disabled = told === null;
  };
  field.addEventListener('input', () => read(field.value));
  takeFiles(part('[data-drop]'), ([file]) => void (async () => {
    if (file === undefined) return;
    if (file.size > 65_536) return tell(status, `${file.name} is too long to be a signed statement. It was not sent.`, 'bad');
    const text = await file.text();
    read(text);
    // What is refused is not put on the screen: it may have been a secret.
    field.value = told === null ? '' : text;
  })());
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (told === null) return;
    submit.disabled = true;
    tell(status, 'Handing in…');
    void send(told).catch((error: unknown) => tell(status, errorWords(error), 'bad')).finally(() => { submit.disabled = told === null; });
  });

  async function send(statement: Told): Promise<void> {
    const response = await fetch(form.dataset['post'] ?? '', {
      method: 'POST', credentials: 'omit', body: statement.body,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
    });
    if (!response.ok) return tell(status, `${wordsOf(await problemOf(response))} What you brought is still here.`, 'bad');
    field.value = '';
    told = null;
    shown.hidden = true;
    tell(status, SENT[kind], 'good');
    await refresh();
  }
}
