//! Key files under a passphrase, as their owner uses them.

use super::*;

const PASS: &str = "a passphrase with words";

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pass"), format!("{PASS}\n")).unwrap();
        std::fs::write(dir.path().join("other"), "another passphrase").unwrap();
        Home { dir }
    }

    fn path(&self, name: &str) -> String {
        path(self.dir.path(), name)
    }

    /// With the passphrase in the file `pass`.
    fn run(&self, args: &[&str]) -> Ran {
        self.run_with("pass", args)
    }

    fn run_with(&self, passphrase: &str, args: &[&str]) -> Ran {
        let file = self.path(passphrase);
        let ran = upfront(&[&["--passphrase-file", file.as_str()], args].concat());
        assert!(!ran.out.contains(PASS) && !ran.err.contains(PASS), "{} {}", ran.out, ran.err);
        ran
    }
}

#[test]
fn a_new_key_is_encrypted_and_every_command_opens_it() {
    let home = Home::new();
    let key = home.path("signer.key");
    let ran = home.run(&["--json", "key", "new", "--out", &key, "--network", "regtest"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let made: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(made["encrypted"], true);
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{text}");
    let shown = home.run(&["--json", "key", "show", &key, "--network", "regtest"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["signer_key"], made["signer_key"]);
    // By the name that older notes have.
    assert_eq!(home.run(&["key", "show", "--key", &key, "--network", "regtest"]).status, 0);

    let wrong = home.run_with("other", &["--json", "key", "show", &key, "--network", "regtest"]);
    assert_eq!((wrong.status, wrong.out.as_str()), (5, ""));
    assert!(wrong.err.contains(r#""code":"wrong_passphrase""#), "{}", wrong.err);
    let none = upfront(&["key", "show", &key, "--network", "regtest"]);
    assert_eq!(none.status, 5);
    assert!(none.err.contains("--passphrase-file") && none.err.contains("no terminal"), "{}", none.err);
}

#[test]
fn leaving_a_key_readable_must_be_asked_for() {
    let home = Home::new();
    let key = home.path("key");
    let none = upfront(&["key", "new", "--out", &key]);
    assert_eq!(none.status, 5, "{}", none.err);
    assert!(none.err.contains("--no-passphrase"), "{}", none.err);
    assert!(!Path::new(&key).exists());
    let plain = upfront(&["key", "new", "--out", &key, "--no-passphrase"]);
    assert_eq!(plain.status, 0);
    assert!(plain.err.contains("unencrypted") && plain.out.contains("not encrypted"), "{}", plain.err);
    std::fs::write(home.path("short"), "short").unwrap();
    let short = home.run_with("short", &["key", "new", "--out", &home.path("key2")]);
    assert!(short.status == 1 && short.err.contains("8 characters"), "{}", short.err);
    assert!(!Path::new(&home.path("key2")).exists());
}

#[test]
fn a_plain_file_is_encrypted_in_place_and_given_other_passphrases() {
    let home = Home::new();
    let key = home.path("key");
    std::fs::write(&key, WORDS).unwrap();
    let show = |pass: &str| home.run_with(pass, &["key", "show", &key, "--words", "--force"]);
    assert_eq!(home.run(&["key", "encrypt", &key]).status, 0);
    assert!(!std::fs::read_to_string(&key).unwrap().contains("abandon"));
    assert_eq!(home.run(&["key", "encrypt", &key]).status, 1, "it is encrypted already");
    assert!(show("pass").out.contains("12  about"));
    // A wrong old passphrase changes nothing.
    let before = std::fs::read(&key).unwrap();
    let other = home.path("other");
    let wrong = home.run_with("other", &["key", "passwd", &key, "--new-passphrase-file", &other]);
    assert_eq!(wrong.status, 5);
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert_eq!(home.run(&["key", "passwd", &key, "--new-passphrase-file", &other]).status, 0);
    assert_eq!(show("pass").status, 5);
    assert!(show("other").out.contains("12  about"));
    let readable = home.run_with("other", &["key", "passwd", &key, "--no-passphrase"]);
    assert!(readable.status == 0 && readable.out.contains("no longer"), "{}", readable.err);
    assert_eq!(std::fs::read_to_string(&key).unwrap(), WORDS);
    assert_eq!(home.run(&["key", "passwd", &key, "--no-passphrase"]).status, 1, "nothing to do");
}

#[test]
fn words_are_printed_only_where_they_are_asked_for() {
    let home = Home::new();
    let key = home.path("key");
    std::fs::write(&key, WORDS).unwrap();
    let refused = upfront(&["key", "show", &key, "--words"]);
    assert_eq!((refused.status, refused.out.as_str()), (1, ""));
    assert!(refused.err.contains("--force"), "{}", refused.err);
    let shown = upfront(&["key", "show", &key, "--words", "--force"]);
    assert!(shown.out.starts_with(" 1  abandon\n") && shown.out.ends_with("12  about\n"), "{}", shown.out);
}

#[test]
fn a_file_is_checked_against_the_words_on_paper() {
    let home = Home::new();
    let (key, paper) = (home.path("key"), home.path("paper"));
    std::fs::write(&paper, WORDS).unwrap();
    std::fs::write(&key, WORDS).unwrap();
    home.run(&["key", "encrypt", &key]);
    let check = || home.run(&["--json", "key", "check", &key, "--against", &paper, "--network", "regtest"]);
    let same = check();
    assert_eq!(same.status, 0, "{}", same.err);
    let told: serde_json::Value = serde_json::from_str(&same.out).unwrap();
    assert_eq!(
        (&told["kind"], &told["encrypted"], &told["same_words"]),
        (&"phrase".into(), &true.into(), &true.into())
    );
    assert_eq!((&told["private"], &told["words"]), (&true.into(), &12.into()));
    assert!(
        !same.out.contains("abandon")
            && told["keys"]["signer_key"].as_str().unwrap().contains("/87h/1h/0h]tpub")
    );
    std::fs::write(&paper, "legal winner thank year wave sausage worth useful legal winner thank yellow")
        .unwrap();
    let other = check();
    assert_eq!(other.status, 4);
    assert!(other.out.contains("\"same_words\":false"), "{}", other.out);
}

#[test]
fn a_file_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let key = home.path("key");
    std::fs::write(&key, WORDS).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = upfront(&["key", "check", &key]);
    assert!(ran.out.contains("chmod 600"), "{}", ran.out);
}

#[test]
fn a_plain_key_on_mainnet_is_warned_of() {
    let home = Home::new();
    let key = home.path("key");
    std::fs::write(&key, WORDS).unwrap();
    let ran = upfront(&["key", "show", &key, "--network", "mainnet"]);
    assert!(ran.status == 0 && ran.err.contains("upfront key encrypt"), "{}", ran.err);
    assert_eq!(upfront(&["key", "show", &key, "--network", "signet"]).err, "");
}

#[test]
fn an_account_attests_one_charter_unless_its_owner_insists() {
    let home = Home::new();
    let key = home.path("key");
    std::fs::write(&key, WORDS).unwrap();
    let first = charter_file(home.dir.path(), &key);
    let attest = |charter: &str, more: &[&str]| {
        let args = ["charter", "attest", "--role", "arbiter", "--key", &key, "--account", "2", charter];
        upfront(&[&args, more].concat())
    };
    assert_eq!(attest(&first, &[]).status, 0);
    assert_eq!(attest(&first, &[]).status, 0, "the same again is no other charter");
    let noted = std::fs::read_to_string(home.path("key.accounts.json")).unwrap();
    assert!(noted.contains("\"2\""), "{noted}");
    let text = std::fs::read_to_string(&first).unwrap();
    let second = home.path("second.json");
    std::fs::write(&second, text.replace("\"licence\":\"MIT\"", "\"licence\":\"BSD-3-Clause\"")).unwrap();
    let refused = attest(&second, &[]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("--reuse-account") && refused.err.contains("key account"),
        "{}",
        refused.err
    );
    assert_eq!(attest(&second, &["--reuse-account"]).status, 0);
    let next = upfront(&["--json", "key", "account", "--key", &key, "--network", "regtest", "--offline"]);
    assert!(next.out.contains("\"account\":3"), "{} {}", next.out, next.err);
}
