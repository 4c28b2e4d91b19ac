// Private keys and phrases in fields that are for public things: recognised before anything is sent, refused in words,
// and taken out of the field.

import { looksPrivate } from '../core/signer-key.ts';
import { wordlist } from '../core/keys.ts';
import { fieldError } from '../ui/page.ts';

export const REFUSED_SECRET =
  'This was a private key or a recovery phrase. It was taken out of the field and sent nowhere. A public key or an address belongs here; never give the other to any page.';

/** Whether a text has, in it, what could spend money. */
export function isSecret(text: string): boolean {
  if (looksPrivate(text)) return true;
  // Part of a phrase is as telling: six words of the list in a row are no address.
  const words = text.toLowerCase().split(/[^a-z]+/).filter((word) => word !== '');
  let run = 0;
  for (const word of words) {
    run = wordlist.includes(word) ? run + 1 : 0;
    if (run >= 6) return true;
  }
  return false;
}

/** Watches fields of public things from now on. */
export function guardFields(ids: readonly string[], errors: Readonly<Record<string, string>> = {}): void {
  for (const id of ids) document.getElementById(id)?.addEventListener('input', () => refusedSecret(id, errors[id]));
}

/** Empties a field that holds a secret and says so; whether it did. */
export function refusedSecret(id: string, error = `${id}-error`): boolean {
  const field = document.getElementById(id) as HTMLInputElement | HTMLTextAreaElement;
  if (!isSecret(field.value)) return false;
  field.value = '';
  fieldError(id, REFUSED_SECRET, error);
  return true;
}
