//! The journal on disk: a queue of batches and one thread that writes them. It takes everything
//! queued, writes it at once, syncs once, and answers all tickets (group commit). It must not
//! answer before the sync, and must not sync again after a sync failed.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bitcoin::hashes::sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::{OpenError, scan_file};
use super::mark::{Mark, MarkFile};
use super::{Answer, AppendError, Appended, Head, Journal, Recorded, Ticket, format, to_json};
use crate::failpoint;
use crate::metrics::JournalMetrics;
use crate::store::files::{Files, Lock, StoredFile, write_all_at};

/// How long the writer is idle before it syncs the mark. Under load the next append's lines say
/// what was durable, so that a sync for the mark alone would only slow down appends.
pub const MARK_IDLE: Duration = Duration::from_millis(20);

/// The journal in a file. Closing (dropping) it writes what is queued, then gives the lock back.
pub struct FileJournal<E> {
    dir: PathBuf,
    files: Arc<dyn Files>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    metrics: JournalMetrics,
    // Given back when everything else is done.
    _lock: Lock,
    _events: PhantomData<fn(E) -> E>,
}

impl<E> std::fmt::Debug for FileJournal<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileJournal").field("dir", &self.dir).finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: VecDeque<Pending>,
    next_seq: u64,
    durable: Durable,
    /// What failed, once something has that no retry can mend.
    poisoned: Option<String>,
    closing: bool,
}

#[derive(Clone, Copy)]
struct Durable {
    head: Head,
    len: u64,
}

struct Pending {
    first_seq: u64,
    at_secs: u64,
    events: Vec<String>,
    answer: Answer,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave the state half changed: no change under it
        // takes more than one step that can fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> FileJournal<E> {
    pub(super) fn start(
        dir: PathBuf,
        files: Arc<dyn Files>,
        lock: Lock,
        file: Box<dyn StoredFile>,
        mark: MarkFile,
        head: Head,
        len: u64,
    ) -> io::Result<FileJournal<E>> {
        let durable = Durable { head, len };
        let state =
            State { queue: VecDeque::new(), next_seq: head.seq + 1, durable, poisoned: None, closing: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new() });
        let metrics = JournalMetrics::default();
        let mut writer = Writer { shared: shared.clone(), file, mark, durable, metrics: metrics.clone() };
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run())?;
        Ok(FileJournal {
            dir,
            files,
            shared,
            writer: Some(writer),
            metrics,
            _lock: lock,
            _events: PhantomData,
        })
    }
}

impl<E> Drop for FileJournal<E> {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.work.notify_all();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to tell; its tickets resolve as closed.
            let _ = writer.join();
        }
    }
}

impl<E: Serialize + DeserializeOwned> Journal<E> for FileJournal<E> {
    fn append(&self, next_seq: u64, at_secs: u64, events: &[E]) -> Result<Ticket, AppendError> {
        let events = to_json(events)?;
        let count = u64::try_from(events.len()).map_err(|_| AppendError::Closed)?;
        let mut state = self.shared.state();
        if let Some(detail) = &state.poisoned {
            return Err(AppendError::Poisoned { detail: detail.clone() });
        }
        if next_seq != state.next_seq {
            return Err(AppendError::Stale { given: next_seq, next_seq: state.next_seq });
        }
        let (answer, ticket) = Ticket::new();
        state.queue.push_back(Pending { first_seq: next_seq, at_secs, events, answer });
        state.next_seq += count;
        drop(state);
        self.shared.work.notify_all();
        Ok(ticket)
    }

    fn next_seq(&self) -> u64 {
        self.shared.state().next_seq
    }

    fn read_from(&self, seq: u64) -> Result<Vec<Recorded<E>>, OpenError> {
        let Durable { head, len } = self.shared.state().durable;
        let mark = Mark::new(len, head);
        let mut recorded = Vec::new();
        let keep =
            |batch: Vec<Recorded<E>>| recorded.extend(batch.into_iter().filter(|line| line.seq >= seq));
        let scan = scan_file(self.files.as_ref(), &self.dir, Some(&mark), len, keep)?;
        match scan.corruption(Some(&mark)) {
            Some(damage) => Err(OpenError::Corrupt { damage }),
            None => Ok(recorded),
        }
    }

    fn metrics(&self) -> JournalMetrics {
        self.metrics.clone()
    }
}

struct Writer {
    shared: Arc<Shared>,
    file: Box<dyn StoredFile>,
    mark: MarkFile,
    durable: Durable,
    metrics: JournalMetrics,
}

/// How a group of batches fared.
enum Outcome {
    Durable(Durable, Vec<Head>),
    Refused(AppendError),
    Lost(AppendError),
}

impl Writer {
    fn run(&mut self) {
        while let Some(group) = self.next_group() {
            let outcome = self.commit(&group);
            self.finish(group, outcome);
        }
    }

    /// Waits for work; `None` when the journal is closed and all is written.
    fn next_group(&mut self) -> Option<Vec<Pending>> {
        let shared = self.shared.clone();
        let mut state = shared.state();
        loop {
            if !state.queue.is_empty() {
                return Some(state.queue.drain(..).collect());
            }
            let closing = state.closing;
            let mut idle = closing;
            if !closing && self.mark.is_dirty() && state.poisoned.is_none() {
                let (again, timeout) =
                    shared.work.wait_timeout(state, MARK_IDLE).unwrap_or_else(PoisonError::into_inner);
                state = again;
                idle = timeout.timed_out() && state.queue.is_empty();
            } else if !closing {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if idle && self.mark.is_dirty() && state.poisoned.is_none() {
                drop(state);
                let synced = self.mark.sync();
                state = shared.state();
                if let Err(error) = synced {
                    let detail = error.to_string();
                    poison(&mut state, &AppendError::SyncFailed { detail });
                }
            }
            if closing {
                return None;
            }
        }
    }

    /// Writes and syncs a group of batches.
    fn commit(&mut self, group: &[Pending]) -> Outcome {
        let from = self.durable.len;
        let mut hash: sha256::Hash = self.durable.head.hash;
        let mut bytes = Vec::new();
        let mut heads = Vec::with_capacity(group.len());
        for batch in group {
            let mut seq = batch.first_seq;
            for (index, event) in batch.events.iter().enumerate() {
                let more = index + 1 < batch.events.len();
                seq += u64::from(index > 0);
                let line = Recorded { seq, at_secs: batch.at_secs, more, event: event.as_str() };
                hash = format::encode(&mut bytes, hash, from, &line);
            }
            heads.push(Head { seq, hash });
        }
        let (Ok(len), Some(head)) = (u64::try_from(bytes.len()), heads.last().copied()) else {
            return Outcome::Refused(AppendError::Closed);
        };
        if let Err(error) = write_all_at(self.file.as_mut(), &bytes, from) {
            return self.take_back(from, &error);
        }
        failpoint::hit("journal_before_sync");
        let begun = Instant::now();
        let synced = self.file.sync_data();
        self.metrics.sync_seconds.observe(begun.elapsed().as_secs_f64());
        if let Err(error) = synced {
            return Outcome::Lost(AppendError::SyncFailed { detail: error.to_string() });
        }
        failpoint::hit("journal_after_sync");
        let durable = Durable { head, len: from + len };
        match self.mark.write(Mark::new(durable.len, durable.head)) {
            // No room for the mark: it lags behind, which costs nothing but sharpness of rule 2.
            Err(error) if !is_full(&error) => {
                Outcome::Lost(AppendError::WriteFailed { detail: error.to_string() })
            }
            _ => Outcome::Durable(durable, heads),
        }
    }

    /// After a failed write: removes what got to the file, durably, so that nothing refused comes
    /// back after a restart.
    fn take_back(&mut self, len: u64, error: &io::Error) -> Outcome {
        let detail = error.to_string();
        if !is_full(error) {
            return Outcome::Lost(AppendError::WriteFailed { detail });
        }
        match self.file.set_len(len).and_then(|()| self.file.sync_data()) {
            Ok(()) => Outcome::Refused(AppendError::NoSpace { detail }),
            Err(again) => {
                let detail = format!("{detail}; and taking the unfinished write back failed: {again}");
                Outcome::Lost(AppendError::WriteFailed { detail })
            }
        }
    }

    fn finish(&mut self, group: Vec<Pending>, outcome: Outcome) {
        self.count(&group, &outcome);
        let mut state = self.shared.state();
        match outcome {
            Outcome::Durable(durable, heads) => {
                self.durable = durable;
                state.durable = durable;
                drop(state);
                for (batch, head) in group.into_iter().zip(heads) {
                    batch.answer.give(Ok(Appended { first_seq: batch.first_seq, head }));
                }
            }
            Outcome::Refused(error) => {
                // What was queued behind the group was decided on top of it.
                let next_seq = state.durable.head.seq + 1;
                state.next_seq = next_seq;
                let behind: Vec<Pending> = state.queue.drain(..).collect();
                drop(state);
                for batch in group {
                    batch.answer.give(Err(error.clone()));
                }
                for batch in behind {
                    let given = batch.first_seq;
                    batch.answer.give(Err(AppendError::Stale { given, next_seq }));
                }
            }
            Outcome::Lost(error) => {
                poison(&mut state, &error);
                drop(state);
                for batch in group {
                    batch.answer.give(Err(error.clone()));
                }
            }
        }
    }
}

impl Writer {
    fn count(&self, group: &[Pending], outcome: &Outcome) {
        let batches = u32::try_from(group.len()).unwrap_or(u32::MAX);
        match outcome {
            Outcome::Durable(durable, _) => {
                self.metrics.appends.inc_by(u64::from(batches));
                self.metrics.bytes.inc_by(durable.len.saturating_sub(self.durable.len));
                self.metrics.group_size.observe(f64::from(batches));
            }
            Outcome::Refused(_) | Outcome::Lost(_) => {
                self.metrics.failures.inc();
            }
        }
    }
}

/// Ends the journal's life: what is queued fails, and everything later is refused.
fn poison(state: &mut State, error: &AppendError) {
    let detail = error.to_string();
    state.poisoned = Some(detail.clone());
    for batch in state.queue.drain(..) {
        batch.answer.give(Err(AppendError::Poisoned { detail: detail.clone() }));
    }
}

/// The disk or the quota is full; may pass.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | WriteZero)
}
