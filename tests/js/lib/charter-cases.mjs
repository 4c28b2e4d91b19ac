// Charter cases: id, key expressions and attestations of the good ones, error codes of the broken ones.

import { sha256Hex, accountKey, child, hex, networkOf, sign, taggedHash, utf8, xOnly } from './keys.mjs';
import { signMessage } from './bip322.mjs';
import { refusal } from './charter.mjs';
import { equal, equalFields, exactKeys, integer } from './compare.mjs';

const ROLES = ['developer', 'representative', 'arbiter'];

export function checkCharter(_vectors, item, name) {
  exactKeys(item, ['text', 'id', ...ROLES], name);
  equal(null, refusal(item.text), `${name}.text`);
  const id = taggedHash('upfront/charter', utf8(item.text));
  equal(hex(id), item.id, `${name}.id`);
  const terms = JSON.parse(item.text);
  const network = networkOf(terms.network);
  for (const role of ROLES) {
    const seat = item[role];
    const { key, expression } = accountKey(seat.phrase, integer(seat.account, 2 ** 31 - 1, `${name}.${role}.account`), network);
    equal(expression, terms[role].key, `${name}.${role}: the key in the charter's text`);
    const statement = child(key, 1000, 0);
    const first = child(key, 0, 0);
    const fields = {
      key: expression,
      statement_key: xOnly(statement),
      signature: sign(taggedHash('upfront/attest', id), statement.privateKey),
      bip322_key: xOnly(first),
      bip322_signature: signMessage('upfront/attest', hex(id), hex(first.privateKey), xOnly(first)),
    };
    exactKeys(seat, ['phrase', 'account', ...Object.keys(fields)], `${name}.${role}`);
    equalFields(fields, seat, `${name}.${role}`);
  }
}

export function checkBroken(vectors, item, name) {
  exactKeys(item, ['charter', 'find', 'replace', 'sha256', 'code'], name);
  const { text } = vectors.charters[integer(item.charter, vectors.charters.length - 1, `${name}.charter`)];
  const pieces = text.split(item.find);
  equal(2, pieces.length, `${name}.find: pieces of the charter's text`);
  const broken = pieces.join(item.replace);
  equal(sha256Hex(broken), item.sha256, `${name}.sha256`);
  equal(refusal(broken), item.code, `${name}.code`);
}
