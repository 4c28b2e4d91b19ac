//! `upfront completions`: what a shell needs to complete our commands. Prints only.

use super::context::Context;
use super::exit::Exit;
use clap::{Args, CommandFactory};
use serde::Serialize;
use std::fmt;

#[derive(Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

#[derive(Serialize)]
struct Script {
    script: String,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}

pub fn run(context: &Context<'_>, args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "upfront", &mut script);
    context.report(&Script { script: String::from_utf8(script)? })?;
    Ok(Exit::Done)
}
