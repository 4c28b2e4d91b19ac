// Checking a document without a chain: first every signature, branch and header by itself, then the task they make,
// then the claims against what follows.
//
// What it cannot tell: whether its headers are in the best chain, and whether it leaves an output or a spend out.

import { hex, utf8 } from '../bytes.ts';
import { Charter } from '../charter.ts';
import { UpfrontError } from '../error.ts';
import { sha256 } from '../hash.ts';
import { Contract, MAX_GENERATION, type EscrowOutput } from '../output.ts';
import { formsOf, makePlan, outputsOf, type Plan } from '../settlement/plan.ts';
import { byOutpoint, readTerms, txidOf } from '../settlement/terms.ts';
import type { Tally } from './ballot.ts';
import { VERSION, type ProofDocument } from './document.ts';
import { compareClaim, Findings, type Finding } from './findings.ts';
import { Chain, checkOutpoints, scriptHex, slotKey } from './mined.ts';
import { checkAttestations, checkPledges, Said } from './said.ts';
import { checkSettlement, checkSpends } from './settled.ts';
import { isCoinbase } from './merkle.ts';
import type { Held } from './standing.ts';
import { Task, type SettlementState, type SubmissionState } from './task.ts';

const MAX_TEXT_BYTES = 65_536;

/** A document that holds together, as the task it tells of; or everything that is not so. */
export type Checked = { readonly task: Task; readonly contract: Contract } | { readonly findings: readonly Finding[] };

/** Checks a document, purely from itself. Later steps are left out where earlier ones failed. */
export function checkProof(document: ProofDocument): Checked {
  const findings = new Findings();
  if (document.version !== VERSION) {
    findings.add('version', `${document.version}; this page reads ${VERSION}`);
    return { findings: findings.all };
  }
  let charter: Charter;
  let contract: Contract;
  try {
    charter = Charter.parse(document.charter);
    contract = new Contract(charter);
  } catch (error) {
    if (!(error instanceof UpfrontError)) throw error;
    findings.add('charter', error.message);
    return { findings: findings.all };
  }
  checkDraft(document, charter, findings);
  findings.unless(document.charter_id === charter.id, 'charter_id', `the charter's is ${charter.id}`);
  checkAttestations(document, charter, findings);
  const chain = new Chain(document, findings);
  chain.check(charter, findings);
  const outputs = checkPledges(document, charter, contract, chain, findings);
  addLater(document, contract, outputs, findings);
  checkOutpoints(chain, outputs, findings);
  new Said(document, charter, chain, findings).check();
  compareClaim('addresses', document.addresses, addressClaims(document, outputs), findings);
  if (!findings.none) return { findings: findings.all };

  const task = fold(document, charter, contract, chain, outputs, findings);
  if (findings.none) conclude(document, task, findings);
  return findings.none ? { task, contract } : { findings: findings.all };
}

/** What this version carries out, and the text that the charter names. */
function checkDraft(document: ProofDocument, charter: Charter, findings: Findings): void {
  const bytes = utf8(document.text);
  if (bytes.length > MAX_TEXT_BYTES) {
    findings.add('charter', `the task's text is longer than ${MAX_TEXT_BYTES} bytes: put the rest where the text links to`);
  } else if (hex(sha256(bytes)) !== charter.fields.text_hash) {
    findings.add('text', 'the task\'s text does not have the hash that the charter names (text_hash)');
  } else if (charter.awaits !== null && charter.leader === null) {
    findings.add('charter', 'vote_opens asks for a confirmation by the project\'s leader, and the charter names none');
  }
}

/** Adds the addresses that settlements of milestones leave money at: each is watched from the first proposal on, also
 * where that lapsed. */
function addLater(document: ProofDocument, contract: Contract, outputs: Map<string, EscrowOutput>, findings: Findings): void {
  const left = document.settlements
    .filter(({ terms }) => terms.for.kind === 'milestone')
    .flatMap(({ terms }) => terms.inputs.map(({ index, generation }) => ({ index, generation: generation + 1 })));
  const latest = new Map<number, number>();
  for (const { index, generation } of [...left, ...document.addresses]) {
    latest.set(index, Math.max(latest.get(index) ?? 0, Math.min(generation, MAX_GENERATION)));
  }
  for (const { index, sponsor_key: sponsor } of document.pledges) {
    for (let generation = 1; generation <= (latest.get(index) ?? 0); generation += 1) {
      try {
        const output = contract.pledge({ index, generation }, sponsor);
        outputs.set(slotKey(output.slot), output);
      } catch (error) {
        if (!(error instanceof UpfrontError)) throw error;
        findings.add(`pledges/${index - 1}/sponsor_key`, error.message);
      }
    }
  }
}

/** The addresses that were issued, as JSON: by index and generation, the open one first. */
function addressClaims(document: ProofDocument, outputs: ReadonlyMap<string, EscrowOutput>): unknown[] {
  return [...outputs.values()]
    .filter(({ slot }) => document.opened || slot.index !== 0)
    .sort(({ slot: a }, { slot: b }) => a.index - b.index || a.generation - b.generation)
    .map((output) => ({
      index: output.slot.index, generation: output.slot.generation, script_pubkey: scriptHex(output),
      address: output.address, descriptor: output.descriptor,
    }));
}

/** The task that the document tells of. Everything in it was checked by itself before. */
function fold(
  document: ProofDocument, charter: Charter, contract: Contract, chain: Chain,
  outputs: ReadonlyMap<string, EscrowOutput>, findings: Findings,
): Task {
  const outpoints: Held[] = document.outpoints
    .map((proof) => {
      const id = txidOf(proof.outpoint);
      const raw = chain.raw(id);
      const { spend } = proof;
      return {
        outpoint: proof.outpoint, index: proof.index, generation: proof.generation, amount: BigInt(proof.amount_sat),
        coinbase: raw !== null && isCoinbase(raw), confirmation: chain.confirmation(id), secured: proof.secured,
        spend: spend === null ? null : { ...spend, confirmation: chain.confirmation(spend.txid) },
      };
    })
    .sort((a, b) => byOutpoint(a.outpoint, b.outpoint));
  const submissions: SubmissionState[] = document.submissions.map((proof) => ({
    id: proof.id, proof,
    votes: proof.votes.map(({ vote, receipt }) => ({ vote: vote.statement, receiptMtpSecs: receipt?.statement.tip_mtp_secs ?? null })),
  }));
  const settlements = new Map<string, SettlementState>();
  const outputAt = outputsOf(contract, outputs);
  // What was proposed first says where a rest comes from; documents list settlements by id.
  const proposed = document.settlements.map((proof, at) => ({ proof, at }))
    .sort((a, b) => a.proof.proposed_mtp_secs - b.proof.proposed_mtp_secs || a.at - b.at);
  proposed.forEach(({ proof, at }) => {
    const field = `settlements/${at}/terms`;
    try {
      const plan = makePlan(charter, outputAt, readTerms(proof.terms, field), field);
      settlements.set(plan.id, { proof, plan });
    } catch (error) {
      if (!(error instanceof UpfrontError)) throw error;
      findings.add(field, error.message);
    }
  });
  return new Task({
    charter, tip: document.tip, outputs, pledges: document.pledges, outpoints, submissions, settlements,
    moves: document.moves.map(({ statement }) => statement), lateMoves: document.late_moves.map(({ statement }) => statement),
  });
}

/** A count as JSON, as documents claim it. */
export function tallyClaim(tally: Tally): unknown {
  return {
    electorate_sat: Number(tally.electorate), yes_sat: Number(tally.yes), no_sat: Number(tally.no),
    quorum_met: tally.quorumMet, threshold_reached: tally.thresholdReached,
    choices: Object.fromEntries(tally.choices), late: Object.fromEntries(tally.late),
  };
}

function formClaims(plan: Plan): unknown {
  const lists: unknown[][] = plan.chunks.map(() => []);
  for (const { chunkAt, form } of formsOf(plan)) {
    lists[chunkAt]?.push({ feerate_sat_per_vb: form.feerate, fee_sat: Number(form.fee), txid: form.txid });
  }
  return lists;
}

/** Compares every claim with what follows from the task. */
function conclude(document: ProofDocument, task: Task, findings: Findings): void {
  document.outpoints.forEach((proof, at) => {
    compareClaim(`outpoints/${at}/standing`, proof.standing, task.standings.get(proof.outpoint), findings);
  });
  compareClaim('totals', document.totals, task.totals, findings);
  task.submissions.forEach((state, at) => {
    compareClaim(`submissions/${at}/tally`, state.proof.tally, tallyClaim(task.tally(state)), findings);
  });
  document.settlements.forEach((proof, at) => {
    const state = [...task.settlements.values()].find((known) => known.proof === proof);
    const field = `settlements/${at}`;
    if (state === undefined) {
      findings.add(`${field}/terms`, 'the same terms stand in the document twice');
      return;
    }
    findings.unless(proof.id === state.plan.id, `${field}/id`, `of its terms: ${state.plan.id}`);
    compareClaim(`${field}/transactions`, proof.transactions, formClaims(state.plan), findings);
    checkSettlement(task, state, field, findings);
  });
  checkSpends(task, document, findings);
}
