// What a sponsor's or signer's wallet does, for tests: signs a message as BIP322 asks of `tr(key)`. Pages only check it.

import { messageOf, messageSignatureText, toSign } from '../../src/core/bip322.ts';
import { unhex } from '../../src/core/bytes.ts';
import { taggedHash } from '../../src/core/hash.ts';
import { keyPair, signSchnorr, type KeyPair } from '../../src/core/point.ts';
import type { Statement } from '../../src/core/statement.ts';
import { SIGHASH, SighashCache } from '../../src/core/tx.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';

/** The key pair that signs the key path of `tr(key)` without scripts (BIP341, BIP86). */
function tweaked(key: KeyPair): KeyPair {
  const { Fn } = secp256k1.Point;
  const secret = Fn.fromBytes(key.secret);
  const odd = secp256k1.getPublicKey(key.secret)[0] === 3;
  const tweak = Fn.fromBytes(taggedHash('TapTweak', unhex(key.publicKey, 'key')));
  return keyPair(Fn.toBytes(Fn.add(odd ? Fn.neg(secret) : secret, tweak)), 'key');
}

/** The signature alone, 64 bytes. */
export function signMessage(statement: Statement, key: KeyPair): Uint8Array {
  const { tx, prevout } = toSign(messageOf(statement), key.publicKey);
  return signSchnorr(new SighashCache(tx, [prevout]).taproot(0, SIGHASH.default, null), tweaked(key));
}

/** `smp` and base64. */
export const signStatementBip322 = (statement: Statement, key: KeyPair): string =>
  messageSignatureText({ signature: signMessage(statement, key), sighashType: SIGHASH.default });
