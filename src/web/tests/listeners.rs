//! Thousands who listen, over real sockets and the real accept loop: each hears each event once, and all of them are
//! let go in order. What a listener costs is measured in `benches/listeners.rs`.

use super::fakes::World;
use crate::config::HttpLimits;
use crate::config::api::ApiLimits;
use crate::metrics::Metrics;
use crate::service::events::Topic;
use crate::web::listen::{Listener, serve};
use crate::web::router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How many listen.
const WANTED: usize = 2_000;
/// Files of everything else in this process, the other tests' included.
const OTHER_FILES: u64 = 1_000;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// As many as this process may open files for, each end being one.
fn allowed() -> usize {
    let now = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    let files = if raised.is_ok() { now.maximum } else { now.current };
    let room = files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES) / 2);
    let count = usize::try_from(room).unwrap_or(usize::MAX).min(WANTED);
    if count < WANTED {
        let told = format!("TRIED WITH {count} LISTENERS ONLY: {files:?} open files are allowed (ulimit -n)");
        assert!(std::env::var_os("CI").is_none(), "{told}: where it counts, all of them are tried");
        eprintln!("{told}");
    }
    assert!(count >= 50, "too few files may be opened to try anything: raise ulimit -n");
    count
}

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<bool>,
}

async fn served(world: &World, connections: usize) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Arc::new(Metrics::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let (counted, app) = (Arc::clone(&metrics), router(world.app()));
    let limits =
        HttpLimits { max_connections: connections, max_connections_per_address: 0, ..HttpLimits::default() };
    let done = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        serve(Listener::Tcp(listener), app, &limits, &counted, stopped).await
    });
    Served { address, metrics, stop, done }
}

/// One who listens, on a connection of its own.
struct Ear {
    stream: TcpStream,
    text: String,
}

impl Ear {
    async fn open(address: SocketAddr, path: &str, headers: &str) -> Ear {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Ear { stream, text: String::new() }
    }

    /// Reads until what came satisfies, or the other side closes.
    async fn until(&mut self, mut enough: impl FnMut(&str) -> bool) {
        let read = async {
            let mut part = [0; 4096];
            while !enough(&self.text) {
                let length = self.stream.read(&mut part).await.unwrap_or(0);
                if length == 0 {
                    break;
                }
                self.text.push_str(std::str::from_utf8(&part[..length]).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it comes");
    }

    async fn greeted(mut self) -> Ear {
        self.until(|text| text.contains("event: hello\n") && text.ends_with("\r\n")).await;
        assert!(self.text.starts_with("HTTP/1.1 200 "), "{}", self.text);
        self
    }

    /// Ids of the events that came, the greeting's left out.
    fn ids(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("id: ")).skip(1).collect()
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_hear_each_event_once_and_are_let_go_in_order() {
    let count = allowed();
    let mut world = World::new(None, |fields| fields.cap_sat = 10_000_000).await;
    world.restart_with(|policy| (policy.max_listeners, policy.max_events) = (count, 10_000)).await;
    let before = world.service.events().newest();
    let served = served(&world, count + 10).await;
    let mut ears = Vec::with_capacity(count);
    // A listen queue holds a hundred or so that nobody has accepted yet.
    while ears.len() < count {
        let some = (count - ears.len()).min(100);
        let opening = (0..some).map(|_| Ear::open(served.address, "/api/v1/events", ""));
        let open = futures::future::join_all(opening).await;
        ears.extend(futures::future::join_all(open.into_iter().map(Ear::greeted)).await);
    }
    assert_eq!(world.service.events().listeners(), count);
    assert_eq!(served.metrics.http.sse_listeners.get(), i64::try_from(count).unwrap());
    let mut full = Ear::open(served.address, "/api/v1/events", "connection: close\r\n").await;
    full.until(|_| false).await;
    assert!(full.text.starts_with("HTTP/1.1 503 ") && full.text.contains("too_many_listeners"));

    // More than waits for anybody, so that some read from the list.
    world.fund(1, 300_000).await;
    for index in 2..=25 {
        world.sent("pledges", world.pledge_body(index, 20_000)).await;
    }
    let told = world.service.events().page(&Topic::All, before, usize::MAX).unwrap().items;
    let ids: Vec<String> = told.iter().map(|event| event.id.to_string()).collect();
    assert!(ids.len() > 24, "{ids:?}");
    let last = format!("\nid: {}\n", ids.last().unwrap());
    let hear = ears.into_iter().map(|mut ear| {
        let last = last.clone();
        async move {
            ear.until(|text| text.contains(&last)).await;
            ear
        }
    });
    let mut ears = futures::future::join_all(hear).await;
    for ear in &ears {
        assert_eq!(ear.ids(), ids, "each once, in order");
    }

    // The end: every stream is finished as HTTP has it, not cut.
    served.stop.send(()).unwrap();
    for ear in &mut ears {
        ear.until(|_| false).await;
        assert!(ear.text.ends_with("0\r\n\r\n"), "{}", &ear.text[ear.text.len().saturating_sub(80)..]);
    }
    assert!(tokio::time::timeout(PATIENCE, served.done).await.unwrap().unwrap(), "all ended by themselves");
    assert_eq!(world.service.events().listeners(), 0);
    assert_eq!(served.metrics.http.sse_listeners.get(), 0);
    drop(ears);

    // Who was let go comes back to the next process, and misses nothing.
    let held = told[told.len() / 2].id;
    world.restart_with(|policy| policy.max_listeners = count).await;
    let again = self::served(&world, 10).await;
    let headers = format!("last-event-id: {held}\r\n");
    let mut ear = Ear::open(again.address, "/api/v1/events", &headers).await.greeted().await;
    ear.until(|text| text.contains(&last)).await;
    assert_eq!(ear.ids(), ids[told.len() / 2 + 1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_share_of_places_also_behind_a_proxy() {
    let mut world = World::new(None, |_| {}).await;
    world.guard(ApiLimits { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..ApiLimits::default() });
    let served = served(&world, 100).await;
    let listen = async |client: &str| {
        let headers = format!("x-forwarded-for: {client}\r\n");
        let mut ear = Ear::open(served.address, "/api/v1/events", &headers).await;
        ear.until(|text| text.contains("event: hello") || text.contains("too_many_listeners")).await;
        ear
    };
    let mut one = vec![listen("192.0.2.1").await, listen("192.0.2.1").await];
    assert!(one.iter().all(|ear| ear.text.starts_with("HTTP/1.1 200 ")));
    let third = listen("192.0.2.1").await;
    assert!(third.text.starts_with("HTTP/1.1 503 "), "{}", third.text);
    assert!(third.text.contains("from one address"), "{}", third.text);
    let network = [listen("2001:db8::1").await, listen("2001:db8::2").await, listen("2001:db8::3").await];
    assert_eq!(network.map(|ear| ear.text.starts_with("HTTP/1.1 200 ")), [true, true, false], "one /64");
    until("those who left are forgotten", || world.service.events().listeners() == 2).await;
    // A place is free as soon as somebody leaves.
    drop(one.pop());
    until("one left", || world.service.events().listeners() == 1).await;
    assert!(listen("192.0.2.1").await.text.starts_with("HTTP/1.1 200 "));
    // This machine's own are not counted singly.
    let mut here = Vec::new();
    for _ in 0..4 {
        let ear = Ear::open(served.address, "/api/v1/events", "").await.greeted().await;
        here.push(ear);
    }
}

/// Takes as long as the longest silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_says_that_it_is_alive_and_goes_on() {
    let world = World::new(None, |_| {}).await;
    let served = served(&world, 10).await;
    let mut ear = Ear::open(served.address, "/api/v1/events", "").await.greeted().await;
    ear.until(|text| text.contains("\n: still here\n\n")).await;
    assert_eq!(ear.ids(), [] as [&str; 0]);
    world.sent("pledges", world.pledge_body(1, 70_000)).await;
    ear.until(|text| text.contains("event: pledge_issued")).await;
    assert_eq!(ear.ids(), [world.service.events().newest().to_string()]);
}
