// Private keys and phrases in fields that are for public things: refused in words before anything is sent, and taken out
// of the field.

import { isSecret } from '../core/secret.ts';
import { fieldError } from './page.ts';

export const REFUSED_SECRET =
  'This was a private key or a recovery phrase. It was taken out of the field and sent nowhere. A public key or an address belongs here; never give the other to any page.';

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
