// Signing a plan with a signer's account key: every form for which a PSBT was given, all its inputs, by the two-of-three
// leaf. What may be signed is judged before (proof/allowed.ts). The key is used and forgotten; no error names it.

import type { Charter } from '../charter.ts';
import { refuse } from '../error.ts';
import type { Account } from '../keys.ts';
import { signSchnorr, verifySchnorr, type KeyPair } from '../point.ts';
import { ROLES, type Role } from '../signer-key.ts';
import { formsOf, placeWords, type Plan, type Placed } from './plan.ts';
import { messagesOf, psbtOf } from './psbts.ts';

const xpubOf = (expression: string): string => expression.slice(expression.indexOf(']') + 1);

/** Refuses an account that is not the one of a seat. */
export function requireSeat(charter: Charter, role: Role, account: Account): void {
  const own = xpubOf(account.expression);
  if (own === charter.signer(role).xpub) return;
  const other = ROLES.find((seat) => charter.signer(seat).xpub === own);
  const hint = other === undefined ? 'check the phrase, and the number of the account' : `it is the ${other}'s: choose that seat`;
  refuse('sign_other_key', 'key', `this is not the ${role}'s account key of the charter: ${hint}`);
}

/** A form with one signer's signatures. */
export interface SignedForm {
  readonly chunkAt: number;
  readonly formAt: number;
  readonly txid: string;
  /** Base64. */
  readonly psbt: string;
}

/** Signs the forms that `wanted` names by txid, one after the other as they are asked for: thousands of signatures take a
 * while. Without auxiliary randomness: equal plans give equal signatures. */
export function* signPlan(
  charter: Charter, plan: Plan, role: Role, account: Account, wanted: ReadonlySet<string>,
): Generator<SignedForm, void, undefined> {
  requireSeat(charter, role, account);
  const keys = new Map<string, KeyPair>();
  try {
    for (const placed of formsOf(plan)) {
      if (wanted.has(placed.form.txid)) yield signForm(charter, placed, role, account, keys);
    }
  } finally {
    for (const { secret } of keys.values()) secret.fill(0);
  }
}

/** All inputs of one form; `keys` holds those that other forms needed, by `generation/index`. */
function signForm(charter: Charter, placed: Placed, role: Role, account: Account, keys: Map<string, KeyPair>): SignedForm {
  const messages = messagesOf(placed);
  const signatures = placed.chunk.inputs.map(({ term, output }, at) => {
    const slot = `${term.generation}/${term.index}`;
    const key = keys.get(slot) ?? account.child(term.generation, term.index);
    keys.set(slot, key);
    const message = messages[at];
    const no = (): never => refuse('sign_failed', 'key', `${placeWords(placed)}: the signature for ${term.outpoint} does not verify; nothing was signed`);
    if (message === undefined || key.publicKey !== output.signerKeys[ROLES.indexOf(role)]) return no();
    const signature = signSchnorr(message, key);
    // A fault in this machine must not leave it: a wrong signature can give a key away.
    return verifySchnorr(signature, message, key.publicKey) ? { key: key.publicKey, signature } : no();
  });
  const { chunkAt, formAt, form } = placed;
  return { chunkAt, formAt, txid: form.txid, psbt: psbtOf(charter, placed, signatures).base64() };
}
