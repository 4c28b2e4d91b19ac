// A page that nobody sees holds no stream, and takes it up again when it is seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { later } from '../../src/ui/later.ts';
import { Fresh } from '../../src/ui/fresh.ts';

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('the stream is let go while the page is hidden', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible', getElementById: () => null, querySelectorAll: () => [] });
  const streams: AbortSignal[] = [];
  const before = { fetch: globalThis.fetch, document: globalThis.document, window: globalThis.window };
  const put = (globals: object): void => { Object.assign(globalThis, globals); };
  put({
    document: page, window: new EventTarget(),
    fetch: (_: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
      streams.push(signal);
      return new Promise((__, reject) => { signal.addEventListener('abort', () => reject(signal.reason as Error)); });
    },
  });
  const ends = new AbortController();
  try {
    new Fresh('/tasks').start('/events', ends.signal);
    await soon();
    assert.deepEqual(streams.map(({ aborted }) => aborted), [false]);
    page.visibilityState = 'hidden';
    page.dispatchEvent(new Event('visibilitychange'));
    await soon();
    assert.deepEqual(streams.map(({ aborted }) => aborted), [true], 'a hidden page holds a connection');
    page.visibilityState = 'visible';
    page.dispatchEvent(new Event('visibilitychange'));
    page.dispatchEvent(new Event('visibilitychange'));
    await soon();
    assert.deepEqual(streams.map(({ aborted }) => aborted), [true, false], 'one stream again, and one only');
  } finally {
    ends.abort();
    await soon();
    assert.ok(streams.every(({ aborted }) => aborted));
    // What was gathered may still look.
    await new Promise((resolve) => setTimeout(resolve, 300));
    put(before);
  }
});

test('the next try comes later each time, never at the same moment for all, and never after too long', () => {
  const tries = [1, 2, 3, 4].map((number) => later(1_000, number));
  tries.forEach((ms, at) => assert.ok(ms >= 750 * 2 ** at && ms <= 1_250 * 2 ** at, `${ms} before try ${at + 1}`));
  assert.ok(later(4_000, 90) <= 37_500);
  assert.ok(new Set(Array.from({ length: 20 }, () => later(1_000, 1))).size > 1);
});
