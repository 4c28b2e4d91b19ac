// A task as it was checked in this browser: charter, attestations, addresses; and what the service must agree with.

import { checkPledge, checkTask, type CheckedTask } from '../core/check.ts';
import { refuse, UpfrontError } from '../core/error.ts';
import { canonical, parseJson, type Json } from '../core/json.ts';
import type { EscrowOutput } from '../core/output.ts';
import { ROLES, type Role } from '../core/signer-key.ts';
import { getJson, getText } from '../ui/api.ts';
import { linkAmount } from './amount.ts';
import { taskOf, type PledgeView, type TaskView } from './views.ts';

export interface OpenTask extends CheckedTask {
  readonly view: TaskView;
  /** In the order of ROLES. */
  readonly attestations: readonly [string, string, string];
}

const untrue = (field: string, words: string): never => refuse('untrue', field, `${field} is not so: ${words}`);

/** The first of the charter's fields that the service tells otherwise beside its bytes. */
export function firstOtherTerm(terms: Json, charterText: string): string | null {
  const charter = parseJson(charterText, 'charter');
  if (terms === null || typeof terms !== 'object' || Array.isArray(terms)) return 'terms';
  const told = terms as { readonly [key: string]: Json };
  const true_ = charter as { readonly [key: string]: Json };
  const keys = [...Object.keys(true_), ...Object.keys(told)];
  return keys.find((key) => told[key] === undefined || true_[key] === undefined || canonical(told[key]) !== canonical(true_[key])) ?? null;
}

/** Checks what was fetched: everything that follows from the charter's bytes must be so. */
export function openTask(id: string, charterText: string, view: TaskView): OpenTask {
  const { attestations } = view;
  const checked = namingTheTerm(view, charterText, () =>
    checkTask(charterText, attestations, { task: id, openAddress: view.openAddress, text: view.text }));
  if (view.charter !== id) untrue('charter', 'the service tells of another task');
  const other = firstOtherTerm(view.terms, checked.charter.text);
  if (other !== null) untrue(`terms.${other}`, 'the charter says otherwise');
  const of = (role: Role): string => attestations[role] ?? untrue(`attestations.${role}`, 'it is missing');
  return { ...checked, view, attestations: [of(ROLES[0]), of(ROLES[1]), of(ROLES[2])] };
}

/** A charter that is another one altogether says little; the field in which it differs from what else is told says more. */
function namingTheTerm(view: TaskView, charterText: string, check: () => CheckedTask): CheckedTask {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof UpfrontError) || error.code !== 'untrue' || error.field !== 'charter') throw error;
    const other = firstOtherTerm(view.terms, charterText);
    return untrue(other === null ? 'charter' : `charter.${other}`, 'these terms are not those that this page’s address names');
  }
}

export async function fetchTask(id: string): Promise<OpenTask> {
  const [charterText, view] = await Promise.all([getText(id, '/charter'), getJson(id, '')]);
  return openTask(id, charterText, taskOf(view));
}

/** The payment link (BIP321): the address in lower case. */
export const paymentLink = (address: string, amount: bigint): string => `bitcoin:${address}?amount=${linkAmount(amount)}`;

/** What the QR code says: the same with a bech32 address in capitals, which codes pack better. */
export const qrText = (address: string, amount: bigint): string => `bitcoin:${address.toUpperCase()}?amount=${linkAmount(amount)}`;

/** Checks a pledge as the service tells it against charter and keys; its output. Throws for the first field that differs. */
export function checkedPledge(task: CheckedTask, view: PledgeView): EscrowOutput {
  const output = checkPledge(task, {
    index: view.index,
    sponsorKey: view.sponsorKey,
    refundAddress: view.refundAddress,
    address: view.address,
    descriptor: view.descriptor,
    signature: view.signature,
  });
  if (view.uri !== paymentLink(output.address, view.promised)) untrue('uri', 'it pays something else than the address and the amount');
  return output;
}

/** What this browser asked for. */
export interface Wanted {
  readonly index: number;
  readonly sponsorKey: string;
  readonly refundAddress: string;
  readonly amount: bigint;
}

/** Checks the answer to a new pledge: it must be the pledge that was asked for, at the address that follows from it. */
export function issuedPledge(task: CheckedTask, view: PledgeView, wanted: Wanted): EscrowOutput {
  const same: readonly [string, boolean][] = [
    ['index', view.index === wanted.index],
    ['sponsor_key', view.sponsorKey === wanted.sponsorKey],
    ['refund_address', view.refundAddress === wanted.refundAddress],
    ['promised_sat', view.promised === wanted.amount],
  ];
  const other = same.find(([, agrees]) => !agrees);
  if (other !== undefined) untrue(other[0], 'your browser asked for another one. Do not pay');
  return checkedPledge(task, view);
}
