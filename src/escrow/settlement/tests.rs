//! Settlements from terms to transactions that consensus code accepts.

mod plans;
mod psbts;

use super::*;
use crate::escrow::charter::{Bps, Charter};
use crate::escrow::consensus::{assert_valid, verify_input};
use crate::escrow::descriptor::{Contract, Slot};
use crate::escrow::network::Network;
use crate::escrow::statement::{Role, SubmissionId};
use crate::escrow::{fee, testing};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{Amount, OutPoint, Transaction, Txid};

const SUBMISSION: SubmissionId = SubmissionId([7; 32]);
const PAYOUT: Kind = Kind::Payout { submission: SUBMISSION };
const RULING: Kind = Kind::Ruling { submission: SUBMISSION };
const PAIRS: [[Role; 2]; 3] = [
    [Role::Developer, Role::Representative],
    [Role::Developer, Role::Arbiter],
    [Role::Representative, Role::Arbiter],
];

/// A charter with its contract, and what tests spend under it.
struct World {
    secp: Secp256k1<All>,
    charter: Charter,
    contract: Contract,
}

impl World {
    fn new() -> World {
        World::of(testing::charter(Network::Regtest))
    }

    fn of(charter: Charter) -> World {
        let contract = Contract::new(&charter).unwrap();
        World { secp: Secp256k1::new(), charter, contract }
    }

    /// An outpoint of pledge `n`.
    fn pledge(&self, n: u32, amount_sat: u64, pay_bps: u16) -> TermInput {
        let sponsor = testing::sponsor(u8::try_from(n % 90).unwrap());
        TermInput {
            // Hashed, so that the order of outpoints is not that of indexes.
            outpoint: OutPoint::new(Txid::hash(&n.to_be_bytes()), n % 3),
            amount: Amount::from_sat(amount_sat),
            slot: Slot::pledge(n),
            sponsor_key: Some(sponsor.x_only_public_key().0),
            pay: Bps::new(pay_bps).unwrap(),
            return_address: Some(testing::address(self.charter.network(), 100 + n % 90)),
        }
    }

    /// Gift number `n` to the open address.
    fn gift(&self, n: u32, amount_sat: u64, pay_bps: u16) -> TermInput {
        TermInput {
            outpoint: OutPoint::new(Txid::hash(&n.to_le_bytes()), 7),
            amount: Amount::from_sat(amount_sat),
            slot: Slot::OPEN,
            sponsor_key: None,
            pay: Bps::new(pay_bps).unwrap(),
            return_address: self.charter.pot().cloned(),
        }
    }

    fn terms(&self, kind: Kind, feerate: u64, inputs: Vec<TermInput>) -> Terms {
        Terms::new(self.charter.id(), kind, feerate, inputs).unwrap()
    }

    fn try_plan(&self, kind: Kind, feerate: u64, inputs: Vec<TermInput>) -> Result<Plan, PlanError> {
        plan(&self.secp, &self.charter, &self.contract, &self.terms(kind, feerate, inputs))
    }

    fn plan(&self, kind: Kind, feerate: u64, inputs: Vec<TermInput>) -> Plan {
        self.try_plan(kind, feerate, inputs).unwrap()
    }

    fn sign(&self, plan: &Plan, role: Role) -> CheckedSignatures {
        let account = testing::account(self.charter.network(), role);
        let signatures = sign(&self.secp, plan, role, &account).unwrap();
        plan.check_signatures(&self.secp, &signatures).unwrap()
    }

    fn signed(&self, plan: &Plan, roles: &[Role]) -> Signatures {
        let mut signatures = Signatures::new(plan);
        for role in roles {
            assert_eq!(signatures.merge(&self.sign(plan, *role)), Ok(true));
        }
        signatures
    }
}

/// What must hold for any form: every satoshi accounted for, nothing below dust, the feerate reached.
fn assert_sound(world: &World, plan: &Plan) {
    let mut planned: Vec<OutPoint> = Vec::new();
    for (place, chunk, form) in plan.forms() {
        let tx = &form.transaction;
        let inputs: Amount = chunk.inputs.iter().map(|input| input.term.amount).sum();
        let outputs: Amount = tx.output.iter().map(|output| output.value).sum();
        assert_eq!(inputs, outputs + form.fee, "{place}");
        assert_eq!(form.shares.len(), chunk.inputs.len());
        assert_eq!(form.outputs.len(), tx.output.len());
        let returns = form.outputs.iter().zip(&tx.output);
        let returns: Vec<_> = returns.filter(|(kind, _)| matches!(kind, OutputKind::Return { .. })).collect();
        for (input, share) in chunk.inputs.iter().zip(&form.shares) {
            assert_eq!(share.fee + share.pay + share.returned, input.term.amount, "{place}");
            let (outpoint, slot) = (input.term.outpoint, input.term.slot);
            let back = returns.iter().find(|(kind, _)| **kind == OutputKind::Return { outpoint, slot });
            assert_eq!(back.map_or(Amount::ZERO, |(_, output)| output.value), share.returned);
            if let Some((_, output)) = back {
                let address = input.term.return_address.as_ref().unwrap();
                assert_eq!(output.script_pubkey, address.script_pubkey());
            }
        }
        for output in &tx.output {
            assert!(output.value >= fee::dust(&output.script_pubkey), "{place}");
        }
        assert!(tx.output.len() > returns.len() || form.shares.iter().all(|share| share.pay == Amount::ZERO));
        assert!(form.weight <= fee::MAX_TRANSACTION, "{place}");
        let at_least = form.feerate_sat_per_vb * form.weight.to_wu();
        assert!(form.fee.to_sat() * 4 >= at_least, "{place}");
        // Rounded up three times an input at most; and outputs that would have been dust are paid for.
        let payees =
            if chunk.inputs.iter().any(|input| input.term.pays()) { world.charter.shares().len() } else { 0 };
        let returning = chunk.inputs.iter().filter(|input| input.term.returns()).count();
        let folded: u64 = (payees + returning).saturating_sub(tx.output.len()).try_into().unwrap();
        let inputs: u64 = chunk.inputs.len().try_into().unwrap();
        let rounding = 4 * 3 * inputs + form.feerate_sat_per_vb * (43 * 4 + 8) * folded;
        assert!(form.fee.to_sat() * 4 <= at_least + rounding, "{place}");
        assert_eq!(form.txid, tx.compute_txid());
        assert_eq!(tx.version, bitcoin::transaction::Version::TWO);
        assert_eq!(tx.lock_time, bitcoin::absolute::LockTime::ZERO);
        assert!(tx.input.iter().all(|input| input.sequence.to_consensus_u32() == 0xffff_fffd));
        if place.form == 0 {
            planned.extend(tx.input.iter().map(|input| input.previous_output));
        }
    }
    assert!(planned.is_sorted());
    assert_eq!(planned, plan.outpoints().collect::<Vec<_>>());
}

fn mixed(world: &World) -> Vec<TermInput> {
    vec![
        world.pledge(1, 100_000, 10_000),
        world.pledge(2, 250_000, 10_000),
        world.pledge(3, 50_000, 0),
        world.pledge(4, 80_000, 6_000),
        world.gift(1, 30_000, 10_000),
        world.gift(2, 40_000, 0),
    ]
}

fn finalized(plan: &Plan, signatures: &Signatures) -> Vec<(Place, Transaction)> {
    let finalize = |place: Place| (place, plan.finalize(place.chunk, place.form, signatures).unwrap());
    plan.forms().map(|(place, ..)| finalize(place)).collect()
}

#[test]
fn consensus_accepts_every_form_of_every_pair() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 3, mixed(&world));
    assert_sound(&world, &plan);
    assert_eq!(plan.chunks().len(), 1);
    assert_eq!(plan.forms().map(|(place, ..)| place.feerate_sat_per_vb).collect::<Vec<_>>(), [3, 6, 12]);
    for pair in PAIRS {
        let signatures = world.signed(&plan, &pair);
        assert_eq!(signatures.complete(0), Some(pair));
        for (place, tx) in finalized(&plan, &signatures) {
            let form = plan.form(place.chunk, place.form).unwrap();
            assert_valid(&tx, &plan.chunks()[0].prevouts());
            assert_eq!(tx.weight(), form.weight);
            assert_eq!(tx.compute_txid(), form.txid);
        }
    }
}

#[test]
fn consensus_refuses_what_was_not_signed() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 3, mixed(&world));
    let signatures = world.signed(&plan, &PAIRS[0]);
    let prevouts = plan.chunks()[0].prevouts();
    let (_, tx) = finalized(&plan, &signatures).swap_remove(0);
    let mut other = tx.clone();
    other.output[0].value -= Amount::from_sat(1);
    assert!(!verify_input(&other, &prevouts, 0));
    let mut one_signature = tx.clone();
    let elements: Vec<Vec<u8>> = tx.input[0].witness.to_vec();
    let less = elements.iter().enumerate().map(|(at, bytes)| if at == 2 { vec![] } else { bytes.clone() });
    one_signature.input[0].witness = less.collect::<Vec<_>>().into();
    assert!(!verify_input(&one_signature, &prevouts, 0));
}

#[test]
fn a_ruling_splits_and_needs_its_arbiter() {
    let world = World::new();
    let inputs = vec![world.pledge(1, 100_000, 3_000), world.pledge(2, 60_000, 3_000)];
    let plan = world.plan(RULING, 2, inputs);
    assert_sound(&world, &plan);
    let form = plan.form(0, 0).unwrap();
    let kinds = form.outputs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    for share in &form.shares {
        let net = share.pay + share.returned;
        assert_eq!(share.pay, Bps::new(3_000).unwrap().of(net));
    }
    let without = world.signed(&plan, &PAIRS[0]);
    assert_eq!(without.complete(0), None);
    let error = plan.finalize(0, 0, &without).unwrap_err();
    assert!(matches!(&error, FinalizeError::Incomplete { needs_arbiter: true, .. }), "{error}");
    for pair in [PAIRS[1], PAIRS[2]] {
        for (_, tx) in finalized(&plan, &world.signed(&plan, &pair)) {
            assert_valid(&tx, &plan.chunks()[0].prevouts());
        }
    }
    // With all three the arbiter is still one of the two.
    let all = world.signed(&plan, &Role::ALL);
    assert_eq!(all.complete(0), Some([Role::Developer, Role::Arbiter]));
    assert_eq!(all.roles_done(), Role::ALL);
    assert_valid(&plan.finalize(0, 2, &all).unwrap(), &plan.chunks()[0].prevouts());
}

#[test]
fn an_early_return_gives_everything_back() {
    let world = World::new();
    let inputs = vec![world.pledge(1, 10_000, 0), world.pledge(2, 60_000, 0), world.gift(1, 9_000, 0)];
    let plan = world.plan(Kind::EarlyReturn, 1, inputs);
    assert_sound(&world, &plan);
    assert!(!plan.pays_anybody());
    let form = plan.form(0, 0).unwrap();
    assert!(form.shares.iter().all(|share| share.pay == Amount::ZERO));
    for (_, tx) in finalized(&plan, &world.signed(&plan, &PAIRS[2])) {
        assert_valid(&tx, &plan.chunks()[0].prevouts());
    }
}

#[test]
fn one_signature_is_not_enough() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 1, vec![world.pledge(1, 100_000, 10_000)]);
    let one = world.signed(&plan, &[Role::Arbiter]);
    assert_eq!(one.complete(0), None);
    assert_eq!(one.signed_by(0, 0), [Role::Arbiter]);
    let error = plan.finalize(0, 0, &one).unwrap_err();
    assert_eq!(error.code(), "finalize_incomplete");
    assert_eq!(plan.finalize(0, 3, &one).unwrap_err().code(), "finalize_no_such_form");
    assert_eq!(plan.finalize(1, 0, &one).unwrap_err().code(), "finalize_no_such_form");
    let other = world.plan(PAYOUT, 2, vec![world.pledge(1, 100_000, 10_000)]);
    assert_eq!(other.finalize(0, 0, &one).unwrap_err(), FinalizeError::OtherSettlement);
    let mut empty = Signatures::new(&other);
    assert!(empty.merge(&world.sign(&plan, Role::Arbiter)).is_err());
    assert!(empty.is_empty());
}

#[test]
fn only_the_charters_account_signs() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 1, vec![world.pledge(1, 100_000, 10_000)]);
    let arbiter = testing::account(Network::Regtest, Role::Arbiter);
    let refused = sign(&world.secp, &plan, Role::Developer, &arbiter).unwrap_err();
    assert_eq!(refused, SignError::OtherKey { role: Role::Developer });
}

#[test]
fn signatures_are_checked_one_by_one() {
    let world = World::new();
    let plan = world.plan(PAYOUT, 1, vec![world.pledge(1, 100_000, 10_000), world.pledge(2, 90_000, 0)]);
    let good = world.sign(&plan, Role::Developer).signatures().clone();
    let refused = |change: &dyn Fn(&mut RoleSignatures)| {
        let mut changed = good.clone();
        change(&mut changed);
        plan.check_signatures(&world.secp, &changed).unwrap_err()
    };
    assert_eq!(refused(&|s| s.chunks.clear()).code(), "signatures_chunks");
    assert_eq!(refused(&|s| s.chunks[0].truncate(2)).code(), "signatures_forms");
    assert_eq!(refused(&|s| s.chunks[0][1].truncate(1)).code(), "signatures_inputs");
    assert_eq!(refused(&|s| s.chunks[0].iter_mut().for_each(Vec::clear)), SignatureError::Nothing);
    let error = refused(&|s| s.chunks[0][2].swap(0, 1));
    let SignatureError::Bad { role: Role::Developer, place, outpoint } = error else { panic!("{error}") };
    assert_eq!((place.chunk, place.form, place.feerate_sat_per_vb), (0, 2, 4));
    assert_eq!(outpoint, plan.outpoints().next().unwrap());
    assert_eq!(refused(&|s| s.role = Role::Arbiter).code(), "signature_bad");
    // A form may come later, and then counts as new; the others stay.
    let mut part = good.clone();
    part.chunks[0][1].clear();
    let part = plan.check_signatures(&world.secp, &part).unwrap();
    let mut signatures = Signatures::new(&plan);
    assert_eq!(signatures.merge(&part), Ok(true));
    assert_eq!(signatures.merge(&part), Ok(false));
    assert!(signatures.roles_done().is_empty());
    let whole = plan.check_signatures(&world.secp, &good).unwrap();
    assert_eq!(signatures.merge(&whole), Ok(true));
    assert_eq!(signatures.roles_done(), [Role::Developer]);
    assert_eq!(signatures.of(Role::Developer), Some(good));
}
