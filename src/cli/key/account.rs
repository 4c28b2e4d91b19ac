//! A signer's next account: one that is in no charter and has no history, so that no two charters share keys.

use crate::chain::oneshot::OneShot;
use crate::cli::context::Context;
use crate::cli::electrum::ProxyArg;
use crate::cli::exit::{Exit, Failure};
use crate::cli::text::Rows;
use crate::client::{Client, charter_of};
use crate::escrow::charter::Charter;
use crate::escrow::keys::SignerKey;
use crate::escrow::network::Network;
use crate::escrow::statement::{CharterId, Role};
use crate::keys::{Accounts, SignerKeys};
use crate::service::views::TaskQuery;
use anyhow::Context as _;
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::Secp256k1;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Generations and indexes whose addresses are asked for.
const GENERATIONS: u32 = 2;
const INDEXES: u32 = 5;
/// Accounts tried at most: more in use means that something is wrong.
const TRIED: u32 = 1_000;
/// Tasks of a service looked at, so that one that goes on for ever keeps nobody.
const MOST_TASKS: usize = 10_000;

#[derive(Args)]
pub struct AccountArgs {
    /// File with the recovery phrase, encrypted or not
    #[arg(long, alias = "phrase", value_name = "FILE")]
    key: PathBuf,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Network,
    /// Ask this Electrum server whether the account's first addresses have any history
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
    /// Ask no service which accounts are in its charters
    #[arg(long)]
    offline: bool,
    /// Do not note the account as given out
    #[arg(long)]
    peek: bool,
    /// What it is for, as a note of your own
    #[arg(long = "for", value_name = "TEXT")]
    purpose: Option<String>,
}

#[derive(Serialize)]
struct NextAccount {
    network: Network,
    account: u32,
    /// Goes into a charter.
    signer_key: String,
    /// Where it is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    noted_in: Option<PathBuf>,
}

impl fmt::Display for NextAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("network", self.network).row("account", self.account).row("signer key", &self.signer_key);
        self.noted_in.iter().for_each(|file| _ = rows.row("noted in", file.display()));
        write!(f, "{rows}")?;
        writeln!(
            f,
            "For one charter: give the signer key to whoever drafts it. Commands find the account there."
        )
    }
}

/// All charters of a service, each checked to be the one that its id names.
fn charters(client: &Client) -> anyhow::Result<Vec<Charter>> {
    let ids = client.tasks(&TaskQuery::default(), MOST_TASKS)?.into_iter().map(|task| task.charter);
    Ok(ids.map(|id| charter_of(client, &id)).collect::<Result<_, _>>()?)
}

fn xpub(key: &SignerKey) -> String {
    key.to_string().rsplit(']').next().unwrap_or_default().to_owned()
}

/// `upfront key account`.
pub fn account(context: &Context<'_>, args: &AccountArgs) -> anyhow::Result<Exit> {
    if args.key == Path::new("-") {
        return Err(Failure::usage("accounts are noted beside a key file: name one").into());
    }
    let phrase = context.read_phrase(&args.key, Some(args.network))?.phrase;
    let mut accounts = Accounts::beside(&args.key)?;
    let expression =
        |account| Ok::<_, anyhow::Error>(SignerKeys::new(&phrase, args.network, account)?.expression());
    let named: Vec<String> = if args.offline {
        Vec::new()
    } else {
        let all = charters(&context.client()).context(
            "which accounts are in charters is the service's to tell (--offline looks at your own notes alone)",
        )?;
        all.iter().flat_map(|charter| Role::ALL.map(|role| xpub(charter.signer(role)))).collect()
    };
    let server = match &args.electrum {
        None => None,
        Some(url) => Some(args.proxy.connect(url, args.network)?),
    };
    let first = accounts.next(args.network);
    for account in (first..).take(usize::try_from(TRIED)?) {
        let key = expression(account)?;
        if named.contains(&xpub(&key)) {
            context.note(format_args!("Account {account} is in a charter of this service."));
            continue;
        }
        if let Some(server) = &server
            && has_history(server, &key)?
        {
            context.note(format_args!("Account {account} has a history on the chain."));
            continue;
        }
        let noted_in = if args.peek {
            None
        } else {
            accounts.give_out(args.network, account, args.purpose.clone())?;
            Some(accounts.path().to_owned())
        };
        let signer_key = key.to_string();
        context.report(&NextAccount { network: args.network, account, signer_key, noted_in })?;
        return Ok(Exit::Done);
    }
    Err(Failure::refused("no_account_left", format!("{TRIED} accounts from {first} on are all in use"))
        .into())
}

fn has_history(server: &OneShot, key: &SignerKey) -> anyhow::Result<bool> {
    let secp = Secp256k1::verification_only();
    for generation in 0..GENERATIONS {
        for index in 0..INDEXES {
            let script = ScriptBuf::new_p2tr(&secp, key.child(generation, index), None);
            let view = server.view(&script)?;
            if !view.deposits.is_empty() || !view.spends.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Refuses to attest with an account that another charter has: noted beside the key file, or named in one of the
/// service's charters where it is asked at all. Keys that two charters share link them, and what one of them
/// leaks of the account harms both.
pub fn require_fresh(
    context: &Context<'_>,
    charter: &Charter,
    role: Role,
    key_file: &Path,
    account: u32,
    online: bool,
) -> anyhow::Result<()> {
    let used = |other: CharterId, by: &str| {
        let message = format!("account {account} is in charter {other} already, {by}");
        Failure::refused("account_used", message).hint(
            "take a fresh one (`upfront key account`) and have the charter drafted with it; --reuse-account attests all \
             the same",
        )
    };
    let others = |id: &&CharterId| **id != charter.id();
    if key_file != Path::new("-") {
        let accounts = Accounts::beside(key_file)?;
        let noted = accounts.of(charter.network(), account);
        if let Some(other) = noted.and_then(|noted| noted.charters.iter().find(others)) {
            return Err(used(*other, &format!("says {}", accounts.path().display())).into());
        }
    }
    if online {
        let ours = xpub(charter.signer(role));
        for other in charters(&context.client())? {
            let named = Role::ALL.into_iter().any(|role| xpub(other.signer(role)) == ours);
            if named && other.id() != charter.id() {
                return Err(used(other.id(), "says the service").into());
            }
        }
    }
    Ok(())
}

/// Notes an attestation beside the key file. What cannot be noted is told and no reason to take it back.
pub fn note_attested(context: &Context<'_>, charter: &Charter, key_file: &Path, account: u32) {
    if key_file == Path::new("-") {
        return;
    }
    let noted = Accounts::beside(key_file)
        .and_then(|mut accounts| accounts.attested(charter.network(), account, charter.id()));
    if let Err(error) = noted {
        context.note(format_args!("warning: the account could not be noted as used: {error}"));
    }
}
