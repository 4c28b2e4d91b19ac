// Reads JSON strictly: every key of a shape and no other, every value of its kind, whole numbers within their
// bounds. What comes out is the same JSON, with a type.

import { refuse } from '../error.ts';

export type Shape<T> = (value: unknown, path: string) => T;
export type Of<S> = S extends Shape<infer T> ? T : never;

const wrong = (path: string, what: string): never => refuse('shape', path, `${path} is not ${what}`);
const below = (path: string, key: string | number): string => (path === '' ? `${key}` : `${path}/${key}`);

export const text: Shape<string> = (value, path) => (typeof value === 'string' ? value : wrong(path, 'a text'));
export const flag: Shape<boolean> = (value, path) => (typeof value === 'boolean' ? value : wrong(path, 'true or false'));

export const whole = (most: number): Shape<number> => (value, path) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : wrong(path, `a whole number from 0 to ${most}`);

export const u16 = whole(0xffff);
export const u32 = whole(0xffff_ffff);
/** Satoshis, or whatever else 64 bits hold; beyond 2^53 JSON readers differ, and nothing honest is. */
export const u64 = whole(Number.MAX_SAFE_INTEGER);

export const matching = (pattern: RegExp, what: string): Shape<string> => (value, path) =>
  typeof value === 'string' && pattern.test(value) ? value : wrong(path, what);
export const hash32 = matching(/^[0-9a-f]{64}$/, '64 lower-case hex digits');
export const hexText = matching(/^(?:[0-9a-f]{2})*$/, 'lower-case hex');
export const outpoint = matching(/^[0-9a-f]{64}:(?:0|[1-9]\d{0,9})$/, 'an outpoint, txid:vout');

export const oneOf = <const T extends string>(...values: T[]): Shape<T> => (value, path) =>
  values.find((known) => known === value) ?? wrong(path, `one of ${values.join(', ')}`);

export const nullable = <T>(shape: Shape<T>): Shape<T | null> => (value, path) =>
  value === null || value === undefined ? null : shape(value, path);

export const list = <T>(shape: Shape<T>): Shape<T[]> => (value, path) =>
  Array.isArray(value) ? value.map((entry, at) => shape(entry, below(path, at))) : wrong(path, 'a list');

/** A list that is left out where it is empty. */
export const some = <T>(shape: Shape<T>): Shape<T[]> => (value, path) => (value === undefined ? [] : list(shape)(value, path));

function entries(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong(path, 'an object');
  return value as Record<string, unknown>;
}

/** An object with keys of one kind. */
export const record = <T>(key: Shape<string>, shape: Shape<T>): Shape<Record<string, T>> => (value, path) => {
  const read: [string, T][] = Object.entries(entries(value, path)).map(([name, inner]) => [
    key(name, below(path, name)), shape(inner, below(path, name)),
  ]);
  return Object.fromEntries(read);
};

/** An object with exactly these keys; one whose shape is nullable may be left out. */
export const object = <S extends Record<string, Shape<unknown>>>(shape: S): Shape<{ [K in keyof S]: Of<S[K]> }> =>
  (value, path) => {
    const given = entries(value, path);
    const unknown = Object.keys(given).find((key) => !Object.hasOwn(shape, key));
    if (unknown !== undefined) refuse('unknown_key', below(path, unknown), `${below(path, unknown)} is a key that nobody knows`);
    const read = Object.entries(shape).map(([key, inner]) => [
      key, inner(Object.hasOwn(given, key) ? given[key] : undefined, below(path, key)),
    ]);
    return Object.fromEntries(read) as { [K in keyof S]: Of<S[K]> };
  };

/** One of several objects, told apart by the text under `tag`. */
export const tagged = <K extends string, M extends Record<string, Record<string, Shape<unknown>>>>(tag: K, variants: M) => {
  type Variant = { [V in keyof M & string]: { [N in K]: V } & { [F in keyof M[V]]: Of<M[V][F]> } }[keyof M & string];
  const shape: Shape<Variant> = (value, path) => {
    const name = entries(value, path)[tag];
    const fields = typeof name === 'string' && Object.hasOwn(variants, name) ? variants[name] : undefined;
    if (fields === undefined) return wrong(below(path, tag), `one of ${Object.keys(variants).join(', ')}`);
    return object({ [tag]: text, ...fields })(value, path) as unknown as Variant;
  };
  return shape;
};
