//! The mark: how much of the journal was acknowledged, in a small file beside it. It only ever
//! lags behind the journal; it must never be written before the sync that it speaks of.
//!
//! Two slots, 4096 bytes apart. The slot being written is written over until it has been synced,
//! only then is the other one used: at every moment one slot holds a mark that survives.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bitcoin::hashes::sha256;
use serde::{Deserialize, Serialize};

use super::Head;
use super::format::{Cause, parse, seal, unseal};
use crate::store::files::{Files, StoredFile, write_all_at};

/// Name of the mark's file, beside the journal.
pub const MARK_FILE: &str = "journal.synced";

const SLOT_BYTES: usize = 512;
const SLOT_OFFSETS: [u64; 2] = [0, 4096];

/// Everything up to here was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Length of the journal.
    pub bytes: u64,
    /// Number of its last line.
    pub seq: u64,
    /// Hash of its last line.
    pub head: sha256::Hash,
}

impl Mark {
    pub fn new(bytes: u64, head: Head) -> Mark {
        Mark { bytes, seq: head.seq, head: head.hash }
    }

    /// Holds a line of the journal against the mark.
    pub fn check(&self, start: u64, end: u64, line: Head, more: bool) -> Result<(), Cause> {
        let ends_here = end == self.bytes && !more && line.seq == self.seq && line.hash == self.head;
        let reaches_over = start < self.bytes && self.bytes <= end;
        if reaches_over && !ends_here {
            return Err(Cause::NotTheMarked { seq: self.seq, hash: self.head });
        }
        Ok(())
    }
}

/// The mark as it stands: the furthest slot that is intact, and which one that is.
pub(super) fn read(files: &dyn Files, dir: &Path) -> io::Result<Option<(Mark, usize)>> {
    let mut bytes = Vec::new();
    match files.read(&dir.join(MARK_FILE))? {
        // Bounded, because this is read before anything is known about the directory.
        Some(file) => file.take(1 << 16).read_to_end(&mut bytes)?,
        None => return Ok(None),
    };
    let slot = |index: usize| -> Option<(Mark, usize)> {
        let from = usize::try_from(*SLOT_OFFSETS.get(index)?).ok()?;
        let sealed = bytes.get(from..from.checked_add(SLOT_BYTES)?)?.trim_ascii_end();
        let (body, _) = unseal(sealed).ok()?;
        Some((parse(body).ok()?, index))
    };
    Ok([slot(0), slot(1)].into_iter().flatten().max_by_key(|(mark, _)| mark.bytes))
}

/// The mark, open for writing.
pub(super) struct MarkFile {
    file: Box<dyn StoredFile>,
    slot: usize,
    dirty: bool,
}

impl MarkFile {
    /// Opens the mark's file and makes `mark` what it says, durably.
    pub fn open(files: &dyn Files, dir: &Path, mark: Mark) -> io::Result<MarkFile> {
        let path: PathBuf = dir.join(MARK_FILE);
        let last = read(files, dir)?;
        let mut file = files.open(&path)?;
        // The furthest slot may never have been synced; it has to be before the other is touched.
        file.sync_data()?;
        let slot = last.map_or(0, |(_, slot)| 1 - slot);
        let mut marks = MarkFile { file, slot, dirty: false };
        if last.map(|(last, _)| last) != Some(mark) {
            if last.is_some_and(|(last, _)| last.bytes > mark.bytes) {
                return Err(io::Error::other("the mark is ahead of the journal"));
            }
            marks.write(mark)?;
            marks.sync()?;
        }
        Ok(marks)
    }

    /// Forgets any mark: for a journal about to be created.
    pub fn clear(files: &dyn Files, dir: &Path) -> io::Result<()> {
        let mut file = files.open(&dir.join(MARK_FILE))?;
        file.set_len(0)?;
        file.sync_data()
    }

    /// Writes the mark; it survives this process, but not yet a power cut.
    pub fn write(&mut self, mark: Mark) -> io::Result<()> {
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        let Mark { bytes, seq, head } = mark;
        slot.extend_from_slice(format!("{{\"bytes\":{bytes},\"seq\":{seq},\"head\":\"{head}\"").as_bytes());
        seal(&mut slot, 0);
        slot.resize(SLOT_BYTES - 1, b' ');
        slot.push(b'\n');
        self.dirty = true;
        write_all_at(self.file.as_mut(), &slot, SLOT_OFFSETS[self.slot])
    }

    /// Whether what was written last still has to be synced.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Makes the mark survive a power cut.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dirty = false;
        self.slot = 1 - self.slot;
        Ok(())
    }
}
