//! What a signer of a milestone or a move needs besides the proof document: the refunds of what stays in escrow, and
//! where money moves to, the other task's document. From the service, or from the files that `export` wrote.

use crate::cli::context::{read_text, write_public};
use crate::cli::exit::Failure;
use crate::cli::verify::read_proof;
use crate::client::Client;
use crate::escrow::proof::{Beside, ProofDocument};
use crate::escrow::refund::RefundSignatures;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, SettlementId};
use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Names of the files beside exported PSBTs.
pub const REFUNDS_FILE: &str = "refunds.json";
pub const DESTINATION_FILE: &str = "destination.json";

#[derive(Args)]
pub struct BesideArgs {
    /// For milestones and moves: the sponsors' refunds of what stays in escrow (refunds.json of the export)
    #[arg(long, value_name = "FILE")]
    refunds: Option<PathBuf>,
    /// For moves: proof document of the task that pledges move to (destination.json of the export)
    #[arg(long, value_name = "FILE")]
    destination: Option<PathBuf>,
}

/// The file of refunds, as the API answers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundsFile {
    refunds: Vec<RefundSignatures>,
}

/// What there is.
#[derive(Default)]
pub struct Extra {
    /// Of every form.
    pub refunds: Vec<RefundSignatures>,
    /// Of the task that money moves to.
    pub destination: Option<ProofDocument>,
}

impl Extra {
    /// From files.
    pub fn read(args: &BesideArgs) -> anyhow::Result<Extra> {
        let refunds = match &args.refunds {
            None => Vec::new(),
            Some(path) => {
                let read: Result<RefundsFile, _> = serde_json::from_str(&read_text(path)?);
                let wrong = |error: serde_json::Error| {
                    Failure::refused("refunds", format!("{} holds no refunds: {error}", path.display()))
                };
                read.map_err(wrong)?.refunds
            }
        };
        let read = |path: &PathBuf| {
            read_proof(&read_text(path)?).with_context(|| format!("cannot use {}", path.display()))
        };
        Ok(Extra { refunds, destination: args.destination.as_ref().map(read).transpose()? })
    }

    /// From the service; nothing for the kinds that keep nothing in escrow.
    pub fn fetch(client: &Client, task: &CharterId, id: &SettlementId) -> anyhow::Result<Extra> {
        let kind = client.settlement(task, id)?.kind;
        let refunds = if kind.one_by_one() { client.prepared_refunds(task, id)? } else { Vec::new() };
        let destination = match kind {
            Kind::Move { to } => Some(read_proof(&client.proof(&to)?)?),
            Kind::Payout { .. } | Kind::EarlyReturn | Kind::Ruling { .. } | Kind::Milestone { .. } => None,
        };
        Ok(Extra { refunds, destination })
    }

    /// For the check.
    pub fn beside(&self) -> Beside<'_> {
        Beside { refunds: &self.refunds, destination: self.destination.as_ref(), ..Beside::default() }
    }
}

/// Files for a signer, and the options that name them to `sign`.
pub struct Exported {
    /// Written.
    pub files: Vec<PathBuf>,
    /// For the command that is told.
    pub options: String,
}

/// Writes what a signer of this settlement needs besides proof and PSBTs.
pub fn export(client: &Client, task: &CharterId, id: &SettlementId, dir: &Path) -> anyhow::Result<Exported> {
    let kind = client.settlement(task, id)?.kind;
    let mut exported = Exported { files: Vec::new(), options: String::new() };
    if kind.one_by_one() {
        let refunds = RefundsFile { refunds: client.prepared_refunds(task, id)? };
        let file = dir.join(REFUNDS_FILE);
        write_public(&file, format!("{}\n", serde_json::to_string_pretty(&refunds)?).as_bytes())?;
        exported.files.push(file);
        exported.options += &format!(" --refunds {REFUNDS_FILE}");
    }
    if let Kind::Move { to } = kind {
        let file = dir.join(DESTINATION_FILE);
        write_public(&file, client.proof(&to)?.as_bytes())?;
        exported.files.push(file);
        exported.options += &format!(" --destination {DESTINATION_FILE}");
    }
    Ok(exported)
}
