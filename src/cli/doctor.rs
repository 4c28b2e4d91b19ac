//! `upfront doctor`: what an operator or a person with a problem wants to know first. Looks only; changes
//! nothing but one file that it makes in the data directory and removes again.

use super::context::Context;
use super::electrum::ProxyArg;
use super::exit::Exit;
use super::text::{sat, when};
use crate::chain::electrum::Reach;
use crate::chain::headers::Checkpoint;
use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::client::Client;
use crate::escrow::network::Network;
use crate::keys::KeyFileError;
use crate::service::views::StatusView;
use crate::store::files::RealFiles;
use crate::wallet::{OperatorWallet, WalletError};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A median time past so far behind the wall clock is worth a word: blocks come every ten minutes, and the
/// median is six of them old.
const MTP_BEHIND_SECS: u64 = 6 * 3600;

#[derive(Args)]
pub struct DoctorArgs {
    /// The service's settings, to be checked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The service's data directory
    #[arg(long, value_name = "DIR", env = "UPFRONT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Electrum server, tcp://host:port
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
    /// mainnet, testnet4, signet or regtest; the service's by default
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Option<Network>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Good,
    /// Not wrong, but somebody should look.
    Attention,
    Bad,
    /// Not asked for, or not possible.
    Skipped,
}

#[derive(Serialize)]
struct Check {
    what: &'static str,
    outcome: Outcome,
    detail: String,
}

#[derive(Default, Serialize)]
struct Diagnosis {
    checks: Vec<Check>,
}

impl Diagnosis {
    fn add(&mut self, what: &'static str, outcome: Outcome, detail: impl ToString) {
        self.checks.push(Check { what, outcome, detail: detail.to_string() });
    }

    fn of(&mut self, what: &'static str, result: anyhow::Result<String>) {
        match result {
            Ok(detail) => self.add(what, Outcome::Good, detail),
            Err(error) => self.add(what, Outcome::Bad, format!("{error:#}")),
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { what, outcome, detail } in &self.checks {
            let mark = match outcome {
                Outcome::Good => "ok",
                Outcome::Attention => "look",
                Outcome::Bad => "BAD",
                Outcome::Skipped => "-",
            };
            writeln!(f, "{mark:4}  {what:15}  {detail}")?;
        }
        Ok(())
    }
}

pub fn run(context: &Context<'_>, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let mut found = Diagnosis::default();
    let config = match &args.config {
        None => None,
        Some(path) => match crate::config::Config::from_environment(Some(path)) {
            Ok(config) => {
                found.add("settings", Outcome::Good, path.display());
                Some(config)
            }
            Err(error) => {
                found.add("settings", Outcome::Bad, error);
                None
            }
        },
    };
    let status = service(&mut found, &context.client());
    let network = args
        .network
        .or(config.as_ref().map(|config| config.network))
        .or(status.as_ref().map(|status| status.network));
    match args.data_dir.clone().or(config.as_ref().map(|config| config.data_dir.clone())) {
        None => found.add("data directory", Outcome::Skipped, "name it with --data-dir or --config"),
        Some(dir) => data_dir(&mut found, &dir, network),
    }
    // The checkpoint of the settings is of their network.
    let of_settings = config.as_ref().filter(|config| Some(config.network) == network);
    let checkpoint = of_settings.map(|config| config.checkpoint());
    match (args.proxy.choose(args.electrum.as_deref(), config.as_ref())?, network) {
        (Some(servers), Some(network)) => {
            let checkpoint = checkpoint.unwrap_or_else(|| Checkpoint::shipped(network.bitcoin()));
            servers.into_iter().for_each(|server| electrum(&mut found, server, network, checkpoint));
        }
        (Some(_), None) => found.add("Electrum server", Outcome::Skipped, "of which network? give --network"),
        (None, _) => found.add("Electrum server", Outcome::Skipped, "name it with --electrum or --config"),
    }
    let bad = found.checks.iter().any(|check| check.outcome == Outcome::Bad);
    context.report(&found)?;
    Ok(if bad { Exit::Refused } else { Exit::Done })
}

fn service(found: &mut Diagnosis, client: &Client) -> Option<StatusView> {
    let status = match client.status() {
        Ok(status) => status,
        Err(error) => {
            found.add("service", Outcome::Bad, error);
            return None;
        }
    };
    let words = format!(
        "{}, version {}, {}, {} tasks",
        client.server(),
        status.version,
        status.network,
        status.tasks
    );
    found.add("service", Outcome::Good, words);
    match (&status.server, &status.server_error) {
        (Some(server), _) => found.add("its chain", Outcome::Good, format!("Electrum server {server}")),
        (None, error) => {
            found.add(
                "its chain",
                Outcome::Bad,
                error.clone().unwrap_or_else(|| "no Electrum server".into()),
            );
        }
    }
    if let Some(tip) = &status.tip {
        clock(found, "its clock", tip.mtp_secs, status.network);
    }
    if let Some(error) = &status.journal_error {
        found.add("its journal", Outcome::Bad, error);
    }
    let unsecured = format!(
        "{} outputs without a refund, {} refunds due and not mined",
        status.unsecured, status.refunds_due
    );
    let outcome = if status.unsecured == 0 { Outcome::Good } else { Outcome::Attention };
    found.add("its refunds", outcome, unsecured);
    match &status.fee_wallet {
        None => found.add("its fee wallet", Outcome::Attention, "none: refunds go by their own ladders"),
        Some(wallet) => {
            let outcome = if wallet.low { Outcome::Attention } else { Outcome::Good };
            let words = format!(
                "{}, {} pending, {} needed; top up at {}",
                sat(wallet.confirmed_sat),
                sat(wallet.pending_sat),
                sat(wallet.needed_sat),
                wallet.address
            );
            found.add("its fee wallet", outcome, words);
            if let Some(error) = &wallet.signer_error {
                found.add("its fee signer", Outcome::Bad, error);
            }
        }
    }
    Some(status)
}

/// The chain's median time past lags the wall clock by about an hour. On regtest it may be anything.
fn clock(found: &mut Diagnosis, what: &'static str, mtp_secs: u32, network: Network) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mtp = u64::from(mtp_secs);
    let words = format!("median time {}, this machine {}", when(mtp), when(now));
    let odd = network != Network::Regtest && (mtp > now || now - mtp > MTP_BEHIND_SECS);
    found.add(what, if odd { Outcome::Attention } else { Outcome::Good }, words);
}

fn data_dir(found: &mut Diagnosis, dir: &Path, network: Option<Network>) {
    let probe = dir.join(".doctor");
    let written = std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe));
    let writable = written.map(|()| format!("{} can be written", dir.display()));
    found.of("data directory", writable.map_err(|error| anyhow::anyhow!("{}: {error}", dir.display())));
    match crate::store::journal::verify(dir, &RealFiles) {
        Err(error) => found.add("journal", Outcome::Bad, error),
        Ok(report) => match report.problem {
            Some(problem) => {
                let words = format!("line {}, byte {}: {}", problem.line, problem.offset, problem.what);
                found.add("journal", Outcome::Bad, words);
            }
            None => found.add("journal", Outcome::Good, format!("whole, {} lines", report.lines)),
        },
    }
    let Some(network) = network else {
        return found.add("fee wallet", Outcome::Skipped, "of which network? give --network");
    };
    match OperatorWallet::open(dir, network) {
        Err(WalletError::File(KeyFileError::Locked { path })) => {
            let words = format!("{} is encrypted: not looked into", path.display());
            found.add("fee wallet", Outcome::Good, words);
        }
        Err(error) => found.add("fee wallet", Outcome::Bad, error),
        Ok(None) => found.add("fee wallet", Outcome::Attention, "none: `upfront wallet new` makes one"),
        Ok(Some(wallet)) => {
            let words = format!("{} when last synced", sat(wallet.balance().confirmed.to_sat()));
            found.add("fee wallet", Outcome::Good, words);
        }
    }
}

/// Asks a server as the service would: by its pin, through the proxy, on the checkpoint.
fn electrum(found: &mut Diagnosis, server: Reach, network: Network, checkpoint: Checkpoint) {
    let url = server.url();
    let mut at = OneShotConfig::at(vec![server], network.bitcoin());
    at.checkpoint = checkpoint;
    match OneShot::connect(&at) {
        Err(error) => found.add("Electrum server", Outcome::Bad, format!("{url}: {error}")),
        Ok(server) => match server.tip() {
            None => found.add("Electrum server", Outcome::Attention, format!("{url}: no blocks yet")),
            Some(tip) => {
                let pinned = server.headers().checkpoint().height;
                let words =
                    format!("{url}: headers valid from the pinned block {pinned} up to block {}", tip.height);
                found.add("Electrum server", Outcome::Good, words);
                clock(found, "its time", tip.mtp_secs, network);
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_journal_is_told_not_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let mut found = Diagnosis::default();
        data_dir(&mut found, dir.path(), Some(Network::Regtest));
        let text = found.to_string();
        assert!(text.contains("can be written") && text.contains("journal"), "{text}");
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing is left behind");
    }
}
