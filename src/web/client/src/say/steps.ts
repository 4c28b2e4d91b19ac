// Words that are said in two steps: they are made and shown as they are signed, then signed and sent. What was signed is kept until
// it is answered, so that a second press after a lost answer sends the same words and says nothing twice.

import type { Json } from '../core/json.ts';
import type { KeyPair } from '../core/point.ts';
import { signStatement } from '../core/signature.ts';
import type { Statement } from '../core/statement.ts';
import { postJson } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { sayer, wordsOf } from '../ui/page.ts';

export interface Words {
  readonly statement: Statement;
  /** The statement as the service takes it. */
  readonly json: Readonly<Record<string, unknown>>;
  /** What it comes to, for people. */
  readonly sentence: string;
}

export interface Steps {
  readonly charter: string;
  /** Where the words go: `/evidence`. */
  readonly path: string;
  /** Reads the fields and makes the words; throws where they cannot be said. */
  make(): Promise<Words>;
  key(): Promise<KeyPair>;
  /** What is done once it was taken; what it answers is said. */
  done(answer: Json): Promise<string>;
  /** What the two buttons say. */
  readonly look: string;
  readonly send: string;
}

/** Puts both buttons and the words between them at the end of `form`. */
export function inTwoSteps(form: HTMLFormElement, steps: Steps): void {
  const look = element('button', { type: 'submit', class: 'second' }, steps.look);
  const send = element('button', { type: 'button' }, steps.send);
  const shown = element('div', { 'data-words': true, hidden: true });
  const status = element('p', { role: 'status' });
  const say = sayer(status);
  form.append(element('p', { class: 'actions' }, look), shown, status);
  let words: Words | null = null;
  let body: unknown = null;
  let busy = false;

  const forget = (): void => {
    words = body = null;
    shown.hidden = true;
    say('');
  };
  const during = (act: () => Promise<void>): void => {
    if (busy) return;
    busy = look.disabled = send.disabled = true;
    void act().catch((error: unknown) => say(wordsOf(error), true)).finally(() => { busy = look.disabled = send.disabled = false; });
  };
  // Whatever is changed is not what was shown.
  form.addEventListener('input', () => { if (!busy) forget(); });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    during(async () => {
      forget();
      say('Reading…');
      words = await steps.make();
      shown.replaceChildren(element('p', {}, element('strong', {}, 'You would say: '), words.sentence),
        element('details', {}, element('summary', {}, 'The exact words that are signed'), element('pre', { tabindex: '0' }, words.statement.lines)),
        element('p', { class: 'actions' }, send));
      shown.hidden = false;
      say('Read it, then sign.');
      send.focus();
    });
  });
  send.addEventListener('click', () => during(async () => {
    if (words === null) return;
    say('Signing…');
    body ??= { statement: words.json, signature: signStatement(words.statement, await steps.key()) };
    const answer = await postJson(steps.charter, steps.path, body);
    forget();
    form.reset();
    say(await steps.done(answer));
  }));
}
