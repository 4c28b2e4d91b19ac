// Rows of QR codes as a signer's device puts them together again (BBQr, https://bbqr.org): written from the specification,
// so that nothing of the service's own encoder is believed.

import { inflateRawSync } from 'node:zlib';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 of RFC 4648 without padding. */
function base32(text) {
  const bytes = [];
  let [value, bits] = [0, 0];
  for (const letter of text) {
    const digit = ALPHABET.indexOf(letter);
    if (digit < 0) throw new Error(`no base32: ${letter}`);
    value = (value << 5) | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
    value &= (1 << bits) - 1;
  }
  if (value !== 0) throw new Error('the last base32 letter has bits of no byte');
  return Buffer.from(bytes);
}

/** What codes, seen in any order, say together: `{ type, bytes }`. Fails when one is missing, or is of another row. */
export function joinBbqr(codes) {
  const parts = new Map();
  let head = null;
  for (const code of codes) {
    const match = /^B\$([HZ2])([A-Z])([0-9A-Z]{2})([0-9A-Z]{2})(.+)$/s.exec(code);
    if (!match) throw new Error(`no BBQr code: ${code.slice(0, 12)}`);
    const [, encoding, type, total, index, data] = match;
    const same = { encoding, type, total: parseInt(total, 36) };
    if (head !== null && JSON.stringify(head) !== JSON.stringify(same)) throw new Error('codes of two rows');
    head = same;
    const at = parseInt(index, 36);
    if (at >= head.total || (parts.has(at) && parts.get(at) !== data)) throw new Error(`code ${at} is of no place in the row`);
    parts.set(at, data);
  }
  if (head === null || parts.size !== head.total) throw new Error(`${parts.size} of ${head?.total ?? '?'} codes were seen`);
  const row = [...parts].sort(([a], [b]) => a - b).map(([, data]) => data);
  const bytes = Buffer.concat(row.map((data) => (head.encoding === 'H' ? Buffer.from(data, 'hex') : base32(data))));
  return { type: head.type, bytes: head.encoding === 'Z' ? inflateRawSync(bytes) : bytes };
}
