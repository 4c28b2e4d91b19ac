// The last line of "no request leaves for anybody else": the browser is told that everything but this machine is reached
// through a proxy, and the proxy is this recorder, which writes down who was asked for and serves nobody. It sees also what
// pages do when nobody watches them any more, and workers and frames that no page event tells of.

import { createServer } from 'node:http';

/** Whom Debian's Chromium asks for by itself, whatever it shows and whatever it is told. */
const ITS_MAKERS = /^(https?:\/\/)?(accounts\.google\.com|(update|content-autofill)\.googleapis\.com)\b/;

export async function startRecorder() {
  const asked = [];
  const record = (url) => ITS_MAKERS.test(url) || asked.push(url);
  const server = createServer((request, response) => {
    record(request.url);
    response.writeHead(502).end();
  });
  server.on('connect', (request, socket) => {
    record(request.url);
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    /** Hosts that somebody wanted, in order. */
    asked,
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
