// What was checked and may be signed, or what speaks against it.

import type { Charter } from '../core/charter.ts';
import type { Account } from '../core/keys.ts';
import type { Finding } from '../core/proof/findings.ts';
import type { Role } from '../core/signer-key.ts';

/** What was checked, and what signing it gives. */
export interface Prepared {
  readonly role: Role;
  readonly charter: Charter;
  readonly shown: readonly HTMLElement[];
  readonly confirm: string;
  /** The elements of the result: files to save, and where they go. */
  sign(account: Account): Promise<HTMLElement[]>;
}

/** What speaks against signing, to be shown. */
export class Refusal extends Error {
  readonly title: string;
  readonly findings: readonly Finding[];
  constructor(title: string, findings: readonly Finding[]) {
    super(title);
    this.title = title;
    this.findings = findings;
  }
}

export const one = (title: string, problem: string, field = ''): never => {
  throw new Refusal(title, [{ field, problem }]);
};
