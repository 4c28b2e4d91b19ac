//! A recovery file survives the way to disk and back; any change to it is found and named.

use super::super::consensus::assert_valid;
use super::super::network::Network;
use super::super::statement::{Attest, Statement};
use super::super::testing;
use super::*;
use bitcoin::hashes::Hash;
use bitcoin::{ScriptBuf, TxOut, Txid};
use proptest::prelude::*;
use serde_json::{Value, json};

const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) }
}

fn empty(network: Network, phrase: Option<&str>) -> RecoveryFile {
    let secp = Secp256k1::new();
    let charter = testing::charter(network);
    let attest = Attest { charter: charter.id() };
    let attestations = Role::ALL.map(|role| attest.sign(&secp, &testing::statement_keypair(network, role)));
    let key = testing::sponsor(5);
    let pledge = Pledge {
        network,
        charter: charter.id(),
        index: 4,
        sponsor_key: key.x_only_public_key().0,
        refund_address: testing::address(network, 8),
    };
    let pledge = Signed::new(&secp, pledge, &key);
    let origin = Origin {
        sponsor_key_index: Some(3),
        refund_address_index: Some(2),
        phrase: phrase.map(str::to_owned),
    };
    RecoveryFile::new(&secp, charter, attestations, pledge, Some(key), origin).unwrap()
}

fn with_refunds(network: Network, amounts_sat: &[u64]) -> RecoveryFile {
    let mut file = empty(network, Some(WORDS));
    for (n, sat) in (1..).zip(amounts_sat) {
        let target = file.target(outpoint(n), Amount::from_sat(*sat));
        let bundle = RefundBundle::sign(&Secp256k1::new(), target, file.key().unwrap()).unwrap();
        file.add_refund(bundle).unwrap();
    }
    file
}

fn parse(text: &str) -> Result<RecoveryFile, RecoveryError> {
    RecoveryFile::parse(&Secp256k1::new(), text.as_bytes())
}

#[test]
fn a_file_comes_back_as_it_was_on_every_network() {
    for network in Network::ALL {
        let file = with_refunds(network, &[10_000, 1_000_000]);
        assert_eq!(parse(&file.to_json()).as_ref(), Ok(&file));
        let before_payment = empty(network, None);
        assert_eq!(parse(&before_payment.to_json()), Ok(before_payment));
    }
}

#[test]
fn refunds_of_later_generations_are_kept_and_old_files_stay_as_they_were() {
    let secp = Secp256k1::new();
    let mut file = with_refunds(Network::Regtest, &[10_000]);
    let old = file.to_json();
    assert!(!old.contains("generation\""), "a file without remainders has no new field");
    let target = file.target_at(&secp, 2, outpoint(7), Amount::from_sat(60_000)).unwrap();
    assert_ne!(target.output().address, file.output().address);
    let bundle = RefundBundle::sign(&secp, target, file.key().unwrap()).unwrap();
    file.add_refund(bundle).unwrap();
    let text = file.to_json();
    assert_eq!(parse(&text), Ok(file));
    assert!(text.contains("\"generation\": 2"), "{text}");
    // A refund of one generation is none of another.
    let moved = text.replace("\"generation\": 2", "\"generation\": 1");
    assert!(parse(&moved).unwrap_err().to_string().starts_with("outpoints.1.pair"));
    let beyond = text.replace("\"generation\": 2", "\"generation\": 1000");
    assert!(parse(&beyond).unwrap_err().to_string().starts_with("outpoints.1.generation"));
}

#[test]
fn a_key_of_another_wallet_leaves_no_secret_in_the_file() {
    let secp = Secp256k1::new();
    let full = empty(Network::Regtest, None);
    let file = RecoveryFile::new(
        &secp,
        full.charter.clone(),
        full.attestations,
        full.pledge.clone(),
        None,
        Origin::default(),
    )
    .unwrap();
    assert_eq!(file.private_descriptor(), None);
    let value: Value = serde_json::from_str(&file.to_json()).unwrap();
    for field in ["private_descriptor", "phrase", "sponsor_key_path", "refund_path"] {
        assert_eq!(value[field], Value::Null, "{field}");
    }
    assert_eq!(parse(&file.to_json()), Ok(file));
}

#[test]
fn ready_transactions_are_valid_by_consensus_and_in_order() {
    let file = with_refunds(Network::Regtest, &[10_000, 1_000, 1_000_000]);
    let ready = file.ready_transactions();
    // 10,000 sat bear five rungs, 1,000 none, 1,000,000 all seven; and a pair each.
    assert_eq!(ready.len(), (1 + 5) + 1 + (1 + 7));
    for spend in &ready {
        let amount = file.refunds().iter().find(|b| b.target().outpoint() == spend.outpoint).unwrap();
        let prevout =
            TxOut { value: amount.target().amount(), script_pubkey: file.output().script_pubkey.clone() };
        assert_valid(&spend.transaction, &[prevout]);
        assert_eq!(
            spend.transaction.output[0].script_pubkey,
            testing::address(Network::Regtest, 8).script_pubkey()
        );
        assert!(spend.lock_time.to_consensus_u32() >= file.charter().refund_time_secs());
    }
    let of_first: Vec<u64> = ready.iter().take(6).map(|spend| spend.sat_per_vb).collect();
    assert_eq!(of_first, [0, 1, 2, 5, 10, 25]);
}

#[test]
fn the_private_descriptor_is_one_that_miniscript_reads_with_the_same_address() {
    let secp = Secp256k1::new();
    let file = empty(Network::Signet, None);
    let private = file.private_descriptor().unwrap();
    let (public, keys) =
        miniscript::Descriptor::<miniscript::DescriptorPublicKey>::parse_descriptor(&secp, &private).unwrap();
    assert_eq!(keys.len(), 1);
    let script: ScriptBuf = public.at_derivation_index(0).unwrap().script_pubkey();
    assert_eq!(script, file.output().script_pubkey);
}

#[test]
fn a_refund_of_another_pledge_is_not_added() {
    let mut file = empty(Network::Regtest, None);
    let secp = Secp256k1::new();
    let key = testing::sponsor(5);
    for (slot, address) in [(Slot::pledge(5), 8), (Slot::pledge(4), 9)] {
        let output = file.contract().pledge(&secp, slot, key.x_only_public_key().0).unwrap();
        let address = testing::address(Network::Regtest, address);
        let target = RefundTarget::new(output, outpoint(1), Amount::from_sat(50_000), &address).unwrap();
        let bundle = RefundBundle::sign(&secp, target, &key).unwrap();
        assert_eq!(file.add_refund(bundle), Err(RecoveryError::OtherPledge { outpoint: outpoint(1) }));
    }
}

#[test]
fn a_second_refund_of_an_outpoint_replaces_the_first() {
    let mut file = with_refunds(Network::Regtest, &[10_000]);
    let target = file.target(outpoint(1), Amount::from_sat(20_000));
    let bundle = RefundBundle::sign(&Secp256k1::new(), target, file.key().unwrap()).unwrap();
    file.add_refund(bundle).unwrap();
    assert_eq!(file.refunds().len(), 1);
    assert_eq!(file.refunds()[0].target().amount(), Amount::from_sat(20_000));
}

/// Every leaf of the document with its path.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    let join = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(value, &join(key), out)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &join(&at.to_string()), out));
        }
        _ => out.push(path.to_owned()),
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::Number(n) => json!(n.as_u64().unwrap() + 1),
        Value::String(text) => {
            // Another character of the same alphabet in the middle: well-formed more often than not.
            let at = text.len() / 2;
            let other = if text.as_bytes()[at] == b'2' { "3" } else { "2" };
            json!(format!("{}{other}{}", &text[..at], &text[at + 1..]))
        }
        _ => panic!("no such leaf"),
    }
}

#[test]
fn every_changed_field_is_found() {
    let file = with_refunds(Network::Regtest, &[10_000, 1_000_000]);
    let document: Value = serde_json::from_str(&file.to_json()).unwrap();
    let mut paths = Vec::new();
    leaves(&document, "", &mut paths);
    let mut tried = 0;
    // The words are checked by the key module; the instructions are words for people.
    for path in paths.iter().filter(|path| !path.starts_with("instructions") && *path != "phrase") {
        let mut document = document.clone();
        let leaf = document.pointer_mut(&format!("/{path}")).unwrap();
        *leaf = changed(leaf);
        let refused = parse(&document.to_string());
        let Err(error) = refused else {
            // Any index below 2^31 is a possible path; which one is right, only the words tell.
            assert!(path == "sponsor_key_path" || path == "refund_path", "{path} was not checked");
            continue;
        };
        let shown = error.to_string();
        assert!(!shown.contains("abandon"), "{shown}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn changed_fields_are_named() {
    let file = with_refunds(Network::Regtest, &[10_000, 1_000_000]);
    let other = testing::sponsor(6);
    let other_address = testing::address(Network::Regtest, 0).to_string();
    let bad_signature = "11".repeat(64);
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/network", json!("signet"), "network"),
        ("/charter_id", json!("00".repeat(32)), "charter_id"),
        ("/attestations/arbiter", json!(bad_signature), "attestations.arbiter"),
        ("/index", json!(5), "pledge_signature"),
        ("/sponsor_key", json!(other.x_only_public_key().0.to_string()), "pledge_signature"),
        ("/refund_address", json!(other_address), "pledge_signature"),
        ("/address", json!(other_address), "address"),
        ("/descriptor", json!("tr(00)"), "descriptor"),
        ("/private_descriptor", json!("tr(00)"), "private_descriptor"),
        ("/sponsor_key_path", json!("m/86'/0'/1'/0/3"), "sponsor_key_path"),
        ("/refund_path", json!("m/86'/1'/0'/0/-2"), "refund_path"),
        ("/outpoints/1/amount_sat", json!(999_999), "outpoints.1.pair"),
        ("/outpoints/0/pair/signature", json!(bad_signature), "outpoints.0.pair"),
        ("/outpoints/0/pair/lock_time", json!(1), "outpoints.0.pair.lock_time"),
        ("/outpoints/1/ladder/6/signature", json!(bad_signature), "outpoints.1.ladder.6"),
        ("/outpoints/1/ladder/2/sat_per_vb", json!(6), "outpoints.1.ladder.2.sat_per_vb"),
        ("/outpoints/1/ladder/2/transaction", json!("00"), "outpoints.1.ladder.2.transaction"),
    ];
    for (pointer, value, expected) in cases {
        let mut document: Value = serde_json::from_str(&file.to_json()).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        let field = match parse(&document.to_string()).unwrap_err() {
            RecoveryError::Unreadable { field }
            | RecoveryError::Mismatch { field }
            | RecoveryError::Signature { field }
            | RecoveryError::Refund { field, .. } => field,
            other => panic!("{pointer}: {other}"),
        };
        assert_eq!(field, expected, "{pointer}");
    }
}

#[test]
fn another_key_in_the_private_descriptor_is_found() {
    let file = empty(Network::Regtest, None);
    let mut other = file.clone();
    other.key = Some(testing::sponsor(6));
    let refused = parse(&other.to_json());
    assert_eq!(refused, Err(RecoveryError::Mismatch { field: "private_descriptor".into() }));
}

#[test]
fn what_is_no_recovery_file_is_refused_without_a_quote() {
    let text = with_refunds(Network::Regtest, &[10_000]).to_json();
    let doubled = text.replacen("\"version\": 1,", "\"version\": 1,\n  \"version\": 1,", 1);
    let unknown = text.replacen("\"version\": 1,", "\"version\": 1,\n  \"surprise\": 1,", 1);
    let wrong_type = text.replacen("\"version\": 1,", "\"version\": \"abandon abandon\",", 1);
    let cut = &text[..text.len() / 2];
    for bad in [doubled.as_str(), &unknown, &wrong_type, cut, "", "[]", "\u{0}"] {
        let error = parse(bad).unwrap_err();
        assert!(matches!(error, RecoveryError::NotARecoveryFile { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("abandon"));
    }
    let newer = text.replacen("\"version\": 1,", "\"version\": 2,", 1);
    assert_eq!(parse(&newer), Err(RecoveryError::Version { given: 2 }));
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let entry = document["outpoints"][0].clone();
    document["outpoints"].as_array_mut().unwrap().push(entry);
    assert!(matches!(parse(&document.to_string()), Err(RecoveryError::DuplicateOutpoint { .. })));
    let long = vec![b' '; MAX_RECOVERY_BYTES + 1];
    let refused = RecoveryFile::parse(&Secp256k1::new(), &long);
    assert!(matches!(refused, Err(RecoveryError::TooLong { .. })));
}

#[test]
fn debug_shows_no_secret() {
    let file = with_refunds(Network::Regtest, &[10_000]);
    let shown = format!("{file:?} {file:#?}");
    let wif = PrivateKey::new(testing::sponsor(5).secret_key(), Network::Regtest.kind()).to_wif();
    let secret = testing::sponsor(5).display_secret().to_string();
    for hidden in ["abandon", &wif, &secret, &file.refunds()[0].signatures().pair.to_string()] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(file.to_json().contains(&wif) && file.to_json().contains(WORDS));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_damage_panics_or_passes_for_whole(at in 0usize..20_000, byte in any::<u8>(), cut in any::<bool>()) {
        let file = with_refunds(Network::Regtest, &[10_000]);
        let mut bytes = file.to_json().into_bytes();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(read) = RecoveryFile::parse(&Secp256k1::new(), &bytes) {
            // Only words and paths that the core cannot judge, or nothing at all, may have changed.
            prop_assert_eq!(read.output(), file.output());
            prop_assert_eq!(read.pledge(), file.pledge());
            prop_assert_eq!(read.refunds(), file.refunds());
            prop_assert_eq!(read.key().map(|key| key.public_key()), file.key().map(|key| key.public_key()));
        }
    }
}
