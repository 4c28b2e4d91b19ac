// One task as its proof document tells it, and everything that follows from it under the document's tip: standings,
// tallies, and what a settlement may do with each outpoint.

import type { Charter } from '../charter.ts';
import type { EscrowOutput } from '../output.ts';
import type { Chunk, Plan } from '../settlement/plan.ts';
import type { NamedPayee } from '../statement.ts';
import { submissionOf, type Kind, type TermInput, type Terms } from '../settlement/terms.ts';
import {
  choiceOf, silencePays, tallyOf, verdictOf, windowOf, type Cast, type Choice, type Tally, type Verdict, type VotingRules,
  type Window, type Words,
} from './ballot.ts';
import { coveragesOf, type Coverages } from './coverage.ts';
import type { MoveDocument, PledgeProof, SettlementProof, SubmissionProof, TipDocument } from './document.ts';
import { entitlementOf, type Entitlement } from './entitle.ts';
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
  /** By id. */
  readonly settlements: Map<string, SettlementState>;
  readonly coverages: Coverages;
  readonly standings: Standings;
  private readonly voting: VotingRules;
  /** Each outpoint asks for them. */
  private readonly tallies = new Map<SubmissionState, Tally>();

  constructor(given: {
    charter: Charter; tip: TipDocument; outputs: ReadonlyMap<string, EscrowOutput>; pledges: readonly PledgeProof[];
    outpoints: readonly Held[]; submissions: readonly SubmissionState[]; moves: readonly MoveDocument[];
    settlements: Map<string, SettlementState>;
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
      reviewSecs: fields.review_secs, rulingSecs: fields.ruling_secs,
    };
    const funding: FundingRules = {
      depth: fields.depth, minimum: BigInt(fields.minimum_pledge_sat), cap: BigInt(fields.cap_sat),
      fundingClose: fields.funding_close,
    };
    const milestoneOf = (id: string): number | undefined => {
      const submission = this.submission(id);
      return submission === undefined ? undefined : milestoneIn(submission);
    };
    this.coverages = coveragesOf(given.outpoints, this.plans, milestoneOf);
    this.standings = standingsOf(funding, this.tip, given.outpoints, this.coverages);
  }

  get plans(): Plan[] {
    return [...this.settlements.values()].map(({ plan }) => plan);
  }

  /** Sums over all outpoints, as JSON. */
  get totals(): Record<string, number> {
    return totalsOf([...this.outpoints.values()], this.standings, this.coverages);
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
        ? [{ pledge: held.index, amount: held.amount, height: held.confirmation.height }]
        : []);
    const { block_height: height } = submission.proof.submission.statement;
    return tallyOf(this.voting, height, this.window(submission), electors, votes);
  }

  words(submission: SubmissionState): Words {
    return {
      accepted: submission.proof.acceptance?.statement.accepted ?? null,
      rulingBps: submission.proof.ruling?.statement.pay_bps ?? null,
      closed: this.tip.mtp_secs > (this.window(submission)?.closesSecs ?? Number.MAX_SAFE_INTEGER),
      awaitsConfirmation: this.window(submission) === null,
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
    return fate;
  }
}

/** Which milestone a submission is of: the only one where it names none. */
export const milestoneIn = (submission: SubmissionState): number => submission.proof.submission.statement.milestone ?? 0;
/** Whom a submission names in place of the charter's payees. */
export const namedIn = (submission: SubmissionState | undefined): readonly NamedPayee[] =>
  submission?.proof.submission.statement.named?.payees ?? [];

export const outpointsOf = (terms: Terms): Set<string> => new Set(terms.inputs.map((input: TermInput) => input.outpoint));
