//! What a new block without news costs a service with ten thousand open tasks, each with a credited pledge: deciding
//! and folding it, deriving the public events (there are none), and what the service asks of the book after every
//! block. `UPFRONT_BENCH_TASKS` sets another number. The time is the book's lock held, so nobody is answered meanwhile.

// Bench code: nothing here is linked into the program.
#![allow(missing_docs, clippy::unwrap_used)]

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Txid};
use std::hint::black_box;
use std::time::{Duration, Instant};
use upfront::escrow::event::Record;
use upfront::escrow::facts::{Confirmation, Deposit, ScriptView, Tip};
use upfront::escrow::network::Network;
use upfront::escrow::public::{Entry, Feed};
use upfront::escrow::statement::TaskId;
use upfront::escrow::testing::{self, World};
use upfront::escrow::{due, retire};

const ROUNDS: u32 = 15;
const PARTS: [&str; 6] =
    ["decide", "fold", "public events", "what is due", "what to check", "what is settled"];

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A view of a script that one payment came to, in the tip's block.
fn paid(number: u32, script: ScriptBuf, amount: Amount, tip: &Tip) -> (ScriptBuf, ScriptView) {
    let mut txid = [7; 32];
    txid[..4].copy_from_slice(&number.to_le_bytes());
    let confirmation =
        Confirmation { height: tip.height, block_hash: tip.hash, position: 1, mtp_secs: tip.mtp_secs };
    let outpoint = OutPoint { txid: Txid::from_byte_array(txid), vout: 0 };
    let deposit = Deposit { outpoint, amount, coinbase: false, confirmation: Some(confirmation) };
    (script, ScriptView { deposits: vec![deposit], spends: Vec::new() })
}

fn main() {
    let given = std::env::var("UPFRONT_BENCH_TASKS").ok();
    let count: u32 = given.map_or(10_000, |given| given.parse().expect("a number of tasks"));
    let begun = Instant::now();
    let mut fields = testing::fields(Network::Regtest);
    let mut world = World::bare(&fields);
    world.sync();
    let amount = Amount::from_sat(fields.minimum_pledge_sat.max(100_000));
    let mut scripts = Vec::new();
    for number in 0..count {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        fields.task = TaskId(id);
        world.draft(&fields);
        world.attest_all();
        world.issue(amount);
        scripts.push(world.script(1));
    }
    let mut tip = world.chain.tip();
    let records: Vec<Record> = world.log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut book = world.book;
    let views: Vec<_> =
        (0..).zip(scripts).map(|(number, script)| paid(number, script, amount, &tip)).collect();
    let facts = book.observe(&tip, &views);
    assert!(facts.len() >= views.len(), "each payment is news");
    facts.iter().for_each(|record| book.apply(record).unwrap());
    let mut feed = Feed::default();
    let mut seq = 0;
    let all: Vec<&Record> = records.iter().chain(&facts).collect();
    for (at, record) in all.iter().enumerate() {
        seq += 1;
        feed.apply(Entry { seq, at_secs: 0, more: at + 1 < all.len() }, record, &book);
    }
    println!("{count} tasks written down in {:.1?}", begun.elapsed());

    let mut times = [const { Vec::new() }; PARTS.len()];
    for round in 0..ROUNDS {
        tip.height += 1;
        tip.mtp_secs += 1;
        tip.hash = BlockHash::hash(&round.to_le_bytes());
        let mut step = |at: usize, what: &mut dyn FnMut()| {
            let begun = Instant::now();
            what();
            times[at].push(begun.elapsed());
        };
        let mut records = Vec::new();
        step(0, &mut || records = book.observe(&tip, &[]));
        let [record @ Record::Chain { .. }] = &records[..] else { panic!("news: {records:?}") };
        step(1, &mut || book.apply(record).unwrap());
        seq += 1;
        let mut told = Vec::new();
        step(2, &mut || told = feed.apply(Entry { seq, at_secs: 0, more: false }, record, &book));
        assert!(told.is_empty() || round < 6, "news: {told:?}");
        step(3, &mut || assert!(black_box(due::due(&book)).is_empty()));
        step(4, &mut || assert!(black_box(due::submissions_to_check(&book)).is_empty()));
        step(5, &mut || assert!(black_box(retire::settled_scripts(&book)).is_empty()));
    }
    println!("a new block, median of {ROUNDS}:");
    let medians = times.map(median);
    for (part, time) in PARTS.iter().zip(medians) {
        println!("{part:>16} {time:>12.3?}");
    }
    println!("{:>16} {:>12.3?}", "all", medians.iter().sum::<Duration>());
}
