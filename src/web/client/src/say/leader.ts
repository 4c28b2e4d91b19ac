// What a project's leader says of a task with the identity of this browser: that work is merged or released, who did it and
// is paid, and what is to be known. The leader's key moves no money.

import { hash } from '../core/bytes.ts';
import type { Charter } from '../core/charter.ts';
import { refuse } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import { MAX_U32, integer } from '../core/number.ts';
import { readPayees } from '../core/payees.ts';
import type { KeyPair } from '../core/point.ts';
import { findSecret } from '../core/secret.ts';
import { sponsorSpeaker } from '../core/signature.ts';
import { confirmation } from '../core/statement.ts';
import { handedIn, type Now } from '../core/work.ts';
import { partWords, payeeWords, span } from '../core/words.ts';
import { stamp } from '../sign/words.ts';
import { fieldsOf, type SubmissionView } from '../sponsor/views.ts';
import { getJson } from '../ui/api.ts';
import { digestOf } from '../ui/digest.ts';
import { element } from '../ui/element.ts';
import { identityPanel } from '../ui/identity.ts';
import { byId, valueOf } from '../ui/page.ts';
import { EXTENSION, signer } from '../ui/statements.ts';
import { evidenceForm, type About } from './evidence.ts';
import { inTwoSteps } from './steps.ts';

/** Median time past is some hours behind at most; a block that is older is not the newest. Regtest's clock is its own. */
const BEHIND_SECS = 12 * 3600;

/** The task as the service tells it now. What it says of the newest block is its word; what is plainly old is not signed. */
export function nowIn(charter: Charter, answer: Json, clockSecs: number): Now {
  const view = fieldsOf(answer, 'task');
  if ((view['tip'] ?? null) === null) refuse('chain_unknown', 'tip', 'the chain is not known yet: try again in a few seconds');
  const tip = fieldsOf(view['tip'], 'tip');
  const all = view['submissions'];
  const now = {
    height: integer(tip['height'], 'tip.height', 0, MAX_U32), hash: hash(tip['hash'], 'tip.hash'), mtpSecs: integer(tip['mtp_secs'], 'tip.mtp_secs', 0, MAX_U32),
    submissions: Array.isArray(all) ? all.length : refuse('answer', 'submissions', 'submissions: the service\'s answer is not one'),
  };
  if (charter.network.name !== 'regtest' && now.mtpSecs < clockSecs - BEHIND_SECS) {
    refuse('behind', 'tip', `the newest block that the service knows is of ${stamp(now.mtpSecs)}: it is behind, and words would name an old block. Try again later`);
  }
  return now;
}

const now = async (charter: Charter): Promise<Now> => nowIn(charter, await getJson(charter.id, ''), Math.floor(Date.now() / 1000));

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
  const who = element('details', {}, element('summary', {}, 'Who signs'), panel);
  forms.hidden = true;
  place.append(words, forms, who);
  identityPanel(panel, (identity) => {
    const is = identity?.kind === 'key' && identity.publicKey === leader;
    forms.hidden = !is;
    who.open = !is;
    words.textContent = is ? 'You lead this project, by the key that the charter names.'
      : identity === null ? 'Choose who signs: the identity that the charter names as leader.'
        : identity.kind === 'extension' ? EXTENSION : 'The identity in this browser is not the leader that the charter names. Choose that one, or use the command line.';
  });
}

/** The forms about one submission; `open` where it may still be confirmed. */
export function aboutSubmission(place: HTMLElement, charter: Charter, work: SubmissionView, open: boolean, said: () => Promise<void>): void {
  const { leader } = charter.fields;
  if (leader === null) return;
  const about: About = { network: charter.network.name, charter: charter.id, submission: work.id };
  const speaker = sponsorSpeaker(leader.key);
  const forms = element('div', {},
    ...(charter.awaits !== null && open ? [confirmForm(charter, about, work, charter.awaits, said)] : []),
    element('h3', {}, 'Say something on it'),
    evidenceForm(about, [{ by: 'leader', words: 'The project\'s leader', speaker, key: () => leaderKey(charter) }], said));
  whileLeader(place, leader.key, forms);
}

/** A confirmation of `work` under the newest block; that block opens the vote's window. */
export function confirming(about: About, work: SubmissionView, confirmed: 'merged' | 'released', { height, hash: block }: Now):
{ statement: ReturnType<typeof confirmation>; json: Readonly<Record<string, unknown>> } {
  if (height < work.fields.blockHeight) {
    refuse('confirmation_block', 'block_height', 'the service tells of a block below the one that the work names: it is behind, or wrong. Try again later');
  }
  const fields = { ...about, confirmed };
  return { statement: confirmation({ ...fields, blockHeight: height, blockHash: block }), json: { ...fields, block_height: height, block_hash: block } };
}

function confirmForm(charter: Charter, about: About, work: SubmissionView, confirmed: 'merged' | 'released', said: () => Promise<void>): HTMLElement {
  const sure = element('input', { type: 'checkbox', id: 'confirm-sure' });
  const form = element('form', { id: 'confirm', novalidate: true },
    element('h3', {}, `Is it ${confirmed}?`),
    element('p', {}, `Your word opens the vote, for ${span(charter.fields.review_secs)}. It is given once and cannot be taken back.`),
    element('label', { class: 'choice' }, sure, element('span', {}, `I have looked: what the work links to is ${confirmed}.`)));
  inTwoSteps(form, {
    charter: charter.id, path: '/confirmations', look: 'See what would be signed', send: `Confirm that it is ${confirmed}`,
    async make() {
      if (!sure.checked) refuse('not_sure', 'confirmed', 'tick the box first, once you have looked');
      const at = await now(charter);
      const sentence = `the work is ${confirmed}, and votes are open from block ${at.height} on, ${stamp(at.mtpSecs)} by the chain's time. Compare that block with what your own node or an explorer says.`;
      return { ...confirming(about, work, confirmed, at), sentence };
    },
    key: () => leaderKey(charter),
    async done() {
      await said();
      form.replaceChildren(element('p', { class: 'note good', role: 'status' }, 'Taken: sponsors vote from now on.'));
      return '';
    },
  });
  return form;
}

/** The form in which a leader names who did the work: it stands in the page, and is sent from here. */
export function naming(place: HTMLElement, charter: Charter): void {
  const { leader, milestones } = charter.fields;
  if (leader === null) return;
  const form = byId<HTMLFormElement>('name-leader-form');
  const parts = document.getElementById('name-milestone');
  // The charter says which parts there are, not the page.
  parts?.replaceChildren(element('option', { value: '' }, 'Choose the milestone'), ...milestones.map((_, at) => element('option', { value: String(at) }, partWords(milestones, at))));
  form.hidden = false;
  inTwoSteps(form, {
    charter: charter.id, path: '/submissions', look: 'See what would be signed', send: 'Sign and hand in',
    async make() {
      const [content] = byId<HTMLInputElement>('name-content').files ?? [];
      const [link, written] = [valueOf('name-link'), byId<HTMLTextAreaElement>('name-payees').value];
      const part = parts === null ? '' : valueOf('name-milestone');
      if (content === undefined) return refuse('content', 'content', 'choose the file that is delivered: its SHA-256 is signed, the file stays here');
      if (findSecret(written) !== null) refuse('key_private', 'named', 'the payees hold a private key or recovery words: it was not sent. Take them out');
      const payees = readPayees(written);
      const milestone = milestones.length > 1 && part !== '' ? Number(part) : null;
      const digest = await digestOf(content);
      const made = handedIn(charter, 'leader', { link, content: digest, milestone, payees }, await now(charter));
      const which = milestone === null ? 'the work' : partWords(milestones, milestone);
      return { ...made, sentence: `${which} is there, and whoever votes yes pays ${payeeWords(payees)}, in place of the charter's payees.` };
    },
    key: () => leaderKey(charter),
    done(answer) {
      location.assign(`/tasks/${charter.id}/submissions/${hash(fieldsOf(answer, 'submission')['id'], 'id')}`);
      return Promise.resolve('Taken.');
    },
  });
  whileLeader(place, leader.key, element('div', {}, form));
}
