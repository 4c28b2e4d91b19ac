// What the page says of a pledge and its refunds, as plain text: amounts, times, what is ready when, and the commands for
// Bitcoin Core. No elements here, so that all of it is tested without a browser.

import type { NetworkName } from '../core/network.ts';
import type { ReadyTransaction } from '../core/refunds.ts';
import { transactionHex, txid } from '../core/tx.ts';
import { btc, inert, satWords } from '../core/words.ts';
import type { Opened } from './open.ts';

/** `250,000 sat (0.0025 BTC)`. */
export const amountWords = (sat: bigint): string => `${satWords(sat)} (${btc(sat)})`;

/** `Mon 2027-01-18 00:00 UTC`. */
export function timeWords(secs: number): string {
  const at = new Date(secs * 1000).toUTCString();
  const iso = new Date(secs * 1000).toISOString();
  return `${at.slice(0, 3)} ${iso.slice(0, 10)} ${iso.slice(11, iso.slice(17, 19) === '00' ? 16 : 19)} UTC`;
}

/** How far off a time is, in the largest unit that says enough. */
export function distance(fromSecs: number, toSecs: number): string {
  const secs = Math.abs(toSecs - fromSecs);
  const [size, name] = secs >= 2 * 86_400 ? [86_400, 'day'] as const : secs >= 2 * 3_600 ? [3_600, 'hour'] as const : [60, 'minute'] as const;
  const count = Math.max(1, Math.round(secs / size));
  const words = `${count} ${name}${count === 1 ? '' : 's'}`;
  return toSecs > fromSecs ? `in ${words}` : `${words} ago`;
}

/** The median time past runs behind the clock by about an hour. */
const MEDIAN_BEHIND_SECS = 3_600;

export interface ReadyRow {
  readonly outpoint: string;
  readonly title: string;
  readonly fee: string;
  readonly pays: string;
  readonly validFrom: string;
  /** By this computer's clock. */
  readonly valid: boolean;
  readonly txid: string;
  readonly hex: string;
  readonly fileName: string;
  /** The pair, which no node relays by itself. */
  readonly pair: boolean;
}

export function readyRow(one: ReadyTransaction, nowSecs: number): ReadyRow {
  const pair = one.satPerVb === 0;
  const valid = nowSecs > one.lockTime + MEDIAN_BEHIND_SECS;
  const when = `${timeWords(one.lockTime)} (${valid ? '' : 'about '}${distance(nowSecs, one.lockTime)})`;
  return {
    outpoint: one.outpoint,
    title: pair ? 'Pair, without a fee of its own' : `${one.satPerVb} sat/vB`,
    fee: satWords(one.feeSat),
    pays: amountWords(one.amount - one.feeSat),
    validFrom: valid ? `since ${when}` : `from ${when}`,
    valid,
    txid: txid(one.transaction),
    hex: transactionHex(one.transaction),
    fileName: `refund-${one.outpoint.slice(0, 8)}-${pair ? 'pair' : `${one.satPerVb}-sat-per-vb`}.txt`,
    pair,
  };
}

/** Rows of one outpoint each: rungs first, the pair last. */
export function readyRows(opened: Opened, nowSecs: number): { outpoint: string; amount: bigint; rungs: ReadyRow[]; pair: ReadyRow }[] {
  return opened.refunds.refunds.map((bundle) => {
    const { outpoint } = bundle.signatures;
    const rows = opened.refunds.ready().filter((one) => one.outpoint === outpoint).map((one) => readyRow(one, nowSecs));
    const [pair, ...rungs] = rows;
    if (pair === undefined) throw new Error('a bundle has a pair');
    return { outpoint, amount: bundle.target.amount, rungs, pair };
  });
}

const CORE_CHAIN: Readonly<Record<NetworkName, string>> = {
  mainnet: '', testnet4: ' -testnet4', signet: ' -signet', regtest: ' -regtest',
};

/** For a POSIX shell: nothing inside is special to it but the quote itself. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export interface CoreStep {
  readonly words: string;
  readonly command: string;
  /** Whether the command holds the private key. */
  readonly secret: boolean;
}

/** The way with Bitcoin Core alone, each value in its place. */
export function coreSteps(opened: Opened): CoreStep[] | null {
  const descriptor = opened.refunds.privateDescriptor();
  if (descriptor === null) return null;
  const { network, fields } = opened.charter;
  const cli = `bitcoin-cli${CORE_CHAIN[network.name]}`;
  const wallet = `${cli} -rpcwallet=refund`;
  return [
    { words: 'Make an empty wallet.', command: `${cli} createwallet refund false true`, secret: false },
    {
      words: 'Give it this pledge. It looks through the whole chain for it, which may take hours.',
      command: `${wallet} importdescriptors ${quoted(JSON.stringify([{ desc: descriptor, timestamp: 0 }]))}`,
      secret: true,
    },
    {
      words: `Once the chain's median time has passed T, send it home. Not before: Bitcoin Core signs what no node takes yet. At least 2 sat/vB, because it underestimates this spend.`,
      command: `${wallet} -named sendall recipients=${quoted(JSON.stringify([opened.refunds.refundAddress]))} options=${quoted(JSON.stringify({ fee_rate: 5, locktime: fields.refund_time }))}`,
      secret: false,
    },
  ];
}

export const broadcastCommand = (network: NetworkName, hex: string): string =>
  `bitcoin-cli${CORE_CHAIN[network]} sendrawtransaction ${hex}`;

/** The pledge in words, name and value. */
export function pledgeRows(opened: Opened, nowSecs: number): [string, string][] {
  const { charter, refunds } = opened;
  const { fields } = charter;
  const total = refunds.refunds.reduce((sum, bundle) => sum + bundle.target.amount, 0n);
  return [
    ['Network', charter.network.name],
    ['Work', `${inert(fields.repository)}, released under ${inert(fields.licence)}`],
    ['Task (charter id)', charter.id],
    ['Pledge number', String(refunds.output.slot.index)],
    ['Refund time T', `${timeWords(fields.refund_time)}, ${distance(nowSecs, fields.refund_time)} (locktime ${fields.refund_time})`],
    ['Refunds go to', refunds.refundAddress],
    ['Payments in the file', refunds.refunds.length === 0 ? 'none yet' : `${refunds.refunds.length}, ${amountWords(total)}`],
    ['Your key', refunds.key === null ? 'not here: a wallet of your own has it' : 'here; it can sign refunds'],
  ];
}

export const recoveryFileName = (opened: Opened): string =>
  `upfront-recovery-${opened.charter.id.slice(0, 8)}-${opened.refunds.output.slot.index}.json`;
