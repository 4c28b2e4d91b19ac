// SHA-256 of files that somebody chose, read piece by piece: they may be larger than the memory.

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { MAX_ATTACHMENTS } from '../core/evidence.ts';
import { inert } from '../core/words.ts';

export async function digestOf(file: File): Promise<string> {
  const hash = sha256.create();
  const reader = file.stream().getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) hash.update(piece.value);
  } catch {
    return refuse('file', 'file', `${inert(file.name)} cannot be read: was it moved or changed? Choose it again`);
  }
  return hex(hash.digest());
}

/** Of files that belong to a statement, one after another. */
export async function digestsOf(files: readonly File[]): Promise<string[]> {
  if (files.length > MAX_ATTACHMENTS) refuse('too_many_attachments', 'attachments', `at most ${MAX_ATTACHMENTS} files belong to one statement: put them into one archive`);
  const digests: string[] = [];
  for (const file of files) digests.push(await digestOf(file));
  return digests;
}
