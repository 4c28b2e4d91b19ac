// Wishes and the words to them: what an identity says before there is a charter (docs/PROTOCOL.md, section 15).

import { hash, hex } from './bytes.ts';
import { refuse } from './error.ts';
import type { NetworkName } from './network.ts';
import { MAX_MONEY_SAT, MAX_U32, integer } from './number.ts';
import { statement, type Statement } from './statement.ts';

function oneLined(tag: string, name: string, fields: Parameters<typeof statement>[2]): Statement {
  for (const [field, value] of fields) {
    if (/\p{Cc}/u.test(String(value))) refuse('one_line', field, `${field} must be one line`);
  }
  return statement(tag, name, fields);
}

export interface WishFields {
  readonly network: NetworkName;
  readonly repository: string;
  /** Where it is talked about. */
  readonly link: string | null;
  /** SHA-256 of the text. */
  readonly text_hash: string;
  /** Whose wish it is, x-only. */
  readonly by: string;
}

export const wish = (given: WishFields): Statement =>
  oneLined('upfront/wish', 'wish', [
    ['network', given.network],
    ['repository', given.repository],
    ['link', given.link ?? 'none'],
    ['text hash', hash(given.text_hash, 'text_hash')],
    ['by', hash(given.by, 'by')],
  ]);

/** Its id, the `task` of charters drafted from it. */
export const wishId = (given: WishFields): string => hex(wish(given).digest);

export interface WithdrawalFields {
  readonly network: NetworkName;
  readonly task: string;
  /** The wish's author. */
  readonly by: string;
}

/** That whoever wrote a wish wishes for it no longer: final. */
export const withdrawal = (given: WithdrawalFields): Statement => oneLined('upfront/wish-withdrawal', 'withdrawal', [
  ['network', given.network], ['task', hash(given.task, 'task')], ['by', hash(given.by, 'by')],
]);

/** Who says something to which wish. */
interface Said {
  readonly network: NetworkName;
  readonly task: string;
  readonly by: string;
  /** The highest counter of a key counts. */
  readonly counter: number;
}

export interface LikeFields extends Said {
  readonly like: boolean;
}

const said = ({ network, task, by }: Said): (readonly [string, string | number])[] =>
  [['network', network], ['task', hash(task, 'task')], ['by', hash(by, 'by')]];
const counter = (given: Said): readonly [string, number] => ['counter', integer(given.counter, 'counter', 0, MAX_U32 - 1)];

export const like = (given: LikeFields): Statement =>
  oneLined('upfront/like', 'like', [...said(given), ['like', given.like ? 'yes' : 'no'], counter(given)]);

export interface PromiseFields extends Said {
  /** 0 takes it back. */
  readonly amount_sat: number;
}

export const promise = (given: PromiseFields): Statement => oneLined('upfront/promise', 'promise', [
  ...said(given), ['amount', `${integer(given.amount_sat, 'amount_sat', 0, Number(MAX_MONEY_SAT))} sat`], counter(given),
]);

export interface OfferFields extends Said {
  readonly as: 'developer' | 'representative';
  readonly choice: 'accept' | 'decline' | 'reserve' | 'release';
  /** Of a reservation: its last median time past, Unix seconds. */
  readonly until: number | null;
}

export const offer = (given: OfferFields): Statement => oneLined('upfront/offer', 'offer', [
  ...said(given), ['as', given.as], ['choice', given.choice],
  ['until', given.until === null ? 'none' : integer(given.until, 'until', 0, MAX_U32)], counter(given),
]);

export interface LeadFields extends Said {
  readonly choice: 'accept' | 'decline' | 'none';
  /** Its place in the leader's order. */
  readonly place: number | null;
}

export const lead = (given: LeadFields): Statement => oneLined('upfront/lead', 'lead', [
  ...said(given), ['choice', given.choice],
  ['place', given.place === null ? 'none' : integer(given.place, 'place', 1, 1_000_000)], counter(given),
]);

export interface ProjectFields {
  readonly network: NetworkName;
  readonly repository: string;
  readonly name: string;
  readonly description: string;
  readonly licence: string;
  readonly arbiter: string | null;
  readonly leader_address: string | null;
  readonly leader_share_bps: number;
  readonly minimum_pledge_sat: number;
  readonly donations: string | null;
  readonly likes: boolean;
  readonly published: string | null;
  readonly by: string;
  readonly counter: number;
}

/** What a leader says of a project. */
export const project = (given: ProjectFields): Statement => oneLined('upfront/project', 'project', [
  ['network', given.network],
  ['repository', given.repository],
  ['name', given.name],
  ['description', given.description],
  ['licence', given.licence],
  ['arbiter', given.arbiter ?? 'none'],
  ['leader address', given.leader_address ?? 'none'],
  ['leader share', `${integer(given.leader_share_bps, 'leader_share_bps', 0, 9_999)} bps`],
  ['minimum pledge', `${integer(given.minimum_pledge_sat, 'minimum_pledge_sat', 330, Number(MAX_MONEY_SAT))} sat`],
  ['donations', given.donations ?? 'none'],
  ['likes', given.likes ? 'on' : 'off'],
  ['published', given.published ?? 'none'],
  ['by', hash(given.by, 'by')],
  ['counter', integer(given.counter, 'counter', 0, MAX_U32 - 1)],
]);

export interface ProjectWithdrawalFields {
  readonly network: NetworkName;
  readonly repository: string;
  readonly by: string;
  /** Among those of the claim. */
  readonly counter: number;
}

/** That a key claims a project no longer. */
export const projectWithdrawal = (given: ProjectWithdrawalFields): Statement => oneLined('upfront/project-withdrawal', 'withdrawal of a claim', [
  ['network', given.network],
  ['repository', given.repository],
  ['by', hash(given.by, 'by')],
  ['counter', integer(given.counter, 'counter', 0, MAX_U32 - 1)],
]);
