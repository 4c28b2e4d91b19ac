// Partially signed transactions: BIP174, version 0, with the Taproot fields of BIP371. Every field is kept as it came,
// known or not and in its order, so that reading and writing again loses nothing.

import { Reader, base64, bytesOf, compactSize, concat, hex, same, unbase64, unhex, uintLe, withLength } from './bytes.ts';
import { refuse } from './error.ts';
import { outputBytes, parseTransaction, readWitness, stripped, witnessBytes, type Transaction, type TxOut } from './tx.ts';

const MAGIC = bytesOf(0x70, 0x73, 0x62, 0x74, 0xff);

const GLOBAL_UNSIGNED_TX = 0x00;
const GLOBAL_VERSION = 0xfb;
const IN_WITNESS_UTXO = 0x01;
const IN_SIGHASH_TYPE = 0x03;
const IN_FINAL_SCRIPT_WITNESS = 0x08;
const IN_TAP_KEY_SIG = 0x13;
const IN_TAP_SCRIPT_SIG = 0x14;
const IN_TAP_LEAF_SCRIPT = 0x15;
const IN_TAP_BIP32_DERIVATION = 0x16;
const IN_TAP_INTERNAL_KEY = 0x17;
const IN_TAP_MERKLE_ROOT = 0x18;

/** One key and its value; the key begins with its type. */
export interface Field {
  readonly type: number;
  /** What follows the type in the key. */
  readonly data: Uint8Array;
  readonly value: Uint8Array;
}

/** The fields of the whole, of one input or of one output, in the order they came. */
export class FieldMap {
  readonly fields: Field[] = [];

  get(type: number, data: Uint8Array = new Uint8Array(0)): Uint8Array | null {
    return this.fields.find((field) => field.type === type && same(field.data, data))?.value ?? null;
  }

  all(type: number): Field[] {
    return this.fields.filter((field) => field.type === type);
  }

  /** Adds a field, or replaces the value of the one with this key. */
  set(type: number, value: Uint8Array, data: Uint8Array = new Uint8Array(0)): void {
    const at = this.fields.findIndex((field) => field.type === type && same(field.data, data));
    if (at >= 0) this.fields[at] = { type, data, value };
    else this.fields.push({ type, data, value });
  }

  delete(type: number, data: Uint8Array = new Uint8Array(0)): void {
    const at = this.fields.findIndex((field) => field.type === type && same(field.data, data));
    if (at >= 0) this.fields.splice(at, 1);
  }

  static read(reader: Reader, field: string): FieldMap {
    const map = new FieldMap();
    const seen = new Set<string>();
    for (;;) {
      const length = reader.compactSize();
      if (length === 0) return map;
      const key = new Reader(reader.take(length), field);
      const type = key.compactSize();
      const data = key.take(key.left);
      const value = reader.withLength();
      const name = `${type}:${hex(data)}`;
      if (seen.has(name)) refuse('psbt_malformed', field, `${field}: the PSBT has a key twice`);
      seen.add(name);
      map.fields.push({ type, data, value });
    }
  }

  bytes(): Uint8Array {
    const pairs = this.fields.map(({ type, data, value }) => concat(withLength(concat(compactSize(type), data)), withLength(value)));
    return concat(...pairs, bytesOf(0));
  }
}

/** Where a key comes from: fingerprint of the root (8 hex digits) and steps, hardened ones above 2^31. */
export interface KeyOrigin {
  readonly fingerprint: string;
  readonly path: readonly number[];
}

export interface TapLeaf {
  readonly controlBlock: Uint8Array;
  readonly script: Uint8Array;
  readonly leafVersion: number;
}

export interface TapScriptSig {
  /** X-only. */
  readonly key: string;
  readonly leafHash: Uint8Array;
  /** 64 bytes, or 65 with a sighash type. */
  readonly signature: Uint8Array;
}

export interface TapDerivation {
  readonly key: string;
  readonly leafHashes: readonly Uint8Array[];
  readonly origin: KeyOrigin;
}

/** One input, seen through its fields. */
export class PsbtInput {
  readonly map: FieldMap;
  private readonly name: string;

  constructor(map: FieldMap, name: string) {
    this.map = map;
    this.name = name;
  }

  private parse<T>(type: number, read: (reader: Reader) => T): T | null {
    const value = this.map.get(type);
    if (value === null) return null;
    const reader = new Reader(value, this.name);
    const result = read(reader);
    reader.end();
    return result;
  }

  get witnessUtxo(): TxOut | null {
    return this.parse(IN_WITNESS_UTXO, (reader) => ({ amount: reader.u64(), script: reader.withLength() }));
  }

  set witnessUtxo(output: TxOut) {
    this.map.set(IN_WITNESS_UTXO, outputBytes(output));
  }

  get sighashType(): number | null {
    return this.parse(IN_SIGHASH_TYPE, (reader) => reader.uint(4));
  }

  set sighashType(type: number) {
    this.map.set(IN_SIGHASH_TYPE, uintLe(type, 4));
  }

  get finalScriptWitness(): Uint8Array[] | null {
    return this.parse(IN_FINAL_SCRIPT_WITNESS, readWitness);
  }

  set finalScriptWitness(witness: readonly Uint8Array[]) {
    this.map.set(IN_FINAL_SCRIPT_WITNESS, witnessBytes(witness));
  }

  get tapKeySig(): Uint8Array | null {
    return this.map.get(IN_TAP_KEY_SIG);
  }

  /** X-only. */
  get tapInternalKey(): string | null {
    return this.parse(IN_TAP_INTERNAL_KEY, (reader) => hex(reader.take(32)));
  }

  set tapInternalKey(key: string) {
    this.map.set(IN_TAP_INTERNAL_KEY, unhex(key, this.name, 32));
  }

  get tapMerkleRoot(): Uint8Array | null {
    return this.parse(IN_TAP_MERKLE_ROOT, (reader) => reader.take(32));
  }

  set tapMerkleRoot(root: Uint8Array) {
    this.map.set(IN_TAP_MERKLE_ROOT, root);
  }

  get tapLeaves(): TapLeaf[] {
    return this.map.all(IN_TAP_LEAF_SCRIPT).map(({ data, value }) => {
      const leafVersion = value.at(-1);
      if (leafVersion === undefined || data.length < 33 || (data.length - 33) % 32 !== 0) {
        return refuse('psbt_malformed', this.name, `${this.name}: a leaf script of the PSBT is malformed`);
      }
      return { controlBlock: data, script: value.slice(0, -1), leafVersion };
    });
  }

  addTapLeaf({ controlBlock, script, leafVersion }: TapLeaf): void {
    this.map.set(IN_TAP_LEAF_SCRIPT, concat(script, bytesOf(leafVersion)), controlBlock);
  }

  get tapScriptSigs(): TapScriptSig[] {
    return this.map.all(IN_TAP_SCRIPT_SIG).map(({ data, value }) => {
      if (data.length !== 64 || (value.length !== 64 && value.length !== 65)) {
        return refuse('psbt_malformed', this.name, `${this.name}: a signature of the PSBT is malformed`);
      }
      return { key: hex(data.slice(0, 32)), leafHash: data.slice(32), signature: value };
    });
  }

  addTapScriptSig({ key, leafHash, signature }: TapScriptSig): void {
    this.map.set(IN_TAP_SCRIPT_SIG, signature, concat(unhex(key, this.name, 32), leafHash));
  }

  get tapDerivations(): TapDerivation[] {
    return this.map.all(IN_TAP_BIP32_DERIVATION).map(({ data, value }) => {
      if (data.length !== 32) refuse('psbt_malformed', this.name, `${this.name}: a key origin of the PSBT is malformed`);
      const reader = new Reader(value, this.name);
      const leafHashes = Array.from({ length: reader.count(32) }, () => reader.take(32));
      const fingerprint = hex(reader.take(4));
      if (reader.left % 4 !== 0) reader.broken();
      const path = Array.from({ length: reader.left / 4 }, () => reader.uint(4));
      return { key: hex(data), leafHashes, origin: { fingerprint, path } };
    });
  }

  addTapDerivation({ key, leafHashes, origin }: TapDerivation): void {
    const value = concat(
      compactSize(leafHashes.length), ...leafHashes, unhex(origin.fingerprint, this.name, 4), ...origin.path.map((step) => uintLe(step, 4)),
    );
    this.map.set(IN_TAP_BIP32_DERIVATION, value, unhex(key, this.name, 32));
  }
}

export class Psbt {
  readonly unsignedTx: Transaction;
  readonly global: FieldMap;
  readonly inputs: readonly PsbtInput[];
  readonly outputs: readonly FieldMap[];

  private constructor(unsignedTx: Transaction, global: FieldMap, inputs: readonly FieldMap[], outputs: readonly FieldMap[]) {
    this.unsignedTx = unsignedTx;
    this.global = global;
    this.inputs = inputs.map((map, at) => new PsbtInput(map, `input ${at}`));
    this.outputs = outputs;
  }

  static fromUnsigned(tx: Transaction): Psbt {
    if (tx.inputs.some((input) => input.witness.length > 0 || input.scriptSig.length > 0)) {
      refuse('psbt_malformed', 'psbt', 'psbt: the transaction is signed already');
    }
    const global = new FieldMap();
    global.set(GLOBAL_UNSIGNED_TX, stripped(tx));
    return new Psbt(tx, global, tx.inputs.map(() => new FieldMap()), tx.outputs.map(() => new FieldMap()));
  }

  static parse(bytes: Uint8Array, field = 'psbt'): Psbt {
    const reader = new Reader(bytes, field);
    if (bytes.length < MAGIC.length || !same(reader.take(MAGIC.length), MAGIC)) {
      refuse('psbt_malformed', field, `${field} is no PSBT: it does not begin as one`);
    }
    const global = FieldMap.read(reader, field);
    const version = global.get(GLOBAL_VERSION);
    if (version !== null && !same(version, uintLe(0, 4))) {
      refuse('psbt_version', field, `${field} is a PSBT of a later version: ask the wallet for version 0 (BIP174)`);
    }
    const unsigned = global.get(GLOBAL_UNSIGNED_TX);
    if (unsigned === null) return refuse('psbt_malformed', field, `${field}: the PSBT has no transaction`);
    const tx = parseTransaction(unsigned, field);
    if (tx.inputs.some((input) => input.witness.length > 0 || input.scriptSig.length > 0)) {
      refuse('psbt_malformed', field, `${field}: the transaction in the PSBT has signatures of its own`);
    }
    const inputs = tx.inputs.map(() => FieldMap.read(reader, field));
    const outputs = tx.outputs.map(() => FieldMap.read(reader, field));
    reader.end();
    return new Psbt(tx, global, inputs, outputs);
  }

  /** Reads a PSBT as people have it: base64, hex, or the file's bytes. */
  static read(given: Uint8Array | string, field = 'psbt'): Psbt {
    if (typeof given !== 'string') return Psbt.parse(given, field);
    const text = given.replace(/\s+/g, '');
    return Psbt.parse(/^70736274ff/i.test(text) ? unhex(text, field) : unbase64(text, field), field);
  }

  bytes(): Uint8Array {
    return concat(MAGIC, this.global.bytes(), ...this.inputs.map((input) => input.map.bytes()), ...this.outputs.map((map) => map.bytes()));
  }

  base64(): string {
    return base64(this.bytes());
  }

  /** The outputs that are spent, as the PSBT says; null where it does not say all. */
  prevouts(): TxOut[] | null {
    const known = this.inputs.map((input) => input.witnessUtxo);
    return known.every((output) => output !== null) ? (known as TxOut[]) : null;
  }
}
