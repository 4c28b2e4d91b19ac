// What happens, as it happens: the service's stream of events (text/event-stream), read so that every type is heard
// and a cut is taken up where it was (Last-Event-ID). Where a stream cannot be had, pages are asked for that wait.

import { later } from './later.ts';

const RETRY_MS = 1_000;
/** A stream says that it is alive every 15 s. */
const SILENCE_MS = 40_000;
const WAIT_SECS = 25;
/** Cuts in a row after which pages are asked for; a stream is tried again after some of them. */
const CUTS = 3;
const PAGES = 8;

/** One event of a stream. */
export interface Told {
  readonly id: string;
  readonly type: string;
}

/** Puts lines of a stream together (WHATWG HTML, 9.2.6): events as they are complete. */
export class StreamReader {
  private rest = '';
  private id: string | null = null;
  private type = '';

  /** Events that this piece of text completes. */
  push(text: string): Told[] {
    const lines = `${this.rest}${text}`.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    const told: Told[] = [];
    for (const line of lines) {
      if (line === '') {
        if (this.type !== '') told.push({ id: this.id ?? '', type: this.type });
        this.type = '';
        continue;
      }
      const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === 'id') this.id = value;
      if (field === 'event') this.type = value;
      if (field === 'data' && this.type === '') this.type = 'message';
    }
    return told;
  }
}

/** Follows `url` until the signal says stop. `heard` is called for every event, and once whenever a stream (re)starts. */
export async function follow(url: string, heard: (told: Told) => void, signal: AbortSignal): Promise<never> {
  let last: string | null = null;
  let cuts = 0;
  for (;;) {
    const before: string | null = last;
    try {
      if (cuts < CUTS) {
        last = await stream(url, last, (told) => { cuts = 0; if (told.id !== '') last = told.id; heard(told); }, signal);
      } else {
        last = await pages(url, last, heard, signal);
        cuts = 0;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      // Forgotten meanwhile: whoever listens reads the present state, and what follows comes from now on.
      if (error instanceof Forgotten) last = null;
      // A full house says so at once: pages, then, without trying the door again.
      if (error instanceof Refused) cuts = Math.max(cuts, CUTS - 1);
    }
    signal.throwIfAborted();
    if (last === before) cuts += 1;
    await pause(later(RETRY_MS, Math.max(cuts, 1)), signal);
  }
}

class Forgotten extends Error {}
class Refused extends Error {}

async function stream(url: string, after: string | null, heard: (told: Told) => void, signal: AbortSignal): Promise<string | null> {
  const ends = new AbortController();
  const stop = (): void => ends.abort();
  signal.addEventListener('abort', stop, { once: true });
  let timer = setTimeout(stop, SILENCE_MS);
  try {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (after !== null) headers['last-event-id'] = after;
    const response = await fetch(url, { headers, signal: ends.signal, cache: 'no-store', credentials: 'omit' });
    if (response.status === 410) throw new Forgotten();
    if (!response.ok || response.body === null) throw new Refused();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new StreamReader();
    let last = after;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return last;
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      for (const told of events.push(value)) {
        if (told.id !== '') last = told.id;
        heard(told);
      }
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    ends.abort();
  }
}

/** Some pages that wait, one after another; the id to go on from. */
async function pages(url: string, after: string | null, heard: (told: Told) => void, signal: AbortSignal): Promise<string | null> {
  let last = after;
  for (let page = 0; page < PAGES; page += 1) {
    // Without an id the first page is the past: only its end matters.
    const query = last === null ? 'after=0&limit=1000' : `after=${encodeURIComponent(last)}&wait_secs=${WAIT_SECS}`;
    const response = await fetch(`${url}?${query}`, { headers: { accept: 'application/json' }, signal, cache: 'no-store', credentials: 'omit' });
    if (response.status === 410) throw new Forgotten();
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const { items, next } = (await response.json()) as { items?: readonly { id?: unknown; type?: unknown }[]; next?: unknown };
    for (const item of items ?? []) heard({ id: String(item.id), type: String(item.type) });
    if (typeof next === 'string') last = next;
  }
  return last;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason as Error); }, { once: true });
  });
}
