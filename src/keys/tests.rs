//! Keys from phrases against published vectors, and what key files may and may not do.

use super::*;
use crate::escrow::keys::SignerKey;
use crate::escrow::network::Network;
use crate::escrow::recovery::{Origin, RecoveryFile};
use crate::escrow::statement::{Attest, Pledge, Role, Signed, Statement};
use crate::escrow::testing;

const ABANDON: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[test]
fn refund_addresses_are_those_of_bip86() {
    // BIP86, section "Test vectors": account 0, first and second receiving address.
    let keys = SponsorKeys::from_phrase(ABANDON, Network::Mainnet).unwrap();
    let address = |index| keys.refund_address(index).unwrap().to_string();
    assert_eq!(address(0), "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr");
    assert_eq!(address(1), "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh");
    assert_eq!(keys.refund_address_path(1), "m/86'/0'/0'/0/1");
    assert!(matches!(keys.refund_address(1 << 31), Err(KeyFileError::Index { given: 0x8000_0000, .. })));
}

#[test]
fn refund_keys_differ_by_index_and_by_coin_type() {
    let mainnet = SponsorKeys::from_phrase(ABANDON, Network::Mainnet).unwrap();
    let regtest = SponsorKeys::from_phrase(ABANDON, Network::Regtest).unwrap();
    let public = |keys: &SponsorKeys, index| keys.refund_key(index).unwrap().x_only_public_key().0;
    assert_ne!(public(&mainnet, 0), public(&mainnet, 1));
    assert_ne!(public(&mainnet, 0), public(&regtest, 0));
    assert_eq!(regtest.refund_key_path(7), "m/86'/1'/1'/0/7");
    // The second opinion: the whole path at once, by the library.
    let secp = Secp256k1::new();
    let path: bitcoin::bip32::DerivationPath = "m/86'/1'/1'/0/7".parse().unwrap();
    let direct = Phrase::parse(ABANDON).unwrap().root(Network::Regtest).derive_priv(&secp, &path).unwrap();
    assert_eq!(direct.to_keypair(&secp).x_only_public_key().0, public(&regtest, 7));
}

#[test]
fn a_signers_expression_and_its_private_keys_agree() {
    for network in Network::ALL {
        let keys = SignerKeys::from_phrase(ABANDON, network, 3).unwrap();
        let expression = keys.expression();
        assert_eq!(SignerKey::parse(&expression.to_string(), network), Ok(expression.clone()));
        // Fingerprint of this phrase's root, printed in many wallets' documentation.
        assert_eq!(expression.fingerprint().to_string(), "73c5da0a");
        let child = keys.child(2, 1500).unwrap().x_only_public_key().0;
        assert_eq!(child, expression.child(2, 1500));
        assert_eq!(keys.statement_key().x_only_public_key().0, expression.statement_key());
    }
    assert!(SignerKeys::from_phrase(ABANDON, Network::Regtest, 1 << 31).is_err());
}

#[test]
fn phrases_are_read_with_comments_and_capitals() {
    let text =
        format!("# made on paper\n\n  {}  # the first half\n{}\n", "Abandon ".repeat(6), &ABANDON[48..]);
    assert_eq!(Phrase::parse(&text).unwrap(), Phrase::parse(ABANDON).unwrap());
    assert_eq!(*Phrase::read(text.as_bytes()).unwrap().expose(), ABANDON);
    let long = format!("{} art", ["abandon"; 23].join(" "));
    assert_eq!(*Phrase::parse(&long).unwrap().expose(), long);
}

#[test]
fn bad_phrases_have_an_error_each_that_repeats_nothing() {
    let eleven = ABANDON.rsplit_once(' ').unwrap().0;
    assert!(matches!(Phrase::parse(eleven), Err(KeyFileError::WordCount { words: 11 })));
    assert!(matches!(Phrase::parse(""), Err(KeyFileError::WordCount { words: 0 })));
    let swapped = ABANDON.replacen("abandon", "about", 1);
    assert!(matches!(Phrase::parse(&swapped), Err(KeyFileError::Checksum)));
    let unknown = ABANDON.replacen("about", "hunter2", 1);
    let error = Phrase::parse(&unknown).unwrap_err();
    assert!(matches!(error, KeyFileError::UnknownWord { position: 12 }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(matches!(Phrase::read(&[0xff; 20][..]), Err(KeyFileError::NotText)));
    let endless = std::io::repeat(b'a');
    assert!(matches!(Phrase::read(endless), Err(KeyFileError::TooLong { .. })));
}

#[test]
fn new_phrases_have_twelve_words_and_differ() {
    let phrase = Phrase::generate().unwrap();
    assert_eq!(phrase.expose().split(' ').count(), 12);
    assert_ne!(phrase, Phrase::generate().unwrap());
    assert_eq!(*Phrase::from_entropy(&[0; 16]).expose(), ABANDON);
}

#[test]
fn key_files_are_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sponsor.phrase");
    let phrase = Phrase::from_entropy(&[7; 16]);
    phrase.write_new(&path, "one line\nanother", None).unwrap();
    assert_eq!(Phrase::read_file(&path).unwrap(), phrase);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = Phrase::from_entropy(&[8; 16]).write_new(&path, "", None);
    assert!(matches!(again, Err(KeyFileError::Exists { .. })));
    assert_eq!(Phrase::read_file(&path).unwrap(), phrase);
    assert!(matches!(Phrase::read_file(&dir.path().join("none")), Err(KeyFileError::File { .. })));
}

#[test]
fn a_file_is_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    replace_file(&path, b"first, and longer").unwrap();
    replace_file(&path, b"second").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn nothing_secret_is_in_debug() {
    let phrase = Phrase::parse(ABANDON).unwrap();
    let sponsor = SponsorKeys::from_phrase(ABANDON, Network::Regtest).unwrap();
    let signer = SignerKeys::from_phrase(ABANDON, Network::Regtest, 0).unwrap();
    let shown = format!("{phrase:?} {sponsor:#?} {signer:#?}");
    assert!(!shown.contains("abandon") && !shown.contains("prv"), "{shown}");
}

fn recovery_file(keys: &SponsorKeys, origin: Origin) -> RecoveryFile {
    let secp = Secp256k1::new();
    let charter = testing::charter(keys.network());
    let attest = Attest { charter: charter.id() };
    let attestations =
        Role::ALL.map(|role| attest.sign(&secp, &testing::statement_keypair(keys.network(), role)));
    let key = keys.refund_key(3).unwrap();
    let pledge = Pledge {
        network: keys.network(),
        charter: charter.id(),
        index: 1,
        sponsor_key: key.x_only_public_key().0,
        refund_address: keys.refund_address(2).unwrap(),
    };
    let pledge = Signed::new(&secp, pledge, &key);
    RecoveryFile::new(&secp, charter, attestations, pledge, Some(key), origin).unwrap()
}

#[test]
fn a_recovery_file_is_compared_with_the_words() {
    let keys = SponsorKeys::from_phrase(ABANDON, Network::Regtest).unwrap();
    let origin = |key, address| Origin {
        sponsor_key_index: key,
        refund_address_index: address,
        phrase: Some(ABANDON.into()),
    };
    let check = |keys: &SponsorKeys, origin| keys.check_recovery(&recovery_file(keys, origin));
    assert_eq!(check(&keys, origin(Some(3), Some(2))), Ok(()));
    assert_eq!(check(&keys, origin(None, None)), Ok(()));
    let wrong = |field| Err(RecoveryMismatch { field });
    assert_eq!(check(&keys, origin(Some(4), Some(2))), wrong("sponsor_key_path"));
    assert_eq!(check(&keys, origin(Some(3), Some(1))), wrong("refund_path"));
    let file = recovery_file(&keys, origin(Some(3), Some(2)));
    let json: serde_json::Value = serde_json::from_str(&file.to_json()).unwrap();
    assert_eq!(json["sponsor_key_path"], keys.refund_key_path(3));
    assert_eq!(json["refund_path"], keys.refund_address_path(2));
    let mainnet = SponsorKeys::from_phrase(ABANDON, Network::Mainnet).unwrap();
    assert_eq!(mainnet.check_recovery(&file), wrong("network"));
    let others = SponsorKeys::new(Phrase::from_entropy(&[9; 16]), Network::Regtest);
    assert_eq!(others.check_recovery(&file), wrong("sponsor_key_path"));
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

#[test]
fn an_encrypted_key_file_takes_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("signer.key");
    let phrase = Phrase::from_entropy(&[7; 16]);
    phrase.write_new(&path, "a comment", Some(&passphrase("eight letters"))).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(is_sealed(&bytes));
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        !text.contains("comment") && phrase.expose().split(' ').all(|word| !text.contains(word)),
        "{text}"
    );
    assert!(matches!(Phrase::read_file(&path), Err(KeyFileError::Locked { .. })));
    let open = |with: &str| {
        let stored = Stored::read_file(&path, MAX_KEY_FILE_BYTES).unwrap();
        stored.open(|_| Ok::<_, KeyFileError>(passphrase(with)))
    };
    assert_eq!(Phrase::from_bytes(&open("eight letters").unwrap()).unwrap(), phrase);
    let error = open("nine letters").unwrap_err();
    assert!(matches!(error, KeyFileError::Sealed { source: SealedError::WrongPassphrase, .. }));
    let shown = format!("{error} {error:?} {:?}", passphrase("nine letters"));
    assert!(!shown.contains("nine"), "{shown}");
}

#[test]
fn a_passphrase_is_one_line_and_no_error_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pass");
    let read = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        Passphrase::read_file(&path)
    };
    for content in [&b"with spaces "[..], b"with spaces \n", b"with spaces \r\n"] {
        assert!(read(content).unwrap() == passphrase("with spaces "));
    }
    assert!(matches!(read(b""), Err(PassphraseError::Empty)));
    assert!(matches!(read(b"\n"), Err(PassphraseError::Empty)));
    assert!(matches!(read(b"one\ntwo\n"), Err(PassphraseError::Lines)));
    assert!(matches!(read(&[0xff; 9]), Err(PassphraseError::NotText)));
    assert!(matches!(read(&[b'a'; 1025]), Err(PassphraseError::TooLong)));
    assert!(read(&[b'a'; 1024]).is_ok());
    let error = read(b"secret-one\nsecret-two").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret-"), "{error:?}");
    assert!(passphrase("short").fit_for_new().is_err() && passphrase("eight ch").fit_for_new().is_ok());
}

#[test]
fn the_only_copy_is_replaced_when_the_new_one_is_proved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "old").unwrap();
    // Left by a crash.
    std::fs::write(dir.path().join("key.new"), "half").unwrap();
    let refused = replace_secret(&path, b"new", |_| false);
    assert!(matches!(refused, Err(KeyFileError::Unverified { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    replace_secret(&path, b"new", |written| written == b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
}
