// How long to wait before the next try: longer each time, and never for all at the same moment.

const MOST_MS = 30_000;

/** Milliseconds before try number `tries` (from 1) after a failure, from `first` on. */
export const later = (first: number, tries: number): number => Math.min(MOST_MS, first * 2 ** Math.min(tries - 1, 5)) * (0.75 + Math.random() / 2);
