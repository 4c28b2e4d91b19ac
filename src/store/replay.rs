//! Which signed requests were used: ids on disk before the request is acted on, so that none works twice, also
//! after a crash. Not the journal: nothing here outlives a few minutes, and losing it never costs money: what
//! is damaged is refused for a minute, what was deleted could be used once more. It must not read a clock.
//!
//! Two small append-only files take turns. A record is an id, the event's time and a checksum, 44 bytes. When
//! everything in the older file is too old to be accepted anyway, it is emptied and goes on as the newer one;
//! its first record then is the floor, below which nothing is accepted whatever the clock says later. One
//! thread writes: all that wait are written at once and share one sync.

use crate::store::files::{Files, StoredFile, write_all_at};
use bitcoin::hashes::{Hash, sha256};
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

const NAMES: [&str; 2] = ["replay.a", "replay.b"];
const RECORD_BYTES: usize = 44;
const RECORD_LEN: u64 = 44;
/// Ids are kept for so long after their event's time: twice the window in which an event is accepted.
const KEEP_SECS: u64 = 120;
/// Most ids kept, and a bound of memory and disk (9 MB).
const MAX_IDS: usize = 200_000;
/// A file has at least so many records before the other one's turn comes.
const MIN_TURN: u64 = 8;
/// Most claims written by one sync.
const MAX_BATCH: usize = 4_096;

/// Why an id may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was used before.
    #[error("this signed request was used before")]
    Used,
    /// It is so old that it may have been used and forgotten.
    #[error("the event's time {created_at} is not after {floor}, up to which used events are forgotten")]
    Forgotten {
        /// The event's.
        created_at: u64,
        /// The last time forgotten.
        floor: u64,
    },
    /// More requests within minutes than anybody makes.
    #[error("too many signed requests within minutes; try again shortly")]
    Full,
    /// The disk is full; nothing was done.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed: signed requests are refused until the service is started anew.
    #[error("the record of used requests cannot be written: {detail}")]
    Failed {
        /// What the system said first.
        detail: String,
    },
}

/// The record of used ids.
pub struct ReplayCache {
    queue: Option<mpsc::Sender<Claim>>,
    writer: Option<JoinHandle<()>>,
}

struct Claim {
    id: [u8; 32],
    created_at: u64,
    now_secs: u64,
    answer: oneshot::Sender<Result<(), ReplayError>>,
}

impl ReplayCache {
    /// Reads what is in `dir` (made when missing) and starts the writer. A torn tail is cut off: nothing of it
    /// was acted on. Where something else is damaged, everything up to the newest time is taken as used.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: &Path, files: Arc<dyn Files>) -> io::Result<ReplayCache> {
        let mut writer = Writer::open(dir, files.as_ref())?;
        let (queue, claims) = mpsc::channel();
        let writer = std::thread::Builder::new().name("replay".into()).spawn(move || writer.run(&claims))?;
        Ok(ReplayCache { queue: Some(queue), writer: Some(writer) })
    }

    /// Uses an id: at most one claim of it ever succeeds, and does so when it is on the disk.
    pub async fn claim(&self, id: [u8; 32], created_at: u64, now_secs: u64) -> Result<(), ReplayError> {
        let closed = || ReplayError::Failed { detail: "the writer is gone".into() };
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(Claim { id, created_at, now_secs, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

impl Drop for ReplayCache {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to tell.
            let _ = writer.join();
        }
    }
}

/// One of the two files.
struct Half {
    path: PathBuf,
    file: Box<dyn StoredFile>,
    len: u64,
    ids: HashSet<[u8; 32]>,
    newest: u64,
}

struct Writer {
    /// The one appended to, and the older one.
    halves: [Half; 2],
    floor: u64,
    failed: Option<String>,
}

/// What a file holds.
#[derive(Default)]
struct Scan {
    ids: HashSet<[u8; 32]>,
    newest: u64,
    floor: u64,
    /// End of the last good record.
    good_len: u64,
    /// A bad record has a good one after it.
    damaged: bool,
}

fn record(id: &[u8; 32], created_at: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..32].copy_from_slice(id);
    bytes[32..40].copy_from_slice(&created_at.to_be_bytes());
    let checksum = sha256::Hash::hash(&bytes[..40]);
    bytes[40..].copy_from_slice(&checksum.as_byte_array()[..4]);
    bytes
}

fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan::default();
    let mut bad = false;
    for (at, chunk) in (1_u64..).zip(bytes.chunks(RECORD_BYTES)) {
        let parts = || {
            let id: [u8; 32] = chunk.get(..32)?.try_into().ok()?;
            let created_at = u64::from_be_bytes(chunk.get(32..40)?.try_into().ok()?);
            (chunk == record(&id, created_at)).then_some((id, created_at))
        };
        let Some((id, created_at)) = parts() else {
            bad = true;
            continue;
        };
        found.damaged |= bad;
        found.good_len = at * RECORD_LEN;
        if id == [0; 32] {
            found.floor = found.floor.max(created_at);
        } else {
            found.newest = found.newest.max(created_at);
            found.ids.insert(id);
        }
    }
    found
}

impl Writer {
    fn open(dir: &Path, files: &dyn Files) -> io::Result<Writer> {
        files.create_dir_all(dir)?;
        let mut floor = 0;
        let mut damaged = false;
        let mut half = |name: &str| -> io::Result<Half> {
            let path = dir.join(name);
            let mut bytes = Vec::new();
            if let Some(mut file) = files.read(&path)? {
                file.read_to_end(&mut bytes)?;
            }
            let found = scan(&bytes);
            let mut file = files.open(&path)?;
            if u64::try_from(bytes.len()).map_err(io::Error::other)? != found.good_len {
                file.set_len(found.good_len)?;
            }
            // What was read may so far be in the kernel's memory alone.
            file.sync_data()?;
            damaged |= found.damaged;
            floor = floor.max(found.floor);
            Ok(Half { path, file, len: found.good_len, ids: found.ids, newest: found.newest })
        };
        let mut halves = [half(NAMES[0])?, half(NAMES[1])?];
        files.sync_dir(dir)?;
        if halves[1].newest > halves[0].newest {
            halves.swap(0, 1);
        }
        if damaged {
            floor = floor.max(halves[0].newest);
            tracing::warn!(floor, "the record of used requests is damaged: older ones are refused");
        }
        Ok(Writer { halves, floor, failed: None })
    }

    fn run(&mut self, claims: &mpsc::Receiver<Claim>) {
        while let Ok(first) = claims.recv() {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH {
                let Ok(claim) = claims.try_recv() else { break };
                batch.push(claim);
            }
            self.handle(batch);
        }
    }

    fn handle(&mut self, batch: Vec<Claim>) {
        let now_secs = batch.iter().map(|claim| claim.now_secs).max().unwrap_or_default();
        let mut fresh: HashSet<[u8; 32]> = HashSet::new();
        let mut accepted = Vec::new();
        for claim in batch {
            match self.check(&claim, &fresh) {
                Ok(()) => {
                    fresh.insert(claim.id);
                    accepted.push(claim);
                }
                Err(error) => answer(claim, Err(error)),
            }
        }
        if accepted.is_empty() {
            return;
        }
        let done = self.rotate(now_secs).and_then(|()| self.append(&accepted));
        let done = done.map_err(|error| self.disk_failed(&error));
        for claim in accepted {
            answer(claim, done.clone());
        }
    }

    fn check(&self, claim: &Claim, fresh: &HashSet<[u8; 32]>) -> Result<(), ReplayError> {
        let Claim { id, created_at, .. } = claim;
        if let Some(detail) = &self.failed {
            return Err(ReplayError::Failed { detail: detail.clone() });
        }
        if fresh.contains(id) || self.halves.iter().any(|half| half.ids.contains(id)) {
            return Err(ReplayError::Used);
        }
        if *created_at <= self.floor {
            return Err(ReplayError::Forgotten { created_at: *created_at, floor: self.floor });
        }
        let kept: usize = self.halves.iter().map(|half| half.ids.len()).sum();
        if kept + fresh.len() >= MAX_IDS { Err(ReplayError::Full) } else { Ok(()) }
    }

    /// Empties the older file and goes on in it, once the older is too old and the newer has aged.
    fn rotate(&mut self, now_secs: u64) -> io::Result<()> {
        let [newer, older] = &mut self.halves;
        let expired = older.newest.saturating_add(KEEP_SECS) < now_secs;
        let aged = newer.len >= RECORD_LEN * MIN_TURN || newer.newest.saturating_add(KEEP_SECS) < now_secs;
        if !expired || !aged || newer.ids.is_empty() {
            return Ok(());
        }
        let floor = self.floor.max(older.newest);
        // In this order: were the floor not to last, what it stands for is still too old by the clock.
        older.file.set_len(0)?;
        older.len = 0;
        older.ids = HashSet::new();
        older.newest = 0;
        write_all_at(older.file.as_mut(), &record(&[0; 32], floor), 0)?;
        older.len = RECORD_LEN;
        self.floor = floor;
        self.halves.swap(0, 1);
        Ok(())
    }

    fn append(&mut self, claims: &[Claim]) -> io::Result<()> {
        let [newer, _] = &mut self.halves;
        let bytes: Vec<u8> = claims.iter().flat_map(|claim| record(&claim.id, claim.created_at)).collect();
        write_all_at(newer.file.as_mut(), &bytes, newer.len)?;
        newer.file.sync_data().inspect_err(|error| {
            // Nobody knows what of it lasts, and another sync proves nothing.
            self.failed = Some(error.to_string());
        })?;
        newer.len += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        for claim in claims {
            newer.ids.insert(claim.id);
            newer.newest = newer.newest.max(claim.created_at);
        }
        Ok(())
    }

    fn disk_failed(&mut self, error: &io::Error) -> ReplayError {
        let [newer, _] = &mut self.halves;
        // Whatever was half written is written over by the next append; cutting it keeps the file tidy.
        let cut = newer.file.set_len(newer.len);
        tracing::error!(%error, file = %newer.path.display(), "the record of used requests could not be written");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded if cut.is_ok() => ReplayError::NoSpace,
            _ => {
                let detail = self.failed.get_or_insert_with(|| error.to_string());
                ReplayError::Failed { detail: detail.clone() }
            }
        }
    }
}

fn answer(claim: Claim, result: Result<(), ReplayError>) {
    // Whoever asked may be gone; the id stays used.
    let _ = claim.answer.send(result);
}

#[cfg(test)]
mod tests;
