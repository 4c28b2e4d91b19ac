// What a sponsor's own wallet signs, as PSBTs out and in: statements (BIP322) and every part of a refund. The same as
// src/escrow/bip322.rs and src/escrow/refund/psbt.rs build, so that either side reads what the other wrote.

import { messageOf, toSign } from '../core/bip322.ts';
import { hex, utf8 } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { satNumber } from '../core/number.ts';
import { liftX } from '../core/point.ts';
import { Psbt, type KeyOrigin, type PsbtInput } from '../core/psbt.ts';
import type { RefundBundle, RefundTarget } from '../core/refund.ts';
import { parseSignature, signatureText, sponsorSpeaker, verifies } from '../core/signature.ts';
import type { Statement } from '../core/statement.ts';
import { leafHash, outpointText, readWitnessSignature, SIGHASH, stripped, txid, type Transaction } from '../core/tx.ts';

const GLOBAL_MESSAGE = 0x09;
const LEAF_VERSION = 0xc0;
const HARDENED = 0x8000_0000;

/** A key of the sponsor's own wallet. */
export interface WalletKey {
  /** S, x-only. */
  readonly key: string;
  /** Where it is in the wallet. */
  readonly origin: KeyOrigin | null;
}

const WANTED = 'a public key in hex is expected, best with its origin: [fingerprint/86h/0h/0h/0/9]KEY';

/** Reads 64 or 66 hex digits, alone or behind `[fingerprint/path]`. */
export function readWalletKey(given: string, field: string): WalletKey {
  const text = given.replace(/\s+/g, '');
  const no = (why: string): never => refuse('not_a_key', field, `${why}: ${WANTED}`);
  const found = /^(?:\[([0-9a-fA-F]{8})((?:\/\d+[hH']?)*)\])?([0-9a-zA-Z]+)$/.exec(text);
  if (found === null) return no('this is no key');
  const [, fingerprint, path = '', key = ''] = found;
  if (/^.pub/.test(key) && key.length > 66) return no('this is an extended key, whose children differ');
  const xOnly = /^[0-9a-fA-F]{64}$/.test(key) ? key : /^0[23][0-9a-fA-F]{64}$/.test(key) ? key.slice(2) : no('this is no public key');
  const lower = xOnly.toLowerCase();
  if (liftX(lower) === null) return no('this is no point of the curve');
  const steps = path.split('/').slice(1).map((step) => {
    const number = Number(step.replace(/[hH']$/, ''));
    return number < HARDENED ? number + (/[hH']$/.test(step) ? HARDENED : 0) : no('a step of the path is too large');
  });
  return { key: lower, origin: fingerprint === undefined ? null : { fingerprint: fingerprint.toLowerCase(), path: steps } };
}

// ---- statements

/** `to_sign` of BIP322 with the message in it. */
export function statementPsbt(statement: Statement, { key, origin }: WalletKey): Psbt {
  const message = messageOf(statement);
  const { tx, prevout } = toSign(message, key);
  const psbt = Psbt.fromUnsigned(tx);
  psbt.global.set(GLOBAL_MESSAGE, utf8(message));
  const [input] = psbt.inputs;
  if (input === undefined) return refuse('psbt_malformed', 'psbt', 'psbt: it has no input');
  input.witnessUtxo = prevout;
  input.tapInternalKey = key;
  if (origin !== null) input.addTapDerivation({ key, leafHashes: [], origin });
  return psbt;
}

const isPsbt = (given: string | Uint8Array): boolean => typeof given !== 'string' || /^(?:cHNidP|70736274ff)/i.test(given.trim());

/** The wallet's signature over a statement, out of a PSBT or as text; throws unless it verifies. */
export function statementSignature(given: string | Uint8Array, statement: Statement, key: string, field: string): string {
  const signature = isPsbt(given) ? signatureOfPsbt(Psbt.read(given, field), field) : parseSignature(String(given).trim(), field);
  if (!verifies(statement, signature, sponsorSpeaker(key))) {
    refuse('signature', field, `${field}: the signature is not this key’s over these words. Sign what is shown now, with the wallet that has the key`);
  }
  return signatureText(signature);
}

function signatureOfPsbt(psbt: Psbt, field: string): { readonly kind: 'bip322'; readonly signature: Uint8Array; readonly sighashType: number } {
  const [input, ...others] = psbt.inputs;
  if (input === undefined || others.length > 0) return refuse('psbt_other_transaction', field, `${field}: this PSBT is not the one to sign: it has not one input`);
  const bytes = input.finalScriptWitness?.[0] ?? input.tapKeySig;
  if (bytes === null || bytes === undefined) {
    return refuse('psbt_no_signature', field, `${field}: the PSBT came back without a signature: the wallet does not hold this key, or does not know that it does; give the key with its origin`);
  }
  const read = readWitnessSignature(bytes);
  return read === null ? refuse('bip322_script', field, `${field}: the signature has a wrong length`) : { kind: 'bip322', ...read };
}

// ---- refunds

export interface Part {
  /** `pair`, or the rung's feerate. */
  readonly name: string;
  readonly psbt: Psbt;
}

const partsOf = (target: RefundTarget): { name: string; transaction: Transaction; sighash: number }[] => [
  { name: 'pair', transaction: target.pair(), sighash: SIGHASH.singleAnyoneCanPay },
  ...target.ladder().map(({ rung, transaction }) => ({ name: `${rung.satPerVb}-sat-per-vb`, transaction, sighash: SIGHASH.default })),
];

/** Every part of a refund unsigned: the pair first, then the rungs from the lowest. */
export function refundParts(target: RefundTarget, origin: KeyOrigin | null): Part[] {
  const { refundLeaf, refundControlBlock, internalKey, merkleRoot } = target.output;
  if (refundLeaf === null || refundControlBlock === null) return refuse('no_refund_leaf', 'index', 'index: the open address has no refund');
  return partsOf(target).map(({ name, transaction, sighash }) => {
    const psbt = Psbt.fromUnsigned(transaction);
    const [input] = psbt.inputs;
    if (input === undefined) return refuse('psbt_malformed', 'psbt', 'psbt: it has no input');
    input.witnessUtxo = target.prevout;
    if (sighash !== SIGHASH.default) input.sighashType = sighash;
    input.addTapLeaf({ controlBlock: refundControlBlock, script: refundLeaf, leafVersion: LEAF_VERSION });
    if (origin !== null) input.addTapDerivation({ key: target.sponsorKey, leafHashes: [leafHash(refundLeaf)], origin });
    input.tapInternalKey = internalKey;
    input.tapMerkleRoot = merkleRoot;
    return { name, psbt };
  });
}

/** What came back from the wallet, in any order, as a checked bundle. Rungs are signed all, or none. */
export function readRefund(target: RefundTarget, psbts: readonly Psbt[], field: string): RefundBundle {
  const parts = partsOf(target);
  const signed = new Map<string, string>();
  for (const psbt of psbts) {
    const bytes = hex(stripped(psbt.unsignedTx));
    const part = parts.find(({ transaction }) => hex(stripped(transaction)) === bytes);
    const id = txid(psbt.unsignedTx).slice(0, 12);
    if (part === undefined) return refuse('psbt_other_transaction', field, `${field}: transaction ${id}… is no part of this refund`);
    const [input] = psbt.inputs;
    const signature = input === undefined ? null : refundSignature(input, target);
    if (signature === null) return refuse('psbt_no_signature', field, `${field}: the ${part.name} came back without your key’s signature`);
    if (signature.sighashType !== part.sighash) {
      return refuse('psbt_sighash', field, `${field}: the ${part.name} is signed with another sighash type than it needs${part.name === 'pair' ? ': SINGLE|ANYONECANPAY' : ': DEFAULT'}`);
    }
    signed.set(part.name, hex(signature.signature));
  }
  const [pair, ...rungs] = parts.map(({ name }) => signed.get(name));
  if (pair === undefined) return refuse('psbt_no_pair', field, `${field}: the pair is not among them: it is what the refund rests on`);
  const ladder = rungs.filter((rung) => rung !== undefined);
  if (ladder.length !== 0 && ladder.length !== rungs.length) {
    refuse('psbt_half_a_ladder', field, `${field}: ${ladder.length} of ${rungs.length} rungs are signed: sign all of them, or none`);
  }
  return target.check({ outpoint: outpointText(target.outpoint), amount_sat: satNumber(target.amount, 'amount_sat'), pair, ladder }, '');
}

function refundSignature(input: PsbtInput, target: RefundTarget): { signature: Uint8Array; sighashType: number } | null {
  const leaf = target.output.refundLeaf;
  if (leaf === null) return null;
  const hash = hex(leafHash(leaf));
  const found = input.tapScriptSigs.find((signature) => signature.key === target.sponsorKey && hex(signature.leafHash) === hash);
  if (found !== undefined) return readWitnessSignature(found.signature);
  const witness = input.finalScriptWitness;
  const [signature, script] = witness ?? [];
  return signature !== undefined && script !== undefined && hex(script) === hex(leaf) ? readWitnessSignature(signature) : null;
}

/** PSBTs as people paste them: one a line, or set apart by blank space. */
export const psbtsOf = (text: string, field: string): Psbt[] =>
  text.split(/\s+/).filter((piece) => piece !== '').map((piece) => Psbt.read(piece, field));

/** The same of files: each the bytes of a PSBT, or its text. */
export function psbtOfFile(bytes: Uint8Array, field: string): Psbt {
  if (hex(bytes.slice(0, 5)) === '70736274ff') return Psbt.parse(bytes, field);
  return Psbt.read(new TextDecoder().decode(bytes), field);
}
