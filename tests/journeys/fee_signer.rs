//! A fee wallet whose keys are elsewhere: refunds at T are signed by the node's wallet, or by another machine's
//! `upfront wallet sign`; and go by their ladders where the signer fails.

use super::refund::{refunded, three_pledges, to_the_boundary};
use crate::harness::{Task, World, wait_until};
use bitcoin::{Address, Amount};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use upfront::service::views::FeeWalletView;

/// Starts the service again with a public descriptor for its fee wallet, and a signer.
fn with_signer(world: &mut World, descriptor: &str, signer: String) {
    world.service.kill();
    std::fs::write(world.service.data_dir().join("wallet.descriptor"), descriptor).unwrap();
    world.service.set("UPFRONT_WALLET_SIGNER", &signer);
    world.service.set("UPFRONT_FEE_WALLET_LOW_SAT", "0");
    world.service.start(None);
    world.synced();
}

fn view(world: &World) -> Option<FeeWalletView> {
    world.api().status().unwrap().fee_wallet
}

fn top_up(world: &World, amount_sat: u64) {
    let address: Address<_> = wait_until("a fee wallet", || view(world)).address.parse().unwrap();
    world.node.send(&address.assume_checked(), Amount::from_sat(amount_sat));
}

fn script(dir: &Path, text: &str) -> String {
    let path = dir.join("sign");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A wallet of the node, its public descriptors, and a script that has it sign.
fn node_wallet(world: &World, files: &Path) -> (String, String) {
    world.node.call(&["createwallet", "fees"]);
    let listed = world.node.try_wallet("fees", &["listdescriptors"]).unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let mut lines = ["", ""];
    for each in listed["descriptors"].as_array().unwrap() {
        let text = each["desc"].as_str().unwrap();
        if text.starts_with("tr(") {
            lines[usize::from(each["internal"] == true)] = text;
        }
    }
    let process = format!("{} -rpcwallet=fees -stdin walletprocesspsbt", world.node.command_line());
    (lines.join("\n"), script(files, &format!("{process} | jq -r .psbt")))
}

/// Three pledges come back in one batch that the wallet pays.
fn refunds_in_one_batch(world: &World, number: u8) {
    let task = Task::open(world, number, |_| ());
    let pledges = three_pledges(world, &task);
    wait_until("the fee wallet is funded", || (view(world)?.confirmed_sat == 50_000).then_some(()));
    let refund_time = to_the_boundary(world, &task);
    world.node.set_mtp(refund_time + 1);
    let [txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let batch = world.node.transaction(&txid);
    assert_eq!((batch.input.len(), batch.output.len()), (4, 4), "three pairs, fee and change");
    let fee = world.node.fee(&batch);
    refunded(world, &task);
    for (pledge, _) in &pledges {
        assert_eq!(world.node.unspent(pledge.refund_address()), [pledge.amount], "it pays no fee");
    }
    let left = 50_000 - fee.to_sat();
    let settled = || view(world).filter(|view| view.confirmed_sat == left);
    assert_eq!(wait_until("the wallet paid the fee and nothing else", settled).signer_error, None);
}

#[test]
fn the_nodes_wallet_signs_for_a_watch_only_fee_wallet() {
    let mut world = World::start();
    let files = crate::harness::directory();
    let (descriptors, signer) = node_wallet(&world, files.path());
    with_signer(&mut world, &descriptors, signer);
    top_up(&world, 50_000);
    refunds_in_one_batch(&world, 60);
}

#[test]
fn another_machine_signs_refunds_with_an_encrypted_key() {
    let mut world = World::start();
    let files = crate::harness::directory();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("pass"), "fees of refunds\n").unwrap();
    let upfront = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
        command.args(["--passphrase-file", &file("pass")]).args(args).env("UPFRONT_NETWORK", "regtest");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let offline = file("offline");
    upfront(&["wallet", "new", "--data-dir", &offline]);
    let key = Path::new(&offline).join("wallet.phrase");
    assert!(std::fs::read_to_string(&key).unwrap().starts_with("-----BEGIN AGE"));
    let descriptor = upfront(&["wallet", "export", "--data-dir", &offline]);
    let signer = [
        env!("CARGO_BIN_EXE_upfront"),
        "wallet",
        "sign",
        "--network",
        "regtest",
        "--passphrase-file",
        &file("pass"),
        "--key",
        key.to_str().unwrap(),
    ];
    with_signer(&mut world, &descriptor, signer.join(","));
    top_up(&world, 50_000);
    refunds_in_one_batch(&world, 61);
    // The operator asks what it was for; the service keeps the wallet, so nothing is written.
    let data_dir: PathBuf = world.service.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let history = upfront(&["wallet", "history", "--data-dir", data_dir, "--electrum", &world.server.url()]);
    assert!(history.contains("refunds of 3") && history.contains("received 50,000 sat"), "{history}");
}

#[test]
fn a_signer_that_fails_leaves_refunds_to_their_ladders_and_raises_an_alarm() {
    let mut world = World::start();
    let files = crate::harness::directory();
    let (descriptors, _) = node_wallet(&world, files.path());
    let broken = script(files.path(), "echo the door is locked >&2; exit 7");
    with_signer(&mut world, &descriptors, broken);
    top_up(&world, 50_000);
    let task = Task::open(&world, 62, |_| ());
    three_pledges(&world, &task);
    wait_until("the fee wallet is funded", || (view(&world)?.confirmed_sat == 50_000).then_some(()));
    let refund_time = to_the_boundary(&world, &task);
    world.node.set_mtp(refund_time + 1);
    for txid in world.node.wait_mempool(3) {
        assert_eq!(world.node.transaction(&txid).input.len(), 1, "each by its own ladder");
    }
    let told = view(&world).unwrap();
    assert!(told.signer_error.is_some(), "{told:?}");
    assert!(world.service.log().contains("ALARM: the fee wallet's signer does not sign"));
    refunded(&world, &task);
    assert_eq!(view(&world).unwrap().confirmed_sat, 50_000, "nothing was spent");
}
