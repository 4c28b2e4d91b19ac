// Votes: the lines, their digest and the sponsor's signature.

import { signMessage } from './bip322.mjs';
import { equalFields, exactKeys, integer } from './compare.mjs';
import { hex, networkOf, refundKey, sign, taggedHash, utf8, xOnly } from './keys.mjs';

const INPUTS = ['charter', 'submission', 'pledge', 'choice', 'counter', 'phrase', 'path'];

export function checkVote(vectors, item, name) {
  const charter = vectors.charters[integer(item.charter, vectors.charters.length - 1, `${name}.charter`)];
  const { network } = JSON.parse(charter.text);
  if (!/^[0-9a-f]{64}$/.test(item.submission)) throw new Error(`${name}.submission: not 64 hex digits`);
  if (!['yes', 'no'].includes(item.choice)) throw new Error(`${name}.choice: yes or no`);
  integer(item.pledge, 2 ** 31 - 1, `${name}.pledge`);
  integer(item.counter, 2 ** 32 - 1, `${name}.counter`);
  const key = refundKey(item.phrase, item.path, networkOf(network));
  const lines =
    `network: ${network}\ncharter: ${charter.id}\nsubmission: ${item.submission}\n` +
    `pledge: ${item.pledge}\nchoice: ${item.choice}\ncounter: ${item.counter}\n`;
  const digest = taggedHash('upfront/vote', utf8(lines));
  const fields = {
    key: xOnly(key),
    lines,
    digest: hex(digest),
    signature: sign(digest, key.privateKey),
    bip322_signature: signMessage('upfront/vote', lines, hex(key.privateKey), xOnly(key)),
  };
  exactKeys(item, [...INPUTS, ...Object.keys(fields)], name);
  equalFields(fields, item, name);
}
