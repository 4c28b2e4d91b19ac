// A vote: whose it is, what counter it takes, and the receipt that answers it, which must be the service's for this vote.

import { hex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import type { Charter } from '../core/charter.ts';
import { networkOf } from '../core/network.ts';
import type { KeyPair } from '../core/keys.ts';
import { submission, vote as voteStatement, type Choice, type Statement, type VoteFields } from '../core/statement.ts';
import { parseSignature, signStatement, verifyStatement } from '../core/signature.ts';
import { checkReceipt, type SignedReceipt, type SignedVote } from '../core/vote.ts';
import { MAX_U32, integer } from '../core/number.ts';
import { postJson } from '../ui/api.ts';
import type { SubmissionView } from './views.ts';

/** Checks that the developer signed this very work under this id; its link, as signed. */
export function workOf(charter: Charter, { id, signed: given }: SubmissionView): { readonly link: string; readonly content: string } {
  const { statement, signature } = given as { readonly statement: { readonly [key: string]: Json }; readonly signature: Json };
  const { number, link, content, block_height: height, block_hash: hash } = statement;
  const said = submission({
    network: charter.network.name,
    charter: charter.id,
    number: integer(number, 'submission.number', 0, MAX_U32),
    link: String(link),
    content: String(content),
    blockHeight: integer(height, 'submission.block_height', 0, MAX_U32),
    blockHash: String(hash),
  });
  if (hex(said.digest) !== id) refuse('untrue', 'submission', 'submission is not so: the work shown is not the one under this id');
  verifyStatement(said, parseSignature(signature, 'submission.signature'), charter.speaker('developer'), 'submission.signature');
  return { link: String(link), content: String(content) };
}

/** What a pledge has said so far. */
export interface Said {
  readonly choice: Choice | null;
  readonly counter: number | null;
}

/** The highest counter decides; under one counter two choices are a no. */
export function said(work: SubmissionView, pledge: number): Said {
  let best: Said = { choice: null, counter: null };
  for (const vote of work.votes.filter((each) => each.pledge === pledge)) {
    if (best.counter === null || vote.counter > best.counter) best = { choice: vote.choice, counter: vote.counter };
    else if (vote.counter === best.counter && vote.choice !== best.choice) best = { choice: 'no', counter: vote.counter };
  }
  return best;
}

export function nextVote(charter: Charter, work: SubmissionView, pledge: number, choice: Choice): VoteFields {
  const { counter } = said(work, pledge);
  if (counter === MAX_U32) refuse('too_many_votes', 'counter', 'counter: this vote can change no more');
  return { network: charter.network.name, charter: charter.id, submission: work.id, pledge, choice, counter: counter === null ? 0 : counter + 1 };
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
