// The codecs against @scure/base: values of every length, and texts damaged in every way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64, base64urlnopad, bech32, bech32m, createBase58check } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  BECH32M_CONSTANT, BECH32_CONSTANT, fromBase58check, fromBase64, fromBase64url, fromBech32, fromWords, toBase58check, toBase64,
  toBase64url, toBech32, toWords,
} from '../../src/core/codec.ts';

const base58check = createBase58check(sha256);
const values = Array.from({ length: 60 }, (_, length) => Uint8Array.from({ length }, (__, at) => (at < length % 4 ? 0 : (at * 73 + length * 151) & 0xff)));

const attempt = <T>(what: () => T): T | null => {
  try {
    return what();
  } catch {
    return null;
  }
};

/** The text with one character changed, dropped or doubled, at a few places. */
function damaged(text: string): string[] {
  return [0, text.length >> 1, text.length - 1].flatMap((at) => [
    ...['1', 'q', 'A', '=', ' ', '-', 'ü'].map((character) => text.slice(0, at) + character + text.slice(at + 1)),
    text.slice(0, at) + text.slice(at + 1), text.slice(0, at) + (text[at] ?? '') + text.slice(at),
  ]);
}

function compare(name: string, to: (bytes: Uint8Array) => string, from: (text: string) => Uint8Array, library: { encode(bytes: Uint8Array): string; decode(text: string): Uint8Array }): void {
  test(`${name}: there, back, and refused alike`, () => {
    for (const value of values) {
      const text = to(value);
      assert.equal(text, library.encode(value));
      assert.deepEqual(from(text), value);
      for (const other of damaged(text)) {
        assert.deepEqual(attempt(() => from(other)), attempt(() => library.decode(other)), `${text} as ${other}`);
      }
    }
  });
}

compare('base64', toBase64, fromBase64, base64);
compare('base64url', toBase64url, fromBase64url, base64urlnopad);
compare('base58check', toBase58check, fromBase58check, base58check);

test('bech32 and bech32m: there, back, and refused alike', () => {
  for (const [constant, library] of [[BECH32_CONSTANT, bech32], [BECH32M_CONSTANT, bech32m]] as const) {
    for (const value of values.slice(0, 45)) {
      const words = toWords(value);
      assert.deepEqual(words, library.toWords(value));
      assert.deepEqual(fromWords(words), value);
      const text = toBech32('bc', words, constant);
      assert.equal(text, library.encode('bc', words, 90));
      assert.deepEqual(fromBech32(text), { prefix: 'bc', words, constant });
      for (const other of damaged(text)) {
        const theirs = attempt(() => library.decode(other as `${string}1${string}`, 90));
        const ours = attempt(() => fromBech32(other));
        const good = ours !== null && ours.constant === constant;
        assert.equal(good, theirs !== null && other === other.toLowerCase(), other);
        if (good) assert.deepEqual([...ours.words], [...(theirs?.words ?? [])]);
      }
    }
  }
  for (const words of [[31], [0, 1], [0, 0, 0]]) assert.equal(attempt(() => fromWords(words)) === null, attempt(() => bech32.fromWords(words)) === null, `${words}`);
  assert.equal(attempt(() => fromBech32('1qqqqqq')), null);
  assert.equal(attempt(() => fromBech32(`bc1${'q'.repeat(90)}`)), null);
});
