//! HTTP requests signed by an identity: NIP-98, a Nostr event (NIP-01) of kind 27235 in the `Authorization`
//! header. Made by the commands and checked by the service. No clock and no I/O: the caller says what time it
//! is, and remembers which events were used before.

use bitcoin::base64::Engine;
use bitcoin::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bitcoin::bech32::{self, Bech32, Hrp};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, Verification, XOnlyPublicKey, schnorr};
use serde::{Deserialize, Serialize};

/// Kind of the event (in reference to RFC 7235).
pub const KIND: u32 = 27_235;
/// How far the event's time may be from the service's clock, seconds, either way.
pub const WINDOW_SECS: u64 = 60;
/// Longest header looked at.
const MAX_HEADER_BYTES: usize = 8_192;
/// The scheme of the header, and its challenge.
pub const SCHEME: &str = "Nostr";

/// Id of an event: SHA-256 of its serialization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 32]);

/// The event as sent. Fields that it may have besides are not looked at: they are not signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    id: sha256::Hash,
    pubkey: XOnlyPublicKey,
    created_at: u64,
    kind: u32,
    tags: Vec<Vec<String>>,
    content: String,
    sig: schnorr::Signature,
}

impl Event {
    /// NIP-01: `[0, pubkey, created_at, kind, tags, content]` as JSON without white space.
    fn computed_id(&self) -> sha256::Hash {
        let serialized =
            serde_json::to_vec(&(0, self.pubkey, self.created_at, self.kind, &self.tags, &self.content))
                .expect("text and numbers are JSON");
        sha256::Hash::hash(&serialized)
    }

    /// The value of the one tag of this name.
    fn tag(&self, name: &'static str) -> Result<Option<&str>, AuthError> {
        let mut found = self.tags.iter().filter(|tag| tag.first().is_some_and(|first| first == name));
        let value = found.next().map(|tag| tag.get(1).map_or("", String::as_str));
        if found.next().is_some() { Err(AuthError::TwoTags { name }) } else { Ok(value) }
    }
}

/// What a request is, as far as the event must say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The whole address, with its query.
    pub url: &'a str,
    /// Method in capitals.
    pub method: &'a str,
    /// The body; empty where there is none.
    pub body: &'a [u8],
}

/// Who signed a request, and by which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The identity.
    pub key: XOnlyPublicKey,
    /// The event, to be used once.
    pub event: EventId,
    /// Its time, Unix seconds.
    pub created_at: u64,
}

/// Why a header proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Another scheme, or no base64, or no event in it.
    #[error("the Authorization header is not `Nostr` and a base64 event (NIP-98): {reason}")]
    Malformed {
        /// What is wrong with its form.
        reason: String,
    },
    /// A tag that must be there once is there twice.
    #[error("the event has more than one tag {name:?}")]
    TwoTags {
        /// Its name.
        name: &'static str,
    },
    /// Another kind of event.
    #[error("the event is of kind {given}; requests are signed by kind 27235")]
    Kind {
        /// Given kind.
        given: u32,
    },
    /// The id is not the hash of the event.
    #[error("the event's id is not the hash of its content (NIP-01): it was changed after signing")]
    Id,
    /// The signature is not by its key.
    #[error("the event's signature does not verify for its pubkey (BIP340)")]
    Signature,
    /// Too old, or from the future.
    #[error(
        "the event's created_at is {off_secs} s {} the service's clock ({now_secs}); at most 60 s are accepted",
        if *.behind { "behind" } else { "ahead of" }
    )]
    Clock {
        /// How far.
        off_secs: u64,
        /// Which way.
        behind: bool,
        /// The service's clock.
        now_secs: u64,
    },
    /// Signed for another address.
    #[error("the event is for {given:?}; this service expects {expected:?}")]
    Url {
        /// In the event.
        given: String,
        /// Of the request.
        expected: String,
    },
    /// Signed for another method.
    #[error("the event is for the method {given:?}; the request is {expected}")]
    Method {
        /// In the event.
        given: String,
        /// Of the request.
        expected: String,
    },
    /// The body's hash is missing.
    #[error("the event has no tag \"payload\": a request with a body signs the body's SHA-256 (hex)")]
    NoPayload,
    /// Signed for another body.
    #[error("the event's payload is not the SHA-256 of the request's body ({expected})")]
    Payload {
        /// Of the request's body.
        expected: sha256::Hash,
    },
}

impl AuthError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            AuthError::Malformed { .. } | AuthError::TwoTags { .. } | AuthError::Kind { .. } => {
                "auth_malformed"
            }
            AuthError::Id | AuthError::Signature => "auth_signature",
            AuthError::Clock { .. } => "auth_clock",
            AuthError::Url { .. } => "auth_url",
            AuthError::Method { .. } => "auth_method",
            AuthError::NoPayload | AuthError::Payload { .. } => "auth_payload",
        }
    }
}

/// Checks a header against the request it came with. That its event was not used before is left to the
/// caller.
///
/// # Errors
/// [`AuthError`], the first check that fails.
pub fn verify<C: Verification>(
    secp: &Secp256k1<C>,
    header: &str,
    asked: &Asked<'_>,
    now_secs: u64,
) -> Result<Signed, AuthError> {
    let event = parse(header)?;
    if event.kind != KIND {
        return Err(AuthError::Kind { given: event.kind });
    }
    if event.computed_id() != event.id {
        return Err(AuthError::Id);
    }
    let message = Message::from_digest(event.id.to_byte_array());
    secp.verify_schnorr(&event.sig, &message, &event.pubkey).map_err(|_| AuthError::Signature)?;
    let off_secs = now_secs.abs_diff(event.created_at);
    if off_secs > WINDOW_SECS {
        return Err(AuthError::Clock { off_secs, behind: event.created_at < now_secs, now_secs });
    }
    let url = event.tag("u")?.unwrap_or_default();
    if url != asked.url {
        return Err(AuthError::Url { given: url.to_owned(), expected: asked.url.to_owned() });
    }
    let method = event.tag("method")?.unwrap_or_default();
    if method != asked.method {
        return Err(AuthError::Method { given: method.to_owned(), expected: asked.method.to_owned() });
    }
    let expected = sha256::Hash::hash(asked.body);
    match event.tag("payload")? {
        None if asked.body.is_empty() => {}
        None => return Err(AuthError::NoPayload),
        Some(given) if given == expected.to_string() => {}
        Some(_) => return Err(AuthError::Payload { expected }),
    }
    Ok(Signed { key: event.pubkey, event: EventId(event.id.to_byte_array()), created_at: event.created_at })
}

fn parse(header: &str) -> Result<Event, AuthError> {
    let malformed = |reason: &str| AuthError::Malformed { reason: reason.to_owned() };
    if header.len() > MAX_HEADER_BYTES {
        return Err(malformed("it is longer than 8192 bytes"));
    }
    let (scheme, token) = header.trim().split_once(' ').ok_or_else(|| malformed("one word only"))?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(malformed("another scheme"));
    }
    let token = token.trim();
    // The example of NIP-98 itself is written without padding.
    let bytes = STANDARD
        .decode(token)
        .or_else(|_| STANDARD_NO_PAD.decode(token))
        .map_err(|_| malformed("the event is not base64"))?;
    serde_json::from_slice(&bytes).map_err(|e| AuthError::Malformed { reason: e.to_string() })
}

/// The header that signs a request. Two events of one second differ by `nonce` (hex), which makes each a
/// request of its own.
pub fn authorization(key: &Keypair, asked: &Asked<'_>, created_at: u64, nonce: &str) -> String {
    let mut tags = vec![tag("u", asked.url), tag("method", asked.method)];
    if !asked.body.is_empty() {
        tags.push(tag("payload", &sha256::Hash::hash(asked.body).to_string()));
    }
    if !nonce.is_empty() {
        tags.push(tag("nonce", nonce));
    }
    let secp = Secp256k1::new();
    let mut event = Event {
        id: sha256::Hash::all_zeros(),
        pubkey: key.x_only_public_key().0,
        created_at,
        kind: KIND,
        tags,
        content: String::new(),
        // Of nothing yet; the id does not depend on it.
        sig: secp.sign_schnorr_no_aux_rand(&Message::from_digest([0; 32]), key),
    };
    event.id = event.computed_id();
    event.sig = secp.sign_schnorr_no_aux_rand(&Message::from_digest(event.id.to_byte_array()), key);
    let json = serde_json::to_vec(&event).expect("text and numbers are JSON");
    format!("{SCHEME} {}", STANDARD.encode(json))
}

fn tag(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}

/// A public key as people of Nostr write it (NIP-19).
pub fn npub(key: &XOnlyPublicKey) -> String {
    bech32::encode::<Bech32>(Hrp::parse_unchecked("npub"), &key.serialize()).expect("32 bytes are short")
}

/// Reads a public key: 64 hex digits, or `npub1...` (NIP-19).
pub fn parse_public(text: &str) -> Option<XOnlyPublicKey> {
    if let Ok(key) = text.parse() {
        return Some(key);
    }
    let (hrp, bytes) = bech32::decode(text).ok()?;
    if hrp != Hrp::parse_unchecked("npub") {
        return None;
    }
    XOnlyPublicKey::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests;
