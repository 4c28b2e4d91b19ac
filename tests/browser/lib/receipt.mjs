// The service's receipt for a vote, checked with nothing of the project's: the words of docs/PROTOCOL.md, section 5, under
// BIP340. What is signed is small enough to be written down twice.

import assert from 'node:assert/strict';
import { schnorr } from '@noble/curves/secp256k1.js';

const bytes = (text) => new TextEncoder().encode(text);
const hex = (digits) => Uint8Array.from(Buffer.from(digits, 'hex'));
const lines = (fields) => bytes(Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`).join(''));
const digest = (tag, fields) => schnorr.utils.taggedHash(tag, lines(fields));

/** Fails unless the vote is signed by `sponsorKey`, and the receipt by the charter's key over this vote. */
export function checkReceipt({ vote, receipt }, charter, charterId, sponsorKey) {
  const { statement } = vote;
  assert.equal(statement.charter, charterId);
  assert.equal(statement.network, charter.network);
  const said = digest('upfront/vote', {
    network: statement.network, charter: statement.charter, submission: statement.submission,
    pledge: statement.pledge, choice: statement.choice, counter: statement.counter,
  });
  assert.ok(schnorr.verify(hex(vote.signature), said, hex(sponsorKey)), 'the vote is not signed by the pledge\'s key');
  const { tip_height, tip_hash, tip_mtp_secs } = receipt.statement;
  const taken = digest('upfront/receipt', {
    network: statement.network, charter: charterId, vote: Buffer.from(said).toString('hex'),
    'tip height': tip_height, 'tip hash': tip_hash, 'tip median time': tip_mtp_secs,
  });
  assert.ok(schnorr.verify(hex(receipt.signature), taken, hex(charter.receipt_key)), 'the receipt is not the service\'s for this vote');
}
