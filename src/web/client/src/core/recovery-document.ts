// The recovery file as it is written: JSON with every key in one place, as src/escrow/recovery writes and reads it.
// Shapes only; what a file must be to be trusted is in recovery.ts.

import { refuse } from './error.ts';
import type { Json } from './json.ts';

export interface SignedPart {
  readonly lock_time: number;
  readonly signature: string;
  readonly transaction: string;
}

export interface SignedRung extends SignedPart {
  readonly sat_per_vb: number;
}

export interface Entry {
  readonly outpoint: string;
  readonly amount_sat: number;
  /** Of the pledge's address that it pays: absent for the first. */
  readonly generation?: number;
  readonly pair: SignedPart;
  readonly ladder: readonly SignedRung[];
}

/** Every key of the file, in the order they are written. */
export interface RecoveryDocument {
  readonly version: number;
  /** For people. The only field that proves nothing and is not compared. */
  readonly instructions: readonly string[];
  readonly network: string;
  readonly charter_id: string;
  /** Canonical JSON of the charter, as a string. */
  readonly charter: string;
  readonly attestations: { readonly developer: string; readonly representative: string; readonly arbiter: string };
  readonly index: number;
  readonly sponsor_key: string;
  readonly sponsor_key_path: string | null;
  readonly phrase: string | null;
  readonly refund_address: string;
  readonly refund_path: string | null;
  readonly pledge_signature: string;
  readonly address: string;
  readonly descriptor: string;
  readonly private_descriptor: string | null;
  readonly outpoints: readonly Entry[];
}

type Shape = 'text' | 'maybe' | 'u32' | 'sat' | 'later' | readonly [Shape] | { readonly [key: string]: Shape };

const PART = { lock_time: 'u32', signature: 'text', transaction: 'text' } as const;
const SHAPE: Shape = {
  version: 'u32',
  instructions: ['text'],
  network: 'text',
  charter_id: 'text',
  charter: 'text',
  attestations: { developer: 'text', representative: 'text', arbiter: 'text' },
  index: 'u32',
  sponsor_key: 'text',
  sponsor_key_path: 'maybe',
  phrase: 'maybe',
  refund_address: 'text',
  refund_path: 'maybe',
  pledge_signature: 'text',
  address: 'text',
  descriptor: 'text',
  private_descriptor: 'maybe',
  outpoints: [{ outpoint: 'text', amount_sat: 'sat', generation: 'later', pair: PART, ladder: [{ sat_per_vb: 'sat', ...PART }] }],
};

const no = (field: string): never =>
  refuse('recovery_not_a_file', field, `this is no recovery file, or it is damaged: ${field} is missing, unknown or of another type`);

/** The value in the order of the shape; absent texts that may be null become null. */
function read(shape: Shape, value: Json | undefined, path: string): Json {
  const whole = (most: number): Json =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most ? value : no(path);
  if (shape === 'text') return typeof value === 'string' ? value : no(path);
  if (shape === 'maybe') return value === undefined || value === null ? null : read('text', value, path);
  if (shape === 'u32') return whole(0xffff_ffff);
  if (shape === 'later') return value === 0 ? no(path) : whole(999);
  if (shape === 'sat') return whole(Number.MAX_SAFE_INTEGER);
  if (Array.isArray(shape)) {
    const [inner] = shape as readonly [Shape];
    return Array.isArray(value) ? (value as readonly Json[]).map((item, at) => read(inner, item, `${path}.${at}`)) : no(path);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return no(path);
  const given = value as { readonly [key: string]: Json };
  const join = (key: string): string => (path === 'file' ? key : `${path}.${key}`);
  const stray = Object.keys(given).find((key) => !Object.hasOwn(shape, key));
  if (stray !== undefined) no(join(stray.slice(0, 80)));
  return Object.fromEntries(
    Object.entries(shape).filter(([key, inner]) => inner !== 'later' || Object.hasOwn(given, key)).map(([key, inner]) => [key, read(inner as Shape, Object.hasOwn(given, key) ? given[key] : undefined, join(key))]),
  );
}

export const documentOf = (value: Json): RecoveryDocument => read(SHAPE, value, 'file') as unknown as RecoveryDocument;

/** Path of the first value that differs, or null. Instructions are words for people, and are not compared. */
export function firstDifference(given: Json, derived: Json, path = ''): string | null {
  const join = (key: string): string => (path === '' ? key : `${path}.${key}`);
  if (given === derived) return null;
  if (given === null || derived === null || typeof given !== 'object' || typeof derived !== 'object') return path;
  const a = given as { readonly [key: string]: Json };
  const b = derived as { readonly [key: string]: Json };
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return path;
  for (const key of keys) {
    if (path === '' && key === 'instructions') continue;
    const found = Object.hasOwn(b, key) ? firstDifference(a[key] as Json, b[key] as Json, join(key)) : join(key);
    if (found !== null) return found;
  }
  return null;
}
