//! `upfront key identity`: the public side of the key that signs requests; its private side only on demand.

use super::super::context::Context;
use super::super::exit::Failure;
use super::super::text::Rows;
use crate::keys::{IDENTITY_PATH, Identity};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(Args)]
pub struct IdentityArgs {
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(value_name = "FILE", env = "UPFRONT_IDENTITY_FILE")]
    file: PathBuf,
    /// Print the private key instead (nsec), for a Nostr program of your own; at a terminal only
    #[arg(long)]
    nsec: bool,
    /// With --nsec: print it even where no terminal shows it
    #[arg(long, requires = "nsec")]
    force: bool,
}

#[derive(Serialize)]
struct Public {
    npub: String,
    public_key: String,
    path: &'static str,
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("identity", &self.npub).row("in hex", &self.public_key).row("path", self.path);
        write!(f, "{rows}")?;
        writeln!(f, "It signs requests to services, and has no power over money.")
    }
}

#[derive(Serialize)]
struct Private {
    nsec: String,
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.nsec)
    }
}

pub fn run(context: &Context<'_>, args: &IdentityArgs) -> anyhow::Result<()> {
    if args.nsec && !args.force && (cfg!(test) || !std::io::stdout().is_terminal()) {
        return Err(Failure::refused("not_a_terminal", "private keys are printed at a terminal only")
            .hint("--force prints it into a pipe or a file all the same")
            .into());
    }
    let identity = Identity::new(&context.read_phrase(&args.file, None)?.phrase);
    if args.nsec {
        return context.report(&Private { nsec: identity.nsec().as_str().to_owned() });
    }
    let public_key = identity.public().to_string();
    context.report(&Public { npub: identity.npub(), public_key, path: IDENTITY_PATH })
}
