// A new task: looks at keys before they are sent, and writes a checked draft down in the identity's name.

import { hex, utf8 } from '../core/bytes.ts';
import { Charter } from '../core/charter.ts';
import { UpfrontError, refuse } from '../core/error.ts';
import { sha256 } from '../core/hash.ts';
import { networkOf } from '../core/network.ts';
import { findSecret, isSecret } from '../core/secret.ts';
import { parseSignerKey } from '../core/signer-key.ts';
import { capital } from '../core/words.ts';
import { errorWords, identityPanel, problemOf, send, wordsOf } from '../ui/identity.ts';
import { sayer } from '../ui/page.ts';

const SECRET = 'This is a private key or recovery words. It was taken out of the field and sent nowhere. Never paste it into a page; a public key belongs here.';
/** Ordinary words can stand so by chance; then nothing but their order must change. */
const IN_PROSE = 'A private key or recovery words are in this text: it was not sent. Take them out, and never paste them into a page. If they are ordinary words, put another between them: six of that list in a row are not sent.';

// ---- The form

type Field = HTMLInputElement | HTMLTextAreaElement;

/** Fields in which a secret may have been pasted by mistake: all that take a text. */
const guarded = (form: HTMLFormElement): Field[] => [...form.querySelectorAll<Field>('input, textarea')]
  .filter(({ type }) => !['checkbox', 'radio', 'hidden'].includes(type));

/** Title and text hold sentences, which somebody wrote and would miss. */
const isProse = (field: Field): boolean => field instanceof HTMLTextAreaElement || field.name === 'title';

function words(input: Field, text: string, bad: boolean): void {
  const id = `${input.id}-told`;
  let place = document.getElementById(id);
  if (place === null) {
    place = document.createElement('p');
    place.id = id;
    place.setAttribute('role', 'status');
    input.after(place);
  }
  place.className = bad ? 'error' : 'hint';
  place.textContent = text;
  if (bad) input.setAttribute('aria-invalid', 'true');
  else input.removeAttribute('aria-invalid');
}

/** Whether the field holds a secret, or did: a line is emptied, of sentences what it is shall go. */
function refused(input: Field): boolean {
  const prose = isProse(input);
  if (prose ? findSecret(input.value) === null : !isSecret(input.value)) {
    if (prose && input.dataset['secret'] !== undefined) words(input, '', false);
    delete input.dataset['secret'];
    return false;
  }
  if (prose) input.dataset['secret'] = '';
  else input.value = '';
  words(input, prose ? IN_PROSE : SECRET, true);
  return true;
}

/** Leads to a field that was refused, and marks in it what must go. */
function lead(input: Field | undefined): void {
  input?.focus();
  const found = input === undefined ? null : findSecret(input.value);
  if (found !== null) input?.setSelectionRange(found.start, found.end);
}

function echoKey(input: HTMLInputElement, network: string): void {
  if (input.value.trim() === '') {
    words(input, '', false);
    return;
  }
  try {
    const key = parseSignerKey(input.value.trim(), networkOf(network), 'key');
    words(input, `Fingerprint ${key.fingerprint}, account ${key.account}. Compare it with what the signer told you.`, false);
  } catch (error) {
    const message = error instanceof UpfrontError ? error.message.replace(/^key: /, '') : 'not a key';
    words(input, `${capital(message)}.`, true);
  }
}

function watch(form: HTMLFormElement): void {
  const network = form.dataset['network'] ?? '';
  for (const input of guarded(form)) {
    const look = (): void => {
      if (!refused(input) && 'key' in input.dataset && input instanceof HTMLInputElement) echoKey(input, network);
    };
    input.addEventListener('input', look);
    // What the browser itself filled in, or the service sent back.
    if (input.value !== '') look();
  }
  form.addEventListener('submit', (event) => {
    const secrets = guarded(form).filter(refused);
    if (secrets.length === 0) return;
    event.preventDefault();
    lead(secrets[0]);
  });
}

// ---- The checked draft

/** Charter and text as the page shows them, after both were held against each other. */
function draft(expected: string): string {
  const canonical = document.getElementById('canonical')?.textContent ?? '';
  const text = document.getElementById('task-text')?.textContent ?? '';
  const charter = Charter.parse(canonical);
  if (charter.id !== expected) refuse('charter_id', 'charter', 'the charter on this page is not the one it names');
  if (charter.fields.text_hash !== hex(sha256(utf8(text)))) {
    refuse('text_hash', 'text', 'the text on this page is not the one that the charter names: load the page again');
  }
  return JSON.stringify({ charter: canonical, text });
}

function writeDown(place: HTMLElement): void {
  const charter = place.dataset['charter'] ?? '';
  const button = document.getElementById('write-button') as HTMLButtonElement | null;
  const status = document.getElementById('write-status');
  const panel = document.getElementById('identity');
  if (button === null || status === null || panel === null) return;
  const say = sayer(status);
  identityPanel(panel, (identity) => { button.disabled = identity === null; });
  place.hidden = false;
  button.addEventListener('click', () => {
    button.disabled = true;
    say('Writing it down …');
    void (async () => {
      try {
        const response = await send('POST', '/api/v1/tasks', draft(charter));
        if (response.ok) {
          location.assign(`/tasks/${charter}/charter`);
          return;
        }
        say(wordsOf(await problemOf(response)), true);
      } catch (error) {
        say(errorWords(error), true);
      }
      button.disabled = false;
    })();
  });
}

const form = document.querySelector<HTMLFormElement>('form#draft');
if (form !== null) watch(form);
const place = document.getElementById('write-down');
if (place !== null) writeDown(place);
document.getElementById('wrong')?.focus();
