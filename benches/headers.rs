//! Headers accepted a second, in batches as servers send them, against hashing the same headers alone: what the
//! rules cost on top of the two SHA-256 that nobody can avoid. Two chains: regtest's, where targets never
//! change, and one that retargets every sixteen blocks, far more often than any real one.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::params::Params;
use bitcoin::{BlockHash, CompactTarget, Network, Target, TxMerkleNode};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Instant;
use upfront::chain::Checkpoint;
use upfront::chain::headers::{Accepted, HeaderChain, Rules, Tie};

/// What servers send at once.
const BATCH: usize = 2016;
/// Five batches, and the first header.
const COUNT: usize = 5 * BATCH + 1;

fn mine(prev: BlockHash, time: u32, bits: CompactTarget) -> Header {
    let version = Version::NO_SOFT_FORK_SIGNALLING;
    let mut header = Header {
        version,
        prev_blockhash: prev,
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits,
        nonce: 0,
    };
    while !header.target().is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    header
}

/// A chain that holds its first header, and the rest of them.
struct Given {
    chain: HeaderChain,
    headers: Vec<Header>,
}

impl Given {
    fn regtest() -> Given {
        let chain = HeaderChain::new(Network::Regtest, Checkpoint::genesis(Network::Regtest));
        let mut headers = vec![*chain.header(0).expect("it starts at the genesis block")];
        while headers.len() < COUNT {
            let last = headers[headers.len() - 1];
            headers.push(mine(last.block_hash(), last.time + 600, last.bits));
        }
        Given { chain, headers: headers.split_off(1) }
    }

    fn retargeting() -> Given {
        let (limit, period) = (CompactTarget::from_consensus(0x2003_ffff), 16);
        let mut params = Params::new(Network::Regtest);
        params.no_pow_retargeting = false;
        params.allow_min_difficulty_blocks = false;
        (params.pow_target_spacing, params.pow_target_timespan) = (1, 16);
        params.max_attainable_target = Target::from_compact(limit);
        let rules = Rules::custom(params.clone(), false);
        let mut headers = vec![mine(BlockHash::all_zeros(), 1_700_000_000, limit)];
        while headers.len() < COUNT {
            let last = headers[headers.len() - 1];
            let mut bits = last.bits;
            if headers.len() % period == 0 {
                let timespan_secs = u64::from(last.time - headers[headers.len() - period].time);
                bits = CompactTarget::from_next_work_required(bits, timespan_secs, &params);
            }
            // One second in most periods, two in every third, so that targets move up and down.
            let pace_secs = if (headers.len() / period).is_multiple_of(3) { 2 } else { 1 };
            headers.push(mine(last.block_hash(), last.time + pace_secs, bits));
        }
        // The first is at height 160; the checkpoint is as low as it may be above it.
        let checkpoint = Checkpoint { height: 170, hash: headers[10].block_hash() };
        let mut chain = HeaderChain::with_rules(rules, checkpoint, vec![]);
        let anchored = chain.accept(160, &headers[..11], Tie::KeepOurs).expect("valid headers");
        assert_eq!(anchored, Accepted::Extended);
        Given { chain, headers: headers.split_off(11) }
    }

    fn accept(&self, mut chain: HeaderChain) -> HeaderChain {
        for batch in self.headers.chunks(BATCH) {
            let from = chain.height() + 1;
            let accepted = chain.accept(from, black_box(batch), Tie::KeepOurs).expect("valid headers");
            assert_eq!(accepted, Accepted::Extended);
        }
        chain
    }

    fn hash(&self) -> BlockHash {
        self.headers.iter().map(|header| black_box(header).block_hash()).max().expect("headers")
    }

    /// Both in the same run, best of ten each, and how they compare.
    fn tell(&self, name: &str) {
        let best = |what: &dyn Fn()| {
            let times = (0..10).map(|_| {
                let start = Instant::now();
                what();
                start.elapsed().as_nanos()
            });
            times.min().expect("ten").max(1)
        };
        let accepted = best(&|| {
            black_box(self.accept(self.chain.clone()));
        });
        let hashed = best(&|| {
            black_box(self.hash());
        });
        let per_second = |nanos: u128| self.headers.len() as u128 * 1_000_000_000 / nanos;
        println!(
            "{name}: {} headers/s accepted, {} hashed alone; accepting takes {}% of the time of hashing",
            per_second(accepted),
            per_second(hashed),
            accepted * 100 / hashed
        );
    }
}

fn headers(c: &mut Criterion) {
    for (name, given) in [("regtest", Given::regtest()), ("retargeting", Given::retargeting())] {
        given.tell(name);
        let mut group = c.benchmark_group(format!("headers/{name}"));
        group.throughput(Throughput::Elements(given.headers.len() as u64));
        group.bench_function("accept", |b| {
            b.iter_batched(|| given.chain.clone(), |chain| given.accept(chain), BatchSize::LargeInput);
        });
        group.bench_function("hash alone", |b| b.iter(|| given.hash()));
        group.finish();
    }
}

criterion_group!(benches, headers);
criterion_main!(benches);
