//! Passphrases of key and recovery files: from a file or an open descriptor that the caller names, else asked
//! for at the terminal, for each command anew. Nothing here keeps or prints one.

use super::context::Context;
use super::exit::Failure;
use crate::escrow::network::Network;
use crate::keys::{KeyFileError, MAX_KEY_FILE_BYTES, Passphrase, Phrase, SealedError, Stored, Zeroizing};
use anyhow::Context as _;
use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

/// How often a person may mistype.
const ATTEMPTS: u32 = 3;

/// Where passphrases come from.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PassphraseArgs {
    /// File whose one line is the passphrase of key and recovery files [default: asked for at the terminal]
    #[arg(long, global = true, value_name = "FILE", env = "UPFRONT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Open file descriptor to read that passphrase from
    #[arg(long, global = true, value_name = "N")]
    passphrase_fd: Option<u32>,
}

/// Passphrases of one command.
pub struct Passphrases {
    source: Option<PathBuf>,
    // A descriptor gives its text once.
    read: OnceCell<Passphrase>,
}

impl From<PassphraseArgs> for Passphrases {
    fn from(args: PassphraseArgs) -> Passphrases {
        let descriptor = args.passphrase_fd.map(|number| PathBuf::from(format!("/dev/fd/{number}")));
        Passphrases { source: descriptor.or(args.passphrase_file), read: OnceCell::new() }
    }
}

impl Passphrases {
    fn given(&self) -> anyhow::Result<Option<Passphrase>> {
        let Some(path) = &self.source else { return Ok(None) };
        if self.read.get().is_none() {
            let _ = self.read.set(read_passphrase(path)?);
        }
        Ok(self.read.get().cloned())
    }
}

/// Reads a file that holds a passphrase.
pub fn read_passphrase(path: &Path) -> anyhow::Result<Passphrase> {
    Ok(Passphrase::read_file(path)
        .map_err(|source| KeyFileError::Passphrase { path: path.to_owned(), source })?)
}

/// Whether a new secret is left readable.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct NoPassphraseArg {
    /// Leave the file unencrypted: whoever reads it, or a backup of it, has the keys
    #[arg(long)]
    pub no_passphrase: bool,
}

/// A phrase with what opened its file.
pub struct Unlocked {
    /// The words.
    pub phrase: Phrase,
    /// `None` where the file is plain.
    pub passphrase: Option<Passphrase>,
}

impl Context<'_> {
    /// The passphrase of an encrypted file: the one given, else typed.
    pub fn passphrase_of(&self, path: &Path) -> anyhow::Result<Passphrase> {
        match self.passphrases().given()? {
            Some(passphrase) => Ok(passphrase),
            None => type_one(&format!("Passphrase of {}: ", path.display()))?.ok_or_else(|| {
                let message = format!(
                    "{} is encrypted, and there is no terminal to ask for its passphrase",
                    path.display()
                );
                Failure::locked("passphrase_needed", message)
                    .hint("give --passphrase-file FILE, or set UPFRONT_PASSPHRASE_FILE")
                    .into()
            }),
        }
    }

    /// The content of a file of secrets. Somebody at a terminal may mistype the passphrase twice.
    pub fn unlock(&self, stored: Stored) -> anyhow::Result<(Zeroizing<Vec<u8>>, Option<Passphrase>)> {
        let sealed = match stored {
            Stored::Plain(plain) => return Ok((plain, None)),
            Stored::Sealed(sealed) => sealed,
        };
        let given = self.passphrases().given()?.is_some();
        let mut attempt = 1;
        loop {
            let passphrase = self.passphrase_of(sealed.path())?;
            match sealed.open(&passphrase) {
                Ok(plain) => return Ok((plain, Some(passphrase))),
                Err(KeyFileError::Sealed { source: SealedError::WrongPassphrase, .. })
                    if !given && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    self.note("That is not the passphrase. Once more:");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A passphrase for something new: given, or typed twice. `None` where the person wants none.
    pub fn new_passphrase(&self, what: &str, without: NoPassphraseArg) -> anyhow::Result<Option<Passphrase>> {
        if without.no_passphrase {
            self.note(format_args!(
                "Left unencrypted: whoever reads {what}, or a backup of it, has the keys. Encrypt it later with \
                 `upfront key encrypt`."
            ));
            return Ok(None);
        }
        let passphrase = match self.passphrases().given()? {
            Some(passphrase) => passphrase,
            None => self.type_twice(what)?,
        };
        passphrase.fit_for_new().map_err(|error| Failure::refused("passphrase", error.to_string()))?;
        Ok(Some(passphrase))
    }

    /// A new passphrase, typed twice.
    pub fn type_twice(&self, what: &str) -> anyhow::Result<Passphrase> {
        let none = || {
            let message =
                format!("{what} is to be encrypted, and there is no terminal to ask for a passphrase");
            Failure::locked("passphrase_needed", message)
                .hint("give --passphrase-file FILE; or --no-passphrase, which leaves the keys readable")
        };
        let first = type_one(&format!("New passphrase for {what}: "))?.ok_or_else(none)?;
        first.fit_for_new().map_err(|error| Failure::refused("passphrase", error.to_string()))?;
        let again = type_one("The same again: ")?.ok_or_else(none)?;
        if first == again {
            Ok(first)
        } else {
            Err(Failure::refused("passphrase", "the two passphrases differ; nothing was written").into())
        }
    }

    /// Reads a phrase from a file, or for `-` from standard input. On mainnet a plain file is worth a word.
    pub fn read_phrase(&self, path: &Path, network: Option<Network>) -> anyhow::Result<Unlocked> {
        let stored = if path == Path::new("-") {
            Stored::read(io::stdin().lock(), Path::new("standard input"), MAX_KEY_FILE_BYTES)
        } else {
            Stored::read_file(path, MAX_KEY_FILE_BYTES)
        };
        let (bytes, passphrase) = self.unlock(stored.context("cannot read the key")?)?;
        let phrase = Phrase::from_bytes(&bytes).context("cannot read the key")?;
        if passphrase.is_none() && network == Some(Network::Mainnet) && path != Path::new("-") {
            self.note(format_args!(
                "warning: {0} is not encrypted; `upfront key encrypt {0}` does it",
                path.display()
            ));
        }
        Ok(Unlocked { phrase, passphrase })
    }
}

/// One line from the terminal, not shown while it is typed; `None` where there is no terminal.
fn type_one(prompt: &str) -> anyhow::Result<Option<Passphrase>> {
    // Nobody sits before a unit test, though its terminal may be there.
    if cfg!(test) {
        return Ok(None);
    }
    match rpassword::prompt_password(prompt) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let passphrase = Passphrase::new(text);
            Ok(Some(passphrase.map_err(|error| Failure::refused("passphrase", error.to_string()))?))
        }
        // ENXIO, ENOTTY, ENOENT: a process without a terminal of its own.
        Err(error) if error.raw_os_error().is_some() => Ok(None),
        Err(error) => Err(error).context("cannot ask for the passphrase"),
    }
}
