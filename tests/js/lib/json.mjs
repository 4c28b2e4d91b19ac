// What JSON.parse does not do: find keys given twice, refuse fractions, and write RFC 8785.

// The first key that some object of the text gives twice, or null. `text` must be JSON.
export function duplicateKey(text) {
  const open = [];
  let found = null;
  // Strings, brackets and colons are all that matters; a string followed by a colon is a key.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1));
      if (found === null && open.at(-1).has(key)) found = key;
      open.at(-1).add(key);
    }
  }
  return found;
}

export const hasFraction = (text) => /\d[.eE]/.test(text.replace(/"(?:[^"\\]|\\.)*"/gs, '""'));

// RFC 8785: keys in order of their UTF-16 code units, no space; ECMAScript writes the rest as it asks.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
