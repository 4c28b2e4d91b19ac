// In what a transaction differs from the one that charter and votes give, field by field, in words.

import { same } from '../bytes.ts';
import { outpointText, type Transaction } from '../tx.ts';
import { satWords } from '../words.ts';
import { outputWords, type Form } from './plan.ts';

/** A field that is not as proposed. */
export interface Difference {
  /** `version`, `inputs/0/sequence`, `outputs/2/amount`, ... */
  readonly field: string;
  readonly problem: string;
}

const hexWords = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

function inputs(expected: Transaction, given: Transaction, found: Difference[]): void {
  const wanted = new Set(expected.inputs.map(outpointText));
  const unseen = new Set(wanted);
  const add = (field: string, problem: string): void => void found.push({ field, problem });
  const before = found.length;
  given.inputs.forEach((input, at) => {
    const outpoint = outpointText(input);
    // Named twice is one too many as well.
    if (!unseen.delete(outpoint)) add(`inputs/${at}`, `it spends ${outpoint}, which is not part of this transaction`);
  });
  for (const outpoint of unseen) add('inputs', `it does not spend ${outpoint}`);
  const inPlace = expected.inputs.length === given.inputs.length && found.length === before;
  expected.inputs.forEach((ours, at) => {
    const theirs = given.inputs[at];
    if (theirs === undefined) return;
    const outpoint = outpointText(theirs);
    if (outpoint !== outpointText(ours)) {
      if (inPlace) add(`inputs/${at}`, `its input ${at} is ${outpoint}, not ${outpointText(ours)}`);
      return;
    }
    if (theirs.scriptSig.length > 0) add(`inputs/${at}/script_sig`, `its input ${outpoint} has a script_sig`);
    if (theirs.sequence !== ours.sequence) {
      add(`inputs/${at}/sequence`, `the sequence of ${outpoint} is ${hexWords(theirs.sequence)}, not ${hexWords(ours.sequence)}`);
    }
  });
}

function outputs(form: Form, given: Transaction, found: Difference[]): void {
  const expected = form.tx.outputs;
  const add = (at: number, field: string, problem: string): void => void found.push({ field: `outputs/${at}${field}`, problem });
  for (let at = 0; at < Math.max(expected.length, given.outputs.length); at += 1) {
    const [ours, theirs, kind] = [expected[at], given.outputs[at], form.outputs[at]];
    const what = kind === undefined ? '' : ` (${outputWords(kind)})`;
    if (ours === undefined) add(at, '', `output ${at} is not part of this transaction`);
    else if (theirs === undefined) add(at, '', `output ${at}${what} is missing`);
    else {
      if (!same(ours.script, theirs.script)) add(at, '/script', `output ${at}${what} pays another address`);
      if (ours.amount !== theirs.amount) {
        add(at, '/amount', `output ${at}${what} has ${satWords(theirs.amount)}, not ${satWords(ours.amount)}`);
      }
    }
  }
}

/** Every difference between a form and a transaction, in the order of its fields. */
export function differences(form: Form, given: Transaction): Difference[] {
  const found: Difference[] = [];
  const expected = form.tx;
  if (given.version !== expected.version) {
    found.push({ field: 'version', problem: `its version is ${given.version | 0}, not ${expected.version}` });
  }
  inputs(expected, given, found);
  outputs(form, given, found);
  if (given.lockTime !== expected.lockTime) {
    found.push({ field: 'lock_time', problem: `its locktime is ${given.lockTime}, not ${expected.lockTime}` });
  }
  return found;
}
