// The statements of a document as they were signed, made of its JSON.

import { UpfrontError } from '../error.ts';
import { parseSignature, verifies, type Speaker } from '../signature.ts';
import * as statement from '../statement.ts';
import type { Statement } from '../statement.ts';
import type { CastVoteDocument, MoveDocument, SubmissionProof, VoteDocument } from './document.ts';

type Receipt = NonNullable<CastVoteDocument['receipt']>['statement'];
type Confirmation = NonNullable<SubmissionProof['confirmation']>['confirmation']['statement'];
type Evidence = NonNullable<SubmissionProof['evidence']>[number]['statement'];
type Acceptance = NonNullable<SubmissionProof['acceptance']>['statement'];
type Ruling = NonNullable<SubmissionProof['ruling']>['statement'];
type Submission = SubmissionProof['submission']['statement'];

export const submissionWords = (said: Submission): Statement =>
  statement.submission({ ...said, blockHeight: said.block_height, blockHash: said.block_hash });
export const moveWords = (said: MoveDocument): Statement =>
  statement.move({ ...said, toCharter: said.to_charter, toIndex: said.to_index, toAddress: said.to_address });
export const voteWords = (said: VoteDocument): Statement => statement.vote(said);
export const receiptWords = (said: Receipt): Statement =>
  statement.receipt({ ...said, tipHeight: said.tip_height, tipHash: said.tip_hash, tipMtpSecs: said.tip_mtp_secs });
export const confirmationWords = (said: Confirmation): Statement =>
  statement.confirmation({ ...said, blockHeight: said.block_height, blockHash: said.block_hash });
export const acceptanceWords = (said: Acceptance): Statement => statement.acceptance(said);
export const evidenceWords = (said: Evidence): Statement => statement.evidence(said);
export const rulingWords = (said: Ruling): Statement => statement.ruling({ ...said, payBps: said.pay_bps });

/** What is wrong with a signature, in words; null for a good one. Values that no statement can hold are no good. */
export function signatureProblem(words: () => Statement, signature: string, speaker: Speaker): string | null {
  try {
    const made = words();
    if (verifies(made, parseSignature(signature, 'signature'), speaker)) return null;
    return `the ${made.name} signature does not verify: it was made over other words, or by another key than ${speaker.tagged}`;
  } catch (error) {
    if (error instanceof UpfrontError) return error.message;
    throw error;
  }
}
