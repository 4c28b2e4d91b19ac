// Everything that a page sends, down to the bodies: to see that a secret is in none of it.

/** Writes down what the page asks for from now on: method, URL and body of each request. */
export function recordSent(page) {
  const sent = [];
  page.context().on('request', (request) => {
    sent.push({ method: request.method(), url: request.url(), headers: JSON.stringify(request.headers()), body: request.postData() ?? '' });
  });
  return sent;
}

/** Which requests carry a text, or a third of it that is long enough to be telling, in any spelling that forms and URLs have. */
export function carrying(sent, secret) {
  const third = Math.max(20, Math.ceil(secret.length / 3));
  const pieces = [];
  for (let from = 0; from + third <= secret.length; from += third) pieces.push(secret.slice(from, from + third));
  const plain = (text) => {
    try {
      return decodeURIComponent(text.replaceAll('+', ' '));
    } catch {
      return text;
    }
  };
  return sent.filter(({ url, headers, body }) =>
    [url, headers, body].some((text) => pieces.some((piece) => text.includes(piece) || plain(text).includes(piece))));
}
