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
import { chooseOwn, type Own } from './own.ts';
import { fetchTask, issuedPledge, type OpenTask } from './task.ts';
import { pledgeOf, type PledgeView } from './views.ts';

const ATTEMPTS = 20;

export interface Order {
  readonly charter: string;
  readonly root: Root;
  readonly phrase: string;
  readonly amount: bigint;
  /** Whether the words are older than this checkout: other tasks may have pledges of theirs. */
  readonly used: boolean;
  /** An address of the person's own, checked for its network; null for the phrase's next. */
  readonly refundAddress: string | null;
}

/** Other tasks that are looked at, and pledges of each. */
const OTHERS = 20;
const PLEDGES = 200;

/** Pledges of the service's other tasks, so that no key or address of a phrase is used twice. What cannot be read now is left out. */
async function elsewhere(charter: string): Promise<PledgeView[]> {
  const found: PledgeView[] = [];
  const items = async (path: string): Promise<readonly Json[]> => {
    const page = await getPath(path).catch(() => null);
    return page !== null && typeof page === 'object' && 'items' in page && Array.isArray(page.items) ? (page.items as readonly Json[]) : [];
  };
  for (const task of (await items(`/tasks?limit=${OTHERS}`)) as readonly { readonly charter?: Json }[]) {
    const id = task.charter;
    if (!isHash(id) || id === charter) continue;
    for (const pledge of await items(`/tasks/${id}/pledges?limit=${PLEDGES}`)) found.push(pledgeOf(pledge));
  }
  return found;
}

/** Posts a signed pledge; null where somebody else has taken its index. */
export async function post(charter: string, index: number, sponsorKey: string, refundAddress: string, signature: string, amount: bigint): Promise<PledgeView | null> {
  const body = { index, sponsor_key: sponsorKey, refund_address: refundAddress, signature, amount_sat: Number(amount) };
  try {
    return pledgeOf(await postJson(charter, '/pledges', body));
  } catch (error) {
    if (error instanceof ServiceError && ['index_taken', 'address_reused'].includes(error.code)) return null;
    throw error;
  }
}

function keeper(task: OpenTask, view: PledgeView, { key, origin, refundAddress }: Own, amount: bigint, index: number): Keeper {
  issuedPledge(task, view, { index, sponsorKey: key.publicKey, refundAddress, amount });
  return new Keeper(task, fileOf(task, { view, key, origin }), view);
}

/** One pledge of the order, issued and checked. */
export class Issuing {
  /** What was asked for last, and with which key: its answer may have been lost on the way. */
  private last: { readonly order: Order; readonly own: Own } | null = null;

  async issue(order: Order): Promise<Keeper> {
    const others = order.used ? await elsewhere(order.charter).catch(() => []) : [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const task = await fetchTask(order.charter);
      const lost = this.issuedBefore(task, order);
      if (lost !== null) return lost;
      const own = chooseOwn(order.root, order.phrase, [...task.view.pledges, ...others], order.refundAddress);
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
