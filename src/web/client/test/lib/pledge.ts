// A whole pledge for tests, from the keys of the vectors: charter, attestations, sponsor and recovery file.

import { Charter } from '../../src/core/charter.ts';
import { Contract, type EscrowOutput } from '../../src/core/output.ts';
import type { RefundTarget } from '../../src/core/refund.ts';
import { Refunds } from '../../src/core/refunds.ts';
import { RecoveryFile, type Origin } from '../../src/core/recovery.ts';
import { signStatement } from '../../src/core/signature.ts';
import { pledge } from '../../src/core/statement.ts';
import { rootOf } from './root.ts';
import { at, vectors } from './vectors.ts';

export const PHRASE = at(vectors.refunds, 0).phrase;

export interface TestPledge {
  readonly charter: Charter;
  readonly attestations: { developer: string; representative: string; arbiter: string };
  readonly claims: {
    task: string; index: number; sponsorKey: string; refundAddress: string; address: string; descriptor: string;
    internalKey: string; signature: string; openAddress: string;
  };
  file(origin?: Partial<Origin>, withKey?: boolean): RecoveryFile;
}

/** Pledge 4 of the charter at `position`, key 3 and refund address 2 of PHRASE. */
export function pledgeOf(position: number): TestPledge {
  const item = at(vectors.charters, position);
  const charter = Charter.parse(item.text);
  const contract = new Contract(charter);
  const root = rootOf(PHRASE, charter.network.name);
  const key = root.sponsorKey(3);
  const refundAddress = root.refundAddress(2).address;
  const output = contract.pledge({ generation: 0, index: 4 }, key.publicKey);
  const statement = pledge({ network: charter.network.name, charter: charter.id, index: 4, sponsorKey: key.publicKey, refundAddress });
  const signature = signStatement(statement, key);
  const { developer, representative, arbiter } = item;
  return {
    charter,
    attestations: { developer: developer.signature, representative: representative.bip322_signature, arbiter: arbiter.signature },
    claims: {
      task: charter.id, index: 4, sponsorKey: key.publicKey, refundAddress, address: output.address, descriptor: output.descriptor,
      internalKey: output.internalKey, signature, openAddress: contract.open().address,
    },
    file: (origin = {}, withKey = true) => new RecoveryFile({
      charter,
      attestations: [developer.signature, representative.bip322_signature, arbiter.signature],
      index: 4,
      sponsorKey: key.publicKey,
      refundAddress,
      pledgeSignature: signature,
      key: withKey ? { secret: key.secret, publicKey: key.publicKey } : null,
      origin: { sponsorKeyIndex: 3, refundAddressIndex: 2, phrase: null, ...origin },
    }),
  };
}

/** What refunding an outpoint of this output means, as pages ask for it. */
export const targetOf = (output: EscrowOutput, outpoint: string, amount: bigint, refundAddress: string): RefundTarget =>
  new Refunds(output, refundAddress, null).target(outpoint, amount);

export const outpoint = (n: number): string => `${String(n).padStart(2, '0').repeat(32)}:${n}`;
