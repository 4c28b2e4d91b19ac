// Checkout: amount, one backup, address. Keys are made here, every claim of the service is computed again here, and no
// address is shown before all agree and the backup is done.

import { parseAddress } from '../core/address.ts';
import { newPhrase, readPhrase, Root } from '../core/keys.ts';
import { networkOf } from '../core/network.ts';
import { satWords } from '../core/words.ts';
import { pledgePath } from '../sponsor/attend.ts';
import { btcWords, readBtc, readSat, refusal, type Amount } from '../sponsor/amount.ts';
import { waiting } from '../sponsor/duties.ts';
import { after, quizPlaces, randomBelow, START, stepOf, type Done, type Flow } from '../sponsor/flow.ts';
import { Issuing } from '../sponsor/issue.ts';
import { fileName, type Keeper } from '../sponsor/keeper.ts';
import { keptBoxes, nextName, unlockKept, type Box } from '../sponsor/keystore.ts';
import { isLie, lieWords } from '../sponsor/lie.ts';
import { openForm } from '../sponsor/open.ts';
import { showPay } from '../sponsor/pay.ts';
import { highest, remember } from '../sponsor/memory.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import { guardFields, refusedSecret } from '../ui/secret.ts';
import type { OpenTask } from '../sponsor/task.ts';
import { ServiceError } from '../ui/api.ts';
import { element } from '../ui/element.ts';
import { breathe, byId, fieldError, focusOn, say, valueOf, wordsOf } from '../ui/page.ts';
import { saveText } from '../ui/save.ts';

const place = byId('checkout');
const here = placeOf(location.pathname);
const id = here.charter;
const network = networkOf(place.dataset.network);
const left = BigInt(place.dataset.leftSat ?? '0');

let flow: Flow = START;
let keeper: Keeper | null = null;
const issuing = new Issuing();
/** Checked once on the way in, so that a lie stops before anybody has chosen anything. */
let first = taskHere(here, place.dataset);
const task = (): Promise<OpenTask> => first.catch(() => (first = taskHere(here, place.dataset)));

// ---- steps

const HEADS = { amount: 'amount-title', backup: 'backup-title', wallet: 'wallet-title', pay: 'pay-title', stopped: 'stopped-title' } as const;
const shownAs = { amount: 'amount', backup: 'backup', wallet: 'backup', pay: 'pay', stopped: '' } as const;

function go(done: Done): void {
  const before = stepOf(flow);
  flow = after(flow, done);
  if (stepOf(flow) !== before) show(true);
}

function show(moved: boolean): void {
  const step = stepOf(flow);
  for (const each of ['amount', 'backup', 'wallet', 'pay'] as const) byId(`step-${each}`).hidden = each !== step;
  const marks = [...byId('steps').children];
  const at = marks.findIndex((mark) => mark.getAttribute('data-step') === shownAs[step]);
  marks.forEach((mark, number) => {
    mark.classList.toggle('done', at >= 0 && number < at);
    if (number === at) mark.setAttribute('aria-current', 'step');
    else mark.removeAttribute('aria-current');
  });
  if (step === 'stopped') place.hidden = true;
  if (step === 'pay') pay();
  if (moved) focusOn(byId(HEADS[step]));
}

/** Something told what cannot be so. What the service merely refuses, or cannot answer now, is no lie. */
function stopOr(error: unknown, otherwise: (words: string) => void): void {
  if (!isLie(error)) {
    otherwise(wordsOf(error));
    return;
  }
  stop(lieWords(error), error.field);
}

function stop(words: string, field: string): void {
  byId('stopped-words').textContent = words;
  byId('stopped-field').textContent = field;
  byId('stopped').hidden = false;
  go({ kind: 'stopped' });
}

// ---- amount

function readAmount(): Amount {
  const bitcoin = valueOf('amount-btc');
  return valueOf('amount') === '' && bitcoin !== '' ? readBtc(bitcoin) : readSat(valueOf('amount'));
}

function mirror(from: 'amount' | 'amount-btc'): void {
  const other = from === 'amount' ? 'amount-btc' : 'amount';
  const read = from === 'amount' ? readSat(valueOf(from)) : readBtc(valueOf(from));
  const words = 'sat' in read ? (from === 'amount' ? btcWords(read.sat) : read.sat.toString()) : '';
  byId<HTMLInputElement>(other).value = words;
  fieldError('amount', null);
}

async function submitAmount(): Promise<void> {
  const read = readAmount();
  const limits = async (): Promise<string | null> => {
    if ('error' in read) return read.error;
    const { charter } = await task();
    return refusal(read.sat, { minimum: BigInt(charter.fields.minimum_pledge_sat), left });
  };
  try {
    const wrong = await limits();
    fieldError('amount', wrong);
    if (wrong !== null || 'error' in read) {
      byId('amount').focus();
      return;
    }
    const keys = new FormData(byId<HTMLFormElement>('amount-form')).get('keys') === 'wallet' ? 'wallet' : 'browser';
    if (keys === 'wallet') await ownWallet(read.sat);
    go({ kind: 'amount', sat: read.sat, keys });
  } catch (error) {
    stopOr(error, (words) => fieldError('amount', words));
  }
}

// ---- words and backup

const chosen = (name: string): string => String(new FormData(byId<HTMLFormElement>('backup-form')).get(name));

function showFields(): void {
  byId('kept-field').hidden = chosen('words') !== 'kept';
  byId('typed-field').hidden = chosen('words') !== 'typed';
}

/** Made once: an answer that is lost on the way must not leave a pledge to words that nobody saw. */
let made: string | null = null;

interface Words {
  readonly phrase: string;
  /** Where they came from the browser's own box. */
  readonly box?: Box;
}

/** The words that were chosen; null where a field has an error now. */
async function words(source: string): Promise<Words | null> {
  if (source === 'new') return { phrase: (made ??= newPhrase()) };
  const [field, read] = source === 'kept'
    ? ['kept', (): Promise<Words> => unlockKept(network.name, byId<HTMLInputElement>('kept-passphrase').value)] as const
    : ['typed', (): Promise<Words> => Promise.resolve({ phrase: readPhrase(valueOf('typed-words')) })] as const;
  const input = field === 'kept' ? 'kept-passphrase' : 'typed-words';
  try {
    fieldError(input, null, `${field}-error`);
    const taken = await Promise.resolve().then(read);
    byId<HTMLInputElement>(input).value = '';
    return taken;
  } catch (error) {
    fieldError(input, wordsOf(error), `${field}-error`);
    byId(input).focus();
    return null;
  }
}

/** An address of the person's own; undefined where the field has an error now. */
function ownAddress(): string | null | undefined {
  fieldError('refund-address', null, 'refund-error');
  if (refusedSecret('refund-address', 'refund-error')) return undefined;
  const given = valueOf('refund-address');
  if (given === '') return null;
  try {
    return parseAddress(given, network, 'refund address').text;
  } catch (error) {
    byId<HTMLDetailsElement>('refund-details').open = true;
    fieldError('refund-address', wordsOf(error), 'refund-error');
    byId('refund-address').focus();
    return undefined;
  }
}

async function submitBackup(): Promise<void> {
  const refundAddress = ownAddress();
  if (refundAddress === undefined || flow.amount === null || keeper !== null || busy) return;
  const [source, backup] = [chosen('words'), chosen('backup')];
  byId('backup-error').hidden = true;
  // Whoever went back now would choose another amount for a pledge that is being issued.
  setBusy(true);
  try {
    const taken = await words(source);
    if (taken === null) return;
    const { phrase, box } = taken;
    await breathe();
    const from = box === undefined ? 0 : Math.max(0, await highest(nextName(box)));
    keeper = await issuing.issue({
      charter: id, root: Root.fromPhrase(phrase, network), phrase, amount: flow.amount, refundAddress, used: source !== 'new', from,
      taken: async (next) => { if (box !== undefined) await remember(nextName(box), next); },
    });
    go({ kind: 'checked' });
    byId('backup-form').hidden = true;
    if (backup === 'file') showFile();
    else if (source === 'typed') go({ kind: 'backedUp' });
    // Those that the pledge itself was made with.
    else showWords(keeper.file.parts.origin.phrase ?? phrase);
  } catch (error) {
    stopOr(error, (told) => {
      byId('backup-error').textContent = told;
      byId('backup-error').hidden = false;
    });
  } finally {
    setBusy(false);
  }
}

let busy = false;
function setBusy(now: boolean): void {
  busy = now;
  for (const back of document.querySelectorAll<HTMLButtonElement>('[data-back]')) back.disabled = now;
}

function showFile(): void {
  byId('backup-file').hidden = false;
  focusOn(byId('file-title'));
}

function saveFile(): void {
  if (keeper === null) return;
  saveText(fileName(keeper.file), keeper.file.toJson());
  byId('file-name').textContent = `Saved as ${fileName(keeper.file)}. Look that it is there.`;
  byId('file-name').hidden = false;
  byId('file-done').hidden = false;
  byId('file-save').classList.add('second');
  say(`Saved as ${fileName(keeper.file)}.`);
}

function showWords(phrase: string): void {
  byId('words-list').replaceChildren(...phrase.split(' ').map((word) => element('li', {}, word)));
  byId('backup-words').hidden = false;
  focusOn(byId('words-title'));
}

let asked: readonly { readonly place: number; readonly word: string }[] = [];

function askWords(): void {
  const list = [...byId('words-list').children].map((item) => item.textContent ?? '');
  asked = quizPlaces(list.length, randomBelow).map((at) => ({ place: at, word: list[at] ?? '' }));
  byId('quiz-fields').replaceChildren(...asked.map(({ place: at }) => element('div', { class: 'field' },
    element('label', { for: `quiz-${at}` }, `Word ${at + 1}`),
    element('input', { id: `quiz-${at}`, class: 'mono', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', 'aria-describedby': `quiz-${at}-error` }),
    element('p', { class: 'error', id: `quiz-${at}-error`, hidden: true }))));
  byId('backup-words').hidden = true;
  byId('words-quiz').hidden = false;
  focusOn(byId('quiz-title'));
}

function checkWords(): void {
  const wrong = asked.filter(({ place: at, word }) => {
    const right = valueOf(`quiz-${at}`).toLowerCase() === word;
    fieldError(`quiz-${at}`, right ? null : 'This is not the word you were shown. Look at what you wrote.');
    return !right;
  });
  const [worst] = wrong;
  if (worst !== undefined) {
    byId(`quiz-${worst.place}`).focus();
    return;
  }
  byId('words-list').replaceChildren();
  byId('quiz-fields').replaceChildren();
  go({ kind: 'backedUp' });
}

// ---- pay

/** Shows the last step; of the sponsor's own wallet, its module does. */
let pay = (): void => { if (keeper !== null) void showPay(id, keeper); };

// ---- the sponsor's own wallet

/** What a wallet needs is a module of its own: most sponsors never load it. */
async function ownWallet(sat: bigint): Promise<void> {
  const { wallet = '', walletIntegrity: integrity = '' } = place.dataset;
  // Loaded with its hash first: the import takes what was checked then.
  const link = element('link', { rel: 'modulepreload', href: wallet, integrity });
  await new Promise<void>((resolve, reject) => {
    link.onload = (): void => resolve();
    link.onerror = (): void => reject(new ServiceError('unreachable', 'The part of this page that works with your wallet could not be loaded. Try again.', 0));
    document.head.append(link);
  }).finally(() => link.remove());
  const { begin } = (await import(wallet)) as typeof import('./wallet.ts');
  pay = begin(here, sat, {
    issued: () => go({ kind: 'checked' }),
    backedUp: () => go({ kind: 'backedUp' }),
    lied: stop,
  });
}

// ---- wiring

function on(formId: string, act: () => void | Promise<void>): void {
  const form = byId<HTMLFormElement>(formId);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const submit = form.querySelector<HTMLButtonElement>('button[type="submit"]');
    if (submit?.disabled) return;
    if (submit !== null) submit.disabled = true;
    void Promise.resolve().then(act).finally(() => { if (submit !== null) submit.disabled = false; });
  });
}

on('amount-form', submitAmount);
on('backup-form', submitBackup);
on('words-quiz', checkWords);
byId('amount').addEventListener('input', () => mirror('amount'));
byId('amount-btc').addEventListener('input', () => mirror('amount-btc'));
byId('backup-form').addEventListener('change', showFields);
byId('file-save').addEventListener('click', saveFile);
byId('file-done').addEventListener('click', () => go({ kind: 'backedUp' }));
byId('words-done').addEventListener('click', askWords);
byId('quiz-back').addEventListener('click', () => {
  byId('words-quiz').hidden = true;
  byId('backup-words').hidden = false;
  focusOn(byId('words-title'));
});
for (const back of document.querySelectorAll('[data-back]')) back.addEventListener('click', () => go({ kind: 'back' }));
guardFields(['amount', 'amount-btc', 'refund-address', 'wallet-key', 'wallet-refund'], { 'refund-address': 'refund-error', 'amount-btc': 'amount-error' });
openForm(byId('back-open'), () => taskHere(here, place.dataset), () => network.name, opened);

/** Somebody came back: what is not secured is secured, and each pledge has its page. */
async function opened(keepers: readonly Keeper[]): Promise<void> {
  byId('back-open').replaceChildren(element('p', {}, 'Your pledges of this task:'), element('ul', {}, ...keepers.map(({ view }) =>
    element('li', {}, element('a', { href: pledgePath(id, view.index) }, `Pledge ${view.index}`), `, ${satWords(view.promised)} meant`))),
  element('p', { id: 'back-secured' }, 'Looking…'));
  const told = byId('back-secured');
  try {
    const views = await Promise.all(keepers.map((each) => each.look()));
    const open = views.filter((view) => waiting(view) === 'unsecured').length;
    told.textContent = open === 0 ? 'Nothing is left to hand in.' : `Of ${open} a refund could not be handed in now. Open its page.`;
  } catch (error) {
    told.textContent = wordsOf(error);
  }
  say(told.textContent);
}

void keptBoxes(network.name).then((boxes) => { byId('choice-kept').hidden = boxes.length === 0; });
byId('no-script').remove();
place.hidden = false;
show(false);
// Whoever has pledged comes back here also when nothing new is taken.
if (place.dataset.closed !== undefined) for (const part of ['steps', 'amount-form', 'amount-title']) byId(part).hidden = true;
// A lie is found while the amount is still being chosen.
first.catch((error: unknown) => stopOr(error, (told) => { fieldError('amount', told); }));
