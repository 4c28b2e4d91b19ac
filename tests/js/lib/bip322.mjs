// BIP322 for the key path of `tr(key)`: to_spend by hand, to_sign signed by the library.

import { base64 } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { Transaction, p2tr } from '@scure/btc-signer';
import { bytes, hex, memo, taggedHash, utf8 } from './keys.mjs';

const concat = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
const zeros = (count) => new Uint8Array(count);

// Version 0, one input that nobody has, one output of no value: the owner's script.
function toSpend(message, script) {
  const scriptSig = concat([0x00, 0x20], taggedHash('BIP0322-signed-message', utf8(message)));
  const input = concat(zeros(32), [0xff, 0xff, 0xff, 0xff], [scriptSig.length], scriptSig, zeros(4));
  const output = concat(zeros(8), [script.length], script);
  return concat(zeros(4), [1], input, [1], output, zeros(4));
}

// `smp` and the base64 of a witness of one signature, with 32 zero bytes of auxiliary randomness.
export const signMessage = memo((tag, lines, privateKey, publicKey) => {
  const { script } = p2tr(bytes(publicKey));
  const txid = hex(sha256(sha256(toSpend(`${tag}\n${lines}`, script))).reverse());
  const tx = new Transaction({ version: 0, allowUnknownVersion: true, allowUnknownOutputs: true });
  tx.addInput({
    txid, index: 0, sequence: 0, witnessUtxo: { script, amount: 0n }, tapInternalKey: bytes(publicKey),
  });
  tx.addOutput({ script: Uint8Array.of(0x6a), amount: 0n });
  tx.signIdx(bytes(privateKey), 0, undefined, zeros(32));
  tx.finalize();
  const [signature] = tx.getInput(0).finalScriptWitness;
  return `smp${base64.encode(concat([1, signature.length], signature))}`;
});
