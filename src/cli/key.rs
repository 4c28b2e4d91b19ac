//! `upfront key`: makes a phrase, and shows the public side of one. Never prints a word of it.

use super::context::{Context, KeyArg};
use super::exit::Exit;
use super::text::Rows;
use crate::escrow::network::Network;
use crate::keys::{Phrase, SignerKeys, SponsorKeys};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Write twelve new words to a file that only you can read
    New(NewArgs),
    /// Show the public keys of a phrase
    Show(ShowArgs),
}

#[derive(Args)]
pub struct NewArgs {
    /// File to write; an existing one is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Show the public keys for this network as well
    #[arg(long, value_name = "NETWORK")]
    network: Option<Network>,
}

#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    key: KeyArg,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Network,
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
        writeln!(f, "Twelve words are in {}, which only you can read.", self.file.display())?;
        writeln!(
            f,
            "Write them on paper now: whoever has them has the money, and nobody can give them back."
        )?;
        self.public.iter().try_for_each(|public| write!(f, "{public}"))
    }
}

pub fn run(context: &Context<'_>, command: KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::New(NewArgs { out, network }) => {
            let phrase = Phrase::generate()?;
            phrase.write_new(&out, "Upfront recovery phrase. Keep it secret; write it on paper.")?;
            let public = network.map(|network| PublicKeys::new(phrase, network, &Which::default()));
            context.report(&NewKey { file: out, public: public.transpose()? })?;
        }
        KeyCommand::Show(ShowArgs { key, network, which }) => {
            context.report(&PublicKeys::new(key.phrase()?, network, &which)?)?;
        }
    }
    Ok(Exit::Done)
}
