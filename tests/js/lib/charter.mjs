// The rules of a charter (PROTOCOL, section 3), written a second time: the code of the first rule that a
// text breaks, or null. The order of the rules is part of what is compared.

import { schnorr } from '@noble/curves/secp256k1.js';
import { HDKey } from '@scure/bip32';
import { Address } from '@scure/btc-signer';
import { canonical, duplicateKey, hasFraction } from './json.mjs';
import { hex, limits, NETWORKS, utf8 } from './keys.mjs';

const ROLES = ['developer', 'representative', 'arbiter'];
const H = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0';
const MAX_MONEY = 21e14;
const U16 = 2 ** 16 - 1;
const U32 = 2 ** 32 - 1;

class Refused extends Error {}
const refuse = (code) => { throw new Refused(code); };
const must = (holds, code) => holds || refuse(code);

// ---- Shape: types of all fields; `?` may be null or absent.

const text = (value) => typeof value === 'string';
const hash = (value) => text(value) && /^[0-9a-f]{64}$/.test(value);
const flag = (value) => typeof value === 'boolean';
const upTo = (max) => (value) => Number.isInteger(value) && value >= 0 && value <= max;
const oneOf = (...values) => (value) => values.includes(value);
const list = (shape) => (value) => Array.isArray(value) && value.every((entry) => fits(shape, entry));
const u16 = upTo(U16);
const u32 = upTo(U32);
const sat = upTo(Number.MAX_SAFE_INTEGER);

const SEAT = { key: text, nominated_by: text };
const PAYEE = { address: text, share_bps: u16 };
const SHAPE = {
  version: u32,
  network: oneOf(...Object.keys(NETWORKS)),
  task: hash,
  text_hash: hash,
  repository: text,
  licence: text,
  developer: SEAT,
  representative: SEAT,
  arbiter: SEAT,
  refund_time: u32,
  depth: u32,
  funding_close: u32,
  work_deadline: u32,
  review_secs: u32,
  ruling_secs: u32,
  target_sat: sat,
  cap_sat: sat,
  minimum_pledge_sat: sat,
  acceptance: { threshold_bps: u16, quorum_bps: u16, silence: oneOf('pay', 'hold'), yes_waits: flag },
  milestones: [{ share_bps: u16, due: u32 }],
  payees: [PAYEE],
  'leader?': { ...PAYEE, key: text },
  'operator?': PAYEE,
  funding_rule: oneOf('keep', 'all_or_nothing'),
  submissions_open: oneOf('at_once', 'when_target_credited'),
  vote_opens: oneOf('none', 'merged', 'released'),
  'pot?': text,
  receipt_key: text,
  feerate_cap_sat_per_vb: sat,
};

function fits(shape, value) {
  if (typeof shape === 'function') return shape(value);
  if (Array.isArray(shape)) return list(shape[0])(value);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  return Object.entries(shape).every(([name, inner]) => {
    const key = name.replace('?', '');
    if (name.endsWith('?') && (value[key] === null || !Object.hasOwn(value, key))) return true;
    return Object.hasOwn(value, key) && fits(inner, value[key]);
  });
}

function known(shape, value) {
  if (typeof shape === 'function' || value === null) return true;
  if (Array.isArray(shape)) return value.every((entry) => known(shape[0], entry));
  return Object.entries(value).every(([key, inner]) => {
    const found = shape[key] ?? shape[`${key}?`];
    return found !== undefined && known(found, inner);
  });
}

// ---- Keys

const parses = (attempt) => {
  try {
    return attempt() ?? true;
  } catch {
    return null;
  }
};

function looksPrivate(value) {
  const words = value.trim().split(/\s+/);
  if ([12, 15, 18, 21, 24].includes(words.length) && words.every((word) => /^[a-z]{3,8}$/.test(word))) return true;
  return value.split(/[^A-Za-z0-9]/).some(
    (part) =>
      (/^.prv/.test(part) && part.length > 50) ||
      part.startsWith('nsec1') ||
      /^[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}$/.test(part),
  );
}

function signerKey(value, network) {
  must(!looksPrivate(value), 'key_private');
  const step = '(0|[1-9]\\d*)([h\']?)';
  const form = new RegExp(`^\\[([0-9a-fA-F]{8})/${step}/${step}/${step}\\]([^/]*)(/.*)?$`);
  const found = form.exec(value) ?? refuse('key_not_an_expression');
  const [, , purpose, h1, coin, h2, account, h3, xpub, suffix] = found;
  must([purpose, coin, account].every((number) => Number(number) < 2 ** 31), 'key_not_an_expression');
  if (suffix !== undefined) {
    must(!/\*[h'H]$/.test(suffix), 'key_hardened_wildcard');
    must(!suffix.endsWith('*'), 'key_wildcard');
    refuse('key_trailing_path');
  }
  const read = (name) => parses(() => HDKey.fromExtendedKey(xpub, NETWORKS[name].versions));
  const key = read(network);
  if (key === null) {
    const other = network === 'mainnet' ? 'regtest' : 'mainnet';
    refuse(read(other) === null ? 'key_invalid_xpub' : 'key_wrong_network');
  }
  must(purpose === '87', 'key_wrong_purpose');
  must(Number(coin) === NETWORKS[network].coinType, 'key_wrong_coin_type');
  must(h1 && h2 && h3, 'key_not_hardened');
  must(key.depth === 3, 'key_depth');
  must(key.index === Number(account) + 2 ** 31, 'key_account');
  must(hex(key.publicKey.slice(1)) !== H, 'key_nums');
  must(/^\[[0-9a-f]{8}(\/\d+h){3}\]/.test(value), 'charter_text');
  return hex(key.publicKey);
}

const publicKey = (value) =>
  must(hash(value) && parses(() => schnorr.utils.lift_x(BigInt(`0x${value}`))) !== null, 'charter_public_key');

// ---- Addresses

const decoded = (value, name) => parses(() => Address(NETWORKS[name].addresses).decode(value));

function address(value, network) {
  const own = decoded(value, network);
  if (own === null) {
    const elsewhere = Object.keys(NETWORKS).some((name) => decoded(value, name) !== null);
    refuse(elsewhere ? 'charter_address_network' : 'charter_address');
  }
  must(Address(NETWORKS[network].addresses).encode(own) === value, 'charter_text');
}

// ---- The rules, in order

function signers(terms) {
  must(terms.version === 1, 'charter_version');
  const keys = ROLES.map((role) => signerKey(terms[role].key, terms.network));
  must(new Set(keys).size === 3, 'charter_duplicate_signer');
}

// Control, bidirectional and zero-width characters.
const UNSEEN =
  /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u061c\u2028\u2029\u00ad\u{e0000}-\u{e007f}]/u;

function texts(terms) {
  const fine = (value, max) =>
    must(value.trim() !== '' && utf8(value).length <= max && !UNSEEN.test(value), 'charter_text');
  fine(terms.repository, 300);
  for (const role of ROLES) fine(terms[role].nominated_by, 200);
  fine(terms.licence, 100);
  must(/^[A-Za-z0-9 .\-+()]+$/.test(terms.licence), 'charter_text');
}

function times(terms) {
  const { step, offset, cutoff, review, ruling } = limits(terms.network);
  const { refund_time: end, funding_close: close, work_deadline: work } = terms;
  for (const time of [end, close, work]) must(time >= 500_000_000, 'charter_not_a_time');
  must(end < 2 ** 31, 'charter_time_too_late');
  must((end - offset) % step === 0, 'charter_off_grid');
  must(terms.review_secs >= review && terms.ruling_secs >= ruling, 'charter_window_too_short');
  must(close <= work, 'charter_out_of_order');
  must(work + terms.review_secs + terms.ruling_secs <= end - cutoff, 'charter_out_of_order');
  const due = [0, ...terms.milestones.map((milestone) => milestone.due), work];
  must(due.every((time, i) => i === 0 || due[i - 1] <= time), 'charter_out_of_order');
}

function amounts({ minimum_pledge_sat: minimum, target_sat: target, cap_sat: cap }) {
  for (const amount of [minimum, target, cap]) must(amount <= MAX_MONEY, 'charter_too_much');
  must(minimum >= 330, 'charter_dust_minimum');
  must(minimum <= target && target <= cap, 'charter_amount_order');
}

const whole = (shares) => must(shares.reduce((sum, share) => sum + share, 0) === 10_000, 'charter_share_sum');
const share = (bps) => must(bps >= 1 && bps <= 10_000, 'charter_share');
const count = (entries) => must(entries.length >= 1 && entries.length <= 20, 'charter_count');

function rules(terms) {
  must(terms.depth >= 1 && terms.depth <= 100, 'charter_depth');
  const { threshold_bps: threshold, quorum_bps: quorum } = terms.acceptance;
  must(threshold >= 5_001 && threshold <= 10_000 && quorum <= 10_000, 'charter_rate');
  must(
    terms.funding_rule !== 'all_or_nothing' || terms.submissions_open === 'when_target_credited',
    'charter_early_submissions',
  );
  must(terms.feerate_cap_sat_per_vb >= 1 && terms.feerate_cap_sat_per_vb <= 2_000, 'charter_feerate_cap');
  count(terms.milestones);
  for (const milestone of terms.milestones) share(milestone.share_bps);
  whole(terms.milestones.map((milestone) => milestone.share_bps));
}

function shares(terms) {
  count(terms.payees);
  for (const payee of terms.payees) {
    address(payee.address, terms.network);
    share(payee.share_bps);
  }
  if (terms.leader) {
    publicKey(terms.leader.key);
    address(terms.leader.address, terms.network);
    if (terms.leader.share_bps > 0) share(terms.leader.share_bps);
  }
  if (terms.operator) {
    address(terms.operator.address, terms.network);
    share(terms.operator.share_bps);
  }
  whole([...terms.payees, terms.leader, terms.operator].filter(Boolean).map((payee) => payee.share_bps));
}

// The code of the first rule that the text breaks, or null.
export function refusal(given) {
  try {
    must(utf8(given).length <= 32_768, 'charter_too_long');
    const terms = parses(() => JSON.parse(given));
    must(terms !== null && !hasFraction(given), 'charter_not_json');
    must(duplicateKey(given) === null, 'charter_duplicate_key');
    must(fits(SHAPE, terms), 'charter_shape');
    must(known(SHAPE, terms), 'charter_unknown_key');
    signers(terms);
    texts(terms);
    times(terms);
    amounts(terms);
    rules(terms);
    shares(terms);
    publicKey(terms.receipt_key);
    if (terms.pot) address(terms.pot, terms.network);
    must(canonical(terms) === given, 'charter_not_canonical');
    return null;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}
