//! Signing a settlement: offline from files, or fetched and sent in one go. Every output is told in words
//! first, and nothing is signed that charter and votes do not allow. What is signed is the plan built anew
//! here, never what a PSBT says of itself.

use super::beside::{BesideArgs, Extra};
use super::transfer::read_psbt;
use super::view::SettlementReport;
use crate::cli::context::{Context, SignerArg, read_text, write_public};
use crate::cli::electrum::ProxyArg;
use crate::cli::exit::Failure;
use crate::cli::verify::{read_proof, refuse_findings};
use crate::client::ClientError;
use crate::escrow::ballot::CastVote;
use crate::escrow::charter::Charter;
use crate::escrow::proof::{Beside, Explanation, ProofDocument, allowed_beside};
use crate::escrow::settlement;
use crate::escrow::statement::{CharterId, Role, SettlementId};
use crate::keys::SignerKeys;
use anyhow::Context as _;
use bitcoin::Psbt;
use bitcoin::secp256k1::Secp256k1;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Who signs, and how sure they are.
#[derive(Args)]
struct Signing {
    /// developer, representative or arbiter
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    key: SignerArg,
    /// Sign without asking; the refusals stay
    #[arg(long)]
    yes: bool,
    /// Verify the proof document with this Electrum server first, tcp://host:port
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM")]
    electrum: Option<String>,
    #[command(flatten)]
    proxy: ProxyArg,
    /// A vote its sponsor gave you directly (the file of `upfront vote --receipt`): refuse if it was left out
    #[arg(long = "vote", value_name = "FILE")]
    votes: Vec<PathBuf>,
}

impl Signing {
    fn heard(&self) -> anyhow::Result<Vec<CastVote>> {
        let read = |path: &PathBuf| {
            let what = || format!("{} is no vote", path.display());
            serde_json::from_str(&read_text(path)?).with_context(what)
        };
        self.votes.iter().map(read).collect()
    }
}

#[derive(Args)]
pub struct SignArgs {
    #[command(flatten)]
    signing: Signing,
    /// Proof document of the task
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    #[command(flatten)]
    beside: BesideArgs,
    /// Directory for the signed PSBTs; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// PSBTs of one settlement, base64 or binary
    #[arg(required = true, value_name = "PSBT")]
    psbts: Vec<PathBuf>,
}

#[derive(Args)]
pub struct CoSignArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Id of the settlement
    settlement: SettlementId,
    #[command(flatten)]
    signing: Signing,
}

/// What was signed, and where it is.
#[derive(Serialize)]
struct Signed {
    task: CharterId,
    settlement: SettlementId,
    role: Role,
    files: Vec<PathBuf>,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| writeln!(f, "{}", file.display()))?;
        writeln!(f, "Signed as {}. Hand them in:", self.role)?;
        writeln!(f, "  upfront settlement submit {} {} DIR/*.psbt", self.task, self.settlement)
    }
}

/// Signs PSBT files, without the service.
pub fn sign(context: &Context<'_>, args: &SignArgs) -> anyhow::Result<()> {
    let proof = read_proof(&read_text(&args.proof)?)
        .with_context(|| format!("cannot use {}", args.proof.display()))?;
    let psbts = args.psbts.iter().map(|path| read_psbt(path)).collect::<anyhow::Result<Vec<Psbt>>>()?;
    let (explanation, signed) =
        consent_and_sign(context, &args.signing, &proof, &Extra::read(&args.beside)?, &psbts, None)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let mut files = Vec::new();
    for psbt in signed {
        let txid = psbt.unsigned_tx.compute_txid();
        // Keep the name of the file it came in.
        let came = args.psbts.iter().zip(&psbts).find(|(_, given)| given.unsigned_tx.compute_txid() == txid);
        let Some((path, _)) = came else { continue };
        let file = args.out.join(path.file_name().unwrap_or(path.as_os_str()));
        refuse_same_file(&file, path)?;
        write_public(&file, format!("{psbt}\n").as_bytes())?;
        files.push(file);
    }
    context.report(&Signed {
        task: proof.charter_id,
        settlement: explanation.settlement,
        role: args.signing.role,
        files,
    })
}

fn refuse_same_file(out: &Path, given: &Path) -> anyhow::Result<()> {
    let same = matches!((out.canonicalize(), given.canonicalize()), (Ok(out), Ok(given)) if out == given);
    if same {
        let message = format!("{} would be overwritten: name another --out", given.display());
        return Err(Failure::refused("same_file", message).into());
    }
    Ok(())
}

/// Fetches proof and PSBTs, signs, sends.
pub fn co_sign(context: &Context<'_>, args: &CoSignArgs) -> anyhow::Result<()> {
    let client = context.client();
    // The settlement first: a document fetched afterwards has it.
    let psbts = client.psbts(&args.task, &args.settlement)?.psbts;
    let psbts = psbts.iter().map(|view| {
        let problem =
            |error| ClientError::untrue(format!("psbts/{}-{}", view.chunk, view.form), format!("{error}"));
        view.psbt.parse::<Psbt>().map_err(problem)
    });
    let psbts = psbts.collect::<Result<Vec<Psbt>, ClientError>>()?;
    let proof = read_proof(&client.proof(&args.task)?)?;
    let extra = Extra::fetch(&client, &args.task, &args.settlement)?;
    let (_, signed) = consent_and_sign(context, &args.signing, &proof, &extra, &psbts, Some(args))?;
    let signed: Vec<String> = signed.iter().map(Psbt::to_string).collect();
    let view = client.sign(&args.task, &args.settlement, &signed)?;
    context.report(&SettlementReport::new(args.task, view))
}

/// Judges, tells, asks, signs: every form for which a PSBT was given.
fn consent_and_sign(
    context: &Context<'_>,
    signing: &Signing,
    proof: &ProofDocument,
    extra: &Extra,
    psbts: &[Psbt],
    wanted: Option<&CoSignArgs>,
) -> anyhow::Result<(Explanation, Vec<Psbt>)> {
    let charter = Charter::parse(proof.charter.as_bytes())
        .map_err(|error| Failure::untrue("findings", format!("charter: {error}")))?;
    if let Some(wanted) = wanted
        && charter.id() != wanted.task
    {
        return Err(ClientError::untrue(
            "charter",
            format!("the proof document is of task {}", charter.id()),
        )
        .into());
    }
    if let Some(url) = &signing.electrum {
        let config = signing.proxy.config(url, charter.network())?;
        let report = crate::verify::run_with(proof, &config)?;
        refuse_findings("the proof document is not true", &report.findings)?;
        if let Some(destination) = &extra.destination {
            let report = crate::verify::run_with(destination, &config)?;
            refuse_findings("the proof document of the task it moves to is not true", &report.findings)?;
        }
    } else {
        context.note(
            "No Electrum server was asked: that these blocks are the chain's, that their time is this and that \
             nothing is left out is the service's word. Give --electrum URL to check.",
        );
    }
    let votes = signing.heard()?;
    let beside = Beside { votes: &votes, ..extra.beside() };
    let explanation = match allowed_beside(proof, psbts, signing.role, &beside) {
        Ok(explanation) => explanation,
        Err(findings) => {
            refuse_findings("charter and votes do not allow this", &findings)?;
            return Err(Failure::untrue("findings", "charter and votes do not allow this").into());
        }
    };
    if let Some(wanted) = wanted
        && explanation.settlement != wanted.settlement
    {
        let problem = format!("its PSBTs are of settlement {}", explanation.settlement);
        return Err(ClientError::untrue("psbts", problem).into());
    }
    let keys = signing.key.signer(context, &charter, signing.role)?;
    context.note(&explanation);
    if !signing.yes && !context.confirm(&format!("Sign this as {}?", signing.role))? {
        return Err(Failure::refused("not_confirmed", "nothing was signed").into());
    }
    let signed = sign_plan(&explanation, &keys, signing.role)?;
    let given: Vec<_> = psbts.iter().map(|psbt| psbt.unsigned_tx.compute_txid()).collect();
    let signed = signed.into_iter().filter(|psbt| given.contains(&psbt.unsigned_tx.compute_txid())).collect();
    Ok((explanation, signed))
}

fn sign_plan(explanation: &Explanation, keys: &SignerKeys, role: Role) -> anyhow::Result<Vec<Psbt>> {
    let secp = Secp256k1::new();
    let plan = &explanation.plan;
    let signatures = settlement::sign(&secp, plan, role, keys.account()).map_err(|error| {
        Failure::refused(error.code(), error.to_string())
            .hint("check the phrase, and the number of the account (--account)")
    })?;
    Ok(plan.signed_psbts(&plan.check_signatures(&secp, &signatures)?))
}
