//! Batches are funded, replaced and refused; every input is checked by consensus code.

use super::*;
use crate::chain::electrum::Reach;
use crate::escrow::descriptor::{Contract, Slot};
use crate::escrow::refund::{self, RefundBundle, RefundTarget};
use crate::escrow::testing;
use bdk_wallet::Update;
use bdk_wallet::chain::{BlockId, CheckPoint, ConfirmationBlockTime};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{BlockHash, FeeRate, TxIn, TxOut};
use std::sync::Arc;
use tempfile::TempDir;

mod real;
mod signers;

const NETWORK: Network = Network::Regtest;
/// The tip of the made-up chain.
const TIP: u32 = 300;

fn sat(sat: u64) -> Amount {
    Amount::from_sat(sat)
}

fn feerate(sat_per_vb: u64) -> FeeRate {
    FeeRate::from_sat_per_vb(sat_per_vb).unwrap()
}

fn block(height: u32) -> BlockId {
    let hash = if height == 0 {
        genesis_block(NETWORK.params()).block_hash()
    } else {
        BlockHash::hash(&height.to_le_bytes())
    };
    BlockId { height, hash }
}

fn reach(url: &str) -> Reach {
    Reach::each(url, None).unwrap().remove(0)
}

fn empty_wallet() -> (TempDir, OperatorWallet) {
    let dir = tempfile::tempdir().unwrap();
    let wallet = OperatorWallet::create(dir.path(), NETWORK).unwrap();
    (dir, wallet)
}

/// Takes over a made-up chain of three blocks with these transactions in block `height`.
fn confirm(wallet: &mut OperatorWallet, transactions: &[Transaction], height: u32) {
    let mut update = Update::default();
    let mut blocks = vec![block(0), block(height), block(TIP)];
    blocks.dedup();
    update.chain = Some(CheckPoint::from_block_ids(blocks).unwrap());
    for transaction in transactions {
        let anchor = ConfirmationBlockTime { block_id: block(height), confirmation_time: 1_800_000_000 };
        update.tx_update.anchors.insert((anchor, transaction.compute_txid()));
        update.tx_update.txs.push(Arc::new(transaction.clone()));
    }
    wallet.absorb(update).unwrap();
    wallet.persist().unwrap();
}

fn payment(to: &ScriptBuf, amount: Amount, nonce: u8) -> Transaction {
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([nonce; 32]), vout: 0 },
            ..TxIn::default()
        }],
        output: vec![TxOut { value: amount, script_pubkey: to.clone() }],
    }
}

/// A wallet with one confirmed output for each amount.
fn funded(amounts_sat: &[u64]) -> (TempDir, OperatorWallet) {
    let (dir, mut wallet) = empty_wallet();
    let mut payments = Vec::new();
    for (nonce, amount) in (1..).zip(amounts_sat) {
        let address = wallet.wallet.reveal_next_address(KeychainKind::External).address;
        payments.push(payment(&address.script_pubkey(), sat(*amount), nonce));
    }
    confirm(&mut wallet, &payments, 200);
    (dir, wallet)
}

fn bundles(count: u32) -> Vec<RefundBundle> {
    let secp = Secp256k1::new();
    let contract = Contract::new(&testing::charter(NETWORK)).unwrap();
    let address = testing::address(NETWORK, 7);
    (1..=count)
        .map(|index| {
            let key = testing::sponsor(u8::try_from(index % 80).unwrap());
            let output = contract.pledge(&secp, Slot::pledge(index), key.x_only_public_key().0).unwrap();
            let outpoint = OutPoint { txid: Txid::hash(&index.to_le_bytes()), vout: index % 3 };
            let amount = sat(10_000 + u64::from(index));
            let target = RefundTarget::new(output, outpoint, amount, &address).unwrap();
            RefundBundle::sign(&secp, target, &key).unwrap()
        })
        .collect()
}

struct Ask {
    bundles: Vec<RefundBundle>,
    feerate: FeeRate,
    max_fee: Amount,
    replaces: Vec<Transaction>,
    avoid: HashSet<OutPoint>,
}

impl Ask {
    fn new(pairs: u32, sat_per_vb: u64) -> Ask {
        Ask {
            bundles: bundles(pairs),
            feerate: feerate(sat_per_vb),
            max_fee: sat(1_000_000),
            replaces: Vec::new(),
            avoid: HashSet::new(),
        }
    }

    fn fund(&self, wallet: &mut OperatorWallet) -> Result<FundedBatch, WalletError> {
        let bundles: Vec<&RefundBundle> = self.bundles.iter().collect();
        wallet.fund_batch(&BatchRequest {
            bundles: &bundles,
            feerate: self.feerate,
            max_fee: self.max_fee,
            replaces: &self.replaces,
            avoid: &self.avoid,
        })
    }
}

/// Every input by consensus code, and the fee by what goes in and out.
fn verify(wallet: &OperatorWallet, ask: &Ask, batch: &FundedBatch) {
    let tx = &batch.transaction;
    let prevouts: Vec<TxOut> = tx
        .input
        .iter()
        .map(|input| {
            let pair = ask.bundles.iter().find(|b| b.target().outpoint() == input.previous_output);
            match pair {
                Some(bundle) => bundle.target().prevout(),
                None => wallet.wallet.spk_index().txout(input.previous_output).unwrap().1.clone(),
            }
        })
        .collect();
    crate::escrow::consensus::assert_valid(tx, &prevouts);
    // Pairs come first, and each input's money goes to the output in its place.
    for (input, output) in tx.input.iter().zip(&tx.output).take(ask.bundles.len()) {
        let pair = ask.bundles.iter().find(|b| b.target().outpoint() == input.previous_output).unwrap();
        assert_eq!(*output, pair.target().pair_output());
    }
    let paid_in: Amount = prevouts.iter().map(|prevout| prevout.value).sum();
    let paid_out: Amount = tx.output.iter().map(|output| output.value).sum();
    assert_eq!(paid_in - paid_out, batch.fee);
    assert!(batch.fee <= ask.max_fee);
    let least = ask.feerate.fee_vb(u64::try_from(tx.vsize()).unwrap()).unwrap();
    assert!(batch.fee >= least, "{} < {least}", batch.fee);
    assert!(tx.weight() <= refund::MAX_BATCH);
}

#[test]
fn batches_of_3_and_of_300_pairs_are_valid() {
    for (pairs, rate) in [(3, 2), (300, 10)] {
        let (_dir, mut wallet) = funded(&[1_000_000]);
        let ask = Ask::new(pairs, rate);
        let batch = ask.fund(&mut wallet).unwrap();
        verify(&wallet, &ask, &batch);
        assert_eq!(batch.transaction.input.len(), ask.bundles.len() + 1);
        let change = batch.transaction.output.last().unwrap();
        assert_eq!(change.script_pubkey, wallet.next_change_script().unwrap());
        assert_eq!(change.value, sat(1_000_000) - batch.fee);
        // The estimate is close: within a vbyte an input of what it really weighs.
        let vsize = u64::try_from(batch.transaction.vsize()).unwrap();
        assert!(batch.fee <= feerate(rate).fee_vb(vsize + u64::from(pairs) + 1).unwrap());
        // The same request gives the same transaction.
        assert_eq!(ask.fund(&mut wallet).unwrap(), batch);
    }
}

#[test]
fn one_pair_given_twice_is_refunded_once() {
    let (_dir, mut wallet) = funded(&[50_000]);
    let mut ask = Ask::new(2, 1);
    let batch = ask.fund(&mut wallet).unwrap();
    ask.bundles.push(ask.bundles[0].clone());
    assert_eq!(ask.fund(&mut wallet).unwrap(), batch);
}

#[test]
fn the_smallest_output_that_suffices_pays() {
    let (_dir, mut wallet) = funded(&[500_000, 3_000, 400, 20_000]);
    let ask = Ask::new(3, 2);
    let batch = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &batch);
    let value = |outpoint: &OutPoint| wallet.wallet.spk_index().txout(*outpoint).unwrap().1.value;
    assert_eq!(batch.fee_inputs.iter().map(value).collect::<Vec<_>>(), [sat(3_000)]);
}

#[test]
fn several_outputs_pay_where_none_suffices_and_useless_ones_are_left() {
    // At 20 sat/vB an input costs 1,150 sat: the last output is worth less than nothing.
    let (_dir, mut wallet) = funded(&[8_000, 7_000, 6_000, 1_100]);
    let ask = Ask::new(3, 20);
    let batch = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &batch);
    assert_eq!(batch.fee_inputs.len(), 2);
}

#[test]
fn change_below_dust_goes_to_the_fee() {
    let (_dir, mut wallet) = funded(&[100_000]);
    let ask = Ask::new(3, 1);
    let fee = ask.fund(&mut wallet).unwrap().fee;
    let (_dir, mut wallet) = funded(&[fee.to_sat() + 300]);
    let batch = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &batch);
    assert_eq!(batch.transaction.output.len(), 3);
    assert_eq!(batch.fee, fee + sat(300));
}

#[test]
fn what_other_batches_spend_is_avoided() {
    let (_dir, mut wallet) = funded(&[20_000, 20_000]);
    let mut ask = Ask::new(3, 1);
    let first = ask.fund(&mut wallet).unwrap();
    ask.avoid.extend(&first.fee_inputs);
    let second = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &second);
    assert_ne!(first.fee_inputs, second.fee_inputs);
    ask.avoid.extend(&second.fee_inputs);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::Empty)));
}

/// BIP125 rules 2 to 4 and Bitcoin Core's feerate rule.
fn obeys_bip125(wallet: &OperatorWallet, old: &FundedBatch, new: &FundedBatch) {
    let size = |batch: &FundedBatch| u64::try_from(batch.transaction.vsize()).unwrap();
    let spends = |batch: &FundedBatch, outpoint: &OutPoint| {
        batch.transaction.input.iter().any(|input| input.previous_output == *outpoint)
    };
    assert!(old.fee_inputs.iter().all(|outpoint| spends(new, outpoint)), "another fee input");
    let more = new.fee - old.fee;
    assert!(more >= sat(size(new)), "{more} for {} vB", size(new));
    let higher = u128::from(new.fee.to_sat()) * u128::from(size(old))
        > u128::from(old.fee.to_sat()) * u128::from(size(new));
    assert!(higher, "feerate");
    for outpoint in new.fee_inputs.iter().filter(|outpoint| !old.fee_inputs.contains(outpoint)) {
        let output = wallet.wallet.get_utxo(*outpoint).unwrap();
        assert!(output.chain_position.is_confirmed(), "a new unconfirmed input");
    }
}

#[test]
fn a_replacement_pays_more_as_bip125_asks_and_spends_the_same_fee_input() {
    let (_dir, mut wallet) = funded(&[100_000, 90_000]);
    let mut ask = Ask::new(5, 3);
    let mut old = ask.fund(&mut wallet).unwrap();
    for (now, rate) in [(1_800_000_100, 3), (1_800_000_200, 3), (1_800_000_300, 9)] {
        wallet.note_broadcast(&old.transaction, now).unwrap();
        ask.replaces = vec![old.transaction.clone()];
        // The service's list of reserved outputs has them still.
        ask.avoid.extend(&old.fee_inputs);
        ask.feerate = feerate(rate);
        let new = ask.fund(&mut wallet).unwrap();
        verify(&wallet, &ask, &new);
        obeys_bip125(&wallet, &old, &new);
        let change = |batch: &FundedBatch| batch.transaction.output.last().unwrap().script_pubkey.clone();
        assert_eq!(change(&old), change(&new), "a fee war must not use up addresses");
        old = new;
    }
}

#[test]
fn a_smaller_batch_that_replaces_a_larger_one_pays_more_all_the_same() {
    let (_dir, mut wallet) = funded(&[100_000]);
    let large = Ask::new(20, 5);
    let old = large.fund(&mut wallet).unwrap();
    wallet.note_broadcast(&old.transaction, 1_800_000_100).unwrap();
    let mut small = Ask::new(2, 5);
    small.replaces = vec![old.transaction.clone()];
    let new = small.fund(&mut wallet).unwrap();
    verify(&wallet, &small, &new);
    obeys_bip125(&wallet, &old, &new);
}

#[test]
fn a_replacement_adds_confirmed_inputs_only() {
    let (_dir, mut wallet) = funded(&[2_000, 30_000]);
    let mut ask = Ask::new(3, 1);
    let old = ask.fund(&mut wallet).unwrap();
    assert_eq!(old.fee_inputs.len(), 1);
    wallet.note_broadcast(&old.transaction, 1_800_000_100).unwrap();
    // Change of another batch, unconfirmed, would do as well.
    let script = wallet.next_change_script().unwrap();
    wallet.note_broadcast(&payment(&script, sat(30_000), 99), 1_800_000_100).unwrap();
    ask.replaces = vec![old.transaction.clone()];
    ask.feerate = feerate(40);
    let new = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &new);
    obeys_bip125(&wallet, &old, &new);
    assert_eq!(new.fee_inputs.len(), 2);
    ask.avoid.insert(new.fee_inputs[1]);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::InsufficientFunds { .. })));
}

#[test]
fn only_batches_of_this_wallet_are_replaced() {
    let (_dir, mut wallet) = funded(&[100_000]);
    let mut ask = Ask::new(3, 1);
    let foreign = payment(&testing::address(NETWORK, 1).script_pubkey(), sat(5_000), 50);
    ask.replaces = vec![foreign.clone()];
    let refused = ask.fund(&mut wallet);
    assert!(
        matches!(refused, Err(WalletError::UnknownReplaced { txid }) if txid == foreign.compute_txid()),
        "{refused:?}"
    );
}

#[test]
fn unconfirmed_payments_of_others_and_young_coinbases_do_not_pay() {
    let (_dir, mut wallet) = funded(&[]);
    let script = wallet.address().unwrap().script_pubkey();
    wallet.note_broadcast(&payment(&script, sat(40_000), 1), 1_800_000_000).unwrap();
    let ask = Ask::new(3, 1);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::Empty)));
    let mut coinbase = payment(&script, sat(70_000), 0);
    coinbase.input[0].previous_output = OutPoint::null();
    confirm(&mut wallet, &[coinbase], TIP - 98);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::Empty)));
    assert_eq!(
        wallet.balance(),
        Balance { confirmed: Amount::ZERO, pending: sat(110_000), spendable: Amount::ZERO }
    );
}

#[test]
fn own_unconfirmed_change_pays_after_confirmed_money() {
    let (_dir, mut wallet) = funded(&[20_000]);
    let script = wallet.next_change_script().unwrap();
    let change = payment(&script, sat(2_000), 9);
    wallet.note_broadcast(&change, 1_800_000_000).unwrap();
    let mut ask = Ask::new(3, 1);
    let first = ask.fund(&mut wallet).unwrap();
    assert_ne!(first.fee_inputs[0].txid, change.compute_txid());
    ask.avoid.extend(&first.fee_inputs);
    let second = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &second);
    assert_eq!(second.fee_inputs[0].txid, change.compute_txid());
    assert_eq!(wallet.balance().spendable, sat(22_000));
}

#[test]
fn too_little_and_too_much_are_refused_with_numbers() {
    let (_dir, mut wallet) = funded(&[3_000]);
    let mut ask = Ask::new(3, 50);
    match ask.fund(&mut wallet) {
        Err(WalletError::InsufficientFunds { needed, available }) => {
            assert_eq!(available, sat(3_000));
            assert!(needed > sat(20_000), "{needed}");
        }
        other => panic!("{other:?}"),
    }
    ask.feerate = feerate(1);
    let fee = ask.fund(&mut wallet).unwrap().fee;
    ask.max_fee = fee - sat(1);
    match ask.fund(&mut wallet) {
        Err(WalletError::FeeAboveLimit { fee: asked, limit }) => {
            assert_eq!((asked, limit), (fee, fee - sat(1)));
        }
        other => panic!("{other:?}"),
    }
    ask.max_fee = fee;
    assert!(ask.fund(&mut wallet).is_ok());
    ask.feerate = FeeRate::MAX;
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::InsufficientFunds { .. })));
}

#[test]
fn a_new_wallet_says_what_it_lacks() {
    let (_dir, mut wallet) = empty_wallet();
    let ask = Ask::new(1, 1);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::NotSynced)));
    confirm(&mut wallet, &[], 1);
    assert!(matches!(ask.fund(&mut wallet), Err(WalletError::Empty)));
    let nothing = Ask { bundles: Vec::new(), ..ask };
    assert!(matches!(nothing.fund(&mut wallet), Err(WalletError::Batch(BatchError::Empty))));
}

#[test]
fn a_batch_too_heavy_is_refused() {
    let (_dir, mut wallet) = funded(&[1_000_000]);
    let refused = Ask::new(400, 1).fund(&mut wallet);
    assert!(matches!(refused, Err(WalletError::Batch(BatchError::TooHeavy { .. }))), "{refused:?}");
}

#[test]
fn the_wallet_is_kept_and_a_broken_state_means_a_new_scan() {
    let (dir, mut wallet) = funded(&[100_000, 2_000]);
    let address = wallet.address().unwrap();
    let balance = wallet.balance();
    drop(wallet);
    let mut wallet = OperatorWallet::open(dir.path(), NETWORK).unwrap().unwrap();
    assert_eq!(wallet.balance(), balance);
    assert_eq!(wallet.address().unwrap(), address);
    assert_eq!(wallet.tip_height(), TIP);
    let ask = Ask::new(3, 1);
    let batch = ask.fund(&mut wallet).unwrap();
    verify(&wallet, &ask, &batch);
    let path = dir.path().join(STATE_FILE);
    let whole = std::fs::read(&path).unwrap();
    for broken in [&whole[..whole.len() / 2], b"", b"{}", b"\xff\xfe"] {
        std::fs::write(&path, broken).unwrap();
        let mut wallet = OperatorWallet::open(dir.path(), NETWORK).unwrap().unwrap();
        assert_eq!(wallet.balance(), Balance::default());
        assert!(matches!(ask.fund(&mut wallet), Err(WalletError::NotSynced)));
    }
    // A state of other keys counts as none.
    let (other, wallet) = empty_wallet();
    drop(wallet);
    std::fs::write(other.path().join(STATE_FILE), &whole).unwrap();
    let wallet = OperatorWallet::open(other.path(), NETWORK).unwrap().unwrap();
    assert_eq!(wallet.balance(), Balance::default());
}

#[test]
fn starting_over_keeps_watching_the_addresses_handed_out() {
    let (_dir, mut wallet) = funded(&[100_000]);
    let _ = wallet.wallet.reveal_addresses_to(KeychainKind::External, 7);
    wallet.forget();
    assert_eq!(wallet.balance(), Balance::default());
    assert_eq!(wallet.tip_height(), 0);
    assert_eq!(wallet.wallet.derivation_index(KeychainKind::External), Some(7));
    wallet.persist().unwrap();
}

#[test]
fn there_is_one_wallet_in_a_directory_and_it_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    assert!(OperatorWallet::open(dir.path(), NETWORK).unwrap().is_none());
    drop(OperatorWallet::create(dir.path(), NETWORK).unwrap());
    let phrase = std::fs::read(dir.path().join(PHRASE_FILE)).unwrap();
    let again = OperatorWallet::create(dir.path(), NETWORK);
    assert!(matches!(again, Err(WalletError::File(KeyFileError::Exists { .. }))));
    assert_eq!(std::fs::read(dir.path().join(PHRASE_FILE)).unwrap(), phrase);
    std::fs::write(dir.path().join(DESCRIPTOR_FILE), "x").unwrap();
    let both = OperatorWallet::open(dir.path(), NETWORK);
    assert!(matches!(both, Err(WalletError::TwoSources { .. })));
}

/// BIP86's test phrase; its root key is in the BIP too.
const ROOT: &str = "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu";

fn with_descriptors(text: &str) -> (TempDir, Result<Option<OperatorWallet>, WalletError>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(DESCRIPTOR_FILE), text).unwrap();
    let wallet = OperatorWallet::open(dir.path(), Network::Mainnet);
    (dir, wallet)
}

#[test]
fn a_descriptor_file_gives_bip86_addresses() {
    let path = format!("{ROOT}/86h/0h/0h");
    let (_dir, wallet) =
        with_descriptors(&format!("# external\ntr({path}/0/*)\n\n# internal\ntr({path}/1/*)\n"));
    let mut wallet = wallet.unwrap().unwrap();
    // BIP86, section "Test vectors".
    let first = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
    assert_eq!(wallet.address().unwrap().to_string(), first);
    let change = "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7";
    let address = Address::from_script(&wallet.next_change_script().unwrap(), bitcoin::Network::Bitcoin);
    assert_eq!(address.unwrap().to_string(), change);
}

#[test]
fn bad_descriptor_files_are_refused_without_a_quote() {
    let path = format!("{ROOT}/86h/0h/0h");
    let good = format!("tr({path}/0/*)");
    let public = "tr(xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ/1/*)";
    for other in [
        String::new(),
        good.clone(),
        "surprise".into(),
        format!("wpkh({path}/1/*)"),
        format!("tr({path}/1)"),
        format!("tr({path}/1/*h)"),
        format!("tr({path}/1/*,pk({path}/2/*))"),
        format!("tr({path}/1/*)#aaaaaaaa"),
        public.into(),
        format!("tr({path}/1/*)\ntr({path}/2/*)"),
    ] {
        let (_dir, refused) = with_descriptors(&format!("{good}\n{other}\n"));
        let error = refused.unwrap_err();
        assert!(matches!(error, WalletError::BadDescriptor { .. }), "{other}: {error}");
        assert!(!format!("{error} {error:?}").contains(&ROOT[..20]), "{error}");
    }
    let (_dir, refused) = with_descriptors(&"x".repeat(20_000));
    assert!(matches!(refused, Err(WalletError::File(KeyFileError::TooLong { .. }))));
}

#[test]
fn keys_or_state_of_another_network_are_refused() {
    let path = format!("{ROOT}/86h/0h/0h");
    let (dir, wallet) = with_descriptors(&format!("tr({path}/0/*)\ntr({path}/1/*)\n"));
    drop(wallet);
    let refused = OperatorWallet::open(dir.path(), NETWORK);
    assert!(matches!(refused, Err(WalletError::WrongNetwork { expected: NETWORK, .. })));
    let (dir, wallet) = funded(&[1_000]);
    drop(wallet);
    let refused = OperatorWallet::open(dir.path(), Network::Signet);
    assert!(matches!(refused, Err(WalletError::WrongNetwork { expected: Network::Signet, .. })));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (_dir, mut wallet) = empty_wallet();
    // Nothing listens on port 1.
    match wallet.sync(&reach("tcp://127.0.0.1:1")) {
        Err(WalletError::Server { server, .. }) => assert_eq!(server, "tcp://127.0.0.1:1"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn debug_and_state_hold_no_secret() {
    let (dir, wallet) = funded(&[100_000]);
    let shown = format!("{wallet:?} {wallet:#?}");
    let state = std::fs::read_to_string(dir.path().join(STATE_FILE)).unwrap();
    let phrase = Phrase::read_file(&dir.path().join(PHRASE_FILE)).unwrap().expose();
    for text in [&shown, &state] {
        assert!(!text.contains("prv"), "{text}");
        assert!(
            !text.contains(phrase.as_str()) && !text.contains(phrase.split_once(' ').unwrap().1),
            "{text}"
        );
    }
    assert!(shown.contains("confirmed"));
    #[cfg(unix)]
    for file in [PHRASE_FILE, STATE_FILE] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
