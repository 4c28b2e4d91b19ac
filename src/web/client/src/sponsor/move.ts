// Moving a pledge, step by step, in the one order that loses nothing: both tasks checked, the new pledge issued under the
// same key, everything signed into its recovery file, the file saved, the refunds handed in, and the consents last. Every
// step that was done already does nothing when it is done again.

import { refuse, UpfrontError } from '../core/error.ts';
import type { RecoveryFile } from '../core/recovery.ts';
import { parseSignature, signStatement, sponsorSpeaker, verifies } from '../core/signature.ts';
import { move as moveStatement, pledge as pledgeStatement } from '../core/statement.ts';
import { getJson, postJson } from '../ui/api.ts';
import { checkDeposits } from './deposit.ts';
import { ATTEMPTS, oneAtATime, post } from './issue.ts';
import { fileOf, Keeper } from './keeper.ts';
import { isLie, lieWords } from './lie.ts';
import { plansOf, promised, signMove, type Leaving, type MovePlans, type SignedPart, type Way } from './move-plan.ts';
import { checkedPledge, fetchTask, issuedPledge, type OpenTask } from './task.ts';
import { chainOf, pledgeOf, type ChainView, type Held, type PledgeView } from './views.ts';

const leavingOf = ({ task, file }: Keeper): Leaving =>
  ({ charter: task.charter, contract: task.contract, index: file.parts.index, sponsorKey: file.parts.sponsorKey });

/** A task's id, written by itself or within the address of one of its pages. */
export function charterIn(given: string): string {
  const text = given.trim();
  const [, found] = /^(?:[^\s]*\/tasks\/)?([0-9a-f]{64})(?:[/?#][^\s]*)?$/.exec(text.toLowerCase()) ?? [];
  return found ?? refuse('move_no_task', 'to', 'this is neither the id of a task nor the address of its page');
}

/** The task that something would move to, checked like any other. What is wrong with it keeps nobody from another one. */
async function destination(id: string, { charter }: OpenTask): Promise<OpenTask> {
  if (id === charter.id) refuse('move_same_task', 'to', 'the pledge is under this task already: choose another one');
  let to: OpenTask;
  try {
    to = await fetchTask(id);
  } catch (error) {
    if (!isLie(error)) throw error;
    return refuse('move_destination', 'to', `do not move there. ${lieWords(error)}`);
  }
  if (to.charter.network !== charter.network) refuse('move_other_network', 'to', `that task is for ${to.charter.network.name}`);
  return to;
}

/** What the times of both charters forbid. */
function checkTimes({ mtpSecs }: ChainView, from: OpenTask, to: OpenTask, way: Way): void {
  const { refund_time: refundTime } = from.charter.fields;
  const { funding_close: close } = to.charter.fields;
  if (mtpSecs > refundTime) refuse('move_refund_time', 'way', 'the refund time has come: the money comes back to you by itself, and from there you can pledge it anew');
  if (mtpSecs > close) refuse('move_funding_closed', 'to', 'the funding of that task has closed: what moves there would not count');
  if (way.kind === 'now' && mtpSecs > from.charter.cutoffSecs) {
    refuse('move_past_cutoff', 'way', 'it is too late for signers: so shortly before the refund time they start nothing new. You can still move it by yourself, at the refund time');
  }
  if (way.kind === 'alone' && close <= refundTime) {
    refuse('move_closes_before', 'way', 'the funding of that task closes before the refund time of this one: at the refund time it takes no pledges any more. Let two signers move it, or choose another task');
  }
}

/** The pledges there that this sponsor signed for, now or for the refund time, by what the service tells: no other one is
 * taken. What it says of the refund time carries no signature here, and chooses only among pledges under the sponsor's key. */
function signedFor({ charter, sponsorKey }: Leaving, to: string, { moves }: ChainView, held: readonly Held[]): ReadonlySet<number> {
  const own = moves.filter((move) => {
    if (move.charter !== charter.id || move.network !== charter.network.name || move.toCharter !== to) return false;
    try {
      return verifies(moveStatement(move), parseSignature(move.signature, 'move'), sponsorSpeaker(sponsorKey));
    } catch {
      return false;
    }
  });
  const late = held.flatMap(({ lateMove }) => (lateMove === null || lateMove.toCharter !== to ? [] : [lateMove]));
  return new Set([...own, ...late].map(({ toIndex }) => toIndex));
}

export class Move {
  readonly own: Keeper;
  readonly to: OpenTask;
  readonly plans: MovePlans;
  private readonly known: ReadonlySet<number>;
  /** The pledge under the other charter, once it is issued. */
  private there: Keeper | null = null;
  private parts: readonly SignedPart[] | null = null;
  private isSaved = false;
  /** What the service took already, by what it is about. */
  private readonly taken = new Set<string>();

  private constructor(own: Keeper, to: OpenTask, plans: MovePlans, known: ReadonlySet<number>) {
    this.own = own;
    this.to = to;
    this.plans = plans;
    this.known = known;
  }

  /** Checks both tasks and what lies at the pledge, and works out what would move. Signs and asks for nothing. */
  static async look(own: Keeper, id: string, way: Way): Promise<Move> {
    const { task, file } = own;
    if (file.key === null) refuse('no_key', 'file', 'this file holds no key');
    const to = await destination(id, task);
    // Whoever comes with a key secures what is not secured; that this fails now hinders no move.
    await own.look().catch((error: unknown) => { if (isLie(error)) throw error; });
    const chain = chainOf(await getJson(task.charter.id, '/proof'));
    checkTimes(chain, task, to, way);
    const from = leavingOf(own);
    const there = to.contract.pledge({ index: to.view.nextIndex, generation: 0 }, from.sponsorKey);
    const plans = plansOf(from, own.view.outpoints, { charter: to.charter, output: there }, way);
    checkDeposits(file, plans.moving.map(({ held }) => held), chain);
    if (plans.moving.length === 0) {
      const why = [...new Set(plans.stays.map(({ reason }) => reason))].join('; ');
      refuse('move_nothing', 'to', `nothing of this pledge can move${why === '' ? ': nothing lies there' : `: ${why}`}`);
    }
    return new Move(own, to, plans, signedFor(from, to.charter.id, chain, own.view.outpoints));
  }

  /** Whether a consent to that task is known already. */
  get signedBefore(): boolean {
    return this.known.size > 0;
  }

  /** Whether some of it goes to yet another task at the refund time, unless signers move it before. */
  get elsewhereLater(): boolean {
    return this.plans.moving.some(({ held: { lateMove } }) => lateMove !== null && lateMove.toCharter !== this.to.charter.id);
  }

  /** The pledge there, once there is one. */
  get arrival(): Keeper | null {
    return this.there;
  }

  /** Issues the pledge there, or finds the one of an earlier try, and signs everything; the file that is to be saved. */
  async prepare(): Promise<RecoveryFile> {
    const { key } = this.own.file;
    if (key === null) return refuse('no_key', 'file', 'this file holds no key');
    this.there ??= await oneAtATime(() => this.newPledge());
    const { file, view } = this.there;
    // What an earlier move brought belongs into the file as well.
    if (view.outpoints.length > 0) await this.there.look().catch((error: unknown) => { if (isLie(error)) throw error; });
    const parts = signMove(leavingOf(this.own), file, this.plans, key);
    for (const { refunds } of parts) for (const refund of refunds) file.add(refund);
    this.parts = parts;
    return file;
  }

  /** The person has the file. */
  saved(): void {
    if (this.parts === null) refuse('move_order', 'file', 'there is nothing to save yet');
    this.isSaved = true;
  }

  /** Hands in what was signed: every refund, then the consents. Told again it goes on where it stopped. */
  async handIn(): Promise<void> {
    const { parts, there } = this;
    if (parts === null || there === null || !this.isSaved) return refuse('move_order', 'file', 'nothing is handed in before the recovery file is saved');
    const from = this.own.task.charter.id;
    const refunds = parts.flatMap((part) => part.refunds.map(({ signatures }) => signatures));
    for (const refund of refunds) {
      await this.once(`refund ${refund.outpoint}`, there, () =>
        postJson(there.task.charter.id, `/pledges/${there.view.index}/prepared-refunds`, { generation: 0, refund }));
    }
    for (const { consent, ladder } of parts) {
      await this.once(`consent ${consent.statement.outpoint}`, this.own, () =>
        (ladder === null ? postJson(from, '/moves', consent) : postJson(from, '/late-moves', { consent, ladder })));
    }
  }

  /** Sends something that was not taken yet; what answers must be the pledge that it is about. */
  private async once(what: string, about: Keeper, send: () => Promise<Parameters<typeof pledgeOf>[0]>): Promise<void> {
    if (this.taken.has(what)) return;
    const answer = pledgeOf(await send());
    if (answer.index !== about.view.index || answer.sponsorKey !== about.view.sponsorKey) {
      refuse('untrue', 'index', 'index is not so: the service answers about another pledge than yours');
    }
    this.taken.add(what);
  }

  private async newPledge(): Promise<Keeper> {
    const { own, to: { charter: { id } } } = this;
    const amount = promised(this.plans);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const task = await fetchTask(id);
      const found = this.earlier(task);
      if (found !== null) return this.keeperOf(task, found);
      const view = await this.issue(task, amount);
      if (view !== null) return this.keeperOf(task, view);
    }
    return refuse('index_taken', 'index', `${ATTEMPTS} others were faster: try again. Pledge ${own.view.index} is as before`);
  }

  /** The pledge there that this key has already, with the same refund address; the one that consents name, if any do. */
  private earlier(task: OpenTask): PledgeView | null {
    const { sponsorKey, refundAddress } = this.own.file.parts;
    const own = task.view.pledges.filter((pledge) => pledge.sponsorKey === sponsorKey && pledge.refundAddress === refundAddress);
    return own.find(({ index }) => this.known.has(index)) ?? own[0] ?? null;
  }

  /** Asks for the next index; null where somebody else took it. */
  private async issue(task: OpenTask, amount: bigint): Promise<PledgeView | null> {
    const { key, parts: { sponsorKey, refundAddress } } = this.own.file;
    if (key === null) return refuse('no_key', 'file', 'this file holds no key');
    const { charter, view: { nextIndex: index } } = task;
    const statement = pledgeStatement({ network: charter.network.name, charter: charter.id, index, sponsorKey, refundAddress });
    const view = await post(charter.id, index, sponsorKey, refundAddress, signStatement(statement, key), amount);
    if (view !== null) issuedPledge(task, view, { index, sponsorKey, refundAddress, amount });
    return view;
  }

  private keeperOf(task: OpenTask, view: PledgeView): Keeper {
    const { key, parts: { origin } } = this.own.file;
    checkedPledge(task, view);
    return new Keeper(task, fileOf(task, { view, key, origin }), view);
  }
}

/** Whether an error is of this side, and tells what to choose otherwise. */
export const isChoice = (error: unknown): error is UpfrontError => error instanceof UpfrontError && error.code.startsWith('move_');
