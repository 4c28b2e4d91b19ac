// What a project's leader says of a task with the identity of this browser: that work is merged or released, who did it and
// is paid, and what is to be known. The leader's key moves no money.

import type { Charter } from '../core/charter.ts';
import { hash } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import { MAX_U32, integer } from '../core/number.ts';
import { readPayees } from '../core/payees.ts';
import type { KeyPair } from '../core/point.ts';
import { findSecret } from '../core/secret.ts';
import { signStatement } from '../core/signature.ts';
import { confirmation, submission } from '../core/statement.ts';
import { span } from '../sign/words.ts';
import { fetchTask } from '../sponsor/task.ts';
import { getJson, postJson } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { identityPanel } from '../ui/identity.ts';
import { byId, sayer, valueOf, wordsOf } from '../ui/page.ts';
import { EXTENSION, signer } from '../ui/statements.ts';
import { digestOf, evidenceForm, type About } from './evidence.ts';

type Fields = { readonly [key: string]: Json };
const fieldsOf = (value: Json | undefined, field: string): Fields =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Fields : refuse('answer', field, `${field}: the service's answer is not one`));

/** The task as the service tells it now: its newest block, and how many submissions there are. */
async function now(charter: string): Promise<{ height: number; hash: string; submissions: number }> {
  const view = fieldsOf(await getJson(charter, ''), 'task');
  if ((view['tip'] ?? null) === null) refuse('chain_unknown', 'tip', 'the chain is not known yet: try again in a few seconds');
  const tip = fieldsOf(view['tip'], 'tip');
  const all = view['submissions'];
  return {
    height: integer(tip['height'], 'tip.height', 0, MAX_U32), hash: hash(tip['hash'], 'tip.hash'),
    submissions: Array.isArray(all) ? all.length : refuse('answer', 'submissions', 'submissions: the service\'s answer is not one'),
  };
}

/** The key here, which must be the charter's leader's. */
async function leaderKey(charter: Charter): Promise<KeyPair> {
  const key = await signer();
  if (charter.fields.leader?.key !== key.publicKey) refuse('wrong_key', 'identity', 'this browser\'s identity is not the leader that the charter names');
  return key;
}

/** Shows `forms` while the identity here is the leader's, and words for everybody else. */
function whileLeader(place: HTMLElement, leader: string, forms: HTMLElement): void {
  const words = element('p', { class: 'small', role: 'status' });
  const panel = element('div');
  forms.hidden = true;
  place.append(words, forms, element('details', {}, element('summary', {}, 'Who signs'), panel));
  const details = place.querySelector('details')!;
  identityPanel(panel, (identity) => {
    const is = identity?.kind === 'key' && identity.publicKey === leader;
    forms.hidden = !is;
    details.open = !is;
    words.textContent = is ? 'You lead this project, by the key that the charter names.'
      : identity === null ? 'Choose who signs: the identity that the charter names as leader.'
        : identity.kind === 'extension' ? EXTENSION : 'The identity in this browser is not the leader that the charter names. Choose that one, or use the command line.';
  });
}

/** The forms about one submission. */
export function aboutSubmission(place: HTMLElement, charter: Charter, about: About, open: { awaits: 'merged' | 'released' | null }, said: () => Promise<void>): void {
  const { leader } = charter.fields;
  if (leader === null) return;
  const forms = element('div', {});
  if (open.awaits !== null) forms.append(confirmForm(charter, about, open.awaits, said));
  forms.append(element('h3', {}, 'Say something on it'), evidenceForm(about, [{ by: 'leader', words: 'The project\'s leader', key: () => leaderKey(charter) }], said));
  whileLeader(place, leader.key, forms);
}

function confirmForm(charter: Charter, about: About, confirmed: 'merged' | 'released', said: () => Promise<void>): HTMLElement {
  const sure = element('input', { type: 'checkbox', id: 'confirm-sure' });
  const submit = element('button', { type: 'submit' }, `Confirm that it is ${confirmed}`);
  const status = element('p', { role: 'status' });
  const say = sayer(status);
  const form = element('form', { id: 'confirm', novalidate: true },
    element('h3', {}, `Is it ${confirmed}?`),
    element('p', {}, `Your word opens the vote, for ${span(charter.fields.review_secs)}. It is given once and cannot be taken back.`),
    element('label', { class: 'choice' }, sure, element('span', {}, `I have looked: what the link above names is ${confirmed}.`)),
    element('p', { class: 'actions' }, submit), status);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!sure.checked) return say('Tick the box first, once you have looked.', true);
    submit.disabled = true;
    say('Signing…');
    void (async () => {
      const { height, hash: block } = await now(charter.id);
      const key = await leaderKey(charter);
      const statement = confirmation({ ...about, confirmed, blockHeight: height, blockHash: block });
      const fields = { ...about, confirmed, block_height: height, block_hash: block };
      await postJson(charter.id, '/confirmations', { statement: fields, signature: signStatement(statement, key) });
      form.replaceChildren(element('p', { class: 'note good', role: 'status' }, 'Taken: sponsors vote from now on.'));
      await said();
    })().catch((error: unknown) => say(wordsOf(error), true)).finally(() => { submit.disabled = false; });
  });
  return form;
}

/** The form in which a leader names who did the work: it stands in the page, and is sent from here. */
export async function naming(place: HTMLElement, charterId: string): Promise<void> {
  const { charter } = await fetchTask(charterId);
  const { leader, network, milestones } = charter.fields;
  if (leader === null) return;
  const form = byId<HTMLFormElement>('name-leader-form');
  const submit = form.querySelector<HTMLButtonElement>('button[type=submit]')!;
  const say = sayer(byId('name-status'));
  const forms = element('div', {}, form);
  form.hidden = false;
  whileLeader(place, leader.key, forms);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit.disabled = true;
    say('Signing…');
    void (async () => {
      const [content] = byId<HTMLInputElement>('name-content').files ?? [];
      if (content === undefined) return refuse('content', 'content', 'choose the file that is delivered: its SHA-256 is signed, the file stays here');
      const link = valueOf('name-link');
      const written = byId<HTMLTextAreaElement>('name-payees').value;
      if ([link, written].some((text) => findSecret(text) !== null)) refuse('key_private', 'link', 'what you wrote holds a private key or recovery words: it was not sent. Take them out');
      const payees = readPayees(written);
      if (payees.length === 0) refuse('payees', 'named', 'write who did the work and is paid, one a line');
      charter.sharesFor(payees);
      const milestone = milestones.length > 1 ? Number(valueOf('name-milestone')) : null;
      const { height, hash: block, submissions } = await now(charter.id);
      const named = { by: 'leader' as const, payees };
      const said = { network, charter: charter.id, number: submissions, link, content: await digestOf(content) };
      const statement = submission({ ...said, blockHeight: height, blockHash: block, milestone, named });
      const fields = { ...said, block_height: height, block_hash: block, ...(milestone === null ? {} : { milestone }), named };
      const answer = fieldsOf(await postJson(charter.id, '/submissions', { statement: fields, signature: signStatement(statement, await leaderKey(charter)) }), 'submission');
      location.assign(`/tasks/${charter.id}/submissions/${hash(answer['id'], 'id')}`);
    })().catch((error: unknown) => say(wordsOf(error), true)).finally(() => { submit.disabled = false; });
  });
}
