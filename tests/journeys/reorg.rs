//! What the chain takes back: reorgs of one, two and six blocks around a credit, a deposit replaced before
//! it is credited, and an Electrum server that dies in the middle of it.

use crate::harness::{Api, Make, Pledged, Sponsor, Task, World, on_both_makes, wait_until};
use bitcoin::{Amount, OutPoint, Txid};
use serde_json::Value;
use upfront::escrow::pledge::Standing;
use upfront::escrow::statement::Choice;
use upfront::service::views::OutpointView;

on_both_makes!(
    credits_reverse_and_come_back_exactly_once,
    votes_weigh_nothing_while_their_deposit_is_double_spent,
    a_replaced_deposit_gives_way_while_the_electrum_server_dies,
);

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// The one arrival of a pledge.
fn only(task: &Task, api: &Api, pledge: &Pledged) -> OutpointView {
    match &task.outpoints(api, pledge)[..] {
        [held] => held.clone(),
        held => panic!("pledge {} has one outpoint, not {held:?}", pledge.index),
    }
}

fn pay(world: &World, task: &Task, pledge: &Pledged) -> OutPoint {
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&world.api(), pledge, outpoint);
    outpoint
}

fn credits_reverse_and_come_back_exactly_once(make: Make) {
    let world = World::start_on(make);
    let api = world.api();
    let task = Task::open(&world, 5, |_| ());
    let mut credited = 0;
    for (depth, amount_sat) in [(1, 100_000), (2, 200_000), (6, 300_000)] {
        let pledge = task.pledge(&api, &Sponsor::new(depth), amount_sat);
        let outpoint = pay(&world, &task, &pledge);
        task.secure(&api, &pledge, outpoint).unwrap();
        world.mine(depth.into());
        let height = world.node.height();
        let held = only(&task, &api, &pledge);
        assert_eq!((held.standing, held.confirmations), (Some(Standing::Credited), depth.into()));
        assert_eq!(task.view(&api).totals.credited, sat(credited + amount_sat));

        // Another branch, longer by one, without the deposit.
        world.node.undo(depth.into());
        world.node.mine_empty(u32::from(depth) + 1);
        world.synced();
        assert_eq!(world.node.height(), height + 1);
        let held = only(&task, &api, &pledge);
        assert_eq!((held.standing, held.confirmations), (Some(Standing::Seen), 0), "depth {depth}");
        assert!(held.secured, "the refund is for an outpoint, wherever it is mined");
        let totals = task.view(&api).totals;
        assert_eq!((totals.credited, totals.raised), (sat(credited), sat(credited)), "depth {depth}");
        assert_eq!((totals.seen, totals.awaiting_depth), (sat(amount_sat), Amount::ZERO));

        world.mine(1);
        credited += amount_sat;
        let held = only(&task, &api, &pledge);
        assert_eq!((held.outpoint, held.standing), (outpoint, Some(Standing::Credited)));
        assert!(held.secured);
        let totals = task.view(&api).totals;
        assert_eq!((totals.credited, totals.raised), (sat(credited), sat(credited)), "depth {depth}");
        assert_eq!((totals.seen, totals.secured), (Amount::ZERO, sat(credited)));
    }
    task.verify(&world);
}

fn votes_weigh_nothing_while_their_deposit_is_double_spent(make: Make) {
    let world = World::start_on(make);
    let api = world.api();
    let task = Task::open(&world, 6, |_| ());
    let stays = task.pledge(&api, &Sponsor::new(1), 100_000);
    let goes = task.pledge(&api, &Sponsor::new(2), 300_000);
    pay(&world, &task, &stays);
    world.mine(1);
    let outpoint = pay(&world, &task, &goes);
    world.mine(1);
    let submission = task.submit(&world);
    task.vote(&api, &stays, submission, Choice::Yes).unwrap();
    task.vote(&api, &goes, submission, Choice::No).unwrap();
    let tally = |task: &Task| task.view(&api).submissions[0].tally.clone().unwrap();
    assert_eq!((tally(&task).yes, tally(&task).no), (sat(100_000), sat(300_000)));

    // On the other branch the inputs of the deposit are spent for something else.
    let deposit = world.node.transaction(&outpoint.txid);
    world.node.undo(1);
    let inputs: Vec<Value> = deposit
        .input
        .iter()
        .map(|input| {
            let OutPoint { txid, vout } = input.previous_output;
            serde_json::json!({ "txid": txid, "vout": vout, "sequence": 4_294_967_293_u32 })
        })
        .collect();
    let elsewhere = serde_json::json!([{ world.node.address(): "1.0" }]).to_string();
    let raw = world.node.call(&["createrawtransaction", &Value::Array(inputs).to_string(), &elsewhere]);
    let signed = world.node.json(&["signrawtransactionwithwallet", &raw]);
    let spend = signed["hex"].as_str().unwrap();
    let miner = world.node.address();
    for transactions in [serde_json::json!([spend]), serde_json::json!([])] {
        world.node.call(&["generateblock", &miner, &transactions.to_string()]);
    }
    world.synced();
    assert_eq!(only(&task, &api, &goes).standing, Some(Standing::Vanished));
    assert_eq!(task.view(&api).totals.credited, sat(100_000));
    // The named block is gone too; the one at its height takes its place, and the vote stands.
    wait_until("the weights are counted at the new block", || {
        let tally = tally(&task);
        ((tally.electorate, tally.yes, tally.no) == (sat(100_000), sat(100_000), Amount::ZERO)).then_some(())
    });
    assert_eq!(task.view(&api).submissions[0].votes.len(), 2);
    task.verify(&world);
}

fn a_replaced_deposit_gives_way_while_the_electrum_server_dies(make: Make) {
    let mut world = World::start_on(make);
    let api = world.api();
    let task = Task::open(&world, 7, |_| ());
    let pledge = task.pledge(&api, &Sponsor::new(1), 250_000);
    let replaced = pay(&world, &task, &pledge);
    task.secure(&api, &pledge, replaced).unwrap();
    assert!(only(&task, &api, &pledge).secured);

    let bump = |txid: &Txid| -> OutPoint {
        let bumped = world.node.json(&["-named", "bumpfee", &format!("txid={txid}"), "fee_rate=20"]);
        let txid: Txid = bumped["txid"].as_str().unwrap().parse().unwrap();
        world.node.outpoint(&txid, pledge.address())
    };
    let replacement = bump(&replaced.txid);
    task.wait_seen(&api, &pledge, replacement);
    let find = |outpoint: OutPoint| {
        task.outpoints(&api, &pledge).into_iter().find(|held| held.outpoint == outpoint).unwrap()
    };
    wait_until("the replaced deposit vanishes", || {
        (find(replaced).standing == Some(Standing::Vanished)).then_some(())
    });
    let held = find(replacement);
    assert_eq!((held.standing, held.secured), (Some(Standing::Seen), false), "to be secured anew");
    assert_eq!(task.view(&api).totals.seen, sat(250_000), "counted once");
    task.secure(&api, &pledge, replacement).unwrap();

    // The server dies; a block comes that it cannot tell of; it comes back.
    world.server.kill();
    wait_until("the service knows that it is cut off", || {
        let status = api.status().unwrap();
        (status.server.is_none() && status.server_error.is_some()).then_some(())
    });
    world.node.mine(2);
    assert_eq!(find(replacement).standing, Some(Standing::Seen), "what was known still is");
    let other = task.pledge(&api, &Sponsor::new(2), 100_000);
    world.server.restart();
    world.synced();
    wait_until("connected again", || api.status().unwrap().server);
    assert_eq!(find(replaced).standing, Some(Standing::Vanished));
    let held = find(replacement);
    assert_eq!((held.standing, held.secured), (Some(Standing::Credited), true));
    // Also the address that was issued while nobody could be told to watch it.
    let outpoint = pay(&world, &task, &other);
    task.secure(&api, &other, outpoint).unwrap();
    world.mine(1);
    let totals = task.view(&api).totals;
    assert_eq!((totals.credited, totals.secured), (sat(350_000), sat(350_000)));
    task.verify(&world);
}
