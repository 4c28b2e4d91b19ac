// What a sponsor agrees to by paying, in a few lines, from the charter that was checked here and from nothing else: a page
// that says otherwise around it is seen to.

import type { Charter } from '../core/charter.ts';
import { ROLES } from '../core/signer-key.ts';
import { capital, percent, satWords } from '../core/words.ts';
import { element } from '../ui/element.ts';

/** `Mon, 7 December 2026`, as the pages write days. */
export const day = (secs: number): string =>
  new Date(secs * 1000).toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });

/** `Mon, 7 December 2026, 00:00 UTC`. */
export const time = (secs: number): string => `${day(secs)}, ${new Date(secs * 1000).toISOString().slice(11, 16)} UTC`;

/** Eight digits that name a key, as hardware wallets show them. */
export const fingerprint = (key: string): string => /^\[([0-9a-f]{8})/.exec(key)?.[1] ?? `…${key.slice(-8)}`;

/** Names and words, in order. */
export function termsOf({ fields, shares }: Charter, refundAddress: string): readonly (readonly [string, string])[] {
  const { silence, threshold_bps: threshold, quorum_bps: quorum } = fields.acceptance;
  return [
    ['Yours again', `from ${time(fields.refund_time)}, by your key alone`],
    ['It comes back to', refundAddress],
    ...ROLES.map((role) => [`${capital(role)}’s key`, `${fingerprint(fields[role].key)}, named by ${fields[role].nominated_by}`] as const),
    ['Paid to', shares.map(({ name, address, shareBps }) => `${percent(shareBps)} ${name}, ${address.text.slice(0, 12)}…${address.text.slice(-6)}`).join('; ')],
    ['If you do not vote', silence === 'hold' ? 'your money stays until it is yours again'
      : `it is paid if ${percent(threshold)} of the votes say yes, ${percent(quorum)} of the money has voted, and the representative accepts`],
    ['Least pledge', satWords(BigInt(fields.minimum_pledge_sat))],
  ];
}

export const termsPanel = (charter: Charter, refundAddress: string): HTMLElement => element('dl', { class: 'rows', id: 'checked-terms' },
  ...termsOf(charter, refundAddress).map(([name, words]) => element('div', {}, element('dt', {}, name), element('dd', name === 'It comes back to' ? { class: 'hash' } : {}, words))));
