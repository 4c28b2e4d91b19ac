// The order of a checkout as a pure rule: which step may be shown follows from what was done, so that no click and no
// answer of the service can show an address before the backup and the checks.

export type Step = 'amount' | 'backup' | 'wallet' | 'pay' | 'stopped';

export interface Flow {
  /** What is to be paid; null until it was accepted. */
  readonly amount: bigint | null;
  readonly keys: 'browser' | 'wallet';
  /** The service issued this browser's pledge, and its address was derived again here. */
  readonly checked: boolean;
  /** The file was saved, or the words confirmed. */
  readonly backedUp: boolean;
  /** Something told what cannot be so: nothing goes on from here. */
  readonly stopped: boolean;
}

export const START: Flow = { amount: null, keys: 'browser', checked: false, backedUp: false, stopped: false };

export type Done =
  | { readonly kind: 'amount'; readonly sat: bigint; readonly keys: 'browser' | 'wallet' }
  | { readonly kind: 'back' }
  | { readonly kind: 'checked' }
  | { readonly kind: 'backedUp' }
  | { readonly kind: 'stopped' };

export function after(flow: Flow, done: Done): Flow {
  if (flow.stopped) return flow;
  switch (done.kind) {
    case 'stopped': return { ...flow, stopped: true };
    // Once issued, the pledge is of this amount and these keys.
    case 'amount': return flow.checked ? flow : { ...flow, amount: done.sat, keys: done.keys };
    case 'back': return flow.checked ? flow : { ...flow, amount: null };
    case 'checked': return flow.amount === null ? flow : { ...flow, checked: true };
    // There is nothing to back up before there is a pledge.
    case 'backedUp': return flow.checked ? { ...flow, backedUp: true } : flow;
  }
}

export function stepOf(flow: Flow): Step {
  if (flow.stopped) return 'stopped';
  if (flow.amount === null) return 'amount';
  if (flow.checked && flow.backedUp) return 'pay';
  return flow.keys === 'wallet' ? 'wallet' : 'backup';
}

/** Three different places among `count` words, in order. `random` gives whole numbers below its argument. */
export function quizPlaces(count: number, random: (below: number) => number): number[] {
  const places = new Set<number>();
  while (places.size < 3) places.add(random(count));
  return [...places].sort((a, b) => a - b);
}

/** A whole number below `below`, evenly. */
export function randomBelow(below: number): number {
  const most = Math.floor(0x1_0000_0000 / below) * below;
  for (;;) {
    const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
    if (value < most) return value % below;
  }
}
