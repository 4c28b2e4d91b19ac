//! Files of secrets: encrypted in place, under another passphrase, looked into. The old file goes only when
//! the new one was read back from the disk and opened.

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::pledge::{max_recovery_bytes, read_recovery_bytes};
use crate::cli::text::Rows;
use crate::cli::unlock::{NoPassphraseArg, read_passphrase};
use crate::escrow::network::Network;
use crate::escrow::recovery::RecoveryFile;
use crate::keys::{
    KeyFileError, MAX_KEY_FILE_BYTES, Passphrase, Phrase, SignerKeys, SponsorKeys, Stored, Zeroizing,
    replace_secret, sealed_or_plain,
};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct EncryptArgs {
    /// Key, recovery or wallet file
    file: PathBuf,
}

#[derive(Args)]
pub struct PasswdArgs {
    /// Key, recovery or wallet file
    file: PathBuf,
    /// File with the new passphrase; asked for at the terminal by default
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    new_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    without: NoPassphraseArg,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Key or recovery file
    file: PathBuf,
    /// Compare with the words in this file, or - to type them
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Show the keys for this network as well
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Option<Network>,
}

/// A file that was written anew.
#[derive(Serialize)]
struct Rewritten {
    file: PathBuf,
    encrypted: bool,
}

impl fmt::Display for Rewritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.encrypted {
            writeln!(f, "{file} is encrypted; it was read back and opened before the old one went.")?;
            writeln!(
                f,
                "Copies and backups made before are as they were. A disk may keep what was overwritten."
            )
        } else {
            writeln!(f, "{file} is no longer encrypted: whoever reads it, or a backup of it, has the keys.")
        }
    }
}

fn stored(path: &Path) -> Result<Stored, KeyFileError> {
    Stored::read_file(path, max_recovery_bytes())
}

/// Puts `plain` in the place of a file, under a passphrase or none.
fn rewrite(path: &Path, plain: &[u8], passphrase: Option<&Passphrase>) -> Result<(), KeyFileError> {
    let bytes = sealed_or_plain(plain, passphrase);
    replace_secret(path, &bytes, |written| {
        let opened = Stored::read(written, path, max_recovery_bytes()).and_then(|stored| {
            stored.open(|path| {
                passphrase.cloned().ok_or_else(|| KeyFileError::Locked { path: path.to_owned() })
            })
        });
        opened.is_ok_and(|opened| *opened == plain)
    })
}

/// `upfront key encrypt`.
pub fn encrypt(context: &Context<'_>, args: &EncryptArgs) -> anyhow::Result<()> {
    let Stored::Plain(plain) = stored(&args.file)? else {
        let message = format!("{} is encrypted already", args.file.display());
        return Err(Failure::refused("encrypted", message)
            .hint("`upfront key passwd` changes its passphrase")
            .into());
    };
    let what = args.file.display().to_string();
    let passphrase = context.new_passphrase(&what, NoPassphraseArg { no_passphrase: false })?;
    rewrite(&args.file, &plain, passphrase.as_ref())?;
    context.report(&Rewritten { file: args.file.clone(), encrypted: passphrase.is_some() })
}

/// `upfront key passwd`.
pub fn passwd(context: &Context<'_>, args: &PasswdArgs) -> anyhow::Result<()> {
    let stored = stored(&args.file)?;
    if matches!(stored, Stored::Plain(_)) {
        let message = format!("{} is not encrypted", args.file.display());
        return Err(Failure::refused("not_encrypted", message).hint("`upfront key encrypt` does it").into());
    }
    let (plain, _) = context.unlock(stored)?;
    let passphrase = match &args.new_passphrase_file {
        _ if args.without.no_passphrase => None,
        Some(path) => {
            let passphrase = read_passphrase(path)?;
            passphrase.fit_for_new().map_err(|error| Failure::refused("passphrase", error.to_string()))?;
            Some(passphrase)
        }
        // The passphrase given for this command is the old one.
        None => Some(context.type_twice(&args.file.display().to_string())?),
    };
    rewrite(&args.file, &plain, passphrase.as_ref())?;
    context.report(&Rewritten { file: args.file.clone(), encrypted: passphrase.is_some() })
}

/// What is in a file, without a secret.
#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    encrypted: bool,
    /// Nobody but the owner can read it.
    private: bool,
    #[serde(flatten)]
    holds: Holds,
    /// Whether the words given are those in the file; absent where none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_words: Option<bool>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Holds {
    Phrase {
        words: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        keys: Option<FirstKeys>,
    },
    Recovery {
        charter: String,
        index: u32,
        address: String,
        key: bool,
        words: bool,
        outpoints: usize,
        /// Signed refunds that anybody can send once their time has come.
        ladder: usize,
    },
}

/// The beginning of each row of keys.
#[derive(Serialize)]
struct FirstKeys {
    network: Network,
    signer_key: String,
    sponsor_key: String,
    refund_address: String,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let mut rows = Rows::new();
        rows.row("file", self.file.display()).row("encrypted", yes(self.encrypted));
        rows.row("private", if self.private { "yes" } else { "no: others can read the file (chmod 600)" });
        match &self.holds {
            Holds::Phrase { words, keys } => {
                rows.row("holds", format!("a recovery phrase of {words} words, checksum right"));
                if let Some(keys) = keys {
                    rows.row("network", keys.network)
                        .row("signer key", &keys.signer_key)
                        .row("sponsor key", &keys.sponsor_key)
                        .row("refund address", &keys.refund_address);
                }
            }
            Holds::Recovery { charter, index, address, key, words, outpoints, ladder } => {
                rows.row("holds", format!("the recovery file of pledge {index}"))
                    .row("charter", charter)
                    .row("address", address)
                    .row("sponsor's key", yes(*key))
                    .row("words", yes(*words))
                    .row("refunds", format!("{ladder} transactions for {outpoints} outputs"));
            }
        }
        match self.same_words {
            Some(true) => _ = rows.row("your words", "are those in the file"),
            Some(false) => _ = rows.row("your words", "are OTHERS than those in the file"),
            None => {}
        }
        write!(f, "{rows}")
    }
}

/// `upfront key check`: ends with status 4 where the words differ.
pub fn check(context: &Context<'_>, args: &CheckArgs) -> anyhow::Result<Exit> {
    let (bytes, passphrase) = context.unlock(stored(&args.file)?)?;
    let is_recovery = bytes.trim_ascii_start().starts_with(b"{");
    let (holds, phrase) = if is_recovery {
        let file = read_recovery_bytes(&args.file, &bytes)?;
        let phrase = file.phrase().map(Phrase::parse).transpose()?;
        (recovery(&file), phrase)
    } else {
        let phrase = Phrase::from_bytes(&bytes)?;
        let words = phrase.expose().split(' ').count();
        let keys = args.network.map(|network| first_keys(&phrase, network)).transpose()?;
        (Holds::Phrase { words, keys }, Some(phrase))
    };
    let same_words = match (&args.against, phrase) {
        (None, _) => None,
        (Some(_), None) => return Err(Failure::refused("no_words", "there are no words in this file").into()),
        (Some(path), Some(phrase)) => Some(words_of(path)? == phrase),
    };
    let encrypted = passphrase.is_some();
    let file = args.file.clone();
    context.report(&Checked { private: private(&file), file, encrypted, holds, same_words })?;
    Ok(if same_words == Some(false) { Exit::Untrue } else { Exit::Done })
}

fn recovery(file: &RecoveryFile) -> Holds {
    Holds::Recovery {
        charter: file.charter().id().to_string(),
        index: file.pledge().index,
        address: file.output().address.to_string(),
        key: file.key().is_some(),
        words: file.phrase().is_some(),
        outpoints: file.refunds().len(),
        ladder: file.ready_transactions().iter().filter(|ready| ready.sat_per_vb > 0).count(),
    }
}

fn first_keys(phrase: &Phrase, network: Network) -> Result<FirstKeys, KeyFileError> {
    let sponsor = SponsorKeys::new(phrase.clone(), network);
    Ok(FirstKeys {
        network,
        signer_key: SignerKeys::new(phrase, network, 0)?.expression().to_string(),
        sponsor_key: sponsor.refund_key(0)?.x_only_public_key().0.to_string(),
        refund_address: sponsor.refund_address(0)?.to_string(),
    })
}

/// Words typed at the terminal (not shown), piped in, or in a file.
fn words_of(path: &Path) -> anyhow::Result<Phrase> {
    if path == Path::new("-") && io::stdin().is_terminal() && !cfg!(test) {
        let typed = Zeroizing::new(rpassword::prompt_password("The words, from paper: ")?);
        return Ok(Phrase::parse(&typed)?);
    }
    let stored = if path == Path::new("-") {
        Stored::read(io::stdin().lock(), Path::new("standard input"), MAX_KEY_FILE_BYTES)?
    } else {
        Stored::read_file(path, MAX_KEY_FILE_BYTES)?
    };
    Ok(Phrase::from_bytes(&stored.plain()?)?)
}

#[cfg(unix)]
fn private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn private(_: &Path) -> bool {
    true
}
