//! A sound document is taken; every well-formed lie in one is found and its field named.

mod gone;
mod kept;
mod leaves;
mod signer;

use super::fixture::{Life, NETWORK, attacker, forged_amount, merkle, mine_header, pay, receipt};
use super::*;
use crate::escrow::charter::{Bps, Charter};
use crate::escrow::refund::RefundBundle;
use crate::escrow::settlement::{Kind, TermInput};
use crate::escrow::statement::{Attest, Choice, Pledge, Receipt, Statement};
use crate::escrow::testing;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, Witness};

/// The fields that are found, after checking that the document can be written and read.
fn fields(document: &ProofDocument) -> Vec<String> {
    let text = serde_json::to_string(document).unwrap();
    assert_eq!(ProofDocument::parse(&text).as_ref(), Ok(document));
    check(document).map_or_else(|found| found.into_iter().map(|f| f.field).collect(), |_| Vec::new())
}

/// A change to `document` must be found at `field`.
#[track_caller]
fn named(document: &ProofDocument, field: &str, change: impl FnOnce(&mut ProofDocument)) {
    let mut changed = document.clone();
    change(&mut changed);
    assert_ne!(&changed, document);
    let found = fields(&changed);
    assert!(found.iter().any(|name| name == field), "{field} is not among {found:?}");
}

fn outpoint_of(document: &ProofDocument, index: u32) -> usize {
    document.outpoints.iter().position(|proof| proof.index == index).unwrap()
}

#[test]
fn every_stage_of_a_life_is_proved() {
    for life in [
        Life::open(),
        Life::funded(),
        Life::voted(),
        Life::judged(),
        Life::paid(),
        Life::confirmed(),
        Life::disputed(),
        Life::moved_alone(),
    ] {
        let document = life.document();
        assert_eq!(fields(&document), Vec::<String>::new());
        let checked = check(&document).unwrap();
        assert_eq!(checked.totals, life.task.totals(&life.tip()));
        assert_eq!(checked.standings, life.task.standings(&life.tip()));
        assert_eq!(checked.task.pledges(), life.task.pledges());
        assert_eq!(checked.task.submissions(), life.task.submissions());
        for (state, (id, tally)) in life.task.submissions().iter().zip(&checked.tallies) {
            assert_eq!((&state.id, &life.task.tally(state, &life.tip())), (id, tally));
        }
    }
}

#[test]
fn what_is_claimed_of_a_paid_task_is_what_happened() {
    let checked = check(&Life::paid().document()).unwrap();
    // 1 (two payments), 4, silent 3 and the gift are paid, 5 goes back for being too little to count.
    assert_eq!(
        checked.totals.settled,
        Amount::from_sat(300_000 + 60_000 + 400_000 + 100_000 + 50_000 + 5_000)
    );
    assert_eq!(checked.totals.credited, Amount::from_sat(200_000));
    assert_eq!(checked.totals.secured, Amount::from_sat(200_000));
    assert_eq!(checked.tallies[0].1.yes, Amount::from_sat(760_000));
    assert_eq!(checked.tallies[0].1.no, Amount::from_sat(200_000));
}

#[test]
fn a_refund_is_recognised_by_its_signature_and_locktime() {
    let mut life = Life::funded();
    life.mine_empty(1, testing::REFUND_TIME - life.tip().mtp_secs + 600);
    life.mine_empty(10, 600);
    let held = life.task.outpoints()[&life.outpoint_of(2)].clone();
    let target = life.task.refund_target(&held).unwrap();
    let bundle = RefundBundle::sign(&life.secp, target, &testing::sponsor(2)).unwrap();
    life.mine(vec![bundle.ladder()[1].1.clone()], 600);
    let document = life.document();
    assert_eq!(fields(&document), Vec::<String>::new());
    assert_eq!(check(&document).unwrap().totals.refunded, held.amount);

    let at = outpoint_of(&document, 2);
    named(&document, &format!("outpoints/{at}/spend/path"), |d| {
        d.outpoints[at].spend.as_mut().unwrap().path = SpendPath::Cooperative;
    });
    named(&document, &format!("outpoints/{at}/spend/path"), |d| {
        let txid = d.outpoints[at].spend.as_ref().unwrap().txid;
        let raw = d.transactions.get_mut(&txid).unwrap().raw.as_mut().unwrap();
        raw.0.input[0].witness = Witness::from_slice(&[[7; 64]]);
        d.outpoints[at].spend.as_mut().unwrap().path = SpendPath::Key;
    });
}

#[test]
fn charter_and_attestations() {
    let document = Life::voted().document();
    let recharter = |d: &mut ProofDocument, change: &dyn Fn(&mut crate::escrow::charter::CharterFields)| {
        let mut fields = testing::fields(NETWORK);
        change(&mut fields);
        let charter = Charter::from_fields(fields).unwrap();
        d.charter = String::from_utf8(charter.bytes().to_vec()).unwrap();
        d.charter_id = charter.id();
    };
    // T, and a share: the signers agreed to another charter.
    named(&document, "charter", |d| recharter(d, &|fields| fields.refund_time += 60));
    named(&document, "charter", |d| {
        recharter(d, &|fields| {
            fields.payees[0].share_bps += 100;
            fields.leader.as_mut().unwrap().share_bps -= 100;
        });
    });
    // Whoever has the charter from elsewhere is told which term.
    let mut changed = document.clone();
    recharter(&mut changed, &|fields| {
        fields.refund_time += 60;
        fields.payees[0].share_bps += 100;
        fields.leader.as_mut().unwrap().share_bps -= 100;
    });
    let terms = other_terms(&changed, &testing::charter(NETWORK));
    let terms: Vec<&str> = terms.iter().map(|finding| finding.field.as_str()).collect();
    assert_eq!(terms, ["charter/leader/share_bps", "charter/payees/0/share_bps", "charter/refund_time"]);
    assert_eq!(other_terms(&document, &testing::charter(NETWORK)), []);
    named(&document, "text", |d| d.text.push('!'));
    named(&document, "charter_id", |d| d.charter_id = CharterId([9; 32]));
    for role in Role::ALL {
        named(&document, &format!("attestations/{role}"), |d| {
            let signature = Attest { charter: d.charter_id }.sign(&Secp256k1::new(), &attacker());
            d.attestations.insert(role, signature);
        });
        named(&document, &format!("attestations/{role}"), |d| {
            d.attestations.remove(&role);
        });
    }
}

/// Even with seats and attestations of the attacker's own, the money lies at other addresses.
#[test]
fn a_charter_of_the_attackers_own_does_not_own_the_money() {
    let document = Life::funded().document();
    named(&document, "charter", |d| {
        let secp = Secp256k1::new();
        let mut fields = testing::fields(NETWORK);
        fields.refund_time += 60;
        let charter = Charter::from_fields(fields).unwrap();
        d.charter = String::from_utf8(charter.bytes().to_vec()).unwrap();
        d.charter_id = charter.id();
        for role in Role::ALL {
            let key = testing::statement_keypair(NETWORK, role);
            d.attestations.insert(role, Attest { charter: charter.id() }.sign(&secp, &key));
        }
        for pledge in &mut d.pledges {
            let key = testing::sponsor(u8::try_from(pledge.index).unwrap());
            pledge.signature = statement(d.charter_id, pledge).sign(&secp, &key);
        }
        reclaim(d);
    });
}

fn statement(charter: CharterId, pledge: &PledgeProof) -> Pledge {
    Pledge {
        network: NETWORK,
        charter,
        index: pledge.index,
        sponsor_key: pledge.sponsor_key,
        refund_address: crate::escrow::charter::address("", &pledge.refund_address, NETWORK).unwrap(),
    }
}

/// Writes the address claims anew, as a careful liar would.
fn reclaim(document: &mut ProofDocument) {
    document.addresses = examine(document).outputs.values().map(build::address_claim).collect();
}

#[test]
fn pledges() {
    let document = Life::voted().document();
    let secp = Secp256k1::new();
    // S: the liar's key in place of the sponsor's, signed by it, with its address.
    named(&document, "pledges/2/sponsor_key", |d| {
        d.pledges[2].sponsor_key = attacker().x_only_public_key().0;
        d.pledges[2].signature = statement(d.charter_id, &d.pledges[2]).sign(&secp, &attacker());
        reclaim(d);
    });
    named(&document, "pledges/2/sponsor_key", |d| {
        d.pledges[2].sponsor_key = attacker().x_only_public_key().0;
        reclaim(d);
    });
    named(&document, "pledges/1/refund_address", |d| {
        d.pledges[1].refund_address = testing::address(NETWORK, 66).to_string();
        d.pledges[1].signature = statement(d.charter_id, &d.pledges[1]).sign(&secp, &attacker());
    });
    named(&document, "pledges/1/refund_address", |d| {
        d.pledges[1].refund_address = d.addresses[0].address.clone();
    });
    named(&document, "pledges/4/index", |d| {
        d.pledges[4].index = 6;
        d.pledges[4].signature = statement(d.charter_id, &d.pledges[4]).sign(&secp, &testing::sponsor(5));
        let at = outpoint_of(d, 5);
        d.outpoints[at].index = 6;
        reclaim(d);
    });
    for (at, name) in [(0, "address"), (3, "address"), (2, "script_pubkey"), (1, "descriptor"), (4, "index")]
    {
        named(&document, &format!("addresses/{at}/{name}"), |d| {
            let other = d.addresses[5].clone();
            let claim = &mut d.addresses[at];
            match name {
                "address" => claim.address = other.address,
                "script_pubkey" => claim.script_pubkey = other.script_pubkey,
                "descriptor" => claim.descriptor = other.descriptor,
                _ => claim.index = 9,
            }
        });
    }
}

#[test]
fn outpoints_and_transactions() {
    let document = Life::voted().document();
    let at = outpoint_of(&document, 4);
    let OutPoint { txid, .. } = document.outpoints[at].outpoint;
    let field = |name: &str| format!("outpoints/{at}/{name}");
    let of_tx = |name: &str| format!("transactions/{txid}/{name}");
    named(&document, &field("amount_sat"), |d| d.outpoints[at].amount_sat += 1);
    named(&document, &field("index"), |d| d.outpoints[at].index = 3);
    named(&document, &field("index"), |d| d.outpoints[at].index = 0);
    named(&document, &field("index"), |d| d.outpoints[at].index = 77);
    named(&document, &field("index"), |d| d.outpoints[at].generation = 1);
    named(&document, &field("outpoint"), |d| d.outpoints[at].outpoint.vout = 1);
    named(&document, &field("outpoint"), |d| d.outpoints[at].outpoint.txid = Txid::all_zeros());
    named(&document, &format!("outpoints/{}/outpoint", document.outpoints.len()), |d| {
        d.outpoints.push(d.outpoints[at].clone());
    });
    named(&document, &field("standing/standing"), |d| d.outpoints[at].standing = Standing::Gift);
    named(&document, &of_tx("confirmation/height"), |d| confirmation(d, &txid).height -= 1);
    // The liar names that block's hash as well.
    named(&document, &of_tx("confirmation/height"), |d| {
        let other = confirmation(d, &txid).height - 1;
        let header = d.headers[&other].0;
        let mtp = mined::mtp_secs(other, |at| d.headers.get(&at).map(|h| h.0)).unwrap();
        *confirmation(d, &txid) = Confirmation {
            height: other,
            block_hash: header.block_hash(),
            mtp_secs: mtp,
            ..*confirmation(d, &txid)
        };
    });
    named(&document, &of_tx("confirmation/block_hash"), |d| {
        confirmation(d, &txid).block_hash = BlockHash::all_zeros();
    });
    named(&document, &of_tx("confirmation/mtp_secs"), |d| confirmation(d, &txid).mtp_secs += 1);
    named(&document, &of_tx("confirmation/position"), |d| confirmation(d, &txid).position = 5);
    named(&document, &of_tx("branch"), |d| {
        d.transactions.get_mut(&txid).unwrap().branch[0] = TxMerkleNode::all_zeros();
    });
    named(&document, &of_tx("raw"), |d| d.transactions.get_mut(&txid).unwrap().raw = None);
    // The amount, with txid and outpoint recomputed: the branch no longer proves it.
    let forge = |d: &mut ProofDocument| -> Txid {
        let mut proof = d.transactions.remove(&txid).unwrap();
        let raw = &mut proof.raw.as_mut().unwrap().0;
        raw.output[0].value += Amount::from_sat(1);
        d.outpoints[at].amount_sat += 1;
        let forged = raw.compute_txid();
        d.outpoints[at].outpoint.txid = forged;
        d.transactions.insert(forged, proof);
        forged
    };
    let forged = forge(&mut document.clone());
    named(&document, &format!("transactions/{forged}/branch"), |d| {
        forge(d);
    });
}

fn confirmation<'a>(document: &'a mut ProofDocument, txid: &Txid) -> &'a mut Confirmation {
    document.transactions.get_mut(txid).unwrap().confirmation.as_mut().unwrap()
}

#[test]
fn headers_and_tip() {
    let document = Life::voted().document();
    let last = document.tip.height;
    let of = |d: &ProofDocument, height: u32| d.headers[&height].0;
    // A header with work of its own in the middle: the one above does not follow it.
    named(&document, &format!("headers/{}", last - 1), |d| {
        let below = of(d, last - 2).block_hash();
        let header = mine_header(below, TxMerkleNode::all_zeros(), of(d, last - 1).time);
        d.headers.insert(last - 1, HexHeader(header));
    });
    named(&document, &format!("headers/{last}"), |d| {
        let mut header = of(d, last);
        while header.validate_pow(header.target()).is_ok() {
            header.nonce += 1;
        }
        d.tip.hash = header.block_hash();
        d.headers.insert(last, HexHeader(header));
    });
    named(&document, &format!("headers/{}", last - 5), |d| {
        d.headers.remove(&(last - 5));
    });
    named(&document, "tip/hash", |d| d.tip.hash = BlockHash::all_zeros());
    named(&document, "tip/mtp_secs", |d| d.tip.mtp_secs += 1);
    named(&document, &format!("headers/{}", last + 1), |d| d.tip.height += 1);
}

#[test]
fn submissions_votes_and_receipts() {
    let document = Life::judged().document();
    let secp = Secp256k1::new();
    let sponsor = testing::sponsor;
    let votes = "submissions/0/votes";
    type Signing<'a> = &'a dyn Fn(&mut CastVote);
    let kept: Signing<'_> = &|_| {};
    let own: Signing<'_> =
        &|cast| cast.vote = Signed::new(&Secp256k1::new(), cast.vote.statement, &attacker());
    for signing in [kept, own] {
        for at in 0..document.submissions[0].votes.len() {
            named(&document, &format!("{votes}/{at}/vote/statement/choice"), |d| {
                let cast = &mut d.submissions[0].votes[at];
                let choice = &mut cast.vote.statement.choice;
                *choice = if *choice == Choice::Yes { Choice::No } else { Choice::Yes };
                signing(cast);
            });
            named(&document, &format!("{votes}/{at}/vote/statement/counter"), |d| {
                d.submissions[0].votes[at].vote.statement.counter += 7;
                signing(&mut d.submissions[0].votes[at]);
            });
        }
        named(&document, &format!("{votes}/1/vote/statement/pledge"), |d| {
            d.submissions[0].votes[1].vote.statement.pledge = 3;
            signing(&mut d.submissions[0].votes[1]);
        });
    }
    // The service's own key signs a receipt for a vote that the sponsor did not cast.
    named(&document, &format!("{votes}/0/vote/signature"), |d| {
        let cast = &mut d.submissions[0].votes[0];
        cast.vote.statement.choice = Choice::Yes;
        cast.vote.statement.counter = 9;
        cast.vote = Signed::new(&secp, cast.vote.statement, &attacker());
        cast.receipt = Some(receipt(&secp, &cast.vote.statement, &d.tip, &testing::receipt_keypair()));
    });
    // A sponsor's own later vote, without a receipt for it.
    named(&document, &format!("{votes}/0/receipt/statement/vote"), |d| {
        let cast = &mut d.submissions[0].votes[0];
        cast.vote.statement.counter = 9;
        cast.vote = Signed::new(&secp, cast.vote.statement, &sponsor(1));
    });
    named(&document, &format!("{votes}/2/receipt"), |d| {
        let receipt = d.submissions[0].votes[2].receipt.as_mut().unwrap();
        let words = Receipt { tip_mtp_secs: receipt.statement.tip_mtp_secs + 1, ..receipt.statement };
        *receipt = Signed::new(&secp, words, &attacker());
    });
    named(&document, &format!("{votes}/2/receipt"), |d| d.submissions[0].votes[2].receipt = None);
    named(&document, &format!("{votes}/4/vote/statement/counter"), |d| {
        let again = d.submissions[0].votes[0].clone();
        d.submissions[0].votes.push(again);
    });
    named(&document, "submissions/0/submission", |d| {
        let mut words = d.submissions[0].submission.statement.clone();
        words.link.push('8');
        d.submissions[0].submission = Signed::new(&secp, words, &attacker());
    });
    named(&document, "submissions/0/block_mtp_secs", |d| d.submissions[0].block_mtp_secs += 60);
    named(&document, "submissions/0/block_hash", |d| d.submissions[0].block_hash = BlockHash::all_zeros());
    for signed_anew in [false, true] {
        let name = if signed_anew { "signature" } else { "statement/accepted" };
        named(&document, &format!("submissions/0/acceptance/{name}"), |d| {
            let said = d.submissions[0].acceptance.as_mut().unwrap();
            said.statement.accepted = false;
            if signed_anew {
                *said = Signed::new(&secp, said.statement, &attacker());
            }
        });
        named(&document, "submissions/0/ruling", |d| {
            let said = d.submissions[0].ruling.as_mut().unwrap();
            said.statement.pay_bps = 10_000;
            if signed_anew {
                *said = Signed::new(&secp, said.statement, &attacker());
            }
        });
    }
    // A vote left out changes the count, if the liar leaves it as it was.
    named(&document, "submissions/0/tally/no_sat", |d| {
        d.submissions[0].votes.retain(|cast| cast.vote.statement.pledge != 2);
    });
    named(&document, "submissions/0/tally/quorum_met", |d| d.submissions[0].tally.quorum_met = false);
    named(&document, "totals/credited_sat", |d| d.totals.credited += Amount::ONE_SAT);
}

#[test]
fn settlements_follow_charter_and_votes() {
    let document = Life::paid().document();
    let is_payout = |proof: &SettlementProof| matches!(proof.terms.kind(), Kind::Payout { .. });
    let payout = document.settlements.iter().position(is_payout).unwrap();
    let field = |name: &str| format!("settlements/{payout}/{name}");
    named(&document, &field("id"), |d| d.settlements[payout].id = SettlementId([1; 32]));
    named(&document, &field("transactions/0/1/txid"), |d| {
        d.settlements[payout].transactions[0][1].txid = Txid::all_zeros();
    });
    named(&document, &field("transactions/0/0/fee_sat"), |d| {
        d.settlements[payout].transactions[0][0].fee_sat += 1;
    });
    // A spend that nothing explains.
    let spent = outpoint_of(&document, 4);
    named(&document, &format!("outpoints/{spent}/spend/txid"), |d| {
        d.settlements.remove(payout);
    });
    // Terms changed, id and txids recomputed: the no of pledge 2 is not in the payout's power.
    let no = document.outpoints[outpoint_of(&document, 2)].clone();
    let change = |d: &mut ProofDocument, change: &dyn Fn(&mut Vec<TermInput>)| {
        let proof = &mut d.settlements[payout];
        let mut inputs = proof.terms.inputs().to_vec();
        change(&mut inputs);
        proof.terms = Terms::new(d.charter_id, proof.terms.kind(), 2, inputs).unwrap();
        proof.id = proof.terms.id();
    };
    let mut forged = document.clone();
    change(&mut forged, &|inputs| {
        inputs.push(TermInput {
            outpoint: no.outpoint,
            amount: Amount::from_sat(no.amount_sat),
            slot: crate::escrow::descriptor::Slot::pledge(2),
            sponsor_key: Some(testing::sponsor(2).x_only_public_key().0),
            pay: Bps::ALL,
            return_address: Some(testing::address(NETWORK, 102)),
        });
    });
    let place = forged.settlements[payout].terms.inputs().iter().position(|i| i.outpoint == no.outpoint);
    assert!(fields(&forged).contains(&field(&format!("terms/inputs/{}/pay_bps", place.unwrap()))));
    named(&document, &field("terms/inputs/0/return_address"), |d| {
        change(d, &|inputs| inputs[0].return_address = Some(testing::address(NETWORK, 66)));
    });
}

#[test]
fn a_document_is_read_strictly() {
    let text = serde_json::to_string(&Life::judged().document()).unwrap();
    let key = |text: &str| ProofDocument::parse(text).unwrap_err();
    let deep = text.replacen("\"choice\"", "\"weight\":1,\"choice\"", 1);
    assert!(matches!(key(&deep), NotADocument::Key { .. } | NotADocument::Shape { .. }));
    let standing = text.replacen("{\"standing\":", "{\"more\":1,\"standing\":", 1);
    assert!(matches!(key(&standing), NotADocument::Key { .. }));
    let twice = text.replacen("{\"version\":1", "{\"version\":1,\"version\":1", 1);
    assert_eq!(key(&twice), NotADocument::Key { key: "version".into() });
    assert!(matches!(key("{}"), NotADocument::Shape { .. }));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(fields(&ProofDocument::parse(&newer).unwrap()), ["version"]);
}

/// A liar with regtest's work at hand can build a chain of their own: only a server can tell.
#[test]
fn a_whole_chain_of_ones_own_passes_without_a_server() {
    let forged = forged_amount(&Life::funded());
    assert_eq!(fields(&forged), Vec::<String>::new());
}

#[test]
fn merkle_fixture_agrees_with_the_library() {
    let txids: Vec<Txid> = (0..7).map(|salt| pay(salt, &[]).compute_txid()).collect();
    let expected = bitcoin::merkle_tree::calculate_root(txids.iter().map(|t| t.to_raw_hash()));
    assert_eq!(Some(merkle(&txids, 3).0.to_raw_hash()), expected);
}

/// Sums and depths that would overflow are found before anything is computed of them.
#[test]
fn numbers_without_sense_do_no_harm() {
    let mut life = Life::funded();
    let script = life.task.pledges()[&3].output.script_pubkey.clone();
    life.mempool.push(pay(20, &[(script.clone(), 20_000), (script, 30_000)]));
    life.observe();
    let document = life.document();
    assert_eq!(fields(&document), Vec::<String>::new());
    let waiting = life.mempool[0].compute_txid();
    let at = document.outpoints.iter().rposition(|proof| proof.outpoint.txid == waiting).unwrap();
    named(&document, &format!("outpoints/{at}/amount_sat"), |d| {
        d.transactions.get_mut(&waiting).unwrap().raw = None;
        let waiting = d.outpoints.iter_mut().filter(|proof| proof.outpoint.txid == waiting);
        waiting.for_each(|proof| proof.amount_sat = u64::MAX);
    });
    // Eleven headers of the liar's own, at the end of all heights.
    named(&document, "tip/height", |d| {
        let mut below = BlockHash::all_zeros();
        for height in u32::MAX - 10..=u32::MAX {
            let header = mine_header(below, TxMerkleNode::all_zeros(), 2_000_000_000);
            below = header.block_hash();
            d.headers.insert(height, HexHeader(header));
        }
        d.tip = Tip { height: u32::MAX, hash: below, mtp_secs: 2_000_000_000 };
    });
}

#[test]
fn evidence_must_be_there_and_of_the_same_chain() {
    let mut life = Life::voted();
    let (tip, evidence) = (life.tip(), life.evidence());
    let build = |evidence: &Evidence| ProofDocument::build(&life.task, &tip, evidence).unwrap_err();
    let height = life.task.submissions()[0].signed.statement.block_height;
    let mut lacks = evidence.clone();
    lacks.headers.remove(&height);
    assert_eq!(build(&lacks), MissingEvidence::Header { height });
    let mut lacks = evidence.clone();
    let txid = life.outpoint_of(3).txid;
    lacks.transactions.remove(&txid);
    assert_eq!(build(&lacks), MissingEvidence::Transaction { txid });
    // The chain was reorganised after the task was last told of it.
    let task = life.task.clone();
    life.blocks.pop();
    life.mine(Vec::new(), 599);
    let other = ProofDocument::build(&task, &tip, &life.evidence());
    assert_eq!(other, Err(MissingEvidence::OtherBlock { height: tip.height }));
}

#[test]
fn a_changed_confirmation_is_named() {
    let secp = Secp256k1::new();
    let document = Life::confirmed().document();
    let at = "submissions/0/confirmation";
    named(&document, &format!("{at}/confirmation"), |d| {
        let known = d.submissions[0].confirmation.as_mut().unwrap();
        known.confirmation = Signed::new(&secp, known.confirmation.statement, &attacker());
    });
    named(&document, &format!("{at}/confirmation/statement/confirmed"), |d| {
        d.submissions[0].confirmation.as_mut().unwrap().confirmation.statement.confirmed =
            crate::escrow::statement::Confirmed::Released;
    });
    named(&document, &format!("{at}/confirmation/statement/submission"), |d| {
        d.submissions[0].confirmation.as_mut().unwrap().confirmation.statement.submission =
            crate::escrow::statement::SubmissionId([1; 32]);
    });
    named(&document, &format!("{at}/block_mtp_secs"), |d| {
        d.submissions[0].confirmation.as_mut().unwrap().block_mtp_secs += 60;
    });
    named(&document, &format!("{at}/block_hash"), |d| {
        d.submissions[0].confirmation.as_mut().unwrap().block_hash = BlockHash::all_zeros();
    });
    // Without it nobody may have voted, and under a charter that waits for nothing there is none.
    let mut life = Life::confirmed();
    life.vote(1, crate::escrow::statement::Choice::Yes, 1);
    named(&life.document(), "submissions/0/votes/0", |d| d.submissions[0].confirmation = None);
    let confirmation = document.submissions[0].confirmation.clone();
    named(&Life::voted().document(), at, |d| d.submissions[0].confirmation.clone_from(&confirmation));
}

#[test]
fn changed_evidence_is_named() {
    use crate::escrow::statement::{CharterId, EvidenceKind, Party, Role, SubmissionId};
    let secp = Secp256k1::new();
    let document = Life::disputed().document();
    let at = "submissions/0/evidence/1";
    for change in [
        |said: &mut crate::escrow::statement::Evidence| said.text.push('!'),
        |said: &mut crate::escrow::statement::Evidence| said.attachments.clear(),
        |said: &mut crate::escrow::statement::Evidence| said.by = Party::Signer(Role::Arbiter),
        |said: &mut crate::escrow::statement::Evidence| said.counter += 1,
    ] {
        named(&document, at, |d| change(&mut d.submissions[0].evidence[1].statement));
    }
    named(&document, at, |d| {
        let said = &mut d.submissions[0].evidence[1];
        *said = Signed::new(&secp, said.statement.clone(), &attacker());
    });
    named(&document, &format!("{at}/statement/by"), |d| {
        d.submissions[0].evidence[1].statement.by = Party::Pledge(77);
    });
    named(&document, &format!("{at}/statement"), |d| {
        d.submissions[0].evidence[1].statement.kind = EvidenceKind::Dispute;
    });
    named(&document, &format!("{at}/statement/submission"), |d| {
        d.submissions[0].evidence[1].statement.submission = SubmissionId([1; 32]);
    });
    named(&document, &format!("{at}/statement/charter"), |d| {
        d.submissions[0].evidence[1].statement.charter = CharterId([1; 32]);
    });
    named(&document, "submissions/0/evidence/3/statement/counter", |d| {
        let again = d.submissions[0].evidence[1].clone();
        d.submissions[0].evidence.push(again);
    });
}

#[test]
fn what_a_sponsor_moved_alone_is_proved_by_consent_and_chain() {
    let life = Life::moved_alone();
    let document = life.document();
    let checked = check(&document).unwrap();
    let totals = checked.totals;
    let sums = [totals.settled, totals.refunded, totals.raised].map(Amount::to_sat);
    // Pledges 1, 2 and 3 and a gift; of what was pledged 4 has gone.
    assert_eq!(sums, [400_000, 100_000, 300_000 + 60_000 + 200_000 + 100_000 + 50_000]);
    let to = |index| {
        let held = &checked.task.outpoints()[&life.outpoint_of(index)];
        (checked.task.destination(held).map(|to| to.to_index), held.late_move.is_some())
    };
    assert_eq!([2, 3, 4].map(to), [(None, true), (None, true), (Some(4), true)]);
    let text = serde_json::to_string(&document).unwrap();
    let (_, ladder) = life.late_move(2);
    let signatures = ladder.signatures();
    assert!(
        signatures.ladder.iter().all(|signature| !text.contains(&signature.to_string())),
        "none is published"
    );

    // Without the consent, or with that of another address, it is a refund to nobody's refund address.
    let at = document.late_moves.iter().position(|late| late.statement.to_index == 4).unwrap();
    for field in ["totals/refunded_sat", "totals/settled_sat", "totals/raised_sat"] {
        named(&document, field, |d| drop(d.late_moves.remove(at)));
    }
    let signed = |mut said: crate::escrow::statement::Move,
                  change: &dyn Fn(&mut crate::escrow::statement::Move)| {
        change(&mut said);
        Signed::new(&life.secp, said, &testing::sponsor(4))
    };
    named(&document, "totals/refunded_sat", |d| {
        let said = d.late_moves[at].statement.clone();
        d.late_moves[at] = signed(said, &|said| said.to_address = testing::address(NETWORK, 99).to_string());
    });
    named(&document, &format!("late_moves/{at}"), |d| d.late_moves[at].statement.to_index = 5);
    named(&document, &format!("late_moves/{}/statement/outpoint", at + 1), |d| {
        let again = d.late_moves[at].clone();
        d.late_moves.insert(at, again);
    });
    named(&document, &format!("late_moves/{at}/statement/to_charter"), |d| {
        let (said, own) = (d.late_moves[at].statement.clone(), d.charter_id);
        d.late_moves[at] = signed(said, &|said| said.to_charter = own);
    });
    named(&document, "late_moves/0/statement/charter", |d| {
        d.late_moves[0].statement.charter = CharterId([1; 32])
    });
    // A consent for T is none that two signers may act on before it.
    assert!(checked.task.moves().is_empty());
}

/// The browser's part checks the same documents: `src/web/client/test/sign/deciding.test.ts`. Renewed with
/// UPFRONT_RENEW=1.
#[test]
fn the_browsers_copies_are_these_documents() {
    let documents = serde_json::json!({
        "confirmed": Life::confirmed().document(),
        "disputed": Life::disputed().document(),
        "moved": Life::moved_alone().document(),
    });
    let text = format!("{}\n", serde_json::to_string(&documents).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/client/test/sign/fixtures/deciding.json");
    if std::env::var_os("UPFRONT_RENEW").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept == text, "the documents changed: renew the browser's copies with UPFRONT_RENEW=1");
}
