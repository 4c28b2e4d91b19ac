//! The four chains a charter can live on, and what differs between them: prefixes, coin type, the
//! grid of refund times, the shortest windows allowed. No other module asks "is this regtest?".

use bitcoin::NetworkKind;
use bitcoin::params::Params;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A Bitcoin network. Written in lower case in charters, configuration and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Real money.
    Mainnet,
    /// BIP94.
    Testnet4,
    /// BIP325, the default global signet.
    Signet,
    /// A private chain on one machine.
    Regtest,
}

/// The name is none of `mainnet`, `testnet4`, `signet`, `regtest`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown network {given:?}: use mainnet, testnet4, signet or regtest")]
pub struct UnknownNetwork {
    /// What was given.
    pub given: String,
}

/// Seconds in a day.
pub const DAY_SECS: u32 = 86_400;
/// A Monday, 00:00 UTC (1970-01-05), from which the weekly grid of refund times counts.
const FIRST_MONDAY_SECS: u32 = 4 * DAY_SECS;

impl Network {
    /// All of them, in the order they are documented.
    pub const ALL: [Network; 4] = [Network::Mainnet, Network::Testnet4, Network::Signet, Network::Regtest];

    /// Its name as written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Network::Mainnet => "mainnet",
            Network::Testnet4 => "testnet4",
            Network::Signet => "signet",
            Network::Regtest => "regtest",
        }
    }

    /// The library's type.
    pub const fn bitcoin(self) -> bitcoin::Network {
        match self {
            Network::Mainnet => bitcoin::Network::Bitcoin,
            Network::Testnet4 => bitcoin::Network::Testnet4,
            Network::Signet => bitcoin::Network::Signet,
            Network::Regtest => bitcoin::Network::Regtest,
        }
    }

    /// Consensus parameters (proof-of-work limit, genesis block).
    pub fn params(self) -> &'static Params {
        self.bitcoin().params()
    }

    /// Main or test: decides the prefix of extended keys and WIF.
    pub const fn kind(self) -> NetworkKind {
        match self {
            Network::Mainnet => NetworkKind::Main,
            Network::Testnet4 | Network::Signet | Network::Regtest => NetworkKind::Test,
        }
    }

    /// BIP44 coin type: 0 on mainnet, 1 everywhere else (SLIP-44).
    pub const fn coin_type(self) -> u32 {
        match self {
            Network::Mainnet => 0,
            Network::Testnet4 | Network::Signet | Network::Regtest => 1,
        }
    }

    /// Distance between two possible refund times `T`. A week, so that refunds of many tasks fall due
    /// together and share a transaction; a minute on regtest, so that a whole life fits in a test.
    pub const fn grid_secs(self) -> u32 {
        match self {
            Network::Mainnet | Network::Testnet4 | Network::Signet => 7 * DAY_SECS,
            Network::Regtest => 60,
        }
    }

    /// Whether `secs` lies on the grid: Mondays 00:00 UTC, or whole minutes on regtest.
    pub const fn on_grid(self, secs: u32) -> bool {
        match self {
            Network::Regtest => secs.is_multiple_of(60),
            _ => secs >= FIRST_MONDAY_SECS && (secs - FIRST_MONDAY_SECS).is_multiple_of(7 * DAY_SECS),
        }
    }

    /// The first grid point at or after `secs`; `None` past the end of 32-bit time.
    pub fn grid_at_or_after(self, secs: u32) -> Option<u32> {
        let base = if self == Network::Regtest { 0 } else { FIRST_MONDAY_SECS };
        let steps = secs.saturating_sub(base).div_ceil(self.grid_secs());
        base.checked_add(steps.checked_mul(self.grid_secs())?)
    }

    /// How long before `T` nothing new is started: three days, so that a payout begun just before it
    /// still confirms; one grid step on regtest.
    pub const fn cutoff_secs(self) -> u32 {
        match self {
            Network::Regtest => 60,
            _ => 3 * DAY_SECS,
        }
    }

    /// How long something may wait for a signer before the signer is called silent: a week; ten minutes on regtest.
    pub const fn silent_secs(self) -> u32 {
        match self {
            Network::Regtest => 600,
            _ => 7 * DAY_SECS,
        }
    }

    /// Shortest review window a charter may set: a week, none on regtest.
    pub const fn min_review_secs(self) -> u32 {
        match self {
            Network::Regtest => 0,
            _ => 7 * DAY_SECS,
        }
    }

    /// Shortest ruling window a charter may set: two weeks, none on regtest.
    pub const fn min_ruling_secs(self) -> u32 {
        match self {
            Network::Regtest => 0,
            _ => 14 * DAY_SECS,
        }
    }

    /// Human-readable part of its bech32 addresses.
    pub const fn hrp(self) -> &'static str {
        match self {
            Network::Mainnet => "bc",
            Network::Testnet4 | Network::Signet => "tb",
            Network::Regtest => "bcrt",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = UnknownNetwork;
    fn from_str(given: &str) -> Result<Self, UnknownNetwork> {
        Network::ALL
            .into_iter()
            .find(|network| network.name() == given)
            .ok_or_else(|| UnknownNetwork { given: given.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weekly_grid_is_mondays_at_midnight() {
        // 2026-11-23 00:00 UTC, a Monday (`date -u -d 2026-11-23 +%s`).
        let monday = 1_795_392_000;
        assert!(Network::Mainnet.on_grid(monday));
        assert!(!Network::Mainnet.on_grid(monday + DAY_SECS));
        assert!(!Network::Mainnet.on_grid(monday + 60));
        assert!(Network::Regtest.on_grid(monday + 60));
        assert_eq!(Network::Signet.grid_at_or_after(monday - 1), Some(monday));
        assert_eq!(Network::Signet.grid_at_or_after(monday), Some(monday));
        assert_eq!(Network::Signet.grid_at_or_after(u32::MAX), None);
    }

    #[test]
    fn names_round_trip() {
        for network in Network::ALL {
            assert_eq!(network.name().parse::<Network>(), Ok(network));
        }
        assert!("main".parse::<Network>().is_err());
    }
}
