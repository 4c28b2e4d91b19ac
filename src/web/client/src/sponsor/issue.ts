// Asks for a pledge: key and address chosen, statement signed, the answer compared with what was derived here. Somebody
// else may take the index first; then the next one is signed.

import { isHash } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import type { Root } from '../core/keys.ts';
import { signStatement } from '../core/signature.ts';
import { pledge as pledgeStatement } from '../core/statement.ts';
import { getPath, postJson, ServiceError } from '../ui/api.ts';
import { fileOf, Keeper } from './keeper.ts';
import { chooseOwn, type Own, type Used } from './own.ts';
import { fetchTask, issuedPledge, type OpenTask } from './task.ts';
import { pledgeOf, type PledgeView } from './views.ts';

/** Others may take an index so often before an asker gives up. */
export const ATTEMPTS = 20;

export interface Order {
  readonly charter: string;
  readonly root: Root;
  readonly phrase: string;
  readonly amount: bigint;
  /** Whether the words are older than this checkout: other tasks may have pledges of theirs. */
  readonly used: boolean;
  /** The first key and address that may be taken, where this browser remembers more than the service tells. */
  readonly from?: number;
  /** Is told, before anything is sent, which index may be taken next. */
  readonly taken?: (next: number) => Promise<void>;
  /** An address of the person's own, checked for its network; null for the phrase's next. */
  readonly refundAddress: string | null;
}

/** Pages of a list that are followed: a list without an end is an answer that is not used. */
const MOST_PAGES = 200;

async function items(path: string): Promise<{ readonly [key: string]: Json }[]> {
  const found: { readonly [key: string]: Json }[] = [];
  let cursor = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items: some, next } = (await getPath(`${path}?limit=100${cursor}`)) as { readonly [key: string]: Json };
    found.push(...(some as { readonly [key: string]: Json }[]));
    if (typeof next !== 'string') return found;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
  return refuse('answer', 'next', 'this list has no end');
}

/** Keys and addresses in the service's other tasks, so that none of a phrase is used twice. All of them, or an error. */
async function elsewhere(charter: string): Promise<Used[]> {
  try {
    const tasks = (await items('/tasks')).map((task) => task.charter).filter((id) => isHash(id) && id !== charter);
    const found: Used[] = [];
    for (const id of tasks) {
      for (const pledge of await items(`/tasks/${String(id)}/pledges`)) found.push({ sponsorKey: String(pledge.sponsor_key), refundAddress: String(pledge.refund_address) });
    }
    return found;
  } catch {
    throw new ServiceError('elsewhere', 'It cannot be seen now which keys of these words are used in other tasks, and none may be used twice. Try again a little later, or take new words.', 0);
  }
}

/** Posts a signed pledge; null where somebody else has taken its index. Any other refusal would come again. */
export async function post(charter: string, index: number, sponsorKey: string, refundAddress: string, signature: string, amount: bigint): Promise<PledgeView | null> {
  const body = { index, sponsor_key: sponsorKey, refund_address: refundAddress, signature, amount_sat: Number(amount) };
  try {
    return pledgeOf(await postJson(charter, '/pledges', body));
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'index_taken') return null;
    throw error;
  }
}

function keeper(task: OpenTask, view: PledgeView, { key, origin, refundAddress }: Own, amount: bigint, index: number): Keeper {
  issuedPledge(task, view, { index, sponsorKey: key.publicKey, refundAddress, amount });
  return new Keeper(task, fileOf(task, { view, key, origin }), view);
}

/** Whatever issues a pledge in this browser waits for what issues another. */
export function oneAtATime<T>(act: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as { readonly locks?: LockManager } | undefined)?.locks;
  return locks === undefined ? act() : locks.request('upfront-issue', act) as Promise<T>;
}

/** One pledge of the order, issued and checked. */
export class Issuing {
  /** What was asked for last, and with which key: its answer may have been lost on the way. */
  private last: { readonly order: Order; readonly own: Own } | null = null;

  /** One at a time in this browser: two tabs would choose the same key. */
  issue(order: Order): Promise<Keeper> {
    return oneAtATime(() => this.issueAlone(order));
  }

  private async issueAlone(order: Order): Promise<Keeper> {
    const others = order.used ? await elsewhere(order.charter) : [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const task = await fetchTask(order.charter);
      const lost = this.issuedBefore(task, order);
      if (lost !== null) return lost;
      const own = chooseOwn(order.root, order.phrase, [...task.view.pledges, ...others], order.refundAddress, order.from);
      const { sponsorKeyIndex, refundAddressIndex } = own.origin;
      await order.taken?.(Math.max(sponsorKeyIndex ?? -1, refundAddressIndex ?? -1) + 1);
      const index = task.view.nextIndex;
      const { charter } = task;
      const statement = pledgeStatement({
        network: charter.network.name, charter: charter.id, index, sponsorKey: own.key.publicKey, refundAddress: own.refundAddress,
      });
      this.last = { order, own };
      const view = await post(charter.id, index, own.key.publicKey, own.refundAddress, signStatement(statement, own.key), order.amount);
      if (view !== null) return keeper(task, view, own, order.amount, index);
    }
    return refuse('index_taken', 'index', `${ATTEMPTS} others were faster: try again`);
  }

  /** The pledge of the last attempt whose answer was lost; only where the same is asked for again, words and address too. */
  private issuedBefore(task: OpenTask, order: Order): Keeper | null {
    if (this.last === null) return null;
    const { order: before, own } = this.last;
    if ((['charter', 'phrase', 'refundAddress', 'amount'] as const).some((field) => before[field] !== order[field])) return null;
    const view = task.view.pledges.find(({ sponsorKey }) => sponsorKey === own.key.publicKey);
    return view === undefined ? null : keeper(task, view, own, order.amount, view.index);
  }
}
