// What is said about a submission besides votes: disputes and evidence. Nothing about money follows from it; the limits keep it
// readable (docs/PROTOCOL.md, section 9).

import { utf8 } from './bytes.ts';
import { refuse } from './error.ts';
import { findSecret } from './secret.ts';
import type { EvidenceFields } from './statement.ts';
import { UNSEEN } from './words.ts';

/** Longest text, in bytes. */
export const MAX_EVIDENCE_BYTES = 2_000;
/** Most files that one statement names. */
export const MAX_ATTACHMENTS = 8;
/** How much one party may say about one submission. */
export const MAX_EVIDENCE = 64;

/** Who may open a dispute; a sponsor says the same with a no. */
export const mayDispute = (by: string): boolean => by === 'developer' || by === 'representative' || by === 'leader';

/** Why a text is none that may be said, in words; null where it is one. */
export function textProblem(text: string): string | null {
  if (text.trim() === '') return 'is empty: say what is to be known';
  if (utf8(text).length > MAX_EVIDENCE_BYTES) return 'is longer than 2000 bytes: attach a file by its hash instead';
  if (/[\r\n]/.test(text)) return 'is more than one line: attach a file by its hash instead';
  return UNSEEN.test(text) ? 'has characters that cannot be seen: take them out' : null;
}

/** A text as one line, as it is signed. */
export const oneLine = (text: string): string => text.replace(/\s*[\r\n]+\s*/g, ' ').trim();

/** What one party has said so far. */
export type Spoken = Pick<EvidenceFields, 'by' | 'kind' | 'text' | 'attachments' | 'counter'>;

const same = (a: Omit<Spoken, 'counter'>, b: Omit<Spoken, 'counter'>): boolean =>
  a.by === b.by && a.kind === b.kind && a.text === b.text && a.attachments.join() === b.attachments.join();

/** The next words of a party about a submission, as the service takes them. Throws where they cannot be said; what might be a secret
 * is not repeated. */
export function nextEvidence(given: Omit<EvidenceFields, 'counter'>, spoken: readonly Spoken[]): EvidenceFields {
  if (given.kind === 'dispute' && !mayDispute(given.by)) {
    refuse('no_dispute', 'kind', 'developer, representative and leader open disputes: give evidence, or vote no');
  }
  if (findSecret(given.text) !== null) {
    refuse('key_private', 'text', 'the text holds what looks like a private key or recovery words; it would be published. Take them out');
  }
  const problem = textProblem(given.text);
  if (problem !== null) refuse('evidence_text', 'text', `the text ${problem}`);
  if (given.attachments.length > MAX_ATTACHMENTS) {
    refuse('too_many_attachments', 'attachments', `at most ${MAX_ATTACHMENTS} files belong to one statement: put them into one archive`);
  }
  const own = spoken.filter(({ by }) => by === given.by);
  if (own.length >= MAX_EVIDENCE) refuse('too_much_evidence', 'counter', `you have said ${MAX_EVIDENCE} things about this submission: no more are taken`);
  if (own.some((said) => same(said, given))) refuse('said_already', 'text', 'you have said exactly this already: it stands with the submission');
  const counter = Math.max(0, ...own.map((said) => said.counter + 1));
  return { ...given, counter };
}
