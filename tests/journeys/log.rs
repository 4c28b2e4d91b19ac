//! The log of two whole lives, one paid and one refunded, with everything logged that our own code can log: no
//! secret in it, nor any transaction that only its owner may send, nor a signature; every line an object with its
//! identifiers.

use crate::harness::{Pledged, Sponsor, Task, World, people::NETWORK, people::REVIEW_SECS, wait_until};
use bitcoin::bip32::{DerivationPath, Xpriv};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Address, Amount, OutPoint, PrivateKey, Psbt};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::escrow::task::Stage;
use upfront::keys::{KeyFileError, Passphrase, Phrase, Stored};

const PASSPHRASE: &str = "a passphrase that is nowhere else";
/// A secret that is longer must not be there in parts of this length either: 24 bytes in hex.
const PART: usize = 48;
/// So many words of a phrase in a row are no accident.
const WORDS: usize = 3;

/// Secrets, each with what it is, in every form in which they might be written.
#[derive(Default)]
struct Secrets {
    texts: Vec<(String, String)>,
    phrases: Vec<(String, String)>,
}

impl Secrets {
    fn text(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.texts.push((what.into(), text.into()));
    }

    fn phrase(&mut self, what: &str, phrase: &str) {
        self.phrases.push((what.to_owned(), phrase.to_owned()));
        let seed = bip39::Mnemonic::parse(phrase).unwrap().to_seed("");
        let master = Xpriv::new_master(bitcoin::Network::Regtest, &seed).unwrap();
        let secp = Secp256k1::new();
        for path in ["m", "m/86h/1h/0h", "m/87h/1h/0h", "m/84h/1h/0h"] {
            let path: DerivationPath = path.parse().unwrap();
            let key = master.derive_priv(&secp, &path).unwrap();
            self.text(format!("{what}, xprv at {path}"), key.to_string());
            self.key(&format!("{what}, key at {path}"), key.to_keypair(&secp));
        }
    }

    fn key(&mut self, what: &str, key: Keypair) {
        let secret = key.secret_key();
        self.text(what, secret.display_secret().to_string());
        self.text(what, PrivateKey::new(secret, bitcoin::Network::Regtest).to_wif());
        // As a list of bytes would be shown.
        let bytes: Vec<String> = secret.secret_bytes()[..8].iter().map(u8::to_string).collect();
        self.text(what, bytes.join(", "));
        self.text(what, bytes.join(","));
    }

    fn signers(&mut self, task: &Task, number: u8) {
        for (seat, role) in (1..).zip(Role::ALL) {
            let keys = task.signers.of(role);
            self.text(format!("the {role}'s account"), keys.account().to_string());
            self.key(&format!("the {role}'s statement key"), keys.statement_key());
            let mut entropy = [number; 16];
            entropy[0] = seat;
            let phrase = Phrase::from_entropy(&entropy).expose().to_string();
            let same = upfront::keys::SignerKeys::from_phrase(&phrase, NETWORK, 0).unwrap();
            assert_eq!(same.account(), keys.account(), "it is this signer's phrase");
            self.phrase(&format!("the {role}'s phrase"), &phrase);
        }
    }

    fn psbts(&mut self, what: &str, psbts: &[Psbt]) {
        for psbt in psbts {
            self.text(format!("{what}, base64"), psbt.to_string());
            self.text(format!("{what}, hex"), psbt.serialize_hex());
        }
    }

    /// What of them a log holds.
    fn found_in(&self, log: &str) -> Vec<String> {
        let lower = log.to_lowercase();
        let mut found = Vec::new();
        for (what, secret) in &self.texts {
            let parts = secret.as_bytes().chunks(PART).filter(|part| part.len() == PART);
            let parts = parts.map(|part| std::str::from_utf8(part).unwrap());
            let whole = std::iter::once(secret.as_str()).chain(parts);
            let held = |text: &str| log.contains(text) || lower.contains(&text.to_lowercase());
            if whole.into_iter().any(held) {
                found.push(what.clone());
            }
        }
        // Words between anything, as in a list.
        let words: Vec<&str> =
            lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).collect();
        let words = format!(" {} ", words.join(" "));
        for (what, phrase) in &self.phrases {
            let phrase: Vec<&str> = phrase.split_whitespace().collect();
            if phrase.windows(WORDS).any(|few| words.contains(&format!(" {} ", few.join(" ")))) {
                found.push(what.clone());
            }
        }
        found
    }
}

/// Signatures are what the journal is for and the log is not: everything in it that is as long as one.
fn signatures(data_dir: &Path) -> Vec<String> {
    let journal = std::fs::read_to_string(data_dir.join("journal.jsonl")).unwrap();
    let words = journal.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() >= 128).map(str::to_owned).collect()
}

/// Starts the service anew with an encrypted fee wallet, telling all it can as JSON; the wallet's phrase.
fn talkative(world: &mut World) -> String {
    world.service.signal("INT");
    assert!(world.service.ended().success());
    let data_dir = world.service.data_dir();
    let passphrase_file = data_dir.with_file_name("passphrase");
    std::fs::write(&passphrase_file, PASSPHRASE).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_upfront"))
        .args(["wallet", "new", "--network", "regtest", "--data-dir"])
        .arg(&data_dir)
        .arg("--passphrase-file")
        .arg(&passphrase_file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    world.service.set("UPFRONT_WALLET_PASSPHRASE_FILE", passphrase_file.to_str().unwrap());
    world.service.set("RUST_LOG", "info,upfront=trace");
    world.service.set("UPFRONT_LOG_FORMAT", "json");
    world.service.start(None);
    world.synced();
    let stored = Stored::read_file(&data_dir.join("wallet.phrase"), 1 << 16).unwrap();
    let unlock = |_: &Path| -> Result<Passphrase, KeyFileError> {
        Ok(Passphrase::read_file(&passphrase_file).unwrap())
    };
    let words = Phrase::from_bytes(&stored.open(unlock).unwrap()).unwrap().expose().to_string();
    assert_eq!(words.split_whitespace().count(), 12);
    words
}

/// Two pledges, paid, secured and credited; what only their owners may know of them is noted.
fn pledged(world: &World, task: &Task, secrets: &mut Secrets, sponsors: [u8; 2]) -> Vec<(Pledged, OutPoint)> {
    let api = world.api();
    let pledges = sponsors.map(|number| {
        let pledged = task.pledge(&api, &Sponsor::new(number), 300_000);
        let txid = world.node.send(pledged.address(), pledged.amount);
        let outpoint = world.node.outpoint(&txid, pledged.address());
        task.wait_seen(&api, &pledged, outpoint);
        task.secure(&api, &pledged, outpoint).unwrap();
        secrets.phrase(&format!("phrase of sponsor {number}"), &pledged.phrase);
        secrets.key(&format!("key of sponsor {number}"), pledged.key);
        let bundle = pledged.refund(outpoint, pledged.amount);
        for (_, transaction) in bundle.ladder() {
            secrets.text(format!("a refund of sponsor {number}"), serialize_hex(&transaction));
        }
        secrets.text(format!("the pair of sponsor {number}"), serialize_hex(&bundle.pair()));
        (pledged, outpoint)
    });
    world.mine(1);
    pledges.into()
}

#[test]
fn two_lives_are_told_and_no_secret() {
    let mut world = World::start();
    let wallet_words = talkative(&mut world);
    let api = world.api();
    let mut secrets = Secrets::default();
    secrets.phrase("the fee wallet's phrase", &wallet_words);
    secrets.text("the fee wallet's passphrase", PASSPHRASE);
    let receipt = std::fs::read_to_string(world.service.data_dir().join("receipt.key")).unwrap();
    secrets.text("the key of receipts", receipt.trim());
    let wallet = || api.status().unwrap().fee_wallet;
    let top_up: Address<_> = wait_until("a fee wallet", wallet).address.parse().unwrap();
    world.node.send(&top_up.assume_checked(), Amount::from_sat(50_000));

    let paid = Task::open(&world, 1, |_| ());
    let refunded = Task::open(&world, 2, |_| ());
    secrets.signers(&paid, 1);
    secrets.signers(&refunded, 2);
    let paid_pledges = pledged(&world, &paid, &mut secrets, [1, 2]);
    let refunded_pledges = pledged(&world, &refunded, &mut secrets, [3, 4]);

    // Whoever sends a secret by mistake is refused, and the log does not keep it.
    let words = &paid_pledges[0].0.phrase;
    assert!(api.post::<Value>(&paid.path("/votes"), &json!({ "phrase": words })).is_err());
    let xprv = paid.signers.of(Role::Developer).account().to_string();
    assert!(api.get::<Value>(&format!("/tasks/{xprv}")).is_err());
    assert!(api.get::<Value>(&format!("/tasks/{}/{xprv}?key={xprv}", paid.id())).is_err());

    let submission = paid.submit(&world);
    for (pledge, _) in &paid_pledges {
        paid.vote(&api, pledge, submission, Choice::Yes).unwrap();
    }
    paid.accept(&api, submission).unwrap();
    world.set_mtp(paid.view(&api).submissions[0].window.unwrap().opens_secs + REVIEW_SECS + 1);
    let payout = paid.propose(&api, Kind::Payout { submission }, 2).unwrap();
    let plan = paid.plan(&api, &payout.id);
    for role in [Role::Developer, Role::Representative] {
        secrets.psbts(&format!("PSBTs of the {role}"), &paid.signed_psbts(&plan, role));
        paid.sign(&api, &payout.id, role).unwrap();
    }
    let [payout_txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    world.mine(1);
    wait_until("the task is paid", || (paid.view(&api).stage == Stage::Paid).then_some(()));

    let funded = || (wallet()?.confirmed_sat == 50_000).then_some(());
    wait_until("the fee wallet is funded", funded);
    world.node.set_mtp(refunded.charter.refund_time_secs() + 1);
    let [batch_txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
    let batch = world.node.transaction(&batch_txid);
    assert_eq!(batch.input.len(), 3, "both refunds and the fee");
    secrets.text("the batch", serialize_hex(&batch));
    world.mine(1);
    wait_until("all is refunded", || (refunded.view(&api).stage == Stage::Refunded).then_some(()));
    world.service.signal("TERM");
    assert!(world.service.ended().success());

    let held = signatures(&world.service.data_dir());
    assert!(held.len() > 30, "the journal holds signatures: {}", held.len());
    held.into_iter().for_each(|signature| secrets.text("a signature", signature));
    let log = world.service.log();
    assert_eq!(secrets.found_in(&log), [""; 0]);
    assert!(!log.contains("Nostr ey"), "authorizations are not told");
    // The search finds what is there.
    for leak in [
        wallet_words.replace(' ', "\", \""),
        serialize_hex(&batch)[40..].to_uppercase(),
        paid.signers.of(Role::Arbiter).account().to_string(),
        paid.signed_psbts(&plan, Role::Developer)[0].to_string(),
    ] {
        assert!(!secrets.found_in(&format!("{{\"said\":\"{leak}\"}}")).is_empty(), "{leak}");
    }

    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole = |line: &Value| line["level"].is_string() && line["timestamp"].is_string();
    assert!(lines.len() > 50 && lines.iter().all(whole));
    let said = |field: &str, value: &str, word: &str| {
        let is = |line: &&Value| {
            line[field] == value && line["message"].as_str().is_some_and(|told| told.contains(word))
        };
        assert!(lines.iter().any(|line| is(&line)), "no line says {word:?} of {field} {value}");
    };
    for (task, pledges) in [(&paid, &paid_pledges), (&refunded, &refunded_pledges)] {
        let id = task.id().to_string();
        said("task.id", &id, "open");
        said("task.id", &id, "pledge issued");
        for (_, outpoint) in pledges {
            for word in ["payment seen", "payment confirmed", "refund secured", "spent"] {
                said("pledge.outpoint", &outpoint.to_string(), word);
            }
        }
        let of_task = |line: &&Value| line["span"]["task.id"] == id;
        assert!(lines.iter().filter(of_task).count() > 5);
        assert!(lines.iter().filter(of_task).all(|line| line["span"]["request.id"].is_string()));
    }
    for word in ["work submitted", "vote", "work judged", "two of three have signed", "settlement handed out"]
    {
        said("task.id", &paid.id().to_string(), word);
    }
    said("settlement.id", &payout.id.to_string(), "two of three have signed");
    said("txid", &payout_txid.to_string(), "handed to the network");
    said("txid", &batch_txid.to_string(), "refunding");
    for (_, outpoint) in &refunded_pledges {
        said("pledge.outpoint", &outpoint.to_string(), "refunded in a batch");
    }
    assert!(lines.iter().any(|line| line["tip.height"].is_number()));
}
