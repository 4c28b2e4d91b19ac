// A page kept fresh: it is fetched again, and the parts that may change (an id and `data-live`) take the place of those
// that are there. All words about state are the server's. Parts with `data-live="say"` are also said aloud.

import { follow } from './events.ts';
import { LOOK } from './faucet.ts';
import { say } from './page.ts';

/** So often without any event: confirmations, and times that have come nearer. */
const POLL_MS = 20_000;
/** Events that come together are one look. */
const GATHER_MS = 150;

/** Puts the live parts of `fresh` in the place of those in the document; the parts that changed. */
export function swap(fresh: Document): Element[] {
  const changed: Element[] = [];
  for (const part of fresh.querySelectorAll('[data-live][id]')) {
    const old = document.getElementById(part.id);
    if (old === null || !old.hasAttribute('data-live') || old.isEqualNode(part)) continue;
    // What holds the focus is not taken away from under somebody's hands, but for its own successor.
    const focused = old.contains(document.activeElement) ? document.activeElement?.id ?? '' : null;
    const open = [...old.querySelectorAll('details')].map((details) => details.open);
    const put = document.importNode(part, true);
    put.querySelectorAll('details').forEach((details, at) => { details.open = open[at] ?? details.open; });
    old.replaceWith(put);
    if (focused !== null && focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
    changed.push(put);
  }
  return changed;
}

/** One page of the service, looked at again and again. */
export class Fresh {
  private tag: string | null = null;
  private readonly path: string;
  /** What is to be done before words are shown: signing, say. */
  before: () => Promise<void> = () => Promise.resolve();
  after: (changed: readonly Element[]) => void = () => undefined;
  /** Whether it looks as often while nobody sees it: a refund may be waiting to be signed. */
  always = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private looking = false;
  private wanted = false;

  constructor(path: string) {
    this.path = path;
  }

  /** Follows the events of `url` and looks after each, and every now and then. */
  start(url: string, signal: AbortSignal = new AbortController().signal): void {
    void follow(url, () => this.soon(), signal).catch(() => undefined);
    const beat = setInterval(() => { if (this.always || document.visibilityState === 'visible') this.soon(); }, POLL_MS);
    signal.addEventListener('abort', () => clearInterval(beat));
    document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') this.soon(); }, { signal });
    for (const event of ['online', LOOK]) window.addEventListener(event, () => this.soon(), { signal });
  }

  soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.look();
    }, GATHER_MS);
  }

  /** One look at a time; asked for meanwhile, one more. */
  async look(): Promise<void> {
    if (this.looking) {
      this.wanted = true;
      return;
    }
    this.looking = true;
    try {
      do {
        this.wanted = false;
        await this.before().catch(() => undefined);
        const fresh = await this.fetch();
        if (fresh !== null) this.show(fresh);
      } while (this.wanted);
    } catch {
      // Not there now: the next look finds it.
    } finally {
      this.looking = false;
    }
  }

  private show(fresh: Document): void {
    const changed = swap(fresh);
    const height = fresh.getElementById('tip-height');
    if (height !== null) document.getElementById('tip-height')?.replaceChildren(height.textContent ?? '');
    const spoken = changed.filter((part) => part.getAttribute('data-live') === 'say').map((part) => (part.textContent ?? '').replace(/\s+/g, ' ').trim());
    if (spoken.length > 0) say(spoken.join(' '));
    this.after(changed);
  }

  /** The page as a document whose scripts never run; null where it is as before. */
  fetch(): Promise<Document | null> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('GET', this.path);
      request.responseType = 'document';
      request.timeout = 30_000;
      request.setRequestHeader('accept', 'text/html');
      if (this.tag !== null) request.setRequestHeader('if-none-match', this.tag);
      request.onload = (): void => {
        if (request.status === 304) return resolve(null);
        if (request.status !== 200 || request.responseXML === null) return reject(new Error(`HTTP ${request.status}`));
        this.tag = request.getResponseHeader('etag');
        resolve(request.responseXML);
      };
      request.onerror = request.ontimeout = request.onabort = (): void => reject(new Error('no answer'));
      request.send();
    });
  }
}
