//! Refunds under consensus code: every rung, pairs in any order with somebody else's fee input, and what
//! must not be possible.

use super::*;
use crate::escrow::charter::Charter;
use crate::escrow::consensus::{assert_valid, verify_input};
use crate::escrow::descriptor::{Contract, Slot};
use crate::escrow::network::Network;
use crate::escrow::testing;
use bitcoin::ecdsa;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::All;
use bitcoin::sighash::EcdsaSighashType;
use bitcoin::{CompressedPublicKey, Txid};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;

static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);
static CHARTER: LazyLock<Charter> = LazyLock::new(|| testing::charter(Network::Regtest));
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::new(&CHARTER).unwrap());

/// The refund of pledge `n`, whose key is sponsor `n`'s.
fn target(n: u8, amount_sat: u64) -> RefundTarget {
    target_of(&CONTRACT, n, amount_sat)
}

fn target_of(contract: &Contract, n: u8, amount_sat: u64) -> RefundTarget {
    let key = testing::sponsor(n).x_only_public_key().0;
    let output = contract.pledge(&SECP, Slot::pledge(u32::from(n)), key).unwrap();
    let outpoint = OutPoint::new(Txid::hash(&[n]), u32::from(n));
    let address = testing::address(Network::Regtest, 200 + u32::from(n));
    RefundTarget::new(output, outpoint, Amount::from_sat(amount_sat), &address).unwrap()
}

fn bundle(n: u8, amount_sat: u64) -> RefundBundle {
    RefundBundle::sign(&SECP, target(n, amount_sat), &testing::sponsor(n)).unwrap()
}

fn change_script() -> ScriptBuf {
    testing::address(Network::Regtest, 300).script_pubkey()
}

/// The operator's outputs: one Taproot, one P2WPKH.
fn fee_inputs() -> Vec<FeeInput> {
    let operator = testing::sponsor(80);
    let key = operator.x_only_public_key().0;
    let taproot = Address::p2tr(&SECP, key, None, Network::Regtest.bitcoin());
    let segwit = Address::p2wpkh(&CompressedPublicKey(operator.public_key()), Network::Regtest.bitcoin());
    [(taproot, 230), (segwit, 272)]
        .into_iter()
        .enumerate()
        .map(|(at, (address, weight))| FeeInput {
            outpoint: OutPoint::new(Txid::hash(&[0xff]), u32::try_from(at).unwrap()),
            prevout: TxOut { value: Amount::from_sat(20_000), script_pubkey: address.script_pubkey() },
            weight: Weight::from_wu(weight),
        })
        .collect()
}

/// Signs the operator's inputs wherever they stand, as the operator's wallet does.
fn sign_fee_inputs(tx: &mut Transaction, prevouts: &[TxOut]) {
    let operator = testing::sponsor(80);
    for (at, prevout) in prevouts.iter().enumerate() {
        let mut cache = SighashCache::new(&*tx);
        if prevout.script_pubkey.is_p2wpkh() {
            let (script, value) = (&prevout.script_pubkey, prevout.value);
            let hash = cache.p2wpkh_signature_hash(at, script, value, EcdsaSighashType::All).unwrap();
            let message = Message::from_digest(hash.to_byte_array());
            let signature = SECP.sign_ecdsa(&message, &operator.secret_key());
            let signature = ecdsa::Signature { signature, sighash_type: EcdsaSighashType::All };
            tx.input[at].witness = Witness::p2wpkh(&signature, &operator.public_key());
        } else if tx.input[at].witness.is_empty() {
            let all = Prevouts::All(prevouts);
            let hash = cache.taproot_key_spend_signature_hash(at, &all, TapSighashType::Default).unwrap();
            let message = Message::from_digest(hash.to_byte_array());
            let key = operator.tap_tweak(&SECP, None).to_keypair();
            let signature = SECP.sign_schnorr_no_aux_rand(&message, &key);
            tx.input[at].witness = Witness::from_slice(&[signature.serialize()]);
        }
    }
}

#[test]
fn consensus_accepts_every_rung_and_no_altered_one() {
    let bundle = bundle(1, 1_000_000);
    let prevouts = [bundle.target().prevout()];
    assert_eq!(bundle.ladder().len(), LADDER.len());
    for (rung, tx) in bundle.ladder() {
        assert_valid(&tx, &prevouts);
        assert_eq!(tx.weight(), bundle.target().rung_weight());
        let fee = bundle.target().amount() - tx.output[0].value;
        let vbytes: u64 = tx.vsize().try_into().unwrap();
        assert_eq!(fee.to_sat(), rung.sat_per_vb * vbytes);
        let locked = bundle.target().refund_time() + rung.delay_secs;
        assert_eq!(tx.lock_time.to_consensus_u32(), locked);
        assert!(!tx.input[0].sequence.is_final());

        let mut early = tx.clone();
        early.lock_time = LockTime::from_consensus(locked - 1);
        assert!(!verify_input(&early, &prevouts, 0));
        let mut stolen = tx.clone();
        stolen.output[0].script_pubkey = change_script();
        assert!(!verify_input(&stolen, &prevouts, 0));
        let mut burnt = tx.clone();
        burnt.output[0].value -= Amount::from_sat(1);
        assert!(!verify_input(&burnt, &prevouts, 0));
        let mut last = tx.clone();
        last.input[0].sequence = Sequence::MAX;
        assert!(!verify_input(&last, &prevouts, 0));
    }
}

/// The signature fails for any other locktime, so this shows that the *script* refuses T-1: the sponsor
/// signs the earlier transaction, and consensus still says no.
#[test]
fn the_script_itself_holds_until_t() {
    let target = target(1, 100_000);
    let key = testing::sponsor(1);
    let at = |lock_time: u32| {
        let mut tx = target.pair();
        tx.lock_time = LockTime::from_consensus(lock_time);
        let signature = SECP.sign_schnorr_no_aux_rand(&target.message(&tx, TapSighashType::Default), &key);
        tx.input[0].witness = target.witness(&signature, TapSighashType::Default);
        verify_input(&tx, &[target.prevout()], 0)
    };
    let t = CHARTER.refund_time_secs();
    assert!(!at(t - 1));
    assert!(!at(0));
    assert!(!at(400_000), "a height is not a time");
    assert!(at(t));
    assert!(at(t + 1));
}

#[test]
fn a_batch_is_valid_with_its_fee_inputs_last() {
    let bundles: Vec<RefundBundle> = (1..=6).map(|n| bundle(n, 20_000 * u64::from(n))).collect();
    let refs: Vec<&RefundBundle> = bundles.iter().rev().collect();
    let feerate = FeeRate::from_sat_per_vb(7).unwrap();
    let mut batch = batch(&refs, &fee_inputs(), &change_script(), feerate).unwrap();
    sign_fee_inputs(&mut batch.transaction, &batch.prevouts);
    let tx = &batch.transaction;
    assert_valid(tx, &batch.prevouts);
    assert_eq!(tx.lock_time, CHARTER.refund_lock_time());
    let sum = |outputs: &[TxOut]| outputs.iter().map(|output| output.value).sum::<Amount>();
    assert_eq!(sum(&batch.prevouts), sum(&tx.output) + batch.fee);
    assert!(batch.fee >= fee::fee(feerate, tx.weight()).unwrap());
    for bundle in &bundles {
        let target = bundle.target();
        let at = tx.input.iter().position(|input| input.previous_output == target.outpoint()).unwrap();
        assert_eq!(tx.output[at], target.pair_output(), "the sponsor gets the whole amount");
    }
    // The same refunds in another order are the same transaction.
    let forward: Vec<&RefundBundle> = bundles.iter().collect();
    let again = super::batch(&forward, &fee_inputs(), &change_script(), feerate).unwrap();
    assert_eq!(again.transaction.compute_txid(), tx.compute_txid());
}

#[test]
fn pairs_may_be_permuted_together_but_never_shifted() {
    let bundles: Vec<RefundBundle> = (1..=4).map(|n| bundle(n, 50_000 + u64::from(n))).collect();
    let refs: Vec<&RefundBundle> = bundles.iter().collect();
    let feerate = FeeRate::from_sat_per_vb(2).unwrap();
    let batch = batch(&refs, &fee_inputs(), &change_script(), feerate).unwrap();
    let resigned = |mut tx: Transaction, prevouts: &[TxOut]| {
        for (input, prevout) in tx.input.iter_mut().zip(prevouts) {
            if fee_inputs().iter().any(|fee_input| fee_input.prevout == *prevout) {
                input.witness.clear();
            }
        }
        sign_fee_inputs(&mut tx, prevouts);
        tx
    };
    for order in [[3, 1, 0, 2], [1, 2, 3, 0]] {
        let (mut tx, mut prevouts) = (batch.transaction.clone(), batch.prevouts.clone());
        for (to, from) in order.into_iter().enumerate() {
            tx.input[to] = batch.transaction.input[from].clone();
            tx.output[to] = batch.transaction.output[from].clone();
            prevouts[to] = batch.prevouts[from].clone();
        }
        assert_valid(&resigned(tx, &prevouts), &prevouts);
    }
    // An output swapped against another breaks both pairs.
    let mut swapped = batch.transaction.clone();
    swapped.output.swap(0, 1);
    let swapped = resigned(swapped, &batch.prevouts);
    assert!(!verify_input(&swapped, &batch.prevouts, 0) && !verify_input(&swapped, &batch.prevouts, 1));
    assert!(verify_input(&swapped, &batch.prevouts, 2));
    // A fee input put first shifts every pair off its output.
    let (mut tx, mut prevouts) = (batch.transaction.clone(), batch.prevouts.clone());
    tx.input.rotate_right(1);
    prevouts.rotate_right(1);
    let shifted = resigned(tx, &prevouts);
    assert!(verify_input(&shifted, &prevouts, 0), "the fee input itself is fine");
    assert!((1..=4).all(|at| !verify_input(&shifted, &prevouts, at)));
    // Another locktime or version breaks every pair.
    let mut later = batch.transaction.clone();
    later.lock_time = LockTime::from_consensus(CHARTER.refund_time_secs() + 60);
    assert!((0..4).all(|at| !verify_input(&later, &batch.prevouts, at)));
    let mut version = batch.transaction.clone();
    version.version = Version::ONE;
    assert!((0..4).all(|at| !verify_input(&version, &batch.prevouts, at)));
}

#[test]
fn batches_refuse_what_cannot_go_together() {
    let one = bundle(1, 50_000);
    let feerate = FeeRate::from_sat_per_vb(5).unwrap();
    let change = change_script();
    assert_eq!(batch(&[], &fee_inputs(), &change, feerate), Err(BatchError::Empty));
    let mut fields = testing::fields(Network::Regtest);
    fields.refund_time += 60;
    let later = Contract::new(&Charter::from_fields(fields).unwrap()).unwrap();
    let later = RefundBundle::sign(&SECP, target_of(&later, 2, 50_000), &testing::sponsor(2)).unwrap();
    assert_eq!(batch(&[&one, &later], &fee_inputs(), &change, feerate), Err(BatchError::MixedTimes));
    let error = batch(&[&one], &[], &change, feerate).unwrap_err();
    assert!(matches!(error, BatchError::Fee { available: Amount::ZERO, .. }), "{error}");
    // A pair given twice is spent once.
    let twice = batch(&[&one, &one], &fee_inputs(), &change, feerate).unwrap();
    assert_eq!(twice.transaction.input.len(), 3);
    // Change that would be dust goes to the fee.
    let mut poor = fee_inputs();
    poor.truncate(1);
    let exact = batch(&[&one], &poor, &change, feerate).unwrap().fee;
    poor[0].prevout.value = exact + Amount::from_sat(329);
    let without = batch(&[&one], &poor, &change, feerate).unwrap();
    assert_eq!(without.transaction.output.len(), 1);
    assert_eq!(without.fee, exact + Amount::from_sat(329));
}

#[test]
fn the_ladder_ends_where_the_amount_does() {
    let rates = |amount_sat| -> Vec<u64> {
        target(1, amount_sat).ladder().iter().map(|(rung, _)| rung.sat_per_vb).collect()
    };
    assert_eq!(rates(10_000), [1, 2, 5, 10, 25]);
    // A rung of 1 sat/vB costs 138 sat, and at T a tenth at most.
    assert_eq!(rates(1_380), [1]);
    assert_eq!(rates(1_379), [0u64; 0]);
    // At 5 sat/vB it costs 690.
    assert_eq!(rates(6_900)[..3], [1, 2, 5]);
    assert_eq!(rates(6_899)[..3], [1, 2, 10]);
    assert_eq!(rates(u64::MAX / 2), [1, 2, 5, 10, 25, 50, 100]);
    assert_eq!(rates(0), [0u64; 0]);
    let small = bundle(1, 1_379);
    assert!(small.pair_only());
    assert_valid(&small.pair(), &[small.target().prevout()]);
}

#[test]
fn bundles_are_checked_part_by_part() {
    let good = bundle(1, 100_000);
    let check = |change: &dyn Fn(&mut RefundSignatures)| {
        let mut signatures = good.signatures().clone();
        change(&mut signatures);
        RefundBundle::check(&SECP, target(1, 100_000), signatures)
    };
    assert_eq!(check(&|_| ()), Ok(good.clone()));
    let other = OutPoint::new(Txid::hash(&[9]), 0);
    assert!(matches!(check(&|s| s.outpoint = other), Err(BundleError::Outpoint { .. })));
    assert!(matches!(check(&|s| s.amount_sat += 1), Err(BundleError::Amount { .. })));
    assert_eq!(check(&|s| s.pair = s.ladder[0]), Err(BundleError::Pair));
    assert_eq!(check(&|s| s.ladder.truncate(6)), Err(BundleError::LadderLength { given: 6, expected: 7 }));
    assert_eq!(check(&|s| s.ladder[3] = s.ladder[2]), Err(BundleError::Rung { sat_per_vb: 10 }));
    assert!(check(&|s| s.ladder.clear()).unwrap().pair_only());
    assert_eq!(RefundBundle::sign(&SECP, target(1, 100_000), &testing::sponsor(2)), Err(BundleError::Key));
    // Signatures for another outpoint, amount or address do not verify here.
    let mut moved = bundle(1, 100_001).signatures().clone();
    moved.amount_sat = 100_000;
    assert_eq!(RefundBundle::check(&SECP, target(1, 100_000), moved), Err(BundleError::Pair));
    let stored = serde_json::to_string(good.signatures()).unwrap();
    assert_eq!(serde_json::from_str::<RefundSignatures>(&stored).unwrap(), *good.signatures());
}

#[test]
fn gifts_have_no_refund() {
    let address = testing::address(Network::Regtest, 1);
    let outpoint = OutPoint::new(Txid::hash(&[1]), 0);
    let open = CONTRACT.open(&SECP);
    assert_eq!(RefundTarget::new(open, outpoint, Amount::ONE_BTC, &address), Err(NoRefundLeaf));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_rung_takes_more_than_its_part(
        amount_sat in prop_oneof![0u64..50_000, 0u64..2_100_000_000_000_000],
    ) {
        let target = target(1, amount_sat);
        let ladder: HashMap<u64, Transaction> =
            target.ladder().into_iter().map(|(rung, tx)| (rung.sat_per_vb, tx)).collect();
        for rung in LADDER {
            let fee = rung.sat_per_vb * 138;
            let limit = if rung.delay_secs == 0 { amount_sat / 10 } else { amount_sat / 2 };
            let left = amount_sat.saturating_sub(fee);
            prop_assert_eq!(ladder.contains_key(&rung.sat_per_vb), fee <= limit && left >= 330);
            if let Some(tx) = ladder.get(&rung.sat_per_vb) {
                prop_assert_eq!(tx.output.len(), 1);
                prop_assert_eq!(tx.output[0].value.to_sat(), left);
            }
        }
    }

    #[test]
    fn any_batch_gives_every_sponsor_the_whole_amount(
        amounts in proptest::collection::vec(1_000u64..5_000_000, 1..12),
        sat_per_vb in 1u64..10,
    ) {
        let bundles: Vec<RefundBundle> =
            (1u8..).zip(amounts).map(|(n, amount_sat)| bundle(n, amount_sat)).collect();
        let refs: Vec<&RefundBundle> = bundles.iter().collect();
        let feerate = FeeRate::from_sat_per_vb(sat_per_vb).unwrap();
        let mut batch = batch(&refs, &fee_inputs(), &change_script(), feerate).unwrap();
        sign_fee_inputs(&mut batch.transaction, &batch.prevouts);
        assert_valid(&batch.transaction, &batch.prevouts);
        let paid: HashMap<_, _> = batch.transaction.output.iter().map(|o| (&o.script_pubkey, o.value)).collect();
        for bundle in &bundles {
            let output = bundle.target().pair_output();
            prop_assert_eq!(paid.get(&output.script_pubkey), Some(&output.value));
        }
        let fees: Amount = fee_inputs().iter().map(|input| input.prevout.value).sum();
        prop_assert_eq!(fees, paid[&change_script()] + batch.fee);
    }
}
