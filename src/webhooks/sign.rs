//! Signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com, symmetric):
//! `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, keyed by the bytes behind `whsec_`.

use super::{NoRandomness, Randomness};
use bitcoin::base64::prelude::*;
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// A message older or newer than this is not believed (the specification's advice).
pub const TOLERANCE_SECS: u64 = 300;

/// Key of a webhook. Shown by [`Secret::expose`] only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(secret)")
    }
}

/// Not a webhook's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is whsec_ and the base64 of 24 to 64 bytes")]
pub struct SecretError;

impl Secret {
    /// 32 new bytes.
    ///
    /// # Errors
    /// Without randomness.
    pub fn generate(randomness: &dyn Randomness) -> Result<Secret, NoRandomness> {
        let mut bytes = vec![0; 32];
        randomness.fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// The text, for its owner and for the journal.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    /// `v1,...` over a message.
    pub fn sign(&self, id: &str, timestamp_secs: u64, body: &[u8]) -> String {
        format!("v1,{}", BASE64_STANDARD.encode(self.mac(id, timestamp_secs, body).to_byte_array()))
    }

    fn mac(&self, id: &str, timestamp_secs: u64, body: &[u8]) -> Hmac<sha256::Hash> {
        let mut engine = HmacEngine::<sha256::Hash>::new(&self.0);
        engine.input(format!("{id}.{timestamp_secs}.").as_bytes());
        engine.input(body);
        Hmac::from_engine(engine)
    }
}

impl std::str::FromStr for Secret {
    type Err = SecretError;
    fn from_str(text: &str) -> Result<Secret, SecretError> {
        let base64 = text.trim().strip_prefix(PREFIX).ok_or(SecretError)?;
        let bytes = BASE64_STANDARD.decode(base64).map_err(|_| SecretError)?;
        if (24..=64).contains(&bytes.len()) { Ok(Secret(bytes)) } else { Err(SecretError) }
    }
}

// For the webhooks' own journal, which is as secret as what it holds.
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// None of its signatures is right.
    #[error("no signature of this message is made with this secret over this id, timestamp and body")]
    Signature,
    /// Too old, or from the future: somebody may be sending it again.
    #[error("the message's timestamp is {off_secs} s off, more than {TOLERANCE_SECS} s")]
    Timestamp {
        /// How far.
        off_secs: u64,
    },
}

/// Checks a message that a receiver got: the headers `webhook-id`, `webhook-timestamp`, `webhook-signature`
/// (signatures separated by spaces, of which one must be right) and the body as it came.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp_secs: u64,
    signatures: &str,
    body: &[u8],
    now_secs: u64,
) -> Result<(), VerifyError> {
    let mac = secret.mac(id, timestamp_secs, body).to_byte_array();
    let given = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
    let right = |base64: &str| BASE64_STANDARD.decode(base64).is_ok_and(|bytes| same(&bytes, &mac));
    if !given.into_iter().any(right) {
        return Err(VerifyError::Signature);
    }
    let off_secs = now_secs.abs_diff(timestamp_secs);
    if off_secs > TOLERANCE_SECS { Err(VerifyError::Timestamp { off_secs }) } else { Ok(()) }
}

/// Takes as long whatever differs.
fn same(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len() && given.iter().zip(expected).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl dgst -sha256 -hmac`, see the specification for the form.
    #[test]
    fn the_specifications_form() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, 1_614_265_330, body), signature);
        assert_eq!(verify(&secret, id, 1_614_265_330, signature, body, 1_614_265_400), Ok(()));
        let several = format!("v1a,xyz {signature} v2,abc");
        assert_eq!(verify(&secret, id, 1_614_265_330, &several, body, 1_614_265_330), Ok(()));
        let late = verify(&secret, id, 1_614_265_330, signature, body, 1_614_266_000);
        assert_eq!(late, Err(VerifyError::Timestamp { off_secs: 670 }));
        for (id, at, signature, body) in [
            ("other", 1_614_265_330, signature, &body[..]),
            (id, 1_614_265_331, signature, body),
            (id, 1_614_265_330, signature, br#"{"test": 2432232315}"#),
            (id, 1_614_265_330, "v1,", body),
            (id, 1_614_265_330, "", body),
        ] {
            assert_eq!(verify(&secret, id, at, signature, body, at), Err(VerifyError::Signature));
        }
    }

    #[test]
    fn secrets_are_read_back_and_not_shown() {
        let secret = Secret(vec![7; 32]);
        assert_eq!(secret.expose().parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(secret)");
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(bad.parse::<Secret>(), Err(SecretError), "{bad}");
        }
    }
}
