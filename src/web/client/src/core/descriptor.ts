// The checksum of an output descriptor (BIP380).

import { refuse } from './error.ts';

const INPUTS =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
const OUTPUTS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
// The 40-bit generators in two halves: high 8 bits, low 32. Bit operations of ECMAScript have 32 bits.
const GENERATORS = [[0xf5, 0xdee51989], [0xa9, 0xfdca3312], [0x1b, 0xab10e32d], [0x37, 0x06b1677a], [0x64, 0x4d626ffd]] as const;

function checksum(body: string): string {
  let high = 0;
  let low = 1;
  const push = (symbol: number): void => {
    const top = high >>> 3;
    high = ((high << 5) | (low >>> 27)) & 0xff;
    low = (low << 5) ^ symbol;
    GENERATORS.forEach(([h, l], bit) => {
      if ((top >>> bit) & 1) {
        high ^= h;
        low ^= l;
      }
    });
  };
  let group = 0;
  let members = 0;
  for (const character of body) {
    const at = INPUTS.indexOf(character);
    if (at < 0) refuse('descriptor', 'descriptor', 'descriptor: it has a character that none has');
    push(at & 31);
    group = group * 3 + (at >> 5);
    members += 1;
    if (members === 3) {
      push(group);
      group = 0;
      members = 0;
    }
  }
  if (members > 0) push(group);
  for (let i = 0; i < 8; i += 1) push(0);
  low ^= 1;
  const bits = (BigInt(high) << 32n) | BigInt(low >>> 0);
  return Array.from({ length: 8 }, (_, i) => OUTPUTS[Number((bits >> BigInt(5 * (7 - i))) & 31n)]).join('');
}

export const withChecksum = (body: string): string => `${body}#${checksum(body)}`;
