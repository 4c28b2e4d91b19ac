//! Addresses, refunds and votes under the four charters.

use super::charters::{Signed, hash, p2pkh, p2sh, p2wpkh, p2wsh, phrase, xpriv};
use super::{AddressCase, RefundCase, RungCase, SignedTransaction, VoteCase};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Keypair, Secp256k1, XOnlyPublicKey};
use bitcoin::{Address, Amount, OutPoint, Transaction, Txid};
use upfront::escrow::bip322;
use upfront::escrow::descriptor::{Contract, EscrowOutput, MAX_GENERATION, MAX_INDEX, Slot};
use upfront::escrow::network::Network;
use upfront::escrow::refund::{RefundBundle, RefundTarget};
use upfront::escrow::signature::StatementSignature;
use upfront::escrow::statement::{Choice, Pledge, Statement, SubmissionId, Vote};

/// Generation and index of the pledges shown for each charter.
const SLOTS: [(u32, u32); 6] = [(0, 1), (0, 2), (1, 1), (0, 1_000), (MAX_GENERATION, 3), (7, MAX_INDEX)];

pub fn contract(signed: &Signed) -> Contract {
    Contract::new(&signed.charter).unwrap()
}

/// BIP86 path of the refund key of a sponsor's pledge `i`.
fn refund_path(network: Network, i: u32) -> String {
    format!("m/86'/{}'/1'/0/{i}", network.coin_type())
}

pub fn sponsor(network: Network, label: &str, i: u32) -> (bip39::Mnemonic, String, Keypair) {
    let phrase = phrase(label);
    let path = refund_path(network, i);
    let keypair = xpriv(&phrase, network, &path).to_keypair(&Secp256k1::new());
    (phrase, path, keypair)
}

pub fn addresses(charters: &[Signed; 4]) -> Vec<AddressCase> {
    let secp = Secp256k1::new();
    let mut cases = Vec::new();
    for signed in charters {
        let contract = contract(signed);
        let case = |output: &EscrowOutput| address_case(signed, &contract, output);
        cases.push(case(&contract.open(&secp)));
        for (i, (generation, index)) in (0..).zip(SLOTS) {
            let (_, _, keypair) = sponsor(signed.charter.network(), "sponsor of addresses", i);
            let sponsor: XOnlyPublicKey = keypair.x_only_public_key().0;
            cases.push(case(&contract.pledge(&secp, Slot { index, generation }, sponsor).unwrap()));
        }
    }
    cases
}

pub fn address_case(signed: &Signed, contract: &Contract, output: &EscrowOutput) -> AddressCase {
    let [developer, representative, arbiter] = signed.charter.signers().each_ref().map(ToString::to_string);
    AddressCase {
        network: signed.charter.network().to_string(),
        developer,
        representative,
        arbiter,
        charter_id: signed.charter.id().to_string(),
        refund_time: signed.charter.refund_time_secs(),
        generation: output.slot.generation,
        index: output.slot.index,
        sponsor_key: output.sponsor_key.map(|key| key.to_string()),
        aggregate_key: contract.aggregate().to_string(),
        synthetic_xpub: contract.synthetic_xpub().to_string(),
        internal_key: output.internal_key.to_string(),
        cooperative_leaf: output.cooperative_leaf.to_hex_string(),
        refund_leaf: output.refund_leaf.as_ref().map(|leaf| leaf.to_hex_string()),
        descriptor: output.descriptor(),
        musig_descriptor: contract.musig_descriptor(output),
        script_pubkey: output.script_pubkey.to_hex_string(),
        address: output.address.to_string(),
    }
}

/// Which charter, generation and index, which amount, and the refund address (`None`: BIP86 `0/0` of the
/// sponsor's phrase). The amounts stand at the edges of the ladder.
type RefundInput = (usize, u32, u32, u64, Option<fn(&str, Network) -> String>);

const REFUNDS: [RefundInput; 8] = [
    (0, 0, 1, 10_000, None),
    (0, 0, 2, 2_099_999_997_690_000, Some(p2wsh)),
    (1, 0, 1, 1_379, None),
    (1, 1, 1, 1_380, None),
    (2, 0, 5, 50_000, Some(p2wpkh)),
    (2, 3, 9, 546, Some(p2pkh)),
    (3, 0, 1, 100_000_000, Some(p2sh)),
    (3, 999, MAX_INDEX, 330, None),
];

pub fn refunds(charters: &[Signed; 4]) -> Vec<RefundCase> {
    (0..).zip(REFUNDS).map(|(i, input)| refund_case(charters, i, input)).collect()
}

fn refund_case(charters: &[Signed; 4], i: u32, input: RefundInput) -> RefundCase {
    let (charter, generation, index, amount_sat, address) = input;
    let signed = &charters[charter];
    let network = signed.charter.network();
    let sponsor = sponsor(network, &format!("sponsor of refund {i}"), i);
    let refund_address = match address {
        Some(address) => address(&format!("refund {i}"), network),
        None => refund_address(&sponsor.0, network),
    };
    let outpoint = OutPoint { txid: Txid::from_byte_array(hash(&format!("outpoint {i}"))), vout: i };
    let slot = Slot { index, generation };
    refund_of((charter, signed), slot, sponsor, (outpoint, Amount::from_sat(amount_sat)), &refund_address)
}

/// BIP86 `0/0` of a sponsor's phrase.
pub fn refund_address(phrase: &bip39::Mnemonic, network: Network) -> String {
    let secp = Secp256k1::new();
    let key = xpriv(phrase, network, &format!("m/86'/{}'/0'/0/0", network.coin_type()));
    let key = key.to_keypair(&secp).x_only_public_key().0;
    Address::p2tr(&secp, key, None, network.bitcoin()).to_string()
}

/// The whole refund of one outpoint of a pledge, signed.
pub fn refund_of(
    (charter, signed): (usize, &Signed),
    slot: Slot,
    (phrase, path, keypair): (bip39::Mnemonic, String, Keypair),
    (outpoint, amount): (OutPoint, Amount),
    refund_address: &str,
) -> RefundCase {
    let secp = Secp256k1::new();
    let network = signed.charter.network();
    let Slot { index, generation } = slot;
    let refund_address: Address =
        refund_address.parse::<Address<_>>().unwrap().require_network(network.bitcoin()).unwrap();
    let sponsor_key = keypair.x_only_public_key().0;
    let output = contract(signed).pledge(&secp, slot, sponsor_key).unwrap();
    let pledge = Pledge {
        network,
        charter: signed.charter.id(),
        index,
        sponsor_key,
        refund_address: refund_address.clone(),
    };
    let script_pubkey = output.script_pubkey.to_hex_string();
    let target = RefundTarget::new(output, outpoint, amount, &refund_address).unwrap();
    let bundle = RefundBundle::sign(&secp, target.clone(), &keypair).unwrap();
    // What travels must be accepted by the other side.
    assert_eq!(RefundBundle::check(&secp, target, bundle.signatures().clone()).unwrap(), bundle);
    let ladder = bundle.ladder().into_iter().zip(&bundle.signatures().ladder);
    RefundCase {
        charter,
        refund_time: signed.charter.refund_time_secs(),
        generation,
        index,
        phrase: phrase.to_string(),
        path,
        outpoint: outpoint.to_string(),
        amount_sat: amount.to_sat(),
        refund_address: refund_address.to_string(),
        sponsor_key: sponsor_key.to_string(),
        script_pubkey,
        pledge_lines: pledge.lines(),
        pledge_signature: pledge.sign(&secp, &keypair).to_string(),
        pair: signed_transaction(&bundle.signatures().pair.to_string(), &bundle.pair()),
        ladder: ladder
            .map(|((rung, transaction), signature)| {
                let SignedTransaction { signature, txid, transaction: hex } =
                    signed_transaction(&signature.to_string(), &transaction);
                let lock_time = transaction.lock_time.to_consensus_u32();
                RungCase { sat_per_vb: rung.sat_per_vb, lock_time, signature, txid, transaction: hex }
            })
            .collect(),
    }
}

fn signed_transaction(signature: &str, transaction: &Transaction) -> SignedTransaction {
    SignedTransaction {
        signature: signature.to_owned(),
        txid: transaction.compute_txid().to_string(),
        transaction: serialize_hex(transaction),
    }
}

/// Charter, pledge, choice, counter.
const VOTES: [(usize, u32, Choice, u32); 8] = [
    (0, 1, Choice::Yes, 0),
    (0, 2, Choice::No, 0),
    (1, 1, Choice::Yes, 1),
    (1, 1, Choice::No, 2),
    (2, 1_000, Choice::No, 0),
    (2, MAX_INDEX, Choice::Yes, u32::MAX),
    (3, 3, Choice::Yes, 41),
    (3, 4, Choice::No, 7),
];

pub fn votes(charters: &[Signed; 4]) -> Vec<VoteCase> {
    let secp = Secp256k1::new();
    (0..)
        .zip(VOTES)
        .map(|(i, (charter, pledge, choice, counter))| {
            let network = charters[charter].charter.network();
            let (phrase, path, keypair) = sponsor(network, &format!("sponsor of vote {i}"), i);
            let vote = Vote {
                network,
                charter: charters[charter].charter.id(),
                submission: SubmissionId(hash(&format!("submission {charter}"))),
                pledge,
                choice,
                counter,
            };
            VoteCase {
                charter,
                submission: vote.submission.to_string(),
                pledge,
                choice: choice.name().to_owned(),
                counter,
                phrase: phrase.to_string(),
                path,
                key: keypair.x_only_public_key().0.to_string(),
                lines: vote.lines(),
                digest: vote.digest().to_string(),
                signature: vote.sign(&secp, &keypair).to_string(),
                bip322_signature: by_wallet(&vote, &keypair).to_string(),
            }
        })
        .collect()
}

/// The same words, signed as a wallet signs them.
pub fn by_wallet<S: Statement>(statement: &S, keypair: &Keypair) -> StatementSignature {
    StatementSignature::Bip322(bip322::sign(&Secp256k1::new(), &bip322::message(statement), keypair))
}
