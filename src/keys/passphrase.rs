//! Passphrases: typed by a person or read from a file. Nothing here shows one: not `Debug`, no error.

use age::secrecy::zeroize::Zeroizing;
use age::secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// No passphrase is longer; reading stops here.
const MAX_BYTES: u64 = 1024;
/// A new passphrase has at least so many characters. Guessing costs a second each; a short one falls anyway.
const MIN_NEW_CHARS: usize = 8;

/// A passphrase of a key file.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Passphrase) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// Why a text is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Read(std::io::Error),
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// Several lines: which one is meant?
    #[error("it has more than one line")]
    Lines,
    /// Too long for a passphrase.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Too short for a new one.
    #[error("a new passphrase has at least {MIN_NEW_CHARS} characters; several random words are best")]
    TooShort,
}

impl Passphrase {
    /// A passphrase, without the end of its line.
    ///
    /// # Errors
    /// [`PassphraseError::Empty`], [`PassphraseError::Lines`], [`PassphraseError::TooLong`].
    pub fn new(text: Zeroizing<String>) -> Result<Passphrase, PassphraseError> {
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(PassphraseError::Empty);
        }
        if line.contains(['\n', '\r']) {
            return Err(PassphraseError::Lines);
        }
        if u64::try_from(line.len()).is_ok_and(|len| len > MAX_BYTES) {
            return Err(PassphraseError::TooLong);
        }
        Ok(Passphrase(SecretString::from(line)))
    }

    /// The single line of a file (`/dev/fd/3` for what another program passes on).
    ///
    /// # Errors
    /// [`PassphraseError`], without a word of the file.
    pub fn read_file(path: &Path) -> Result<Passphrase, PassphraseError> {
        let file = std::fs::File::open(path).map_err(PassphraseError::Read)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_BYTES + 3).read_to_end(&mut bytes).map_err(PassphraseError::Read)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText)?;
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    /// Whether it may protect something new.
    ///
    /// # Errors
    /// [`PassphraseError::TooShort`].
    pub fn fit_for_new(&self) -> Result<(), PassphraseError> {
        let long_enough = self.0.expose_secret().chars().count() >= MIN_NEW_CHARS;
        if long_enough { Ok(()) } else { Err(PassphraseError::TooShort) }
    }

    pub(super) fn secret(&self) -> SecretString {
        self.0.clone()
    }
}
