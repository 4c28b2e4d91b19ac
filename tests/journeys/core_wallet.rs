//! The node's own wallet as a signer and as a way home: it co-signs payouts without ever importing an
//! escrow descriptor, and takes a refund with nothing but the recovery file.

use crate::harness::{BASE_SECS, Node, Sponsor, Task, World, people::NETWORK, wait_until};
use bitcoin::{Amount, OutPoint, Psbt};
use miniscript::descriptor::checksum::desc_checksum;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use upfront::escrow::charter::Bps;
use upfront::escrow::descriptor::Slot;
use upfront::escrow::settlement::{self, Kind, Plan, Signatures, TermInput, Terms};
use upfront::escrow::statement::{Choice, Role, SubmissionId};
use upfront::escrow::task::Stage;
use upfront::escrow::testing;
use upfront::keys::SignerKeys;

const ROLE: Role = Role::Representative;

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// `tr([fingerprint/87h/1h/0h]xprv/0/*)`: a signer's account, generation 0, as an ordinary Taproot wallet.
fn account_descriptor(keys: &SignerKeys) -> String {
    let expression = keys.expression();
    let body = format!("tr([{}/87h/1h/0h]{}/0/*)", expression.fingerprint(), keys.account());
    let checksum = desc_checksum(&body).unwrap();
    format!("{body}#{checksum}")
}

/// A wallet of the node that holds a signer's account and nothing else, with the default key range.
fn signer_wallet(node: &Node, keys: &SignerKeys) -> &'static str {
    let wallet = "signer";
    node.call(&["-named", "createwallet", &format!("wallet_name={wallet}"), "blank=true"]);
    let import = json!([{ "desc": account_descriptor(keys), "timestamp": "now", "active": true }]);
    let done: Value = json_of(node.try_wallet(wallet, &["importdescriptors", &import.to_string()]));
    assert_eq!(done[0]["success"], true, "{done}");
    wallet
}

#[track_caller]
fn json_of(answer: Result<String, String>) -> Value {
    serde_json::from_str(&answer.unwrap()).unwrap()
}

fn psbt_of(answer: &Value) -> Psbt {
    answer["psbt"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_wallet_of_the_node_co_signs_a_payout() {
    let world = World::start();
    let (node, api) = (&world.node, world.api());
    let task = Task::open(&world, 40, |_| ());
    let sponsor = Sponsor::new(1);
    for _ in 1..5 {
        task.pledge(&api, &sponsor, 10_000);
    }
    let pledge = task.pledge(&api, &sponsor, 400_000);
    assert_eq!(pledge.output.slot, Slot { generation: 0, index: 5 });
    let txid = node.send(pledge.address(), pledge.amount);
    task.wait_seen(&api, &pledge, node.outpoint(&txid, pledge.address()));
    world.mine(1);
    let submission = task.submit(&world);
    task.vote(&api, &pledge, submission, Choice::Yes).unwrap();
    let payout = task.propose(&api, Kind::Payout { submission }, 2).unwrap();
    let served = api.psbts(&task.id(), &payout.id).unwrap().psbts;
    let process = |wallet: &str| -> Vec<Psbt> {
        let sign = |psbt: &str| psbt_of(&json_of(node.try_wallet(wallet, &["walletprocesspsbt", psbt])));
        served.iter().map(|view| sign(&view.psbt)).collect()
    };
    // A wallet without the key says nothing and signs nothing: the service says so.
    let unsigned = task.hand_in(&api, &payout.id, &process("w")).unwrap_err();
    assert_eq!(unsigned.refusal(), (422, "psbt_no_signature"));

    let wallet = signer_wallet(node, task.signers.of(ROLE));
    let view = task.hand_in(&api, &payout.id, &process(wallet)).unwrap();
    assert_eq!(view.signed_by, [ROLE]);
    assert_eq!(view.transactions[0].forms.len(), 3, "all feerates in one go");
    task.sign(&api, &payout.id, Role::Arbiter).unwrap();
    let [txid] = node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    assert_eq!(txid, payout.transactions[0].forms[0].txid);
    world.mine(1);
    wait_until("the task is paid", || (task.view(&api).stage == Stage::Paid).then_some(()));
    let paid = node.transaction(&txid).output[0].value;
    assert_eq!(node.unspent(&testing::address(NETWORK, 400)), [paid]);
}

/// What `charter show --core` prints for a seat, with or without `--json` before it.
fn printed(files: &Path, task: &Task, options: &[&str]) -> String {
    let charter = files.join("charter.json");
    std::fs::write(&charter, task.charter.bytes()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_upfront"))
        .args(options)
        .args(["charter", "show", "--core", "--role", "representative"])
        .arg(&charter)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// A payout of one pledge of each of the first two generations, really paid to its address.
fn payouts(node: &Node, task: &Task) -> [Plan; 2] {
    let sponsor = Sponsor::new(1).keys.refund_key(0).unwrap().x_only_public_key().0;
    [0, 1].map(|generation| {
        let slot = Slot { generation, index: 7 };
        let output = task.contract.pledge(&task.secp, slot, sponsor).unwrap();
        let txid = node.send(&output.address, sat(300_000));
        let input = TermInput {
            outpoint: node.outpoint(&txid, &output.address),
            amount: sat(300_000),
            slot,
            sponsor_key: output.sponsor_key,
            pay: Bps::ALL,
            return_address: Some(testing::address(NETWORK, 1)),
        };
        let kind = Kind::Payout { submission: SubmissionId([1; 32]) };
        let terms = Terms::new(task.id(), kind, 2, vec![input]).unwrap();
        settlement::plan(&task.secp, &task.charter, &task.contract, &terms).unwrap()
    })
}

/// What `charter show --core` says to programs, put into the node's wallet as it stands, signs pledges of the
/// next generation as well.
#[test]
fn the_printed_import_signs_every_generation() {
    let node = Node::start();
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    let task = Task::draft_at(receipt_key, BASE_SECS, 42, |_| ());
    let files = crate::harness::directory();
    let printed: Value = serde_json::from_str(&printed(files.path(), &task, &["--json"])).unwrap();
    let account = task.signers.of(ROLE).account().to_string();
    let wallet = "imported";
    node.call(&["-named", "createwallet", &format!("wallet_name={wallet}"), "blank=true"]);
    for descriptor in printed["signers"][0]["descriptors"].as_array().unwrap() {
        let body = descriptor["desc"].as_str().unwrap().replace("ACCOUNT_XPRV", &account);
        let desc = format!("{body}#{}", desc_checksum(&body).unwrap());
        let import = json!([{ "desc": desc, "range": descriptor["range"], "timestamp": "now" }]);
        let done: Value = json_of(node.try_wallet(wallet, &["importdescriptors", &import.to_string()]));
        assert_eq!(done[0]["success"], true, "{done}");
    }
    for (plan, generation) in payouts(&node, &task).iter().zip(0..) {
        let sign = |psbt: &Psbt| {
            psbt_of(&json_of(node.try_wallet(wallet, &["walletprocesspsbt", &psbt.to_string()])))
        };
        let signed: Vec<Psbt> = plan.psbts().iter().map(sign).collect();
        let read = plan.read_psbts(&task.secp, &signed).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), [&ROLE], "generation {generation}");
    }
}

/// A shell where `bitcoin-cli` is the node's, with a wallet, and the directory holds what the lines name.
fn shell(node: &Node, wallet: &str, dir: &Path, lines: &str) -> String {
    let cli = format!("bitcoin-cli() {{ {} -rpcwallet={wallet} \"$@\"; }}", node.command_line());
    let script = format!("set -euo pipefail\n{cli}\n{lines}\n");
    let ran = Command::new("bash").arg("-c").arg(script).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "{lines}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// The very lines that `charter show --core` prints for people, run by a shell: nothing but the private key is
/// filled in.
#[test]
fn the_printed_lines_are_commands_that_work() {
    let node = Node::start();
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    let task = Task::draft_at(receipt_key, BASE_SECS, 43, |_| ());
    let files = crate::harness::directory();
    let dir = files.path();
    let printed = printed(dir, &task, &[]);
    let account = task.signers.of(ROLE).account().to_string();
    assert!(printed.contains("ACCOUNT_XPRV") && !printed.contains(&account), "{printed}");
    let lines = printed.lines().filter(|line| line.starts_with("  ") && line.contains("bitcoin-cli"));
    let lines: Vec<String> = lines.map(|line| line.replace("ACCOUNT_XPRV", &account)).collect();
    let [import @ .., with_wallet, without] = &lines[..] else { panic!("{printed}") };
    assert_eq!(import.len(), 4, "checksum and import, for each of two generations: {printed}");

    for wallet in ["printed", "empty"] {
        node.call(&["-named", "createwallet", &format!("wallet_name={wallet}"), "blank=true"]);
    }
    let done = shell(&node, "printed", dir, &import.join("\n"));
    let done: Vec<Value> =
        serde_json::Deserializer::from_str(&done).into_iter().collect::<Result<_, _>>().unwrap();
    assert!(done.len() == 2 && done.iter().all(|done| done[0]["success"] == true), "{done:?}");
    for (plan, generation) in payouts(&node, &task).iter().zip(0..) {
        for (line, wallet) in [(with_wallet, "printed"), (without, "empty")] {
            let sign = |psbt: &Psbt| {
                std::fs::write(dir.join("FILE.psbt"), psbt.to_string()).unwrap();
                psbt_of(&serde_json::from_str(&shell(&node, wallet, dir, line)).unwrap())
            };
            let signed: Vec<Psbt> = plan.psbts().iter().map(sign).collect();
            let read = plan.read_psbts(&task.secp, &signed).unwrap();
            assert_eq!(read.keys().collect::<Vec<_>>(), [&ROLE], "generation {generation}: {line}");
        }
    }
}

/// Beyond the range that a wallet covers by itself. The pledge's index is given, so that nobody has to
/// issue fifteen hundred of them; what is spent is really on the chain.
#[test]
fn descriptorprocesspsbt_signs_beyond_a_wallets_range() {
    let node = Node::start();
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    let task = Task::draft_at(receipt_key, BASE_SECS, 41, |_| ());
    let pledge = task.sign_pledge(&Sponsor::new(1), 1500, sat(300_000));
    let txid = node.send(pledge.address(), pledge.amount);
    let outpoint = node.outpoint(&txid, pledge.address());
    node.mine(1);
    let input = TermInput {
        outpoint,
        amount: pledge.amount,
        slot: pledge.output.slot,
        sponsor_key: pledge.output.sponsor_key,
        pay: Bps::ALL,
        return_address: Some(pledge.refund_address().clone()),
    };
    let kind = Kind::Payout { submission: SubmissionId([1; 32]) };
    let terms = Terms::new(task.id(), kind, 2, vec![input]).unwrap();
    let plan = settlement::plan(&task.secp, &task.charter, &task.contract, &terms).unwrap();

    let keys = task.signers.of(ROLE);
    let wallet = signer_wallet(&node, keys);
    let ranged = json!([{ "desc": account_descriptor(keys), "range": [1500, 1500] }]).to_string();
    let mut signed = Vec::new();
    for psbt in plan.psbts() {
        let psbt = psbt.to_string();
        let silent = psbt_of(&json_of(node.try_wallet(wallet, &["walletprocesspsbt", &psbt])));
        let refused = plan.read_psbts(&task.secp, &[silent]).unwrap_err();
        assert_eq!(refused.code(), "psbt_no_signature", "0/1500 is out of the wallet's range");
        signed.push(psbt_of(&node.json(&["descriptorprocesspsbt", &psbt, &ranged])));
    }
    let read = plan.read_psbts(&task.secp, &signed).unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), [&ROLE]);
    let mut signatures = Signatures::new(&plan);
    assert_eq!(signatures.merge(&read[&ROLE]), Ok(true));
    let account = task.signers.of(Role::Developer).account();
    let ours = settlement::sign(&task.secp, &plan, Role::Developer, account).unwrap();
    signatures.merge(&plan.check_signatures(&task.secp, &ours).unwrap()).unwrap();
    // The highest feerate replaces the lowest: the node judges both.
    for form in [0, 2] {
        let transaction = plan.finalize(0, form, &signatures).unwrap();
        let txid = node.broadcast(&transaction).unwrap();
        assert_eq!(node.mempool(), [txid]);
        let fee = node.fee(&transaction);
        assert_eq!(fee, plan.form(0, form).unwrap().fee);
    }
    node.mine(1);
    assert_eq!(node.confirmed_output(&outpoint), None);
    let paid = plan.form(0, 2).unwrap().transaction.output[0].value;
    assert_eq!(node.unspent(&testing::address(NETWORK, 410)), [paid]);
}

#[test]
fn sendall_takes_a_refund_home() {
    let node = Node::start();
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    let task = Task::draft_at(receipt_key, BASE_SECS, 42, |_| ());
    let pledge = task.sign_pledge(&Sponsor::new(1), 1, sat(250_000));
    let file = task.recovery_file(&pledge, &[]).to_json();
    let txid = node.send(pledge.address(), pledge.amount);
    let outpoint: OutPoint = node.outpoint(&txid, pledge.address());
    node.mine(1);
    let refund_time = task.charter.refund_time_secs();
    node.set_mtp(refund_time + 1);

    // As the file's own instructions say it.
    let file: Value = serde_json::from_str(&file).unwrap();
    let home = file["refund_address"].as_str().unwrap();
    node.call(&["createwallet", "refund", "false", "true"]);
    let import = json!([{ "desc": file["private_descriptor"], "timestamp": 0 }]).to_string();
    let done = json_of(node.try_wallet("refund", &["importdescriptors", &import]));
    assert_eq!(done[0]["success"], true, "{done}");
    let options = format!("options={}", json!({ "fee_rate": 5, "locktime": refund_time }));
    let recipients = format!("recipients={}", json!([home]));
    let sent = json_of(node.try_wallet("refund", &["-named", "sendall", &recipients, &options]));
    assert_eq!(sent["complete"], true, "{sent}");
    let [txid] = node.mempool()[..] else { panic!("one transaction: {sent}") };
    let transaction = node.transaction(&txid);
    assert_eq!(transaction.input[0].previous_output, outpoint);
    assert_eq!(transaction.lock_time.to_consensus_u32(), refund_time);
    let fee = node.fee(&transaction);
    let vsize = u64::try_from(transaction.vsize()).unwrap();
    // The node underestimates this leaf; what it pays must still be relayed.
    assert!((3 * vsize..=6 * vsize).contains(&fee.to_sat()), "{fee} for {vsize} vB");
    node.mine(1);
    assert_eq!(node.unspent(pledge.refund_address()), [sat(250_000) - fee]);
}
