//! That the outputs of the vectors can be spent in every way they should, and in no other: judged by Bitcoin
//! Core's own script verifier (`bitcoinconsensus`), which knows nothing of this crate.

use super::charters::{self, Signed, xpriv};
use bitcoin::absolute::LockTime;
use bitcoin::bip32::{ChainCode, ChildNumber, Fingerprint, Xpriv};
use bitcoin::consensus::encode::{deserialize_hex, serialize};
use bitcoin::hashes::Hash;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{All, Keypair, Message, Scalar, Secp256k1, SecretKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Weight, Witness, XOnlyPublicKey,
};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT};
use std::collections::BTreeMap;
use upfront::escrow::charter::Charter;
use upfront::escrow::descriptor::{Contract, EscrowOutput, Slot, charter_steps};
use upfront::escrow::fee;
use upfront::escrow::musig::SYNTHETIC_CHAIN_CODE;
use upfront::escrow::statement::{Role, tagged_hash};

/// Whether consensus lets `transaction` spend `prevouts`, all inputs.
fn accepted(transaction: &Transaction, prevouts: &[TxOut]) -> bool {
    let spent: Vec<Utxo> = prevouts
        .iter()
        .map(|output| Utxo {
            script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: output.script_pubkey.len().try_into().unwrap(),
            value: output.value.to_sat().try_into().unwrap(),
        })
        .collect();
    let bytes = serialize(transaction);
    let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
    prevouts.iter().enumerate().all(|(vin, output)| {
        let script = output.script_pubkey.as_bytes();
        let value = output.value.to_sat();
        bitcoinconsensus::verify_with_flags(script, value, &bytes, Some(&spent), vin, flags).is_ok()
    })
}

/// A transaction that moves 100,000 sat of an output somewhere, and what it spends.
fn spend(output: &EscrowOutput) -> (Transaction, TxOut) {
    let prevout = TxOut { value: Amount::from_sat(100_000), script_pubkey: output.script_pubkey.clone() };
    let transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: bitcoin::Txid::from_byte_array([9; 32]), vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(90_000), script_pubkey: output.script_pubkey.clone() }],
    };
    (transaction, prevout)
}

/// The account keys of developer, representative and arbiter.
fn accounts(signed: &Signed) -> [Xpriv; 3] {
    signed.signers.each_ref().map(|(phrase, account)| {
        let network = signed.charter.network();
        xpriv(phrase, network, &format!("87h/{}h/{account}h", network.coin_type()))
    })
}

fn normal(numbers: &[u32]) -> Vec<ChildNumber> {
    numbers.iter().map(|index| ChildNumber::Normal { index: *index }).collect()
}

/// The witness of the cooperative leaf: a signature for each key that has one, the last key's first.
fn cooperative_witness(
    secp: &Secp256k1<All>,
    output: &EscrowOutput,
    transaction: &Transaction,
    prevout: &TxOut,
    keys: [Option<Keypair>; 3],
) -> Witness {
    let sighash = SighashCache::new(transaction)
        .taproot_script_spend_signature_hash(
            0,
            &Prevouts::All(&[prevout]),
            output.cooperative_leaf_hash(),
            TapSighashType::Default,
        )
        .unwrap();
    let message = Message::from_digest(sighash.to_byte_array());
    let mut witness = Witness::new();
    for key in keys.iter().rev() {
        match key {
            Some(key) => witness.push(secp.sign_schnorr_no_aux_rand(&message, key).as_ref()),
            None => witness.push([]),
        }
    }
    witness.push(&output.cooperative_leaf);
    witness.push(output.cooperative_control_block().serialize());
    witness
}

/// The private key behind the internal key, from both private account keys: what MuSig2 signers never
/// put together, and what shows here that they can sign.
fn internal_secret(secp: &Secp256k1<All>, signed: &Signed, slot: Slot) -> Keypair {
    let [developer, representative, _] = accounts(signed);
    let mut secrets = [developer.private_key, representative.private_key];
    secrets.sort_by_key(|secret| secret.public_key(secp).serialize());
    let [first, second] = secrets;
    let list = secrets.map(|secret| secret.public_key(secp).serialize()).concat();
    let list_hash = tagged_hash("KeyAgg list", &list);
    let first_key = first.public_key(secp).serialize();
    let coefficient = tagged_hash("KeyAgg coefficient", &[list_hash.as_slice(), &first_key].concat());
    let weighted: SecretKey = first.mul_tweak(&Scalar::from_be_bytes(coefficient).unwrap()).unwrap();
    let synthetic = Xpriv {
        network: signed.charter.network().kind(),
        depth: 0,
        parent_fingerprint: Fingerprint::default(),
        child_number: ChildNumber::Normal { index: 0 },
        private_key: weighted.add_tweak(&Scalar::from(second)).unwrap(),
        chain_code: ChainCode::from(SYNTHETIC_CHAIN_CODE),
    };
    let mut path = charter_steps(&signed.charter.id()).to_vec();
    path.extend(normal(&[slot.generation, slot.index]));
    synthetic.derive_priv(secp, &path).unwrap().to_keypair(secp)
}

fn input_weight(transaction: &Transaction) -> Weight {
    let frame = fee::frame_weight(1, 1) + fee::output_weight(&transaction.output[0].script_pubkey);
    transaction.weight() - frame
}

fn outputs(secp: &Secp256k1<All>, signed: &Signed) -> Vec<EscrowOutput> {
    let contract = Contract::new(&signed.charter).unwrap();
    let sponsor: XOnlyPublicKey =
        Keypair::from_seckey_slice(secp, &[0x51; 32]).unwrap().x_only_public_key().0;
    let pledge = |generation, index| contract.pledge(secp, Slot { index, generation }, sponsor).unwrap();
    vec![contract.open(secp), pledge(0, 1), pledge(1, 1), pledge(999, 0x7fff_ffff)]
}

#[test]
fn every_two_signers_can_spend_and_no_one_alone() {
    let secp = Secp256k1::new();
    for signed in &charters::all() {
        let accounts = accounts(signed);
        for output in outputs(&secp, signed) {
            let path = normal(&[output.slot.generation, output.slot.index]);
            let keys = accounts.map(|key| key.derive_priv(&secp, &path).unwrap().to_keypair(&secp));
            for (role, key) in Role::ALL.into_iter().zip(&keys) {
                assert_eq!(output.signer_key(role), key.x_only_public_key().0);
            }
            let (mut transaction, prevout) = spend(&output);
            let mut signed_by = |who: [bool; 3]| {
                let mut at = 0;
                let keys = keys.map(|key| {
                    at += 1;
                    who[at - 1].then_some(key)
                });
                transaction.input[0].witness =
                    cooperative_witness(&secp, &output, &transaction, &prevout, keys);
                let accepted = accepted(&transaction, std::slice::from_ref(&prevout));
                (accepted, input_weight(&transaction))
            };
            for who in [[true, true, false], [true, false, true], [false, true, true]] {
                let is_open = output.slot == Slot::OPEN;
                let weight = if is_open { fee::OPEN_INPUT } else { fee::COOPERATIVE_INPUT };
                assert_eq!(signed_by(who), (true, weight), "{who:?} at {:?}", output.slot);
            }
            for who in [[true, false, false], [false, true, false], [false, false, true], [true; 3]] {
                assert!(!signed_by(who).0, "{who:?} at {:?}", output.slot);
            }
        }
    }
}

#[test]
fn developer_and_representative_can_sign_for_the_internal_key() {
    let secp = Secp256k1::new();
    for signed in &charters::all() {
        for output in outputs(&secp, signed) {
            let secret = internal_secret(&secp, signed, output.slot);
            assert_eq!(secret.x_only_public_key().0, output.internal_key);
            let (mut transaction, prevout) = spend(&output);
            let prevouts = [prevout];
            let sighash = SighashCache::new(&transaction)
                .taproot_key_spend_signature_hash(0, &Prevouts::All(&prevouts), TapSighashType::Default)
                .unwrap();
            let message = Message::from_digest(sighash.to_byte_array());
            let tweaked = secret.tap_tweak(&secp, output.spend_info.merkle_root()).to_keypair();
            let signature = secp.sign_schnorr_no_aux_rand(&message, &tweaked);
            transaction.input[0].witness = Witness::from_slice(&[signature.as_ref()]);
            assert!(accepted(&transaction, &prevouts));
            assert_eq!(input_weight(&transaction), fee::KEY_PATH_INPUT);
            transaction.output[0].value -= Amount::ONE_SAT;
            assert!(!accepted(&transaction, &prevouts), "the signature covers the outputs");
        }
    }
}

#[test]
fn refunds_of_the_vectors_are_valid_and_cannot_be_altered() {
    let later = super::milestones::read().refunds;
    assert!(later.iter().any(|case| case.generation == 2), "what stays in escrow has its refund");
    for case in super::read().refunds.into_iter().chain(later) {
        let prevouts = [TxOut {
            value: Amount::from_sat(case.amount_sat),
            script_pubkey: ScriptBuf::from_hex(&case.script_pubkey).unwrap(),
        }];
        let pair: Transaction = deserialize_hex(&case.pair.transaction).unwrap();
        let rungs = case.ladder.iter().map(|rung| deserialize_hex::<Transaction>(&rung.transaction).unwrap());
        for transaction in std::iter::once(pair.clone()).chain(rungs) {
            assert!(accepted(&transaction, &prevouts));
            let altered = |change: &dyn Fn(&mut Transaction)| {
                let mut altered = transaction.clone();
                change(&mut altered);
                accepted(&altered, &prevouts)
            };
            assert!(!altered(&|tx| tx.lock_time = LockTime::from_consensus(case.refund_time - 1)));
            assert!(!altered(&|tx| tx.output[0].value -= Amount::ONE_SAT));
            assert!(!altered(&|tx| tx.output[0].script_pubkey = prevouts[0].script_pubkey.clone()));
            assert!(!altered(&|tx| tx.input[0].sequence = Sequence::MAX));
            assert!(!altered(&|tx| tx.input[0].previous_output.vout += 1));
            assert!(!altered(&|tx| tx.version = Version::ONE));
        }
        // Only the pair lets others add to it: that is what batches are made of.
        let mut batch = pair;
        batch.output.push(TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() });
        assert!(accepted(&batch, &prevouts));
        if let Some(rung) = case.ladder.first() {
            let mut rung: Transaction = deserialize_hex(&rung.transaction).unwrap();
            rung.output.push(TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() });
            assert!(!accepted(&rung, &prevouts));
        }
    }
}

/// The script of every address that settlements of the vectors spend from or leave money at.
fn scripts() -> BTreeMap<(String, u32, u32), ScriptBuf> {
    let addresses = super::milestones::read().addresses.into_iter();
    addresses
        .map(|case| {
            let script = ScriptBuf::from_hex(&case.script_pubkey).unwrap();
            ((case.charter_id, case.generation, case.index), script)
        })
        .collect()
}

#[test]
fn settlements_of_the_vectors_are_valid_and_spend_what_earlier_ones_left() {
    let (scripts, charters) = (scripts(), super::milestones::read().charters);
    let mut left: BTreeMap<OutPoint, TxOut> = BTreeMap::new();
    let (mut of_remainders, mut moved) = (0, 0);
    for case in super::milestones::read().settlements {
        let charter = Charter::parse(charters[case.charter].text.as_bytes()).unwrap();
        let contract = Contract::new(&charter).unwrap();
        let prevouts: BTreeMap<OutPoint, TxOut> = case
            .terms
            .inputs()
            .iter()
            .map(|input| {
                let place = (charter.id().to_string(), input.slot.generation, input.slot.index);
                let script_pubkey = match input.sponsor_key {
                    None => contract.open(&Secp256k1::new()).script_pubkey,
                    Some(_) => scripts[&place].clone(),
                };
                let prevout = TxOut { value: input.amount, script_pubkey };
                if input.slot.generation > 0 {
                    assert_eq!(left[&input.outpoint], prevout, "what an earlier transaction left");
                    of_remainders += 1;
                }
                (input.outpoint, prevout)
            })
            .collect();
        for form in case.chunks.iter().flat_map(|chunk| &chunk.forms) {
            let transaction: Transaction = deserialize_hex(&form.signed).unwrap();
            let spent: Vec<TxOut> =
                transaction.input.iter().map(|input| prevouts[&input.previous_output].clone()).collect();
            assert!(accepted(&transaction, &spent), "{}", form.txid);
            let mut altered = transaction.clone();
            altered.output[0].value -= Amount::ONE_SAT;
            assert!(!accepted(&altered, &spent), "two signatures hold every output");
            let mut alone = transaction.clone();
            let witness = alone.input[0].witness.to_vec();
            // The last signature on the stack is the developer's.
            let without =
                witness.iter().enumerate().map(|(at, item)| if at == 2 { &[] } else { item.as_slice() });
            alone.input[0].witness = Witness::from_slice(&without.collect::<Vec<_>>());
            assert!(!accepted(&alone, &spent), "one signature is not enough");
            assert_eq!(transaction.compute_txid().to_string(), form.txid);
            // Its feerate is never below what it says; above it are only rounded shares, and outputs that would
            // have been dust.
            let parts = u64::try_from(transaction.input.len() + transaction.output.len()).unwrap();
            let paid = form.outputs.iter().any(|output| output.kind == "payee");
            let returns = |input: &&TxIn| {
                case.terms
                    .inputs()
                    .iter()
                    .any(|term| term.outpoint == input.previous_output && term.returns())
            };
            let payees = if paid { charter.shares_for(case.terms.payees()).unwrap().len() } else { 0 };
            let planned = payees + transaction.input.iter().filter(returns).count();
            let dropped = u64::try_from(planned - transaction.output.len()).unwrap();
            assert!(form.fee_sat * 4 >= form.sat_per_vb * form.weight);
            assert!(form.fee_sat <= form.sat_per_vb * (form.weight.div_ceil(4) + 43 * dropped) + 2 * parts);
            for (vout, kind) in (0u32..).zip(&form.outputs) {
                let output = &transaction.output[vout as usize];
                if kind.kind == "remainder" {
                    left.insert(OutPoint { txid: transaction.compute_txid(), vout }, output.clone());
                }
                moved += u32::from(kind.kind == "move");
            }
        }
    }
    assert!(of_remainders >= 6 && moved >= 6, "{of_remainders} remainders spent, {moved} outputs moved");
}
