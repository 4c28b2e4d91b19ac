// A sponsor's vote as `POST /tasks/{charter}/votes` takes it, and the receipt that answers it.

import { hex } from './bytes.ts';
import type { Charter } from './charter.ts';
import { refuse } from './error.ts';
import { networkOf } from './network.ts';
import { parseSignature, verifyStatement } from './signature.ts';
import { receipt as receiptStatement, vote as voteStatement, type Choice } from './statement.ts';

/** `Signed<Vote>`. */
export interface SignedVote {
  readonly statement: {
    readonly network: string;
    readonly charter: string;
    readonly submission: string;
    readonly pledge: number;
    readonly choice: Choice;
    readonly counter: number;
  };
  readonly signature: string;
}

/** `Signed<Receipt>`. */
export interface SignedReceipt {
  readonly statement: {
    readonly network: string;
    readonly charter: string;
    readonly vote: string;
    readonly tip_height: number;
    readonly tip_hash: string;
    readonly tip_mtp_secs: number;
  };
  readonly signature: string;
}

/** Throws unless the receipt is the service's, for this very vote. */
export function checkReceipt(charter: Charter, vote: SignedVote, given: SignedReceipt): void {
  const { network, charter: id, vote: digest, tip_height, tip_hash, tip_mtp_secs } = given.statement;
  const voted = voteStatement({ ...vote.statement, network: networkOf(vote.statement.network).name });
  if (network !== charter.network.name) refuse('receipt', 'receipt.network', 'receipt.network: the receipt is of another network');
  if (id !== charter.id) refuse('receipt', 'receipt.charter', 'receipt.charter: the receipt is of another task');
  if (digest !== hex(voted.digest)) refuse('receipt', 'receipt.vote', 'receipt.vote: the receipt is for another vote');
  const statement = receiptStatement({
    network: charter.network.name, charter: id, vote: digest, tipHeight: tip_height, tipHash: tip_hash, tipMtpSecs: tip_mtp_secs,
  });
  verifyStatement(statement, parseSignature(given.signature, 'receipt.signature'), charter.receipts, 'receipt.signature');
}
