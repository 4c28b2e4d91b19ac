//! Documents of tasks whose settlements keep money in escrow, and what their signers check.

use super::*;
use crate::escrow::ballot::CastVote;
use crate::escrow::charter::Milestone;
use crate::escrow::descriptor::Slot;
use crate::escrow::event::{Command, Event};
use crate::escrow::network::DAY_SECS;
use crate::escrow::refund::{RefundSignatures, RefundTarget};
use crate::escrow::settlement::Plan;
use crate::escrow::statement::{Move, Role, SettlementId};
use crate::escrow::task::Task;
use bitcoin::{OutPoint, ScriptBuf};

/// Two pledges under two milestones of half each; the first voted yes on the first, with its refunds, and the split
/// is proposed.
fn split() -> (Life, SettlementId, Vec<RefundSignatures>) {
    let mut fields = testing::fields(NETWORK);
    let half = |due| Milestone { share_bps: 5_000, due };
    fields.milestones = vec![half(fields.work_deadline - DAY_SECS), half(fields.work_deadline)];
    let mut life = Life::open_under(Charter::from_fields(fields).unwrap());
    fund(&mut life, &[(1, 300_000), (2, 200_000)]);
    life.submit(Some(0));
    life.vote(1, Choice::Yes, 1);
    let submission = life.submission();
    let plan = life.task.split_off(&submission, life.outpoint_of(1), 2).unwrap();
    let refunds: Vec<RefundSignatures> = refunds(&life, &life.task, &plan);
    for refund in &refunds {
        let slot = Slot { index: 1, generation: 1 };
        life.command(&Command::PrepareRefund { slot, refund: refund.clone() });
    }
    let id = life.propose(Kind::Milestone { submission }, 2);
    (life, id, refunds)
}

fn fund(life: &mut Life, pledges: &[(u32, u64)]) {
    let mut outputs: Vec<(ScriptBuf, u64)> = Vec::new();
    for (index, amount_sat) in pledges {
        life.pledge(*index, *amount_sat);
        outputs.push((life.task.pledges()[index].output.script_pubkey.clone(), *amount_sat));
    }
    life.mine(vec![pay(1, &outputs)], 600);
    life.mine_empty(2, 600);
}

/// What the sponsor of pledge 1 signs for each output that stays in escrow of `holder`.
fn refunds(life: &Life, holder: &Task, plan: &Plan) -> Vec<RefundSignatures> {
    let sign = |made: crate::escrow::settlement::Made| {
        let output = holder.output(made.slot.unwrap_or(Slot::pledge(1))).unwrap();
        let address = &holder.pledges()[&1].refund_address;
        let target = RefundTarget::new(output, made.outpoint, made.amount, address).unwrap();
        RefundBundle::sign(&life.secp, target, &testing::sponsor(1)).unwrap().signatures().clone()
    };
    plan.made().map(|(_, made)| sign(made)).collect()
}

fn found(document: &ProofDocument, psbts: &[bitcoin::Psbt], beside: &Beside<'_>) -> Vec<String> {
    match allowed_beside(document, psbts, Role::Developer, beside) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.into_iter().map(|finding| finding.field).collect(),
    }
}

#[test]
fn a_split_is_proved_and_each_lie_about_it_found() {
    let (mut life, id, _) = split();
    assert_eq!(fields(&life.document()), Vec::<String>::new());
    life.sign(id, Role::Developer);
    life.sign(id, Role::Representative);
    let state = &life.task.settlements()[&id];
    let transaction = state.plan.finalize(0, 1, &state.signatures).unwrap();
    life.mine(vec![transaction], 600);
    let document = life.document();
    assert_eq!(fields(&document), Vec::<String>::new());
    let checked = check(&document).unwrap();
    assert_eq!(checked.totals, life.task.totals(&life.tip()));
    assert_eq!(checked.standings, life.task.standings(&life.tip()));
    let generations: Vec<_> =
        document.addresses.iter().map(|claim| (claim.index, claim.generation)).collect();
    assert_eq!(generations, [(0, 0), (1, 0), (1, 1), (2, 0)]);
    let rest = document.outpoints.iter().position(|proof| proof.generation == 1).unwrap();
    named(&document, &format!("outpoints/{rest}/standing/standing"), |document| {
        document.outpoints[rest].standing = crate::escrow::pledge::Standing::Surplus {
            reason: crate::escrow::pledge::Surplus::NotARemainder,
        };
    });
    named(&document, &format!("outpoints/{rest}/index"), |document| document.outpoints[rest].generation = 2);
    named(&document, "addresses/2/generation", |document| document.addresses[2].generation = 3);
    named(&document, "submissions/0/submission/statement/milestone", |document| {
        document.submissions[0].submission.statement.milestone = None;
    });
    named(&document, "submissions/0/submission", |document| {
        document.submissions[0].submission.statement.milestone = Some(1);
    });
    // Without the settlement nobody could tell where the rest comes from.
    named(&document, &format!("outpoints/{rest}/standing/standing"), |document| document.settlements.clear());
}

#[test]
fn a_signer_splits_only_what_its_sponsor_can_take_back() {
    let (life, id, refunds) = split();
    let document = life.document();
    let psbts = life.plan(id).psbts();
    let beside = Beside { refunds: &refunds, ..Beside::default() };
    assert_eq!(found(&document, &psbts, &beside), Vec::<String>::new());
    let told = allowed_beside(&document, &psbts, Role::Developer, &beside).unwrap().to_string();
    for words in ["pay the milestone of submission", "50.00 % paid", "keeps", "of pledge 1 in escrow at"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert_eq!(found(&document, &psbts, &Beside::default()), ["refunds"; 3]);
    let fewer = Beside { refunds: &refunds[..2], ..Beside::default() };
    assert_eq!(found(&document, &psbts, &fewer), ["refunds"]);
    let mut wrong = refunds.clone();
    wrong[1].pair = refunds[0].pair;
    assert_eq!(found(&document, &psbts, &Beside { refunds: &wrong, ..Beside::default() }), ["refunds/1"]);
    // A pair alone is enough.
    let pairs: Vec<_> =
        refunds.iter().map(|refund| RefundSignatures { ladder: Vec::new(), ..refund.clone() }).collect();
    assert_eq!(
        found(&document, &psbts, &Beside { refunds: &pairs, ..Beside::default() }),
        Vec::<String>::new()
    );
    // A no that the service hides keeps the money.
    let mut hidden = life.clone();
    hidden.vote(1, Choice::No, 2);
    let votes = [CastVote { receipt: None, ..hidden.task.submissions()[0].votes[1].clone() }];
    let heard = Beside { refunds: &refunds, votes: &votes, ..Beside::default() };
    assert_eq!(found(&document, &psbts, &heard), ["votes/0"]);
    // More than the milestone's share.
    let plan = life.plan(id);
    let mut inputs = plan.terms().inputs().to_vec();
    inputs[0].pay = Bps::new(6_000).unwrap();
    let terms = Terms::new(life.task.id(), plan.terms().kind(), 2, inputs).unwrap();
    let more = Beside { terms: Some(&terms), refunds: &refunds, ..Beside::default() };
    let problems = found(&document, &[], &more);
    assert!(problems.contains(&"terms/inputs/0/pay_bps".to_owned()), "{problems:?}");
}

/// Two halves of one pledge, a yes to each, and the second closes the pledge.
fn closing() -> (Life, SettlementId) {
    let mut fields = testing::fields(NETWORK);
    let half = |due| Milestone { share_bps: 5_000, due };
    fields.milestones = vec![half(fields.work_deadline - DAY_SECS), half(fields.work_deadline)];
    let mut life = Life::open_under(Charter::from_fields(fields).unwrap());
    fund(&mut life, &[(1, 300_000), (2, 200_000)]);
    life.submit(Some(0));
    life.vote(1, Choice::Yes, 1);
    let review = life.task.charter().fields().review_secs;
    life.mine_empty(12, review / 4);
    life.submit(Some(1));
    let last = life.task.submissions()[1].id;
    let mut vote = life.task.submissions()[0].votes[0].vote.statement;
    vote.submission = last;
    let vote = Signed::new(&life.secp, vote, &testing::sponsor(1));
    let receipt = receipt(&life.secp, &vote.statement, &life.tip(), &testing::receipt_keypair());
    life.command(&Command::CastVote { vote, receipt });
    let id = life.propose(Kind::Payout { submission: last }, 2);
    (life, id)
}

#[test]
fn a_no_to_an_earlier_milestone_handed_over_directly_is_heard_at_the_closing_payout() {
    let (life, id) = closing();
    let (document, psbts) = (life.document(), life.plan(id).psbts());
    assert_eq!(found(&document, &psbts, &Beside::default()), Vec::<String>::new());
    for at in [0, 1] {
        let mut said = life.task.submissions()[at].votes[0].vote.statement;
        (said.choice, said.counter) = (Choice::No, 2);
        let vote = Signed::new(&life.secp, said, &testing::sponsor(1));
        let votes = [CastVote { vote, receipt: None }];
        let heard = Beside { votes: &votes, ..Beside::default() };
        assert_eq!(found(&document, &psbts, &heard), ["votes/0"], "submission {at}");
    }
}

#[test]
fn two_milestones_of_equal_shares_have_one_transaction_and_the_first_proposed_is_meant() {
    let (life, _) = closing();
    let outpoint = life.outpoint_of(1);
    let [first, second] = [0, 1].map(|at| {
        let submission = life.task.submissions()[at].id;
        life.task.split_off(&submission, outpoint, 2).unwrap()
    });
    assert_ne!(first.id(), second.id());
    assert_eq!(first.forms().next().unwrap().2.txid, second.forms().next().unwrap().2.txid);
    let beside = refunds(&life, &life.task, &first);
    for (meant, other) in [(&first, &second), (&second, &first)] {
        let mut document = life.document();
        document.settlements.clear();
        let mut proposed = |plan: &Plan, proposed_mtp_secs| {
            document.settlements.push(crate::escrow::proof::SettlementProof {
                id: plan.id(),
                terms: plan.terms().clone(),
                signed_by: Vec::new(),
                proposed_mtp_secs,
                transactions: crate::escrow::proof::build::form_claims(plan),
            });
        };
        let now = life.tip().mtp_secs;
        proposed(other, now);
        proposed(meant, now - 1);
        document.addresses = {
            let mut known = life.document().addresses;
            let output = life.task.contract().pledge(
                &life.secp,
                Slot { index: 1, generation: 1 },
                life.task.pledges()[&1].sponsor_key,
            );
            known.insert(2, crate::escrow::proof::build::address_claim(&output.unwrap()));
            known
        };
        let with = |terms| Beside { terms, refunds: &beside, ..Beside::default() };
        assert_eq!(found(&document, &meant.psbts(), &with(None)), Vec::<String>::new());
        let told = allowed_beside(&document, &other.psbts(), Role::Developer, &with(None)).unwrap();
        assert_eq!(told.plan.id(), meant.id());
        assert_eq!(found(&document, &[], &with(Some(other.terms()))), ["terms/for"]);
    }
}

#[test]
fn what_is_submitted_after_its_milestone_is_due_is_found() {
    let (life, _) = closing();
    let due = life.task.charter().fields().milestones[0].due;
    let mut late = life.clone();
    let time = late.header(late.tip().height).unwrap().time;
    late.mine_empty(1, due + 60 - time);
    late.mine_empty(6, 60);
    assert!(late.tip().mtp_secs > due);
    let tip = late.tip();
    let mut said = late.task.submissions()[0].signed.statement.clone();
    (said.number, said.block_height, said.block_hash) = (2, tip.height, tip.hash);
    let key = testing::statement_keypair(NETWORK, Role::Developer);
    let submission = Signed::new(&late.secp, said, &key);
    let event = Event::WorkSubmitted { submission, block_mtp_secs: tip.mtp_secs };
    late.task.apply(&event).unwrap();
    assert_eq!(fields(&late.document()), ["submissions/2/submission/statement/block_height"]);
}

#[test]
fn a_signer_moves_only_to_the_sponsors_own_pledge_under_an_attested_charter() {
    let mut fields = testing::fields(NETWORK);
    fields.licence = "MIT".into();
    let mut there = Life::open_under(Charter::from_fields(fields).unwrap());
    there.pledge(1, 250_000);
    let mut life = Life::open();
    fund(&mut life, &[(1, 300_000), (2, 200_000)]);
    let statement = |outpoint: OutPoint, to: &Task| Move {
        network: NETWORK,
        charter: life.task.id(),
        outpoint,
        to_charter: to.id(),
        to_index: 1,
        to_address: to.pledges()[&1].output.address.to_string(),
    };
    let consent = Signed::new(&life.secp, statement(life.outpoint_of(1), &there.task), &testing::sponsor(1));
    let plan = life.task.moved(&consent.statement, 1).unwrap();
    let refunds = refunds(&life, &there.task, &plan);
    let kind = Kind::Move { to: there.task.id() };
    life.command(&Command::SignMove { consent });
    let terms = plan.terms().clone();
    assert_eq!(terms.kind(), kind);
    let (document, destination) = (life.document(), there.document());
    let beside =
        |refunds, destination| Beside { terms: Some(&terms), refunds, destination, ..Beside::default() };
    let none: &[RefundSignatures] = &[];
    assert_eq!(found(&document, &[], &beside(&refunds, Some(&destination))), Vec::<String>::new());
    assert_eq!(found(&document, &[], &beside(&refunds, None)), ["destination"]);
    assert_eq!(found(&document, &[], &beside(none, Some(&destination))), ["refunds"; 3]);
    assert_eq!(found(&document, &[], &beside(&refunds, Some(&document))), ["destination"]);
    let mut unattested = destination.clone();
    unattested.attestations.remove(&Role::Arbiter);
    assert_eq!(
        found(&document, &[], &beside(&refunds, Some(&unattested))),
        ["destination/attestations/arbiter"]
    );
    named(&document, "moves/0", |document| document.moves[0].statement.to_index = 2);
    named(&document, "moves/0/statement/outpoint", |document| {
        document.moves[0].statement.outpoint.vout = 9;
    });
}
