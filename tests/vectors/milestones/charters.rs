//! Three charters: one of three milestones with every kind of payee, one whose shares leave little, and one that
//! pledges of the first move to.

use super::super::cases::sponsor;
use super::super::charters::{self, Signed, p2pkh, p2sh, p2wpkh, p2wsh, taproot};
use upfront::escrow::charter::{Leader, Milestone, Payee, Silence};
use upfront::escrow::network::{DAY_SECS, Network};

/// Whose phrase, and which path's number, the key of a charter's leader is.
pub const LEADER: (&str, u32) = ("leader of milestones", 0);

fn leader(network: Network, share_bps: u16) -> Option<Leader> {
    let (label, i) = LEADER;
    let key = sponsor(network, label, i).2.x_only_public_key().0.to_string();
    Some(Leader { address: p2pkh("leader", network), share_bps, key })
}

fn milestones(shares: [u16; 3], deadline: u32) -> Vec<Milestone> {
    let due = [14, 7, 0].map(|days| deadline - days * DAY_SECS);
    shares.into_iter().zip(due).map(|(share_bps, due)| Milestone { share_bps, due }).collect()
}

pub fn all() -> [Signed; 3] {
    let parts = charters::signed(Network::Testnet4, [2, 3, 4], 1_810_000_000, |fields| {
        let network = fields.network;
        fields.milestones = milestones([5_000, 3_333, 1_667], fields.work_deadline);
        fields.payees = vec![
            Payee { address: p2wpkh("payee 1", network), share_bps: 5_000 },
            Payee { address: p2sh("payee 2", network), share_bps: 3_000 },
            Payee { address: p2wsh("payee 3", network), share_bps: 1_000 },
        ];
        fields.leader = leader(network, 900);
        fields.operator = Some(Payee { address: taproot("operator", network), share_bps: 100 });
        fields.pot = Some(taproot("pot", network));
    });
    let little = charters::signed(Network::Mainnet, [5, 0, 0], 1_820_000_000, |fields| {
        fields.milestones = milestones([9_000, 700, 300], fields.work_deadline);
        fields.acceptance.silence = Silence::Hold;
        fields.minimum_pledge_sat = 330;
        fields.feerate_cap_sat_per_vb = 25;
    });
    let later = charters::signed(Network::Testnet4, [9, 3, 4], 1_830_000_000, |fields| {
        let network = fields.network;
        fields.payees[0].share_bps = 9_500;
        fields.leader = leader(network, 500);
    });
    [parts, little, later]
}
