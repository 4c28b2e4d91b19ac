// One task as its proof document tells it, and everything that follows from it under the document's tip: standings,
// tallies, and what a settlement may do with each outpoint.

import type { Charter } from '../charter.ts';
import type { EscrowOutput } from '../output.ts';
import { hasTransaction, type Chunk, type Plan } from '../settlement/plan.ts';
import { RefundTarget } from '../refund.ts';
import { madeBy } from '../settlement/prepared.ts';
import type { NamedPayee } from '../statement.ts';
import { parseOutpoint, txid } from '../tx.ts';
import { submissionOf, txidOf, type Kind, type TermInput, type Terms } from '../settlement/terms.ts';
import {
  choiceOf, silencePays, tallyOf, verdictOf, windowOf, type Cast, type Choice, type Tally, type Verdict, type VotingRules,
  type Window, type Words,
} from './ballot.ts';
import { coveragesOf, remaindersIn, type Coverages, type Remainders } from './coverage.ts';
import type { MoveDocument, PledgeProof, SettlementProof, SubmissionProof, TipDocument } from './document.ts';
import { entitlementOf, type Entitlement } from './entitle.ts';
import { slotKey } from './mined.ts';
import { depthOf, standingsOf, totalsOf, type FundingRules, type Held, type Standings } from './standing.ts';

/** Seconds after T during which a payout that was under way may still be rebuilt. */
export const GRACE_SECS = 3 * 86_400;

export interface SubmissionState {
  readonly id: string;
  readonly proof: SubmissionProof;
  readonly votes: readonly Cast[];
}

export interface SettlementState {
  readonly proof: SettlementProof;
  readonly plan: Plan;
}

export type { Entitlement, Reason } from './entitle.ts';

/** What became of one transaction of a settlement. */
export type Fate = 'pending' | 'confirmed' | 'conflicted';

/** Either what was asked for, or why it is refused. */
export type Answer<T> = { readonly is: T } | { readonly refused: string };

export class Task {
  readonly charter: Charter;
  readonly tip: TipDocument;
  readonly outputs: ReadonlyMap<string, EscrowOutput>;
  readonly pledges: ReadonlyMap<number, PledgeProof>;
  readonly outpoints: ReadonlyMap<string, Held>;
  readonly submissions: readonly SubmissionState[];
  /** What sponsors let go to another task. */
  readonly moves: readonly MoveDocument[];
  /** What they send there themselves from T on, by the transactions that carry it out. */
  private readonly late = new Map<string, MoveDocument>();
  /** By id, in the order in which they were proposed. */
  readonly settlements: Map<string, SettlementState>;
  /** Where everything comes from that settlements would leave in escrow. */
  private readonly remainders: Remainders;
  readonly coverages: Coverages;
  readonly standings: Standings;
  private readonly voting: VotingRules;
  /** What was split off, by what it was split off from. */
  private readonly rests = new Map<string, Held>();
  /** Each outpoint asks for them. */
  private readonly tallies = new Map<SubmissionState, Tally>();

  constructor(given: {
    charter: Charter; tip: TipDocument; outputs: ReadonlyMap<string, EscrowOutput>; pledges: readonly PledgeProof[];
    outpoints: readonly Held[]; submissions: readonly SubmissionState[]; moves: readonly MoveDocument[];
    lateMoves: readonly MoveDocument[]; settlements: Map<string, SettlementState>;
  }) {
    const { fields } = given.charter;
    this.charter = given.charter;
    this.tip = given.tip;
    this.outputs = given.outputs;
    this.pledges = new Map(given.pledges.map((pledge) => [pledge.index, pledge]));
    this.outpoints = new Map(given.outpoints.map((held) => [held.outpoint, held]));
    this.submissions = given.submissions;
    this.moves = given.moves;
    this.settlements = given.settlements;
    this.voting = {
      thresholdBps: fields.acceptance.threshold_bps, quorumBps: fields.acceptance.quorum_bps,
      silence: fields.acceptance.silence, yesWaits: fields.acceptance.yes_waits,
      reviewSecs: fields.review_secs, rulingSecs: fields.ruling_secs, lastRuling: given.charter.lastRuling,
    };
    const funding: FundingRules = {
      depth: fields.depth, minimum: BigInt(fields.minimum_pledge_sat), cap: BigInt(fields.cap_sat),
      fundingClose: fields.funding_close,
    };
    const milestoneOf = (id: string): number | undefined => {
      const submission = this.submission(id);
      return submission === undefined ? undefined : milestoneIn(submission);
    };
    for (const move of given.lateMoves) {
      for (const id of this.rungsOf(move)) this.late.set(id, move);
    }
    this.remainders = remaindersIn(this.plans);
    this.coverages = coveragesOf(given.outpoints, this.remainders, milestoneOf);
    for (const held of given.outpoints) {
      const from = this.coverages.get(held.outpoint)?.from;
      if (typeof from === 'string' && this.outpoints.get(from)?.spend?.txid === txidOf(held.outpoint)) this.rests.set(from, held);
    }
    this.standings = standingsOf(funding, this.tip, given.outpoints, this.coverages);
  }

  get plans(): Plan[] {
    return [...this.settlements.values()].map(({ plan }) => plan);
  }

  /** Sums over all outpoints, as JSON. */
  get totals(): Record<string, number> {
    const movedOn = (held: Held): boolean => this.destination(held) !== undefined;
    return totalsOf([...this.outpoints.values()], this.standings, this.coverages, movedOn);
  }

  /** The transactions by which a sponsor alone carries out a move from T on. They follow from the consent: txids do not
   * depend on signatures. */
  private rungsOf(move: MoveDocument): string[] {
    const held = this.outpoints.get(move.outpoint);
    const output = held === undefined ? undefined : this.outputs.get(slotKey({ index: held.index, generation: held.generation }));
    if (held === undefined || output === undefined || held.index === 0) return [];
    const target = new RefundTarget(output, parseOutpoint(move.outpoint, 'outpoint'), held.amount, move.to_address);
    return target.ladder().map(({ transaction }) => txid(transaction));
  }

  /** Where what spends an outpoint takes it, if that is a pledge of its sponsor under another charter. */
  destination(held: Held): MoveDocument | undefined {
    if (held.spend === null) return undefined;
    const { txid: id } = held.spend;
    const late = this.late.get(id);
    if (late?.outpoint === held.outpoint) return late;
    const carriedOut = (to: string): boolean => this.plans.some((plan) => {
      const { kind } = plan.terms;
      return kind.kind === 'move' && kind.to === to && hasTransaction(plan, id);
    });
    return this.moves.find((move) => move.outpoint === held.outpoint && carriedOut(move.to_charter));
  }

  /** Height at which what is left of a payment moved to another charter: from then on it speaks there, not here. */
  private movedHeight(root: Held): number | null {
    // Each step is a generation higher, so this ends.
    for (let held: Held | undefined = root; held !== undefined; held = this.rests.get(held.outpoint)) {
      if (!held.spend?.confirmation) return null;
      if (this.destination(held) !== undefined) return held.spend.confirmation.height;
    }
    return null;
  }

  /** Whether a transaction of `plan` is known to pay another milestone: where two have equal shares, their transactions at
   * one feerate are the same, and only the one that was proposed first is meant. */
  paysAnother(plan: Plan): boolean {
    const { kind } = plan.terms;
    if (kind.kind !== 'milestone') return false;
    const milestone = (id: string): number | null => {
      const submission = this.submission(id);
      return submission === undefined ? null : milestoneIn(submission);
    };
    return madeBy(plan).some(({ outpoint }) => {
      const known = this.remainders.get(outpoint)?.submission;
      return known !== undefined && milestone(known) !== milestone(kind.submission);
    });
  }

  /** Milestones, from 0, that an outpoint of a pledge has not paid yet. */
  uncovered(outpoint: string): number[] {
    const covered = this.coverages.get(outpoint)?.covered;
    return covered === undefined ? [] : this.charter.fields.milestones.flatMap((_, at) => (covered.has(at) ? [] : [at]));
  }

  /** The move that an outpoint's sponsor signed to a charter. */
  move(outpoint: string, to: string): MoveDocument | undefined {
    return this.moves.find((move) => move.outpoint === outpoint && move.to_charter === to);
  }

  /** Where what is not paid of an outpoint goes by a settlement of this kind; what stays in escrow is told by where it
   * would return. */
  restAddress(kind: Kind, held: Held): string | null {
    return kind.kind === 'move' ? (this.move(held.outpoint, kind.to)?.to_address ?? null) : this.returnAddress(held.index);
  }

  get refundTime(): number {
    return this.charter.fields.refund_time;
  }

  /** Nothing new is started after it. */
  get cutoff(): number {
    return this.refundTime - this.charter.network.cutoffSecs;
  }

  /** Where money at an address goes when it is returned: the signed refund address, or the pot for gifts. */
  returnAddress(index: number): string | null {
    return index === 0 ? (this.charter.fields.pot ?? null) : (this.pledges.get(index)?.refund_address ?? null);
  }

  /** Null while the vote waits for a merge or release that nobody has confirmed. */
  window(submission: SubmissionState): Window | null {
    const { block_mtp_secs: submitted, confirmation } = submission.proof;
    if (this.charter.awaits === null) return windowOf(this.voting, submitted);
    return confirmation === null ? null : windowOf(this.voting, confirmation.block_mtp_secs);
  }

  /** The count of a submission. */
  tally(submission: SubmissionState): Tally {
    const tally = this.tallies.get(submission) ?? this.count(submission, submission.votes);
    this.tallies.set(submission, tally);
    return tally;
  }

  /** The count of a submission with other votes. */
  count(submission: SubmissionState, votes: readonly Cast[]): Tally {
    const electors = [...this.outpoints.values()].flatMap((held) =>
      held.generation === 0 && held.confirmation !== null && this.standings.get(held.outpoint)?.standing === 'credited'
        ? [{ pledge: held.index, amount: held.amount, height: held.confirmation.height, movedHeight: this.movedHeight(held) }]
        : []);
    const { block_height: height } = submission.proof.submission.statement;
    return tallyOf(this.voting, height, this.window(submission), electors, votes);
  }

  words(submission: SubmissionState): Words {
    const window = this.window(submission);
    return {
      accepted: submission.proof.acceptance?.statement.accepted ?? null,
      rulingBps: submission.proof.ruling?.statement.pay_bps ?? null,
      closed: window !== null && this.tip.mtp_secs > window.closesSecs,
      awaitsConfirmation: window === null,
    };
  }

  submission(id: string): SubmissionState | undefined {
    return this.submissions.find((known) => known.id === id);
  }

  /** Whether the money of the silent, and gifts, may be paid. Whom a submission names was never agreed by them. */
  silencePays(submission: SubmissionState): boolean {
    return submission.proof.submission.statement.named === null && silencePays(this.voting, this.tally(submission), this.words(submission));
  }

  /** What a pledge decided about a submission; undefined is silence. */
  choice(submission: SubmissionState, pledge: number): Choice | undefined {
    return choiceOf(this.tally(submission), pledge);
  }

  /** What may be done with the money of an outpoint under a submission. */
  verdict(submission: SubmissionState, held: Held): Verdict {
    const tally = this.tally(submission);
    if (choiceOf(tally, held.index) !== undefined) return verdictOf(this.voting, tally, this.words(submission), held.index);
    // Who came after the named block was never asked: that silence says nothing, and the money waits.
    const origin = this.outpoints.get(this.coverages.get(held.outpoint)?.origin ?? '');
    const height = origin?.confirmation?.height;
    const asked = height !== undefined && height <= submission.proof.submission.statement.block_height;
    return asked && this.silencePays(submission) ? 'pay' : 'wait';
  }

  /** What a settlement of this kind may do with each outpoint; those it leaves where they are, are not there. */
  entitlements(kind: Kind): Answer<ReadonlyMap<string, Entitlement>> {
    const id = submissionOf(kind);
    const submission = id === null ? null : this.submission(id);
    if (submission === undefined) return { refused: `there is no submission ${id ?? ''}` };
    if (kind.kind === 'ruling' && submission?.proof.ruling === null) {
      return { refused: `there is no ruling on submission ${kind.submission} yet` };
    }
    const is = new Map<string, Entitlement>();
    for (const held of this.outpoints.values()) {
      const entitlement = entitlementOf(this, kind, submission, held);
      if (entitlement !== null) is.set(held.outpoint, entitlement);
    }
    return { is };
  }

  /** What became of each transaction of a plan. */
  fates(plan: Plan): Fate[] {
    return plan.chunks.map((chunk) => this.fate(chunk));
  }

  private fate(chunk: Chunk): Fate {
    let fate: Fate = 'pending';
    for (const input of chunk.inputs) {
      const spend = this.outpoints.get(input.term.outpoint)?.spend;
      if (!spend?.confirmation) continue;
      if (chunk.forms.some((form) => form.txid === spend.txid)) return 'confirmed';
      if (depthOf(spend.confirmation, this.tip) >= this.charter.fields.depth) fate = 'conflicted';
    }
    return chunk.inputs.some(({ term }) => this.neverComes(term.outpoint)) ? 'conflicted' : fate;
  }

  /** Whether an outpoint is a rest that is not there, and what it was to be split off from was spent otherwise, deep
   * enough: by another form, or by a refund. */
  private neverComes(outpoint: string): boolean {
    const from = this.outpoints.has(outpoint) ? undefined : this.remainders.get(outpoint)?.from;
    if (from === undefined) return false;
    const spend = this.outpoints.get(from)?.spend;
    const at = spend?.txid === txidOf(outpoint) ? null : spend?.confirmation;
    return (at != null && depthOf(at, this.tip) >= this.charter.fields.depth) || this.neverComes(from);
  }
}

/** Which milestone a submission is of: the only one where it names none. */
export const milestoneIn = (submission: SubmissionState): number => submission.proof.submission.statement.milestone ?? 0;
/** Whom a submission names in place of the charter's payees. */
export const namedIn = (submission: SubmissionState | undefined): readonly NamedPayee[] =>
  submission?.proof.submission.statement.named?.payees ?? [];

export const outpointsOf = (terms: Terms): Set<string> => new Set(terms.inputs.map((input: TermInput) => input.outpoint));
