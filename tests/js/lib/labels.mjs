// What the vectors' made-up values come from: SHA-256 of labels.

import { entropyToMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { p2tr } from '@scure/btc-signer';
import { bytes, memo, refundKey, root, sha256Hex, xOnly } from './keys.mjs';

export const phrase = memo((label) => entropyToMnemonic(bytes(sha256Hex(label)).slice(0, 16), wordlist));

// The sponsor of pledge `index` in the vectors of milestones: S and the refund address.
export const sponsor = memo((index, network) => {
  const words = phrase(`sponsor of milestones ${index}`);
  const key = xOnly(refundKey(words, `m/86'/${network.coinType}'/1'/0/${index}`, network));
  const receiving = root(words, network).derive(`m/86'/${network.coinType}'/0'/0/0`);
  return { key, refundAddress: p2tr(receiving.publicKey.slice(1), undefined, network.addresses).address };
});
