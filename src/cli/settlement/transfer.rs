//! PSBTs out for signing offline, signed PSBTs in.

use super::beside;
use super::view::SettlementReport;
use crate::cli::context::{Context, read_bytes, write_public};
use crate::cli::exit::Failure;
use crate::escrow::statement::{CharterId, SettlementId};
use anyhow::Context as _;
use bitcoin::Psbt;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Name of the proof document beside exported PSBTs.
const PROOF_FILE: &str = "proof.json";

#[derive(Args)]
pub struct ExportArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Id of the settlement
    settlement: SettlementId,
    /// Directory to write to; made where it is missing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Args)]
pub struct SubmitArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Id of the settlement
    settlement: SettlementId,
    /// Signed PSBTs, base64 or binary
    #[arg(required = true, value_name = "PSBT")]
    psbts: Vec<PathBuf>,
}

/// Files for a signer.
#[derive(Serialize)]
struct Exported {
    settlement: SettlementId,
    proof: PathBuf,
    /// Of milestones and moves: refunds, and the other task's proof document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<PathBuf>,
    psbts: Vec<PathBuf>,
    #[serde(skip)]
    options: String,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.proof.display())?;
        self.beside.iter().chain(&self.psbts).try_for_each(|file| writeln!(f, "{}", file.display()))?;
        writeln!(f, "Take these to the machine with the key, and there:")?;
        writeln!(
            f,
            "  upfront settlement sign --role ROLE --key FILE --proof {PROOF_FILE}{} --out signed *.psbt",
            self.options
        )
    }
}

/// Reads a PSBT, base64 as this program and Bitcoin Core write it, or binary (BIP174).
pub fn read_psbt(path: &Path) -> anyhow::Result<Psbt> {
    let bytes = read_bytes(path)?;
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) if !bytes.starts_with(b"psbt") => text.trim().parse::<Psbt>().map_err(|e| e.to_string()),
        _ => Psbt::deserialize(&bytes).map_err(|e| e.to_string()),
    };
    read.map_err(|problem| {
        Failure::refused("psbt", format!("{} is no PSBT: {problem}", path.display())).into()
    })
}

/// Writes the proof document and one file a form.
pub fn export(context: &Context<'_>, args: &ExportArgs) -> anyhow::Result<()> {
    let client = context.client();
    let psbts = client.psbts(&args.task, &args.settlement)?.psbts;
    let proof_text = client.proof(&args.task)?;
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    let proof = args.dir.join(PROOF_FILE);
    write_public(&proof, proof_text.as_bytes())?;
    let beside::Exported { files: beside, options } =
        beside::export(&client, &args.task, &args.settlement, &args.dir)?;
    let mut files = Vec::new();
    for psbt in psbts {
        let file = args.dir.join(format!("{}-{}.psbt", psbt.chunk, psbt.form));
        write_public(&file, format!("{}\n", psbt.psbt).as_bytes())?;
        files.push(file);
    }
    context.report(&Exported { settlement: args.settlement, proof, beside, psbts: files, options })
}

/// Sends signed PSBTs; the service checks every signature against the very settlement.
pub fn submit(context: &Context<'_>, args: &SubmitArgs) -> anyhow::Result<()> {
    let psbts = args.psbts.iter().map(|path| Ok(read_psbt(path)?.to_string()));
    let psbts: Vec<String> = psbts.collect::<anyhow::Result<_>>()?;
    let view = context.client().sign(&args.task, &args.settlement, &psbts)?;
    context.report(&SettlementReport::new(args.task, view))
}
