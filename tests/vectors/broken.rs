//! Charters that must be refused, each made from a good one by replacing one piece of its text, with the
//! code of the error.

use super::BrokenCase;
use super::charters::Signed;
use bitcoin::hashes::{Hash, sha256};
use upfront::escrow::charter::Charter;

/// BIP341's H as the account key of an xpub: same chain code, depth and child number as the one it replaces.
fn nums(key: &str) -> String {
    let (origin, xpub) = key.split_once(']').unwrap();
    let mut xpub: bitcoin::bip32::Xpub = xpub.parse().unwrap();
    xpub.public_key = "0250929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0".parse().unwrap();
    format!("{origin}]{xpub}")
}

pub fn cases(charters: &[Signed; 4]) -> Vec<BrokenCase> {
    let [mainnet, testnet4, signet, regtest] = [0, 1, 2, 3].map(|at: usize| charters[at].case());
    let main_fields = charters[0].charter.fields();
    let test_fields = charters[1].charter.fields();
    // The WIF of the private key 1, which all the world knows.
    let wif = "KwDiBf89QgGbjHhKnhXnuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn";
    let after = |key: &str, suffix: &str| format!("{key}{suffix}");
    let time = |name: &str, at: u32| format!("\"{name}\":{at}");
    let refund_time = main_fields.refund_time;
    let list: Vec<(usize, String, String, &str)> = vec![
        (0, mainnet.developer.key.clone(), testnet4.developer.key.clone(), "key_wrong_network"),
        (0, mainnet.arbiter.key.clone(), wif.into(), "key_private"),
        (0, mainnet.arbiter.key.clone(), mainnet.developer.phrase.clone(), "key_private"),
        (3, regtest.arbiter.key.clone(), after(&regtest.arbiter.key, "/*h"), "key_hardened_wildcard"),
        (2, signet.developer.key.clone(), after(&signet.developer.key, "/0/*"), "key_wildcard"),
        (2, "/87h/1h/12h]".into(), "/86h/1h/12h]".into(), "key_wrong_purpose"),
        (1, "/87h/1h/7h]".into(), "/87h/1h/7]".into(), "key_not_hardened"),
        (0, mainnet.representative.key.clone(), nums(&mainnet.representative.key), "key_nums"),
        (0, mainnet.arbiter.key.clone(), mainnet.developer.key.clone(), "charter_duplicate_signer"),
        (0, time("refund_time", refund_time), time("refund_time", refund_time + 60), "charter_off_grid"),
        (
            0,
            time("funding_close", main_fields.funding_close),
            time("funding_close", main_fields.work_deadline + 1),
            "charter_out_of_order",
        ),
        (
            1,
            time("ruling_secs", test_fields.ruling_secs),
            time("ruling_secs", 60 * 86_400),
            "charter_out_of_order",
        ),
        (2, "\"review_secs\":604800".into(), "\"review_secs\":604799".into(), "charter_window_too_short"),
        (1, "\"share_bps\":3000".into(), "\"share_bps\":3001".into(), "charter_share_sum"),
        (2, "\"share_bps\":5000".into(), "\"share_bps\":4999".into(), "charter_share_sum"),
        (3, "\"minimum_pledge_sat\":330".into(), "\"minimum_pledge_sat\":329".into(), "charter_dust_minimum"),
        (0, "\"version\":1".into(), "\"version\":1,\"version\":1".into(), "charter_duplicate_key"),
        (0, "\"version\":1".into(), "\"version\":1,\"yield_bps\":1".into(), "charter_unknown_key"),
        (0, "\"version\":1".into(), "\"version\": 1".into(), "charter_not_canonical"),
        (0, "\"version\":1".into(), "\"version\":2".into(), "charter_version"),
        (0, "\"depth\":2,".into(), String::new(), "charter_shape"),
        (0, "\"depth\":2".into(), "\"depth\":0".into(), "charter_depth"),
        (
            0,
            main_fields.payees[0].address.clone(),
            test_fields.operator.as_ref().unwrap().address.clone(),
            "charter_address_network",
        ),
        (2, "\"threshold_bps\":5001".into(), "\"threshold_bps\":5000".into(), "charter_rate"),
        (0, "both sides".into(), "both\u{202e}sides".into(), "charter_text"),
        (0, "\"when_target_credited\"".into(), "\"at_once\"".into(), "charter_early_submissions"),
        (0, "\"cap_sat\":20000000".into(), "\"cap_sat\":2100000000000001".into(), "charter_too_much"),
    ];
    list.into_iter()
        .map(|(at, find, replace, code)| {
            let text = charters[at].case().text;
            assert_eq!(text.matches(&find).count(), 1, "{find} must occur once");
            let broken = text.replacen(&find, &replace, 1);
            let error = Charter::parse(broken.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            BrokenCase {
                charter: at,
                find,
                replace,
                sha256: sha256::Hash::hash(broken.as_bytes()).to_string(),
                code: code.to_owned(),
            }
        })
        .collect()
}
