// The charter as it is written: every key with its type, before any rule. Rules are in charter.ts.

import { isHash } from './bytes.ts';
import { refuse } from './error.ts';
import type { Json } from './json.ts';
import { isNetworkName, type NetworkName } from './network.ts';
import type { Role } from './signer-key.ts';

export interface Seat {
  readonly key: string;
  readonly nominated_by: string;
}

export interface Payee {
  readonly address: string;
  readonly share_bps: number;
}

export interface Leader extends Payee {
  readonly key: string;
}

/** All fields. Times are Unix seconds compared with the median time past, amounts satoshis, shares basis points. */
export interface CharterFields extends Readonly<Record<Role, Seat>> {
  readonly version: number;
  readonly network: NetworkName;
  readonly task: string;
  readonly text_hash: string;
  readonly repository: string;
  readonly licence: string;
  /** T: from here on a sponsor can take the pledge back alone. */
  readonly refund_time: number;
  readonly depth: number;
  readonly funding_close: number;
  readonly work_deadline: number;
  readonly review_secs: number;
  readonly ruling_secs: number;
  readonly target_sat: number;
  readonly cap_sat: number;
  readonly minimum_pledge_sat: number;
  readonly acceptance: {
    readonly threshold_bps: number;
    readonly quorum_bps: number;
    readonly silence: 'pay' | 'hold';
    readonly yes_waits: boolean;
  };
  readonly milestones: readonly { readonly share_bps: number; readonly due: number }[];
  readonly payees: readonly Payee[];
  readonly leader: Leader | null;
  readonly operator: Payee | null;
  readonly funding_rule: 'keep' | 'all_or_nothing';
  readonly submissions_open: 'at_once' | 'when_target_credited';
  readonly vote_opens: 'none' | 'merged' | 'released';
  readonly pot: string | null;
  readonly receipt_key: string;
  readonly feerate_cap_sat_per_vb: number;
}

type Shape = ((value: Json) => boolean) | readonly [Shape] | { readonly [key: string]: Shape };

const text = (value: Json): boolean => typeof value === 'string';
const flag = (value: Json): boolean => typeof value === 'boolean';
const upTo = (max: number) => (value: Json): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
const oneOf = (...values: string[]) => (value: Json): boolean => typeof value === 'string' && values.includes(value);
const u16 = upTo(0xffff);
const u32 = upTo(0xffff_ffff);
const sat = upTo(Number.MAX_SAFE_INTEGER);

const SEAT: Shape = { key: text, nominated_by: text };
const PAYEE = { address: text, share_bps: u16 };
// Keys that end in `?` may be null or absent.
const SHAPE: Shape = {
  version: u32,
  network: isNetworkName,
  task: isHash,
  text_hash: isHash,
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

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
const isListShape = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);
const join = (path: string, key: string | number): string => (path === '' ? `${key}` : `${path}.${key}`);

/** Path of the first value that is missing or of another type, or null. */
function misfit(shape: Shape, value: Json, path: string): string | null {
  if (typeof shape === 'function') return shape(value) ? null : path;
  if (isListShape(shape)) {
    if (!isList(value)) return path;
    return first(value.map((entry, at) => [entry, at] as const), ([entry, at]) => misfit(shape[0], entry, join(path, at)));
  }
  if (!isObject(value)) return path;
  return first(Object.entries(shape), ([name, inner]) => {
    const key = name.replace('?', '');
    const held = Object.hasOwn(value, key) ? value[key] : undefined;
    if (name.endsWith('?') && (held === null || held === undefined)) return null;
    return held === undefined ? join(path, key) : misfit(inner, held, join(path, key));
  });
}

/** Path of the first key that the shape lacks, or null. */
function unknown(shape: Shape, value: Json, path: string): string | null {
  if (typeof shape === 'function' || value === null) return null;
  if (isListShape(shape)) {
    return isList(value) ? first(value.map((entry, at) => [entry, at] as const), ([entry, at]) => unknown(shape[0], entry, join(path, at))) : null;
  }
  if (!isObject(value)) return null;
  return first(Object.entries(value), ([key, inner]) => {
    // Own keys only: `constructor` is no key of a charter.
    const name = [key, `${key}?`].find((one) => Object.hasOwn(shape, one) && one.replace('?', '') === key);
    return name === undefined ? join(path, key) : unknown(shape[name] as Shape, inner, join(path, key));
  });
}

function first<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}

/** The fields of a charter; absent optional ones are null, which is how the canonical form writes them. */
export function shaped(value: Json): CharterFields {
  const wrong = misfit(SHAPE, value, '');
  if (wrong !== null) {
    refuse('charter_shape', wrong || 'charter', `the charter's fields cannot be read: ${wrong === '' ? 'it is no object' : `${wrong} is missing or of another type`}`);
  }
  const stray = unknown(SHAPE, value, '');
  if (stray !== null) refuse('charter_unknown_key', stray, `the key ${JSON.stringify(stray.slice(0, 80))} is not part of a charter; remove it`);
  return { leader: null, operator: null, pot: null, ...(value as object) } as CharterFields;
}
