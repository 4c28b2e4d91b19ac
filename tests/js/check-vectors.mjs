// Recomputes everything in descriptors/vectors.json and descriptors/milestones.json from its inputs, with libraries
// that share nothing with the crate: @scure/btc-signer, bip32, bip39 and noble. It reads these files and nothing else
// the crate made.
//
//   node check-vectors.mjs [FILE]...    checks every case; names the first field that differs in each
//   node check-vectors.mjs --self-test  alters every value of the files, one at a time, and expects a complaint
//
// The last line is `N passed, N failed`; the exit code is 0 only if nothing failed.

import { readFileSync } from 'node:fs';
import { checkAddress } from './lib/address.mjs';
import { checkBroken, checkCharter } from './lib/charter-cases.mjs';
import { checkClosing } from './lib/closing.mjs';
import { equal, exactKeys } from './lib/compare.mjs';
import { checkRefund } from './lib/refund.mjs';
import { checkMadeRefund, checkSettlement } from './lib/settlement.mjs';
import { checkMove, checkSubmission } from './lib/submission.mjs';
import { checkVote } from './lib/vote.mjs';

const FIRST = {
  charters: checkCharter,
  broken_charters: checkBroken,
  addresses: checkAddress,
  refunds: checkRefund,
  votes: checkVote,
};
const MILESTONES = {
  charters: checkCharter,
  submissions: checkSubmission,
  moves: checkMove,
  settlements: checkSettlement,
  addresses: checkAddress,
  refunds: checkMadeRefund,
  closings: checkClosing,
};
// The lists of a file, and who checks each.
const kindsOf = (vectors) => (Object.hasOwn(vectors, 'settlements') ? MILESTONES : FIRST);

// Why a case is wrong, or null.
function complaint(vectors, kind, at) {
  try {
    kindsOf(vectors)[kind](vectors, vectors[kind][at], `${kind}[${at}]`);
    return null;
  } catch (error) {
    return error.message.startsWith(kind) ? error.message : `${kind}[${at}]: ${error.message}`;
  }
}

function headComplaint(vectors) {
  const kinds = Object.keys(kindsOf(vectors));
  try {
    exactKeys(vectors, ['version', ...kinds], 'vectors');
    equal(1, vectors.version, 'version');
    for (const kind of kinds) {
      if (!Array.isArray(vectors[kind]) || vectors[kind].length === 0) throw new Error(`${kind}: no cases`);
    }
    return null;
  } catch (error) {
    return error.message;
  }
}

function check(vectors) {
  let passed = 0;
  const failures = [];
  const count = (why) => (why === null ? (passed += 1) : failures.push(why));
  const head = headComplaint(vectors);
  count(head);
  if (head === null) {
    for (const kind of Object.keys(kindsOf(vectors))) vectors[kind].forEach((_, at) => count(complaint(vectors, kind, at)));
  }
  return { passed, failures };
}

// Every way this program tries to alter one value.
function alterations(value) {
  if (value === null) return ['00', 0];
  if (typeof value === 'number') return [value + 1, value === 0 ? 2 : value - 1, String(value)];
  if (typeof value === 'boolean') return [!value];
  if (value === '') return ['0'];
  const places = new Set([0, value.length >> 1, value.length - 1]);
  const changed = [...places].map((at) => {
    const other = value[at] === '1' ? '2' : '1';
    return value.slice(0, at) + other + value.slice(at + 1);
  });
  return [...changed, value.slice(1), value.slice(0, -1), null];
}

// Paths to all values that are neither list nor object.
function leaves(value, path = []) {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

function withChange(root, path, change) {
  const copy = structuredClone(root);
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key];
  change(at, path.at(-1));
  return copy;
}

function selfTest(vectors) {
  let passed = 0;
  const failures = [];
  const expectComplaint = (kind, at, item, what) => {
    const altered = { ...vectors, [kind]: vectors[kind].with(at, item) };
    if (complaint(altered, kind, at) === null) failures.push(`${what} was altered, and nothing was said`);
    else passed += 1;
  };
  const kinds = Object.keys(kindsOf(vectors));
  for (const kind of kinds) {
    vectors[kind].forEach((item, at) => {
      for (const path of leaves(item)) {
        const name = `${kind}[${at}].${path.join('.')}`;
        const value = path.reduce((inner, key) => inner[key], item);
        for (const other of alterations(value)) {
          if (other === value) continue;
          expectComplaint(kind, at, withChange(item, path, (o, k) => { o[k] = other; }), `${name} (to ${JSON.stringify(other)})`);
        }
        expectComplaint(kind, at, withChange(item, path, (o, k) => { Array.isArray(o) ? o.splice(k, 1) : delete o[k]; }), `${name} (removed)`);
      }
      expectComplaint(kind, at, { ...item, extra: 1 }, `${kind}[${at}] (a field added)`);
    });
  }
  for (const other of [{ ...vectors, version: 2 }, { ...vectors, extra: 1 }, { ...vectors, [kinds.at(-1)]: [] }]) {
    if (headComplaint(other) === null) failures.push('the head was altered, and nothing was said');
    else passed += 1;
  }
  return { passed, failures };
}

const args = process.argv.slice(2);
const self = args.includes('--self-test');
const given = args.filter((arg) => !arg.startsWith('--'));
const published = ['vectors.json', 'milestones.json'].map((name) => new URL(`../../descriptors/${name}`, import.meta.url));
const files = given.length > 0 ? given : published;
const found = files.map((file) => JSON.parse(readFileSync(file, 'utf8'))).map(self ? selfTest : check);
const passed = found.reduce((sum, one) => sum + one.passed, 0);
const failures = found.flatMap((one) => one.failures);
const good = failures.length === 0 && passed > 0;
for (const failure of failures) console.log(`FAILED ${failure}`);
if (self) {
  // Thousands of alterations are one test of this program, not thousands of tests of the crate.
  console.log(`${passed} of ${passed + failures.length} alterations were noticed`);
  console.log(good ? '1 passed, 0 failed' : '0 passed, 1 failed');
} else {
  console.log(`${passed} passed, ${failures.length} failed`);
}
process.exitCode = good ? 0 : 1;
