// Signed PSBTs as people bring them: binary files, base64 in files or pasted, or the list that the offline signing page
// writes. What is none of these is refused here and sent nowhere.

import { base64, hex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { isSecret } from '../core/secret.ts';

/** `psbt` and 0xff, as every PSBT begins (BIP174). */
const MAGIC = '70736274ff';
const MAGIC_BASE64 = /^cHNidP[89]/;
/** What the service takes in one request. */
const MAX_CHARS = 8_000_000;

/** One PSBT, base64, and where it came from. */
export interface Brought {
  readonly name: string;
  readonly psbt: string;
}

export function psbtsOfText(name: string, text: string): Brought[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  const listed = trimmed.startsWith('{') ? listOf(name, trimmed) : trimmed.split(/\s+/);
  const strange = listed.findIndex((each) => !MAGIC_BASE64.test(each) || !/^[A-Za-z0-9+/]+={0,2}$/.test(each));
  if (strange >= 0) {
    if (isSecret(text)) {
      return refuse('key_private', name,
        `${name} looks like a private key or recovery words. It was not sent. Never give it to any page; only signed PSBTs belong here`);
    }
    refuse('bad_psbt', name, `${name} holds something that is no PSBT in base64${listed.length > 1 ? ` (number ${strange + 1} of ${listed.length})` : ''}. It was not sent`);
  }
  return listed.map((psbt, at) => ({ name: listed.length > 1 ? `${name}, number ${at + 1}` : name, psbt }));
}

function listOf(name: string, text: string): string[] {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return refuse('bad_psbt', name, `${name} is cut off or damaged: it is no JSON`);
  }
  const psbts = typeof read === 'object' && read !== null && 'psbts' in read ? read.psbts : null;
  if (!Array.isArray(psbts) || psbts.length === 0 || !psbts.every((each) => typeof each === 'string')) {
    return refuse('bad_psbt', name, `${name} is no list of signed PSBTs`);
  }
  return psbts.map((each: string) => each.trim());
}

export function psbtsOfBytes(name: string, bytes: Uint8Array): Brought[] {
  if (hex(bytes.subarray(0, 5)) === MAGIC) return [{ name, psbt: base64(bytes) }];
  return psbtsOfText(name, new TextDecoder().decode(bytes));
}

/** Each once; an error where it is too much for one request. */
export function together(all: readonly Brought[]): string[] {
  const psbts = [...new Set(all.map((each) => each.psbt))];
  if (psbts.length === 0) refuse('psbt_nothing', 'psbts', 'choose files, or paste base64 first: there is nothing to hand in');
  if (psbts.reduce((chars, psbt) => chars + psbt.length + 3, 0) > MAX_CHARS) {
    refuse('too_long', 'psbts', 'this is more than one request takes: hand in half of the files, then the others');
  }
  return psbts;
}
