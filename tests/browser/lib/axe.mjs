// axe-core on a page as it is, under the policy it was served with: the library runs in a world of its own beside the
// page's scripts, which shares the document and nothing else.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WORLD = 'accessibility';

/** Findings that bar somebody from a page. */
const GRAVE = ['serious', 'critical'];

/** Serious and critical findings, one line each; none is what a page should have. `rules`: only these. */
export async function axeFindings(page, rules) {
  const session = await page.context().newCDPSession(page);
  try {
    const { frameTree } = await session.send('Page.getFrameTree');
    const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
      frameId: frameTree.frame.id,
      worldName: WORLD,
    });
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
        expression,
        contextId,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(`axe: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
      return result.value;
    };
    await evaluate(`${SOURCE};undefined`);
    const report = await evaluate(`axe.run(document, ${JSON.stringify({ preload: false, resultTypes: ['violations'], ...(rules && { runOnly: rules }) })}).then((report) => ({
      rules: report.passes.length + report.violations.length,
      violations: report.violations.map(({ id, impact, help, nodes }) => ({
        id, impact, help,
        nodes: nodes.map(({ target, failureSummary }) => ({ target: target.join(' '), why: failureSummary })),
      })),
    }))`);
    // A run that looked at nothing would find nothing.
    if (report.rules === 0) throw new Error('axe applied no rule to the page');
    return report.violations
      .filter(({ impact }) => GRAVE.includes(impact))
      .flatMap(({ id, impact, help, nodes }) =>
        nodes.map(({ target, why }) => `${impact} ${id}: ${help}: ${target}: ${why?.replaceAll(/\s+/g, ' ')}`));
  } finally {
    await session.detach().catch(() => undefined);
  }
}

/** Fails on any serious or critical finding. `rules`: only these are applied. */
export async function axe(page, rules) {
  const findings = await axeFindings(page, rules);
  if (findings.length > 0) throw new Error(`axe on ${page.url()}:\n${findings.join('\n')}`);
}
