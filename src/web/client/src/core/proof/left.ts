// Whether what a settlement leaves in escrow, here or under another charter, is as safe as what it was made of: the address
// is its sponsor's, and its refund is signed for every form.

import { UpfrontError } from '../error.ts';
import type { Contract } from '../output.ts';
import type { RefundSignatures } from '../refund.ts';
import { outputsOf, type Plan } from '../settlement/plan.ts';
import { madeBy, refundProblems, remainderHome, type HomeOf } from '../settlement/prepared.ts';
import { checkProof } from './check.ts';
import type { ProofDocument } from './document.ts';
import type { Findings } from './findings.ts';
import { slotKey } from './mined.ts';
import type { Task } from './task.ts';

/** Notes everything for which what is left could not be taken back by its sponsor alone at T. */
export function checkLeft(
  task: Task, contract: Contract, plan: Plan, refunds: readonly RefundSignatures[], destination: ProofDocument | null, findings: Findings,
): void {
  const { kind } = plan.terms;
  if (kind.kind === 'milestone') {
    noteProblems(plan, remainderHome(outputsOf(contract, task.outputs)), refunds, findings);
  } else if (kind.kind === 'move') {
    const homeOf = checkDestination(task, plan, kind.to, destination, findings);
    if (homeOf !== null) noteProblems(plan, homeOf, refunds, findings);
  }
}

function noteProblems(plan: Plan, homeOf: HomeOf, refunds: readonly RefundSignatures[], findings: Findings): void {
  try {
    for (const { field, problem } of refundProblems(plan, homeOf, refunds)) findings.add(field, problem);
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    findings.add('refunds', error.message);
  }
}

/** The task that pledges move to, from its own document: that each new pledge is the same sponsor's, at the address they
 * signed, and that it takes the money. */
function checkDestination(task: Task, plan: Plan, to: string, destination: ProofDocument | null, findings: Findings): HomeOf | null {
  if (destination === null) {
    findings.add('destination', `the proof document of the task that the money moves to, ${to}, is missing`);
    return null;
  }
  const checked = checkProof(destination);
  if ('findings' in checked) {
    for (const { field, problem } of checked.findings) findings.add(`destination/${field}`, problem);
    return null;
  }
  const { task: there, contract } = checked;
  if (there.charter.id !== to) {
    findings.add('destination/charter', `this is task ${there.charter.id}; the money moves to ${to}`);
    return null;
  }
  const before = findings.all.length;
  findings.unless(destination.opened, 'destination', 'its charter is not attested by all three');
  findings.unless(there.charter.fields.network === task.charter.fields.network, 'destination/charter', 'another network');
  findings.unless(there.tip.mtp_secs <= there.charter.fields.funding_close, 'destination/charter', 'it takes no money any more: its funding has closed');
  const homes = new Map(plan.terms.inputs.map(({ outpoint, sponsorKey }) => {
    const move = task.move(outpoint, to);
    const pledge = there.pledges.get(move?.to_index ?? 0);
    const output = there.outputs.get(slotKey({ generation: 0, index: move?.to_index ?? 0 }));
    if (move === undefined || pledge === undefined || output === undefined || pledge.sponsor_key !== sponsorKey || output.address !== move.to_address) {
      findings.add('destination/pledges', `pledge ${move?.to_index ?? 'of an unknown number'} there is not the same sponsor's at the address they signed for ${outpoint}`);
      return [outpoint, null] as const;
    }
    return [outpoint, { output, refundAddress: pledge.refund_address }] as const;
  }));
  checkRoom(there, plan, findings);
  if (findings.all.length > before) return null;
  return ({ input }) => homes.get(input.outpoint) ?? { output: contract.open(), refundAddress: '' };
}

/** What is paid there already, and what comes now, must fit under the cap, and each be a pledge that counts. */
function checkRoom(there: Task, plan: Plan, findings: Findings): void {
  const { fields } = there.charter;
  const made = madeBy(plan);
  const lowest = made.filter(({ placed }) => placed.formAt === 0);
  const small = made.find(({ amount }) => amount < BigInt(fields.minimum_pledge_sat));
  if (small !== undefined) findings.add('destination/charter', `${small.amount} sat of pledge ${small.input.index} is below its minimum pledge`);
  const held = [...there.outpoints.values()].reduce((sum, { outpoint, amount, index, generation }) => {
    const standing = there.standings.get(outpoint)?.standing;
    const counts = index !== 0 && generation === 0 && (standing === 'credited' || standing === 'confirming' || standing === 'seen');
    return counts ? sum + amount : sum;
  }, 0n);
  const coming = lowest.reduce((sum, { amount }) => sum + amount, 0n);
  findings.unless(held + coming <= BigInt(fields.cap_sat), 'destination/charter', 'its cap leaves no room for what would move');
}
