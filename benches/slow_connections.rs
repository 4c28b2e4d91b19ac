//! Ten thousand clients that never finish a request, held open at the accept loop, while others ask and are timed:
//! every one of those must be answered. Prints how much longer they wait than with nobody else there, before and
//! after in the same run, and what the slow ones cost in memory. Then once more as many against the places that the
//! service has as it is shipped, where the slow ones must make room.
//!
//! Both ends are in this process, so a connection takes two open files; where the system allows fewer, there are
//! fewer slow ones, and the output says how many. The handlers are as small as they can be: what is measured is the
//! loop, not the service behind it. Run by `cargo test` it is a hundred times smaller.

// Bench code: nothing here is linked into the program.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use upfront::config::HttpLimits;
use upfront::metrics::Metrics;
use upfront::web::listen::{Listener, serve};

/// Open files that are no slow connections: the healthy ones, the listener, the runtime.
const OWN_FILES: u64 = 200;
/// How often each slow client sends one more byte, as they do to seem alive.
const TRICKLE: Duration = Duration::from_secs(10);
/// Longest wait for anything; nothing takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(120);

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<bool>,
}

impl Served {
    async fn begin(limits: HttpLimits) -> Served {
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/length", post(|body: Bytes| async move { body.len().to_string() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let counted = Arc::clone(&metrics);
        let done = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serve(Listener::Tcp(listener), router, &limits, &counted, stopped).await
        });
        Served { address, metrics, stop, done }
    }

    fn open(&self) -> u64 {
        self.metrics.http.connections.get()
    }

    fn closed(&self, reason: &'static str) -> u64 {
        self.metrics.http.closed.get_or_create(&[("reason", reason)]).get()
    }

    async fn until_open(&self, count: u64) {
        let begun = Instant::now();
        while self.open() != count {
            assert!(begun.elapsed() < PATIENCE, "{} connections are open, not {count}", self.open());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.done).await.expect("it ends").unwrap();
    }

    /// Asks `count` times, one after another, each on a connection of its own as a stranger's would be. Every
    /// answer has to be right; returns how long each took, in order of length.
    async fn ask(&self, count: usize) -> Vec<Duration> {
        let address = self.address;
        let asking = tokio::task::spawn_blocking(move || {
            let one = |n: usize| {
                let begun = Instant::now();
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{n}: {answer}");
                begun.elapsed()
            };
            let mut took: Vec<Duration> = (0..count).map(one).collect();
            took.sort_unstable();
            took
        });
        asking.await.unwrap()
    }
}

/// Clients that never finish: a third in the first word, a third in the head, a third in the body. They are bare
/// sockets, which this process does nothing for.
async fn slow(count: usize, address: SocketAddr) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    for n in 0..count {
        // From many addresses, as they would come.
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(format!("127.{}.{}.{}:0", 1 + n / 62_500, n / 250 % 250, 1 + n % 250).parse().unwrap())
            .unwrap();
        let mut stream = socket.connect(address).await.unwrap().into_std().unwrap();
        let begun: &[u8] = match n % 3 {
            0 => b"G",
            1 => b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
            _ => b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n1",
        };
        // Those that made room for others are closed already.
        let _ = stream.write_all(begun);
        streams.push(stream);
    }
    streams
}

/// Sends a byte on each of them in turn until told to stop; returns them.
fn trickle(streams: Vec<TcpStream>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<TcpStream>> {
    std::thread::spawn(move || {
        const ROUNDS: usize = 100;
        let pause = TRICKLE / u32::try_from(ROUNDS).unwrap();
        let mut streams = streams;
        for round in (0..ROUNDS).cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A third began with `G`; the next byte of a method is as good as any other.
            streams.iter_mut().skip(round).step_by(ROUNDS).for_each(|stream| {
                let _ = stream.write(b"E");
            });
            std::thread::sleep(pause);
        }
        streams
    })
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Raises the limit of open files as far as it goes up to `wanted`; says what it is now.
fn open_files(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    // Whoever is root may go beyond the hard limit.
    let beyond = Rlimit { current: Some(wanted.max(hard)), maximum: Some(wanted.max(hard)) };
    if setrlimit(Resource::Nofile, beyond).is_err() {
        setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }).unwrap();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Median and the one that is slower than 99 of 100, in microseconds.
fn summary(took: &[Duration]) -> (u128, u128) {
    (took[took.len() / 2].as_micros().max(1), took[took.len() * 99 / 100].as_micros().max(1))
}

fn tell(what: &str, took: &[Duration]) -> (u128, u128) {
    let (median, slowest) = summary(took);
    println!("{what:<34} {} of {} answered, median {median} us, p99 {slowest} us", took.len(), took.len());
    (median, slowest)
}

fn percent(of: u128, base: u128) -> u128 {
    of * 100 / base
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let (wanted, healthy) = if measured { (10_000, 2_000) } else { (100, 50) };
    let allowed = open_files(2 * wanted + OWN_FILES);
    let count = usize::try_from(wanted.min((allowed - OWN_FILES) / 2)).unwrap();

    // All of them held: as many places as there are clients, and hours to be slow in.
    let hours = 10_000;
    let limits = HttpLimits {
        max_connections: count + 100,
        header_timeout_secs: hours,
        body_timeout_secs: hours,
        idle_timeout_secs: hours,
        shutdown_timeout_secs: 0,
        ..HttpLimits::default()
    };
    let served = Served::begin(limits).await;
    // Warm, so that what is counted as memory of the slow is theirs.
    served.ask(healthy / 4).await;
    let before = tell("alone, before", &served.ask(healthy).await);
    served.until_open(0).await;
    let rss_before = rss_kib();
    let streams = slow(count, served.address).await;
    let open = u64::try_from(count).unwrap();
    served.until_open(open).await;
    // Time for the last bytes to arrive.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let rss_with = rss_kib();
    let stop = Arc::new(AtomicBool::new(false));
    let trickling = trickle(streams, Arc::clone(&stop));
    let beside = tell(&format!("beside {count} slow connections"), &served.ask(healthy).await);
    stop.store(true, Ordering::Relaxed);
    let streams = trickling.join().unwrap();
    served.until_open(open).await;
    assert_eq!(
        ["made_room", "all_busy", "header_timeout", "body_timeout"].map(|why| served.closed(why)),
        [0; 4]
    );
    let rss_end = rss_kib();
    drop(streams);
    served.until_open(0).await;
    let after = tell("alone, after", &served.ask(healthy).await);
    served.end().await;
    println!(
        "beside them: median {} % of before, {} % of after; p99 {} % of before, {} % of after",
        percent(beside.0, before.0),
        percent(beside.0, after.0),
        percent(beside.1, before.1),
        percent(beside.1, after.1)
    );
    println!(
        "VmRSS {rss_before} KiB before, {rss_with} KiB with them, {rss_end} KiB at the end: {} bytes a connection",
        rss_end.saturating_sub(rss_before) * 1024 / open
    );

    // As shipped, if there are more clients than places: nobody is let go for time within this, all for room.
    let shipped = HttpLimits { shutdown_timeout_secs: 0, ..HttpLimits::default() };
    let places = if measured { shipped.max_connections } else { count / 2 };
    let patient = HttpLimits {
        max_connections: places,
        header_timeout_secs: hours,
        body_timeout_secs: hours,
        ..shipped
    };
    let served = Served::begin(patient).await;
    let streams = slow(count, served.address).await;
    tell(&format!("beside {count} for {places} places"), &served.ask(healthy).await);
    let made_room = served.closed("made_room");
    println!("{made_room} slow connections made room, {} open", served.open());
    assert!(served.open() <= u64::try_from(places).unwrap());
    assert!(made_room + u64::try_from(places).unwrap() >= open, "{made_room}");
    assert_eq!(served.closed("all_busy"), 0, "nobody who asked was turned away");
    drop(streams);
    served.end().await;
}
