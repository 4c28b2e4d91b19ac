//! What `upfront recover` makes of an outpoint: not yet, a refund held or signed anew, done already.

use super::*;
use crate::escrow::facts::Confirmation;
use crate::escrow::network::Network;
use crate::escrow::recovery::Origin;
use crate::escrow::refund::RefundBundle;
use crate::escrow::statement::{Attest, Pledge, Role, Signed, Statement};
use crate::escrow::testing;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash};

fn tip(mtp_secs: u32) -> Tip {
    Tip { height: 200, hash: BlockHash::all_zeros(), mtp_secs }
}

fn deposit(confirmed: bool) -> Deposit {
    let confirmation =
        Confirmation { height: 100, block_hash: BlockHash::all_zeros(), position: 1, mtp_secs: 1 };
    Deposit {
        outpoint: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 },
        amount: Amount::from_sat(50_000),
        coinbase: false,
        confirmation: confirmed.then_some(confirmation),
    }
}

fn nothing() -> Place {
    Place { generation: 0, view: ScriptView::default(), spenders: BTreeMap::new() }
}

/// A file with a refund for [`deposit`], with the sponsor's key or without.
fn file(with_key: bool) -> RecoveryFile {
    let secp = Secp256k1::new();
    let network = Network::Regtest;
    let charter = testing::charter(network);
    let attest = Attest { charter: charter.id() };
    let attestations = Role::ALL.map(|role| attest.sign(&secp, &testing::statement_keypair(network, role)));
    let key = testing::sponsor(5);
    let pledge = Pledge {
        network,
        charter: charter.id(),
        index: 1,
        sponsor_key: key.x_only_public_key().0,
        refund_address: testing::address(network, 8),
    };
    let pledge = Signed::new(&secp, pledge, &key);
    let own = with_key.then_some(key);
    let mut file = RecoveryFile::new(&secp, charter, attestations, pledge, own, Origin::default()).unwrap();
    let held = deposit(true);
    let bundle = RefundBundle::sign(&secp, file.target(held.outpoint, held.amount), &key).unwrap();
    file.add_refund(bundle).unwrap();
    file
}

fn refund_of(file: &RecoveryFile, mtp_secs: u32, sat_per_vb: u64) -> Option<Transaction> {
    let tip = tip(mtp_secs);
    match judge(file, &nothing(), &deposit(true), Some(&tip), sat_per_vb, false).unwrap() {
        Judged::Refund(transaction) => Some(transaction),
        Judged::Known(_) => None,
    }
}

#[test]
fn it_is_not_yet_at_t_and_ready_a_second_later() {
    let file = file(true);
    let t = file.charter().refund_time_secs();
    assert!(refund_of(&file, t - 1, 5).is_none());
    assert!(refund_of(&file, t, 5).is_none());
    let refund = refund_of(&file, t + 1, 5).unwrap();
    assert_eq!(refund.output[0].script_pubkey, file.pledge().refund_address.script_pubkey());
    assert_eq!(fee_of(&deposit(true), &refund), 5 * 138);
    let unconfirmed = judge(&file, &nothing(), &deposit(false), Some(&tip(t + 1)), 5, false).unwrap();
    assert!(matches!(unconfirmed, Judged::Known(State::Unconfirmed)));
}

#[test]
fn without_a_key_the_best_rung_whose_time_has_come_is_taken() {
    let file = file(false);
    let t = file.charter().refund_time_secs();
    let fee = |mtp_secs, sat_per_vb| {
        refund_of(&file, mtp_secs, sat_per_vb).map(|tx| fee_of(&deposit(true), &tx) / 138)
    };
    assert_eq!(fee(t, 5), None);
    assert_eq!(fee(t + 1, 3), Some(2));
    assert_eq!(fee(t + 1, 40), Some(5), "the 10 sat/vB rung is locked for three days more");
    assert_eq!(fee(t + 3 * 86_400 + 1, 40), Some(10));
}

#[test]
fn what_was_spent_is_told_and_a_stuck_refund_is_replaced_on_request_only() {
    let file = file(true);
    let after = tip(file.charter().refund_time_secs() + 1);
    let home = file.pledge().refund_address.clone();
    let judged = |path, replace| {
        let place = spent_by(path, &[&home]);
        judge(&file, &place, &deposit(true), Some(&after), 9, replace).unwrap()
    };
    assert!(matches!(judged(SpendPath::Refund, false), Judged::Known(State::Refunded { mined: false, .. })));
    assert!(matches!(judged(SpendPath::Refund, true), Judged::Refund(_)));
    assert!(matches!(
        judged(SpendPath::Cooperative, true),
        Judged::Known(State::Settled { address: None, .. })
    ));
}

/// [`deposit`] spent in the mempool, by a transaction with one input that pays these addresses.
fn spent_by(path: SpendPath, to: &[&Address]) -> Place {
    let output = |to: &&Address| TxOut { value: Amount::from_sat(1_000), script_pubkey: to.script_pubkey() };
    let transaction = Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn { previous_output: deposit(true).outpoint, ..Default::default() }],
        output: to.iter().map(output).collect(),
    };
    let txid = transaction.compute_txid();
    let spend = Spend { prevout: deposit(true).outpoint, txid, vin: 0, path, confirmation: None };
    Place {
        generation: 0,
        view: ScriptView { deposits: vec![deposit(true)], spends: vec![spend] },
        spenders: BTreeMap::from([(txid, transaction)]),
    }
}

#[test]
fn what_moved_to_another_task_is_not_called_refunded_and_its_address_is_told() {
    let file = file(true);
    let after = tip(file.charter().refund_time_secs() + 1);
    let (home, there) = (file.pledge().refund_address.clone(), testing::address(Network::Regtest, 77));
    let told = |path, to: &[&Address]| {
        let place = spent_by(path, to);
        match judge(&file, &place, &deposit(true), Some(&after), 9, false).unwrap() {
            Judged::Known(state) => state,
            Judged::Refund(_) => panic!("it is spent"),
        }
    };
    let address = there.to_string();
    let alone = told(SpendPath::Refund, &[&there]);
    assert!(
        matches!(&alone, State::Moved { address: Some(to), mined: false, .. } if *to == address),
        "{alone:?}"
    );
    let two = told(SpendPath::Cooperative, &[&there]);
    assert!(matches!(&two, State::Settled { address: Some(to), .. } if *to == address), "{two:?}");
    // A payout has several outputs, an early return goes home.
    assert!(matches!(told(SpendPath::Cooperative, &[&there, &home]), State::Settled { address: None, .. }));
    assert!(matches!(told(SpendPath::Refund, &[&home, &there]), State::Refunded { .. }));
    let (outpoint, amount_sat) = (deposit(true).outpoint, 50_000);
    let report = Recovered {
        task: String::new(),
        index: 1,
        address: String::new(),
        refund_address: home.to_string(),
        refund_time: 0,
        tip: None,
        outpoints: vec![Item { outpoint, generation: 0, amount_sat, state: alone }],
    };
    let words = report.to_string();
    assert!(words.contains(&format!("but to {address}")) && words.contains("recovery file of that pledge"));
    assert!(!words.contains("refunded:"), "{words}");
}

#[test]
fn an_output_that_cannot_bear_the_fee_is_told_so() {
    let file = file(true);
    let after = tip(file.charter().refund_time_secs() + 1);
    let judged = judge(&file, &nothing(), &deposit(true), Some(&after), 1_000, false).unwrap();
    assert!(matches!(judged, Judged::Known(State::NoWay { .. })));
}

#[test]
fn what_a_milestone_left_is_refunded_by_key_or_by_the_refund_held_for_it() {
    let secp = Secp256k1::new();
    let left = Place { generation: 2, ..nothing() };
    let at = OutPoint { txid: Txid::from_byte_array([8; 32]), vout: 1 };
    let rest = Deposit { outpoint: at, ..deposit(true) };
    let alone = file(true);
    let after = tip(alone.charter().refund_time_secs() + 1);
    let target = alone.target_at(&secp, 2, rest.outpoint, rest.amount).unwrap();
    assert_ne!(target.output().script_pubkey, alone.output().script_pubkey);
    let Judged::Refund(signed) = judge(&alone, &left, &rest, Some(&after), 5, false).unwrap() else {
        panic!("the key alone is enough")
    };
    crate::escrow::consensus::assert_valid(&signed, &[target.prevout()]);
    let mut keyless = file(false);
    assert!(matches!(
        judge(&keyless, &left, &rest, Some(&after), 5, false).unwrap(),
        Judged::Known(State::NoWay { .. })
    ));
    keyless.add_refund(RefundBundle::sign(&secp, target.clone(), &testing::sponsor(5)).unwrap()).unwrap();
    let Judged::Refund(held) = judge(&keyless, &left, &rest, Some(&after), 2, false).unwrap() else {
        panic!("the file holds its refund")
    };
    crate::escrow::consensus::assert_valid(&held, &[target.prevout()]);
}

#[test]
fn later_addresses_are_looked_at_where_there_are_several_milestones() {
    assert_eq!(file(true).generations().collect::<Vec<_>>(), [0]);
}
