//! Pledge to payout: four sponsors pay, one says no, one says nothing; the work is accepted and paid by
//! two of three, the no is ruled on and returned by another two. Every amount is the node's word.

use crate::harness::{Make, Pledged, Sponsor, Task, World, on_both_makes, people::REVIEW_SECS, wait_until};
use bitcoin::{Address, Amount, OutPoint, Transaction};
use upfront::escrow::network::Network;
use upfront::escrow::pledge::{Ending, Standing};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::escrow::task::Stage;
use upfront::escrow::testing;
use upfront::service::views::{SettlementProgress, SettlementView};

on_both_makes!(four_sponsors_pay_and_the_work_is_paid);

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// The one transaction of a settlement that the node has in its mempool.
fn broadcast(world: &World, settlement: &SettlementView) -> Transaction {
    let [txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let forms = &settlement.transactions[0].forms;
    assert_eq!(txid, forms[0].txid, "the lowest form goes out first");
    world.node.transaction(&txid)
}

fn confirmed(world: &World, task: &Task, settlement: &SettlementView) {
    let path = task.path(&format!("/settlements/{}", settlement.id));
    wait_until("the settlement is confirmed", || {
        let view: SettlementView = world.api().get(&path).ok()?;
        (view.progress == SettlementProgress::Confirmed).then_some(())
    });
}

fn spends(transaction: &Transaction) -> Vec<OutPoint> {
    transaction.input.iter().map(|input| input.previous_output).collect()
}

fn four_sponsors_pay_and_the_work_is_paid(make: Make) {
    let world = World::start_on(make);
    let api = world.api();
    let task = Task::open(&world, 1, |_| ());
    let sponsors = [1, 2, 3, 4].map(Sponsor::new);
    let amounts = [400_000, 300_000, 200_000, 100_000];
    let pledges: Vec<Pledged> =
        sponsors.iter().zip(amounts).map(|(sponsor, amount)| task.pledge(&api, sponsor, amount)).collect();
    let [yes, also_yes, no, silent] = &pledges[..] else { unreachable!() };

    // Three pay together, as an exchange would; the fourth alone.
    let together: Vec<(&Address, Amount)> =
        pledges[..3].iter().map(|pledge| (pledge.address(), pledge.amount)).collect();
    let batch = world.node.send_many(&together);
    let single = world.node.send(silent.address(), silent.amount);
    let outpoints: Vec<OutPoint> = pledges
        .iter()
        .map(|pledge| {
            let txid = if pledge.index == silent.index { single } else { batch };
            world.node.outpoint(&txid, pledge.address())
        })
        .collect();
    for (pledge, outpoint) in pledges.iter().zip(&outpoints) {
        task.wait_seen(&api, pledge, *outpoint);
        task.secure(&api, pledge, *outpoint).unwrap();
    }
    let seen = task.view(&api).totals;
    assert_eq!((seen.seen, seen.credited, seen.raised), (sat(1_000_000), Amount::ZERO, Amount::ZERO));
    world.mine(1);
    let view = task.view(&api);
    assert_eq!((view.totals.credited, view.totals.secured), (sat(1_000_000), sat(1_000_000)));
    for (pledge, outpoint) in view.pledges.iter().zip(&outpoints) {
        let [held] = &pledge.outpoints[..] else { panic!("one outpoint: {pledge:?}") };
        assert_eq!((held.outpoint, held.standing, held.secured), (*outpoint, Some(Standing::Credited), true));
        assert_eq!(world.node.confirmed_output(outpoint), Some(sat(held.amount_sat)));
    }

    let submission = task.submit(&world);
    task.vote(&api, yes, submission, Choice::Yes).unwrap();
    task.vote(&api, also_yes, submission, Choice::Yes).unwrap();
    task.vote(&api, no, submission, Choice::No).unwrap();
    task.accept(&api, submission).unwrap();
    assert_eq!(task.view(&api).stage, Stage::Voting);
    let closes = task.view(&api).submissions[0].window.unwrap().opens_secs + REVIEW_SECS;
    // The window is over when the median time past is beyond it, not when it is reached.
    world.set_mtp(closes);
    assert!(!task.view(&api).submissions[0].closed);
    world.set_mtp(closes + 1);
    let counted = &task.view(&api).submissions[0];
    let tally = counted.tally.as_ref().unwrap();
    assert_eq!((tally.electorate, tally.yes, tally.no), (sat(1_000_000), sat(700_000), sat(200_000)));
    assert!(counted.closed && counted.silence_pays && tally.quorum_met && tally.threshold_reached);

    // Yes and silent money is paid by developer and representative; the no stays where it is.
    let payout = task.propose(&api, Kind::Payout { submission }, 2).unwrap();
    task.sign(&api, &payout.id, Role::Developer).unwrap();
    assert_eq!(world.node.mempool(), [], "one signature moves nothing");
    task.sign(&api, &payout.id, Role::Representative).unwrap();
    let transaction = broadcast(&world, &payout);
    let mut expected = vec![outpoints[0], outpoints[1], outpoints[3]];
    expected.sort();
    assert_eq!(spends(&transaction), expected);
    let fee = world.node.fee(&transaction);
    assert_eq!(fee, sat(payout.transactions[0].forms[0].fee_sat));
    let vsize = u64::try_from(transaction.vsize()).unwrap();
    assert!((2 * vsize..2 * vsize + 10).contains(&fee.to_sat()), "{fee} for {vsize} vB at 2 sat/vB");
    // 95, 3 and 2 per cent of what is left; the first payee has what rounding leaves.
    let pool = 800_000 - fee.to_sat();
    let (leader, operator) = (pool * 300 / 10_000, pool * 200 / 10_000);
    let paid = [pool - leader - operator, leader, operator];
    assert_eq!(transaction.output.iter().map(|output| output.value.to_sat()).collect::<Vec<_>>(), paid);
    world.mine(1);
    confirmed(&world, &task, &payout);
    for (n, amount) in (0..).zip(paid) {
        let address = testing::address(Network::Regtest, 10 + n);
        assert_eq!(world.node.unspent(&address), [sat(amount)], "{address}");
    }
    assert_eq!(world.node.confirmed_output(&outpoints[0]), None);
    assert_eq!(world.node.confirmed_output(&outpoints[2]), Some(sat(200_000)));
    assert_eq!(task.view(&api).totals.credited, sat(200_000));
    assert_ne!(task.view(&api).stage, Stage::Paid, "the no is not settled yet");

    // The arbiter rules that the no gets everything back, and signs with the representative.
    task.rule(&api, submission, 0).unwrap();
    let ruling = task.propose(&api, Kind::Ruling { submission }, 3).unwrap();
    task.sign(&api, &ruling.id, Role::Representative).unwrap();
    task.sign(&api, &ruling.id, Role::Arbiter).unwrap();
    let transaction = broadcast(&world, &ruling);
    assert_eq!(spends(&transaction), [outpoints[2]]);
    let returned = sat(200_000) - world.node.fee(&transaction);
    world.mine(1);
    confirmed(&world, &task, &ruling);
    assert_eq!(world.node.unspent(no.refund_address()), [returned]);

    let view = task.view(&api);
    assert_eq!(view.stage, Stage::Paid);
    assert_eq!(view.totals.credited, Amount::ZERO);
    assert_eq!((view.totals.settled, view.totals.raised), (sat(1_000_000), sat(1_000_000)));
    for pledge in &view.pledges {
        assert_eq!(pledge.outpoints[0].ended.unwrap().how, Ending::Settled, "pledge {}", pledge.index);
    }
    task.verify(&world);
}
