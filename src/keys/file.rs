//! Files with secrets and files of state: the first are never overwritten, the second replaced whole.
//! Both are on the disk before the call returns.

use super::{KeyFileError, Zeroizing};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

fn only_for_owner(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Writes a new file that its owner alone can read (mode 0600).
///
/// # Errors
/// [`KeyFileError::Exists`] where there is one already; [`KeyFileError::File`].
pub fn write_new_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::File { action: "cannot write", path: path.to_owned(), source },
    };
    let mut options = OpenOptions::new();
    let mut file = only_for_owner(options.write(true).create_new(true)).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path)).map_err(failed)
}

/// Replaces a file by a new one with the same name and mode 0600: after a crash there is the old or the
/// new one, never a part of either.
///
/// # Errors
/// [`KeyFileError::File`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = only_for_owner(options.write(true).create(true).truncate(true)).open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(temporary, path)?;
        sync_parent(path)
    };
    write().map_err(|source| KeyFileError::File { action: "cannot write", path: path.to_owned(), source })
}

/// Replaces a file of secrets that may be the only copy: the new one is on the disk, read back from there and
/// found good by `verify` before it takes the old one's place.
///
/// # Errors
/// [`KeyFileError::Unverified`] where `verify` refuses; [`KeyFileError::File`]. The old file is untouched then.
pub fn replace_secret(
    path: &Path,
    bytes: &[u8],
    verify: impl FnOnce(&[u8]) -> bool,
) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::File { action: "cannot write", path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    let write = || -> std::io::Result<Zeroizing<Vec<u8>>> {
        // Left behind by a crash. It never was the only copy, for then it would have been renamed.
        match std::fs::remove_file(temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = only_for_owner(options.write(true).create_new(true)).open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::read(temporary).map(Zeroizing::new)
    };
    let written = write().map_err(failed)?;
    if *written != bytes || !verify(&written) {
        // What cannot be removed is a copy that nobody needs.
        let _ = std::fs::remove_file(temporary);
        return Err(KeyFileError::Unverified { path: path.to_owned() });
    }
    std::fs::rename(temporary, path).and_then(|()| sync_parent(path)).map_err(failed)
}

/// A new name is durable once its directory is.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}
