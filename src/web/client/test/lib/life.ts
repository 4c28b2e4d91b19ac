// The life of a task on a chain of its own, as a proof document tells it: blocks with work, payments, submissions, votes and
// settlements, all signed with the keys of the fixtures. Claims are computed; everything else is what it says.

import { Charter, type CharterFields } from '../../src/core/charter.ts';
import { bytesOf, concat, hex, reversed, u64Le, uintLe, unhex } from '../../src/core/bytes.ts';
import { hash256 } from '../../src/core/hash.ts';
import { canonical, type Json as CoreJson } from '../../src/core/json.ts';
import { keyPair, type KeyPair } from '../../src/core/keys.ts';
import { Contract, type EscrowOutput } from '../../src/core/output.ts';
import { signSchnorr } from '../../src/core/point.ts';
import type { Kind, TermsDocument } from '../../src/core/proof/document.ts';
import { formsOf, makePlan, outputsOf, type Plan } from '../../src/core/settlement/plan.ts';
import { messagesOf, psbtOf } from '../../src/core/settlement/psbts.ts';
import { readTerms } from '../../src/core/settlement/terms.ts';
import { RefundTarget } from '../../src/core/refund.ts';
import { signStatement } from '../../src/core/signature.ts';
import type { Psbt } from '../../src/core/psbt.ts';
import { ROLES, type Role } from '../../src/core/signer-key.ts';
import * as statement from '../../src/core/statement.ts';
import { parseOutpoint, parseTransaction, serialize, transactionHex, txid, withWitness, type Transaction, type TxOut } from '../../src/core/tx.ts';
import { accountOf, fixture, remade, rootOf, type Json } from '../sign/fixture.ts';

const receiptKey = keyPair(new Uint8Array(32).fill(7), 'key');
export const leaderKey = keyPair(new Uint8Array(32).fill(8), 'key');
const FIRST_HEIGHT = 1_000;
/** Before everything that the fixture's charter fixes. */
export const START = 1_763_000_000;

interface Mined {
  readonly tx: Transaction;
  readonly height: number;
  readonly position: number;
  readonly branch: readonly string[];
}

interface Pledged {
  readonly index: number;
  readonly key: KeyPair;
  readonly refundAddress: string;
  readonly signature: string;
}

interface Paid {
  readonly outpoint: string;
  readonly index: number;
  readonly generation: number;
  readonly amount: bigint;
  spend: { readonly txid: string; readonly vin: number; readonly path?: 'refund' } | null;
}

interface Submitted {
  readonly id: string;
  readonly statement: { readonly [key: string]: unknown };
  readonly signature: string;
  readonly height: number;
  readonly votes: Json[];
  acceptance: Json;
  ruling: Json;
  confirmation: { readonly statement: Json; readonly signature: string; readonly height: number } | null;
}

type Change = { -readonly [K in keyof CharterFields]?: CharterFields[K] };

export class Life {
  readonly charter: Charter;
  readonly contract: Contract;
  readonly text = (fixture.payout.proof as { text: string }).text;
  readonly pledges: Pledged[] = [];
  readonly paid: Paid[] = [];
  readonly submissions: Submitted[] = [];
  readonly settlements: { terms: TermsDocument; plan: Plan; signedBy: Role[]; at: number }[] = [];
  readonly moves: Json[] = [];
  readonly lateMoves: Json[] = [];
  private readonly headers: { hex: string; hash: string; time: number }[] = [];
  private readonly mined = new Map<string, Mined>();
  private waiting: Transaction[] = [];
  private salt = 0;

  constructor(change: Change = {}) {
    const fields = { ...(JSON.parse(fixture.charter) as object), receipt_key: receiptKey.publicKey, ...change };
    this.charter = Charter.parse(canonical(fields as unknown as CoreJson));
    this.contract = new Contract(this.charter);
    this.mine(12, START);
  }

  // ---- The chain

  get height(): number {
    return FIRST_HEIGHT + this.headers.length - 1;
  }

  private median(height: number): number {
    const times = this.headers.slice(Math.max(height - FIRST_HEIGHT - 10, 0), height - FIRST_HEIGHT + 1).map(({ time }) => time).sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)] ?? 0;
  }

  get mtp(): number {
    return this.median(this.height);
  }

  /** Blocks of this time; the first has what waits. */
  mine(count = 1, time = this.headers.at(-1)?.time ?? START): void {
    for (let block = 0; block < count; block += 1) this.mineOne(this.waiting.splice(0), time);
  }

  /** So that the median time past is this. */
  advanceTo(time: number): void {
    this.mine(11, time);
  }

  private mineOne(txs: readonly Transaction[], time: number): void {
    const height = FIRST_HEIGHT + this.headers.length;
    const coinbase: Transaction = {
      version: 2, lockTime: 0, inputs: [{ txid: '00'.repeat(32), vout: 0xffff_ffff, scriptSig: concat(bytesOf(4), uintLe(height, 4)), sequence: 0xffff_ffff, witness: [] }],
      outputs: [{ amount: 5_000_000_000n, script: concat(bytesOf(0x51, 0x20), new Uint8Array(32).fill(9)) }],
    };
    const all = [coinbase, ...txs];
    const branches: string[][] = all.map(() => []);
    let level = all.map((tx) => reversed(unhex(txid(tx), 'txid')));
    for (let depth = 0; level.length > 1; depth += 1) {
      if (level.length % 2 === 1) level.push(level.at(-1)!);
      branches.forEach((branch, at) => branch.push(hex(reversed(level[(at >> depth) ^ 1]!))));
      level = Array.from({ length: level.length / 2 }, (_, at) => hash256(concat(level[2 * at]!, level[2 * at + 1]!)));
    }
    const previous = this.headers.at(-1)?.hash ?? '11'.repeat(32);
    for (let nonce = 0; ; nonce += 1) {
      const bytes = concat(uintLe(4, 4), reversed(unhex(previous, 'hash')), level[0]!, uintLe(time, 4), uintLe(0x207fffff, 4), uintLe(nonce, 4));
      const hash = reversed(hash256(bytes));
      if (hash[0]! >= 0x7f) continue;
      this.headers.push({ hex: hex(bytes), hash: hex(hash), time });
      break;
    }
    all.forEach((tx, position) => this.mined.set(txid(tx), { tx, height, position, branch: branches[position]! }));
  }

  // ---- Pledges

  pledge(name: string, amount: bigint): number {
    const index = this.pledges.length + 1;
    const root = rootOf(name);
    const key = root.sponsorKey(index);
    const refundAddress = root.refundAddress(index).address;
    const { network } = this.charter.fields;
    const signature = signStatement(statement.pledge({ network, charter: this.charter.id, index, sponsorKey: key.publicKey, refundAddress }), key);
    this.pledges.push({ index, key, refundAddress, signature });
    if (amount > 0n) this.pay(index, 0, amount);
    return index;
  }

  outputAt(index: number, generation: number): EscrowOutput {
    return index === 0 ? this.contract.open() : this.contract.pledge({ index, generation }, this.pledges[index - 1]!.key.publicKey);
  }

  /** A payment from outside; its outpoint. */
  pay(index: number, generation: number, amount: bigint): string {
    this.salt += 1;
    const from = concat(u64Le(BigInt(this.salt)), new Uint8Array(24));
    const tx: Transaction = {
      version: 2, lockTime: 0, inputs: [{ txid: hex(from), vout: 0, scriptSig: new Uint8Array(0), sequence: 0xffff_fffd, witness: [new Uint8Array(64)] }],
      outputs: [{ amount, script: this.outputAt(index, generation).scriptPubkey }],
    };
    this.waiting.push(tx);
    const outpoint = `${txid(tx)}:0`;
    this.paid.push({ outpoint, index, generation, amount, spend: null });
    return outpoint;
  }

  outpointOf(index: number, generation = 0): Paid {
    return this.paid.find((paid) => paid.index === index && paid.generation === generation)!;
  }

  // ---- Words

  submit(milestone: number | null, named: statement.Named | null = null): string {
    const { network } = this.charter.fields;
    const said = {
      network, charter: this.charter.id, number: this.submissions.length, link: 'https://example.org/work', content: 'c0'.repeat(32),
      block_height: this.height, block_hash: this.headers.at(-1)!.hash,
      ...(milestone === null ? {} : { milestone }), ...(named === null ? {} : { named }),
    };
    const words = statement.submission({ ...said, blockHeight: said.block_height, blockHash: said.block_hash });
    const key = named === null ? accountOf('developer').statementKey : named.by === 'leader' ? leaderKey : accountOf('representative').statementKey;
    const id = hex(words.digest);
    this.submissions.push({ id, statement: said, signature: signStatement(words, key), height: this.height, votes: [], acceptance: null, ruling: null, confirmation: null });
    return id;
  }

  private submission(id: string): Submitted {
    return this.submissions.find((known) => known.id === id)!;
  }

  /** A vote as its sponsor hands it over, without a receipt. */
  said(submission: string, pledge: number, choice: 'yes' | 'no', counter = 0): { vote: Json; receipt: Json } {
    const { network } = this.charter.fields;
    const words = { network, charter: this.charter.id, submission, pledge, choice, counter };
    return { vote: { statement: words, signature: signStatement(statement.vote(words), this.pledges[pledge - 1]!.key) }, receipt: null };
  }

  vote(submission: string, pledge: number, choice: 'yes' | 'no', counter = 0): void {
    const { network } = this.charter.fields;
    const cast = this.said(submission, pledge, choice, counter);
    const digest = hex(statement.vote({ network, charter: this.charter.id, submission, pledge, choice, counter }).digest);
    const receipt = { network, charter: this.charter.id, vote: digest, tip_height: this.height, tip_hash: this.headers.at(-1)!.hash, tip_mtp_secs: this.mtp };
    const words = statement.receipt({ ...receipt, tipHeight: receipt.tip_height, tipHash: receipt.tip_hash, tipMtpSecs: receipt.tip_mtp_secs });
    this.submission(submission).votes.push({ ...cast, receipt: { statement: receipt, signature: signStatement(words, receiptKey) } });
  }

  /** The leader says that it is merged. */
  confirm(submission: string): void {
    const { network } = this.charter.fields;
    const said = { network, charter: this.charter.id, submission, confirmed: 'merged', block_height: this.height, block_hash: this.headers.at(-1)!.hash } as const;
    const words = statement.confirmation({ ...said, blockHeight: said.block_height, blockHash: said.block_hash });
    this.submission(submission).confirmation = { statement: said, signature: signStatement(words, leaderKey), height: this.height };
  }

  accept(submission: string): void {
    const said = { network: this.charter.fields.network, charter: this.charter.id, submission, accepted: true };
    this.submission(submission).acceptance = { statement: said, signature: signStatement(statement.acceptance(said), accountOf('representative').statementKey) };
  }

  rule(submission: string, bps: number): void {
    const said = { network: this.charter.fields.network, charter: this.charter.id, submission };
    const words = statement.ruling({ ...said, payBps: bps });
    this.submission(submission).ruling = { statement: { ...said, pay_bps: bps }, signature: signStatement(words, accountOf('arbiter').statementKey) };
  }

  move(index: number, to: Life, toIndex: number, generation = 0): void {
    this.moves.push(this.consent(index, to, toIndex, generation));
  }

  /** The sponsor signs that from T on it goes there, and sends a rung of it. */
  moveLate(index: number, to: Life, toIndex: number, rung: number | null = 0, signed = true): void {
    if (signed) this.lateMoves.push(this.consent(index, to, toIndex, 0));
    if (rung !== null) this.sendAlone(index, to.outputAt(toIndex, 0).address, rung);
  }

  /** The sponsor's key sends a rung that pays an address. */
  sendAlone(index: number, address: string, rung: number): void {
    const paid = this.outpointOf(index);
    const target = new RefundTarget(this.outputAt(index, 0), parseOutpoint(paid.outpoint, 'outpoint'), paid.amount, address);
    const { transaction } = target.sign(this.pledges[index - 1]!.key).ladder()[rung]!;
    paid.spend = { txid: txid(transaction), vin: 0, path: 'refund' };
    this.waiting.push(parseTransaction(serialize(transaction), 'tx'));
    this.mine();
  }

  private consent(index: number, to: Life, toIndex: number, generation: number): Json {
    const { network } = this.charter.fields;
    const said = {
      network, charter: this.charter.id, outpoint: this.outpointOf(index, generation).outpoint, to_charter: to.charter.id, to_index: toIndex,
      to_address: to.outputAt(toIndex, 0).address,
    };
    const words = statement.move({ ...said, toCharter: said.to_charter, toIndex, toAddress: said.to_address });
    return { statement: said, signature: signStatement(words, this.pledges[index - 1]!.key) };
  }

  // ---- Settlements

  /** Terms over these outpoints with these shares. */
  terms(kind: Kind, feerate: number, shares: readonly (readonly [Paid, number, string?])[], payees: readonly statement.NamedPayee[] = []): TermsDocument {
    return {
      charter: this.charter.id, for: kind, feerate_sat_per_vb: feerate,
      inputs: shares.map(([{ outpoint, index, generation, amount }, pay_bps, to]) => ({
        outpoint, amount_sat: Number(amount), index, generation, pay_bps,
        sponsor_key: index === 0 ? null : this.pledges[index - 1]!.key.publicKey,
        return_address: to ?? (index === 0 ? this.charter.fields.pot : this.pledges[index - 1]!.refundAddress),
      })),
      ...(payees.length === 0 ? {} : { payees }),
    };
  }

  propose(terms: TermsDocument, signedBy: Role[] = []): Plan {
    const plan = makePlan(this.charter, outputsOf(this.contract), readTerms(terms, 'terms'), 'terms');
    this.settlements.push({ terms, plan, signedBy, at: this.mtp });
    return plan;
  }

  psbts(plan: Plan): Psbt[] {
    return formsOf(plan).map((placed) => psbtOf(this.charter, placed, []));
  }

  /** Developer and representative sign one form of each transaction, and it is mined. */
  settle(plan: Plan, formAt = 0): void {
    for (const placed of formsOf(plan).filter((each) => each.formAt === formAt)) {
      const messages = messagesOf(placed);
      let { tx } = placed.form;
      placed.chunk.inputs.forEach(({ term, output }, at) => {
        const signed = (role: Role): Uint8Array => signSchnorr(messages[at]!, accountOf(role).child(term.generation, term.index));
        const witness = [new Uint8Array(0), signed('representative'), signed('developer'), output.cooperativeLeaf, output.cooperativeControlBlock];
        tx = withWitness(tx, at, witness);
        this.paid.find((paid) => paid.outpoint === term.outpoint)!.spend = { txid: placed.form.txid, vin: at };
      });
      placed.form.outputs.forEach((kind, vout) => {
        if (kind.kind !== 'remainder') return;
        const { amount } = placed.form.tx.outputs[vout] as TxOut;
        this.paid.push({ outpoint: `${placed.form.txid}:${vout}`, index: kind.index, generation: kind.generation, amount, spend: null });
      });
      this.waiting.push(parseTransaction(serialize(tx), 'tx'));
    }
    this.mine();
  }

  // ---- The document

  document(): Json {
    const at = (id: string): Json => {
      const found = this.mined.get(id);
      if (found === undefined) return { raw: null, confirmation: null, branch: [] };
      const { tx, height, position, branch } = found;
      const confirmation = { height, block_hash: this.headers[height - FIRST_HEIGHT]!.hash, position, mtp_secs: this.median(height) };
      return { raw: transactionHex(tx), confirmation, branch: [...branch] };
    };
    const ids = new Set(this.paid.flatMap(({ outpoint, spend }) => [outpoint.slice(0, 64), ...(spend === null ? [] : [spend.txid])]));
    const document = {
      version: 1, charter_id: this.charter.id, charter: this.charter.text, text: this.text,
      attestations: Object.fromEntries(ROLES.map((role) => [role, signStatement(statement.attest(this.charter.id), accountOf(role).statementKey)])),
      opened: true,
      tip: { height: this.height, hash: this.headers.at(-1)!.hash, mtp_secs: this.mtp },
      addresses: [],
      pledges: this.pledges.map(({ index, key, refundAddress, signature }) =>
        ({ index, sponsor_key: key.publicKey, refund_address: refundAddress, signature, promised_sat: 10_000, issued_mtp_secs: START })),
      outpoints: this.paid.map(({ outpoint, index, generation, amount, spend }) => ({
        outpoint, index, generation, amount_sat: Number(amount), secured: false, standing: { standing: 'seen' },
        spend: spend === null ? null : { path: 'cooperative', ...spend },
      })),
      transactions: Object.fromEntries([...ids].map((id) => [id, at(id)])),
      headers: Object.fromEntries(this.headers.map((header, number) => [String(FIRST_HEIGHT + number), header.hex])),
      ...(this.moves.length === 0 ? {} : { moves: this.moves }),
      ...(this.lateMoves.length === 0 ? {} : { late_moves: this.lateMoves }),
      submissions: this.submissions.map(({ id, statement: said, signature, height, votes, acceptance, ruling, confirmation: known }) => ({
        id, submission: { statement: said as Json, signature }, block_hash: this.headers[height - FIRST_HEIGHT]!.hash, block_mtp_secs: this.median(height),
        votes, acceptance, ruling,
        ...(known === null ? {} : { confirmation: {
          confirmation: { statement: known.statement, signature: known.signature },
          block_hash: this.headers[known.height - FIRST_HEIGHT]!.hash, block_mtp_secs: this.median(known.height),
        } }),
        tally: { electorate_sat: 0, yes_sat: 0, no_sat: 0, quorum_met: false, threshold_reached: false, choices: {}, late: {} },
      })),
      settlements: [...this.settlements].sort((a, b) => (a.plan.id < b.plan.id ? -1 : 1)).map(({ terms, plan, signedBy, at: proposed }) => ({
        id: plan.id, terms: terms as unknown as Json, signed_by: signedBy, proposed_mtp_secs: proposed, transactions: plan.chunks.map(() => []),
      })),
      totals: Object.fromEntries(['seen', 'awaiting_depth', 'credited', 'gifts', 'surplus', 'below_minimum', 'raised', 'settled', 'refunded', 'secured']
        .map((name) => [`${name}_sat`, 0])),
    };
    return remade(document as unknown as Json);
  }
}
