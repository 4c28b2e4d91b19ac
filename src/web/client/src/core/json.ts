// JSON read strictly: what JSON.parse lets pass and two readers could read differently is refused (a key given
// twice, half a surrogate pair), and RFC 8785 is how it is written.

import { refuse } from './error.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const STRING = /"(?:[^"\\]|\\.)*"/gs;

/** The first key that some object of the text gives twice, or null. `text` must be JSON. */
export function duplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  // Strings, brackets and colons are all that matters; a string followed by a colon is a key.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1).trimEnd()) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return null;
}

/** Whether a number is written with a fraction or an exponent. */
export const hasFraction = (text: string): boolean => /\d[.eE]/.test(text.replace(STRING, '""'));

/** Whether some string holds half a surrogate pair, which UTF-8 cannot say. */
function halfPair(value: Json): boolean {
  if (typeof value === 'string') return /\p{Cs}/u.test(value);
  if (Array.isArray(value)) return (value as readonly Json[]).some(halfPair);
  if (value === null || typeof value !== 'object') return false;
  return Object.entries(value).some(([key, inner]) => halfPair(key) || halfPair(inner as Json));
}

/** Deeper than any document of ours, and far from what recursion can bear. */
const MAX_DEPTH = 64;

function tooDeep(text: string): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Parses JSON; a text that is none, too deep, or has half a surrogate pair is refused. Keys are unique, too. */
export function parseJson(text: string, field: string): Json {
  const value = parseLoose(text, field);
  const twice = duplicateKey(text);
  if (twice !== null) refuse('duplicate_key', field, `${field}: the key ${JSON.stringify(twice.slice(0, 40))} is given twice`);
  return value;
}

/** The same without looking for keys given twice, for who has words of their own for that. */
export function parseLoose(text: string, field: string): Json {
  if (tooDeep(text)) refuse('not_json', field, `${field} is not JSON of ours: it is nested too deep`);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    // The parser's own words quote the text, which may be secret.
    return refuse('not_json', field, `${field} is not JSON, or it is cut off`);
  }
  if (halfPair(value)) refuse('not_json', field, `${field} is not JSON: it has half a surrogate pair`);
  return value;
}

/** RFC 8785: keys in order of their UTF-16 code units, no space; ECMAScript writes the rest as it asks. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const object = value as { readonly [key: string]: Json };
    const keys = Object.keys(object).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(object[key] as Json)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
