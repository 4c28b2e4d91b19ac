// A small server of pages that a test makes up, with the policy of the real ones: to see the tools of these tests fail.

import { createServer } from 'node:http';
import { POLICY } from './policy.mjs';

/** Serves `files`: path to text, or to `{ type, body, policy, status }`. A policy of null is none. */
export async function fixture(t, files) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const file = files[request.url];
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { type = kind(request.url), body = '', policy = POLICY, status = 200 } = typeof file === 'string' ? { body: file } : file;
    response.writeHead(status, { 'content-type': type, ...(policy === null ? {} : { 'content-security-policy': policy }) });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

function kind(path) {
  if (path.endsWith('.js')) return 'text/javascript';
  if (path.endsWith('.css')) return 'text/css';
  if (path.endsWith('.svg')) return 'image/svg+xml';
  if (path.endsWith('.json')) return 'application/json';
  return 'text/html; charset=utf-8';
}

/** A page without a fault, around `body`. */
export const html = (body, head = '') =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Fixture</title><link rel="icon" href="data:,">${head}</head>` +
  `<body><main><h1>Fixture</h1>${body}</main></body></html>`;
