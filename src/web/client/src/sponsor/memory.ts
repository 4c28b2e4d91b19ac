// Numbers that must not go back, remembered in this browser: the counter of a vote, the next key of words kept here. No
// secret is among them. A browser that keeps nothing remembers nothing, and the rest goes on without.

const DATABASE = 'upfront-numbers';
const STORE = 'highest';

async function withNumbers<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const done = <R>(asked: IDBRequest<R>): Promise<R> => new Promise((resolve, reject) => {
    asked.onsuccess = (): void => resolve(asked.result);
    asked.onerror = (): void => reject(new Error('not kept'));
  });
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = (): void => { opening.result.createObjectStore(STORE); };
  const database = await done(opening);
  try {
    return await done(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** The highest number that was remembered under this name; -1 where none was. */
export async function highest(name: string): Promise<number> {
  try {
    const kept = await withNumbers('readonly', (store) => store.get(name) as IDBRequest<unknown>);
    return typeof kept === 'number' ? kept : -1;
  } catch {
    return -1;
  }
}

/** Remembers a number, unless a higher one is there. */
export async function remember(name: string, number: number): Promise<void> {
  if (number <= await highest(name)) return;
  await withNumbers('readwrite', (store) => store.put(number, name)).catch(() => undefined);
}
