//! `upfront pledge`: a sponsor's side. The address is derived here and compared with the service's; the
//! recovery file is on the disk before the address is shown.

mod create;
mod moving;
mod refund;
mod wallet;

pub use create::PledgeAnswer;
pub use refund::find_key;
pub use wallet::deliver as deliver_pledge;

use super::context::{Context, OptionalKeyArg};
use super::electrum::ProxyArg;
use super::exit::{Exit, Failure};
use super::speaker::WalletKey;
use super::task::outpoint_rows;
use super::text::{Rows, groups, sat};
use crate::client::CheckedTask;
use crate::escrow::recovery::{MAX_RECOVERY_BYTES, RecoveryFile};
use crate::escrow::statement::CharterId;
use crate::keys::{
    KeyFileError, Passphrase, Stored, Zeroizing, replace_secret, sealed_or_plain, write_new_secret,
};
use crate::service::views::PledgeView;
use bitcoin::secp256k1::Secp256k1;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct PledgeCommand {
    #[command(subcommand)]
    command: Option<PledgeSubcommand>,
    #[command(flatten)]
    create: Option<create::CreateArgs>,
}

#[derive(Subcommand)]
enum PledgeSubcommand {
    /// Sign the refunds of everything that arrived, and hand them in
    Secure(Box<SecureArgs>),
    /// Move a pledge to another charter: another task, a new developer, a later T
    Move(Box<moving::MoveArgs>),
    /// Show a pledge
    Show(ShowArgs),
}

#[derive(Args)]
struct SecureArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Recovery file of the pledge; refunds are added to it
    #[arg(long, value_name = "FILE")]
    recovery: PathBuf,
    #[command(flatten)]
    key: OptionalKeyArg,
    /// The sponsor's key is in another wallet: write every missing part as a PSBT into this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["key", "signed"])]
    psbt_out: Option<PathBuf>,
    /// With --psbt-out: the sponsor's key with its origin, [fingerprint/path]KEY, so that the wallet finds it
    #[arg(long, value_name = "KEY", requires = "psbt_out")]
    key_origin: Option<WalletKey>,
    /// Parts that came back signed
    #[arg(long, value_name = "PSBT", num_args = 1.., conflicts_with = "key")]
    signed: Vec<PathBuf>,
    /// Check what arrived with this Electrum server, tcp://host:port, instead of believing the service
    #[arg(long, value_name = "URL")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
}

#[derive(Args)]
struct ShowArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Index of the pledge
    #[arg(long = "pledge", visible_alias = "index", value_name = "N")]
    index: u32,
}

#[cfg(test)]
impl PledgeCommand {
    /// Whether it was read as a new pledge.
    pub fn creates(&self) -> bool {
        self.create.is_some()
    }
}

/// A pledge, as shown.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown(PledgeView);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = &self.0;
        let mut rows = Rows::new();
        rows.row("pledge", view.index)
            .row("promised", sat(view.promised_sat))
            .row("address", groups(&view.address))
            .row("link", &view.uri)
            .row("refunds to", &view.refund_address)
            .row("sponsor key", view.sponsor_key)
            .row("descriptor", &view.descriptor);
        write!(f, "{rows}")?;
        if view.outpoints.is_empty() {
            return writeln!(f, "Nothing has arrived yet.");
        }
        view.outpoints.iter().try_for_each(|outpoint| write!(f, "{}", outpoint_rows(outpoint)))
    }
}

/// A recovery file with the place it is kept at, and the passphrase it is kept under.
pub struct KeptRecovery {
    /// What it says.
    pub file: RecoveryFile,
    path: PathBuf,
    passphrase: Option<Passphrase>,
}

impl KeptRecovery {
    /// Writes a new one; with a passphrase it is encrypted.
    pub fn create(
        path: PathBuf,
        file: RecoveryFile,
        passphrase: Option<Passphrase>,
    ) -> Result<KeptRecovery, KeyFileError> {
        let text = Zeroizing::new(file.to_json());
        write_new_secret(&path, &sealed_or_plain(text.as_bytes(), passphrase.as_ref()))?;
        Ok(KeptRecovery { file, path, passphrase })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file by what is known now, which may be the only copy of it; unless it has grown longer than one
    /// that is read: it is left as it is then.
    pub fn save(&self) -> anyhow::Result<()> {
        let text = Zeroizing::new(self.file.to_json());
        if text.len() > MAX_RECOVERY_BYTES {
            let message = "there are more outputs than the recovery file can hold; it was left as it is";
            return Err(Failure::refused("too_many_outputs", message)
                .hint("the key in the file is enough: `upfront recover` refunds all of them after T")
                .into());
        }
        let bytes = sealed_or_plain(text.as_bytes(), self.passphrase.as_ref());
        replace_secret(&self.path, &bytes, |written| {
            let plain = Stored::read(written, &self.path, max_recovery_bytes()).and_then(|stored| {
                stored.open(|path| {
                    self.passphrase.clone().ok_or_else(|| KeyFileError::Locked { path: path.to_owned() })
                })
            });
            plain.is_ok_and(|plain| *plain == text.as_bytes())
        })?;
        Ok(())
    }
}

/// Longest recovery file.
pub fn max_recovery_bytes() -> u64 {
    u64::try_from(MAX_RECOVERY_BYTES).unwrap_or(u64::MAX)
}

/// Reads a recovery file and derives everything in it again.
pub fn read_recovery(context: &Context<'_>, path: &Path) -> anyhow::Result<KeptRecovery> {
    let (bytes, passphrase) = context.unlock(Stored::read_file(path, max_recovery_bytes())?)?;
    Ok(KeptRecovery { file: read_recovery_bytes(path, &bytes)?, path: path.to_owned(), passphrase })
}

/// The same from what the file at `path` holds.
pub fn read_recovery_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<RecoveryFile> {
    RecoveryFile::parse(&Secp256k1::new(), bytes).map_err(|error| {
        anyhow::Error::from(Failure::untrue("recovery_file", error.to_string()))
            .context(format!("{} cannot be used", path.display()))
    })
}

pub fn run(context: &Context<'_>, command: PledgeCommand) -> anyhow::Result<Exit> {
    match (command.command, command.create) {
        (Some(PledgeSubcommand::Secure(args)), _) => secure(context, &args),
        (Some(PledgeSubcommand::Move(args)), _) => moving::run(context, &args),
        (Some(PledgeSubcommand::Show(ShowArgs { task, index })), _) => {
            let client = context.client();
            let view = client.pledge_view(&task, index)?;
            CheckedTask::fetch(&client, &task)?.check_pledge(&view)?;
            context.report(&Shown(view))?;
            Ok(Exit::Done)
        }
        (None, Some(args)) => create::run(context, &args),
        (None, None) => {
            Err(Failure::usage("name a task, an --amount and a --key; see `upfront pledge --help`").into())
        }
    }
}

fn secure(context: &Context<'_>, args: &SecureArgs) -> anyhow::Result<Exit> {
    let mut kept = read_recovery(context, &args.recovery)?;
    let file = &kept.file;
    if file.charter().id() != args.task {
        let message = format!("this recovery file is for task {}", file.charter().id());
        return Err(Failure::refused("other_task", message).into());
    }
    let key = if wallet::wanted(args) { None } else { Some(refund::key_of(context, file, &args.key)?) };
    let client = context.client();
    let chain = refund::Chain::connect(args.electrum.as_deref(), &args.proxy, file.charter().network())?;
    let view = client.pledge_view(&args.task, file.pledge().index)?;
    let checked = CheckedTask::fetch(&client, &args.task)?;
    refund::same_pledge(&checked, &view, file)?;
    let Some(key) = key else {
        wallet::secure(context, &client, &chain, &view, &mut kept, args)?;
        return Ok(Exit::Done);
    };
    let view = refund::secure(&client, &chain, &view, &mut kept, &key)?;
    context.report(&refund::Secured::new(view, args.recovery.clone()))?;
    Ok(Exit::Done)
}
