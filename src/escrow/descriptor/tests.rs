//! Addresses against rust-miniscript, which parses and derives the same policy on its own.

use super::*;
use crate::escrow::testing;
use miniscript::{DefiniteDescriptorKey, Descriptor};
use proptest::prelude::*;
use std::str::FromStr;

#[test]
fn charter_steps_are_the_first_124_bits() {
    let mut id = [0; 32];
    id[..16].copy_from_slice(&0xffff_fffe_0000_0002_0000_0004_0000_000f_u128.to_be_bytes());
    let steps = charter_steps(&CharterId(id)).map(u32::from);
    // 31 bits each, the last four bits of the sixteen bytes unused.
    let bits = format!("{:0128b}", 0xffff_fffe_0000_0002_0000_0004_0000_000f_u128);
    for (i, step) in steps.into_iter().enumerate() {
        assert_eq!(step, u32::from_str_radix(&bits[31 * i..31 * (i + 1)], 2).unwrap());
    }
}

#[test]
fn every_network_agrees_with_miniscript() {
    let secp = Secp256k1::new();
    for network in Network::ALL {
        let contract = Contract::new(&testing::charter(network)).unwrap();
        let sponsor = testing::sponsor(1).x_only_public_key().0;
        let mut outputs = vec![contract.open(&secp)];
        for (index, generation) in [(1, 0), (2, 0), (1, 1), (1000, 999), (MAX_INDEX, 0)] {
            outputs.push(contract.pledge(&secp, Slot { index, generation }, sponsor).unwrap());
        }
        for output in outputs {
            let descriptor = Descriptor::<DefiniteDescriptorKey>::from_str(&output.descriptor()).unwrap();
            assert_eq!(descriptor.script_pubkey(), output.script_pubkey);
            assert_eq!(descriptor.address(network.bitcoin()).unwrap(), output.address);
            assert!(output.address.to_string().starts_with(network.hrp()));
        }
    }
}

#[test]
fn other_terms_give_other_addresses() {
    let secp = Secp256k1::new();
    let sponsor = testing::sponsor(1).x_only_public_key().0;
    let address = |charter: &Charter, slot| {
        Contract::new(charter).unwrap().pledge(&secp, slot, sponsor).unwrap().address
    };
    let charter = testing::charter(Network::Regtest);
    let mut fields = charter.fields().clone();
    fields.cap_sat += 1;
    let other = Charter::from_fields(fields).unwrap();
    let slot = Slot::pledge(1);
    assert_ne!(address(&charter, slot), address(&other, slot), "equal keys and T, other terms");
    assert_ne!(address(&charter, slot), address(&charter, Slot::pledge(2)));
    assert_ne!(address(&charter, slot), address(&charter, Slot { index: 1, generation: 1 }));
    assert_ne!(
        Contract::new(&charter).unwrap().open(&secp).address,
        Contract::new(&other).unwrap().open(&secp).address
    );
}

#[test]
fn impossible_slots_and_keys_are_refused() {
    let secp = Secp256k1::new();
    let contract = Contract::new(&testing::charter(Network::Regtest)).unwrap();
    let sponsor = testing::sponsor(1).x_only_public_key().0;
    let refused = |slot, key| contract.pledge(&secp, slot, key).unwrap_err();
    assert_eq!(refused(Slot::pledge(0), sponsor), DescriptorError::Index { index: 0 });
    assert_eq!(refused(Slot::pledge(1 << 31), sponsor), DescriptorError::Index { index: 1 << 31 });
    assert_eq!(
        refused(Slot { index: 1, generation: 1000 }, sponsor),
        DescriptorError::Generation { generation: 1000 }
    );
    let developer = contract.signers[0].child(0, 1);
    assert_eq!(
        refused(Slot::pledge(1), developer),
        DescriptorError::SponsorIsSigner { role: Role::Developer }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_pledge_agrees_with_miniscript(index in 1u32..=MAX_INDEX, generation in 0u32..=MAX_GENERATION, n in 1u8..60) {
        let secp = Secp256k1::new();
        let contract = Contract::new(&testing::charter(Network::Mainnet)).unwrap();
        let sponsor = testing::sponsor(n).x_only_public_key().0;
        let output = contract.pledge(&secp, Slot { index, generation }, sponsor).unwrap();
        let descriptor = Descriptor::<DefiniteDescriptorKey>::from_str(&output.descriptor()).unwrap();
        prop_assert_eq!(descriptor.script_pubkey(), output.script_pubkey);
    }
}
