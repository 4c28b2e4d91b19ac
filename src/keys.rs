//! Secret keys of sponsors and signers: from a phrase to the keys that sign, and the files phrases are in.
//!
//! Used by commands on a person's own machine. The service holds none of these keys (the operator's fee
//! wallet reads its phrase through here, and pays network fees only). A phrase comes from a file or
//! standard input, never from an argument; no `Debug`, error or log of this module shows one. Phrases
//! are English BIP39 without a BIP39 passphrase ("25th word"): the passphrase of a key file is age's, and
//! protects that file alone. Words on paper need no passphrase.

mod accounts;
mod file;
mod identity;
mod passphrase;
mod sealed;
mod signer;
mod sponsor;
mod stored;

pub use accounts::{AccountUse, Accounts};
pub use age::secrecy::zeroize::Zeroizing;
pub use file::{replace_file, replace_secret, write_new_secret};
pub use identity::{IDENTITY_PATH, Identity};
pub use passphrase::{Passphrase, PassphraseError};
pub use sealed::{SealedError, is_sealed};
pub use signer::SignerKeys;
pub use sponsor::{RecoveryMismatch, SponsorKeys};
pub use stored::{Sealed, Stored, sealed_or_plain};

use crate::escrow::network::Network;
use bip39::{Language, Mnemonic};
use bitcoin::bip32::{ChildNumber, Xpriv};
use bitcoin::secp256k1::{Keypair, Secp256k1, Signing};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No phrase with its comments is longer; reading stops here.
pub const MAX_KEY_FILE_BYTES: u64 = 16_384;
/// Entropy of a new phrase: 128 bits, twelve words.
const ENTROPY_BYTES: usize = 16;

/// Why there are no keys. No variant holds a word of the phrase.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A file cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Keys are never overwritten.
    #[error("{} is there already: keys are never overwritten; move it away or name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Too long for a phrase.
    #[error("this is longer than any such file ({max} bytes)")]
    TooLong {
        /// Longest accepted.
        max: u64,
    },
    /// It takes a passphrase, and there is none.
    #[error("{} is encrypted, and no passphrase was given", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It does not open.
    #[error("{} does not open: {source}", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealedError,
    },
    /// A file that should hold a passphrase.
    #[error("the passphrase from {}: {source}", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PassphraseError,
    },
    /// A file of accounts that cannot be understood.
    #[error("{} is no file of accounts: mend it, or move it away if you are sure which accounts are in use", path.display())]
    Accounts {
        /// The file.
        path: PathBuf,
    },
    /// What was written does not read back; the old file is untouched.
    #[error("{}: what was written does not read back; the file is as it was before", path.display())]
    Unverified {
        /// The file that was to be replaced.
        path: PathBuf,
    },
    /// Not text.
    #[error("this is not UTF-8 text")]
    NotText,
    /// Not a number of words that BIP39 knows.
    #[error("a recovery phrase has 12, 15, 18, 21 or 24 words; this has {words}")]
    WordCount {
        /// Words found.
        words: usize,
    },
    /// A word that is not in the list.
    #[error("word {position} of the phrase is not in the English BIP39 list")]
    UnknownWord {
        /// Which word, from 1.
        position: usize,
    },
    /// The checksum in the last word is wrong.
    #[error("the phrase's checksum is wrong: a word is mistyped or two are swapped")]
    Checksum,
    /// Not an unhardened BIP32 step.
    #[error("{what} {given} is out of range: 0 to 2147483647")]
    Index {
        /// Which number.
        what: &'static str,
        /// Its value.
        given: u32,
    },
    /// The system gives no random bytes.
    #[error("the system has no randomness to give: {detail}")]
    Randomness {
        /// What it said.
        detail: getrandom::Error,
    },
}

/// A BIP39 phrase. Shown by [`Phrase::expose`] only.
#[derive(Clone, PartialEq, Eq)]
pub struct Phrase(Mnemonic);

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(secret)")
    }
}

impl Phrase {
    /// Reads a phrase: `#` begins a comment, words may be on several lines and in capitals.
    ///
    /// # Errors
    /// [`KeyFileError::WordCount`], [`KeyFileError::UnknownWord`], [`KeyFileError::Checksum`].
    pub fn parse(text: &str) -> Result<Phrase, KeyFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let words: Vec<Zeroizing<String>> = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(str::split_whitespace)
            .map(|word| Zeroizing::new(word.to_ascii_lowercase()))
            .collect();
        let mut joined = Zeroizing::new(String::with_capacity(text.len() + words.len()));
        for (at, word) in words.iter().enumerate() {
            joined.extend([if at == 0 { "" } else { " " }, word.as_str()]);
        }
        let mnemonic = Mnemonic::parse_in(Language::English, joined.as_str()).map_err(|e| match e {
            bip39::Error::UnknownWord(index) => KeyFileError::UnknownWord { position: index + 1 },
            bip39::Error::InvalidChecksum => KeyFileError::Checksum,
            bip39::Error::BadWordCount(_)
            | bip39::Error::BadEntropyBitCount(_)
            | bip39::Error::AmbiguousLanguages(_) => KeyFileError::WordCount { words: words.len() },
        })?;
        Ok(Phrase(mnemonic))
    }

    /// Reads a phrase that is not encrypted from a file or standard input.
    pub fn read(source: impl Read) -> Result<Phrase, KeyFileError> {
        let stored = Stored::read(source, Path::new("standard input"), MAX_KEY_FILE_BYTES)?;
        Phrase::from_bytes(&stored.plain()?)
    }

    /// Reads a phrase that is not encrypted from a file.
    ///
    /// # Errors
    /// [`KeyFileError::Locked`] where it takes a passphrase: then see [`Stored`].
    pub fn read_file(path: &Path) -> Result<Phrase, KeyFileError> {
        Phrase::from_bytes(&Stored::read_file(path, MAX_KEY_FILE_BYTES)?.plain()?)
    }

    /// Reads a phrase from what a file held.
    pub fn from_bytes(bytes: &[u8]) -> Result<Phrase, KeyFileError> {
        Phrase::parse(std::str::from_utf8(bytes).map_err(|_| KeyFileError::NotText)?)
    }

    /// Twelve new words from the system's randomness.
    pub fn generate() -> Result<Phrase, KeyFileError> {
        let mut entropy = [0; ENTROPY_BYTES];
        getrandom::fill(&mut entropy).map_err(|detail| KeyFileError::Randomness { detail })?;
        Ok(Phrase::from_entropy(&entropy))
    }

    /// The twelve words of given entropy (for tests, and for whoever brings dice).
    pub fn from_entropy(entropy: &[u8; ENTROPY_BYTES]) -> Phrase {
        Phrase(Mnemonic::from_entropy(entropy).expect("128 bits make twelve words"))
    }

    /// The words, to be shown to their owner or written to their file.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }

    /// Writes the words to a new file that its owner alone can read; `comment` goes above, line by line.
    /// With a passphrase the whole of it is encrypted.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] where there is a file already; [`KeyFileError::File`].
    pub fn write_new(
        &self,
        path: &Path,
        comment: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), KeyFileError> {
        let mut text: Zeroizing<String> = Zeroizing::new(String::with_capacity(1024));
        comment.lines().for_each(|line| text.extend(["# ", line, "\n"]));
        text.push_str(&self.expose());
        text.push('\n');
        write_new_secret(path, &sealed_or_plain(text.as_bytes(), passphrase))
    }

    /// BIP32 root key.
    pub(crate) fn root(&self, network: Network) -> Xpriv {
        // A seed is refused for odds of 2^-127 only, which BIP32 tells to treat as a bad seed.
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        Xpriv::new_master(network.kind(), &*seed).expect("64 bytes of HMAC output")
    }
}

fn hardened<const N: usize>(steps: [u32; N]) -> [ChildNumber; N] {
    steps.map(|index| ChildNumber::Hardened { index })
}

fn unhardened(what: &'static str, given: u32) -> Result<ChildNumber, KeyFileError> {
    ChildNumber::from_normal_idx(given).map_err(|_| KeyFileError::Index { what, given })
}

pub(crate) fn derive<C: Signing>(secp: &Secp256k1<C>, parent: &Xpriv, path: &[ChildNumber]) -> Xpriv {
    parent.derive_priv(secp, &path).expect("BIP32 steps derive, but for odds of 2^-127")
}

fn keypair<C: Signing>(secp: &Secp256k1<C>, parent: &Xpriv, path: &[ChildNumber]) -> Keypair {
    derive(secp, parent, path).to_keypair(secp)
}

#[cfg(test)]
mod tests;
