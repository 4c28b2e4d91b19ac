// What people said, in a document: every statement must name this task and verify under the key it should. Where a
// signature fails, the field that was changed is named if it can be told.

import { parseAddress } from '../address.ts';
import { hex } from '../bytes.ts';
import type { Charter } from '../charter.ts';
import { UpfrontError } from '../error.ts';
import { MAX_ATTACHMENTS, MAX_EVIDENCE, mayDispute, textProblem } from '../evidence.ts';
import type { Contract, EscrowOutput } from '../output.ts';
import { sponsorSpeaker, type Speaker } from '../signature.ts';
import { ROLES } from '../signer-key.ts';
import * as statement from '../statement.ts';
import type { CastVoteDocument, PledgeProof, ProofDocument, SubmissionProof, VoteDocument } from './document.ts';
import type { Findings } from './findings.ts';
import { scriptHex, slotKey, type Chain } from './mined.ts';
import {
  acceptanceWords, confirmationWords, evidenceWords, moveWords, receiptWords, rulingWords, signatureProblem, submissionWords, voteWords,
} from './words.ts';

/** Past so many findings nobody asks which field of a vote was changed: trying costs many verifications each. */
const DIAGNOSED = 50;
/** How far counters are tried to find the one that was signed. */
const COUNTERS_TRIED = 64;

export function checkAttestations(document: ProofDocument, charter: Charter, findings: Findings): void {
  let wrong = 0;
  for (const role of ROLES) {
    const signature = document.attestations[role];
    if (signature === undefined) continue;
    const problem = signatureProblem(() => statement.attest(charter.id), signature, charter.speaker(role));
    if (problem === null) continue;
    wrong += 1;
    findings.add(`attestations/${role}`, problem);
  }
  if (wrong === ROLES.length) {
    findings.add('charter', `no attestation verifies under its id ${charter.id}: a term (refund_time T, a share_bps, an address, a key, ...) is not what the signers agreed to`);
  }
  const missing = ROLES.find((role) => document.attestations[role] === undefined);
  if (missing !== undefined && document.opened) {
    findings.add(`attestations/${missing}`, 'missing: no address is shown before all three agree');
  }
  findings.unless(document.opened || document.pledges.length === 0, 'opened', 'there are pledges all the same');
}

/** An address in its one spelling. */
function ownSpelling(text: string, charter: Charter, field: string): { script: string } | { problem: string } {
  try {
    const { text: canonical, script } = parseAddress(text, charter.network, field);
    return canonical === text ? { script: hex(script) } : { problem: 'write bech32 addresses in lower case' };
  } catch (error) {
    if (error instanceof UpfrontError) return { problem: error.message };
    throw error;
  }
}

/** Checks the pledges, and derives the addresses of those that have one; by slot. */
export function checkPledges(
  document: ProofDocument, charter: Charter, contract: Contract, chain: Chain, findings: Findings,
): Map<string, EscrowOutput> {
  const open = contract.open();
  const outputs = new Map([[slotKey(open.slot), open]]);
  const paid = new Set<string>();
  for (const id of Object.keys(document.transactions)) {
    for (const { script } of chain.raw(id)?.outputs ?? []) paid.add(hex(script));
  }
  document.pledges.forEach((pledge, at) => {
    const field = (name: string): string => `pledges/${at}/${name}`;
    findings.unless(pledge.index === at + 1, field('index'), `${pledge.index}; the ${at + 1}. pledge has index ${at + 1}`);
    try {
      const output = contract.pledge({ index: pledge.index, generation: 0 }, pledge.sponsor_key);
      checkStatement(document, charter, pledge, paid.has(scriptHex(output)), field, findings);
      outputs.set(slotKey(output.slot), output);
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      findings.add(field('sponsor_key'), error.message);
    }
  });
  const own = new Set([...outputs.values()].map(scriptHex));
  document.pledges.forEach((pledge, at) => {
    const refund = ownSpelling(pledge.refund_address, charter, 'refund_address');
    if ('script' in refund && own.has(refund.script)) findings.add(`pledges/${at}/refund_address`, 'an address of this escrow');
  });
  return outputs;
}

function checkStatement(
  document: ProofDocument, charter: Charter, pledge: PledgeProof, derivedIsPaid: boolean,
  field: (name: string) => string, findings: Findings,
): void {
  const refund = ownSpelling(pledge.refund_address, charter, 'refund_address');
  if ('problem' in refund) {
    findings.add(field('refund_address'), refund.problem);
    return;
  }
  const words = (): statement.Statement => statement.pledge({
    network: charter.fields.network, charter: charter.id, index: pledge.index, sponsorKey: pledge.sponsor_key,
    refundAddress: pledge.refund_address,
  });
  const problem = signatureProblem(words, pledge.signature, sponsorSpeaker(pledge.sponsor_key));
  if (problem === null) return;
  // The address commits to charter, index and S. If it was paid, only the rest can be wrong.
  if (derivedIsPaid) {
    findings.add(field('refund_address'), `not the address that the sponsor signed, or not their signature: ${problem}`);
  } else if (document.outpoints.some((proof) => proof.index === pledge.index)) {
    findings.add(field('sponsor_key'), `not the key that signed the pledge and was paid to: ${problem}`);
  } else {
    findings.add(field('signature'), problem);
  }
}

/** What statements are checked against. */
export class Said {
  private readonly document: ProofDocument;
  private readonly charter: Charter;
  private readonly chain: Chain;
  private readonly findings: Findings;
  private readonly sponsors: ReadonlyMap<number, string>;

  constructor(document: ProofDocument, charter: Charter, chain: Chain, findings: Findings) {
    this.document = document;
    this.charter = charter;
    this.chain = chain;
    this.findings = findings;
    this.sponsors = new Map(document.pledges.map((pledge) => [pledge.index, pledge.sponsor_key]));
  }

  /** Every submission with what was said about it, and every consent to move. */
  check(): void {
    this.document.submissions.forEach((proof, at) => this.submission(proof, `submissions/${at}`, at));
    this.document.moves.forEach((signed, at) => this.move(signed, `moves/${at}`));
    this.document.late_moves.forEach((signed, at) => {
      this.move(signed, `late_moves/${at}`);
      const { outpoint } = signed.statement;
      const first = this.document.late_moves.findIndex(({ statement }) => statement.outpoint === outpoint) === at;
      this.findings.unless(first, `late_moves/${at}/statement/outpoint`, 'it has a consent already');
    });
  }

  private sameTask(said: { readonly network: string; readonly charter: string }, field: string): void {
    this.findings.unless(said.network === this.charter.fields.network, `${field}/network`, 'another network');
    this.findings.unless(said.charter === this.charter.id, `${field}/charter`, 'another charter');
  }

  private submission(proof: SubmissionProof, field: string, number: number): void {
    const { findings, document, charter } = this;
    const { statement: said, signature } = proof.submission;
    const path = `${field}/submission/statement`;
    this.sameTask(said, path);
    findings.unless(said.number === number, `${path}/number`, `the submission here is number ${number}`);
    const speaker = this.submitter(said, path);
    const problem = speaker === null ? null : signatureProblem(() => submissionWords(said), signature, speaker);
    if (problem !== null) findings.add(`${field}/submission`, problem);
    this.milestone(said, path);
    const id = idOf(said);
    findings.unless(id === proof.id, `${field}/id`, `the statement's is ${id}`);
    this.block(proof, field, path);
    const opened = this.opening(proof, field);
    proof.votes.forEach((cast, at) => {
      findings.unless(opened !== null, `${field}/votes/${at}`, 'nobody may vote before the leader confirms the work');
      const twice = proof.votes.slice(0, at).some((other) => sameVote(other.vote.statement, cast.vote.statement));
      if (twice) findings.add(`${field}/votes/${at}/vote/statement/counter`, 'the same vote stands before it already');
      this.vote(cast, `${field}/votes/${at}`, id);
    });
    this.evidence(proof, field);
    if (proof.acceptance !== null) this.acceptance(proof.acceptance, `${field}/acceptance`, id);
    if (proof.ruling !== null) {
      const closed = opened !== null && document.tip.mtp_secs > opened + charter.fields.review_secs;
      findings.unless(closed, `${field}/ruling`, 'it comes after voting has closed, which it has not');
      findings.unless(
        proof.submission.statement.named === null, `${field}/ruling`, 'the submission names payees: nobody rules on it',
      );
      this.ruling(proof.ruling, `${field}/ruling`, id);
    }
  }

  /** Who signs a submission: the developer, or whoever names other payees; null where nobody may. */
  private submitter({ named }: SubmissionProof['submission']['statement'], path: string): Speaker | null {
    const speaker = this.charter.submitter(named);
    if (named === null) return speaker;
    try {
      this.charter.sharesFor(named.payees);
      this.findings.unless(named.payees.length > 0, `${path}/named/payees`, 'nobody is named');
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      this.findings.add(`${path}/named/payees`, error.message);
    }
    this.findings.unless(speaker !== null, `${path}/named/by`, 'the charter has no leader');
    return speaker;
  }

  private milestone({ milestone }: SubmissionProof['submission']['statement'], path: string): void {
    const { charter, findings } = this;
    findings.unless(charter.hasPart(milestone), `${path}/milestone`, `the charter has ${charter.fields.milestones.length}`);
  }

  private move({ statement: said, signature }: ProofDocument['moves'][number], field: string): void {
    const { findings } = this;
    this.sameTask(said, `${field}/statement`);
    findings.unless(said.to_charter !== this.charter.id, `${field}/statement/to_charter`, 'it leads to the charter it comes from');
    const address = ownSpelling(said.to_address, this.charter, 'to_address');
    if ('problem' in address) findings.add(`${field}/statement/to_address`, address.problem);
    const held = this.document.outpoints.find(({ outpoint }) => outpoint === said.outpoint);
    const key = held === undefined ? undefined : this.sponsors.get(held.index);
    if (key === undefined) {
      findings.add(`${field}/statement/outpoint`, 'it is no pledge\'s outpoint of this document');
      return;
    }
    const problem = signatureProblem(() => moveWords(said), signature, sponsorSpeaker(key));
    if (problem !== null) findings.add(field, problem);
  }

  /** The block at whose height weights are counted. */
  private block(proof: SubmissionProof, field: string, path: string): void {
    const { findings, charter } = this;
    const { block_height: height, block_hash: named } = proof.submission.statement;
    this.named(height, proof, field, path);
    // After a reorg another block stands for the one that was named, perhaps a little later.
    const deadline = charter.fields.work_deadline;
    findings.unless(
      proof.block_mtp_secs <= deadline || proof.block_hash !== named, `${path}/block_height`, `past the work deadline ${deadline}`,
    );
    const due = charter.fields.milestones[proof.submission.statement.milestone ?? 0]?.due ?? deadline;
    findings.unless(
      charter.fields.milestones.length === 1 || proof.block_mtp_secs <= due || proof.block_hash !== named,
      `${path}/block_height`, `past ${due}, when the milestone is due`,
    );
  }

  /** Under which keys a party's words verify; null if there is no such party. */
  private party(by: string): Speaker | null {
    const role = ROLES.find((known) => known === by);
    if (role !== undefined) return this.charter.speaker(role);
    if (by === 'leader') return this.charter.leader;
    const key = this.sponsors.get(Number(by.slice('pledge '.length)));
    return key === undefined ? null : sponsorSpeaker(key);
  }

  /** Disputes and evidence: by whom they say they are, and no more than is taken. No rule about money rests on them. */
  private evidence(proof: SubmissionProof, below: string): void {
    const { findings } = this;
    const known = new Map<string, { count: number; next: number }>();
    (proof.evidence ?? []).forEach(({ statement: said, signature }, at) => {
      const field = `${below}/evidence/${at}`;
      const path = `${field}/statement`;
      this.sameTask(said, path);
      findings.unless(said.submission === proof.id, `${path}/submission`, 'another submission');
      const speaker = this.party(said.by);
      if (speaker === null) {
        findings.add(`${path}/by`, 'there is no such party');
      } else {
        const problem = signatureProblem(() => evidenceWords(said), signature, speaker);
        if (problem !== null) findings.add(field, problem);
      }
      findings.unless(said.kind === 'evidence' || mayDispute(said.by), path, `${said.by} opens no dispute`);
      findings.unless(textProblem(said.text) === null, path, 'its text is empty, too long, or has characters that cannot be seen');
      findings.unless(said.attachments.length <= MAX_ATTACHMENTS, path, `more than ${MAX_ATTACHMENTS} attachments`);
      const { count, next } = known.get(said.by) ?? { count: 0, next: 0 };
      findings.unless(said.counter >= next, `${path}/counter`, 'it does not rise');
      findings.unless(count < MAX_EVIDENCE, field, `more than ${MAX_EVIDENCE} of one party`);
      known.set(said.by, { count: count + 1, next: Math.max(next, said.counter + 1) });
    });
  }

  /** The block that a statement names must be the document's, with that median time past. */
  private named(height: number, known: { readonly block_hash: string; readonly block_mtp_secs: number }, field: string, path: string): void {
    const { findings, document, chain } = this;
    findings.unless(height <= document.tip.height, `${path}/block_height`, 'above the tip');
    const header = chain.headers.get(height);
    if (header === undefined) {
      findings.add(`headers/${height}`, 'missing: a submission names it');
      return;
    }
    findings.unless(header.hash === known.block_hash, `${field}/block_hash`, 'the document\'s header at this height has another');
    chain.median(height, known.block_mtp_secs, `${field}/block_mtp_secs`, findings);
  }

  /** Median time past at which the review of a submission opened, if it has. */
  private opening(proof: SubmissionProof, below: string): number | null {
    const { findings, charter } = this;
    const { confirmation: known } = proof;
    const field = `${below}/confirmation`;
    if (known === null) return charter.awaits === null ? proof.block_mtp_secs : null;
    if (charter.awaits === null || charter.leader === null) {
      findings.add(field, 'this charter\'s vote waits for no confirmation');
      return proof.block_mtp_secs;
    }
    const { statement: said, signature } = known.confirmation;
    const path = `${field}/confirmation/statement`;
    this.sameTask(said, path);
    findings.unless(said.submission === proof.id, `${path}/submission`, 'another submission');
    findings.unless(said.confirmed === charter.awaits, `${path}/confirmed`, `the charter asks for: ${charter.awaits}`);
    const problem = signatureProblem(() => confirmationWords(said), signature, charter.leader);
    if (problem !== null) findings.add(`${field}/confirmation`, problem);
    this.named(said.block_height, known, field, path);
    findings.unless(said.block_height >= proof.submission.statement.block_height, `${path}/block_height`, 'below the submission\'s');
    const deadline = charter.confirmationDeadline;
    const inTime = known.block_mtp_secs <= deadline || known.block_hash !== said.block_hash;
    findings.unless(inTime, `${path}/block_height`, `past the time to confirm ${deadline}`);
    return known.block_mtp_secs;
  }

  private vote(cast: CastVoteDocument, field: string, submission: string): void {
    const { findings } = this;
    const said = cast.vote.statement;
    const path = `${field}/vote/statement`;
    this.sameTask(said, path);
    findings.unless(said.submission === submission, `${path}/submission`, 'another submission');
    const key = this.sponsors.get(said.pledge);
    if (key === undefined) {
      findings.add(`${path}/pledge`, 'there is no such pledge');
    } else {
      const problem = signatureProblem(() => voteWords(said), cast.vote.signature, sponsorSpeaker(key));
      if (problem !== null) {
        const changed = findings.all.length < DIAGNOSED ? this.changedField(cast) : null;
        findings.add(`${field}/vote/${changed === null ? 'signature' : `statement/${changed}`}`, problem);
      }
    }
    const { receipt } = cast;
    if (receipt === null) {
      findings.add(`${field}/receipt`, 'missing: the service gives one for every vote');
      return;
    }
    this.sameTask(receipt.statement, `${field}/receipt/statement`);
    findings.unless(receipt.statement.vote === digestOf(said), `${field}/receipt/statement/vote`, 'for another vote');
    const problem = signatureProblem(() => receiptWords(receipt.statement), receipt.signature, this.charter.receipts);
    if (problem !== null) findings.add(`${field}/receipt`, problem);
  }

  /** The field of a vote that was changed after signing, found by trying: the receipt holds the digest of the vote that
   * was given, and the signature, if it was left in place, fits it as well. */
  private changedField(cast: CastVoteDocument): 'choice' | 'counter' | 'pledge' | null {
    const said = cast.vote.statement;
    const fits = (vote: VoteDocument): boolean => {
      if (cast.receipt?.statement.vote === digestOf(vote)) return true;
      const key = this.sponsors.get(vote.pledge);
      return key !== undefined && signatureProblem(() => voteWords(vote), cast.vote.signature, sponsorSpeaker(key)) === null;
    };
    if (fits({ ...said, choice: said.choice === 'yes' ? 'no' : 'yes' })) return 'choice';
    const counters = new Set<number>();
    for (let step = 0; step <= COUNTERS_TRIED; step += 1) {
      for (const counter of [step, said.counter - step, said.counter + step]) if (counter >= 0) counters.add(counter);
    }
    counters.delete(said.counter);
    if ([...counters].some((counter) => fits({ ...said, counter }))) return 'counter';
    return [...this.sponsors.keys()].some((pledge) => pledge !== said.pledge && fits({ ...said, pledge })) ? 'pledge' : null;
  }

  private acceptance(signed: NonNullable<SubmissionProof['acceptance']>, field: string, submission: string): void {
    const { statement: said, signature } = signed;
    this.sameTask(said, `${field}/statement`);
    this.findings.unless(said.submission === submission, `${field}/statement/submission`, 'another submission');
    const speaker = this.charter.speaker('representative');
    const problem = signatureProblem(() => acceptanceWords(said), signature, speaker);
    if (problem === null) return;
    const turned = { ...said, accepted: !said.accepted };
    const changed = signatureProblem(() => acceptanceWords(turned), signature, speaker) === null;
    this.findings.add(`${field}/${changed ? 'statement/accepted' : 'signature'}`, problem);
  }

  private ruling(signed: NonNullable<SubmissionProof['ruling']>, field: string, submission: string): void {
    const { statement: said, signature } = signed;
    this.sameTask(said, `${field}/statement`);
    this.findings.unless(said.submission === submission, `${field}/statement/submission`, 'another submission');
    this.findings.unless(said.pay_bps <= 10_000, `${field}/statement/pay_bps`, 'more than 10000');
    const problem = signatureProblem(() => rulingWords(said), signature, this.charter.speaker('arbiter'));
    if (problem !== null) this.findings.add(field, problem);
  }
}

/** A submission's id, or nothing for one that cannot be written down. */
function idOf(said: SubmissionProof['submission']['statement']): string {
  try {
    return hex(submissionWords(said).digest);
  } catch (error) {
    if (error instanceof UpfrontError) return '';
    throw error;
  }
}

export function digestOf(said: VoteDocument): string {
  try {
    return hex(voteWords(said).digest);
  } catch (error) {
    if (error instanceof UpfrontError) return '';
    throw error;
  }
}

export const sameVote = (a: VoteDocument, b: VoteDocument): boolean =>
  a.network === b.network && a.charter === b.charter && a.submission === b.submission && a.pledge === b.pledge &&
  a.choice === b.choice && a.counter === b.counter;
