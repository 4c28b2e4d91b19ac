// Payees as people write them, one a line: `ADDRESS 95 %`. The command line takes `ADDRESS:95%`, and so does this.

import { refuse } from './error.ts';
import type { NamedPayee } from './statement.ts';

/** Basis points of `95 %`, `12.5%` or `9500`, without a fraction being made; null for anything else. */
export function shareBps(text: string): number | null {
  const percent = /^(\d{1,3})(?:\.(\d{1,2}))?\s*%$/.exec(text);
  const bps = percent === null ? (/^\d{1,5}$/.test(text) ? Number(text) : Number.NaN)
    : Number(percent[1]) * 100 + Number((percent[2] ?? '').padEnd(2, '0'));
  return bps >= 1 && bps <= 10_000 ? bps : null;
}

/** Reads the lines; empty ones are none. Whether addresses and shares fit a charter is for the charter to say. */
export function readPayees(text: string): NamedPayee[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  return lines.map((line, at) => {
    const [, address, share] = /^([0-9A-Za-z]+)(?:\s*:\s*|\s+)(.+)$/.exec(line) ?? [];
    const bps = share === undefined ? null : shareBps(share.trim());
    if (address === undefined || bps === null) {
      return refuse('payees', `named.payees.${at}`, `line ${at + 1} of the payees is none: write an address and its share, such as ADDRESS 95 %`);
    }
    return { address, share_bps: bps };
  });
}
