//! `upfront submission`: the developer's word that work is there to be judged.

use super::context::{Context, read_bytes};
use super::exit::{Exit, Failure};
use super::speaker::{SignerSpeaker, Words};
use super::task::submission_words;
use crate::client::CheckedTask;
use crate::escrow::statement::{CharterId, Digest, Role, Submission, SubmissionId};
use crate::service::views::SubmissionView;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum SubmissionCommand {
    /// Put work before the sponsors, as the developer
    Create(CreateArgs),
    /// Show a submission with its votes
    Show(ShowArgs),
}

#[derive(Args)]
pub struct CreateArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Where the work is
    #[arg(long, value_name = "URL")]
    link: String,
    /// What is delivered; its SHA-256 is signed
    #[arg(long, value_name = "FILE")]
    content: PathBuf,
    #[command(flatten)]
    speaker: SignerSpeaker,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Which one; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

/// A submission, as shown.
#[derive(Serialize)]
#[serde(transparent)]
pub struct SubmissionReport(pub SubmissionView);

impl fmt::Display for SubmissionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&submission_words(&self.0))
    }
}

/// The submission that is meant, with its id and the developer's signature checked.
pub fn find(task: &CheckedTask, id: Option<SubmissionId>) -> anyhow::Result<&SubmissionView> {
    Ok(task.submission(id)?.ok_or_else(|| match id {
        Some(id) => Failure::refused("unknown_submission", format!("there is no submission {id}")),
        None => Failure::not_yet("no_submission", "no work was submitted yet"),
    })?)
}

pub fn run(context: &Context<'_>, command: SubmissionCommand) -> anyhow::Result<Exit> {
    match command {
        SubmissionCommand::Create(args) => create(context, &args)?,
        SubmissionCommand::Show(ShowArgs { task, submission }) => {
            let task = CheckedTask::fetch(&context.client(), &task)?;
            context.report(&SubmissionReport(find(&task, submission)?.clone()))?;
        }
    }
    Ok(Exit::Done)
}

fn create(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<()> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let unknown =
        || Failure::not_yet("chain_unknown", "the service does not know the chain yet; try again shortly");
    let tip = task.view().tip.ok_or_else(unknown)?;
    let number = u32::try_from(task.view().submissions.len());
    let statement = Submission {
        network: task.charter().network(),
        charter: args.task,
        number: number.map_err(|_| Failure::refused("submission_number", "too many submissions"))?,
        link: args.link.clone(),
        content: Digest::of(&read_bytes(&args.content)?),
        block_height: tip.height,
        block_hash: tip.hash,
        milestone: None,
        named: None,
    };
    let words = |statement| Words::Submission { statement };
    if let Some(signed) = args.speaker.say(context, task.charter(), Role::Developer, statement, words)? {
        context.report(&SubmissionReport(client.submit_work(&signed)?))?;
    }
    Ok(())
}
