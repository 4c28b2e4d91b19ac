// descriptors/vectors.json and the vectors of the BIPs, as they are.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the tests; filled in when a test is bundled. */
declare const TEST_ROOT: string;

export const descriptors = join(TEST_ROOT, '../../../../descriptors');
const readJson = (file: string): unknown => JSON.parse(readFileSync(join(descriptors, file), 'utf8'));

export interface SeatCase {
  phrase: string;
  account: number;
  key: string;
  statement_key: string;
  signature: string;
  bip322_key: string;
  bip322_signature: string;
}

export interface CharterCase {
  text: string;
  id: string;
  developer: SeatCase;
  representative: SeatCase;
  arbiter: SeatCase;
}

export interface BrokenCase {
  charter: number;
  find: string;
  replace: string;
  sha256: string;
  code: string;
}

export interface AddressCase {
  network: string;
  developer: string;
  representative: string;
  arbiter: string;
  charter_id: string;
  refund_time: number;
  generation: number;
  index: number;
  sponsor_key: string | null;
  aggregate_key: string;
  synthetic_xpub: string;
  internal_key: string;
  cooperative_leaf: string;
  refund_leaf: string | null;
  descriptor: string;
  musig_descriptor: string;
  script_pubkey: string;
  address: string;
}

export interface PartCase {
  signature: string;
  txid: string;
  transaction: string;
}

export interface RefundCase {
  charter: number;
  refund_time: number;
  generation: number;
  index: number;
  phrase: string;
  path: string;
  outpoint: string;
  amount_sat: number;
  refund_address: string;
  sponsor_key: string;
  script_pubkey: string;
  pledge_lines: string;
  pledge_signature: string;
  pair: PartCase;
  ladder: (PartCase & { sat_per_vb: number; lock_time: number })[];
}

export interface VoteCase {
  charter: number;
  submission: string;
  pledge: number;
  choice: 'yes' | 'no';
  counter: number;
  phrase: string;
  path: string;
  key: string;
  lines: string;
  digest: string;
  signature: string;
  bip322_signature: string;
}

export interface Vectors {
  version: number;
  charters: CharterCase[];
  broken_charters: BrokenCase[];
  addresses: AddressCase[];
  refunds: RefundCase[];
  votes: VoteCase[];
}

export const vectors = readJson('vectors.json') as Vectors;
export const bip = (number: string): unknown => readJson(`bip/${number}.json`);

export function at<T>(items: readonly T[], index: number): T {
  const found = items[index];
  if (found === undefined) throw new Error(`no entry ${index}`);
  return found;
}
