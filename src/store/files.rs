//! The files port: the few things the journal asks of a file system, so that a full disk, a short
//! write, a failed fsync and a power cut can be played in tests. It must not grow conveniences:
//! each operation here is one whose failure the journal has thought about.

use std::any::Any;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use fs4::fs_std::FileExt;

/// Held for as long as a lock is; dropping it gives the lock back.
pub type Lock = Box<dyn Any + Send + Sync>;

/// A file system, as far as the journal needs one.
pub trait Files: Send + Sync {
    /// Makes a directory and its parents where they are missing.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Opens a file for reading from its start; `None` when there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>>;
    /// Opens a file for writing, made empty when there is none and left as it is otherwise.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;
    /// Renames a file over another. Lasting only after [`Files::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes creations and renames in `dir` last (fsync of the directory).
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on `path`, made when missing; `None` when somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
}

/// A file open for writing.
pub trait StoredFile: Send {
    /// Writes some of `bytes` at `offset` and says how many, as `write(2)` does.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// `fdatasync`: on return everything written so far survives a power cut. After an error nobody
    /// knows what does, and a second call that succeeds proves nothing.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Writes all of `bytes`, through short writes and interruptions.
pub(crate) fn write_all_at(file: &mut dyn StoredFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).ok_or(io::ErrorKind::InvalidData)?;
                offset += u64::try_from(written).map_err(io::Error::other)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(RealFile(open_rw(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = open_rw(path)?;
        Ok(if FileExt::try_lock_exclusive(&file)? { Some(Box::new(file)) } else { None })
    }
}

/// Readable by the service's own user only: what sponsors hand in for safe-keeping is not public.
fn open_rw(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

struct RealFile(File);

impl StoredFile for RealFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.write(bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
