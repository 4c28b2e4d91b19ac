// A small service for tests of what asks one: it knows one task, whose signers' keys it has, issues pledges by the rules,
// and answers through `fetch`. Answers can be altered or lost on their way.

import { Charter } from '../../src/core/charter.ts';
import { hex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { canonical, parseJson, type Json } from '../../src/core/json.ts';
import { Root, type KeyPair } from '../../src/core/keys.ts';
import { Contract } from '../../src/core/output.ts';
import type { RefundSignatures } from '../../src/core/refund.ts';
import { signStatement } from '../../src/core/signature.ts';
import { attest, submission, type SubmissionFields } from '../../src/core/statement.ts';
import { transactionHex, txid, type Transaction } from '../../src/core/tx.ts';
import { paymentLink } from '../../src/sponsor/task.ts';
import { at, vectors, type SeatCase } from './vectors.ts';

type Fields = { [key: string]: unknown };
/** What the answer to a request becomes: other JSON; undefined leaves it; null loses it on the way. */
type Alter = (body: Fields, path: string, method: string) => unknown;

export class FakeService {
  readonly charter: Charter;
  readonly pledges: Fields[] = [];
  readonly submissions: Fields[] = [];
  /** Further tasks and their pledges, each a list of pages. */
  others: { charter: string; pages: Fields[][] }[] = [];
  /** How many tasks a page of the list has. */
  perPage = 20;
  /** The outpoint whose refund is refused. */
  refuse: string | null = null;
  readonly refunds: string[] = [];
  /** Refunds of what does not exist yet, as they were handed in: pledge, generation and bundle. */
  readonly prepared: { index: number; generation: number; refund: RefundSignatures }[] = [];
  /** How many of them are taken before the service refuses. */
  mostPrepared = Infinity;
  /** Median time past. */
  mtp = 1_700_000_000;
  /** Raw transactions that paid pledges, by id. */
  readonly transactions = new Map<string, string>();
  /** Consents to moves, and what moves at T. */
  readonly moves: Fields[] = [];
  readonly lateMoves: Fields[] = [];
  /** The code that a request is refused with, by its path below the task; null lets it through. */
  refusal: (rest: string, method: string) => string | null = () => null;
  alter: Alter = () => undefined;
  readonly asked: string[] = [];
  readonly text = 'Read truncated files.\n';
  readonly keys: Readonly<Record<'developer' | 'representative' | 'arbiter', KeyPair>>;

  constructor(change: { readonly [key: string]: Json } = {}) {
    const given = at(vectors.charters, 0);
    const fields = parseJson(given.text, 'charter') as { [key: string]: Json };
    fields.text_hash = hex(sha256(utf8(this.text)));
    Object.assign(fields, change);
    this.charter = Charter.parse(canonical(fields));
    const key = (seat: SeatCase): KeyPair => Root.fromPhrase(seat.phrase, this.charter.network).account(seat.account).statementKey;
    this.keys = { developer: key(given.developer), representative: key(given.representative), arbiter: key(given.arbiter) };
  }

  get base(): string {
    return `/api/v1/tasks/${this.charter.id}`;
  }

  private get task(): Fields {
    const agreed = (key: KeyPair): string => signStatement(attest(this.charter.id), key);
    const { developer, representative, arbiter } = this.keys;
    return {
      charter: this.charter.id, text: this.text, terms: parseJson(this.charter.text, 'charter'),
      attestations: { developer: agreed(developer), representative: agreed(representative), arbiter: agreed(arbiter) },
      open_address: new Contract(this.charter).open().address, next_index: this.pledges.length + 1, pledges: this.pledges, submissions: this.submissions,
    };
  }

  private issue(asked: Fields): Fields {
    const output = new Contract(this.charter).pledge({ generation: 0, index: Number(asked.index) }, String(asked.sponsor_key));
    const pledge = {
      index: asked.index, sponsor_key: asked.sponsor_key, refund_address: asked.refund_address, signature: asked.signature,
      promised_sat: asked.amount_sat, address: output.address, descriptor: output.descriptor,
      uri: paymentLink(output.address, BigInt(Number(asked.amount_sat))), outpoints: [],
    };
    this.pledges.push(pledge);
    return pledge;
  }

  /** A payment to a pledge, mined and credited; its outpoint. */
  pay(index: number, amount: number, more: Fields = {}): string {
    const pledge = this.pledges.find((each) => each.index === index)!;
    const { scriptPubkey } = new Contract(this.charter).pledge({ generation: Number(more.generation ?? 0), index }, String(pledge.sponsor_key));
    const tx: Transaction = {
      version: 2, lockTime: 0, outputs: [{ amount: 1n, script: new Uint8Array(22) }, { amount: BigInt(amount), script: scriptPubkey }],
      inputs: [{ txid: 'aa'.repeat(32), vout: this.transactions.size, scriptSig: new Uint8Array(0), sequence: 0xffff_fffd, witness: [] }],
    };
    this.transactions.set(txid(tx), transactionHex(tx));
    const outpoint = `${txid(tx)}:1`;
    const held = { outpoint, generation: 0, amount_sat: amount, standing: 'credited', secured: true, pair_only: false, ended: null, ...more };
    (pledge.outpoints as Fields[]).push(held);
    return outpoint;
  }

  private take(into: Fields[], said: Fields, consent: Fields): Fields | null {
    const { outpoint } = consent.statement as { outpoint: string };
    into.push(said);
    return this.pledges.find(({ outpoints }) => (outpoints as Fields[]).some((at) => at.outpoint === outpoint)) ?? null;
  }

  /** A submission as the developer signs it. */
  submit(change: Partial<SubmissionFields> = {}): Fields {
    const fields: SubmissionFields = {
      network: this.charter.network.name, charter: this.charter.id, number: 1, link: 'https://example.org/work', content: 'c'.repeat(64),
      blockHeight: 100, blockHash: 'd'.repeat(64), ...change,
    };
    const said = submission(fields);
    const { network, charter, number, link, content } = fields;
    const made = {
      id: hex(said.digest),
      submission: {
        statement: {
          network, charter, number, link, content, block_height: fields.blockHeight, block_hash: fields.blockHash,
          ...(typeof fields.milestone === 'number' ? { milestone: fields.milestone } : {}), ...(fields.named ? { named: fields.named } : {}),
        },
        signature: signStatement(said, this.keys[fields.named ? 'representative' : 'developer']),
      },
      window: { closes_secs: 2_000_000_000 }, closed: false, votes: [],
    };
    this.submissions.push(made);
    return made;
  }

  private page(items: readonly Fields[], query: URLSearchParams): Fields {
    const limit = Math.min(this.perPage, Number(query.get('limit') ?? '100'));
    const from = Number(query.get('cursor') ?? '0');
    const cut = items.slice(from, from + limit);
    return { items: cut, next: from + limit < items.length ? String(from + limit) : null };
  }

  private answer(method: string, url: URL, body: Fields): Fields | string | null {
    const path = url.pathname;
    if (path === '/api/v1/tasks') {
      return this.page([{ charter: this.charter.id }, ...this.others.map(({ charter }) => ({ charter }))], url.searchParams);
    }
    const other = this.others.find(({ charter }) => path === `/api/v1/tasks/${charter}/pledges`);
    if (other !== undefined) {
      const number = Number(url.searchParams.get('cursor') ?? '0');
      return { items: other.pages[number] ?? [], next: number + 1 < other.pages.length ? String(number + 1) : null };
    }
    const rest = path.slice(this.base.length);
    if (rest === '') return this.task;
    if (rest === '/charter') return this.charter.text;
    if (rest === '/proof') {
      const transactions = Object.fromEntries([...this.transactions].map(([id, raw]) => [id, { raw, confirmation: null, branch: [] }]));
      return { tip: { mtp_secs: this.mtp }, transactions, ...(this.moves.length === 0 ? {} : { moves: this.moves }) };
    }
    if (rest === '/moves' && method === 'POST') return this.take(this.moves, body, body);
    if (rest === '/late-moves' && method === 'POST') {
      const { outpoint, to_charter, to_index } = (body.consent as { statement: Fields }).statement;
      const pledge = this.take(this.lateMoves, body, body.consent as Fields);
      for (const at of (pledge?.outpoints ?? []) as Fields[]) if (at.outpoint === outpoint) at.late_move = { to_charter, to_index };
      return pledge;
    }
    if (rest === '/pledges' && method === 'POST') return this.issue(body);
    if (rest === '/refunds' && method === 'POST') {
      const outpoint = String(body.outpoint);
      if (outpoint === this.refuse) return null;
      this.refunds.push(outpoint);
      const pledge = this.pledges.find(({ outpoints }) => (outpoints as Fields[]).some((at) => at.outpoint === outpoint));
      for (const at of (pledge?.outpoints ?? []) as Fields[]) if (at.outpoint === outpoint) at.secured = true;
      return pledge ?? null;
    }
    const beforehand = /^\/pledges\/(\d+)\/prepared-refunds$/.exec(rest);
    if (beforehand !== null) {
      if (this.prepared.length >= this.mostPrepared) return null;
      const { generation, refund } = body as unknown as { generation: number; refund: RefundSignatures };
      this.prepared.push({ index: Number(beforehand[1]), generation, refund });
      return this.pledges.find(({ index }) => index === Number(beforehand[1])) ?? null;
    }
    const one = /^\/pledges\/(\d+)$/.exec(rest);
    if (one !== null) return this.pledges.find(({ index }) => index === Number(one[1])) ?? null;
    const work = /^\/submissions\/([0-9a-f]{64})$/.exec(rest);
    if (work !== null) return this.submissions.find(({ id }) => id === work[1]) ?? null;
    return null;
  }

  /** Takes the place of `fetch`. */
  readonly fetch = async (path: string | URL | Request, options: RequestInit = {}): Promise<Response> => {
    const method = options.method ?? 'GET';
    const url = new URL(String(path), 'http://service.test');
    this.asked.push(`${method} ${url.pathname}${url.search}`);
    const body = typeof options.body === 'string' ? (JSON.parse(options.body) as Fields) : {};
    const code = this.refusal(url.pathname.slice(this.base.length), method);
    if (code !== null) return new Response(JSON.stringify({ code, detail: `refused: ${code}` }), { status: 409 });
    const answer = this.answer(method, url, body);
    if (answer === null) return new Response(JSON.stringify({ code: 'refused', detail: 'there is no such thing' }), { status: 404 });
    if (typeof answer === 'string') return new Response(answer);
    const altered = this.alter(structuredClone(answer), url.pathname, method);
    if (altered === null) throw new TypeError('the connection broke');
    return new Response(JSON.stringify(altered ?? answer));
  };
}

/** With `fetch` answered by this service for as long as `act` takes; of several, by the one whose task is asked about. */
export async function served<T>(service: FakeService | readonly FakeService[], act: () => Promise<T>): Promise<T> {
  const before = globalThis.fetch;
  const all = service instanceof FakeService ? [service] : service;
  globalThis.fetch = (path, options) => (all.find(({ base }) => String(path).startsWith(base)) ?? all[0]!).fetch(path, options);
  try {
    return await act();
  } finally {
    globalThis.fetch = before;
  }
}
