//! Branches that prove, and the known ways to make them prove what is not so.

use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Network, OutPoint, ScriptBuf, Transaction, TxMerkleNode, Txid};
use proptest::prelude::*;

use super::*;
use crate::chain::headers::easiest_bits;
use crate::chain::testing::{coinbase, merkle_branch, merkle_root, mine_header, script, tx};

fn block(txs: &[Transaction]) -> (Header, Vec<Txid>) {
    let genesis = bitcoin::constants::genesis_block(Network::Regtest).header;
    let txids: Vec<Txid> = txs.iter().map(Transaction::compute_txid).collect();
    let bits = easiest_bits(Network::Regtest);
    (mine_header(&genesis, merkle_root(&txids), genesis.time + 60, bits), txids)
}

fn transactions(count: u32) -> Vec<Transaction> {
    let rest = (1..count).map(|salt| tx(salt, None, &[(script(1), 1_000)]));
    std::iter::once(coinbase(1, 0, script(2))).chain(rest).collect()
}

fn sixty_four_bytes(prevout: OutPoint) -> Transaction {
    let mut tx = tx(0, None, &[(ScriptBuf::from_bytes(vec![0x51; 4]), 1_000)]);
    tx.input[0].previous_output = prevout;
    tx
}

/// Our own tree is the network's.
#[test]
fn the_test_tree_agrees_with_the_library() {
    for count in 1..20 {
        let txids: Vec<Txid> = transactions(count).iter().map(Transaction::compute_txid).collect();
        let expected = bitcoin::merkle_tree::calculate_root(txids.iter().map(|t| t.to_raw_hash()));
        assert_eq!(Some(merkle_root(&txids).to_raw_hash()), expected);
    }
}

#[test]
fn a_block_of_one_has_an_empty_branch() {
    let txs = transactions(1);
    let (header, _) = block(&txs);
    assert_eq!(verify(&txs[0], 0, &[], &header), Ok(()));
}

/// CVE-2017-12842, first way: an inner node passed off as a transaction.
#[test]
fn a_transaction_of_64_bytes_is_refused_even_when_it_is_there() {
    let mut txs = transactions(3);
    txs[1] = sixty_four_bytes(OutPoint { txid: txs[0].compute_txid(), vout: 0 });
    assert_eq!(txs[1].base_size(), 64);
    let (header, txids) = block(&txs);
    let refused = verify(&txs[1], 1, &merkle_branch(&txids, 1), &header);
    assert_eq!(refused, Err(MerkleError::SixtyFourBytes { txid: txids[1] }));
    // A witness does not hide it: the txid does not cover it.
    let mut with_witness = txs[1].clone();
    with_witness.input[0].witness.push([1, 2, 3]);
    assert!(with_witness.total_size() > 64);
    assert!(matches!(
        verify(&with_witness, 1, &merkle_branch(&txids, 1), &header),
        Err(MerkleError::SixtyFourBytes { .. })
    ));
}

/// CVE-2017-12842, second way: a made-up payment below a 64-byte transaction that was really mined.
#[test]
fn a_payment_hidden_within_a_64_byte_transaction_is_refused() {
    // The payment's txid is the first half of the mined transaction's bytes: version, input count 1,
    // and 27 bytes of an outpoint. (A real attacker has to find an outpoint to fit, too.)
    let payment = (0..).map(|salt| tx(salt, None, &[(script(5), 5_000_000)]));
    let payment = payment.into_iter().find(|tx| tx.compute_txid().to_byte_array()[4] == 1).unwrap();
    let mut right = [0u8; 32];
    right[9] = 0; // script length, after 5 bytes of txid and 4 of vout
    right[14] = 1; // output count
    right[15] = 1; // one satoshi
    right[23] = 4; // script length
    let bytes = [payment.compute_txid().to_byte_array(), right].concat();
    let mined: Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
    let mut txs = transactions(2);
    txs[0] = mined; // leftmost, so that the payment's position would be 0, or, one level deeper:
    txs.swap(0, 1);
    let (header, txids) = block(&txs);
    let mut branch = vec![TxMerkleNode::from_byte_array(right)];
    branch.extend(merkle_branch(&txids, 1));
    let refused = verify(&payment, 2, &branch, &header);
    assert_eq!(refused, Err(MerkleError::ThroughTransaction { txid: payment.compute_txid(), level: 0 }));
}

/// CVE-2012-2459: the last node of an odd level is copied, so one leaf seems to be there twice.
#[test]
fn a_copied_leaf_has_one_position_only() {
    let txs = transactions(3);
    let (header, txids) = block(&txs);
    let branch = merkle_branch(&txids, 2);
    assert_eq!(branch[0].to_byte_array(), txids[2].to_byte_array());
    assert_eq!(verify(&txs[2], 2, &branch, &header), Ok(()));
    let copied = verify(&txs[2], 3, &branch, &header);
    assert_eq!(copied, Err(MerkleError::CopiedNode { txid: txids[2], position: 3 }));
    // The same one level up: of five leaves, the fifth's parent is copied.
    let txs = transactions(5);
    let (header, txids) = block(&txs);
    let branch = merkle_branch(&txids, 4);
    assert_eq!(verify(&txs[4], 4, &branch, &header), Ok(()));
    assert!(matches!(verify(&txs[4], 6, &branch, &header), Err(MerkleError::CopiedNode { position: 6, .. })));
}

#[test]
fn positions_fit_the_depth_and_the_coinbase() {
    let txs = transactions(4);
    let (header, txids) = block(&txs);
    let branch = merkle_branch(&txids, 1);
    for position in [4 + 1, 1 << 31, u32::MAX] {
        let refused = verify(&txs[1], position, &branch, &header);
        assert_eq!(refused, Err(MerkleError::NoSuchPosition { txid: txids[1], position, depth: 2 }));
    }
    let zero = verify(&txs[1], 0, &branch, &header);
    assert_eq!(zero, Err(MerkleError::CoinbasePosition { txid: txids[1], position: 0 }));
    let coinbase = verify(&txs[0], 1, &merkle_branch(&txids, 0), &header);
    assert_eq!(coinbase, Err(MerkleError::CoinbasePosition { txid: txids[0], position: 1 }));
    for depth in [16, 32, 40, 1000] {
        let long = vec![branch[0]; depth];
        assert_eq!(verify(&txs[1], 1, &long, &header), Err(MerkleError::TooDeep { txid: txids[1], depth }));
    }
}

proptest! {
    /// Every transaction of every block proves at its own position and at no other, and with no
    /// other branch or transaction.
    #[test]
    fn only_the_truth_is_proved(count in 2u32..40, pick in any::<prop::sample::Index>(), bit in 0usize..256, other in 0u32..64) {
        let txs = transactions(count);
        let (header, txids) = block(&txs);
        let position = pick.index(txs.len());
        let branch = merkle_branch(&txids, position);
        let at = u32::try_from(position).unwrap();
        prop_assert_eq!(verify(&txs[position], at, &branch, &header), Ok(()));
        if other != at {
            prop_assert!(verify(&txs[position], other, &branch, &header).is_err());
        }
        let mut flipped = branch.clone();
        let level = bit % flipped.len();
        let mut bytes = flipped[level].to_byte_array();
        bytes[bit / 8] ^= 1 << (bit % 8);
        flipped[level] = TxMerkleNode::from_byte_array(bytes);
        prop_assert!(verify(&txs[position], at, &flipped, &header).is_err());
        prop_assert!(verify(&txs[position], at, &branch[1..], &header).is_err());
        let mut deeper = branch.clone();
        deeper.push(branch[0]);
        prop_assert!(verify(&txs[position], at, &deeper, &header).is_err());
        let mut changed = txs[position].clone();
        changed.output[0].value += Amount::ONE_SAT;
        prop_assert!(verify(&changed, at, &branch, &header).is_err());
    }
}
