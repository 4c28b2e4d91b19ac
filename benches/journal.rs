//! How fast events become durable: the journal, against sled (`insert` + `flush`) and against the
//! floor, one plain write and `fdatasync` of the same bytes. At group sizes 1, 8 and 64, on the disk
//! of the target directory, in one run; `UPFRONT_BENCH_DIR` names another disk. Prints the ratios.
//!
//! Mind that sled's `flush` is no fdatasync: it is the faster for promising less.

// Bench code: nothing here is linked into the program.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcoin::Network;
use criterion::{BenchmarkId, Criterion, Throughput};
use serde_json::{Value, json};
use upfront::store::files::RealFiles;
use upfront::store::journal::{Birth, FileJournal, Journal, Opened, Ticket};

const GROUPS: [u64; 3] = [1, 8, 64];

/// Rounds of the comparison, each with one group by every contender in turn.
const ROUNDS: usize = 300;

/// About as long as a credited pledge.
fn event(number: u64) -> Value {
    let outpoint = format!("{number:064x}:0");
    json!({ "type": "pledge_credited", "task": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "index": number,
        "outpoint": outpoint, "amount_sat": 2_100_000 + number, "height": 900_000 + number })
}

fn main() {
    let dir = std::env::var_os("UPFRONT_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(dir).unwrap();
    let birth = Birth { network: Network::Regtest, instance: [0; 16], at_secs: 0 };
    let Opened { journal, .. } =
        FileJournal::<Value>::open(&dir.path().join("journal"), Arc::new(RealFiles), birth).unwrap();
    let db = sled::open(dir.path().join("sled")).unwrap();
    let mut plain = File::create(dir.path().join("plain")).unwrap();
    let mut number = 0_u64;

    let mut floor = |size: u64| {
        // As long as the journal's line of the same event.
        let line = format!("{}{}\n", " ".repeat(240), event(size));
        plain.write_all(line.repeat(usize::try_from(size).unwrap()).as_bytes()).unwrap();
        plain.sync_data().unwrap();
    };
    let mut journal = |size: u64| {
        let append = |seq| journal.append(seq, 0, &[event(seq)]).unwrap();
        let next: u64 = Journal::<Value>::next_seq(&journal);
        let tickets: Vec<Ticket> = (next..next + size).map(append).collect();
        tickets.into_iter().for_each(|ticket| assert!(ticket.wait().is_ok()));
    };
    let mut sled = |size: u64| {
        for _ in 0..size {
            number += 1;
            db.insert(number.to_be_bytes(), event(number).to_string().as_bytes()).unwrap();
        }
        db.flush().unwrap();
    };
    let mut contenders: [(&str, &mut dyn FnMut(u64)); 3] =
        [("floor", &mut floor), ("journal", &mut journal), ("sled", &mut sled)];

    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let mut group = criterion.benchmark_group("events made durable");
    for size in GROUPS {
        group.throughput(Throughput::Elements(size));
        for (name, one_group) in &mut contenders {
            let id = BenchmarkId::new(*name, size);
            group.bench_with_input(id, &size, |bencher, &size| bencher.iter(|| one_group(size)));
        }
    }
    group.finish();
    criterion.final_summary();
    compare(&mut contenders);
}

/// Medians over rounds in which the contenders take turns, so that a disk that is slower for a
/// while is slower for all of them.
fn compare(contenders: &mut [(&str, &mut dyn FnMut(u64)); 3]) {
    println!("\nmedian of {ROUNDS} rounds, events per second");
    println!("{:>6} {:>9} {:>9} {:>9}   journal/floor  journal/sled", "group", "floor", "journal", "sled");
    for size in GROUPS {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for ((_, one_group), times) in contenders.iter_mut().zip(&mut times) {
                let begin = Instant::now();
                one_group(size);
                times.push(begin.elapsed());
            }
        }
        let [floor, journal, sled] = times.map(|mut times: Vec<Duration>| {
            times.sort_unstable();
            u128::from(size) * 1_000_000_000 / times[ROUNDS / 2].as_nanos().max(1)
        });
        let percent = |of: u128| journal * 100 / of.max(1);
        println!(
            "{size:>6} {floor:>9} {journal:>9} {sled:>9} {:>14}% {:>12}%",
            percent(floor),
            percent(sled)
        );
    }
}
