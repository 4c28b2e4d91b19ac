//! `upfront wallet`: the operator's fee wallet, in the service's data directory.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::text::{Rows, groups, sat};
use crate::escrow::network::Network;
use crate::wallet::OperatorWallet;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum WalletCommand {
    /// Make the wallet: twelve words in the data directory
    New(Where),
    /// Show the address to send money for fees to
    Address(Where),
    /// Ask an Electrum server what the wallet holds
    Balance(BalanceArgs),
}

#[derive(Args)]
pub struct Where {
    /// The service's data directory
    #[arg(long, value_name = "DIR", env = "UPFRONT_DATA_DIR")]
    data_dir: PathBuf,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Network,
}

#[derive(Args)]
pub struct BalanceArgs {
    #[command(flatten)]
    at: Where,
    /// Electrum server, tcp://host:port
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM")]
    electrum: String,
}

#[derive(Serialize)]
struct WalletReport {
    network: Network,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_sat: Option<u64>,
}

impl fmt::Display for WalletReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("network", self.network).row("address", groups(&self.address)).row("", &self.address);
        self.confirmed_sat.iter().for_each(|amount| _ = rows.row("confirmed", sat(*amount)));
        self.pending_sat.iter().for_each(|amount| _ = rows.row("pending", sat(*amount)));
        write!(f, "{rows}")?;
        writeln!(f, "It pays the network fees of refunds and nothing else.")
    }
}

pub fn run(context: &Context<'_>, command: &WalletCommand) -> anyhow::Result<Exit> {
    let report = match command {
        WalletCommand::New(at) => {
            std::fs::create_dir_all(&at.data_dir)?;
            report(&mut OperatorWallet::create(&at.data_dir, at.network)?)?
        }
        WalletCommand::Address(at) => report(&mut open(at)?)?,
        WalletCommand::Balance(BalanceArgs { at, electrum }) => {
            let mut wallet = open(at)?;
            wallet.sync(electrum)?;
            let balance = wallet.balance();
            WalletReport {
                confirmed_sat: Some(balance.confirmed.to_sat()),
                pending_sat: Some(balance.pending.to_sat()),
                ..report(&mut wallet)?
            }
        }
    };
    context.report(&report)?;
    Ok(Exit::Done)
}

fn open(at: &Where) -> anyhow::Result<OperatorWallet> {
    let none = || {
        Failure::refused("no_wallet", format!("there is no fee wallet in {}", at.data_dir.display()))
            .hint("make one with `upfront wallet new`")
    };
    Ok(OperatorWallet::open(&at.data_dir, at.network)?.ok_or_else(none)?)
}

fn report(wallet: &mut OperatorWallet) -> anyhow::Result<WalletReport> {
    let address = wallet.address()?.to_string();
    Ok(WalletReport { network: wallet.network(), address, confirmed_sat: None, pending_sat: None })
}
