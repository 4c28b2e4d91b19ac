//! Weights, dust and feerates: what a transaction of ours costs, and what is too little to move.
//!
//! Weights are in weight units (BIP141): 4 a byte outside the witness, 1 inside.

use bitcoin::{Amount, FeeRate, Script, Weight};

/// An input that spends by the cooperative leaf of a pledge (two leaves, so a 65-byte control block):
/// 41 bytes outside the witness; inside: count, two 64-byte signatures, one empty, the leaf, control block.
pub const COOPERATIVE_INPUT: Weight = Weight::from_wu(4 * 41 + 1 + 65 + 65 + 1 + 105 + 66);
/// The same for the open address, whose only leaf needs a 33-byte control block.
pub const OPEN_INPUT: Weight = Weight::from_wu(4 * 41 + 1 + 65 + 65 + 1 + 105 + 34);
/// An input that spends by the internal key.
pub const KEY_PATH_INPUT: Weight = Weight::from_wu(4 * 41 + 1 + 65);
/// An input that spends by the refund leaf with SIGHASH_DEFAULT.
pub const LADDER_INPUT: Weight = Weight::from_wu(4 * 41 + 1 + 65 + 41 + 66);
/// An input that spends by the refund leaf with SIGHASH_SINGLE|ANYONECANPAY: one byte more.
pub const PAIR_INPUT: Weight = Weight::from_wu(LADDER_INPUT.to_wu() + 1);
/// An output that keeps money in escrow: a pledge's address is Taproot.
pub const REMAINDER_OUTPUT: Weight = Weight::from_wu(4 * (8 + 1 + 34));
/// Least that is left there: what can still bear the first rung of its refund, 138 vB at 1 sat/vB for at most a tenth.
pub const LEAST_REMAINDER: Amount = Amount::from_sat(1_380);
/// Version, locktime, segwit marker and flag; counts come on top.
pub const FRAME: Weight = Weight::from_wu(4 * 8 + 2);
/// Largest transaction that nodes relay (Bitcoin Core's MAX_STANDARD_TX_WEIGHT).
pub const MAX_STANDARD: Weight = Weight::from_wu(400_000);
/// Ours stay below it by this much, so that no rounding ever meets the limit.
pub const MAX_TRANSACTION: Weight = Weight::from_wu(399_000);
/// Feerate below which nodes do not relay (default of Bitcoin Core until 29).
pub const MIN_RELAY: FeeRate = FeeRate::from_sat_per_vb_u32(1);

/// Weight of an output.
pub fn output_weight(script_pubkey: &Script) -> Weight {
    let script = script_pubkey.len();
    Weight::from_wu(4 * (8 + compact_size(script) + as_u64(script)))
}

/// Weight of version, locktime, marker, flag and both counts.
pub fn frame_weight(inputs: usize, outputs: usize) -> Weight {
    FRAME + Weight::from_wu(4 * (compact_size(inputs) + compact_size(outputs)))
}

/// Fee for `weight`, rounded up to a satoshi. `None` past what 64 bits hold.
pub fn fee(feerate: FeeRate, weight: Weight) -> Option<Amount> {
    // FeeRate counts satoshis per 1000 weight units.
    let milli = u128::from(feerate.to_sat_per_kwu()) * u128::from(weight.to_wu());
    u64::try_from(milli.div_ceil(1000)).ok().map(Amount::from_sat)
}

/// Least amount an output to `script_pubkey` may have to be relayed (Bitcoin Core, 3 sat/vB).
pub fn dust(script_pubkey: &Script) -> Amount {
    script_pubkey.minimal_non_dust()
}

fn compact_size(n: usize) -> u64 {
    match n {
        0..=252 => 1,
        253..=65_535 => 3,
        _ => 5,
    }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).expect("a length fits in 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_measured_spends() {
        // vB an input, measured with consensus code: 116.75, 57.5, 84.5 (pair).
        assert_eq!(COOPERATIVE_INPUT.to_wu(), 467);
        assert_eq!(KEY_PATH_INPUT.to_wu(), 230);
        assert_eq!(PAIR_INPUT.to_wu(), 338);
    }

    #[test]
    fn a_remainder_is_a_taproot_output() {
        let script = bitcoin::ScriptBuf::from_hex(&format!("5120{}", "02".repeat(32))).unwrap();
        assert_eq!(REMAINDER_OUTPUT, output_weight(&script));
        assert!(LEAST_REMAINDER > dust(&script));
    }

    #[test]
    fn fees_round_up() {
        let feerate = FeeRate::from_sat_per_vb(1).unwrap();
        assert_eq!(fee(feerate, Weight::from_wu(551)), Some(Amount::from_sat(138)));
        assert_eq!(fee(feerate, Weight::from_wu(552)), Some(Amount::from_sat(138)));
        assert_eq!(fee(FeeRate::MAX, Weight::MAX), None);
    }
}
