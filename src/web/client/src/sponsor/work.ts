// Delivered work that people decide about: fetched, checked, compared with what stands on the page, and shown from the words
// that were signed.

import type { Charter } from '../core/charter.ts';
import { refuse } from '../core/error.ts';
import { inert, payeeWords } from '../core/words.ts';
import { getJson } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { checkedWork } from './ballot.ts';
import { partOf } from './milestone.ts';
import { submissionOf, type SubmissionView } from './views.ts';

/** The work under this id as it was signed; what `shown` says of it must be the same, since that is what people read. */
export async function workShown(charter: Charter, asked: string, shown: HTMLElement | null): Promise<SubmissionView> {
  const view = checkedWork(charter, submissionOf(await getJson(charter.id, `/submissions/${asked}`)), asked);
  if (shown === null) return view;
  const { link, content } = view.fields;
  const text = shown.textContent ?? '';
  const leads = shown.querySelector('a')?.getAttribute('href') ?? link;
  if (leads !== link || !text.includes(inert(link)) || !text.includes(content)) {
    refuse('untrue', 'submission', 'this page shows other work than was signed: sign nothing here');
  }
  return view;
}

/** What is decided about, from the words that were signed. */
export function workPanel(charter: Charter, view: SubmissionView, what: string, binds: string): HTMLElement {
  const { fields } = view;
  const link = inert(fields.link);
  const part = partOf(charter, view);
  return element('dl', { class: 'rows signed-work' },
    element('div', {}, element('dt', {}, what), element('dd', {}, /^https?:\/\//.test(link) && link === fields.link ? element('a', { href: link, rel: 'noopener noreferrer nofollow' }, link) : link)),
    ...(part === null ? [] : [element('div', {}, element('dt', {}, 'It is'), element('dd', { class: 'signed-part' }, part))]),
    element('div', {}, element('dt', {}, 'Its bytes'), element('dd', { class: 'hash' }, `sha256 ${fields.content}`)),
    ...(fields.named ? [element('div', {}, element('dt', {}, 'Paid to others'), element('dd', { class: 'signed-payees' },
      `The ${fields.named.by} names other payees than the terms; only a yes pays them: ${payeeWords(fields.named.payees)}.`))] : []),
    element('div', {}, element('dt', {}, 'Checked'), element('dd', {}, `The ${fields.named?.by ?? 'developer'} signed this link and these bytes; ${binds}.`)));
}
