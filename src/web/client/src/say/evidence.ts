// A dispute or evidence, written and signed in the page: by a sponsor with the key of a pledge, or by the project's leader.

import { hex } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { UpfrontError } from '../core/error.ts';
import { mayDispute, nextEvidence, type Spoken } from '../core/evidence.ts';
import type { Json } from '../core/json.ts';
import type { KeyPair } from '../core/point.ts';
import { signStatement } from '../core/signature.ts';
import { evidence, type EvidenceFields } from '../core/statement.ts';
import { getJson, postJson } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { sayer, wordsOf } from '../ui/page.ts';

/** What is spoken about. */
export type About = Pick<EvidenceFields, 'network' | 'charter' | 'submission'>;

/** What was said about a submission so far: whose, and under which counters. */
export function spokenIn(view: Json): Spoken[] {
  const list = typeof view === 'object' && view !== null && 'evidence' in view ? view.evidence : [];
  if (!Array.isArray(list)) return [];
  return (list as readonly { statement?: { by?: unknown; counter?: unknown } }[]).flatMap(({ statement }) =>
    typeof statement?.by === 'string' && Number.isSafeInteger(statement.counter) ? [{ by: statement.by, counter: statement.counter as number }] : []);
}

/** As one line, as it is signed. */
export const oneLine = (text: string): string => text.replace(/\s*[\r\n]+\s*/g, ' ').trim();

export const digestOf = async (file: File): Promise<string> => hex(sha256(new Uint8Array(await file.arrayBuffer())));

/** Signs and hands in. The same words sent twice are two statements: the counter says which came first. */
async function sayIt(about: About, by: string, said: Pick<EvidenceFields, 'kind' | 'text' | 'attachments'>, key: () => Promise<KeyPair>): Promise<void> {
  const spoken = spokenIn(await getJson(about.charter, `/submissions/${about.submission}`));
  const fields = nextEvidence({ ...about, ...said, by }, spoken);
  await postJson(about.charter, '/evidence', { statement: fields, signature: signStatement(evidence(fields), await key()) });
}

export interface Party {
  /** `leader`, or `pledge` and its number. */
  readonly by: string;
  readonly words: string;
  key(): Promise<KeyPair>;
}

/** The form, for one of `parties`; `said` is called once it was taken. */
export function evidenceForm(about: About, parties: readonly Party[], said: () => Promise<void>): HTMLFormElement {
  const id = `evidence-${parties[0]?.by.split(' ')[0] ?? 'none'}`;
  const who = element('select', { id: `${id}-who` }, ...parties.map(({ by, words }) => element('option', { value: by }, words)));
  const text = element('textarea', { id: `${id}-text`, rows: '4', autocomplete: 'off', 'aria-describedby': `${id}-hint` });
  const files = element('input', { id: `${id}-files`, type: 'file', multiple: true, 'aria-describedby': `${id}-files-hint` });
  const dispute = element('input', { type: 'checkbox', id: `${id}-dispute` });
  const submit = element('button', { type: 'submit' }, 'Sign and publish it');
  const status = element('p', { role: 'status' });
  const say = sayer(status);
  const form = element('form', { id, novalidate: true },
    ...(parties.length === 1 ? [] : [element('div', { class: 'field' }, element('label', { for: `${id}-who` }, 'For which pledge'), who)]),
    element('div', { class: 'field' }, element('label', { for: `${id}-text` }, 'What is to be known'), text,
      element('p', { class: 'hint', id: `${id}-hint` }, 'At most 2000 bytes; line breaks become spaces. Everybody can read it, and it cannot be taken back.')),
    element('div', { class: 'field' }, element('label', { for: `${id}-files` }, 'Files that belong to it'), files,
      element('p', { class: 'hint', id: `${id}-files-hint` }, 'Up to eight. Their SHA-256 is signed; the files stay here. Keep them for whoever asks.')),
    ...(parties.some(({ by }) => mayDispute(by)) ? [element('label', { class: 'choice' }, dispute, element('span', {}, 'Open a dispute with it'))] : []),
    element('p', { class: 'actions' }, submit), status);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit.disabled = true;
    say('Signing…');
    void (async () => {
      const party = parties.find(({ by }) => by === who.value) ?? parties[0];
      if (party === undefined) throw new UpfrontError('no_pledge', 'by', 'nobody is there to say it');
      const attachments = await Promise.all([...(files.files ?? [])].map(digestOf));
      await sayIt(about, party.by, { kind: dispute.checked ? 'dispute' : 'evidence', text: oneLine(text.value), attachments }, party.key);
      text.value = files.value = '';
      dispute.checked = false;
      await said();
      say('Taken: it stands above.');
    })().catch((error: unknown) => say(wordsOf(error), true)).finally(() => { submit.disabled = false; });
  });
  return form;
}
