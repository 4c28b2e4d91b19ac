// The offline signing page: files in, what they do in words, a key, signed files out. No network, no storage: what is
// given stays in this page and goes with it.

import { textOf } from '../core/bytes.ts';
import { Charter } from '../core/charter.ts';
import { UpfrontError } from '../core/error.ts';
import { Root } from '../core/keys.ts';
import { allowed } from '../core/proof/allowed.ts';
import { checkProof } from '../core/proof/check.ts';
import type { Finding } from '../core/proof/findings.ts';
import type { SubmissionState, Task } from '../core/proof/task.ts';
import { requireSeat, signPlan, type SignedForm } from '../core/settlement/sign.ts';
import { ROLES, type Role } from '../core/signer-key.ts';
import { partWords, percent } from '../core/words.ts';
import { byId, code, saveLink, show } from '../offline/dom.ts';
import { isSealed, openSealed } from '../offline/sealed.ts';
import { element } from '../ui/element.ts';
import type { ProofDocument } from '../core/proof/document.ts';
import type { Psbt } from '../core/psbt.ts';
import { txid } from '../core/tx.ts';
import { breathe } from '../ui/page.ts';
import { MAX_FILE_BYTES, recognise, whatIs, type Given } from './files.ts';
import { Refusal, one, type Prepared } from './prepared.ts';
import * as review from './review.ts';
import * as speaking from './speaking.ts';

type Action = 'settle' | 'attest' | 'submit' | 'accept' | 'rule' | 'evidence';

const page = {
  files: byId('files', HTMLInputElement), drop: byId('drop', HTMLElement), given: byId('given', HTMLElement),
  help: byId('files-help', HTMLElement), paste: byId('paste', HTMLTextAreaElement), role: byId('role', HTMLSelectElement),
  submission: byId('submission', HTMLSelectElement), milestone: byId('milestone', HTMLSelectElement), bps: byId('bps', HTMLInputElement), bpsWords: byId('bps-words', HTMLElement),
  status: byId('status', HTMLElement), review: byId('review', HTMLElement), reviewBody: byId('review-body', HTMLElement),
  signing: byId('signing', HTMLElement), phrase: byId('phrase', HTMLInputElement), keyFile: byId('key-file', HTMLInputElement),
  passphrase: byId('passphrase', HTMLInputElement),
  account: byId('account', HTMLInputElement), accountHelp: byId('account-help', HTMLElement),
  confirmed: byId('confirmed', HTMLInputElement), confirmWords: byId('confirm-words', HTMLElement),
  sign: byId('sign', HTMLButtonElement), check: byId('check', HTMLButtonElement), signStatus: byId('sign-status', HTMLElement),
  result: byId('result', HTMLElement), resultBody: byId('result-body', HTMLElement),
};

/** A page that came from a server takes no key: whoever served it could have changed it. */
const fromDisk = location.protocol === 'file:';
const HELP: Readonly<Record<Action, string>> = {
  settle: 'The proof document (proof.json) and the PSBTs of one settlement, as `upfront settlement export` or the settlement\'s page gives them; and every vote that a sponsor handed to you directly. Where a milestone is paid or pledges move, also the refunds signed beforehand (prepared-refunds.json); for a move the proof document of the other task, too.',
  attest: 'The charter (charter.json). With the task\'s text beside it, its hash is compared with the one in the charter.',
  accept: 'The task\'s proof document (proof.json): the words are made for a submission in it.',
  rule: 'The task\'s proof document (proof.json): the words are made for a submission in it.',
  submit: 'The task\'s proof document (proof.json), as new as you can have it: the words name its newest block.',
  evidence: 'The task\'s proof document (proof.json): the words are made for a submission in it.',
};

let given: Given[] = [];
let prepared: Prepared | null = null;
/** Rises with everything that is chosen anew: what was asked for before it is not wanted any more. */
let asked = 0;

// ---- What is wanted

const chosen = (name: string): string =>
  document.querySelector<HTMLInputElement>(`input[name=${name}]:checked`)?.value ?? '';
const action = (): Action => chosen('action') as Action;

function only<K extends Given['kind']>(kind: K): Extract<Given, { kind: K }>[] {
  return given.filter((file): file is Extract<Given, { kind: K }> => file.kind === kind);
}

function theProof(): Extract<Given, { kind: 'proof' }>['proof'] {
  const proofs = only('proof');
  if (proofs.length !== 1) one('Files are missing', proofs.length === 0 ? 'Add the proof document, proof.json.' : 'There are several proof documents: keep the newest.');
  return proofs[0]?.proof ?? one('Files are missing', 'Add the proof document, proof.json.');
}

/** The proof document of the task that PSBTs are of, and the one of the task that pledges move to, if there are two. */
function twoProofs(psbts: readonly Psbt[]): { proof: ProofDocument; destination: ProofDocument | null } {
  const proofs = only('proof').map((file) => file.proof);
  const ids = new Set(psbts.map((psbt) => txid(psbt.unsignedTx)));
  const spends = (proof: ProofDocument): boolean => proof.settlements.some(({ transactions }) => transactions.flat().some((form) => ids.has(form.txid)));
  const own = proofs.find(spends);
  const [destination = null, ...more] = proofs.filter((proof) => proof !== own && own?.settlements.some(({ terms }) => terms.for.kind === 'move' && terms.for.to === proof.charter_id));
  if (own === undefined || destination === null || more.length > 0 || proofs.length !== 2) return { proof: theProof(), destination: null };
  return { proof: own, destination };
}

function theSeat(): Role {
  return ROLES.find((role) => role === page.role.value) ?? one('Your seat is missing', 'Choose your seat: developer, representative or arbiter.');
}

function theTask(): Task {
  const checked = checkProof(theProof());
  if ('findings' in checked) throw new Refusal('The proof document is not true', checked.findings);
  return checked.task;
}

function theSubmission(task: Task): SubmissionState {
  const wanted = page.submission.value;
  const found = task.submission(wanted) ?? task.submissions.at(-1);
  return found ?? one('There is nothing to judge', 'The document has no submission.');
}

// ---- Checking

function prepareSettlement(): Prepared {
  const psbts = only('psbts').flatMap((file) => file.psbts);
  const names = {
    psbts: only('psbts').flatMap((file) => file.psbts.map(() => file.name)), votes: only('vote').map((file) => file.name),
    refunds: only('refunds').flatMap((file) => file.refunds.map(() => file.name)),
  };
  const { proof, destination } = twoProofs(psbts);
  if (psbts.length === 0) one('Files are missing', 'Add the PSBTs of the settlement.');
  const role = theSeat();
  const votes = only('vote').map((file) => file.vote);
  const refunds = only('refunds').flatMap((file) => file.refunds);
  const verdict = allowed(proof, psbts, role, votes, { refunds, destination });
  if ('findings' in verdict) throw new Refusal('Charter and votes do not allow this', verdict.findings.map((finding) => withFile(finding, names)));
  const { explanation } = verdict;
  const { plan, task } = explanation;
  return {
    role, charter: task.charter, shown: review.settlement(explanation, votes.length),
    confirm: `I have read what this settlement does, and want to sign it as ${role}.`,
    async sign(account) {
      const forms: SignedForm[] = [];
      for (const form of signPlan(task.charter, plan, role, account, explanation.given)) {
        forms.push(form);
        page.signStatus.textContent = `Signed ${forms.length} of ${explanation.given.size}…`;
        await breathe();
      }
      const name = (form: { chunkAt: number; formAt: number }): string => `${form.chunkAt}-${form.formAt}.signed.psbt`;
      const all = JSON.stringify({ psbts: forms.map((form) => form.psbt) });
      return [
        element('p', { class: 'good' }, element('strong', {}, `Signed as ${role}. `), `${forms.length} PSBT${forms.length === 1 ? '' : 's'}. Nothing was sent.`),
        element('p', {}, ...forms.map((form) => saveLink(name(form), `${form.psbt}\n`, `Save ${name(form)}`)), saveLink('signatures.json', `${all}\n`, 'Save all as signatures.json')),
        element('p', {}, 'Take them to a machine with a network: to the settlement\'s page, or'),
        element('pre', {}, `upfront settlement submit ${task.charter.id} ${plan.id} *.signed.psbt`),
        element('p', {}, 'or'),
        element('pre', {}, `curl SERVER/api/v1/tasks/${task.charter.id}/settlements/${plan.id}/signatures -H 'Content-Type: application/json' -d @signatures.json`),
        ...forms.map((form) => element('details', {}, element('summary', {}, `${name(form)} as base64`), element('pre', {}, form.psbt))),
      ];
    },
  };
}

/** A finding about a PSBT, a vote or a refund, with the name of its file. */
function withFile({ field, problem }: Finding, names: Readonly<Record<'psbts' | 'votes' | 'refunds', readonly string[]>>): Finding {
  const found = /^(psbts|votes|refunds)\/(\d+)(.*)$/.exec(field);
  const [, kind, at, rest = ''] = found ?? [];
  const name = kind === 'psbts' || kind === 'votes' || kind === 'refunds' ? names[kind][Number(at)] : undefined;
  return name === undefined ? { field, problem } : { field: `${name}${rest}`, problem };
}

/** The share typed, as basis points; null for anything else. */
function theShare(): number | null {
  const text = page.bps.value.trim();
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 10_000 ? Number(text) : null;
}

/** Of the task of the proof document, and one submission in it. */
function about<T>(make: (task: Task, submission: SubmissionState) => T): T {
  const task = theTask();
  return make(task, theSubmission(task));
}

const PREPARE: Readonly<Record<Action, () => Prepared | Promise<Prepared>>> = {
  settle: prepareSettlement,
  attest: () => speaking.attestation(given, theSeat()),
  submit: () => speaking.submission(theTask(), theSeat()),
  accept: () => about((task, submission) => speaking.acceptance(task, submission, chosen('accepted'))),
  rule: () => about((task, submission) => speaking.ruling(task, submission, theShare())),
  evidence: () => about((task, submission) => speaking.evidence(task, submission, theSeat(), chosen('evidence-kind'))),
};

async function check(): Promise<void> {
  forget();
  page.status.textContent = 'Checking every signature, address and block. This may take a moment.';
  page.check.disabled = true;
  const mine = asked;
  await breathe();
  try {
    const made = await PREPARE[action()]();
    if (mine !== asked) return;
    prepared = made;
    page.reviewBody.replaceChildren(...prepared.shown);
    page.confirmWords.textContent = prepared.confirm;
    page.sign.textContent = `Sign as ${prepared.role}`;
    const named = prepared.charter.signer(prepared.role).account;
    page.account.value = String(named);
    page.accountHelp.textContent = `The charter names account ${named} for the ${prepared.role}.`;
    page.status.textContent = 'Checked. Read what you would sign.';
  } catch (error) {
    if (mine !== asked) return;
    const refused = error instanceof Refusal ? review.refusal(error.title, error.findings)
      : review.refusal('This cannot be used', [inWords(error)]);
    page.reviewBody.replaceChildren(refused);
    page.status.textContent = 'Refused. See what is wrong below.';
  } finally {
    page.check.disabled = false;
  }
  show(page.review, true);
  show(page.signing, prepared !== null && fromDisk);
  page.review.focus();
}

function inWords(error: unknown): Finding {
  if (error instanceof UpfrontError) return { field: error.field, problem: error.message };
  return { field: '', problem: 'this page made a mistake of its own; nothing was signed. Use the command line, and please report it' };
}

/** Whatever was checked is not what is asked for any more. */
function forget(): void {
  asked += 1;
  prepared = null;
  page.confirmed.checked = false;
  page.sign.disabled = true;
  for (const section of [page.review, page.signing, page.result]) show(section, false);
  page.reviewBody.replaceChildren();
  page.resultBody.replaceChildren();
  page.status.textContent = '';
  page.signStatus.textContent = '';
}

// ---- Signing

/** Longest key file, under a passphrase or not. */
const MAX_KEY_FILE_BYTES = 32_768;

async function keyFileBytes(): Promise<Uint8Array | null> {
  const file = page.keyFile.files?.[0];
  if (file === undefined) return null;
  if (file.size > MAX_KEY_FILE_BYTES) throw new UpfrontError('key_file', 'key', 'This file is longer than any key file.');
  return new Uint8Array(await file.arrayBuffer());
}

/** The phrase, typed or from a key file; `#` begins a comment there. */
async function thePhrase(): Promise<string> {
  const typed = page.phrase.value;
  const bytes = await keyFileBytes();
  if (bytes === null) return typed;
  if (typed.trim() !== '') throw new UpfrontError('two_keys', 'key', 'Give the words or the key file, not both.');
  const plain = isSealed(bytes) ? await openSealed(bytes, page.passphrase.value) : bytes;
  return textOf(plain, 'the key file').split('\n').map((line) => line.split('#')[0] ?? '').join(' ');
}

/** Asks for a passphrase where the key file takes one. */
async function keyFileChanged(): Promise<void> {
  page.signStatus.textContent = '';
  try {
    const bytes = await keyFileBytes();
    show(byId('passphrase-row', HTMLElement), bytes !== null && isSealed(bytes));
  } catch (error) {
    page.signStatus.textContent = inWords(error).problem;
  }
}

/** Nothing of a key stays in the page. */
function forgetKey(): void {
  for (const input of [page.phrase, page.passphrase, page.keyFile]) input.value = '';
  show(byId('passphrase-row', HTMLElement), false);
}

async function sign(): Promise<void> {
  const ready = prepared;
  if (ready === null || !page.confirmed.checked) return;
  page.sign.disabled = true;
  page.signStatus.textContent = 'Signing. An encrypted key file takes some seconds to open.';
  await breathe();
  try {
    const number = page.account.value.trim();
    if (!/^(?:0|[1-9]\d{0,9})$/.test(number)) throw new UpfrontError('account', 'account', 'The account is a whole number.');
    const account = Root.fromPhrase(await thePhrase(), ready.charter.network).account(Number(number));
    requireSeat(ready.charter, ready.role, account);
    const signed = await ready.sign(account);
    // Something else is asked for by now: what was signed is not shown, and goes.
    if (prepared !== ready) {
      forgetKey();
      return;
    }
    page.resultBody.replaceChildren(...signed);
    page.signStatus.textContent = '';
    show(page.result, true);
    show(page.signing, false);
    page.result.focus();
  } catch (error) {
    if (prepared !== ready) forgetKey();
    page.signStatus.textContent = `${inWords(error).problem}`;
    page.sign.disabled = !page.confirmed.checked;
    return;
  }
  forgetKey();
  page.confirmed.checked = false;
}

// ---- Files

function listed(file: Given): HTMLElement {
  const remove = element('button', { type: 'button', class: 'plain' }, 'Remove');
  remove.setAttribute('aria-label', `Remove ${file.name}`);
  remove.addEventListener('click', () => {
    given = given.filter((other) => other !== file);
    filesChanged();
    page.files.focus();
  });
  return element('li', {}, element('span', {}, element('b', {}, whatIs(file)), ' ', file.name), remove);
}

function filesChanged(): void {
  forget();
  page.given.replaceChildren(...given.map(listed));
  const submissions = only('proof').flatMap((file) => file.proof.submissions);
  const options = submissions.map((proof) =>
    element('option', { value: proof.id }, `number ${proof.submission.statement.number}, ${proof.id.slice(0, 8)}…`));
  page.submission.replaceChildren(...options.reverse());
  milestonesChanged();
}

/** The parts of the work, where the charter of the document has several. */
function milestonesChanged(): void {
  const [file] = only('proof');
  const parts = file === undefined ? [] : milestonesOf(file.proof.charter);
  page.milestone.replaceChildren(element('option', { value: '' }, 'Choose the milestone'),
    ...parts.map((_, at) => element('option', { value: String(at) }, partWords(parts, at))));
  show(byId('milestone-row', HTMLElement), action() === 'submit' && parts.length > 1);
}

/** The developer's work is paid to the charter's payees; who else did it is named by the representative. */
function seatChanged(): void {
  forget();
  show(byId('payees-row', HTMLElement), page.role.value === 'representative');
}

/** Of a charter that nothing was checked of so far: only to fill a list. */
function milestonesOf(charter: string): readonly { share_bps: number }[] {
  try {
    return Charter.parse(charter).fields.milestones;
  } catch {
    return [];
  }
}

function add(name: string, bytes: Uint8Array): void {
  try {
    given.push(recognise(name, bytes));
    page.status.textContent = '';
  } catch (error) {
    page.status.textContent = inWords(error).problem;
  }
}

async function addFiles(files: Iterable<File>): Promise<void> {
  const problems: string[] = [];
  for (const file of files) {
    if (file.size > MAX_FILE_BYTES) {
      problems.push(`${file.name} is longer than any file this page reads`);
      continue;
    }
    add(file.name, new Uint8Array(await file.arrayBuffer()));
    if (page.status.textContent !== '') problems.push(page.status.textContent ?? '');
  }
  filesChanged();
  page.status.textContent = problems.join(' ');
}

function actionChanged(): void {
  forget();
  const wanted = action();
  page.help.replaceChildren(...HELP[wanted].split('`').map((part, at) => (at % 2 === 1 ? code(part) : part)));
  for (const row of document.querySelectorAll<HTMLElement>('[data-for]')) show(row, (row.dataset['for'] ?? '').split(' ').includes(wanted));
  milestonesChanged();
}

function bpsChanged(): void {
  forget();
  const share = theShare();
  page.bpsWords.textContent = share === null ? '' : `${percent(share)} is paid, ${percent(10_000 - share)} returns.`;
}

function start(): void {
  show(byId('served', HTMLElement), !fromDisk);
  for (const radio of document.querySelectorAll('input[name=action]')) radio.addEventListener('change', actionChanged);
  for (const field of document.querySelectorAll('input[name=accepted], [data-for=submit] :is(input, textarea, select), [data-for=evidence] :is(input, textarea)')) {
    field.addEventListener('input', forget);
    field.addEventListener('change', forget);
  }
  page.role.addEventListener('change', seatChanged);
  page.submission.addEventListener('change', forget);
  page.bps.addEventListener('input', bpsChanged);
  page.files.addEventListener('change', () => {
    const files = [...(page.files.files ?? [])];
    page.files.value = '';
    void addFiles(files);
  });
  // A file dropped beside the frame must not make the browser leave the page.
  for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault());
  document.addEventListener('dragover', () => page.drop.classList.add('over'));
  for (const name of ['dragleave', 'drop']) document.addEventListener(name, () => page.drop.classList.remove('over'));
  document.addEventListener('drop', (event) => void addFiles(event.dataTransfer?.files ?? []));
  byId('paste-add', HTMLButtonElement).addEventListener('click', () => {
    const text = page.paste.value;
    if (text.trim() === '') return;
    void addFiles([new File([text], 'pasted text')]).then(() => {
      if (page.status.textContent === '') page.paste.value = '';
    });
  });
  page.keyFile.addEventListener('change', () => void keyFileChanged());
  page.check.addEventListener('click', () => void check());
  page.confirmed.addEventListener('change', () => {
    page.sign.disabled = !page.confirmed.checked || prepared === null;
  });
  byId('show-phrase', HTMLInputElement).addEventListener('change', (event) => {
    const { checked } = event.currentTarget as HTMLInputElement;
    page.phrase.type = checked ? 'text' : 'password';
  });
  byId('key-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    void sign();
  });
  actionChanged();
}

start();
