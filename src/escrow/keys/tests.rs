//! Every way a key expression is refused, and that what is accepted derives what BIP32 says. Keys are made
//! from fixed seeds: they hold nothing and are public.

use super::*;
use bitcoin::bip32::Xpriv;
use bitcoin::secp256k1::All;
use proptest::prelude::*;

fn root(secp: &Secp256k1<All>, kind: NetworkKind) -> (Xpriv, Fingerprint) {
    let root = Xpriv::new_master(kind, &[7; 32]).unwrap();
    (root, root.fingerprint(secp))
}

/// Extended public key at `path`, and the fingerprint of its root.
fn xpub_at(kind: NetworkKind, path: &str) -> (Xpub, Fingerprint) {
    let secp = Secp256k1::new();
    let (root, fingerprint) = root(&secp, kind);
    let path: DerivationPath = path.parse().unwrap();
    (Xpub::from_priv(&secp, &root.derive_priv(&secp, &path).unwrap()), fingerprint)
}

/// `[fp/<written>]<xpub at derived>`.
fn expression(kind: NetworkKind, written: &str, derived: &str) -> String {
    let (xpub, fingerprint) = xpub_at(kind, derived);
    format!("[{fingerprint}/{written}]{xpub}")
}

fn refusal(text: &str, network: Network) -> KeyError {
    SignerKey::parse(text, network).unwrap_err()
}

#[test]
fn accepts_each_network_and_both_spellings_and_prints_h() {
    for network in Network::ALL {
        let path = format!("87h/{}h/5h", network.coin_type());
        let text = expression(network.kind(), &path, &path);
        let key = SignerKey::parse(&text, network).unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(key.account_path(), &path.parse().unwrap());
        assert_eq!(format!("[{}", key.fingerprint()), text[..9]);
        assert_eq!(SignerKey::parse(&text.replace("h/", "'/").replace("h]", "']"), network), Ok(key.clone()));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<SignerKey>(&json).unwrap(), key);
    }
}

#[test]
fn children_are_those_of_the_private_root() {
    let secp = Secp256k1::new();
    let (root, _) = root(&secp, NetworkKind::Test);
    let key =
        SignerKey::parse(&expression(NetworkKind::Test, "87h/1h/0h", "87h/1h/0h"), Network::Signet).unwrap();
    for (generation, index) in [(0, 0), (0, 1), (3, 77), (999, 0x7fff_ffff)] {
        let path = key.full_path(generation, index);
        assert_eq!(path.to_string(), format!("87'/1'/0'/{generation}/{index}"));
        let private = root.derive_priv(&secp, &path).unwrap();
        assert_eq!(key.child(generation, index), private.to_keypair(&secp).x_only_public_key().0);
    }
    assert_eq!(key.statement_key(), key.child(1000, 0));
}

#[test]
fn refuses_what_could_spend_and_never_repeats_it() {
    let secp = Secp256k1::new();
    let (root, fingerprint) = root(&secp, NetworkKind::Test);
    let wif = bitcoin::PrivateKey::new(root.private_key, NetworkKind::Test).to_wif();
    let wif_main = bitcoin::PrivateKey::new(root.private_key, NetworkKind::Main).to_wif();
    let mut uncompressed = bitcoin::PrivateKey::new(root.private_key, NetworkKind::Main);
    uncompressed.compressed = false;
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    for secret in [
        root.to_string(),
        format!("[{fingerprint}/87h/1h/0h]{root}"),
        format!("[{fingerprint}/87h/1h/0h]{root}/*"),
        Xpriv { network: NetworkKind::Main, ..root }.to_string(),
        root.to_string().replacen("tprv", "zprv", 1),
        wif.clone(),
        wif_main,
        uncompressed.to_wif(),
        format!("pk({wif})"),
        words.to_owned(),
        format!("  {}\n{words} ", words.replace(' ', "  ")),
        "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5".to_owned(),
    ] {
        let error = refusal(&secret, Network::Signet);
        assert_eq!(error, KeyError::PrivateKey);
        for part in secret.split_whitespace().filter(|part| part.len() > 20) {
            assert!(!format!("{error} {error:?}").contains(part));
        }
    }
}

#[test]
fn one_error_per_cause() {
    let test = |written: &str, derived: &str| {
        refusal(&expression(NetworkKind::Test, written, derived), Network::Signet)
    };
    let good = expression(NetworkKind::Test, "87h/1h/0h", "87h/1h/0h");
    assert_eq!(
        refusal(&good, Network::Mainnet),
        KeyError::WrongNetwork { network: Network::Mainnet, expected: "xpub" }
    );
    assert_eq!(
        refusal(&expression(NetworkKind::Main, "87h/0h/0h", "87h/0h/0h"), Network::Regtest),
        KeyError::WrongNetwork { network: Network::Regtest, expected: "tpub" }
    );
    assert_eq!(test("86h/1h/0h", "86h/1h/0h"), KeyError::WrongPurpose { found: 86 });
    assert_eq!(test("87h/0h/0h", "87h/0h/0h"), KeyError::WrongCoinType { found: 0, expected: 1 });
    assert_eq!(test("87/1h/0h", "87h/1h/0h"), KeyError::NotHardened { position: 1 });
    assert_eq!(test("87h/1/0h", "87h/1h/0h"), KeyError::NotHardened { position: 2 });
    assert_eq!(test("87h/1h/0", "87h/1h/0h"), KeyError::NotHardened { position: 3 });
    assert_eq!(test("87h/1h/0h", "87h/1h"), KeyError::DepthMismatch { depth: 2 });
    assert_eq!(test("87h/1h/0h", "87h/1h/0h/0"), KeyError::DepthMismatch { depth: 4 });
    assert_eq!(
        test("87h/1h/0h", "87h/1h/1h"),
        KeyError::AccountMismatch { in_path: 0, in_xpub: ChildNumber::Hardened { index: 1 } }
    );
    assert_eq!(
        test("87h/1h/0h", "87h/1h/0"),
        KeyError::AccountMismatch { in_path: 0, in_xpub: ChildNumber::Normal { index: 0 } }
    );
    for (suffix, expected) in [
        ("/*", KeyError::Wildcard),
        ("/0/*", KeyError::Wildcard),
        ("/<0;1>/*", KeyError::Wildcard),
        ("/*h", KeyError::HardenedWildcard),
        ("/0/*'", KeyError::HardenedWildcard),
        ("/0", KeyError::TrailingPath),
        ("/", KeyError::TrailingPath),
    ] {
        assert_eq!(refusal(&format!("{good}{suffix}"), Network::Signet), expected, "{suffix}");
    }
    let mut damaged = good.clone();
    damaged.pop();
    assert_eq!(refusal(&damaged, Network::Signet), KeyError::InvalidXpub);
}

#[test]
fn nobody_signs_with_the_nums_point() {
    let (mut xpub, fingerprint) = xpub_at(NetworkKind::Test, "87h/1h/0h");
    for parity in ["02", "03"] {
        xpub.public_key = format!("{parity}{NUMS_H}").parse().unwrap();
        let text = format!("[{fingerprint}/87h/1h/0h]{xpub}");
        assert_eq!(refusal(&text, Network::Testnet4), KeyError::Nums);
    }
    // Bare, it is no key expression at all.
    assert!(matches!(refusal(NUMS_H, Network::Testnet4), KeyError::NotAKeyExpression { .. }));
}

#[test]
fn refuses_other_forms() {
    let (xpub, fp) = xpub_at(NetworkKind::Test, "87h/1h/0h");
    for text in [
        String::new(),
        xpub.to_string(),
        format!("[{fp}/87h/1h/0h{xpub}"),
        format!("[/87h/1h/0h]{xpub}"),
        format!("[{fp}00/87h/1h/0h]{xpub}"),
        format!("[d34db33g/87h/1h/0h]{xpub}"),
        format!("[{fp}]{xpub}"),
        format!("[{fp}/87h/1h]{xpub}"),
        format!("[{fp}/87h/1h/0h/2h]{xpub}"),
        format!("[{fp}/m/87h/1h/0h]{xpub}"),
        format!("[{fp}/87h/1h/00h]{xpub}"),
        format!("[{fp}/087h/1h/0h]{xpub}"),
        format!("[{fp}/87h/1h/+0h]{xpub}"),
        format!("[{fp}/87h/1h/h]{xpub}"),
        format!("[{fp}/87h/1h/2147483648h]{xpub}"),
        format!("[{fp}/87h//0h]{xpub}"),
        format!(" [{fp}/87h/1h/0h]{xpub}"),
        format!("[{fp}/87h/1h/0h]{}", "1".repeat(100_000)),
    ] {
        let error = refusal(&text, Network::Signet);
        assert!(matches!(error, KeyError::NotAKeyExpression { .. }), "{error:?} for {text:.60}");
    }
    for text in
        [format!("[{fp}/87h/1h/0h]{xpub} "), format!("[{fp}/87h/1h/0h]"), format!("[{fp}/87h/1h/0h]{xpub},x")]
    {
        assert_eq!(refusal(&text, Network::Signet), KeyError::InvalidXpub);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}", network in prop::sample::select(Network::ALL.to_vec())) {
        let _ = SignerKey::parse(&text, network);
    }

    // Texts near the real form reach further into the parser than random ones.
    #[test]
    fn one_changed_character_never_gives_another_key(at in 0usize..140, with in "[\\x21-\\x7e]") {
        let text = expression(NetworkKind::Test, "87h/1h/0h", "87h/1h/0h");
        let key = SignerKey::parse(&text, Network::Signet).unwrap();
        let mut changed = text.clone();
        let at = at.min(text.len() - 1);
        changed.replace_range(at..=at, &with);
        if let Ok(parsed) = SignerKey::parse(&changed, Network::Signet) {
            prop_assert_eq!(parsed.xpub(), key.xpub());
            prop_assert_eq!(parsed.account_path(), key.account_path());
            // Only the fingerprint has no check digit.
            prop_assert!(parsed.fingerprint() != key.fingerprint() || parsed == key);
        }
    }
}
