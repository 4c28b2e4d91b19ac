//! The journal: the truth of the service, an append-only file of events, one JSON line each. It
//! knows nothing of what an event means, keeps no state but its own end, and never changes or
//! drops a line that was acknowledged.
//!
//! # Lines
//!
//! ```text
//! {"seq":7,"prev":"<hash of line 6>","durable":4711,"at_secs":1790000000,"more":true,"event":{..},"hash":"<sha256>"}
//! ```
//!
//! `hash` is SHA-256 over the very bytes before `,"hash":`, so it is checksum and chain in one and
//! is checked without re-serialising. `durable` says how many bytes of the journal had been synced
//! when the line was written. Line 0 is the [`Header`]. Events appended in one call are one batch:
//! `more` stands on all its lines but the last, and recovery keeps whole batches only, so a tip
//! and the facts applied under it are never parted.
//!
//! # What is a torn tail, what is corruption
//!
//! Between two `fdatasync`s one write is on its way. After a power cut any part of it may be on
//! disk: a prefix, the second half without the first, zeros, garbage. Nobody was told it happened,
//! so it may be cut off. Damage anywhere else hit something acknowledged, and is an error; nothing
//! is modified then. The two are told apart by what is known to have been synced:
//!
//! 1. A later line that is intact in itself and says that more than the damaged place was durable:
//!    the damage is in acknowledged data. (Intact lines of the *same* write do not say so.)
//! 2. The mark, `journal.synced`, names length, last line and head hash of what was acknowledged.
//!    It is written after every sync and before anybody is told, and is itself synced once the
//!    writer has been idle for a moment, on closing, and on opening. Damage below the mark, a
//!    journal shorter than it, or another line ending there: corruption.
//! 3. A line whose own hash is right was written like that: if its place, its predecessor or its
//!    content is wrong it was moved, or made by another version. Never a torn tail.
//! 4. The header is never a torn tail. Without a mark (a backup of the journal alone), only a last
//!    line without its newline, or a last batch without its end, is.
//!
//! What this leaves open: a power cut within [`MARK_IDLE`] of an acknowledgement *and* a bit
//! flipped in that last write. It is then cut off as torn, which is reported, and saved aside like
//! every tail (`journal.torn-<seq>`). Closing that gap would take a second sync per append.
//! Somebody who rewrites the whole file with all its hashes, and the mark, is not noticed: compare
//! the head hash with one noted elsewhere.
//!
//! # Failures
//!
//! A failed sync poisons the journal at once, for good: what is on disk is unknown, and a second
//! `fdatasync` that succeeds proves nothing. A full disk refuses the append, takes its bytes away
//! again and goes on. See [`AppendError`].

mod file;
mod format;
mod mark;
mod memory;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::metrics::JournalMetrics;
use bitcoin::Network;
use bitcoin::hashes::sha256;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use file::{Birth, JOURNAL_FILE, LOCK_FILE, OpenError, Opened, Problem, Recovery, Report, Torn, verify};
pub use format::{Cause, Damage};
pub use mark::MARK_FILE;
pub use memory::MemoryJournal;
pub use writer::{FileJournal, MARK_IDLE};

/// The version of the line format this program reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The longest line, newline included. A settlement's PSBT of a thousand inputs needs about 1.2 MB.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// An append-only log of events, durable before it is acknowledged.
///
/// Appends are serialised by sequence numbers: the caller says which one its first event is to
/// get, that is, which state it decided on. When an earlier append is refused (full disk), the
/// numbers fall back, and everything decided on top of it is refused as [`AppendError::Stale`],
/// until the caller has gone back to the durable state ([`Journal::read_from`]).
pub trait Journal<E>: Send + Sync {
    /// Queues `events` as one atomic batch with numbers from `next_seq` on, and returns at once.
    /// Only when the ticket resolves to `Ok` has it happened. `at_secs` is Unix time, for display.
    fn append(&self, next_seq: u64, at_secs: u64, events: &[E]) -> Result<Ticket, AppendError>;

    /// The number the next appended event gets; those before it may still be on their way to disk.
    fn next_seq(&self) -> u64;

    /// The durable events numbered `seq` or above, read back from where they are stored.
    fn read_from(&self, seq: u64) -> Result<Vec<Recorded<E>>, OpenError>;

    /// What its writer counts.
    fn metrics(&self) -> JournalMetrics {
        JournalMetrics::default()
    }
}

/// An event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Its number; the header is 0, the first event 1.
    pub seq: u64,
    /// Unix time it was decided at, by the service's clock; for display, never for rules.
    pub at_secs: u64,
    /// More events of the same batch follow.
    pub more: bool,
    /// The event.
    pub event: E,
}

/// Line 0: which journal this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the line format.
    pub version: u32,
    /// The network all its addresses belong to.
    pub network: Network,
    /// 16 random bytes in hex, made at creation; ties an index to its journal.
    pub instance: String,
}

/// The end of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last line.
    pub seq: u64,
    /// Its hash, which commits to all lines before it.
    pub hash: sha256::Hash,
}

/// What an acknowledged append became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Number of the batch's first event.
    pub first_seq: u64,
    /// Its last event, and the journal's hash there.
    pub head: Head,
}

/// Why an append did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There is nothing to append.
    #[error("an append needs at least one event")]
    Empty,
    /// Decided on a state that is not the journal's: go back to the durable state and decide again.
    #[error("event {given} is not the next one, {next_seq} is")]
    Stale {
        /// The number asked for.
        given: u64,
        /// The number the journal gives next.
        next_seq: u64,
    },
    /// The event cannot be written as JSON, or not read back from it.
    #[error("event {index} of the batch does not survive being written as JSON: {detail}")]
    Encode {
        /// Its place in the batch.
        index: usize,
        /// What serde_json said.
        detail: String,
    },
    /// The event is longer than a line may be.
    #[error("event {index} of the batch is too long: {len_bytes} bytes, at most {MAX_LINE_BYTES}")]
    TooLong {
        /// Its place in the batch.
        index: usize,
        /// Its length as JSON.
        len_bytes: usize,
    },
    /// The disk is full. Nothing of the batch remains; it can be tried again when there is room.
    #[error("no room on the disk of the journal: {detail}")]
    NoSpace {
        /// What the system said.
        detail: String,
    },
    /// Writing failed. Whether the batch survives a restart is unknown; the journal is poisoned.
    #[error("writing the journal failed, and it takes nothing more until a restart: {detail}")]
    WriteFailed {
        /// What the system said.
        detail: String,
    },
    /// The sync failed. Whether the batch survives a restart is unknown; the journal is poisoned.
    #[error("syncing the journal failed, and it takes nothing more until a restart: {detail}")]
    SyncFailed {
        /// What the system said.
        detail: String,
    },
    /// An earlier write or sync failed; nothing of this append was written.
    #[error("the journal takes nothing more until a restart: {detail}")]
    Poisoned {
        /// The failure that poisoned it.
        detail: String,
    },
    /// The journal was closed before it came to this append.
    #[error("the journal is closed")]
    Closed,
}

/// Resolves when the batch is durable, or will never be acknowledged. A future; or [`Ticket::wait`]
/// outside async code. Dropping it changes nothing about the append.
#[derive(Debug)]
#[must_use = "an append has happened only when its ticket says so"]
pub struct Ticket(oneshot::Receiver<Result<Appended, AppendError>>);

impl Ticket {
    fn new() -> (Answer, Ticket) {
        let (sender, receiver) = oneshot::channel();
        (Answer(sender), Ticket(receiver))
    }

    /// Blocks this thread until the outcome is known. In async code await the ticket instead.
    pub fn wait(mut self) -> Result<Appended, AppendError> {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match Pin::new(&mut self).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(AppendError::Closed)))
    }
}

/// The other end of a [`Ticket`].
#[derive(Debug)]
struct Answer(oneshot::Sender<Result<Appended, AppendError>>);

impl Answer {
    fn give(self, outcome: Result<Appended, AppendError>) {
        // A caller that no longer listens is no failure: the batch stands all the same.
        let _ = self.0.send(outcome);
    }
}

/// The events of a batch as JSON, each proved to read back: a line that is written and cannot be
/// read would stop the next start.
fn to_json<E: Serialize + serde::de::DeserializeOwned>(events: &[E]) -> Result<Vec<String>, AppendError> {
    if events.is_empty() {
        return Err(AppendError::Empty);
    }
    let encode = |index, error: serde_json::Error| AppendError::Encode { index, detail: error.to_string() };
    let one = |(index, event)| {
        let json = serde_json::to_string(event).map_err(|error| encode(index, error))?;
        if json.len() > MAX_LINE_BYTES - format::OVERHEAD_BYTES {
            return Err(AppendError::TooLong { index, len_bytes: json.len() });
        }
        // Nested as deep as in its line, because the reader's recursion limit counts from there.
        serde_json::from_str::<(E,)>(&format!("[{json}]")).map_err(|error| encode(index, error))?;
        Ok(json)
    };
    events.iter().enumerate().map(one).collect()
}
