// In which terms two charters differ, in words, from the charters that were checked here: whoever moves a pledge agrees to
// the other one's.

import type { Charter } from '../core/charter.ts';
import { ROLES } from '../core/signer-key.ts';
import { capital, inert, percent, satWords, span } from '../core/words.ts';
import { fingerprint, termsOf, time } from './terms.ts';

export interface OtherTerm {
  readonly name: string;
  readonly here: string;
  readonly there: string;
}

/** Held so much longer is worth a second look. */
const YEAR_SECS = 366 * 86_400;

/** Every term that a sponsor is under, by name: the same names for every charter. */
function rows(charter: Charter): readonly (readonly [string, string])[] {
  const { fields } = charter;
  const { acceptance, milestones, pot } = fields;
  // Those of the checkout, but for the signers, whose keys are told in full below.
  const agreed = termsOf(charter, '').filter(([name]) => name !== 'It comes back to' && !name.endsWith('’s key'));
  return [
    ['Project', inert(fields.repository)],
    ...ROLES.map((role) => [`${capital(role)}’s key`, `${fingerprint(fields[role].key)}, key …${fields[role].key.slice(-8)}, named by ${inert(fields[role].nominated_by)}`] as const),
    ...agreed,
    ['A yes', acceptance.yes_waits ? `is paid once ${percent(acceptance.threshold_bps)} of the votes say yes` : 'is paid, whatever the others say'],
    ['Enough votes', `${percent(acceptance.threshold_bps)} yes, of at least ${percent(acceptance.quorum_bps)} of the money`],
    ['Parts of the work', milestones.length < 2 ? `one, due ${time(milestones[0]?.due ?? fields.work_deadline)}`
      : milestones.map(({ share_bps: share, due }) => `${percent(share)} due ${time(due)}`).join('; ')],
    ['Takes pledges until', time(fields.funding_close)],
    ['Work is taken until', time(fields.work_deadline)],
    ['Work is taken', fields.submissions_open === 'at_once' ? 'from the beginning' : 'once the target is there'],
    ['Voting opens', fields.vote_opens === 'none' ? 'when work is handed in' : `when the leader confirms that it is ${fields.vote_opens}`],
    ['Time to vote', span(fields.review_secs)],
    ['Time for the arbiter', span(fields.ruling_secs)],
    ['Target', satWords(BigInt(fields.target_sat))],
    ['Takes at most', satWords(BigInt(fields.cap_sat))],
    ['If the target is missed', fields.funding_rule === 'keep' ? 'what is there is kept for the work' : 'everything goes back'],
    ['Counts after', `${fields.depth} confirmation${fields.depth === 1 ? '' : 's'}`],
    ['Highest feerate', `${fields.feerate_cap_sat_per_vb} sat/vB`],
    ['Released under', inert(fields.licence)],
    ['Leader’s key', fields.leader === null ? 'none' : `…${fields.leader.key.slice(-8)}`],
    ['Returned gifts go to', pot ?? 'nobody'],
    ['Receipts are signed by', `key …${fields.receipt_key.slice(-8)}`],
  ];
}

/** In the order of the list. */
export function otherTerms(here: Charter, there: Charter): OtherTerm[] {
  const others = new Map(rows(there));
  return rows(here).flatMap(([name, words]) => {
    const other = others.get(name) ?? '';
    return other === words ? [] : [{ name, here: words, there: other }];
  });
}

/** What people must look at before they move; `twice`: and look again. */
export interface Warning {
  readonly twice: boolean;
  readonly words: string;
}

export function warnings(here: Charter, there: Charter): Warning[] {
  const others = ROLES.filter((role) => fingerprint(here.fields[role].key) !== fingerprint(there.fields[role].key));
  const said: Warning[] = [];
  const longer = there.fields.refund_time - here.fields.refund_time;
  if (longer > 0) said.push({ twice: longer > YEAR_SECS, words: `Your money may be held ${span(longer)} longer than here.` });
  if (here.fields.repository !== there.fields.repository) said.push({ twice: true, words: 'It is another project.' });
  // The same fingerprints are no milder: whoever copies them would choose the words.
  const whose = others.length > 0
    ? `Other people may hold keys there: of the ${others.join(', ')}. Move it only to people whom you trust with that.`
    : 'The fingerprints of the signers’ keys are the same there. A fingerprint is what a key says of itself, and nobody can check it: '
      + 'ask them whether the new keys are theirs.';
  said.push({ twice: true, words: `${whose} Any two of the three can pay your money out, whatever the votes say.` });
  return said;
}
