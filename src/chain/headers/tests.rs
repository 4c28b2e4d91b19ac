//! A chain of headers on regtest work: what it refuses, which branch it follows, what it says of times.
//! Targets that change are in `tests/retarget.rs`, checkpoints and pins in `tests/pins.rs`.

mod pins;
mod real;
mod retarget;
mod wire;

use bitcoin::hashes::Hash;
use bitcoin::params::Params;
use bitcoin::{Target, TxMerkleNode};
use proptest::prelude::*;

use super::*;
use crate::chain::testing::{mine_header, mine_headers};

fn regtest() -> HeaderChain {
    HeaderChain::new(Network::Regtest, Checkpoint::genesis(Network::Regtest))
}

fn genesis() -> Header {
    genesis_of(Network::Regtest)
}

fn genesis_of(network: Network) -> Header {
    bitcoin::constants::genesis_block(network).header
}

fn root(n: u8) -> TxMerkleNode {
    TxMerkleNode::from_byte_array([n; 32])
}

#[test]
fn the_genesis_block_of_every_network_is_a_chain() {
    for network in [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest] {
        let chain = HeaderChain::new(network, Checkpoint::genesis(network));
        assert_eq!((chain.height(), chain.mtp_secs(0)), (0, Some(chain.header(0).unwrap().time)));
        // A network with a shipped pin has no tip before that: the chain is known to be longer.
        assert_eq!(chain.tip().is_none(), chain.missing_pin().is_some());
        assert_eq!(chain.tip().is_some(), network == Network::Regtest);
        assert!(chain.header(0).unwrap().validate_pow(Target::from_compact(easiest_bits(network))).is_ok());
    }
}

/// Blocks 1 and 2 of the main chain.
#[test]
fn real_headers_are_accepted_and_a_changed_one_is_not() {
    let parse = |hex: &str| bitcoin::consensus::encode::deserialize_hex::<Header>(hex).unwrap();
    let one = parse(
        "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
    );
    let two = parse(
        "010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61",
    );
    let mut chain = HeaderChain::new(Network::Bitcoin, Checkpoint::genesis(Network::Bitcoin));
    assert_eq!(chain.accept(1, &[one, two], Tie::KeepOurs), Ok(Accepted::Extended));
    assert_eq!(chain.accept(1, &[one, two], Tie::KeepOurs), Ok(Accepted::Nothing));
    let mut chain = HeaderChain::new(Network::Bitcoin, Checkpoint::genesis(Network::Bitcoin));
    let forged = Header { merkle_root: root(1), ..one };
    assert!(matches!(
        chain.accept(1, &[forged], Tie::KeepOurs),
        Err(HeaderError::ProofOfWork { height: 1, .. })
    ));
    // With a target of its own choice it would be easy: that target is refused first.
    let easy = mine_header(&genesis_of(Network::Bitcoin), root(1), one.time, easiest_bits(Network::Regtest));
    assert!(matches!(chain.accept(1, &[easy], Tie::KeepOurs), Err(HeaderError::TooEasy { height: 1, .. })));
    assert_eq!(chain.height(), 0);
}

#[test]
fn each_broken_rule_has_its_own_error_and_changes_nothing() {
    let mut chain = regtest();
    let good = mine_headers(&genesis(), 20, 1);
    assert_eq!(chain.accept(1, &good, Tie::KeepOurs), Ok(Accepted::Extended));
    let tip = *good.last().unwrap();
    let next = |time, bits| mine_header(&tip, root(9), time, bits);
    let easiest = easiest_bits(Network::Regtest);
    let offer = |header: Header| chain.clone().accept(21, &[header], Tie::KeepOurs);

    let mtp = chain.mtp_secs(20).unwrap();
    assert_eq!(mtp, good[14].time, "the median of blocks 10 to 20 is block 15");
    assert!(matches!(offer(next(mtp, easiest)), Err(HeaderError::TimeTooOld { time_secs, mtp_secs, .. })
        if time_secs == mtp && mtp_secs == mtp));
    assert_eq!(offer(next(mtp + 1, easiest)), Ok(Accepted::Extended));

    let mut no_work = next(mtp + 1, easiest);
    while no_work.validate_pow(no_work.target()).is_ok() {
        no_work.nonce += 1;
    }
    assert!(matches!(offer(no_work), Err(HeaderError::ProofOfWork { height: 21, .. })));
    let harder = CompactTarget::from_consensus(0x2000_ffff);
    assert!(matches!(
        offer(next(mtp + 1, harder)),
        Err(HeaderError::WrongTarget { bits: 0x2000_ffff, required: 0x207f_ffff, .. })
    ));
    let easier = CompactTarget::from_consensus(0x2100_ffff);
    assert!(matches!(offer(next(mtp + 1, easier)), Err(HeaderError::TooEasy { bits: 0x2100_ffff, .. })));
    let negative = Header { bits: CompactTarget::from_consensus(0x2080_0001), ..next(mtp + 1, easiest) };
    assert!(offer(negative).is_err());
    let stray = mine_header(&good[3], root(9), tip.time, easiest);
    assert!(
        matches!(offer(stray), Err(HeaderError::Unlinked { expected, .. }) if expected == tip.block_hash())
    );
    let gap = chain.clone().accept(22, &good, Tie::KeepOurs);
    assert_eq!(gap, Err(HeaderError::Gap { height: 22, tip: 20 }));
    let low = chain.clone().accept(0, &[genesis()], Tie::KeepOurs);
    assert_eq!(low, Ok(Accepted::Nothing));
    let false_genesis = chain.clone().accept(0, &[good[0]], Tie::KeepOurs);
    assert!(matches!(false_genesis, Err(HeaderError::PartsBelowPin { height: 0, pinned: 0, .. })));
    // All or nothing: a good header before a bad one is not kept either.
    let mixed = [next(mtp + 1, easiest), stray];
    assert!(chain.accept(21, &mixed, Tie::KeepOurs).is_err());
    assert_eq!((chain.height(), chain.tip_hash()), (20, tip.block_hash()));
}

#[test]
fn reorgs_of_one_two_and_six_blocks_return_their_fork() {
    for depth in [1u32, 2, 6] {
        let mut chain = regtest();
        let ours = mine_headers(&genesis(), 30, 1);
        chain.accept(1, &ours, Tie::KeepOurs).unwrap();
        let fork = 30 - depth;
        let theirs = mine_headers(&ours[fork as usize - 1], depth as usize + 1, 2);
        let even = &theirs[..depth as usize];
        let less = Accepted::LessWork { fork_height: fork };
        assert_eq!(chain.accept(fork + 1, even, Tie::KeepOurs), Ok(less));
        assert_eq!(chain.tip_hash(), ours[29].block_hash());
        // Offered from below the fork, the known part is skipped.
        let from_below: Vec<Header> = ours[20..fork as usize].iter().chain(&theirs).copied().collect();
        let reorganised = Accepted::Reorganised { fork_height: fork };
        assert_eq!(chain.accept(21, &from_below, Tie::KeepOurs), Ok(reorganised));
        assert_eq!((chain.height(), chain.tip_hash()), (31, theirs.last().unwrap().block_hash()));
        assert_eq!(chain.hash(fork), Some(ours[fork as usize - 1].block_hash()));
        assert_eq!(chain.accept(fork + 1, &ours[fork as usize..], Tie::TakeTheirs), Ok(less));
    }
}

#[test]
fn a_tie_goes_as_asked() {
    let mut chain = regtest();
    let (a, b) = (mine_headers(&genesis(), 3, 1), mine_headers(&genesis(), 3, 2));
    chain.accept(1, &a, Tie::KeepOurs).unwrap();
    assert_eq!(chain.accept(1, &b, Tie::KeepOurs), Ok(Accepted::LessWork { fork_height: 0 }));
    assert_eq!(chain.accept(1, &b, Tie::TakeTheirs), Ok(Accepted::Reorganised { fork_height: 0 }));
    assert_eq!(chain.tip_hash(), b[2].block_hash());
}

#[test]
fn heights_do_not_overflow() {
    let mut chain = regtest();
    chain.accept(1, &mine_headers(&genesis(), 3, 1), Tie::KeepOurs).unwrap();
    let overflow = HeaderError::HeightOverflow { height: u32::MAX - 1, count: 1 };
    assert_eq!(chain.accept(u32::MAX - 1, &[genesis()], Tie::KeepOurs), Err(overflow));
    let gap = HeaderError::Gap { height: u32::MAX - 2, tip: 3 };
    assert_eq!(chain.accept(u32::MAX - 2, &[genesis()], Tie::KeepOurs), Err(gap));
    // Nor at the far end of a chain that starts there.
    let top = Checkpoint { height: u32::MAX - 2, hash: genesis().block_hash() };
    let mut chain = HeaderChain::new(Network::Regtest, top);
    assert_eq!((chain.height(), chain.tip(), chain.hash(top.height)), (top.height, None, None));
    let base = chain.base_height();
    assert!(matches!(
        chain.accept(base, &[genesis()], Tie::KeepOurs),
        Err(HeaderError::NotAnchored { count: 1, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever branches are offered, in whatever order and pieces: the chain stays linked, its work
    /// never falls, and in the end it has the most work that was offered.
    #[test]
    fn the_most_work_offered_wins(offers in prop::collection::vec((0usize..100, 1usize..8, any::<u8>()), 1..12)) {
        let mut chain = regtest();
        let mut seen: Vec<Vec<Header>> = vec![vec![]];
        let mut most = chain.work();
        for (pick, length, salt) in offers {
            // A branch grows from some block of some branch that was seen before.
            let parent = seen[pick % seen.len()].clone();
            let keep = if parent.is_empty() { 0 } else { pick % (parent.len() + 1) };
            let base = if keep == 0 { genesis() } else { parent[keep - 1] };
            let mut branch = parent[..keep].to_vec();
            branch.extend(mine_headers(&base, length, salt));
            let before = chain.work();
            let outcome = chain.accept(1, &branch, Tie::KeepOurs).unwrap();
            let work = branch.iter().fold(genesis().work(), |sum, h| sum + h.work());
            let taken = matches!(outcome, Accepted::Extended | Accepted::Reorganised { .. });
            prop_assert_eq!(taken, work > before);
            most = most.max(work);
            seen.push(branch);
        }
        prop_assert_eq!(chain.work(), most);
        for height in 1..=chain.height() {
            prop_assert_eq!(Some(chain.header(height).unwrap().prev_blockhash), chain.hash(height - 1));
        }
    }

    /// The median is the sixth of eleven sorted times (BIP113), or the upper middle of fewer.
    #[test]
    fn the_median_time_past_is_the_middle(steps in prop::collection::vec(1u32..10_000, 1..40)) {
        let mut chain = regtest();
        let mut prev = genesis();
        let mut times = vec![prev.time];
        for step in steps {
            let mtp = chain.tip().unwrap().mtp_secs;
            prev = mine_header(&prev, root(0), mtp + step, easiest_bits(Network::Regtest));
            chain.accept(chain.height() + 1, &[prev], Tie::KeepOurs).unwrap();
            times.push(prev.time);
            let mut window: Vec<u32> = times.iter().rev().take(11).copied().collect();
            window.sort_unstable();
            prop_assert_eq!(chain.tip().unwrap().mtp_secs, window[window.len() / 2]);
        }
    }
}
