// What desks take in: signed PSBTs in every form people bring them, signed statements told in words; and whatever else it
// is, secrets above all, is refused without being repeated.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64, unhex } from '../../src/core/bytes.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { psbtsOfBytes, psbtsOfText, together } from '../../src/desk/psbts.ts';
import { readStatement, type Kind } from '../../src/desk/words.ts';

const BYTES = unhex(`70736274ff01003c${'00'.repeat(60)}00`, 'psbt');
const PSBT = base64(BYTES);
const OTHER = base64(unhex(`70736274ff01003c${'11'.repeat(60)}00`, 'psbt'));
const PHRASE = `${'abandon '.repeat(11)}about`;
const XPRV = 'tprv8ZgxMBicQKsPd9TeAdPADNnSyH9SSUUbTVeFszDE23Ki6TBB5nCefAdHkK8Fm3qMQR6sHwA56zqRmKmxnHk37JkiFzvncDqoKmPWubu7hDF';

/** The error's code; its words never hold `secret`. */
function refusal(act: () => unknown, secret = PHRASE): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof UpfrontError, String(error));
    assert.ok(!error.message.includes(secret), error.message);
    return error.code;
  }
  return 'taken';
}

test('a PSBT is taken as binary, base64, lines of it, and as the list of the offline page', () => {
  assert.deepEqual(psbtsOfBytes('a.psbt', BYTES), [{ name: 'a.psbt', psbt: PSBT }]);
  assert.deepEqual(psbtsOfText('text', ` ${PSBT}\n`), [{ name: 'text', psbt: PSBT }]);
  const two = psbtsOfText('text', `${PSBT}\r\n${OTHER}\n`);
  assert.deepEqual(two.map((each) => each.psbt), [PSBT, OTHER]);
  assert.deepEqual(psbtsOfText('signatures.json', JSON.stringify({ psbts: [PSBT, OTHER] })).map((each) => each.psbt), [PSBT, OTHER]);
  assert.deepEqual(together([...two, ...two]), [PSBT, OTHER], 'each once');
  assert.deepEqual(psbtsOfText('text', ' \n'), []);
});

test('what is no PSBT is refused, and a secret by its name', () => {
  assert.equal(refusal(() => together([])), 'psbt_nothing');
  for (const text of ['hello', `${PSBT} hello`, '{"psbts":[]}', '{"psbts":"x"}', '{', `${PSBT}!`, JSON.stringify({ psbts: [PSBT, 'no'] })]) {
    assert.equal(refusal(() => psbtsOfText('file', text)), 'bad_psbt', text);
  }
  for (const secret of [PHRASE, XPRV, `${PSBT}\n${XPRV}`]) {
    assert.equal(refusal(() => psbtsOfText('file', secret), secret), 'key_private');
  }
  assert.equal(refusal(() => together([{ name: 'a', psbt: 'x'.repeat(8_000_001) }])), 'too_long');
});

const CHARTER = 'ab'.repeat(32);
const SUBMISSION = 'cd'.repeat(32);
const about = { charter: CHARTER, network: 'regtest', submission: SUBMISSION };
const common = { network: 'regtest', charter: CHARTER };
const STATEMENTS: Readonly<Record<Exclude<Kind, 'attestation'>, object>> = {
  submission: { ...common, number: 0, link: 'https://example.org/7', content: '11'.repeat(32), block_height: 9, block_hash: '22'.repeat(32) },
  acceptance: { ...common, submission: SUBMISSION, accepted: true },
  ruling: { ...common, submission: SUBMISSION, pay_bps: 2_500 },
  vote: { ...common, submission: SUBMISSION, pledge: 3, choice: 'no', counter: 1 },
  confirmation: { ...common, submission: SUBMISSION, confirmed: 'merged', block_height: 9, block_hash: '22'.repeat(32) },
  evidence: {
    ...common, submission: SUBMISSION, kind: 'dispute', by: 'developer', text: 'the work does what was asked and the tests show that well',
    attachments: ['33'.repeat(32)], counter: 2,
  },
};
const signed = (statement: object): string => JSON.stringify({ statement, signature: 'ef'.repeat(64) });

test('each kind of statement is told in words and sent as it was signed', () => {
  const kinds = ['submission', 'confirmation', 'acceptance', 'ruling', 'vote', 'evidence'] as const;
  for (const kind of kinds) {
    const text = signed(STATEMENTS[kind]);
    const told = readStatement(text, kind, kind === 'submission' ? { ...about, submission: undefined } : about);
    assert.deepEqual(JSON.parse(told.body), JSON.parse(text), kind);
    assert.ok(told.lines.startsWith(`network: regtest\ncharter: ${CHARTER}\n`), told.lines);
    for (const other of kinds) {
      if (other !== kind) assert.equal(refusal(() => readStatement(text, other, about)), 'other_statement', `${kind} as ${other}`);
    }
  }
  assert.match(readStatement(signed(STATEMENTS.ruling), 'ruling', about).sentence, /25 %/);
  assert.match(readStatement(signed({ ...STATEMENTS.acceptance, accepted: false }), 'acceptance', about).sentence, /refuses/);
  assert.match(readStatement(signed(STATEMENTS.confirmation), 'confirmation', about).sentence, /confirms that the work is merged/);
  // Twelve short words are prose here, and a phrase among them is none.
  assert.match(readStatement(signed(STATEMENTS.evidence), 'evidence', about).sentence, /^The developer opens a dispute: “the work does/);
  assert.match(readStatement(signed({ ...STATEMENTS.evidence, kind: 'evidence', by: 'pledge 3' }), 'evidence', about).sentence, /^The sponsor of pledge 3 gives evidence/);
  assert.equal(refusal(() => readStatement(signed({ ...STATEMENTS.evidence, text: `see ${PHRASE}` }), 'evidence', about)), 'key_private');
  for (const change of [{ kind: 'verdict' }, { by: 4 }, { attachments: 'x' }, { attachments: ['x'] }, { text: 'two\nlines' }, { counter: -1 }]) {
    assert.notEqual(refusal(() => readStatement(signed({ ...STATEMENTS.evidence, ...change }), 'evidence', about)), 'taken', JSON.stringify(change));
  }
  for (const change of [{ confirmed: 'shipped' }, { block_height: '9' }, { block_hash: 'x' }]) {
    assert.notEqual(refusal(() => readStatement(signed({ ...STATEMENTS.confirmation, ...change }), 'confirmation', about)), 'taken', JSON.stringify(change));
  }
  const attestation = { charter: CHARTER, role: 'arbiter', signature: 'ef'.repeat(64), sent: false };
  assert.deepEqual(JSON.parse(readStatement(JSON.stringify(attestation), 'attestation', about).body), { role: 'arbiter', signature: 'ef'.repeat(64) });
});

test('work for a milestone, and work that names other payees, are told as what they are', () => {
  const told = (change: object): ReturnType<typeof readStatement> =>
    readStatement(signed({ ...STATEMENTS.submission, ...change }), 'submission', { ...about, submission: undefined });
  assert.match(told({ milestone: 1 }).sentence, /^The developer submits work, number 1 of this task, for milestone 2: https/);
  assert.ok(told({ milestone: 1 }).lines.endsWith('milestone: 1\n'));
  const named = { by: 'leader', payees: [{ address: 'bcrt1one', share_bps: 7_500 }, { address: 'bcrt1two', share_bps: 2_500 }] };
  assert.match(told({ named }).sentence, /^The leader submits work, .* It names other payees, who are paid from yes votes only: 75 % to bcrt1one, 25 % to bcrt1two$/);
  assert.ok(told({ named }).lines.endsWith('payee: bcrt1one, 7500 bps\npayee: bcrt1two, 2500 bps\nnamed by: leader\n'));
  for (const change of [{ milestone: '1' }, { milestone: 1.5 }, { named: { by: 'arbiter', payees: [] } }, { named: [] }, { named: { by: 'leader', payees: [{ address: 1, share_bps: 2 }] } }]) {
    assert.notEqual(refusal(() => told(change)), 'taken', JSON.stringify(change));
  }
});

test('another task, another network, another submission, no signature: refused before anything is sent', () => {
  const ruling = STATEMENTS.ruling;
  for (const [change, code] of [
    [{ charter: 'ff'.repeat(32) }, 'other_task'], [{ network: 'mainnet' }, 'other_task'], [{ submission: 'ff'.repeat(32) }, 'other_task'],
  ] as const) assert.equal(refusal(() => readStatement(signed({ ...ruling, ...change }), 'ruling', about)), code);
  for (const pay_bps of [10_001, -1, 1.5, '5000', null]) {
    assert.notEqual(refusal(() => readStatement(signed({ ...ruling, pay_bps }), 'ruling', about)), 'taken', String(pay_bps));
  }
  assert.equal(refusal(() => readStatement(JSON.stringify({ kind: 'ruling', statement: ruling }), 'ruling', about)), 'statement_shape');
  assert.notEqual(refusal(() => readStatement(JSON.stringify({ statement: ruling, signature: 'ef' }), 'ruling', about)), 'taken');
  for (const text of ['', '{', '[]', 'null', '{"statement":1}', 'x'.repeat(20_000)]) {
    assert.equal(refusal(() => readStatement(text, 'ruling', about)), 'statement_shape', text.slice(0, 20));
  }
  assert.equal(refusal(() => readStatement(PHRASE, 'ruling', about)), 'key_private');
  assert.equal(refusal(() => readStatement(XPRV, 'ruling', about), XPRV), 'key_private');
});
