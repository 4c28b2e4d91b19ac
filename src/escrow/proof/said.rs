//! What people said, in a document: every statement must name this task and verify under the key it
//! should. Where a signature fails, the field that was changed is named if it can be told.

use super::super::signature::Speaker;
use super::check::Ground;
use super::{Findings, PledgeProof, ProofDocument, SubmissionProof, mined};
use crate::escrow::ballot::{CastVote, Window};
use crate::escrow::charter::{Charter, address};
use crate::escrow::descriptor::{Contract, EscrowOutput, Slot};
use crate::escrow::network::Network;
use crate::escrow::statement::{
    Acceptance, CharterId, Choice, Move, Party, Pledge, Role, Ruling, Signed, Statement, Submission,
    SubmissionId, Vote,
};
use crate::escrow::task::{MAX_EVIDENCE, check_words};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{BlockHash, ScriptBuf};
use std::collections::{BTreeMap, HashSet};

/// Past so many findings nobody asks which field of a vote was changed: trying costs a thousand
/// verifications each.
const DIAGNOSED: usize = 50;
/// How far counters are tried to find the one that was signed.
const COUNTERS_TRIED: u32 = 64;

pub(super) fn attestations(
    document: &ProofDocument,
    charter: &Charter,
    secp: &Secp256k1<All>,
    findings: &mut Findings,
) {
    let mut wrong = 0;
    for (role, signature) in &document.attestations {
        if let Err(error) = charter.verify_attestation(secp, *role, signature) {
            wrong += 1;
            findings.add(format!("attestations/{role}"), error);
        }
    }
    if wrong == Role::ALL.len() {
        let problem = format!(
            "no attestation verifies under its id {}: a term (refund_time T, a share_bps, an address, a key, ...) is not what the signers agreed to",
            charter.id()
        );
        findings.add("charter", problem);
    }
    let missing = Role::ALL.into_iter().find(|role| !document.attestations.contains_key(role));
    if let Some(role) = missing.filter(|_| document.opened) {
        findings.add(format!("attestations/{role}"), "missing: no address is shown before all three agree");
    }
    findings.unless(
        document.opened || document.pledges.is_empty(),
        "opened",
        "there are pledges all the same",
    );
}

/// Checks the pledges, and derives the addresses of those that have one.
pub(super) fn pledges(
    document: &ProofDocument,
    charter: &Charter,
    contract: &Contract,
    secp: &Secp256k1<All>,
    findings: &mut Findings,
) -> BTreeMap<Slot, EscrowOutput> {
    let mut outputs = BTreeMap::from([(Slot::OPEN, contract.open(secp))]);
    let paid: HashSet<&ScriptBuf> = document
        .transactions
        .values()
        .filter_map(|transaction| transaction.raw.as_ref())
        .flat_map(|raw| raw.0.output.iter().map(|output| &output.script_pubkey))
        .collect();
    for ((at, expected), pledge) in (0usize..).zip(1u32..).zip(&document.pledges) {
        let field = |name: &str| format!("pledges/{at}/{name}");
        if pledge.index != expected {
            findings.add(
                field("index"),
                format!("{}; the {expected}. pledge has index {expected}", pledge.index),
            );
        }
        match contract.pledge(secp, Slot::pledge(pledge.index), pledge.sponsor_key) {
            Err(error) => findings.add(field("sponsor_key"), error),
            Ok(output) => {
                statement(
                    charter,
                    pledge,
                    document,
                    paid.contains(&output.script_pubkey),
                    secp,
                    &field,
                    findings,
                );
                outputs.insert(output.slot, output);
            }
        }
    }
    for (at, pledge) in document.pledges.iter().enumerate() {
        let Ok(refund) = address("refund_address", &pledge.refund_address, charter.network()) else {
            continue;
        };
        let own = outputs.values().any(|output| output.script_pubkey == refund.script_pubkey());
        findings.unless(!own, format!("pledges/{at}/refund_address"), "an address of this escrow");
    }
    outputs
}

fn statement(
    charter: &Charter,
    pledge: &PledgeProof,
    document: &ProofDocument,
    derived_is_paid: bool,
    secp: &Secp256k1<All>,
    field: &dyn Fn(&str) -> String,
    findings: &mut Findings,
) {
    let refund_address = match address("refund_address", &pledge.refund_address, charter.network()) {
        Ok(address) => address,
        Err(error) => return findings.add(field("refund_address"), error),
    };
    let said = Pledge {
        network: charter.network(),
        charter: charter.id(),
        index: pledge.index,
        sponsor_key: pledge.sponsor_key,
        refund_address,
    };
    let speaker = Speaker::sponsor(pledge.sponsor_key);
    let Err(error) = speaker.verify(secp, &said, &pledge.signature) else { return };
    // The address commits to charter, index and S. If it was paid, only the rest can be wrong.
    if derived_is_paid {
        let problem = format!("not the address that the sponsor signed, or not their signature: {error}");
        findings.add(field("refund_address"), problem);
    } else if document.outpoints.iter().any(|proof| proof.index == pledge.index) {
        findings.add(
            field("sponsor_key"),
            format!("not the key that signed the pledge and was paid to: {error}"),
        );
    } else {
        findings.add(field("signature"), error);
    }
}

/// Compares a statement's task with the document's.
fn same_task(
    ground: &Ground<'_>,
    network: Network,
    charter: CharterId,
    field: &str,
    findings: &mut Findings,
) {
    findings.unless(network == ground.charter.network(), format!("{field}/network"), "another network");
    findings.unless(charter == ground.charter.id(), format!("{field}/charter"), "another charter");
}

/// Every consent must be for an outpoint of this task, by the sponsor of its pledge, to another charter; of those for T
/// an outpoint has one.
pub(super) fn moves(ground: &Ground<'_>, findings: &mut Findings) {
    consents(ground, "moves", &ground.document.moves, findings);
    consents(ground, "late_moves", &ground.document.late_moves, findings);
    let mut seen = HashSet::new();
    for (at, consent) in ground.document.late_moves.iter().enumerate() {
        let first = seen.insert(consent.statement.outpoint);
        findings.unless(first, format!("late_moves/{at}/statement/outpoint"), "it has a consent already");
    }
}

fn consents(ground: &Ground<'_>, list: &str, consents: &[Signed<Move>], findings: &mut Findings) {
    for (at, consent) in consents.iter().enumerate() {
        let said = &consent.statement;
        let path = format!("{list}/{at}/statement");
        same_task(ground, said.network, said.charter, &path, findings);
        let elsewhere = said.to_charter != ground.charter.id();
        findings.unless(elsewhere, format!("{path}/to_charter"), "it leads to the charter it comes from");
        if let Err(error) = address("to_address", &said.to_address, ground.charter.network()) {
            findings.add(format!("{path}/to_address"), error);
        }
        let held = ground.document.outpoints.iter().find(|proof| proof.outpoint == said.outpoint);
        match held.and_then(|held| ground.sponsor(held.index)) {
            None => findings.add(format!("{path}/outpoint"), "it is no pledge's outpoint of this document"),
            Some(key) => {
                if let Err(error) = consent.verify(&ground.secp, &Speaker::sponsor(key)) {
                    findings.add(format!("{list}/{at}"), error);
                }
            }
        }
    }
}

pub(super) fn submissions(ground: &Ground<'_>, findings: &mut Findings) {
    for ((at, number), proof) in (0usize..).zip(0u32..).zip(&ground.document.submissions) {
        submission(ground, &format!("submissions/{at}"), number, proof, findings);
    }
}

fn submission(
    ground: &Ground<'_>,
    field: &str,
    number: u32,
    proof: &SubmissionProof,
    findings: &mut Findings,
) {
    let document = ground.document;
    let Signed { statement, .. } = &proof.submission;
    let said = format!("{field}/submission/statement");
    same_task(ground, statement.network, statement.charter, &said, findings);
    findings.unless(
        statement.number == number,
        format!("{said}/number"),
        format!("the submission here is number {number}"),
    );
    findings.unless(
        statement.id() == proof.id,
        format!("{field}/id"),
        format!("the statement's is {}", statement.id()),
    );
    match ground.charter.submitter(statement) {
        None => findings.add(format!("{said}/named/by"), "the charter has no leader"),
        Some(speaker) => {
            if let Err(error) = proof.submission.verify(&ground.secp, &speaker) {
                findings.add(format!("{field}/submission"), error);
            }
        }
    }
    milestone(ground, statement, &said, findings);
    named_block(document, field, statement.block_height, (proof.block_hash, proof.block_mtp_secs), findings);
    // After a reorg another block stands for the one that was named, perhaps a little later.
    let deadline = ground.charter.fields().work_deadline;
    let in_time = proof.block_mtp_secs <= deadline || proof.block_hash != statement.block_hash;
    findings.unless(in_time, format!("{said}/block_height"), format!("past the work deadline {deadline}"));
    let due = ground
        .charter
        .milestone(statement.milestone.unwrap_or(0))
        .map_or(deadline, |milestone| milestone.due);
    let due_kept = ground.charter.milestones() == 1
        || proof.block_mtp_secs <= due
        || proof.block_hash != statement.block_hash;
    findings.unless(
        due_kept,
        format!("{said}/block_height"),
        format!("past {due}, when the milestone is due"),
    );
    let opened = opening(ground, field, proof, findings);
    for (at, cast) in proof.votes.iter().enumerate() {
        let field = format!("{field}/votes/{at}");
        findings.unless(opened.is_some(), &field, "nobody may vote before the leader confirms the work");
        if proof.votes[..at].iter().any(|other| other.vote.statement == cast.vote.statement) {
            findings.add(format!("{field}/vote/statement/counter"), "the same vote stands before it already");
        }
        vote(ground, &field, &statement.id(), cast, findings);
    }
    evidence(ground, field, proof, findings);
    if let Some(said) = &proof.acceptance {
        acceptance(ground, &format!("{field}/acceptance"), &statement.id(), said, findings);
    }
    if let Some(said) = &proof.ruling {
        let window = opened.map(|mtp_secs| Window::new(&ground.charter, mtp_secs));
        let closed = window.is_some_and(|window| window.closed(document.tip.mtp_secs));
        findings.unless(
            closed,
            format!("{field}/ruling"),
            "it comes after voting has closed, which it has not",
        );
        ruling(ground, &format!("{field}/ruling"), &statement.id(), said, findings);
    }
}

/// A submission's milestone and the payees it names.
fn milestone(ground: &Ground<'_>, statement: &Submission, said: &str, findings: &mut Findings) {
    let (charter, milestones) = (&ground.charter, ground.charter.milestones());
    let fits = match statement.milestone {
        None => milestones == 1,
        Some(number) => milestones > 1 && charter.milestone(number).is_some(),
    };
    findings.unless(fits, format!("{said}/milestone"), format!("the charter has {milestones}"));
    if let Some(named) = &statement.named {
        findings.unless(!named.payees.is_empty(), format!("{said}/named/payees"), "nobody is named");
        if let Err(error) = charter.shares_for(&named.payees) {
            findings.add(format!("{said}/named/payees"), error);
        }
    }
}

/// Disputes and evidence: by whom they say they are, and no more than is taken.
fn evidence(ground: &Ground<'_>, field: &str, proof: &SubmissionProof, findings: &mut Findings) {
    let mut said: BTreeMap<Party, (usize, u32)> = BTreeMap::new();
    for (at, signed) in proof.evidence.iter().enumerate() {
        let field = format!("{field}/evidence/{at}");
        let Signed { statement, .. } = signed;
        let path = format!("{field}/statement");
        same_task(ground, statement.network, statement.charter, &path, findings);
        findings.unless(statement.submission == proof.id, format!("{path}/submission"), "another submission");
        let speaker = ground.charter.party_speaker(statement.by, |index| ground.sponsor(index));
        match speaker.map(|speaker| signed.verify(&ground.secp, &speaker)) {
            None => findings.add(format!("{path}/by"), "there is no such party"),
            Some(Err(error)) => findings.add(&field, error),
            Some(Ok(())) => {}
        }
        if let Err(error) = check_words(statement) {
            findings.add(&path, error);
        }
        let (count, next) = said.entry(statement.by).or_default();
        findings.unless(statement.counter >= *next, format!("{path}/counter"), "it does not rise");
        *count += 1;
        *next = (*next).max(statement.counter.saturating_add(1));
        findings.unless(*count <= MAX_EVIDENCE, &field, format!("more than {MAX_EVIDENCE} of one party"));
    }
}

/// The block that a statement names must be the document's, with that median time past.
fn named_block(
    document: &ProofDocument,
    field: &str,
    height: u32,
    (block_hash, block_mtp_secs): (BlockHash, u32),
    findings: &mut Findings,
) {
    let above = height > document.tip.height;
    findings.unless(!above, format!("{field}/{}/statement/block_height", signed_in(field)), "above the tip");
    let Some(header) = document.headers.get(&height) else {
        return findings.add(format!("headers/{height}"), "missing: a submission names it");
    };
    let same = header.0.block_hash() == block_hash;
    findings.unless(same, format!("{field}/block_hash"), "the document's header at this height has another");
    mined::median(document, height, block_mtp_secs, &format!("{field}/block_mtp_secs"), findings);
}

/// The key below `field` under which the signed statement stands.
fn signed_in(field: &str) -> &'static str {
    if field.ends_with("/confirmation") { "confirmation" } else { "submission" }
}

/// Median time past at which the review of a submission opened, if it has: for the leader's confirmation,
/// where the charter asks for one, what must be true of it.
fn opening(
    ground: &Ground<'_>,
    field: &str,
    proof: &SubmissionProof,
    findings: &mut Findings,
) -> Option<u32> {
    let field = format!("{field}/confirmation");
    let asked = ground.charter.fields().vote_opens.awaits();
    let Some(known) = &proof.confirmation else {
        return asked.is_none().then_some(proof.block_mtp_secs);
    };
    let (Some(asked), Some(leader)) = (asked, ground.charter.leader_speaker()) else {
        findings.add(field, "this charter's vote waits for no confirmation");
        return Some(proof.block_mtp_secs);
    };
    let Signed { statement, .. } = &known.confirmation;
    let said = format!("{field}/confirmation/statement");
    same_task(ground, statement.network, statement.charter, &said, findings);
    findings.unless(statement.submission == proof.id, format!("{said}/submission"), "another submission");
    findings.unless(
        statement.confirmed == asked,
        format!("{said}/confirmed"),
        format!("the charter asks for: {asked}"),
    );
    if let Err(error) = known.confirmation.verify(&ground.secp, &leader) {
        findings.add(format!("{field}/confirmation"), error);
    }
    let (height, block) = (statement.block_height, (known.block_hash, known.block_mtp_secs));
    named_block(ground.document, &field, height, block, findings);
    let after = height >= proof.submission.statement.block_height;
    findings.unless(after, format!("{said}/block_height"), "below the submission's");
    let deadline = ground.charter.confirmation_deadline_secs();
    let in_time = known.block_mtp_secs <= deadline || known.block_hash != statement.block_hash;
    findings.unless(in_time, format!("{said}/block_height"), format!("past the time to confirm {deadline}"));
    Some(known.block_mtp_secs)
}

fn vote(
    ground: &Ground<'_>,
    field: &str,
    submission: &SubmissionId,
    cast: &CastVote,
    findings: &mut Findings,
) {
    let said = &cast.vote.statement;
    let path = format!("{field}/vote/statement");
    same_task(ground, said.network, said.charter, &path, findings);
    findings.unless(said.submission == *submission, format!("{path}/submission"), "another submission");
    match ground.sponsor(said.pledge) {
        None => findings.add(format!("{path}/pledge"), "there is no such pledge"),
        Some(key) => {
            if let Err(error) = cast.vote.verify(&ground.secp, &Speaker::sponsor(key)) {
                let changed = Some(cast)
                    .filter(|_| findings.0.len() < DIAGNOSED)
                    .and_then(|cast| changed_field(ground, cast))
                    .map_or("signature".into(), |name| format!("statement/{name}"));
                findings.add(format!("{field}/vote/{changed}"), error);
            }
        }
    }
    let Some(receipt) = &cast.receipt else {
        return findings.add(format!("{field}/receipt"), "missing: the service gives one for every vote");
    };
    let path = format!("{field}/receipt/statement");
    same_task(ground, receipt.statement.network, receipt.statement.charter, &path, findings);
    findings.unless(receipt.statement.vote == said.digest(), format!("{path}/vote"), "for another vote");
    if let Err(error) = receipt.verify(&ground.secp, &ground.charter.receipts()) {
        findings.add(format!("{field}/receipt"), error);
    }
}

/// The field of a vote that was changed after signing, found by trying: the receipt holds the digest of
/// the vote that was given, and the signature, if it was left in place, fits it as well.
fn changed_field(ground: &Ground<'_>, cast: &CastVote) -> Option<&'static str> {
    let said = cast.vote.statement;
    let received = cast.receipt.as_ref().map(|receipt| receipt.statement.vote);
    let fits = |vote: &Vote| {
        received == Some(vote.digest())
            || ground.sponsor(vote.pledge).is_some_and(|key| {
                Speaker::sponsor(key).verify(&ground.secp, vote, &cast.vote.signature).is_ok()
            })
    };
    let other = if said.choice == Choice::Yes { Choice::No } else { Choice::Yes };
    if fits(&Vote { choice: other, ..said }) {
        return Some("choice");
    }
    let near = said.counter.saturating_sub(COUNTERS_TRIED)..=said.counter.saturating_add(COUNTERS_TRIED);
    if (0..=COUNTERS_TRIED)
        .chain(near)
        .any(|counter| counter != said.counter && fits(&Vote { counter, ..said }))
    {
        return Some("counter");
    }
    let mut others = ground.document.pledges.iter().filter(|pledge| pledge.index != said.pledge);
    others.any(|pledge| fits(&Vote { pledge: pledge.index, ..said })).then_some("pledge")
}

fn acceptance(
    ground: &Ground<'_>,
    field: &str,
    submission: &SubmissionId,
    signed: &Signed<Acceptance>,
    findings: &mut Findings,
) {
    let Signed { statement, signature } = signed;
    same_task(ground, statement.network, statement.charter, &format!("{field}/statement"), findings);
    findings.unless(
        statement.submission == *submission,
        format!("{field}/statement/submission"),
        "another submission",
    );
    let speaker = ground.charter.speaker(Role::Representative);
    if let Err(error) = signed.verify(&ground.secp, &speaker) {
        let turned = Acceptance { accepted: !statement.accepted, ..*statement };
        let name = if speaker.verify(&ground.secp, &turned, signature).is_ok() {
            "statement/accepted"
        } else {
            "signature"
        };
        findings.add(format!("{field}/{name}"), error);
    }
}

fn ruling(
    ground: &Ground<'_>,
    field: &str,
    submission: &SubmissionId,
    signed: &Signed<Ruling>,
    findings: &mut Findings,
) {
    let Signed { statement, .. } = signed;
    same_task(ground, statement.network, statement.charter, &format!("{field}/statement"), findings);
    findings.unless(
        statement.submission == *submission,
        format!("{field}/statement/submission"),
        "another submission",
    );
    findings.unless(statement.pay_bps <= 10_000, format!("{field}/statement/pay_bps"), "more than 10000");
    let named = ground
        .document
        .submissions
        .iter()
        .any(|proof| proof.id == *submission && proof.submission.statement.named.is_some());
    findings.unless(!named, field, "the submission names payees: nobody rules on it");
    if let Err(error) = signed.verify(&ground.secp, &ground.charter.speaker(Role::Arbiter)) {
        findings.add(field, error);
    }
}
