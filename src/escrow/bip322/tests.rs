//! Messages: BIP322's own vectors, another implementation, and Bitcoin Core's script code.

use super::super::network::Network;
use super::super::signature::{Speaker, StatementSignature};
use super::super::statement::{Attest, CharterId, Choice, Role, SubmissionId, Vote};
use super::super::testing;
use super::*;
use bitcoin::bip32::ChildNumber;
use bitcoin::{Address, PrivateKey};
use proptest::prelude::*;
use std::str::FromStr;

/// From BIP322's basic-test-vectors.json: message, hash, txids of `to_spend` and `to_sign`.
const HASHES: [[&str; 4]; 3] = [
    [
        "",
        "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
        "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
        "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
    ],
    [
        "Hello World",
        "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
        "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
        "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
    ],
    [
        "UTF-8 support: öäüéàè 测试文本 \u{1F604}",
        "43936b237ea38c7794eb5d755e0d220b6db92ebfc5c8f482759d22b1286376d7",
        "c8f4f525fe8afb1bc09b44175bd2096f079c98425e8a1be676b712add1fb62f0",
        "8f488e06b89eafd019ec528109eafaf7f1d1811fd617aa1eeb9658f1c1be6586",
    ],
];

/// Of the same files, the Taproot ones: message, WIF, address, signature.
const SIGNED: [[&str; 4]; 2] = [
    [
        "No prefix fallback",
        "KyrSGCFPhqZMjCe5fNTYddiLMp4tMj4gLKuJ26TsB2rvr1VJGPbt",
        "bc1pss0zhytly75awhm6x2hhvd5lnzv3vssgrf9axfheq8ldyzn88ges79fler",
        "AUCJYOwOjxYAvatTAGYaVlNXBVyFuc4MwNQkOuK2tl8xhfKDONd0NjfYyNSYcRqeCp8hsAnCEPHAVEkO9h6vbQ/R",
    ],
    [
        "TPIZPITUIHEUHO5ACOL6W6MBVD",
        "L1rPtXzPkeCuXArPk5QKfaU4PCx16S2zCXnYtFSMGHiDkQyWw5fv",
        "bc1p9cyuceaazr8cz46mvgkzl94wy397mwpqsrk84su37t72jvkg6wzqv52nfp",
        "AUBay6NwR4LEYedkTG+vE9F7C0RTOCB5NH6ZAqf+3hudjHIkOzSZk1jW/5Kt0wRKX3llJ25os+0qktdou4/Y8516",
    ],
];

/// A full proof with locks (version 2, locktime and sequence 2016), which says less than a statement does.
const LOCKED: [&str; 4] = [
    "K276VUM3MXP56DGNVICQR5XWRT",
    "KyU8wJ8ARQruQikto4GksjPKmgh8pKF5GsZVB78JPbYgPDQSQzgw",
    "bc1psmjelwjtg7lz26jhd4kkf35v0xp3u7ffc6p4n4869s0hxkrrrtkqkpqvmg",
    "AgAAAAABAY+B3hhlrps+S2YaxSvL3HxZKdfT+8XCCtZ4KQc5N+AaAAAAAADgBwAAAQAAAAAAAAAAAWoBQEHQoT3HfPKw4WNiQySblfcRX2gnha/mrpFxUoYlkJxuQFXNN3sS+XbJsNAoXRlvQitk0tVEFpsUGRcCdZ7bWPHgBwAA",
];

fn key_of(wif: &str) -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &PrivateKey::from_wif(wif).unwrap().inner)
}

fn address_of(key: &Keypair) -> Address {
    Address::p2tr(&Secp256k1::new(), key.x_only_public_key().0, None, bitcoin::Network::Bitcoin)
}

#[test]
fn the_transactions_are_those_of_the_proposal() {
    let challenge = Address::from_str("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l").unwrap().assume_checked();
    for [message, hash, spent, signed] in HASHES {
        assert_eq!(CharterId(tagged_hash(TAG, message.as_bytes())).to_string(), hash);
        let to_spend = to_spend(message.as_bytes(), challenge.script_pubkey());
        assert_eq!(to_spend.compute_txid().to_string(), spent);
        assert_eq!(to_sign(&to_spend).compute_txid().to_string(), signed);
    }
}

#[test]
fn the_proposals_taproot_signatures_verify_and_no_others() {
    let secp = Secp256k1::new();
    for [message, wif, address, signature] in SIGNED {
        let key = key_of(wif);
        assert_eq!(address_of(&key).to_string(), address);
        let public = key.x_only_public_key().0;
        for text in [signature.to_owned(), format!("{SIMPLE}{signature}")] {
            let parsed = parse(&text).unwrap();
            assert!(verify(&secp, message, public, &parsed));
            assert!(!verify(&secp, "other words", public, &parsed));
            assert!(!verify(&secp, message, key_of(LOCKED[1]).x_only_public_key().0, &parsed));
            assert_eq!(parse(&to_text(&parsed)).unwrap(), parsed);
        }
    }
    let [message, wif, address, signature] = LOCKED;
    let key = key_of(wif);
    assert_eq!(address_of(&key).to_string(), address);
    let parsed = parse(&format!("{FULL}{signature}")).unwrap();
    assert!(!verify(&secp, message, key.x_only_public_key().0, &parsed), "locks are not part of a statement");
}

#[test]
fn another_implementation_agrees() {
    let secp = Secp256k1::new();
    for (number, message) in (1u8..=20).zip(["", "a", "several\nlines\n", "öäü"].into_iter().cycle()) {
        let key = Keypair::from_seckey_slice(&secp, &[number; 32]).unwrap();
        let (public, address) = (key.x_only_public_key().0, address_of(&key));
        let ours = sign(&secp, message, &key);
        let theirs_of_ours =
            bip322::verify_simple_encoded(&address.to_string(), message, &to_text(&ours)).unwrap();
        let valid = bip322::Verification::Valid { time: LockTime::ZERO, age: Sequence::ZERO };
        assert_eq!(theirs_of_ours, valid);
        let private = PrivateKey::new(key.secret_key(), bitcoin::Network::Bitcoin).to_wif();
        let name = address.to_string();
        let simple = bip322::sign_simple_encoded(&name, message, &[&private], None).unwrap();
        assert!(verify(&secp, message, public, &parse(&simple).unwrap()), "{simple}");
        let locks = bip322::LockParams::default();
        let full = bip322::sign_full_encoded(&name, message, &[&private], None, locks).unwrap();
        assert!(verify(&secp, message, public, &parse(&full).unwrap()), "{full}");
    }
}

#[test]
fn consensus_code_accepts_what_is_signed() {
    let secp = Secp256k1::new();
    let key = Keypair::from_seckey_slice(&secp, &[9; 32]).unwrap();
    let public = key.x_only_public_key().0;
    let mut psbt = psbt(&secp, "words", public, None);
    psbt.inputs[0].tap_key_sig = Some(sign(&secp, "words", &key));
    let mut transaction = psbt.unsigned_tx.clone();
    transaction.input[0].witness = Witness::p2tr_key_spend(&from_psbt(&psbt).unwrap());
    let prevout = psbt.inputs[0].witness_utxo.clone().unwrap();
    crate::escrow::consensus::assert_valid(&transaction, &[prevout]);
}

#[test]
fn what_is_no_signature_of_one_taproot_key_is_refused() {
    let bytes = |witness: &Witness| format!("{SIMPLE}{}", to_base64(&serialize(witness)));
    let signature = [7; 64];
    let partial = [&signature[..], &[0x83]].concat();
    for (text, error) in [
        (String::new(), Bip322Error::Unreadable),
        ("smp".into(), Bip322Error::Unreadable),
        ("smp!!!".into(), Bip322Error::Unreadable),
        ("fulAA==".into(), Bip322Error::Unreadable),
        ("pofAA==".into(), Bip322Error::OtherVariant),
        ("smpAA==".into(), Bip322Error::OtherScript),
        (bytes(&Witness::from_slice(&[&signature[..], &[1]])), Bip322Error::OtherScript),
        (bytes(&Witness::from_slice(&[&[7; 63]])), Bip322Error::OtherScript),
        (bytes(&Witness::from_slice(&[&partial[..]])), Bip322Error::Sighash),
    ] {
        assert_eq!(parse(&text), Err(error), "{text}");
    }
    let secp = Secp256k1::new();
    let key = key_of(SIGNED[0][1]).x_only_public_key().0;
    assert_eq!(from_psbt(&psbt(&secp, "m", key, None)), Err(Bip322Error::Unsigned));
}

fn vote() -> Vote {
    Vote {
        network: Network::Regtest,
        charter: CharterId([1; 32]),
        submission: SubmissionId([2; 32]),
        pledge: 3,
        choice: Choice::Yes,
        counter: 4,
    }
}

#[test]
fn a_speaker_is_believed_in_either_form_and_only_under_the_right_key() {
    let secp = Secp256k1::new();
    let key = Keypair::from_seckey_slice(&secp, &[7; 32]).unwrap();
    let public = key.x_only_public_key().0;
    let by_wallet = StatementSignature::Bip322(sign(&secp, &message(&vote()), &key));
    let tagged = vote().sign(&secp, &key);
    for signature in [by_wallet, tagged] {
        assert!(Speaker::sponsor(public).verify(&secp, &vote(), &signature).is_ok());
        let other = Vote { choice: Choice::No, ..vote() };
        assert!(Speaker::sponsor(public).verify(&secp, &other, &signature).is_err());
        let again: StatementSignature = signature.to_string().parse().unwrap();
        assert_eq!(again, signature);
        let json = serde_json::to_string(&signature).unwrap();
        assert_eq!(serde_json::from_str::<StatementSignature>(&json).unwrap(), signature);
    }
    // A service signs tagged hashes only, so that a receipt has one form.
    assert!(Speaker::service(public).verify(&secp, &vote(), &by_wallet).is_err());
    assert!(Speaker::service(public).verify(&secp, &vote(), &tagged).is_ok());
}

#[test]
fn a_signer_speaks_with_one_key_in_one_form() {
    let secp = Secp256k1::new();
    let charter = testing::charter(Network::Regtest);
    let attest = Attest { charter: charter.id() };
    for role in Role::ALL {
        let account = testing::account(Network::Regtest, role);
        let first = account
            .derive_priv(&secp, &[ChildNumber::from(0), ChildNumber::from(0)])
            .unwrap()
            .to_keypair(&secp);
        let statement_key = testing::statement_keypair(Network::Regtest, role);
        let words = message(&attest);
        let good = StatementSignature::Bip322(sign(&secp, &words, &first));
        assert!(charter.verify_attestation(&secp, role, &good).is_ok());
        let crossed =
            [StatementSignature::Bip322(sign(&secp, &words, &statement_key)), attest.sign(&secp, &first)];
        for signature in crossed {
            assert!(charter.verify_attestation(&secp, role, &signature).is_err());
        }
    }
}

#[test]
fn one_kind_of_statement_is_none_of_another() {
    // The tag is a line of its own, so no lines of one statement are those of another with its tag.
    let attest = message(&Attest { charter: CharterId([1; 32]) });
    assert_eq!(attest, format!("upfront/attest\n{}", "01".repeat(32)));
    assert!(message(&vote()).starts_with("upfront/vote\nnetwork: regtest\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_makes_the_parser_panic(text in "(smp|ful|pof)?[A-Za-z0-9+/=]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_flipped_bit_is_refused(bit in 0usize..512, words in "[a-z ]{0,40}") {
        let secp = Secp256k1::new();
        let key = Keypair::from_seckey_slice(&secp, &[5; 32]).unwrap();
        let mut bytes = sign(&secp, &words, &key).signature.serialize();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let signature = Signature {
            signature: bitcoin::secp256k1::schnorr::Signature::from_slice(&bytes).unwrap(),
            sighash_type: TapSighashType::Default,
        };
        prop_assert!(!verify(&secp, &words, key.x_only_public_key().0, &signature));
    }
}
