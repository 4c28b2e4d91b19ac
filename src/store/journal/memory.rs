//! A journal that forgets: for tests of what is built on [`Journal`]. Events go through JSON as they
//! would on disk. Nothing in a running service may use it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::hashes::{Hash, sha256};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::OpenError;
use super::format::{Cause, Damage};
use super::{AppendError, Appended, Head, Journal, Recorded, Ticket, to_json};

/// A journal in memory. Every append is durable at once, or refused while [`MemoryJournal::fill`]ed.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Recorded<String>>,
    full: bool,
    /// Answers not given yet, while held.
    held: Option<Vec<Pending>>,
}

type Pending = (super::Answer, Result<Appended, AppendError>);

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// Plays a full disk, or room on it again.
    pub fn fill(&self, full: bool) {
        self.state().full = full;
    }

    /// Plays a slow disk: answers wait until it is fast again.
    pub fn hold(&self, hold: bool) {
        let held = std::mem::replace(&mut self.state().held, hold.then(Vec::new));
        held.into_iter().flatten().for_each(|(answer, outcome)| answer.give(outcome));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_seq(&self) -> u64 {
        self.lines.last().map_or(1, |line| line.seq + 1)
    }
}

impl<E: Serialize + DeserializeOwned> Journal<E> for MemoryJournal {
    fn append(&self, first_seq: u64, at_secs: u64, events: &[E]) -> Result<Ticket, AppendError> {
        let events = to_json(events)?;
        let mut state = self.state();
        if first_seq != state.next_seq() {
            return Err(AppendError::Stale { given: first_seq, next_seq: state.next_seq() });
        }
        let (answer, ticket) = Ticket::new();
        if state.full {
            answer.give(Err(AppendError::NoSpace { detail: "the journal was filled".into() }));
            return Ok(ticket);
        }
        let last = events.len().saturating_sub(1);
        let mut seq = first_seq;
        for (index, event) in events.into_iter().enumerate() {
            seq = state.next_seq();
            state.lines.push(Recorded { seq, at_secs, more: index < last, event });
        }
        let hash = sha256::Hash::hash(&seq.to_be_bytes());
        let outcome = Ok(Appended { first_seq, head: Head { seq, hash } });
        match &mut state.held {
            Some(held) => held.push((answer, outcome)),
            None => answer.give(outcome),
        }
        Ok(ticket)
    }

    fn next_seq(&self) -> u64 {
        self.state().next_seq()
    }

    fn read_from(&self, seq: u64) -> Result<Vec<Recorded<E>>, OpenError> {
        let decode = |line: &Recorded<String>| {
            let Recorded { seq, at_secs, more, .. } = *line;
            let unknown = |error: serde_json::Error| {
                let cause = Cause::UnknownEvent { detail: error.to_string() };
                OpenError::Corrupt { damage: Damage { line: seq, offset: 0, cause } }
            };
            let event = serde_json::from_str(&line.event).map_err(unknown)?;
            Ok(Recorded { seq, at_secs, more, event })
        };
        self.state().lines.iter().filter(|line| line.seq >= seq).map(decode).collect()
    }
}
