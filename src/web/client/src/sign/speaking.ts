// Words that a signer says at the offline page, made from the files given and what was chosen: an attestation, work handed in, a
// word on it, a ruling, a dispute or evidence.

import { oneLine } from '../core/evidence.ts';
import { readPayees } from '../core/payees.ts';
import { speak, toAccept, toAttest, toRule, toSay, toSubmit, type Unsigned } from '../core/proof/speak.ts';
import type { SubmissionState, Task } from '../core/proof/task.ts';
import { findSecret } from '../core/secret.ts';
import type { Role } from '../core/signer-key.ts';
import { inert, partWords, payeeWords, percent } from '../core/words.ts';
import { byId, code, saveLink } from '../offline/dom.ts';
import { digestOf, digestsOf } from '../ui/digest.ts';
import { element } from '../ui/element.ts';
import type { Given } from './files.ts';
import { one, type Prepared } from './prepared.ts';
import * as review from './review.ts';

function prepareWords(unsigned: Unsigned, about: readonly HTMLElement[], confirm: string): Prepared {
  const { role, charter, resource } = unsigned;
  return {
    role, charter, confirm, shown: review.words(unsigned, about),
    async sign(account) {
      const text = speak(unsigned, account);
      const file = `${resource.replace(/s$/, '')}-${role}.json`;
      return [
        element('p', { class: 'good' }, element('strong', {}, `Signed as ${role}. `), 'Nothing was sent.'),
        element('p', {}, saveLink(file, text, `Save ${file}`)),
        element('pre', {}, text),
        element('p', {}, `Take it to the ${resource === 'attestations' ? 'charter\'s page' : resource === 'evidence' ? 'submission\'s page (“Give evidence, or dispute it”)' : 'desk'}, or hand it in from a machine with a network; anybody may:`),
        element('pre', {}, `curl SERVER/api/v1/tasks/${charter.id}/${resource} -H 'Content-Type: application/json' -d @${file}`),
      ];
    },
  };
}

export function attestation(given: readonly Given[], role: Role): Prepared {
  const charters = given.filter((file) => file.kind === 'charter');
  const [file] = charters;
  if (file === undefined || charters.length > 1) return one('Files are missing', charters.length > 1 ? 'There are several charters: keep one.' : 'Add the charter, charter.json.');
  const { charter } = file;
  const texts = given.filter((text) => text.kind === 'text');
  const stranger = texts.find((text) => text.hash !== charter.fields.text_hash);
  if (stranger !== undefined) {
    one('This is another text', `${stranger.name} is not the text that the charter names: its SHA-256 is ${stranger.hash}, not ${charter.fields.text_hash}.`, 'text_hash');
  }
  const text = texts.length > 0
    ? element('p', { class: 'good' }, 'The text beside it is the one that the charter names.')
    : element('p', { class: 'warn' }, 'The task\'s text is in the charter as a hash only. Add the text\'s file to compare it.');
  const about = [
    element('p', {}, `You agree to all of this as ${role}, and prove that you hold the key that the charter names. A charter is never edited: other terms are another charter.`),
    text,
    review.charterTerms(charter),
    element('p', {}, 'Use an account of its own for each charter.'),
  ];
  return prepareWords(toAttest(charter, role), about, `I have read these terms, and agree to them as ${role}.`);
}

const numberOf = (submission: SubmissionState): number => submission.proof.submission.statement.number;

export function acceptance(task: Task, submission: SubmissionState, said: string): Prepared {
  if (said === '') one('Your word is missing', 'Say whether you accept the work or refuse it.');
  const accepted = said === 'yes';
  const about = [
    element('p', {}, accepted
      ? 'You accept the work. With quorum and threshold reached, that frees the money of sponsors who say nothing, and gifts.'
      : 'You refuse the work. The money of sponsors who say nothing stays, and no ruling can overrule that.',
    ' It is said once, and cannot be taken back.'),
    ...review.judged(task, submission),
  ];
  return prepareWords(toAccept(task, submission, accepted), about, `I ${accepted ? 'accept' : 'refuse'} submission ${numberOf(submission)} as representative.`);
}

export function ruling(task: Task, submission: SubmissionState, given: number | null): Prepared {
  const share = given ?? one('The share is missing', 'The share is a whole number from 0 to 10000.', 'pay_bps');
  const about = [
    element('p', {}, `You rule that ${percent(share)} of the money of all noes is paid, and ${percent(10_000 - share)} returns. It is said once, and cannot be taken back.`),
    ...review.judged(task, submission),
  ];
  return prepareWords(toRule(task, submission, share), about, `I rule so over submission ${numberOf(submission)} as arbiter.`);
}

const value = (id: string): string => (document.getElementById(id) as HTMLInputElement).value.trim();

/** What was written is signed and published: a secret in it would be, too. */
function published(...texts: readonly string[]): void {
  if (texts.some((text) => findSecret(text) !== null)) {
    one('This is secret', 'What you wrote holds what looks like a private key or recovery words, and would be published. Take them out.');
  }
}

/** Work that is handed in, from the fields of the page. */
export async function submission(task: Task, role: Role): Promise<Prepared> {
  if (role === 'arbiter') return one('This is not for your seat', 'The developer hands work in; or the representative, naming who did it.', 'role');
  const { milestones } = task.charter.fields;
  const [content] = byId('content', HTMLInputElement).files ?? [];
  if (content === undefined) return one('What is delivered is missing', 'Choose the file that is delivered: its SHA-256 is signed, the file stays here.', 'content');
  const part = value('milestone');
  const [link, written] = [value('link'), byId('payees', HTMLTextAreaElement).value];
  published(written);
  const work = {
    link, content: await digestOf(content), payees: role === 'representative' ? readPayees(written) : [],
    milestone: milestones.length > 1 && part !== '' ? Number(part) : null,
  };
  const unsigned = toSubmit(task, role, work);
  const last = task.submissions.at(-1);
  const waits = last !== undefined && task.window(last) === null;
  const partOf = work.milestone === null ? '' : `, for ${partWords(milestones, work.milestone)}`;
  const about = [
    element('p', {}, role === 'developer'
      ? 'You say that this work is there. What was paid by the block it names votes on it: a yes pays, a no waits for the arbiter.'
      : 'You say that this work is there, and who is paid for it in place of the charter\'s payees. Only sponsors who say yes pay them; nobody rules on the noes.'),
    element('p', {}, `It is number ${Number(unsigned.fields['number']) + 1} of this task${partOf}, and names block ${task.tip.height}, the tip of your `
      + 'document. The service takes it within the next two blocks: sign and hand it in at once, or take a new proof document.'),
    ...(waits ? [element('p', { class: 'warn' }, element('strong', {}, 'It takes the place of the work before it, '),
      'which waits for a merge or release that nobody has confirmed, as of this document. Only the latest can be confirmed.')] : []),
    ...(work.payees.length === 0 ? [] : [element('p', { class: 'warn' }, element('strong', {}, 'Paid in place of the charter\'s payees: '), payeeWords(work.payees))]),
    element('p', {}, 'SHA-256 of ', inert(content.name), ': ', code(work.content)),
    ...review.standing(task),
  ];
  return prepareWords(unsigned, about, `I hand this work in as ${role}.`);
}

/** A dispute or evidence, from the fields of the page. */
export async function evidence(task: Task, about: SubmissionState, role: Role, kind: string): Promise<Prepared> {
  if (kind !== 'dispute' && kind !== 'evidence') return one('What is it?', 'Say whether it is evidence, or opens a dispute.');
  const files = [...(byId('attach', HTMLInputElement).files ?? [])];
  const text = oneLine(byId('evidence-text', HTMLTextAreaElement).value);
  const attachments = await digestsOf(files);
  const unsigned = toSay(task, about, role, { kind, text, attachments });
  const shown = [
    element('p', {}, kind === 'dispute' ? 'You dispute this submission: it is marked so wherever it is shown, and the arbiter reads it. ' : 'You say something about this submission, for everybody to read. ',
      'It moves no money, is published with your seat, and cannot be taken back.'),
    ...files.map((file, at) => element('p', {}, 'SHA-256 of ', inert(file.name), ': ', code(attachments[at] ?? ''), '. Keep the file: whoever reads this may ask you for it.')),
    ...review.judged(task, about),
  ];
  return prepareWords(unsigned, shown, `I say this as ${role}.`);
}
