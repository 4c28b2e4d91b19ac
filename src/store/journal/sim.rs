//! A disk that fails on demand, for tests: full, short writes, failing syncs, a process that dies at
//! any operation, and power cuts after which only synced bytes are certain. It assumes, as the
//! journal does, that writing new bytes does not damage synced ones beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::store::files::{Files, Lock, StoredFile};

const SECTOR: usize = 512;

/// Shared by all that hold it, like a disk.
#[derive(Clone, Default)]
pub(crate) struct SimFiles(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    faults: Faults,
    syncs: u64,
}

#[derive(Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes that a failed sync left unwritten and that later syncs skip, as the kernel calls them
    /// clean, unless they are written again.
    skipped: std::ops::Range<usize>,
}

/// What goes wrong.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    /// From this operation on (counted from 0, changes only) nothing works; a write that is the
    /// first to fail still gets half of its bytes to the file.
    pub crash_at: Option<u64>,
    /// Bytes that can still be added.
    pub room_bytes: Option<usize>,
    /// No write takes more than this.
    pub short_write: Option<usize>,
    /// Syncs of files fail.
    pub sync_fails: bool,
    /// Cutting a file fails.
    pub cut_fails: bool,
    /// How long a sync takes.
    pub sync_takes: Duration,
}

impl SimFiles {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, faults: Faults) {
        self.disk().faults = faults;
    }

    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    pub fn names(&self) -> Vec<PathBuf> {
        self.disk().names.keys().cloned().collect()
    }

    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let disk = self.disk();
        disk.names.get(path).map(|at| disk.inodes[*at].now.clone()).unwrap_or_default()
    }

    /// Changes a file from outside.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut disk = self.disk();
        let at = disk.inode(path);
        disk.inodes[at] = Inode { now: bytes.to_vec(), durable: bytes.to_vec(), skipped: 0..0 };
    }

    pub fn remove(&self, path: &Path) {
        let mut disk = self.disk();
        disk.names.remove(path);
        disk.durable_names.remove(path);
    }

    /// Power is lost: of what was not synced, each sector is there, is not, is zeros or is garbage.
    pub fn power_cut(&self, seed: u64) {
        let mut disk = self.disk();
        let mut random = Random(seed | 1);
        if random.below(2) == 0 {
            disk.names = disk.durable_names.clone();
        }
        disk.durable_names = disk.names.clone();
        for inode in &mut disk.inodes {
            let Inode { now, durable, .. } = inode;
            let (short, long) = (now.len().min(durable.len()), now.len().max(durable.len()));
            let len = match random.below(3) {
                0 => durable.len(),
                1 => now.len(),
                _ => short + random.below(long - short + 1),
            };
            let mut after: Vec<u8> = vec![0; len];
            for sector in (0..len).step_by(SECTOR) {
                let fate = random.below(4);
                let end = len.min(sector + SECTOR);
                for (at, byte) in
                    after[sector..end].iter_mut().enumerate().map(|(i, byte)| (sector + i, byte))
                {
                    let (new, old) = (now.get(at).copied(), durable.get(at).copied());
                    *byte = match (new, old, fate) {
                        (new, old, _) if new == old => old.unwrap_or(0),
                        (Some(new), _, 0) => new,
                        (_, Some(old), 0 | 1) => old,
                        (_, _, 2 | 3) if random.below(2) == 0 => u8::try_from(random.below(256)).unwrap(),
                        _ => old.unwrap_or(0),
                    };
                }
            }
            *inode = Inode { now: after.clone(), durable: after, skipped: 0..0 };
        }
    }
}

impl Disk {
    fn inode(&mut self, path: &Path) -> usize {
        if let Some(at) = self.names.get(path) {
            return *at;
        }
        self.inodes.push(Inode::default());
        self.names.insert(path.to_owned(), self.inodes.len() - 1);
        self.inodes.len() - 1
    }

    /// Counts an operation that changes something; `Err` from the crash on.
    fn change(&mut self) -> io::Result<()> {
        let crashed = self.faults.crash_at.is_some_and(|at| self.operations >= at);
        self.operations += 1;
        if crashed { Err(io::Error::other("the process is gone")) } else { Ok(()) }
    }
}

impl Files for SimFiles {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>> {
        let disk = self.disk();
        let bytes = disk.names.get(path).map(|at| disk.inodes[*at].now.clone());
        Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let mut disk = self.disk();
        disk.change()?;
        let at = disk.inode(path);
        Ok(Box::new(SimFile { files: self.clone(), at }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        let at = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        struct Held(SimFiles, PathBuf);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.disk().locks.remove(&self.1);
            }
        }
        if !self.disk().locks.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Held(self.clone(), path.to_owned()))))
    }
}

struct SimFile {
    files: SimFiles,
    at: usize,
}

impl StoredFile for SimFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.files.disk();
        let first_failure = disk.faults.crash_at == Some(disk.operations);
        let alive = disk.change();
        let mut count = match alive {
            Ok(()) => bytes.len(),
            Err(_) if first_failure => bytes.len() / 2,
            Err(error) => return Err(error),
        };
        count = count.min(disk.faults.short_write.unwrap_or(usize::MAX));
        let offset = usize::try_from(offset).unwrap();
        let len = disk.inodes[self.at].now.len();
        if let Some(room) = disk.faults.room_bytes {
            count = count.min((len + room).saturating_sub(offset));
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let added = (offset + count).saturating_sub(len);
        if let Some(room) = &mut disk.faults.room_bytes {
            *room -= added;
        }
        let now = &mut disk.inodes[self.at].now;
        now.resize(len + added, 0);
        now[offset..offset + count].copy_from_slice(&bytes[..count]);
        let skipped = &mut disk.inodes[self.at].skipped;
        if offset <= skipped.start {
            skipped.start = skipped.start.max(offset + count);
        }
        alive.map(|()| count)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.change()?;
        if disk.faults.cut_fails {
            return Err(io::Error::other("cannot cut"));
        }
        disk.inodes[self.at].now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.change()?;
        disk.syncs += 1;
        if disk.faults.sync_fails {
            let Inode { now, durable, skipped } = &mut disk.inodes[self.at];
            *skipped = durable.len()..now.len();
            return Err(io::Error::other("the disk said no"));
        }
        let takes = disk.faults.sync_takes;
        let Inode { now, durable, skipped } = &mut disk.inodes[self.at];
        *durable = now.clone();
        for at in skipped.clone() {
            durable.get_mut(at).into_iter().for_each(|byte| *byte = 0);
        }
        drop(disk);
        std::thread::sleep(takes);
        Ok(())
    }
}

/// Xorshift: reproducible from the seed a property test prints.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound.max(1)
    }
}
