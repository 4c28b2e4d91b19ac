// Wishes and the words to them, as `descriptors/wishes.json` has them from the crate.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hex, unhex } from '../../src/core/bytes.ts';
import { keyPair } from '../../src/core/point.ts';
import { signStatement } from '../../src/core/signature.ts';
import type { Statement } from '../../src/core/statement.ts';
import {
  lead, like, offer, project, projectWithdrawal, promise, wish, wishId, withdrawal,
  type LeadFields, type LikeFields, type OfferFields, type ProjectFields, type ProjectWithdrawalFields, type PromiseFields, type WishFields,
  type WithdrawalFields,
} from '../../src/core/wish.ts';
import { descriptors } from '../lib/vectors.ts';

interface Row {
  kind: string;
  tag: string;
  lines: string;
  digest: string;
  secret_key: string;
  signature: string;
  statement: unknown;
}

const made: Readonly<Record<string, (statement: unknown) => Statement>> = {
  wish: (statement) => wish(statement as WishFields),
  like: (statement) => like(statement as LikeFields),
  promise: (statement) => promise(statement as PromiseFields),
  offer: (statement) => offer(statement as OfferFields),
  lead: (statement) => lead(statement as LeadFields),
  project: (statement) => project(statement as ProjectFields),
  wish_withdrawal: (statement) => withdrawal(statement as WithdrawalFields),
  project_withdrawal: (statement) => projectWithdrawal(statement as ProjectWithdrawalFields),
};

test('statements before a charter are those of the crate, to the byte', () => {
  const rows = JSON.parse(readFileSync(join(descriptors, 'wishes.json'), 'utf8')) as Row[];
  const ours = rows.filter(({ kind }) => kind in made);
  assert.deepEqual(ours.map(({ kind }) => kind), ['wish', 'wish', 'like', 'like', 'promise', 'promise', 'offer', 'offer', 'lead', 'lead', 'project', 'project', 'wish_withdrawal', 'project_withdrawal']);
  for (const row of ours) {
    const statement = made[row.kind]!(row.statement);
    assert.deepEqual([statement.tag, statement.lines, hex(statement.digest)], [row.tag, row.lines, row.digest]);
    assert.equal(signStatement(statement, keyPair(unhex(row.secret_key, 'secret_key'), 'secret_key')), row.signature);
  }
  assert.equal(wishId(ours[0]!.statement as WishFields), ours[0]!.digest);
});

test('what would be another line, or no amount, is refused', () => {
  const by = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
  const fields: WishFields = { network: 'regtest', repository: 'a\nby: x', link: null, text_hash: by, by };
  assert.throws(() => wish(fields), { code: 'one_line' });
  const word = { network: 'regtest', task: by, by, counter: 1 } as const;
  for (const amount of [-1, 0.5, 2_100_000_000_000_001, Number.NaN]) {
    assert.throws(() => promise({ ...word, amount_sat: amount }), { code: 'out_of_range' });
  }
  assert.throws(() => projectWithdrawal({ network: 'regtest', repository: 'a\nby: x', by, counter: 1 }), { code: 'one_line' });
  assert.throws(() => projectWithdrawal({ network: 'regtest', repository: 'a', by, counter: 0xffff_ffff }), { code: 'out_of_range' });
  assert.throws(() => withdrawal({ network: 'regtest', task: 'x', by }));
  assert.throws(() => like({ ...word, like: true, counter: 0xffff_ffff }), { code: 'out_of_range' });
});
