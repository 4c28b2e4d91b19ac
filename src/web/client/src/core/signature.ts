// Signatures over statements, in the two forms people's keys can make: BIP340 over the statement's tagged hash,
// and BIP322 for wallets that sign transactions only. And whose keys they are checked under.

import { hex, unhex } from './bytes.ts';
import { messageOf, messageSignatureText, parseMessageSignature, verifyMessage, type Bip322Signature } from './bip322.ts';
import { refuse } from './error.ts';
import { signSchnorr, verifySchnorr, type KeyPair } from './point.ts';
import type { SignerKey } from './signer-key.ts';
import type { Statement } from './statement.ts';

export type StatementSignature =
  | { readonly kind: 'tagged'; readonly signature: Uint8Array }
  | ({ readonly kind: 'bip322' } & Bip322Signature);

/** Reads 128 hex digits (BIP340), or `smp`/`ful` and base64 (BIP322). */
export function parseSignature(text: unknown, field: string): StatementSignature {
  if (typeof text !== 'string' || text.length > 4096) {
    return refuse('signature', field, `${field} is no signature: 128 hex digits (BIP340), or BIP322's`);
  }
  if (/^[0-9a-fA-F]{128}$/.test(text)) return { kind: 'tagged', signature: unhex(text, field) };
  return { kind: 'bip322', ...parseMessageSignature(text, field) };
}

export const signatureText = (given: StatementSignature): string =>
  given.kind === 'tagged' ? hex(given.signature) : messageSignatureText(given);

/** Under which keys somebody's statements verify. */
export interface Speaker {
  /** The x-only key that signs tagged hashes. */
  readonly tagged: string;
  /** The internal key of the `tr()` output whose owner signs by BIP322; null for a service. */
  readonly bip322: string | null;
}

/** S signs, or the owner of `tr(S)`. */
export const sponsorSpeaker = (key: string): Speaker => ({ tagged: key, bip322: key });
/** `1000/0` below the account signs, or the owner of `tr(0/0)`. */
export const signerSpeaker = (signer: SignerKey): Speaker => ({
  // Each is derived only where a signature of its form is there.
  get tagged() { return signer.statementKey; },
  get bip322() { return signer.child(0, 0); },
});
/** Tagged hashes only. */
export const serviceSpeaker = (key: string): Speaker => ({ tagged: key, bip322: null });

export function verifies(statement: Statement, given: StatementSignature, speaker: Speaker): boolean {
  if (given.kind === 'tagged') return verifySchnorr(given.signature, statement.digest, speaker.tagged);
  return speaker.bip322 !== null && verifyMessage(messageOf(statement), speaker.bip322, given);
}

/** Throws where the signature is not the speaker's over this statement. */
export function verifyStatement(statement: Statement, given: StatementSignature, speaker: Speaker, field: string): void {
  if (!verifies(statement, given, speaker)) {
    refuse('signature', field, `${field}: the ${statement.name} signature does not verify: it was made over other words, or by another key`);
  }
}

/** BIP340, as 128 hex digits. */
export const signStatement = (statement: Statement, key: KeyPair): string => hex(signSchnorr(statement.digest, key));
