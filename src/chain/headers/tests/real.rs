//! Real headers across a real retarget: main chain, heights 822528 to 824567 (public data; here without each
//! one's reference to its predecessor, which is computed).

use super::*;

const FIRST: u32 = 822_528;
const FILE: &[u8] = include_bytes!("mainnet-822528.bin");
/// The last block of the period, and the target after it: height 824543 in Electrum's list of checkpoints.
const LAST: &str = "00000000000000000001595b16989798f8997d89ac778ccc7d0d6c7e88ab4ec9";
const NEXT_BITS: u32 = 0x1703_d869;

fn headers() -> Vec<Header> {
    let parse = |bytes: &[u8]| bitcoin::consensus::deserialize::<Header>(bytes).unwrap();
    let (first, rest) = FILE.split_at(80);
    let mut headers = vec![parse(first)];
    for without_prev in rest.chunks(48) {
        let prev = headers[headers.len() - 1].block_hash();
        let (version, after) = without_prev.split_at(4);
        headers.push(parse(&[version, prev.as_byte_array(), after].concat()));
    }
    headers
}

fn anchored(headers: &[Header]) -> HeaderChain {
    let checkpoint = Checkpoint { height: 824_543, hash: LAST.parse().unwrap() };
    let mut chain = HeaderChain::with_rules(Rules::new(Network::Bitcoin), checkpoint, vec![]);
    assert_eq!(chain.base_height(), FIRST);
    assert_eq!(chain.accept(FIRST, &headers[..2016], Tie::KeepOurs), Ok(Accepted::Extended));
    chain
}

#[test]
fn a_period_of_the_main_chain_is_proved_by_its_last_hash_and_leads_to_the_real_retarget() {
    let headers = headers();
    assert_eq!(headers.len(), 2040);
    let mut chain = anchored(&headers);
    // Right at the checkpoint all is known that the next header needs.
    let tip = chain.tip().unwrap();
    assert_eq!((tip.height, tip.hash.to_string()), (824_543, LAST.to_owned()));
    assert_eq!(headers[2016].bits.to_consensus(), NEXT_BITS);
    assert_eq!(chain.accept(824_544, &headers[2016..], Tie::KeepOurs), Ok(Accepted::Extended));
    assert_eq!(chain.height(), 824_567);
    let (work, first) = (chain.work(), headers[0].work());
    assert!(work > first && chain.clock_skew_secs(0).is_some_and(|secs| secs > 1_700_000_000));

    // The target of before, the least step either way, and the easiest one: none of them will do. (None has
    // work; that is looked at afterwards.)
    for bits in [headers[2015].bits.to_consensus(), NEXT_BITS + 1, NEXT_BITS - 1] {
        let false_one = Header { bits: CompactTarget::from_consensus(bits), ..headers[2016] };
        let refused = anchored(&headers).accept(824_544, &[false_one], Tie::KeepOurs);
        assert!(
            matches!(refused, Err(HeaderError::WrongTarget { height: 824_544, required: NEXT_BITS, .. })),
            "{refused:?}"
        );
    }
    // The same block with another Merkle root has the right target, and no work.
    let forged = Header { merkle_root: root(1), ..headers[2016] };
    let refused = anchored(&headers).accept(824_544, &[forged], Tie::KeepOurs);
    assert!(matches!(refused, Err(HeaderError::ProofOfWork { height: 824_544, .. })), "{refused:?}");
}

#[test]
fn one_changed_header_below_the_checkpoint_breaks_its_proof() {
    let mut headers = headers();
    headers[1_000].nonce ^= 1;
    let checkpoint = Checkpoint { height: 824_543, hash: LAST.parse().unwrap() };
    let mut chain = HeaderChain::with_rules(Rules::new(Network::Bitcoin), checkpoint, vec![]);
    assert!(chain.accept(FIRST, &headers[..2016], Tie::KeepOurs).is_err());
    assert!(!chain.is_anchored());
}

/// An operator's checkpoint below the shipped pin: everything is checked, but nothing is told before the chain
/// has come to the pin.
#[test]
fn below_the_shipped_pin_the_main_chain_has_no_tip() {
    let headers = headers();
    let checkpoint = Checkpoint::vouched(Network::Bitcoin, 824_543, LAST.parse().unwrap()).unwrap();
    let mut chain = HeaderChain::new(Network::Bitcoin, checkpoint);
    chain.accept(FIRST, &headers, Tie::KeepOurs).unwrap();
    assert_eq!((chain.height(), chain.tip()), (824_567, None));
    assert_eq!(chain.missing_pin(), Some(Checkpoint::shipped(Network::Bitcoin)));
}
