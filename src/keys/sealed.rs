//! Files under a passphrase: the age format (<https://c2sp.org/age>), scrypt recipient, ASCII armor, so that
//! the stock `age -d` opens them without this program. Bytes in, bytes out; files are in `file.rs`.

use super::Passphrase;
use age::DecryptError;
use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::zeroize::Zeroizing;
use std::io::{ErrorKind, Read, Write};

/// First line of an armored file.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// First line of one without armor.
const BINARY: &[u8] = b"age-encryption.org/v1";
/// Most work that a file may ask for, as a power of two: 1 GiB of memory, some seconds. A file that asks
/// for more was made to hang its reader.
const MAX_LOG_N: u8 = 20;
/// Least work that a file written here asks for: what the stock tool always takes. A machine that is busy while
/// it calibrates thinks itself slow.
const MIN_LOG_N: u8 = 18;

/// Why a sealed text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Another passphrase, or a damaged header: the format cannot tell them apart.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Opened by a key, not by a passphrase.
    #[error("it is encrypted to a key, not with a passphrase")]
    NotPassphrase,
    /// The work asked for is beyond any that is meant well.
    #[error("it asks for 2^{log_n} steps of work to be opened; 2^{MAX_LOG_N} is the most that is done")]
    TooMuchWork {
        /// The power of two.
        log_n: u8,
    },
    /// Cut off, changed, or no age file at all.
    #[error("it is damaged: no whole age file")]
    Damaged,
    /// More inside than is read.
    #[error("what is in it is longer than {max} bytes")]
    TooLong {
        /// Longest accepted.
        max: u64,
    },
}

/// Whether bytes begin as an age file does.
pub fn is_sealed(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(ARMOR) || bytes.starts_with(BINARY)
}

/// Puts bytes under a passphrase; the work to open them is calibrated to about a second on this machine,
/// within bounds.
pub fn seal(plain: &[u8], passphrase: &Passphrase) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.secret());
    if cfg!(test) {
        // Unit tests seal hundreds of files; what a second of work is worth is not what they test.
        recipient.set_work_factor(6);
        return seal_to(plain, &recipient);
    }
    let sealed = seal_to(plain, &recipient);
    match log_n(&sealed) {
        Some(log_n) if (MIN_LOG_N..=MAX_LOG_N).contains(&log_n) => sealed,
        found => {
            recipient.set_work_factor(found.unwrap_or(MIN_LOG_N).clamp(MIN_LOG_N, MAX_LOG_N));
            seal_to(plain, &recipient)
        }
    }
}

fn seal_to(plain: &[u8], recipient: &age::scrypt::Recipient) -> Vec<u8> {
    let write = || -> std::io::Result<Vec<u8>> {
        let recipients = std::iter::once(recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(std::io::Error::other)?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(plain)?;
        writer.finish()?.finish()
    };
    write().expect("memory takes all that is written, and one passphrase is a whole set of recipients")
}

/// The work factor that a file's header asks for.
fn log_n(sealed: &[u8]) -> Option<u8> {
    let mut header = Vec::new();
    ArmoredReader::new(sealed).take(512).read_to_end(&mut header).ok()?;
    let stanza = header.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"-> scrypt "))?;
    std::str::from_utf8(stanza).ok()?.rsplit(' ').next()?.parse().ok()
}

/// Opens what [`seal`], `age -p` or another implementation made; at most `max` bytes of content.
///
/// # Errors
/// [`SealedError`]; nothing of content or passphrase is in it.
pub fn open(sealed: &[u8], passphrase: &Passphrase, max: u64) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let mut identity = age::scrypt::Identity::new(passphrase.secret());
    identity.set_max_work_factor(MAX_LOG_N);
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(sealed.trim_ascii())).map_err(refused)?;
    if !decryptor.is_scrypt() {
        return Err(SealedError::NotPassphrase);
    }
    let reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(refused)?;
    let mut plain = Zeroizing::new(Vec::new());
    reader.take(max.saturating_add(1)).read_to_end(&mut plain).map_err(|_| SealedError::Damaged)?;
    if u64::try_from(plain.len()).is_ok_and(|len| len > max) {
        return Err(SealedError::TooLong { max });
    }
    Ok(plain)
}

fn refused(error: DecryptError) -> SealedError {
    match error {
        DecryptError::ExcessiveWork { required, .. } => SealedError::TooMuchWork { log_n: required },
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => SealedError::WrongPassphrase,
        DecryptError::NoMatchingKeys => SealedError::NotPassphrase,
        DecryptError::Io(error) if error.kind() == ErrorKind::OutOfMemory => {
            SealedError::TooMuchWork { log_n: MAX_LOG_N }
        }
        // Every other one, those of later versions included, is a file that is not what it should be.
        _ => SealedError::Damaged,
    }
}

#[cfg(test)]
mod tests;
