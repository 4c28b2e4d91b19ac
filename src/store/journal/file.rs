//! Opening a journal: lock, replay, cut a torn tail, refuse corruption; and verifying one without
//! touching it. Decides by the rules in the module's doc; must not modify a journal it refuses.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcoin::Network;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::hex::DisplayHex;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::format::{self, Cause, Damage, Scan};
use super::mark::{self, Mark, MarkFile};
use super::writer::FileJournal;
use super::{FORMAT_VERSION, Head, Header, Recorded};
use crate::store::files::{Files, Lock, StoredFile, write_all_at};

/// Name of the journal's file in the data directory.
pub const JOURNAL_FILE: &str = "journal.jsonl";
const NEW_FILE: &str = "journal.new";
/// Name of the file that is locked while somebody works on the directory.
pub const LOCK_FILE: &str = "journal.lock";

/// What a journal is made with when there is none, and what is expected of one that is there.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// The network; a journal of another one is refused.
    pub network: Network,
    /// Fresh random bytes, used only when the journal is made.
    pub instance: [u8; 16],
    /// Unix time, used only when the journal is made.
    pub at_secs: u64,
}

/// An opened journal.
#[derive(Debug)]
pub struct Opened<E> {
    /// Takes further events.
    pub journal: FileJournal<E>,
    /// Everything recorded so far, in order.
    pub recorded: Vec<Recorded<E>>,
    /// What was found on opening.
    pub recovery: Recovery,
}

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The journal's header.
    pub header: Header,
    /// It was made just now.
    pub created: bool,
    /// Its last line.
    pub head: Head,
    /// The tail that was cut off, if any; none of it had been acknowledged.
    pub torn: Option<Torn>,
}

/// A tail that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Number of the first line that is lost.
    pub seq: u64,
    /// Where the journal ends now.
    pub offset: u64,
    /// Bytes cut off.
    pub bytes: u64,
    /// What was wrong with them first.
    pub damage: Damage,
    /// The file that holds them now.
    pub saved_as: PathBuf,
}

/// Why a journal cannot be opened or read. Nothing was modified.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the journal in {} is in use by another process", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// Acknowledged data is damaged.
    #[error("the journal is corrupt: {damage}")]
    Corrupt {
        /// Where and what.
        damage: Damage,
    },
    /// The journal is gone, its mark says that it held events.
    #[error("{} is missing, and held events up to {last_seq}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Its last line.
        last_seq: u64,
    },
    /// It belongs to another network.
    #[error("the journal is of {found}, not of {expected}")]
    OtherNetwork {
        /// The network configured.
        expected: Network,
        /// The network in the header.
        found: Network,
    },
    /// The file system failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Turns an I/O error into ours, saying what was being done.
fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}

impl<E: Serialize + DeserializeOwned> FileJournal<E> {
    /// Opens the journal in `dir`, making both where they are missing; replays it, and cuts off a
    /// torn tail.
    pub fn open(dir: &Path, files: Arc<dyn Files>, birth: Birth) -> Result<Opened<E>, OpenError> {
        files.create_dir_all(dir).map_err(io_error("make the data directory"))?;
        let lock = files.lock(&dir.join(LOCK_FILE)).map_err(io_error("lock the journal"))?;
        let lock: Lock = lock.ok_or_else(|| OpenError::InUse { dir: dir.to_owned() })?;
        let created = create(dir, files.as_ref(), &birth)?;
        let mark = mark::read(files.as_ref(), dir).map_err(io_error("read the journal's mark"))?;
        let mark = mark.map(|(mark, _)| mark);

        let mut recorded = Vec::new();
        let scan = scan_file(files.as_ref(), dir, mark.as_ref(), u64::MAX, |batch| recorded.extend(batch))?;
        if let Some(damage) = scan.corruption(mark.as_ref()) {
            return Err(OpenError::Corrupt { damage });
        }
        let unreadable = Damage { line: 0, offset: 0, cause: Cause::BadForm };
        let header = scan.header.clone().ok_or(OpenError::Corrupt { damage: unreadable })?;
        if header.network != birth.network {
            return Err(OpenError::OtherNetwork { expected: birth.network, found: header.network });
        }

        let mut file = files.open(&dir.join(JOURNAL_FILE)).map_err(io_error("open the journal"))?;
        let torn = match &scan.damage {
            Some(damage) => Some(cut(files.as_ref(), dir, file.as_mut(), &scan, damage)?),
            None => None,
        };
        let marked = mark.map_or(0, |mark| mark.bytes);
        settle(files.as_ref(), dir, file.as_mut(), marked, scan.end).map_err(io_error("sync the journal"))?;
        let mark = MarkFile::open(files.as_ref(), dir, Mark::new(scan.end, scan.head))
            .map_err(io_error("write the journal's mark"))?;

        let recovery = Recovery { header, created, head: scan.head, torn };
        let journal = FileJournal::start(dir.to_owned(), files, lock, file, mark, scan.head, scan.end)
            .map_err(io_error("start the journal's writer"))?;
        Ok(Opened { journal, recorded, recovery })
    }
}

/// Reads the journal's first `len` bytes.
pub(super) fn scan_file<E: DeserializeOwned>(
    files: &dyn Files,
    dir: &Path,
    mark: Option<&Mark>,
    len: u64,
    take: impl FnMut(Vec<Recorded<E>>),
) -> Result<Scan, OpenError> {
    let path = dir.join(JOURNAL_FILE);
    let file = files.read(&path).map_err(io_error("open the journal"))?;
    let last_seq = mark.map_or(0, |mark| mark.seq);
    let file = file.ok_or(OpenError::Missing { path, last_seq })?;
    format::scan(file.take(len), mark, take).map_err(io_error("read the journal"))
}

/// Makes a journal with nothing but its header, if there is none. It gets its name last, so a
/// journal that exists has a header.
fn create(dir: &Path, files: &dyn Files, birth: &Birth) -> Result<bool, OpenError> {
    let path = dir.join(JOURNAL_FILE);
    if files.read(&path).map_err(io_error("open the journal"))?.is_some() {
        return Ok(false);
    }
    if let Some((mark, _)) = mark::read(files, dir).map_err(io_error("read the journal's mark"))?
        && mark.seq > 0
    {
        return Err(OpenError::Missing { path, last_seq: mark.seq });
    }
    let header = Header {
        version: FORMAT_VERSION,
        network: birth.network,
        instance: birth.instance.to_lower_hex_string(),
    };
    let make = || -> io::Result<()> {
        let json = serde_json::to_string(&header)?;
        let line = Recorded { seq: 0, at_secs: birth.at_secs, more: false, event: json.as_str() };
        let mut bytes = Vec::new();
        let hash = format::encode(&mut bytes, sha256::Hash::all_zeros(), 0, &line);
        let mut file = files.open(&dir.join(NEW_FILE))?;
        file.set_len(0)?;
        write_all_at(file.as_mut(), &bytes, 0)?;
        file.sync_data()?;
        let len = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        MarkFile::clear(files, dir)?;
        MarkFile::open(files, dir, Mark::new(len, Head { seq: 0, hash }))?;
        files.rename(&dir.join(NEW_FILE), &path)?;
        files.sync_dir(dir)
    };
    make().map_err(io_error("make the journal"))?;
    Ok(true)
}

/// Saves a torn tail aside and cuts it off, in this order.
fn cut(
    files: &dyn Files,
    dir: &Path,
    file: &mut dyn StoredFile,
    scan: &Scan,
    damage: &Damage,
) -> Result<Torn, OpenError> {
    let seq = scan.head.seq + 1;
    let mut saved_as = dir.join(format!("journal.torn-{seq}"));
    let mut again = 1;
    while files.read(&saved_as).map_err(io_error("save the torn tail"))?.is_some() {
        again += 1;
        saved_as = dir.join(format!("journal.torn-{seq}-{again}"));
    }
    let save = || -> io::Result<()> {
        let mut aside = files.open(&saved_as)?;
        copy(files, dir, scan.end, scan.len, |bytes, at| write_all_at(aside.as_mut(), bytes, at - scan.end))?;
        aside.sync_data()?;
        files.sync_dir(dir)
    };
    save().map_err(io_error("save the torn tail"))?;
    file.set_len(scan.end).map_err(io_error("cut off the torn tail"))?;
    let bytes = scan.len - scan.end;
    Ok(Torn { seq, offset: scan.end, bytes, damage: damage.clone(), saved_as })
}

/// Makes durable what replay is about to call the truth. Lines beyond the mark are written once
/// more: after a failed sync the kernel may hold their pages as clean though the disk never got
/// them, and a sync alone would then say Ok to nothing.
fn settle(files: &dyn Files, dir: &Path, file: &mut dyn StoredFile, marked: u64, end: u64) -> io::Result<()> {
    copy(files, dir, marked, end, |bytes, at| write_all_at(file, bytes, at))?;
    file.sync_data()?;
    files.sync_dir(dir)
}

/// Hands over the journal's bytes `from..to` in pieces.
fn copy(
    files: &dyn Files,
    dir: &Path,
    from: u64,
    to: u64,
    mut put: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    let mut file = files.read(&dir.join(JOURNAL_FILE))?.ok_or(io::ErrorKind::NotFound)?;
    io::copy(&mut file.by_ref().take(from), &mut io::sink())?;
    let mut rest = file.take(to - from);
    let mut at = from;
    let mut piece = Vec::new();
    loop {
        piece.clear();
        rest.by_ref().take(1 << 20).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(());
        }
        put(&piece, at)?;
        at += u64::try_from(piece.len()).map_err(io::Error::other)?;
    }
}

/// What `upfront journal verify` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The header, when it is intact.
    pub header: Option<Header>,
    /// Lines up to the head, header included.
    pub lines: u64,
    /// Whole batches.
    pub batches: u64,
    /// Bytes up to the end of the head.
    pub bytes: u64,
    /// The last line of the last whole batch before any problem.
    pub head: Head,
    /// Bytes that the mark says were acknowledged; `None` without a readable mark.
    pub acknowledged_bytes: Option<u64>,
    /// Bytes behind the head that were never acknowledged: an append on its way, or a torn tail
    /// that the next start will cut off.
    pub unfinished_bytes: u64,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
}

/// Something wrong with a journal, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Number of the line.
    pub line: u64,
    /// Byte offset of its start.
    pub offset: u64,
    /// In words.
    pub what: String,
}

/// Checks the journal in `dir` without modifying or locking anything; a service may be writing it.
/// Lines, hashes, chain, batches and the mark are checked; what events mean is not.
pub fn verify(dir: &Path, files: &dyn Files) -> Result<Report, OpenError> {
    // The mark first: read the other way round, a running service could have moved it beyond
    // what was read of the journal.
    let mark = mark::read(files, dir).map_err(io_error("read the journal's mark"))?.map(|(mark, _)| mark);
    let scan = scan_file::<IgnoredAny>(files, dir, mark.as_ref(), u64::MAX, |_| ())?;
    let problem = scan.corruption(mark.as_ref());
    Ok(Report {
        lines: if scan.header.is_some() { scan.head.seq + 1 } else { 0 },
        batches: scan.batches,
        bytes: scan.end,
        head: scan.head,
        acknowledged_bytes: mark.map(|mark| mark.bytes),
        unfinished_bytes: if problem.is_some() { 0 } else { scan.len - scan.end },
        problem: problem.map(|Damage { line, offset, cause }| Problem {
            line,
            offset,
            what: cause.to_string(),
        }),
        header: scan.header,
    })
}
