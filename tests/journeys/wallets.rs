//! People who have nothing but a wallet that signs transactions, here the node's: signers attest, submit,
//! accept and rule, a sponsor pledges, secures the refund and votes, all through PSBTs and the commands.

use crate::harness::{Desk, Node, Task, World, wait_until};
use bitcoin::Amount;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::Role;
use upfront::escrow::task::Stage;
use upfront::keys::SignerKeys;
use upfront::service::views::PledgeView;

/// The program's commands, and the node whose wallets sign what they write.
struct Wallets<'a> {
    world: &'a World,
    desk: Desk,
}

impl Wallets<'_> {
    fn new(world: &World) -> Wallets<'_> {
        Wallets { world, desk: Desk::new(world.service.url()) }
    }

    /// Has a wallet of the node process a PSBT file; the answer is in a file again.
    fn process(&self, wallet: &str, file: &Path, more: &[&str]) -> PathBuf {
        let psbt = format!("psbt={}", std::fs::read_to_string(file).unwrap().trim());
        let args: Vec<&str> = ["-named", "walletprocesspsbt", &psbt].iter().chain(more).copied().collect();
        let done: Value = serde_json::from_str(&self.world.node.try_wallet(wallet, &args).unwrap()).unwrap();
        let out = self.desk.path(&format!("{}.signed", file.file_name().unwrap().to_str().unwrap()));
        std::fs::write(&out, done["psbt"].as_str().unwrap()).unwrap();
        out
    }

    /// Asks with `--psbt-out`, has the wallet sign, and hands it in.
    #[track_caller]
    fn say(&self, wallet: &str, name: &str, ask: &[&str], send: &[&str]) -> Value {
        let file = self.desk.path(&format!("{name}.psbt"));
        let asked = self.desk.run(&[ask, &["--psbt-out", file.to_str().unwrap()]].concat());
        let signed = self.process(wallet, &file, &[]);
        let statement = asked["statement_file"].as_str().unwrap();
        self.desk
            .run(&[&["statement", "send", statement, "--signed", signed.to_str().unwrap()], send].concat())
    }
}

/// A wallet of the node that holds a signer's account as `tr(.../0/*)` and nothing else.
fn signer_wallet(node: &Node, role: Role, keys: &SignerKeys) -> &'static str {
    let wallet = role.name();
    let body = format!("tr([{}/87h/1h/0h]{}/0/*)", keys.expression().fingerprint(), keys.account());
    let descriptor = format!("{body}#{}", miniscript::descriptor::checksum::desc_checksum(&body).unwrap());
    node.call(&["-named", "createwallet", &format!("wallet_name={wallet}"), "blank=true"]);
    let import = json!([{ "desc": descriptor, "timestamp": "now", "active": true }]).to_string();
    let done = node.try_wallet(wallet, &["importdescriptors", &import]).unwrap();
    assert!(done.contains("\"success\": true"), "{done}");
    wallet
}

/// A task whose three signers attested with their node wallets.
fn open(world: &World, wallets: &Wallets<'_>, number: u8) -> Task {
    let task = Task::draft(world, number, |_| ());
    let id = task.create(&world.api()).unwrap().to_string();
    for role in Role::ALL {
        let wallet = signer_wallet(&world.node, role, task.signers.of(role));
        let ask = ["charter", "attest", "--task", &id, "--role", role.name()];
        let done = wallets.say(wallet, role.name(), &ask, &[]);
        assert!(done["signature"].as_str().unwrap().starts_with("smp"), "{done}");
    }
    assert_eq!(task.view(&world.api()).stage, Stage::Open);
    task
}

/// A fresh key of the node's ordinary wallet, `[fingerprint/86h/1h/0h/0/i]KEY`, and a fresh address.
fn sponsor(node: &Node) -> (String, String) {
    let fresh = || node.try_wallet("sponsor", &["getnewaddress", "", "bech32m"]).unwrap().trim().to_owned();
    let info = node.try_wallet("sponsor", &["getaddressinfo", &fresh()]).unwrap();
    let info: Value = serde_json::from_str(&info).unwrap();
    let descriptor = info["desc"].as_str().unwrap();
    let key = descriptor.strip_prefix("tr(").unwrap().split(')').next().unwrap();
    assert!(key.starts_with('['), "{descriptor}");
    (key.to_owned(), fresh())
}

/// Pledges, pays and secures with the node's wallet; gives the pledge and the recovery file.
fn pledge(wallets: &Wallets<'_>, task: &Task, key: &str, refund_address: &str) -> (PledgeView, PathBuf) {
    let (node, api, id) = (&wallets.world.node, wallets.world.api(), task.id().to_string());
    let desk = &wallets.desk;
    let ask = ["pledge", &id, "--amount", "300000", "--sponsor-key", key, "--refund-address", refund_address];
    let recovery = desk.path("recovery.json");
    let shown =
        wallets.say("sponsor", "pledge", &ask, &["--recovery", recovery.to_str().unwrap(), "--no-qr"]);
    let address: bitcoin::Address<_> = shown["address"].as_str().unwrap().parse().unwrap();
    let address = address.assume_checked();
    let index = shown["index"].as_u64().unwrap();
    node.send(&address, Amount::from_sat(300_000));
    wallets.world.mine(1);
    let view = || api.get::<PledgeView>(&task.path(&format!("/pledges/{index}"))).unwrap();
    wait_until("the pledge has arrived", || (!view().outpoints.is_empty()).then_some(()));

    let out = desk.path("refund");
    let (recovery_path, out) = (recovery.to_str().unwrap(), out.to_str().unwrap());
    let asked = desk.run(&[
        "pledge",
        "secure",
        &id,
        "--recovery",
        recovery_path,
        "--psbt-out",
        out,
        "--key-origin",
        key,
    ]);
    let parts = asked["psbts"].as_array().unwrap();
    assert_eq!(parts.len(), 8, "the pair and seven rungs: {asked}");
    let mut signed = Vec::new();
    for part in parts {
        let file = Path::new(part["file"].as_str().unwrap());
        let pair: &[&str] = &["sighashtype=SINGLE|ANYONECANPAY", "finalize=false"];
        let rung: &[&str] = &["finalize=false"];
        let more = if part["part"] == "pair" { pair } else { rung };
        signed.push(wallets.process("sponsor", file, more).to_str().unwrap().to_owned());
    }
    let send = ["pledge", "secure", &id, "--recovery", recovery_path, "--signed"];
    let half: Vec<&str> = send.iter().copied().chain(signed[..3].iter().map(String::as_str)).collect();
    assert_eq!(desk.try_run(&half).unwrap_err()["error"]["code"], "psbt_half_a_ladder");
    let all: Vec<&str> = send.iter().copied().chain(signed.iter().map(String::as_str)).collect();
    assert_eq!(desk.run(&all)["secured"], true);
    let [outpoint] = &view().outpoints[..] else { panic!("one payment") };
    assert!(outpoint.secured && !outpoint.pair_only);
    (view(), recovery)
}

#[test]
fn everybody_uses_a_wallet_of_the_node_and_the_work_is_paid() {
    let world = World::start();
    let (node, api, wallets) = (&world.node, world.api(), Wallets::new(&world));
    let desk = &wallets.desk;
    let task = open(&world, &wallets, 60);
    let id = task.id().to_string();
    node.call(&["createwallet", "sponsor"]);
    let (key, refund_address) = sponsor(node);
    let (pledge, _) = pledge(&wallets, &task, &key, &refund_address);

    std::fs::write(desk.path("work"), "the work").unwrap();
    let ask = ["submission", "create", &id, "--link", "https://example.org/7", "--content", "work"];
    let submitted = wallets.say("developer", "submission", &ask, &[]);
    let submission = submitted["id"].as_str().unwrap().parse().unwrap();

    let index = pledge.index.to_string();
    let vote = ["vote", &id, "--pledge", &index, "--choice", "no"];
    // A wallet that does not hold the key signs nothing, and is told apart from a wrong signature.
    let file = desk.path("stranger.psbt");
    let asked = desk.run(&[&vote[..], &["--psbt-out", file.to_str().unwrap()]].concat());
    let statement = asked["statement_file"].as_str().unwrap();
    let silent = wallets.process("developer", &file, &[]);
    let refused = desk.try_run(&["statement", "send", statement, "--signed", silent.to_str().unwrap()]);
    assert_eq!(refused.unwrap_err()["error"]["code"], "psbt_no_signature");
    let kept = desk.path("receipt.json");
    let voted = wallets.say("sponsor", "vote", &vote, &["--receipt", kept.to_str().unwrap()]);
    assert!(voted["vote"]["signature"].as_str().unwrap().starts_with("smp"), "{voted}");
    let receipt: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!(receipt["receipt"], voted["receipt"]);
    // Yesterday's signature is none for today's words.
    let signed = desk.path("vote.psbt.signed");
    let yes = ["vote", &id, "--pledge", &index, "--choice", "yes", "--counter", "7"];
    let other = desk.path("other.psbt");
    let asked = desk.run(&[&yes[..], &["--psbt-out", other.to_str().unwrap()]].concat());
    let statement = asked["statement_file"].as_str().unwrap();
    let crossed = desk.try_run(&["statement", "send", statement, "--signed", signed.to_str().unwrap()]);
    assert_eq!(crossed.unwrap_err()["error"]["code"], "bad_signature");

    wallets.say("representative", "accept", &["accept", &id], &[]);
    let opens = task.view(&api).submissions[0].window.unwrap().closes_secs;
    world.set_mtp(u32::try_from(opens).unwrap() + 1);
    let ruled = wallets.say("arbiter", "ruling", &["ruling", &id, "--pay-bps", "10000"], &[]);
    assert!(ruled["ruling"]["signature"].as_str().unwrap().starts_with("smp"), "{ruled}");
    let payout = task.propose(&api, Kind::Ruling { submission }, 2).unwrap();
    for role in [Role::Arbiter, Role::Developer] {
        task.sign(&api, &payout.id, role).unwrap();
    }
    let [txid] = node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    assert_eq!(txid, payout.transactions[0].forms[0].txid);
    world.mine(1);
    wait_until("the task is paid", || (task.view(&api).stage == Stage::Paid).then_some(()));
    task.verify(&world);
}

#[test]
fn a_refund_signed_by_the_sponsors_own_wallet_goes_home_at_t() {
    let world = World::start();
    let (node, wallets) = (&world.node, Wallets::new(&world));
    let task = open(&world, &wallets, 61);
    node.call(&["createwallet", "sponsor"]);
    let (key, refund_address) = sponsor(node);
    let (_, recovery) = pledge(&wallets, &task, &key, &refund_address);
    let file: Value = serde_json::from_slice(&std::fs::read(recovery).unwrap()).unwrap();
    assert_eq!(file["private_descriptor"], Value::Null, "no secret has passed through");
    // There is no fee wallet: the ladder that the wallet signed serves.
    world.set_mtp(task.charter.refund_time_secs() + 1);
    let [txid] = node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let refund = node.transaction(&txid);
    let home: bitcoin::Address<_> = refund_address.parse().unwrap();
    assert_eq!(refund.output[0].script_pubkey, home.assume_checked().script_pubkey());
    assert!(refund.output[0].value > Amount::from_sat(295_000));
    world.mine(1);
}
