//! `upfront serve`: starts the service. Everything else about it is in [`crate::serve`].

use super::exit::Exit;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct ServeArgs {
    /// Settings in TOML; UPFRONT_* variables override them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    crate::serve::main(args.config.as_deref())?;
    Ok(Exit::Done)
}
