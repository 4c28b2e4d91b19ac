// Checkout with a key of the sponsor's own wallet: the pledge's words are signed there, and no secret passes through here.

import { parseAddress } from '../core/address.ts';
import { UpfrontError } from '../core/error.ts';
import type { Network } from '../core/network.ts';
import { pledge as pledgeStatement } from '../core/statement.ts';
import { byId, fieldError, focusOn, say, valueOf, wordsOf } from '../ui/page.ts';
import { element } from '../ui/element.ts';
import { saveText } from '../ui/save.ts';
import { post } from './issue.ts';
import { fileName, fileOf, Keeper } from './keeper.ts';
import { refusedSecret } from '../ui/secret.ts';
import { fetchTask, issuedPledge } from './task.ts';
import { readWalletKey, type WalletKey } from './wallet-psbt.ts';
import { WalletRefund } from './wallet-refund.ts';
import { askWallet } from './wallet-sign.ts';

export interface WalletHost {
  readonly issued: (keeper: Keeper) => void;
  readonly backedUp: () => void;
  /** Stops where the service lies; else tells the words. */
  readonly failed: (error: unknown, otherwise: (words: string) => void) => void;
}

export class WalletSteps {
  private amount = 0n;
  private key: WalletKey | null = null;
  private refund: WalletRefund | null = null;
  private readonly id: string;
  private readonly network: Network;
  private readonly host: WalletHost;

  constructor(id: string, network: Network, host: WalletHost) {
    this.id = id;
    this.network = network;
    this.host = host;
    byId<HTMLFormElement>('wallet-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.ask();
    });
    byId('wallet-file-done').addEventListener('click', () => this.host.backedUp());
  }

  begin(amount: bigint): void {
    this.amount = amount;
  }

  /** Key and address as given; null where a field has an error now. */
  private read(): { key: WalletKey; refundAddress: string } | null {
    const fields = ['wallet-key', 'wallet-refund'] as const;
    for (const field of fields) fieldError(field, null);
    if (fields.some((field) => refusedSecret(field))) return null;
    const attempt = <T>(field: string, read: () => T): T | null => {
      try {
        return read();
      } catch (error) {
        fieldError(field, wordsOf(error));
        byId(field).focus();
        return null;
      }
    };
    const key = attempt('wallet-key', () => readWalletKey(valueOf('wallet-key'), 'key'));
    const address = key && attempt('wallet-refund', () => parseAddress(valueOf('wallet-refund'), this.network, 'refund address').text);
    return key === null || address === null ? null : { key, refundAddress: address };
  }

  private async ask(): Promise<void> {
    const given = this.read();
    if (given === null) return;
    this.key = given.key;
    try {
      const { charter, view } = await fetchTask(this.id);
      const mine = view.pledges.find(({ sponsorKey }) => sponsorKey === given.key.key);
      if (mine !== undefined) {
        fieldError('wallet-key', `This key has pledge ${mine.index} of this task already. Open that one, or give another key: none may be used twice.`);
        return;
      }
      const index = view.nextIndex;
      const statement = pledgeStatement({
        network: charter.network.name, charter: charter.id, index, sponsorKey: given.key.key, refundAddress: given.refundAddress,
      });
      askWallet(byId('wallet-sign'), {
        statement,
        key: given.key,
        name: `upfront-pledge-${charter.id.slice(0, 12)}-${index}`,
        words: { kind: 'pledge', charter: charter.id, index, sponsor_key: given.key.key, refund_address: given.refundAddress, amount_sat: Number(this.amount) },
        button: 'Make the address',
        signed: (signature) => this.deliver(index, given.key.key, given.refundAddress, signature),
      });
    } catch (error) {
      this.host.failed(error, (words) => fieldError('wallet-key', words));
    }
  }

  private async deliver(index: number, key: string, refundAddress: string, signature: string): Promise<void> {
    const view = await post(this.id, index, key, refundAddress, signature, this.amount);
    if (view === null) {
      await this.ask();
      throw new UpfrontError('index_taken', 'signature', 'somebody else was faster: the words above are new, sign these');
    }
    try {
      const task = await fetchTask(this.id);
      issuedPledge(task, view, { index, sponsorKey: key, refundAddress, amount: this.amount });
      const origin = { sponsorKeyIndex: null, refundAddressIndex: null, phrase: null };
      this.issued(new Keeper(task, fileOf(task, { view, key: null, origin }), view));
    } catch (error) {
      this.host.failed(error, (words) => { throw new UpfrontError('service', 'service', words); });
    }
  }

  private issued(keeper: Keeper): void {
    this.host.issued(keeper);
    byId('wallet-form').hidden = true;
    byId('wallet-sign').replaceChildren();
    byId('wallet-file').hidden = false;
    byId('wallet-file-save').addEventListener('click', () => {
      saveText(fileName(keeper.file), keeper.file.toJson());
      byId('wallet-file-done').hidden = false;
      say('The recovery file was saved.');
    });
    focusOn(byId('wallet-file-title'));
  }

  /** Offers the refund to be signed as payments arrive. */
  attend(keeper: Keeper, before: HTMLElement, done: () => void): void {
    const place = element('section', { id: 'wallet-refund-parts' });
    before.before(place);
    this.refund = new WalletRefund(place, keeper, this.key?.origin ?? null, done);
  }

  /** After each look. */
  update(): void {
    this.refund?.update();
  }
}
