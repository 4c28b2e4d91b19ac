// From a charter to addresses: the output of every pledge and generation, and of the open address.
//
//   pledge n >= 1, generation g:  tr( I , { multi_a(2, D, R, A) , and_v(v:pk(S), after(T)) } )
//   open address (n = g = 0):     tr( I , multi_a(2, D, R, A) )
//   I = SYN / c1/c2/c3/c4 / g / n;  D, R, A = xpub/g/n of developer, representative, arbiter

import { p2trAddress, p2trScript } from './address.ts';
import type { ExtendedKey } from './bip32.ts';
import { bytesOf, compare, concat, unhex, withLength } from './bytes.ts';
import type { Charter } from './charter.ts';
import { withChecksum } from './descriptor.ts';
import { refuse } from './error.ts';
import { taggedHash } from './hash.ts';
import { aggregateSorted, syntheticKey } from './musig.ts';
import type { Network } from './network.ts';
import { MAX_31, integer } from './number.ts';
import { liftX, tapTweak } from './point.ts';
import { ROLES, type SignerKey } from './signer-key.ts';
import { leafHash } from './tx.ts';

/** `1000/0` is the statement key. */
export const MAX_GENERATION = 999;

/** Where in a charter's tree of addresses an output stands. */
export interface Slot {
  /** 0 at first, one more for what a settlement returns to escrow. */
  readonly generation: number;
  /** Pledge n; 0 is the open address. */
  readonly index: number;
}

export interface EscrowOutput {
  readonly slot: Slot;
  readonly network: Network;
  /** S, x-only; null for the open address. */
  readonly sponsorKey: string | null;
  /** I, before the Taproot tweak. */
  readonly internalKey: string;
  /** D, R, A at this slot. */
  readonly signerKeys: readonly [string, string, string];
  /** `<D> CHECKSIG <R> CHECKSIGADD <A> CHECKSIGADD 2 NUMEQUAL`. */
  readonly cooperativeLeaf: Uint8Array;
  /** `<S> CHECKSIGVERIFY <T> CHECKLOCKTIMEVERIFY`; null for the open address. */
  readonly refundLeaf: Uint8Array | null;
  /** T. */
  readonly refundTime: number;
  readonly merkleRoot: Uint8Array;
  readonly cooperativeControlBlock: Uint8Array;
  readonly refundControlBlock: Uint8Array | null;
  readonly scriptPubkey: Uint8Array;
  readonly address: string;
  /** With every key in place, and its checksum. */
  readonly descriptor: string;
}

const OP_2 = 0x52;
const OP_CHECKSIG = 0xac;
const OP_CHECKSIGVERIFY = 0xad;
const OP_CHECKLOCKTIMEVERIFY = 0xb1;
const OP_CHECKSIGADD = 0xba;
const OP_NUMEQUAL = 0x9c;
const LEAF_VERSION = 0xc0;

/** The first 124 bits of a charter id as four steps of 31 bits. */
export function charterSteps(id: string): number[] {
  const bits = BigInt(`0x${id.slice(0, 31)}`);
  return [93n, 62n, 31n, 0n].map((shift) => Number((bits >> shift) & 0x7fff_ffffn));
}

/** A time as a number in a script: minimal, lowest byte first. Times are above 16 and below 2^31. */
function scriptTime(secs: number): Uint8Array {
  const digits: number[] = [];
  for (let rest = secs; rest > 0; rest = Math.floor(rest / 256)) digits.push(rest % 256);
  if ((digits.at(-1) ?? 0) > 0x7f) digits.push(0);
  return withLength(Uint8Array.from(digits));
}

const pushKey = (key: string): Uint8Array => withLength(unhex(key, 'key', 32));

function cooperativeLeaf([developer, representative, arbiter]: readonly [string, string, string]): Uint8Array {
  return concat(
    pushKey(developer), bytesOf(OP_CHECKSIG), pushKey(representative), bytesOf(OP_CHECKSIGADD),
    pushKey(arbiter), bytesOf(OP_CHECKSIGADD, OP_2, OP_NUMEQUAL),
  );
}

const refundLeaf = (sponsor: string, refundTime: number): Uint8Array =>
  concat(pushKey(sponsor), bytesOf(OP_CHECKSIGVERIFY), scriptTime(refundTime), bytesOf(OP_CHECKLOCKTIMEVERIFY));

/** Everything of a charter that addresses are made from; what pledges share is derived once. */
export class Contract {
  readonly charter: Charter;
  /** MuSig2 aggregate (BIP327) of the developer's and representative's account keys, compressed. */
  readonly aggregate: Uint8Array;
  private readonly synthetic: ExtendedKey;
  private readonly branch: ExtendedKey;
  private readonly generations = new Map<number, ExtendedKey>();

  constructor(charter: Charter) {
    this.charter = charter;
    const [developer, representative] = charter.signers;
    this.aggregate = aggregateSorted([developer.publicKey, representative.publicKey]);
    this.synthetic = syntheticKey(this.aggregate, charter.network);
    this.branch = this.synthetic.derive(...charterSteps(charter.id));
  }

  /** SYN: the aggregate as an extended key (BIP328). */
  get syntheticXpub(): string {
    return this.synthetic.xpub;
  }

  /** The output of a pledge. */
  pledge(slot: Slot, sponsorKey: string): EscrowOutput {
    integer(slot.index, 'index', 1, MAX_31);
    integer(slot.generation, 'generation', 0, MAX_GENERATION);
    if (liftX(sponsorKey) === null) refuse('not_a_key', 'sponsor_key', 'sponsor_key is no x-only public key');
    return this.output(slot, sponsorKey);
  }

  /** The task's open address, for gifts from any wallet: no refund key, no timelock. */
  open(): EscrowOutput {
    return this.output({ generation: 0, index: 0 }, null);
  }

  /** The same output in BIP390 form, from which Bitcoin Core 30 and later derives the same address. */
  musigDescriptor({ slot, sponsorKey, refundTime }: EscrowOutput): string {
    const [developer, representative] = this.charter.signers;
    const steps = `${slot.generation}/${slot.index}`;
    const musig = `musig(${developer.text},${representative.text})/${charterSteps(this.charter.id).join('/')}/${steps}`;
    const keys = this.charter.signers.map((signer) => `${signer.text}/${steps}`);
    return withChecksum(`tr(${musig},${tree(keys, sponsorKey, refundTime)})`);
  }

  private internalKey({ generation, index }: Slot): string {
    let parent = this.generations.get(generation);
    if (parent === undefined) {
      parent = this.branch.derive(generation);
      this.generations.set(generation, parent);
    }
    return parent.derive(index).xOnly;
  }

  private output(slot: Slot, sponsorKey: string | null): EscrowOutput {
    const { network, signers, fields } = this.charter;
    const child = (signer: SignerKey): string => signer.child(slot.generation, slot.index);
    const signerKeys = [child(signers[0]), child(signers[1]), child(signers[2])] as const;
    const at = sponsorKey === null ? -1 : signerKeys.indexOf(sponsorKey);
    if (at >= 0) refuse('descriptor', 'sponsor_key', `sponsor_key is the key of the ${ROLES[at]} at this index: use a key of your own`);
    const internalKey = this.internalKey(slot);
    const cooperative = cooperativeLeaf(signerKeys);
    const refund = sponsorKey === null ? null : refundLeaf(sponsorKey, fields.refund_time);
    const cooperativeHash = leafHash(cooperative);
    const refundHash = refund === null ? null : leafHash(refund);
    const merkleRoot = refundHash === null ? cooperativeHash : branchHash(cooperativeHash, refundHash);
    const { outputKey, odd } = tapTweak(internalKey, merkleRoot, 'internal_key');
    const control = concat(bytesOf(LEAF_VERSION | (odd ? 1 : 0)), unhex(internalKey, 'internal_key', 32));
    return {
      slot,
      network,
      sponsorKey,
      internalKey,
      signerKeys,
      cooperativeLeaf: cooperative,
      refundLeaf: refund,
      refundTime: fields.refund_time,
      merkleRoot,
      cooperativeControlBlock: refundHash === null ? control : concat(control, refundHash),
      refundControlBlock: refund === null ? null : concat(control, cooperativeHash),
      scriptPubkey: p2trScript(outputKey),
      address: p2trAddress(outputKey, network),
      descriptor: withChecksum(`tr(${internalKey},${tree(signerKeys, sponsorKey, fields.refund_time)})`),
    };
  }
}

function tree(keys: readonly string[], sponsorKey: string | null, refundTime: number): string {
  const leaf = `multi_a(2,${keys.join(',')})`;
  return sponsorKey === null ? leaf : `{${leaf},and_v(v:pk(${sponsorKey}),after(${refundTime}))}`;
}

function branchHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compare(a, b) < 0 ? taggedHash('TapBranch', a, b) : taggedHash('TapBranch', b, a);
}
