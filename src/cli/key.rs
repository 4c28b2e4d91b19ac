//! `upfront key`: makes phrases, keeps their files, and shows the public side of one. Words are printed by
//! `key show --words` alone.

pub mod account;
mod file;
mod identity;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::text::Rows;
use super::unlock::NoPassphraseArg;
use crate::escrow::network::Network;
use crate::keys::{Phrase, SignerKeys, SponsorKeys};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Write twelve new words to an encrypted file that only you can read
    New(NewArgs),
    /// Show the public keys of a phrase; its words only with --words
    Show(ShowArgs),
    /// Show the key that signs requests of a phrase's owner (NIP-06)
    Identity(identity::IdentityArgs),
    /// Give out a signer's next account: one that is in no charter and has no history
    Account(account::AccountArgs),
    /// Encrypt a key or recovery file in place
    Encrypt(file::EncryptArgs),
    /// Give an encrypted file another passphrase, or none
    Passwd(file::PasswdArgs),
    /// Tell what a key or recovery file holds, and whether words on paper are those in it
    Check(file::CheckArgs),
}

#[derive(Args)]
pub struct NewArgs {
    /// File to write; an existing one is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Show the public keys for this network as well
    #[arg(long, value_name = "NETWORK")]
    network: Option<Network>,
    #[command(flatten)]
    without: NoPassphraseArg,
}

#[derive(Args)]
pub struct ShowArgs {
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(value_name = "FILE", required_unless_present = "key", conflicts_with = "key")]
    file: Option<PathBuf>,
    /// The same, by name
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK", required_unless_present = "words")]
    network: Option<Network>,
    /// Print the words themselves instead, at a terminal that nobody else sees
    #[arg(long)]
    words: bool,
    /// With --words: print them even where no terminal shows them
    #[arg(long, requires = "words")]
    force: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Default)]
struct Which {
    /// Account k of the signer's key, m/87'/coin'/k'
    #[arg(long, value_name = "K", default_value_t = 0)]
    account: u32,
    /// Index i of the sponsor's key, m/86'/coin'/1'/0/i
    #[arg(long, value_name = "I", default_value_t = 0)]
    key_index: u32,
    /// Index j of the default refund address, m/86'/coin'/0'/0/j
    #[arg(long, value_name = "J", default_value_t = 0)]
    address_index: u32,
}

/// The public side of a phrase.
#[derive(Serialize)]
struct PublicKeys {
    network: Network,
    /// Goes into a charter.
    signer_key: String,
    /// Signs attestations, acceptances and rulings.
    statement_key: String,
    /// S of a pledge.
    sponsor_key: String,
    sponsor_key_path: String,
    refund_address: String,
    refund_address_path: String,
}

#[derive(Serialize)]
struct NewKey {
    file: PathBuf,
    encrypted: bool,
    #[serde(flatten)]
    public: Option<PublicKeys>,
}

impl PublicKeys {
    fn new(phrase: Phrase, network: Network, which: &Which) -> anyhow::Result<PublicKeys> {
        let signer = SignerKeys::new(&phrase, network, which.account)?;
        let sponsor = SponsorKeys::new(phrase, network);
        Ok(PublicKeys {
            network,
            signer_key: signer.expression().to_string(),
            statement_key: signer.statement_key().x_only_public_key().0.to_string(),
            sponsor_key: sponsor.refund_key(which.key_index)?.x_only_public_key().0.to_string(),
            sponsor_key_path: sponsor.refund_key_path(which.key_index),
            refund_address: sponsor.refund_address(which.address_index)?.to_string(),
            refund_address_path: sponsor.refund_address_path(which.address_index),
        })
    }
}

impl fmt::Display for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("network", self.network)
            .row("signer key", &self.signer_key)
            .row("statement key", &self.statement_key)
            .row("sponsor key", format!("{}  {}", self.sponsor_key, self.sponsor_key_path))
            .row("refund address", format!("{}  {}", self.refund_address, self.refund_address_path));
        write!(f, "{rows}")?;
        writeln!(f, "Use one phrase as a signer or as a sponsor, never as both.")
    }
}

impl fmt::Display for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.encrypted {
            writeln!(
                f,
                "Twelve words are in {file}, encrypted with your passphrase; `age -d` opens it, too."
            )?;
        } else {
            writeln!(f, "Twelve words are in {file}, not encrypted.")?;
        }
        writeln!(
            f,
            "Write them on paper now (`upfront key show --words {file}`): whoever has them has the money, and"
        )?;
        writeln!(
            f,
            "nobody can give them back, nor a passphrase. `upfront key check --against - {file}` compares."
        )?;
        self.public.iter().try_for_each(|public| write!(f, "{public}"))
    }
}

/// The words, for their owner.
#[derive(Serialize)]
struct Words {
    words: String,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, number) in self.words.split(' ').zip(1..) {
            writeln!(f, "{number:2}  {word}")?;
        }
        Ok(())
    }
}

pub fn run(context: &Context<'_>, command: KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::New(args) => new(context, args)?,
        KeyCommand::Show(args) => show(context, &args)?,
        KeyCommand::Identity(args) => identity::run(context, &args)?,
        KeyCommand::Account(args) => return account::account(context, &args),
        KeyCommand::Encrypt(args) => file::encrypt(context, &args)?,
        KeyCommand::Passwd(args) => file::passwd(context, &args)?,
        KeyCommand::Check(args) => return file::check(context, &args),
    }
    Ok(Exit::Done)
}

fn new(context: &Context<'_>, NewArgs { out, network, without }: NewArgs) -> anyhow::Result<()> {
    // Before somebody types a passphrase for nothing; writing looks again.
    if out.exists() {
        return Err(crate::keys::KeyFileError::Exists { path: out }.into());
    }
    let passphrase = context.new_passphrase(&out.display().to_string(), without)?;
    let phrase = Phrase::generate()?;
    let comment = "Upfront recovery phrase. Keep it secret; write it on paper.";
    phrase.write_new(&out, comment, passphrase.as_ref())?;
    let public = network.map(|network| PublicKeys::new(phrase, network, &Which::default())).transpose()?;
    context.report(&NewKey { file: out, encrypted: passphrase.is_some(), public })
}

fn show(context: &Context<'_>, args: &ShowArgs) -> anyhow::Result<()> {
    let named = args.file.as_ref().or(args.key.as_ref());
    let path = named.ok_or_else(|| Failure::usage("name a key file"))?;
    if args.words && !args.force && (cfg!(test) || !std::io::stdout().is_terminal()) {
        return Err(Failure::refused("not_a_terminal", "words are printed at a terminal only")
            .hint("--force prints them into a pipe or a file all the same")
            .into());
    }
    let phrase = context.read_phrase(path, args.network)?.phrase;
    match args.network {
        _ if args.words => context.report(&Words { words: phrase.expose().to_string() }),
        Some(network) => context.report(&PublicKeys::new(phrase, network, &args.which)?),
        None => Err(Failure::usage("name a network").into()),
    }
}
