//! `upfront vote`: a sponsor decides over their own pledge, and keeps the receipt.

use super::context::{Context, OptionalKeyArg};
use super::exit::{ErrorReport, Exit, Failure};
use super::keep::{Feerate, Kept, split};
use super::pledge::{KeptRecovery, find_key, read_recovery};
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
    /// Where a yes pays a milestone and the rest stays in escrow: vote only, and sign no refunds of that rest. Without
    /// them nothing is paid before the last payout
    #[arg(long)]
    no_split: bool,
    /// Lowest feerate that those refunds are signed for, sat/vB, a step of 1 to 10, 12, 15, 20, 25, 30, 40, 50, 60, 80,
    /// 100...; 2 by default. They are signed for it, its double and its fourfold
    #[arg(long, value_name = "SAT_PER_VB", conflicts_with = "no_split")]
    feerate: Option<u64>,
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
    /// What of the pledge stays in escrow, with its refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
    /// Why its refund could not be prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_problem: Option<String>,
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
                writeln!(f, "The receipt is in {}: with it an omitted vote can be proved.", file.display())?;
            }
            None => writeln!(
                f,
                "Keep this receipt (or give --receipt FILE): with it an omitted vote can be proved."
            )?,
        }
        if let Some(kept) = &self.kept {
            write!(f, "\n{kept}")?;
        }
        match &self.kept_problem {
            Some(problem) => writeln!(
                f,
                "\nThe vote stands. But the refund of what would stay in escrow was not prepared, so nothing is paid before \
                 the last payout: {problem}\nThe same command again tries once more."
            ),
            None => Ok(()),
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
        note_vote_only(context, &task, choice);
        context.report(&Asked::write(out, task.charter(), &speaker, None, &statement, words)?)?;
        return Ok(Exit::Done);
    }
    let feerate = Feerate::choose(args.feerate, task.charter().fields().feerate_cap_sat_per_vb)?;
    let (key, mut recovery) = voting_key(context, args, &task, pledge.sponsor_key)?;
    let vote = Signed::new(task.secp(), statement, &key);
    let answer = deliver(&client, &task, submission, &vote, args.receipt.as_deref())?;
    let mut voted = Voted { answer, receipt_file: args.receipt.clone(), kept: None, kept_problem: None };
    let mut exit = Exit::Done;
    if choice == Choice::Yes && !args.no_split && task.charter().milestones() > 1 {
        match split(&client, &task, &submission.id, args.pledge, &key, feerate, recovery.as_mut()) {
            Ok(kept) => voted.kept = Some(kept),
            Err(error) => {
                voted.kept_problem = Some(format!("{error:#}"));
                exit = ErrorReport::new(&error).exit();
            }
        }
    }
    context.report(&voted)?;
    Ok(exit)
}

/// Says what a vote by another wallet leaves out.
fn note_vote_only(context: &Context<'_>, task: &CheckedTask, choice: Choice) {
    if choice == Choice::Yes && task.charter().milestones() > 1 {
        context.note(
            "Only the vote: the refund of what would stay in escrow is signed with the pledge's own key, which is not here. \
             This pledge is paid with the last payout.",
        );
    }
}

/// Hands in a vote that another wallet signed, and tells it.
pub fn deliver_alone(
    context: &Context<'_>,
    client: &Client,
    task: &CheckedTask,
    submission: &SubmissionView,
    vote: &Signed<Vote>,
    receipt: Option<&Path>,
) -> anyhow::Result<()> {
    let answer = deliver(client, task, submission, vote, receipt)?;
    note_vote_only(context, task, vote.statement.choice);
    let receipt_file = receipt.map(Path::to_owned);
    context.report(&Voted { answer, receipt_file, kept: None, kept_problem: None })
}

/// Hands a vote in, and keeps the receipt where the sponsor wants it.
fn deliver(
    client: &Client,
    task: &CheckedTask,
    submission: &SubmissionView,
    vote: &Signed<Vote>,
    receipt: Option<&Path>,
) -> anyhow::Result<ReceiptView> {
    // Before it is sent: a service that does not take it must not keep it from the signers either.
    keep(receipt, &CastVote { vote: vote.clone(), receipt: None })?;
    let answer = client.vote(vote)?;
    if answer.vote.statement != vote.statement {
        return Err(crate::client::ClientError::untrue("vote", "it kept another one than was sent").into());
    }
    task.check_receipt(&vote.statement, &answer, submission.window.as_ref())?;
    keep(receipt, &answer)?;
    Ok(answer)
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
) -> anyhow::Result<(Keypair, Option<KeptRecovery>)> {
    if let Some(keys) = args.key.sponsor(context, task.charter().network())? {
        return Ok((find_key(&keys, &sponsor_key)?, None));
    }
    let path = args.recovery.as_ref().ok_or_else(|| Failure::usage("give --key or --recovery"))?;
    let kept = read_recovery(context, path)?;
    // A pledge that moved has the same key under both charters.
    if kept.file.charter().id() != args.task {
        let message = format!("this recovery file is for task {}", kept.file.charter().id());
        return Err(Failure::refused("other_task", message).into());
    }
    let none = || Failure::refused("no_key", "the recovery file holds no key").hint("give --key FILE");
    let key = *kept.file.key().ok_or_else(none)?;
    if key.x_only_public_key().0 != sponsor_key {
        let message = format!("the recovery file is not that of pledge {}", args.pledge);
        return Err(Failure::refused("wrong_key", message).into());
    }
    Ok((key, Some(kept)))
}
