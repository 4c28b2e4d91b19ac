//! Documents of tasks of which a reorg took something that two had signed for.

use super::*;
use crate::escrow::event::Command;
use crate::escrow::settlement::Plan;
use crate::escrow::statement::Role;

/// What speaks against signing these terms.
fn found(life: &Life, plan: &Plan) -> Vec<String> {
    match allowed(&life.document(), Some(plan.terms()), &plan.psbts(), Role::Developer) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.into_iter().map(|finding| finding.field).collect(),
    }
}

#[test]
fn what_two_signed_and_can_never_confirm_keeps_nobody_from_signing_for_the_rest() {
    let mut life = Life::funded();
    let all = life.propose(Kind::EarlyReturn, 1);
    for role in [Role::Developer, Role::Representative] {
        life.sign(all, role);
    }
    let all = life.plan(all);
    assert_eq!(found(&life, &all), Vec::<String>::new());
    // The last block is mined again, but for the payment of pledge 4, which lost to another.
    let last = life.blocks.len() - 1;
    let txs = life.blocks[last].txs.clone();
    let gone = life.outpoint_of(4);
    assert_eq!(txs[1].compute_txid(), gone.txid);
    life.blocks.truncate(last);
    life.observe();
    life.mine(txs[2..].to_vec(), 601);
    assert!(!life.task.outpoints()[&gone].present);
    let document = life.document();
    assert!(document.outpoints.iter().all(|proof| proof.outpoint != gone));
    assert_eq!(fields(&document), Vec::<String>::new(), "the document is true");
    let rest = life.propose(Kind::EarlyReturn, 2);
    let rest = life.plan(rest);
    assert!(rest.outpoints().all(|outpoint| outpoint != gone));
    assert_eq!(found(&life, &rest), Vec::<String>::new());
    let refused = found(&life, &all);
    assert!(refused.iter().any(|field| field.ends_with("/outpoint")), "{refused:?}");
    // What is on the chain is another matter: who leaves out what it spent is found.
    let mut life = Life::paid();
    life.mine_empty(1, 600);
    let document = life.document();
    let spent = document.outpoints.iter().position(|proof| proof.spend.is_some()).unwrap();
    let mut changed = document.clone();
    changed.outpoints.remove(spent);
    let found = fields(&changed);
    assert!(found.iter().any(|field| field.ends_with("/outpoint")), "{found:?}");
}

#[test]
fn what_was_paid_before_a_reorg_keeps_nobody_from_signing_for_the_rest() {
    let mut terms = testing::fields(NETWORK);
    (terms.target_sat, terms.cap_sat) = (500_000, 500_000);
    let mut life = Life::open_under(Charter::from_fields(terms).unwrap());
    let mut payment = |index: u32, salt: u8| {
        life.pledge(index, 100_000);
        pay(salt, &[(life.task.pledges()[&index].output.script_pubkey.clone(), 400_000)])
    };
    let (first, second) = (payment(1, 1), payment(2, 2));
    let before = life.blocks.len();
    life.mine(vec![first.clone()], 600);
    life.mine_empty(1, 600);
    life.submit(None);
    let named = life.blocks.len();
    life.vote(1, Choice::Yes, 1);
    let submission = life.submission();
    let payout = life.propose(Kind::Payout { submission }, 1);
    for role in [Role::Developer, Role::Representative] {
        life.sign(payout, role);
    }
    let state = &life.task.settlements()[&payout];
    let paid = state.plan.finalize(0, 0, &state.signatures).unwrap();
    life.mine(vec![paid.clone()], 600);
    assert_eq!(fields(&life.document()), Vec::<String>::new());
    // The chain is another, in which the second payment came first and took the place under the cap.
    life.blocks.truncate(before);
    life.observe();
    life.mine(vec![second], 601);
    life.mine(vec![first], 600);
    assert_eq!(life.blocks.len(), named);
    let tip = life.tip();
    life.command(&Command::MoveSubmissionBlock { submission, block: (tip.hash, tip.mtp_secs) });
    life.mine(vec![paid], 600);
    let document = life.document();
    let undone = fields(&document);
    assert_eq!(undone, ["settlements/0/terms/inputs/0/pay_bps"], "whoever verifies is told");
    assert_eq!(examine(&document).findings, []);
    let back = life.propose(Kind::EarlyReturn, 1);
    let back = life.plan(back);
    assert_eq!(back.outpoints().collect::<Vec<_>>(), [life.outpoint_of(2)]);
    assert_eq!(found(&life, &back), Vec::<String>::new(), "the second goes back all the same");
}
