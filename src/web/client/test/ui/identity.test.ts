// Requests signed in the browser: what is signed, by whom, and what is never taken for an identity.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { base64, hex, unhex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { eventId, signEvent, type Event, type UnsignedEvent } from '../../src/core/nip98.ts';
import { keyPair, verifySchnorr } from '../../src/core/point.ts';
import { authorize, currentIdentity, errorWords, send } from '../../src/ui/identity.ts';
import { forget, keep, newKey, readNsec } from '../../src/ui/identity-key.ts';

const URL_BASE = 'https://escrow.example.org/pay';
const globals = globalThis as { document?: unknown; nostr?: unknown; fetch: typeof fetch };
globals.document = { querySelector: () => ({ dataset: { publicUrl: `${URL_BASE}/` } }) };

const SECRET = unhex('10b7fc4af4cf9f6d5b60edb3fda4d1b1a5c6c0e1f2a3b4c5d6e7f8091a2b3c4d', 'secret');
const key = keyPair(SECRET, 'key');
const nowSecs = (): number => Math.floor(Date.now() / 1000);

function opened(header: string): Event {
  assert.match(header, /^Nostr [A-Za-z0-9+/]+=*$/);
  const event = JSON.parse(Buffer.from(header.slice(6), 'base64').toString()) as Event;
  assert.equal(event.id, hex(eventId(event)));
  assert.ok(verifySchnorr(unhex(event.sig, 'sig'), unhex(event.id, 'id'), event.pubkey));
  return event;
}
const tag = (event: Event, name: string): string | undefined => event.tags.find(([first]) => first === name)?.[1];

// This Node has no IndexedDB: what is kept lasts as long as the page, as in a private window.
beforeEach(async () => {
  await forget();
  delete globals.nostr;
});

test('a kept key signs method, whole address and body, each time another event', async () => {
  assert.equal(await keep({ kind: 'key', secret: SECRET }), false);
  assert.equal((await currentIdentity())?.publicKey, key.publicKey);
  const body = '{"charter":"ä"}';
  const [first, second] = [opened(await authorize('post', '/api/v1/tasks?x=1', body)), opened(await authorize('post', '/api/v1/tasks?x=1', body))];
  assert.equal(first.pubkey, key.publicKey);
  assert.equal(first.kind, 27_235);
  assert.equal(tag(first, 'u'), `${URL_BASE}/api/v1/tasks?x=1`);
  assert.equal(tag(first, 'method'), 'POST');
  assert.equal(tag(first, 'payload'), hex(sha256(utf8(body))));
  assert.ok(Math.abs(first.created_at - nowSecs()) < 5);
  assert.notEqual(first.id, second.id);
  assert.equal(tag(opened(await authorize('DELETE', '/x', null)), 'payload'), undefined);
});

test('nobody signs before somebody was chosen', async () => {
  assert.equal(await currentIdentity(), null);
  await assert.rejects(authorize('POST', '/x', ''), { code: 'no_identity' });
});

test('an extension is believed only where it signed this very request', async () => {
  const signer = (sign: (event: UnsignedEvent) => unknown): void => {
    globals.nostr = {
      getPublicKey: async () => key.publicKey,
      signEvent: async (event: Omit<UnsignedEvent, 'pubkey'>) => sign({ pubkey: key.publicKey, ...event }),
    };
  };
  await keep({ kind: 'extension' });
  await assert.rejects(authorize('POST', '/x', 'b'), { code: 'identity_extension' });
  signer((event) => signEvent(event, key));
  assert.equal(opened(await authorize('POST', '/x', 'b')).pubkey, key.publicKey);
  for (const lie of [
    () => null,
    () => { throw new Error('declined'); },
    (event: UnsignedEvent) => signEvent(event, newKey()),
    (event: UnsignedEvent) => signEvent({ ...event, tags: [['u', 'https://evil.example/']] }, key),
    (event: UnsignedEvent) => ({ ...signEvent(event, key), sig: 'x' }),
  ]) {
    signer(lie);
    await assert.rejects(authorize('POST', '/x', 'b'), { code: 'identity_extension' });
  }
});

test('only an nsec is a private key of an identity', () => {
  // NIP-06's first vector.
  assert.equal(readNsec(' nsec10allq0gjx7fddtzef0ax00mdps9t2kmtrldkyjfs8l5xruwvh2dq0lhhkp\n').publicKey,
    '17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917');
  const words = 'leader monkey parrot ring guide accident before fence cannon height naive bean';
  for (const [given, code] of [
    ['npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu', 'identity_public'],
    [words, 'identity_phrase'],
    ['tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58', 'identity_extended'],
    ['nsec10allq0gjx7fddtzef0ax00mdps9t2kmtrldkyjfs8l5xruwvh2dq0lhhkq', 'identity_nsec'],
    ['', 'identity_nsec'],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'identity_nsec'],
  ] as const) {
    assert.throws(() => readNsec(given), (error: Error & { code: string }) => {
      assert.equal(error.code, code, given);
      assert.ok(given === '' || !error.message.includes(given), 'what was pasted is not repeated');
      return true;
    });
  }
});

test('a wrong clock is put right once, by the time of the service', async () => {
  await keep({ kind: 'key', secret: SECRET });
  const asked: Event[] = [];
  const keys = new Set<string | null>();
  const real = globals.fetch;
  globals.fetch = async (_, options) => {
    const headers = new Headers(options?.headers);
    asked.push(opened(headers.get('authorization') ?? ''));
    keys.add(headers.get('idempotency-key'));
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    return new Response(JSON.stringify({ code: 'auth_clock' }), { status: 401, headers: { date } });
  };
  try {
    assert.equal((await send('POST', '/api/v1/tasks', '{}')).status, 401);
  } finally {
    globals.fetch = real;
  }
  assert.equal(asked.length, 2, 'it is not tried for ever');
  const [first, second] = asked as [Event, Event];
  assert.ok(Math.abs(second.created_at - first.created_at - 3_600) < 5);
  assert.equal(keys.size, 1, 'a repeated request is the same request');
});

test('errors of the network are told as such, and defects do not show their inside', () => {
  assert.match(errorWords(new TypeError('fetch failed')), /did not answer/);
  assert.doesNotMatch(errorWords(new Error(base64(SECRET))), new RegExp(base64(SECRET).slice(0, 8)));
});
