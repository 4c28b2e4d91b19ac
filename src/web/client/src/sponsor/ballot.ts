// A vote: whose it is, what counter it takes, and the receipt that answers it, which must be the service's for this vote.

import { hex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { parseJson, type Json } from '../core/json.ts';
import type { Charter } from '../core/charter.ts';
import { networkOf } from '../core/network.ts';
import type { KeyPair } from '../core/keys.ts';
import { submission as submissionStatement, vote as voteStatement, type Choice, type Statement, type VoteFields } from '../core/statement.ts';
import { parseSignature, signStatement, sponsorSpeaker, verifies, verifyStatement, type Speaker } from '../core/signature.ts';
import { checkReceipt, type SignedReceipt, type SignedVote } from '../core/vote.ts';
import { MAX_U32 } from '../core/number.ts';
import { postJson } from '../ui/api.ts';
import { voteOf, type CastVote, type SubmissionView } from './views.ts';

/**
 * The work that is voted on: the submission that the page names, as the developer signed it. Its id is the digest of what
 * was signed, so nothing else can be put under a vote.
 */
export function checkedWork(charter: Charter, view: SubmissionView, asked: string): SubmissionView {
  const statement = submissionStatement(view.fields);
  if (view.id !== asked || hex(statement.digest) !== asked || view.fields.charter !== charter.id || view.fields.network !== charter.network.name) {
    refuse('untrue', 'submission', 'submission is not so: the service tells of other work than this page. Sign nothing here');
  }
  verifyStatement(statement, parseSignature(view.signature, 'submission.signature'), submitter(charter, view), 'submission.signature');
  const { milestone, named } = view.fields;
  if (!charter.hasPart(milestone)) {
    refuse('untrue', 'submission.milestone', 'submission.milestone is not so: the terms have no such part of the work. Sign nothing here');
  }
  if (named) charter.sharesFor(named.payees);
  return view;
}

function submitter(charter: Charter, { fields: { named } }: SubmissionView): Speaker {
  return charter.submitter(named) ?? refuse('untrue', 'submission.named', 'submission.named is not so: the project has no leader who could name payees');
}

/** A pledge that votes: its number, and the key under which it does. */
export interface Voter {
  readonly index: number;
  readonly sponsorKey: string;
}

/** What a pledge has said so far. */
export interface Said {
  readonly choice: Choice | null;
  readonly counter: number | null;
}

/** Whether a vote is this pledge's own, on this submission: the service cannot make one. */
export function isOwn(charter: Charter, submission: string, voter: Voter, vote: CastVote): boolean {
  if (vote.pledge !== voter.index || vote.submission !== submission || vote.charter !== charter.id || vote.network !== charter.network.name) return false;
  try {
    return verifies(voteStatement(vote), parseSignature(vote.signature, 'vote'), sponsorSpeaker(voter.sponsorKey));
  } catch {
    return false;
  }
}

/** The highest counter decides; under one counter two choices are a no. What is not signed by the pledge's key counts nothing. */
export function said(charter: Charter, submission: SubmissionView, voter: Voter): Said {
  let best: Said = { choice: null, counter: null };
  for (const vote of submission.votes.filter((each) => isOwn(charter, submission.id, voter, each))) {
    if (best.counter === null || vote.counter > best.counter) best = { choice: vote.choice, counter: vote.counter };
    else if (vote.counter === best.counter && vote.choice !== best.choice) best = { choice: 'no', counter: vote.counter };
  }
  return best;
}

/** What the counter of a pledge's votes is remembered under. */
export const counterName = (submission: string, voter: Voter): string => `vote ${submission} ${voter.sponsorKey}`;

/** The next vote: above what the service tells, and above `own`, the highest counter that is known here (-1: none). */
export function nextVote(charter: Charter, submission: SubmissionView, voter: Voter, choice: Choice, own = -1): VoteFields {
  const counter = Math.max(said(charter, submission, voter).counter ?? -1, own) + 1;
  if (counter > MAX_U32) refuse('too_many_votes', 'counter', 'counter: this vote can change no more');
  return { network: charter.network.name, charter: charter.id, submission: submission.id, pledge: voter.index, choice, counter };
}

/** Whether a vote came after the window had closed, by the chain's time in its receipt. */
export const isLate = ({ receipt }: Receipt, view: SubmissionView): boolean => receipt.statement.tip_mtp_secs > (view.closesSecs ?? -1);

/** The highest counter in receipts that somebody saved; those of other pledges or other work do not count. -1: none. */
export function counterOf(text: string, charter: Charter, submission: string, voter: Voter): number {
  const read = parseJson(text, 'receipts');
  // The command line saves one by itself.
  const receipts: readonly Json[] = Array.isArray(read) ? (read as readonly Json[]) : [read];
  const votes = receipts.map((receipt, at) => voteOf(receipt, `receipts.${at}`));
  return Math.max(-1, ...votes.filter((vote) => isOwn(charter, submission, voter, vote)).map(({ counter }) => counter));
}

export const statementOf = (fields: VoteFields): Statement => voteStatement(fields);
export const signed = (fields: VoteFields, signature: string): SignedVote => ({ statement: { ...fields }, signature });
export const signedBy = (fields: VoteFields, key: KeyPair): SignedVote => signed(fields, signStatement(voteStatement(fields), key));

export interface Receipt {
  readonly vote: SignedVote;
  readonly receipt: SignedReceipt;
}

/** Hands a vote in; what comes back is checked under the charter's receipt key, and must be this vote. */
export async function cast(charter: Charter, vote: SignedVote): Promise<Receipt> {
  const answer = (await postJson(charter.id, '/votes', vote)) as { readonly [key: string]: Json };
  const receipt = answer.receipt as unknown as SignedReceipt;
  const kept = answer.vote as unknown as SignedVote;
  if (receipt?.statement === undefined || kept?.statement === undefined) refuse('receipt', 'receipt', 'receipt: the service gave none. Vote again, or with the command line');
  const { network } = networkOf(kept.statement.network) === charter.network ? { network: charter.network.name } : refuse('receipt', 'vote.network', 'vote.network: the service kept another vote than yours');
  const mine = vote.statement;
  for (const field of ['charter', 'submission', 'pledge', 'choice', 'counter'] as const) {
    if (kept.statement[field] !== mine[field] || network !== mine.network) refuse('receipt', `vote.${field}`, `vote.${field}: the service kept another vote than yours`);
  }
  checkReceipt(charter, vote, receipt);
  return { vote, receipt };
}
