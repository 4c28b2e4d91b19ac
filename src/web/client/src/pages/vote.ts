// Voting: the pledge is chosen by its key, the choice is signed here, and the service's receipt is checked and saved.

import { UpfrontError } from '../core/error.ts';
import type { Choice } from '../core/statement.ts';
import type { Charter } from '../core/charter.ts';
import { satWords } from '../core/words.ts';
import { cast, counterName, counterOf, isLate, nextVote, said, signed, signedBy, statementOf, type Receipt, type Voter } from '../sponsor/ballot.ts';
import { pledgePath } from '../sponsor/attend.ts';
import type { Keeper } from '../sponsor/keeper.ts';
import { handInPrepared, partOf, splitsOf, splitWords, type Splits } from '../sponsor/milestone.ts';
import { openHere } from '../sponsor/open.ts';
import { refusedSecret } from '../ui/secret.ts';
import { highest, remember } from '../sponsor/memory.ts';
import { placeOf, taskHere } from '../sponsor/place.ts';
import { checkedPledge, type OpenTask } from '../sponsor/task.ts';
import type { SubmissionView } from '../sponsor/views.ts';
import { readWalletKey } from '../sponsor/wallet-psbt.ts';
import { askWallet } from '../sponsor/wallet-sign.ts';
import { workPanel, workShown } from '../sponsor/work.ts';
import { button, element } from '../ui/element.ts';
import { Fresh } from '../ui/fresh.ts';
import { byId, fieldError, focusOn, maybe, say, valueOf, wordsOf } from '../ui/page.ts';
import { saveText } from '../ui/save.ts';

const page = byId('vote');
const here = placeOf(location.pathname);
const id = here.charter;
const network = page.dataset.network ?? '';

let task = taskHere(here, page.dataset);
const again = (): Promise<OpenTask> => task.catch(() => (task = taskHere(here, page.dataset)));
/** Which work the page shows: a live part, since newer work may be delivered while somebody reads. */
const shownWork = (): string => maybe('vote-work')?.dataset.submission ?? '';

/** The work under this id as the developer signed it; it must be what stands on the page, since that is what people read. */
const look = ({ charter }: OpenTask, asked: string): Promise<SubmissionView> => workShown(charter, asked, shownWork() === asked ? byId('vote-work') : null);

const fresh = new Fresh(location.pathname, true);

const weighs = ({ view }: Keeper): bigint =>
  view.outpoints.filter(({ standing, ended }) => standing === 'credited' && !ended).reduce((sum, { amount }) => sum + amount, 0n);

// ---- whose vote

function start(): void {
  const own = byId('vote-own');
  own.replaceChildren();
  const form = element('div', {});
  const wallet = element('details', { id: 'vote-wallet' }, element('summary', {}, 'My own wallet has the key'), walletForm());
  own.replaceChildren(element('h2', { id: 'open-title', tabindex: '-1' }, 'Open your pledge'), form, wallet);
  openHere(form, again, () => network, choose);
}

// ---- the choice

async function choose(keepers: Keeper[]): Promise<void> {
  if (keepers.every(({ file }) => file.key === null)) throw new UpfrontError('no_key', 'file', 'this file holds no key: vote with your own wallet, below');
  const open = await again();
  const asked = shownWork();
  const view = await look(open, asked);
  const { charter } = open;
  // Whoever comes back with a key comes back to all that is left to do.
  for (const keeper of keepers) await keeper.look().catch(() => undefined);
  const title = element('h2', { id: 'choice-title', tabindex: '-1' }, keepers.length === 1 ? 'What becomes of your money?' : 'What becomes of your pledges?');
  const form = element('form', { id: 'vote-form', novalidate: true },
    ...(keepers.length === 1 ? [] : [pledgeChoices(charter, keepers, view)]),
    ...(keepers.length === 1 && keepers[0] !== undefined ? [element('p', {}, pledgeLine(charter, keepers[0], view))] : []),
    choices(partOf(charter, view)),
    receiptsField(),
    element('p', { class: 'error', id: 'vote-error', role: 'alert', hidden: true }),
    element('p', { class: 'actions' }, element('button', { type: 'submit' }, 'Sign and send my vote')));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void send(form, keepers, asked);
  });
  byId('vote-own').replaceChildren(title, workPanel(charter, view, 'You vote on', 'your vote names exactly them'), form);
  focusOn(title);
}

const receiptsField = (): HTMLElement => element('details', {}, element('summary', {}, 'I voted before, on another device'),
  element('div', { class: 'field' }, element('label', { for: 'vote-receipts' }, 'The receipts that you saved then'),
    element('input', { id: 'vote-receipts', type: 'file', accept: '.json,application/json', multiple: true, 'aria-describedby': 'vote-receipts-hint' }),
    element('p', { class: 'hint', id: 'vote-receipts-hint' }, 'The later of two votes counts. With them this vote is the later one, even where the service keeps back the ones before.')));

const voterOf = ({ file }: Keeper): Voter => ({ index: file.parts.index, sponsorKey: file.parts.sponsorKey });

/** The highest counter of a pledge's votes that is known here. */
async function known(charter: Charter, asked: string, voter: Voter): Promise<number> {
  const files = [...((maybe('vote-receipts') as HTMLInputElement | null)?.files ?? [])];
  const saved = await Promise.all(files.map(async (file) => counterOf(await file.text(), charter, asked, voter)));
  return Math.max(await highest(counterName(asked, voter)), ...saved);
}

function pledgeLine(charter: Charter, keeper: Keeper, view: SubmissionView): string {
  const { choice } = said(charter, view, voterOf(keeper));
  const weight = weighs(keeper);
  const words = weight === 0n ? 'nothing of it counts, so its vote weighs nothing' : `it weighs ${satWords(weight)}`;
  return `Pledge ${keeper.view.index}: ${words}. ${choice === null ? 'You have not voted yet.' : `So far you said ${choice}.`}`;
}

const pledgeChoices = (charter: Charter, keepers: readonly Keeper[], view: SubmissionView): HTMLElement => element('fieldset', {},
  element('legend', {}, 'For which of your pledges?'),
  ...keepers.filter(({ file }) => file.key !== null).map((keeper) => element('label', { class: 'choice' },
    element('input', { type: 'checkbox', name: 'pledge', value: String(keeper.view.index), checked: true }), element('span', {}, pledgeLine(charter, keeper, view)))));

const choices = (part: string | null = null): HTMLElement => element('fieldset', { id: 'choices' },
  element('legend', {}, 'Your vote'),
  choiceBox('yes', 'Yes, pay for the work', yesWords(part)),
  choiceBox('no', 'No, hold my money', 'Your money stays where it is. The arbiter rules how much of it is paid; without a ruling all of it comes back to you. So a no is a free chance to be refunded: say it if the work is not what was asked.'));

const yesWords = (part: string | null): string => part === null
  ? 'Releases your own money to those who did the work. It can be on its way within minutes, and then cannot be taken back.'
  : `Releases your own money for ${part}, to those who did the work. It can be on its way within minutes, and then cannot be taken back. What you hold for other milestones stays in escrow: its refund is signed here together with your vote.`;

const choiceBox = (value: Choice, title: string, words: string): HTMLElement => element('label', { class: 'choice box' },
  element('input', { type: 'radio', name: 'choice', value }), element('span', {}, element('strong', {}, title), element('br'), element('span', { class: 'quiet' }, words)));

async function send(form: HTMLFormElement, keepers: readonly Keeper[], asked: string): Promise<void> {
  const data = new FormData(form);
  const choice = data.get('choice');
  const wanted = new Set(data.getAll('pledge').map(Number));
  const mine = keepers.filter(({ file, view }) => file.key !== null && (keepers.length === 1 || wanted.has(view.index)));
  const told = (words: string): void => {
    byId('vote-error').textContent = words;
    byId('vote-error').hidden = false;
  };
  byId('vote-error').hidden = true;
  if (choice !== 'yes' && choice !== 'no') return told('Choose yes or no.');
  if (mine.length === 0) return told('Choose at least one of your pledges.');
  if (shownWork() !== asked) {
    await choose([...keepers]);
    return told('Newer work was delivered meanwhile. Look at it, and vote on that.');
  }
  const submit = form.querySelector<HTMLButtonElement>('button[type="submit"]');
  if (submit !== null) submit.disabled = true;
  const receipts: Receipt[] = [];
  const notes: string[] = [];
  try {
    const open = await again();
    const { charter } = open;
    const view = await look(open, asked);
    for (const keeper of mine) {
      const { key } = keeper.file;
      if (key === null) continue;
      const voter = voterOf(keeper);
      receipts.push(await castOnce(charter, voter, signedBy(nextVote(charter, view, voter, choice, await known(charter, asked, voter)), key)));
      if (choice === 'yes') notes.push(...await split(keeper, view, charter));
    }
    done(choice, view, receipts, () => void choose([...keepers]), notes);
  } catch (error) {
    if (receipts.length > 0) told(`${wordsOf(error)} Of your pledges ${receipts.length} voted; send the vote again for the others.`);
    else told(wordsOf(error));
  } finally {
    if (submit !== null) submit.disabled = false;
  }
}

/** The feerate that the service suggests for payouts, within the charter's cap; null where it suggests none. */
function suggested(charter: Charter): number | null {
  const given = page.dataset.feerate ?? '';
  const feerate = /^[1-9]\d{0,3}$/.test(given) ? Number(given) : null;
  return feerate === null || feerate > charter.fields.feerate_cap_sat_per_vb ? null : feerate;
}

/** Signs and hands in the refunds of what a milestone's payout leaves of a pledge; what became of it, in words. Whatever
 * fails here, the vote stands and the pledge is as safe as before. */
async function split(keeper: Keeper, view: SubmissionView, charter: Charter): Promise<string[]> {
  const part = partOf(charter, view);
  if (part === null) return [];
  let splits: Splits = { splits: [], whole: [] };
  let failed: string | null = null;
  try {
    splits = splitsOf(keeper, view, suggested(charter));
    await handInPrepared(keeper, splits.splits);
  } catch (error) {
    failed = wordsOf(error);
  }
  return splitWords(keeper.view.index, splits, part, failed);
}

/** Sends a vote; its counter is taken from now on, whatever becomes of the answer. */
async function castOnce(charter: Charter, voter: Voter, vote: Parameters<typeof cast>[1]): Promise<Receipt> {
  await remember(counterName(vote.statement.submission, voter), vote.statement.counter);
  return cast(charter, vote);
}

// ---- the receipt

function done(choice: Choice, view: SubmissionView, receipts: readonly Receipt[], change: () => void, notes: readonly string[] = []): void {
  const late = receipts.some((receipt) => isLate(receipt, view));
  const title = element('h2', { id: 'done-title', tabindex: '-1' }, choice === 'yes' ? 'You said yes' : 'You said no');
  // One file a vote, as the command line writes it and signers take it.
  const keep = (receipt: Receipt): HTMLElement => {
    const { pledge } = receipt.vote.statement;
    const words = receipts.length === 1 ? 'Save the receipt' : `Save the receipt of pledge ${pledge}`;
    return button(words, '', () => saveText(`upfront-vote-${id.slice(0, 12)}-${pledge}.receipt.json`, `${JSON.stringify(receipt, null, 2)}\n`));
  };
  byId('vote-own').replaceChildren(title,
    ...(late ? [element('p', { class: 'note warn', id: 'late' }, element('strong', {}, 'This vote came late.'), ' Votes were closed when the service took it, and it does not count. What you said in time, if anything, stands.')] : []),
    element('p', {}, late ? 'The receipt says when it was taken.' : choice === 'yes' ? (view.fields.milestone === null || view.fields.milestone === undefined ? 'Your money may now be paid to those who did the work.' : 'Your yes is for this part of the work.') : 'Your money is held for the arbiter’s ruling.'),
    ...notes.map((words) => element('p', { class: 'note split' }, words)),
    element('p', {}, element('span', { class: 'state good', id: 'receipt-checked' }, '✓ Receipt checked in this browser'),
      ' The service signed that it has your vote, and when. Keep the receipt: it proves it if your vote were left out, and a signer counts it when you hand it over.'),
    element('p', { class: 'actions' }, ...receipts.map(keep),
      button('Change my vote', 'second', change)),
    element('p', {}, ...receipts.flatMap(({ vote }, at) => [at === 0 ? '' : ', ', element('a', { href: pledgePath(id, vote.statement.pledge) }, `Pledge ${vote.statement.pledge}`)])));
  focusOn(title);
  say(late ? 'Your vote came late, and does not count.' : 'Your vote was taken, and its receipt is right.');
  fresh.soon();
}

// ---- a key in the sponsor's own wallet

function walletForm(): HTMLElement {
  const form = element('form', { id: 'vote-wallet-form', novalidate: true },
    element('div', { class: 'field' }, element('label', { for: 'vote-key' }, 'Public key of the pledge, best with its origin'),
      element('input', { id: 'vote-key', class: 'mono', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'vote-key-error' }),
      element('p', { class: 'error', id: 'vote-key-error', hidden: true })),
    choices(),
    element('p', { class: 'actions' }, element('button', { type: 'submit' }, 'Make the text to sign')));
  form.addEventListener('input', () => refusedSecret('vote-key'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void askOwnWallet(form);
  });
  return form;
}

/** A wallet signs no refunds of what does not exist yet. */
function walletNotes(choice: Choice, charter: Charter, view: SubmissionView): string[] {
  const part = partOf(charter, view);
  if (choice !== 'yes' || part === null) return [];
  return [`Nothing is paid for ${part} by itself: that needs refunds of what would stay in escrow, which this page signs only with a key that it holds. Your pledge stays whole, with its refund as it was, and is paid by the last payout.`];
}

async function askOwnWallet(form: HTMLFormElement): Promise<void> {
  fieldError('vote-key', null);
  if (refusedSecret('vote-key')) return;
  try {
    const choice = new FormData(form).get('choice');
    if (choice !== 'yes' && choice !== 'no') throw new UpfrontError('choice', 'choice', 'choose yes or no');
    const key = readWalletKey(valueOf('vote-key'), 'key');
    const open = await again();
    const { charter } = open;
    const mine = open.view.pledges.find(({ sponsorKey }) => sponsorKey === key.key);
    if (mine === undefined) throw new UpfrontError('no_pledge', 'key', 'this key belongs to no pledge of this task');
    checkedPledge(open, mine);
    const asked = shownWork();
    const view = await look(open, asked);
    const fields = nextVote(charter, view, mine, choice, await known(charter, asked, mine));
    askWallet(byId('vote-own'), {
      statement: statementOf(fields),
      key,
      name: `upfront-vote-${id.slice(0, 12)}-${mine.index}`,
      words: { kind: 'vote', statement: fields },
      button: 'Send my vote',
      signed: async (signature) => done(choice, view, [await castOnce(charter, mine, signed(fields, signature))], start, walletNotes(choice, charter, view)),
    });
  } catch (error) {
    fieldError('vote-key', wordsOf(error));
    byId('vote-key').focus();
  }
}

maybe('no-script')?.remove();
// Nothing is typed here before there is work; once there is, the page is read anew, with all that voting needs.
fresh.after = (changed) => {
  if (shownWork() === '' && changed.some(({ id: part }) => part === 'vote-none')) location.reload();
};
fresh.start(page.dataset.follow ?? '');
if (shownWork() !== '') {
  start();
  // A private link that is pasted over this page's address loads nothing anew.
  window.addEventListener('hashchange', () => { if (location.hash.startsWith('#key=')) start(); });
  task.catch((error: unknown) => { fieldError('open-words', wordsOf(error)); });
}
