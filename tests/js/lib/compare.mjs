// Comparing what was recomputed with what the file says, with the name of the field in every complaint.

export function equal(computed, given, name) {
  if (computed !== given) {
    throw new Error(`${name}: computed ${JSON.stringify(computed)}, the file says ${JSON.stringify(given)}`);
  }
}

// An object with exactly these keys: nothing in the file goes unchecked.
export function exactKeys(value, keys, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error(`${name}: not an object`);
  const given = Object.keys(value).sort().join(' ');
  const wanted = [...keys].sort().join(' ');
  if (given !== wanted) throw new Error(`${name}: has the fields ${given}; wanted are ${wanted}`);
}

// The fields of `computed` are those of `given`, with equal values.
export function equalFields(computed, given, name) {
  for (const [key, value] of Object.entries(computed)) equal(value, given[key], `${name}.${key}`);
}

export function integer(value, max, name) {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new Error(`${name}: not an integer up to ${max}`);
  return value;
}
