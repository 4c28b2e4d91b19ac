// A task as the command line and a service made it on a regtest chain (fixtures/task.json), and what tests do with it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Account, Root } from '../../src/core/keys.ts';
import { networkOf } from '../../src/core/network.ts';
import { parseProof, parseCastVote, type CastVoteDocument, type ProofDocument } from '../../src/core/proof/document.ts';
import { satWords } from '../../src/core/words.ts';
import { allowed, type Explanation, type Verdict } from '../../src/core/proof/allowed.ts';
import { Psbt } from '../../src/core/psbt.ts';
import { checkProof } from '../../src/core/proof/check.ts';
import type { Role } from '../../src/core/signer-key.ts';
import { replaced, type Path } from './changes.ts';

/** The folder of the tests; filled in when a test is bundled. */
declare const TEST_ROOT: string;

type Psbts = Record<string, string>;
interface Settlement {
  psbts: Psbts;
  /** By role: SHA-256 of each PSBT, in base64, that the command line signed. */
  signed: Record<string, string[]>;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Fixture {
  phrases: Record<string, string>;
  charter: string;
  votes: Record<'alice-no' | 'alice' | 'bob' | 'carol', Json>;
  /** What `upfront settlement sign` prints of each. */
  words: Record<'payout' | 'ruling' | 'early', string[]>;
  payout: Settlement & { proof: Json };
  /** Its proof document is the payout's. */
  ruling: Settlement;
  early: Settlement & { proof: Json };
}

export const readFixture = (name: string): unknown => JSON.parse(readFileSync(join(TEST_ROOT, 'sign/fixtures', name), 'utf8'));
export const fixture = readFixture('task.json') as Fixture;

export const proofOf = (json: Json): ProofDocument => parseProof(JSON.stringify(json));
export const voteOf = (json: Json): CastVoteDocument => parseCastVote(JSON.stringify(json), 'vote');
export const psbtsOf = (psbts: Psbts): Psbt[] => Object.values(psbts).map((text) => Psbt.read(text));
export const clone = <T>(value: T): T => structuredClone(value);

const accounts = new Map<string, Account>();
/** Account 0 of somebody's phrase. */
export function accountOf(name: string, account = 0): Account {
  const id = `${name}/${account}`;
  const known = accounts.get(id) ?? rootOf(name).account(account);
  accounts.set(id, known);
  return known;
}

export function rootOf(name: string): Root {
  const phrase = fixture.phrases[name];
  if (phrase === undefined) throw new Error(`nobody is called ${name}`);
  return Root.fromPhrase(phrase, networkOf('regtest'));
}

export function judge(proof: Json, psbts: readonly Psbt[], role: Role = 'developer', votes: CastVoteDocument[] = []): Verdict {
  return allowed(proofOf(proof), psbts, role, votes);
}

export function explained(verdict: Verdict): Explanation {
  if ('findings' in verdict) throw new Error(`refused: ${verdict.findings.map(({ field, problem }) => `${field}: ${problem}`).join('; ')}`);
  return verdict.explanation;
}

/** All of it as `upfront settlement sign` prints it, line by line. */
export function linesOf({ plan, purpose: what, task, inputs, transactions }: Explanation): string[] {
  const { tip } = task;
  return [
    `settlement ${plan.id}`, what, `as of block ${tip.height} (${tip.hash}), median time ${tip.mtp_secs}`, 'it spends',
    ...inputs.map((line) => `  ${line}`),
    ...transactions.flatMap((words) => [
      `transaction ${words.chunkAt} at ${words.feerate} sat/vB: ${words.txid}, fee ${satWords(words.fee)} for ${words.vsize} vB${words.given ? '' : ', no PSBT given'}`,
      ...words.outputs.map((output) => `  ${output.words}`),
    ]),
  ];
}

/** The document with every claim as it is computed from the rest. */
export function remade(json: Json): Json {
  let made = json;
  for (let round = 0; round < 5; round += 1) {
    const checked = checkProof(proofOf(made));
    if ('task' in checked) return made;
    const claims = checked.findings.flatMap(({ field, problem }) => {
      const computed = /, computed (.*)$/s.exec(problem)?.[1];
      return computed === undefined ? [] : [{ path: field.split('/').map((step) => (/^\d+$/.test(step) ? Number(step) : step)) as Path, computed }];
    });
    if (claims.length === 0) return made;
    for (const { path, computed } of claims) made = replaced(made, path, computed === 'nothing' ? undefined : (JSON.parse(computed) as Json));
  }
  return made;
}
