//! Histories, honest and otherwise, and what they come to.

use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CHECKSIGVERIFY};
use bitcoin::script::Builder;
use bitcoin::{Network, TxMerkleNode};
use proptest::prelude::*;

use super::*;
use crate::chain::headers::{Checkpoint, Tie, easiest_bits};
use crate::chain::testing::{coinbase, merkle_branch, merkle_root, mine_header, script, tx};

/// A chain with one block per list, the coinbase added, and the proof of everything in it.
struct World {
    headers: HeaderChain,
    history: Vec<HistoryEntry>,
    transactions: HashMap<Txid, Transaction>,
    proofs: HashMap<Txid, MerkleProof>,
}

impl World {
    fn new(blocks: &[Vec<Transaction>], mempool: &[Transaction]) -> Self {
        let headers = HeaderChain::new(Network::Regtest, Checkpoint::genesis(Network::Regtest));
        let mut world =
            Self { headers, history: Vec::new(), transactions: HashMap::new(), proofs: HashMap::new() };
        for (height, txs) in (1u32..).zip(blocks) {
            let own = !txs.first().is_some_and(Transaction::is_coinbase);
            let first = own.then(|| coinbase(height, 0, script(200)));
            let all: Vec<Transaction> = first.into_iter().chain(txs.iter().cloned()).collect();
            let txids: Vec<Txid> = all.iter().map(Transaction::compute_txid).collect();
            let prev = *world.headers.header(height - 1).unwrap();
            let bits = easiest_bits(Network::Regtest);
            let header = mine_header(&prev, merkle_root(&txids), prev.time + 600, bits);
            world.headers.accept(height, &[header], Tie::KeepOurs).unwrap();
            for (position, tx) in all.into_iter().enumerate() {
                let branch = merkle_branch(&txids, position);
                let position = u32::try_from(position).unwrap();
                if position > 0 || !own {
                    world.list(tx.clone(), height);
                    world.proofs.insert(tx.compute_txid(), MerkleProof { height, position, branch });
                }
            }
        }
        mempool.iter().for_each(|tx| world.list(tx.clone(), 0));
        world
    }

    fn list(&mut self, tx: Transaction, height: u32) {
        let txid = tx.compute_txid();
        self.history.push(HistoryEntry { txid, height });
        self.transactions.insert(txid, tx);
    }

    fn view(&self, script: &Script) -> Result<ScriptView, ReconcileError> {
        let Self { headers, history, transactions, proofs } = self;
        reconcile(script, history, transactions, proofs, headers, None)
    }
}

fn pay(salt: u32, to: &ScriptBuf, sat: u64) -> Transaction {
    tx(salt, None, &[(script(99), 1), (to.clone(), sat)])
}

fn spend(salt: u32, of: &Transaction, witness: Witness) -> Transaction {
    let prevout = OutPoint { txid: of.compute_txid(), vout: 1 };
    tx(salt, Some((prevout, witness)), &[(script(98), 1)])
}

fn key_path() -> Witness {
    Witness::from_slice(&[[0u8; 64]])
}

fn refund_leaf() -> ScriptBuf {
    let builder = Builder::new().push_slice([2u8; 32]).push_opcode(OP_CHECKSIGVERIFY);
    builder.push_int(1_800_000_000).push_opcode(OP_CLTV).into_script()
}

fn cooperative_leaf() -> ScriptBuf {
    let builder = Builder::new().push_slice([2u8; 32]).push_opcode(OP_CHECKSIG);
    let builder = builder.push_slice([3u8; 32]).push_opcode(OP_CHECKSIGADD);
    builder
        .push_slice([4u8; 32])
        .push_opcode(OP_CHECKSIGADD)
        .push_int(2)
        .push_opcode(OP_NUMEQUAL)
        .into_script()
}

fn leaf_spend(signatures: usize, leaf: &ScriptBuf) -> Witness {
    let mut witness = Witness::from_slice(&vec![[0u8; 64]; signatures]);
    witness.push(leaf);
    witness.push([0xc0; 65]);
    witness
}

#[test]
fn deposits_and_spends_mined_and_not() {
    let a = script(1);
    let (first, second, third) = (pay(1, &a, 10), pay(2, &a, 20), pay(3, &a, 30));
    let gone = spend(4, &first, key_path());
    let leaving = spend(5, &second, leaf_spend(1, &refund_leaf()));
    let world = World::new(
        &[vec![first.clone()], vec![second.clone(), gone.clone()]],
        &[third.clone(), leaving.clone()],
    );
    let view = world.view(&a).unwrap();
    let mut expected: Vec<(u64, Option<u32>)> = vec![(10, Some(1)), (20, Some(2)), (30, None)];
    let mut found: Vec<_> =
        view.deposits.iter().map(|d| (d.amount.to_sat(), d.confirmation.map(|c| c.height))).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(view.deposits.is_sorted_by_key(|d| d.outpoint) && view.spends.is_sorted_by_key(|s| s.prevout));
    let of = |tx: &Transaction| view.spends.iter().find(|s| s.txid == tx.compute_txid()).unwrap();
    let confirmation = of(&gone).confirmation.unwrap();
    assert_eq!((confirmation.height, confirmation.position), (2, 2));
    assert_eq!(confirmation.mtp_secs, world.headers.mtp_secs(2).unwrap());
    assert_eq!((of(&leaving).confirmation, of(&leaving).path), (None, SpendPath::Refund));
    // Another script's view of the same history is empty.
    assert_eq!(world.view(&script(3)).unwrap(), ScriptView::default());
}

#[test]
fn listed_twice_counts_once_and_the_proved_height_wins() {
    let a = script(1);
    let deposit = pay(1, &a, 10);
    let txid = deposit.compute_txid();
    let mut world = World::new(&[vec![deposit]], &[]);
    let once = world.view(&a).unwrap();
    for heights in [[0, 1], [1, 0], [1, 1]] {
        world.history = heights.iter().map(|height| HistoryEntry { txid, height: *height }).collect();
        assert_eq!(world.view(&a).unwrap(), once);
    }
}

#[test]
fn a_claim_without_proof_is_an_error_and_no_confirmation() {
    let a = script(1);
    let deposit = pay(1, &a, 10);
    let txid = deposit.compute_txid();
    let honest = World::new(&[vec![deposit.clone()], vec![]], &[]);
    let refused = |change: &dyn Fn(&mut World)| {
        let mut world = World::new(&[vec![deposit.clone()], vec![]], &[]);
        change(&mut world);
        world.view(&a).unwrap_err()
    };
    let missing = ReconcileError::MissingProof { txid, height: 1 };
    assert_eq!(refused(&|w| w.proofs.clear()), missing);
    // Rightly proved for block 1, listed for block 2.
    let elsewhere = ReconcileError::MissingProof { txid, height: 2 };
    assert_eq!(refused(&|w| w.history[0].height = 2), elsewhere);
    let claim_both = |w: &mut World, height: u32| {
        w.history[0].height = height;
        w.proofs.get_mut(&txid).unwrap().height = height;
    };
    let wrong_block = refused(&|w| claim_both(w, 2));
    assert!(matches!(wrong_block, ReconcileError::BadProof { height: 2, .. }));
    assert_eq!(refused(&|w| claim_both(w, 9)), ReconcileError::UnknownHeader { txid, height: 9 });
    let wrong = refused(&|w| {
        w.proofs.get_mut(&txid).unwrap().branch[0] =
            TxMerkleNode::from_raw_hash(w.headers.hash(0).unwrap().to_raw_hash())
    });
    assert!(matches!(
        wrong,
        ReconcileError::BadProof { height: 1, source: MerkleError::WrongRoot { .. }, .. }
    ));
    assert_eq!(refused(&|w| w.transactions.clear()), ReconcileError::MissingTransaction { txid });
    assert!(honest.view(&a).is_ok());
}

#[test]
fn the_mined_spend_wins_over_one_in_the_mempool() {
    let a = script(1);
    let deposit = pay(1, &a, 10);
    for salts in [(2, 3), (3, 2)] {
        let mined = spend(salts.0, &deposit, key_path());
        let replaced = spend(salts.1, &deposit, key_path());
        let mut world = World::new(&[vec![deposit.clone(), mined.clone()]], &[replaced]);
        let view = world.view(&a).unwrap();
        assert_eq!(view.spends.iter().map(|s| s.txid).collect::<Vec<_>>(), vec![mined.compute_txid()]);
        world.history.reverse();
        assert_eq!(world.view(&a).unwrap(), view, "the order of the history does not matter");
    }
}

#[test]
fn a_coinbase_counts_in_a_block_only() {
    let a = script(1);
    let reward = coinbase(1, 0, a.clone());
    let view = World::new(&[vec![reward.clone()]], &[]).view(&a).unwrap();
    assert_eq!(
        view.deposits.iter().map(|d| (d.coinbase, d.confirmation.is_some())).collect::<Vec<_>>(),
        [(true, true)]
    );
    let view = World::new(&[], &[reward]).view(&a).unwrap();
    assert_eq!(view, ScriptView::default());
}

#[test]
fn made_up_amounts_are_refused() {
    let a = script(1);
    for sat in [u64::MAX, Amount::MAX_MONEY.to_sat() + 1, Amount::MAX_MONEY.to_sat()] {
        let rich = pay(1, &a, sat);
        let txid = rich.compute_txid();
        assert_eq!(World::new(&[], &[rich]).view(&a), Err(ReconcileError::TooMuchMoney { txid }));
    }
}

#[test]
fn the_path_is_read_off_the_witness() {
    let path = |witness: &Witness| spend_path(witness, None);
    assert_eq!(path(&key_path()), SpendPath::Key);
    assert_eq!(path(&leaf_spend(1, &refund_leaf())), SpendPath::Refund);
    assert_eq!(path(&leaf_spend(3, &cooperative_leaf())), SpendPath::Cooperative);
    // With an annex.
    for (mut witness, expected) in [
        (key_path(), SpendPath::Key),
        (leaf_spend(1, &refund_leaf()), SpendPath::Refund),
        (leaf_spend(3, &cooperative_leaf()), SpendPath::Cooperative),
    ] {
        witness.push([0x50, 1, 2]);
        assert_eq!(path(&witness), expected);
    }
    // An opcode's byte within pushed data is no opcode.
    let data = Builder::new().push_slice([0xb1; 32]).push_opcode(OP_CHECKSIG).into_script();
    let broken = ScriptBuf::from_bytes(vec![0x20, 1]);
    for leaf in [data, broken, ScriptBuf::new()] {
        assert_eq!(path(&leaf_spend(1, &leaf)), SpendPath::Unknown);
    }
    assert_eq!(path(&Witness::new()), SpendPath::Unknown);
    assert_eq!(path(&Witness::from_slice(&[[0u8; 0]])), SpendPath::Key);

    let known = Leaves { cooperative: cooperative_leaf(), refund: Some(refund_leaf()) };
    assert_eq!(spend_path(&leaf_spend(1, &refund_leaf()), Some(&known)), SpendPath::Refund);
    assert_eq!(spend_path(&leaf_spend(2, &cooperative_leaf()), Some(&known)), SpendPath::Cooperative);
    let open = Leaves { cooperative: cooperative_leaf(), refund: None };
    assert_eq!(spend_path(&leaf_spend(1, &refund_leaf()), Some(&open)), SpendPath::Unknown);
    assert_eq!(spend_path(&key_path(), Some(&open)), SpendPath::Key);
}

proptest! {
    /// No witness makes it panic.
    #[test]
    fn any_witness_has_a_path(stack in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6)) {
        spend_path(&Witness::from_slice(&stack), None);
    }

    /// Order and repetition in a history change nothing, no outpoint comes twice, and money is
    /// counted once.
    #[test]
    fn a_view_depends_on_what_is_listed_only(
        sats in prop::collection::vec(1u64..1_000_000, 1..8),
        spent in prop::collection::vec(any::<bool>(), 8),
        order in any::<prop::sample::Index>(),
    ) {
        let a = script(1);
        let deposits: Vec<Transaction> = sats.iter().zip(10..).map(|(sat, salt)| pay(salt, &a, *sat)).collect();
        let spends: Vec<Transaction> = deposits.iter().zip(&spent).zip(100..)
            .filter(|((_, spent), _)| **spent)
            .map(|((tx, _), salt)| spend(salt, tx, key_path()))
            .collect();
        let half = deposits.len() / 2;
        let mut world = World::new(&[deposits[..half].to_vec()], &[&deposits[half..], &spends].concat());
        let view = world.view(&a).unwrap();
        prop_assert_eq!(view.deposits.iter().map(|d| d.amount.to_sat()).sum::<u64>(), sats.iter().sum::<u64>());
        prop_assert_eq!(view.deposits.iter().filter(|d| d.confirmation.is_some()).count(), half);
        prop_assert_eq!(view.spends.len(), spends.len());
        let turn = order.index(world.history.len());
        world.history.rotate_left(turn);
        let again: Vec<_> = world.history.iter().map(|e| HistoryEntry { height: 0, ..*e }).collect();
        world.history.extend(again);
        prop_assert_eq!(world.view(&a).unwrap(), view);
    }
}
