//! From T on two sponsors move their pledges alone, by commands, and a third is refunded: wherever it is told, each is told
//! as what it is, and every satoshi is accounted for. What arrives beyond a cap has its refund all the same.

use crate::harness::desk::Desk;
use crate::harness::{Pledged, Sponsor, Task, World, wait_until};
use bitcoin::{Amount, OutPoint};
use serde_json::{Value, json};
use std::process::Command;
use upfront::escrow::charter::CharterFields;
use upfront::escrow::pledge::{Destination, Ending, Standing, Surplus};
use upfront::escrow::task::Stage;

/// One rung at 1 sat/vB: 137.75 vB, rounded up.
const RUNG: u64 = 138;

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// Takes pledges when the T of the first task has come.
fn later(fields: &mut CharterFields) {
    let later_secs = 3 * 3_600;
    fields.refund_time += later_secs;
    fields.funding_close += later_secs;
    fields.work_deadline += later_secs;
    fields.milestones[0].due += later_secs;
}

fn funded(world: &World, task: &Task, sponsor: u8, amount_sat: u64) -> (Pledged, OutPoint) {
    let api = world.api();
    let pledge = task.pledge(&api, &Sponsor::new(sponsor), amount_sat);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    task.secure(&api, &pledge, outpoint).unwrap();
    (pledge, outpoint)
}

#[test]
fn what_a_sponsor_moves_alone_at_t_is_told_as_moved_everywhere_and_has_its_refund_there() {
    let world = World::start();
    let api = world.api();
    let desk = Desk::new(world.service.url());
    let old = Task::open(&world, 60, |fields| fields.target_sat = 200_000);
    let there = Task::open(&world, 61, |fields| {
        later(fields);
        fields.target_sat = 90_000;
    });
    let full = Task::open(&world, 62, |fields| {
        later(fields);
        (fields.target_sat, fields.cap_sat) = (100_000, 150_000);
    });
    let (moves, first) = funded(&world, &old, 1, 100_000);
    let (spills, second) = funded(&world, &old, 2, 80_000);
    let (stays, third) = funded(&world, &old, 3, 60_000);
    world.mine(1);
    assert_eq!(old.view(&api).totals.raised, sat(240_000));

    // By the command, with the recovery file; each twice.
    let file = |name: &str, pledge: &Pledged, outpoint: OutPoint| {
        std::fs::write(desk.path(name), old.recovery_file(pledge, &[outpoint]).to_json()).unwrap();
    };
    file("first.json", &moves, first);
    file("second.json", &spills, second);
    file("third.json", &stays, third);
    let old_id = old.id().to_string();
    for (name, to) in [("first", &there), ("second", &full)] {
        let (to, from, out) = (to.id().to_string(), format!("{name}.json"), format!("{name}-moved.json"));
        let command =
            ["pledge", "move", &old_id, "--to", &to, "--recovery", &from, "--recovery-out", &out, "--alone"];
        let told = desk.run(&command);
        assert_eq!(told["refunds_prepared"], 7);
        assert_eq!(desk.run(&command), told, "nothing twice");
    }

    // When nobody's promise keeps room there any more, somebody else fills the cap.
    let refund_time = old.charter.refund_time_secs();
    world.set_mtp(refund_time - 600);
    let (_, filler) = funded(&world, &full, 4, 140_000);
    world.mine(1);
    assert_eq!(world.node.mempool(), [], "nothing goes out before T");
    world.node.set_mtp(refund_time + 1);
    world.node.wait_mempool(3);
    world.mine(1);

    wait_until("all of it has left", || (old.view(&api).stage == Stage::Refunded).then_some(()));
    let view = old.view(&api);
    let sums = [view.totals.raised, view.totals.settled, view.totals.refunded, view.totals.credited];
    assert_eq!(sums.map(Amount::to_sat), [60_000, 180_000, 60_000, 0]);
    assert!(view.target_met, "a target that was met stays met");
    let ends: Vec<(Ending, Option<Destination>)> = view
        .pledges
        .iter()
        .map(|pledge| (pledge.outpoints[0].ended.unwrap().how, pledge.outpoints[0].moved))
        .collect();
    let to = |task: &Task, to_index| Some(Destination { to_charter: task.id(), to_index });
    assert_eq!(
        ends,
        [(Ending::Moved, to(&there, 1)), (Ending::Moved, to(&full, 1)), (Ending::Refunded, None)]
    );
    let arrived = |task: &Task| {
        let held = task.view(&api).pledges[0].outpoints[0].clone();
        assert!(held.secured, "{held:?}");
        held
    };
    let (credited, surplus) = (arrived(&there), arrived(&full));
    assert_eq!((credited.amount_sat, credited.standing), (100_000 - RUNG, Some(Standing::Credited)));
    let over = Standing::Surplus { reason: Surplus::OverCap };
    assert_eq!((surplus.amount_sat, surplus.standing), (80_000 - RUNG, Some(over)));
    let (here, beyond) = (there.view(&api), full.view(&api));
    assert_eq!((here.totals.raised, here.target_met), (sat(100_000 - RUNG), true));
    assert_eq!((beyond.totals.raised, beyond.totals.surplus), (sat(140_000), sat(80_000 - RUNG)));
    let sent = sums[1] - (here.totals.raised + beyond.totals.surplus);
    assert_eq!(sent, sat(2 * RUNG), "what left here is there, but for the fees");

    // A stranger finds the same from the chain.
    for task in [&old, &there, &full] {
        task.verify(&world);
    }
    let report = desk.run(&["verify", "--task", &old_id, "--electrum", &world.server.url()]);
    let by = |held: &upfront::service::views::OutpointView| held.outpoint.txid;
    let mut expected =
        [(first, json!([there.id(), true, by(&credited)])), (second, json!([full.id(), true, by(&surplus)]))];
    expected.sort_by_key(|(outpoint, _)| *outpoint);
    let told: Vec<Value> = report["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|moved| json!([moved["to_charter"], moved["alone"], moved["moved_by"]]))
        .collect();
    assert_eq!(told, expected.map(|(_, moved)| moved));
    // And so does each sponsor, with the old recovery file and nothing else.
    let recover = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
        command.args(["--json", "recover"]).arg(desk.path(name));
        let done = command.args(["--electrum", &world.server.url()]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        (report["outpoints"][0]["state"].clone(), report["outpoints"][0]["address"].clone())
    };
    assert_eq!(recover("first.json"), (json!("moved"), json!(here.pledges[0].address)));
    assert_eq!(recover("second.json"), (json!("moved"), json!(beyond.pledges[0].address)));
    assert_eq!(recover("third.json"), (json!("refunded"), Value::Null));
    let events: Value = api.get(&old.path("/events?limit=200")).unwrap();
    let of = |kind: &str| {
        events["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["type"] == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!((of("refund_confirmed").len(), of("target_lost").len()), (1, 0));
    let mut destinations: Vec<Value> =
        of("spend_confirmed").iter().map(|event| event["data"]["to_charter"].clone()).collect();
    destinations.sort_by_key(Value::to_string);
    let mut both = [json!(there.id()), json!(full.id())];
    both.sort_by_key(Value::to_string);
    assert_eq!(destinations, both);

    // At the T there all of it comes back, what was surplus too.
    let last = there.charter.refund_time_secs().max(full.charter.refund_time_secs());
    world.node.set_mtp(last + 1);
    world.node.wait_mempool(3);
    world.mine(1);
    for task in [&there, &full] {
        wait_until("all is refunded", || (task.view(&api).stage == Stage::Refunded).then_some(()));
        task.verify(&world);
    }
    assert_eq!(world.node.confirmed_output(&filler), None);
    for (pledge, back) in
        [(&moves, 100_000 - 2 * RUNG), (&spills, 80_000 - 2 * RUNG), (&stays, 60_000 - RUNG)]
    {
        assert_eq!(world.node.unspent(pledge.refund_address()), [sat(back)]);
    }
}
