// Which task and which pledge a page is about: what its address says, and nothing else. Whatever else the page says of
// itself must agree, so that what was checked is what stands in the address bar.

import { refuse } from '../core/error.ts';
import { fetchTask, type OpenTask } from './task.ts';

export interface Place {
  readonly charter: string;
  /** Null on pages that are about no pledge. */
  readonly index: number | null;
  /** Null on pages that are about no submission. */
  readonly submission: string | null;
}

/** Reads the path of a task's page. */
export function placeOf(pathname: string): Place {
  const [, task, index, submission, led] =
    /^\/(?:tasks\/([0-9a-f]{64})\/(?:pledge|vote|pledges\/([1-9]\d{0,9})(?:\/move)?|submissions\/([0-9a-f]{64})\/say)|desk\/leader\/([0-9a-f]{64}))\/?$/.exec(pathname) ?? [];
  const charter = task ?? led;
  if (charter === undefined) return refuse('untrue', 'page', 'page: its address names no task');
  return { charter, index: index === undefined ? null : Number(index), submission: submission ?? null };
}

/** A page's task, checked against the page's address; `said` is what the page says of itself. */
export async function taskHere(place: Place, said: DOMStringMap | Readonly<Record<string, string | undefined>>): Promise<OpenTask> {
  const other = (field: string): never => refuse('untrue', field, `${field} is not so: the page says another one than its address`);
  if (said.charter !== place.charter) other('charter');
  if (place.index !== null && said.index !== String(place.index)) other('index');
  const task = await fetchTask(place.charter);
  if (said.network !== task.charter.network.name) other('charter.network');
  return task;
}
