// Transactions, signature hashes, outputs and PSBTs against @scure/btc-signer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigHash, Transaction as Theirs, p2tr, taprootListToTree, NETWORK, TEST_NETWORK, OutScript } from '@scure/btc-signer';
import { bytesOf, concat, hex, unhex } from '../../src/core/bytes.ts';
import { Charter } from '../../src/core/charter.ts';
import { Contract } from '../../src/core/output.ts';
import { Psbt } from '../../src/core/psbt.ts';
import { paymentsOf, SEQUENCE } from '../../src/core/refund.ts';
import { SIGHASH, SighashCache, leafHash, parseTransaction, serialize, transactionHex, txid, vsize, weight, type Transaction, type TxOut } from '../../src/core/tx.ts';
import { parseAddress } from '../../src/core/address.ts';
import { outpoint, pledgeOf, targetOf } from '../lib/pledge.ts';
import { at, vectors } from '../lib/vectors.ts';

const LIBRARIES = { mainnet: NETWORK, testnet4: TEST_NETWORK, signet: TEST_NETWORK, regtest: { ...TEST_NETWORK, bech32: 'bcrt' } };
const LOOSE = { allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true };

test('outputs: script, merkle root and both control blocks', () => {
  for (const item of vectors.addresses) {
    const contract = new Contract(Charter.parse(vectors.charters.find((one) => one.id === item.charter_id)?.text ?? ''));
    const output = item.sponsor_key === null ? contract.open() : contract.pledge({ generation: item.generation, index: item.index }, item.sponsor_key);
    const scripts = [output.cooperativeLeaf, ...(output.refundLeaf === null ? [] : [output.refundLeaf])];
    const payment = p2tr(unhex(output.internalKey, 'key'), taprootListToTree(scripts.map((script) => ({ script }))), LIBRARIES[contract.charter.network.name], true);
    assert.equal(hex(payment.script), hex(output.scriptPubkey));
    assert.equal(payment.address, output.address);
    assert.equal(hex(payment.tapMerkleRoot ?? new Uint8Array(0)), hex(output.merkleRoot));
    const leaves = (payment.leaves ?? []) as unknown as { script: Uint8Array; controlBlock: Uint8Array }[];
    const blocks = new Map(leaves.map((leaf) => [hex(leaf.script), hex(leaf.controlBlock)]));
    assert.equal(blocks.get(hex(output.cooperativeLeaf)), hex(output.cooperativeControlBlock));
    if (output.refundLeaf && output.refundControlBlock) assert.equal(blocks.get(hex(output.refundLeaf)), hex(output.refundControlBlock));
  }
});

/** A transaction of many inputs and outputs, the same in both libraries. */
function many(inputs: number, outputs: number): { ours: Transaction; prevouts: TxOut[]; theirs: Theirs } {
  const theirs = new Theirs({ version: 2, lockTime: 1_700_000_000, ...LOOSE });
  const prevouts: TxOut[] = [];
  const ins = Array.from({ length: inputs }, (_, i) => {
    const script = concat(bytesOf(0x51, 32), unhex(String((i % 90) + 10).repeat(32), 'script'));
    const prevout = { amount: BigInt(10_000 + i), script };
    const id = String((i % 89) + 11).repeat(32);
    prevouts.push(prevout);
    theirs.addInput({ txid: id, index: i, sequence: SEQUENCE, witnessUtxo: prevout });
    return { txid: id, vout: i, scriptSig: new Uint8Array(0), sequence: SEQUENCE, witness: [] };
  });
  const outs = Array.from({ length: outputs }, (_, i) => {
    const script = OutScript.encode({ type: 'wpkh', hash: new Uint8Array(20).fill(i) });
    theirs.addOutput({ amount: BigInt(900 + i), script });
    return { amount: BigInt(900 + i), script };
  });
  return { ours: { version: 2, lockTime: 1_700_000_000, inputs: ins, outputs: outs }, prevouts, theirs };
}

test('signature hashes of every type, by key and by leaf', () => {
  const { ours, prevouts, theirs } = many(3, 4);
  assert.equal(transactionHex(ours), hex(theirs.toBytes(true, false)));
  const cache = new SighashCache(ours, prevouts);
  const leaf = unhex('20d85a959b0290bf19bb89ed43c916be835475d013da4b362117393e25a48229b8ac', 'leaf');
  for (const type of [0, 1, 2, 3, 0x81, 0x82, 0x83]) {
    for (const input of [0, 2]) {
      const scripts = prevouts.map(({ script }) => script);
      const amounts = prevouts.map(({ amount }) => amount);
      const key = theirs.preimageWitnessV1(input, scripts, type, amounts);
      assert.equal(hex(cache.taproot(input, type, null)), hex(key), `key, type ${type}`);
      const byLeaf = theirs.preimageWitnessV1(input, scripts, type, amounts, undefined, leaf);
      assert.equal(hex(cache.taproot(input, type, leafHash(leaf))), hex(byLeaf), `leaf, type ${type}`);
    }
  }
  for (const type of [4, 0x80, 0x84, 0xff]) assert.throws(() => cache.taproot(0, type, null), { code: 'sighash' });
  const { ours: short, prevouts: spent } = many(3, 1);
  assert.throws(() => new SighashCache(short, spent).taproot(2, SIGHASH.single, null), { code: 'sighash' });
  assert.throws(() => new SighashCache(ours, prevouts.slice(1)), { code: 'prevouts' });
});

test('what inputs share is hashed once a transaction, however many there are', (t) => {
  const time = (inputs: number): number => {
    const { ours, prevouts } = many(inputs, inputs);
    const start = performance.now();
    const cache = new SighashCache(ours, prevouts);
    const hashes = new Set(ours.inputs.map((_, i) => hex(cache.taproot(i, SIGHASH.default, null))));
    assert.equal(hashes.size, inputs);
    return performance.now() - start;
  };
  // Ten times the inputs: about ten times, where hashing all of it for each would be a hundredfold. Told, not judged.
  const [small, large] = [time(200), time(2_000)];
  t.diagnostic(`200 inputs: ${small.toFixed(1)} ms, 2000: ${large.toFixed(1)} ms`);
});

test('a signed refund is what btc-signer signs, also alone and to another address', () => {
  const { charter, claims, file } = pledgeOf(3);
  const recovery = file();
  const key = recovery.key;
  assert.ok(key);
  const elsewhere = parseAddress('mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', charter.network, 'to');
  const target = targetOf(recovery.output, outpoint(7), 50_000n, claims.refundAddress);
  for (const to of [undefined, elsewhere]) {
    const alone = target.signAlone(key, 3, to);
    const { refundLeaf, refundControlBlock, internalKey, scriptPubkey } = recovery.output;
    assert.ok(refundLeaf && refundControlBlock);
    const payment = p2tr(unhex(internalKey, 'key'), taprootListToTree([{ script: recovery.output.cooperativeLeaf }, { script: refundLeaf }]), LIBRARIES.regtest, true);
    const theirs = new Theirs({ version: 2, lockTime: charter.fields.refund_time, allowUnknownInputs: true });
    const place = payment.leaves?.findIndex((leaf) => hex(leaf.script) === hex(refundLeaf)) ?? -1;
    const [txidOf = '', vout = ''] = outpoint(7).split(':');
    theirs.addInput({
      txid: txidOf, index: Number(vout), sequence: SEQUENCE, witnessUtxo: { script: scriptPubkey, amount: 50_000n },
      tapInternalKey: unhex(internalKey, 'key'), tapLeafScript: [at(payment.tapLeafScript ?? [], place)],
    });
    const size = vsize(alone);
    theirs.addOutput({ script: (to ?? target.refund).script, amount: 50_000n - 3n * BigInt(size) });
    theirs.signIdx(key.secret, 0, [SigHash.DEFAULT], new Uint8Array(32));
    theirs.finalize();
    assert.equal(transactionHex(alone), hex(theirs.extract()));
    assert.equal(txid(alone), theirs.id);
    assert.equal(weight(alone), theirs.weight);
    assert.equal(size, theirs.vsize);
  }
  assert.throws(() => target.signAlone(key, 400), { code: 'too_dear', field: 'feerate' });
  assert.throws(() => target.signAlone({ ...key, publicKey: claims.internalKey }, 1), { code: 'other_key' });
});

test('a funding transaction tells outpoint and amount; a damaged one is refused', () => {
  const { output } = pledgeOf(3).file();
  const { ours } = many(2, 2);
  const paying = { ...ours, outputs: [...ours.outputs, { amount: 70_000n, script: output.scriptPubkey }, { amount: 5n, script: output.scriptPubkey }] };
  const bytes = serialize(paying);
  assert.deepEqual(paymentsOf(parseTransaction(bytes, 'tx'), output), [
    { outpoint: { txid: txid(paying), vout: 2 }, amount: 70_000n }, { outpoint: { txid: txid(paying), vout: 3 }, amount: 5n },
  ]);
  assert.deepEqual(paymentsOf(ours, output), []);
  for (const broken of [bytes.slice(1), bytes.slice(0, -1), concat(bytes, bytesOf(0)), bytes.slice(0, 40), new Uint8Array(0)]) {
    assert.throws(() => parseTransaction(broken, 'transaction'), { field: 'transaction' });
  }
});

test('PSBTs: read and written without loss, and read by btc-signer', () => {
  const { output } = pledgeOf(3).file();
  const { ours } = many(2, 2);
  const psbt = Psbt.fromUnsigned(ours);
  const [first, second] = psbt.inputs;
  assert.ok(first && second && output.refundLeaf && output.refundControlBlock);
  first.witnessUtxo = { amount: 70_000n, script: output.scriptPubkey };
  first.tapInternalKey = output.internalKey;
  first.tapMerkleRoot = output.merkleRoot;
  first.sighashType = SIGHASH.singleAnyoneCanPay;
  first.addTapLeaf({ controlBlock: output.refundControlBlock, script: output.refundLeaf, leafVersion: 0xc0 });
  const origin = { fingerprint: '0a0b0c0d', path: [0x8000_0056, 5] };
  first.addTapDerivation({ key: output.internalKey, leafHashes: [leafHash(output.refundLeaf)], origin });
  first.addTapScriptSig({ key: output.internalKey, leafHash: leafHash(output.refundLeaf), signature: new Uint8Array(65).fill(3) });
  second.map.set(0xfc, bytesOf(9, 9), concat(bytesOf(3), unhex('616263', 'x'), bytesOf(1)));
  psbt.global.set(0xab, bytesOf(1), bytesOf(2));
  psbt.outputs[1]?.set(0x77, bytesOf(7));

  const read = Psbt.read(psbt.base64());
  assert.deepEqual(read.bytes(), psbt.bytes());
  assert.deepEqual(Psbt.read(hex(psbt.bytes())).bytes(), psbt.bytes());
  const [input] = read.inputs;
  assert.ok(input);
  assert.deepEqual(input.witnessUtxo, { amount: 70_000n, script: output.scriptPubkey });
  assert.equal(input.tapInternalKey, output.internalKey);
  assert.deepEqual(input.tapMerkleRoot, output.merkleRoot);
  assert.equal(input.sighashType, 0x83);
  assert.deepEqual(input.tapLeaves, [{ controlBlock: output.refundControlBlock, script: output.refundLeaf, leafVersion: 0xc0 }]);
  assert.deepEqual(input.tapDerivations, [{ key: output.internalKey, leafHashes: [leafHash(output.refundLeaf)], origin }]);
  assert.equal(input.tapScriptSigs[0]?.signature.length, 65);
  assert.equal(read.prevouts(), null);

  const theirs = Theirs.fromPSBT(psbt.bytes(), LOOSE);
  const told = theirs.getInput(0);
  assert.equal(hex(told.tapInternalKey ?? new Uint8Array(0)), output.internalKey);
  assert.equal(told.witnessUtxo?.amount, 70_000n);
  assert.equal(told.tapBip32Derivation?.[0]?.[1].der.fingerprint, 0x0a0b0c0d);
  // What btc-signer writes is read here, too.
  assert.equal(txid(Psbt.parse(theirs.toPSBT()).unsignedTx), txid(ours));

  const bytes = psbt.bytes();
  for (let cut = 0; cut < bytes.length; cut += 1) assert.throws(() => Psbt.parse(bytes.slice(0, cut)), { field: 'psbt' });
  assert.throws(() => Psbt.parse(concat(bytes, bytesOf(0))), { code: 'cut_off' });
  const twice = Psbt.parse(bytes);
  twice.global.fields.push({ type: 0xab, data: bytesOf(2), value: bytesOf(5) });
  assert.throws(() => Psbt.parse(twice.bytes()), { code: 'psbt_malformed' });
  const versionTwo = Psbt.parse(bytes);
  versionTwo.global.set(0xfb, bytesOf(2, 0, 0, 0));
  assert.throws(() => Psbt.parse(versionTwo.bytes()), { code: 'psbt_version' });
  assert.throws(() => Psbt.read('not a psbt!'), { code: 'not_base64' });
});
