// The refund of a pledge whose key is in the sponsor's own wallet: one PSBT a part, signed there and brought back.

import type { KeyOrigin } from '../core/psbt.ts';
import { outpointText } from '../core/tx.ts';
import { postJson } from '../ui/api.ts';
import { button, element } from '../ui/element.ts';
import { fieldError, say, wordsOf } from '../ui/page.ts';
import { bytesOfFile, saveText } from '../ui/save.ts';
import type { Keeper } from './keeper.ts';
import { refusedSecret } from '../ui/secret.ts';
import { psbtOfFile, psbtsOf, readRefund, readWalletKey, refundParts } from './wallet-psbt.ts';
import { savePsbt } from './wallet-sign.ts';
import type { Held } from './views.ts';

const CORE = `# the pair
bitcoin-cli -named walletprocesspsbt psbt="$(base64 -w0 FILE-pair.psbt)" sighashtype="SINGLE|ANYONECANPAY" finalize=false
# every other file
bitcoin-cli -named walletprocesspsbt psbt="$(base64 -w0 FILE)" finalize=false`;

export class WalletRefund {
  private readonly place: HTMLElement;
  private readonly keeper: Keeper;
  private origin: KeyOrigin | null;
  private shown = '';
  private readonly done: () => void;

  constructor(place: HTMLElement, keeper: Keeper, origin: KeyOrigin | null, done: () => void) {
    this.place = place;
    this.keeper = keeper;
    this.origin = origin;
    this.done = done;
    this.update();
  }

  private get open(): Held[] {
    return this.keeper.view.outpoints.filter(({ standing, ended, secured }) => standing !== 'vanished' && !ended && !secured);
  }

  /** Shows what is to be signed now; keeps what somebody is writing where nothing changed. */
  update(): void {
    const open = this.open;
    const now = open.map(({ outpoint, amount }) => `${outpoint} ${amount}`).join(' ');
    if (now === this.shown) return;
    this.shown = now;
    if (open.length === 0) this.place.replaceChildren();
    else this.draw(open);
  }

  private draw(open: readonly Held[]): void {
    const parts = open.flatMap((held) => refundParts(this.keeper.target(held), this.origin)
      .map(({ name, psbt }) => ({ name: `${held.outpoint.replace(':', '-')}-${name}`, psbt })));
    const key = element('input', { id: 'refund-origin', class: 'mono', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'refund-origin-error' });
    const text = element('textarea', { id: 'refund-signed', class: 'mono', rows: '4', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'refund-signed-error' });
    const files = element('input', { id: 'refund-files', type: 'file', multiple: true, 'aria-describedby': 'refund-signed-error' });
    const form = element('form', { novalidate: true, id: 'refund-form' },
      element('div', { class: 'field' }, element('label', { for: 'refund-signed' }, 'Signed PSBTs, one a line'), text,
        element('p', { class: 'error', id: 'refund-signed-error', hidden: true })),
      element('div', { class: 'field' }, element('label', { for: 'refund-files' }, 'Or their files'), files),
      element('p', { class: 'actions' }, element('button', { type: 'submit' }, 'Secure the refund')));
    this.place.replaceChildren(
      element('h3', {}, 'Your wallet signs the refund'),
      element('p', {}, 'The pair makes the refund automatic; the others serve when the operator is gone. Sign the pair, or all of them.'),
      ...(this.origin !== null ? [] : [element('div', { class: 'field' },
        element('label', { for: 'refund-origin' }, 'Your key with its origin, so that the wallet knows it'), key,
        element('p', { class: 'error', id: 'refund-origin-error', hidden: true }))]),
      element('ul', {}, ...parts.map(({ name, psbt }) => element('li', {}, button(`${name.replace(/^[0-9a-f]{52}/, '…')}.psbt`, 'plain', () => savePsbt(`${name}.psbt`, psbt.bytes()))))),
      element('p', { class: 'actions' },
        button('Save all', 'second', () => { for (const { name, psbt } of parts) savePsbt(`${name}.psbt`, psbt.bytes()); }),
        button('Save as text, one a line', 'second', () => saveText('upfront-refund.psbts.txt', parts.map(({ psbt }) => `${psbt.base64()}\n`).join(''), 'text/plain'))),
      element('details', {}, element('summary', {}, 'With Bitcoin Core'), element('pre', {}, element('code', {}, CORE))),
      form);
    key.addEventListener('change', () => this.readOrigin(key.value));
    text.addEventListener('input', () => refusedSecret('refund-signed'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.take(text, files, open);
    });
  }

  private readOrigin(given: string): void {
    if (refusedSecret('refund-origin')) return;
    try {
      const { key, origin } = readWalletKey(given, 'key');
      if (key !== this.keeper.file.parts.sponsorKey) throw new Error('other key');
      this.origin = origin;
      this.shown = '';
      this.update();
    } catch {
      fieldError('refund-origin', 'This is not the key of this pledge, or it cannot be read.');
    }
  }

  private async take(text: HTMLTextAreaElement, files: HTMLInputElement, open: readonly Held[]): Promise<void> {
    fieldError('refund-signed', null);
    if (refusedSecret('refund-signed')) return;
    try {
      const pasted = psbtsOf(text.value, 'psbt');
      const read = await Promise.all([...(files.files ?? [])].map(async (file) => psbtOfFile(await bytesOfFile(file), 'psbt')));
      const all = [...pasted, ...read];
      let secured = 0;
      for (const held of open) {
        const { outpoint } = held;
        const target = this.keeper.target(held);
        const mine = all.filter(({ unsignedTx }) => unsignedTx.inputs.some((input) => outpointText(input) === outpoint));
        if (mine.length === 0) continue;
        const bundle = readRefund(target, mine, 'psbt');
        this.keeper.file.add(bundle);
        await postJson(this.keeper.task.charter.id, '/refunds', bundle.signatures);
        secured += 1;
      }
      if (secured === 0) throw new Error('none');
      say('The refund was checked here and handed in.');
      this.done();
    } catch (error) {
      fieldError('refund-signed', error instanceof Error && error.message === 'none' ? 'None of these is a part of this refund.' : wordsOf(error));
      text.focus();
    }
  }
}
