// Parts that checkout and pledge page share: where to pay, once it was checked; and what to keep for later.

import type { KeyPair } from '../core/keys.ts';
import { outpointText } from '../core/tx.ts';
import { satWords } from '../core/words.ts';
import { copyButton, grouped } from '../ui/copy.ts';
import { button, element } from '../ui/element.ts';
import { fieldError, say, wordsOf } from '../ui/page.ts';
import { qrPicture } from '../ui/qr.ts';
import { saveText } from '../ui/save.ts';
import { btcWords } from './amount.ts';
import { fileName, type Keeper } from './keeper.ts';
import { keep, LEAST_PASSPHRASE, lock, nextName } from './keystore.ts';
import { privateLink } from './link.ts';
import { remember } from './memory.ts';
import { paymentLink, qrText } from './task.ts';
import { termsPanel } from './terms.ts';

/** Address, code and link of a pledge that was checked here, and the terms it is under. */
export function addressPanel(place: HTMLElement, { file, view: { promised } }: Keeper): void {
  const { output, charter } = file;
  const { refundAddress } = file.parts;
  const shown = grouped(output.address);
  shown.id = 'address';
  const open = element('a', { href: paymentLink(output.address, promised), class: 'button', id: 'pay-link' }, 'Open in a wallet');
  const facts = element('div', {},
    element('p', { class: 'big amount' }, satWords(promised), ' ', element('span', { class: 'btc' }, `${btcWords(promised)} BTC`)),
    element('p', {}, element('span', { class: 'state good', id: 'checked' }, '✓ Checked in this browser')),
    shown,
    element('p', { class: 'actions' }, open, copyButton('Copy the address', output.address, shown)),
  );
  place.replaceChildren(
    element('div', { class: 'pay' }, qrPicture(qrText(output.address, promised), `QR code of the payment link to ${output.address}`), facts),
    element('h3', {}, 'The terms, as checked'),
    termsPanel(charter, refundAddress),
    element('details', {},
      element('summary', {}, 'What was checked'),
      element('ul', {},
        element('li', {}, 'The terms are those whose hash stands in this page’s address: ', element('span', { class: 'hash' }, charter.id), '.'),
        element('li', {}, 'All three signers agreed to exactly these terms.'),
        element('li', {}, 'The address follows from their three keys, from your key, and from the terms; it was computed here and equals the service’s.'),
        ...charter.shares.map(({ name, address }) => element('li', {}, `Of a payout, the share of ${name} goes to `, element('span', { class: 'hash' }, address.text), '.')),
      ),
      element('p', {}, 'The output’s descriptor: ', element('span', { class: 'hash' }, output.descriptor)),
    ),
  );
}

/** What helps later: the file with the refunds that are ready, the private link, the words kept in this browser. */
export class AfterPanel {
  private readonly keeper: Keeper;
  private readonly saveNote = element('p', { class: 'quiet small' });

  constructor(place: HTMLElement, keeper: Keeper) {
    this.keeper = keeper;
    const { key, parts } = keeper.file;
    const save = button('Save the recovery file', 'second', () => {
      saveText(fileName(keeper.file), keeper.file.toJson());
      say('The recovery file was saved.');
    });
    save.id = 'after-save';
    place.replaceChildren(
      element('h3', {}, 'Keep this for later'),
      element('p', { class: 'actions' }, save),
      this.saveNote,
      ...(key === null ? [] : [this.linkPart(key)]),
      ...(parts.origin.phrase === null ? [] : [keepPart(parts.origin.phrase, keeper)]),
    );
    this.update();
  }

  /** Says what the file holds by now. */
  update(): void {
    const there = this.keeper.view.outpoints.filter(({ standing }) => standing !== 'vanished');
    const ready = this.keeper.file.refunds
      .filter(({ target }) => target.output.slot.generation === 0 && there.some(({ outpoint }) => outpoint === outpointText(target.outpoint))).length;
    this.saveNote.textContent = ready === 0
      ? 'Once your payment is seen, save it again: it then holds the refund, ready to be sent by anyone.'
      : `It now holds ${ready === 1 ? 'the refund of your payment' : `refunds of ${ready} payments`}, signed and ready. Save it again, and put it in the place of the one before.`;
  }

  private linkPart(key: KeyPair): HTMLElement {
    const link = privateLink(location.origin, this.keeper.task.charter.id, this.keeper.file.parts.index, key);
    const shown = element('p', { class: 'hash', id: 'private-link' });
    const part = element('details', {},
      element('summary', {}, 'The private link to this pledge'),
      element('p', {}, 'It opens this pledge on another device, secures its refund and votes. ', element('strong', {}, 'It is as good as the pledge’s key: give it to nobody'), ', and do not send it through a service that reads messages.'),
      shown,
      element('p', { class: 'actions' }, copyButton('Copy the link', link, shown)),
    );
    // A key stands in the page only while somebody looks at it.
    part.addEventListener('toggle', () => { shown.textContent = part.open ? link : ''; });
    return part;
  }
}

function keepPart(phrase: string, keeper: Keeper): HTMLElement {
  const first = element('input', { id: 'keep-passphrase', type: 'password', autocomplete: 'new-password', 'aria-describedby': 'keep-passphrase-error' });
  const second = element('input', { id: 'keep-again', type: 'password', autocomplete: 'new-password', 'aria-describedby': 'keep-again-error' });
  const form = element('form', { novalidate: true, id: 'keep-form' },
    element('div', { class: 'field' }, element('label', { for: 'keep-passphrase' }, 'A new passphrase'), first,
      element('p', { class: 'hint' }, `At least ${LEAST_PASSPHRASE} characters. It cannot be reset.`),
      element('p', { class: 'error', id: 'keep-passphrase-error', hidden: true })),
    element('div', { class: 'field' }, element('label', { for: 'keep-again' }, 'Once more'), second,
      element('p', { class: 'error', id: 'keep-again-error', hidden: true })),
    element('p', { class: 'actions' }, element('button', { type: 'submit', class: 'second' }, 'Keep my words here')),
  );
  const part = element('details', {}, element('summary', {}, 'Keep the words in this browser'),
    element('p', {}, 'Locked by a passphrase, for your next pledge or vote. It is no backup: a browser may forget what it keeps.'), form);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void keepWords(form, first, second, phrase, keeper);
  });
  return part;
}

async function keepWords(form: HTMLFormElement, first: HTMLInputElement, second: HTMLInputElement, phrase: string, { file, task }: Keeper): Promise<void> {
  fieldError('keep-passphrase', null);
  fieldError('keep-again', null);
  if (first.value !== second.value) {
    fieldError('keep-again', 'The two are not the same.');
    second.focus();
    return;
  }
  const submit = form.querySelector('button');
  if (submit !== null) submit.disabled = true;
  try {
    const box = await lock(phrase, first.value, task.charter.network.name, new Date().toISOString().slice(0, 10));
    await keep(box);
    const { sponsorKeyIndex, refundAddressIndex } = file.parts.origin;
    await remember(nextName(box), Math.max(sponsorKeyIndex ?? -1, refundAddressIndex ?? -1) + 1);
    form.replaceWith(element('p', {}, 'Your words are kept in this browser.'));
    say('Your words are kept in this browser.');
  } catch (error) {
    fieldError('keep-passphrase', wordsOf(error));
    first.focus();
  } finally {
    if (submit !== null) submit.disabled = false;
    first.value = second.value = '';
  }
}
