// The charter: parties, terms and T, agreed before the first address is shown and never edited. A Charter that
// exists is a valid one, made from its canonical bytes alone; its id commits to every byte. The rules and their
// order are those of src/escrow/charter in the crate, with the same codes.

import { parseAddress, type Address } from './address.ts';
import { hex, isHash, textOf, utf8 } from './bytes.ts';
import { shaped, type CharterFields, type Payee } from './charter-shape.ts';
import { refuse, UpfrontError } from './error.ts';
import { taggedHash } from './hash.ts';
import { canonical, duplicateKey, hasFraction, parseLoose, type Json } from './json.ts';
import { networkOf, type Network } from './network.ts';
import { MAX_31, MAX_MONEY_SAT } from './number.ts';
import { liftX } from './point.ts';
import { serviceSpeaker, signerSpeaker, sponsorSpeaker, verifyStatement, type Speaker, type StatementSignature } from './signature.ts';
import { ROLES, parseSignerKey, sameKey, type Role, type SignerKey } from './signer-key.ts';
import { attest, type Named } from './statement.ts';
import { UNSEEN } from './words.ts';

export type { CharterFields, Leader, Payee, Seat } from './charter-shape.ts';

const MAX_CHARTER_BYTES = 32_768;
const MAX_ENTRIES = 20;
/** Below it a locktime is a block height. */
const FIRST_TIME = 500_000_000;
/** Dust limit of a Taproot output. */
const LEAST_MINIMUM_SAT = 330;
const MAX_FEERATE_CAP = 2_000;

/** Where a share of a payout goes. */
export interface Share {
  /** `payee 1`, `leader`, `operator`. */
  readonly name: string;
  readonly address: Address;
  readonly shareBps: number;
}

export class Charter {
  readonly fields: CharterFields;
  /** Canonical JSON (RFC 8785). */
  readonly text: string;
  /** Tagged hash `upfront/charter` of the canonical bytes. */
  readonly id: string;
  readonly network: Network;
  /** In the order of ROLES. */
  readonly signers: readonly [SignerKey, SignerKey, SignerKey];
  readonly shares: readonly Share[];

  private constructor(fields: CharterFields, text: string, network: Network, signers: readonly [SignerKey, SignerKey, SignerKey], shares: readonly Share[]) {
    this.fields = fields;
    this.text = text;
    this.id = hex(taggedHash('upfront/charter', utf8(text)));
    this.network = network;
    this.signers = signers;
    this.shares = shares;
  }

  /** Reads the canonical bytes and checks every value; throws an UpfrontError for the first rule broken. */
  static parse(given: Uint8Array | string): Charter {
    const bytes = typeof given === 'string' ? utf8(given) : given;
    if (bytes.length > MAX_CHARTER_BYTES) {
      refuse('charter_too_long', 'charter', `the charter has ${bytes.length} bytes; at most ${MAX_CHARTER_BYTES} are accepted`);
    }
    const text = notJson(() => textOf(bytes, 'charter'));
    const value = notJson(() => parseLoose(text, 'charter'));
    if (hasFraction(text)) refuse('charter_not_json', 'charter', 'the charter is not JSON of ours: amounts are whole numbers, without fraction or exponent');
    const twice = duplicateKey(text);
    if (twice !== null) refuse('charter_duplicate_key', twice, `the key ${JSON.stringify(twice.slice(0, 40))} is given twice; keep one`);
    const fields = shaped(value);
    const network = networkOf(fields.network);
    const signers = checkSigners(fields, network);
    checkTexts(fields);
    checkTimes(fields, network);
    checkAmounts(fields);
    checkRules(fields);
    const shares = checkShares(fields, network);
    checkPublicKey(fields.receipt_key, 'receipt_key');
    if (fields.pot !== null) canonicalAddress(fields.pot, network, 'pot');
    if (canonical(fields as unknown as Json) !== text) {
      refuse('charter_not_canonical', 'charter', 'the charter is not in canonical form (RFC 8785): keys in order, without spaces');
    }
    return new Charter(fields, text, network, signers, shares);
  }

  get bytes(): Uint8Array {
    return utf8(this.text);
  }

  signer(role: Role): SignerKey {
    return this.signers[ROLES.indexOf(role)] ?? this.signers[0];
  }

  /** Under which keys a signer's statements verify. */
  speaker(role: Role): Speaker {
    return signerSpeaker(this.signer(role));
  }

  /** Everybody who is paid where a submission names `payees` in place of the charter's; the charter's own without any.
   * Leader and operator keep their shares. Throws where the payees are none. */
  sharesFor(payees: readonly Payee[]): readonly Share[] {
    return payees.length === 0 ? this.shares : checkShares({ ...this.fields, payees }, this.network);
  }

  /** Under which keys the leader's statements verify, where there is one. */
  get leader(): Speaker | null {
    return this.fields.leader === null ? null : sponsorSpeaker(this.fields.leader.key);
  }

  /** Who signs a submission: the developer, or whoever names other payees; null where the charter has no such person. */
  submitter(named: Named | null | undefined): Speaker | null {
    if (!named) return this.speaker('developer');
    return named.by === 'representative' ? this.speaker('representative') : this.leader;
  }

  /** Whether a submission of this milestone is for a part that there is: none where the work is one whole. */
  hasPart(milestone: number | null | undefined): boolean {
    const count = this.fields.milestones.length;
    return typeof milestone === 'number' ? count > 1 && milestone < count : count === 1;
  }

  /** What the leader confirms before sponsors vote; null: the submission opens the vote. */
  get awaits(): 'merged' | 'released' | null {
    return this.fields.vote_opens === 'none' ? null : this.fields.vote_opens;
  }

  /** Last median time past at which a merge or release is confirmed: review and ruling end before the cut-off then. */
  get confirmationDeadline(): number {
    return this.cutoffSecs - this.fields.review_secs - this.fields.ruling_secs;
  }

  /** Last median time past of any ruling, where there are several milestones: what waits for one keeps the rest of a pledge
   * from being paid, and that has to be signed before the cut-off. */
  get lastRuling(): number | null {
    return this.fields.milestones.length > 1 ? this.cutoffSecs - this.network.cutoffSecs : null;
  }

  /** Under which key the service's receipts verify. */
  get receipts(): Speaker {
    return serviceSpeaker(this.fields.receipt_key);
  }

  /** Nothing new is started from here on. */
  get cutoffSecs(): number {
    return this.fields.refund_time - this.network.cutoffSecs;
  }

  /** Throws where a signer's attestation of this charter does not verify. */
  verifyAttestation(role: Role, signature: StatementSignature): void {
    verifyStatement(attest(this.id), signature, this.speaker(role), `attestations.${role}`);
  }
}

function notJson<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    return refuse('charter_not_json', 'charter', error.message);
  }
}

function checkSigners(fields: CharterFields, network: Network): readonly [SignerKey, SignerKey, SignerKey] {
  if (fields.version !== 1) refuse('charter_version', 'version', `version: charter version ${fields.version} is not known; this page reads version 1`);
  const parse = (role: Role): SignerKey => {
    const field = `${role}.key`;
    const key = parseSignerKey(fields[role].key, network, field);
    // One spelling only: `'` and `h` would give one charter two ids.
    if (key.text !== fields[role].key) refuse('charter_text', field, `${field}: write the path with h and the fingerprint in lower case`);
    return key;
  };
  const signers = [parse('developer'), parse('representative'), parse('arbiter')] as const;
  const [developer, representative, arbiter] = signers;
  const pairs: [Role, SignerKey, Role, SignerKey][] = [
    ['developer', developer, 'representative', representative],
    ['developer', developer, 'arbiter', arbiter],
    ['representative', representative, 'arbiter', arbiter],
  ];
  for (const [first, a, second, b] of pairs) {
    if (sameKey(a, b)) {
      refuse('charter_duplicate_signer', `${second}.key`, `${first} and ${second} have the same key: the three signers must be three keys`);
    }
  }
  return signers;
}

function checkTexts(fields: CharterFields): void {
  const check = (field: string, value: string, max: number): void => {
    const no = (reason: string): never => refuse('charter_text', field, `${field} ${reason}`);
    if (value.trim() === '') no('must not be empty');
    if (utf8(value).length > max) no('is too long');
    if (UNSEEN.test(value)) no('has characters that cannot be seen, or more than one line');
  };
  check('repository', fields.repository, 300);
  for (const role of ROLES) check(`${role}.nominated_by`, fields[role].nominated_by, 200);
  check('licence', fields.licence, 100);
  if (!/^[A-Za-z0-9 .\-+()]+$/.test(fields.licence)) {
    refuse('charter_text', 'licence', 'licence is not an SPDX expression, such as MIT or Apache-2.0');
  }
}

function checkTimes(fields: CharterFields, network: Network): void {
  for (const field of ['refund_time', 'funding_close', 'work_deadline'] as const) {
    if (fields[field] < FIRST_TIME) refuse('charter_not_a_time', field, `${field} is no time: times are Unix seconds from 500000000 on`);
  }
  if (fields.refund_time > MAX_31) refuse('charter_time_too_late', 'refund_time', 'refund_time is past 2038-01-19');
  if ((fields.refund_time - network.gridOffsetSecs) % network.gridSecs !== 0) {
    refuse('charter_off_grid', 'refund_time', `refund_time is off the grid of ${network.name}`);
  }
  const windows = [['review_secs', network.minReviewSecs], ['ruling_secs', network.minRulingSecs]] as const;
  for (const [field, least] of windows) {
    if (fields[field] < least) refuse('charter_window_too_short', field, `${field} is ${fields[field]} s; on ${network.name} it is at least ${least} s`);
  }
  const before = (earlier: string, earlierAt: number, later: string, laterAt: number): void => {
    if (earlierAt > laterAt) refuse('charter_out_of_order', earlier, `${earlier} (${earlierAt}) must come before ${later} (${laterAt})`);
  };
  before('funding_close', fields.funding_close, 'work_deadline', fields.work_deadline);
  const ruled = fields.work_deadline + fields.review_secs + fields.ruling_secs;
  before('work_deadline + review_secs + ruling_secs', ruled, 'the payout cut-off', fields.refund_time - network.cutoffSecs);
  let last = 0;
  for (const { due } of fields.milestones) {
    before('milestones: one due', last, 'the next', due);
    last = due;
  }
  before('milestones: the last due', last, 'work_deadline', fields.work_deadline);
}

function checkAmounts(fields: CharterFields): void {
  for (const field of ['minimum_pledge_sat', 'target_sat', 'cap_sat'] as const) {
    if (BigInt(fields[field]) > MAX_MONEY_SAT) refuse('charter_too_much', field, `${field} is more than 21 million BTC`);
  }
  if (fields.minimum_pledge_sat < LEAST_MINIMUM_SAT) {
    refuse('charter_dust_minimum', 'minimum_pledge_sat', `minimum_pledge_sat is below ${LEAST_MINIMUM_SAT}: so little cannot be refunded or paid`);
  }
  if (fields.minimum_pledge_sat > fields.target_sat) {
    refuse('charter_amount_order', 'minimum_pledge_sat', 'minimum_pledge_sat must not be more than target_sat');
  }
  if (fields.target_sat > fields.cap_sat) refuse('charter_amount_order', 'target_sat', 'target_sat must not be more than cap_sat');
}

function checkRules(fields: CharterFields): void {
  if (fields.depth < 1 || fields.depth > 100) refuse('charter_depth', 'depth', 'depth: from 1 to 100 confirmations');
  const { threshold_bps: threshold, quorum_bps: quorum } = fields.acceptance;
  // A threshold of half or less would let a minority move silent money.
  if (threshold < 5_001 || threshold > 10_000) refuse('charter_rate', 'acceptance.threshold_bps', 'acceptance.threshold_bps: 5001 to 10000');
  if (quorum > 10_000) refuse('charter_rate', 'acceptance.quorum_bps', 'acceptance.quorum_bps: 0 to 10000');
  if (fields.funding_rule === 'all_or_nothing' && fields.submissions_open !== 'when_target_credited') {
    refuse('charter_early_submissions', 'submissions_open', 'submissions_open: an all-or-nothing charter opens them when_target_credited');
  }
  const cap = fields.feerate_cap_sat_per_vb;
  if (cap < 1 || cap > MAX_FEERATE_CAP) refuse('charter_feerate_cap', 'feerate_cap_sat_per_vb', `feerate_cap_sat_per_vb: from 1 to ${MAX_FEERATE_CAP}`);
  checkCount('milestones', fields.milestones.length);
  fields.milestones.forEach((milestone, at) => checkShare(milestone.share_bps, `milestones.${at}.share_bps`));
  checkWhole('milestones', fields.milestones.map((milestone) => milestone.share_bps));
}

function checkShares(fields: CharterFields, network: Network): readonly Share[] {
  checkCount('payees', fields.payees.length);
  const shares: Share[] = fields.payees.map((payee, at) => ({
    name: `payee ${at + 1}`,
    address: canonicalAddress(payee.address, network, `payees.${at}.address`),
    shareBps: checkShare(payee.share_bps, `payees.${at}.share_bps`),
  }));
  if (fields.leader !== null) {
    checkPublicKey(fields.leader.key, 'leader.key');
    const address = canonicalAddress(fields.leader.address, network, 'leader.address');
    // A leader without a share still has an address to be told; only a share makes an output.
    if (fields.leader.share_bps > 0) {
      shares.push({ name: 'leader', address, shareBps: checkShare(fields.leader.share_bps, 'leader.share_bps') });
    }
  }
  if (fields.operator !== null) {
    const address = canonicalAddress(fields.operator.address, network, 'operator.address');
    shares.push({ name: 'operator', address, shareBps: checkShare(fields.operator.share_bps, 'operator.share_bps') });
  }
  checkWhole('payees, leader and operator', shares.map((share) => share.shareBps));
  return shares;
}

function checkShare(bps: number, field: string): number {
  return bps >= 1 && bps <= 10_000 ? bps : refuse('charter_share', field, `${field}: a share is 1 to 10000 bps`);
}

function checkWhole(what: string, shares: readonly number[]): void {
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum !== 10_000) refuse('charter_share_sum', what, `the shares of ${what} add up to ${sum} bps; they must make 10000`);
}

function checkCount(field: string, count: number): void {
  if (count < 1 || count > MAX_ENTRIES) refuse('charter_count', field, `${field}: ${count} entries; from 1 to ${MAX_ENTRIES}`);
}

function checkPublicKey(key: string, field: string): void {
  if (!isHash(key) || liftX(key) === null) {
    refuse('charter_public_key', field, `${field}: not an x-only public key (64 lower-case hex digits, BIP340)`);
  }
}

/** An address in its one canonical spelling. */
function canonicalAddress(text: string, network: Network, field: string): Address {
  const address = parseAddress(text, network, field);
  if (address.text !== text) refuse('charter_text', field, `${field}: write bech32 addresses in lower case`);
  return address;
}
