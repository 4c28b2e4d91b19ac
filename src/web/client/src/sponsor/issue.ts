// Asks for a pledge: key and address chosen, statement signed, the answer compared with what was derived here. Somebody
// else may take the index first; then the next one is signed.

import { refuse } from '../core/error.ts';
import type { KeyPair, Root } from '../core/keys.ts';
import type { Origin } from '../core/recovery.ts';
import { signStatement } from '../core/signature.ts';
import { pledge as pledgeStatement } from '../core/statement.ts';
import { postJson, ServiceError } from '../ui/api.ts';
import { fileOf, Keeper } from './keeper.ts';
import { chooseOwn } from './own.ts';
import { fetchTask, issuedPledge, type OpenTask } from './task.ts';
import { pledgeOf, type PledgeView } from './views.ts';

const ATTEMPTS = 20;

export interface Order {
  readonly charter: string;
  readonly root: Root;
  readonly phrase: string;
  readonly amount: bigint;
  /** An address of the person's own, checked for its network; null for the phrase's next. */
  readonly refundAddress: string | null;
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

function keeper(task: OpenTask, view: PledgeView, key: KeyPair, origin: Origin, amount: bigint, refundAddress: string, index: number): Keeper {
  issuedPledge(task, view, { index, sponsorKey: key.publicKey, refundAddress, amount });
  return new Keeper(task, fileOf(task, { view, key, origin }), view);
}

/** One pledge of the order, issued and checked. `asked` is told of keys before they are sent, so that a lost answer is found. */
export class Issuing {
  private last: { readonly key: KeyPair; readonly origin: Origin; readonly refundAddress: string } | null = null;

  async issue(order: Order): Promise<Keeper> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const task = await fetchTask(order.charter);
      const lost = this.issuedBefore(task, order);
      if (lost !== null) return lost;
      const own = chooseOwn(order.root, order.phrase, task.view.pledges, order.refundAddress);
      const index = task.view.nextIndex;
      const { charter } = task;
      const statement = pledgeStatement({
        network: charter.network.name, charter: charter.id, index, sponsorKey: own.key.publicKey, refundAddress: own.refundAddress,
      });
      this.last = own;
      const view = await post(charter.id, index, own.key.publicKey, own.refundAddress, signStatement(statement, own.key), order.amount);
      if (view !== null) return keeper(task, view, own.key, own.origin, order.amount, own.refundAddress, index);
    }
    return refuse('index_taken', 'index', `${ATTEMPTS} others were faster: try again`);
  }

  /** A pledge of the last attempt whose answer was lost on the way. */
  private issuedBefore(task: OpenTask, { amount }: Order): Keeper | null {
    const { last } = this;
    const view = last && task.view.pledges.find(({ sponsorKey }) => sponsorKey === last.key.publicKey);
    if (last === null || view === null || view === undefined || view.promised !== amount || view.refundAddress !== last.refundAddress) return null;
    return keeper(task, view, last.key, last.origin, amount, last.refundAddress, view.index);
  }
}
