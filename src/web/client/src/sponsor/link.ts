// The private link of a pledge: its key behind `#key=`. What stands behind `#` is never sent; it is read once and taken
// out of the address bar.

import { UpfrontError } from '../core/error.ts';
import { keyFromFragment, keyToFragment, type KeyPair } from '../core/keys.ts';

export const privateLink = (origin: string, charter: string, index: number, key: KeyPair): string =>
  `${origin}/tasks/${charter}/pledges/${index}#key=${keyToFragment(key)}`;

/** The key behind `#key=` of a fragment; null where none is given, an error where it is none. */
export function keyOfFragment(fragment: string): KeyPair | null {
  const found = /^#key=(.*)$/s.exec(fragment);
  if (found === null) return null;
  const text = found[1] ?? '';
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) {
    throw new UpfrontError('not_a_key', 'link', 'this link is cut off or damaged: what stands behind #key= is no key');
  }
  return keyFromFragment(text);
}

/** Reads the key and removes it from the address bar and from this entry of the history. */
export function takeKey(): KeyPair | null {
  const fragment = location.hash;
  if (fragment.startsWith('#key=')) history.replaceState(history.state, '', `${location.pathname}${location.search}`);
  return keyOfFragment(fragment);
}
