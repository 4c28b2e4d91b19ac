//! For tests: asks Bitcoin Core's script verifier whether a transaction may spend what it spends. It does
//! not look at amounts: conservation is checked by the tests themselves.

use bitcoin::consensus::encode::serialize;
use bitcoin::{Transaction, TxOut};
use bitcoinconsensus::Utxo;

/// Verifies one input with all soft forks up to Taproot.
pub fn verify_input(transaction: &Transaction, prevouts: &[TxOut], at: usize) -> bool {
    assert_eq!(transaction.input.len(), prevouts.len());
    let bytes = serialize(transaction);
    let spent: Vec<Utxo> = prevouts
        .iter()
        .map(|prevout| Utxo {
            script_pubkey: prevout.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: prevout.script_pubkey.len().try_into().unwrap(),
            value: prevout.value.to_sat().try_into().unwrap(),
        })
        .collect();
    let prevout = &prevouts[at];
    let (script, value) = (prevout.script_pubkey.as_bytes(), prevout.value.to_sat());
    bitcoinconsensus::verify(script, value, &bytes, Some(&spent), at).is_ok()
}

/// Verifies every input; panics with the position of the first that fails.
pub fn assert_valid(transaction: &Transaction, prevouts: &[TxOut]) {
    for at in 0..prevouts.len() {
        assert!(verify_input(transaction, prevouts, at), "input {at} of {}", transaction.compute_txid());
    }
}
