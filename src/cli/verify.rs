//! `upfront verify`: a proof document against any Electrum server.

use super::context::{Context, read_bytes, read_text};
use super::electrum::ProxyArg;
use super::exit::{Exit, Failure};
use crate::client::ClientError;
use crate::escrow::charter::Charter;
use crate::escrow::proof::{Finding, ProofDocument, other_terms};
use crate::escrow::statement::CharterId;
use crate::verify::{Report, report, run as verify_with};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// How many findings an error names; `upfront verify` tells them all.
const FINDINGS_NAMED: usize = 20;

#[derive(Args)]
pub struct VerifyArgs {
    /// Proof document
    #[arg(required_unless_present = "task")]
    proof: Option<PathBuf>,
    /// Fetch the document of this task from the service
    #[arg(long, value_name = "ID", conflicts_with = "proof")]
    task: Option<CharterId>,
    /// Electrum servers to ask, tcp://host:port or ssl://host:port, parted by commas: the first that can be used;
    /// not the service's own is best
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM", required_unless_present = "offline")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
    /// Ask no server: check only that the document holds together
    #[arg(long)]
    offline: bool,
    /// Charter you agreed to or paid under: names each term that the document has otherwise
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
}

/// A verification, as shown.
#[derive(Serialize)]
#[serde(transparent)]
struct Verified(Report);

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a proof document strictly.
pub fn read_proof(text: &str) -> anyhow::Result<ProofDocument> {
    ProofDocument::parse(text).map_err(|error| Failure::untrue("proof", error.to_string()).into())
}

/// An error that names what is not so, unless nothing is.
pub fn refuse_findings(what: &str, findings: &[Finding]) -> anyhow::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let mut words: Vec<String> = findings.iter().take(FINDINGS_NAMED).map(Finding::to_string).collect();
    if findings.len() > FINDINGS_NAMED {
        words.push(format!("and {} more", findings.len() - FINDINGS_NAMED));
    }
    Err(Failure::untrue("findings", format!("{what}: {}", words.join("; ")))
        .hint("nothing was signed")
        .into())
}

pub fn run(context: &Context<'_>, args: &VerifyArgs) -> anyhow::Result<Exit> {
    let document = match (&args.proof, &args.task) {
        (Some(path), _) => {
            read_proof(&read_text(path)?).with_context(|| format!("{} cannot be used", path.display()))?
        }
        (None, Some(task)) => {
            let document = read_proof(&context.client().proof(task)?)?;
            if document.charter_id != *task {
                let problem = format!("it is of {}", document.charter_id);
                return Err(ClientError::untrue("proof", problem).into());
            }
            document
        }
        (None, None) => return Err(Failure::usage("name a proof document, or --task").into()),
    };
    let mut outcome = match &args.electrum {
        Some(url) if !args.offline => verify_with(&document, url, args.proxy.socks5.as_deref())?,
        _ => report(&document, None)?,
    };
    if let Some(path) = &args.charter {
        let charter = Charter::parse(&read_bytes(path)?)
            .with_context(|| format!("{} cannot be used", path.display()))?;
        outcome.findings.extend(other_terms(&document, &charter));
        outcome.sound = outcome.findings.is_empty();
    }
    let exit = if outcome.sound { Exit::Done } else { Exit::Untrue };
    context.report(&Verified(outcome))?;
    Ok(exit)
}
