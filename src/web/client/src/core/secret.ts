// Private keys and recovery phrases in texts that are for public things, recognised before anything is sent. Better one
// public text refused than one secret passed on.

import { wordlist } from './keys.ts';
import { looksPrivate, withoutSigned } from './signer-key.ts';

/** Part of a phrase is as telling as all of it: so many words of the list in a row are no address and no key. */
const RUN = 6;
const LISTED: ReadonlySet<string> = new Set(wordlist);

/** Where it stands in the text. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

const placeOf = ({ index, 0: found }: RegExpExecArray): Place => ({ start: index, end: index + found.length });

/** The first private key, private link or run of recovery words, however it is numbered, spelled or separated. */
export function findSecret(given: string): Place | null {
  const text = withoutSigned(given);
  for (const part of text.matchAll(/[A-Za-z0-9]+/g)) if (looksPrivate(part[0])) return placeOf(part);
  const [link] = text.matchAll(/\bkey=[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g);
  if (link !== undefined) return placeOf(link);
  // Single letters number words, and stand in JSON's escapes.
  let run: Place[] = [];
  for (const word of text.matchAll(/[A-Za-z]{2,}/g)) {
    if (LISTED.has(word[0].toLowerCase())) run.push(placeOf(word));
    else if (run.length >= RUN) break;
    else run = [];
  }
  const [first, last] = [run[0], run.at(-1)];
  return run.length >= RUN && first !== undefined && last !== undefined ? { start: first.start, end: last.end } : null;
}

/** Whether a text has, in it, what could spend money. Of prose ask `findSecret`: twelve short words may be a sentence. */
export const isSecret = (text: string): boolean => looksPrivate(text) || findSecret(text) !== null;
