// Refunds: the pledge's statement, the pair, and every rung of the ladder, signed anew from the phrase.

import { Address, OutScript, SigHash, Transaction } from '@scure/btc-signer';
import { equal, equalFields, exactKeys, integer } from './compare.mjs';
import { output } from './contract.mjs';
import { bytes, hex, memo, networkOf, refundKey, sign, taggedHash, utf8, xOnly } from './keys.mjs';

const FIELDS = [
  'charter', 'refund_time', 'generation', 'index', 'phrase', 'path', 'outpoint', 'amount_sat', 'refund_address',
  'sponsor_key', 'script_pubkey', 'pledge_lines', 'pledge_signature', 'pair', 'ladder',
];
const DAY = 86_400;
// sat/vB, and days after T.
const LADDER = [[1, 0], [2, 0], [5, 0], [10, 3], [25, 7], [50, 14], [100, 21]];
const SEQUENCE = 0xfffffffd;

// Bitcoin Core's GetDustThreshold at 3 sat/vB: the output and the input that would spend it.
function dust(script) {
  const witnessProgram = script.length >= 4 && script.length <= 42 && script[1] === script.length - 2
    && (script[0] === 0 || (script[0] >= 0x51 && script[0] <= 0x60));
  return 3 * (8 + 1 + script.length + (witnessProgram ? 67 : 148));
}

// A transaction that spends one output by its refund leaf, signed by the library.
const spend = memo((spent, to, privateKey, lockTime, value, sighash) => {
  const tx = new Transaction({ version: 2, lockTime, allowUnknownInputs: true });
  tx.addInput({
    txid: bytes(spent.txid),
    index: spent.vout,
    sequence: SEQUENCE,
    witnessUtxo: { script: bytes(spent.script), amount: BigInt(spent.amount) },
    tapInternalKey: bytes(spent.internal),
    // Only the refund leaf, or the library signs every leaf that holds the key.
    tapLeafScript: [spent.leaf],
    sighashType: sighash,
  });
  tx.addOutput({ script: bytes(to), amount: BigInt(value) });
  tx.signIdx(bytes(privateKey), 0, [sighash], new Uint8Array(32));
  const signature = hex(tx.getInput(0).tapScriptSig[0][1].slice(0, 64));
  tx.finalize();
  return { fields: { signature, txid: tx.id, transaction: hex(tx.extract()) }, vsize: tx.vsize };
});

export function checkRefund(vectors, item, name) {
  exactKeys(item, FIELDS, name);
  const charter = vectors.charters[integer(item.charter, vectors.charters.length - 1, `${name}.charter`)];
  const terms = JSON.parse(charter.text);
  const network = networkOf(terms.network);
  equal(terms.refund_time, item.refund_time, `${name}.refund_time`);
  const key = refundKey(item.phrase, item.path, network);
  equal(xOnly(key), item.sponsor_key, `${name}.sponsor_key`);
  const { payment, refund } = output({
    network: terms.network,
    signers: [terms.developer.key, terms.representative.key, terms.arbiter.key],
    charterId: charter.id,
    refundTime: item.refund_time,
    generation: item.generation,
    index: item.index,
    sponsor: item.sponsor_key,
  });
  equal(hex(payment.script), item.script_pubkey, `${name}.script_pubkey`);

  const lines =
    `network: ${terms.network}\ncharter: ${charter.id}\nindex: ${item.index}\n` +
    `sponsor key: ${item.sponsor_key}\nrefund address: ${item.refund_address}\n`;
  equal(lines, item.pledge_lines, `${name}.pledge_lines`);
  const statement = sign(taggedHash('upfront/pledge', utf8(lines)), key.privateKey);
  equal(statement, item.pledge_signature, `${name}.pledge_signature`);

  const [txid, vout] = item.outpoint.split(':');
  if (item.outpoint !== `${txid}:${Number(vout)}` || txid.length !== 64) throw new Error(`${name}.outpoint: not txid:vout`);
  integer(item.amount_sat, 21e14, `${name}.amount_sat`);
  const script = OutScript.encode(Address(network.addresses).decode(item.refund_address));
  const leaf = payment.leaves.findIndex((one) => hex(one.script) === hex(refund));
  const place = { script: hex(payment.script), internal: hex(payment.tapInternalKey), txid, vout: Number(vout) };
  const spent = { ...place, amount: item.amount_sat, leaf: payment.tapLeafScript[leaf] };
  const signed = (lockTime, value, sighash) => spend(spent, hex(script), hex(key.privateKey), lockTime, value, sighash);

  const pair = signed(item.refund_time, item.amount_sat, SigHash.SINGLE_ANYONECANPAY);
  exactKeys(item.pair, Object.keys(pair.fields), `${name}.pair`);
  equalFields(pair.fields, item.pair, `${name}.pair`);

  // One trial for the size, which no amount or time changes.
  const { vsize } = signed(item.refund_time, item.amount_sat, SigHash.DEFAULT);
  const rungs = LADDER.filter(([rate, days]) => {
    const fee = rate * vsize;
    return fee <= Math.floor(item.amount_sat / (days === 0 ? 10 : 2)) && item.amount_sat - fee >= dust(script);
  });
  if (!Array.isArray(item.ladder)) throw new Error(`${name}.ladder: not a list`);
  equal(rungs.length, item.ladder.length, `${name}.ladder.length`);
  rungs.forEach(([rate, days], i) => {
    const lockTime = item.refund_time + days * DAY;
    const rung = signed(lockTime, item.amount_sat - rate * vsize, SigHash.DEFAULT);
    const fields = { sat_per_vb: rate, lock_time: lockTime, ...rung.fields };
    exactKeys(item.ladder[i], Object.keys(fields), `${name}.ladder[${i}]`);
    equalFields(fields, item.ladder[i], `${name}.ladder[${i}]`);
  });
}
