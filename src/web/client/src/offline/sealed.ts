// Files under a passphrase: the age format (https://c2sp.org/age), scrypt recipient, with or without ASCII armor, as
// `upfront key new` and `age -p` write them. Read only, whole in memory; nothing of content or passphrase is in an error.

import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, same, unbase64, utf8 } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';

const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----';
const ARMOR_END = '-----END AGE ENCRYPTED FILE-----';
const VERSION = 'age-encryption.org/v1';
/** Most work that a file may ask for, as a power of two: 1 GiB of memory. */
const MAX_LOG_N = 20;
const TAG_BYTES = 16;
const CHUNK_BYTES = 65_536 + TAG_BYTES;
const NONCE_BYTES = 16;

const damaged = (): never => refuse('sealed_damaged', 'key', 'The file is damaged: it is no whole age file.');

/** One byte a character, for headers, which are ASCII. */
const latin = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');

/** Whether bytes begin as an age file does. */
export function isSealed(bytes: Uint8Array): boolean {
  const start = latin(bytes.slice(0, 200)).trimStart();
  return start.startsWith(ARMOR) || start.startsWith(VERSION);
}

/** Base64 without padding, of this many bytes. */
function unpadded(text: string, length: number): Uint8Array {
  if (!/^[A-Za-z0-9+/]*$/.test(text)) return damaged();
  const bytes = unbase64(text + '='.repeat((4 - (text.length % 4)) % 4), 'key');
  return bytes.length === length ? bytes : damaged();
}

function withoutArmor(bytes: Uint8Array): Uint8Array {
  const text = latin(bytes).trim();
  if (!text.startsWith(ARMOR)) return bytes;
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) !== ARMOR_END) return damaged();
  return unbase64(lines.slice(1, -1).join(''), 'key');
}

interface Header {
  readonly salt: Uint8Array;
  readonly logN: number;
  readonly wrapped: Uint8Array;
  readonly mac: Uint8Array;
  /** What the MAC is over. */
  readonly covered: Uint8Array;
  readonly payload: Uint8Array;
}

function readHeader(bytes: Uint8Array): Header {
  // A header with one recipient has under 300 bytes.
  const [version, stanza = '', body = '', end = ''] = latin(bytes.slice(0, 512)).split('\n');
  if (version !== VERSION) return damaged();
  const found = /^-> scrypt ([A-Za-z0-9+/]{22}) ([1-9]\d?)$/.exec(stanza);
  if (found === null) {
    if (stanza.startsWith('-> ') && !stanza.startsWith('-> scrypt')) {
      refuse('sealed_to_key', 'key', 'The file is encrypted to a key, not with a passphrase: decrypt it elsewhere, or type the words.');
    }
    return damaged();
  }
  const [, salt = '', logN = ''] = found;
  const mac = /^--- ([A-Za-z0-9+/]{43})$/.exec(end)?.[1] ?? damaged();
  const before = `${version}\n${stanza}\n${body}\n---`;
  return {
    salt: unpadded(salt, 16), logN: Number(logN), wrapped: unpadded(body, 32), mac: unpadded(mac, 32), covered: utf8(before),
    payload: bytes.slice(before.length + 1 + mac.length + 1),
  };
}

function decrypted(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  try {
    return chacha20poly1305(key, nonce).decrypt(sealed);
  } catch {
    return null;
  }
}

/** STREAM: chunks of 64 KiB, numbered, the last one marked; it is empty only where everything is. */
function openPayload(fileKey: Uint8Array, payload: Uint8Array): Uint8Array {
  if (payload.length < NONCE_BYTES + TAG_BYTES) return damaged();
  const key = hkdf(sha256, fileKey, payload.slice(0, NONCE_BYTES), utf8('payload'), 32);
  const chunks: Uint8Array[] = [];
  for (let at = NONCE_BYTES; at < payload.length; at += CHUNK_BYTES) {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(7, chunks.length);
    nonce[11] = at + CHUNK_BYTES >= payload.length ? 1 : 0;
    const chunk = decrypted(key, nonce, payload.slice(at, at + CHUNK_BYTES)) ?? damaged();
    if (chunk.length === 0 && chunks.length > 0) return damaged();
    chunks.push(chunk);
  }
  return concat(...chunks);
}

/** Opens a file under a passphrase; takes seconds, and up to 1 GiB of memory, as the file asks for. */
export async function openSealed(bytes: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const { salt, logN, wrapped, mac, covered, payload } = readHeader(withoutArmor(bytes));
  if (logN > MAX_LOG_N) {
    refuse('sealed_work', 'key', `The file asks for 2^${logN} steps of work to be opened; 2^${MAX_LOG_N} is the most that is done.`);
  }
  const settings = { N: 2 ** logN, r: 8, p: 1, dkLen: 32 };
  let wrapKey: Uint8Array;
  try {
    wrapKey = await scryptAsync(utf8(passphrase), concat(utf8(`${VERSION}/scrypt`), salt), settings);
  } catch {
    return refuse('sealed_work', 'key', 'There is not enough memory to open the file here: decrypt it elsewhere, or type the words.');
  }
  const fileKey = decrypted(wrapKey, new Uint8Array(12), wrapped) ?? refuse('sealed_passphrase', 'key', 'Wrong passphrase.');
  const macKey = hkdf(sha256, fileKey, new Uint8Array(0), utf8('header'), 32);
  if (!same(hmac(sha256, macKey, covered), mac)) return damaged();
  const plain = openPayload(fileKey, payload);
  for (const secret of [wrapKey, fileKey, macKey]) secret.fill(0);
  return plain;
}
