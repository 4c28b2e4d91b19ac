// Who asks: requests signed by an identity (NIP-98), and the panel in which a person chooses theirs: a Nostr
// extension, a key made here, or one pasted. The key signs requests and has no power over money.

import { hex, unhex } from '../core/bytes.ts';
import { UpfrontError, refuse } from '../core/error.ts';
import { npub, nsec } from '../core/keys.ts';
import { authorizationOf, eventId, requestEvent, signEvent, type Event, type UnsignedEvent } from '../core/nip98.ts';
import { keyPair, verifySchnorr } from '../core/point.ts';
import { capital } from '../core/words.ts';
import { button, element } from './element.ts';
import { forget, keep, kept, newKey, nonce, readNsec, type Chosen } from './identity-key.ts';
import { sayer } from './page.ts';

/** NIP-07: an extension that signs and keeps its key to itself. */
interface Extension {
  getPublicKey(): Promise<string>;
  signEvent(event: Omit<UnsignedEvent, 'pubkey'>): Promise<unknown>;
}

/** Who signs, as far as anybody else may know. */
export interface Identity {
  readonly kind: Chosen['kind'];
  /** X-only, hex. */
  readonly publicKey: string;
  readonly npub: string;
}

function extension(): Extension | null {
  const found = (globalThis as { nostr?: Partial<Extension> }).nostr;
  return typeof found?.getPublicKey === 'function' && typeof found.signEvent === 'function' ? (found as Extension) : null;
}

const npubOf = (publicKey: string): string => npub({ publicKey, secret: new Uint8Array() });

async function extensionKey(from: Extension): Promise<string> {
  const key: unknown = await from.getPublicKey().catch(() => null);
  if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key)) {
    return refuse('identity_extension', 'identity', 'the Nostr extension gave no public key: was it declined?');
  }
  return key;
}

function needExtension(): Extension {
  return extension()
    ?? refuse('identity_extension', 'identity', 'the Nostr extension is not there any more: choose another identity on this page');
}

/** Who signs here; null while nobody was chosen. An extension asks its person. */
export async function currentIdentity(): Promise<Identity | null> {
  const chosen = await kept();
  if (chosen === null) return null;
  const publicKey = chosen.kind === 'key'
    ? keyPair(chosen.secret, 'identity').publicKey
    : await extensionKey(needExtension());
  return { kind: chosen.kind, publicKey, npub: npubOf(publicKey) };
}

// ---- Signing

/** Seconds that the service's clock is ahead of this one; known once it refused a signature for that. */
let clockOffsetSecs = 0;

const publicUrl = (): string => {
  const given = document.querySelector<HTMLElement>('[data-public-url]')?.dataset['publicUrl'];
  return given?.replace(/\/+$/, '')
    ?? refuse('no_public_url', 'url', 'this page does not say under which address the service is reached');
};

async function signByExtension(signer: Extension, event: UnsignedEvent): Promise<Event> {
  const { pubkey: _, ...asked } = event;
  const given = await signer.signEvent(asked).catch(() => null) as Partial<Event> | null;
  const signature = typeof given?.sig === 'string' && /^[0-9a-f]{128}$/.test(given.sig) ? given.sig : '';
  // It is our event that must be signed, whatever else came back.
  const id = eventId(event);
  if (signature === '' || !verifySchnorr(unhex(signature, 'signature'), id, event.pubkey)) {
    refuse('identity_extension', 'identity', 'the Nostr extension did not sign this request: it was declined, or another one was signed');
  }
  return { id: hex(id), ...event, sig: signature };
}

/**
 * The Authorization header of a request. `path` is what follows the service's public address, with its query;
 * `body` is exactly what is sent.
 */
export async function authorize(method: string, path: string, body: string | null): Promise<string> {
  const chosen = await kept()
    ?? refuse('no_identity', 'identity', 'choose first who you are: this request is made in somebody\'s name');
  const now = Math.floor(Date.now() / 1000) + clockOffsetSecs;
  const event = (publicKey: string): UnsignedEvent => {
    const plain = requestEvent(publicKey, publicUrl() + path, method.toUpperCase(), body ?? '', now);
    return { ...plain, tags: [...plain.tags, ['nonce', nonce()]] };
  };
  if (chosen.kind === 'key') {
    const key = keyPair(chosen.secret, 'identity');
    return authorizationOf(signEvent(event(key.publicKey), key));
  }
  const signer = needExtension();
  return authorizationOf(await signByExtension(signer, event(await extensionKey(signer))));
}

/** A refusal of the service (RFC 9457), or what stands in for one where it gave none. */
export interface Problem {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly hint: string;
}

export async function problemOf(response: Response): Promise<Problem> {
  const given = await response.json().catch(() => null) as Partial<Problem> | null;
  const text = (value: unknown, otherwise: string): string => (typeof value === 'string' && value !== '' ? value : otherwise);
  return {
    code: text(given?.code, `http_${response.status}`),
    title: text(given?.title, 'The service refused this'),
    detail: text(given?.detail, `it answered ${response.status}`),
    hint: text(given?.hint, 'Try again in a little while.'),
  };
}

/** A refusal as it is shown: what is wrong, and what to do. */
export const wordsOf = (problem: Problem): string => `${problem.title}: ${problem.detail}. ${problem.hint}`.replace(/([.?!])\. /, '$1 ');

/** Any error as it is shown. Errors that are no words of ours are told as a failure of the page. */
export function errorWords(error: unknown): string {
  if (error instanceof UpfrontError) return `${capital(error.message).replace(/\.$/, '')}.`;
  if (error instanceof TypeError) return 'The service did not answer. Is the connection up? Nothing was changed; try again.';
  return 'This page made an error of its own. Load it again; nothing was changed.';
}

/**
 * Sends a request signed by the identity here. If the clock of this machine is wrong, the service's is taken, once.
 * The key makes a repeated request the same request.
 */
export async function send(method: string, path: string, body: string | null): Promise<Response> {
  const idempotency = nonce();
  const once = async (): Promise<Response> => {
    const headers: Record<string, string> = { authorization: await authorize(method, path, body), accept: 'application/json' };
    if (body !== null) headers['content-type'] = 'application/json';
    if (method.toUpperCase() === 'POST') headers['idempotency-key'] = idempotency;
    return fetch(path, { method, headers, body, cache: 'no-store', credentials: 'omit' });
  };
  const first = await once();
  if (first.status !== 401) return first;
  const problem = await problemOf(first.clone());
  const date = Date.parse(first.headers.get('date') ?? '');
  if (problem.code !== 'auth_clock' || Number.isNaN(date)) return first;
  clockOffsetSecs = Math.round((date - Date.now()) / 1000);
  return once();
}

// ---- The panel

const POWERLESS = 'It signs what you ask of this service, so that nobody else can ask in your name. It has no power over money.';

/** Lets a person choose and see who signs. `changed` is told each time, with null where nobody is chosen. */
export function identityPanel(container: HTMLElement, changed: (identity: Identity | null) => void = () => {}): void {
  const status = element('p', { role: 'status' });
  const place = element('div');
  container.replaceChildren(place, status);

  const say = sayer(status);
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      say(errorWords(error), true);
    }
  };
  const take = (chosen: Chosen, words: string): Promise<void> => attempt(async () => {
    if (chosen.kind === 'extension') await extensionKey(needExtension());
    const lasting = await keep(chosen);
    await show();
    say(lasting ? words : `${words} This browser keeps nothing: it is gone when the page is closed.`);
  });

  function choices(): Node[] {
    const first: Node[] = [];
    if (extension() !== null) {
      first.push(button('Use my Nostr extension', 'button', () => take({ kind: 'extension' }, 'Your extension signs for you.')));
    }
    const make = button('Make a key in this browser', first.length === 0 ? 'button' : 'button second',
      () => take({ kind: 'key', secret: newKey().secret }, 'A new key was made, and is kept in this browser.'));
    first.push(make);
    return [
      element('p', {}, `You need an identity: a key of your own, without a password or an account. ${POWERLESS}`),
      element('div', { class: 'actions' }, ...first),
      pasted(),
    ];
  }

  function pasted(): Node {
    const input = element('input', {
      type: 'password', id: 'identity-nsec', class: 'mono', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'identity-nsec-hint',
    });
    const use = (): Promise<void> => attempt(async () => {
      const key = readNsec(input.value);
      input.value = '';
      await take({ kind: 'key', secret: key.secret }, 'Your key is kept in this browser.');
    });
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      void use();
    });
    return element('details', {}, element('summary', {}, 'Use a key that I have'),
      element('div', { class: 'field' },
        element('label', { for: 'identity-nsec' }, 'Private key of Nostr (nsec)'), input,
        element('p', { class: 'hint', id: 'identity-nsec-hint' },
          'It stays in this browser. Of an identity made on the command line, `upfront key identity --nsec` prints it. Never type recovery words here.')),
      button('Use this key', 'button second', use));
  }

  function chosenIdentity(identity: Identity): Node[] {
    const acts: Node[] = [];
    if (identity.kind === 'key') acts.push(exported());
    return [
      element('p', {}, identity.kind === 'extension' ? 'Your Nostr extension signs as ' : 'This browser signs as ',
        element('span', { class: 'hash' }, identity.npub)),
      element('p', { class: 'small quiet' }, POWERLESS),
      ...acts,
      removal(identity),
    ];
  }

  function exported(): Node {
    const shown = element('input', { type: 'text', readonly: true, class: 'mono', 'aria-label': 'Private key (nsec)', hidden: true });
    const reveal = button('Show the key, to keep a copy', 'button second', () => attempt(async () => {
      const chosen = await kept();
      if (chosen?.kind !== 'key') return;
      shown.value = nsec(keyPair(chosen.secret, 'identity'));
      shown.hidden = false;
      shown.select();
      say('Whoever has this key can ask in your name. Keep it as you keep a password.');
    }));
    return element('div', {}, element('p', { class: 'actions' }, reveal), shown);
  }

  function removal(identity: Identity): Node {
    const words = identity.kind === 'key' ? 'Remove it from this browser' : 'Choose another identity';
    let warned = identity.kind === 'extension';
    return element('p', {}, button(words, 'plain', () => attempt(async () => {
      if (!warned) {
        warned = true;
        say('Without a copy the key is gone for good, and with it what you can do in its name. Press again to remove it.', true);
        return;
      }
      await forget();
      await show();
      say('Nothing is kept in this browser any more.');
    })));
  }

  async function show(): Promise<void> {
    let identity: Identity | null = null;
    try {
      identity = await currentIdentity();
    } catch (error) {
      say(errorWords(error), true);
    }
    place.replaceChildren(...(identity === null ? choices() : chosenIdentity(identity)));
    changed(identity);
  }

  void show();
  // Extensions show up when they like, mostly just after the page.
  if (extension() === null) {
    window.addEventListener('load', () => { if (extension() !== null) void attempt(show); }, { once: true });
  }
}
