// A signer's own words, made from a charter or a proof document that holds, and signed with the key at 1000/0: an
// attestation, a submission, an acceptance, a ruling, a dispute or evidence. As JSON they are what the service takes.

import { utf8 } from '../bytes.ts';
import type { Charter } from '../charter.ts';
import { refuse } from '../error.ts';
import { nextEvidence } from '../evidence.ts';
import type { Account } from '../keys.ts';
import { requireSeat } from '../settlement/sign.ts';
import { signStatement } from '../signature.ts';
import type { Role } from '../signer-key.ts';
import * as statement from '../statement.ts';
import type { EvidenceFields, NamedPayee, Statement } from '../statement.ts';
import { UNSEEN } from '../words.ts';
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

/** Longest link of a submission, in bytes. */
const MAX_LINK_BYTES = 500;

export function toAttest(charter: Charter, role: Role): Unsigned {
  return { role, charter, statement: statement.attest(charter.id), resource: 'attestations', fields: { role } };
}

export interface Work {
  readonly link: string;
  /** SHA-256 of what is delivered. */
  readonly content: string;
  /** Which part it is, from 0; null where the charter has one only. */
  readonly milestone: number | null;
  /** Who is paid in place of the charter's payees; none: those of the charter. */
  readonly payees: readonly NamedPayee[];
}

/** Work is there, by the developer; or by somebody else, as the representative says who names them. It names the document's tip. */
export function toSubmit(task: Task, role: 'developer' | 'representative', work: Work): Unsigned {
  const { charter, tip } = task;
  const { fields } = charter;
  if (work.link.trim() === '' || UNSEEN.test(work.link) || utf8(work.link).length > MAX_LINK_BYTES) {
    refuse('link', 'link', `the link is one line of at most ${MAX_LINK_BYTES} bytes, without characters that cannot be seen`);
  }
  if (!charter.hasPart(work.milestone)) {
    refuse('milestone_number', 'milestone', fields.milestones.length > 1 ? 'say which milestone the work is for' : 'this charter has no milestones: all of the work is one');
  }
  const due = work.milestone === null ? fields.work_deadline : Math.min(fields.work_deadline, fields.milestones[work.milestone]?.due ?? 0);
  if (tip.mtp_secs > due) refuse('work_deadline', 'milestone', 'it was due before this document was made: work is taken no more for it');
  const last = task.submissions.at(-1);
  const window = last === undefined ? null : task.window(last);
  if (window !== null && tip.mtp_secs <= window.closesSecs) {
    refuse('still_voting', 'submission', 'sponsors still vote on the submission before this one, as of this document');
  }
  if (role === 'representative' && work.payees.length === 0) {
    refuse('payees', 'named', 'the representative hands work in only to name who did it: write the payees, one a line');
  }
  if (role === 'developer' && work.payees.length > 0) {
    refuse('payees', 'named', 'the developer\'s work is paid to the charter\'s payees: leave the others out');
  }
  charter.sharesFor(work.payees);
  const named = role === 'representative' ? { by: role, payees: work.payees } : null;
  const said = { network: fields.network, charter: charter.id, number: task.submissions.length, link: work.link, content: work.content };
  return {
    role, charter, resource: 'submissions',
    statement: statement.submission({ ...said, blockHeight: tip.height, blockHash: tip.hash, milestone: work.milestone, named }),
    fields: {
      ...said, block_height: tip.height, block_hash: tip.hash,
      ...(work.milestone === null ? {} : { milestone: work.milestone }), ...(named === null ? {} : { named }),
    },
  };
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
