// Signing with a wallet of one's own: words or transactions go out as PSBTs (text and file), and come back signed. What
// is shown is what is signed.

import { messageOf } from '../core/bip322.ts';
import type { Statement } from '../core/statement.ts';
import { copyButton } from '../ui/copy.ts';
import { button, element } from '../ui/element.ts';
import { fieldError, wordsOf } from '../ui/page.ts';
import { bytesOfFile, saveBytes, saveText } from '../ui/save.ts';
import { refusedSecret } from '../ui/secret.ts';
import { statementPsbt, statementSignature, type WalletKey } from './wallet-psbt.ts';

/** Bytes of a PSBT as a file, which most wallets open. */
export const savePsbt = (name: string, bytes: Uint8Array): void => saveBytes(name, new Uint8Array(bytes), 'application/octet-stream');

export interface Asked {
  readonly statement: Statement;
  readonly key: WalletKey;
  /** Name of the file, without ending. */
  readonly name: string;
  /** What the command line reads beside the PSBT (`upfront statement send`). */
  readonly words: unknown;
  /** Gets the signature, which was checked; may throw words for the field. */
  readonly signed: (signature: string) => Promise<void>;
  readonly button: string;
}

/** Shows the words, the PSBT, and takes it back. */
export function askWallet(place: HTMLElement, asked: Asked): void {
  const psbt = statementPsbt(asked.statement, asked.key);
  const text = psbt.base64();
  const shown = element('textarea', { class: 'mono', rows: '4', readonly: true, id: 'sign-psbt' }, text);
  const back = element('textarea', { id: 'signed-text', class: 'mono', rows: '4', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'signed-hint signed-text-error' });
  const file = element('input', { id: 'signed-file', type: 'file', accept: '.psbt,.txt', 'aria-describedby': 'signed-text-error' });
  const submit = element('button', { type: 'submit' }, asked.button);
  const form = element('form', { id: 'signed-form', novalidate: true },
    element('div', { class: 'field' }, element('label', { for: 'signed-text' }, 'What the wallet gave back'), back,
      element('p', { class: 'hint', id: 'signed-hint' }, 'The signed PSBT (base64), or a BIP322 signature (smp… or ful…).'),
      element('p', { class: 'error', id: 'signed-text-error', hidden: true })),
    element('div', { class: 'field' }, element('label', { for: 'signed-file' }, 'Or its file'), file),
    element('p', { class: 'actions' }, submit));
  const title = element('h3', { tabindex: '-1', id: 'sign-title' }, 'Your wallet signs these words');
  place.replaceChildren(
    title,
    element('pre', { class: 'said' }, element('code', { id: 'sign-words' }, messageOf(asked.statement))),
    element('div', { class: 'field' }, element('label', { for: 'sign-psbt' }, 'As a PSBT (BIP322)'), shown),
    element('p', { class: 'actions' },
      copyButton('Copy', text, shown), button('Save as a file', 'second', () => savePsbt(`${asked.name}.psbt`, psbt.bytes())),
      button('Save for the command line', 'second', () => saveText(`${asked.name}.psbt.statement.json`, `${JSON.stringify(asked.words, null, 2)}\n`))),
    element('details', {}, element('summary', {}, 'With Bitcoin Core'),
      element('pre', {}, element('code', {}, `bitcoin-cli walletprocesspsbt "$(base64 -w0 ${asked.name}.psbt)" | jq -r .psbt`))),
    form);
  back.addEventListener('input', () => refusedSecret('signed-text'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void take();
  });
  title.focus();

  async function take(): Promise<void> {
    fieldError('signed-text', null);
    if (refusedSecret('signed-text')) return;
    submit.disabled = true;
    try {
      const [chosen] = file.files ?? [];
      const bytes = back.value.trim() === '' && chosen !== undefined ? await bytesOfFile(chosen) : null;
      const given = bytes === null ? back.value : isBinary(bytes) ? bytes : new TextDecoder().decode(bytes);
      await asked.signed(statementSignature(given, asked.statement, asked.key.key, 'signature'));
    } catch (error) {
      fieldError('signed-text', wordsOf(error));
      back.focus();
    } finally {
      submit.disabled = false;
    }
  }
}

const isBinary = (bytes: Uint8Array): boolean => bytes[4] === 0xff;
