// What a key has said to a wish or of a project: its own signature counts, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../src/core/json.ts';
import type { KeyPair } from '../../src/core/point.ts';
import { signStatement } from '../../src/core/signature.ts';
import {
  like, offer, project, projectWithdrawal, promise,
  type LikeFields, type OfferFields, type ProjectFields, type PromiseFields,
} from '../../src/core/wish.ts';
import { ownClaim, ownWords } from '../../src/say/wish.ts';
import { rootOf } from '../sign/fixture.ts';

const [key, other] = [rootOf('alice').sponsorKey(1), rootOf('bob').sponsorKey(1)];
const wish = { network: 'regtest' as const, task: 'ab'.repeat(32) };
const here = { network: 'regtest' as const, repository: 'https://example.org/x' };
const by = key.publicKey;
const NONE = { likes: false, promised: 0, counters: { like: 1, promise: 1, developer: 1, representative: 1, lead: 1 } };

const word = (kind: string, statement: object, signature: string): Json => ({ word: { kind, statement: statement as Json, signature } });
const liked = (counter: number, signer: KeyPair = key, change: Partial<LikeFields> = {}): Json => {
  const fields: LikeFields = { ...wish, by, like: true, counter, ...change };
  return word('like', fields, signStatement(like(fields), signer));
};
const promised = (amount_sat: number, counter: number): Json => {
  const fields: PromiseFields = { ...wish, by, amount_sat, counter };
  return word('promise', fields, signStatement(promise(fields), key));
};
const offered = (as: OfferFields['as'], counter: number): Json => {
  const fields: OfferFields = { ...wish, by, as, choice: 'accept', until: null, counter };
  return word('offer', fields, signStatement(offer(fields), key));
};

test('the newest word of each kind counts, and the next counter follows it', () => {
  const items = [liked(1), promised(5_000, 7), promised(90, 3), offered('developer', 4), offered('representative', 2)];
  assert.deepEqual(ownWords(wish, by, { items }), {
    likes: true, promised: 5_000, counters: { like: 2, promise: 8, developer: 5, representative: 3, lead: 1 },
  });
});

test('what a key did not sign is not its word to a wish', () => {
  const forged: Json[] = [
    liked(4_000_000_000, other), liked(9, key, { task: 'cd'.repeat(32) }), word('like', { ...wish, by, like: true, counter: 5 }, '00'.repeat(64)),
    word('promise', { ...wish, by, amount_sat: 'x', counter: 5 }, '00'.repeat(64)), word('toString', {}, ''), word('like', {}, 'x'), null, 3, {},
    { word: null }, { word: { kind: 'like', statement: [], signature: null } },
  ];
  assert.deepEqual(ownWords(wish, by, { items: forged }), NONE);
  for (const strange of [null, 3, 'x', [], {}, { items: null }, { items: {} }] as Json[]) assert.deepEqual(ownWords(wish, by, strange), NONE);
});

test('a claim and its withdrawal count as their key signed them', () => {
  const settings: ProjectFields = {
    ...here, name: 'X', description: 'It', licence: 'MIT', arbiter: null, leader_address: null, leader_share_bps: 0,
    minimum_pledge_sat: 10_000, donations: null, likes: true, published: null, by, counter: 4,
  };
  const signature = signStatement(project(settings), key);
  const view = (claim: object): Json => ({ claims: [{ by: other.publicKey } as Json, { by, settings, signature, withdrawn: null, ...claim } as unknown as Json] });
  assert.deepEqual(ownClaim(here, by, view({})), { settings, withdrawn: false, counter: 5 });
  const back = (counter: number, signer = key): object =>
    ({ withdrawn: { counter, at_secs: 1, signature: signStatement(projectWithdrawal({ ...here, by, counter }), signer) } });
  assert.deepEqual(ownClaim(here, by, view(back(8))), { settings, withdrawn: true, counter: 9 });
  assert.deepEqual(ownClaim(here, by, view(back(8, other))), { settings, withdrawn: false, counter: 5 });
  assert.equal(ownClaim(here, by, view({ settings: { ...settings, leader_share_bps: 9_999 } })), null, 'not what it signed');
  assert.equal(ownClaim({ ...here, repository: 'https://example.org/y' }, by, view({})), null, 'of another project');
  for (const strange of [null, {}, { claims: null }, { claims: [null, 3, { by }] }] as Json[]) assert.equal(ownClaim(here, by, strange), null);
});
