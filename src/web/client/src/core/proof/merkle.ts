// Headers, median times past, and proof that a transaction is in a block. Whether a header is in the best chain cannot
// be told from a file.
//
// The Merkle tree commits neither to its depth nor to the kind of its nodes, hence the extra rules: nothing of 64 bytes
// counts as a transaction (CVE-2017-12842, both ways round), a copied last leaf has no position of its own
// (CVE-2012-2459), and the position fits the depth.

import { concat, hex, Reader, reversed, same, unhex } from '../bytes.ts';
import { hash256 } from '../hash.ts';
import type { NetworkName } from '../network.ts';
import { MAX_MONEY_SAT } from '../number.ts';
import { parseTransaction, stripped, txid, type Transaction } from '../tx.ts';

/** A block holds at most 16,666 transactions, so no branch is longer than this. */
const MAX_DEPTH = 15;
/** A median time past is that of eleven blocks: a header and the ten below it (BIP113). */
const HEADERS_BELOW = 10;

/** Highest target that a network allows, and its first block. */
const CHAINS: Readonly<Record<NetworkName, { readonly limit: bigint; readonly genesis: string }>> = {
  mainnet: { limit: 0xffffn << 208n, genesis: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f' },
  testnet4: { limit: 0xffffn << 208n, genesis: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043' },
  signet: { limit: 0x377aen << 216n, genesis: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6' },
  regtest: { limit: 0x7fffffn << 232n, genesis: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206' },
};

export interface Header {
  readonly hash: string;
  readonly previous: string;
  readonly merkleRoot: Uint8Array;
  readonly time: number;
  readonly bits: number;
}

/** 80 bytes; null for anything else. */
export function readHeader(text: string): Header | null {
  if (text.length !== 160) return null;
  const bytes = unhex(text, 'header');
  const reader = new Reader(bytes, 'header');
  reader.take(4);
  const previous = hex(reversed(reader.take(32)));
  const merkleRoot = reader.take(32);
  return { hash: hex(reversed(hash256(bytes))), previous, merkleRoot, time: reader.uint(4), bits: reader.uint(4) };
}

/** The target of a header's compact form; 0, which nothing meets, for negative ones. */
function target(bits: number): bigint {
  const [mantissa, exponent] = [BigInt(bits & 0xff_ffff), bits >>> 24];
  if (mantissa > 0x7f_ffffn) return 0n;
  return exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
}

/** Whether a header has the work it says, and the network allows that little. */
export function hasWork(header: Header, network: NetworkName): boolean {
  const needed = target(header.bits);
  return BigInt(`0x${header.hash}`) <= needed && needed <= CHAINS[network].limit;
}

export const isGenesis = (header: Header, network: NetworkName): boolean => header.hash === CHAINS[network].genesis;

export type Headers = ReadonlyMap<number, Header>;

/** Median time past of a block; or the height of a header that it needs and is not there. */
export function medianTime(height: number, headers: Headers): { mtp: number } | { missing: number } {
  const times: number[] = [];
  for (let at = Math.max(height - HEADERS_BELOW, 0); at <= height; at += 1) {
    const header = headers.get(at);
    if (header === undefined) return { missing: at };
    times.push(header.time);
  }
  times.sort((a, b) => a - b);
  return { mtp: times[Math.floor(times.length / 2)] ?? 0 };
}

/** Whether two nodes side by side read as a transaction that could be in a block. */
function isTransaction(pair: Uint8Array): boolean {
  try {
    const { inputs, outputs } = parseTransaction(pair, 'node');
    return inputs.length > 0 && outputs.length > 0 && outputs.every(({ amount }) => amount <= MAX_MONEY_SAT);
  } catch {
    return false;
  }
}

const isCoinbase = (tx: Transaction): boolean => {
  const [input] = tx.inputs;
  return tx.inputs.length === 1 && input !== undefined && input.vout === 0xffff_ffff && /^0{64}$/.test(input.txid);
};
export { isCoinbase };

/** Why a branch proves nothing, and the field that says so; null where it proves that `tx` is at `position`. */
export function merkleProblem(
  tx: Transaction, position: number, branch: readonly string[], header: Header,
): { field: 'position' | 'branch' | 'root'; problem: string } | null {
  const [id, depth] = [txid(tx), branch.length];
  if (stripped(tx).length === 64) {
    return { field: 'branch', problem: `transaction ${id} has 64 bytes and could be an inner node of the tree` };
  }
  if (depth > MAX_DEPTH) return { field: 'branch', problem: `the branch of ${id} has ${depth} levels, more than any block` };
  if (position >= 2 ** depth) {
    return { field: 'position', problem: `position ${position} of ${id} does not exist in a tree of depth ${depth}` };
  }
  if (isCoinbase(tx) !== (position === 0)) {
    return { field: 'position', problem: `transaction ${id} cannot be at position ${position}: only a coinbase is at 0` };
  }
  let node = reversed(unhex(id, 'txid'));
  for (const [level, text] of branch.entries()) {
    const sibling = reversed(unhex(text, 'branch'));
    const isRight = Math.floor(position / 2 ** level) % 2 === 1;
    if (isRight && same(sibling, node)) {
      return { field: 'position', problem: `position ${position} of ${id} is a copy of the last node of its level` };
    }
    const pair = isRight ? concat(sibling, node) : concat(node, sibling);
    if (isTransaction(pair)) {
      return { field: 'branch', problem: `the branch of ${id} goes through a transaction of 64 bytes at level ${level}` };
    }
    node = hash256(pair);
  }
  if (same(node, header.merkleRoot)) return null;
  return { field: 'root', problem: `the branch of ${id} does not lead to the Merkle root of block ${header.hash}` };
}
