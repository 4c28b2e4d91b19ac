// A page is about what its address says; a page that says otherwise of itself is stopped.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpfrontError } from '../../src/core/error.ts';
import { placeOf, taskHere } from '../../src/sponsor/place.ts';
import { FakeService, served } from '../lib/service.ts';

test('task and pledge are read from the address alone', () => {
  const charter = 'a'.repeat(64);
  assert.deepEqual(placeOf(`/tasks/${charter}/pledge`), { charter, index: null, submission: null });
  assert.deepEqual(placeOf(`/tasks/${charter}/vote`), { charter, index: null, submission: null });
  assert.deepEqual(placeOf(`/tasks/${charter}/pledges/12`), { charter, index: 12, submission: null });
  assert.deepEqual(placeOf(`/tasks/${charter}/submissions/${charter}/say`), { charter, index: null, submission: charter });
  assert.deepEqual(placeOf(`/tasks/${charter}/pledges/12/move`), { charter, index: 12, submission: null });
  assert.deepEqual(placeOf(`/desk/leader/${charter}`), { charter, index: null, submission: null });
  for (const other of ['/', '/tasks/abc/pledge', `/tasks/${charter}`, `/tasks/${charter}/pledges/0`, `/x/tasks/${charter}/pledge`, `/tasks/${charter}/pledges/1/vote`]) {
    assert.throws(() => placeOf(other), UpfrontError, other);
  }
});

test('a page that says another task, pledge or network than its address is stopped', async () => {
  const service = new FakeService();
  const charter = service.charter.id;
  const honest = { charter, network: service.charter.network.name };
  const field = (said: Record<string, string>, index: number | null = null): Promise<string> => served(service, () =>
    taskHere({ charter, index, submission: null }, said).then(() => 'nothing', (error: unknown) => (error instanceof UpfrontError ? error.field : String(error))));
  assert.equal(await field(honest), 'nothing');
  assert.equal(await field({ ...honest, index: '4' }, 4), 'nothing');
  assert.equal(await field({ ...honest, charter: 'b'.repeat(64) }), 'charter');
  assert.equal(await field({ network: honest.network }), 'charter');
  assert.equal(await field({ ...honest, index: '5' }, 4), 'index');
  assert.equal(await field({ ...honest, network: honest.network === 'regtest' ? 'mainnet' : 'regtest' }), 'charter.network');
});
