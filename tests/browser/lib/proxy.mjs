// A server that lies: an HTTP proxy between the browser and the real service, which is its public address. It passes
// everything on as it is, streams too, until it is told a lie: then it alters a named field, or any text, in the answers it
// is told of, on their way to the browser. The service itself never knows.

import { createServer, request as forward } from 'node:http';
import { freePort } from './processes.mjs';

export class Liar {
  #lies = [];
  #target;

  /** Listens; `target` (a URL) may be set later, when the service behind it exists. */
  static async start() {
    const liar = new Liar();
    liar.port = await freePort();
    liar.url = `http://127.0.0.1:${liar.port}`;
    liar.server = createServer((request, response) => liar.#serve(request, response));
    await new Promise((resolve) => liar.server.listen(liar.port, '127.0.0.1', resolve));
    return liar;
  }

  set target(url) {
    this.#target = new URL(url);
  }

  /**
   * Tells a lie from now on: `alter(body, { path, type, json })` for every answer to a path that matches; it returns the new
   * body (text, or for JSON an object), or undefined to leave it. The lie counts how often it was told.
   */
  tell(path, alter) {
    const lie = { path, alter, told: 0, paths: [] };
    this.#lies.push(lie);
    return lie;
  }

  /** Swaps a field of JSON answers: `field` as `pledge.outpoints.0.amount_sat`, `*` for every element. */
  tellField(path, field, value) {
    return this.tell(path, (body, { json }) => (json !== undefined && setField(json, field.split('.'), value) ? json : undefined));
  }

  /** Swaps a text for another wherever it stands, in JSON, pages and pictures: a liar that is at one with itself. */
  tellText(from, to, path = /./) {
    return this.tell(path, (body) => (body.includes(from) ? body.replaceAll(from, to) : undefined));
  }

  /** Serves something else in the place of an answer, with other headers if there are any. */
  tellInstead(path, body, headers = {}) {
    return Object.assign(this.tell(path, () => body), { headers });
  }

  repent() {
    this.#lies = [];
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  #serve(request, response) {
    const lies = this.#lies.filter(({ path }) => path.test(request.url));
    const headers = { ...request.headers };
    if (lies.length > 0) {
      // What shall be altered must be readable, and there.
      headers['accept-encoding'] = 'identity';
      delete headers['if-none-match'];
    }
    const { hostname, port } = this.#target;
    const onward = forward({ hostname, port, method: request.method, path: request.url, headers }, (answer) => {
      const streams = (answer.headers['content-type'] ?? '').startsWith('text/event-stream');
      if (lies.length === 0 || streams) {
        response.writeHead(answer.statusCode, answer.headers);
        response.flushHeaders();
        answer.pipe(response);
        return;
      }
      this.#alter(request, answer, response, lies);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  #alter(request, answer, response, lies) {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('end', () => {
      const type = answer.headers['content-type'] ?? '';
      let body = Buffer.concat(parts).toString();
      const headers = { ...answer.headers };
      for (const lie of lies) {
        const json = type.includes('json') ? parse(body) : undefined;
        const altered = lie.alter(body, { path: request.url, type, json });
        if (altered === undefined) continue;
        const text = typeof altered === 'string' ? altered : JSON.stringify(altered);
        if (text === body) continue;
        body = text;
        Object.assign(headers, lie.headers);
        lie.told += 1;
        lie.paths.push(request.url);
      }
      headers['content-length'] = Buffer.byteLength(body);
      delete headers.etag;
      delete headers['transfer-encoding'];
      response.writeHead(answer.statusCode, headers);
      response.end(body);
    });
    answer.on('error', () => response.destroy());
  }
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

// Sets a field that is there; says whether anything was set.
function setField(at, [name, ...rest], value) {
  if (at === null || typeof at !== 'object') return false;
  if (name === '*') return Object.keys(at).map((key) => setField(at, [key, ...rest], value)).some(Boolean);
  if (!(name in at)) return false;
  if (rest.length > 0) return setField(at[name], rest, value);
  at[name] = typeof value === 'function' ? value(at[name]) : value;
  return true;
}
