//! What the end-to-end tests stand on: a real node, real Electrum servers, the real program as a child
//! process, and people who know nothing but their own keys and the public API. Everything listens on
//! 127.0.0.1, lies in memory where there is `/dev/shm`, and ends with the test that started it.
//!
//! Needs `BITCOIND_EXE`, `BITCOIN_CLI`, `ELECTRS_EXE` and `ELECTRUMX_EXE`, as `regtest/test` sets them.

pub mod api;
pub mod books;
pub mod contract;
pub mod desk;
pub mod liar;
pub mod node;
pub mod people;
pub mod server;
pub mod service;
pub mod socks;

pub use api::{Api, Failure};
pub use desk::Desk;
pub use liar::{Flood, Forgery, Liar, Lie};
pub use node::Node;
pub use people::{Pledged, Sponsor, Task};
pub use server::{Make, Server};
pub use service::Service;
pub use socks::Socks;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time of the first block mined here: 2027-01-15. Nothing depends on the clock of the machine.
pub const BASE_SECS: u32 = 1_800_000_000;
/// Longest wait for anything; most takes a second.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a test of each function that takes a [`Make`], for each make: `on_electrs::name`, `on_electrumx::name`.
macro_rules! on_both_makes {
    ($($name:ident),+ $(,)?) => {
        mod on_electrs {
            $(#[test] fn $name() { super::$name($crate::harness::Make::Electrs); })+
        }
        mod on_electrumx {
            $(#[test] fn $name() { super::$name($crate::harness::Make::ElectrumX); })+
        }
    };
}
pub(crate) use on_both_makes;

/// Asks until there is an answer. After [`PATIENCE`] the test fails, with what was waited for.
#[track_caller]
pub fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An executable that the test command names.
pub fn executable(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => panic!("{variable} is not set: run ./regtest/test, which gets everything first"),
    }
}

/// A port that nobody uses now, below the range the system hands to clients.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 900).unwrap() * 15;
    loop {
        let port = 18_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 14_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A directory in memory, gone when the test is over.
pub fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("upfront-e2e.");
    if memory.is_dir() { builder.tempdir_in(memory).unwrap() } else { builder.tempdir().unwrap() }
}

/// Node, Electrum server and service, connected. What is dropped first was started last.
pub struct World {
    pub service: Service,
    /// Between the service and `server`, where there is one.
    pub liar: Option<Liar>,
    pub server: Server,
    /// A second server, which nobody stands before.
    pub second: Option<Server>,
    pub node: Node,
}

impl World {
    /// A world whose service has no fee wallet.
    pub fn start() -> World {
        World::start_on(Make::chosen())
    }

    /// As [`World::start`], with a server of this make.
    pub fn start_on(make: Make) -> World {
        World::start_with(make, |_| ())
    }

    /// As [`World::start_on`]; `prepare` is given the service's data directory before it starts.
    pub fn start_with(make: Make, prepare: impl FnOnce(&Path)) -> World {
        let node = Node::start();
        let server = Server::start(make, &node);
        let service = Service::prepare(server.url());
        prepare(&service.data_dir());
        World { service, liar: None, server, second: None, node }.begin()
    }

    /// A world whose service knows one server through a liar, and another one if there is a `second`.
    pub fn with_liar(make: Make, second: Option<Make>, prepare: impl FnOnce(&Path)) -> World {
        let node = Node::start();
        let server = Server::start(make, &node);
        let second = second.map(|make| Server::start(make, &node));
        let liar = Liar::start(server.address());
        let urls: Vec<String> =
            [Some(liar.url()), second.as_ref().map(Server::url)].into_iter().flatten().collect();
        let service = Service::prepare(urls.join(","));
        prepare(&service.data_dir());
        World { service, liar: Some(liar), server, second, node }.begin()
    }

    /// A world of these parts.
    pub fn on(service: Service, server: Server, node: Node) -> World {
        World { service, liar: None, server, second: None, node }.begin()
    }

    fn begin(mut self) -> World {
        self.service.start(None);
        self.synced();
        self
    }

    /// The service's API.
    pub fn api(&self) -> Api {
        self.service.api()
    }

    /// Waits until the service knows the node's tip, and its books say what the node says. The tip alone
    /// does not do: some servers tell of a block first, and a moment later of what is in it.
    pub fn synced(&self) {
        let tip = self.node.tip();
        let api = self.api();
        wait_until("the service knows the node's tip", || {
            let known = api.status().ok()?.tip?;
            (known.hash.to_string() == tip).then_some(())
        });
        let begun = Instant::now();
        while let Err(error) = books::compare(&self.node, &api) {
            assert!(begun.elapsed() < PATIENCE, "the books stay wrong: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Mines, and waits until the service knows.
    pub fn mine(&self, blocks: u32) {
        self.node.mine(blocks);
        self.synced();
    }

    /// Brings the median time past to exactly `secs`, and waits until the service knows.
    pub fn set_mtp(&self, secs: u32) {
        self.node.set_mtp(secs);
        self.synced();
    }
}
