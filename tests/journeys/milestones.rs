//! Sixty pledges under three milestones: some are split as the work comes, some move to another charter in the middle,
//! some say no and are ruled over, some say nothing. In the end every satoshi is accounted for, by the node alone.

use crate::harness::people::REVIEW_SECS;
use crate::harness::{Pledged, Sponsor, Task, World, wait_until};
use bitcoin::{Address, Amount, OutPoint, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use upfront::escrow::charter::Milestone;
use upfront::escrow::pledge::Standing;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role, SettlementId, SubmissionId};
use upfront::escrow::task::Stage;
use upfront::service::views::{SettlementProgress, SettlementView};

const FEERATE: u64 = 2;

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// What a pledge has in escrow now.
fn now(world: &World, task: &Task, pledge: &Pledged) -> (OutPoint, Amount) {
    let held = task.outpoints(&world.api(), pledge);
    let mut left =
        held.iter().filter(|view| view.ended.is_none() && view.standing == Some(Standing::Credited));
    let view = left.next().unwrap_or_else(|| panic!("pledge {} has something left: {held:?}", pledge.index));
    assert!(view.secured, "{view:?}");
    (view.outpoint, sat(view.amount_sat))
}

/// Proposes, has two sign, and waits until all of it is mined.
fn settle(world: &World, task: &Task, kind: Kind, signers: [Role; 2]) -> SettlementId {
    let api = world.api();
    let view = task.propose(&api, kind, FEERATE).unwrap();
    for role in signers {
        task.sign(&api, &view.id, role).unwrap();
    }
    let txids: BTreeSet<Txid> =
        view.transactions.iter().map(|transaction| transaction.forms[0].txid).collect();
    wait_until("all of it is in the mempool", || {
        let there: BTreeSet<Txid> = world.node.mempool().into_iter().collect();
        txids.is_subset(&there).then_some(())
    });
    world.mine(1);
    let path = task.path(&format!("/settlements/{}", view.id));
    wait_until("the settlement is confirmed", || {
        let view: SettlementView = world.api().get(&path).ok()?;
        (view.progress == SettlementProgress::Confirmed).then_some(())
    });
    view.id
}

fn close(world: &World) {
    world.set_mtp(world.node.mtp() + REVIEW_SECS + 1);
}

/// A yes, with the refunds of what stays in escrow.
fn yes_and_split(world: &World, task: &Task, pledges: &[&Pledged], submission: SubmissionId) {
    let api = world.api();
    let proved = task.proved(&api);
    for pledge in pledges {
        task.vote(&api, pledge, submission, Choice::Yes).unwrap();
        let (outpoint, _) = now(world, task, pledge);
        task.prepare_split(&api, &proved, pledge, submission, outpoint, FEERATE);
    }
}

/// Every transaction of the chain that spends something at `addresses`, with its fee.
fn spends(world: &World, addresses: &BTreeSet<Address>) -> BTreeMap<Txid, (Transaction, Amount)> {
    let mut outputs: BTreeMap<OutPoint, bool> = BTreeMap::new();
    let mut found = BTreeMap::new();
    let scripts: BTreeSet<_> = addresses.iter().map(Address::script_pubkey).collect();
    for height in 1..=world.node.height() {
        let hash = world.node.call(&["getblockhash", &height.to_string()]);
        let block: bitcoin::Block =
            bitcoin::consensus::encode::deserialize_hex(&world.node.call(&["getblock", &hash, "0"])).unwrap();
        for transaction in block.txdata {
            let txid = transaction.compute_txid();
            let ours = |input: &bitcoin::TxIn| outputs.get(&input.previous_output) == Some(&true);
            if transaction.input.iter().any(ours) {
                found.insert(txid, (transaction.clone(), world.node.fee(&transaction)));
            }
            for (vout, output) in (0u32..).zip(&transaction.output) {
                outputs.insert(OutPoint { txid, vout }, scripts.contains(&output.script_pubkey));
            }
        }
    }
    found
}

#[test]
fn sixty_pledges_three_milestones_a_move_and_a_ruling_end_with_every_satoshi_accounted_for() {
    let world = World::start();
    let api = world.api();
    let task = Task::open(&world, 50, |fields| {
        let due = |secs| fields.work_deadline - secs;
        fields.milestones = vec![
            Milestone { share_bps: 5_000, due: due(1_200) },
            Milestone { share_bps: 3_000, due: due(600) },
            Milestone { share_bps: 2_000, due: due(0) },
        ];
        fields.cap_sat = 20_000_000;
    });
    let other = Task::open(&world, 51, |fields| {
        fields.refund_time += 1_200;
        fields.cap_sat = 20_000_000;
    });
    let sponsors: Vec<Sponsor> = (1..=60).map(Sponsor::new).collect();
    let pledges: Vec<Pledged> = (1u64..)
        .zip(&sponsors)
        .map(|(number, sponsor)| task.pledge(&api, sponsor, 100_000 + 1_001 * number))
        .collect();
    let payments: Vec<(&Address, Amount)> =
        pledges.iter().map(|pledge| (pledge.address(), pledge.amount)).collect();
    let txid = world.node.send_many(&payments);
    for pledge in &pledges {
        let outpoint = world.node.outpoint(&txid, pledge.address());
        task.wait_seen(&api, pledge, outpoint);
        task.secure(&api, pledge, outpoint).unwrap();
    }
    world.mine(1);
    let pledged: Amount = pledges.iter().map(|pledge| pledge.amount).sum();
    assert_eq!(task.view(&api).totals.credited, pledged);
    let all: Vec<&Pledged> = pledges.iter().collect();
    let (willing, contrary, silent) = (&all[..40], &all[40..50], &all[50..]);

    // The first half: forty are split, ten say no, ten say nothing.
    let first = task.submit_milestone(&world, 0);
    yes_and_split(&world, &task, willing, first);
    for pledge in contrary {
        task.vote(&api, pledge, first, Choice::No).unwrap();
    }
    settle(&world, &task, Kind::Milestone { submission: first }, [Role::Developer, Role::Representative]);
    close(&world);
    task.accept(&api, first).unwrap();
    task.rule(&api, first, 2_500).unwrap();

    // Five of the forty take what is left of their pledges elsewhere.
    let (leaving, staying) = willing.split_at(5);
    let moved: Vec<Pledged> = leaving
        .iter()
        .map(|pledge| task.sign_move(&api, pledge, now(&world, &task, pledge).0, &other, FEERATE))
        .collect();
    settle(&world, &task, Kind::Move { to: other.id() }, [Role::Representative, Role::Arbiter]);
    let arrived = other.view(&api).totals;
    assert_eq!((arrived.credited, arrived.secured), (arrived.raised, arrived.raised));

    // The second part: those who said no before say yes now, and stay whole.
    let second = task.submit_milestone(&world, 1);
    yes_and_split(&world, &task, staying, second);
    for pledge in contrary {
        task.vote(&api, pledge, second, Choice::Yes).unwrap();
    }
    settle(&world, &task, Kind::Milestone { submission: second }, [Role::Developer, Role::Arbiter]);
    close(&world);
    task.accept(&api, second).unwrap();

    // The last one pays what is left: the split, the silent for all three, and with the arbiter the noes.
    let third = task.submit_milestone(&world, 2);
    for pledge in staying.iter().chain(contrary).chain(silent) {
        task.vote(&api, pledge, third, Choice::Yes).unwrap();
    }
    close(&world);
    settle(&world, &task, Kind::Payout { submission: third }, [Role::Developer, Role::Representative]);
    settle(&world, &task, Kind::Ruling { submission: first }, [Role::Developer, Role::Arbiter]);
    task.verify(&world);
    let view = task.view(&api);
    assert_eq!(view.stage, Stage::Paid);
    assert_eq!((view.totals.credited, view.totals.settled), (Amount::ZERO, pledged));

    // Nothing is done under the other charter: from its T on the money goes back by itself.
    world.set_mtp(other.charter.refund_time_secs() + 1);
    world.node.wait_mempool(moved.len());
    world.mine(1);
    wait_until("all is refunded", || (other.view(&api).stage == Stage::Refunded).then_some(()));
    other.verify(&world);

    // From here on the node alone.
    let received = |address: &Address| world.node.unspent(address).into_iter().sum::<Amount>();
    let escrow: BTreeSet<Address> = [&task, &other]
        .iter()
        .flat_map(|task| task.proved(&api).scripts())
        .map(|(script, _)| Address::from_script(&script, bitcoin::Network::Regtest).unwrap())
        .collect();
    assert!(escrow.iter().all(|address| world.node.unspent(address).is_empty()), "nothing is left in escrow");
    let spent = spends(&world, &escrow);
    let fees: Amount = spent.values().map(|(_, fee)| *fee).sum();
    let shares = task.charter.shares();
    let paid: Vec<Amount> = shares.iter().map(|share| received(&share.address)).collect();
    println!("{:>10} {:>12} {:>12}  how", "pledge", "paid in", "came back");
    let mut back = Amount::ZERO;
    for (number, pledge) in (1u32..).zip(&all) {
        let returned = received(pledge.refund_address());
        back += returned;
        let how = match number {
            1..=5 => "half paid, the rest moved and refunded",
            6..=40 => "paid in three parts",
            41..=50 => "first half ruled over, the rest paid",
            _ => "silent until the end, then paid",
        };
        println!("{number:>10} {:>12} {:>12}  {how}", pledge.amount.to_sat(), returned.to_sat());
        match number {
            1..=5 => assert!(returned > pledge.amount / 2 - sat(5_000) && returned < pledge.amount / 2),
            // Three quarters of the half that was ruled over.
            41..=50 => {
                let share = pledge.amount * 3 / 8;
                assert!(returned > share - sat(1_000) && returned <= share, "{returned} of {share}");
            }
            _ => assert_eq!(returned, Amount::ZERO),
        }
    }
    for (share, amount) in shares.iter().zip(&paid) {
        println!("{:>10} {:>12}", share.name, amount.to_sat());
    }
    println!("{:>10} {:>12}  in {} transactions", "fees", fees.to_sat(), spent.len());
    println!("{:>10} {:>12}", "in all", pledged.to_sat());
    let paid: Amount = paid.into_iter().sum();
    assert_eq!(paid + back + fees, pledged, "to the satoshi");
    // 40 splits, 5 moves, 35 splits, a payout, a ruling, 5 refunds.
    assert_eq!(spent.len(), 40 + 5 + 35 + 1 + 1 + 5);
}

#[test]
fn a_developer_who_pledges_twice_the_honest_total_gains_nothing_but_their_own_money() {
    let world = World::start();
    let api = world.api();
    let task = Task::open(&world, 52, |fields| fields.cap_sat = 5_000_000);
    let sponsors: Vec<Sponsor> = (1..=4).map(Sponsor::new).collect();
    let amounts = [200_000, 200_000, 100_000, 1_000_000];
    let pledges: Vec<Pledged> =
        sponsors.iter().zip(amounts).map(|(sponsor, amount)| task.pledge(&api, sponsor, amount)).collect();
    let payments: Vec<(&Address, Amount)> =
        pledges.iter().map(|pledge| (pledge.address(), pledge.amount)).collect();
    let txid = world.node.send_many(&payments);
    for pledge in &pledges {
        let outpoint = world.node.outpoint(&txid, pledge.address());
        task.wait_seen(&api, pledge, outpoint);
        task.secure(&api, pledge, outpoint).unwrap();
    }
    world.mine(1);
    let submission = task.submit(&world);
    for honest in &pledges[..2] {
        task.vote(&api, honest, submission, Choice::No).unwrap();
    }
    task.vote(&api, &pledges[3], submission, Choice::Yes).unwrap();
    close(&world);
    // The majority is the developer's own; without the representative the silent's money does not follow it.
    let kind = Kind::Payout { submission };
    let proposed = task.propose(&api, kind, FEERATE).unwrap();
    let inputs: Vec<OutPoint> =
        proposed.transactions.iter().flat_map(|tx| tx.inputs.iter().map(|input| input.outpoint)).collect();
    assert_eq!(inputs, [world.node.outpoint(&txid, pledges[3].address())], "their own, and nothing else");
    settle(&world, &task, kind, [Role::Developer, Role::Arbiter]);
    let shares = task.charter.shares();
    let paid: Amount = shares.iter().flat_map(|share| world.node.unspent(&share.address)).sum();
    let fee = sat(1_000_000) - paid;
    assert!(fee < sat(2_000), "all of it is theirs but the fee: {fee}");
    world.set_mtp(task.charter.refund_time_secs() + 1);
    world.node.wait_mempool(3);
    world.mine(1);
    for honest in &pledges[..3] {
        let back: Amount = world.node.unspent(honest.refund_address()).into_iter().sum();
        assert!(back > honest.amount - sat(1_000), "{back} of {}", honest.amount);
    }
}
