//! Checkpoints and pins: what a chain holds before and after first contact, and what it never gives up.

use super::*;

/// Forty blocks of regtest, the first of them included.
fn forty() -> Vec<Header> {
    let mut headers = vec![genesis()];
    headers.extend(mine_headers(&genesis(), 40, 1));
    headers
}

fn at(headers: &[Header], height: u32) -> Checkpoint {
    Checkpoint { height, hash: headers[height as usize].block_hash() }
}

fn refused(chain: &HeaderChain, from: u32, headers: &[Header]) -> HeaderError {
    let mut chain = chain.clone();
    let before = (chain.height(), chain.tip_hash(), chain.is_anchored());
    let error = chain.accept(from, headers, Tie::TakeTheirs).expect_err("refused");
    assert_eq!((chain.height(), chain.tip_hash(), chain.is_anchored()), before, "{error}");
    error
}

#[test]
fn every_pin_parses_lies_at_the_end_of_a_period_and_shows_its_work() {
    // Of the main network by the list that the value comes from: the target of the period that it ends.
    let targets =
        [(Network::Bitcoin, 0x1702_068f), (Network::Signet, 0x1e03_77ae), (Network::Testnet4, 0x1d00_ffff)];
    for (network, target) in targets {
        let pins = Checkpoint::pins(network);
        assert_eq!(pins.first(), Some(&Checkpoint::shipped(network)));
        assert!(pins.is_sorted_by(|a, b| a.height < b.height));
        for pin in pins {
            assert_eq!(pin.height % 2016, 2015, "so that the next header is a retarget");
            assert_eq!(pin.base_height(network), pin.height - 2015);
            let target = Target::from_compact(CompactTarget::from_consensus(target));
            assert!(target.is_met_by(pin.hash), "{network} {}", pin.height);
        }
    }
    assert_eq!(Checkpoint::shipped(Network::Regtest), Checkpoint::genesis(Network::Regtest));
    // The first pins never move up: deposits mined below could not be proved any more.
    assert_eq!(Checkpoint::shipped(Network::Bitcoin).height, 953_567);
    assert_eq!(Checkpoint::shipped(Network::Testnet4).height, 139_103);
    assert_eq!(Checkpoint::shipped(Network::Signet).height, 308_447);
}

#[test]
fn before_first_contact_nothing_is_known_and_nothing_is_proved() {
    for network in [Network::Bitcoin, Network::Testnet4, Network::Signet] {
        let checkpoint = Checkpoint::shipped(network);
        let mut chain = HeaderChain::new(network, checkpoint);
        let base = chain.base_height();
        assert!(!chain.is_anchored());
        assert_eq!((chain.height(), chain.tip_hash()), (checkpoint.height, checkpoint.hash));
        assert_eq!((chain.tip(), chain.clock_skew_secs(0)), (None, None));
        assert_eq!(chain.missing_pin(), Some(checkpoint));
        for height in [0, 1, base, checkpoint.height, checkpoint.height + 1, u32::MAX] {
            let known = (chain.header(height), chain.hash(height), chain.mtp_secs(height));
            assert_eq!(known, (None, None, None));
        }
        assert_eq!((chain.headers_from(0).count(), chain.work()), (0, Work::from_be_bytes([0; 32])));
        // Headers that do not reach the checkpoint are nobody's.
        for (from, count) in
            [(0, 1), (checkpoint.height, 1), (checkpoint.height + 1, 1), (base, 0), (base, 2015)]
        {
            let some = vec![genesis_of(network); count];
            let refused = chain.accept(from, &some, Tie::TakeTheirs);
            assert!(matches!(refused, Err(HeaderError::NotAnchored { .. })), "{refused:?}");
        }
        // Nor are 2016 that do, but are not its ancestors.
        let wrong = vec![genesis_of(network); 2016];
        assert!(matches!(chain.accept(base, &wrong, Tie::TakeTheirs), Err(HeaderError::Unlinked { .. })));
        assert!(!chain.is_anchored());
    }
}

/// Any height serves; what is fetched below it reaches to the start of its period, and eleven blocks down.
#[test]
fn a_checkpoint_at_any_height_is_proved_by_linkage() {
    let base = |height| Rules::new(Network::Bitcoin).base_height(height);
    assert_eq!([0, 1, 2025, 2026, 4031, 4041, 4042].map(base), [0, 0, 0, 2016, 2016, 2016, 4032]);

    let headers = forty();
    for height in [1, 5, 39] {
        let mut chain = HeaderChain::new(Network::Regtest, at(&headers, height));
        assert_eq!((chain.base_height(), chain.is_anchored()), (0, false));
        assert_eq!(chain.accept(0, &headers, Tie::KeepOurs), Ok(Accepted::Extended));
        assert_eq!((chain.height(), chain.missing_pin(), chain.floor_height()), (40, None, height));
        assert_eq!(chain.tip().map(|tip| tip.mtp_secs), Some(headers[35].time));
        // Known headers may be offered again, the checkpoint among them; others in their place may not.
        assert_eq!(chain.accept(0, &headers, Tie::TakeTheirs), Ok(Accepted::Nothing));
        let other = mine_headers(&headers[height as usize - 1], 60, 7);
        assert!(matches!(
            refused(&chain, height, &other),
            HeaderError::PartsBelowPin { height: at, pinned, .. } if at == height && pinned == height
        ));
        // The first one above the checkpoint may change.
        let above = mine_headers(&headers[height as usize], 60, 7);
        let reorganised = Accepted::Reorganised { fork_height: height };
        assert_eq!(chain.accept(height + 1, &above, Tie::KeepOurs), Ok(reorganised));
    }
}

#[test]
fn headers_that_lead_elsewhere_than_to_the_checkpoint_are_refused() {
    let headers = forty();
    let chain = HeaderChain::new(Network::Regtest, at(&headers, 30));
    let short = HeaderError::NotAnchored { height: 0, count: 30, base: 0, checkpoint: 30 };
    assert_eq!(refused(&chain, 0, &headers[..30]), short);
    let late = HeaderError::NotAnchored { height: 1, count: 40, base: 0, checkpoint: 30 };
    assert_eq!(refused(&chain, 1, &headers[1..]), late);
    // A branch that is valid in itself, and longer.
    let mut fork = headers[..30].to_vec();
    fork.extend(mine_headers(&headers[29], 40, 9));
    let pinned = headers[30].block_hash();
    let error = refused(&chain, 0, &fork);
    assert!(matches!(error, HeaderError::NotPinned { height: 30, pinned: p, .. } if p == pinned), "{error}");
    // Another first block, with all that follows mined anew.
    let other = mine_header(&headers[39], root(4), 5, easiest_bits(Network::Regtest));
    let mut private = vec![other];
    private.extend(mine_headers(&other, 40, 1));
    assert!(matches!(refused(&chain, 0, &private), HeaderError::NotPinned { height: 0, .. }));
    // One changed header below is enough to break the links.
    for changed in [1, 29] {
        let mut broken = headers.clone();
        broken[changed] = mine_header(&headers[changed - 1], root(3), headers[changed].time, headers[1].bits);
        let error = refused(&chain, 0, &broken);
        let next = u32::try_from(changed).unwrap() + 1;
        assert!(matches!(error, HeaderError::Unlinked { height, .. } if height == next), "{error}");
    }
}

/// An operator's checkpoint below a shipped pin: the chain must come to contain that pin.
#[test]
fn below_a_shipped_pin_there_is_no_tip_and_past_it_no_way_around() {
    let headers = forty();
    let rules = || Rules::new(Network::Regtest);
    let mut chain = HeaderChain::with_rules(rules(), at(&headers, 12), vec![at(&headers, 25)]);
    chain.accept(0, &headers[..=24], Tie::KeepOurs).unwrap();
    assert_eq!((chain.tip(), chain.missing_pin()), (None, Some(at(&headers, 25))));
    assert_eq!((chain.height(), chain.floor_height()), (24, 12));
    // Another branch through that height is refused there, however long.
    let other = mine_headers(&headers[20], 60, 5);
    assert!(matches!(refused(&chain, 21, &other), HeaderError::NotPinned { height: 25, .. }));
    // Below the pin it may be followed, since nobody knows yet; but it leads nowhere.
    let mut misled = chain.clone();
    let detour = mine_headers(&headers[22], 2, 5);
    assert_eq!(misled.accept(23, &detour, Tie::TakeTheirs), Ok(Accepted::Reorganised { fork_height: 22 }));
    assert_eq!(misled.tip(), None);
    let back = misled.accept(23, &headers[23..], Tie::KeepOurs);
    assert_eq!(back, Ok(Accepted::Reorganised { fork_height: 22 }));

    chain.accept(25, &headers[25..], Tie::KeepOurs).unwrap();
    assert_eq!((chain.tip().map(|tip| tip.height), chain.missing_pin()), (Some(40), None));
    assert_eq!(chain.floor_height(), 25);
    for from in [13, 24, 25] {
        let other = mine_headers(&headers[from - 1], 60, 5);
        let error = refused(&chain, u32::try_from(from).unwrap(), &other);
        assert!(matches!(error, HeaderError::PartsBelowPin { pinned: 25, .. }), "{error}");
    }
    let above = mine_headers(&headers[25], 60, 5);
    assert_eq!(chain.accept(26, &above, Tie::KeepOurs), Ok(Accepted::Reorganised { fork_height: 25 }));
    // A checkpoint that contradicts a pin at its own height can never be anchored.
    let false_pin = Checkpoint { height: 12, hash: headers[13].block_hash() };
    let chain = HeaderChain::with_rules(rules(), at(&headers, 12), vec![false_pin]);
    assert!(matches!(refused(&chain, 0, &headers), HeaderError::NotPinned { height: 12, .. }));
}

#[test]
fn an_operators_checkpoint_may_not_contradict_what_is_shipped() {
    let other = BlockHash::from_byte_array([9; 32]);
    for network in [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest] {
        for known in [Checkpoint::genesis(network), Checkpoint::shipped(network)] {
            assert_eq!(Checkpoint::vouched(network, known.height, known.hash), Ok(known));
            let contradiction = FalseCheckpoint { height: known.height, given: other, pinned: known.hash };
            assert_eq!(Checkpoint::vouched(network, known.height, other), Err(contradiction));
        }
        assert!(Checkpoint::vouched(network, 7, other).is_ok());
    }
}

#[test]
fn a_clock_that_is_off_is_told_and_changes_nothing() {
    let mut chain = regtest();
    assert_eq!(chain.clock(0), None, "regtest's time is made up");
    // A header dated years ahead is accepted like any other: only the median moves refunds.
    let far = mine_header(&genesis(), root(1), genesis().time + 300_000_000, genesis().bits);
    assert_eq!(chain.accept(1, &[far], Tie::KeepOurs), Ok(Accepted::Extended));

    let chain = HeaderChain::new(Network::Signet, Checkpoint::genesis(Network::Signet));
    let newest = u64::from(genesis_of(Network::Signet).time);
    for (now_secs, check) in [
        (newest, ClockCheck::Agrees),
        (newest - 7_200, ClockCheck::Agrees),
        (newest - 7_201, ClockCheck::BlocksAhead { by_secs: 7_201 }),
        (newest + 10_800, ClockCheck::Agrees),
        (newest + 10_801, ClockCheck::BlocksBehind { by_secs: 10_801 }),
    ] {
        assert_eq!(chain.clock(now_secs), Some(check));
    }
    let newest = i64::try_from(newest).unwrap();
    assert_eq!(chain.clock_skew_secs(u64::MAX), Some(newest - i64::MAX));
    assert_eq!(chain.clock_skew_secs(0), Some(newest));
}
