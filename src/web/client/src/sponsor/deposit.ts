// What lies at a pledge, read from the transactions that paid it: their ids are computed here, so that outpoint, amount and
// address are not a matter of the service's word. Whether they are mined and unspent, it is.

import { hex, unhex } from '../core/bytes.ts';
import { refuse } from '../core/error.ts';
import { outpointText, parseOutpoint, parseTransaction, txid } from '../core/tx.ts';
import { ServiceError } from '../ui/api.ts';
import type { RecoveryFile } from '../core/recovery.ts';
import type { ChainView, Held } from './views.ts';

/** Throws unless each output pays this pledge what is said of it. */
export function checkDeposits({ contract, parts }: RecoveryFile, held: readonly Held[], { transactions }: ChainView): void {
  for (const { outpoint, amount, generation } of held) {
    const at = parseOutpoint(outpoint, 'outpoint');
    if (outpointText(at) !== outpoint) refuse('untrue', 'outpoint', 'outpoint is not so: it is not written as outpoints are');
    const raw = transactions.get(at.txid) ?? null;
    if (raw === null) throw new ServiceError('proof_not_ready', 'The service has not read the transaction of your payment again yet. Try again in a minute.', 0);
    const transaction = parseTransaction(unhex(raw, 'transaction'), 'transaction');
    if (txid(transaction) !== at.txid) refuse('untrue', 'transaction', 'transaction is not so: it has another id than the service says');
    const paid = transaction.outputs[at.vout];
    const { scriptPubkey } = contract.pledge({ index: parts.index, generation }, parts.sponsorKey);
    if (paid === undefined || hex(paid.script) !== hex(scriptPubkey)) refuse('untrue', 'outpoint', 'outpoint is not so: it does not pay your pledge');
    else if (paid.amount !== amount) refuse('untrue', 'amount_sat', 'amount_sat is not so: the transaction pays another amount');
  }
}
