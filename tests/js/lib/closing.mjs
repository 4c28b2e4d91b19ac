// What a settlement may pay of one pledge, from what its milestones came to.

import { equal, exactKeys, integer } from './compare.mjs';

// The one ruling of the closing cases; those of settlements are 0, 4000 and 10000.
const RULED = 4_000;
const WORDS = ['covered', 'paid', 'kept', 'pending', 'lost', 'ruled 0', 'ruled 4000', 'ruled 10000'];

function known(parts, name) {
  for (const part of parts) {
    if (!WORDS.includes(part)) throw new Error(`${name}: ${JSON.stringify(part)} is none of the words`);
  }
}

function pays(part) {
  if (part === 'paid') return 10_000;
  return part.startsWith('ruled ') ? Number(part.slice(6)) : 0;
}

// Basis points, rounded down; what was covered is not there any more.
export function weighed(shares, parts, name) {
  equal(shares.length, parts.length, `${name}: one word a milestone`);
  known(parts, name);
  let whole = 0;
  let paid = 0;
  parts.forEach((part, at) => {
    if (part === 'covered') return;
    whole += shares[at];
    paid += shares[at] * pays(part);
  });
  return Math.floor(paid / whole);
}

function allowed(kind, parts) {
  const has = (word) => parts.some((part) => part.startsWith(word));
  if (kind === 'milestone') return parts.filter((part) => part !== 'covered').length > 1;
  return !has('pending') && (kind === 'ruling' || !has('ruled'));
}

export function checkClosing(vectors, item, name) {
  exactKeys(item, ['shares_bps', 'parts', 'kind', 'milestone', 'pay_bps'], name);
  const { shares_bps: shares, parts, kind, milestone } = item;
  equal(10_000, shares.reduce((sum, share) => sum + share, 0), `${name}.shares_bps: together`);
  const { milestones } = JSON.parse(vectors.charters[0].text);
  equal(JSON.stringify(milestones.map((one) => one.share_bps)), JSON.stringify(shares), `${name}.shares_bps`);
  integer(milestone, shares.length - 1, `${name}.milestone`);
  const own = { milestone: 'paid', payout: 'paid', ruling: `ruled ${RULED}` }[kind];
  equal(own, parts[milestone], `${name}.parts[${milestone}]`);
  known(parts, `${name}.parts`);
  for (const part of parts) {
    if (part.startsWith('ruled') && part !== `ruled ${RULED}`) throw new Error(`${name}.parts: ${part}`);
  }
  const same = (other) => other.kind === kind && other.milestone === milestone && `${other.parts}` === `${parts}`;
  equal(1, vectors.closings.filter(same).length, `${name}: cases of this kind, milestone and parts`);
  const alone = parts.map((part, at) => (at === milestone || part === 'covered' ? part : 'kept'));
  const bps = weighed(shares, kind === 'milestone' ? alone : parts, `${name}.parts`);
  equal(allowed(kind, parts) ? bps : null, item.pay_bps, `${name}.pay_bps`);
}
