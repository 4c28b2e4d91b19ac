// A submission as it is handed in: the fields that are signed, and their JSON as the service takes it.

import { utf8 } from './bytes.ts';
import type { Charter } from './charter.ts';
import { refuse } from './error.ts';
import { findSecret } from './secret.ts';
import { submission, type Named, type NamedPayee, type Statement, type SubmissionFields } from './statement.ts';
import { UNSEEN } from './words.ts';

/** Longest link of a submission, in bytes. */
const MAX_LINK_BYTES = 500;

/** What somebody hands in. */
export interface Work {
  readonly link: string;
  /** SHA-256 of what is delivered. */
  readonly content: string;
  /** Which part it is, from 0; null where the charter has one only. */
  readonly milestone: number | null;
  /** Who is paid in place of the charter's payees; none: those of the charter. */
  readonly payees: readonly NamedPayee[];
}

/** What the chain and the task say at that moment. */
export interface Now {
  readonly height: number;
  readonly hash: string;
  readonly mtpSecs: number;
  /** How many submissions there are: the next one's number. */
  readonly submissions: number;
}

export interface HandedIn {
  readonly statement: Statement;
  readonly json: Readonly<Record<string, unknown>>;
}

/** The words of work that is handed in now. Throws where the charter has no place for it. */
export function handedIn(charter: Charter, by: 'developer' | Named['by'], work: Work, now: Now): HandedIn {
  const { fields } = charter;
  const { link, content, milestone, payees } = work;
  if (link.trim() === '' || UNSEEN.test(link) || utf8(link).length > MAX_LINK_BYTES) {
    refuse('link', 'link', `the link is one line of at most ${MAX_LINK_BYTES} bytes, without characters that cannot be seen`);
  }
  if (findSecret(link) !== null) refuse('key_private', 'link', 'the link holds what looks like a private key or recovery words; it would be published. Take them out');
  if (!charter.hasPart(milestone)) {
    refuse('milestone_number', 'milestone', fields.milestones.length > 1 ? 'say which milestone the work is for' : 'this charter has no milestones: all of the work is one');
  }
  const due = milestone === null ? fields.work_deadline : Math.min(fields.work_deadline, fields.milestones[milestone]?.due ?? 0);
  if (now.mtpSecs > due) refuse('work_deadline', 'milestone', 'it was due before now: work is taken no more for it');
  if (by === 'developer' && payees.length > 0) {
    refuse('payees', 'named', 'the developer\'s work is paid to the charter\'s payees: leave the others out');
  }
  if (by !== 'developer' && payees.length === 0) {
    refuse('payees', 'named', `the ${by} hands work in only to name who did it: write the payees, one a line`);
  }
  charter.sharesFor(payees);
  const named = by === 'developer' ? null : { by, payees };
  const said = { network: fields.network, charter: charter.id, number: now.submissions, link, content };
  const signed: SubmissionFields = { ...said, blockHeight: now.height, blockHash: now.hash, milestone, named };
  return {
    statement: submission(signed),
    json: { ...said, block_height: now.height, block_hash: now.hash, ...(milestone === null ? {} : { milestone }), ...(named === null ? {} : { named }) },
  };
}
