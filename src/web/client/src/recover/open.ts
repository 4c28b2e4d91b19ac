// From what a sponsor still has to a pledge whose refunds can be signed: the recovery file; or the words, or the pledge's
// key, beside the task's charter or its proof document. No network: everything is derived from what is given.

import { addressOf, parseAddress } from '../core/address.ts';
import { hex, unhex } from '../core/bytes.ts';
import { Charter } from '../core/charter.ts';
import { UpfrontError, refuse } from '../core/error.ts';
import { parseJson, type Json } from '../core/json.ts';
import { KEYS_TRIED, Root, readKey, readPhrase } from '../core/keys.ts';
import { MAX_31, integer } from '../core/number.ts';
import { Contract, MAX_GENERATION, type EscrowOutput } from '../core/output.ts';
import type { KeyPair } from '../core/point.ts';
import { MAX_RECOVERY_BYTES, RecoveryFile } from '../core/recovery.ts';
import { paymentsOf } from '../core/refund.ts';
import { Refunds } from '../core/refunds.ts';
import { signStatement } from '../core/signature.ts';
import { ROLES } from '../core/signer-key.ts';
import { pledge as pledgeStatement } from '../core/statement.ts';
import { outpointText, parseOutpoint, parseTransaction, transactionHex, txid } from '../core/tx.ts';
import { isSealed, openSealed } from '../offline/sealed.ts';


export interface Payment {
  readonly outpoint: string;
  readonly amount: bigint;
}

/** A pledge of which refunds can be signed or are signed already. */
export interface Opened {
  readonly charter: Charter;
  readonly refunds: Refunds;
  /** The same, where a recovery file can be written: attestations are there and were checked. */
  readonly file: RecoveryFile | null;
  /** Unspent outpoints that a proof document names: its word, but that amounts were compared with its transactions. */
  readonly named: readonly Payment[];
  /** Outpoints that, by a proof document, went neither home nor to payees: where a move took them. */
  readonly elsewhere: readonly Elsewhere[];
  /** Whether the refund address was given or derived, not read from a signed pledge. */
  readonly refundAddressGuessed: boolean;
}

/** What was sent to one address that is not the pledge's refund address. */
export interface Elsewhere extends Payment {
  readonly txid: string;
  /** Whether the sponsor's key alone sent it; else two signers did. */
  readonly alone: boolean;
  readonly address: string;
}

/** Armor makes a text a third longer, and the format has a header. */
const MAX_SEALED_BYTES = 1.5 * MAX_RECOVERY_BYTES;

/** Opens a file as it lies on the disk. One under a passphrase is refused as `recovery_encrypted` until it is given. */
export async function openBytes(bytes: Uint8Array, passphrase: string | null): Promise<Opened> {
  if (!isSealed(bytes)) return openFile(bytes);
  if (bytes.length > MAX_SEALED_BYTES) {
    refuse('recovery_too_long', 'file', 'file: it is longer than any recovery file');
  }
  if (passphrase === null) refuse('recovery_encrypted', 'passphrase', 'passphrase: this file is encrypted; type its passphrase');
  let plain: Uint8Array;
  try {
    plain = await openSealed(bytes, passphrase as string);
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    // Its words speak of signers' key files.
    const words = error.code === 'sealed_passphrase' ? 'passphrase: it is not the one of this file'
      : error.code === 'sealed_damaged' ? 'file: this encrypted file is damaged or cut off'
      : 'file: this encrypted file cannot be opened here; decrypt it first (age --decrypt FILE), and give what comes of it';
    return refuse(error.code, error.code === 'sealed_passphrase' ? 'passphrase' : 'file', words);
  }
  return openFile(plain);
}

export function openFile(given: Uint8Array | string): Opened {
  const file = RecoveryFile.parse(given);
  return { charter: file.charter, refunds: file, file, named: [], elsewhere: [], refundAddressGuessed: false };
}

/** The public side: a charter's canonical text, or a proof document, which has attestations and pledges besides. */
interface Public {
  readonly charter: Charter;
  readonly attestations: readonly [string, string, string] | null;
  readonly pledges: readonly { readonly index: number; readonly sponsorKey: string; readonly refundAddress: string; readonly signature: string }[];
  readonly outpoints: readonly (Payment & { readonly index: number; readonly generation: number; readonly spend: { readonly txid: string; readonly vin: number; readonly path: string } | null })[];
  /** Raw transactions, hex. */
  readonly transactions: readonly string[];
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  value !== undefined && value !== null && typeof value === 'object' && !Array.isArray(value);

const textIn = (value: { readonly [key: string]: Json }, key: string, field: string): string => {
  const found = value[key];
  return typeof found === 'string' ? found : refuse('proof', field, `${field} is missing in the document`);
};

function listIn(value: { readonly [key: string]: Json }, key: string): readonly { readonly [key: string]: Json }[] {
  const found = value[key];
  return Array.isArray(found) ? (found as readonly Json[]).filter(isObject) : [];
}

const numberIn = (value: { readonly [key: string]: Json }, key: string, field: string): number =>
  integer(value[key], field, 0, Number.MAX_SAFE_INTEGER);

/** Reads either document. What it claims of pledges is checked where it is used. */
export function readPublic(text: string): Public {
  const value = parseJson(text.trim(), 'charter');
  const wrapped = isObject(value) ? value.charter : undefined;
  if (!isObject(value) || typeof wrapped !== 'string') {
    // The file of a charter may end in a line feed; the canonical bytes do not.
    return { charter: Charter.parse(text.trim()), attestations: null, pledges: [], outpoints: [], transactions: [] };
  }
  const charter = Charter.parse(wrapped);
  const given = value.attestations;
  const texts = isObject(given) ? ROLES.map((role) => given[role]) : [];
  const [developer, representative, arbiter] = texts;
  const attestations = typeof developer === 'string' && typeof representative === 'string' && typeof arbiter === 'string'
    ? [developer, representative, arbiter] as const : null;
  return {
    charter,
    attestations,
    pledges: listIn(value, 'pledges').map((pledge, at) => ({
      index: numberIn(pledge, 'index', `pledges.${at}.index`),
      sponsorKey: textIn(pledge, 'sponsor_key', `pledges.${at}.sponsor_key`),
      refundAddress: textIn(pledge, 'refund_address', `pledges.${at}.refund_address`),
      signature: textIn(pledge, 'signature', `pledges.${at}.signature`),
    })),
    outpoints: listIn(value, 'outpoints').filter((one) => typeof one.outpoint === 'string').map((one, at) => ({
      outpoint: textIn(one, 'outpoint', `outpoints.${at}.outpoint`),
      index: numberIn(one, 'index', `outpoints.${at}.index`),
      generation: integer(one.generation ?? 0, `outpoints.${at}.generation`, 0, MAX_GENERATION),
      amount: BigInt(numberIn(one, 'amount_sat', `outpoints.${at}.amount_sat`)),
      spend: isObject(one.spend) ? {
        txid: textIn(one.spend, 'txid', `outpoints.${at}.spend.txid`),
        vin: numberIn(one.spend, 'vin', `outpoints.${at}.spend.vin`),
        path: textIn(one.spend, 'path', `outpoints.${at}.spend.path`),
      } : null,
    })),
    transactions: isObject(value.transactions)
      ? Object.values(value.transactions).flatMap((one) => (isObject(one) && typeof one.raw === 'string' ? [one.raw] : [])) : [],
  };
}

export interface Asked {
  /** Words, or the pledge's private key: hex, WIF, or the link with `#key=`. */
  readonly secret: string;
  /** A charter or a proof document. */
  readonly document: string;
  /** n; null where the proof document or the link tells. */
  readonly index: number | null;
  /** The address that was paid, if it is known: the right key of the words is found by it. */
  readonly address: string | null;
  /** Where the money shall go, if the pledge does not tell. */
  readonly refundAddress: string | null;
}

type Secret = { readonly root: Root } | { readonly key: KeyPair; readonly index: number | null };

function readSecret(given: string, charter: Charter): Secret {
  const text = given.trim();
  const link = /\/tasks\/([0-9a-f]{64})\/pledges\/(\d{1,10})[^#]*#key=([A-Za-z0-9_-]+)/.exec(text);
  if (link !== null) {
    const [, task, index, key = ''] = link;
    if (task !== charter.id) refuse('other_task', 'secret', 'secret: this link is of another task than the charter');
    return { key: readKey(key, charter.network, 'secret'), index: Number(index) };
  }
  if (/\s/.test(text)) return { root: Root.fromPhrase(readPhrase(text), charter.network) };
  return { key: readKey(text, charter.network, 'secret'), index: null };
}

interface Found {
  readonly key: KeyPair;
  readonly keyIndex: number | null;
  readonly index: number;
}

/** Which pledge of a proof document the secret holds the key of. */
function findPledge(secret: Secret, given: Public, index: number | null): Found | null {
  const places = new Map(given.pledges.map((pledge) => [pledge.sponsorKey, pledge.index]));
  const fits = (key: KeyPair): boolean => {
    const found = places.get(key.publicKey);
    return found !== undefined && (index === null || index === found);
  };
  if ('key' in secret) return fits(secret.key) ? { key: secret.key, keyIndex: null, index: places.get(secret.key.publicKey) ?? 0 } : null;
  for (let keyIndex = 0; keyIndex < KEYS_TRIED; keyIndex += 1) {
    const key = secret.root.sponsorKey(keyIndex);
    if (fits(key)) return { key, keyIndex, index: places.get(key.publicKey) ?? 0 };
  }
  return null;
}

/** Which key of the words, or whether the one key, gives the address that was paid. */
function findKey(secret: Secret, contract: Contract, index: number, address: string | null): Found {
  const output = (key: KeyPair): EscrowOutput => contract.pledge({ generation: 0, index }, key.publicKey);
  const no = (): never =>
    refuse('other_address', 'address', `address: no key that is here gives this address as pledge ${index} of this task; check words, task and number`);
  if ('key' in secret) {
    return address === null || output(secret.key).address === address ? { key: secret.key, keyIndex: null, index } : no();
  }
  if (address === null) return { key: secret.root.sponsorKey(0), keyIndex: 0, index };
  for (let keyIndex = 0; keyIndex < KEYS_TRIED; keyIndex += 1) {
    const key = secret.root.sponsorKey(keyIndex);
    if (output(key).address === address) return { key, keyIndex, index };
  }
  return no();
}

/** Which refund address of the words it is, so that a new file names its path. */
function refundIndex(secret: Secret, address: string): number | null {
  if ('key' in secret) return null;
  const found = Array.from({ length: 50 }, (_, at) => at).find((at) => secret.root.refundAddress(at).address === address);
  return found ?? null;
}

export function openSecret(asked: Asked): Opened {
  const given = readPublic(asked.document);
  const { charter } = given;
  const secret = readSecret(asked.secret, charter);
  const index = asked.index ?? ('key' in secret ? secret.index : null);
  const address = asked.address === null ? null : parseAddress(asked.address, charter.network, 'address').text;
  const contract = new Contract(charter);
  const listed = findPledge(secret, given, index);
  if (listed === null && index === null) {
    refuse('index', 'index', given.pledges.length > 0
      ? 'index: no pledge of this document has a key of these words; name the number of the pledge if it is newer than the document'
      : 'index: name the number of the pledge; it stands on its page and in its link');
  }
  const found = listed ?? findKey(secret, contract, integer(index, 'index', 1, MAX_31), address);
  const output = contract.pledge({ generation: 0, index: integer(found.index, 'index', 1, MAX_31) }, found.key.publicKey);
  if (address !== null && output.address !== address) {
    refuse('other_address', 'address', `address: these words and this charter give ${output.address} as pledge ${found.index}`);
  }
  const claim = given.pledges.find((pledge) => pledge.index === found.index && pledge.sponsorKey === found.key.publicKey);
  const refundAddress = chosenRefund(asked, secret, charter, claim?.refundAddress ?? null);
  const statement = pledgeStatement({
    network: charter.network.name, charter: charter.id, index: found.index, sponsorKey: found.key.publicKey, refundAddress,
  });
  const refunds = given.attestations === null
    ? new Refunds(output, refundAddress, found.key)
    : new RecoveryFile({
      charter,
      attestations: given.attestations,
      index: found.index,
      sponsorKey: found.key.publicKey,
      refundAddress,
      // A pledge that is signed already stays as it is: `Refunds` to another address are made by hand.
      pledgeSignature: claim !== undefined && claim.refundAddress === refundAddress ? claim.signature : signStatement(statement, found.key),
      key: found.key,
      origin: { sponsorKeyIndex: found.keyIndex, refundAddressIndex: refundIndex(secret, refundAddress), phrase: null },
    });
  const named = namedPayments(given, refunds, (generation) => contract.pledge({ generation, index: found.index }, found.key.publicKey));
  const elsewhere = sentElsewhere(given, refunds);
  return { charter, refunds, file: refunds instanceof RecoveryFile ? refunds : null, named, elsewhere, refundAddressGuessed: claim === undefined };
}

/** What the document's own transactions sent to another address than home. A payout has several outputs; a move has one,
 * and so has what a sponsor's key sends alone. */
function sentElsewhere(given: Public, refunds: Refunds): Elsewhere[] {
  const { network } = refunds.output;
  const home = hex(parseAddress(refunds.refundAddress, network, 'refund_address').script);
  const spenders = new Map(given.transactions.map((raw, at) => {
    const transaction = parseTransaction(unhex(raw, `transactions.${at}`), `transactions.${at}`);
    return [txid(transaction), transaction];
  }));
  return given.outpoints.flatMap(({ outpoint, amount, index, spend }) => {
    const transaction = spend === null ? undefined : spenders.get(spend.txid);
    if (spend === null || transaction === undefined || index !== refunds.output.slot.index) return [];
    const alone = spend.path === 'refund';
    const [only] = transaction.inputs.length === 1 && transaction.outputs.length === 1 ? transaction.outputs : [];
    const output = alone ? transaction.outputs[spend.vin] ?? transaction.outputs[0] : only;
    if (output === undefined || hex(output.script) === home) return [];
    return [{ outpoint, amount, txid: spend.txid, alone, address: addressOf(output.script, network) ?? hex(output.script) }];
  });
}

/** Unspent outpoints of the pledge, at its address or where settlements left them; each is located for its refund. */
function namedPayments(given: Public, refunds: Refunds, outputAt: (generation: number) => EscrowOutput): Payment[] {
  const transactions = given.transactions.map((raw, at) => parseTransaction(unhex(raw, `transactions.${at}`), `transactions.${at}`));
  const paidAt = new Map<number, Map<string, bigint>>();
  const paidTo = (output: EscrowOutput): Map<string, bigint> => {
    const payments = transactions.flatMap((transaction) => paymentsOf(transaction, output));
    return new Map(payments.map((one) => [outpointText(one.outpoint), one.amount]));
  };
  return given.outpoints.filter((one) => one.index === refunds.output.slot.index && one.spend === null).map(({ outpoint, amount, generation }) => {
    const output = generation === 0 ? refunds.output : outputAt(generation);
    if (generation > 0) refunds.locate(outpoint, output);
    const paid = paidAt.get(generation) ?? paidTo(output);
    paidAt.set(generation, paid);
    const known = paid.get(outpoint);
    if (known !== undefined && known !== amount) {
      refuse('proof', 'outpoints.amount_sat', `outpoints.amount_sat: the document says ${amount} sat of ${outpoint}; its own transaction pays ${known}`);
    }
    return { outpoint, amount };
  });
}

/** The pledge's own refund address, where it is told; else the one given; else the first of the words. */
function chosenRefund(asked: Asked, secret: Secret, charter: Charter, claimed: string | null): string {
  const given = asked.refundAddress === null ? null : parseAddress(asked.refundAddress, charter.network, 'refund_address').text;
  if (claimed !== null) {
    const own = parseAddress(claimed, charter.network, 'pledges.refund_address').text;
    if (given !== null && given !== own) {
      refuse('refund_address', 'refund_address', `refund_address: the pledge names ${own}, and that cannot change; send it on below, with a refund of your own`);
    }
    return own;
  }
  if (given !== null) return given;
  if ('key' in secret) return refuse('refund_address', 'refund_address', 'refund_address: name the address that the money shall go to');
  return secret.root.refundAddress(0).address;
}

/** The pledge's output, and those where payouts of its milestones may have left a rest: one less than there are. */
function generationsOf({ charter, refunds: { output } }: Opened): EscrowOutput[] {
  const { slot: { index }, sponsorKey } = output;
  if (sponsorKey === null) return [output];
  const contract = new Contract(charter);
  return charter.fields.milestones.map((_, generation) => (generation === 0 ? output : contract.pledge({ generation, index }, sponsorKey)));
}

/** A payment to the pledge, as a person names it: by the whole transaction, or by txid:vout and amount. */
export function findPayment(opened: Opened, given: { transaction: string; outpoint: string; amount: string }): Payment[] {
  const raw = given.transaction.replace(/\s+/g, '');
  const named = given.outpoint.trim() === '' ? null : outpointText(parseOutpoint(given.outpoint.trim().toLowerCase(), 'outpoint'));
  const amount = given.amount.trim() === '' ? null : readSat(given.amount, 'amount');
  if (raw === '') {
    if (named === null) return refuse('outpoint', 'outpoint', 'outpoint: name the payment as txid:vout, or paste the whole transaction');
    if (amount === null) return refuse('amount', 'amount', 'amount: name the amount of the payment in satoshis; a refund signed for another amount is worth nothing');
    return [{ outpoint: named, amount }];
  }
  const transaction = parseTransaction(unhex(raw, 'transaction'), 'transaction');
  const payments = generationsOf(opened).flatMap((output) => paymentsOf(transaction, output).map((one) => {
    const outpoint = outpointText(one.outpoint);
    if (output.slot.generation > 0) opened.refunds.locate(outpoint, output);
    return { outpoint, amount: one.amount };
  }));
  if (payments.length === 0) {
    refuse('other_address', 'transaction', `transaction: ${txid(transaction)} does not pay ${opened.charter.fields.milestones.length > 1 ? 'an' : 'the'} address of this pledge`);
  }
  const chosen = named === null ? payments : payments.filter((one) => one.outpoint === named);
  if (chosen.length === 0) refuse('outpoint', 'outpoint', `outpoint: this transaction pays the pledge by ${payments.map((one) => one.outpoint).join(', ')}`);
  if (amount !== null && chosen.some((one) => one.amount !== amount)) {
    refuse('amount', 'amount', `amount: the transaction pays ${chosen.map((one) => one.amount).join(', ')} sat`);
  }
  return chosen;
}

/** Satoshis as typed: digits, in groups if wished. */
export function readSat(text: string, field: string): bigint {
  const digits = text.trim().replace(/(?<=\d)[ _,'\u2009\u202f](?=\d{3}(?:\D|$))/g, '').replace(/\s*sats?$/i, '');
  if (!/^\d{1,16}$/.test(digits)) return refuse('amount', field, `${field}: write a whole number of satoshis, such as 250000`);
  return BigInt(integer(Number(digits), field, 1, 2_100_000_000_000_000));
}

/** A refund at a feerate of the person's own, to the refund address or another. Valid after T, like all others. */
export function signOwn(opened: Opened, given: { outpoint: string; amount: bigint; feerate: string; to: string }): { hex: string; txid: string; feeSat: bigint; to: string } {
  const { refunds, charter } = opened;
  if (refunds.key === null) return refuse('no_key', 'key', 'key: this file holds no private key; the wallet that has it must sign');
  if (!/^\d{1,6}$/.test(given.feerate.trim())) return refuse('feerate', 'feerate', 'feerate: write a whole number of sat/vB, such as 5');
  const to = given.to.trim() === '' ? undefined : parseAddress(given.to.trim(), charter.network, 'to');
  if (to !== undefined && to.kind === 'other') refuse('to', 'to', 'to: this is an address of a kind that no wallet uses today');
  if (to?.text === refunds.output.address) refuse('to', 'to', 'to: this is the pledge\'s own address; name one of your wallet');
  const target = refunds.target(given.outpoint, given.amount);
  const transaction = target.signAlone(refunds.key, Number(given.feerate), to);
  const paid = transaction.outputs[0]?.amount ?? 0n;
  return { hex: transactionHex(transaction), txid: txid(transaction), feeSat: given.amount - paid, to: (to ?? target.refund).text };
}
