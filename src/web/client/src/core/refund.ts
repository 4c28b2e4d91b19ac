// Refunds signed in advance: what gives a sponsor the money back after T without anybody's goodwill. The same
// transactions as src/escrow/refund.rs builds, to the byte; only signatures travel.
//
// - The pair: SIGHASH_SINGLE|ANYONECANPAY, nLockTime T, one output of the full value. It pays no fee by itself.
// - The ladder: whole transactions with SIGHASH_DEFAULT at rising feerates, the higher ones locked later.

import { dust, parseAddress, type Address } from './address.ts';
import { hex, unhex } from './bytes.ts';
import { refuse } from './error.ts';
import { MAX_MONEY_SAT, MAX_U32, integer, sat, satNumber } from './number.ts';
import type { EscrowOutput } from './output.ts';
import { signSchnorr, verifySchnorr, type KeyPair } from './point.ts';
import {
  SIGHASH, SighashCache, leafHash, outpointText, txid, vsize, withWitness, witnessSignature,
  type Outpoint, type Transaction, type TxOut,
} from './tx.ts';

/** Replaceable, and not final: CHECKLOCKTIMEVERIFY needs the latter. */
export const SEQUENCE = 0xffff_fffd;
const DAY_SECS = 86_400;

export interface Rung {
  readonly satPerVb: number;
  /** Seconds after T from which it is valid. */
  readonly delaySecs: number;
}

export const LADDER: readonly Rung[] = [
  { satPerVb: 1, delaySecs: 0 },
  { satPerVb: 2, delaySecs: 0 },
  { satPerVb: 5, delaySecs: 0 },
  { satPerVb: 10, delaySecs: 3 * DAY_SECS },
  { satPerVb: 25, delaySecs: 7 * DAY_SECS },
  { satPerVb: 50, delaySecs: 14 * DAY_SECS },
  { satPerVb: 100, delaySecs: 21 * DAY_SECS },
];

/** A bundle as `POST /tasks/{charter}/refunds` takes it. */
export interface RefundSignatures {
  readonly outpoint: string;
  readonly amount_sat: number;
  /** 128 hex digits; its sighash type is always 0x83. */
  readonly pair: string;
  /** One a rung that the amount can bear, lowest first; empty for "pair only". */
  readonly ladder: readonly string[];
}

/** A ladder alone, as `POST /tasks/{charter}/late-moves` takes it: the txid of a pair in a batch is not known beforehand, so what
 * must have its own refund where it arrives has none. */
export type LadderSignatures = Omit<RefundSignatures, 'pair'>;

/** What is refunded and to whom: everything a refund transaction is built from. */
export class RefundTarget {
  readonly output: EscrowOutput;
  readonly outpoint: Outpoint;
  readonly amount: bigint;
  readonly refund: Address;
  private readonly leaf: Uint8Array;
  private readonly control: Uint8Array;
  readonly sponsorKey: string;

  constructor(output: EscrowOutput, outpoint: Outpoint, amount: bigint, refundAddress: string) {
    const { refundLeaf, refundControlBlock, sponsorKey } = output;
    if (refundLeaf === null || refundControlBlock === null || sponsorKey === null) {
      throw refuse('no_refund_leaf', 'index', 'index 0 is the open address, which has no refund: what is sent there is a gift');
    }
    if (amount < 0n || amount > MAX_MONEY_SAT) refuse('out_of_range', 'amount_sat', 'amount_sat is no amount of satoshis');
    this.output = output;
    this.outpoint = outpoint;
    this.amount = amount;
    this.refund = parseAddress(refundAddress, output.network, 'refund_address');
    this.leaf = refundLeaf;
    this.control = refundControlBlock;
    this.sponsorKey = sponsorKey;
  }

  get prevout(): TxOut {
    return { amount: this.amount, script: this.output.scriptPubkey };
  }

  private transaction(lockTime: number, amount: bigint, script: Uint8Array): Transaction {
    const input = { ...this.outpoint, scriptSig: new Uint8Array(0), sequence: SEQUENCE, witness: [] };
    return { version: 2, lockTime, inputs: [input], outputs: [{ amount, script }] };
  }

  /** The pair alone, unsigned. */
  pair(): Transaction {
    return this.transaction(this.output.refundTime, this.amount, this.refund.script);
  }

  /** Virtual size of a signed refund that pays `script`. */
  private vsizeTo(script: Uint8Array): number {
    return vsize(this.signedWith(this.transaction(this.output.refundTime, this.amount, script), new Uint8Array(64), SIGHASH.default));
  }

  /** The rungs this amount can bear, unsigned: at T a fee of at most a tenth, later at most half, and no dust. */
  ladder(): { rung: Rung; transaction: Transaction }[] {
    const size = BigInt(this.vsizeTo(this.refund.script));
    const least = dust(this.refund.script);
    return LADDER.flatMap((rung) => {
      const fee = BigInt(rung.satPerVb) * size;
      const most = this.amount / (rung.delaySecs === 0 ? 10n : 2n);
      const lockTime = this.output.refundTime + rung.delaySecs;
      if (fee > most || this.amount - fee < least || lockTime > MAX_U32) return [];
      return [{ rung, transaction: this.transaction(lockTime, this.amount - fee, this.refund.script) }];
    });
  }

  /** What is signed for a part. */
  message(transaction: Transaction, sighashType: number): Uint8Array {
    return new SighashCache(transaction, [this.prevout]).taproot(0, sighashType, leafHash(this.leaf));
  }

  signedWith(transaction: Transaction, signature: Uint8Array, sighashType: number): Transaction {
    return withWitness(transaction, 0, [witnessSignature(signature, sighashType), this.leaf, this.control]);
  }

  /** A refund of its own at any feerate, locked to T: for a sponsor who acts alone, to another address if wished. */
  signAlone(key: KeyPair, satPerVb: number, to: Address = this.refund): Transaction {
    this.own(key);
    integer(satPerVb, 'feerate', 1, 100_000);
    const fee = BigInt(satPerVb) * BigInt(this.vsizeTo(to.script));
    if (this.amount - fee < dust(to.script)) {
      refuse('too_dear', 'feerate', `feerate: ${this.amount} sat cannot bear ${fee} sat of fee; a lower feerate may do`);
    }
    const transaction = this.transaction(this.output.refundTime, this.amount - fee, to.script);
    const signature = signSchnorr(this.message(transaction, SIGHASH.default), key);
    return this.signedWith(transaction, signature, SIGHASH.default);
  }

  private own(key: KeyPair): void {
    if (key.publicKey !== this.sponsorKey) refuse('other_key', 'key', 'key: this is not the key of this pledge');
  }

  /** Signs pair and ladder. Equal input gives equal bytes. */
  sign(key: KeyPair): RefundBundle {
    this.own(key);
    const pair = signSchnorr(this.message(this.pair(), SIGHASH.singleAnyoneCanPay), key);
    return new RefundBundle(this, pair, this.rungs(key));
  }

  /** Signs the ladder, and no pair. */
  signLadder(key: KeyPair): LadderSignatures {
    this.own(key);
    return { outpoint: outpointText(this.outpoint), amount_sat: satNumber(this.amount, 'amount_sat'), ladder: this.rungs(key).map(hex) };
  }

  private rungs(key: KeyPair): Uint8Array[] {
    return this.ladder().map(({ transaction }) => signSchnorr(this.message(transaction, SIGHASH.default), key));
  }

  /** Checks every part of a bundle against what it must refund. `field` is where it stands. */
  check(given: RefundSignatures, field = 'refund'): RefundBundle {
    const at = (part: string): string => (field === '' ? part : `${field}.${part}`);
    if (given.outpoint !== outpointText(this.outpoint)) {
      refuse('refund_outpoint', at('outpoint'), `${at('outpoint')}: the refund is for another outpoint`);
    }
    if (sat(given.amount_sat, at('amount_sat')) !== this.amount) {
      refuse('refund_amount', at('amount_sat'), `${at('amount_sat')}: the refund is for another amount than the output has`);
    }
    const pair = unhex(given.pair, at('pair'), 64);
    const verify = (transaction: Transaction, type: number, signature: Uint8Array): boolean =>
      verifySchnorr(signature, this.message(transaction, type), this.sponsorKey);
    if (!verify(this.pair(), SIGHASH.singleAnyoneCanPay, pair)) {
      refuse('refund_pair', at('pair'), `${at('pair')}: its signature does not verify: it was made by another key or for another address, amount or time`);
    }
    const rungs = this.ladder();
    if (given.ladder.length !== 0 && given.ladder.length !== rungs.length) {
      refuse('refund_ladder', at('ladder'), `${at('ladder')} has ${given.ladder.length} signatures; this amount has ${rungs.length} rungs`);
    }
    const ladder = given.ladder.map((text, place) => {
      const signature = unhex(text, at(`ladder.${place}`), 64);
      const rung = rungs[place];
      if (rung === undefined || !verify(rung.transaction, SIGHASH.default, signature)) {
        refuse('refund_rung', at(`ladder.${place}`), `${at(`ladder.${place}`)}: the signature of the ${rung?.rung.satPerVb} sat/vB rung does not verify`);
      }
      return signature;
    });
    return new RefundBundle(this, pair, ladder);
  }
}

/** A signed refund of one outpoint, made by `sign` or `check`. */
export class RefundBundle {
  readonly target: RefundTarget;
  private readonly pairSignature: Uint8Array;
  private readonly rungSignatures: readonly Uint8Array[];

  constructor(target: RefundTarget, pair: Uint8Array, ladder: readonly Uint8Array[]) {
    this.target = target;
    this.pairSignature = pair;
    this.rungSignatures = ladder;
  }

  get signatures(): RefundSignatures {
    return {
      outpoint: outpointText(this.target.outpoint),
      amount_sat: satNumber(this.target.amount, 'amount_sat'),
      pair: hex(this.pairSignature),
      ladder: this.rungSignatures.map(hex),
    };
  }

  /** Whether no ladder is signed though the amount may bear one. */
  get pairOnly(): boolean {
    return this.rungSignatures.length === 0;
  }

  /** The pair as a transaction: valid, but without a fee. */
  pair(): Transaction {
    return this.target.signedWith(this.target.pair(), this.pairSignature, SIGHASH.singleAnyoneCanPay);
  }

  /** The signed rungs, lowest feerate first. */
  ladder(): { rung: Rung; transaction: Transaction; feeSat: bigint }[] {
    return this.target.ladder().flatMap(({ rung, transaction }, at) => {
      const signature = this.rungSignatures[at];
      if (signature === undefined) return [];
      const [paid] = transaction.outputs;
      const feeSat = this.target.amount - (paid?.amount ?? 0n);
      return [{ rung, transaction: this.target.signedWith(transaction, signature, SIGHASH.default), feeSat }];
    });
  }
}

/**
 * Finds the outputs of a funding transaction that pay this output: what a sponsor signs refunds for. Its id is computed
 * here, so that nobody's word on outpoint or amount is taken.
 */
export function paymentsOf(transaction: Transaction, output: EscrowOutput): { outpoint: Outpoint; amount: bigint }[] {
  const script = hex(output.scriptPubkey);
  const id = txid(transaction);
  return transaction.outputs.flatMap(({ amount, script: paid }, vout) =>
    hex(paid) === script ? [{ outpoint: { txid: id, vout }, amount }] : []);
}
