//! Files with secrets and files of state: the first are never overwritten, the second replaced whole.
//! Both are on the disk before the call returns.

use super::KeyFileError;
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

/// A new name is durable once its directory is.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}
