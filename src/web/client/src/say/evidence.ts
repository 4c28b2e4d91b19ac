// A dispute or evidence, written and signed in the page: by a sponsor with the key of a pledge, or by the project's leader.

import { mayDispute, nextEvidence, oneLine, type Spoken } from '../core/evidence.ts';
import type { Json } from '../core/json.ts';
import type { KeyPair } from '../core/point.ts';
import { parseSignature, verifies, type Speaker } from '../core/signature.ts';
import { evidence, type EvidenceFields } from '../core/statement.ts';
import { evidenceWords } from '../desk/words.ts';
import { getJson } from '../ui/api.ts';
import { digestsOf } from '../ui/digest.ts';
import { element } from '../ui/element.ts';
import { inTwoSteps } from './steps.ts';

/** What is spoken about. */
export type About = Pick<EvidenceFields, 'network' | 'charter' | 'submission'>;

export interface Party {
  /** `leader`, or `pledge` and its number. */
  readonly by: string;
  readonly words: string;
  /** Under which key the party's words verify. */
  readonly speaker: Speaker;
  key(): Promise<KeyPair>;
}

/** What a party has said about a submission so far. What it did not sign is not its word: else whoever tells of it could use up
 * its counters. */
export function spokenBy({ by, speaker }: Pick<Party, 'by' | 'speaker'>, about: About, view: Json): Spoken[] {
  const list = typeof view === 'object' && view !== null && 'evidence' in view ? view.evidence : [];
  if (!Array.isArray(list)) return [];
  return (list as readonly ({ statement?: EvidenceFields; signature?: unknown } | null)[]).flatMap((entry) => {
    const { statement: said, signature } = entry ?? {};
    if (said?.by !== by || typeof signature !== 'string') return [];
    try {
      const { kind, text, attachments, counter } = said;
      const own = verifies(evidence({ ...about, kind, by, text, attachments, counter }), parseSignature(signature, 'evidence'), speaker);
      return own ? [{ by, kind, text, attachments, counter }] : [];
    } catch {
      return [];
    }
  });
}

/** The form, for one of `parties`; `said` is called once it was taken. */
export function evidenceForm(about: About, parties: readonly [Party, ...Party[]], said: () => Promise<void>): HTMLFormElement {
  const id = `evidence-${parties[0].by.split(' ')[0] ?? ''}`;
  const who = element('select', { id: `${id}-who` }, ...parties.map(({ by, words }) => element('option', { value: by }, words)));
  const text = element('textarea', { id: `${id}-text`, rows: '4', autocomplete: 'off', 'aria-describedby': `${id}-hint` });
  const files = element('input', { id: `${id}-files`, type: 'file', multiple: true, 'aria-describedby': `${id}-files-hint` });
  const dispute = element('input', { type: 'checkbox', id: `${id}-dispute` });
  const form = element('form', { id, novalidate: true },
    ...(parties.length === 1 ? [] : [element('div', { class: 'field' }, element('label', { for: `${id}-who` }, 'For which pledge'), who)]),
    element('div', { class: 'field' }, element('label', { for: `${id}-text` }, 'What is to be known'), text,
      element('p', { class: 'hint', id: `${id}-hint` }, 'At most 2000 bytes; line breaks become spaces. Everybody can read it, and it cannot be taken back.')),
    element('div', { class: 'field' }, element('label', { for: `${id}-files` }, 'Files that belong to it'), files,
      element('p', { class: 'hint', id: `${id}-files-hint` }, 'Up to eight. Their SHA-256 is signed; the files stay here. Keep them for whoever asks.')),
    ...(parties.some(({ by }) => mayDispute(by)) ? [element('label', { class: 'choice' }, dispute, element('span', {}, 'Open a dispute with it'))] : []));
  const party = (): Party => parties.find(({ by }) => by === who.value) ?? parties[0];
  inTwoSteps(form, {
    charter: about.charter, path: '/evidence', look: 'See what would be signed', send: 'Sign and publish it',
    async make() {
      // All that was written, before anything takes time.
      const speaks = party();
      const written = { ...about, by: speaks.by, kind: dispute.checked ? 'dispute' as const : 'evidence' as const, text: oneLine(text.value) };
      const chosen = [...(files.files ?? [])];
      nextEvidence({ ...written, attachments: [] }, []);
      const attachments = await digestsOf(chosen);
      const spoken = spokenBy(speaks, about, await getJson(about.charter, `/submissions/${about.submission}`));
      const fields = nextEvidence({ ...written, attachments }, spoken);
      return { statement: evidence(fields), json: { ...fields }, sentence: evidenceWords(fields.by, fields.kind === 'dispute', fields.text) };
    },
    key: () => party().key(),
    async done() {
      await said();
      return 'Taken: it stands above.';
    },
  });
  return form;
}
