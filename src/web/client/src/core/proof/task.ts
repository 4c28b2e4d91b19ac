// One task as its proof document tells it, and everything that follows from it under the document's tip: standings,
// tallies, and what a settlement may do with each outpoint.

import { MAX_U32 } from '../number.ts';
import type { Charter } from '../charter.ts';
import type { EscrowOutput } from '../output.ts';
import type { Chunk, Plan } from '../settlement/plan.ts';
import type { Kind, TermInput, Terms } from '../settlement/terms.ts';
import {
  choiceOf, silencePays, tallyOf, verdictOf, windowOf, type Cast, type Choice, type Tally, type VotingRules, type Window, type Words,
} from './ballot.ts';
import type { PledgeProof, SettlementProof, SubmissionProof, TipDocument } from './document.ts';
import { depthOf, standingsOf, type FundingRules, type Held, type Standings } from './standing.ts';

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

export type Reason = 'yes' | 'silent' | 'gift' | 'ruled' | 'surplus' | 'below_minimum' | 'early_return';

/** What may be done with one outpoint: the share that is paid, the rest returns. */
export interface Entitlement {
  readonly payBps: number;
  readonly reason: Reason;
}

/** What became of one transaction of a settlement. */
export type Fate = 'pending' | 'confirmed' | 'conflicted';

interface Ballot {
  readonly tally: Tally;
  readonly words: Words;
  readonly silencePays: boolean;
  readonly blockHeight: number;
}

/** Either what was asked for, or why it is refused. */
export type Answer<T> = { readonly is: T } | { readonly refused: string };

export class Task {
  readonly charter: Charter;
  readonly tip: TipDocument;
  readonly outputs: ReadonlyMap<string, EscrowOutput>;
  readonly pledges: ReadonlyMap<number, PledgeProof>;
  readonly outpoints: ReadonlyMap<string, Held>;
  readonly submissions: readonly SubmissionState[];
  /** By id. */
  readonly settlements = new Map<string, SettlementState>();
  readonly standings: Standings;
  private readonly voting: VotingRules;

  constructor(given: {
    charter: Charter; tip: TipDocument; outputs: ReadonlyMap<string, EscrowOutput>; pledges: readonly PledgeProof[];
    outpoints: readonly Held[]; submissions: readonly SubmissionState[];
  }) {
    const { fields } = given.charter;
    this.charter = given.charter;
    this.tip = given.tip;
    this.outputs = given.outputs;
    this.pledges = new Map(given.pledges.map((pledge) => [pledge.index, pledge]));
    this.outpoints = new Map(given.outpoints.map((held) => [held.outpoint, held]));
    this.submissions = given.submissions;
    this.voting = {
      thresholdBps: fields.acceptance.threshold_bps, quorumBps: fields.acceptance.quorum_bps,
      silence: fields.acceptance.silence, yesWaits: fields.acceptance.yes_waits,
      reviewSecs: fields.review_secs, rulingSecs: fields.ruling_secs,
    };
    const funding: FundingRules = {
      depth: fields.depth, minimum: BigInt(fields.minimum_pledge_sat), cap: BigInt(fields.cap_sat),
      fundingClose: fields.funding_close,
    };
    this.standings = standingsOf(funding, this.tip, given.outpoints);
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

  /** The count of a submission, or of the same with other votes. */
  tally(submission: SubmissionState, votes: readonly Cast[] = submission.votes): Tally {
    const electors = [...this.outpoints.values()].flatMap((held) =>
      held.confirmation !== null && this.standings.get(held.outpoint)?.standing === 'credited'
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

  silencePays(submission: SubmissionState): boolean {
    return silencePays(this.voting, this.tally(submission), this.words(submission));
  }

  private ballot(submission: SubmissionState): Ballot {
    const [tally, words] = [this.tally(submission), this.words(submission)];
    return {
      tally, words, silencePays: silencePays(this.voting, tally, words),
      blockHeight: submission.proof.submission.statement.block_height,
    };
  }

  /** What a settlement of this kind may do with each outpoint; those it leaves where they are, are not there. */
  entitlements(kind: Kind): Answer<ReadonlyMap<string, Entitlement>> {
    let ballot: Ballot | null = null;
    if (kind.kind !== 'early_return') {
      const submission = this.submission(kind.submission);
      if (submission === undefined) return { refused: `there is no submission ${kind.submission}` };
      ballot = this.ballot(submission);
      if (kind.kind === 'ruling' && ballot.words.rulingBps === null) {
        return { refused: `there is no ruling on submission ${kind.submission} yet` };
      }
    }
    const is = new Map<string, Entitlement>();
    for (const held of this.outpoints.values()) {
      const entitlement = this.entitlement(kind, ballot, held);
      if (entitlement !== null) is.set(held.outpoint, entitlement);
    }
    return { is };
  }

  private entitlement(kind: Kind, ballot: Ballot | null, held: Held): Entitlement | null {
    const back = (reason: Reason): Entitlement => ({ payBps: 0, reason });
    const pay = (reason: Reason): Entitlement => ({ payBps: 10_000, reason });
    const standing = this.standings.get(held.outpoint)?.standing;
    switch (standing) {
      case 'credited':
        if (kind.kind === 'early_return') return back('early_return');
        return ballot === null ? null : this.credited(kind, ballot, held);
      case 'gift':
        if (kind.kind === 'early_return') return this.returnAddress(0) === null ? null : back('early_return');
        return kind.kind === 'payout' && ballot?.silencePays === true ? pay('gift') : null;
      case 'surplus':
        return kind.kind === 'ruling' ? null : back('surplus');
      case 'below_minimum':
        return kind.kind === 'ruling' ? null : back('below_minimum');
      default:
        return null;
    }
  }

  private credited(kind: Kind, ballot: Ballot, held: Held): Entitlement | null {
    const choice: Choice | undefined = choiceOf(ballot.tally, held.index);
    if (kind.kind === 'ruling') {
      return choice === 'no' && ballot.words.rulingBps !== null ? { payBps: ballot.words.rulingBps, reason: 'ruled' } : null;
    }
    if (verdictOf(this.voting, ballot.tally, ballot.words, held.index) !== 'pay') return null;
    if (choice === 'yes') return { payBps: 10_000, reason: 'yes' };
    // Who came after the named block was never asked: that silence says nothing, and the money waits.
    const asked = (held.confirmation?.height ?? MAX_U32) <= ballot.blockHeight;
    return asked ? { payBps: 10_000, reason: 'silent' } : null;
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

export const outpointsOf = (terms: Terms): Set<string> => new Set(terms.inputs.map((input: TermInput) => input.outpoint));
