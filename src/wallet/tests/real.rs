//! The fee wallet on a real node and a real electrs.

use super::*;
use crate::regtest::Regtest;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use std::time::{Duration, Instant};

impl Regtest {
    fn send(&self, address: &Address, bitcoins: &str) -> Transaction {
        let txid = self.cli(&["sendtoaddress", &address.to_string(), bitcoins]);
        deserialize_hex(&self.cli(&["getrawtransaction", &txid])).unwrap()
    }

    fn broadcast(&self, transaction: &Transaction) -> Result<String, String> {
        self.try_cli(&["sendrawtransaction", &serialize_hex(transaction)])
    }

    /// Synchronises until the server, which trails the node by a moment, has said what is waited for.
    fn until(&self, wallet: &mut OperatorWallet, what: &str, reached: impl Fn(&OperatorWallet) -> bool) {
        let begun = Instant::now();
        loop {
            wallet.sync(&reach(self.url())).unwrap();
            if reached(wallet) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {wallet:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Pledges paid on the node's chain, with their refunds.
fn paid_bundles(regtest: &Regtest, count: u32) -> Vec<RefundBundle> {
    let secp = Secp256k1::new();
    let contract = Contract::new(&testing::charter(NETWORK)).unwrap();
    let refund_address = testing::address(NETWORK, 7);
    (1..=count)
        .map(|index| {
            let key = testing::sponsor(u8::try_from(index).unwrap());
            let output = contract.pledge(&secp, Slot::pledge(index), key.x_only_public_key().0).unwrap();
            let paid = regtest.send(&output.address, "0.0005");
            let vout = paid.output.iter().position(|o| o.script_pubkey == output.script_pubkey).unwrap();
            let outpoint = OutPoint { txid: paid.compute_txid(), vout: u32::try_from(vout).unwrap() };
            let target = RefundTarget::new(output, outpoint, sat(50_000), &refund_address).unwrap();
            RefundBundle::sign(&secp, target, &key).unwrap()
        })
        .collect()
}

#[test]
fn a_real_node_takes_the_batch_and_its_replacement() {
    let regtest = Regtest::start(101);
    let (dir, mut wallet) = empty_wallet();
    regtest.until(&mut wallet, "an empty wallet", |wallet| wallet.tip_height() >= 101);
    assert_eq!(wallet.balance(), Balance::default());

    let address = wallet.address().unwrap();
    regtest.send(&address, "0.001");
    regtest.until(&mut wallet, "a payment seen", |wallet| wallet.balance().pending == sat(100_000));
    assert_eq!(wallet.balance().spendable, Amount::ZERO);
    assert_ne!(wallet.address().unwrap(), address, "an address is given out once it was used");
    let bundles = paid_bundles(&regtest, 3);
    regtest.cli(&["-generate", "1"]);
    regtest.until(&mut wallet, "a payment confirmed", |wallet| wallet.balance().confirmed == sat(100_000));

    // Before T the batch is not final; once the median time past exceeds T it is.
    let mut ask = Ask { bundles, ..Ask::new(0, 2) };
    let first = ask.fund(&mut wallet).unwrap();
    let early = regtest.broadcast(&first.transaction).unwrap_err();
    assert!(early.contains("non-final"), "{early}");
    regtest.cli(&["setmocktime", &(testing::REFUND_TIME + 1).to_string()]);
    regtest.cli(&["-generate", "6"]);
    regtest.broadcast(&first.transaction).unwrap();

    // Known from the server alone, then replaced; the node judges by its own rules.
    let paid = |fee: Amount| sat(100_000) - fee;
    regtest.until(&mut wallet, "the batch seen", |wallet| wallet.balance().pending == paid(first.fee));
    ask.replaces = vec![first.transaction.clone()];
    let second = ask.fund(&mut wallet).unwrap();
    assert_eq!(second.fee_inputs, first.fee_inputs);
    regtest.broadcast(&second.transaction).unwrap();
    wallet.note_broadcast(&second.transaction, u64::from(testing::REFUND_TIME) + 2).unwrap();
    assert!(regtest.try_cli(&["getmempoolentry", &first.transaction.compute_txid().to_string()]).is_err());
    regtest.until(&mut wallet, "the replacement", |wallet| wallet.balance().pending == paid(second.fee));
    regtest.cli(&["-generate", "1"]);
    regtest.until(&mut wallet, "confirmed", |wallet| wallet.balance().confirmed == paid(second.fee));

    // A lost state is found again on the chain.
    let balance = wallet.balance();
    drop(wallet);
    std::fs::remove_file(dir.path().join(STATE_FILE)).unwrap();
    let mut wallet = OperatorWallet::open(dir.path(), NETWORK).unwrap().unwrap();
    regtest.until(&mut wallet, "a new scan", |wallet| wallet.balance() == balance);

    // The block that confirmed it is reorganised away: the batch is unconfirmed again.
    let tip = regtest.cli(&["getbestblockhash"]);
    regtest.cli(&["invalidateblock", &tip]);
    let miner = regtest.cli(&["getnewaddress"]);
    for _ in 0..2 {
        regtest.cli(&["generateblock", &miner, "[]"]);
    }
    regtest.until(&mut wallet, "reorganised", |wallet| wallet.balance() == balance_pending(paid(second.fee)));
    regtest.cli(&["-generate", "1"]);
    regtest.until(&mut wallet, "confirmed again", |wallet| wallet.balance() == balance);
}

fn balance_pending(own_change: Amount) -> Balance {
    Balance { confirmed: Amount::ZERO, pending: own_change, spendable: own_change }
}

#[test]
fn a_server_of_another_network_is_refused() {
    let regtest = Regtest::start(101);
    let dir = tempfile::tempdir().unwrap();
    let mut wallet = OperatorWallet::create(dir.path(), Network::Signet).unwrap();
    let refused = wallet.sync(&reach(regtest.url()));
    assert!(matches!(refused, Err(WalletError::WrongNetwork { .. })), "{refused:?}");
}
