//! What every page has around it: where it is, on which chain, and what the browser loads.

use super::super::assets::{self, Asset};
use super::super::faucet::Offer;
use super::super::{App, files_in_one};
use crate::escrow::facts::Tip;
use crate::escrow::network::Network;

/// The frame of a page.
#[derive(Clone, Debug)]
pub struct Site {
    /// The chain.
    pub network: Network,
    /// The tip everything on the page was read under.
    pub tip: Option<Tip>,
    /// Where people reach the service, without a slash at the end.
    pub public_url: String,
    /// Version of the program.
    pub version: &'static str,
    /// What the page offers of the faucet; absent everywhere but on regtest.
    pub faucet: Option<Offer>,
}

impl Site {
    /// Of the service, now.
    pub fn new(app: &App) -> Site {
        let policy = app.service.policy();
        Site {
            network: policy.network,
            tip: app.service.read(|book| book.tip().copied()),
            public_url: policy.public_url.trim_end_matches('/').to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            faucet: None,
        }
    }

    /// With the faucet, where there is one.
    #[must_use]
    pub fn with_faucet(mut self, offer: Option<Offer>) -> Site {
        self.faucet = offer;
        self
    }

    /// A file of the program.
    pub fn asset(&self, name: &str) -> &'static Asset {
        assets::asset(name)
    }

    /// Names the files that browsers are given, all in one.
    pub fn files(&self) -> &'static str {
        files_in_one()
    }

    /// Whether money here is worth nothing.
    pub fn is_test(&self) -> bool {
        self.network != Network::Mainnet
    }
}
