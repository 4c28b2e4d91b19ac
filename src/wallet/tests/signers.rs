//! A wallet whose keys are elsewhere: what it asks another program, and what it takes from its answer.

use super::*;
use crate::wallet::signer::{OwnInput, read_answer, request};
use bitcoin::Psbt;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use std::time::Duration;

/// A wallet with keys, and one beside it that has its public descriptors only, both with the same money.
fn pair(amounts_sat: &[u64]) -> (TempDir, OperatorWallet, OfflineSigner) {
    let (secret_dir, secret) = empty_wallet();
    let words = std::fs::read(secret_dir.path().join(PHRASE_FILE)).unwrap();
    let offline = OfflineSigner::from_bytes(&words, NETWORK).unwrap();
    let descriptors = secret.public_descriptors();
    assert!(descriptors.len() == 1 && descriptors[0].contains("/<0;1>/*)#"), "{descriptors:?}");
    let (dir, wallet) = watching(&format!("# exported\n{}\n", descriptors[0]), amounts_sat);
    (dir, wallet, offline)
}

fn watching(descriptor_file: &str, amounts_sat: &[u64]) -> (TempDir, OperatorWallet) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(DESCRIPTOR_FILE), descriptor_file).unwrap();
    let mut wallet = OperatorWallet::open(dir.path(), NETWORK).unwrap().unwrap();
    assert!(wallet.is_watch_only());
    let mut payments = Vec::new();
    for (nonce, amount) in (1..).zip(amounts_sat) {
        let address = wallet.wallet.reveal_next_address(KeychainKind::External).address;
        payments.push(payment(&address.script_pubkey(), sat(*amount), nonce));
    }
    confirm(&mut wallet, &payments, 200);
    (dir, wallet)
}

/// A batch of this wallet as it would be sent to a signer.
struct Asked {
    psbt: Psbt,
    prevouts: Vec<TxOut>,
    own: Vec<OwnInput>,
}

fn asked(wallet: &mut OperatorWallet, ask: &Ask) -> Asked {
    let bundles: Vec<&RefundBundle> = ask.bundles.iter().collect();
    let request_of = BatchRequest {
        bundles: &bundles,
        feerate: ask.feerate,
        max_fee: ask.max_fee,
        replaces: &[],
        avoid: &ask.avoid,
    };
    let change = wallet.next_change_script().unwrap();
    let candidates = wallet.candidates(&request_of, &[]);
    let planned = fund::plan(wallet.keys.input_weight(), &request_of, &[], candidates, change).unwrap();
    let (tx, prevouts, own) =
        (planned.batch.transaction.clone(), planned.batch.prevouts.clone(), planned.own());
    let change = planned.change().map(|at| {
        let (branch, index) = wallet.owner(&tx.output[at].script_pubkey).unwrap();
        (at, branch, index)
    });
    let graph = wallet.wallet.tx_graph();
    let previous = |txid| graph.get_tx(txid).map(|tx| tx.as_ref().clone());
    let psbt = request(&wallet.keys, &tx, &prevouts, &own, change, &previous).unwrap();
    Asked { psbt, prevouts, own }
}

const REFUNDS: OfflineRule = OfflineRule::Refunds { max_fee: Amount::from_sat(20_000) };

#[test]
fn an_offline_signer_signs_a_batch_and_the_answer_is_taken() {
    let (_dir, mut wallet, offline) = pair(&[20_000, 30_000]);
    let ask = Ask::new(3, 10);
    let asked = asked(&mut wallet, &ask);
    let sponsors = asked.psbt.inputs.len() - asked.own.len();
    assert!(asked.psbt.inputs[..sponsors].iter().all(|input| input.final_script_witness.is_some()));
    assert!(asked.psbt.inputs[sponsors..].iter().all(|input| input.tap_internal_key.is_some()));
    // By way of text, as a program gets it.
    let text: Psbt = asked.psbt.to_string().parse().unwrap();
    let signed = offline.sign(text, REFUNDS).unwrap();
    assert_eq!(signed.inputs, asked.own.len());
    let witnesses =
        read_answer(&wallet.keys, &asked.psbt, &signed.psbt, &asked.prevouts, &asked.own).unwrap();
    let mut tx = asked.psbt.clone().extract_tx_unchecked_fee_rate();
    for (input, witness) in asked.own.iter().zip(witnesses) {
        tx.input[input.at].witness = witness;
    }
    crate::escrow::consensus::assert_valid(&tx, &asked.prevouts);
    // What it says it costs is what it costs.
    let out: Amount = tx.output.iter().map(|output| output.value).sum();
    let all: Amount = asked.prevouts.iter().map(|prevout| prevout.value).sum();
    assert_eq!(signed.paid, all - out);
}

#[test]
fn whatever_a_signer_changes_is_found() {
    let (_dir, mut wallet, offline) = pair(&[50_000]);
    let asked = asked(&mut wallet, &Ask::new(2, 5));
    let good = offline.sign(asked.psbt.clone(), REFUNDS).unwrap().psbt;
    let last = asked.own[0].at;
    let judge = |change: &dyn Fn(&mut Psbt)| {
        let mut psbt = good.clone();
        change(&mut psbt);
        read_answer(&wallet.keys, &asked.psbt, &psbt, &asked.prevouts, &asked.own)
    };
    assert!(judge(&|_| ()).is_ok());
    type Change = Box<dyn Fn(&mut Psbt)>;
    let changes: Vec<(Change, SignerError)> = vec![
        (
            Box::new(|psbt| psbt.unsigned_tx.output[2].value = sat(1)),
            SignerError::Changed { what: "the transaction" },
        ),
        (
            Box::new(|psbt| psbt.unsigned_tx.lock_time = bitcoin::absolute::LockTime::ZERO),
            SignerError::Changed { what: "the transaction" },
        ),
        (
            Box::new(|psbt| psbt.inputs[0].final_script_witness = None),
            SignerError::Changed { what: "an input of a sponsor" },
        ),
        (
            Box::new(|psbt| {
                psbt.inputs[1].final_script_witness = psbt.inputs[0].final_script_witness.clone()
            }),
            SignerError::Changed { what: "an input of a sponsor" },
        ),
        (
            Box::new(move |psbt| psbt.inputs[last].final_script_witness = None),
            SignerError::NotSigned { at: last },
        ),
    ];
    for (at, (change, expected)) in changes.iter().enumerate() {
        assert_eq!(judge(change).unwrap_err(), *expected, "change {at}");
    }
    let with_witness = |bytes: Vec<u8>| {
        judge(&move |psbt| {
            psbt.inputs[last].final_script_witness = Some(Witness::from_slice(std::slice::from_ref(&bytes)))
        })
    };
    let signature = good.inputs[last].final_script_witness.clone().unwrap().to_vec().remove(0);
    assert!(with_witness(signature.clone()).is_ok());
    let bad = Err(SignerError::BadSignature { at: last });
    for sighash in [0x00, 0x01, 0x02, 0x03, 0x81, 0x83] {
        // The byte alone makes it a signature of something else; 0x00 written out is not allowed at all.
        assert_eq!(with_witness([signature.as_slice(), &[sighash]].concat()), bad, "{sighash:#x}");
    }
    let mut flipped = signature.clone();
    flipped[40] ^= 1;
    assert_eq!(with_witness(flipped), bad);
    assert_eq!(with_witness(signature[..63].to_vec()), bad);
}

#[test]
fn another_programs_wpkh_keys_pay_as_well() {
    let secp = Secp256k1::new();
    let root = Phrase::from_entropy(&[5; 16]).root(NETWORK);
    let account: bitcoin::bip32::DerivationPath = "m/84'/1'/0'".parse().unwrap();
    let account = root.derive_priv(&secp, &account).unwrap();
    let xpub = bitcoin::bip32::Xpub::from_priv(&secp, &account);
    let fingerprint = root.fingerprint(&secp);
    let (_dir, mut wallet) =
        watching(&format!("wpkh([{fingerprint}/84h/1h/0h]{xpub}/<0;1>/*)\n"), &[9_000, 40_000]);
    let ask = Ask::new(3, 20);
    let asked = asked(&mut wallet, &ask);
    let mut answer = asked.psbt.clone();
    for input in &asked.own {
        assert!(answer.inputs[input.at].non_witness_utxo.is_some(), "devices want to see the payment");
        let branch = u32::from(input.branch == Branch::Internal);
        let path = format!("m/{branch}/{}", input.index).parse::<bitcoin::bip32::DerivationPath>().unwrap();
        let key = account.derive_priv(&secp, &path).unwrap().to_priv();
        let prevout = &asked.prevouts[input.at];
        let sighash = SighashCache::new(&asked.psbt.unsigned_tx)
            .p2wpkh_signature_hash(input.at, &prevout.script_pubkey, prevout.value, EcdsaSighashType::All)
            .unwrap();
        let signature = secp.sign_ecdsa(&Message::from_digest(sighash.to_byte_array()), &key.inner);
        let signature = bitcoin::ecdsa::Signature { signature, sighash_type: EcdsaSighashType::All };
        answer.inputs[input.at].partial_sigs.insert(key.public_key(&secp), signature);
    }
    let witnesses = read_answer(&wallet.keys, &asked.psbt, &answer, &asked.prevouts, &asked.own).unwrap();
    let mut tx = asked.psbt.clone().extract_tx_unchecked_fee_rate();
    for (input, witness) in asked.own.iter().zip(witnesses) {
        tx.input[input.at].witness = witness;
    }
    crate::escrow::consensus::assert_valid(&tx, &asked.prevouts);
    // The feerate is kept with the heavier inputs.
    let out: Amount = tx.output.iter().map(|output| output.value).sum();
    let all: Amount = asked.prevouts.iter().map(|prevout| prevout.value).sum();
    assert!(all - out >= feerate(20).fee_vb(u64::try_from(tx.vsize()).unwrap()).unwrap());
    let mut single = answer.clone();
    let sig = single.inputs[asked.own[0].at].partial_sigs.values_mut().next().unwrap();
    sig.sighash_type = EcdsaSighashType::SinglePlusAnyoneCanPay;
    let refused = read_answer(&wallet.keys, &asked.psbt, &single, &asked.prevouts, &asked.own);
    assert_eq!(refused.unwrap_err(), SignerError::BadSignature { at: asked.own[0].at });
}

#[test]
fn an_offline_signer_signs_refunds_only_and_within_its_limit() {
    let (_dir, mut wallet, offline) = pair(&[50_000]);
    let asked = asked(&mut wallet, &Ask::new(2, 5));
    let judge = |change: &dyn Fn(&mut Psbt)| {
        let mut psbt = asked.psbt.clone();
        change(&mut psbt);
        offline.sign(psbt, REFUNDS).map(|signed| signed.paid)
    };
    let paid = judge(&|_| ()).unwrap();
    let limit = OfflineRule::Refunds { max_fee: paid - sat(1) };
    let above = offline.sign(asked.psbt.clone(), limit).unwrap_err();
    assert!(matches!(above, OfflineError::FeeAboveLimit { fee, .. } if fee == paid));
    let not = |what: &'static str| Err(OfflineError::NotRefunds { what });
    // A thief on the service's machine writes the change to an address of their own.
    let foreign = testing::address(NETWORK, 3).script_pubkey();
    let theft = |psbt: &mut Psbt| psbt.unsigned_tx.output[2].script_pubkey = foreign.clone();
    assert_eq!(judge(&theft), not("something is paid to somebody else"));
    // To an address of the wallet that is given out, not to change: nobody can tell who that is.
    let short = |psbt: &mut Psbt| psbt.unsigned_tx.output[0].value = sat(1_000);
    assert_eq!(judge(&short), not("a pledge does not go back whole"));
    assert_eq!(
        judge(&|psbt| psbt.inputs[0].final_script_witness = None),
        not("an input is not a signed refund pair")
    );
    let lie = |psbt: &mut Psbt| psbt.inputs[2].witness_utxo = None;
    assert_eq!(judge(&lie), Err(OfflineError::NoPrevout { at: 2 }));
    let huge = |psbt: &mut Psbt| psbt.inputs[2].witness_utxo.as_mut().unwrap().value = Amount::MAX;
    assert!(matches!(judge(&huge), Err(OfflineError::FeeAboveLimit { .. })));
    let (_other_dir, _, other) = pair(&[1]);
    let nothing = other.sign(asked.psbt.clone(), OfflineRule::Anything).unwrap_err();
    assert_eq!(nothing, OfflineError::NothingToSign);
}

fn with_program(wallet: &mut OperatorWallet, command: &[&str], secs: u64) -> WalletError {
    let command = command.iter().map(|part| (*part).to_owned()).collect();
    wallet.set_signer(ExternalSigner::new(command, Duration::from_secs(secs)));
    Ask::new(2, 5).fund(wallet).unwrap_err()
}

#[test]
fn a_program_that_fails_hangs_or_babbles_is_given_up() {
    let (_dir, mut wallet, _) = pair(&[50_000]);
    let none = Ask::new(2, 5).fund(&mut wallet).unwrap_err();
    assert!(matches!(none, WalletError::Signer(SignerError::None)), "{none:?}");
    let failed = with_program(&mut wallet, &["sh", "-c", "echo no wallet here >&2; exit 3"], 20);
    assert!(failed.to_string().contains("no wallet here"), "{failed}");
    let missing = with_program(&mut wallet, &["/nonexistent/signer"], 20);
    assert!(missing.to_string().contains("does not start"), "{missing}");
    // It gives back what it was given.
    let echo = with_program(&mut wallet, &["cat"], 20);
    assert!(matches!(echo, WalletError::Signer(SignerError::NotSigned { at: 2 })), "{echo:?}");
    let endless = with_program(&mut wallet, &["yes"], 20);
    assert!(!matches!(endless, WalletError::Signer(SignerError::TimeOut { .. })), "{endless:?}");
    let nonsense = with_program(&mut wallet, &["echo", "cHNidP8BAF4="], 20);
    assert!(matches!(nonsense, WalletError::Signer(SignerError::NoPsbt)), "{nonsense:?}");
    // Its child keeps the pipe open when it is killed.
    let begun = std::time::Instant::now();
    let hangs = with_program(&mut wallet, &["sh", "-c", "sleep 100 & sleep 100"], 1);
    assert!(matches!(hangs, WalletError::Signer(SignerError::TimeOut { secs: 1 })), "{hangs:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "it is not waited for");
    // And it is left alone for a while.
    let again = Ask::new(2, 5).fund(&mut wallet).unwrap_err();
    assert!(matches!(again, WalletError::Signer(SignerError::Resting { .. })), "{again:?}");
}

#[test]
fn descriptors_are_all_private_or_all_public_and_of_one_kind() {
    let (dir, wallet) = empty_wallet();
    let [both] = &wallet.public_descriptors()[..] else { panic!("one line") };
    let body = both.split('#').next().unwrap();
    let [external, internal] = ["/0/*", "/1/*"].map(|branch| body.replace("/<0;1>/*", branch));
    drop(dir);
    let open = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DESCRIPTOR_FILE), text).unwrap();
        OperatorWallet::open(dir.path(), NETWORK).map(|wallet| wallet.unwrap().public_descriptors())
    };
    let whole = std::slice::from_ref(both);
    assert_eq!(open(body).unwrap(), whole, "the checksum may be left out");
    assert_eq!(open(&format!("{external}\n{internal}\n")).unwrap(), whole);
    for wrong in [
        external.clone(),
        format!("{external}\n{external}"),
        format!("{external}\n{}", internal.replace("tr(", "wpkh(")),
        body.replace("<0;1>", "<0;1;2>"),
        body.replace("tr(", "pkh("),
        both.replace("<0;1>", "<0;2>"),
        external.replace("/*", ""),
    ] {
        assert!(matches!(open(&wrong), Err(WalletError::BadDescriptor { .. })), "{wrong}");
    }
}

#[test]
fn money_is_taken_out_whole_or_in_part() {
    let (_dir, mut wallet) = funded(&[40_000, 60_000]);
    let to = testing::address(NETWORK, 9);
    let mut request =
        SpendRequest { to: to.clone(), amount: Some(sat(50_000)), feerate: feerate(3), unconfirmed: false };
    let signed = |wallet: &mut OperatorWallet, request: &SpendRequest| {
        let planned = wallet.plan_spend(request).unwrap();
        let (amount, fee) = (planned.amount, planned.fee);
        let tx = wallet.sign_spend(planned).unwrap();
        let prevouts: Vec<TxOut> = tx
            .input
            .iter()
            .map(|input| wallet.wallet.spk_index().txout(input.previous_output).unwrap().1.clone())
            .collect();
        crate::escrow::consensus::assert_valid(&tx, &prevouts);
        assert!(tx.output.iter().any(|out| out.script_pubkey == to.script_pubkey() && out.value == amount));
        (tx, amount, fee)
    };
    let (tx, amount, fee) = signed(&mut wallet, &request);
    assert_eq!(amount, sat(50_000));
    wallet.note_broadcast(&tx, 1_800_000_500).unwrap();
    assert_eq!(wallet.unconfirmed_spends(), [tx.compute_txid()]);
    let told = wallet.history().into_iter().find(|item| item.txid == tx.compute_txid()).unwrap();
    assert_eq!((told.purpose, told.paid_sat, told.fee_sat), (Purpose::PaidOut, 50_000, fee.to_sat()));
    confirm(&mut wallet, &[tx], 250);
    request.amount = None;
    let (tx, amount, fee) = signed(&mut wallet, &request);
    assert_eq!((tx.output.len(), amount + fee), (1, wallet.balance().confirmed));
    request.amount = Some(sat(90_000));
    assert!(matches!(wallet.plan_spend(&request), Err(WalletError::Spend { .. })));
    request.to = testing::address(Network::Mainnet, 9);
    assert!(matches!(wallet.plan_spend(&request), Err(WalletError::WrongNetwork { .. })));
}

#[test]
fn the_history_tells_refunds_from_payments() {
    let (_dir, mut wallet) = funded(&[100_000]);
    let batch = Ask::new(4, 2).fund(&mut wallet).unwrap();
    wallet.note_broadcast(&batch.transaction, 1_800_000_100).unwrap();
    let [newest, top_up] = &wallet.history()[..] else { panic!("two transactions") };
    assert_eq!((newest.purpose, newest.fee_sat), (Purpose::Refunds { pledges: 4 }, batch.fee.to_sat()));
    assert_eq!((newest.height, newest.paid_sat), (None, 0));
    assert_eq!((top_up.purpose, top_up.received_sat, top_up.height), (Purpose::TopUp, 100_000, Some(200)));
}

#[test]
fn an_encrypted_wallet_opens_with_its_passphrase_and_an_open_one_can_be_read_beside_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = |text: &str| Passphrase::new(crate::keys::Zeroizing::new(text.to_owned())).unwrap();
    let mut wallet =
        OperatorWallet::create_with(dir.path(), NETWORK, Some(&passphrase("fees of refunds"))).unwrap();
    let address = wallet.address().unwrap();
    drop(wallet);
    let locked = OperatorWallet::open(dir.path(), NETWORK).unwrap_err();
    assert!(matches!(locked, WalletError::File(KeyFileError::Locked { .. })));
    let open =
        |with: &str| OperatorWallet::open_with::<WalletError>(dir.path(), NETWORK, |_| Ok(passphrase(with)));
    assert!(matches!(open("fees of others"), Err(WalletError::File(KeyFileError::Sealed { .. }))));
    let before = std::fs::read(dir.path().join(STATE_FILE)).unwrap();
    let mut wallet = open("fees of refunds").unwrap().unwrap().read_only();
    assert_eq!(wallet.address().unwrap(), address);
    wallet.note_broadcast(&payment(&address.script_pubkey(), sat(1), 1), 1_800_000_000).unwrap();
    assert_eq!(std::fs::read(dir.path().join(STATE_FILE)).unwrap(), before, "the state is the service's");
}
