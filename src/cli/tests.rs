//! The command line as a stranger uses it, as far as no service is needed.

mod http;
mod keys;
mod liar;
mod lives;
mod papers;
mod parts;

use super::*;
use crate::escrow::network::Network;
use crate::escrow::testing;
use clap::CommandFactory;
use std::path::Path;

const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

struct Ran {
    status: u8,
    out: String,
    err: String,
}

fn upfront(args: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = ["upfront"].iter().chain(args).map(OsString::from);
    let status = run_with(args, &mut out, &mut err);
    Ran { status, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_names_the_exit_statuses_and_usage_errors_end_with_two() {
    let help = upfront(&["--help"]);
    assert_eq!(help.status, 0);
    assert!(help.out.contains("Exit status") && help.out.contains("not yet"), "{}", help.out);
    let wrong = upfront(&["task", "show", "xyz"]);
    assert_eq!((wrong.status, wrong.out.as_str()), (2, ""));
    let wrong = upfront(&["--json", "task", "show", "xyz"]);
    assert_eq!(wrong.status, 2);
    let error: serde_json::Value = serde_json::from_str(&wrong.err).unwrap();
    assert_eq!(error["error"]["code"], "usage");
}

#[test]
fn the_version_names_what_browsers_are_given() {
    let told = upfront(&["--version", "--verbose"]);
    assert_eq!(told.status, 0);
    for published in include_str!("../web/static/SHA256SUMS").lines() {
        assert!(told.out.lines().any(|line| line == published), "{published}: {}", told.out);
    }
    assert!(told.out.contains("  checkout.js"), "{}", told.out);
    // What pages name in their foot is the hash of the lines that are printed here.
    let is_file = |line: &&str| line.split_once("  ").is_some_and(|(hash, _)| hash.len() == 64);
    let lines: String = told.out.lines().filter(is_file).map(|line| format!("{line}\n")).collect();
    let all = crate::escrow::statement::Digest::of(lines.as_bytes()).to_string();
    assert!(told.out.contains(&format!("\nfiles for browsers {}\n", &all[..12])), "{all}: {}", told.out);
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_never_repeated() {
    for args in [
        ["key", "show", "--key", WORDS].as_slice(),
        &["charter", "new", "--developer", WORDS],
        &["--json", "vote", "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA"],
    ] {
        let ran = upfront(args);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""));
        assert!(!ran.err.contains("abandon") && !ran.err.contains("cMahea"), "{}", ran.err);
    }
}

#[test]
fn a_new_key_is_written_once_and_shown_by_its_public_side_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "sponsor.words");
    let ran = upfront(&["--json", "key", "new", "--no-passphrase", "--out", &file, "--network", "regtest"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let shown: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(shown["signer_key"].as_str().unwrap().contains("/87h/1h/0h]tpub"));
    let words = std::fs::read_to_string(&file).unwrap();
    let last = words.lines().last().unwrap();
    assert_eq!(last.split(' ').count(), 12);
    assert!(!ran.out.contains(last));
    let again = upfront(&["key", "new", "--out", &file]);
    assert_eq!(again.status, 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), words);
    let text = upfront(&["key", "show", "--key", &file, "--network", "regtest"]);
    assert!(text.out.contains("signer key") && !text.out.contains(last), "{}", text.out);
}

#[test]
fn a_broken_phrase_is_described_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "key");
    std::fs::write(&file, WORDS.replace("about", "zebra")).unwrap();
    let ran = upfront(&["key", "show", "--key", &file, "--network", "regtest"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.err.contains("checksum") && !ran.err.contains("zebra") && !ran.err.contains("abandon"),
        "{}",
        ran.err
    );
}

/// A charter with the accounts of a known phrase in all three seats' places 0, 1 and 2.
fn charter_file(dir: &Path, key: &str) -> String {
    let keys = |account: &str| {
        let shown =
            upfront(&["--json", "key", "show", "--key", key, "--network", "regtest", "--account", account]);
        let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
        shown["signer_key"].as_str().unwrap().to_owned()
    };
    let text = path(dir, "task.txt");
    std::fs::write(&text, "Read dates before 1970.").unwrap();
    let out = path(dir, "charter.json");
    let payee = format!("{}:10000", testing::address(Network::Regtest, 0));
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    let ran = upfront(&[
        "charter",
        "new",
        "--text",
        &text,
        "--out",
        &out,
        "--network",
        "regtest",
        "--repository",
        "https://example.org/parser",
        "--licence",
        "MIT",
        "--developer",
        &keys("0"),
        "--representative",
        &keys("1"),
        "--arbiter",
        &keys("2"),
        "--target-sat",
        "100000",
        "--payee",
        &payee,
        "--receipt-key",
        &receipt_key,
        "--refund-time",
        "1811721600",
        "--funding-close",
        "1811700000",
        "--work-deadline",
        "1811710000",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    out
}

#[test]
fn a_charter_is_drafted_checked_and_attested_offline() {
    let dir = tempfile::tempdir().unwrap();
    let key = path(dir.path(), "key");
    std::fs::write(&key, WORDS).unwrap();
    let file = charter_file(dir.path(), &key);
    let checked = upfront(&["--json", "charter", "check", &file]);
    assert_eq!(checked.status, 0, "{}", checked.err);
    let checked: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
    let words = upfront(&["charter", "check", &file]).out;
    for part in ["100,000 sat", "2027-05-31 00:00:00 UTC", "66.67 %", "Any two of the three"] {
        assert!(words.contains(part), "{part} is not in\n{words}");
    }
    let attested = upfront(&[
        "--json",
        "charter",
        "attest",
        "--role",
        "arbiter",
        "--key",
        &key,
        "--account",
        "2",
        &file,
    ]);
    assert_eq!(attested.status, 0, "{}", attested.err);
    let attested: serde_json::Value = serde_json::from_str(&attested.out).unwrap();
    assert_eq!(attested["charter"], checked["charter"]);
    let charter = crate::escrow::charter::Charter::parse(&std::fs::read(&file).unwrap()).unwrap();
    let signature = attested["signature"].as_str().unwrap().parse().unwrap();
    let secp = bitcoin::secp256k1::Secp256k1::new();
    charter.verify_attestation(&secp, crate::escrow::statement::Role::Arbiter, &signature).unwrap();
    // The account of another seat.
    let wrong = upfront(&["charter", "attest", "--role", "arbiter", "--key", &key, "--account", "0", &file]);
    assert_eq!(wrong.status, 1);
    assert!(wrong.err.contains("--account"), "{}", wrong.err);
    // The charter itself says which account a seat is.
    let found = upfront(&["--json", "charter", "attest", "--role", "arbiter", "--key", &key, &file]);
    assert_eq!(found.status, 0, "{}", found.err);
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["signature"], attested["signature"]);
}

#[test]
fn what_core_must_import_holds_no_private_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = path(dir.path(), "key");
    std::fs::write(&key, WORDS).unwrap();
    let file = charter_file(dir.path(), &key);
    let ran = upfront(&["charter", "show", &file, "--core", "--role", "developer"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("/87h/1h/0h]ACCOUNT_XPRV/1/*)") && !ran.out.contains("tprv"), "{}", ran.out);
    assert!(ran.out.contains("descriptorprocesspsbt"));
}

#[test]
fn a_changed_charter_is_refused_with_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let key = path(dir.path(), "key");
    std::fs::write(&key, WORDS).unwrap();
    let file = charter_file(dir.path(), &key);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"cap_sat\":200000", "\"cap_sat\":1")).unwrap();
    let ran = upfront(&["--json", "charter", "check", &file]);
    assert_eq!(ran.status, 1);
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["code"], "charter_amount_order", "{}", ran.err);
}

#[test]
fn no_service_is_told_with_what_to_do() {
    let ran = upfront(&["task", "list", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("http://127.0.0.1:1") && ran.err.contains("hint: "), "{}", ran.err);
}

#[test]
fn pledge_takes_a_task_or_a_subcommand() {
    let id = "ab".repeat(32);
    let parse = |args: &[&str]| Cli::try_parse_from(["upfront", "pledge"].iter().chain(args));
    match parse(&[&id, "--amount", "10000", "--key", "k", "--wait"]).map(|cli| cli.command) {
        Ok(Command::Pledge(command)) => assert!(command.creates()),
        _ => panic!("a pledge"),
    }
    assert!(parse(&["show", &id, "--pledge", "1"]).is_ok());
    assert!(parse(&["secure", &id, "--recovery", "f"]).is_ok());
    assert!(parse(&["secure", &id, "--recovery", "f", "--key", "k"]).is_ok());
    assert!(parse(&[&id, "--key", "k"]).is_err(), "an amount is needed");
}

#[test]
fn a_vote_takes_a_key_or_a_recovery_file() {
    let id = "ab".repeat(32);
    let parse = |args: &[&str]| {
        Cli::try_parse_from(["upfront", "vote", &id, "--pledge", "1", "--choice", "yes"].iter().chain(args))
    };
    assert!(parse(&["--key", "k"]).is_ok());
    assert!(parse(&["--recovery", "f"]).is_ok());
    assert!(parse(&[]).is_err());
    assert!(parse(&["--recovery", "f", "--key", "k"]).is_err());
}
