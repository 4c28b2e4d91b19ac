// Sponsors' votes: which choice of a pledge counts, and what the majority allows for the money of the silent.
// Everyone decides over their own money: a yes releases the voter's pledge, a no holds it for a ruling. Only silence
// follows the majority, and then only with the representative's own acceptance.

import type { VoteDocument } from './document.ts';

export type Choice = 'yes' | 'no';

/** The part of a charter that votes are counted by. */
export interface VotingRules {
  readonly thresholdBps: number;
  readonly quorumBps: number;
  readonly silence: 'pay' | 'hold';
  readonly yesWaits: boolean;
  readonly reviewSecs: number;
  readonly rulingSecs: number;
  /** Where there are several milestones: after it nothing is ruled, so that what is decided can still be paid. */
  readonly lastRuling: number | null;
}

/** A vote with the median time of the service's receipt; none for one that was handed over directly. */
export interface Cast {
  readonly vote: VoteDocument;
  readonly receiptMtpSecs: number | null;
}

export interface Window {
  readonly opensSecs: number;
  /** Last median time past at which a vote counts. */
  readonly closesSecs: number;
  /** Last median time past at which the arbiter may rule. */
  readonly rulingEndsSecs: number;
}

/** The window of a submission whose named block has this median time past. */
export function windowOf(rules: VotingRules, blockMtpSecs: number): Window {
  const closesSecs = blockMtpSecs + rules.reviewSecs;
  const ends = Math.min(closesSecs + rules.rulingSecs, rules.lastRuling ?? Infinity);
  return { opensSecs: blockMtpSecs, closesSecs, rulingEndsSecs: Math.max(closesSecs, ends) };
}

/** A credited outpoint's part in the electorate. */
export interface Weight {
  readonly pledge: number;
  readonly amount: bigint;
  readonly height: number;
  /** Height at which it moved to another charter, if it did. */
  readonly movedHeight: number | null;
}

/** Whether it weighs for a submission that names the block at `height`: it was there, and had not moved on. */
const countsAt = (weight: Weight, height: number): boolean =>
  weight.height <= height && (weight.movedHeight === null || weight.movedHeight > height);

export interface Tally {
  readonly electorate: bigint;
  readonly yes: bigint;
  readonly no: bigint;
  readonly quorumMet: boolean;
  readonly thresholdReached: boolean;
  /** What each pledge that voted in time chose. */
  readonly choices: ReadonlyMap<number, Choice>;
  /** Votes that came late or without a receipt: they bind their own money and are not counted. */
  readonly late: ReadonlyMap<number, Choice>;
}

/** What a pledge decided about its own money; undefined is silence. */
export const choiceOf = (tally: Tally, pledge: number): Choice | undefined =>
  tally.late.get(pledge) ?? tally.choices.get(pledge);

/** Whether `part` is at least this share of `all`, without rounding. */
const reached = (bps: number, part: bigint, all: bigint): boolean => part * 10_000n >= all * BigInt(bps);

/** The highest counter counts; no where one counter says both. */
export function decisive(votes: readonly VoteDocument[]): Choice | undefined {
  let best: { counter: number; choice: Choice } | undefined;
  for (const { counter, choice } of votes) {
    if (best === undefined || counter > best.counter) best = { counter, choice };
    else if (counter === best.counter && choice !== best.choice) best = { counter, choice: 'no' };
  }
  return best?.choice;
}

function byPledge(votes: readonly Cast[]): Map<number, VoteDocument[]> {
  const lists = new Map<number, VoteDocument[]>();
  for (const { vote } of votes) {
    const held = lists.get(vote.pledge);
    if (held === undefined) lists.set(vote.pledge, [vote]);
    else held.push(vote);
  }
  return lists;
}

function chosen(lists: ReadonlyMap<number, VoteDocument[]>): Map<number, Choice> {
  const choices = new Map<number, Choice>();
  for (const [pledge, votes] of lists) {
    const choice = decisive(votes);
    if (choice !== undefined) choices.set(pledge, choice);
  }
  return choices;
}

/** Counts one submission. Every vote's signature (and its receipt's) was verified before. */
export function tallyOf(
  rules: VotingRules, blockHeight: number, window: Window | null, electors: readonly Weight[], votes: readonly Cast[],
): Tally {
  const weights = new Map<number, bigint>();
  for (const elector of electors) {
    if (countsAt(elector, blockHeight)) weights.set(elector.pledge, (weights.get(elector.pledge) ?? 0n) + elector.amount);
  }
  // Without a window nobody was asked yet: nothing is counted.
  const closesSecs = window?.closesSecs ?? -1;
  const timely = byPledge(votes.filter((cast) => cast.receiptMtpSecs !== null && cast.receiptMtpSecs <= closesSecs));
  const receivedLate = byPledge(votes.filter((cast) => cast.receiptMtpSecs !== null && cast.receiptMtpSecs > closesSecs));
  const direct = byPledge(votes.filter((cast) => cast.receiptMtpSecs === null));
  const choices = chosen(timely);
  // A late vote with a receipt came when a vote given in time could change no more.
  const late = new Map([...chosen(receivedLate)].filter(([pledge]) => !choices.has(pledge)));
  // A server that hides a changed vote must not win: what a sponsor handed over directly binds their own money as if
  // it had come in time.
  for (const [pledge, handed] of direct) {
    const received = timely.get(pledge) ?? receivedLate.get(pledge) ?? [];
    const choice = decisive([...received, ...handed]);
    if (choice !== undefined && choices.get(pledge) !== choice) late.set(pledge, choice);
  }
  const sum = (wanted: Choice): bigint =>
    [...choices].reduce((total, [pledge, choice]) => (choice === wanted ? total + (weights.get(pledge) ?? 0n) : total), 0n);
  const [yes, no] = [sum('yes'), sum('no')];
  const electorate = [...weights.values()].reduce((total, amount) => total + amount, 0n);
  return {
    electorate, yes, no,
    quorumMet: reached(rules.quorumBps, yes + no, electorate),
    // Without any yes there is no majority to follow, whatever the numbers say of zero.
    thresholdReached: yes > 0n && reached(rules.thresholdBps, yes, yes + no),
    choices, late,
  };
}

/** What may be done with the money of one pledge: `contested` is a no, which only a ruling moves before T. */
export type Verdict = 'pay' | 'wait' | 'contested';

/** What was said besides votes. */
export interface Words {
  readonly accepted: boolean | null;
  readonly rulingBps: number | null;
  readonly closed: boolean;
  /** Whether the leader has not confirmed the merge or release that the vote waits for. */
  readonly awaitsConfirmation: boolean;
}

/** Whether the money of the silent, and gifts, may be paid. */
export function silencePays(rules: VotingRules, tally: Tally, words: Words): boolean {
  // Where the representative said nothing, a ruling that pays stands in.
  const approved = words.accepted ?? (words.rulingBps ?? 0) > 0;
  return rules.silence === 'pay' && words.closed && tally.quorumMet && tally.thresholdReached && approved;
}

export function verdictOf(rules: VotingRules, tally: Tally, words: Words, pledge: number): Verdict {
  // Nothing moves on what is not merged, also not by a vote that was handed over directly.
  if (words.awaitsConfirmation) return 'wait';
  switch (choiceOf(tally, pledge)) {
    case 'no':
      return 'contested';
    case 'yes':
      if (!rules.yesWaits) return 'pay';
      // Before the window closes a majority can still be lost.
      return words.closed && tally.quorumMet && tally.thresholdReached ? 'pay' : 'wait';
    default:
      return silencePays(rules, tally, words) ? 'pay' : 'wait';
  }
}
