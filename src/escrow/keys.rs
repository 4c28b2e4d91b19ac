//! A signer's key expression, `[fingerprint/87h/coin'h/k'h]xpub`, in the one spelling a charter accepts.
//!
//! Public keys only. A private key or a phrase that was pasted here by mistake is recognised, refused, and
//! never repeated in an error: no error of this module quotes its input.

use super::network::Network;
use super::signature::Speaker;
use bitcoin::NetworkKind;
use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpub};
use bitcoin::key::Secp256k1;
use bitcoin::secp256k1::{VerifyOnly, XOnlyPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::LazyLock;

/// BIP43 purpose of a signer's account: BIP87, hierarchical keys for multisignature.
pub const PURPOSE: u32 = 87;
/// Statements (attest, accept, ruling) are signed by the key at `1000/0` below the xpub.
pub const STATEMENT_GENERATION: u32 = 1000;
/// `fingerprint/87h/coin'h/k'h`: an account is three steps below its root.
const ACCOUNT_DEPTH: u8 = 3;
/// The longest key expression has 146 characters; decoding base58 is quadratic, so longer input stops here.
const MAX_CHARS: usize = 256;
/// BIP341's point with no known discrete logarithm, x coordinate of H.
const NUMS_H: &str = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";

/// Context of checks that have none of their own.
pub(in crate::escrow) static SECP: LazyLock<Secp256k1<VerifyOnly>> =
    LazyLock::new(Secp256k1::verification_only);

/// Why a text is not a signer's key. No variant holds the text: it may have been a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not of the form `[fingerprint/87h/coin'h/k'h]xpub`.
    #[error("not a key expression: {reason}; write it as [fingerprint/87h/coin'h/k'h]xpub")]
    NotAKeyExpression {
        /// What is wrong with its form.
        reason: &'static str,
    },
    /// An extended private key, a WIF or nsec key, or a recovery phrase.
    #[error("this is a private key or a recovery phrase: never give it to anyone; a public key belongs here")]
    PrivateKey,
    /// The extended key does not decode.
    #[error("the extended public key is damaged: its checksum, length or prefix is wrong")]
    InvalidXpub,
    /// An xpub on a test network, or a tpub on mainnet.
    #[error("the key is of the wrong network: {network} keys begin with {expected}")]
    WrongNetwork {
        /// Network it should be for.
        network: Network,
        /// `xpub` or `tpub`.
        expected: &'static str,
    },
    /// The first step is not 87.
    #[error("the path begins with {found}, not with 87 (BIP87, keys for multisignature)")]
    WrongPurpose {
        /// First step of the path.
        found: u32,
    },
    /// The second step is not the network's coin type.
    #[error("the coin type is {found}; it is {expected} on this network")]
    WrongCoinType {
        /// Second step of the path.
        found: u32,
        /// 0 on mainnet, 1 on the others.
        expected: u32,
    },
    /// A step of the account's path lacks its `h`.
    #[error("step {position} of the path is not hardened: all three end in h")]
    NotHardened {
        /// Which step, from 1.
        position: usize,
    },
    /// `/*h` after the key.
    #[error("a hardened wildcard after a public key can never be derived: end the text with the xpub")]
    HardenedWildcard,
    /// `/*` after the key.
    #[error("a wildcard follows the key: end the text with the xpub")]
    Wildcard,
    /// A further path after the key.
    #[error("a path follows the key: end the text with the xpub")]
    TrailingPath,
    /// The extended key is not three steps below its root.
    #[error("the extended key has depth {depth}; an account has depth 3")]
    DepthMismatch {
        /// Depth it has.
        depth: u8,
    },
    /// The extended key says that it is another account than the path says.
    #[error("the path ends in {in_path}h, but the extended key is child {in_xpub}")]
    AccountMismatch {
        /// Last step of the path.
        in_path: u32,
        /// Child number inside the extended key.
        in_xpub: ChildNumber,
    },
    /// BIP341's point H, for which nobody has a private key.
    #[error("this key is the point H of BIP341: nobody can sign for it")]
    Nums,
}

impl KeyError {
    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            KeyError::NotAKeyExpression { .. } => "key_not_an_expression",
            KeyError::PrivateKey => "key_private",
            KeyError::InvalidXpub => "key_invalid_xpub",
            KeyError::WrongNetwork { .. } => "key_wrong_network",
            KeyError::WrongPurpose { .. } => "key_wrong_purpose",
            KeyError::WrongCoinType { .. } => "key_wrong_coin_type",
            KeyError::NotHardened { .. } => "key_not_hardened",
            KeyError::HardenedWildcard => "key_hardened_wildcard",
            KeyError::Wildcard => "key_wildcard",
            KeyError::TrailingPath => "key_trailing_path",
            KeyError::DepthMismatch { .. } => "key_depth",
            KeyError::AccountMismatch { .. } => "key_account",
            KeyError::Nums => "key_nums",
        }
    }
}

/// The account key of a developer, representative or arbiter: BIP380 key origin and BIP32 extended public
/// key. One that exists has the right form, network, purpose, coin type and depth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignerKey {
    fingerprint: Fingerprint,
    account_path: DerivationPath,
    xpub: Xpub,
}

impl SignerKey {
    /// Reads a key expression for `network`. Takes `'` or `h` for hardened steps and capitals in the
    /// fingerprint; [`fmt::Display`] writes `h` and lower case.
    pub fn parse(text: &str, network: Network) -> Result<SignerKey, KeyError> {
        Self::parse_for(text, |_| network)
    }

    /// `network_of` names the network once the kind of the xpub is known.
    fn parse_for(text: &str, network_of: impl FnOnce(NetworkKind) -> Network) -> Result<SignerKey, KeyError> {
        if looks_private(text) {
            return Err(KeyError::PrivateKey);
        }
        let form = |reason| KeyError::NotAKeyExpression { reason };
        if text.len() > MAX_CHARS {
            return Err(form("too long"));
        }
        let rest = text.strip_prefix('[').ok_or(form("it does not begin with ["))?;
        let (origin, key) = rest.split_once(']').ok_or(form("] is missing"))?;
        let mut steps = origin.split('/');
        let fingerprint = steps.next().expect("split yields at least one part");
        if fingerprint.len() != 8 {
            return Err(form("the fingerprint has 8 hex digits"));
        }
        let fingerprint: Fingerprint =
            fingerprint.parse().map_err(|_| form("the fingerprint has 8 hex digits"))?;
        let steps: Vec<Step> =
            steps.map(Step::parse).collect::<Option<_>>().ok_or(form("a step of the path"))?;
        let [purpose, coin, account] =
            <[Step; 3]>::try_from(steps).map_err(|_| form("the path has three steps"))?;
        let (key, suffix) = key.split_once('/').map_or((key, None), |(key, suffix)| (key, Some(suffix)));
        match suffix {
            None => {}
            Some(path) if path.ends_with("*h") || path.ends_with("*'") || path.ends_with("*H") => {
                return Err(KeyError::HardenedWildcard);
            }
            Some(path) if path.ends_with('*') => return Err(KeyError::Wildcard),
            Some(_) => return Err(KeyError::TrailingPath),
        }
        let xpub: Xpub = key.parse().map_err(|_| KeyError::InvalidXpub)?;
        let network = network_of(xpub.network);
        if xpub.network != network.kind() {
            let expected = if network.kind().is_mainnet() { "xpub" } else { "tpub" };
            return Err(KeyError::WrongNetwork { network, expected });
        }
        if purpose.number != PURPOSE {
            return Err(KeyError::WrongPurpose { found: purpose.number });
        }
        if coin.number != network.coin_type() {
            return Err(KeyError::WrongCoinType { found: coin.number, expected: network.coin_type() });
        }
        for (position, step) in (1..).zip([&purpose, &coin, &account]) {
            if !step.hardened {
                return Err(KeyError::NotHardened { position });
            }
        }
        if xpub.depth != ACCOUNT_DEPTH {
            return Err(KeyError::DepthMismatch { depth: xpub.depth });
        }
        if xpub.child_number != (ChildNumber::Hardened { index: account.number }) {
            return Err(KeyError::AccountMismatch { in_path: account.number, in_xpub: xpub.child_number });
        }
        if xpub.to_x_only_pub() == NUMS_H.parse().expect("H is a point on the curve") {
            return Err(KeyError::Nums);
        }
        let account_path = [purpose, coin, account]
            .map(|step| ChildNumber::Hardened { index: step.number })
            .as_slice()
            .into();
        Ok(SignerKey { fingerprint, account_path, xpub })
    }

    /// Fingerprint of the root key (BIP32).
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// `87h/coin'h/k'h`, from the root.
    pub fn account_path(&self) -> &DerivationPath {
        &self.account_path
    }

    /// k of that path.
    pub fn account(&self) -> u32 {
        match self.account_path.as_ref() {
            [_, _, ChildNumber::Hardened { index }, ..] => *index,
            _ => 0,
        }
    }

    /// The account's extended public key.
    pub fn xpub(&self) -> &Xpub {
        &self.xpub
    }

    /// The key at `xpub/generation/index`: the one that stands in the output of a pledge.
    ///
    /// # Panics
    /// If either number is 2^31 or more, which no unhardened BIP32 step is. Callers bound them first.
    pub fn child(&self, generation: u32, index: u32) -> XOnlyPublicKey {
        self.xpub
            .derive_pub(&*SECP, &unhardened(generation, index))
            .expect("unhardened steps of an xpub of depth 3 derive (BIP32, but for odds of 2^-127)")
            .to_x_only_pub()
    }

    /// The key at `xpub/1000/0`, which signs statements and never stands in an output.
    pub fn statement_key(&self) -> XOnlyPublicKey {
        self.child(STATEMENT_GENERATION, 0)
    }

    /// Under which keys this signer's statements verify.
    pub fn speaker(&self) -> Speaker {
        Speaker::signer(self.statement_key(), self.child(0, 0))
    }

    /// `87h/coin'h/k'h/generation/index`, from the root, as BIP174 derivations are written.
    ///
    /// # Panics
    /// As [`SignerKey::child`].
    pub fn full_path(&self, generation: u32, index: u32) -> DerivationPath {
        self.account_path.extend(unhardened(generation, index))
    }
}

fn unhardened(generation: u32, index: u32) -> [ChildNumber; 2] {
    [generation, index]
        .map(|number| ChildNumber::from_normal_idx(number).expect("generation and index are below 2^31"))
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.fingerprint)?;
        for step in &self.account_path {
            match step {
                ChildNumber::Hardened { index } => write!(f, "/{index}h")?,
                ChildNumber::Normal { index } => write!(f, "/{index}")?,
            }
        }
        write!(f, "]{}", self.xpub)
    }
}

impl Serialize for SignerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text alone says main or test; whether it fits the charter's network, the charter decides.
impl<'de> Deserialize<'de> for SignerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network_of = |kind| match kind {
            NetworkKind::Main => Network::Mainnet,
            NetworkKind::Test => Network::Testnet4,
        };
        SignerKey::parse_for(&text, network_of).map_err(serde::de::Error::custom)
    }
}

/// One step of an account's path as written.
struct Step {
    number: u32,
    hardened: bool,
}

impl Step {
    fn parse(text: &str) -> Option<Step> {
        let digits = text.strip_suffix(['h', '\'']);
        let hardened = digits.is_some();
        let digits = digits.unwrap_or(text);
        // One spelling a number: no sign, no leading zero.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || (digits.starts_with('0') && digits != "0") {
            return None;
        }
        let number: u32 = digits.parse().ok()?;
        ChildNumber::from_normal_idx(number).ok()?;
        Some(Step { number, hardened })
    }
}

/// Whether a text has, anywhere in it, what could spend money: better one public key refused than one
/// private key passed on.
fn looks_private(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let phrase_like =
        |word: &&str| (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    // BIP39 has 12 to 24 words, in threes, of three to eight letters in its English list.
    if matches!(words.len(), 12 | 15 | 18 | 21 | 24) && words.iter().all(phrase_like) {
        return true;
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        // SLIP132 gives extended private keys other first letters; all go on with "prv".
        let extended = part.get(1..4) == Some("prv") && part.len() > 50;
        let wif = matches!(part.len(), 51 | 52)
            && part.starts_with(['5', 'K', 'L', '9', 'c'])
            && !part.contains(['0', 'O', 'I', 'l']);
        let nsec = part.starts_with("nsec1");
        extended || wif || nsec
    })
}

#[cfg(test)]
mod tests;
