// Every case of descriptors/vectors.json, recomputed from its inputs by the code that runs in browsers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, unhex, utf8 } from '../../src/core/bytes.ts';
import { Charter } from '../../src/core/charter.ts';
import { UpfrontError } from '../../src/core/error.ts';
import { sha256 } from '../../src/core/hash.ts';
import { Contract } from '../../src/core/output.ts';
import { parseSignature, signStatement, verifies, sponsorSpeaker } from '../../src/core/signature.ts';
import { ROLES } from '../../src/core/signer-key.ts';
import { attest, pledge, vote } from '../../src/core/statement.ts';
import { parseTransaction, serialize, transactionHex, txid } from '../../src/core/tx.ts';
import { signedBy } from '../../src/sponsor/ballot.ts';
import { signStatementBip322 } from '../lib/bip322.ts';
import { targetOf } from '../lib/pledge.ts';
import { at, vectors } from '../lib/vectors.ts';
import { rootOf, sponsorIndex } from '../lib/root.ts';

test('the file is of the version this knows, and no list is empty', () => {
  assert.equal(vectors.version, 1);
  const { version, ...lists } = vectors;
  for (const [name, list] of Object.entries(lists)) assert.ok(list.length > 0, name);
});

for (const [number, item] of vectors.charters.entries()) {
  test(`charters[${number}]`, () => {
    const charter = Charter.parse(item.text);
    assert.equal(charter.id, item.id);
    assert.equal(Charter.parse(utf8(item.text)).id, item.id);
    for (const role of ROLES) {
      const seat = item[role];
      const account = rootOf(seat.phrase, charter.network.name).account(seat.account);
      assert.equal(account.expression, seat.key);
      assert.equal(charter.signer(role).text, seat.key);
      const statement = account.statementKey;
      assert.equal(statement.publicKey, seat.statement_key);
      assert.equal(charter.signer(role).statementKey, seat.statement_key);
      assert.equal(signStatement(attest(item.id), statement), seat.signature);
      const first = account.child(0, 0);
      assert.equal(first.publicKey, seat.bip322_key);
      assert.equal(signStatementBip322(attest(item.id), first), seat.bip322_signature);
      for (const text of [seat.signature, seat.bip322_signature]) {
        charter.verifyAttestation(role, parseSignature(text, role));
        const other = role === 'arbiter' ? 'developer' : 'arbiter';
        assert.throws(() => charter.verifyAttestation(other, parseSignature(text, other)), { code: 'signature', field: `attestations.${other}` });
      }
      // A key of one form is none of the other.
      assert.equal(verifies(attest(item.id), parseSignature(signStatement(attest(item.id), first), role), charter.speaker(role)), false);
      assert.equal(verifies(attest(item.id), parseSignature(signStatementBip322(attest(item.id), statement), role), charter.speaker(role)), false);
    }
  });
}

for (const [number, item] of vectors.broken_charters.entries()) {
  test(`broken_charters[${number}]: ${item.code}`, () => {
    const pieces = at(vectors.charters, item.charter).text.split(item.find);
    assert.equal(pieces.length, 2);
    const broken = pieces.join(item.replace);
    assert.equal(hex(sha256(utf8(broken))), item.sha256);
    assert.throws(() => Charter.parse(broken), (error: unknown) => {
      assert.ok(error instanceof UpfrontError);
      assert.equal(error.code, item.code);
      assert.notEqual(error.field, '');
      return true;
    });
  });
}

for (const [number, item] of vectors.addresses.entries()) {
  test(`addresses[${number}]: ${item.network}, generation ${item.generation}, index ${item.index}`, () => {
    const found = vectors.charters.find((one) => one.id === item.charter_id);
    assert.ok(found);
    const contract = new Contract(Charter.parse(found.text));
    const { charter } = contract;
    assert.equal(charter.network.name, item.network);
    assert.equal(charter.fields.refund_time, item.refund_time);
    for (const role of ROLES) assert.equal(charter.signer(role).text, item[role]);
    const slot = { generation: item.generation, index: item.index };
    const output = item.sponsor_key === null ? contract.open() : contract.pledge(slot, item.sponsor_key);
    assert.deepEqual(output.slot, slot);
    assert.equal(hex(contract.aggregate), item.aggregate_key);
    assert.equal(contract.syntheticXpub, item.synthetic_xpub);
    assert.equal(output.internalKey, item.internal_key);
    assert.equal(hex(output.cooperativeLeaf), item.cooperative_leaf);
    assert.equal(output.refundLeaf === null ? null : hex(output.refundLeaf), item.refund_leaf);
    assert.equal(output.descriptor, item.descriptor);
    assert.equal(contract.musigDescriptor(output), item.musig_descriptor);
    assert.equal(hex(output.scriptPubkey), item.script_pubkey);
    assert.equal(output.address, item.address);
  });
}

for (const [number, item] of vectors.refunds.entries()) {
  test(`refunds[${number}]: ${item.amount_sat} sat, ${item.ladder.length} rungs`, () => {
    const charter = Charter.parse(at(vectors.charters, item.charter).text);
    const { name } = charter.network;
    assert.equal(charter.fields.refund_time, item.refund_time);
    const key = rootOf(item.phrase, name).sponsorKey(sponsorIndex(item.path));
    assert.equal(key.path, item.path);
    assert.equal(key.publicKey, item.sponsor_key);
    const output = new Contract(charter).pledge({ generation: item.generation, index: item.index }, item.sponsor_key);
    assert.equal(hex(output.scriptPubkey), item.script_pubkey);
    const statement = pledge({
      network: name, charter: charter.id, index: item.index, sponsorKey: item.sponsor_key, refundAddress: item.refund_address,
    });
    assert.equal(statement.lines, item.pledge_lines);
    assert.equal(signStatement(statement, key), item.pledge_signature);

    const target = targetOf(output, item.outpoint, BigInt(item.amount_sat), item.refund_address);
    const bundle = target.sign(key);
    const json = bundle.signatures;
    assert.deepEqual(json, {
      outpoint: item.outpoint, amount_sat: item.amount_sat, pair: item.pair.signature, ladder: item.ladder.map((rung) => rung.signature),
    });
    assert.equal(transactionHex(bundle.pair()), item.pair.transaction);
    assert.equal(txid(bundle.pair()), item.pair.txid);
    const rungs = bundle.ladder().map(({ rung, transaction }) => ({
      sat_per_vb: rung.satPerVb, lock_time: transaction.lockTime, txid: txid(transaction), transaction: transactionHex(transaction),
    }));
    assert.deepEqual(rungs, item.ladder.map(({ signature, ...rung }) => rung));
    assert.deepEqual(target.check(json).signatures, json);
    for (const text of [item.pair.transaction, ...item.ladder.map((rung) => rung.transaction)]) {
      const bytes = unhex(text, 'transaction');
      assert.deepEqual(serialize(parseTransaction(bytes, 'transaction')), bytes);
    }
  });
}

for (const [number, item] of vectors.votes.entries()) {
  test(`votes[${number}]: ${item.choice}`, () => {
    const charter = Charter.parse(at(vectors.charters, item.charter).text);
    const key = rootOf(item.phrase, charter.network.name).sponsorKey(sponsorIndex(item.path));
    assert.equal(key.publicKey, item.key);
    const { submission, pledge: index, choice, counter } = item;
    const fields = { network: charter.network.name, charter: charter.id, submission, pledge: index, choice, counter };
    const statement = vote(fields);
    assert.equal(statement.lines, item.lines);
    assert.equal(hex(statement.digest), item.digest);
    assert.equal(signStatement(statement, key), item.signature);
    assert.equal(signStatementBip322(statement, key), item.bip322_signature);
    assert.equal(signedBy(fields, key).signature, item.signature);
    for (const text of [item.signature, item.bip322_signature]) {
      assert.ok(verifies(statement, parseSignature(text, 'signature'), sponsorSpeaker(item.key)));
      const other = vote({ network: charter.network.name, charter: charter.id, submission, pledge: index, choice, counter: counter === 0 ? 1 : counter - 1 });
      assert.equal(verifies(other, parseSignature(text, 'signature'), sponsorSpeaker(item.key)), false);
    }
  });
}
