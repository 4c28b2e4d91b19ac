//! `upfront journal`: checks the service's journal without changing or locking it.

use super::context::Context;
use super::exit::Exit;
use super::text::{Rows, parted};
use crate::store::files::RealFiles;
use crate::store::journal::{Report, verify};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum JournalCommand {
    /// Check every line, hash and link; exit status 4 where something is wrong
    Verify(VerifyArgs),
}

#[derive(Args)]
pub struct VerifyArgs {
    /// The service's data directory
    dir: PathBuf,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Verified(Report);

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.0;
        let mut rows = Rows::new();
        rows.row("lines", parted(report.lines))
            .row("batches", parted(report.batches))
            .row("bytes", parted(report.bytes))
            .row("unfinished", format!("{} bytes", parted(report.unfinished_bytes)));
        write!(f, "{rows}")?;
        match &report.problem {
            None => writeln!(f, "The journal is whole."),
            Some(problem) => {
                writeln!(f, "Wrong at line {}, byte {}: {}", problem.line, problem.offset, problem.what)
            }
        }
    }
}

pub fn run(context: &Context<'_>, command: &JournalCommand) -> anyhow::Result<Exit> {
    let JournalCommand::Verify(VerifyArgs { dir }) = command;
    let report = verify(dir, &RealFiles)?;
    let exit = if report.problem.is_some() { Exit::Untrue } else { Exit::Done };
    context.report(&Verified(report))?;
    Ok(exit)
}
