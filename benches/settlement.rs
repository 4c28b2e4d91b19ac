//! A payout of 1,000 pledges: plan, sign, check, finalize; and two comparisons with rust-miniscript in the
//! same run: its finalizer against ours, its descriptors against our scripts.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{Amount, OutPoint, Psbt, Txid};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use miniscript::psbt::PsbtExt;
use miniscript::{DefiniteDescriptorKey, Descriptor, DescriptorPublicKey};
use std::hint::black_box;
use std::str::FromStr;
use upfront::escrow::charter::{Bps, Charter};
use upfront::escrow::descriptor::{Contract, Slot};
use upfront::escrow::network::Network;
use upfront::escrow::settlement::{
    CheckedSignatures, Kind, Plan, RoleSignatures, Signatures, TermInput, Terms, plan, sign,
};
use upfront::escrow::statement::{Role, SubmissionId};
use upfront::escrow::testing;

const SIGNERS: [Role; 2] = [Role::Developer, Role::Representative];

struct World {
    secp: Secp256k1<All>,
    charter: Charter,
    contract: Contract,
}

impl World {
    fn new() -> World {
        let charter = testing::charter(Network::Regtest);
        let contract = Contract::new(&charter).expect("the test charter has addresses");
        World { secp: Secp256k1::new(), charter, contract }
    }

    fn terms(&self, pledges: u32) -> Terms {
        let input = |n: u32| TermInput {
            outpoint: OutPoint::new(Txid::hash(&n.to_be_bytes()), 0),
            amount: Amount::from_sat(100_000 + u64::from(n)),
            slot: Slot::pledge(n),
            sponsor_key: Some(sponsor(n)),
            pay: Bps::ALL,
            return_address: None,
        };
        let kind = Kind::Payout { submission: SubmissionId([7; 32]) };
        Terms::new(self.charter.id(), kind, 2, (1..=pledges).map(input).collect()).expect("sound terms")
    }

    fn plan(&self, terms: &Terms) -> Plan {
        plan(&self.secp, &self.charter, &self.contract, terms).expect("a plan")
    }

    fn signed(&self, plan: &Plan) -> Vec<CheckedSignatures> {
        SIGNERS
            .map(|role| {
                let account = testing::account(Network::Regtest, role);
                let signatures = sign(&self.secp, plan, role, &account).expect("the seat's account");
                plan.check_signatures(&self.secp, &signatures).expect("just signed")
            })
            .to_vec()
    }
}

fn sponsor(n: u32) -> bitcoin::secp256k1::XOnlyPublicKey {
    testing::sponsor(u8::try_from(n % 90).expect("small")).x_only_public_key().0
}

fn collected(plan: &Plan, checked: &[CheckedSignatures]) -> Signatures {
    let mut signatures = Signatures::new(plan);
    for checked in checked {
        signatures.merge(checked).expect("same settlement");
    }
    signatures
}

/// Three forms each, two chunks: the whole work of one payout on one thread.
fn a_thousand_pledges(c: &mut Criterion) {
    let world = World::new();
    let terms = world.terms(1_000);
    let plan = world.plan(&terms);
    let checked = world.signed(&plan);
    let signatures = collected(&plan, &checked);
    let developer = testing::account(Network::Regtest, Role::Developer);
    let mut group = c.benchmark_group("payout_1000");
    group.sample_size(10);
    group.bench_function("plan", |b| b.iter(|| world.plan(black_box(&terms))));
    group.bench_function("sign_3_forms_1_signer", |b| {
        b.iter(|| sign(&world.secp, black_box(&plan), Role::Developer, &developer).expect("signs"));
    });
    group.bench_function("check_3_forms_1_signer", |b| {
        b.iter(|| plan.check_signatures(&world.secp, black_box(checked[0].signatures())).expect("good"));
    });
    group.bench_function("finalize_1_form", |b| {
        b.iter(|| {
            for chunk in 0..2 {
                black_box(plan.finalize(chunk, 0, &signatures).expect("complete"));
            }
        });
    });
    let psbts: Vec<Psbt> = checked.iter().flat_map(|checked| plan.signed_psbts(checked)).collect();
    group.bench_function("psbts_3_forms", |b| b.iter(|| black_box(plan.psbts())));
    group.bench_function("read_psbts_3_forms_2_signers", |b| {
        b.iter(|| plan.read_psbts(&world.secp, black_box(&psbts)).expect("good"));
    });
    group.finish();
}

/// One form by rust-miniscript: 500 inputs, both signatures there. Its finalizer verifies every signature;
/// ours takes signatures that were verified when they came, so the fair comparison checks them again.
fn finalizers(c: &mut Criterion) {
    let world = World::new();
    let plan = world.plan(&world.terms(500));
    let checked = world.signed(&plan);
    let signatures = collected(&plan, &checked);
    let mut psbt = plan.signed_psbts(&checked[0]).swap_remove(0);
    psbt.combine(plan.signed_psbts(&checked[1]).swap_remove(0)).expect("same transaction");
    let mut group = c.benchmark_group("finalize_500");
    group.sample_size(10);
    group.bench_function("ours", |b| b.iter(|| plan.finalize(0, 0, &signatures).expect("complete")));
    let one_form = |checked: &CheckedSignatures| {
        let mut signatures = checked.signatures().clone();
        signatures.chunks[0][1..].iter_mut().for_each(Vec::clear);
        signatures
    };
    let one_form: Vec<RoleSignatures> = checked.iter().map(one_form).collect();
    group.bench_function("ours_with_checks", |b| {
        b.iter(|| {
            let check = |given| plan.check_signatures(&world.secp, given).expect("good");
            let checked: Vec<CheckedSignatures> = one_form.iter().map(check).collect();
            plan.finalize(0, 0, &collected(&plan, &checked)).expect("complete")
        });
    });
    group.bench_function("miniscript", |b| {
        b.iter_batched(
            || psbt.clone(),
            |mut psbt| psbt.finalize_mut(&world.secp).expect("complete"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// From public keys to a pledge's script_pubkey, 100 pledges.
fn scripts(c: &mut Criterion) {
    let world = World::new();
    let ours = |n: u32| {
        let output = world.contract.pledge(&world.secp, Slot::pledge(n), sponsor(n)).expect("an address");
        output.script_pubkey
    };
    // The descriptor with account keys and paths, as a wallet would be given it.
    let [developer, representative, arbiter] = world.charter.signers();
    let steps = upfront::escrow::descriptor::charter_steps(&world.charter.id()).map(|step| step.to_string());
    let internal = format!("{}/{}", world.contract.synthetic_xpub(), steps.join("/"));
    let text = |n: u32| {
        format!(
            "tr({internal}/0/{n},{{multi_a(2,{developer}/0/{n},{representative}/0/{n},{arbiter}/0/{n}),and_v(v:pk({}),after({}))}})",
            sponsor(n),
            world.charter.refund_time_secs()
        )
    };
    let theirs = |n: u32| {
        let descriptor = Descriptor::<DescriptorPublicKey>::from_str(&text(n)).expect("a descriptor");
        let descriptor: Descriptor<DefiniteDescriptorKey> =
            descriptor.at_derivation_index(0).expect("no wildcard");
        descriptor.derived_descriptor(&world.secp).expect("no hardened step").script_pubkey()
    };
    assert_eq!(ours(1), theirs(1));
    let mut group = c.benchmark_group("scripts_100");
    group.sample_size(10);
    group.bench_function("ours", |b| b.iter(|| (1..=100).map(ours).collect::<Vec<_>>()));
    group.bench_function("miniscript", |b| b.iter(|| (1..=100).map(theirs).collect::<Vec<_>>()));
    group.finish();
}

criterion_group!(benches, a_thousand_pledges, finalizers, scripts);
criterion_main!(benches);
