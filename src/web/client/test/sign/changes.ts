// Changes to PSBTs and JSON, one at a time.

import { Psbt, type PsbtInput } from '../../src/core/psbt.ts';
import { serialize, parseTransaction, type Transaction, type TxIn, type TxOut } from '../../src/core/tx.ts';
import type { Json } from './fixture.ts';

interface MutableTx {
  version: number;
  lockTime: number;
  inputs: TxIn[];
  outputs: TxOut[];
}

/** A PSBT with another transaction, and the fields of those inputs that are still there. */
export function withTx(psbt: Psbt, change: (tx: MutableTx) => void): Psbt {
  const tx = parseTransaction(serialize(psbt.unsignedTx), 'tx') as Transaction as unknown as MutableTx;
  change(tx);
  const made = Psbt.fromUnsigned(tx);
  made.inputs.forEach((input, at) => input.map.fields.push(...(psbt.inputs[at]?.map.fields ?? [])));
  return Psbt.parse(made.bytes());
}

/** A PSBT with changed fields of one input. */
export function withInput(psbt: Psbt, at: number, change: (input: PsbtInput) => void): Psbt {
  const made = Psbt.parse(psbt.bytes());
  const input = made.inputs[at];
  if (input === undefined) throw new Error(`no input ${at}`);
  change(input);
  return Psbt.parse(made.bytes());
}

export type Path = readonly (string | number)[];

/** Every value of a JSON that is no list and no object, with its path. */
export function* leaves(value: Json, path: Path = []): Generator<{ path: Path; value: Json }> {
  if (Array.isArray(value)) {
    for (const [at, inner] of value.entries()) yield* leaves(inner, [...path, at]);
  } else if (value !== null && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) yield* leaves(inner, [...path, key]);
  } else {
    yield { path, value };
  }
}

/** The JSON with another value at a path; undefined takes it away. */
export function replaced(json: Json, path: Path, value: Json | undefined): Json {
  const copy = structuredClone(json);
  const last = path.at(-1);
  let at: Json = copy;
  for (const step of path.slice(0, -1)) at = (at as Record<string | number, Json>)[step] as Json;
  if (Array.isArray(at) && typeof last === 'number' && value === undefined) at.splice(last, 1);
  else if (value === undefined) delete (at as Record<string | number, Json>)[last as string];
  else (at as Record<string | number, Json>)[last as string] = value;
  return copy;
}

export const valueAt = (json: Json, path: Path): Json =>
  path.reduce<Json>((at, step) => (at as Record<string | number, Json>)[step] as Json, json);

/** Another value of the same kind: as near as can be. */
export function another(value: Json): Json {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return 'something';
  const words: Record<string, string> = {
    yes: 'no', no: 'yes', regtest: 'signet', credited: 'seen', gift: 'credited', below_minimum: 'credited', payout: 'ruling',
    ruling: 'payout', early_return: 'payout',
  };
  const known = words[value];
  if (known !== undefined) return known;
  // The last digit, so that hex stays hex and an outpoint an outpoint.
  const end = value.at(-1) ?? '';
  const other = /[0-9a-f]/.test(end) ? (end === '0' ? '1' : '0') : 'x';
  return value.slice(0, -1) + other;
}
