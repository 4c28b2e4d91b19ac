//! A secret as it lies on the disk: plain, or under a passphrase. Knows nothing of what is in it.

use super::{KeyFileError, Passphrase, sealed};
use age::secrecy::zeroize::Zeroizing;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file of secrets, read whole.
pub enum Stored {
    /// Whoever reads the file has the secret.
    Plain(Zeroizing<Vec<u8>>),
    /// It takes the passphrase as well.
    Sealed(Sealed),
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stored::Plain(_) => "Stored::Plain(secret)",
            Stored::Sealed(_) => "Stored::Sealed",
        })
    }
}

/// Something under a passphrase.
pub struct Sealed {
    path: PathBuf,
    bytes: Vec<u8>,
    max: u64,
}

impl Stored {
    /// Reads a file of at most `max` bytes of secrets.
    ///
    /// # Errors
    /// [`KeyFileError::File`], [`KeyFileError::TooLong`].
    pub fn read_file(path: &Path, max: u64) -> Result<Stored, KeyFileError> {
        let failed = |source| KeyFileError::File { action: "cannot read", path: path.to_owned(), source };
        Stored::read(std::fs::File::open(path).map_err(failed)?, path, max)
    }

    /// Reads from anything; errors call it `path`.
    ///
    /// # Errors
    /// As [`Stored::read_file`].
    pub fn read(source: impl Read, path: &Path, max: u64) -> Result<Stored, KeyFileError> {
        // Armor makes a text a third longer, and has a header.
        let longest = max.saturating_mul(3) / 2 + 1024;
        let mut bytes = Zeroizing::new(Vec::new());
        source.take(longest + 1).read_to_end(&mut bytes).map_err(|source| KeyFileError::File {
            action: "cannot read",
            path: path.to_owned(),
            source,
        })?;
        let is_sealed = sealed::is_sealed(&bytes);
        let most = if is_sealed { longest } else { max };
        if u64::try_from(bytes.len()).is_ok_and(|read| read > most) {
            return Err(KeyFileError::TooLong { max });
        }
        Ok(if is_sealed {
            Stored::Sealed(Sealed { path: path.to_owned(), bytes: bytes.to_vec(), max })
        } else {
            Stored::Plain(bytes)
        })
    }

    /// The secret; `unlock` is asked for a passphrase where there is one.
    ///
    /// # Errors
    /// What `unlock` says; [`KeyFileError::Sealed`].
    pub fn open<E: From<KeyFileError>>(
        self,
        unlock: impl FnOnce(&Path) -> Result<Passphrase, E>,
    ) -> Result<Zeroizing<Vec<u8>>, E> {
        match self {
            Stored::Plain(bytes) => Ok(bytes),
            Stored::Sealed(sealed) => Ok(sealed.open(&unlock(&sealed.path)?)?),
        }
    }

    /// The secret of a plain file.
    ///
    /// # Errors
    /// [`KeyFileError::Locked`] where it takes a passphrase.
    pub fn plain(self) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        self.open(|path| Err(KeyFileError::Locked { path: path.to_owned() }))
    }
}

impl Sealed {
    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`KeyFileError::Sealed`].
    pub fn open(&self, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        sealed::open(&self.bytes, passphrase, self.max)
            .map_err(|source| KeyFileError::Sealed { path: self.path.clone(), source })
    }
}

/// What a secret looks like on the disk: sealed where a passphrase is given.
pub fn sealed_or_plain(plain: &[u8], passphrase: Option<&Passphrase>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match passphrase {
        Some(passphrase) => sealed::seal(plain, passphrase),
        None => plain.to_vec(),
    })
}
