//! Money out of the fee wallet, told before it goes.

use super::{Asking, running};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::text::{Rows, groups, sat};
use crate::escrow::charter::address;
use crate::wallet::SpendRequest;
use bitcoin::{Amount, FeeRate, Txid};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub struct SendArgs {
    /// Whom to pay
    address: String,
    /// How much
    #[arg(long, value_name = "SAT")]
    amount_sat: u64,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct SweepArgs {
    /// Whom to pay
    address: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    /// Feerate, sat/vB
    #[arg(long, value_name = "SAT_PER_VB", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    feerate: u64,
    #[command(flatten)]
    asking: Asking,
    /// Pay even while a batch of refunds is unconfirmed, whose replacement may need this money
    #[arg(long)]
    force: bool,
    /// Pay without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Planned<'a> {
    address: &'a str,
    amount_sat: u64,
    fee_sat: u64,
    left_sat: u64,
}

impl fmt::Display for Planned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("pay", sat(self.amount_sat))
            .row("to", groups(self.address))
            .row("", self.address)
            .row("fee", sat(self.fee_sat))
            .row("left", sat(self.left_sat));
        write!(f, "{rows}")
    }
}

#[derive(Serialize)]
struct Sent<'a> {
    txid: Txid,
    #[serde(flatten)]
    planned: Planned<'a>,
}

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Sent {} to {}: {}", sat(self.planned.amount_sat), self.planned.address, self.txid)
    }
}

/// `upfront wallet send`.
pub fn send(context: &Context<'_>, args: &SendArgs) -> anyhow::Result<Exit> {
    pay(context, &args.address, Some(Amount::from_sat(args.amount_sat)), &args.how)
}

/// `upfront wallet sweep`.
pub fn sweep(context: &Context<'_>, args: &SweepArgs) -> anyhow::Result<Exit> {
    pay(context, &args.address, None, &args.how)
}

fn pay(context: &Context<'_>, to: &str, amount: Option<Amount>, how: &How) -> anyhow::Result<Exit> {
    let place = how.asking.at.read()?;
    let to_address = address("address", to, place.network)
        .map_err(|error| Failure::refused("address", error.to_string()))?;
    let mut opened = place.open(context)?;
    if opened.lock.is_none() {
        return Err(running().into());
    }
    let server = opened.sync(&how.asking.servers(&place)?)?;
    let under_way = opened.wallet.unconfirmed_spends();
    if let (Some(txid), false) = (under_way.first(), how.force) {
        let message =
            format!("{txid} spends from this wallet and is unconfirmed: its replacement may need the rest");
        return Err(Failure::not_yet("batch_unconfirmed", message).hint("wait, or give --force").into());
    }
    let feerate = FeeRate::from_sat_per_vb(how.feerate)
        .ok_or_else(|| Failure::usage("this feerate is beyond any number"))?;
    let request = SpendRequest { to: to_address, amount, feerate, unconfirmed: how.force };
    let held = opened.wallet.balance().spendable;
    let spend = opened.wallet.plan_spend(&request)?;
    let left = held.checked_sub(spend.amount + spend.fee).unwrap_or_default();
    let planned = Planned {
        address: to,
        amount_sat: spend.amount.to_sat(),
        fee_sat: spend.fee.to_sat(),
        left_sat: left.to_sat(),
    };
    context.note(&planned);
    if !how.yes && !context.confirm("Pay this?")? {
        return Err(Failure::refused("not_confirmed", "nothing was paid").into());
    }
    let transaction = opened.wallet.sign_spend(spend)?;
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let txid = opened.wallet.broadcast(&server, &transaction, now_secs)?;
    context.report(&Sent { txid, planned })?;
    Ok(Exit::Done)
}
