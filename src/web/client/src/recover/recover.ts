// The offline recovery page: what a sponsor kept goes in, signed refunds come out. No network, no storage: what is given
// stays in this page and goes with it.

import { utf8 } from '../core/bytes.ts';
import { UpfrontError } from '../core/error.ts';
import { capital, satWords } from '../core/words.ts';
import { byId, rows, saveLink, show } from '../offline/dom.ts';
import { grouped } from '../ui/copy.ts';
import { element } from '../ui/element.ts';
import { breathe } from '../ui/page.ts';
import { findPayment, openBytes, openSecret, signOwn, type Opened, type Payment } from './open.ts';
import {
  amountWords, broadcastCommand, coreSteps, pledgeRows, readyRows, recoveryFileName, type ReadyRow,
} from './words.ts';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

const input = (id: string): HTMLInputElement => byId(id, HTMLInputElement);
const area = (id: string): HTMLTextAreaElement => byId(id, HTMLTextAreaElement);
const part = (id: string): HTMLElement => byId(id, HTMLElement);
const nowSecs = (): number => Math.floor(Date.now() / 1000);
const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim());

let opened: Opened | null = null;
/** A file that waits for its passphrase. */
let sealed: Uint8Array | null = null;

/** Says what happened; errors in the words of whoever threw them, beside their field. */
function say(id: string, words: string, kind: 'good' | 'bad' | ''): void {
  const place = part(id);
  place.textContent = words;
  place.className = kind;
}

function complain(id: string, error: unknown): void {
  document.querySelectorAll('[aria-invalid]').forEach((field) => field.removeAttribute('aria-invalid'));
  if (!(error instanceof UpfrontError)) {
    say(id, 'Something went wrong in this page. Nothing was signed. Try another browser, or the command upfront recover.', 'bad');
    return;
  }
  say(id, `${capital(error.message)}.`, 'bad');
  const field = FIELDS[error.field];
  if (field === undefined) return;
  const asks = part(field);
  asks.setAttribute('aria-invalid', 'true');
  asks.focus();
}

/** Which element asks for what an error names. */
const FIELDS: Readonly<Record<string, string>> = {
  phrase: 'secret', secret: 'secret', key: 'secret', index: 'index', address: 'paid-address', refund_address: 'refund-address',
  passphrase: 'passphrase', transaction: 'funding', outpoint: 'outpoint', amount: 'amount', amount_sat: 'amount', feerate: 'feerate', to: 'to',
};

function copyButton(words: string, text: string, shown: HTMLElement): HTMLButtonElement {
  const made = element('button', { type: 'button' }, words);
  made.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      made.textContent = 'Copied';
    } catch {
      shown.closest('details')?.setAttribute('open', '');
      getSelection()?.selectAllChildren(shown);
      made.textContent = 'Selected: copy it now';
    }
    setTimeout(() => { made.textContent = words; }, 2_500);
  });
  return made;
}

/** `which` tells one transaction from the next to who hears the page. */
function hexParts(hex: string, fileName: string, which: string): HTMLElement[] {
  const shown = element('pre', { tabindex: '0', 'aria-label': `Transaction, ${which}` }, hex);
  const copy = copyButton('Copy the transaction', hex, shown);
  const save = saveLink(fileName, `${hex}\n`, 'Save it');
  copy.setAttribute('aria-description', which);
  save.setAttribute('aria-description', which);
  return [
    copy,
    save,
    element('details', {}, element('summary', {}, 'Show its text (hex)'), shown),
  ];
}

// ---- Opening

async function open(how: () => Opened | Promise<Opened>): Promise<void> {
  say('open-status', 'Checking everything…', '');
  await breathe();
  try {
    opened = await how();
    say('open-status', '', '');
    showAll();
    part('pledge-title').focus();
  } catch (error) {
    opened = null;
    for (const id of ['pledge', 'ready', 'more', 'own', 'keep', 'core']) show(part(id), false);
    complain('open-status', error);
  }
}

async function fileBytes(file: File): Promise<Uint8Array> {
  if (file.size > MAX_FILE_BYTES) throw new UpfrontError('too_long', 'file', 'this file is far too large to be one of ours');
  return new Uint8Array(await file.arrayBuffer());
}

/** Opens a recovery file; one that is encrypted waits for its passphrase. */
async function openRecovery(bytes: Uint8Array, passphrase: string | null): Promise<void> {
  sealed = null;
  await open(async () => {
    try {
      return await openBytes(bytes, passphrase);
    } catch (error) {
      if (error instanceof UpfrontError && error.field === 'passphrase') sealed = bytes;
      throw error;
    } finally {
      show(part('passphrase-form'), sealed !== null);
    }
  });
}

async function openGiven(file: File | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await openRecovery(await fileBytes(file), null);
  } catch (error) {
    complain('open-status', error);
  }
}

function listenToOpening(): void {
  for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=have]')) {
    radio.addEventListener('change', () => {
      show(part('file-form'), radio.value === 'file');
      show(part('passphrase-form'), false);
      show(part('words-form'), radio.value === 'words');
      say('open-status', '', '');
    });
  }
  const file = input('file');
  file.addEventListener('change', () => void openGiven(file.files?.[0]));
  const drop = part('drop');
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  document.addEventListener('dragleave', () => drop.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    void openGiven(event.dataTransfer?.files[0]);
  });
  part('file-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void openRecovery(utf8(area('file-text').value), null);
  });
  part('passphrase-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (sealed !== null) void openRecovery(sealed, input('passphrase').value).then(() => { if (opened !== null) input('passphrase').value = ''; });
  });
  part('words-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const chosen = input('document-file').files?.[0];
      const pasted = area('document-text').value;
      if (chosen === undefined && pasted.trim() === '') {
        throw new UpfrontError('charter', 'charter', 'the task\'s charter or proof document is missing: the words alone do not tell which terms the address belongs to');
      }
      const documentText = pasted.trim() === '' && chosen !== undefined ? await chosen.text() : pasted;
      const index = input('index').value.trim();
      if (index !== '' && !/^\d{1,10}$/.test(index)) throw new UpfrontError('index', 'index', 'index: write the number of the pledge in digits');
      const asked = {
        secret: area('secret').value, document: documentText, index: index === '' ? null : Number(index),
        address: orNull(input('paid-address').value), refundAddress: orNull(input('refund-address').value),
      };
      await open(() => openSecret(asked));
      if (opened !== null) area('secret').value = '';
    } catch (error) {
      complain('open-status', error);
    }
  });
}

// ---- Showing

function showAll(): void {
  if (opened === null) return;
  showPledge(opened);
  showReady(opened);
  showMore(opened);
  showOwn(opened);
  showKeep(opened);
  showCore(opened);
}

function showPledge(pledge: Opened): void {
  const { address } = pledge.refunds.output;
  const shown = grouped(address);
  const network = pledge.charter.network.name;
  part('pledge-body').replaceChildren(
    ...(network === 'mainnet' ? [] : [element('p', { class: 'net' }, `This pledge is on ${network}: bitcoin on it has no value.`)]),
    element('h3', {}, 'Address that was paid'), shown, copyButton('Copy the address', address, shown),
    element('p', { class: 'good' }, element('strong', {}, 'Checked here: '), pledge.file === null
      ? 'the charter gives this address for this key and number. That the three signers agreed to it was not checked: attestations are in the proof document or the recovery file.'
      : 'the charter, the agreement of all three signers, the address, and every signature in it.'),
    ...(pledge.refundAddressGuessed
      ? [element('p', { class: 'warn' }, element('strong', {}, 'Compare: '), 'is this the address you paid, and is the refund address one of yours? Neither the charter nor the words can tell.')]
      : []),
    rows(pledgeRows(pledge, nowSecs())),
    ...pledge.elsewhere.map(({ amount, outpoint, txid, alone, address }) => element('p', { class: 'warn' },
      element('strong', {}, 'Moved, not refunded: '), `${amountWords(amount)} at `, element('code', {}, outpoint),
      `${alone ? ', by the sponsor\'s key' : ', by two of the three signers'}, to `, element('code', {}, address), ' in ', element('code', {}, txid),
      '. If you moved this pledge to another task, that is its address there: go on with the recovery file of that pledge. The document says so; an explorer shows the same.')),
  );
  show(part('pledge'), true);
}

function rung(row: ReadyRow): HTMLElement {
  const tag = row.valid ? element('span', { class: 'tag now' }, 'valid now, by this clock') : element('span', { class: 'tag' }, 'not yet');
  return element('div', { class: 'rung' },
    element('h4', {}, row.title, tag),
    element('p', {}, row.pair
      ? `Pays ${row.pays}, valid ${row.validFrom}. No node relays it alone: somebody puts an input for the fee beside it. The service does that.`
      : `Pays ${row.pays}; fee ${row.fee}; valid ${row.validFrom}.`),
    ...hexParts(row.hex, row.fileName, row.title));
}

function showReady(pledge: Opened): void {
  const lists = readyRows(pledge, nowSecs());
  const parts = lists.flatMap(({ outpoint, amount, rungs, pair }) => [
    element('h3', {}, `${amountWords(amount)} at `, element('code', {}, outpoint)),
    ...(rungs.length === 0 ? [element('p', { class: 'soft' }, 'No transaction with a fee of its own is signed for it: the amount bears none, or the wallet signed the pair only.')] : []),
    ...rungs.map(rung),
    element('details', {}, element('summary', {}, 'The pair, for whoever pays its fee'), rung(pair)),
  ]);
  part('ready-body').replaceChildren(...(parts.length > 0 ? parts : [
    element('p', {}, 'None yet: what you have is older than the payment. Name the payment below, and its refunds are signed here.'),
  ]));
  show(part('ready'), true);
}

function showMore(pledge: Opened): void {
  const able = pledge.refunds.key !== null;
  show(part('more-key'), !able);
  show(part('more-form'), able);
  const held = new Set(pledge.refunds.refunds.map((bundle) => bundle.signatures.outpoint));
  const open = pledge.named.filter((one) => !held.has(one.outpoint));
  part('named').replaceChildren(...open.map((one) => {
    const use = element('button', { type: 'button' }, `Sign for ${amountWords(one.amount)}`);
    use.addEventListener('click', () => signFor([one]));
    return element('p', {}, 'The proof document names a payment: ', element('code', {}, one.outpoint), ' ', use);
  }));
  show(part('more'), true);
}

function signFor(payments: readonly Payment[]): void {
  if (opened === null) return;
  try {
    for (const { outpoint, amount } of payments) opened.refunds.sign(outpoint, amount);
    for (const id of ['funding', 'outpoint', 'amount']) part(id).removeAttribute('aria-invalid');
    showAll();
    const total = payments.reduce((sum, one) => sum + one.amount, 0n);
    say('more-status', `Signed: the refunds of ${amountWords(total)} are listed above. Save the new recovery file below.`, 'good');
    area('funding').value = '';
    input('outpoint').value = '';
    input('amount').value = '';
  } catch (error) {
    complain('more-status', error);
  }
}

function listenToMore(): void {
  part('more-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (opened === null) return;
    try {
      signFor(findPayment(opened, { transaction: area('funding').value, outpoint: input('outpoint').value, amount: input('amount').value }));
    } catch (error) {
      complain('more-status', error);
    }
  });
}

function showOwn(pledge: Opened): void {
  const payments = pledge.refunds.refunds.map((bundle) => bundle.signatures);
  byId('own-outpoint', HTMLSelectElement).replaceChildren(
    ...payments.map((one) => element('option', { value: one.outpoint }, `${satWords(BigInt(one.amount_sat))} at ${one.outpoint.slice(0, 12)}…${one.outpoint.slice(-6)}`)),
  );
  part('own-body').replaceChildren();
  say('own-status', '', '');
  show(part('own'), pledge.refunds.key !== null && payments.length > 0);
}

function listenToOwn(): void {
  part('own-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (opened === null) return;
    try {
      const outpoint = byId('own-outpoint', HTMLSelectElement).value;
      const amount = opened.refunds.refunds.find((bundle) => bundle.signatures.outpoint === outpoint)?.target.amount ?? 0n;
      const feerate = input('feerate').value;
      const signed = signOwn(opened, { outpoint, amount, feerate, to: input('to').value });
      document.querySelectorAll('#own-form [aria-invalid]').forEach((field) => field.removeAttribute('aria-invalid'));
      say('own-status', 'Signed. It is valid after T, when the chain\'s median time has passed it.', 'good');
      part('own-body').replaceChildren(element('div', { class: 'rung' },
        rows([
          ['Pays', amountWords(amount - signed.feeSat)], ['To', element('code', {}, signed.to)], ['Fee', `${satWords(signed.feeSat)}, ${feerate.trim()} sat/vB`],
          ['Transaction', element('code', {}, signed.txid)],
        ]),
        ...hexParts(signed.hex, `refund-${outpoint.slice(0, 8)}-own.txt`, `${feerate.trim()} sat/vB`),
        element('p', { class: 'soft' }, 'With your own node: ', element('code', {}, broadcastCommand(opened.charter.network.name, '…')))));
    } catch (error) {
      part('own-body').replaceChildren();
      complain('own-status', error);
    }
  });
}

function showKeep(pledge: Opened): void {
  part('keep-body').replaceChildren(...(pledge.file === null
    ? [element('p', {}, 'A recovery file needs the signatures of the three signers: open the pledge with the task\'s proof document instead of the charter alone. The refunds above can be saved one by one.')]
    : [
      element('p', {}, 'The recovery file with every refund above in it. It is secret and not encrypted: whoever has it can take this pledge after T. ', element('code', {}, 'upfront recover'), ' reads it, and so does this page.'),
      saveLink(recoveryFileName(pledge), pledge.file.toJson(), 'Save the recovery file'),
    ]));
  show(part('keep'), true);
}

function showCore(pledge: Opened): void {
  const steps = coreSteps(pledge);
  const list = steps?.map(({ words, command, secret }) => {
    const shown = element('pre', { tabindex: '0' }, command);
    const copy = copyButton('Copy the command', command, shown);
    return secret
      ? element('li', {}, words, element('details', {}, element('summary', {}, 'Show the command. It holds the private key of this pledge'), shown), copy)
      : element('li', {}, words, shown, copy);
  });
  part('core-body').replaceChildren(
    element('p', {}, 'If no transaction above serves, and even this page is gone: a node with its wallet does it with three commands. They are in the recovery file, too.'),
    list === undefined ? element('p', {}, 'Your own wallet holds the key: let it sign for this output, ', element('code', {}, pledge.refunds.output.descriptor), ', locked to T.')
      : element('ol', {}, ...list),
  );
  show(part('core'), true);
}

show(part('served'), location.protocol !== 'file:');
show(part('online'), location.protocol === 'file:' && navigator.onLine);
listenToOpening();
listenToMore();
listenToOwn();
