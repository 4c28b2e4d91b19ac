// What a page costs: bytes over the wire as the browser counts them, and what the first paint waits for.

/**
 * Loads `url` in a page that has loaded nothing before and measures: `total`, and by kind (`Document`, `Stylesheet`,
 * `Script`, ...), bytes with headers; `files`, each with its kind and bytes; `blocking`, what the browser held the first
 * paint back for.
 */
export async function weigh(page, url) {
  const session = await page.context().newCDPSession(page);
  const responses = new Map();
  const files = [];
  session.on('Network.responseReceived', ({ requestId, response, type }) => responses.set(requestId, { url: response.url, type }));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const response = responses.get(requestId);
    if (response && !response.url.startsWith('data:')) files.push({ ...response, bytes: encodedDataLength });
  });
  await session.send('Network.enable');
  await page.goto(url, { waitUntil: 'load' });
  // Modules, and what they ask for, come after `load`; a stream of events never ends.
  await page.waitForTimeout(500);
  const blocking = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter(({ renderBlockingStatus }) => renderBlockingStatus === 'blocking').map(({ name }) => name));
  await session.detach();
  const kinds = {};
  for (const { type, bytes } of files) kinds[type] = (kinds[type] ?? 0) + bytes;
  return { total: files.reduce((sum, { bytes }) => sum + bytes, 0), kinds, files, blocking };
}
