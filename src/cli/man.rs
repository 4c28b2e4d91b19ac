//! `upfront man`: manual pages, made from the same words as `--help`. Writes only into the directory it is
//! given.

use super::context::Context;
use super::exit::{self, Exit};
use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Args)]
pub struct ManArgs {
    /// Directory for one page a command, as upfront-config-check.1; without it the main page is printed
    dir: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Made {
    Page { page: String },
    Pages { dir: PathBuf, pages: usize },
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Made::Page { page } => f.write_str(page),
            Made::Pages { dir, pages } => writeln!(f, "{pages} pages in {}", dir.display()),
        }
    }
}

/// Every page ends with the exit statuses.
fn with_statuses(command: Command) -> Command {
    command.after_long_help(exit::HELP).mut_subcommands(with_statuses)
}

pub fn run(context: &Context<'_>, args: &ManArgs) -> anyhow::Result<Exit> {
    let mut command = with_statuses(super::Cli::command()).disable_help_subcommand(true);
    let made = match &args.dir {
        None => {
            let mut page = Vec::new();
            command.build();
            clap_mangen::Man::new(command).render(&mut page)?;
            Made::Page { page: String::from_utf8(page)? }
        }
        Some(dir) => {
            let at = || format!("writing manual pages to {}", dir.display());
            std::fs::create_dir_all(dir).with_context(at)?;
            clap_mangen::generate_to(command, dir).with_context(at)?;
            let ours = |name: &str| name.starts_with("upfront") && name.ends_with(".1");
            let files = std::fs::read_dir(dir).with_context(at)?.flatten();
            let pages = files.filter(|file| file.file_name().to_str().is_some_and(ours)).count();
            Made::Pages { dir: dir.clone(), pages }
        }
    };
    context.report(&made)?;
    Ok(Exit::Done)
}
