//! Every open connection, what it is doing, and since when: so that those that only wait make room for those
//! that ask, whoever is too slow is let go, and memory stays bounded. Knows nothing of HTTP's content.

use crate::config::HttpLimits;
use crate::metrics::HttpMetrics;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Most bytes of unfinished request bodies at once. Beyond it the longest of them is let go.
pub const MAX_BODIES_BYTES: usize = 128 << 20;
/// When all connections are taken, this part of them makes room at once: looking for who waits longest costs a
/// walk over all.
const ROOM_PART: usize = 32;
/// How long the head of a request may still take once the service is stopping.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has begun a request, or is new; the head is not here yet.
    Head,
    /// The head is here, the body arrives.
    Body,
    /// A request is being answered.
    Busy,
    /// It rests between two requests.
    Idle,
}

/// Why a connection was closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its address has too many.
    Address,
    /// All were taken, and it waited longest.
    Room,
    /// All were taken and busy.
    Full,
    /// The head of a request took too long.
    Head,
    /// The body of a request took too long.
    Body,
    /// It rested too long.
    Idle,
    /// It took nothing of its answer for too long.
    Send,
    /// Too many bytes of bodies at once, and its was the longest.
    Memory,
    /// The service stops.
    Stop,
}

impl Reason {
    const ALL: [Reason; 9] = [
        Reason::Address,
        Reason::Room,
        Reason::Full,
        Reason::Head,
        Reason::Body,
        Reason::Idle,
        Reason::Send,
        Reason::Memory,
        Reason::Stop,
    ];

    fn label(self) -> &'static str {
        match self {
            Reason::Address => "address_limit",
            Reason::Room => "made_room",
            Reason::Full => "all_busy",
            Reason::Head => "header_timeout",
            Reason::Body => "body_timeout",
            Reason::Idle => "idle_timeout",
            Reason::Send => "send_timeout",
            Reason::Memory => "body_memory",
            Reason::Stop => "stopping",
        }
    }
}

struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client takes nothing of what is sent.
    blocked: Option<Instant>,
    /// Bytes of the body that arrived.
    body_bytes: usize,
}

/// One connection.
pub struct Connection {
    id: u64,
    state: Mutex<State>,
    /// Rung when it has to go.
    close: Notify,
    closing: AtomicBool,
    table: Arc<Connections>,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.since = Instant::now();
        let held = std::mem::take(&mut state.body_bytes);
        self.table.bodies_bytes.fetch_sub(held, Ordering::Relaxed);
    }

    /// Bytes came in. After a rest they are the beginning of a head.
    pub fn received(&self) {
        let resting = self.state().phase == Phase::Idle;
        if resting {
            self.turn(Phase::Head);
        }
    }

    /// Bytes were taken by the client, or were not.
    pub fn sent(&self, taken: bool) {
        let mut state = self.state();
        if taken {
            state.blocked = None;
        } else {
            state.blocked.get_or_insert_with(Instant::now);
        }
    }

    /// A head is here.
    pub fn begin_request(&self, has_body: bool) {
        self.turn(if has_body { Phase::Body } else { Phase::Busy });
    }

    /// So much of the body came.
    pub fn body_came(&self, bytes: usize) {
        self.state().body_bytes += bytes;
        let all = self.table.bodies_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > MAX_BODIES_BYTES {
            self.table.shed_longest_body();
        }
    }

    /// The whole body is here: its bytes are the handler's now, which is bounded by time.
    pub fn body_done(&self) {
        let mut state = self.state();
        if state.phase == Phase::Body {
            state.phase = Phase::Busy;
            state.since = Instant::now();
        }
    }

    /// The answer is on its way out, or was given up.
    pub fn end_request(&self) {
        self.turn(Phase::Idle);
    }

    /// Resolves when the connection has to go.
    pub async fn closed(&self) {
        self.close.notified().await;
    }

    fn let_go(&self, reason: Reason) {
        if !self.closing.swap(true, Ordering::Relaxed) {
            self.table.count(reason);
            self.close.notify_one();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let held = self.state().body_bytes;
        self.table.bodies_bytes.fetch_sub(held, Ordering::Relaxed);
    }
}

/// Its place in the table, given back when dropped.
pub struct Place {
    connection: Arc<Connection>,
    address: Option<IpAddr>,
}

impl Place {
    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.table.forget(self.connection.id, self.address);
    }
}

#[derive(Default)]
struct Open {
    next_id: u64,
    connections: HashMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
}

/// All open connections.
pub struct Connections {
    limits: HttpLimits,
    open: Mutex<Open>,
    bodies_bytes: AtomicUsize,
    counted: Box<dyn Fn(Reason) + Send + Sync>,
    gauge: crate::metrics::Whole,
    accepted: prometheus_client::metrics::counter::Counter<u64, AtomicU64>,
    /// Rung when the last one is gone.
    empty: Notify,
}

impl Connections {
    /// None yet. `limits` are to be within what the system allows.
    pub fn new(limits: HttpLimits, metrics: &HttpMetrics) -> Arc<Connections> {
        let closed = metrics.closed.clone();
        for reason in Reason::ALL {
            let _ = closed.get_or_create(&[("reason", reason.label())]);
        }
        let counted = move |reason: Reason| {
            closed.get_or_create(&[("reason", reason.label())]).inc();
        };
        Arc::new(Connections {
            limits,
            open: Mutex::default(),
            bodies_bytes: AtomicUsize::new(0),
            counted: Box::new(counted),
            gauge: metrics.connections.clone(),
            accepted: metrics.accepted.clone(),
            empty: Notify::new(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, reason: Reason) {
        (self.counted)(reason);
    }

    /// Takes in a connection from `peer` (none: a socket in the file system), or says why not.
    pub fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Place, Reason> {
        let address = peer.map(whose).filter(|address| !address.is_loopback());
        let most_of_one = self.limits.max_connections_per_address;
        let mut open = self.open();
        if let Some(address) = address
            && most_of_one > 0
            && open.by_address.get(&address).is_some_and(|count| *count >= most_of_one)
        {
            self.count(Reason::Address);
            return Err(Reason::Address);
        }
        if open.connections.len() >= self.limits.max_connections && !self.make_room(&mut open) {
            self.count(Reason::Full);
            return Err(Reason::Full);
        }
        let id = open.next_id;
        open.next_id += 1;
        let state = State { phase: Phase::Head, since: Instant::now(), blocked: None, body_bytes: 0 };
        let connection = Arc::new(Connection {
            id,
            state: Mutex::new(state),
            close: Notify::new(),
            closing: AtomicBool::new(false),
            table: Arc::clone(self),
        });
        open.connections.insert(id, Arc::clone(&connection));
        if let Some(address) = address {
            *open.by_address.entry(address).or_default() += 1;
        }
        self.accepted.inc();
        self.told(&open);
        Ok(Place { connection, address })
    }

    fn told(&self, open: &Open) {
        self.gauge.set(u64::try_from(open.connections.len()).unwrap_or(u64::MAX));
    }

    /// Lets go who has waited longest: without a request first, then whose body is not here yet. A request that
    /// is being answered is never given up for a newcomer.
    fn make_room(&self, open: &mut Open) -> bool {
        let waiting = |wanted: &[Phase]| {
            let of = |connection: &Arc<Connection>| {
                let state = connection.state();
                wanted.contains(&state.phase).then_some((state.since, connection.id))
            };
            open.connections.values().filter_map(of).collect::<Vec<_>>()
        };
        let mut longest = waiting(&[Phase::Head, Phase::Idle]);
        if longest.is_empty() {
            longest = waiting(&[Phase::Body]);
        }
        let count = (self.limits.max_connections / ROOM_PART).max(1).min(longest.len());
        if count == 0 {
            return false;
        }
        longest.select_nth_unstable(count - 1);
        for (_, id) in &longest[..count] {
            // Out of the table at once, so that the room is there; the place is given back by its task.
            if let Some(connection) = open.connections.remove(id) {
                connection.let_go(Reason::Room);
            }
        }
        true
    }

    fn shed_longest_body(&self) {
        let open = self.open();
        let longest = open.connections.values().max_by_key(|connection| connection.state().body_bytes);
        if let Some(connection) = longest {
            connection.let_go(Reason::Memory);
        }
    }

    fn forget(&self, id: u64, address: Option<IpAddr>) {
        let mut open = self.open();
        open.connections.remove(&id);
        if let Some(address) = address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
        self.told(&open);
        if open.connections.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// Lets go whoever is too slow. Called again and again.
    pub fn sweep(&self, stopping: bool) {
        let limits = &self.limits;
        let secs = Duration::from_secs;
        let head = if stopping { LAST_WORDS } else { secs(limits.header_timeout_secs) };
        let too_slow = |connection: &Connection| {
            let state = connection.state();
            if state.blocked.is_some_and(|since| since.elapsed() > secs(limits.send_timeout_secs)) {
                return Some(Reason::Send);
            }
            let (most, reason) = match state.phase {
                Phase::Head => (head, Reason::Head),
                // A little more than the body itself is given, so that the client hears of it first.
                Phase::Body => (secs(limits.body_timeout_secs.saturating_add(2)), Reason::Body),
                Phase::Idle => (secs(limits.idle_timeout_secs), Reason::Idle),
                Phase::Busy => return None,
            };
            (state.since.elapsed() > most).then_some(reason)
        };
        for connection in self.open().connections.values() {
            if let Some(reason) = too_slow(connection) {
                connection.let_go(reason);
            }
        }
    }

    /// Waits until all are gone.
    pub async fn drained(&self) {
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            if self.open().connections.is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Closes what is left, and says how many that were.
    pub fn close_all(&self) -> usize {
        let open = self.open();
        open.connections.values().for_each(|connection| connection.let_go(Reason::Stop));
        open.connections.len()
    }
}

/// Whose connection it is: an IPv4 address, or the /64 that one household or server has of IPv6.
pub fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(limits: HttpLimits) -> (Arc<Connections>, HttpMetrics) {
        let metrics = HttpMetrics::default();
        (Connections::new(limits, &metrics), metrics)
    }

    fn closed(metrics: &HttpMetrics, reason: Reason) -> u64 {
        metrics.closed.get_or_create(&[("reason", reason.label())]).get()
    }

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_has_its_share_and_this_machine_has_no_limit() {
        let limits = HttpLimits { max_connections_per_address: 2, ..HttpLimits::default() };
        let (table, metrics) = table(limits);
        let first = table.admit(peer("203.0.113.5")).ok().unwrap();
        let _second = table.admit(peer("::ffff:203.0.113.5")).ok().unwrap();
        assert!(matches!(table.admit(peer("203.0.113.5")), Err(Reason::Address)));
        let _other = table.admit(peer("203.0.113.6")).ok().unwrap();
        drop(first);
        let _again = table.admit(peer("203.0.113.5")).ok().unwrap();
        let six = ["2001:db8::1", "2001:db8::2"].map(|address| table.admit(peer(address)).ok().unwrap());
        assert!(matches!(table.admit(peer("2001:db8::3")), Err(Reason::Address)), "one /64 is one address");
        let here: Vec<Place> = (0..10).map(|_| table.admit(peer("127.0.0.1")).ok().unwrap()).collect();
        assert_eq!(metrics.connections.get(), 3 + 2 + 10);
        assert_eq!(closed(&metrics, Reason::Address), 2);
        drop((six, here));
        assert_eq!(metrics.connections.get(), 3);
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_is_served_never_does() {
        let (table, metrics) = table(HttpLimits { max_connections: 3, ..HttpLimits::default() });
        let admit = || table.admit(peer("127.0.0.1")).ok().unwrap();
        let (served, oldest, younger) = (admit(), admit(), admit());
        served.connection.begin_request(false);
        let fourth = admit();
        assert!(oldest.connection.closing.load(Ordering::Relaxed));
        assert!(!younger.connection.closing.load(Ordering::Relaxed));
        for place in [&younger, &fourth] {
            place.connection.begin_request(false);
        }
        assert!(matches!(table.admit(peer("127.0.0.1")), Err(Reason::Full)));
        // A body that is still arriving goes before a newcomer is refused.
        younger.connection.end_request();
        younger.connection.begin_request(true);
        let _fifth = admit();
        assert!(younger.connection.closing.load(Ordering::Relaxed));
        assert!(!served.connection.closing.load(Ordering::Relaxed));
        assert_eq!((closed(&metrics, Reason::Room), closed(&metrics, Reason::Full)), (2, 1));
    }

    #[test]
    fn each_kind_of_slowness_has_its_end() {
        let limits = HttpLimits {
            header_timeout_secs: 0,
            body_timeout_secs: 1_000,
            idle_timeout_secs: 1_000,
            send_timeout_secs: 0,
            ..HttpLimits::default()
        };
        let (table, metrics) = table(limits);
        let admit = || table.admit(None).ok().unwrap();
        let (head, body, busy, idle, blocked) = (admit(), admit(), admit(), admit(), admit());
        body.connection.begin_request(true);
        busy.connection.begin_request(false);
        idle.connection.end_request();
        blocked.connection.begin_request(false);
        blocked.connection.sent(false);
        std::thread::sleep(Duration::from_millis(2));
        table.sweep(false);
        let gone = |place: &Place| place.connection.closing.load(Ordering::Relaxed);
        assert_eq!([&head, &body, &busy, &idle, &blocked].map(gone), [true, false, false, false, true]);
        assert_eq!((closed(&metrics, Reason::Head), closed(&metrics, Reason::Send)), (1, 1));
        // A byte after a rest begins a head, which has its own, shorter time.
        idle.connection.received();
        std::thread::sleep(Duration::from_millis(2));
        table.sweep(false);
        assert!(gone(&idle) && !gone(&body) && !gone(&busy));
    }

    #[test]
    fn bodies_that_pile_up_cost_the_longest_of_them() {
        let (table, metrics) = table(HttpLimits::default());
        let small = table.admit(None).ok().unwrap();
        let large = table.admit(None).ok().unwrap();
        small.connection.begin_request(true);
        large.connection.begin_request(true);
        large.connection.body_came(MAX_BODIES_BYTES - 10);
        small.connection.body_came(10);
        assert_eq!(closed(&metrics, Reason::Memory), 0);
        small.connection.body_came(10);
        assert_eq!(closed(&metrics, Reason::Memory), 1);
        assert!(large.connection.closing.load(Ordering::Relaxed));
        drop(large);
        assert_eq!(table.bodies_bytes.load(Ordering::Relaxed), 20);
        small.connection.end_request();
        assert_eq!(table.bodies_bytes.load(Ordering::Relaxed), 0);
    }
}
