// What a person is told when something on the way told what cannot be so: which thing, in plain words. The true value is
// not repeated: an address is shown in its own place and nowhere before.

import { UpfrontError } from '../core/error.ts';
import { capital } from '../core/words.ts';
import { ServiceError } from '../ui/api.ts';

const NAMES: Readonly<Record<string, string>> = {
  charter: 'the terms of the task',
  text: 'the text of the task',
  terms: 'the terms as the service lists them',
  open_address: 'the address for gifts',
  index: 'the number of your pledge',
  sponsor_key: 'the key in your pledge',
  refund_address: 'the address that your refund goes to',
  signature: 'the signature on your pledge',
  promised_sat: 'the amount of your pledge',
  address: 'the address to pay',
  descriptor: 'the output to pay',
  uri: 'the payment link',
  pledge: 'your pledge',
};

const TERMS: Readonly<Record<string, string>> = {
  refund_time: 'the refund time',
  developer: 'the developer’s key',
  representative: 'the representative’s key',
  arbiter: 'the arbiter’s key',
  payees: 'who is paid',
  cap_sat: 'the cap',
  target_sat: 'the target',
  minimum_pledge_sat: 'the least pledge',
};

/** Errors of this side: nobody lied. */
const OWN = new Set(['index_taken', 'no_index_left', 'no_key', 'no_randomness']);

/** Whether an error says that the service lies, and not merely that it refuses or is silent. */
export const isLie = (error: unknown): error is UpfrontError =>
  error instanceof UpfrontError && !(error instanceof ServiceError) && !OWN.has(error.code) && !/^(?:phrase|move)_/.test(error.code);

/** One sentence for the field of an error. */
export function lieWords({ code, field }: UpfrontError): string {
  const [first = '', second] = field.split('.');
  if (code === 'not_attested') return `The ${second ?? 'signer'} has not agreed to the terms of this task, or the agreement was held back.`;
  if (first === 'attestations') return `The agreement of the ${second ?? 'signer'} is not one to the terms of this task.`;
  if ((first === 'charter' || first === 'terms') && second !== undefined) {
    return `Among the terms, ${TERMS[second] ?? `the field “${second}”`} is not the one that this page’s address stands for.`;
  }
  const name = NAMES[first] ?? `the field “${field}”`;
  return `${capital(name)} does not follow from the task’s terms and the keys.`;
}
