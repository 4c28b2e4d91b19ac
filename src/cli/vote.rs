//! `upfront vote`: a sponsor decides over their own pledge, and keeps the receipt.

use super::context::{Context, OptionalKeyArg};
use super::exit::{Exit, Failure};
use super::pledge::{find_key, read_recovery};
use super::speaker::{Asked, Words};
use super::submission;
use super::text::Rows;
use crate::client::{CheckedTask, Client};
use crate::escrow::ballot::CastVote;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{CharterId, Choice, Signed, SubmissionId, Vote};
use crate::keys::replace_file;
use crate::service::views::{ReceiptView, SubmissionView};
use bitcoin::secp256k1::Keypair;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct VoteArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Index of your pledge
    #[arg(long, value_name = "N")]
    pledge: u32,
    /// yes releases your pledge; no holds it for the arbiter
    #[arg(long)]
    choice: ChoiceArg,
    #[command(flatten)]
    key: OptionalKeyArg,
    /// Take the key from the pledge's recovery file instead
    #[arg(long, value_name = "FILE", conflicts_with = "key", required_unless_present_any = ["key", "psbt_out"])]
    recovery: Option<PathBuf>,
    /// Sign with the wallet that holds the sponsor's key: write the vote as a PSBT (BIP322) here, and beside it
    /// FILE.statement.json for `upfront statement send`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "recovery", "receipt"])]
    psbt_out: Option<PathBuf>,
    /// Which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
    /// The highest counter counts; one more than any known by default
    #[arg(long, value_name = "N")]
    counter: Option<u32>,
    /// Keep the vote and the service's receipt here: it proves an omission. If the service does not take the
    /// vote, give this file to the signers
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ChoiceArg {
    Yes,
    No,
}

#[derive(Serialize)]
struct Voted {
    #[serde(flatten)]
    answer: ReceiptView,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_file: Option<PathBuf>,
}

impl fmt::Display for Voted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vote = &self.answer.vote.statement;
        let receipt = &self.answer.receipt;
        let mut rows = Rows::new();
        rows.row("submission", vote.submission)
            .row("pledge", vote.pledge)
            .row("vote", format!("{}, counter {}", vote.choice.name(), vote.counter))
            .row("receipt", format!("at block {}, {}", receipt.statement.tip_height, receipt.signature));
        write!(f, "{rows}")?;
        match &self.receipt_file {
            Some(file) => {
                writeln!(f, "The receipt is in {}: with it an omitted vote can be proved.", file.display())
            }
            None => writeln!(
                f,
                "Keep this receipt (or give --receipt FILE): with it an omitted vote can be proved."
            ),
        }
    }
}

pub fn run(context: &Context<'_>, args: &VoteArgs) -> anyhow::Result<Exit> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let submission = submission::find(&task, args.submission)?;
    let unknown = || Failure::refused("unknown_pledge", format!("there is no pledge {}", args.pledge));
    let pledge = task.view().pledges.iter().find(|pledge| pledge.index == args.pledge).ok_or_else(unknown)?;
    let known = submission.votes.iter().map(|cast| &cast.vote.statement);
    let counters = known.filter(|vote| vote.pledge == args.pledge).map(|vote| vote.counter);
    let next = match counters.max() {
        None => Some(0),
        Some(highest) => highest.checked_add(1),
    };
    let counter = args.counter.or(next).ok_or_else(|| Failure::refused("counter", "no counter is left"))?;
    let choice = match args.choice {
        ChoiceArg::Yes => Choice::Yes,
        ChoiceArg::No => Choice::No,
    };
    let statement = Vote {
        network: task.charter().network(),
        charter: args.task,
        submission: submission.id,
        pledge: args.pledge,
        choice,
        counter,
    };
    if let Some(out) = &args.psbt_out {
        let speaker = Speaker::sponsor(pledge.sponsor_key);
        let words = Words::Vote { statement };
        context.report(&Asked::write(out, task.charter(), &speaker, None, &statement, words)?)?;
        return Ok(Exit::Done);
    }
    let key = voting_key(context, args, &task, pledge.sponsor_key)?;
    let vote = Signed::new(task.secp(), statement, &key);
    deliver(context, &client, &task, submission, &vote, args.receipt.as_deref())?;
    Ok(Exit::Done)
}

/// Hands a vote in, and keeps the receipt where the sponsor wants it.
pub fn deliver(
    context: &Context<'_>,
    client: &Client,
    task: &CheckedTask,
    submission: &SubmissionView,
    vote: &Signed<Vote>,
    receipt: Option<&Path>,
) -> anyhow::Result<()> {
    // Before it is sent: a service that does not take it must not keep it from the signers either.
    keep(receipt, &CastVote { vote: vote.clone(), receipt: None })?;
    let answer = client.vote(vote)?;
    if answer.vote.statement != vote.statement {
        return Err(crate::client::ClientError::untrue("vote", "it kept another one than was sent").into());
    }
    task.check_receipt(&vote.statement, &answer, submission.window.as_ref())?;
    keep(receipt, &answer)?;
    context.report(&Voted { answer, receipt_file: receipt.map(Path::to_owned) })
}

/// Writes the vote, with its receipt once there is one, where the sponsor wants it.
fn keep(file: Option<&Path>, vote: &impl Serialize) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_string_pretty(vote)?;
    Ok(replace_file(file, format!("{text}\n").as_bytes())?)
}

fn voting_key(
    context: &Context<'_>,
    args: &VoteArgs,
    task: &CheckedTask,
    sponsor_key: bitcoin::secp256k1::XOnlyPublicKey,
) -> anyhow::Result<Keypair> {
    if let Some(keys) = args.key.sponsor(context, task.charter().network())? {
        return find_key(&keys, &sponsor_key);
    }
    let path = args.recovery.as_ref().ok_or_else(|| Failure::usage("give --key or --recovery"))?;
    let file = read_recovery(context, path)?.file;
    let none = || Failure::refused("no_key", "the recovery file holds no key").hint("give --key FILE");
    let key = *file.key().ok_or_else(none)?;
    if key.x_only_public_key().0 != sponsor_key {
        let message = format!("the recovery file is not that of pledge {}", args.pledge);
        return Err(Failure::refused("wrong_key", message).into());
    }
    Ok(key)
}
