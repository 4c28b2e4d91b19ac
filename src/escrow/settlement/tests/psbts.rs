//! PSBTs that come back: from other software, incomplete, or changed in any field.

use super::*;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::psbt::{Input, Psbt};
use bitcoin::sighash::TapSighashType;
use bitcoin::taproot::{Signature, TapLeafHash, TapNodeHash};
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, TxOut, Witness};
use miniscript::psbt::PsbtExt;

/// Signs as another wallet would: from the master key, by the fields of the PSBT alone.
fn wallet_signs(world: &World, psbts: &mut [Psbt], role: Role) {
    let master = testing::master(Network::Regtest, testing::person(role));
    for psbt in psbts {
        let signed = psbt.sign(&master, &world.secp).unwrap();
        assert_eq!(signed.len(), psbt.inputs.len());
    }
}

/// Through bytes, as PSBTs travel.
fn sent(psbts: &[Psbt]) -> Vec<Psbt> {
    psbts.iter().map(|psbt| Psbt::deserialize(&psbt.serialize()).unwrap()).collect()
}

#[test]
fn another_wallet_signs_from_the_psbt_alone() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 3, mixed(&world));
    let mut psbts = sent(&plan.psbts());
    wallet_signs(&world, &mut psbts, Role::Developer);
    wallet_signs(&world, &mut psbts, Role::Arbiter);
    let read = plan.read_psbts(&world.secp, &sent(&psbts)).unwrap();
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), [Role::Developer, Role::Arbiter]);
    let mut signatures = Signatures::new(&plan);
    for checked in read.values() {
        assert_eq!(signatures.merge(checked), Ok(true));
    }
    for (_, tx) in finalized(&plan, &signatures) {
        assert_valid(&tx, &plan.chunks()[0].prevouts());
    }
}

#[test]
fn our_witness_is_the_general_finalizers_and_is_taken_apart_again() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, mixed(&world));
    for pair in PAIRS {
        let mut psbts = plan.signed_psbts(&world.sign(&plan, pair[0]));
        for (psbt, more) in psbts.iter_mut().zip(plan.signed_psbts(&world.sign(&plan, pair[1]))) {
            psbt.combine(more).unwrap();
        }
        let signatures = world.signed(&plan, &pair);
        for (psbt, (_, ours)) in psbts.iter_mut().zip(finalized(&plan, &signatures)) {
            psbt.finalize_mut(&world.secp).unwrap();
            for (input, ours) in psbt.inputs.iter().zip(&ours.input) {
                assert_eq!(input.final_script_witness.as_ref(), Some(&ours.witness));
            }
        }
        let read = plan.read_psbts(&world.secp, &sent(&psbts)).unwrap();
        for role in pair {
            assert_eq!(read[&role].signatures(), &signatures.of(role).unwrap());
        }
    }
}

#[test]
fn psbts_tell_signers_their_paths_and_nothing_of_the_sponsor() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, vec![world.pledge(5, 100_000, 0), world.gift(1, 100_000, 10_000)]);
    let psbt = plan.psbt(0, 0).unwrap();
    for (input, spent) in psbt.inputs.iter().zip(&plan.chunks()[0].inputs) {
        assert_eq!(input.tap_key_origins.len(), 3);
        for role in Role::ALL {
            let key = spent.output.signer_key(role);
            let (leaves, (fingerprint, path)) = &input.tap_key_origins[&key];
            assert_eq!(leaves, &[spent.output.cooperative_leaf_hash()]);
            let master = testing::master(Network::Regtest, testing::person(role));
            assert_eq!(*fingerprint, master.fingerprint(&world.secp));
            let derived = master.derive_priv(&world.secp, path).unwrap();
            assert_eq!(derived.to_keypair(&world.secp).x_only_public_key().0, key);
            assert_eq!(path.to_string(), format!("87'/1'/0'/0/{}", spent.term.slot.index));
        }
        assert_eq!(input.witness_utxo, Some(spent.prevout()));
        assert!(input.tap_internal_key.is_some() && input.tap_merkle_root.is_some());
        assert_eq!(input.tap_scripts.len(), 1);
    }
    assert_eq!(plan.psbt(0, 3), None);
    assert_eq!(plan.psbts().len(), 3);
}

#[test]
fn what_comes_back_unsigned_is_an_error_with_a_hint() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, mixed(&world));
    let error = plan.read_psbts(&world.secp, &plan.psbts()).unwrap_err();
    assert!(matches!(error, PsbtError::NoSignature { .. }));
    assert!(error.to_string().contains("descriptorprocesspsbt"), "{error}");
    assert_eq!(plan.read_psbts(&world.secp, &[]).unwrap_err(), PsbtError::Nothing);

    let mut psbts = plan.signed_psbts(&world.sign(&plan, Role::Representative));
    psbts[1].inputs[2].tap_script_sigs.clear();
    psbts[1].inputs[4].tap_script_sigs.clear();
    let error = plan.read_psbts(&world.secp, &psbts).unwrap_err();
    let PsbtError::Incomplete { role: Role::Representative, place, missing } = &error else {
        panic!("{error}")
    };
    assert_eq!(place.form, 1);
    let outpoints: Vec<OutPoint> = plan.outpoints().collect();
    assert_eq!(missing, &[outpoints[2], outpoints[4]]);
    assert!(error.to_string().contains(&outpoints[4].to_string()));
    // One form alone is welcome, and counts as that form.
    let read = plan.read_psbts(&world.secp, &psbts[2..]).unwrap();
    let mut signatures = Signatures::new(&plan);
    assert_eq!(signatures.merge(&read[&Role::Representative]), Ok(true));
    assert_eq!(signatures.signed_by(0, 2), [Role::Representative]);
    assert!(signatures.signed_by(0, 0).is_empty());
}

#[test]
fn every_changed_field_of_the_transaction_is_named() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, mixed(&world));
    let good = plan.signed_psbts(&world.sign(&plan, Role::Developer));
    let refused = |change: &dyn Fn(&mut Transaction)| {
        let mut psbt = good[1].clone();
        change(&mut psbt.unsigned_tx);
        match plan.read_psbts(&world.secp, &[good[0].clone(), psbt]).unwrap_err() {
            PsbtError::OtherTransaction { number: 1, place, difference } => {
                assert_eq!(place.form, 1, "{difference}");
                difference
            }
            other => panic!("{other}"),
        }
    };
    let tx = good[1].unsigned_tx.clone();
    let outpoints: Vec<OutPoint> = plan.outpoints().collect();
    let elsewhere = testing::address(Network::Regtest, 55).script_pubkey();
    assert!(matches!(refused(&|tx| tx.version = Version::ONE), Difference::Version { .. }));
    let late = LockTime::from_height(100).unwrap();
    assert!(matches!(refused(&|tx| tx.lock_time = late), Difference::LockTime { .. }));
    for (position, outpoint) in outpoints.iter().copied().enumerate() {
        let found = refused(&|tx| tx.input[position].sequence = Sequence::MAX);
        assert!(matches!(found, Difference::Sequence { outpoint: found, .. } if found == outpoint));
        let found = refused(&|tx| tx.input[position].previous_output.vout ^= 1);
        assert!(matches!(found, Difference::ExtraInput { .. }), "{found}");
        let found = refused(&|tx| drop(tx.input.remove(position)));
        assert_eq!(found, Difference::MissingInput { outpoint });
        let script_sig = || ScriptBuf::from_bytes(vec![0x51]);
        let found = refused(&|tx| tx.input[position].script_sig = script_sig());
        assert_eq!(found, Difference::ScriptSig { outpoint });
    }
    let extra = OutPoint::new(outpoints[0].txid, 99);
    let add = |tx: &mut Transaction| {
        let mut input = tx.input[0].clone();
        input.previous_output = extra;
        tx.input.push(input);
    };
    assert_eq!(refused(&add), Difference::ExtraInput { outpoint: extra });
    let twice = |tx: &mut Transaction| tx.input.push(tx.input[0].clone());
    assert_eq!(refused(&twice), Difference::ExtraInput { outpoint: outpoints[0] });
    assert!(matches!(refused(&|tx| tx.input.swap(1, 2)), Difference::InputOrder { position: 1, .. }));
    for at in 0..tx.output.len() {
        let found = refused(&|tx| tx.output[at].value -= Amount::from_sat(1));
        assert!(matches!(found, Difference::OutputAmount { position, .. } if position == at));
        let found = refused(&|tx| tx.output[at].script_pubkey = elsewhere.clone());
        assert!(matches!(&found, Difference::OutputScript { position, .. } if *position == at));
        assert!(found.to_string().contains(&plan.form(0, 1).unwrap().outputs[at].to_string()));
    }
    let last = tx.output.len() - 1;
    assert!(
        matches!(refused(&|tx| drop(tx.output.pop())), Difference::MissingOutput { position, .. } if position == last)
    );
    let more = TxOut { value: Amount::from_sat(1_000), script_pubkey: elsewhere.clone() };
    assert_eq!(refused(&|tx| tx.output.push(more.clone())), Difference::ExtraOutput { position: last + 1 });
    // A payee swapped against another, both amounts kept.
    let found = refused(&|tx| {
        let first = tx.output[0].script_pubkey.clone();
        tx.output[0].script_pubkey = tx.output[1].script_pubkey.clone();
        tx.output[1].script_pubkey = first;
    });
    assert!(matches!(found, Difference::OutputScript { position: 0, .. }));
}

#[test]
fn every_changed_field_of_an_input_is_named() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, mixed(&world));
    let good = plan.signed_psbts(&world.sign(&plan, Role::Developer)).swap_remove(0);
    let spent = &plan.chunks()[0].inputs[1];
    let outpoint = spent.term.outpoint;
    let developer = spent.output.signer_key(Role::Developer);
    let leaf = spent.output.cooperative_leaf_hash();
    let signature = good.inputs[1].tap_script_sigs[&(developer, leaf)];
    let put = |input: &mut Input, key, signature| {
        input.tap_script_sigs.insert(key, signature);
    };
    let refused = |change: &dyn Fn(&mut Input)| {
        let mut psbt = good.clone();
        change(&mut psbt.inputs[1]);
        let error = plan.read_psbts(&world.secp, &[psbt]).unwrap_err();
        assert!(error.to_string().contains(&outpoint.to_string()), "{error}");
        let field = if let PsbtError::Field { field, .. } = &error { field } else { "" };
        (error.code(), field)
    };
    let utxo = |input: &mut Input| input.witness_utxo.as_mut().unwrap().value += Amount::ONE_SAT;
    assert_eq!(refused(&utxo), ("psbt_field", "witness_utxo"));
    let elsewhere = testing::address(Network::Regtest, 55).script_pubkey();
    let script = |input: &mut Input| {
        input.witness_utxo.as_mut().unwrap().script_pubkey = elsewhere.clone();
    };
    assert_eq!(refused(&script), ("psbt_field", "witness_utxo"));
    let previous = good.unsigned_tx.clone();
    assert_eq!(refused(&|i| i.non_witness_utxo = Some(previous.clone())), ("psbt_field", "non_witness_utxo"));
    assert_eq!(refused(&|i| i.tap_internal_key = Some(developer)), ("psbt_field", "tap_internal_key"));
    let root = TapNodeHash::all_zeros();
    assert_eq!(refused(&|i| i.tap_merkle_root = Some(root)), ("psbt_field", "tap_merkle_root"));
    let other_leaf = |input: &mut Input| {
        input.tap_scripts.values_mut().for_each(|(script, _)| *script = ScriptBuf::new());
    };
    assert_eq!(refused(&other_leaf), ("psbt_field", "tap_scripts"));
    assert_eq!(refused(&|i| i.sighash_type = Some(TapSighashType::All.into())).0, "psbt_wrong_sighash");
    for sighash_type in [TapSighashType::All, TapSighashType::None, TapSighashType::SinglePlusAnyoneCanPay] {
        let other = Signature { sighash_type, ..signature };
        assert_eq!(refused(&|i| put(i, (developer, leaf), other)).0, "psbt_wrong_sighash");
    }
    let sponsor = spent.term.sponsor_key.unwrap_or(spent.output.internal_key);
    assert_eq!(refused(&|i| put(i, (sponsor, leaf), signature)).0, "psbt_wrong_key");
    let other = TapLeafHash::all_zeros();
    assert_eq!(refused(&|i| put(i, (developer, other), signature)).0, "psbt_wrong_leaf");
    let arbiter = spent.output.signer_key(Role::Arbiter);
    assert_eq!(refused(&|i| put(i, (arbiter, leaf), signature)).0, "psbt_bad_signature");
    let mut bytes = signature.signature.serialize();
    bytes[40] ^= 1;
    let flipped = bitcoin::secp256k1::schnorr::Signature::from_slice(&bytes).unwrap();
    let flipped = Signature { signature: flipped, ..signature };
    assert_eq!(refused(&|i| put(i, (developer, leaf), flipped)).0, "psbt_bad_signature");
    assert_eq!(refused(&|i| i.tap_key_sig = Some(signature)).0, "psbt_key_path");
    assert_eq!(
        refused(&|i| i.final_script_sig = Some(ScriptBuf::from_bytes(vec![0]))).0,
        "psbt_final_witness"
    );
    assert_eq!(refused(&|i| i.tap_script_sigs.clear()).0, "psbt_incomplete");

    let mut short = good.clone();
    short.inputs.pop();
    assert_eq!(plan.read_psbts(&world.secp, &[short]).unwrap_err().code(), "psbt_input_count");
}

#[test]
fn final_witnesses_must_be_two_of_three() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 2, vec![world.pledge(1, 100_000, 10_000)]);
    let signatures = world.signed(&plan, &PAIRS[1]);
    let tx = plan.finalize(0, 0, &signatures).unwrap();
    let elements: Vec<Vec<u8>> = tx.input[0].witness.to_vec();
    let read = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut elements = elements.clone();
        change(&mut elements);
        let mut psbt = plan.psbt(0, 0).unwrap();
        psbt.inputs[0].final_script_witness = Some(Witness::from_slice(&elements));
        plan.read_psbts(&world.secp, &[psbt]).map(|read| read.len()).map_err(|error| error.code())
    };
    assert_eq!(read(&|_| ()), Ok(2));
    assert_eq!(read(&|e| e[0].clear()), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e[1] = e[0].clone()), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e.swap(0, 2)), Err("psbt_bad_signature"));
    assert_eq!(read(&|e| e[0].push(1)), Err("psbt_wrong_sighash"));
    assert_eq!(read(&|e| e[0].truncate(63)), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e[3].push(0)), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e[4][0] ^= 1), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e.push(vec![0x50])), Err("psbt_final_witness"));
    assert_eq!(read(&|e| e.truncate(1)), Err("psbt_key_path"));
    assert_eq!(read(&Vec::clear), Err("psbt_final_witness"));
}
