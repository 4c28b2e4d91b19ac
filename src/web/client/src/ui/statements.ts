// Statements by the identity of this browser, and handing them in. They are signed under a tagged hash, which Nostr extensions
// cannot do: a key kept in this browser does.

import { UpfrontError, refuse } from '../core/error.ts';
import { keyPair, type KeyPair } from '../core/point.ts';
import { kept } from './identity-key.ts';
import { problemOf, wordsOf } from './identity.ts';

export const EXTENSION = 'Nostr extensions sign requests, not these words. Choose a key kept in this browser instead, or use the command line.';
export const SECRET = 'A private key or recovery words are in this text: it was not sent. Take them out, and never paste them into a page.';

/** The key that signs here. */
export async function signer(): Promise<KeyPair> {
  const chosen = await kept() ?? refuse('no_identity', 'identity', 'choose first who you are');
  if (chosen.kind !== 'key') return refuse('identity_extension', 'identity', EXTENSION.replace(/\.$/, ''));
  return keyPair(chosen.secret, 'identity');
}

/** Hands a statement in; throws with the service's words where it is refused. */
export async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(path, {
    method: 'POST', credentials: 'omit', cache: 'no-store', body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
  });
  if (!response.ok) {
    const words = wordsOf(await problemOf(response)).replace(/\.$/, '');
    throw new UpfrontError('refused', 'service', words);
  }
}
