// What stands between a page's claim and a payment: everything that can be computed from the charter's canonical
// bytes is computed here again, and the first claim that disagrees is named. Nothing that the service says is taken
// on trust but the numbers that only the chain can tell.

import { parseAddress } from './address.ts';
import { hex, isHash, utf8 } from './bytes.ts';
import { Charter } from './charter.ts';
import { refuse } from './error.ts';
import { sha256 } from './hash.ts';
import { integer, MAX_31 } from './number.ts';
import { Contract, type EscrowOutput } from './output.ts';
import { parseSignature, sponsorSpeaker, verifyStatement } from './signature.ts';
import { ROLES, type Role } from './signer-key.ts';
import { pledge as pledgeStatement } from './statement.ts';

/** What a page says of a task; whatever is present must be so. */
export interface TaskClaims {
  /** Charter id, as it stands in the page's address. */
  readonly task: string;
  readonly openAddress?: string | null;
  /** The task's text, whose hash the charter names. */
  readonly text?: string;
}

/** What a page says of a pledge. */
export interface PledgeClaims {
  readonly index: number;
  readonly sponsorKey: string;
  readonly refundAddress: string;
  readonly address: string;
  readonly descriptor: string;
  /** The signature over the pledge statement. */
  readonly signature: string;
}

export type Attestations = Readonly<Partial<Record<Role, string>>>;

/** A task that was checked: charter, contract and all three attestations. */
export interface CheckedTask {
  readonly charter: Charter;
  readonly contract: Contract;
}

function differs(field: string, computed?: string): never {
  const words = computed === undefined ? 'the charter says otherwise' : `the charter and the keys give ${computed}`;
  return refuse('untrue', field, `${field} is not so: ${words}. Do not pay; the page or the service is broken or lying`);
}

/** Checks the charter's bytes against the id, all three attestations, and what else is claimed of the task. */
export function checkTask(charterText: Uint8Array | string, attestations: Attestations, claims: TaskClaims): CheckedTask {
  const charter = Charter.parse(charterText);
  if (charter.id !== claims.task) differs('charter', charter.id);
  for (const role of ROLES) {
    const field = `attestations.${role}`;
    const given = Object.hasOwn(attestations, role) ? attestations[role] : undefined;
    if (given === undefined) refuse('not_attested', field, `${field} is missing: the ${role} has not agreed to these terms`);
    charter.verifyAttestation(role, parseSignature(given, field));
  }
  if (claims.text !== undefined && hex(sha256(utf8(claims.text))) !== charter.fields.text_hash) differs('text');
  const contract = new Contract(charter);
  if (typeof claims.openAddress === 'string') {
    const { address } = contract.open();
    if (claims.openAddress !== address) differs('open_address', address);
  }
  return { charter, contract };
}

/** Derives a pledge's output again for a task that is checked. Throws for the first field that disagrees. */
export function checkPledge({ charter, contract }: CheckedTask, claims: PledgeClaims): EscrowOutput {
  const index = integer(claims.index, 'index', 1, MAX_31);
  if (!isHash(claims.sponsorKey)) refuse('not_a_key', 'sponsor_key', 'sponsor_key is no x-only public key');
  const output = contract.pledge({ generation: 0, index }, claims.sponsorKey);
  if (claims.descriptor !== output.descriptor) differs('descriptor', output.descriptor);
  if (claims.address !== output.address) differs('address', output.address);
  const refundAddress = parseAddress(claims.refundAddress, charter.network, 'refund_address');
  if (refundAddress.text !== claims.refundAddress) refuse('charter_text', 'refund_address', 'refund_address: write bech32 addresses in lower case');
  const statement = pledgeStatement({
    network: charter.network.name, charter: charter.id, index, sponsorKey: claims.sponsorKey, refundAddress: refundAddress.text,
  });
  verifyStatement(statement, parseSignature(claims.signature, 'signature'), sponsorSpeaker(claims.sponsorKey), 'signature');
  return output;
}
