// What the service tells, read with care: a shape that does not fit is an answer that is not used.

import { refuse } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import { networkOf } from '../core/network.ts';
import { MAX_31, MAX_U32, integer, sat } from '../core/number.ts';
import type { Attestations } from '../core/check.ts';
import { ROLES } from '../core/signer-key.ts';
import { MAX_GENERATION } from '../core/output.ts';
import type { MoveFields, Named, SubmissionFields, VoteFields } from '../core/statement.ts';

export type Fields = { readonly [key: string]: Json };

/** A pledge under another charter. */
export interface Destination {
  readonly toCharter: string;
  readonly toIndex: number;
}

export interface Held {
  readonly outpoint: string;
  /** Of the address it pays: above 0 for what settlements left in escrow. */
  readonly generation: number;
  readonly amount: bigint;
  /** Milestones, from 0, that it has not paid yet; null where the service does not say. */
  readonly uncovered: readonly number[] | null;
  /** Null while the chain is not known. */
  readonly standing: string | null;
  readonly secured: boolean;
  readonly pairOnly: boolean;
  readonly ended: boolean;
  /** Where it goes at the refund time, as its sponsor signed; null where nothing is signed, or something spends it. */
  readonly lateMove: Destination | null;
}

export interface PledgeView {
  readonly index: number;
  readonly address: string;
  readonly descriptor: string;
  readonly sponsorKey: string;
  readonly refundAddress: string;
  readonly signature: string;
  readonly promised: bigint;
  readonly uri: string;
  readonly outpoints: readonly Held[];
}

/** A vote as it is told: whose it is, its signature says. */
export interface CastVote extends VoteFields {
  readonly signature: string;
}

export interface SubmissionView {
  readonly id: string;
  /** As it was signed: by the developer, or by whoever names other payees. */
  readonly fields: SubmissionFields;
  readonly signature: string;
  /** Null while the vote waits for a merge or release that nobody has confirmed. */
  readonly closesSecs: number | null;
  readonly closed: boolean;
  readonly votes: readonly CastVote[];
}

/** A consent to a move as it is told: whose it is, its signature says. */
export interface GivenMove extends MoveFields {
  readonly signature: string;
}

/** What a move needs of a task's proof document. */
export interface ChainView {
  /** Median time past of the tip. */
  readonly mtpSecs: number;
  /** Raw transactions, hex, by the id that they are told under; null where the service has none. */
  readonly transactions: ReadonlyMap<string, string | null>;
  readonly moves: readonly GivenMove[];
}

export interface TaskView {
  readonly charter: string;
  readonly text: string;
  /** The charter's fields as the service tells them beside its bytes. */
  readonly terms: Json;
  readonly attestations: Attestations;
  readonly openAddress: string | null;
  readonly nextIndex: number;
  readonly pledges: readonly PledgeView[];
}

const no = (field: string): never => refuse('answer', field, `${field}: the service's answer is not one; it is broken, or something stands between`);

/** An object of the service's answer; throws where it is none. */
export function fieldsOf(value: Json | undefined, field: string): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : no(field);
}

function list(value: Json | undefined, field: string): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : no(field);
}

const text = (value: Json | undefined, field: string): string => (typeof value === 'string' ? value : no(field));
const flag = (value: Json | undefined, field: string): boolean => (typeof value === 'boolean' ? value : no(field));

function destinationOf(value: Json | undefined, field: string): Destination {
  const given = fieldsOf(value, field);
  return {
    toCharter: text(given.to_charter, `${field}.to_charter`),
    toIndex: integer(given.to_index, `${field}.to_index`, 1, MAX_31),
  };
}

function heldOf(value: Json, field: string): Held {
  const given = fieldsOf(value, field);
  const standing = given.standing ?? null;
  return {
    outpoint: text(given.outpoint, `${field}.outpoint`),
    generation: integer(given.generation ?? 0, `${field}.generation`, 0, MAX_GENERATION),
    uncovered: (given.uncovered ?? null) === null ? null
      : list(given.uncovered, `${field}.uncovered`).map((milestone) => integer(milestone, `${field}.uncovered`, 0, MAX_U32)),
    amount: sat(given.amount_sat, `${field}.amount_sat`),
    standing: standing === null ? null : text(standing, `${field}.standing`),
    secured: flag(given.secured, `${field}.secured`),
    pairOnly: flag(given.pair_only, `${field}.pair_only`),
    ended: (given.ended ?? null) !== null,
    lateMove: (given.late_move ?? null) === null ? null : destinationOf(given.late_move, `${field}.late_move`),
  };
}

export function pledgeOf(value: Json, field = 'pledge'): PledgeView {
  const given = fieldsOf(value, field);
  return {
    index: integer(given.index, `${field}.index`, 1, MAX_31),
    address: text(given.address, `${field}.address`),
    descriptor: text(given.descriptor, `${field}.descriptor`),
    sponsorKey: text(given.sponsor_key, `${field}.sponsor_key`),
    refundAddress: text(given.refund_address, `${field}.refund_address`),
    signature: text(given.signature, `${field}.signature`),
    promised: sat(given.promised_sat, `${field}.promised_sat`),
    uri: text(given.uri, `${field}.uri`),
    outpoints: list(given.outpoints, `${field}.outpoints`).map((held, at) => heldOf(held, `${field}.outpoints.${at}`)),
  };
}

export function voteOf(value: Json, field: string): CastVote {
  const vote = fieldsOf(fieldsOf(value, field).vote, field);
  const given = fieldsOf(vote.statement, field);
  const choice = text(given.choice, `${field}.choice`);
  if (choice !== 'yes' && choice !== 'no') return no(`${field}.choice`);
  return {
    network: networkOf(given.network).name, charter: text(given.charter, field), submission: text(given.submission, field), choice,
    pledge: integer(given.pledge, `${field}.pledge`, 1, MAX_31), counter: integer(given.counter, `${field}.counter`, 0, MAX_U32),
    signature: text(vote.signature, field),
  };
}

export function namedOf(value: Json | undefined, field: string): Named | null {
  if ((value ?? null) === null) return null;
  const given = fieldsOf(value, field);
  const by = text(given.by, `${field}.by`);
  if (by !== 'representative' && by !== 'leader') return no(`${field}.by`);
  const payees = list(given.payees, `${field}.payees`).map((payee, at) => {
    const { address, share_bps: share } = fieldsOf(payee, `${field}.payees.${at}`);
    return { address: text(address, `${field}.payees.${at}.address`), share_bps: integer(share, `${field}.payees.${at}.share_bps`, 0, 10_000) };
  });
  return { by, payees };
}

export function submissionOf(value: Json, field = 'submission'): SubmissionView {
  const given = fieldsOf(value, field);
  const signed = fieldsOf(given.submission, field);
  const said = fieldsOf(signed.statement, field);
  return {
    id: text(given.id, `${field}.id`),
    fields: {
      network: networkOf(said.network).name, charter: text(said.charter, field), number: integer(said.number, `${field}.number`, 0, MAX_U32),
      link: text(said.link, field), content: text(said.content, field),
      blockHeight: integer(said.block_height, `${field}.block_height`, 0, MAX_U32), blockHash: text(said.block_hash, field),
      milestone: (said.milestone ?? null) === null ? null : integer(said.milestone, `${field}.milestone`, 0, MAX_U32),
      named: namedOf(said.named, `${field}.named`),
    },
    signature: text(signed.signature, field),
    closesSecs: given.window === null ? null : integer(fieldsOf(given.window, `${field}.window`).closes_secs, `${field}.window.closes_secs`, 0, Number.MAX_SAFE_INTEGER),
    closed: flag(given.closed, `${field}.closed`),
    votes: list(given.votes, `${field}.votes`).map((vote, at) => voteOf(vote, `${field}.votes.${at}`)),
  };
}

export function taskOf(value: Json): TaskView {
  const given = fieldsOf(value, 'task');
  const attestations = fieldsOf(given.attestations, 'attestations');
  const open = given.open_address ?? null;
  return {
    charter: text(given.charter, 'charter'),
    text: text(given.text, 'text'),
    terms: given.terms ?? null,
    attestations: Object.fromEntries(
      ROLES.flatMap((role) => (Object.hasOwn(attestations, role) ? [[role, text(attestations[role], `attestations.${role}`)]] : [])),
    ),
    openAddress: open === null ? null : text(open, 'open_address'),
    nextIndex: integer(given.next_index, 'next_index', 1, MAX_U32),
    pledges: list(given.pledges, 'pledges').map((pledge, at) => pledgeOf(pledge, `pledges.${at}`)),
  };
}

function moveOf(value: Json, field: string): GivenMove {
  const signed = fieldsOf(value, field);
  const given = fieldsOf(signed.statement, field);
  return {
    network: networkOf(given.network).name, charter: text(given.charter, field), outpoint: text(given.outpoint, field),
    toCharter: text(given.to_charter, field), toIndex: integer(given.to_index, `${field}.to_index`, 1, MAX_31),
    toAddress: text(given.to_address, field), signature: text(signed.signature, field),
  };
}

export function chainOf(value: Json): ChainView {
  const given = fieldsOf(value, 'proof');
  const raw = (entry: Json, field: string): string | null => {
    const { raw: found } = fieldsOf(entry, field);
    return (found ?? null) === null ? null : text(found, field);
  };
  return {
    mtpSecs: integer(fieldsOf(given.tip, 'proof.tip').mtp_secs, 'proof.tip.mtp_secs', 0, MAX_U32),
    transactions: new Map(Object.entries(fieldsOf(given.transactions, 'proof.transactions'))
      .map(([id, entry]) => [id, raw(entry, `proof.transactions.${id}`)])),
    moves: (given.moves ?? null) === null ? [] : list(given.moves, 'proof.moves').map((move, at) => moveOf(move, `proof.moves.${at}`)),
  };
}
