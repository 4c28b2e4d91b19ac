// A page kept fresh: it is fetched again, and the parts that may change (an id and `data-live`) take the place of those
// that are there. All words about state are the server's. Parts with `data-live="say"` are also said aloud.

import { follow } from './events.ts';
import { LOOK } from './faucet.ts';
import { say } from './page.ts';

/** So often without any event: confirmations, and times that have come nearer. */
const POLL_MS = 20_000;
/** Where a page must look although nobody sees it: a payment may be waiting for its refund. */
const HIDDEN_MS = 10_000;
/** Events that come together are one look. */
const GATHER_MS = 150;

/** Addresses as people read them: in words about state none is needed that was not there before. */
const ADDRESS = /\b(?:(?:bc|tb|bcrt)1[a-z0-9]{20,}|[123mn][1-9A-HJ-NP-Za-km-z]{25,34})\b/gi;
/** What no words about state need: pictures, forms, whatever loads or runs, and what looks like a checked address. */
const UNWANTED = 'img,picture,video,audio,canvas,object,embed,iframe,meta,base,link,form,input,textarea,select,button,script,style,template,.qr,.address';

/**
 * A part of the server's words as it may stand beside what was checked here: no payment link, no picture but our own chart,
 * no form, no script, no name of another element. Null where it tells an address that `old` does not.
 */
export function cleaned(part: Element, old: Element): Element | null {
  // Cleaned in the document it came in, where nothing is loaded.
  const put = part.cloneNode(true) as Element;
  if (put.matches(UNWANTED)) return null;
  for (const each of put.querySelectorAll(UNWANTED)) each.remove();
  for (const svg of put.querySelectorAll('svg')) {
    const inside = [...svg.querySelectorAll('*')];
    if (inside.length > 4 || inside.some(({ localName }) => localName !== 'rect')) svg.remove();
  }
  for (const link of put.querySelectorAll('a, area')) {
    if (!/^https?:$/.test((link as HTMLAnchorElement).protocol)) link.remove();
  }
  for (const named of put.querySelectorAll('[id], [name]')) {
    if (![...old.querySelectorAll('[id]')].some(({ id }) => id === named.id)) named.removeAttribute('id');
    named.removeAttribute('name');
  }
  const before = new Set(old.textContent?.match(ADDRESS));
  return [...(put.textContent?.match(ADDRESS) ?? [])].every((address) => before.has(address)) ? document.importNode(put, true) : null;
}

/** Puts the live parts of `fresh` in the place of those in the document; the parts that changed. `clean`: see `cleaned`. */
export function swap(fresh: Document, clean = false): Element[] {
  const changed: Element[] = [];
  for (const part of fresh.querySelectorAll('[data-live][id]')) {
    const old = document.getElementById(part.id);
    if (old === null || !old.hasAttribute('data-live') || old.isEqualNode(part)) continue;
    const put = clean ? cleaned(part, old) : document.importNode(part, true);
    if (put === null || old.isEqualNode(put)) continue;
    // What holds the focus is not taken away from under somebody's hands, but for its own successor.
    const focused = old.contains(document.activeElement) ? document.activeElement?.id ?? '' : null;
    const open = [...old.querySelectorAll('details')].map((details) => details.open);
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

  /** On a page that holds a key, the server's words come without anything that could pass for what was checked there. */
  private readonly clean: boolean;

  constructor(path: string, clean = false) {
    this.path = path;
    this.clean = clean;
  }

  /** Follows the events of `url` and looks after each, and every now and then. */
  start(url: string, signal: AbortSignal = new AbortController().signal): void {
    // A browser has six connections to a host: pages that nobody sees must not hold them all. They ask now and then instead.
    let stream: AbortController | null = null;
    const seen = (): void => {
      const visible = document.visibilityState === 'visible';
      if (visible && stream === null) {
        stream = new AbortController();
        void follow(url, () => this.soon(), stream.signal).catch(() => undefined);
      } else if (!visible) {
        stream?.abort();
        stream = null;
      }
    };
    let beat: ReturnType<typeof setTimeout>;
    const next = (): void => {
      const visible = document.visibilityState === 'visible';
      beat = setTimeout(() => {
        if (this.always || document.visibilityState === 'visible') this.soon();
        next();
      }, (visible ? POLL_MS : HIDDEN_MS) * (0.75 + Math.random() / 2));
    };
    seen();
    next();
    signal.addEventListener('abort', () => {
      clearTimeout(beat);
      stream?.abort();
    });
    document.addEventListener('visibilitychange', () => {
      seen();
      if (document.visibilityState === 'visible') this.soon();
    }, { signal });
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
    const changed = swap(fresh, this.clean);
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
