//! Signatures over statements, in the two forms people's keys can make: BIP340 over the statement's tagged
//! hash, and BIP322 for wallets that sign transactions only. And whose keys they are checked under.

use super::bip322::{self, Bip322Error};
use super::statement::{BadSignature, Statement};
use bitcoin::secp256k1::{Message, Secp256k1, Verification, XOnlyPublicKey, schnorr};
use bitcoin::taproot;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A signature over a statement, written as 128 hex digits (BIP340) or `smp` and base64 (BIP322).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementSignature {
    /// BIP340, over the statement's tagged hash.
    Tagged(schnorr::Signature),
    /// BIP322, over the statement's tag and lines.
    Bip322(taproot::Signature),
}

impl From<schnorr::Signature> for StatementSignature {
    fn from(signature: schnorr::Signature) -> StatementSignature {
        StatementSignature::Tagged(signature)
    }
}

impl fmt::Display for StatementSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatementSignature::Tagged(signature) => signature.fmt(f),
            StatementSignature::Bip322(signature) => f.write_str(&bip322::to_text(signature)),
        }
    }
}

impl FromStr for StatementSignature {
    type Err = Bip322Error;
    fn from_str(text: &str) -> Result<Self, Bip322Error> {
        match text.parse::<schnorr::Signature>() {
            Ok(signature) => Ok(StatementSignature::Tagged(signature)),
            Err(_) => bip322::parse(text).map(StatementSignature::Bip322),
        }
    }
}

impl Serialize for StatementSignature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatementSignature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error| {
            serde::de::Error::custom(format!("a signature is 128 hex digits (BIP340), or BIP322's: {error}"))
        })
    }
}

/// Under which keys somebody's statements verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The key that signs tagged hashes.
    tagged: XOnlyPublicKey,
    /// The internal key of the `tr()` output whose owner signs by BIP322.
    bip322: Option<XOnlyPublicKey>,
}

impl Speaker {
    /// A sponsor: S signs, or the owner of `tr(S)`.
    pub fn sponsor(key: XOnlyPublicKey) -> Speaker {
        Speaker { tagged: key, bip322: Some(key) }
    }

    /// A signer: `1000/0` below the account signs, or the owner of `tr(0/0)`, an address that wallets of
    /// the account know by themselves.
    pub fn signer(tagged: XOnlyPublicKey, first_child: XOnlyPublicKey) -> Speaker {
        Speaker { tagged, bip322: Some(first_child) }
    }

    /// A service, which signs tagged hashes and nothing else.
    pub fn service(key: XOnlyPublicKey) -> Speaker {
        Speaker { tagged: key, bip322: None }
    }

    /// An identity, which signs tagged hashes and nothing else.
    pub fn identity(key: XOnlyPublicKey) -> Speaker {
        Speaker { tagged: key, bip322: None }
    }

    /// The internal key of the output that speaks by BIP322.
    pub fn bip322_key(&self) -> Option<XOnlyPublicKey> {
        self.bip322
    }

    /// The key that a signature is checked under; `None` if it has a form that this speaker does not use.
    pub fn key_for(&self, signature: &StatementSignature) -> Option<XOnlyPublicKey> {
        match signature {
            StatementSignature::Tagged(_) => Some(self.tagged),
            StatementSignature::Bip322(_) => self.bip322,
        }
    }

    /// Checks a signature over `statement`.
    ///
    /// # Errors
    /// [`BadSignature`], with the key it was checked under.
    pub fn verify<S: Statement, C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        statement: &S,
        signature: &StatementSignature,
    ) -> Result<(), BadSignature> {
        let (key, holds) = match (signature, self.bip322) {
            (StatementSignature::Tagged(signature), _) => {
                let digest = Message::from_digest(statement.digest().0);
                (self.tagged, secp.verify_schnorr(signature, &digest, &self.tagged).is_ok())
            }
            (StatementSignature::Bip322(signature), Some(key)) => {
                (key, bip322::verify(secp, &bip322::message(statement), key, signature))
            }
            (StatementSignature::Bip322(_), None) => (self.tagged, false),
        };
        if holds { Ok(()) } else { Err(BadSignature { what: S::NAME, key }) }
    }
}
