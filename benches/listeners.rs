//! What it costs to tell everybody: an event's way from the request that causes it to the last of N listeners, over
//! the real service, router and accept loop, against plain writes of the same bytes to N sockets, in the same run;
//! and the memory that a listener holds (VmRSS of this process, in which the listeners' own ends are bare sockets).
//! The chain and the disk are in memory. Needs 2 N open files, and takes the hard limit for itself.

// Bench code: nothing here is linked into the program.
#![allow(missing_docs, clippy::unwrap_used)]

use bitcoin::block::Header;
use bitcoin::{BlockHash, FeeRate, ScriptBuf, Transaction, Txid};
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use upfront::chain::{BroadcastError, ChainAlarm, ChainError, ChainSource, ServerStatus, TxProof};
use upfront::config::HttpLimits;
use upfront::config::api::ApiLimits;
use upfront::escrow::charter::Charter;
use upfront::escrow::network::Network;
use upfront::escrow::statement::TaskId;
use upfront::escrow::testing;
use upfront::metrics::Metrics;
use upfront::service::{Parts, Policy, Service, SystemClock};
use upfront::store::files::RealFiles;
use upfront::store::journal::MemoryJournal;
use upfront::store::replay::ReplayCache;
use upfront::web::{App, Edge, listen, router};

const COUNTS: [usize; 3] = [100, 1_000, 4_000];
const ROUNDS: usize = 21;

/// A chain that nothing happens on.
struct Quiet;

impl ChainSource for Quiet {
    fn watch(&self, _: Vec<ScriptBuf>) {}
    fn retire(&self, _: Vec<ScriptBuf>) {}
    fn servers(&self) -> Vec<ServerStatus> {
        Vec::new()
    }
    fn alarms(&self) -> Vec<ChainAlarm> {
        Vec::new()
    }
    fn broadcast(&self, _: Transaction) -> BoxFuture<'_, Result<Txid, BroadcastError>> {
        async { Err(BroadcastError::Offline) }.boxed()
    }
    fn estimate(&self, _: u16) -> BoxFuture<'_, Option<FeeRate>> {
        async { None }.boxed()
    }
    fn relay_feerate(&self) -> BoxFuture<'_, Option<FeeRate>> {
        async { None }.boxed()
    }
    fn proof(&self, _: Txid, _: u32) -> BoxFuture<'_, Result<TxProof, ChainError>> {
        async { Err(ChainError::Offline) }.boxed()
    }
    fn header(&self, _: u32) -> Option<Header> {
        None
    }
    fn block(&self, _: u32) -> Option<(BlockHash, u32)> {
        None
    }
    fn transaction(&self, _: Txid) -> BoxFuture<'_, Result<Transaction, ChainError>> {
        async { Err(ChainError::Offline) }.boxed()
    }
}

fn service() -> Arc<Service> {
    Service::new(Parts {
        journal: Box::new(MemoryJournal::new()),
        records: Vec::new(),
        chain: Arc::new(Quiet),
        clock: Arc::new(SystemClock),
        receipt: testing::receipt_keypair(),
        wallet: None,
        policy: Policy {
            network: Network::Regtest,
            refund_budget_sat: 0,
            max_tasks: 10_000,
            max_events: 10_000,
            max_listeners: 10_000,
            max_listeners_per_address: 0,
            public_url: "http://127.0.0.1".to_owned(),
            max_drafts: 10_000,
            max_drafts_per_identity: 10_000,
            drafters: Vec::new(),
            hidden: upfront::service::hidden::Hidden::default(),
        },
    })
    .unwrap()
}

/// Causes one event of everybody's: a task is written down.
struct Causes {
    service: Arc<Service>,
    runtime: tokio::runtime::Runtime,
    number: u32,
}

impl Causes {
    fn charter(&mut self) -> String {
        self.number += 1;
        let mut fields = testing::fields(Network::Regtest);
        let mut id = [0; 32];
        id[..4].copy_from_slice(&self.number.to_be_bytes());
        fields.task = TaskId(id);
        String::from_utf8(Charter::from_fields(fields).unwrap().bytes().to_vec()).unwrap()
    }

    fn cause(&self, charter: &str) {
        let by = testing::sponsor(1).x_only_public_key().0;
        self.runtime.block_on(self.service.draft(charter, testing::TEXT, by)).unwrap();
    }
}

/// Resident bytes of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Everything up to the end of a chunk that has `what` in it.
fn read_to(stream: &mut TcpStream, what: &[u8]) -> Vec<u8> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while !(bytes.ends_with(b"\r\n") && bytes.windows(what.len()).any(|seen| seen == what)) {
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "the stream ended");
        bytes.extend_from_slice(&part[..length]);
    }
    bytes
}

/// Does something, and says how long it is until all of `streams` have an event.
fn until_all_have_it(streams: &mut [TcpStream], what: impl FnOnce() + Send) -> Duration {
    let (ready, begin) = mpsc::channel();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            ready.send(()).unwrap();
            for stream in streams {
                read_to(stream, b"event: task_drafted");
            }
            Instant::now()
        });
        begin.recv().unwrap();
        let begun = Instant::now();
        what();
        reader.join().unwrap() - begun
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// So many sockets to an address, each having asked for the stream and been greeted.
fn listeners(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = "GET /api/v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        read_to(&mut stream, b"event: hello");
        stream
    };
    (0..count).map(open).collect()
}

/// So many pairs of sockets: where we write, where they read.
fn plain(count: usize) -> (Vec<TcpStream>, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let pair = |_| {
        let read = TcpStream::connect(address).unwrap();
        let (write, _) = listener.accept().unwrap();
        write.set_nodelay(true).unwrap();
        (write, read)
    };
    (0..count).map(pair).unzip()
}

fn main() {
    let files = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files });
    let room = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap().saturating_sub(100) / 4);
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let service = service();
    let mut causes = Causes { service: Arc::clone(&service), runtime, number: 0 };
    let replay = ReplayCache::open(dir.path(), Arc::new(RealFiles)).unwrap();
    let edge = Edge::new("http://127.0.0.1", ApiLimits::default(), replay, Arc::new(SystemClock));
    let app = router(App { service, edge: Arc::new(edge), webhooks: None, faucet: None });
    let socket = causes.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let limits = HttpLimits { max_connections: 10_000, ..HttpLimits::default() };
    causes.runtime.spawn(async move {
        let metrics = Arc::new(Metrics::default());
        listen::serve(listen::Listener::Tcp(socket), app, &limits, &metrics, std::future::pending()).await
    });

    // Without listeners: what the request itself takes, and everything that is set up once.
    let mut alone = Vec::new();
    for _ in 0..ROUNDS {
        let charter = causes.charter();
        let begun = Instant::now();
        causes.cause(&charter);
        alone.push(begun.elapsed());
    }
    drop(listeners(address, 10));
    let alone = median(alone);
    println!("the request alone takes {alone:.2?}; medians of {ROUNDS} rounds, until the last one has it:");
    println!("{:>9} {:>11} {:>11} {:>7} {:>16}", "listeners", "served", "plain", "ratio", "bytes/listener");
    for count in COUNTS {
        if count > room {
            println!("{count:>9} not tried: too few open files are allowed");
            continue;
        }
        let before = resident_bytes();
        let mut ears = listeners(address, count);
        let held = resident_bytes().saturating_sub(before) / count;
        let (mut writes, mut reads) = plain(count);
        let (mut served, mut written) = (Vec::new(), Vec::new());
        // As long as the event's own chunk.
        let charter = causes.charter();
        causes.cause(&charter);
        let bytes = ears.iter_mut().map(|ear| read_to(ear, b"event: task_drafted")).last().unwrap();
        for _ in 0..ROUNDS {
            let charter = causes.charter();
            served.push(until_all_have_it(&mut ears, || causes.cause(&charter)));
            let write = || writes.iter_mut().for_each(|stream| stream.write_all(&bytes).unwrap());
            written.push(until_all_have_it(&mut reads, write));
        }
        let (served, written) = (median(served), median(written));
        let percent = served.saturating_sub(alone).as_micros() * 100 / written.as_micros().max(1);
        println!(
            "{count:>9} {served:>11.2?} {written:>11.2?} {:>4}.{:02} {held:>16}",
            percent / 100,
            percent % 100
        );
    }
    println!("the ratio leaves the request itself out");
    std::process::exit(0);
}
