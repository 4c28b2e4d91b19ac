// The refunds of one pledge: signs them, keeps them, and lists what is ready to be broadcast. The recovery file is one of
// these with proof of where it belongs; words and a charter alone give one, too.

import { withChecksum } from './descriptor.ts';
import { refuse } from './error.ts';
import { toWif } from './keys.ts';
import type { EscrowOutput } from './output.ts';
import type { KeyPair } from './point.ts';
import { RefundTarget, type RefundBundle } from './refund.ts';
import { outpointText, parseOutpoint, type Transaction } from './tx.ts';

/** A signed transaction that anybody can broadcast when its time has come. */
export interface ReadyTransaction {
  readonly outpoint: string;
  readonly amount: bigint;
  /** 0 for the pair, which pays no fee: it needs another input to be relayed. */
  readonly satPerVb: number;
  readonly feeSat: bigint;
  /** Valid once the median time past (BIP113) exceeds it. */
  readonly lockTime: number;
  readonly transaction: Transaction;
}

export class Refunds {
  /** What is paid. */
  readonly output: EscrowOutput;
  readonly refundAddress: string;
  /** The sponsor's key; null where another wallet holds it. */
  readonly key: KeyPair | null;
  /** One for each outpoint, in the order they were added. */
  protected readonly bundles: RefundBundle[] = [];
  /** Where outpoints lie that settlements left in escrow: at later generations of the pledge's address. */
  private readonly places = new Map<string, EscrowOutput>();

  constructor(output: EscrowOutput, refundAddress: string, key: KeyPair | null) {
    this.output = output;
    this.refundAddress = refundAddress;
    this.key = key;
  }

  get refunds(): readonly RefundBundle[] {
    return this.bundles;
  }

  /** Tells at which address of this pledge an outpoint lies, where it is not the first. */
  locate(outpoint: string, output: EscrowOutput): void {
    this.places.set(outpoint, output);
  }

  private place(outpoint: string): EscrowOutput {
    return this.places.get(outpoint) ?? this.output;
  }

  /** What refunding an outpoint of this pledge means. */
  target(outpoint: string, amount: bigint, field = 'outpoint'): RefundTarget {
    return new RefundTarget(this.place(outpoint), parseOutpoint(outpoint, field), amount, this.refundAddress);
  }

  /** Signs the refund of an outpoint and keeps it. */
  sign(outpoint: string, amount: bigint): RefundBundle {
    const { key } = this;
    if (key === null) return refuse('no_key', 'key', 'key: no private key is here; the wallet that has it must sign');
    const bundle = this.target(outpoint, amount).sign(key);
    this.add(bundle);
    return bundle;
  }

  /** Adds the refund of an outpoint, or replaces the one that is there. */
  add(bundle: RefundBundle): void {
    const { output, refund, outpoint } = bundle.target;
    if (output.descriptor !== this.place(outpointText(outpoint)).descriptor || refund.text !== this.refundAddress) {
      refuse('recovery_other_pledge', 'outpoint', `outpoint ${outpointText(outpoint)}: its refund is not one of this pledge`);
    }
    const at = this.bundles.findIndex((held) => outpointText(held.target.outpoint) === outpointText(outpoint));
    if (at < 0) this.bundles.push(bundle);
    else this.bundles[at] = bundle;
  }

  /** Every signed transaction: for each outpoint the pair, then the rungs from the lowest. */
  ready(): ReadyTransaction[] {
    return this.bundles.flatMap((bundle) => {
      const outpoint = outpointText(bundle.target.outpoint);
      const { amount } = bundle.target;
      const pair = bundle.pair();
      const rungs = bundle.ladder().map(({ rung, transaction, feeSat }) =>
        ({ outpoint, amount, satPerVb: rung.satPerVb, feeSat, lockTime: transaction.lockTime, transaction }));
      return [{ outpoint, amount, satPerVb: 0, feeSat: 0n, lockTime: pair.lockTime, transaction: pair }, ...rungs];
    });
  }

  /** The descriptor with the private key (WIF) in place, for Bitcoin Core's importdescriptors. */
  privateDescriptor(): string | null {
    const { key, output } = this;
    if (key === null) return null;
    const body = output.descriptor.split('#')[0] ?? '';
    return withChecksum(body.replace(`v:pk(${output.sponsorKey})`, `v:pk(${toWif(key, output.network)})`));
  }
}
