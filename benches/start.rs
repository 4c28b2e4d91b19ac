//! How long the program takes from its start to the first answer of `/health`: with an empty data directory, and with
//! a journal of ten thousand records, which are all checked again. Five starts of each, medians printed; no server of
//! the chain is there. Where `UPFRONT_BENCH_ELECTRUM` names one of regtest (`./regtest/up`), also to the first 200 of
//! `/ready`, with an empty directory.
//!
//! `UPFRONT_BENCH_BINARY` names the program to start, the static one say; else it is the one of this build. Run by
//! `cargo test` it is a hundred times smaller.

// Bench code: nothing here is linked into the program.
#![allow(missing_docs, clippy::unwrap_used)]

use bitcoin::{Amount, Network};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use upfront::escrow::event::Record;
use upfront::escrow::statement::TaskId;
use upfront::escrow::testing::{self, World};
use upfront::store::files::RealFiles;
use upfront::store::journal::{Birth, FileJournal, Journal, Opened};

const RUNS: usize = 5;
/// Pledges of a task; each is issued, seen, confirmed and secured.
const PLEDGES: u32 = 200;
/// Longest wait for an answer; nothing takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Records of tasks with many secured pledges, as the service would have written them; their appends.
fn records(least: usize, pledges: u32) -> Vec<Vec<Record>> {
    let fields = |number: u8| {
        let mut fields = testing::fields(upfront::escrow::network::Network::Regtest);
        fields.task = TaskId([number; 32]);
        fields.cap_sat = 100_000_000;
        fields
    };
    let mut world = World::bare(&fields(1));
    world.sync();
    for number in 1.. {
        world.draft(&fields(number));
        world.attest_all();
        world.sync();
        let amount = Amount::from_sat(200_000);
        let paid: Vec<_> = (0..pledges)
            .map(|_| {
                let index = world.issue(amount);
                world.pay(index, amount)
            })
            .collect();
        world.sync();
        for outpoint in paid {
            world.secure(outpoint).unwrap();
        }
        world.mine(1);
        if world.log.len() >= least {
            break;
        }
    }
    let mut lines = world.log.iter();
    let read = |line: &String| serde_json::from_str(line).unwrap();
    world.appends.iter().map(|count| lines.by_ref().take(*count).map(read).collect()).collect()
}

fn write(dir: &Path, appends: &[Vec<Record>]) {
    let birth = Birth { network: Network::Regtest, instance: [7; 16], at_secs: 1 };
    let Opened { journal, .. } = FileJournal::<Record>::open(dir, Arc::new(RealFiles), birth).unwrap();
    for records in appends {
        let next = Journal::<Record>::next_seq(&journal);
        assert!(journal.append(next, 1, records).unwrap().wait().is_ok());
    }
}

/// The status of an answer, if there is one.
fn ask(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// From the start of the program to the first 200 of `path`.
fn start(binary: &Path, data_dir: &Path, electrum: &str, path: &str) -> Duration {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let mut process = Command::new(binary)
        .arg("serve")
        .env("UPFRONT_NETWORK", "regtest")
        .env("UPFRONT_DATA_DIR", data_dir)
        .env("UPFRONT_LISTEN", port.to_string())
        .env("UPFRONT_ELECTRUM", electrum)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while ask(port, path) != Some(200) {
        assert!(process.try_wait().unwrap().is_none(), "it ended");
        assert!(begun.elapsed() < PATIENCE, "no 200 from {path}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    process.kill().unwrap();
    process.wait().unwrap();
    took
}

fn tell(what: &str, mut once: impl FnMut() -> Duration) {
    let mut took: Vec<u128> = (0..RUNS).map(|_| once().as_millis()).collect();
    took.sort_unstable();
    println!("{what}: median {} ms of {took:?}", took[RUNS / 2]);
}

fn main() {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let (least, pledges) = if measured { (10_000, PLEDGES) } else { (100, 20) };
    let binary = std::env::var_os("UPFRONT_BENCH_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_upfront")), PathBuf::from);
    println!("{}, {} bytes", binary.display(), std::fs::metadata(&binary).unwrap().len());
    let nobody = "tcp://127.0.0.1:1";
    let dir = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    tell("empty, to /health", || start(&binary, dir().path(), nobody, "/health"));
    let appends = records(least, pledges);
    let count: usize = appends.iter().map(Vec::len).sum();
    let full = dir();
    write(full.path(), &appends);
    let bytes = std::fs::metadata(full.path().join("journal.jsonl")).unwrap().len();
    tell(&format!("{count} records, {bytes} bytes, to /health"), || {
        // The first start of a directory makes its index: each is a first one.
        let again = dir();
        for name in ["journal.jsonl", "journal.synced"] {
            std::fs::copy(full.path().join(name), again.path().join(name)).unwrap();
        }
        start(&binary, again.path(), nobody, "/health")
    });
    if let Ok(electrum) = std::env::var("UPFRONT_BENCH_ELECTRUM") {
        tell("empty, to /ready", || start(&binary, dir().path(), &electrum, "/ready"));
    }
}
