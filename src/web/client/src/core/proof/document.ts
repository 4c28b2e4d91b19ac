// The proof document: all public data of one task, as JSON of an exact shape. Whoever reads it trusts neither the
// service that wrote it nor its claims; check.ts checks them.

import { refuse } from '../error.ts';
import { parseJson } from '../json.ts';
import type { RefundSignatures } from '../refund.ts';
import type { NamedPayee } from '../statement.ts';
import {
  flag, hash32, hexText, list, matching, nullable, object, oneOf, outpoint, record, some, tagged, text, u16, u32, u64, type Of,
} from './shape.ts';

/** Format of the document. */
export const VERSION = 1;

const network = oneOf('mainnet', 'testnet4', 'signet', 'regtest');
const role = oneOf('developer', 'representative', 'arbiter');
/** 128 hex digits (BIP340), or `smp` and base64 (BIP322). */
const signature = text;
const height = (value: unknown, path: string): string => {
  const known = typeof value === 'string' && /^(?:0|[1-9]\d{0,9})$/.test(value) && Number(value) <= 0xffff_ffff;
  return known ? value : refuse('shape', path, `${path} is no height`);
};

const tip = object({ height: u32, hash: hash32, mtp_secs: u32 });
const confirmation = object({ height: u32, block_hash: hash32, position: u32, mtp_secs: u32 });
const standing = tagged('standing', {
  vanished: {}, seen: {}, confirming: { depth: u32, of: u32 }, credited: {}, gift: {}, below_minimum: {},
  surplus: { reason: oneOf('late', 'over_cap', 'already_settled', 'not_a_remainder') },
});

const payee = object({ address: text, share_bps: u16 });
const submission = object({
  network, charter: hash32, number: u32, link: text, content: hash32, block_height: u32, block_hash: hash32,
  milestone: nullable(u32),
  named: nullable(object({ by: oneOf('representative', 'leader'), payees: list(payee) })),
});
const move = object({
  network, charter: hash32, outpoint, to_charter: hash32, to_index: u32, to_address: text,
});
const vote = object({
  network, charter: hash32, submission: hash32, pledge: u32, choice: oneOf('yes', 'no'), counter: u32,
});
const receipt = object({
  network, charter: hash32, vote: hash32, tip_height: u32, tip_hash: hash32, tip_mtp_secs: u32,
});
const mergeConfirmation = object({
  network, charter: hash32, submission: hash32, confirmed: oneOf('merged', 'released'), block_height: u32, block_hash: hash32,
});
const acceptance = object({ network, charter: hash32, submission: hash32, accepted: flag });
const ruling = object({ network, charter: hash32, submission: hash32, pay_bps: u16 });
const party = matching(/^(?:developer|representative|arbiter|leader|pledge (?:0|[1-9]\d{0,9}))$/, 'a party');
const evidence = object({
  network, charter: hash32, submission: hash32, kind: oneOf('dispute', 'evidence'), by: party, text,
  attachments: list(hash32), counter: u32,
});
const castVote = object({
  vote: object({ statement: vote, signature }),
  receipt: nullable(object({ statement: receipt, signature })),
});
const tally = object({
  electorate_sat: u64, yes_sat: u64, no_sat: u64, quorum_met: flag, threshold_reached: flag,
  choices: record(height, oneOf('yes', 'no')), late: record(height, oneOf('yes', 'no')),
});

const kind = tagged('kind', {
  payout: { submission: hash32 }, early_return: {}, ruling: { submission: hash32 }, milestone: { submission: hash32 },
  move: { to: hash32 },
});
const terms = object({
  charter: hash32, for: kind, feerate_sat_per_vb: u64,
  inputs: list(object({
    outpoint, amount_sat: u64, index: u32, generation: u32, sponsor_key: nullable(hash32), pay_bps: u16,
    return_address: nullable(text),
  })),
  payees: some(payee),
});

const proof = object({
  version: u32,
  charter_id: hash32,
  charter: text,
  text,
  attestations: record(role, signature),
  opened: flag,
  tip,
  addresses: list(object({ index: u32, generation: u32, script_pubkey: hexText, address: text, descriptor: text })),
  pledges: list(object({
    index: u32, sponsor_key: hash32, refund_address: text, signature, promised_sat: u64, issued_mtp_secs: u32,
  })),
  outpoints: list(object({
    outpoint, index: u32, generation: u32, amount_sat: u64, secured: flag,
    spend: nullable(object({ txid: hash32, vin: u32, path: oneOf('key', 'cooperative', 'refund', 'unknown') })),
    standing,
  })),
  transactions: record(hash32, object({ raw: nullable(hexText), confirmation: nullable(confirmation), branch: list(hash32) })),
  headers: record(height, hexText),
  submissions: list(object({
    id: hash32, submission: object({ statement: submission, signature }), block_hash: hash32, block_mtp_secs: u32,
    confirmation: nullable(object({
      confirmation: object({ statement: mergeConfirmation, signature }), block_hash: hash32, block_mtp_secs: u32,
    })),
    votes: list(castVote),
    acceptance: nullable(object({ statement: acceptance, signature })),
    ruling: nullable(object({ statement: ruling, signature })),
    evidence: nullable(list(object({ statement: evidence, signature }))),
    tally,
  })),
  settlements: list(object({
    id: hash32, terms, signed_by: list(role), proposed_mtp_secs: u32,
    transactions: list(list(object({ feerate_sat_per_vb: u64, fee_sat: u64, txid: hash32 }))),
  })),
  moves: some(object({ statement: move, signature })),
  late_moves: some(object({ statement: move, signature })),
  totals: object({
    seen_sat: u64, awaiting_depth_sat: u64, credited_sat: u64, gifts_sat: u64, surplus_sat: u64, below_minimum_sat: u64,
    raised_sat: u64, settled_sat: u64, refunded_sat: u64, secured_sat: u64,
  }),
});

export type ProofDocument = Of<typeof proof>;
export type TipDocument = Of<typeof tip>;
export type ConfirmationDocument = Of<typeof confirmation>;
export type StandingDocument = Of<typeof standing>;
export type SubmissionProof = ProofDocument['submissions'][number];
export type SettlementProof = ProofDocument['settlements'][number];
export type OutpointProof = ProofDocument['outpoints'][number];
export type PledgeProof = ProofDocument['pledges'][number];
export type SpendPath = NonNullable<OutpointProof['spend']>['path'];
export type VoteDocument = Of<typeof vote>;
export type CastVoteDocument = Of<typeof castVote>;
/** Payees may be left out where none are named. */
export type TermsDocument = Omit<Of<typeof terms>, 'payees'> & { readonly payees?: readonly NamedPayee[] };
export type MoveDocument = Of<typeof move>;
export type Kind = Of<typeof kind>;

/** Reads a document strictly: no unknown and no repeated key at any depth. Checks nothing else. */
export function parseProof(given: string): ProofDocument {
  const json = parseJson(given, 'proof');
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (typeof version === 'number' && version !== VERSION) {
    refuse('version', 'version', `version: ${version}; this page reads ${VERSION}`);
  }
  return proof(json, '');
}

/** Reads a vote that its sponsor handed over: the file of `upfront vote --receipt`. */
export const parseCastVote = (given: string, field: string): CastVoteDocument =>
  castVote(parseJson(given, field), field);

const prepared = object({
  refunds: list(object({ outpoint, amount_sat: u64, pair: hexText, ladder: list(hexText) })),
});

/** The answer to `GET .../settlements/{id}/prepared-refunds`, read strictly. */
export const parsePrepared = (given: string, field: string): readonly RefundSignatures[] => prepared(parseJson(given, field), field).refunds;
