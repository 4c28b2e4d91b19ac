// The field for a public key on desks: a private key or recovery words pasted there are refused here, before anything is
// sent, and taken off the screen. What is sent ends up in the address bar.

import { UpfrontError } from '../core/error.ts';
import { networkOf } from '../core/network.ts';
import { isSecret } from '../core/secret.ts';
import { parseSignerKey } from '../core/signer-key.ts';
import { capital } from '../core/words.ts';

const form = document.getElementById('who');
const input = document.getElementById('key');
const shown = document.getElementById('key-error');

if (form instanceof HTMLFormElement && input instanceof HTMLInputElement && shown !== null) {
  const network = networkOf(form.dataset['network']);
  // Our words are better than the browser's.
  form.noValidate = true;
  const say = (words: string): void => {
    shown.textContent = words;
    shown.hidden = words === '';
    input.setAttribute('aria-invalid', String(words !== ''));
  };
  const refuseSecret = (): boolean => {
    if (!isSecret(input.value)) return false;
    input.value = '';
    say('This is a private key or recovery words. It was not sent, and is off the screen. Never give it to any page; if others may have seen it, move to a new one. A public key belongs here.');
    return true;
  };
  input.addEventListener('input', () => { if (!refuseSecret()) say(''); });
  form.addEventListener('submit', (event) => {
    if (refuseSecret()) return event.preventDefault();
    const text = input.value.trim();
    if (text === '') return;
    // A secret key of Nostr has 64 hex digits, as a public one has: what goes into the address must say what it is.
    if (form.dataset['key'] === 'identity') {
      if (/^npub1[02-9ac-hj-np-z]{58}$/.test(text)) return;
      event.preventDefault();
      say('Give the public key as npub1…: in hex it cannot be told from a private one. `upfront key identity` prints it.');
      return input.focus();
    }
    try {
      input.value = parseSignerKey(text, network, 'key').text;
    } catch (error) {
      event.preventDefault();
      say(error instanceof UpfrontError ? `${capital(error.message.replace(/^key: /, ''))}.` : 'This cannot be read as a key.');
      input.focus();
    }
  });
}
