//! What the wallet's commands print.

use crate::cli::text::{Rows, groups, qr, sat};
use crate::escrow::network::Network;
use crate::wallet::{HistoryItem, OperatorWallet, Purpose};
use serde::Serialize;
use std::fmt;

/// Address, and balance where a server was asked.
#[derive(Serialize)]
pub struct WalletReport {
    network: Network,
    address: String,
    /// The keys are with another program.
    watch_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_sat: Option<u64>,
    #[serde(skip)]
    qr: Option<String>,
}

impl WalletReport {
    /// Of a wallet; with its balance, with a QR code of its address.
    pub fn new(wallet: &mut OperatorWallet, balance: bool, with_qr: bool) -> anyhow::Result<WalletReport> {
        let address = wallet.address()?.to_string();
        let held = balance.then(|| wallet.balance());
        Ok(WalletReport {
            network: wallet.network(),
            qr: if with_qr { Some(qr(&format!("bitcoin:{}", address.to_uppercase()))?) } else { None },
            address,
            watch_only: wallet.is_watch_only(),
            confirmed_sat: held.map(|held| held.confirmed.to_sat()),
            pending_sat: held.map(|held| held.pending.to_sat()),
        })
    }
}

impl fmt::Display for WalletReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(qr) = &self.qr {
            writeln!(f, "{qr}")?;
        }
        let mut rows = Rows::new();
        rows.row("network", self.network).row("address", groups(&self.address)).row("", &self.address);
        self.confirmed_sat.iter().for_each(|amount| _ = rows.row("confirmed", sat(*amount)));
        self.pending_sat.iter().for_each(|amount| _ = rows.row("pending", sat(*amount)));
        if self.watch_only {
            rows.row("keys", "with another program, which signs");
        }
        write!(f, "{rows}")?;
        writeln!(f, "It pays the network fees of refunds and nothing else.")
    }
}

/// The wallet's transactions.
#[derive(Serialize)]
pub struct History {
    /// The newest first.
    pub transactions: Vec<HistoryItem>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transactions.is_empty() {
            return writeln!(f, "Nothing happened yet.");
        }
        for item in &self.transactions {
            let height = item.height.map_or("unconfirmed".to_owned(), |height| format!("block {height}"));
            let what = match item.purpose {
                Purpose::TopUp => format!("received {}", sat(item.received_sat)),
                Purpose::Refunds { pledges } => format!("refunds of {pledges}, fee {}", sat(item.fee_sat)),
                Purpose::PaidOut => format!("paid out {}, fee {}", sat(item.paid_sat), sat(item.fee_sat)),
                Purpose::Own => format!("to itself, fee {}", sat(item.fee_sat)),
            };
            writeln!(f, "{}  {height:12}  {what}", item.txid)?;
        }
        Ok(())
    }
}

/// Public descriptors, to be put into a `wallet.descriptor`.
#[derive(Serialize)]
pub struct Exported {
    /// One with both branches, or external and internal.
    pub descriptors: Vec<String>,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.descriptors.iter().try_for_each(|descriptor| writeln!(f, "{descriptor}"))
    }
}
