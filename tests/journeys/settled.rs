//! After the end: scripts whose money went home long ago are left alone, and who pays late is found all the same,
//! by the slow look at them that a real server never tells of. Also by a service that was started since.

use crate::harness::{Make, Node, Server, Service, Sponsor, Task, World, on_both_makes, wait_until};
use bitcoin::{Amount, OutPoint};
use upfront::escrow::pledge::Ending;
use upfront::escrow::retire::RETIRE_DEPTH;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::Role;
use upfront::escrow::task::{GRACE_SECS, Stage};

on_both_makes!(a_late_payment_to_a_settled_script_is_found);

const FOUND: &str = "something moved at a settled script";

fn subscriptions(world: &World) -> usize {
    world.api().status().unwrap().servers[0].subscriptions
}

#[track_caller]
fn watched(world: &World, count: usize) {
    wait_until(&format!("{count} scripts are watched"), || (subscriptions(world) == count).then_some(()));
}

fn a_late_payment_to_a_settled_script_is_found(make: Make) {
    let node = Node::start();
    let server = Server::start(make, &node);
    let mut service = Service::prepare(server.url());
    service.set("UPFRONT_SWEEP_SECS", "1");
    let mut world = World::on(service, server, node);
    let api = world.api();
    let task = Task::open(&world, 80, |_| ());
    let pledges = [(1, 300_000), (2, 200_000)].map(|(sponsor, amount_sat)| {
        let pledge = task.pledge(&api, &Sponsor::new(sponsor), amount_sat);
        let txid = world.node.send(pledge.address(), pledge.amount);
        let outpoint = world.node.outpoint(&txid, pledge.address());
        task.wait_seen(&api, &pledge, outpoint);
        (pledge, outpoint)
    });
    world.mine(1);
    watched(&world, 3);

    // Everything goes back, and is buried one block less than it takes. The open address, which nobody ever
    // paid, is settled with the task.
    let returns = task.propose(&api, Kind::EarlyReturn, 2).unwrap();
    task.sign(&api, &returns.id, Role::Developer).unwrap();
    task.sign(&api, &returns.id, Role::Representative).unwrap();
    world.node.wait_mempool(1);
    world.mine(1);
    wait_until("everything went back", || (task.view(&api).stage == Stage::Returned).then_some(()));
    watched(&world, 2);
    world.mine(RETIRE_DEPTH - 2);
    let depth = |held: &OutPoint| {
        let all = pledges.iter().flat_map(|(pledge, _)| task.outpoints(&api, pledge));
        let ended = all.filter(|view| view.outpoint == *held).find_map(|view| view.ended).unwrap();
        assert_eq!(ended.how, Ending::Settled);
        ended.depth
    };
    assert_eq!(depth(&pledges[1].1), RETIRE_DEPTH - 1);
    assert_eq!(subscriptions(&world), 2, "both might still be undone");
    world.mine(1);
    watched(&world, 0);
    // Too late for everything: what comes now is no pledge, and the task stays over.
    world.set_mtp(task.charter.refund_time_secs() + GRACE_SECS + 1);

    for (at, (pledge, first)) in pledges.iter().enumerate() {
        assert_eq!(world.service.log().matches(FOUND).count(), at);
        assert_eq!(subscriptions(&world), at, "nothing tells of this payment unasked");
        let txid = world.node.send(pledge.address(), Amount::from_sat(150_000));
        let late = world.node.outpoint(&txid, pledge.address());
        // The slow look takes what is mined.
        world.node.mine(1);
        wait_until("the late payment is found", || {
            task.outpoints(&api, pledge).iter().any(|view| view.outpoint == late).then_some(())
        });
        watched(&world, at + 1);
        assert_eq!(task.view(&api).totals.credited, Amount::ZERO);
        assert_eq!(world.service.log().matches(FOUND).count(), at + 1);
        // Live again: in the books as every other, and what ended before stays as it was.
        world.synced();
        assert!(depth(first) >= RETIRE_DEPTH);
        assert_eq!(world.node.confirmed_output(&late), Some(Amount::from_sat(150_000)));
        // The next is found by a service that knows what is settled from its journal alone.
        world.service.kill();
        world.service.start(None);
        world.synced();
        watched(&world, at + 1);
    }
    task.verify(&world);
}
