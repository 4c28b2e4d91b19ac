// Watches everything that happens in a browser context and remembers what must not happen on any page: a request to
// another host, a violation of the content security policy, an uncaught error, a console error, a dead page, a failed
// request, a document without a policy. Tests do not ask for this; the runner does, after each of them.

import { sleep } from './processes.mjs';

/** What is told of a page where nothing must be told. */
export class Guard {
  problems = [];
  /** Every document of our origins that was loaded: URL, status, type, policy. */
  documents = [];
  /** Every URL that was asked for. */
  requests = [];
  #allowed = [];
  #origins;
  #sessions = [];

  constructor(context, origins) {
    this.context = context;
    this.#origins = new Set(origins.map((url) => (url.startsWith('file:') ? 'file:' : new URL(url).origin)));
  }

  /** Watches a context from its first page on. `origins` are URLs of those who may be asked. */
  static async over(context, origins) {
    const guard = new Guard(context, origins);
    context.on('request', (request) => guard.#request(request));
    context.on('requestfailed', (request) => guard.#failed(request));
    context.on('response', (response) => guard.#response(response));
    context.on('weberror', (error) => guard.#tell('uncaught error', error.error()?.message ?? String(error.error())));
    context.on('console', (message) => {
      if (message.type() === 'error') guard.#tell('console error', `${message.text()} (${message.location().url})`);
    });
    context.on('page', (page) => guard.#page(page));
    // The event reaches also those documents that are gone before the browser's own report is read.
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(`securitypolicyviolation: ${event.effectiveDirective} ${event.blockedURI}`);
      });
    });
    return guard;
  }

  /** What a test brings about on purpose: problems that match are none. What never happens must not be allowed. */
  allow(pattern) {
    this.#allowed.push(pattern);
  }

  /** What came before was the test's own doing: watching begins now. */
  forget() {
    this.problems.length = 0;
    this.requests.length = 0;
  }

  /** Once whatever is on its way here has arrived: the problems, and what was allowed in vain. */
  async verdict() {
    await sleep(50);
    // No timers in there: in a sandboxed document they never fire.
    const asked = this.context.pages().map((page) => page.evaluate(() => 0).catch(() => undefined));
    await Promise.race([Promise.all(asked), sleep(2_000)]);
    const left = this.problems.filter((problem) => !this.#allowed.some((pattern) => pattern.test(problem)));
    const vain = this.#allowed.filter((pattern) => !this.problems.some((problem) => pattern.test(problem)));
    return [...left, ...vain.map((pattern) => `allowed, but it did not happen: ${pattern}`)];
  }

  #tell(kind, words) {
    const problem = `${kind}: ${words}`;
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  #ours(url) {
    const { protocol, origin } = new URL(url);
    if (['data:', 'blob:', 'about:'].includes(protocol)) return true;
    return this.#origins.has(protocol === 'file:' ? 'file:' : origin);
  }

  #request(request) {
    this.requests.push(request.url());
    if (!this.#ours(request.url())) this.#tell('request to another host', request.url());
  }

  #failed(request) {
    const why = request.failure()?.errorText ?? 'failed';
    // Whoever leaves a page, or takes a file, breaks off what is under way.
    if (why !== 'net::ERR_ABORTED') this.#tell('request failed', `${request.url()} ${why}`);
  }

  #response(response) {
    if (response.status() >= 500) this.#tell('server error', `${response.status()} ${response.url()}`);
    const request = response.request();
    if (request.resourceType() !== 'document' || !response.url().startsWith('http') || !this.#ours(response.url())) return;
    const { 'content-security-policy': policy, 'content-type': type = '' } = response.headers();
    this.documents.push({ url: response.url(), status: response.status(), type, policy });
    const redirect = response.status() >= 300 && response.status() < 400;
    if (!policy && !redirect) this.#tell('no content security policy', response.url());
  }

  // What a page may make the browser do without a request that anybody sees: preconnect, look up a name.
  async #links(page) {
    const links = await page.evaluate(() => [...document.querySelectorAll('link[href]')].map(({ href }) => href)).catch(() => []);
    for (const link of links) if (!this.#ours(link)) this.#tell('link to another host', link);
  }

  async #page(page) {
    page.on('domcontentloaded', () => this.#links(page));
    page.on('crash', () => this.#tell('the page died', page.url()));
    page.on('websocket', (socket) => {
      if (!this.#ours(socket.url().replace(/^ws/, 'http'))) this.#tell('request to another host', socket.url());
    });
    // The browser's own report, which no script of a page can keep back. A page that is gone already has none.
    try {
      const session = await page.context().newCDPSession(page);
      this.#sessions.push(session);
      session.on('Audits.issueAdded', ({ issue }) => {
        const found = issue.details.contentSecurityPolicyIssueDetails;
        if (issue.code === 'ContentSecurityPolicyIssue') {
          this.#tell('policy violation', `${found.violatedDirective} ${found.blockedURL ?? found.contentSecurityPolicyViolationType}`);
        }
      });
      await session.send('Audits.enable');
    } catch (error) {
      if (!page.isClosed()) this.#tell('the guard could not watch', error.message);
    }
  }
}
