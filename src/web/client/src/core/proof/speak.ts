// A signer's own words, made from a charter or a proof document that holds, and signed with the key at 1000/0: an
// attestation, a submission, an acceptance, a ruling, a dispute or evidence. As JSON they are what the service takes.

import type { Charter } from '../charter.ts';
import { refuse } from '../error.ts';
import { nextEvidence } from '../evidence.ts';
import type { Account } from '../keys.ts';
import { requireSeat } from '../settlement/sign.ts';
import { signStatement } from '../signature.ts';
import type { Role } from '../signer-key.ts';
import * as statement from '../statement.ts';
import type { EvidenceFields, Statement } from '../statement.ts';
import { handedIn, type Work } from '../work.ts';
import type { SubmissionState, Task } from './task.ts';

/** Words that wait for a signature. */
export interface Unsigned {
  readonly role: Role;
  readonly charter: Charter;
  readonly statement: Statement;
  /** Where it goes: `POST /api/v1/tasks/{charter}/...`. */
  readonly resource: 'attestations' | 'submissions' | 'acceptances' | 'rulings' | 'evidence';
  /** The JSON of the statement; an attestation has none but its seat. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export function toAttest(charter: Charter, role: Role): Unsigned {
  return { role, charter, statement: statement.attest(charter.id), resource: 'attestations', fields: { role } };
}

/** Work is there, by the developer; or by somebody else, as the representative says who names them. It names the document's tip. */
export function toSubmit(task: Task, role: 'developer' | 'representative', work: Work): Unsigned {
  const { charter, tip } = task;
  const last = task.submissions.at(-1);
  const window = last === undefined ? null : task.window(last);
  if (window !== null && tip.mtp_secs <= window.closesSecs) {
    refuse('still_voting', 'submission', 'sponsors still vote on the submission before this one, as of this document');
  }
  const now = { height: tip.height, hash: tip.hash, mtpSecs: tip.mtp_secs, submissions: task.submissions.length };
  const { statement: words, json } = handedIn(charter, role, work, now);
  return { role, charter, resource: 'submissions', statement: words, fields: json };
}

/** A dispute or evidence about a submission, by one of the three. */
export function toSay(task: Task, submission: SubmissionState, role: Role, given: Pick<EvidenceFields, 'kind' | 'text' | 'attachments'>): Unsigned {
  const { charter } = task;
  const spoken = (submission.proof.evidence ?? []).map((signed) => signed.statement);
  const said = nextEvidence({ ...given, network: charter.fields.network, charter: charter.id, submission: submission.id, by: role }, spoken);
  return { role, charter, statement: statement.evidence(said), resource: 'evidence', fields: { ...said } };
}

export function toAccept(task: Task, submission: SubmissionState, accepted: boolean): Unsigned {
  const { network } = task.charter.fields;
  if (submission.proof.acceptance !== null) {
    refuse('already_judged', 'acceptance', 'the representative has judged this submission already: a word is given once');
  }
  if (!accepted && submission.proof.ruling !== null) {
    refuse('already_ruled', 'ruling', 'the arbiter has ruled already, and money may have moved on it: a refusal is not taken any more');
  }
  const said = { network, charter: task.charter.id, submission: submission.id, accepted };
  return { role: 'representative', charter: task.charter, statement: statement.acceptance(said), resource: 'acceptances', fields: said };
}

export function toRule(task: Task, submission: SubmissionState, payBps: number): Unsigned {
  const { network } = task.charter.fields;
  const window = task.window(submission);
  if (submission.proof.submission.statement.named !== null) {
    refuse('names_payees', 'submission', 'this submission names other payees: it pays yes votes only, and its noes get no ruling');
  }
  if (submission.proof.ruling !== null) refuse('already_ruled', 'ruling', 'the arbiter has ruled on this submission already: a ruling is given once');
  if (window === null) {
    return refuse('voting_not_open', 'ruling', 'voting is not open: the project\'s leader has not confirmed the work, as of this document');
  }
  if (task.tip.mtp_secs <= window.closesSecs) {
    refuse('ruling_too_early', 'ruling', 'sponsors may still vote, as of this document: the arbiter rules when voting has closed');
  }
  if (task.tip.mtp_secs > window.rulingEndsSecs) refuse('ruling_too_late', 'ruling', 'the time for a ruling is over: what is left comes back at T');
  const said = { network, charter: task.charter.id, submission: submission.id };
  return {
    role: 'arbiter', charter: task.charter, statement: statement.ruling({ ...said, payBps }), resource: 'rulings',
    fields: { ...said, pay_bps: payBps },
  };
}

/** The JSON that the service takes, signed. */
export function speak(words: Unsigned, account: Account): string {
  requireSeat(words.charter, words.role, account);
  const key = account.statementKey;
  const signature = signStatement(words.statement, key);
  key.secret.fill(0);
  const body = words.resource === 'attestations' ? { ...words.fields, signature } : { statement: words.fields, signature };
  return `${JSON.stringify(body, null, 2)}\n`;
}
