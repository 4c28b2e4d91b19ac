// The service's JSON. Its errors come as problem documents (RFC 9457) and are thrown with their code and words; an answer
// that is no JSON, or none at all, is an error of its own kind, so that whoever waits may try again.

import { UpfrontError } from '../core/error.ts';
import { parseJson, type Json } from '../core/json.ts';

const BASE = '/api/v1';

/** An answer with a problem, or no answer. */
export class ServiceError extends UpfrontError {
  /** 0 where nothing answered. */
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(code, 'service', message);
    this.status = status;
  }

  /** Whether the same may work a little later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500 || ['unknown_outpoint', 'chain_unknown'].includes(this.code);
  }
}

const taskPath = (charter: string, rest: string): string => `${BASE}/tasks/${charter}${rest}`;

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...options, credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(30_000) });
  } catch {
    throw new ServiceError('unreachable', 'The service does not answer. Check your connection, and try again.', 0);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response: Response): Promise<ServiceError> {
  const otherwise = new ServiceError('unknown', `The service answered ${response.status} without saying why.`, response.status);
  try {
    const { code, detail } = (await response.json()) as { code?: unknown; detail?: unknown };
    if (typeof code !== 'string' || typeof detail !== 'string') return otherwise;
    return new ServiceError(code.slice(0, 60), detail.slice(0, 600), response.status);
  } catch {
    return otherwise;
  }
}

/** What is no JSON comes from something in between, a hotel's page say: no answer, and no lie of the service's. */
async function json(response: Response): Promise<Json> {
  try {
    return parseJson(await response.text(), 'answer');
  } catch {
    throw new ServiceError('no_answer', 'Something between this page and the service answered in its place. Check your connection, and try again.', 0);
  }
}

export async function getPath(path: string): Promise<Json> {
  return json(await ask(`${BASE}${path}`, { headers: { accept: 'application/json' } }));
}

export const getJson = (charter: string, rest: string): Promise<Json> => getPath(`/tasks/${charter}${rest}`);

export async function getText(charter: string, rest: string): Promise<string> {
  return (await ask(taskPath(charter, rest), { headers: { accept: 'application/json' } })).text();
}

export async function postJson(charter: string, rest: string, body: unknown): Promise<Json> {
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  return json(await ask(taskPath(charter, rest), { method: 'POST', headers, body: JSON.stringify(body) }));
}
