//! Listening: what is told is written down once for all who listen to the same (as lines of a
//! `text/event-stream`), and handed to each. A listener that falls behind finds what it missed in the list: what
//! waits for it is bounded, and it loses nothing. Who takes nothing at all is let go where bytes are sent.

use super::{EventLog, Lost, Topic};
use crate::escrow::public::{EventId, PublicEvent};
use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// What may wait for a listener, in appends; one that is further behind reads from the list.
const WAITING: usize = 16;
/// Events read from the list at once.
const CATCH_UP: usize = 64;
/// How soon a client that lost its stream should come back, milliseconds.
const RETRY_MS: u32 = 3_000;

/// What an append tells the listeners of one topic.
#[derive(Clone, Debug)]
struct Frame {
    first: EventId,
    last: EventId,
    text: Arc<[u8]>,
}

/// Everything that is listened to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    senders: Mutex<HashMap<Topic, Sending>>,
}

#[derive(Debug)]
struct Sending {
    sender: broadcast::Sender<Frame>,
    /// What the present append tells.
    gathered: Option<(EventId, EventId, String)>,
}

/// The topics, held while an append is told.
pub(super) struct Held<'a> {
    senders: MutexGuard<'a, HashMap<Topic, Sending>>,
    /// Those that the present append has something for.
    touched: Vec<Topic>,
}

impl Topics {
    pub(super) fn lock(&self) -> Held<'_> {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        Held { senders, touched: Vec::new() }
    }
}

impl Held<'_> {
    /// Adds an event to what is told to whom it concerns.
    pub(super) fn gather(&mut self, event: &PublicEvent) {
        if self.senders.is_empty() {
            return;
        }
        let topics = [Topic::All, Topic::Project(event.project)];
        let wish = event.wish.map(Topic::Wish);
        let task = event.charter.map(Topic::Task);
        let pledge = event.charter.zip(event.pledge).map(|(charter, index)| Topic::Pledge(charter, index));
        let mut text = String::new();
        for topic in topics.into_iter().chain(wish).chain(task).chain(pledge) {
            let Some(sending) = self.senders.get_mut(&topic) else { continue };
            if text.is_empty() {
                write_event(&mut text, event);
            }
            if sending.gathered.is_none() {
                self.touched.push(topic);
            }
            let (_, last, gathered) = sending.gathered.get_or_insert((event.id, event.id, String::new()));
            *last = event.id;
            gathered.push_str(&text);
        }
    }

    /// Hands on what was gathered.
    pub(super) fn send(&mut self) {
        for topic in self.touched.drain(..) {
            let Some(sending) = self.senders.get_mut(&topic) else { continue };
            if let Some((first, last, text)) = sending.gathered.take() {
                // Without receivers there is nobody to tell; the last one to go takes the topic along.
                let _ = sending.sender.send(Frame { first, last, text: text.into_bytes().into() });
            }
        }
    }
}

/// An event as lines of a stream.
fn write_event(text: &mut String, event: &PublicEvent) {
    let value = serde_json::to_value(event).unwrap_or_default();
    let kind = event.what.kind();
    // Writing to a text cannot fail. JSON has no line breaks of its own.
    let _ = write!(text, "id: {}\nevent: {kind}\ndata: {value}\n\n", event.id);
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    log: Arc<EventLog>,
    topic: Topic,
    frames: broadcast::Receiver<Frame>,
    greeted: bool,
    /// The last event heard.
    heard: EventId,
    /// Up to here events are read from the list.
    until: EventId,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Lines of a stream.
    Text(Arc<[u8]>),
    /// Nothing for so long.
    Quiet,
}

impl EventLog {
    /// Listens to a topic, after an id or from now on.
    pub fn listen(self: &Arc<Self>, topic: Topic, after: Option<EventId>) -> Result<Listener, Lost> {
        let mut topics = self.topics.lock();
        let until = {
            let kept = self.kept();
            after.map_or(Ok(()), |after| kept.may_follow(after))?;
            kept.newest()
        };
        let sending = topics
            .senders
            .entry(topic)
            .or_insert_with(|| Sending { sender: broadcast::Sender::new(WAITING), gathered: None });
        let frames = sending.sender.subscribe();
        let heard = after.unwrap_or(until);
        Ok(Listener { log: Arc::clone(self), topic, frames, greeted: false, heard, until })
    }
}

impl Listener {
    /// What comes next: a greeting, then every event once and in order. `None`: what it missed is forgotten.
    pub async fn next(&mut self, quiet: Duration) -> Option<Heard> {
        if !self.greeted {
            self.greeted = true;
            let Listener { heard, until, .. } = self;
            let text =
                format!("retry: {RETRY_MS}\nid: {heard}\nevent: hello\ndata: {{\"newest\":\"{until}\"}}\n\n");
            return Some(Heard::Text(text.into_bytes().into()));
        }
        loop {
            if self.heard < self.until {
                let page = self.log.page(&self.topic, self.heard, CATCH_UP).ok()?;
                self.heard = page.next.max(self.heard);
                if page.items.is_empty() {
                    continue;
                }
                let mut text = String::new();
                page.items.iter().for_each(|event| write_event(&mut text, event));
                return Some(Heard::Text(text.into_bytes().into()));
            }
            match tokio::time::timeout(quiet, self.frames.recv()).await {
                Err(_) => return Some(Heard::Quiet),
                Ok(Ok(frame)) if frame.last <= self.heard => {}
                Ok(Ok(frame)) if frame.first <= self.heard => self.until = frame.last,
                Ok(Ok(frame)) => {
                    self.heard = frame.last;
                    return Some(Heard::Text(frame.text));
                }
                // Fallen behind: the list has what was missed.
                Ok(Err(RecvError::Lagged(_))) => self.until = self.log.newest(),
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut topics = self.log.topics.lock();
        // We still count.
        if topics.senders.get(&self.topic).is_some_and(|sending| sending.sender.receiver_count() <= 1) {
            topics.senders.remove(&self.topic);
        }
    }
}

/// How many listen.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<Taken>,
    max: usize,
    max_per_address: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Seats {
    pub(super) fn new(max: usize, max_per_address: usize) -> Seats {
        Seats { taken: Mutex::default(), max, max_per_address }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All are taken.
    #[error("this service serves at most {max} listeners at once")]
    All {
        /// The limit.
        max: usize,
    },
    /// This address has its share.
    #[error("at most {max} listeners from one address are served at once")]
    Address {
        /// The limit.
        max: usize,
    },
}

/// A listener's place; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    log: Arc<EventLog>,
    address: Option<IpAddr>,
}

impl EventLog {
    /// Takes a place for a listener at an address. This machine's own are not counted singly: a proxy here
    /// speaks for many.
    pub fn seat(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, Full> {
        let address = address.map(whole).filter(|address| !address.is_loopback());
        let Seats { max, max_per_address, .. } = self.seats;
        let mut taken = self.seats.taken();
        if taken.all >= max {
            return Err(Full::All { max });
        }
        if let Some(address) = address {
            let count = taken.by_address.entry(address).or_default();
            if max_per_address > 0 && *count >= max_per_address {
                return Err(Full::Address { max: max_per_address });
            }
            *count += 1;
        }
        taken.all += 1;
        drop(taken);
        Ok(Seat { log: Arc::clone(self), address })
    }

    /// How many listen, or wait.
    pub fn listeners(&self) -> usize {
        self.seats.taken().all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.log.seats.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(count) = taken.by_address.get_mut(&address)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

/// Whoever has one address of an IPv6 network has all of its /64.
fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}
