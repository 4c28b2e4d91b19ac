//! `upfront pledge TASK`: asks for an address, checks it, shows it, and with `--wait` stays until the
//! money is there and its refund secured.

use super::KeptRecovery;
use super::refund::{self, Chain, Secured};
use super::wallet;
use crate::cli::context::{Context, Patience};
use crate::cli::electrum::ProxyArg;
use crate::cli::exit::{Exit, Failure};
use crate::cli::speaker::WalletKey;
use crate::cli::text::{Rows, groups, qr, sat, when};
use crate::cli::unlock::NoPassphraseArg;
use crate::client::{CheckedTask, Client, ClientError};
use crate::escrow::charter::address;
use crate::escrow::descriptor::{EscrowOutput, Slot};
use crate::escrow::network::Network;
use crate::escrow::recovery::{Origin, RecoveryFile};
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Pledge, Signed};
use crate::keys::{Passphrase, SponsorKeys};
use crate::service::views::{PledgeView, payment_uri};
use bitcoin::secp256k1::{Keypair, Secp256k1, XOnlyPublicKey};
use bitcoin::{Address, Amount};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// How often another sponsor may be faster.
pub(super) const ATTEMPTS: u32 = 20;

#[derive(Args)]
pub struct CreateArgs {
    /// Id of the task's charter
    task: CharterId,
    /// What you mean to pay, satoshis
    #[arg(long, value_name = "SAT")]
    pub(super) amount: u64,
    // Not the shared argument: clap cannot tell whether an optional group is there if it nests another.
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "sponsor_key")]
    key: Option<PathBuf>,
    /// Public key of another wallet, best with its origin: [fingerprint/86h/0h/0h/0/9]KEY. It signs pledge, refunds
    /// and votes as PSBTs; a fresh one for each pledge
    #[arg(long, value_name = "KEY", conflicts_with_all = ["key", "key_index", "address_index", "without_words", "wait"],
        requires = "refund_address", requires = "psbt_out")]
    sponsor_key: Option<WalletKey>,
    /// With --sponsor-key: write the pledge's words as a PSBT (BIP322) here, and beside it FILE.statement.json for
    /// `upfront statement send`
    #[arg(long, value_name = "FILE", requires = "sponsor_key")]
    pub(super) psbt_out: Option<PathBuf>,
    /// Where refunds and returns go; by default an address of the same phrase. Never an exchange's
    #[arg(long, value_name = "ADDRESS")]
    pub(super) refund_address: Option<String>,
    /// Recovery file to write [default: upfront-TASK-INDEX.recovery.json in this directory]
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// Leave the words out of the recovery file
    #[arg(long)]
    without_words: bool,
    /// Encrypt the recovery file even though the key file is not; one that is encrypted lends its passphrase
    #[arg(long)]
    encrypt_recovery: bool,
    /// Leave the recovery file readable even though the key file is encrypted: it holds the key, and the words
    #[arg(long, conflicts_with = "encrypt_recovery")]
    plain_recovery: bool,
    /// Index i of the sponsor's key; by default the lowest that this task does not know
    #[arg(long, value_name = "I")]
    key_index: Option<u32>,
    /// Index j of the default refund address; by default the lowest that this task does not know
    #[arg(long, value_name = "J", conflicts_with = "refund_address")]
    address_index: Option<u32>,
    /// Stay until the money is credited and its refund secured
    #[arg(long)]
    wait: bool,
    /// With --wait: give up after so many seconds, with exit status 3
    #[arg(long, value_name = "SECS", default_value_t = 86_400, requires = "wait")]
    timeout: u64,
    /// Check what arrived with this Electrum server, tcp://host:port, instead of believing the service
    #[arg(long, value_name = "URL")]
    electrum: Option<String>,
    /// SOCKS5 proxy (Tor) that the Electrum server is reached through
    // No variable, and no group of its own: either would make this look like a pledge that was begun.
    #[arg(long, value_name = "HOST:PORT", requires = "electrum")]
    socks5: Option<String>,
    /// Do not draw the QR code
    #[arg(long)]
    no_qr: bool,
}

/// What a sponsor is shown.
#[derive(Serialize)]
pub struct Issued {
    task: CharterId,
    index: u32,
    amount_sat: u64,
    address: String,
    uri: String,
    refund_address: String,
    refund_time: u32,
    descriptor: String,
    recovery_file: PathBuf,
    #[serde(skip)]
    qr: Option<String>,
}

impl fmt::Display for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(qr) = &self.qr {
            writeln!(f, "{qr}")?;
        }
        let mut rows = Rows::new();
        rows.row("pledge", self.index)
            .row("pay", sat(self.amount_sat))
            .row("to", groups(&self.address))
            .row("", &self.address)
            .row("link", &self.uri)
            .row("refunds to", &self.refund_address)
            .row("refund from", when(self.refund_time))
            .row("recovery file", self.recovery_file.display());
        write!(f, "{rows}")?;
        writeln!(
            f,
            "The address was derived on this machine from charter and keys, and is the service's as well."
        )?;
        writeln!(f, "The recovery file is written: copy it to a second place before you pay.")?;
        writeln!(f, "When the money is on its way, secure its refund (done by --wait):")?;
        writeln!(f, "  upfront pledge secure {} --recovery {}", self.task, self.recovery_file.display())
    }
}

/// A pledge that the service has issued, and whose recovery file is on the disk.
struct Made {
    kept: KeptRecovery,
    key: Keypair,
}

pub fn run(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<Exit> {
    let client = context.client();
    let task = open_task(&client, &args.task)?;
    if args.amount < task.charter().minimum_pledge().to_sat() {
        let least = sat(task.charter().minimum_pledge().to_sat());
        return Err(
            Failure::refused("below_minimum", format!("the least pledge of this task is {least}")).into()
        );
    }
    if let Some(key) = &args.sponsor_key {
        wallet::ask(context, &task, key, args)?;
        return Ok(Exit::Done);
    }
    let path = args.key.as_ref().ok_or_else(|| Failure::usage("give --key or --sponsor-key"))?;
    let network = task.charter().network();
    let unlocked = context.read_phrase(path, Some(network))?;
    let passphrase = recovery_passphrase(context, args, unlocked.passphrase, network)?;
    let keys = SponsorKeys::new(unlocked.phrase, network);
    let proxy = ProxyArg { socks5: args.socks5.clone() };
    let chain = Chain::connect(args.electrum.as_deref(), &proxy, network)?;
    let made = issue(&client, task, &keys, args, passphrase.as_ref())?;
    let answer = PledgeAnswer { amount_sat: args.amount, recovery: None, no_qr: args.no_qr };
    context.report(&issued(&made.kept.file, made.kept.path(), &answer)?)?;
    if !args.wait {
        return Ok(Exit::Done);
    }
    wait(context, &client, &chain, made, args.timeout)
}

/// Under which passphrase the recovery file is kept: that of the key file, unless the sponsor says otherwise.
/// It holds the key, and the words too, so that a readable one undoes an encrypted key file.
fn recovery_passphrase(
    context: &Context<'_>,
    args: &CreateArgs,
    of_key: Option<Passphrase>,
    network: Network,
) -> anyhow::Result<Option<Passphrase>> {
    if args.plain_recovery {
        context.note("The recovery file is left unencrypted: whoever reads it has the pledge's key.");
        return Ok(None);
    }
    match of_key {
        Some(passphrase) => Ok(Some(passphrase)),
        None if args.encrypt_recovery => {
            context.new_passphrase("the recovery file", NoPassphraseArg { no_passphrase: false })
        }
        None => {
            if network == Network::Mainnet {
                context.note("warning: the recovery file is not encrypted; --encrypt-recovery does it");
            }
            Ok(None)
        }
    }
}

/// The task, with all three attestations checked.
fn open_task(client: &Client, task: &CharterId) -> anyhow::Result<CheckedTask> {
    let task = CheckedTask::fetch(client, task)?;
    attested(&task)?;
    Ok(task)
}

/// All three attestations.
pub fn attested(task: &CheckedTask) -> anyhow::Result<[StatementSignature; 3]> {
    task.attestations().map_err(|missing| {
        let names: Vec<&str> = missing.iter().map(|role| role.name()).collect();
        let message =
            format!("no address before all three signers have attested; still missing: {}", names.join(", "));
        Failure::not_yet("not_attested", message).into()
    })
}

/// Writes the recovery file, asks for the pledge and compares the answer, until an index is ours.
fn issue(
    client: &Client,
    first: CheckedTask,
    keys: &SponsorKeys,
    args: &CreateArgs,
    passphrase: Option<&Passphrase>,
) -> anyhow::Result<Made> {
    let secp = Secp256k1::new();
    let mut task = first;
    for _ in 0..ATTEMPTS {
        let attestations = attested(&task)?;
        let charter = task.charter();
        let own = Own::choose(&task, keys, args)?;
        let sponsor_key = own.key.x_only_public_key().0;
        let statement = Pledge {
            network: charter.network(),
            charter: charter.id(),
            index: task.view().next_index,
            sponsor_key,
            refund_address: own.refund_address,
        };
        let output = task.contract().pledge(&secp, Slot::pledge(statement.index), sponsor_key)?;
        let signed = Signed::new(&secp, statement, &own.key);
        let file = RecoveryFile::new(
            &secp,
            charter.clone(),
            attestations,
            signed.clone(),
            Some(own.key),
            own.origin,
        )?;
        let path = args.recovery.clone().unwrap_or_else(|| default_path(&task, signed.statement.index));
        let kept = KeptRecovery::create(path, file, passphrase.cloned())?;
        match client.pledge(&signed, args.amount) {
            Ok(view) => {
                compare(&view, &signed, &output, args.amount)?;
                return Ok(Made { kept, key: own.key });
            }
            Err(error) => {
                discard_if_refused(&error, kept.path());
                if error.code() != "index_taken" {
                    return Err(error.into());
                }
            }
        }
        task = CheckedTask::fetch(client, &args.task)?;
    }
    Err(Failure::refused("index_taken", format!("{ATTEMPTS} other sponsors were faster; try again")).into())
}

/// Removes the recovery file of a pledge that was refused: nothing was issued or shown under it, so nobody can
/// have paid. After any other error it may have been issued all the same, and the file stays.
pub fn discard_if_refused(error: &ClientError, path: &Path) {
    // A server in trouble may have issued it all the same.
    if matches!(error, ClientError::Refused { status, .. } if *status < 500) {
        // One that cannot be removed is a file of a pledge that was never issued: harmless.
        let _ = std::fs::remove_file(path);
    }
}

/// Where the recovery file goes unless told otherwise.
pub fn default_path(task: &CheckedTask, index: u32) -> PathBuf {
    let id = task.charter().id().to_string();
    PathBuf::from(format!("upfront-{}-{index}.recovery.json", &id[..12]))
}

/// The sponsor's side of a new pledge.
struct Own {
    key: Keypair,
    refund_address: Address,
    origin: Origin,
}

impl Own {
    /// The lowest key and the lowest address of the phrase that no pledge of the task has.
    fn choose(task: &CheckedTask, keys: &SponsorKeys, args: &CreateArgs) -> anyhow::Result<Own> {
        let pledges = &task.view().pledges;
        let used_keys: BTreeSet<XOnlyPublicKey> = pledges.iter().map(|pledge| pledge.sponsor_key).collect();
        let used_addresses: BTreeSet<&str> =
            pledges.iter().map(|pledge| pledge.refund_address.as_str()).collect();
        let (key_index, key) = match args.key_index {
            Some(index) => (index, keys.refund_key(index)?),
            None => first(|index| {
                let key = keys.refund_key(index)?;
                Ok((!used_keys.contains(&key.x_only_public_key().0)).then_some(key))
            })?,
        };
        let mut origin = Origin { sponsor_key_index: Some(key_index), ..Origin::default() };
        let refund_address = match &args.refund_address {
            Some(text) => address("--refund-address", text, keys.network())
                .map_err(|error| Failure::refused("refund_address", error.to_string()))?,
            None => {
                let (index, address) = match args.address_index {
                    Some(index) => (index, keys.refund_address(index)?),
                    None => first(|index| {
                        let address = keys.refund_address(index)?;
                        Ok((!used_addresses.contains(address.to_string().as_str())).then_some(address))
                    })?,
                };
                origin.refund_address_index = Some(index);
                address
            }
        };
        if !args.without_words {
            origin.phrase = Some(keys.phrase().expose().to_string());
        }
        Ok(Own { key, refund_address, origin })
    }
}

/// The first index that has something.
fn first<T>(mut at: impl FnMut(u32) -> anyhow::Result<Option<T>>) -> anyhow::Result<(u32, T)> {
    for index in 0..0x8000_0000 {
        if let Some(found) = at(index)? {
            return Ok((index, found));
        }
    }
    Err(Failure::refused("no_index_left", "all indexes of this phrase are used").into())
}

/// Compares the service's answer, field by field, with what was derived and signed here.
pub fn compare(
    view: &PledgeView,
    signed: &Signed<Pledge>,
    output: &EscrowOutput,
    amount_sat: u64,
) -> Result<(), ClientError> {
    let statement = &signed.statement;
    let uri = payment_uri(&output.address, Amount::from_sat(amount_sat));
    for (field, same) in [
        ("index", view.index == statement.index),
        ("address", view.address == output.address.to_string()),
        ("descriptor", view.descriptor == output.descriptor()),
        ("sponsor_key", view.sponsor_key == statement.sponsor_key),
        ("refund_address", view.refund_address == statement.refund_address.to_string()),
        ("signature", view.signature == signed.signature),
        ("promised_sat", view.promised_sat == amount_sat),
        ("uri", view.uri == uri),
    ] {
        if !same {
            return Err(ClientError::untrue(field, "it is not what charter and keys give on this machine"));
        }
    }
    Ok(())
}

/// How a new pledge is answered.
pub struct PledgeAnswer {
    /// What the sponsor means to pay.
    pub amount_sat: u64,
    /// Recovery file to write.
    pub recovery: Option<PathBuf>,
    /// Draw no QR code.
    pub no_qr: bool,
}

/// What is shown of a pledge that was issued.
pub fn issued(file: &RecoveryFile, path: &Path, answer: &PledgeAnswer) -> anyhow::Result<Issued> {
    let output = file.output();
    let amount = Amount::from_sat(answer.amount_sat);
    let qr = if answer.no_qr { None } else { Some(terminal_qr(&output.address, amount)?) };
    Ok(Issued {
        task: file.charter().id(),
        index: file.pledge().index,
        amount_sat: answer.amount_sat,
        address: output.address.to_string(),
        uri: payment_uri(&output.address, amount),
        refund_address: file.pledge().refund_address.to_string(),
        refund_time: file.charter().refund_time_secs(),
        descriptor: output.descriptor(),
        recovery_file: path.to_owned(),
        qr,
    })
}

/// A QR code of the BIP321 link in half blocks. The address is in capitals, which a QR code packs better
/// and BIP173 allows.
fn terminal_qr(address: &Address, amount: Amount) -> anyhow::Result<String> {
    let lower = payment_uri(address, amount);
    let uri = lower.replace(&address.to_string(), &address.to_string().to_uppercase());
    qr(&uri)
}

/// Signs a refund for everything that arrives, until all of it is deep enough and secured.
fn wait(
    context: &Context<'_>,
    client: &Client,
    chain: &Chain,
    mut made: Made,
    timeout_secs: u64,
) -> anyhow::Result<Exit> {
    context.note("Waiting for the payment. Stay until the refund is secured; coming back later works, too.");
    let checked = CheckedTask::fetch(client, &made.kept.file.charter().id())?;
    let mut patience = Patience::new(timeout_secs);
    let mut shown = String::new();
    let mut last = None;
    loop {
        match look(client, chain, &checked, &mut made) {
            Ok(secured) => {
                let progress = secured.progress();
                if progress != shown {
                    context.note(progress.trim_end());
                    shown = progress;
                }
                if secured.settled_in() {
                    context.report(&secured)?;
                    return Ok(Exit::Done);
                }
                last = Some(secured);
            }
            Err(error) if passes(&error) => context.note(format!("{error:#}; trying again")),
            Err(error) => return Err(error),
        }
        if !patience.rest() {
            if let Some(secured) = last {
                context.report(&secured)?;
            }
            return Err(Failure::not_yet(
                "timeout",
                format!("not credited and secured within {timeout_secs} s"),
            )
            .hint("go on later with `upfront pledge secure`")
            .into());
        }
    }
}

fn look(client: &Client, chain: &Chain, checked: &CheckedTask, made: &mut Made) -> anyhow::Result<Secured> {
    let view = client.pledge_view(&made.kept.file.charter().id(), made.kept.file.pledge().index)?;
    refund::same_pledge(checked, &view, &made.kept.file)?;
    let view = refund::secure(client, chain, &view, &mut made.kept, &made.key)?;
    Ok(Secured::new(view, made.kept.path().to_owned()))
}

/// Whether waiting may help: the service is restarting, or an outpoint was just replaced.
fn passes(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unreachable { .. }) => true,
        Some(ClientError::Refused { status, code, .. }) => {
            *status >= 500 || *status == 429 || matches!(code.as_str(), "unknown_outpoint" | "chain_unknown")
        }
        Some(ClientError::Answer { .. } | ClientError::Untrue { .. } | ClientError::Unsigned { .. })
        | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::testing;

    #[test]
    fn the_qr_code_holds_the_link_with_the_address_in_capitals() {
        let address = testing::address(Network::Regtest, 0);
        let qr = terminal_qr(&address, Amount::from_sat(10_000)).unwrap();
        assert!(qr.lines().count() > 15 && qr.contains('\u{2588}'));
    }
}
