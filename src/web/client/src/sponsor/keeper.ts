// Keeps a pledge safe: looks at it, signs a refund for every output that is there, and hands it in. Called on every
// sign of change, and as often as anybody likes: what is done already is not done again.

import { UpfrontError } from '../core/error.ts';
import { RecoveryFile } from '../core/recovery.ts';
import type { RefundTarget } from '../core/refund.ts';
import { outpointText } from '../core/tx.ts';
import { getJson, postJson, ServiceError } from '../ui/api.ts';
import { duties, type Signed } from './duties.ts';
import type { Mine } from './own.ts';
import { checkedPledge, type OpenTask } from './task.ts';
import { pledgeOf, type Held, type PledgeView } from './views.ts';

/** The recovery file of a pledge that the service issued. */
export function fileOf(task: OpenTask, { view, origin, key }: Pick<Mine, 'view' | 'origin'> & { key: Mine['key'] | null }): RecoveryFile {
  checkedPledge(task, view);
  return new RecoveryFile({
    charter: task.charter,
    attestations: task.attestations,
    index: view.index,
    sponsorKey: view.sponsorKey,
    refundAddress: view.refundAddress,
    pledgeSignature: view.signature,
    key,
    origin,
  });
}

export const fileName = (file: RecoveryFile): string => `upfront-${file.charter.id.slice(0, 12)}-${file.parts.index}.recovery.json`;

export class Keeper {
  readonly task: OpenTask;
  readonly file: RecoveryFile;
  /** As the service told it last. */
  view: PledgeView;
  /** Outputs whose refund the service took from this browser. */
  readonly handedIn = new Set<string>();
  private looking: Promise<PledgeView> | null = null;
  private again = false;

  constructor(task: OpenTask, file: RecoveryFile, view: PledgeView) {
    this.task = task;
    this.file = file;
    this.view = view;
  }

  get signed(): Signed[] {
    return this.file.refunds.map(({ target }) => ({ outpoint: outpointText(target.outpoint), amount: target.amount }));
  }

  /** What refunding an outpoint of this pledge means, at the address of its generation. */
  target({ outpoint, amount, generation }: Pick<Held, 'outpoint' | 'amount' | 'generation'>): RefundTarget {
    const { contract, parts } = this.file;
    if (generation > 0) this.file.locate(outpoint, contract.pledge({ index: parts.index, generation }, parts.sponsorKey));
    return this.file.target(outpoint, amount);
  }

  /** Looks, signs and hands in. One look at a time; what is asked for meanwhile is one more look. */
  async look(): Promise<PledgeView> {
    if (this.looking !== null) {
      this.again = true;
      return this.looking;
    }
    this.looking = this.lookOnce();
    try {
      this.view = await this.looking;
    } finally {
      this.looking = null;
    }
    if (this.again) {
      this.again = false;
      return this.look();
    }
    return this.view;
  }

  private async lookOnce(): Promise<PledgeView> {
    const { charter } = this.task;
    let view = pledgeOf(await getJson(charter.id, `/pledges/${this.file.parts.index}`));
    this.sameAsBefore(view);
    if (this.file.key === null) return view;
    const { sign, handIn } = duties(view, this.signed);
    for (const held of sign) this.file.add(this.target(held).sign(this.file.key));
    // One that is refused must not keep the others from being secured.
    let refused: unknown = null;
    for (const held of handIn) {
      try {
        view = (await this.handIn(held)) ?? view;
      } catch (error) {
        refused ??= error;
      }
    }
    if (refused !== null) {
      this.view = view;
      throw refused;
    }
    return view;
  }

  /** Hands in the refund of one output; null where the output has gone meanwhile. */
  private async handIn({ outpoint, amount, secured }: Held): Promise<PledgeView | null> {
    const bundle = this.file.refunds.find(({ target }) => outpointText(target.outpoint) === outpoint && target.amount === amount);
    // A pair is completed only by a bundle with a ladder.
    if (bundle === undefined || (secured && bundle.pairOnly)) return null;
    try {
      const answer = pledgeOf(await postJson(this.task.charter.id, '/refunds', bundle.signatures));
      this.handedIn.add(outpoint);
      return answer;
    } catch (error) {
      // Replaced between the look and the answer: the next look finds what took its place.
      if (error instanceof ServiceError && error.code === 'unknown_outpoint') return null;
      throw error;
    }
  }

  /** The pledge cannot become another one while somebody waits. */
  private sameAsBefore(view: PledgeView): void {
    checkedPledge(this.task, view);
    const { parts } = this.file;
    if (view.index !== parts.index || view.sponsorKey !== parts.sponsorKey || view.refundAddress !== parts.refundAddress) {
      throw new UpfrontError('untrue', 'pledge', 'pledge is not so: the service tells of another pledge than yours');
    }
  }
}
