// The content security policy that every page is served with, word for word as the design has it. Only what others embed
// may be framed, and that runs no script at all.

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types upfront";

export const EMBED_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors *";

/** A policy as a map, so that order and spacing do not matter. */
export function directives(policy) {
  return Object.fromEntries(policy.split(';').map((part) => part.trim()).filter(Boolean).map((part) => {
    const [name, ...values] = part.split(/\s+/);
    return [name, values.sort().join(' ')];
  }));
}
