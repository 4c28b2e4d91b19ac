//! What a signer is told, and what they are kept from signing.

use super::*;
use crate::escrow::ballot::CastVote;
use crate::escrow::descriptor::Slot;
use crate::escrow::network::DAY_SECS;
use crate::escrow::proof::fixture::receipt;
use crate::escrow::statement::Vote;

#[test]
fn a_signer_is_told_every_output() {
    let life = Life::paid();
    let document = life.document();
    let is_ruling = |proof: &&SettlementProof| matches!(proof.terms.kind(), Kind::Ruling { .. });
    let id = document.settlements.iter().find(is_ruling).unwrap().id;
    let psbts = life.plan(id).psbts();
    let told = allowed(&document, None, &psbts, Role::Representative).unwrap();
    assert_eq!(told.settlement, id);
    assert_eq!(told.plan, life.plan(id));
    assert_eq!(told.transactions.len(), 3);
    assert!(told.transactions.iter().all(|words| words.given));
    let text = told.to_string();
    for words in [
        "200,000 sat of pledge 2",
        "50.00 % paid, its sponsor voted no, and the arbiter ruled",
        "to the sponsor of pledge 2 at the address they signed",
        &testing::address(NETWORK, 102).to_string(),
        "to payee 1",
        "95.00 % of the",
        "at 12 sat/vB",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_signer_refuses_what_charter_and_votes_do_not_allow() {
    let mut life = Life::judged();
    let submission = life.submission();
    let payout = life.propose(Kind::Payout { submission }, 2);
    let document = life.document();
    let plan = life.plan(payout);
    let refused = |terms: Option<&Terms>, psbts: &[bitcoin::Psbt]| -> Vec<String> {
        let found = allowed(&document, terms, psbts, Role::Representative).unwrap_err();
        found.into_iter().map(|finding| finding.field).collect()
    };
    assert!(allowed(&document, None, &plan.psbts(), Role::Representative).is_ok());
    assert!(allowed(&document, Some(plan.terms()), &[], Role::Arbiter).is_ok());
    assert_eq!(refused(None, &[]), ["psbts"]);

    // A PSBT that pays somebody else, or lies to the wallet about what it spends.
    let mut psbts = plan.psbts();
    psbts[1].unsigned_tx.output[0].script_pubkey = testing::address(NETWORK, 66).script_pubkey();
    assert_eq!(refused(None, &psbts), ["psbts/1/outputs/0"]);
    let mut psbts = plan.psbts();
    psbts[2].inputs[1].witness_utxo.as_mut().unwrap().value = Amount::from_sat(1);
    psbts[0].inputs[0].sighash_type = Some(bitcoin::TapSighashType::None.into());
    assert_eq!(refused(None, &psbts), ["psbts/0/inputs/0/sighash_type", "psbts/2/inputs/1/witness_utxo"]);
    let mut psbts = plan.psbts();
    psbts[0].unsigned_tx.input[0].previous_output = OutPoint::null();
    assert_eq!(refused(None, &psbts[..1]), ["psbts"]);
    assert_eq!(refused(None, &psbts), ["psbts/0/inputs"]);

    // Terms beyond the votes: the no's money, another address for what returns, a share too many.
    let terms = |change: &dyn Fn(&mut Vec<TermInput>)| {
        let mut inputs = plan.terms().inputs().to_vec();
        change(&mut inputs);
        Terms::new(plan.terms().charter(), plan.terms().kind(), 2, inputs).unwrap()
    };
    let held = &life.task.outpoints()[&life.outpoint_of(2)];
    let no = TermInput {
        outpoint: held.outpoint,
        amount: held.amount,
        slot: held.slot,
        sponsor_key: Some(testing::sponsor(2).x_only_public_key().0),
        pay: Bps::ALL,
        return_address: Some(testing::address(NETWORK, 102)),
    };
    let with_no = terms(&|inputs| inputs.push(no.clone()));
    let place = with_no.inputs().iter().position(|input| input.outpoint == no.outpoint).unwrap();
    assert_eq!(refused(Some(&with_no), &[]), [format!("terms/inputs/{place}/pay_bps")]);
    let elsewhere = terms(&|inputs| inputs[0].return_address = Some(testing::address(NETWORK, 66)));
    // The open address returns to the pot only: such terms make no plan at all.
    let expected = if plan.terms().inputs()[0].sponsor_key.is_none() {
        "terms"
    } else {
        "terms/inputs/0/return_address"
    };
    assert_eq!(refused(Some(&elsewhere), &[]), [expected]);
    let more = terms(&|inputs| inputs[0].amount += Amount::ONE_SAT);
    assert_eq!(refused(Some(&more), &[]), ["terms/inputs/0/amount_sat"]);
}

#[test]
fn a_signer_starts_nothing_late_or_twice() {
    let mut life = Life::judged();
    let submission = life.submission();
    let first = life.propose(Kind::Payout { submission }, 2);
    life.sign(first, Role::Developer);
    let plan = life.plan(first);
    let other =
        Terms::new(life.task.id(), plan.terms().kind(), 3, plan.terms().inputs()[..1].to_vec()).unwrap();
    let document = life.document();
    // One that spends an outpoint of each of its transactions replaces it; nothing else may.
    assert!(allowed(&document, Some(&other), &[], Role::Arbiter).is_ok());
    life.mine_empty(1, testing::REFUND_TIME - life.tip().mtp_secs + 600);
    life.mine_empty(10, 600);
    let found = allowed(&life.document(), Some(&other), &[], Role::Arbiter).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "tip/mtp_secs");
}

#[test]
fn gifts_may_be_settled_at_any_time() {
    let mut life = Life::judged();
    let submission = life.submission();
    life.mine_empty(1, testing::REFUND_TIME + 4 * DAY_SECS - life.tip().mtp_secs);
    life.mine_empty(10, 600);
    let id = life.propose(Kind::Payout { submission }, 2);
    let plan = life.plan(id);
    assert!(plan.terms().inputs().iter().all(|input| input.slot == Slot::OPEN));
    let told = allowed(&life.document(), None, &plan.psbts(), Role::Arbiter).unwrap();
    assert!(told.to_string().contains("a gift, which goes where silent money goes"));
}

#[test]
fn a_hidden_vote_is_found_out() {
    let mut life = Life::voted();
    // Sponsor 3 says no in time; the service gives a receipt, and tells nobody.
    let secp = Secp256k1::new();
    let said = |pledge: u32, choice, counter| Vote {
        network: NETWORK,
        charter: life.task.id(),
        submission: life.submission(),
        pledge,
        choice,
        counter,
    };
    let signed = |vote: Vote| {
        let key = testing::sponsor(u8::try_from(vote.pledge).unwrap());
        Signed::new(&secp, vote, &key)
    };
    let no = signed(said(3, Choice::No, 1));
    let received = Some(receipt(&secp, &no.statement, &life.tip(), &testing::receipt_keypair()));
    let forged = Signed::new(&secp, said(3, Choice::No, 2), &attacker());
    let known = life.task.submissions()[0].votes[0].clone();
    let changed_mind = signed(said(4, Choice::No, 2));
    let older = signed(said(4, Choice::No, 0));
    let no_again = signed(said(2, Choice::No, 2));
    life = Life::judged();
    let submission = life.submission();
    let payout = life.propose(Kind::Payout { submission }, 2);
    let (document, plan) = (life.document(), life.plan(payout));
    let refused = |vote: Signed<Vote>, receipt| -> Vec<String> {
        let heard = [CastVote { vote, receipt }];
        allowed_hearing(&document, Some(plan.terms()), &[], Role::Representative, &heard)
            .map_or_else(|found| found.into_iter().map(|finding| finding.field).collect(), |_| Vec::new())
    };
    assert_eq!(refused(no.clone(), received), ["submissions/0/votes"]);
    // Without a receipt, or with a late one, it still holds the money of the silent pledge itself.
    let late = receipt(&secp, &no.statement, &life.tip(), &testing::receipt_keypair());
    assert_eq!(refused(no.clone(), Some(late)), ["votes/0"]);
    assert_eq!(refused(no, None), ["votes/0"]);
    assert_eq!(refused(forged, None), ["votes/0"]);
    // A service that will not take a changed vote does not win; an older one, or a receipt that somebody
    // made up, changes nothing.
    assert_eq!(refused(changed_mind.clone(), None), ["votes/0"]);
    let made_up = receipt(&secp, &changed_mind.statement, &life.tip(), &attacker());
    assert_eq!(refused(changed_mind, Some(made_up)), ["votes/0"]);
    assert_eq!(refused(older, None), Vec::<String>::new());
    assert_eq!(refused(known.vote, known.receipt), Vec::<String>::new());
    // A ruling is over noes: saying it once more does not hold it up.
    let ruling = life.propose(Kind::Ruling { submission }, 2);
    let heard = [CastVote { vote: no_again, receipt: None }];
    let (document, plan) = (life.document(), life.plan(ruling));
    assert!(allowed_hearing(&document, Some(plan.terms()), &[], Role::Arbiter, &heard).is_ok());
}
