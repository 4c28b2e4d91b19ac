//! The example of NIP-98, our own published vectors, and each way a header can be wrong.

use super::*;
use serde_json::{Value, json};

const URL: &str = "https://example.org/api/v1/tasks?x=1";
const NOW: u64 = 1_800_000_000;

fn key() -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[7; 32]).unwrap()
}

fn asked(body: &[u8]) -> Asked<'_> {
    Asked { url: URL, method: "POST", body }
}

fn check(header: &str, asked: &Asked<'_>) -> Result<Signed, AuthError> {
    verify(&Secp256k1::new(), header, asked, NOW)
}

/// An event with changes made before it is signed, or after.
fn changed(body: &[u8], before: impl FnOnce(&mut Event), after: impl FnOnce(&mut Value)) -> String {
    let header = authorization(&key(), &asked(body), NOW, "");
    let mut event = parse(&header).unwrap();
    before(&mut event);
    event.id = event.computed_id();
    let message = Message::from_digest(event.id.to_byte_array());
    event.sig = Secp256k1::new().sign_schnorr_no_aux_rand(&message, &key());
    let mut event = json!(event);
    after(&mut event);
    format!("Nostr {}", STANDARD.encode(event.to_string()))
}

/// NIP-98's own example was signed with a tag `url`, which is printed as `u` since the NIP renamed it. With the
/// old name id and signature are those of the other implementation; as printed it must be refused.
#[test]
fn the_example_of_the_nip_has_the_id_and_signature_of_its_old_tag() {
    let example = json!({
        "id": "fe964e758903360f28d8424d092da8494ed207cba823110be3a57dfe4b578734",
        "pubkey": "63fe6318dc58583cfe16810f86dd09e18bfd76aabc24a0081ce2856f330504ed",
        "content": "",
        "kind": 27235,
        "created_at": 1_682_327_852,
        "tags": [["u", "https://api.snort.social/api/v1/n5sp/list"], ["method", "GET"]],
        "sig": "5ed9d8ec958bc854f997bdc24ac337d005af372324747efe4a00e24f4c30437ff4dd8308684bed467d9d6be3e5a517bb43b1732cc7d33949a3aaf86705c22184",
    });
    let header = format!("Nostr {}", STANDARD_NO_PAD.encode(example.to_string()));
    let event = parse(&header).unwrap();
    let mut signed = event.clone();
    signed.tags[0][0] = "url".into();
    assert_eq!(signed.computed_id(), event.id);
    let secp = Secp256k1::new();
    let message = Message::from_digest(event.id.to_byte_array());
    secp.verify_schnorr(&event.sig, &message, &event.pubkey).unwrap();
    let asked = Asked { url: "https://api.snort.social/api/v1/n5sp/list", method: "GET", body: b"" };
    assert_eq!(verify(&secp, &header, &asked, event.created_at), Err(AuthError::Id));
}

#[test]
fn a_minute_either_way_is_accepted_and_more_is_told() {
    let secp = Secp256k1::new();
    let header = authorization(&key(), &asked(b""), NOW, "");
    for now in [NOW - 60, NOW, NOW + 60] {
        verify(&secp, &header, &asked(b""), now).unwrap();
    }
    for (now, behind) in [(NOW - 61, false), (NOW + 61, true)] {
        let error = verify(&secp, &header, &asked(b""), now).unwrap_err();
        assert_eq!(error, AuthError::Clock { off_secs: 61, behind, now_secs: now });
        assert!(error.to_string().contains(if behind { "61 s behind" } else { "61 s ahead" }), "{error}");
    }
}

#[test]
fn what_is_signed_is_what_is_checked() {
    let header = authorization(&key(), &asked(b"{}"), NOW, "00ff");
    let signed = check(&header, &asked(b"{}")).unwrap();
    assert_eq!(signed.key, key().x_only_public_key().0);
    let other = authorization(&key(), &asked(b"{}"), NOW, "00fe");
    assert_ne!(check(&other, &asked(b"{}")).unwrap().event, signed.event, "a nonce makes another event");
    check(&authorization(&key(), &asked(b""), NOW, ""), &asked(b"")).unwrap();
    check(&header.replace("Nostr ", "nostr   "), &asked(b"{}")).unwrap();
}

#[test]
fn every_wrong_field_is_named() {
    let code = |header: &str, asked: &Asked<'_>| check(header, asked).unwrap_err().code();
    let good = authorization(&key(), &asked(b"{}"), NOW, "");
    let got = |url, method, body| Asked { url, method, body };
    assert_eq!(code(&good, &got("https://example.org/api/v1/tasks", "POST", b"{}")), "auth_url");
    assert_eq!(code(&good, &got("http://example.org/api/v1/tasks?x=1", "POST", b"{}")), "auth_url");
    assert_eq!(code(&good, &got(URL, "PUT", b"{}")), "auth_method");
    assert_eq!(code(&good, &got(URL, "POST", b"{ }")), "auth_payload");
    assert_eq!(code(&good, &got(URL, "POST", b"")), "auth_payload");
    let bare = authorization(&key(), &asked(b""), NOW, "");
    assert_eq!(code(&bare, &asked(b"{}")), "auth_payload");
    let words = check(&good, &got("https://other.example/x", "POST", b"{}")).unwrap_err().to_string();
    assert!(words.contains(URL) && words.contains("https://other.example/x"), "{words}");

    let b = b"{}";
    let none = |_: &mut Event| ();
    let same = |_: &mut Value| ();
    let push = |name: &'static str, value: &'static str| move |e: &mut Event| e.tags.push(tag(name, value));
    for (header, expected) in [
        (changed(b, |e| e.kind = 1, same), "auth_malformed"),
        (changed(b, |e| e.created_at += 61, same), "auth_clock"),
        (changed(b, |e| e.created_at -= 61, same), "auth_clock"),
        (changed(b, |e| e.created_at = u64::MAX, same), "auth_clock"),
        (changed(b, |e| e.created_at = 0, same), "auth_clock"),
        (changed(b, push("u", URL), same), "auth_malformed"),
        (changed(b, push("method", "POST"), same), "auth_malformed"),
        (changed(b, push("payload", "00"), same), "auth_malformed"),
        (changed(b, |e| e.tags.clear(), same), "auth_url"),
        (changed(b, |e| e.tags[1] = tag("method", "post"), same), "auth_method"),
        (changed(b, |e| e.tags[0] = vec!["u".into()], same), "auth_url"),
        (changed(b, none, |e| e["created_at"] = json!(NOW + 1)), "auth_signature"),
        (changed(b, none, |e| e["content"] = json!("x")), "auth_signature"),
        (changed(b, none, |e| e["id"] = json!("00".repeat(32))), "auth_signature"),
        (changed(b, none, |e| e["pubkey"] = json!("ff".repeat(32))), "auth_malformed"),
        (
            changed(b, none, |e| {
                e["pubkey"] = json!("63fe6318dc58583cfe16810f86dd09e18bfd76aabc24a0081ce2856f330504ed")
            }),
            "auth_signature",
        ),
        (changed(b, none, |e| e["sig"] = json!("00".repeat(64))), "auth_signature"),
        (changed(b, none, |e| e["sig"] = json!("00".repeat(63))), "auth_malformed"),
        (changed(b, none, |e| e["created_at"] = json!(-1)), "auth_malformed"),
        (changed(b, none, |e| e["created_at"] = json!(1e9)), "auth_malformed"),
        (changed(b, none, |e| *e = json!([])), "auth_malformed"),
    ] {
        assert_eq!(code(&header, &asked(b)), expected, "{header}");
    }
    for header in ["", "Nostr", "Nostr !!", "Nostr e30=", "Basic e30=", "Bearer x", &"x".repeat(9_000)] {
        assert_eq!(code(header, &asked(b)), "auth_malformed", "{header}");
    }
}

/// A signature over another message under the right id.
#[test]
fn a_signature_of_something_else_is_refused() {
    let header = changed(
        b"",
        |_| (),
        |e| {
            let other = Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest([9; 32]), &key());
            e["sig"] = json!(other);
        },
    );
    assert_eq!(check(&header, &asked(b"")), Err(AuthError::Signature));
}

#[test]
fn public_keys_are_read_in_both_spellings() {
    let hex = "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917";
    let npub_text = "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu";
    let key = parse_public(hex).unwrap();
    assert_eq!(npub(&key), npub_text);
    assert_eq!(parse_public(npub_text), Some(key));
    for wrong in
        ["", "npub1", &npub_text[..60], "nsec10allq0gjx7fddtzef0ax00mdps9t2kmtrldkyjfs8l5xruwvh2dq0lhhkp"]
    {
        assert_eq!(parse_public(wrong), None, "{wrong}");
    }
}
