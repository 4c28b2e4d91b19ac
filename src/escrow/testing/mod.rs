//! A charter with known keys, a chain that is only memory, and people who act on it: for tests inside the
//! crate and outside. Never used by the program itself: its keys are public.

mod chain;
mod moves;
mod world;

pub use chain::{FakeBlock, FakeChain, Rejected, Verify};
pub use world::World;

use super::charter::{
    AcceptanceRule, Charter, CharterFields, FundingRule, Leader, Milestone, Payee, Seat, Silence,
    SubmissionsOpen, VoteOpens,
};
use super::network::{DAY_SECS, Network};
use super::statement::{Digest, Role, TaskId};
use bitcoin::Address;
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv, Xpub};
use bitcoin::secp256k1::{Keypair, Secp256k1};

/// The text of the task that [`fields`] names.
pub const TEXT: &str = "Teach the parser to read dates before 1970.";
/// A Monday, 00:00 UTC: 2027-05-31.
pub const REFUND_TIME: u32 = 1_811_721_600;

/// Master key of a test person.
pub fn master(network: Network, person: u8) -> Xpriv {
    Xpriv::new_master(network.kind(), &[person; 32]).expect("any seed makes a master key")
}

/// The number of the test person that holds a seat.
pub fn person(role: Role) -> u8 {
    match role {
        Role::Developer => 1,
        Role::Representative => 2,
        Role::Arbiter => 3,
    }
}

/// `m/87h/coin'h/0h` of a seat.
pub fn account(network: Network, role: Role) -> Xpriv {
    account_of(network, person(role))
}

fn account_of(network: Network, person: u8) -> Xpriv {
    derive(&master(network, person), &account_path(network))
}

fn account_path(network: Network) -> DerivationPath {
    let hardened = |index| ChildNumber::from_hardened_idx(index).expect("small");
    vec![hardened(87), hardened(network.coin_type()), hardened(0)].into()
}

fn derive(key: &Xpriv, path: &DerivationPath) -> Xpriv {
    key.derive_priv(&Secp256k1::new(), path).expect("derives")
}

/// A seat with the account key of a test person.
pub fn seat(network: Network, person: u8) -> Seat {
    let secp = Secp256k1::new();
    let fingerprint = master(network, person).fingerprint(&secp);
    let xpub = Xpub::from_priv(&secp, &account_of(network, person));
    Seat {
        key: format!("[{fingerprint}/87h/{}h/0h]{xpub}", network.coin_type()),
        nominated_by: format!("person {person}"),
    }
}

/// The key a seat attests, accepts and rules with.
pub fn statement_keypair(network: Network, role: Role) -> Keypair {
    let normal = |index| ChildNumber::from_normal_idx(index).expect("small");
    let path: DerivationPath = vec![normal(1000), normal(0)].into();
    derive(&account(network, role), &path).to_keypair(&Secp256k1::new())
}

/// A key pair that stands for sponsor number `n`'s refund key.
pub fn sponsor(n: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[0x40 + n.min(0xa0); 32])
        .expect("not zero, below the order")
}

/// Key of the service's receipts.
pub fn receipt_keypair() -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[0x33; 32]).expect("not zero, below the order")
}

/// A Taproot address nobody minds: BIP86 index `n` of person 9.
pub fn address(network: Network, n: u32) -> Address {
    let secp = Secp256k1::new();
    let index = ChildNumber::from_normal_idx(n).expect("small");
    let path: DerivationPath = vec![ChildNumber::from_normal_idx(0).expect("small"), index].into();
    let key = derive(&account_of(network, 9), &path).to_keypair(&secp).x_only_public_key().0;
    Address::p2tr(&secp, key, None, network.bitcoin())
}

/// The fields of a valid charter.
pub fn fields(network: Network) -> CharterFields {
    let cutoff = REFUND_TIME - network.cutoff_secs();
    let work_deadline = cutoff - 7 * DAY_SECS - 14 * DAY_SECS;
    CharterFields {
        version: 1,
        network,
        task: TaskId([0x11; 32]),
        text_hash: Digest::of(TEXT.as_bytes()),
        repository: "https://example.org/parser".into(),
        licence: "MIT OR Apache-2.0".into(),
        developer: seat(network, 1),
        representative: seat(network, 2),
        arbiter: seat(network, 3),
        refund_time: REFUND_TIME,
        depth: if network == Network::Regtest { 1 } else { 2 },
        funding_close: work_deadline - 30 * DAY_SECS,
        work_deadline,
        review_secs: 7 * DAY_SECS,
        ruling_secs: 14 * DAY_SECS,
        target_sat: 1_000_000,
        cap_sat: 2_000_000,
        minimum_pledge_sat: 10_000,
        acceptance: AcceptanceRule {
            threshold_bps: 6_667,
            quorum_bps: 2_000,
            silence: Silence::Pay,
            yes_waits: false,
        },
        milestones: vec![Milestone { share_bps: 10_000, due: work_deadline }],
        payees: vec![Payee { address: address(network, 0).to_string(), share_bps: 9_500 }],
        leader: Some(Leader {
            address: address(network, 1).to_string(),
            share_bps: 300,
            key: leader_keypair().x_only_public_key().0.to_string(),
        }),
        operator: Some(Payee { address: address(network, 2).to_string(), share_bps: 200 }),
        funding_rule: FundingRule::Keep,
        submissions_open: SubmissionsOpen::AtOnce,
        vote_opens: VoteOpens::None,
        pot: Some(address(network, 3).to_string()),
        receipt_key: receipt_keypair().x_only_public_key().0.to_string(),
        feerate_cap_sat_per_vb: 200,
    }
}

/// A key that is nobody's.
pub fn attacker_keypair() -> Keypair {
    sponsor(0x66)
}

/// The key the project's leader speaks with.
pub fn leader_keypair() -> Keypair {
    sponsor(90)
}

/// A valid charter on `network`.
pub fn charter(network: Network) -> Charter {
    Charter::from_fields(fields(network)).expect("the test charter is valid")
}
