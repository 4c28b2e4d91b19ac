//! Submissions for milestones and with named payees, and moves.

use super::super::cases::{by_wallet, contract, sponsor};
use super::super::charters::{Signed, hash, p2wpkh, taproot, xpriv};
use super::charters::LEADER;
use super::settlements::Made;
use super::{MoveCase, SubmissionCase};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use upfront::escrow::charter::Payee;
use upfront::escrow::descriptor::Slot;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Digest, Move, Named, NamedBy, Statement, Submission};

/// Charter, milestone, who names payees, and their shares.
type Input = (usize, Option<u32>, Option<(NamedBy, &'static [u16])>);

const SUBMISSIONS: [Input; 8] = [
    (0, Some(0), None),
    (0, Some(1), None),
    (0, Some(2), None),
    (0, Some(2), Some((NamedBy::Representative, &[6_000, 3_000]))),
    (0, Some(1), Some((NamedBy::Leader, &[9_000]))),
    (1, Some(0), None),
    (1, Some(2), None),
    (2, None, Some((NamedBy::Leader, &[5_000, 4_499, 1]))),
];

pub fn submissions(charters: &[Signed; 3]) -> Vec<SubmissionCase> {
    let mut numbers = [0; 3];
    (0..)
        .zip(SUBMISSIONS)
        .map(|(i, (charter, milestone, named))| {
            let number = numbers[charter];
            numbers[charter] += 1;
            submission(i, number, (charter, &charters[charter]), milestone, named)
        })
        .collect()
}

fn submission(
    i: u32,
    number: u32,
    (charter, signed): (usize, &Signed),
    milestone: Option<u32>,
    named: Option<(NamedBy, &[u16])>,
) -> SubmissionCase {
    let network = signed.charter.network();
    let address = |at: usize| match at {
        1 => p2wpkh(&format!("named {i} {at}"), network),
        _ => taproot(&format!("named {i} {at}"), network),
    };
    let payee = |(at, share_bps): (usize, &u16)| Payee { address: address(at), share_bps: *share_bps };
    let statement = Submission {
        network,
        charter: signed.charter.id(),
        number,
        link: format!("https://example.org/upfront/vectors/pull/{i}"),
        content: Digest(hash(&format!("content {i}"))),
        block_height: 900_000 + i,
        block_hash: BlockHash::from_byte_array(hash(&format!("block {i}"))),
        milestone,
        named: named.map(|(by, shares)| Named { by, payees: shares.iter().enumerate().map(payee).collect() }),
    };
    if let Some(named) = &statement.named {
        signed.charter.shares_for(&named.payees).unwrap();
    }
    let seat = |at: usize| {
        let (phrase, account) = &signed.signers[at];
        let path = format!("m/87'/{}'/{account}'/1000/0", network.coin_type());
        let keypair = xpriv(phrase, network, &path).to_keypair(&Secp256k1::new());
        (phrase.clone(), path, keypair)
    };
    let (phrase, path, keypair) = match named {
        None => seat(0),
        Some((NamedBy::Representative, _)) => seat(1),
        Some((NamedBy::Leader, _)) => sponsor(network, LEADER.0, LEADER.1),
    };
    SubmissionCase {
        charter,
        phrase: phrase.to_string(),
        path,
        key: keypair.x_only_public_key().0.to_string(),
        lines: statement.lines(),
        digest: statement.digest().to_string(),
        signature: statement.sign(&Secp256k1::new(), &keypair).to_string(),
        statement,
    }
}

/// The consent to every input of every settlement of kind `move`.
pub fn moves(charters: &[Signed; 3], made: &Made) -> Vec<MoveCase> {
    let mut moves = Vec::new();
    for case in made.cases.iter().filter(|case| matches!(case.terms.kind(), Kind::Move { .. })) {
        for input in case.terms.inputs() {
            let signed = &charters[case.charter];
            let (to_charter, to) = (2, &charters[2]);
            let network = signed.charter.network();
            let (phrase, path, keypair) = made.sponsor(network, input.slot.index);
            let key = keypair.x_only_public_key().0;
            let to_index = Made::moves_to(input.slot.index);
            let output = contract(to).pledge(&Secp256k1::new(), Slot::pledge(to_index), key).unwrap();
            assert_eq!(Some(&output.address), input.return_address.as_ref());
            let statement = Move {
                network,
                charter: signed.charter.id(),
                outpoint: input.outpoint,
                to_charter: to.charter.id(),
                to_index,
                to_address: output.address.to_string(),
            };
            moves.push(MoveCase {
                charter: case.charter,
                to_charter,
                phrase: phrase.to_string(),
                path,
                key: key.to_string(),
                lines: statement.lines(),
                digest: statement.digest().to_string(),
                signature: statement.sign(&Secp256k1::new(), &keypair).to_string(),
                bip322_signature: by_wallet(&statement, &keypair).to_string(),
                statement,
            });
        }
    }
    moves
}
