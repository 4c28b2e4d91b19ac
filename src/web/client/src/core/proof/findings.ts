// What is not so, by field. Findings are collected, not thrown: a signer is told all that speaks against signing.

/** Something in a document, a PSBT or terms that is not so. */
export interface Finding {
  /** Path of the field, steps parted by `/`, lists counted from 0: `submissions/0/votes/3/receipt`. */
  readonly field: string;
  readonly problem: string;
}

export class Findings {
  readonly all: Finding[] = [];

  add(field: string, problem: string): void {
    this.all.push({ field, problem });
  }

  /** Notes that `holds` does not. */
  unless(holds: boolean, field: string, problem: string): void {
    if (!holds) this.add(field, problem);
  }

  get none(): boolean {
    return this.all.length === 0;
  }
}

type Json = unknown;
const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Notes every leaf in which what a document claims differs from what follows from it. */
export function compareClaim(field: string, claimed: Json, computed: Json, findings: Findings): void {
  if (isObject(claimed) && isObject(computed)) {
    for (const key of new Set([...Object.keys(claimed), ...Object.keys(computed)])) {
      compareClaim(`${field}/${key}`, claimed[key], computed[key], findings);
    }
  } else if (Array.isArray(claimed) && Array.isArray(computed)) {
    for (let at = 0; at < Math.max(claimed.length, computed.length); at += 1) {
      compareClaim(`${field}/${at}`, claimed[at], computed[at], findings);
    }
  } else if (claimed !== computed) {
    const words = (value: Json): string => (value === undefined ? 'nothing' : JSON.stringify(value));
    findings.add(field, `claimed ${words(claimed)}, computed ${words(computed)}`);
  }
}
