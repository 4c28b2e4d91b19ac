// Files given to the page, and what each of them is: told from what is in them, not from their names.

import { hex, textOf } from '../core/bytes.ts';
import { Charter } from '../core/charter.ts';
import { refuse, UpfrontError } from '../core/error.ts';
import { sha256 } from '../core/hash.ts';
import { parseLoose } from '../core/json.ts';
import { wordlist } from '../core/keys.ts';
import { parseCastVote, parsePrepared, parseProof, type CastVoteDocument, type ProofDocument } from '../core/proof/document.ts';
import { Psbt } from '../core/psbt.ts';
import type { RefundSignatures } from '../core/refund.ts';
import { looksPrivate } from '../core/signer-key.ts';
import { isSealed } from '../offline/sealed.ts';

/** More than any file of ours: a proof document of ten thousand pledges has 20 MB. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

export type Given = { readonly name: string } & (
  | { readonly kind: 'proof'; readonly proof: ProofDocument }
  | { readonly kind: 'charter'; readonly charter: Charter }
  | { readonly kind: 'vote'; readonly vote: CastVoteDocument }
  | { readonly kind: 'psbts'; readonly psbts: readonly Psbt[] }
  | { readonly kind: 'refunds'; readonly refunds: readonly RefundSignatures[] }
  | { readonly kind: 'text'; readonly hash: string }
);

const WHAT: Readonly<Record<Given['kind'], string>> = {
  proof: 'proof document', charter: 'charter', vote: 'vote given directly', psbts: 'PSBT', refunds: 'refunds signed beforehand', text: 'text',
};
export const whatIs = (given: Given): string =>
  given.kind === 'psbts' && given.psbts.length !== 1 ? `${given.psbts.length} PSBTs` : WHAT[given.kind];

const isPsbt = (bytes: Uint8Array): boolean => [0x70, 0x73, 0x62, 0x74, 0xff].every((byte, at) => bytes[at] === byte);

/** Reads a file; throws an UpfrontError that names it where it is nothing this page knows. */
export function recognise(name: string, bytes: Uint8Array): Given {
  if (bytes.length > MAX_FILE_BYTES) refuse('too_long', name, `${name} is longer than any file this page reads`);
  if (isPsbt(bytes)) return { name, kind: 'psbts', psbts: [Psbt.parse(bytes, name)] };
  if (isSealed(bytes)) secret(name);
  const text = textOf(bytes, name);
  const trimmed = text.trim();
  if (/^(?:cHNid|70736274ff)/i.test(trimmed)) {
    // One a line, as `cat *.psbt` gives them.
    const lines = trimmed.split(/\s*\n\s*(?=cHNid|70736274ff)/i);
    return { name, kind: 'psbts', psbts: lines.map((line) => Psbt.read(line, name)) };
  }
  if (!trimmed.startsWith('{') && holdsSecret(text)) secret(name);
  if (!trimmed.startsWith('{')) return { name, kind: 'text', hash: hex(sha256(bytes)) };
  return document(name, text, bytes);
}

/** A key file has comments above its words, and the words may be on several lines. */
function holdsSecret(text: string): boolean {
  const uncommented = text.split('\n').filter((line) => !line.startsWith('#'));
  const isPhrase = (line: string): boolean => {
    const words = line.trim().toLowerCase().split(/\s+/);
    return [12, 15, 18, 21, 24].includes(words.length) && words.every((word) => wordlist.includes(word));
  };
  return looksPrivate(text) || [uncommented.join(' '), ...uncommented].some(isPhrase);
}

const secret = (name: string): never => refuse(
  'private', name,
  `${name} holds a private key or a phrase: it does not belong here. Your key is asked for later, below, once you have seen what it would sign`,
);

function document(name: string, text: string, bytes: Uint8Array): Given {
  const value = parseLoose(text, name);
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const has = (...wanted: string[]): boolean => wanted.every((key) => keys.includes(key));
  try {
    if (has('charter_id', 'tip')) return { name, kind: 'proof', proof: parseProof(text) };
    if (has('refund_time', 'developer')) return { name, kind: 'charter', charter: Charter.parse(chomped(bytes)) };
    if (has('vote')) return { name, kind: 'vote', vote: parseCastVote(text, name) };
    if (has('statement', 'signature')) {
      return { name, kind: 'vote', vote: parseCastVote(JSON.stringify({ vote: value, receipt: null }), name) };
    }
    if (has('refunds')) return { name, kind: 'refunds', refunds: parsePrepared(text, name) };
    if (has('psbts')) return { name, kind: 'psbts', psbts: psbtList(name, (value as { psbts: unknown }).psbts) };
  } catch (error) {
    if (error instanceof UpfrontError) throw new UpfrontError(error.code, error.field, `${name}: ${error.message}`);
    throw error;
  }
  return refuse('unknown_file', name, `${name} is JSON, but no proof document, charter, vote, or list of PSBTs or refunds`);
}

/** A charter's bytes without the line feed that editors and `curl` put at the end. */
function chomped(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1;
  return bytes.slice(0, end);
}

/** The service's answer to GET .../psbts: `{"psbts": [{"psbt": "..."}]}`, or plain texts. */
function psbtList(name: string, given: unknown): Psbt[] {
  if (!Array.isArray(given)) return refuse('unknown_file', name, `${name}: psbts is no list`);
  return given.map((entry: unknown) => {
    const text = typeof entry === 'object' && entry !== null && 'psbt' in entry ? entry.psbt : entry;
    return typeof text === 'string' ? Psbt.read(text, name) : refuse('unknown_file', name, `${name}: a PSBT in it is no text`);
  });
}
