//! Settlements that split pledges, move them, and close: each made from what the one before left in escrow.

use super::super::cases::{address_case, contract, refund_address, refund_of, sponsor};
use super::super::charters::{Signed, hash, xpriv};
use super::closings::weighed;
use super::{
    Candidate, ChunkCase, FormCase, OutputCase, SettlementCase, ShareCase, StaysOutCase, SubmissionCase,
};
use crate::vectors::{AddressCase, RefundCase};
use bip39::Mnemonic;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Address, Amount, OutPoint, Txid};
use std::collections::BTreeSet;
use upfront::escrow::charter::Bps;
use upfront::escrow::descriptor::Slot;
use upfront::escrow::network::Network;
use upfront::escrow::settlement::{
    self, Form, Kind, OutputKind, Plan, Signatures, TermInput, Terms, plan, worthwhile,
};
use upfront::escrow::statement::{Role, SubmissionId};

/// Where an outpoint comes from.
enum From {
    /// Paid in from outside.
    Paid(u64),
    /// Left by the transaction of a settlement of this list for this pledge, in this form.
    Rest(usize, usize),
}
use From::{Paid, Rest};

/// Pledge (0: the open address), generation, source, and what each milestone comes to.
type Input = (u32, u32, From, &'static str);

/// Charter, kind and submission's position, feerate, inputs.
type Settlement = (usize, (&'static str, usize), u64, &'static [Input]);

const SETTLEMENTS: [Settlement; 12] = [
    (
        0,
        ("milestone", 0),
        2,
        &[
            (1, 0, Paid(900_000), "paid, kept, kept"),
            (2, 0, Paid(100_001), "paid, kept, kept"),
            (3, 0, Paid(9_000), "paid, kept, kept"),
            (4, 0, Paid(700), "paid, kept, kept"),
            (5, 0, Paid(2_000), "paid, kept, kept"),
        ],
    ),
    (
        0,
        ("milestone", 1),
        60,
        &[(1, 1, Rest(0, 2), "covered, paid, kept"), (6, 0, Paid(4_000_000), "kept, paid, kept")],
    ),
    (
        0,
        ("milestone", 3),
        150,
        &[(6, 1, Rest(1, 0), "kept, covered, paid"), (7, 0, Paid(4_500_000), "kept, kept, paid")],
    ),
    (
        1,
        ("milestone", 5),
        5,
        &[
            (1, 0, Paid(1_000_000), "paid, kept, kept"),
            (2, 0, Paid(7_000), "paid, kept, kept"),
            (3, 0, Paid(11_000), "paid, kept, kept"),
        ],
    ),
    (
        1,
        ("milestone", 6),
        10,
        &[(4, 0, Paid(10_000), "kept, kept, paid"), (1, 1, Rest(3, 0), "covered, kept, paid")],
    ),
    (
        0,
        ("move", 0),
        25,
        &[
            (9, 0, Paid(500_000), "kept, kept, kept"),
            (2, 1, Rest(0, 1), "covered, kept, kept"),
            (10, 0, Paid(12_000), "kept, kept, kept"),
            (11, 0, Paid(17_300), "kept, kept, kept"),
        ],
    ),
    (
        0,
        ("payout", 2),
        5,
        &[
            (1, 2, Rest(1, 0), "covered, covered, paid"),
            (12, 0, Paid(300_000), "paid, lost, paid"),
            (2, 1, Rest(0, 0), "covered, paid, paid"),
            (0, 0, Paid(80_000), ""),
            (14, 0, Paid(1_000), "paid, lost, paid"),
        ],
    ),
    (
        0,
        ("ruling", 1),
        3,
        &[
            (15, 0, Paid(400_000), "lost, ruled 4000, paid"),
            (2, 1, Rest(0, 2), "covered, ruled 0, lost"),
            (16, 0, Paid(250_000), "paid, ruled 10000, paid"),
        ],
    ),
    (2, ("payout", 7), 100, &[(17, 0, Paid(2_000_000), "paid")]),
    (0, ("milestone", 4), 1, &[(18, 0, Paid(20_000), "kept, paid, kept")]),
    // Too little to come back, so that the payees have it.
    (
        0,
        ("payout", 2),
        1,
        &[(19, 0, Paid(2_000), "paid, lost, paid"), (20, 0, Paid(3_000), "paid, lost, paid")],
    ),
    // Too little to pay in the dearer forms, so that everything returns.
    (0, ("ruling", 1), 1, &[(21, 0, Paid(2_600), "lost, ruled 4000, lost")]),
];

/// Settlements whose first transaction has its refunds shown, for every form.
const REFUNDED: [usize; 3] = [0, 1, 5];

/// The cases, with the plans they were made from.
pub struct Made {
    pub cases: Vec<SettlementCase>,
    plans: Vec<Plan>,
}

pub fn all(charters: &[Signed; 3], submissions: &[SubmissionCase]) -> Made {
    let mut made = Made { cases: Vec::new(), plans: Vec::new() };
    for (i, settlement) in SETTLEMENTS.iter().enumerate() {
        made.add(i, settlement, charters, submissions);
    }
    made
}

impl Made {
    /// The phrase, path and key of a pledge's sponsor.
    pub fn sponsor(&self, network: Network, index: u32) -> (Mnemonic, String, Keypair) {
        sponsor(network, &format!("sponsor of milestones {index}"), index)
    }

    /// Index of the pledge that one of the first charter moves to.
    pub fn moves_to(index: u32) -> u32 {
        index + 100
    }

    fn refund_address(&self, network: Network, index: u32) -> Address {
        let address = refund_address(&self.sponsor(network, index).0, network);
        address.parse::<Address<_>>().unwrap().require_network(network.bitcoin()).unwrap()
    }

    fn candidate(&self, charters: &[Signed; 3], charter: usize, moves: bool, input: &Input) -> Candidate {
        let (index, generation, from, words) = input;
        let (index, generation) = (*index, *generation);
        let signed = &charters[charter];
        let network = signed.charter.network();
        let (outpoint, amount) = match from {
            Paid(sat) => {
                let txid = Txid::from_byte_array(hash(&format!("paid {charter}/{index}: {sat} sat")));
                (OutPoint { txid, vout: index }, Amount::from_sat(*sat))
            }
            Rest(settlement, form) => {
                let mut all = self.plans[*settlement].made();
                let form = u32::try_from(*form).unwrap();
                let is_it = |input: &TermInput| input.slot == Slot { index, generation: generation - 1 };
                let found = all.find(|(input, made)| is_it(&input.term) && made.place.form == form);
                let (_, found) = found.unwrap();
                assert_eq!(found.slot, Some(Slot { index, generation }));
                (found.outpoint, found.amount)
            }
        };
        let parts: Vec<String> =
            words.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let shares: Vec<u16> = signed.charter.fields().milestones.iter().map(|one| one.share_bps).collect();
        let open = index == 0;
        let key = (!open).then(|| self.sponsor(network, index).2.x_only_public_key().0);
        let return_address = match key {
            None => signed.charter.pot().cloned(),
            Some(key) if moves => {
                let slot = Slot::pledge(Made::moves_to(index));
                Some(contract(&charters[2]).pledge(&Secp256k1::new(), slot, key).unwrap().address)
            }
            Some(_) => Some(self.refund_address(network, index)),
        };
        let input = TermInput {
            outpoint,
            amount,
            slot: Slot { index, generation },
            sponsor_key: key,
            pay: Bps::new(if open { 10_000 } else { weighed(&shares, &parts) }).unwrap(),
            return_address,
        };
        Candidate { parts, input }
    }

    fn add(
        &mut self,
        i: usize,
        settlement: &Settlement,
        charters: &[Signed; 3],
        submissions: &[SubmissionCase],
    ) {
        let secp = Secp256k1::new();
        let (charter, (kind, of), feerate, inputs) = settlement;
        let signed = &charters[*charter];
        let submission = &submissions[*of];
        let id: SubmissionId = submission.statement.id();
        let kind = match *kind {
            "milestone" => Kind::Milestone { submission: id },
            "payout" => Kind::Payout { submission: id },
            "ruling" => Kind::Ruling { submission: id },
            _ => Kind::Move { to: charters[2].charter.id() },
        };
        let named = submission.statement.named.as_ref().map(|named| named.payees.clone());
        let payees = named.filter(|_| kind.submission().is_some()).unwrap_or_default();
        let moves = matches!(kind, Kind::Move { .. });
        let mut candidates: Vec<Candidate> =
            inputs.iter().map(|input| self.candidate(charters, *charter, moves, input)).collect();
        candidates.sort_by_key(|candidate| candidate.input.outpoint);
        let all = candidates.iter().map(|candidate| candidate.input.clone()).collect();
        let shares = signed.charter.shares_for(&payees).unwrap();
        let mut worth = worthwhile(&signed.charter, &shares, kind, *feerate, all);
        worth.stays_out.sort_by_key(|(input, _)| input.outpoint);
        let stays_out = worth.stays_out.iter().map(|(input, reason)| StaysOutCase {
            outpoint: input.outpoint.to_string(),
            why: serde_json::from_value(serde_json::to_value(reason).unwrap()).unwrap(),
        });
        let terms = Terms::naming(signed.charter.id(), kind, *feerate, payees, worth.joins).unwrap();
        let contract = contract(signed);
        let plan = plan(&secp, &signed.charter, &contract, &terms).unwrap();
        let signatures = sign(signed, &plan);
        let chunks = (0u32..).zip(plan.chunks()).map(|(at, chunk)| ChunkCase {
            inputs: chunk.inputs.iter().map(|input| input.term.outpoint.to_string()).collect(),
            forms: (0u32..)
                .zip(&chunk.forms)
                .map(|(form_at, form)| {
                    let signed_form = plan.finalize(at, form_at, &signatures).unwrap();
                    assert_eq!(signed_form.weight(), form.weight, "settlement {i}");
                    form_case(form, signed.charter.network(), &serialize_hex(&signed_form))
                })
                .collect(),
        });
        self.cases.push(SettlementCase {
            charter: *charter,
            stays_out: stays_out.collect(),
            lines: terms.lines(),
            id: terms.id().to_string(),
            terms: terms.clone(),
            chunks: chunks.collect(),
            candidates,
        });
        self.plans.push(plan);
    }

    /// Every address that the settlements spend from, leave something at or move to.
    pub fn addresses(&self, charters: &[Signed; 3]) -> Vec<AddressCase> {
        let mut slots = BTreeSet::new();
        for (case, plan) in self.cases.iter().zip(&self.plans) {
            for input in plan.terms().inputs().iter().filter(|input| input.sponsor_key.is_some()) {
                slots.insert((case.charter, input.slot.index, input.slot.generation, input.slot.index));
            }
            for (input, made) in plan.made() {
                let index = input.term.slot.index;
                slots.insert(match made.slot {
                    Some(slot) => (case.charter, slot.index, slot.generation, index),
                    None => (2, Made::moves_to(index), 0, index),
                });
            }
        }
        let case = |(charter, index, generation, of): (usize, u32, u32, u32)| {
            let signed = &charters[charter];
            let key = self.sponsor(signed.charter.network(), of).2.x_only_public_key().0;
            let contract = contract(signed);
            let output = contract.pledge(&Secp256k1::new(), Slot { index, generation }, key).unwrap();
            address_case(signed, &contract, &output)
        };
        slots.into_iter().map(case).collect()
    }

    /// The refunds of what the first transaction of some settlements would make.
    pub fn refunds(&self, charters: &[Signed; 3]) -> Vec<RefundCase> {
        let mut refunds = Vec::new();
        for at in REFUNDED {
            let from = self.cases[at].charter;
            for (input, made) in self.plans[at].made().filter(|(_, made)| made.place.chunk == 0) {
                let index = input.term.slot.index;
                let (charter, slot) = match made.slot {
                    Some(slot) => (from, slot),
                    None => (2, Slot::pledge(Made::moves_to(index))),
                };
                let network = charters[charter].charter.network();
                let sponsor = self.sponsor(network, index);
                let address = refund_address(&sponsor.0, network);
                let paid = (made.outpoint, made.amount);
                refunds.push(refund_of((charter, &charters[charter]), slot, sponsor, paid, &address));
            }
        }
        refunds
    }
}

/// Developer and representative sign, under a ruling developer and arbiter.
fn sign(signed: &Signed, plan: &Plan) -> Signatures {
    let secp = Secp256k1::new();
    let mut signatures = Signatures::new(plan);
    let ruling = matches!(plan.terms().kind(), Kind::Ruling { .. });
    for role in [Role::Developer, if ruling { Role::Arbiter } else { Role::Representative }] {
        let at = Role::ALL.into_iter().position(|other| other == role).unwrap();
        let (phrase, account) = &signed.signers[at];
        let network = signed.charter.network();
        let account = xpriv(phrase, network, &format!("87h/{}h/{account}h", network.coin_type()));
        let signed = settlement::sign(&secp, plan, role, &account).unwrap();
        signatures.merge(&plan.check_signatures(&secp, &signed).unwrap()).unwrap();
    }
    signatures
}

fn form_case(form: &Form, network: Network, signed: &str) -> FormCase {
    let outputs = form.outputs.iter().zip(&form.transaction.output).map(|(kind, output)| {
        let (kind, of) = match kind {
            OutputKind::Payee { name, .. } => ("payee", name.clone()),
            OutputKind::Return { outpoint, .. } => ("return", outpoint.to_string()),
            OutputKind::Remainder { slot } => ("remainder", format!("{}/{}", slot.generation, slot.index)),
            OutputKind::Move { outpoint, .. } => ("move", outpoint.to_string()),
        };
        OutputCase {
            kind: kind.to_owned(),
            of,
            address: Address::from_script(&output.script_pubkey, network.bitcoin()).unwrap().to_string(),
            amount_sat: output.value.to_sat(),
        }
    });
    let shares = form.shares.iter().map(|share| ShareCase {
        fee_sat: share.fee.to_sat(),
        pay_sat: share.pay.to_sat(),
        returned_sat: share.returned.to_sat(),
    });
    FormCase {
        sat_per_vb: form.feerate_sat_per_vb,
        fee_sat: form.fee.to_sat(),
        weight: form.weight.to_wu(),
        shares: shares.collect(),
        outputs: outputs.collect(),
        txid: form.txid.to_string(),
        transaction: serialize_hex(&form.transaction),
        signed: signed.to_owned(),
    }
}
