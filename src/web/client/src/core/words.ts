// Amounts, shares and foreign texts as people read them: one spelling for pages, offline files and findings.

/** `412,300 sat`. */
export const satWords = (amount: bigint): string => `${amount.toString().replace(/\B(?=(?:\d{3})+$)/g, ',')} sat`;

/** `0.01 BTC`, without zeros at its end. */
export function btc(amount: bigint): string {
  const digits = amount.toString().padStart(9, '0');
  const part = digits.slice(-8).replace(/0+$/, '');
  return `${digits.slice(0, -8)}${part === '' ? '' : `.${part}`} BTC`;
}

/** `66.67 %`, `20 %`, without a fraction being made. */
export function percent(bps: number): string {
  const part = String(bps % 100).padStart(2, '0').replace(/0+$/, '');
  return `${Math.floor(bps / 100)}${part === '' ? '' : `.${part}`} %`;
}

/** `milestone 2 of 3, 30 % of the whole`, of the milestones of a charter; `number` counts from 0. */
export const partWords = (milestones: readonly { readonly share_bps: number }[], number: number): string =>
  `milestone ${number + 1} of ${milestones.length}, ${percent(milestones[number]?.share_bps ?? 0)} of the whole`;

/** `50 % to bc1q..., 50 % to bc1p...`: whom a submission names. */
export const payeeWords = (payees: readonly { readonly address: string; readonly share_bps: number }[]): string =>
  payees.map(({ address, share_bps: share }) => `${percent(share)} to ${address}`).join(', ');

/** A word or a sentence with a capital. */
export const capital = (words: string): string => `${words[0]?.toUpperCase() ?? ''}${words.slice(1)}`;

/** A length of time in its largest whole unit. */
export function span(secs: number): string {
  if (secs === 0) return 'none';
  const units = [[86_400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']] as const;
  const [size, name] = units.find(([length]) => secs % length === 0) ?? [1, 'second'];
  const number = secs / size;
  return `${number} ${name}${number === 1 ? '' : 's'}`;
}

/** Control, bidirectional and zero-width characters: a text could show something other than it is. */
export const UNSEEN = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u061c\u2028\u2029\u00ad\u{e0000}-\u{e007f}]/u;
const EVERY_UNSEEN = new RegExp(UNSEEN, 'gu');

/** A text that somebody else wrote, with what cannot be seen made visible. */
export const inert = (text: string): string => text.replace(EVERY_UNSEEN, '\ufffd');

/** In groups of four, as it is compared by eye. */
export const groups = (text: string): string[] => text.match(/.{1,4}/gs) ?? [];

/** The heading of a task: the first line of its text, without the marks of a heading. */
export function title(text: string): string {
  const [line = ''] = text.trim().split(/\r?\n/);
  const words = [...line.replace(/^#+/, '').trim()].slice(0, 120).join('');
  return inert(words).trim() || 'A task without a title';
}
