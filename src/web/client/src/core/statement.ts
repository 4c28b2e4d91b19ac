// Signed statements: what a person says with a key, as readable lines under a BIP340 tagged hash. One field a
// line, `name: value`, in a fixed order, each ended by a line feed (docs/PROTOCOL.md, section 5).

import { hash, unhex, utf8 } from './bytes.ts';
import { refuse } from './error.ts';
import { taggedHash } from './hash.ts';
import type { NetworkName } from './network.ts';
import { MAX_31, MAX_U32, integer } from './number.ts';
import { outpointText, parseOutpoint } from './tx.ts';

export interface Statement {
  /** BIP340 tag. */
  readonly tag: string;
  /** The word for it in errors. */
  readonly name: string;
  /** What a wallet is shown (BIP322), and what is hashed but for attestations. */
  readonly lines: string;
  /** What is signed. */
  readonly digest: Uint8Array;
}

export type Choice = 'yes' | 'no';

export function statement(tag: string, name: string, fields: readonly (readonly [string, string | number])[]): Statement {
  const lines = fields.map(([field, value]) => `${field}: ${value}\n`).join('');
  return { tag, name, lines, digest: taggedHash(tag, utf8(lines)) };
}

/** A signer's agreement to a charter: over the 32 bytes of its id. */
export function attest(charter: string): Statement {
  const id = unhex(hash(charter, 'charter'), 'charter');
  return { tag: 'upfront/attest', name: 'attestation', lines: charter, digest: taggedHash('upfront/attest', id) };
}

export interface PledgeFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly index: number;
  /** S, x-only. */
  readonly sponsorKey: string;
  readonly refundAddress: string;
}

export const pledge = (given: PledgeFields): Statement =>
  statement('upfront/pledge', 'pledge', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['index', integer(given.index, 'index', 1, MAX_31)],
    ['sponsor key', hash(given.sponsorKey, 'sponsor_key')],
    ['refund address', oneLine(given.refundAddress, 'refund_address')],
  ]);

export interface SubmissionFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly number: number;
  readonly link: string;
  /** SHA-256 of what was delivered. */
  readonly content: string;
  readonly blockHeight: number;
  readonly blockHash: string;
  /** Which part of the work, from 0; where the charter has more than one. */
  readonly milestone?: number | null;
  /** Others who are to be paid in place of the charter's payees. */
  readonly named?: Named | null;
}

/** A payee with a share of a payout. */
export interface NamedPayee {
  readonly address: string;
  readonly share_bps: number;
}

/** Payees that a submission names, and who does: they sign it in the developer's place. */
export interface Named {
  readonly by: 'representative' | 'leader';
  readonly payees: readonly NamedPayee[];
}

/** The lines of payees that are named, in submissions and in the terms of settlements alike. */
export const payeeLines = (payees: readonly NamedPayee[]): [string, string][] => payees.map(({ address, share_bps: share }, at) =>
  ['payee', `${oneLine(address, `named.payees.${at}.address`)}, ${integer(share, `named.payees.${at}.share_bps`, 0, 0xffff)} bps`]);

/** Whether two lists of payees pay the same. */
export const samePayees = (a: readonly NamedPayee[], b: readonly NamedPayee[]): boolean => a.length === b.length &&
  a.every(({ address, share_bps: share }, at) => b[at]?.address === address && b[at].share_bps === share);

function namedLines({ by, payees }: Named): [string, string][] {
  if (by !== 'representative' && by !== 'leader') refuse('statement_named_by', 'named.by', 'named.by is representative or leader');
  return [...payeeLines(payees), ['named by', by]];
}

export const submission = (given: SubmissionFields): Statement =>
  statement('upfront/submission', 'submission', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['number', integer(given.number, 'number', 0, MAX_U32)],
    ['link', oneLine(given.link, 'link')],
    ['content', hash(given.content, 'content')],
    ['block height', integer(given.blockHeight, 'block_height', 0, MAX_U32)],
    ['block hash', hash(given.blockHash, 'block_hash')],
    ...(given.milestone === undefined || given.milestone === null ? [] : [['milestone', integer(given.milestone, 'milestone', 0, MAX_U32)] as const]),
    ...(given.named ? namedLines(given.named) : []),
  ]);

export interface MoveFields {
  readonly network: NetworkName;
  /** The charter whose escrow it leaves. */
  readonly charter: string;
  readonly outpoint: string;
  readonly toCharter: string;
  /** Index and address of the new pledge. */
  readonly toIndex: number;
  readonly toAddress: string;
}

/** A sponsor's consent that an outpoint of theirs moves to a pledge of another charter; S signs it. */
export const move = (given: MoveFields): Statement =>
  statement('upfront/move', 'move', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['outpoint', outpointText(parseOutpoint(given.outpoint, 'outpoint'))],
    ['to charter', hash(given.toCharter, 'to_charter')],
    ['to index', integer(given.toIndex, 'to_index', 1, MAX_31)],
    ['to address', oneLine(given.toAddress, 'to_address')],
  ]);

export interface VoteFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly submission: string;
  readonly pledge: number;
  readonly choice: Choice;
  readonly counter: number;
}

export const vote = (given: VoteFields): Statement =>
  statement('upfront/vote', 'vote', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['submission', hash(given.submission, 'submission')],
    ['pledge', integer(given.pledge, 'pledge', 1, MAX_31)],
    ['choice', yesOrNo(given.choice, 'choice')],
    ['counter', integer(given.counter, 'counter', 0, MAX_U32)],
  ]);

export interface ConfirmationFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly submission: string;
  readonly confirmed: 'merged' | 'released';
  readonly blockHeight: number;
  readonly blockHash: string;
}

export const confirmation = (given: ConfirmationFields): Statement =>
  statement('upfront/confirm', 'confirmation', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['submission', hash(given.submission, 'submission')],
    ['confirmed', given.confirmed],
    ['block height', integer(given.blockHeight, 'block_height', 0, MAX_U32)],
    ['block hash', hash(given.blockHash, 'block_hash')],
  ]);

export interface AcceptanceFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly submission: string;
  readonly accepted: boolean;
}

export const acceptance = (given: AcceptanceFields): Statement =>
  statement('upfront/accept', 'acceptance', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['submission', hash(given.submission, 'submission')],
    ['accepted', given.accepted ? 'yes' : 'no'],
  ]);

export interface RulingFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly submission: string;
  readonly payBps: number;
}

export const ruling = (given: RulingFields): Statement =>
  statement('upfront/ruling', 'ruling', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['submission', hash(given.submission, 'submission')],
    ['pay', `${integer(given.payBps, 'pay_bps', 0, 10_000)} bps`],
  ]);

export interface EvidenceFields {
  readonly network: NetworkName;
  readonly charter: string;
  readonly submission: string;
  readonly kind: 'dispute' | 'evidence';
  /** `developer`, `representative`, `arbiter`, `leader`, or `pledge` and its number. */
  readonly by: string;
  readonly text: string;
  readonly attachments: readonly string[];
  readonly counter: number;
}

export const evidence = (given: EvidenceFields): Statement =>
  statement('upfront/evidence', 'evidence', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['submission', hash(given.submission, 'submission')],
    ['kind', given.kind],
    ['by', oneLine(given.by, 'by')],
    ['text', oneLine(given.text, 'text')],
    ...given.attachments.map((digest): [string, string] => ['attachment', hash(digest, 'attachments')]),
    ['counter', integer(given.counter, 'counter', 0, MAX_U32)],
  ]);

export interface ReceiptFields {
  readonly network: NetworkName;
  readonly charter: string;
  /** Digest of the vote. */
  readonly vote: string;
  readonly tipHeight: number;
  readonly tipHash: string;
  readonly tipMtpSecs: number;
}

export const receipt = (given: ReceiptFields): Statement =>
  statement('upfront/receipt', 'receipt', [
    ['network', given.network],
    ['charter', hash(given.charter, 'charter')],
    ['vote', hash(given.vote, 'vote')],
    ['tip height', integer(given.tipHeight, 'tip_height', 0, MAX_U32)],
    ['tip hash', hash(given.tipHash, 'tip_hash')],
    ['tip median time', integer(given.tipMtpSecs, 'tip_mtp_secs', 0, MAX_U32)],
  ]);

function oneLine(text: string, field: string): string {
  if (text === '' || /\p{Cc}/u.test(text)) refuse('statement_line', field, `${field} is not one line of text`);
  return text;
}

function yesOrNo(choice: unknown, field: string): Choice {
  return choice === 'yes' || choice === 'no' ? choice : refuse('statement_choice', field, `${field} is yes or no`);
}
