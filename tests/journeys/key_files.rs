//! Key files as a person has them: a passphrase typed at a real terminal, and accounts that a real service and a
//! real chain know of.

use crate::harness::{Task, World, directory, people::NETWORK, wait_until};
use bitcoin::{Address, Amount};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use upfront::escrow::statement::Role;
use upfront::keys::{Passphrase, Phrase, Zeroizing};

const PASS: &str = "a passphrase with words";

fn key_file(path: &Path, phrase: &Phrase) {
    let passphrase = Passphrase::new(Zeroizing::new(PASS.to_owned())).unwrap();
    phrase.write_new(path, "a test's", Some(&passphrase)).unwrap();
}

/// `upfront key check FILE` at a terminal of its own (util-linux's `script`), where somebody types a line at each
/// prompt: status and what the terminal showed.
fn at_a_terminal(key: &Path, typed: &[&str]) -> (ExitStatus, String) {
    let command = format!("'{}' key check '{}'", env!("CARGO_BIN_EXE_upfront"), key.display());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_remove("UPFRONT_PASSPHRASE_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let mut stdout = child.stdout.take().unwrap();
    let screen = Arc::clone(&shown);
    let reader = std::thread::spawn(move || {
        let mut part = [0; 256];
        while let Ok(read @ 1..) = stdout.read(&mut part) {
            screen.lock().unwrap().extend_from_slice(&part[..read]);
        }
    });
    let text = || String::from_utf8_lossy(&shown.lock().unwrap()).into_owned();
    let mut stdin = child.stdin.take().unwrap();
    for (number, line) in (1..).zip(typed) {
        wait_until("a prompt", || (text().matches("Passphrase of ").count() == number).then_some(()));
        // The prompt is shown a moment before the echo is switched off.
        std::thread::sleep(Duration::from_secs(1));
        writeln!(stdin, "{line}").unwrap();
    }
    let status = wait_until("the command ends", || child.try_wait().unwrap());
    reader.join().unwrap();
    (status, text())
}

#[test]
fn a_passphrase_is_typed_unseen_and_may_be_mistyped() {
    let files = directory();
    let key = files.path().join("signer.words");
    key_file(&key, &Phrase::from_entropy(&[3; 16]));
    let (status, shown) = at_a_terminal(&key, &["something else", PASS]);
    assert!(status.success(), "{shown}");
    assert!(shown.contains("Passphrase of ") && shown.contains("signer.words"), "{shown}");
    assert!(shown.contains("not the passphrase") && shown.contains("12 words, checksum right"), "{shown}");
    assert!(!shown.contains(PASS) && !shown.contains("something else"), "it is not echoed: {shown}");
    // Without a terminal, a file or a descriptor there is nobody to ask.
    let alone = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_upfront"), "key", "check"])
        .arg(&key)
        .env_remove("UPFRONT_PASSPHRASE_FILE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stderr);
    assert_eq!(alone.status.code(), Some(5), "{said}");
    assert!(said.contains("--passphrase-file"), "{said}");
}

#[test]
fn a_fresh_account_is_in_no_charter_and_has_no_history() {
    let world = World::start();
    let task = Task::open(&world, 63, |_| ());
    let files = directory();
    let (key, pass) = (files.path().join("developer.words"), files.path().join("pass"));
    std::fs::write(&pass, PASS).unwrap();
    let mut entropy = [63; 16];
    entropy[0] = 1;
    let phrase = Phrase::from_entropy(&entropy);
    key_file(&key, &phrase);
    let next = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
        command.args(["--json", "--server", &world.service.url(), "key", "account", "--network", "regtest"]);
        command.arg("--key").arg(&key).arg("--passphrase-file").arg(&pass).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["account"].as_u64().unwrap()
    };
    assert_eq!(task.signers.of(Role::Developer).expression().to_string().matches("/0h]").count(), 1);
    assert_eq!(next(&["--peek", "--offline"]), 0, "no note, nobody asked");
    assert_eq!(next(&["--peek"]), 1, "account 0 is in the charter");
    // Somebody uses account 1 as an ordinary wallet.
    let keys = upfront::keys::SignerKeys::new(&phrase, NETWORK, 1).unwrap();
    let used = keys.expression().child(0, 3);
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let address = Address::p2tr(&secp, used, None, bitcoin::Network::Regtest);
    world.node.send(&address, Amount::from_sat(10_000));
    let url = world.server.url();
    wait_until("the server has seen the payment", || {
        (next(&["--peek", "--electrum", &url]) == 2).then_some(())
    });
    // Given out once, never again.
    assert_eq!(next(&["--electrum", &url, "--for", "a parser"]), 2);
    assert_eq!(next(&["--offline"]), 3);
    let noted = std::fs::read_to_string(files.path().join("developer.words.accounts.json")).unwrap();
    assert!(noted.contains("a parser") && !noted.contains("xpub") && !noted.contains("tpub"), "{noted}");
}
