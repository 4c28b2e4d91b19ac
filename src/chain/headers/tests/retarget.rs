//! Targets that change: Core's own numbers, and random chains built by a second telling of the rules, which
//! shares no line with the first (it walks back block by block, and does its own 256-bit arithmetic).

use super::*;

/// Where the random chains start: a period's first block, taken as given by the checkpoint.
const START: u32 = 800;
const CHECKPOINT: u32 = 810;
/// The easiest target: 32 hashes a block.
const LIMIT: u32 = 0x2007_ffff;

/// A network of eight blocks a period and a second a block, so that mining is cheap.
fn eights(bip94: bool, min_difficulty: bool) -> Rules {
    let mut params = Params::new(Network::Regtest);
    params.no_pow_retargeting = false;
    params.allow_min_difficulty_blocks = min_difficulty;
    params.pow_target_spacing = 1;
    params.pow_target_timespan = 8;
    params.max_attainable_target = Target::from_compact(CompactTarget::from_consensus(LIMIT));
    Rules::custom(params, bip94)
}

/// A number of 320 bits, lowest limb first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Big([u32; 10]);

impl Big {
    fn expand(bits: u32) -> Self {
        let (bytes, mantissa) = (bits >> 24, u64::from(bits & 0x007f_ffff));
        let shift = 8 * (bytes - 3);
        let mut limbs = [0; 10];
        let (at, wide) = ((shift / 32) as usize, mantissa << (shift % 32));
        limbs[at] = u32::try_from(wide & 0xffff_ffff).unwrap();
        limbs[at + 1] = u32::try_from(wide >> 32).unwrap();
        Self(limbs)
    }

    fn times(self, factor: u32) -> Self {
        let (mut limbs, mut carry) = ([0; 10], 0u64);
        for (limb, out) in self.0.iter().zip(&mut limbs) {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            *out = u32::try_from(sum & 0xffff_ffff).unwrap();
            carry = sum >> 32;
        }
        assert_eq!(carry, 0);
        Self(limbs)
    }

    fn over(self, divisor: u32) -> Self {
        let (mut limbs, mut rest) = ([0; 10], 0u64);
        for (limb, out) in self.0.iter().zip(&mut limbs).rev() {
            let sum = (rest << 32) | u64::from(*limb);
            *out = u32::try_from(sum / u64::from(divisor)).unwrap();
            rest = sum % u64::from(divisor);
        }
        Self(limbs)
    }

    fn above(self, other: Self) -> bool {
        self.0.iter().rev().gt(other.0.iter().rev())
    }

    fn byte(self, at: u32) -> u32 {
        (self.0[(at / 4) as usize] >> (8 * (at % 4))) & 0xff
    }

    /// Three bytes of mantissa, of which the highest bit is a sign and stays clear.
    fn compact(self) -> u32 {
        let mut bytes = (1..=40).rev().find(|n| self.byte(n - 1) > 0).unwrap();
        if self.byte(bytes - 1) >= 0x80 {
            bytes += 1;
        }
        let of = |at: u32| if at < 40 { self.byte(at) } else { 0 };
        (bytes << 24) | (of(bytes - 1) << 16) | (of(bytes - 2) << 8) | of(bytes - 3)
    }
}

/// The rules, told a second time.
#[derive(Clone, Copy, Debug)]
struct Told {
    bip94: bool,
    min_difficulty: bool,
    period: usize,
    spacing: u32,
    limit: u32,
}

impl Told {
    fn eights(bip94: bool, min_difficulty: bool) -> Self {
        Self { bip94, min_difficulty, period: 8, spacing: 1, limit: LIMIT }
    }

    /// The target of the header after `chain`, which starts a period.
    fn bits(self, chain: &[Header], time: u32) -> u32 {
        let (height, last) = (chain.len(), chain[chain.len() - 1]);
        if !height.is_multiple_of(self.period) {
            if !self.min_difficulty {
                return last.bits.to_consensus();
            }
            if time > last.time + 2 * self.spacing {
                return self.limit;
            }
            let mut at = height - 1;
            while at % self.period != 0 && chain[at].bits.to_consensus() == self.limit {
                at -= 1;
            }
            return chain[at].bits.to_consensus();
        }
        let first = chain[height - self.period];
        let whole = i64::from(self.spacing) * i64::try_from(self.period).unwrap();
        let passed = (i64::from(last.time) - i64::from(first.time)).clamp(whole / 4, whole * 4);
        let from = if self.bip94 { first.bits } else { last.bits };
        let target = Big::expand(from.to_consensus()).times(u32::try_from(passed).unwrap());
        let target = target.over(u32::try_from(whole).unwrap());
        if target.above(Big::expand(self.limit)) { self.limit } else { target.compact() }
    }

    /// The earliest time of the header after `chain`.
    fn earliest(self, chain: &[Header]) -> u32 {
        let mut times: Vec<u32> = chain.iter().rev().take(11).map(|h| h.time).collect();
        times.sort_unstable();
        let warp = chain[chain.len() - 1].time - 600;
        let after_median = times[times.len() / 2] + 1;
        if self.bip94 && chain.len().is_multiple_of(self.period) {
            warp.max(after_median)
        } else {
            after_median
        }
    }

    fn mine(self, chain: &[Header], time: u32, salt: u8) -> Header {
        let bits = CompactTarget::from_consensus(self.bits(chain, time));
        mine_header(&chain[chain.len() - 1], root(salt), time, bits)
    }

    /// The first block, and one more for each step.
    fn grow(self, steps: &[Step]) -> Vec<Header> {
        let easiest = CompactTarget::from_consensus(self.limit);
        let mut chain = vec![mine_header(&genesis(), root(0), 1_700_000_000, easiest)];
        for step in steps {
            self.step(&mut chain, *step, 1);
        }
        chain
    }

    fn step(self, chain: &mut Vec<Header>, step: Step, salt: u8) {
        let (earliest, last) = (self.earliest(chain), chain[chain.len() - 1].time);
        let time = match step {
            Step::Earliest => earliest,
            Step::After(secs) => (last + secs).max(earliest),
        };
        let header = self.mine(chain, time, salt);
        chain.push(header);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// As early as the rules allow: times run backwards then.
    Earliest,
    /// Seconds after the block before.
    After(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Earliest),
        8 => (0u32..=3).prop_map(Step::After),
        1 => (4u32..=40).prop_map(Step::After),
        1 => (1_000u32..=3_000).prop_map(Step::After),
    ]
}

fn chain_on(rules: Rules, headers: &[Header]) -> HeaderChain {
    let hash = headers[(CHECKPOINT - START) as usize].block_hash();
    let chain = HeaderChain::with_rules(rules, Checkpoint { height: CHECKPOINT, hash }, vec![]);
    assert_eq!(chain.base_height(), START);
    chain
}

fn height_of(at: usize) -> u32 {
    START + u32::try_from(at).unwrap()
}

/// `src/test/pow_tests.cpp` of Bitcoin Core: heights, times and targets of its four cases, of which the
/// last has a made-up time; and two of signet's first retargets.
#[test]
fn cores_own_numbers() {
    let (main, signet) = (Network::Bitcoin, Network::Signet);
    for (network, first_time, height, last_time, bits, required) in [
        (main, 1_261_130_161, 32_255, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a),
        (main, 1_231_006_505, 2_015, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff),
        (main, 1_279_008_237, 68_543, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd),
        (main, 1_263_163_443, 46_367, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd),
        (signet, 1_598_918_400, 2_015, 1_599_332_177, 0x1e03_77ae, 503_394_215),
        (signet, 1_599_332_844, 4_031, 1_600_591_200, 503_394_215, 503_397_348),
    ] {
        let bits = CompactTarget::from_consensus(bits);
        let first = Header { time: first_time, bits, ..genesis() };
        let last = Header { time: last_time, bits, ..genesis() };
        let rules = Rules::new(network);
        let next = |height| rules.required_bits(height, last_time, &last, bits, || first).to_consensus();
        assert_eq!(next(height + 1), required);
        assert_eq!(next(height), bits.to_consensus(), "only where a period starts");
        let told = Told {
            bip94: false,
            min_difficulty: false,
            period: 2016,
            spacing: 600,
            limit: rules.limit().to_consensus(),
        };
        let mut chain = vec![first; 2015];
        chain.push(last);
        assert_eq!(told.bits(&chain, last_time), required, "the second telling too");
    }
    // Times that run backwards over a whole period are clamped like a fast one.
    let bits = CompactTarget::from_consensus(0x1c05_a3f4);
    let (first, last) =
        (Header { time: 2_000_000, bits, ..genesis() }, Header { time: 1, bits, ..genesis() });
    let rules = Rules::new(main);
    assert_eq!(rules.required_bits(2_016, 2, &last, bits, || first).to_consensus(), 0x1c01_68fd);
}

#[test]
fn what_each_network_demands_of_versions() {
    for (network, height, least) in [
        (Network::Bitcoin, 227_930, i32::MIN),
        (Network::Bitcoin, 227_931, 2),
        (Network::Bitcoin, 363_725, 3),
        (Network::Bitcoin, 388_381, 4),
        (Network::Testnet4, 1, 4),
        (Network::Signet, 1, 4),
    ] {
        assert_eq!(Rules::new(network).min_version(height), least, "{network} {height}");
    }
    let mut params = Params::new(Network::Regtest);
    (params.bip34_height, params.bip65_height, params.bip66_height) = (1, 1, 1);
    let mut chain =
        HeaderChain::with_rules(Rules::custom(params, false), Checkpoint::genesis(Network::Regtest), vec![]);
    let mut old =
        Header { version: bitcoin::block::Version::from_consensus(3), ..mine_headers(&genesis(), 1, 1)[0] };
    while old.validate_pow(old.target()).is_err() {
        old.nonce += 1;
    }
    assert!(matches!(
        chain.accept(1, &[old], Tie::KeepOurs),
        Err(HeaderError::OldVersion { height: 1, version: 3, .. })
    ));
}

/// Testnet4, on the little network: blocks of least difficulty after two spacings, none in their wake, and a
/// retarget from the period's first block, so that the last one being easy resets nothing (BIP94).
#[test]
fn blocks_of_least_difficulty_do_not_reset_the_target() {
    let fast = [Step::After(0); 15];
    let slow_end =
        [Step::After(0), Step::After(0), Step::After(0), Step::After(0), Step::After(0), Step::After(0)];
    let steps: Vec<Step> = fast
        .iter()
        .chain(&slow_end)
        .copied()
        .chain([Step::After(3), Step::After(0), Step::After(3)])
        .collect();
    for bip94 in [true, false] {
        let told = Told::eights(bip94, true);
        let headers = told.grow(&steps);
        let bits = |at: usize| headers[at].bits.to_consensus();
        // Fast blocks made it harder at 8 and at 16.
        assert!(!Big::expand(bits(8)).above(Big::expand(bits(7))) && bits(16) != bits(8));
        assert_eq!((bits(22), bits(23)), (LIMIT, bits(16)), "the exception, and back at once");
        let mut chain = chain_on(eights(bip94, true), &headers);
        assert_eq!(chain.accept(START, &headers, Tie::KeepOurs), Ok(Accepted::Extended));
    }
    // The last block of the period is easy: without BIP94 the next period starts from there.
    let mut steps = vec![Step::After(0); 22];
    steps.extend([Step::After(3), Step::After(0)]);
    let after = |bip94| {
        let told = Told::eights(bip94, true);
        let headers = told.grow(&steps);
        let mut chain = chain_on(eights(bip94, true), &headers);
        chain.accept(START, &headers, Tie::KeepOurs).unwrap();
        // Each refuses what the other demands.
        let mut other = chain_on(eights(!bip94, true), &headers);
        let error = other.accept(START, &headers, Tie::KeepOurs).unwrap_err();
        assert!(
            matches!(error, HeaderError::WrongTarget { height, .. } if height == height_of(24)),
            "{bip94}: {error}"
        );
        (Big::expand(headers[24].bits.to_consensus()), Big::expand(headers[16].bits.to_consensus()))
    };
    let (repaired, first) = after(true);
    assert!(!repaired.above(first), "no easier than the period before, which was fast");
    let (broken, first) = after(false);
    assert!(broken.above(first), "testnet3's flaw, for comparison");
}

/// BIP94: without its rule, a period's last block far in the future and the next one's first in the past
/// lower the difficulty at will, each header being valid by itself.
#[test]
fn a_time_warp_is_refused_where_bip94_holds() {
    let mut steps = vec![Step::After(1); 22];
    steps.push(Step::After(5_000));
    let warp = |bip94: bool| {
        let told = Told::eights(bip94, true);
        let mut headers = told.grow(&steps);
        assert_eq!(headers.len(), 24);
        let median = Told::eights(false, true).earliest(&headers);
        let (last, at) = (headers[23].time, height_of(24));
        let offer = |time: u32| {
            let mut chain = chain_on(eights(bip94, true), &headers);
            chain.accept(START, &headers, Tie::KeepOurs).unwrap();
            chain.accept(at, &[told.mine(&headers, time, 1)], Tie::KeepOurs)
        };
        let outcomes = [median, last - 601, last - 600].map(offer);
        headers.push(told.mine(&headers, last - 600, 1));
        // Only where a period starts: the next block may lie further back.
        let inside = told.mine(&headers, median + 1, 1);
        let mut chain = chain_on(eights(bip94, true), &headers);
        chain.accept(START, &headers, Tie::KeepOurs).unwrap();
        assert_eq!(chain.accept(at + 1, &[inside], Tie::KeepOurs), Ok(Accepted::Extended));
        (outcomes, last - 600)
    };
    let ([early, late, edge], earliest) = warp(true);
    for refused in [early, late] {
        assert!(
            matches!(refused, Err(HeaderError::Timewarp { height, earliest_secs, .. })
                if height == height_of(24) && earliest_secs == earliest),
            "{refused:?}"
        );
    }
    assert_eq!(edge, Ok(Accepted::Extended));
    assert_eq!(warp(false).0, [(); 3].map(|()| Ok(Accepted::Extended)));
}

/// A fork that pretends to be harder, or easier, than its own times make it: refused, and named.
#[test]
fn a_fork_with_a_false_target_is_refused_and_named() {
    let told = Told::eights(false, false);
    let headers = told.grow(&[Step::After(1); 30]);
    let mut chain = chain_on(eights(false, false), &headers);
    chain.accept(START, &headers, Tie::KeepOurs).unwrap();
    let before = (chain.height(), chain.tip_hash(), chain.work());
    // It leaves at the last retarget, and claims more work for itself than all of ours above.
    let required = told.bits(&headers[..24], headers[24].time);
    for (bits, easy) in
        [(0x1f7f_ffff, false), (required + 1, false), (required - 1, false), (0x2008_0000, true)]
    {
        let mut fork = headers[..24].to_vec();
        for _ in 0..10 {
            let last = fork[fork.len() - 1];
            fork.push(mine_header(&last, root(9), last.time + 1, CompactTarget::from_consensus(bits)));
        }
        let error = chain.accept(height_of(24), &fork[24..], Tie::TakeTheirs).unwrap_err();
        match error {
            HeaderError::WrongTarget { height, bits: claimed, required: rule, .. } if !easy => {
                assert_eq!((height, claimed, rule), (height_of(24), bits, required));
            }
            HeaderError::TooEasy { height, bits: claimed, .. } if easy => {
                assert_eq!((height, claimed), (height_of(24), bits));
            }
            other => panic!("{bits:#010x}: {other}"),
        }
        assert_eq!((chain.height(), chain.tip_hash(), chain.work()), before);
    }
}

/// Fast blocks made one branch harder, slow ones the other easier: both follow the rules, and the shorter has
/// more work.
#[test]
fn most_work_wins_also_at_a_lower_height() {
    let told = Told::eights(false, false);
    let common = told.grow(&[Step::After(0); 16]);
    let branch = |pace: u32, blocks: usize, salt: u8| {
        let mut headers = common.clone();
        (0..blocks).for_each(|_| told.step(&mut headers, Step::After(pace), salt));
        headers
    };
    let (light, heavy) = (branch(6, 20, 1), branch(0, 12, 2));
    let mut chain = chain_on(eights(false, false), &common);
    chain.accept(START, &light, Tie::KeepOurs).unwrap();
    assert_eq!(chain.height(), height_of(36));
    let followed = chain.accept(START, &heavy, Tie::KeepOurs);
    assert_eq!(followed, Ok(Accepted::Reorganised { fork_height: height_of(16) }));
    assert_eq!((chain.height(), chain.tip_hash()), (height_of(28), heavy[28].block_hash()));
    // And not back, although that is eight blocks higher.
    assert_eq!(
        chain.accept(START, &light, Tie::TakeTheirs),
        Ok(Accepted::LessWork { fork_height: height_of(16) })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the times: what the second telling mines is accepted, whole and in pieces; and any header
    /// whose target is off by the least step is refused, at its height, with the right target named.
    #[test]
    fn both_tellings_of_the_rules_agree(
        (bip94, min_difficulty) in any::<(bool, bool)>(),
        steps in prop::collection::vec(step(), 12..56),
        cut in any::<prop::sample::Index>(),
        spoilt in any::<prop::sample::Index>(),
        up in any::<bool>(),
    ) {
        let told = Told::eights(bip94, min_difficulty);
        let headers = told.grow(&steps);
        let mut whole = chain_on(eights(bip94, min_difficulty), &headers);
        prop_assert_eq!(whole.accept(START, &headers, Tie::KeepOurs), Ok(Accepted::Extended));
        let least = (CHECKPOINT - START + 1) as usize;
        let cut = least + cut.index(headers.len() - least + 1);
        let mut pieces = chain_on(eights(bip94, min_difficulty), &headers);
        pieces.accept(START, &headers[..cut], Tie::KeepOurs).unwrap();
        for (at, header) in headers.iter().enumerate().skip(cut) {
            prop_assert_eq!(pieces.accept(height_of(at), &[*header], Tie::KeepOurs), Ok(Accepted::Extended));
        }
        prop_assert_eq!((pieces.height(), pieces.tip_hash(), pieces.work()), (whole.height(), whole.tip_hash(), whole.work()));
        prop_assert_eq!(whole.work(), headers.iter().skip(1).fold(headers[0].work(), |sum, h| sum + h.work()));

        // One header above the checkpoint again, with another target; what is mined on it does not matter.
        let at = least + spoilt.index(headers.len() - least);
        let required = headers[at].bits.to_consensus();
        let bits = if up { required + 1 } else { required - 1 };
        let mut false_one = headers[at];
        false_one.bits = CompactTarget::from_consensus(bits);
        let easy = Big::expand(bits).above(Big::expand(LIMIT));
        let mut chain = chain_on(eights(bip94, min_difficulty), &headers);
        chain.accept(START, &headers[..at], Tie::KeepOurs).unwrap();
        match chain.accept(height_of(at), &[false_one], Tie::KeepOurs) {
            Err(HeaderError::WrongTarget { height, required: rule, bits: claimed, .. }) => {
                prop_assert!(!easy);
                prop_assert_eq!((height, claimed, rule), (height_of(at), bits, required));
            }
            Err(HeaderError::TooEasy { height, .. }) => prop_assert!(easy && height == height_of(at)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
