//! What was told: the public events of everything durable, in memory, for whoever asks from an id on. The list
//! is folded from the journal at the start and grows with it; beyond a limit the oldest are forgotten. It tells
//! nothing before it is on the disk, and decides nothing about what is told.

mod listen;

pub use listen::{Full, Heard, Listener, Seat};

use crate::escrow::public::{EventId, ProjectId, PublicEvent};
use crate::escrow::statement::{CharterId, TaskId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// What somebody listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everything.
    All,
    /// A repository: all its tasks and wishes, and what is said of it.
    Project(ProjectId),
    /// One wish.
    Wish(TaskId),
    /// One task.
    Task(CharterId),
    /// One pledge of a task.
    Pledge(CharterId, u32),
}

impl Topic {
    /// Whether an event belongs to it.
    pub fn has(&self, event: &PublicEvent) -> bool {
        match self {
            Topic::All => true,
            Topic::Project(project) => event.project == *project,
            Topic::Wish(wish) => event.wish == Some(*wish),
            Topic::Task(charter) => event.charter == Some(*charter),
            Topic::Pledge(charter, index) => event.charter == Some(*charter) && event.pledge == Some(*index),
        }
    }
}

/// Events after an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// They, oldest first.
    pub items: Vec<Arc<PublicEvent>>,
    /// Where to go on: the last of them, or if there are no more, the newest of all.
    pub next: EventId,
}

/// Events before an id, backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backwards {
    /// They, the newest first.
    pub items: Vec<Arc<PublicEvent>>,
    /// Where to go on backwards; `None` at the beginning of what is kept.
    pub next: Option<EventId>,
    /// Whether events of any task are not kept any more, so that the beginning may not be the first.
    pub forgotten: bool,
}

/// The id cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// What followed it is not kept any more.
    #[error(
        "events after {after} are not kept any more: read the present state anew, then go on after {oldest}"
    )]
    Forgotten {
        /// The id asked for.
        after: EventId,
        /// The oldest id that can be gone on from.
        oldest: EventId,
    },
    /// Nothing that was told has an id as high.
    #[error("no event was told as late as {after}, the newest is {newest}: start again after 0")]
    Unknown {
        /// The id asked for.
        after: EventId,
        /// The newest.
        newest: EventId,
    },
}

/// The list.
#[derive(Debug)]
pub struct EventLog {
    kept: RwLock<Kept>,
    max: usize,
    newest: watch::Sender<EventId>,
    topics: listen::Topics,
    seats: listen::Seats,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<PublicEvent>>,
    /// How many were forgotten; an event's number is its place in the list plus this.
    forgotten: u64,
    /// The last one forgotten.
    last_forgotten: Option<EventId>,
    /// Numbers of the events of each thing that has some.
    lists: HashMap<List, VecDeque<u64>>,
}

/// What has a list of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum List {
    Task(CharterId),
    Wish(TaskId),
    Project(ProjectId),
}

impl List {
    /// Those that an event is in.
    fn of(event: &PublicEvent) -> impl Iterator<Item = List> {
        let task = event.charter.map(List::Task);
        let wish = event.wish.map(List::Wish);
        [Some(List::Project(event.project)), task, wish].into_iter().flatten()
    }
}

impl Topic {
    /// Where its events are, if not all are.
    fn list(&self) -> Option<List> {
        match self {
            Topic::All => None,
            Topic::Project(project) => Some(List::Project(*project)),
            Topic::Wish(wish) => Some(List::Wish(*wish)),
            Topic::Task(charter) | Topic::Pledge(charter, _) => Some(List::Task(*charter)),
        }
    }
}

impl Kept {
    fn newest(&self) -> EventId {
        self.events.back().map(|event| event.id).or(self.last_forgotten).unwrap_or_default()
    }

    /// Whether everything after an id is here. The beginning of what is kept is always.
    fn may_follow(&self, after: EventId) -> Result<(), Lost> {
        let newest = self.newest();
        if after > newest {
            return Err(Lost::Unknown { after, newest });
        }
        match self.last_forgotten.filter(|last| after < *last && after != EventId::default()) {
            Some(oldest) => Err(Lost::Forgotten { after, oldest }),
            None => Ok(()),
        }
    }

    fn push(&mut self, event: Arc<PublicEvent>) {
        let number = self.forgotten + u64::try_from(self.events.len()).expect("a length fits");
        for list in List::of(&event) {
            self.lists.entry(list).or_default().push_back(number);
        }
        self.events.push_back(event);
    }

    fn forget_oldest(&mut self) {
        let Some(event) = self.events.pop_front() else { return };
        self.forgotten += 1;
        self.last_forgotten = Some(event.id);
        // The oldest of all is the oldest of each list it is in.
        for list in List::of(&event) {
            if let Some(numbers) = self.lists.get_mut(&list) {
                numbers.pop_front();
                if numbers.is_empty() {
                    self.lists.remove(&list);
                }
            }
        }
    }

    fn numbered(&self, number: u64) -> Option<&Arc<PublicEvent>> {
        self.events.get(usize::try_from(number.checked_sub(self.forgotten)?).ok()?)
    }

    fn after(&self, topic: &Topic, after: EventId, limit: usize) -> Vec<Arc<PublicEvent>> {
        let start = self.events.partition_point(|event| event.id <= after);
        let Some(list) = topic.list() else {
            return self.events.iter().skip(start).take(limit).cloned().collect();
        };
        let Some(numbers) = self.lists.get(&list) else { return Vec::new() };
        let first = self.forgotten + u64::try_from(start).expect("a length fits");
        let from = numbers.partition_point(|number| *number < first);
        let events = numbers.iter().skip(from).filter_map(|number| self.numbered(*number));
        events.filter(|event| topic.has(event)).take(limit).cloned().collect()
    }
}

impl EventLog {
    /// An empty list that keeps at most `max` events, for at most so many listeners in all and from one address;
    /// 0 from one address is any number.
    pub fn new(max: usize, listeners: usize, listeners_per_address: usize) -> EventLog {
        EventLog {
            kept: RwLock::default(),
            max: max.max(1),
            newest: watch::Sender::new(EventId::default()),
            topics: listen::Topics::default(),
            seats: listen::Seats::new(listeners, listeners_per_address),
        }
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        // Nothing panics while it is written to, but for want of memory.
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is durable now, in order; what was told before is passed over.
    pub(crate) fn tell(&self, events: Vec<PublicEvent>) {
        // Whoever begins to listen does so before or after, not in between.
        let mut topics = self.topics.lock();
        let newest = {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                if event.id > kept.newest() {
                    topics.gather(&event);
                    kept.push(Arc::new(event));
                }
            }
            while kept.events.len() > self.max {
                kept.forget_oldest();
            }
            kept.newest()
        };
        topics.send();
        drop(topics);
        self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
    }

    /// Id of the last event told; `0-0` before the first.
    pub fn newest(&self) -> EventId {
        self.kept().newest()
    }

    /// Changes with every event told.
    pub fn watch(&self) -> watch::Receiver<EventId> {
        self.newest.subscribe()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept().events.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most `limit` events of a topic after an id. [`EventId::default`] is the beginning of what is kept.
    pub fn page(&self, topic: &Topic, after: EventId, limit: usize) -> Result<Page, Lost> {
        let kept = self.kept();
        let newest = kept.newest();
        kept.may_follow(after)?;
        let items = kept.after(topic, after, limit);
        let full = items.len() >= limit;
        let next = items.last().filter(|_| full).map_or(newest, |event| event.id);
        Ok(Page { items, next })
    }

    /// At most `limit` events of a topic before an id, or the last ones; the newest first.
    pub fn before(&self, topic: &Topic, before: Option<EventId>, limit: usize) -> Backwards {
        let kept = self.kept();
        let end = before.map_or(kept.events.len(), |id| kept.events.partition_point(|event| event.id < id));
        let mut items: Vec<Arc<PublicEvent>> = match topic.list() {
            None => kept.events.iter().take(end).rev().take(limit + 1).cloned().collect(),
            Some(list) => {
                let numbers = kept.lists.get(&list);
                let first_beyond = kept.forgotten + u64::try_from(end).expect("a length fits");
                let numbers =
                    numbers.into_iter().flatten().rev().skip_while(|number| **number >= first_beyond);
                let events = numbers.filter_map(|number| kept.numbered(*number));
                events.filter(|event| topic.has(event)).take(limit + 1).cloned().collect()
            }
        };
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|event| event.id);
        Backwards { items, next, forgotten: kept.forgotten > 0 }
    }

    /// The last `limit` events of a topic, oldest first.
    pub fn last(&self, topic: &Topic, limit: usize) -> Vec<Arc<PublicEvent>> {
        let kept = self.kept();
        let mut events: Vec<Arc<PublicEvent>> = match topic.list() {
            None => kept.events.iter().rev().take(limit).cloned().collect(),
            Some(list) => {
                let numbers = kept.lists.get(&list).into_iter().flatten().rev();
                let events = numbers.filter_map(|number| kept.numbered(*number));
                events.filter(|event| topic.has(event)).take(limit).cloned().collect()
            }
        };
        events.reverse();
        events
    }
}

#[cfg(test)]
mod tests;
