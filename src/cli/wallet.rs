//! `upfront wallet`: the operator's fee wallet, in the service's data directory. While the service runs it
//! keeps the wallet's state: then these commands look and write nothing, and money is not taken out.

mod report;
mod send;
mod sign;

use super::context::Context;
use super::electrum::ProxyArg;
use super::exit::{Exit, Failure};
use super::unlock::{NoPassphraseArg, read_passphrase};
use crate::chain::electrum::Reach;
use crate::config::{Config, environment};
use crate::escrow::network::Network;
use crate::store::files::{Files, Lock, RealFiles};
use crate::store::journal::LOCK_FILE;
use crate::wallet::{ExternalSigner, OperatorWallet};
use clap::{Args, Subcommand};
use report::{Exported, History, WalletReport};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand)]
pub enum WalletCommand {
    /// Make the wallet: twelve words in the data directory, encrypted
    New(NewArgs),
    /// Show the address to send money for fees to
    Address(AddressArgs),
    /// Ask an Electrum server what the wallet holds
    Balance(Asking),
    /// Tell what the money went for
    History(Asking),
    /// Print the public descriptor: for a wallet that watches, or a service whose keys are elsewhere
    Export(Where),
    /// Pay out of the wallet to an address
    Send(send::SendArgs),
    /// Pay all of it to an address
    Sweep(send::SweepArgs),
    /// Sign refund batches on a machine of their own: PSBT on standard input, signed on standard output
    Sign(sign::SignArgs),
}

/// Where the wallet is: by the service's settings, or by name.
#[derive(Args, Clone)]
pub struct Where {
    /// The service's settings, for all that is not given here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The service's data directory
    #[arg(long, value_name = "DIR", env = "UPFRONT_DATA_DIR", required_unless_present = "config")]
    data_dir: Option<PathBuf>,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK", required_unless_present = "config")]
    network: Option<Network>,
}

#[derive(Args)]
pub struct NewArgs {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    without: NoPassphraseArg,
}

#[derive(Args)]
pub struct AddressArgs {
    #[command(flatten)]
    at: Where,
    /// Do not draw the QR code
    #[arg(long)]
    no_qr: bool,
}

/// A wallet, and a server to ask about it.
#[derive(Args, Clone)]
pub struct Asking {
    #[command(flatten)]
    at: Where,
    /// Electrum server, tcp://host:port
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM", required_unless_present = "config")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
}

/// [`Where`], read.
struct Place {
    dir: PathBuf,
    network: Network,
    config: Option<Config>,
}

impl Where {
    fn read(&self) -> anyhow::Result<Place> {
        let config = match &self.config {
            Some(path) => Some(Config::load(Some(path), environment)?),
            None => None,
        };
        let missing = |what| Failure::usage(format!("give --{what} or --config"));
        let of = config.as_ref();
        let dir =
            self.data_dir.clone().or(of.map(|c| c.data_dir.clone())).ok_or_else(|| missing("data-dir"))?;
        let network = self.network.or(of.map(|c| c.network)).ok_or_else(|| missing("network"))?;
        Ok(Place { dir, network, config })
    }
}

impl Asking {
    fn servers(&self, place: &Place) -> anyhow::Result<Vec<Reach>> {
        let servers = self.proxy.choose(self.electrum.as_deref(), place.config.as_ref())?;
        servers.ok_or_else(|| Failure::usage("give --electrum or --config").into())
    }
}

/// The wallet, and the lock on its directory; without one the service runs and nothing is written.
struct Opened {
    wallet: OperatorWallet,
    lock: Option<Lock>,
}

impl Place {
    fn lock(&self) -> anyhow::Result<Option<Lock>> {
        Ok(RealFiles.lock(&self.dir.join(LOCK_FILE))?)
    }

    fn open(&self, context: &Context<'_>) -> anyhow::Result<Opened> {
        let none = || {
            Failure::refused("no_wallet", format!("there is no fee wallet in {}", self.dir.display()))
                .hint("make one with `upfront wallet new`")
        };
        if !self.dir.is_dir() {
            return Err(none().into());
        }
        let lock = self.lock()?;
        let from_config = self.config.as_ref().and_then(|config| config.wallet_passphrase_file.clone());
        let wallet = OperatorWallet::open_with(&self.dir, self.network, |path| match &from_config {
            Some(file) => read_passphrase(file),
            None => context.passphrase_of(path),
        })?;
        let mut wallet = wallet.ok_or_else(none)?;
        if let Some(config) = self.config.as_ref().filter(|config| !config.wallet_signer.is_empty()) {
            let timeout = Duration::from_secs(config.wallet_signer_timeout_secs);
            wallet.set_signer(ExternalSigner::new(config.wallet_signer.clone(), timeout));
        }
        Ok(Opened { wallet: if lock.is_some() { wallet } else { wallet.read_only() }, lock })
    }
}

impl Opened {
    fn sync(&mut self, servers: &[Reach]) -> anyhow::Result<Reach> {
        let mut failed = Failure::usage("no Electrum server is named").into();
        for server in servers {
            match self.wallet.sync(server) {
                Ok(()) => return Ok(server.clone()),
                Err(error) => failed = anyhow::Error::from(error),
            }
        }
        Err(failed)
    }
}

pub fn run(context: &Context<'_>, command: &WalletCommand) -> anyhow::Result<Exit> {
    match command {
        WalletCommand::New(args) => new(context, args)?,
        WalletCommand::Address(args) => {
            let mut opened = args.at.read()?.open(context)?;
            context.report(&WalletReport::new(&mut opened.wallet, false, !args.no_qr)?)?;
        }
        WalletCommand::Balance(args) => {
            let place = args.at.read()?;
            let mut opened = place.open(context)?;
            opened.sync(&args.servers(&place)?)?;
            context.report(&WalletReport::new(&mut opened.wallet, true, false)?)?;
        }
        WalletCommand::History(args) => {
            let place = args.at.read()?;
            let mut opened = place.open(context)?;
            opened.sync(&args.servers(&place)?)?;
            context.report(&History { transactions: opened.wallet.history() })?;
        }
        WalletCommand::Export(at) => {
            let opened = at.read()?.open(context)?;
            context.report(&Exported { descriptors: opened.wallet.public_descriptors() })?;
        }
        WalletCommand::Send(args) => return send::send(context, args),
        WalletCommand::Sweep(args) => return send::sweep(context, args),
        WalletCommand::Sign(args) => sign::sign(context, args)?,
    }
    Ok(Exit::Done)
}

fn new(context: &Context<'_>, args: &NewArgs) -> anyhow::Result<()> {
    let place = args.at.read()?;
    std::fs::create_dir_all(&place.dir)?;
    if place.lock()?.is_none() {
        return Err(running().into());
    }
    // Before somebody types a passphrase for nothing; writing looks again.
    let file = place.dir.join(crate::wallet::PHRASE_FILE);
    if file.exists() {
        return Err(crate::keys::KeyFileError::Exists { path: file }.into());
    }
    let passphrase = context.new_passphrase("the fee wallet", args.without)?;
    let mut wallet = OperatorWallet::create_with(&place.dir, place.network, passphrase.as_ref())?;
    if passphrase.is_some() {
        context.note(
            "Encrypted: give the service its passphrase by wallet_passphrase_file, or by the systemd credential \
             wallet-passphrase.",
        );
    }
    context.report(&WalletReport::new(&mut wallet, false, false)?)
}

fn running() -> Failure {
    Failure::refused("service_running", "the service runs on this data directory and keeps the wallet")
        .hint("stop it first")
}
