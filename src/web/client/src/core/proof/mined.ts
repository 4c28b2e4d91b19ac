// What the chain's part of a document proves: headers linked and with work, median times past, Merkle branches, and
// that each outpoint and spend is what its transaction says.

import { hex, same, unhex } from '../bytes.ts';
import type { Charter } from '../charter.ts';
import { MAX_MONEY_SAT, MAX_U32 } from '../number.ts';
import type { EscrowOutput } from '../output.ts';
import { txidOf, voutOf } from '../settlement/terms.ts';
import { outpointText, parseTransaction, txid, type Transaction, type TxOut } from '../tx.ts';
import type { ConfirmationDocument, OutpointProof, ProofDocument } from './document.ts';
import type { Findings } from './findings.ts';
import { hasWork, isGenesis, medianTime, merkleProblem, readHeader, type Header, type Headers } from './merkle.ts';
import { wayOf } from './path.ts';

export const slotKey = (slot: { readonly index: number; readonly generation: number }): string => `${slot.generation}/${slot.index}`;

/** The chain's part of a document, read. */
export class Chain {
  readonly document: ProofDocument;
  readonly headers: Headers;
  private readonly transactions = new Map<string, Transaction>();

  constructor(document: ProofDocument, findings: Findings) {
    this.document = document;
    const headers = new Map<number, Header>();
    for (const [height, text] of Object.entries(document.headers)) {
      const header = readHeader(text);
      if (header === null) findings.add(`headers/${height}`, 'not a block header in hex');
      else headers.set(Number(height), header);
    }
    this.headers = headers;
    for (const [id, proof] of Object.entries(document.transactions)) {
      if (proof.raw === null) continue;
      try {
        this.transactions.set(id, parseTransaction(unhex(proof.raw, 'raw'), 'raw'));
      } catch {
        findings.add(`transactions/${id}/raw`, 'not a transaction in hex');
      }
    }
  }

  raw(id: string): Transaction | null {
    return this.transactions.get(id) ?? null;
  }

  confirmation(id: string): ConfirmationDocument | null {
    return this.document.transactions[id]?.confirmation ?? null;
  }

  prevout(outpoint: string): TxOut | null {
    return this.raw(txidOf(outpoint))?.outputs[voutOf(outpoint)] ?? null;
  }

  /** Compares a claimed median time past with the one of the document's headers. */
  median(height: number, claimed: number, field: string, findings: Findings): void {
    const found = medianTime(height, this.headers);
    if ('missing' in found) {
      findings.add(`headers/${found.missing}`, `missing: the median time past of ${height} needs it`);
    } else if (found.mtp !== claimed) {
      findings.add(field, `${claimed}; the eleven headers up to ${height} give ${found.mtp}`);
    }
  }

  /** Headers, tip and transactions. */
  check(charter: Charter, findings: Findings): void {
    this.checkHeaders(charter, findings);
    const { tip } = this.document;
    findings.unless(tip.height < MAX_U32, 'tip/height', 'no chain is that high');
    const header = this.headers.get(tip.height);
    if (header === undefined) {
      findings.add(`headers/${tip.height}`, 'missing: it is the tip\'s');
    } else {
      findings.unless(header.hash === tip.hash, 'tip/hash', 'not the hash of the header at its height');
      this.median(tip.height, tip.mtp_secs, 'tip/mtp_secs', findings);
    }
    for (const id of Object.keys(this.document.transactions)) this.checkTransaction(id, findings);
  }

  private checkHeaders(charter: Charter, findings: Findings): void {
    const network = charter.fields.network;
    for (const [height, header] of this.headers) {
      const field = `headers/${height}`;
      findings.unless(hasWork(header, network), field, 'no proof of work, or for a target that the network does not allow');
      findings.unless(height !== 0 || isGenesis(header, network), field, 'not the network\'s first block');
      const above = this.headers.get(height + 1);
      findings.unless(above === undefined || above.previous === header.hash, field, 'the header above does not follow it');
    }
  }

  private checkTransaction(id: string, findings: Findings): void {
    const field = (name: string): string => `transactions/${id}/${name}`;
    const proof = this.document.transactions[id];
    if (proof === undefined) return;
    const raw = this.raw(id);
    const at = proof.confirmation;
    if (raw === null) {
      findings.unless(at === null, field('raw'), 'missing, though it is said to be mined');
      return;
    }
    const found = txid(raw);
    findings.unless(found === id, field('raw'), `this is transaction ${found}`);
    if (at === null) return;
    findings.unless(at.height <= this.document.tip.height, field('confirmation/height'), 'above the tip');
    const header = this.headers.get(at.height);
    if (header === undefined) {
      findings.add(`headers/${at.height}`, `missing: ${id} is said to be mined there`);
      return;
    }
    if (header.hash !== at.block_hash) {
      const elsewhere = [...this.headers.values()].some((other) => other.hash === at.block_hash);
      findings.add(field(elsewhere ? 'confirmation/height' : 'confirmation/block_hash'), 'the document\'s header at this height has another hash');
      return;
    }
    this.median(at.height, at.mtp_secs, field('confirmation/mtp_secs'), findings);
    const wrong = merkleProblem(raw, at.position, proof.branch, header);
    if (wrong === null) return;
    const proves = (other: Header): boolean => merkleProblem(raw, at.position, proof.branch, other) === null;
    const names = {
      position: 'confirmation/position', branch: 'branch',
      root: wrong.field === 'root' && [...this.headers.values()].some(proves) ? 'confirmation/height' : 'branch',
    };
    findings.add(field(names[wrong.field]), wrong.problem);
  }
}

/** Every outpoint against its transaction and the address derived for it. */
export function checkOutpoints(chain: Chain, outputs: ReadonlyMap<string, EscrowOutput>, findings: Findings): void {
  const { document } = chain;
  const seen = new Set<string>();
  let sum = 0n;
  let [pays, strays] = [false, false];
  document.outpoints.forEach((proof, at) => {
    const field = (name: string): string => `outpoints/${at}/${name}`;
    findings.unless(!seen.has(proof.outpoint), field('outpoint'), 'named twice');
    seen.add(proof.outpoint);
    sum += BigInt(proof.amount_sat);
    findings.unless(sum <= MAX_MONEY_SAT, field('amount_sat'), 'with those before it more than 21 million BTC');
    const output = outputs.get(slotKey(proof));
    if (output === undefined) {
      findings.add(field('index'), `the document has no address ${slotKey(proof)}`);
      return;
    }
    const found = paid(chain, outputs, proof, output, field, findings);
    if (found === true) pays = true;
    if (found === false) strays = true;
    checkSpend(chain, proof, output, field, findings);
  });
  if (strays && !pays) {
    findings.add('charter', 'no output pays an address of this charter: a term that all addresses commit to (T, a key, a share, ...) is not what the sponsors paid under');
  }
}

/** Whether it pays the address; null if nobody can tell. */
function paid(
  chain: Chain, outputs: ReadonlyMap<string, EscrowOutput>, proof: OutpointProof, output: EscrowOutput,
  field: (name: string) => string, findings: Findings,
): boolean | null {
  const id = txidOf(proof.outpoint);
  const { document } = chain;
  if (document.transactions[id] === undefined) {
    findings.add(field('outpoint'), `the document lacks transaction ${id}`);
    return null;
  }
  // In the mempool only: it counts for nothing anyway.
  const raw = chain.raw(id);
  if (raw === null) return null;
  const there = raw.outputs[voutOf(proof.outpoint)];
  if (there === undefined) {
    findings.add(field('outpoint'), `transaction ${id} has no output ${voutOf(proof.outpoint)}`);
    return null;
  }
  findings.unless(there.amount === BigInt(proof.amount_sat), field('amount_sat'), `${proof.amount_sat} sat; the output has ${there.amount} sat`);
  if (same(there.script, output.scriptPubkey)) return true;
  const other = [...outputs.values()].find(({ scriptPubkey }) => same(scriptPubkey, there.script));
  if (other !== undefined) {
    findings.add(field('index'), `the output pays the address of index ${other.slot.index}`);
  } else if (proof.index === 0) {
    findings.add(field('outpoint'), `the output does not pay the open address ${output.address}`);
  } else {
    const pledge = Math.max(document.pledges.findIndex((known) => known.index === proof.index), 0);
    findings.add(`pledges/${pledge}/sponsor_key`, `with this key the address is ${output.address}, which ${proof.outpoint} does not pay`);
  }
  return false;
}

function checkSpend(
  chain: Chain, proof: OutpointProof, output: EscrowOutput, field: (name: string) => string, findings: Findings,
): void {
  const { spend } = proof;
  if (spend === null) return;
  if (chain.document.transactions[spend.txid] === undefined) {
    findings.add(field('spend/txid'), 'the document lacks this transaction');
    return;
  }
  const [created, mined] = [chain.confirmation(txidOf(proof.outpoint)), chain.confirmation(spend.txid)];
  if (created === null && mined !== null) findings.add(field('spend/txid'), 'mined, though what it spends is not');
  if (created !== null && mined !== null && mined.height < created.height) {
    findings.add(field('spend/txid'), 'mined below what it spends');
  }
  const raw = chain.raw(spend.txid);
  if (raw === null) return;
  const input = raw.inputs[spend.vin];
  if (input === undefined || outpointText(input) !== proof.outpoint) {
    findings.add(field('spend/vin'), `this input does not spend ${proof.outpoint}`);
    return;
  }
  const way = wayOf(output, raw, spend.vin, raw.inputs.map((each) => chain.prevout(outpointText(each))));
  if ('problem' in way) findings.add(field('spend/path'), way.problem);
  else findings.unless(way.path === spend.path, field('spend/path'), `the witness takes the way ${way.path}`);
}

export const scriptHex = (output: EscrowOutput): string => hex(output.scriptPubkey);
