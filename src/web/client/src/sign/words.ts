// Terms, times and statements in words, as the command line has them.

import type { Charter } from '../core/charter.ts';
import { ROLES } from '../core/signer-key.ts';
import { inert, percent, satWords, span } from '../core/words.ts';

/** `2027-05-31 00:00:00 UTC`. */
export function stamp(secs: number): string {
  const at = new Date(secs * 1000);
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The same with the number that binds on the chain. */
export const when = (secs: number): string => `${stamp(secs)} (${secs})`;

export const sat = (amount: bigint | number): string => satWords(BigInt(amount));

/** A charter's terms in plain words: `upfront charter show`. */
export function termsInWords(charter: Charter): [string, string][] {
  const { fields } = charter;
  const { acceptance } = fields;
  const rows: [string, string][] = [
    ['charter', charter.id], ['network', fields.network], ['task', fields.task], ['hash of its text', fields.text_hash],
    ['repository', inert(fields.repository)], ['licence', inert(fields.licence)],
    ...ROLES.map((role): [string, string] => [role, `${fields[role].key} named by ${inert(fields[role].nominated_by)}`]),
    ['target', sat(fields.target_sat)], ['cap', sat(fields.cap_sat)], ['least pledge', sat(fields.minimum_pledge_sat)],
    ['credited after', `${fields.depth} confirmation${fields.depth === 1 ? '' : 's'}`],
    ['funding until', when(fields.funding_close)],
    ['if the target is missed', fields.funding_rule === 'keep' ? 'the task goes on with what it has' : 'everything is returned'],
    ['work until', when(fields.work_deadline)],
    ['submissions', fields.submissions_open === 'at_once' ? 'as soon as funding is open' : 'once the target is credited'],
    ['sponsors vote when', { none: 'work is submitted', merged: 'the work is merged', released: 'the work is released' }[fields.vote_opens]],
    ...fields.milestones.map((milestone, at): [string, string] =>
      [`milestone ${at + 1}`, `${percent(milestone.share_bps)}, due ${when(milestone.due)}`]),
    ['review', span(fields.review_secs)], ['ruling', span(fields.ruling_secs)],
    ['nothing new after', when(charter.cutoffSecs)], ['T, refunds', when(fields.refund_time)],
    ['a yes', acceptance.yes_waits ? 'pays once the threshold is reached' : 'pays the voter\'s own pledge at once'],
    ['a no', 'holds the voter\'s own pledge for the arbiter; without a ruling it returns at T'],
    ['silence', acceptance.silence === 'hold' ? 'stays until T'
      : `pays if the representative accepts, ${percent(acceptance.quorum_bps)} of the weight votes, and ${percent(acceptance.threshold_bps)} of that says yes`],
    ...fields.payees.map((payee, at): [string, string] => [`payee ${at + 1}`, `${percent(payee.share_bps)} to ${payee.address}`]),
  ];
  if (fields.leader !== null) rows.push(['leader', `${percent(fields.leader.share_bps)} to ${fields.leader.address}`]);
  if (fields.operator !== null) rows.push(['operator', `${percent(fields.operator.share_bps)} to ${fields.operator.address}`]);
  rows.push(
    ['gifts, if it fails', fields.pot ?? 'stay where they are: there is no pot'],
    ['receipt key', fields.receipt_key], ['feerate cap', `${fields.feerate_cap_sat_per_vb} sat/vB`],
  );
  return rows;
}
