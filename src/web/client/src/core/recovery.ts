// The recovery file of one pledge: all a sponsor needs to get the money back when the service, its operator and this
// program's site are gone. A RecoveryFile that exists was derived again from its own charter and keys; what it reads
// and writes is what `upfront recover` reads and writes. The file is secret.

import { parseAddress } from './address.ts';
import { Charter } from './charter.ts';
import { orRefuse, refuse, UpfrontError } from './error.ts';
import { textOf, utf8 } from './bytes.ts';
import { parseJson, type Json } from './json.ts';
import { Root, fromWif } from './keys.ts';
import { networkOf } from './network.ts';
import { MAX_31, integer, sat } from './number.ts';
import { Contract } from './output.ts';
import type { KeyPair } from './point.ts';
import { documentOf, firstDifference, type Entry, type RecoveryDocument } from './recovery-document.ts';
import type { RefundBundle } from './refund.ts';
import { Refunds } from './refunds.ts';
import { parseSignature, signatureText, sponsorSpeaker, verifyStatement, type StatementSignature } from './signature.ts';
import { ROLES } from './signer-key.ts';
import { pledge as pledgeStatement } from './statement.ts';
import { outpointText, transactionHex } from './tx.ts';

export type { RecoveryDocument } from './recovery-document.ts';
export type { ReadyTransaction } from './refunds.ts';

/** Some 600 outpoints. */
export const MAX_RECOVERY_BYTES = 4_194_304;
const VERSION = 1;

/** The sponsor's words and where in their tree this pledge's keys are; null where another wallet has them. */
export interface Origin {
  /** i of `m/86'/coin'/1'/0/i`. */
  readonly sponsorKeyIndex: number | null;
  /** j of `m/86'/coin'/0'/0/j`. */
  readonly refundAddressIndex: number | null;
  /** The words, unless the sponsor keeps them elsewhere. */
  readonly phrase: string | null;
}

export interface RecoveryParts {
  readonly charter: Charter;
  /** In the order of ROLES. */
  readonly attestations: readonly [string, string, string];
  readonly index: number;
  readonly sponsorKey: string;
  readonly refundAddress: string;
  /** Over the pledge statement. */
  readonly pledgeSignature: string;
  /** The sponsor's key; null where another wallet signs. */
  readonly key: KeyPair | null;
  readonly origin: Origin;
}

const mismatch = (field: string): never =>
  refuse('recovery_mismatch', field, `${field} does not fit the rest of the file: it is damaged or was changed`);
const unreadable = (field: string): never =>
  refuse('recovery_unreadable', field, `${field} cannot be read: it is damaged or was changed`);

export class RecoveryFile extends Refunds {
  readonly parts: RecoveryParts;
  readonly charter: Charter;
  readonly contract: Contract;
  private readonly attestations: readonly StatementSignature[];
  private readonly signature: StatementSignature;

  /** The file of a pledge before anything is paid. Throws where its parts do not belong together. */
  constructor(parts: RecoveryParts) {
    const { charter } = parts;
    const contract = new Contract(charter);
    const output = contract.pledge({ generation: 0, index: integer(parts.index, 'index', 1, MAX_31) }, parts.sponsorKey);
    super(output, parts.refundAddress, parts.key);
    this.parts = parts;
    this.charter = charter;
    this.contract = contract;
    const bad = (field: string) => (): never =>
      refuse('recovery_signature', field, `${field} does not verify: it, or what it signs, is damaged or was changed`);
    this.attestations = ROLES.map((role, at) => {
      const signature = readSignature(parts.attestations[at], `attestations.${role}`);
      verified(() => charter.verifyAttestation(role, signature), bad(`attestations.${role}`));
      return signature;
    });
    const refund = parseAddress(parts.refundAddress, charter.network, 'refund_address');
    if (refund.text !== parts.refundAddress) mismatch('refund_address');
    const statement = pledgeStatement({
      network: charter.network.name, charter: charter.id, index: parts.index, sponsorKey: parts.sponsorKey, refundAddress: refund.text,
    });
    this.signature = readSignature(parts.pledgeSignature, 'pledge_signature');
    verified(() => verifyStatement(statement, this.signature, sponsorSpeaker(parts.sponsorKey), 'pledge_signature'), bad('pledge_signature'));
    if (parts.key !== null && parts.key.publicKey !== parts.sponsorKey) mismatch('private_descriptor');
    const { sponsorKeyIndex, refundAddressIndex } = parts.origin;
    if (sponsorKeyIndex !== null) integer(sponsorKeyIndex, 'sponsor_key_path', 0, MAX_31);
    if (refundAddressIndex !== null) integer(refundAddressIndex, 'refund_path', 0, MAX_31);
  }

  document(): RecoveryDocument {
    const { charter, parts, output } = this;
    const { coinType } = charter.network;
    const { sponsorKeyIndex, refundAddressIndex, phrase } = parts.origin;
    const [developer = '', representative = '', arbiter = ''] = this.attestations.map(signatureText);
    return {
      version: VERSION,
      instructions: this.instructions(),
      network: charter.network.name,
      charter_id: charter.id,
      charter: charter.text,
      attestations: { developer, representative, arbiter },
      index: parts.index,
      sponsor_key: parts.sponsorKey,
      sponsor_key_path: sponsorKeyIndex === null ? null : `m/86'/${coinType}'/1'/0/${sponsorKeyIndex}`,
      phrase,
      refund_address: parts.refundAddress,
      refund_path: refundAddressIndex === null ? null : `m/86'/${coinType}'/0'/0/${refundAddressIndex}`,
      pledge_signature: signatureText(this.signature),
      address: output.address,
      descriptor: output.descriptor,
      private_descriptor: this.privateDescriptor(),
      outpoints: this.bundles.map(entryOf),
    };
  }

  /** Pretty JSON, secrets and all: for the sponsor's own disk. */
  toJson(): string {
    return `${JSON.stringify(this.document(), null, 2)}\n`;
  }

  private instructions(): string[] {
    const refundTime = this.charter.fields.refund_time;
    return [
      'SECRET. Whoever has this file can take this pledge back to themselves after the refund time. Keep it offline, in two places.',
      `It gets your pledge on ${this.charter.network.name} back when nobody helps you. Before the refund time T = ${refundTime} (Unix seconds; \`date -u -d @${refundTime}\` shows the date) only two of the three signers can move the money.`,
      'T has come when the median time of the last eleven blocks (mediantime in getblockchaininfo) is later than T; that is about an hour after T by the clock.',
      '1. With this program: `upfront recover FILE`. It needs this file and an Electrum server of your choice, nothing else.',
      `2. Without it: under outpoints, ladder, take the transaction whose sat_per_vb is enough for the day and broadcast it by any wallet, node or explorer that takes raw transactions, once its lock_time has passed. It pays ${this.parts.refundAddress} and nobody can change that.`,
      "3. With Bitcoin Core, if there is a private_descriptor and no transaction serves: createwallet NAME false true; importdescriptors '[{\"desc\":\"PRIVATE_DESCRIPTOR\",\"timestamp\":0}]'; after T: sendall '[\"YOUR_ADDRESS\"]' options='{\"fee_rate\":5,\"locktime\":T}'. Give at least 2 sat/vB: Core underestimates this spend. Do not run sendall before T.",
      'If outpoints is empty, the file is older than your payment: ways 1 and 3 work all the same.',
      'charter, attestations, descriptor and address let anybody check that this address belongs to these terms.',
    ];
  }

  /** Reads a recovery file and derives everything in it again; throws for the first field that is wrong. */
  static parse(given: Uint8Array | string): RecoveryFile {
    const bytes = typeof given === 'string' ? utf8(given) : given;
    if (bytes.length > MAX_RECOVERY_BYTES) {
      refuse('recovery_too_long', 'file', `file: it has ${bytes.length} bytes; a recovery file has at most ${MAX_RECOVERY_BYTES}`);
    }
    const text = textOf(bytes, 'file');
    if (/^\s*(?:age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/.test(text)) {
      refuse('recovery_encrypted', 'file', 'file: this recovery file is encrypted; decrypt it first (age --decrypt FILE)');
    }
    const value = parseJson(text, 'file');
    versionOf(value);
    const document = documentOf(value);
    const file = header(document);
    document.outpoints.forEach((entry, at) => {
      const field = `outpoints.${at}`;
      const bundle = bundleOf(file, entry, field);
      if (file.bundles.some((held) => outpointText(held.target.outpoint) === entry.outpoint)) {
        refuse('recovery_duplicate', field, `${field}: this outpoint is in the file twice`);
      }
      file.bundles.push(bundle);
    });
    // What was not needed to get here must still be what it would be if written now.
    const different = firstDifference(document as unknown as Json, file.document() as unknown as Json);
    if (different !== null) mismatch(different);
    checkPhrase(file);
    return file;
  }
}

/** A version of its own is told as such, whatever else a later file holds. */
function versionOf(value: Json): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return;
  const { version } = value as { readonly version?: Json };
  if (typeof version === 'number' && version !== VERSION) {
    refuse('recovery_version', 'version', `version: recovery file version ${version} is not known; this page reads version 1`);
  }
}

function verified(check: () => void, otherwise: () => never): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    otherwise();
  }
}

const readSignature = (text: string | undefined, field: string): StatementSignature => {
  try {
    return parseSignature(text, field);
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    return unreadable(field);
  }
};

function lastStep(path: string | null, before: string, field: string): number | null {
  if (path === null) return null;
  const step = path.startsWith(before) ? path.slice(before.length) : '';
  if (!/^(?:0|[1-9]\d{0,9})$/.test(step)) unreadable(field);
  return Number(step);
}

/** All but the outpoints. */
function header(document: RecoveryDocument): RecoveryFile {
  const network = orRefuse(() => networkOf(document.network), 'recovery_unreadable', 'network', 'network cannot be read');
  const charter = Charter.parse(document.charter);
  if (charter.network !== network) mismatch('network');
  if (charter.id !== document.charter_id) mismatch('charter_id');
  const { developer, representative, arbiter } = document.attestations;
  const wif = document.private_descriptor === null ? null : /v:pk\(([^)]*)\)/.exec(document.private_descriptor)?.[1] ?? unreadable('private_descriptor');
  return new RecoveryFile({
    charter,
    attestations: [developer, representative, arbiter],
    index: document.index,
    sponsorKey: document.sponsor_key,
    refundAddress: document.refund_address,
    pledgeSignature: document.pledge_signature,
    key: wif === null ? null : fromWif(wif, network, 'private_descriptor'),
    origin: {
      sponsorKeyIndex: lastStep(document.sponsor_key_path, `m/86'/${network.coinType}'/1'/0/`, 'sponsor_key_path'),
      refundAddressIndex: lastStep(document.refund_path, `m/86'/${network.coinType}'/0'/0/`, 'refund_path'),
      phrase: document.phrase,
    },
  });
}

/** Words, if they are in the file, must give the keys at the paths named. */
function checkPhrase(file: RecoveryFile): void {
  const { origin, sponsorKey, refundAddress } = file.parts;
  if (origin.phrase === null) return;
  const root = Root.fromPhrase(origin.phrase, file.charter.network);
  if (origin.sponsorKeyIndex !== null && root.sponsorKey(origin.sponsorKeyIndex).publicKey !== sponsorKey) mismatch('phrase');
  if (origin.refundAddressIndex !== null && root.refundAddress(origin.refundAddressIndex).address !== refundAddress) mismatch('refund_path');
}

function bundleOf(file: RecoveryFile, entry: Entry, field: string): RefundBundle {
  const generation = entry.generation ?? 0;
  if (generation > 0) {
    file.locate(entry.outpoint, file.contract.pledge({ ...file.output.slot, generation }, file.parts.sponsorKey));
  }
  const target = file.target(entry.outpoint, sat(entry.amount_sat, `${field}.amount_sat`), `${field}.outpoint`);
  const ladder = entry.ladder.map((rung) => rung.signature);
  return target.check({ outpoint: entry.outpoint, amount_sat: entry.amount_sat, pair: entry.pair.signature, ladder }, field);
}

function entryOf(bundle: RefundBundle): Entry {
  const { outpoint, amount_sat, pair, ladder } = bundle.signatures;
  const whole = bundle.pair();
  const { generation } = bundle.target.output.slot;
  return {
    outpoint,
    amount_sat,
    ...(generation === 0 ? {} : { generation }),
    pair: { lock_time: whole.lockTime, signature: pair, transaction: transactionHex(whole) },
    ladder: bundle.ladder().map(({ rung, transaction }, at) => ({
      sat_per_vb: rung.satPerVb,
      lock_time: transaction.lockTime,
      signature: ladder[at] ?? '',
      transaction: transactionHex(transaction),
    })),
  };
}
