//! What plans look like: deterministic, sound for any input, and refused where money would be burnt.

use super::*;
use crate::escrow::charter::Payee;
use bitcoin::{Address, CompressedPublicKey};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn code(world: &World, kind: Kind, feerate: u64, inputs: Vec<TermInput>) -> (&'static str, String) {
    let error = world.try_plan(kind, feerate, inputs).unwrap_err();
    (error.code(), error.to_string())
}

fn reason(world: &World, kind: Kind, feerate: u64, inputs: Vec<TermInput>) -> (OutPoint, StaysOut) {
    match world.try_plan(kind, feerate, inputs).unwrap_err() {
        PlanError::StaysOut { outpoint, reason } => (outpoint, reason),
        other => panic!("{other}"),
    }
}

/// Taproot, P2WPKH and P2PKH by turns: their dust limits and weights differ.
fn any_address(n: u32) -> Address {
    let key = testing::sponsor(u8::try_from(n % 90).unwrap()).public_key();
    match n % 3 {
        0 => testing::address(Network::Regtest, n),
        1 => Address::p2wpkh(&CompressedPublicKey(key), Network::Regtest.bitcoin()),
        _ => Address::p2pkh(CompressedPublicKey(key), Network::Regtest.bitcoin()),
    }
}

fn world_of(payees: &[(u32, u16)]) -> World {
    let mut fields = testing::fields(Network::Regtest);
    let payee =
        |(n, share_bps): &(u32, u16)| Payee { address: any_address(*n).to_string(), share_bps: *share_bps };
    fields.payees = payees.iter().map(payee).collect();
    fields.leader = None;
    fields.operator = None;
    World::of(Charter::from_fields(fields).unwrap())
}

#[test]
fn the_order_of_inputs_does_not_matter() {
    let world = World::new();
    let inputs = mixed(&world);
    let plan = world.plan(PAYOUT, 3, inputs.clone());
    let reversed = world.plan(PAYOUT, 3, inputs.into_iter().rev().collect());
    assert_eq!(plan, reversed);
    assert_eq!(plan.id(), plan.terms().id());
    let psbts = |plan: &Plan| plan.psbts().iter().map(|psbt| psbt.serialize()).collect::<Vec<_>>();
    assert_eq!(psbts(&plan), psbts(&reversed));
    // Payees in the charter's order, then returns in the order of their inputs.
    let form = plan.form(0, 1).unwrap();
    let names: Vec<String> = form.outputs.iter().map(ToString::to_string).collect();
    assert_eq!(&names[..3], ["payee 1, 95.00 %", "leader, 3.00 %", "operator, 2.00 %"]);
    let back: Vec<OutPoint> = form
        .outputs
        .iter()
        .filter_map(|kind| match kind {
            OutputKind::Return { outpoint, .. } => Some(*outpoint),
            _ => None,
        })
        .collect();
    assert!(back.is_sorted());
    assert_eq!(back.len(), 3);
}

#[test]
fn the_id_commits_to_every_field() {
    let world = World::new();
    let base = || vec![world.pledge(1, 100_000, 4_000), world.gift(1, 50_000, 10_000)];
    let terms = world.terms(PAYOUT, 3, base());
    let stored = serde_json::to_string(&terms).unwrap();
    assert_eq!(serde_json::from_str::<Terms>(&stored).unwrap(), terms);
    let other_submission = Kind::Payout { submission: SubmissionId([8; 32]) };
    let changed = |change: &dyn Fn(&mut TermInput)| {
        let mut inputs = base();
        change(&mut inputs[0]);
        world.terms(PAYOUT, 3, inputs)
    };
    let mut others = vec![
        terms.clone(),
        world.terms(RULING, 3, base()),
        world.terms(other_submission, 3, base()),
        world.terms(PAYOUT, 4, base()),
        world.terms(PAYOUT, 3, base()[..1].to_vec()),
        Terms::new(testing::charter(Network::Signet).id(), PAYOUT, 3, base()).unwrap(),
        changed(&|input| input.outpoint.vout += 1),
        changed(&|input| input.amount += Amount::from_sat(1)),
        changed(&|input| input.slot.index += 1),
        changed(&|input| input.slot.generation += 1),
        changed(&|input| input.sponsor_key = world.pledge(2, 1, 0).sponsor_key),
        changed(&|input| input.pay = Bps::new(4_001).unwrap()),
        changed(&|input| input.return_address = world.pledge(2, 1, 0).return_address),
    ];
    let early = vec![world.pledge(1, 100_000, 0)];
    others.push(world.terms(Kind::EarlyReturn, 3, early.clone()));
    others.push(world.terms(PAYOUT, 3, early));
    let ids: BTreeSet<_> = others.iter().map(Terms::id).collect();
    assert_eq!(ids.len(), others.len());
}

#[test]
fn terms_that_say_nothing_sensible_are_refused() {
    let world = World::new();
    let new =
        |kind, feerate, inputs| Terms::new(world.charter.id(), kind, feerate, inputs).unwrap_err().code();
    let with = |change: &dyn Fn(&mut TermInput)| {
        let mut input = world.pledge(1, 100_000, 5_000);
        change(&mut input);
        vec![input]
    };
    assert_eq!(new(PAYOUT, 1, vec![]), "terms_empty");
    assert_eq!(new(PAYOUT, 0, with(&|_| ())), "terms_feerate");
    assert_eq!(new(PAYOUT, 1, [with(&|_| ()), with(&|_| ())].concat()), "terms_duplicate");
    assert_eq!(
        new(PAYOUT, 1, with(&|i| i.amount = Amount::MAX_MONEY + Amount::from_sat(1))),
        "terms_too_much"
    );
    assert_eq!(new(PAYOUT, 1, with(&|i| i.amount = Amount::MAX)), "terms_too_much");
    assert_eq!(new(PAYOUT, 1, with(&|i| i.sponsor_key = None)), "terms_sponsor_key");
    assert_eq!(new(PAYOUT, 1, with(&|i| i.slot = Slot::OPEN)), "terms_sponsor_key");
    assert_eq!(new(PAYOUT, 1, with(&|i| i.return_address = None)), "terms_no_return_address");
    assert_eq!(new(Kind::EarlyReturn, 1, with(&|_| ())), "terms_pays_in_return");
    let good = serde_json::to_value(world.terms(PAYOUT, 1, with(&|_| ()))).unwrap();
    let read = |path: &str, value: serde_json::Value| {
        let mut document = good.clone();
        *document.pointer_mut(path).unwrap() = value;
        serde_json::from_value::<Terms>(document)
    };
    assert!(read("/inputs/0/pay_bps", 10_001.into()).is_err());
    assert!(read("/inputs/0/amount_sat", (-1).into()).is_err());
    assert!(read("/feerate_sat_per_vb", 0.into()).is_err());
    assert!(read("/for", serde_json::json!({"kind": "bonus"})).is_err());
    assert!(read("/inputs", serde_json::json!([])).is_err());
}

#[test]
fn what_does_not_fit_the_charter_is_refused() {
    let world = World::new();
    let pledge = |change: &dyn Fn(&mut TermInput)| {
        let mut input = world.pledge(1, 100_000, 5_000);
        change(&mut input);
        vec![input]
    };
    assert_eq!(code(&world, PAYOUT, 201, pledge(&|_| ())).0, "plan_feerate_above_cap");
    let mainnet = testing::address(Network::Mainnet, 1);
    let (found, words) = code(&world, PAYOUT, 1, pledge(&|i| i.return_address = Some(mainnet.clone())));
    assert_eq!(found, "plan_return_network");
    assert!(words.contains(&pledge(&|_| ())[0].outpoint.to_string()));
    assert_eq!(code(&world, PAYOUT, 1, pledge(&|i| i.slot.index = u32::MAX)).0, "plan_slot");
    assert_eq!(code(&world, PAYOUT, 1, pledge(&|i| i.slot.generation = 1_000)).0, "plan_slot");
    let mut gift = world.gift(1, 50_000, 0);
    gift.return_address = Some(testing::address(Network::Regtest, 77));
    assert_eq!(code(&world, PAYOUT, 1, vec![gift]).0, "plan_not_the_pot");
    let other = World::of(testing::charter(Network::Signet));
    let terms = world.terms(PAYOUT, 1, pledge(&|_| ()));
    let refused = plan(&other.secp, &other.charter, &other.contract, &terms).unwrap_err();
    assert_eq!(refused, PlanError::OtherCharter);
    let refused = plan(&world.secp, &world.charter, &other.contract, &terms).unwrap_err();
    assert_eq!(refused, PlanError::OtherCharter);
    // At the cap there is one form, at half of it two.
    assert_eq!(world.plan(PAYOUT, 200, pledge(&|_| ())).forms().count(), 1);
    assert_eq!(world.plan(PAYOUT, 100, pledge(&|_| ())).forms().count(), 2);
}

#[test]
fn what_is_not_worth_its_fee_stays_out() {
    let world = World::new();
    let large = || world.pledge(1, 1_000_000, 10_000);
    // At 10 sat/vB the leaf costs 1,168 sat, so 3,504 sat are needed to be moved at all.
    let small = world.pledge(2, 3_503, 10_000);
    let (outpoint, why) = reason(&world, PAYOUT, 10, vec![large(), small.clone()]);
    assert_eq!((outpoint, why), (small.outpoint, StaysOut::Small { needs_sat: 3_504 }));
    let eaten = world.pledge(2, 3_504, 10_000);
    let (outpoint, why) = reason(&world, PAYOUT, 10, vec![large(), eaten.clone()]);
    assert_eq!(outpoint, eaten.outpoint);
    assert!(matches!(why, StaysOut::Eaten { feerate_sat_per_vb: 20, .. }), "{why}");
    // To return at 40 sat/vB costs 6,390 sat for input and output, and half of the frame's 420.
    let dust = world.pledge(2, 6_900, 0);
    let (outpoint, why) = reason(&world, PAYOUT, 10, vec![large(), dust.clone()]);
    assert_eq!(outpoint, dust.outpoint);
    assert!(matches!(why, StaysOut::ReturnDust { feerate_sat_per_vb: 40, .. }), "{why}");
    let (_, why) = reason(&world, PAYOUT, 1, vec![world.pledge(3, 20_000, 100)]);
    assert!(matches!(why, StaysOut::PoolDust { feerate_sat_per_vb: 1, .. }), "{why}");

    let all = vec![large(), small.clone(), eaten.clone(), dust, world.pledge(4, 500_000, 0)];
    let mut all: Vec<TermInput> = all;
    for (n, input) in (0u32..).zip(&mut all) {
        input.outpoint.vout = 10 + n;
    }
    let parted = worthwhile(&world.charter, world.charter.shares(), PAYOUT, 10, all);
    // The one whose return was dust joins: among three its part of the frame is smaller.
    assert_eq!(parted.joins.len(), 3);
    let out: BTreeSet<u64> = parted.stays_out.iter().map(|(input, _)| input.amount.to_sat()).collect();
    assert_eq!(out, BTreeSet::from([3_503, 3_504]));
    assert_sound(&world, &world.plan(PAYOUT, 10, parted.joins));
    // Nothing at all is fine to ask about.
    assert_eq!(worthwhile(&world.charter, world.charter.shares(), PAYOUT, 10, vec![]).joins, []);
    let capped = worthwhile(&world.charter, world.charter.shares(), PAYOUT, 201, vec![large()]);
    assert_eq!(capped.stays_out, [(large(), StaysOut::FeerateAboveCap)]);
}

#[test]
fn gifts_without_a_pot_are_paid_or_stay() {
    let mut fields = testing::fields(Network::Regtest);
    fields.pot = None;
    let world = World::of(Charter::from_fields(fields).unwrap());
    let gift = world.gift(1, 50_000, 0);
    assert_eq!(gift.return_address, None);
    let parted = worthwhile(&world.charter, world.charter.shares(), Kind::EarlyReturn, 1, vec![gift.clone()]);
    assert_eq!(parted.stays_out, [(gift, StaysOut::NoReturnAddress)]);
    let paid = world.plan(PAYOUT, 1, vec![world.gift(1, 50_000, 10_000)]);
    assert_sound(&world, &paid);
    // A ruling that would pay dust returns instead, which a gift without a pot cannot.
    let refused = reason(&world, RULING, 5, vec![world.pledge(1, 1_800, 100), world.gift(1, 2_500, 10_000)]);
    assert!(matches!(refused.1, StaysOut::Eaten { .. } | StaysOut::NoReturnAddress), "{}", refused.1);
}

#[test]
fn a_ruling_that_would_pay_dust_returns_everything() {
    let world = World::new();
    let inputs = vec![world.pledge(1, 20_000, 100), world.pledge(2, 12_000, 100)];
    let plan = world.plan(RULING, 2, inputs);
    assert_sound(&world, &plan);
    assert!(!plan.pays_anybody());
    for (_, _, form) in plan.forms() {
        assert!(form.shares.iter().all(|share| share.pay == Amount::ZERO));
        assert_eq!(form.outputs.len(), 2);
    }
}

#[test]
fn a_payee_below_dust_gives_way_to_the_largest() {
    let world = world_of(&[(0, 4_900), (3, 100), (6, 5_000)]);
    let plan = world.plan(PAYOUT, 1, vec![world.pledge(1, 20_000, 10_000)]);
    assert_sound(&world, &plan);
    let form = plan.form(0, 0).unwrap();
    let names: Vec<String> = form.outputs.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["payee 1, 49.00 %", "payee 3, 50.00 %"]);
    let pool: Amount = form.shares.iter().map(|share| share.pay).sum();
    let first = Bps::new(4_900).unwrap().of(pool);
    // The first gets what rounding left.
    assert!(form.transaction.output[0].value >= first);
    assert!(form.transaction.output[0].value <= first + Amount::from_sat(3));
    // Of equals the first.
    let world = world_of(&[(0, 4_950), (3, 4_950), (6, 100)]);
    let plan = world.plan(PAYOUT, 1, vec![world.pledge(1, 20_000, 10_000)]);
    let outputs = &plan.form(0, 0).unwrap().transaction.output;
    assert_eq!(outputs.len(), 2);
    assert!(outputs[0].value > outputs[1].value + Amount::from_sat(190), "{outputs:?}");
}

#[test]
fn a_pool_too_small_for_the_kinds_of_output_goes_to_one() {
    // 51 % of about 900 sat is dust for P2PKH (546), 49 % is not for P2WPKH (294).
    let world = world_of(&[(1, 4_900), (2, 5_100)]);
    let inputs = vec![world.pledge(1, 50_000, 200), world.pledge(2, 2_000_000, 0)];
    let plan = world.plan(PAYOUT, 1, inputs);
    assert_sound(&world, &plan);
    let form = plan.form(0, 0).unwrap();
    let pool: Amount = form.shares.iter().map(|share| share.pay).sum();
    assert!(
        pool > Amount::from_sat(546) && Bps::new(5_100).unwrap().of(pool) < Amount::from_sat(546),
        "{pool}"
    );
    assert_eq!(form.outputs[0].to_string(), "payee 2, 51.00 %");
    assert_eq!(form.transaction.output[0].value, pool);
}

#[test]
fn a_thousand_inputs_are_cut_below_the_limit() {
    let world = World::new();
    for (pay, chunks) in [(10_000, 2), (0, 2), (5_000, 2)] {
        let inputs = (1..=1_000).map(|n| world.pledge(n, 20_000 + u64::from(n), pay)).collect();
        let plan = world.plan(PAYOUT, 1, inputs);
        assert_eq!(plan.chunks().len(), chunks, "pay {pay}");
        assert_sound(&world, &plan);
        let sizes: Vec<usize> = plan.chunks().iter().map(|chunk| chunk.inputs.len()).collect();
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }
    // As many as fit go together.
    let inputs = |n| (1..=n).map(|n| world.pledge(n, 20_000, 10_000)).collect();
    assert_eq!(world.plan(PAYOUT, 1, inputs(850)).chunks().len(), 1);
    assert_eq!(world.plan(PAYOUT, 1, inputs(860)).chunks().len(), 2);
}

#[test]
fn consensus_accepts_a_large_chunk() {
    let world = World::new();
    let inputs = (1..=1_000).map(|n| world.pledge(n, 20_000, if n % 7 == 0 { 0 } else { 10_000 })).collect();
    let plan = world.plan(PAYOUT, 1, inputs);
    let signatures = world.signed(&plan, &PAIRS[0]);
    for (at, chunk) in (0u32..).zip(plan.chunks()) {
        let tx = plan.finalize(at, 1, &signatures).unwrap();
        assert!(tx.weight() <= fee::MAX_TRANSACTION);
        assert_eq!(tx.weight(), chunk.forms[1].weight);
        let prevouts = chunk.prevouts();
        // Each call hashes the whole transaction again, so some stand for all.
        for input in [0, 1, 250, prevouts.len() - 1] {
            assert!(verify_input(&tx, &prevouts, input));
        }
    }
}

/// Payees with shares that make 10000.
fn payees() -> impl Strategy<Value = Vec<(u32, u16)>> {
    proptest::collection::vec((0u32..80, 1u16..2_000), 1..6).prop_map(|mut payees| {
        let sum: u16 = payees.iter().map(|(_, share)| share).sum();
        payees[0].1 += 10_000 - sum;
        payees
    })
}

fn share_bps() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(10_000), 0u16..=10_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_settlement_conserves_every_satoshi(
        payees in payees(),
        // Gifts, amounts from dust to 0.05 BTC with many small ones, and shares.
        inputs in proptest::collection::vec(
            (proptest::bool::weighted(0.2), prop_oneof![300u64..20_000, 300u64..5_000_000], share_bps()),
            1..24,
        ),
        feerate in prop_oneof![1u64..8, 1u64..=200],
        kind in prop_oneof![Just(PAYOUT), Just(RULING), Just(Kind::EarlyReturn)],
    ) {
        let world = world_of(&payees);
        let input = |(n, (gift, amount_sat, pay)): (u32, (bool, u64, u16))| {
            let pay = if kind == Kind::EarlyReturn { 0 } else { pay };
            let mut input =
                if gift { world.gift(n, amount_sat, pay) } else { world.pledge(n, amount_sat, pay) };
            if !gift {
                input.return_address = Some(any_address(100 + n));
            }
            input
        };
        let inputs: Vec<TermInput> = (1u32..).zip(inputs).map(input).collect();
        let parted = worthwhile(&world.charter, world.charter.shares(), kind, feerate, inputs.clone());
        prop_assert_eq!(parted.joins.len() + parted.stays_out.len(), inputs.len());
        if let Ok(terms) = Terms::new(world.charter.id(), kind, feerate, parted.joins) {
            // What `worthwhile` lets in always makes a plan; that plan is sound.
            let plan = plan(&world.secp, &world.charter, &world.contract, &terms).unwrap();
            assert_sound(&world, &plan);
        }
        // And what it keeps out is refused by name.
        if !parted.stays_out.is_empty() {
            let refused = world.try_plan(kind, feerate, inputs).unwrap_err();
            prop_assert_eq!(refused.code(), "plan_stays_out");
        }
    }
}
