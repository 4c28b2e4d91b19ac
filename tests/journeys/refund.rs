//! Pledge to refund: nobody does anything, and at T the money comes back. Once with the operator's fee
//! wallet, once with that wallet empty, once with the service gone for good.

use crate::harness::{Make, Pledged, Sponsor, Task, World, on_both_makes, people::NETWORK, wait_until};
use bitcoin::{Address, Amount, OutPoint};
use std::path::{Path, PathBuf};
use std::process::Command;
use upfront::escrow::pledge::Ending;
use upfront::escrow::recovery::RecoveryFile;
use upfront::escrow::task::Stage;
use upfront::wallet::OperatorWallet;

on_both_makes!(
    three_pledges_come_back_in_one_batch,
    with_an_empty_fee_wallet_each_goes_by_its_ladder,
    without_the_service_the_recovery_file_is_enough,
);

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// An operator's fee wallet, empty.
fn fee_wallet(data_dir: &Path) {
    OperatorWallet::create(data_dir, NETWORK).unwrap();
}

/// Pledges of three sponsors, paid, secured and credited.
pub(super) fn three_pledges(world: &World, task: &Task) -> Vec<(Pledged, OutPoint)> {
    let api = world.api();
    let pledges: Vec<(Pledged, OutPoint)> = [(1, 100_000), (2, 60_000), (3, 10_000)]
        .into_iter()
        .map(|(sponsor, amount_sat)| {
            let pledge = task.pledge(&api, &Sponsor::new(sponsor), amount_sat);
            let txid = world.node.send(pledge.address(), pledge.amount);
            let outpoint = world.node.outpoint(&txid, pledge.address());
            task.wait_seen(&api, &pledge, outpoint);
            task.secure(&api, &pledge, outpoint).unwrap();
            (pledge, outpoint)
        })
        .collect();
    world.mine(1);
    let totals = task.view(&api).totals;
    assert_eq!((totals.credited, totals.secured), (sat(170_000), sat(170_000)));
    pledges
}

/// To the last second before refunds are valid: final is what is locked to less than the median time.
pub(super) fn to_the_boundary(world: &World, task: &Task) -> u32 {
    let refund_time = task.charter.refund_time_secs();
    world.set_mtp(refund_time);
    // Time for several rounds of the scheduler.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(world.node.mempool(), [], "at a median time of T nothing may go out");
    assert_eq!(world.api().status().unwrap().refunds_due, 0);
    refund_time
}

pub(super) fn refunded(world: &World, task: &Task) {
    world.mine(1);
    let api = world.api();
    wait_until("everything is refunded", || (task.view(&api).stage == Stage::Refunded).then_some(()));
    let view = task.view(&api);
    assert_eq!((view.totals.refunded, view.totals.credited), (sat(170_000), Amount::ZERO));
    for pledge in &view.pledges {
        assert_eq!(pledge.outpoints[0].ended.unwrap().how, Ending::Refunded, "pledge {}", pledge.index);
    }
    task.verify(world);
}

fn three_pledges_come_back_in_one_batch(make: Make) {
    let world = World::start_with(make, fee_wallet);
    let api = world.api();
    let wallet = || api.status().unwrap().fee_wallet;
    let top_up: Address<_> = wait_until("a fee wallet", wallet).address.parse().unwrap();
    world.node.send(&top_up.assume_checked(), sat(50_000));
    let task = Task::open(&world, 2, |_| ());
    let pledges = three_pledges(&world, &task);
    wait_until("the fee wallet is funded", || (wallet()?.confirmed_sat == 50_000).then_some(()));

    let refund_time = to_the_boundary(&world, &task);
    world.node.set_mtp(refund_time + 1);
    let [txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let batch = world.node.transaction(&txid);
    assert_eq!(batch.lock_time.to_consensus_u32(), refund_time);
    assert_eq!((batch.input.len(), batch.output.len()), (4, 4), "three pairs, fee and change");
    for (pledge, outpoint) in &pledges {
        let at = batch.input.iter().position(|input| input.previous_output == *outpoint).unwrap();
        assert_eq!(batch.output[at].value, pledge.amount, "a refund pays no fee");
        assert_eq!(batch.output[at].script_pubkey, pledge.refund_address().script_pubkey());
    }
    let fee = world.node.fee(&batch);
    refunded(&world, &task);
    for (pledge, _) in &pledges {
        assert_eq!(world.node.unspent(pledge.refund_address()), [pledge.amount]);
    }
    let left = 50_000 - fee.to_sat();
    wait_until("the fee wallet paid the fee and nothing else", || {
        (wallet()?.confirmed_sat == left).then_some(())
    });
}

fn with_an_empty_fee_wallet_each_goes_by_its_ladder(make: Make) {
    let world = World::start_with(make, fee_wallet);
    let task = Task::open(&world, 3, |_| ());
    let pledges = three_pledges(&world, &task);
    let refund_time = to_the_boundary(&world, &task);
    world.node.set_mtp(refund_time + 1);
    let mempool = world.node.wait_mempool(3);
    let rungs: Vec<_> = mempool.iter().map(|txid| world.node.transaction(txid)).collect();
    let mut paid = Vec::new();
    for (pledge, outpoint) in &pledges {
        let spends = |tx: &&bitcoin::Transaction| tx.input[0].previous_output == *outpoint;
        let rung = rungs.iter().find(spends).expect("each has its own");
        assert_eq!((rung.input.len(), rung.output.len()), (1, 1));
        assert_eq!(rung.lock_time.to_consensus_u32(), refund_time);
        // 1 sat/vB: 137.75 vB, rounded up.
        assert_eq!(world.node.fee(rung), sat(138));
        paid.push((pledge.refund_address(), rung.output[0].value));
    }
    refunded(&world, &task);
    for (address, amount) in paid {
        assert_eq!(world.node.unspent(address), [amount]);
    }
}

fn without_the_service_the_recovery_file_is_enough(make: Make) {
    let mut world = World::start_on(make);
    let task = Task::open(&world, 4, |_| ());
    let sponsor = Sponsor::new(1);
    // One file is older than the payment: no outpoint and no refund in it. The other has both.
    let unsecured = task.pledge(&world.api(), &sponsor, 50_000);
    let secured = task.pledge(&world.api(), &sponsor, 40_000);
    let files = crate::harness::directory();
    let keep = |name: &str, file: RecoveryFile| -> PathBuf {
        let path = files.path().join(name);
        std::fs::write(&path, file.to_json()).unwrap();
        path
    };
    let old_file = keep("old.json", task.recovery_file(&unsecured, &[]));
    let paid =
        world.node.send_many(&[(unsecured.address(), unsecured.amount), (secured.address(), secured.amount)]);
    let outpoint = world.node.outpoint(&paid, secured.address());
    let new_file = keep("new.json", task.recovery_file(&secured, &[outpoint]));
    world.mine(1);
    world.service.kill();
    std::fs::remove_dir_all(world.service.data_dir()).unwrap();
    let refund_addresses = [unsecured.refund_address().clone(), secured.refund_address().clone()];
    let refund_time = task.charter.refund_time_secs();
    // From here on two files and an Electrum server are all there is.
    drop((task, unsecured, secured, sponsor));

    world.node.set_mtp(refund_time);
    let recover = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
        command.arg("recover").arg(file).args(["--electrum", &world.server.url()]);
        let output = command.args(["--broadcast", "--feerate", "2"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    for file in [&old_file, &new_file] {
        let (status, said) = recover(file);
        assert_eq!(status, Some(3), "not yet: {said}");
    }
    assert_eq!(world.node.mempool(), []);
    world.node.set_mtp(refund_time + 1);
    for file in [&old_file, &new_file] {
        // The server trails the node by a moment.
        wait_until("recovered", || {
            let (status, said) = recover(file);
            assert!(matches!(status, Some(0 | 3)), "{status:?}: {said}");
            (status == Some(0)).then_some(())
        });
    }
    world.node.wait_mempool(2);
    world.node.mine(1);
    for (address, amount) in refund_addresses.iter().zip([50_000, 40_000]) {
        // 2 sat/vB of 137.75 vB, rounded up to 138.
        assert_eq!(world.node.unspent(address), [sat(amount - 276)]);
    }
}
